"""Wavelet transforms and their moduli, in one and two dimensions."""

from typing import Any

import keras
from keras import ops

from ..ops import filtering, layout
from .algebra_layer import register
from .wavelet_body import WaveletBody

Tensor = Any


class WaveletTransformBody(WaveletBody):
    """The logic of `WaveletTransform1D` and `2D`, for any Keras base class."""

    def call(self, inputs: Tensor) -> Tensor:
        """Low-pass coefficients of all channels, then the wavelet coefficients."""
        low, high = self.low_pass_coefficients(inputs), self.wavelet_coefficients(inputs)
        low += [ops.zeros_like(low[0])] * (self.coefficient_dimension - len(low))
        pairs = zip(low, high, strict=True)
        y = layout.merge([ops.concatenate(p, axis=-1) for p in pairs])
        return self._first(y)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """`(batch, *places, coefficient_dimension*n*(1 + wavelets))`."""
        n = self._num_elements(input_shape, self._channel_axis)
        self._check(input_shape)
        places = filtering.output_places(self._places(input_shape), self.strides)
        channels = self.coefficient_dimension * n * (1 + self.bank.wavelets)
        return self._shape(input_shape, places, channels)


class WaveletModulusBody(WaveletBody):
    """The logic of `WaveletModulus1D` and `2D`, for any Keras base class."""

    def __init__(
        self,
        bank: Any = "morlet",
        scales: int = 1,
        angles: int | None = None,
        strides: Any = 1,
        *,
        algebra: Any = "complex",
        low_pass: bool = True,
        quality: int = 1,
        window: int | None = None,
        padding: str = "reflect",
        normalization: str | None = None,
        train: Any = (),
        method: str = "auto",
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(
            bank,
            scales,
            angles,
            strides,
            algebra=algebra,
            quality=quality,
            window=window,
            padding=padding,
            normalization=normalization,
            train=train,
            method=method,
            data_format=data_format,
            **kwargs,
        )
        self.low_pass = low_pass

    def call(self, inputs: Tensor) -> Tensor:
        """Low-pass coefficients, if kept, then the moduli of the wavelet coefficients."""
        collapsed = self.wavelet_moduli(inputs)
        if not self.low_pass:
            return self._first(collapsed)
        low = self.low_pass_coefficients(inputs)
        others = ops.zeros_like(collapsed)
        moduli = [collapsed, *(others for _ in low[1:])]
        pairs = zip(low, moduli, strict=True)
        return self._first(layout.merge([ops.concatenate(p, axis=-1) for p in pairs]))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """`(batch, *places, d*n*(1 + wavelets))`, or `n*wavelets` channels without the low-pass."""
        n = self._num_elements(input_shape, self._channel_axis)
        self._check(input_shape)
        places = filtering.output_places(self._places(input_shape), self.strides)
        channels = n * self.bank.wavelets
        if self.low_pass:
            channels = self.algebra.dimension * (n + channels)
        return self._shape(input_shape, places, channels)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "low_pass": self.low_pass}


@register
class WaveletTransform1D(WaveletTransformBody, keras.layers.Layer, rank=1):
    """Convolve every channel of a signal with a low-pass filter and wavelets.

    `WaveletTransform2D` says what the arguments are. In one dimension `angles=2` adds wavelets of
    negative frequencies, which complex signals have too, and `quality` is the number of wavelets an
    octave.

    Example:

    >>> layer = WaveletTransform1D(scales=2, strides=4, algebra="real", window=13)
    >>> layer(keras.ops.ones((2, 32, 3))).shape
    TensorShape([2, 8, 18])
    """


