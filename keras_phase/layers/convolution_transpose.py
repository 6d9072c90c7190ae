"""Transposed convolutions over an algebra."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from .. import initializers as algebra_initializers
from ..initializers import AlgebraInitializer
from ..ops.convolution import TransposedConvolution, transposed_output_size
from ..parametrizations import Parametrization
from .algebra_layer import register
from .arguments import require_positive
from .window import WindowBody, refuse_dilated_strides, sizes

Tensor = Any


class ConvolutionTransposeBody(WindowBody):
    """The logic of `AlgebraConv1DTranspose`, `2D` and `3D`, for any Keras base class."""

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        dilation_rate: Any = 1,
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
        self.output_padding = self._checked_output_padding(output_padding)
        refuse_dilated_strides(self.strides, self.dilation_rate)
        self._contraction = TransposedConvolution(
            self.strides, self.padding, self.data_format, self.dilation_rate, self.output_padding
        )

    def _checked_output_padding(self, output_padding: Any) -> tuple[int, ...] | None:
        if output_padding is None:
            return None
        found = sizes(output_padding, self.rank, "output_padding", least=0)
        if any(extra >= stride for extra, stride in zip(found, self.strides, strict=True)):
            raise ValueError(
                "Expected `output_padding` to be less than `strides` along every axis. "
                f"Received: output_padding={output_padding}, strides={self.strides}"
            )
        return found

    def build(self, input_shape: tuple) -> None:
        """Create the variables for inputs of that shape."""
        n = self._build_window(input_shape)
        self.kernel_parametrization = self.parametrization.build(
            self,
            self.algebra,
            (*self.kernel_size, n, self.filters),
            initializer=_drawn_outputs_first(
                algebra_initializers.for_kernel(self.kernel_initializer, self.algebra)
            ),
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            outputs_first=True,
        )
        self._build_output(input_shape)

    @property
    def parametrizations(self) -> list[Parametrization]:
        """The built parametrizations, one for each kernel."""
        return [self.kernel_parametrization]

    @property
    def kernel(self) -> Tensor:
        """The effective kernel, `(d, *window, in, filters)`."""
        return self._effective("kernel_parametrization")

    def call(self, inputs: Tensor) -> Tensor:
        """Apply the layer to `(batch, *places, d*in)`."""
        return self._finish(self._product(inputs, self.kernel, self.algebra, self._contraction))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """`(batch, *places, d*filters)`."""
        return self._output_shape(input_shape, self.filters)

    def _output_size(self, i: int, size: int | None, kernel: int, stride: int, dilation: int):
        extra = None if self.output_padding is None else self.output_padding[i]
        return transposed_output_size(size, kernel, stride, self.padding, dilation, extra)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "output_padding": self.output_padding,
        }


@register
class AlgebraConv1DTranspose(ConvolutionTransposeBody, keras.layers.Layer, rank=1):
    """Transposed convolution along one axis over an algebra.

    `AlgebraConv2DTranspose` says what the arguments are. `algebra="real"` equals
    `keras.layers.Conv1DTranspose`, weight for weight.

    Example:

    >>> import keras
    >>> AlgebraConv1DTranspose(3, 2, strides=2)(keras.ops.ones((2, 7, 2 * 5))).shape
    TensorShape([2, 14, 6])
    """


@register
class AlgebraConv2DTranspose(ConvolutionTransposeBody, keras.layers.Layer, rank=2):
    """Transposed convolution along two axes whose numbers live in an algebra.

    `y_j(strides*p + dilation_rate*q) += w_ij(q) * x_i(p)`, the weight acting from the left: a
    convolution with `strides` run backwards, which enlarges its input. (It is not the adjoint of
    `AlgebraConv2D`: that would conjugate the weights, and multiply from the right.)

    The effective kernel `layer.kernel` is `(d, *window, in, filters)`, like that of every other
    layer, so that pruning and parametrizations find inputs and outputs where they expect them. The
    *stored* variable has Keras's order for transposed convolutions, `(d, *window, filters, in)`,
    without its first axis when `d = 1`: `algebra="real"` equals `keras.layers.Conv2DTranspose`,
    weight for weight.

    Fans: for `d > 1` variance-scaling initializers count the inputs `window * in` as fan-in and the
    outputs `window * filters` as fan-out. When `d = 1` Keras's initializers see the stored shape,
    as in the stock layer, and so count the two the other way round.

    Args:
        filters: number of output elements; the output has `d*filters` channels.
        kernel_size: size of the window, one number or one for each axis.
        strides: factor by which the output is larger, one number or one for each axis.
        padding: `"valid"` or `"same"`.
        output_padding: places added at the end of the output, less than `strides`; None chooses.
        data_format: as in `AlgebraConv2D`.
        dilation_rate: spacing of the window's places; above 1 only with strides of 1.
        activation: as in `AlgebraConv2D`.
        use_bias: whether to add a bias, `(d*filters,)`.
        kernel_initializer: of the kernel.
        bias_initializer: of the bias.
        kernel_regularizer: of the kernel's real components.
        bias_regularizer: of the bias.
        activity_regularizer: of the output.
        kernel_constraint: of the stored kernel, `(d, *window, filters, in)`.
        bias_constraint: of the bias.
        algebra: name of an algebra, an `Algebra` or its config.
        parametrization: as in `AlgebraConv2D`.
        method: as in `AlgebraConv2D`.
        **kwargs: of every Keras layer.

    Input shape:
        `(batch, *places, d*in)`, or `(batch, d*in, *places)` with channels first.

    Output shape:
        The same with `d*filters` channels, and about `strides` times as many places.

    Raises:
        ValueError: if an argument is none of these, the channels are not a multiple of `d`, or
            `method` cannot serve the algebra.

    Example:

    >>> import keras
    >>> layer = AlgebraConv2DTranspose(3, 3, strides=2, padding="same", algebra="quaternion")
    >>> layer(keras.ops.ones((2, 4, 4, 4 * 5))).shape
    TensorShape([2, 8, 8, 12])
    """


@register
class AlgebraConv3DTranspose(ConvolutionTransposeBody, keras.layers.Layer, rank=3):
    """Transposed convolution along three axes over an algebra.

    `AlgebraConv2DTranspose` says what the arguments are. `algebra="real"` equals
    `keras.layers.Conv3DTranspose`, weight for weight.

    Example:

    >>> import keras
    >>> AlgebraConv3DTranspose(3, 2, strides=2)(keras.ops.ones((2, 4, 4, 4, 2 * 5))).shape
    TensorShape([2, 8, 8, 8, 6])
    """

    # Keras has these two arguments the other way round here.
    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        output_padding: Any = None,
        dilation_rate: Any = 1,
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
        super().__init__(
            filters,
            kernel_size,
            strides,
            padding,
            output_padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            activity_regularizer,
            kernel_constraint,
            bias_constraint,
            algebra=algebra,
            parametrization=parametrization,
            method=method,
            **kwargs,
        )


def _drawn_outputs_first(initializer: Any) -> Callable:
    """Initializers of ours draw `(d, *window, in, out)`; others see the stored shape."""
    if not isinstance(initializer, AlgebraInitializer):
        return initializer

    def draw(shape: tuple[int, ...], dtype: Any = None) -> Tensor:
        canonical = (*shape[:-2], shape[-1], shape[-2])
        return ops.swapaxes(initializer(canonical, dtype=dtype), -1, -2)

    return draw
