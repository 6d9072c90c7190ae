"""What the recurrent cells share: kernels, gates, dropout, and what a loop computes once.

A cell has `G` gates and two kernels, `(d, in, G*units)` and `(d, units, G*units)`, gates in Keras's
order. Its pre-activations are those of a dense layer with `G*units` elements, so they and the bias
`(d*G*units,)` are component-major: all gates of the first component, then all of the second one.
Inside a cell they are reordered *gate-major*, `(..., G*d*units)`, where each gate is one
component-major block; when d = 1 both orders are the same.

In the layers of this package, the input's product is computed for all time steps together, and
what else does not change over time once before the loop (`CellBody.prepare`); a cell that runs in
`keras.layers.RNN` does both at every step.
"""

from dataclasses import dataclass
from typing import Any

import keras
from keras import constraints, initializers, ops, regularizers

from .. import activations, parametrizations
from .. import initializers as algebra_initializers
from ..algebras import Algebra
from ..ops import dispatch, layout
from ..ops.product import expand_kernel
from ..parametrizations import Parametrization
from ..parametrizations.unitary import has_unitary
from .activation import ActivationHostMixin
from .algebra_layer import AlgebraLayerMixin
from .recurrent_dropout import CellDropoutMixin, check_rates, dropped

Tensor = Any

# Real width of the state from which a loop over matrix elements repays (LSTM training step, CPU:
# equal at 128, at 256 half the time).
_MIN_MATRIX_WIDTH = 256


