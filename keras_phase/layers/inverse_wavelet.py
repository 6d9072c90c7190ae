"""From wavelet coefficients back to signals."""

from typing import Any

import keras
import numpy as np
from keras import ops

from ..ops import filtering, layout
from ..ops.modulus import in_float32
from ..wavelets.frame import dual_responses
from .algebra_layer import register
from .wavelet_body import BankBody

Tensor = Any


class InverseWaveletTransformBody(BankBody):
    """The logic of `InverseWaveletTransform1D` and `2D`, for any Keras base class."""

    _opens_complex = False

    def build(self, input_shape: tuple) -> None:
        """Compute the dual filters for coefficients of that shape."""
        self._channels(input_shape)
        places = self._places(input_shape)
        if None in places:
            raise ValueError(
                f"The layer '{self.name}' ({type(self).__name__}) needs coefficients of a known "
                f"size: its filters depend on it. Received: input_shape={tuple(input_shape)}"
            )
        self._size = tuple(n * s for n, s in zip(places, self.strides, strict=True))
        filters = self.bank.filters
        if self._reads_parts:
            # Of a real signal, real and imaginary parts are the outputs of two real filters.
            filters = np.concatenate([filters[:1], filters[1:].real, filters[1:].imag])
        dual = dual_responses(filters, self._size, self.strides)
        dual = np.moveaxis(dual, 0, -1).reshape(*dual.shape[1:], *places).astype("complex64")
        self._dual = dual.real.copy(), dual.imag.copy()
        self.built = True

    @property
    def _reads_parts(self) -> bool:
        return self.algebra.dimension == 1 and not self.bank.is_real

    def _channels(self, shape: tuple) -> int:
        """Number of elements of the signal."""
        group = self.coefficient_dimension * (1 + self.bank.wavelets)
        size = shape[self._channel_axis]
        if size is None or size % group:
            raise ValueError(
                f"The layer '{self.name}' ({type(self).__name__}) takes the coefficients of a "
                f"wavelet transform with {self.bank.wavelets} wavelets and a low-pass filter. "
                f"Expected a multiple of {group} channels. "
                f"Received: input_shape={tuple(shape)}"
            )
        return size // group

    def call(self, inputs: Tensor) -> Tensor:
        """The signal whose coefficients are nearest to the inputs."""
        return self._first(in_float32(self._invert)(self._last(inputs)))

    def _invert(self, x: Tensor) -> Tensor:
        n = x.shape[-1] // (self.coefficient_dimension * (1 + self.bank.wavelets))
        x = ops.moveaxis(x, -1, 1)
        parts = layout.split(x, self.coefficient_dimension, axis=1)
        grouped = [self._grouped(p, n) for p in parts]  # batch, n, filters, *places
        if self._reads_parts:
            grouped = [ops.concatenate([grouped[0], grouped[1][:, :, 1:]], axis=2)]
        if self.bank.is_real or self._reads_parts:
            found = [self._synthesise((p, ops.zeros_like(p)))[0] for p in grouped]
        else:
            found = list(self._synthesise(tuple(grouped)))
        y = layout.merge(found, axis=1)
        return ops.moveaxis(y, 1, -1)

    def _grouped(self, x: Tensor, n: int) -> Tensor:
        low, high = x[:, :n], x[:, n:]
        places = tuple(x.shape[2:])
        high = ops.reshape(high, (-1, n, self.bank.wavelets, *places))
        return ops.concatenate([ops.expand_dims(low, 2), high], axis=2)

    def _synthesise(self, pair: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        spectrum = tuple(ops.expand_dims(p, 2) for p in filtering.transform(pair, self.rank))
        dual = tuple(ops.convert_to_tensor(p) for p in self._dual)
        # batch, n, aliases, filters, *frequencies; the filters are summed over.
        both = filtering.complex_product(spectrum, dual)
        whole = tuple(self._unfolded(ops.sum(p, axis=3)) for p in both)
        return filtering.inverse_transform(whole, self.rank)

    def _unfolded(self, x: Tensor) -> Tensor:
        """Aliases side by side: `(batch, n, aliases, *frequencies)` to `(batch, n, *size)`."""
        n, places = x.shape[1], tuple(x.shape[3:])
        x = ops.reshape(x, (-1, n, *self.strides, *places))
        order = [axis + 2 + k for axis in range(self.rank) for k in (0, self.rank)]
        return ops.reshape(ops.transpose(x, (0, 1, *order)), (-1, n, *self._size))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """`(batch, *places, d*n)`, `stride` times as many places as there came in."""
        n = self._channels(input_shape)
        pairs = zip(self._places(input_shape), self.strides, strict=True)
        places = tuple(None if size is None else size * stride for size, stride in pairs)
        return self._shape(input_shape, places, self.algebra.dimension * n)


@register
class InverseWaveletTransform1D(InverseWaveletTransformBody, keras.layers.Layer, rank=1):
    """The signal that has given wavelet coefficients.

    `InverseWaveletTransform2D` says what the arguments are.

    Example:

    >>> from keras_phase import WaveletTransform1D
    >>> x = keras.ops.reshape(keras.ops.arange(8.0), (1, 8, 1))
    >>> settings = {"bank": "haar", "strides": 2, "algebra": "real"}
    >>> y = WaveletTransform1D(padding="circular", **settings)(x)
    >>> back = InverseWaveletTransform1D(**settings)(y)
    >>> float(keras.ops.max(keras.ops.abs(back - x))) < 1e-5
    True
    """


@register
class InverseWaveletTransform2D(InverseWaveletTransformBody, keras.layers.Layer, rank=2):
    """The image that has given wavelet coefficients: the inverse of a `WaveletTransform2D`.

    It inverts a transform with `padding="circular"`, the same other arguments, nothing trained,
    and a size that is a multiple of the strides, exactly but for rounding. Coefficients that no
    image has give the image of the nearest ones (least squares, the canonical dual frame). Where
    the padding was another one, the edges are wrong.

    Args:
        bank: as in `WaveletTransform2D`.
        scales: number of scales.
        angles: number of orientations.
        strides: distance of the coefficients.
        algebra: of the image, not of the coefficients.
        quality: wavelets an octave, in one dimension.
        window: odd size of the filters.
        normalization: None, `"contractive"` or `"tight"`.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's setting.
        **kwargs: of every Keras layer.

    Input shape:
        `(batch, *places, c*n*(1 + wavelets))`, as `WaveletTransform2D` makes it.

    Output shape:
        `(batch, *places, d*n)`, `stride` times as many places.

    Raises:
        ValueError: if the channels are not those of the bank, or the filters with these strides
            lose a part of the image.

    Reference:
        Mallat, "A wavelet tour of signal processing", 3rd edition 2009, section 5.1.

    Degenerate case: with `bank="haar"` and `strides=2` it is the transposed transform.

    Example:

    >>> layer = InverseWaveletTransform2D("haar", strides=2, algebra="real")
    >>> layer(keras.ops.ones((2, 4, 6, 4 * 3))).shape
    TensorShape([2, 8, 12, 3])
    """
