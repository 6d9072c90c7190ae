"""Gated recurrent unit over an algebra."""

from typing import Any

import keras
from keras import ops, tree

from .algebra_layer import register
from .recurrent import RecurrentBody, check_use_cudnn
from .recurrent_cell import GatedCellBody
from .recurrent_dropout import KerasCell

Tensor = Any


class GRUCellBody(GatedCellBody):
    """The logic of `AlgebraGRUCell`, for any Keras base class."""

    num_gates = 3

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
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
        reset_after: bool = True,
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
        self.reset_after = reset_after

    @property
    def _groups(self) -> tuple[int, ...]:
        # Without `reset_after` the candidate's product waits for the reset gate.
        return super()._groups if self.reset_after or self.recurrent_dropout else (2, 1)

    def _bias_shape(self) -> tuple[int, ...]:
        shape = super()._bias_shape()
        return (2, *shape) if self.reset_after else shape

    def _gate_bias(self, index: int) -> Tensor | None:
        if self.bias is None or not self.reset_after:
            return super()._gate_bias(index)
        return self._gate_major(ops.convert_to_tensor(self.bias)[index])

    def call(self, inputs: Tensor, states: Any, training: bool = False) -> tuple[Tensor, Any]:
        """One step, from `(batch, d*in)` and the state `(batch, d*units)`."""
        nested = tree.is_nested(states)
        h = states[0] if nested else states
        weights = self._recurrent_weights()
        x_z, x_r, x_h = self._input_gates(inputs, training)
        if self.reset_after:
            r_z, r_r, r_h = self._recurrent_gates(h, weights, training)
            z, r = self._gate(x_z + r_z), self._gate(x_r + r_r)
            candidate = self._activate(x_h + r * r_h)
        else:
            last = len(weights.kernels) - 1
            r_z, r_r = self._recurrent_gates(h, weights, training, stop=last)
            z, r = self._gate(x_z + r_z), self._gate(x_r + r_r)
            (r_h,) = self._recurrent_product(r * h, weights, last, training)
            candidate = self._activate(x_h + r_h)
        h = z * h + (1 - z) * candidate
        return h, [h] if nested else h

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "reset_after": self.reset_after}


@register
class AlgebraGRUCell(GRUCellBody, KerasCell):
    """One step of `AlgebraGRU`, for `keras.layers.RNN` and `StackedRNNCells`.

    The layer `AlgebraGRU`, which has the equations, is the faster way to run one cell over a
    sequence: it computes the products of the input for all steps together.

    Args:
        units: number of elements of the state.
        activation: as in `AlgebraGRU`, and so are all others.
        recurrent_activation: of the gates.
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
        reset_after: whether the reset gate acts after the recurrent product.
        seed: integer seed of the dropout.
        algebra: name of an algebra, an `Algebra` or its config.
        parametrization: which variables make the kernels.
        method: how the products are computed.
        gate: `"component"` or `"element"`.
        **kwargs: of every Keras layer.

    Call arguments:
        inputs: one time step, `(batch, d*in)`.
        states: the state `(batch, d*units)`, or a list of it.
        training: whether to drop.

    Output shape:
        `(batch, d*units)`, and the new state as `states` was given.

    Raises:
        ValueError: as `AlgebraGRU`.

    Example:

    >>> import keras
    >>> layer = keras.layers.RNN(AlgebraGRUCell(3), return_sequences=True)
    >>> layer(keras.ops.ones((2, 5, 2 * 4))).shape
    TensorShape([2, 5, 6])
    """


class GRUBody(RecurrentBody):
    """The logic of `AlgebraGRU`, for `keras.layers.RNN`."""

    cell_class = AlgebraGRUCell

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
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
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        reset_after: bool = True,
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
            kernel_regularizer,
            recurrent_regularizer,
            bias_regularizer,
            kernel_constraint,
            recurrent_constraint,
            bias_constraint,
            dropout,
            recurrent_dropout,
            reset_after,
            seed,
            algebra=algebra,
            parametrization=parametrization,
            method=method,
            gate=gate,
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
            name="gru_cell",
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
class AlgebraGRU(GRUBody, keras.layers.RNN):
    """Gated recurrent unit whose numbers live in an algebra.

        z = s(W_z * x + R_z * h + b_z)        h' = z . h + (1 - z) . g
        r = s(W_r * x + R_r * h + b_r)        g = act(W_h * x + b_h + r . (R_h * h + b'_h))

    `*` is the algebra's product, weights on the left; `.` multiplies component by component with
    real gates; `s` is `recurrent_activation`. With `reset_after=False` it is
    `g = act(W_h * x + R_h * (r . h) + b_h)`. With `gate="component"` each component of an element
    has a gate of its own, from that component of the pre-activation; with `gate="element"` all
    components share one, from their mean, so that a gate never turns the state.

    The kernels are `cell.kernel`, `(d, in, 3*units)`, and `cell.recurrent_kernel`,
    `(d, units, 3*units)`, the bias is `(2, d*3*units)`, of the input's and of the recurrent
    product, or `(d*3*units,)` without `reset_after`: gates in Keras's order z, r, h, within each
    component.

    `algebra="real"` equals `keras.layers.GRU`, weight for weight; outputs to rounding, for the
    input's products are computed for all time steps together. See `AlgebraLSTM` for
    `keras.layers.Bidirectional`.

    Args:
        units: number of elements of the state; the output's last axis is `d*units`.
        activation: of the candidate: name of an activation of `keras_phase.activations`, else of
            Keras (applied to each component), or a callable.
        recurrent_activation: of the gates, one without weights.
        use_bias: whether to add a bias.
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
        kernel_constraint: of the input's stored kernel `(d, in, 3*units)`.
        recurrent_constraint: of the stored recurrent kernel `(d, units, 3*units)`.
        bias_constraint: of the bias.
        dropout: fraction of the input's elements to drop, the same ones at all time steps.
        recurrent_dropout: fraction of the state's elements to drop.
        seed: integer seed of the dropout.
        return_sequences: whether to return the outputs of all time steps, or the last one.
        return_state: whether to return the last state too.
        go_backwards: whether to run from the last time step to the first.
        stateful: whether each batch starts from the states where the one before ended.
        unroll: whether to build the graph of every time step instead of a loop.
        reset_after: whether the reset gate acts after the recurrent product, or before it.
        use_cudnn: `"auto"` or False; cuDNN has no layer over an algebra.
        algebra: name of an algebra, an `Algebra` or its config.
        parametrization: which variables make the kernels, as in `AlgebraDense`.
        method: how the products are computed, as in `AlgebraDense`. `"auto"` expands the recurrent
            kernel once before the loop.
        gate: `"component"` or `"element"`.
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
            axis is not a multiple of `d`, `method` cannot serve the algebra, or `gate`,
            `use_cudnn` or `recurrent_activation` is none of the above.

    Reference:
        Cho et al., "Learning phrase representations using RNN encoder-decoder", arXiv 1406.1078;
        Wolter and Yao, "Complex gated recurrent neural networks", arXiv 1806.08267.

    Example:

    >>> import keras
    >>> layer = AlgebraGRU(3, algebra="quaternion")
    >>> layer(keras.ops.ones((2, 5, 4 * 6))).shape
    TensorShape([2, 12])
    """
