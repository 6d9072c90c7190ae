"""Long short-term memory over an algebra."""

from typing import Any

import keras
from keras import ops

from .algebra_layer import register
from .recurrent import RecurrentBody, check_use_cudnn
from .recurrent_cell import GatedCellBody
from .recurrent_dropout import KerasCell

Tensor = Any


class LSTMCellBody(GatedCellBody):
    """The logic of `AlgebraLSTMCell`, for any Keras base class."""

    num_gates = 4
    num_states = 2

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
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
        gate: str = "component",
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
        self._set_gates(recurrent_activation, gate)
        self.unit_forget_bias = unit_forget_bias

    def _start_bias(self, shape: tuple[int, ...], dtype: Any = None) -> Tensor:
        if not self.unit_forget_bias:
            return self.bias_initializer(shape, dtype=dtype)
        u = self.units
        parts = []
        for _ in range(self.algebra.dimension):
            parts += [
                self.bias_initializer((u,), dtype=dtype),
                ops.ones((u,), dtype=dtype),
                self.bias_initializer((2 * u,), dtype=dtype),
            ]
        return ops.concatenate(parts)

    def call(
        self, inputs: Tensor, states: Any, training: bool = False
    ) -> tuple[Tensor, list[Tensor]]:
        """One step, from `(batch, d*in)` and the states `h` and `c`, each `(batch, d*units)`."""
        h, c = states
        x = self._input_gates(inputs, training)
        r = self._recurrent_gates(h, self._recurrent_weights(), training)
        i, f, candidate, o = (ops.add(a, b) for a, b in zip(x, r, strict=True))
        c = self._gate(f) * c + self._gate(i) * self._activate(candidate)
        h = self._gate(o) * self._activate(c)
        return h, [h, c]

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "unit_forget_bias": self.unit_forget_bias}


@register
class AlgebraLSTMCell(LSTMCellBody, KerasCell):
    """One step of `AlgebraLSTM`, for `keras.layers.RNN` and `StackedRNNCells`.

    The layer `AlgebraLSTM`, which has the equations, is the faster way to run one cell over a
    sequence: it computes the products of the input for all steps together.

    Args:
        units: number of elements of each state.
        activation: as in `AlgebraLSTM`, and so are all others.
        recurrent_activation: of the gates.
        use_bias: whether to add a bias.
        kernel_initializer: of the input's kernel.
        recurrent_initializer: of the recurrent kernel.
        bias_initializer: of the bias.
        unit_forget_bias: whether the forget gates' bias starts at 1.
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
        gate: `"component"` or `"element"`.
        **kwargs: of every Keras layer.

    Call arguments:
        inputs: one time step, `(batch, d*in)`.
        states: list of `h` and `c`, each `(batch, d*units)`.
        training: whether to drop.

    Output shape:
        `(batch, d*units)`, and the list of the two new states.

    Raises:
        ValueError: as `AlgebraLSTM`.

    Example:

    >>> import keras
    >>> cells = [AlgebraLSTMCell(3), AlgebraLSTMCell(5)]
    >>> layer = keras.layers.RNN(keras.layers.StackedRNNCells(cells))
    >>> layer(keras.ops.ones((2, 7, 2 * 4))).shape
    TensorShape([2, 10])
    """


class LSTMBody(RecurrentBody):
    """The logic of `AlgebraLSTM`, for `keras.layers.RNN`."""

    cell_class = AlgebraLSTMCell

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        use_cudnn: Any = "auto",
        *,
        algebra: Any = "complex",
        parametrization: Any = None,
        method: str = "auto",
        gate: str = "component",
        **kwargs: Any,
    ):
        check_use_cudnn(use_cudnn)
        cell = self.cell_class(
            units,
            activation,
            recurrent_activation,
            use_bias,
            kernel_initializer,
            recurrent_initializer,
            bias_initializer,
            unit_forget_bias,
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
            gate=gate,
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
            name="lstm_cell",
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
        self.use_cudnn = use_cudnn

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "use_cudnn": self.use_cudnn}


