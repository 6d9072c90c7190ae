"""Convolutions over an algebra."""

import math
from typing import Any

import keras
from keras import ops

from ..ops import layout
from ..ops.convolution import convolution
from ..parametrizations import Parametrization
from .algebra_layer import register
from .arguments import require_positive
from .window import WindowBody, refuse_dilated_strides

Tensor = Any


class ConvolutionBody(WindowBody):
    """The logic of `AlgebraConv1D`, `2D` and `3D`, for any Keras base class."""

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        *,
        algebra: Any = "complex",
        parametrization: Any = None,
        method: str = "auto",
        **kwargs: Any,
    ):
        require_positive("the number of algebra elements of the output", filters=filters)
        require_positive("the number of groups of elements", groups=groups)
        super().__init__(
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            [(kernel_initializer, kernel_regularizer, kernel_constraint)],
            (bias_initializer, bias_regularizer, bias_constraint),
            activity_regularizer,
            algebra=algebra,
            parametrization=parametrization,
            method=method,
            **kwargs,
        )
        self.filters = filters
        self.groups = groups
        self._check_groups(filters)
        refuse_dilated_strides(self.strides, self.dilation_rate)
        self._contraction = convolution(
            self.kernel_size,
            self.strides,
            "valid" if self.padding == "causal" else self.padding,
            self.data_format,
            self.dilation_rate,
            groups,
        )

    @property
    def _paddings(self) -> tuple[str, ...]:
        return ("valid", "same", "causal") if self.rank == 1 else ("valid", "same")

    def build(self, input_shape: tuple) -> None:
        """Create the variables for inputs of that shape."""
        n = self._build_window(input_shape)
        self._check_groups(self.filters, n)
        shape = (*self.kernel_size, n // self.groups, self.filters)
        self.kernel_parametrization = self._build_kernel("kernel", shape)
        self._build_output(input_shape)

    @property
    def parametrizations(self) -> list[Parametrization]:
        """The built parametrizations, one for each kernel."""
        return [self.kernel_parametrization]

    @property
    def kernel(self) -> Tensor:
        """The effective kernel, `(d, *window, in // groups, filters)`."""
        return self._effective("kernel_parametrization")

    def call(self, inputs: Tensor) -> Tensor:
        """Apply the layer to `(batch, *places, d*in)`."""
        if self.padding == "causal":
            before = self.dilation_rate[0] * (self.kernel_size[0] - 1)
            pads = [[0, 0], [before, 0]]
            pads.insert(1 if self._channel_axis == 1 else 2, [0, 0])
            inputs = ops.pad(inputs, pads)
        kernel, gain_in, gain_out = self.kernel_parametrization.factors()
        if gain_in is not None:
            # The groups share the factors of their inputs.
            inputs = inputs * self._gain(ops.tile(gain_in, (self.groups,)), len(inputs.shape))
        x = self._product(inputs, kernel, self.algebra, self._contraction)
        return self._finish(x if gain_out is None else x * self._gain(gain_out, len(x.shape)))

    def _gain(self, factors: Tensor, rank: int) -> Tensor:
        """One factor for each channel element, ready to multiply."""
        factors = layout.repeat(factors, self.algebra.dimension)
        return (
            ops.reshape(factors, (-1, *(1,) * (rank - 2))) if self._channel_axis == 1 else factors
        )

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """`(batch, *places, d*filters)`."""
        return self._output_shape(input_shape, self.filters)

    def _check_groups(self, *counts: int) -> None:
        """Every group takes whole elements, as many as the others."""
        common = math.gcd(*counts)
        if common % self.groups:
            admissible = [g for g in range(1, common + 1) if common % g == 0]
            counted = ("filters", "input elements")
            raise ValueError(
                "Expected `groups` to divide the number of "
                f"{' and of '.join(counted[: len(counts)])}, which count whole elements of "
                f"{self.algebra.dimension} real numbers: one of {admissible}. Received: "
                f"groups={self.groups}, filters={counts[0]}"
                + (f", input elements={counts[1]}" if len(counts) > 1 else "")
            )

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "filters": self.filters, "groups": self.groups}