@register
class WaveletTransform2D(WaveletTransformBody, keras.layers.Layer, rank=2):
    """Convolve every channel of an image with a low-pass filter and oriented wavelets.

    `y = (x * phi, x * psi_1, ..., x * psi_w)` at every stride: first the low-pass coefficients of
    all n channels, then the others, channel by channel. Complex wavelets act on real or complex
    signals and make complex coefficients; real ones (`"haar"`, `"daubechies2"`, ...) act on every
    component, in any algebra.

    Args:
        bank: name of a bank, see `keras_phase.wavelets.filter_bank`, or a `FilterBank`.
        scales: number of scales (octaves).
        angles: number of orientations; None is 4 (in one dimension 1).
        strides: distance of the outputs, one number or one for each axis; `size // stride` fit.
        algebra: of the input: name of an algebra, an `Algebra` or its config.
        quality: wavelets an octave, in one dimension.
        window: odd size of the filters; None holds all but 1e-6 of each filter's energy.
        padding: `"reflect"`, `"zero"` or `"circular"`.
        normalization: None, `"contractive"` or `"tight"`, see `FilterBank.normalized`.
        train: what is trained of the wavelets: nothing, some of `"scale"`, `"frequency"` and
            `"angle"` (banks with a closed form), one of each a wavelet; or `"free"`, all entries,
            `(1 or 2, wavelets, *window)`, which need not keep the sum 0. The low-pass filter stays.
        method: `"direct"`, `"fft"` or `"auto"`, see `keras_phase.ops.filtering`.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's setting.
        **kwargs: of every Keras layer.

    Input shape:
        `(batch, *places, d*n)`, or `(batch, d*n, *places)` with channels first.

    Output shape:
        The same with `size // stride` places and `c*n*(1 + wavelets)` channels, component-major:
        `c = 2` for complex wavelets, else `d`.

    Raises:
        ValueError: if an argument is none of these, the algebra is neither real nor complex for
            complex wavelets, or the image is smaller than the filters' support allows.

    Reference:
        Guth, Zarka and Mallat, "Phase collapse in neural networks", arXiv 2110.05283.

    Degenerate case: a constant image has wavelet coefficients 0.

    Example:

    >>> layer = WaveletTransform2D(angles=4, strides=2, algebra="real")
    >>> layer(keras.ops.ones((2, 8, 12, 3))).shape
    TensorShape([2, 4, 6, 30])
    """


@register
class WaveletModulus1D(WaveletModulusBody, keras.layers.Layer, rank=1):
    """Low-pass coefficients of a signal and moduli of its wavelet coefficients.

    `WaveletModulus2D` says what the arguments are.

    Example:

    >>> layer = WaveletModulus1D(strides=2, angles=2, window=9)
    >>> layer(keras.ops.ones((2, 32, 2 * 3))).shape
    TensorShape([2, 16, 18])
    """


@register
class WaveletModulus2D(WaveletModulusBody, keras.layers.Layer, rank=2):
    """Low-pass coefficients of an image and moduli of its wavelet coefficients.

    `y = (x * phi, |x * psi_1|, ..., |x * psi_w|)`: the phases of the wavelet coefficients collapse,
    the low-pass part stays as it is. It equals `WaveletTransform2D` with `PhaseCollapse` behind it,
    except that the moduli of a real signal stay real numbers.

    Args:
        bank: as in `WaveletTransform2D`, which also has the other arguments.
        scales: number of scales.
        angles: number of orientations.
        strides: distance of the outputs.
        algebra: of the input.
        low_pass: whether to keep the low-pass part. With it the output has the input's algebra, and
            moduli have other components 0; without, it has the moduli as real numbers.
        quality: wavelets an octave, in one dimension.
        window: odd size of the filters.
        padding: `"reflect"`, `"zero"` or `"circular"`.
        normalization: None, `"contractive"` or `"tight"`.
        train: what is trained of the wavelets.
        method: `"direct"`, `"fft"` or `"auto"`.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's setting.
        **kwargs: of every Keras layer.

    Input shape:
        `(batch, *places, d*n)`, or `(batch, d*n, *places)` with channels first.

    Output shape:
        The same with `size // stride` places and `d*n*(1 + wavelets)` channels, or `n*wavelets`
        without the low-pass part.

    Raises:
        ValueError: as `WaveletTransform2D`.

    Reference:
        Guth, Zarka and Mallat, "Phase collapse in neural networks", arXiv 2110.05283.

    Degenerate case: where a coefficient is 0, its modulus and the modulus's gradient are 0.

    Example:

    >>> layer = WaveletModulus2D(strides=2, algebra="real")
    >>> layer(keras.ops.ones((2, 8, 12, 3))).shape
    TensorShape([2, 4, 6, 15])
    """
