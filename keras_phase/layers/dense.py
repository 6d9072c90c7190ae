"""Dense layers over an algebra."""

from typing import Any

import keras
from keras import constraints, initializers, ops, regularizers

from .. import initializers as algebra_initializers
from .. import parametrizations
from ..ops import dispatch, layout
from ..ops.modulus import modulus_axis, phase_axis
from ..parametrizations import Parametrization
from .activation import ActivationHostMixin
from .algebra_layer import AlgebraLayerMixin, register
from .arguments import require_positive

Tensor = Any


class DenseBody(ActivationHostMixin, AlgebraLayerMixin):
    """The logic of `AlgebraDense`, for any Keras base class."""

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: Any = None,
        *,
        algebra: Any = "complex",
        parametrization: Any = None,
        method: str = "auto",
        **kwargs: Any,
    ):
        require_positive("the number of algebra elements of the output", units=units)
        refuse_unsupported(
            lora_rank=lora_rank, lora_alpha=lora_alpha, quantization_config=quantization_config
        )
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._set_algebra(algebra)
        self.units = units
        self._set_activation(activation)
        self.use_bias = use_bias
        self.kernel_initializer = algebra_initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.parametrization = parametrizations.get(parametrization)
        self.method = method
        self._product = dispatch.get(method, self.algebra)
        self.bias = None
        self.input_spec = keras.layers.InputSpec(min_ndim=2)
        self.supports_masking = True

    def build(self, input_shape: tuple) -> None:
        """Create the variables for inputs of that shape."""
        n = self._num_elements(input_shape)
        self.kernel_parametrization = self.parametrization.build(
            self,
            self.algebra,
            (n, self.units),
            initializer=algebra_initializers.for_kernel(self.kernel_initializer, self.algebra),
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.algebra.dimension * self.units,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self._build_activation(self.compute_output_shape(input_shape))
        self.input_spec = keras.layers.InputSpec(min_ndim=2, axes={-1: input_shape[-1]})
        self.built = True

    @property
    def parametrizations(self) -> list[Parametrization]:
        """The built parametrizations, one for each kernel."""
        return [self.kernel_parametrization]

    @property
    def kernel(self) -> Tensor:
        """The effective kernel, `(d, in, units)`."""
        if not self.built:
            raise AttributeError(
                f"The layer '{self.name}' has no kernel yet: call it on data, or `build` it first."
            )
        return self.kernel_parametrization.kernel()

    def call(self, inputs: Tensor) -> Tensor:
        """Apply the layer to `(..., d*in)`."""
        relu = self.activation.is_relu
        kernel, gain_in, gain_out = self.kernel_parametrization.factors()
        if gain_in is not None:
            inputs = inputs * layout.repeat(gain_in, self.algebra.dimension)
        if gain_out is None:
            x = self._product(inputs, kernel, self.algebra, bias=self.bias, relu=relu)
            return x if relu else self._activate(x)
        x = self._product(inputs, kernel, self.algebra)
        x = x * layout.repeat(gain_out, self.algebra.dimension)
        return self._activate(x if self.bias is None else ops.add(x, self.bias))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """`(..., d*units)`."""
        return (*input_shape[:-1], self.algebra.dimension * self.units)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {
            **super().get_config(),
            "units": self.units,
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
            "parametrization": parametrizations.serialize(self.parametrization),
            "method": self.method,
        }


@register
class AlgebraDense(DenseBody, keras.layers.Layer):
    """Densely-connected layer whose numbers live in an algebra.

    `y_j = activation(sum_i w_ij * x_i + b_j)`, the weight acting from the left. Weights and
    activations are real tensors: an activation with `n` elements of an algebra of dimension `d` has
    a last axis of `d*n`, component-major.

    `algebra="real"` equals `keras.layers.Dense`, weight for weight.

    Args:
        units: number of output elements; the output's last axis is `d*units`.
        activation: name of an activation of `keras_phase.activations`, else of Keras (applied to
            each component), or a callable.
        use_bias: whether to add a bias, `(d*units,)`.
        kernel_initializer: of the kernel. Keras's variance-scaling names are scaled by the
            algebra's gain, and the components are drawn independently.
        bias_initializer: of the bias.
        kernel_regularizer: of the kernel's real components.
        bias_regularizer: of the bias.
        activity_regularizer: of the output.
        kernel_constraint: of the stored kernel `(d, in, units)`; components are its first axis.
        bias_constraint: of the bias.
        lora_rank: not supported, must stay None.
        lora_alpha: not supported, must stay None.
        quantization_config: not supported, must stay None.
        algebra: name of an algebra, an `Algebra` or its config.
        parametrization: which variables make the kernel: None (`Cartesian`), a class name or an
            object such as `keras_phase.parametrizations.Polar("unit")`.
        method: how the product is computed: `"auto"`, `"expanded"`, `"factored"`, `"matrix"` or
            `"native"`.
        **kwargs: of every Keras layer, `name`, `dtype` and `trainable`.

    Input shape:
        `(batch, ..., d*in)`.

    Output shape:
        `(batch, ..., d*units)`, in the layer's compute dtype.

    Raises:
        ValueError: if `units` is not positive, the input's last axis is not a multiple of `d`, a
            complex tensor meets an algebra with `d != 2`, or `method` cannot serve the algebra.

    Reference:
        Hoffmann et al., "AlgebraNets", arXiv 2006.07360.

    Example:

    >>> import keras
    >>> layer = AlgebraDense(3, algebra="quaternion")
    >>> layer(keras.ops.ones((2, 4 * 5))).shape
    TensorShape([2, 12])
    """


class PhaseMixin:
    """For presets with `amplitude` and `phase_bits` in the place of `parametrization`."""

    kernel: Tensor

    def _set_phase(self, amplitude: str, phase_bits: int | None) -> Parametrization:
        """Keep the two arguments; return the parametrization that they stand for."""
        if amplitude not in ("free", "element", "unit", "one"):
            raise ValueError(
                "Expected `amplitude` to be 'free' (components are trained), 'element', 'unit' or "
                "'one' (an amplitude for each kernel element, output unit or layer, trained apart "
                f"from the phase). Received: amplitude={amplitude!r}"
            )
        self._amplitude_mode, self._phase_bits = amplitude, phase_bits
        if amplitude == "free" and phase_bits is None:
            return parametrizations.Cartesian()
        return parametrizations.Polar("element" if amplitude == "free" else amplitude, phase_bits)

    @property
    def phase(self) -> Tensor:
        """Phases of the kernel elements.

        Angles in radians, `(*window, in, out)`, when d = 2; signs of that shape when d = 1; unit
        directions, `(d, *window, in, out)`, otherwise. (A dense kernel has no window.)
        """
        return phase_axis(self.kernel, axis=0)

    @property
    def amplitude(self) -> Tensor:
        """Moduli of the kernel elements, `(*window, in, out)`."""
        return modulus_axis(self.kernel, axis=0)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        config = super().get_config()
        del config["parametrization"]
        return {**config, "amplitude": self._amplitude_mode, "phase_bits": self._phase_bits}


class PhaseDenseBody(PhaseMixin, DenseBody):
    """The logic of `PhaseDense`, for any Keras base class."""

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: Any = None,
        *,
        algebra: Any = "complex",
        amplitude: str = "free",
        phase_bits: int | None = None,
        method: str = "auto",
        **kwargs: Any,
    ):
        super().__init__(
            units,
            activation,
            use_bias,
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            activity_regularizer,
            kernel_constraint,
            bias_constraint,
            lora_rank,
            lora_alpha,
            quantization_config,
            algebra=algebra,
            parametrization=self._set_phase(amplitude, phase_bits),
            method=method,
            **kwargs,
        )