@register
class AlgebraConv1D(ConvolutionBody, keras.layers.Layer, rank=1):
    """Convolution along one axis, such as time, over an algebra.

    `AlgebraConv2D` says what the arguments are. `padding` may also be `"causal"`: the output at a
    place depends on the inputs up to it only.

    `algebra="real"` equals `keras.layers.Conv1D`, weight for weight.

    Example:

    >>> import keras
    >>> AlgebraConv1D(3, 2, padding="causal")(keras.ops.ones((2, 7, 2 * 5))).shape
    TensorShape([2, 7, 6])
    """


@register
class AlgebraConv2D(ConvolutionBody, keras.layers.Layer, rank=2):
    """Convolution along two axes whose numbers live in an algebra.

    `y_j(p) = activation(sum_iq w_ij(q) * x_i(strides*p + dilation_rate*q) + b_j)`, the weight
    acting from the left. Weights and activations are real tensors: an activation with `n` elements
    of an algebra of dimension `d` has a channel axis of `d*n`, component-major.

    `algebra="real"` equals `keras.layers.Conv2D`, weight for weight.

    Args:
        filters: number of output elements; the output has `d*filters` channels.
        kernel_size: size of the window, one number or one for each axis.
        strides: step of the window, one number or one for each axis.
        padding: `"valid"` (none) or `"same"` (zeros, evenly on both sides).
        data_format: `"channels_last"`, `"channels_first"` (components in axis 1) or None for
            Keras's setting.
        dilation_rate: spacing of the window's places; above 1 only with strides of 1.
        groups: number of groups. Each takes `in // groups` whole elements to `filters // groups`.
        activation: name of an activation of `keras_phase.activations`, else of Keras (applied to
            each component), or a callable.
        use_bias: whether to add a bias, `(d*filters,)`.
        kernel_initializer: of the kernel; Keras's variance-scaling names are scaled by the
            algebra's gain.
        bias_initializer: of the bias.
        kernel_regularizer: of the kernel's real components.
        bias_regularizer: of the bias.
        activity_regularizer: of the output.
        kernel_constraint: of the stored kernel `(d, *window, in // groups, filters)`, without its
            first axis when `d = 1`.
        bias_constraint: of the bias.
        algebra: name of an algebra, an `Algebra` or its config.
        parametrization: which variables make the kernel: None (`Cartesian`), a class name or an
            object such as `keras_phase.parametrizations.Polar("unit")`.
        method: how the product is computed: `"auto"`, `"expanded"`, `"factored"`, `"matrix"` or
            `"native"`.
        **kwargs: of every Keras layer, `name`, `dtype` and `trainable`.

    Input shape:
        `(batch, *places, d*in)`, or `(batch, d*in, *places)` with channels first.

    Output shape:
        The same with `d*filters` channels.

    Raises:
        ValueError: if an argument is none of these, the channels are not a multiple of `d`,
            `groups` would cut an element, or `method` cannot serve the algebra.

    Reference:
        Hoffmann et al., "AlgebraNets", arXiv 2006.07360.

    Example:

    >>> import keras
    >>> layer = AlgebraConv2D(3, 3, padding="same", algebra="quaternion")
    >>> layer(keras.ops.ones((2, 8, 8, 4 * 5))).shape
    TensorShape([2, 8, 8, 12])
    """


@register
class AlgebraConv3D(ConvolutionBody, keras.layers.Layer, rank=3):
    """Convolution along three axes, such as those of a volume, over an algebra.

    `AlgebraConv2D` says what the arguments are.

    `algebra="real"` equals `keras.layers.Conv3D`, weight for weight.

    Example:

    >>> import keras
    >>> AlgebraConv3D(3, 2)(keras.ops.ones((2, 4, 4, 4, 2 * 5))).shape
    TensorShape([2, 3, 3, 3, 6])
    """
