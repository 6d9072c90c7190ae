"""Depthwise convolutions over an algebra: every input element has windows of its own."""

from typing import Any

import keras

from ..ops.convolution import DepthwiseConvolution
from ..parametrizations import Parametrization
from .algebra_layer import register
from .arguments import require_positive
from .window import WindowBody

Tensor = Any


class DepthwiseConvolutionBody(WindowBody):
    """The logic of `AlgebraDepthwiseConv1D` and `2D`, for any Keras base class."""

    kernel_prefixes = ("depthwise",)

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        *,
        algebra: Any = "complex",
        parametrization: Any = None,
        method: str = "auto",
        **kwargs: Any,
    ):
        require_positive("the output elements of each input", depth_multiplier=depth_multiplier)
        super().__init__(
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            [(depthwise_initializer, depthwise_regularizer, depthwise_constraint)],
            (bias_initializer, bias_regularizer, bias_constraint),
            activity_regularizer,
            algebra=algebra,
            parametrization=parametrization,
            method=method,
            **kwargs,
        )
        self.depth_multiplier = depth_multiplier
        self._contraction = DepthwiseConvolution(
            self.strides, self.padding, self.data_format, self.dilation_rate
        )

    def build(self, input_shape: tuple) -> None:
        """Create the variables for inputs of that shape."""
        n = self._build_window(input_shape)
        shape = (*self.kernel_size, n, self.depth_multiplier)
        self.kernel_parametrization = self._build_kernel("depthwise", shape)
        self._build_output(input_shape)

    @property
    def parametrizations(self) -> list[Parametrization]:
        """The built parametrizations, one for each kernel."""
        return [self.kernel_parametrization]

    @property
    def kernel(self) -> Tensor:
        """The effective kernel, `(d, *window, in, depth_multiplier)`."""
        return self._effective("kernel_parametrization")

    def call(self, inputs: Tensor) -> Tensor:
        """Apply the layer to `(batch, *places, d*in)`."""
        return self._finish(self._product(inputs, self.kernel, self.algebra, self._contraction))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """`(batch, *places, d*in*depth_multiplier)`."""
        n = self._num_elements(input_shape, self._channel_axis)
        return self._output_shape(input_shape, n * self.depth_multiplier)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "depth_multiplier": self.depth_multiplier}


@register
class AlgebraDepthwiseConv1D(DepthwiseConvolutionBody, keras.layers.Layer, rank=1):
    """Depthwise convolution along one axis over an algebra.

    `AlgebraDepthwiseConv2D` says what the arguments are. `algebra="real"` equals
    `keras.layers.DepthwiseConv1D`, weight for weight.

    Example:

    >>> import keras
    >>> AlgebraDepthwiseConv1D(3, depth_multiplier=2)(keras.ops.ones((2, 7, 2 * 5))).shape
    TensorShape([2, 5, 20])
    """


@register
class AlgebraDepthwiseConv2D(DepthwiseConvolutionBody, keras.layers.Layer, rank=2):
    """Depthwise convolution along two axes whose numbers live in an algebra.

    `y_cm(p) = activation(sum_q w_cm(q) * x_c(strides*p + dilation_rate*q) + b_cm)`: elements do not
    mix, the components of an element do, by the weight acting from the left. Output element
    `c*depth_multiplier + m` belongs to input element `c`.

    `algebra="real"` equals `keras.layers.DepthwiseConv2D`, weight for weight.

    Args:
        kernel_size: size of the window, one number or one for each axis.
        strides: step of the window, one number or one for each axis.
        padding: `"valid"` or `"same"`.
        depth_multiplier: output elements of each input element.
        data_format: as in `AlgebraConv2D`.
        dilation_rate: spacing of the window's places.
        activation: as in `AlgebraConv2D`.
        use_bias: whether to add a bias, `(d*in*depth_multiplier,)`.
        depthwise_initializer: of the kernel; Keras's variance-scaling names count the fans of
            `(*window, in, depth_multiplier)` as they do in the stock layer.
        bias_initializer: of the bias.
        depthwise_regularizer: of the kernel's real components.
        bias_regularizer: of the bias.
        activity_regularizer: of the output.
        depthwise_constraint: of the stored kernel `(d, *window, in, depth_multiplier)`, without
            its first axis when `d = 1`.
        bias_constraint: of the bias.
        algebra: name of an algebra, an `Algebra` or its config.
        parametrization: as in `AlgebraConv2D`.
        method: as in `AlgebraConv2D`.
        **kwargs: of every Keras layer.

    Input shape:
        `(batch, *places, d*in)`, or `(batch, d*in, *places)` with channels first.

    Output shape:
        The same with `d*in*depth_multiplier` channels.

    Raises:
        ValueError: if an argument is none of these, the channels are not a multiple of `d`, or
            `method` cannot serve the algebra.

    Example:

    >>> import keras
    >>> layer = AlgebraDepthwiseConv2D(3, padding="same", algebra="quaternion")
    >>> layer(keras.ops.ones((2, 8, 8, 4 * 5))).shape
    TensorShape([2, 8, 8, 20])
    """
