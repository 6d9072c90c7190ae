"""The simple recurrent layer over an algebra, with a unitary form."""

from typing import Any

import keras

from ..parametrizations import Parametrization
from ..parametrizations.unitary import Unitary, require_unitary
from .algebra_layer import register
from .recurrent import RecurrentBody
from .recurrent_cell import CellBody
from .recurrent_dropout import KerasCell

Tensor = Any


class SimpleRNNCellBody(CellBody):
    """The logic of `AlgebraSimpleRNNCell`, for any Keras base class."""

    _seed_before_initializers = True

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        *,
        algebra: Any = "complex",
        parametrization: Any = None,
        method: str = "auto",
        recurrent_unitary: bool = False,
        **kwargs: Any,
    ):
        super().__init__(
            units,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            algebra=algebra,
            parametrization=parametrization,
            method=method,
            **kwargs,
        )
        if recurrent_unitary:
            require_unitary(self.algebra)
            if self.recurrent_constraint is not None:
                raise ValueError(
                    "With `recurrent_unitary=True` the recurrent kernel is kept unitary, which no "
                    "other constraint may undo. Leave `recurrent_constraint` at None. "
                    f"Received: recurrent_constraint={recurrent_constraint!r}"
                )
        self.recurrent_unitary = recurrent_unitary

    def call(self, sequence: Tensor, states: Any, training: bool = False) -> tuple[Tensor, Any]:
        """One step, from `(batch, d*in)` and the state `(batch, d*units)`."""
        nested = isinstance(states, list | tuple)
        h = states[0] if nested else states
        (x,) = self._input_gates(sequence, training)
        (y,) = self._recurrent_gates(h, self._recurrent_weights(), training)
        output = self._activate(x + y)
        return output, [output] if nested else output

    def _recurrent_description(self) -> Parametrization:
        return Unitary() if self.recurrent_unitary else self.parametrization

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "recurrent_unitary": self.recurrent_unitary}


@register
class AlgebraSimpleRNNCell(SimpleRNNCellBody, KerasCell):
    """One step of `AlgebraSimpleRNN`, for `keras.layers.RNN` and `StackedRNNCells`.

    `h_t = activation(W * x_t + b + R * h_(t-1))`. The layer `AlgebraSimpleRNN` is the faster way to
    run one cell over a sequence: it computes the products `W * x_t` for all steps together.

    Args:
        units: number of elements of the state.
        activation: as in `AlgebraSimpleRNN`, and so are all others.
        use_bias: whether to add a bias.
        kernel_initializer: of the input's kernel.
        recurrent_initializer: of the recurrent kernel.
        bias_initializer: of the bias.
        kernel_regularizer: of the input's kernel.
        recurrent_regularizer: of the recurrent kernel.
        bias_regularizer: of the bias.
        kernel_constraint: of the input's stored kernel.
        recurrent_constraint: of the stored recurrent kernel.
        bias_constraint: of the bias.
        dropout: fraction of the input's elements to drop.
        recurrent_dropout: fraction of the state's elements to drop.
        seed: integer seed of the dropout.
        algebra: name of an algebra, an `Algebra` or its config.
        parametrization: which variables make the kernels.
        method: how the products are computed.
        recurrent_unitary: whether the recurrent kernel is kept unitary.
        **kwargs: of every Keras layer.

    Call arguments:
        sequence: one time step, `(batch, d*in)`.
        states: the state `(batch, d*units)`, or a list of it.
        training: whether to drop.

    Output shape:
        `(batch, d*units)`, and the new state as `states` was given.

    Raises:
        ValueError: as `AlgebraSimpleRNN`.

    Example:

    >>> import keras
    >>> layer = keras.layers.RNN(AlgebraSimpleRNNCell(3))
    >>> layer(keras.ops.ones((2, 5, 2 * 4))).shape
    TensorShape([2, 6])
    """


class SimpleRNNBody(RecurrentBody):
    """The logic of `AlgebraSimpleRNN`, for `keras.layers.RNN`."""

    cell_class = AlgebraSimpleRNNCell

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: int | None = None,
        *,
        algebra: Any = "complex",
        parametrization: Any = None,
        method: str = "auto",
        recurrent_unitary: bool = False,
        **kwargs: Any,
    ):
        cell = self.cell_class(
            units,
            activation,
            use_bias,
            kernel_initializer,
            recurrent_initializer,
            bias_initializer,
            kernel_regularizer,
            recurrent_regularizer,
            bias_regularizer,
            kernel_constraint,
            recurrent_constraint,
            bias_constraint,
            dropout,
            recurrent_dropout,
            seed,
            algebra=algebra,
            parametrization=parametrization,
            method=method,
            recurrent_unitary=recurrent_unitary,
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
            name="simple_rnn_cell",
        )
        super().__init__(
            cell,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )


