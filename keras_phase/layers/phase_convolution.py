"""Convolutions whose weights are seen as amplitude and phase."""

from typing import Any

import keras

from .algebra_layer import register
from .convolution import ConvolutionBody
from .dense import PhaseMixin

Tensor = Any


class PhaseConvolutionBody(PhaseMixin, ConvolutionBody):
    """The logic of `PhaseConv1D`, `2D` and `3D`, for any Keras base class."""

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
        amplitude: str = "free",
        phase_bits: int | None = None,
        method: str = "auto",
        **kwargs: Any,
    ):
        super().__init__(
            filters,
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            groups,
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
            parametrization=self._set_phase(amplitude, phase_bits),
            method=method,
            **kwargs,
        )


@register
class PhaseConv1D(PhaseConvolutionBody, keras.layers.Layer, rank=1):
    """Convolution along one axis whose weights are seen as amplitude and phase.

    `PhaseConv2D` says what the arguments are, `AlgebraConv1D` what `padding="causal"` does.

    Example:

    >>> import keras
    >>> PhaseConv1D(3, 2, amplitude="unit")(keras.ops.ones((2, 7, 2 * 5))).shape
    TensorShape([2, 6, 6])
    """


@register
class PhaseConv2D(PhaseConvolutionBody, keras.layers.Layer, rank=2):
    """Convolution along two axes whose weights are seen as amplitude and phase.

    It is `AlgebraConv2D` with a parametrization chosen by `amplitude` and `phase_bits`: weights
    `a u` with an amplitude `a >= 0` and a unit direction `u` (`exp(i phase)` in the complex
    numbers, a sign in the real ones). With `amplitude="free"` it equals `AlgebraConv2D`, and with
    `algebra="real"` also `keras.layers.Conv2D`.

    Args:
        filters: number of output elements; the output has `d*filters` channels.
        kernel_size: size of the window, one number or one for each axis.
        strides: as in `AlgebraConv2D`.
        padding: as in `AlgebraConv2D`.
        data_format: as in `AlgebraConv2D`.
        dilation_rate: as in `AlgebraConv2D`.
        groups: as in `AlgebraConv2D`.
        activation: as in `AlgebraConv2D`.
        use_bias: whether to add a bias, `(d*filters,)`.
        kernel_initializer: of the effective kernel.
        bias_initializer: of the bias.
        kernel_regularizer: of the stored kernel or direction.
        bias_regularizer: of the bias.
        activity_regularizer: of the output.
        kernel_constraint: of the stored kernel or direction.
        bias_constraint: of the bias.
        algebra: name of an algebra, an `Algebra` or its config.
        amplitude: `"free"`: the components are trained. `"element"`, `"unit"`, `"one"`: direction
            and amplitude are trained apart, with an amplitude for each kernel element, each output
            filter, or one for the whole layer (a phase-only network).
        phase_bits: round the directions to 2^phase_bits code points, straight-through in training.
        method: as in `AlgebraConv2D`.
        **kwargs: of every Keras layer.

    Input shape:
        `(batch, *places, d*in)`, or `(batch, d*in, *places)` with channels first.

    Output shape:
        The same with `d*filters` channels.

    Raises:
        ValueError: as `AlgebraConv2D`; if `amplitude` is unknown or the algebra has no code of
            `phase_bits` bits.

    Reference:
        Nie and Yuan, "Neural network is heterogeneous: Phase matters more", arXiv 2111.02014.

    Example:

    >>> import keras
    >>> layer = PhaseConv2D(3, 3, amplitude="one", phase_bits=2)
    >>> layer(keras.ops.ones((2, 8, 8, 2 * 5))).shape
    TensorShape([2, 6, 6, 6])
    """


@register
class PhaseConv3D(PhaseConvolutionBody, keras.layers.Layer, rank=3):
    """Convolution along three axes whose weights are seen as amplitude and phase.

    `PhaseConv2D` says what the arguments are.

    Example:

    >>> import keras
    >>> PhaseConv3D(3, 2, amplitude="unit")(keras.ops.ones((2, 4, 4, 4, 2 * 5))).shape
    TensorShape([2, 3, 3, 3, 6])
    """