@register
class AlgebraLSTM(LSTMBody, keras.layers.RNN):
    """Long short-term memory whose numbers live in an algebra.

        i = s(W_i * x + R_i * h + b_i)        c' = f . c + i . act(W_c * x + R_c * h + b_c)
        f = s(W_f * x + R_f * h + b_f)        h' = o . act(c')
        o = s(W_o * x + R_o * h + b_o)

    `*` is the algebra's product, weights on the left; `.` multiplies component by component with
    real gates; `s` is `recurrent_activation`. With `gate="component"` each component of an element
    has a gate of its own, from that component of the pre-activation. With `gate="element"` all
    components of an element share one, from their mean, so that a gate changes the modulus of the
    state and not its direction. (A gate from the modulus alone could not close: `sigmoid` of a
    modulus is at least 1/2.)

    The kernels are `cell.kernel`, `(d, in, 4*units)`, and `cell.recurrent_kernel`,
    `(d, units, 4*units)`, the bias is `(d*4*units,)`: gates in Keras's order i, f, c, o, within
    each component.

    `algebra="real"` equals `keras.layers.LSTM`, weight for weight; outputs to rounding, for the
    input's products are computed for all time steps together.

    In `keras.layers.Bidirectional`, `merge_mode="concat"` puts the elements of one direction after
    those of the other, not component by component: take `"sum"` or `"ave"`, or `None` and
    `AlgebraConcatenate`.

    Args:
        units: number of elements of each state; the output's last axis is `d*units`.
        activation: of the candidate and the output: name of an activation of
            `keras_phase.activations`, else of Keras (applied to each component), or a callable.
        recurrent_activation: of the gates, one without weights.
        use_bias: whether to add a bias, `(d*4*units,)`.
        kernel_initializer: of the input's kernel. Keras's variance-scaling names are scaled by the
            algebra's gain.
        recurrent_initializer: of the recurrent kernel. `"orthogonal"` draws a unitary kernel; in
            an algebra without such kernels (dual, cross, octonion) a normal one whose product
            keeps the mean square of its input.
        bias_initializer: of the bias.
        unit_forget_bias: whether all components of the forget gates' bias start at 1.
        kernel_regularizer: of the input's kernel, its real components.
        recurrent_regularizer: of the recurrent kernel.
        bias_regularizer: of the bias.
        activity_regularizer: of the output.
        kernel_constraint: of the input's stored kernel `(d, in, 4*units)`.
        recurrent_constraint: of the stored recurrent kernel `(d, units, 4*units)`.
        bias_constraint: of the bias.
        dropout: fraction of the input's elements to drop, the same ones at all time steps.
        recurrent_dropout: fraction of the state's elements to drop.
        seed: integer seed of the dropout.
        return_sequences: whether to return the outputs of all time steps, or the last one.
        return_state: whether to return the last states `h` and `c` too.
        go_backwards: whether to run from the last time step to the first.
        stateful: whether each batch starts from the states where the one before ended.
        unroll: whether to build the graph of every time step instead of a loop.
        use_cudnn: `"auto"` or False; cuDNN has no layer over an algebra.
        algebra: name of an algebra, an `Algebra` or its config.
        parametrization: which variables make the kernels, as in `AlgebraDense`.
        method: how the products are computed, as in `AlgebraDense`. `"auto"` expands the recurrent
            kernel once before the loop.
        gate: `"component"` or `"element"`.
        **kwargs: of every Keras layer.

    Call arguments:
        sequences: `(batch, time, d*in)`.
        initial_state: list of `h` and `c`, each `(batch, d*units)`; zeros if None.
        mask: `(batch, time)`, False at the time steps to skip.
        training: whether to drop.

    Input shape:
        `(batch, time, d*in)`.

    Output shape:
        `(batch, d*units)`, with `return_sequences` `(batch, time, d*units)`.

    Raises:
        ValueError: if `units` is not positive, a dropout rate is outside [0, 1), the input's last
            axis is not a multiple of `d`, `method` cannot serve the algebra, or `gate`,
            `use_cudnn` or `recurrent_activation` is none of the above.

    Reference:
        Parcollet et al., "Quaternion recurrent neural networks", arXiv 1806.04418, section 3
        (split gates); Wolter and Yao, "Complex gated recurrent neural networks", arXiv 1806.08267
        (gates from a weighted mean of the parts).

    Example:

    >>> import keras
    >>> layer = AlgebraLSTM(3, algebra="quaternion", return_sequences=True)
    >>> layer(keras.ops.ones((2, 5, 4 * 6))).shape
    TensorShape([2, 5, 12])
    """