@register
class AlgebraSimpleRNN(SimpleRNNBody, keras.layers.RNN):
    """Fully-connected recurrent layer whose numbers live in an algebra.

    `h_t = activation(W * x_t + b + R * h_(t-1))`, the output is `h_t`. The weights act from the
    left; `W` is `cell.kernel`, `(d, in, units)`, `R` is `cell.recurrent_kernel`,
    `(d, units, units)`.

    `recurrent_unitary=True` keeps `R` unitary while it trains (real: orthogonal, complex: unitary,
    quaternion: symplectic): after every optimizer step it is replaced by the nearest unitary kernel
    (`keras_phase.parametrizations.unitary.Unitary`). States and gradients then neither grow nor
    fade through `R`, however long the sequence; what the activation does to them remains
    (`activation="modrelu"` starts as the identity).

    `algebra="real"` equals `keras.layers.SimpleRNN`, weight for weight; outputs to rounding, for
    the input's products are computed for all time steps together. (Keras's layer ignores
    `activity_regularizer`, this one adds it.)

    Args:
        units: number of elements of the state; the output's last axis is `d*units`.
        activation: name of an activation of `keras_phase.activations`, else of Keras (applied to
            each component), or a callable.
        use_bias: whether to add a bias, `(d*units,)`.
        kernel_initializer: of the input's kernel. Keras's variance-scaling names are scaled by the
            algebra's gain.
        recurrent_initializer: of the recurrent kernel. `"orthogonal"` draws a unitary kernel; in
            an algebra without such kernels (dual, cross, octonion) a normal one whose product
            keeps the mean square of its input.
        bias_initializer: of the bias.
        kernel_regularizer: of the input's kernel, its real components.
        recurrent_regularizer: of the recurrent kernel.
        bias_regularizer: of the bias.
        activity_regularizer: of the output.
        kernel_constraint: of the input's stored kernel `(d, in, units)`.
        recurrent_constraint: of the stored recurrent kernel `(d, units, units)`.
        bias_constraint: of the bias.
        dropout: fraction of the input's elements to drop, the same ones at all time steps.
        recurrent_dropout: fraction of the state's elements to drop.
        return_sequences: whether to return the outputs of all time steps, or the last one.
        return_state: whether to return the last state too.
        go_backwards: whether to run from the last time step to the first.
        stateful: whether each batch starts from the states where the one before ended.
        unroll: whether to build the graph of every time step instead of a loop.
        seed: integer seed of the dropout.
        algebra: name of an algebra, an `Algebra` or its config.
        parametrization: which variables make the kernels, as in `AlgebraDense`.
        method: how the products are computed, as in `AlgebraDense`. `"auto"` expands the recurrent
            kernel once before the loop.
        recurrent_unitary: whether the recurrent kernel is kept unitary; `parametrization` then is
            that of the input's kernel only.
        **kwargs: of every Keras layer.

    Call arguments:
        sequences: `(batch, time, d*in)`.
        initial_state: list with the state `(batch, d*units)`; zeros if None.
        mask: `(batch, time)`, False at the time steps to skip.
        training: whether to drop.

    Input shape:
        `(batch, time, d*in)`.

    Output shape:
        `(batch, d*units)`, with `return_sequences` `(batch, time, d*units)`.

    Raises:
        ValueError: if `units` is not positive, a dropout rate is outside [0, 1), the input's last
            axis is not a multiple of `d`, `method` cannot serve the algebra, or with
            `recurrent_unitary` if the algebra has no unitary kernels.

    Reference:
        Arjovsky et al., "Unitary evolution recurrent neural networks", arXiv 1511.06464.

    Example:

    >>> import keras
    >>> layer = AlgebraSimpleRNN(3, recurrent_unitary=True, return_sequences=True)
    >>> layer(keras.ops.ones((2, 5, 2 * 4))).shape
    TensorShape([2, 5, 6])
    """
