"""Separable convolutions over an algebra: depthwise in space, then pointwise across elements."""

from typing import Any

import keras

from ..ops.convolution import DepthwiseConvolution, convolution
from ..parametrizations import Parametrization
from .algebra_layer import register
from .arguments import require_positive
from .window import WindowBody

Tensor = Any


class SeparableConvolutionBody(WindowBody):
    """The logic of `AlgebraSeparableConv1D` and `2D`, for any Keras base class."""

    kernel_prefixes = ("depthwise", "pointwise")

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        *,
        algebra: Any = "complex",
        parametrization: Any = None,
        method: str = "auto",
        **kwargs: Any,
    ):
        require_positive("the number of algebra elements of the output", filters=filters)
        require_positive("the depthwise outputs of an input", depth_multiplier=depth_multiplier)
        super().__init__(
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            [
                (depthwise_initializer, depthwise_regularizer, depthwise_constraint),
                (pointwise_initializer, pointwise_regularizer, pointwise_constraint),
            ],
            (bias_initializer, bias_regularizer, bias_constraint),
            activity_regularizer,
            algebra=algebra,
            parametrization=parametrization,
            method=method,
            **kwargs,
        )
        self.filters = filters
        self.depth_multiplier = depth_multiplier
        self._depthwise = DepthwiseConvolution(
            self.strides, self.padding, self.data_format, self.dilation_rate
        )
        ones = (1,) * self.rank
        self._pointwise = convolution(ones, ones, "valid", self.data_format, ones)

    def build(self, input_shape: tuple) -> None:
        """Create the variables for inputs of that shape."""
        n = self._build_window(input_shape)
        depthwise = (*self.kernel_size, n, self.depth_multiplier)
        pointwise = (*(1,) * self.rank, n * self.depth_multiplier, self.filters)
        self.depthwise_parametrization = self._build_kernel(
            "depthwise", depthwise, "depthwise_kernel"
        )
        self.pointwise_parametrization = self._build_kernel(
            "pointwise", pointwise, "pointwise_kernel"
        )
        self._build_output(input_shape)

    @property
    def parametrizations(self) -> list[Parametrization]:
        """The built parametrizations, one for each kernel: depthwise, then pointwise."""
        return [self.depthwise_parametrization, self.pointwise_parametrization]

    @property
    def depthwise_kernel(self) -> Tensor:
        """The effective depthwise kernel, `(d, *window, in, depth_multiplier)`."""
        return self._effective("depthwise_parametrization")

    @property
    def pointwise_kernel(self) -> Tensor:
        """The effective pointwise kernel, `(d, 1, ..., 1, in*depth_multiplier, filters)`."""
        return self._effective("pointwise_parametrization")

    def call(self, inputs: Tensor) -> Tensor:
        """Apply the layer to `(batch, *places, d*in)`."""
        x = self._product(inputs, self.depthwise_kernel, self.algebra, self._depthwise)
        x = self._product(x, self.pointwise_kernel, self.algebra, self._pointwise)
        return self._finish(x)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """`(batch, *places, d*filters)`."""
        return self._output_shape(input_shape, self.filters)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "depth_multiplier": self.depth_multiplier,
        }


@register
class AlgebraSeparableConv1D(SeparableConvolutionBody, keras.layers.Layer, rank=1):
    """Separable convolution along one axis over an algebra.

    `AlgebraSeparableConv2D` says what the arguments are. `algebra="real"` equals
    `keras.layers.SeparableConv1D`, weight for weight.

    Example:

    >>> import keras
    >>> AlgebraSeparableConv1D(4, 3)(keras.ops.ones((2, 7, 2 * 5))).shape
    TensorShape([2, 5, 8])
    """


@register
class AlgebraSeparableConv2D(SeparableConvolutionBody, keras.layers.Layer, rank=2):
    """Separable convolution along two axes whose numbers live in an algebra.

    `y_j(p) = activation(sum_cm v_cmj * (sum_q w_cm(q) * x_c(strides*p + dilation_rate*q)) + b_j)`,
    both weights acting from the left: `AlgebraDepthwiseConv2D`, then a convolution with a window
    of one place.

    `algebra="real"` equals `keras.layers.SeparableConv2D`, weight for weight.

    Args:
        filters: number of output elements; the output has `d*filters` channels.
        kernel_size: size of the window, one number or one for each axis.
        strides: step of the window, one number or one for each axis.
        padding: `"valid"` or `"same"`.
        data_format: as in `AlgebraConv2D`.
        dilation_rate: spacing of the window's places.
        depth_multiplier: depthwise output elements of each input element.
        activation: as in `AlgebraConv2D`.
        use_bias: whether to add a bias, `(d*filters,)`.
        depthwise_initializer: of the depthwise kernel.
        pointwise_initializer: of the pointwise kernel.
        bias_initializer: of the bias.
        depthwise_regularizer: of the depthwise kernel's real components.
        pointwise_regularizer: of the pointwise kernel's real components.
        bias_regularizer: of the bias.
        activity_regularizer: of the output.
        depthwise_constraint: of the stored depthwise kernel.
        pointwise_constraint: of the stored pointwise kernel.
        bias_constraint: of the bias.
        algebra: name of an algebra, an `Algebra` or its config.
        parametrization: of both kernels, as in `AlgebraConv2D`.
        method: as in `AlgebraConv2D`.
        **kwargs: of every Keras layer.

    Input shape:
        `(batch, *places, d*in)`, or `(batch, d*in, *places)` with channels first.

    Output shape:
        The same with `d*filters` channels.

    Raises:
        ValueError: if an argument is none of these, the channels are not a multiple of `d`, or
            `method` cannot serve the algebra.

    Example:

    >>> import keras
    >>> layer = AlgebraSeparableConv2D(3, 3, padding="same", algebra="quaternion")
    >>> layer(keras.ops.ones((2, 8, 8, 4 * 5))).shape
    TensorShape([2, 8, 8, 12])
    """