@register
class PhaseDense(PhaseDenseBody, keras.layers.Layer):
    """Dense layer whose weights are seen as amplitude and phase.

    `y_j = activation(sum_i a_ij u_ij * x_i + b_j)` with amplitudes `a_ij >= 0` and unit directions
    `u_ij` (`exp(i phase)` in the complex numbers, a sign in the real ones). It is `AlgebraDense`
    with a parametrization chosen by `amplitude` and `phase_bits`; with `amplitude="free"` it equals
    `AlgebraDense`, and with `algebra="real"` also `keras.layers.Dense`.

    Args:
        units: number of output elements; the output's last axis is `d*units`.
        activation: as in `AlgebraDense`.
        use_bias: whether to add a bias, `(d*units,)`.
        kernel_initializer: of the effective kernel.
        bias_initializer: of the bias.
        kernel_regularizer: of the stored kernel or direction.
        bias_regularizer: of the bias.
        activity_regularizer: of the output.
        kernel_constraint: of the stored kernel or direction.
        bias_constraint: of the bias.
        lora_rank: not supported, must stay None.
        lora_alpha: not supported, must stay None.
        quantization_config: not supported, must stay None.
        algebra: name of an algebra, an `Algebra` or its config.
        amplitude: `"free"`: the components are trained. `"element"`, `"unit"`, `"one"`: direction
            and amplitude are trained apart, with an amplitude for each kernel element, each output
            unit, or one for the whole layer (a phase-only network).
        phase_bits: round the directions to 2^phase_bits code points, straight-through in training.
        method: as in `AlgebraDense`.
        **kwargs: of every Keras layer.

    Input shape:
        `(batch, ..., d*in)`.

    Output shape:
        `(batch, ..., d*units)`, in the layer's compute dtype.

    Raises:
        ValueError: as `AlgebraDense`; if `amplitude` is unknown or the algebra has no code of
            `phase_bits` bits.

    Reference:
        Nie and Yuan, "Neural network is heterogeneous: Phase matters more", arXiv 2111.02014.

    Example:

    >>> import keras, keras_phase
    >>> model = keras.Sequential([
    ...     keras.Input((8,)), keras_phase.PhaseEncode(),
    ...     keras_phase.PhaseDense(4, activation="relu", amplitude="unit"),
    ...     keras_phase.FromAlgebra("squared_norm"),
    ... ])
    >>> model.output_shape
    (None, 4)
    """


def refuse_unsupported(**arguments: Any) -> None:
    """Raise for arguments of the stock twin that algebra-valued kernels do not have."""
    for name, value in arguments.items():
        if value is not None:
            raise ValueError(
                f"`{name}` is not supported: LoRA and Keras's quantization act on a real kernel, "
                "while this layer's kernel is made by a parametrization. Leave it at None; for few "
                "bits see `PhaseDense(phase_bits=...)`. "
                f"Received: {name}={value!r}"
            )