class CellBody(CellDropoutMixin, ActivationHostMixin, AlgebraLayerMixin):
    """The logic of a recurrent cell; subclasses set `num_gates` and `num_states` and step."""

    num_gates = 1
    num_states = 1
    # Keras's cells draw their default seeds in this order; with it, a global seed makes our cells
    # start like theirs.
    _seed_before_initializers = False

    def __init__(
        self,
        units: int,
        *,
        activation: Any,
        use_bias: bool,
        kernel_initializer: Any,
        recurrent_initializer: Any,
        bias_initializer: Any,
        kernel_regularizer: Any,
        recurrent_regularizer: Any,
        bias_regularizer: Any,
        kernel_constraint: Any,
        recurrent_constraint: Any,
        bias_constraint: Any,
        dropout: float,
        recurrent_dropout: float,
        seed: int | None,
        algebra: Any,
        parametrization: Any,
        method: str,
        **kwargs: Any,
    ):
        _check_units(units)
        check_rates(dropout=dropout, recurrent_dropout=recurrent_dropout)
        generator = keras.random.SeedGenerator(seed) if self._seed_before_initializers else None
        super().__init__(**kwargs)
        self._set_algebra(algebra)
        self.units = units
        self._set_activation(activation)
        self.use_bias = use_bias
        self.kernel_initializer = algebra_initializers.get(kernel_initializer)
        self.recurrent_initializer = algebra_initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = regularizers.get(recurrent_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.recurrent_constraint = constraints.get(recurrent_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self._set_dropout(dropout, recurrent_dropout)
        self.seed = seed
        self.seed_generator = generator or keras.random.SeedGenerator(seed)
        self.parametrization = parametrizations.get(parametrization)
        self.method = method
        self._product = dispatch.get(method, self.algebra)
        size = self.algebra.dimension * units
        self.state_size = size if self.num_states == 1 else [size] * self.num_states
        self.output_size = size
        self.bias = None
        self._prepared: RecurrentWeights | None = None

    # Weights.

    def build(self, input_shape: tuple) -> None:
        """Create the variables for a time step `(batch, d*in)`."""
        n, columns = self._num_elements(input_shape), self.num_gates * self.units
        self.kernel_parametrization = self.parametrization.build(
            self,
            self.algebra,
            (n, columns),
            initializer=algebra_initializers.for_kernel(self.kernel_initializer, self.algebra),
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.recurrent_parametrization = self._recurrent_description().build(
            self,
            self.algebra,
            (self.units, columns),
            name="recurrent_kernel",
            initializer=for_recurrent_kernel(self.recurrent_initializer, self.algebra),
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=self._bias_shape(),
                initializer=self._start_bias,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self._build_activation((*input_shape[:-1], self.algebra.dimension * self.units))
        self.built = True

    def _recurrent_description(self) -> Parametrization:
        return self.parametrization

    def _bias_shape(self) -> tuple[int, ...]:
        return (self.algebra.dimension * self.num_gates * self.units,)

    def _start_bias(self, shape: tuple[int, ...], dtype: Any = None) -> Tensor:
        return self.bias_initializer(shape, dtype=dtype)

    @property
    def parametrizations(self) -> list[Parametrization]:
        """The built parametrizations: of the kernel, then of the recurrent kernel."""
        return [self.kernel_parametrization, self.recurrent_parametrization]

    @property
    def kernel(self) -> Tensor:
        """The effective kernel of the input, `(d, in, G*units)`, gates in Keras's order."""
        return self._built("kernel_parametrization").kernel()

    @property
    def recurrent_kernel(self) -> Tensor:
        """The effective kernel of the state, `(d, units, G*units)`, gates in Keras's order."""
        return self._built("recurrent_parametrization").kernel()

    def _built(self, name: str) -> Parametrization:
        if not self.built:
            raise AttributeError(
                f"The cell '{self.name}' has no kernels yet: call it on data, or `build` it first."
            )
        return getattr(self, name)

    # Products.

    def _input_product(self, x: Tensor, training: bool) -> Tensor:
        """Gate-major: kernel times `(batch, d*in)` or `(batch, time, d*in)`, plus the bias."""
        masks = [None]
        if training and self.dropout:
            masks = self.get_dropout_mask(x if len(x.shape) == 2 else x[:, 0, :])
        kernel, count = self.kernel, self.num_gates // len(masks)
        products = [
            self._times(dropped(x, mask), self._gates_of(kernel, i * count, count))
            for i, mask in enumerate(masks)
        ]
        y = products[0] if len(products) == 1 else ops.concatenate(products, axis=-1)
        bias = self._gate_bias(0)
        return y if bias is None else ops.add(y, bias)

    def _recurrent_weights(self) -> "RecurrentWeights":
        """What the steps need of the recurrent kernel; a loop computes it once."""
        if self._prepared is not None:
            return self._prepared
        kernel, bias, start = self.recurrent_kernel, self._gate_bias(1), 0
        kernels, biases = [], []
        for count in self._groups:
            part = self._gates_of(kernel, start, count)
            if self._expands:
                part = self._gate_major(expand_kernel(part, self.algebra))
            size = self.output_size
            kernels.append(part)
            biases.append(None if bias is None else bias[start * size : (start + count) * size])
            start += count
        return RecurrentWeights(kernels, biases)

    def _recurrent_product(
        self, h: Tensor, weights: "RecurrentWeights", group: int, training: bool
    ) -> list[Tensor]:
        """The gates of one group: recurrent kernel times the state `(batch, d*units)`, and bias."""
        if training and self.recurrent_dropout:
            h = dropped(h, self.get_recurrent_dropout_mask(h)[group])
        kernel, bias = weights.kernels[group], weights.biases[group]
        y = ops.matmul(h, kernel) if self._expands else self._times(h, kernel)
        return self._split(y if bias is None else ops.add(y, bias))

    def _recurrent_gates(
        self, h: Tensor, weights: "RecurrentWeights", training: bool, stop: int | None = None
    ) -> list[Tensor]:
        """`_recurrent_product` of all gates, or of the first `stop` groups."""
        groups = range(len(weights.kernels) if stop is None else stop)
        return [y for g in groups for y in self._recurrent_product(h, weights, g, training)]

    @property
    def _groups(self) -> tuple[int, ...]:
        """How many gates share a recurrent product; with recurrent dropout each has its own."""
        return (1,) * self.num_gates if self.recurrent_dropout else (self.num_gates,)

    @property
    def _expands(self) -> bool:
        """Whether the recurrent kernel is expanded to a real matrix, once for all steps.

        In a loop this beats the forms with fewer multiplications, which combine kernels at every
        step; that of matrix algebras, which only permutes them, is better for wide states.
        """
        if self.method != "auto":
            return self.method == "expanded"
        return self.algebra.matrix is None or self.output_size < _MIN_MATRIX_WIDTH

    def _times(self, x: Tensor, kernel: Tensor) -> Tensor:
        return self._gate_major(self._product(x, kernel, self.algebra))

    def _gates_of(self, kernel: Tensor, start: int, count: int) -> Tensor:
        if count == self.num_gates:
            return kernel
        return kernel[..., start * self.units : (start + count) * self.units]

    def _gate_bias(self, index: int) -> Tensor | None:
        """Gate-major bias of the input's product (0), or of the recurrent one (1)."""
        if self.bias is None or index == 1:
            return None
        return self._gate_major(ops.convert_to_tensor(self.bias))

    def _gate_major(self, y: Tensor) -> Tensor:
        """`(..., d*G*units)`, component-major, to `(..., G*d*units)`, for any number of gates."""
        d, gates = self.algebra.dimension, y.shape[-1] // self.output_size
        if d == 1 or gates == 1:
            return y
        leading = tuple(ops.shape(y))[:-1]
        y = ops.swapaxes(ops.reshape(y, (*leading, d, gates, self.units)), -3, -2)
        return ops.reshape(y, (*leading, gates * d * self.units))

    def _split(self, y: Tensor) -> list[Tensor]:
        """The gates of a gate-major tensor, each `(..., d*units)`, component-major."""
        gates = y.shape[-1] // self.output_size
        return [y] if gates == 1 else list(ops.split(y, gates, axis=-1))

    # The loop over time.

    def prepare(self, sequences: Tensor, training: bool) -> Tensor:
        """Begin a sequence: what the steps take instead of `(batch, time, d*in)`.

        Until `finish`, the cell expects time steps of the returned tensor, the products of the
        input, and keeps its recurrent weights as they are.
        """
        products = self._input_product(sequences, training)
        self._prepared = self._recurrent_weights()
        return products

    def finish(self) -> None:
        """End a sequence."""
        self._prepared = None

    def _input_gates(self, inputs: Tensor, training: bool) -> list[Tensor]:
        """The gates' pre-activations from a time step of the input."""
        ready = self._prepared is not None
        return self._split(inputs if ready else self._input_product(inputs, training))

    def get_initial_state(self, batch_size: int | None = None) -> list[Tensor]:
        """Zeros."""
        shape = (batch_size, self.output_size)
        return [ops.zeros(shape, dtype=self.compute_dtype) for _ in range(self.num_states)]

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {
            **super().get_config(),
            "units": self.units,
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "recurrent_initializer": initializers.serialize(self.recurrent_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "recurrent_regularizer": regularizers.serialize(self.recurrent_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "recurrent_constraint": constraints.serialize(self.recurrent_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
            "seed": self.seed,
            "parametrization": parametrizations.serialize(self.parametrization),
            "method": self.method,
        }


class GatedCellBody(CellBody):
    """A cell with gates: a recurrent activation, and what it acts on."""

    def _set_gates(self, recurrent_activation: Any, gate: str) -> None:
        self.recurrent_activation = activations.get(recurrent_activation, self.algebra)
        if self.recurrent_activation.weight_specs:
            raise ValueError(
                "Expected `recurrent_activation` to be an activation without weights, such as "
                f"'sigmoid'. Received: recurrent_activation={recurrent_activation!r}"
            )
        if gate not in ("component", "element"):
            raise ValueError(
                "Expected `gate` to be 'component' (a gate for each real component) or 'element' "
                "(one for each element, from the mean of its components). "
                f"Received: gate={gate!r}"
            )
        self.gate = gate

    def _gate(self, y: Tensor) -> Tensor:
        """Real gates from pre-activations, both `(batch, d*units)`."""
        if self.gate == "component":
            return self.recurrent_activation(y, algebra=self.algebra)
        d = self.algebra.dimension
        mean = ops.mean(layout.to_axis(y, d), axis=-2)
        return layout.repeat(self.recurrent_activation(mean, algebra="real"), d)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {
            **super().get_config(),
            "recurrent_activation": activations.serialize(self.recurrent_activation),
            "gate": self.gate,
        }


@dataclass(frozen=True)
class RecurrentWeights:
    """For each group of gates the recurrent kernel, as the product takes it, and a bias or None."""

    kernels: list[Tensor]
    biases: list[Tensor | None]


def for_recurrent_kernel(identifier: Any, algebra: Algebra) -> Any:
    """What draws a recurrent kernel: `initializers.for_kernel`, and one rule for `"orthogonal"`.

    In an algebra without unitary kernels, `"orthogonal"` draws normal components whose product
    keeps the mean square of its input, the best that exists there: the default of the recurrent
    layers then serves every algebra.
    """
    initializer = algebra_initializers.get(identifier)
    if isinstance(initializer, keras.initializers.Orthogonal) and not has_unitary(algebra):
        return algebra_initializers.AlgebraVarianceScaling(
            algebra,
            scale=initializer.gain**2,
            mode="fan_out",
            distribution="untruncated_normal",
            seed=initializer.seed,
        )
    return algebra_initializers.for_kernel(initializer, algebra)


def _check_units(units: Any) -> None:
    if not isinstance(units, int) or units <= 0:
        raise ValueError(
            "Expected `units` to be a positive integer, the number of algebra elements of the "
            f"state. Received: units={units}"
        )
