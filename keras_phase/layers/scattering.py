"""The scattering transform: wavelet moduli of wavelet moduli, averaged."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from ..ops import filtering
from ..ops.modulus import modulus_axis
from ..wavelets import scattering
from .algebra_layer import register
from .arguments import require_positive
from .scattering_body import ScatteringBody, folded, transformed

Tensor = Any


class Scattering2DBody(ScatteringBody):
    """The logic of `Scattering2D`, for any Keras base class."""

    rank = 2

    def __init__(
        self,
        J: int,
        L: int = 8,
        max_order: int = 2,
        *,
        log: bool = False,
        epsilon: float = 1e-6,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(J, max_order, log, epsilon, data_format, **kwargs)
        require_positive("the number of angles", L=L)
        self.L = L

    @property
    def paths(self) -> int:
        """Number of coefficients of every place: `1 + J L + J (J - 1) / 2 L^2` for two orders."""
        orders = (1, self.J * self.L, self.J * (self.J - 1) // 2 * self.L**2)
        return sum(orders[: self.max_order + 1])

    def _output_places(self, places: tuple[int, ...]) -> tuple[int, ...]:
        # The reflected padding of an axis must be shorter than the axis.
        short = [n for n in places if n < 2**self.J or self._edges(n)[1] >= n]
        if short:
            least = 2**self.J
            while self._edges(least)[1] >= least:
                least += 1
            raise ValueError(
                f"The layer '{self.name}' (Scattering2D) averages over 2^J = {2**self.J} pixels, "
                f"which the image does not have. Expected at least {least} pixels along each "
                f"axis for J={self.J}, or a smaller J. Received: height and width {places}"
            )
        return tuple(n // 2**self.J for n in places)

    def _edges(self, size: int) -> tuple[int, int]:
        more = scattering.padded_size(size, self.J) - size
        return more // 2, more - more // 2

    def build(self, input_shape: tuple) -> None:
        """Compute the filters for images of that size."""
        places = self._places(input_shape)
        self._output_places(places)
        padded = [scattering.padded_size(n, self.J) for n in places]
        low, waves = scattering.filters_2d(padded, self.J, self.L)
        self._pads = [(0, 0), (0, 0), *map(self._edges, places)]
        self._low = [
            scattering.at_resolution(low, r, crop=True).astype("float32") for r in range(self.J)
        ]
        # By scale and resolution, all angles together: (L, height, width).
        self._waves = {
            (j, r): np.stack(
                [scattering.at_resolution(w.response, r, True) for w in waves if w.scale == j]
            ).astype("float32")
            for j in range(self.J)
            for r in range(j + 1)
        }
        self.built = True

    def _paths(self, x: Tensor) -> list[Tensor]:
        """Coefficients of every order, `(batch, channels, paths, *places)`."""
        x = ops.expand_dims(ops.pad(x, self._pads, mode="reflect"), 2)
        spectrum = transformed(x)
        found = [self._averaged(spectrum, 0)]
        if self.max_order < 1:
            return found
        second = []
        for j in range(self.J):
            first = self._modulus(spectrum, j, 0)
            found.append(self._averaged(first, j))
            if self.max_order == 2 and j + 1 < self.J:
                second.append(self._second_order(first, j))
        return found + second

    def _second_order(self, first: tuple[Tensor, Tensor], j: int) -> Tensor:
        """All wavelets of larger scales on the moduli of one scale."""
        inner = tuple(ops.expand_dims(p, 3) for p in first)  # batch, channels, L, 1, *places
        found = [self._averaged(self._modulus(inner, k, j), k) for k in range(j + 1, self.J)]
        y = ops.concatenate(found, axis=3)
        return ops.reshape(y, (-1, y.shape[1], y.shape[2] * y.shape[3], *y.shape[4:]))

    def _modulus(self, spectrum: tuple[Tensor, Tensor], j: int, resolution: int) -> tuple:
        """Spectrum of `|x * psi|` for all angles of a scale, at every `2^j`-th place."""
        wave = ops.convert_to_tensor(self._waves[j, resolution])
        y = filtering.complex_product(spectrum, (wave, None))
        y = filtering.inverse_transform(folded(y, 2 ** (j - resolution), 2), 2)
        return transformed(modulus_axis(ops.stack(y, axis=0), axis=0))

    def _averaged(self, spectrum: tuple[Tensor, Tensor], resolution: int) -> Tensor:
        low = ops.convert_to_tensor(self._low[resolution])
        y = filtering.complex_product(spectrum, (low, None))
        y = filtering.inverse_transform(folded(y, 2 ** (self.J - resolution), 2), 2)[0]
        return y[..., 1:-1, 1:-1]

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "L": self.L}


class Scattering1DBody(ScatteringBody):
    """The logic of `Scattering1D`, for any Keras base class."""

    rank = 1

    def __init__(
        self,
        J: int,
        Q: int = 8,
        max_order: int = 2,
        T: int | None = None,
        *,
        log: bool = False,
        epsilon: float = 1e-6,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(J, max_order, log, epsilon, data_format, **kwargs)
        require_positive("the number of wavelets an octave", Q=Q)
        if T is not None:
            require_positive("the support of the averaging in samples", T=T)
        self.Q = Q
        self.T = T
        self._scales = [scattering.scales_1d(J, quality) for quality in (Q, 1)]

    @property
    def _support(self) -> int:
        return self.T or 2**self.J

    @property
    def _stride(self) -> int:
        """The log2 of the distance of the outputs."""
        return int(math.log2(self._support))

    @property
    def paths(self) -> int:
        """Number of coefficients of every place."""
        first, second = self._scales
        pairs = sum(k > j for j in first for k in second)
        return sum((1, len(first), pairs)[: self.max_order + 1])

    def _padding(self, size: int) -> tuple[int, int]:
        """Places to add before and after, up to a power of 2."""
        wanted = size + 6 * scattering.temporal_support(size, self._support)
        total = 2 ** min(math.ceil(math.log2(wanted)), math.floor(math.log2(3 * size - 2)))
        return (total - size) // 2, total - size - (total - size) // 2

    def _output_places(self, places: tuple[int, ...]) -> tuple[int, ...]:
        (size,) = places
        least = max(2**self.J, self._support)
        if size < least:
            raise ValueError(
                f"The layer '{self.name}' (Scattering1D) has wavelets of 2^J = {2**self.J} samples "
                f"and averages over {self._support}. Expected a signal of at least {least} "
                f"samples, or a smaller J. Received: {size} samples"
            )
        start, end = self._cut(size)
        return (end - start,)

    def _cut(self, size: int) -> tuple[int, int]:
        """Where the outputs begin and end in the padded and strided signal."""
        before, _ = self._padding(size)
        step = 2**self._stride
        return -(-before // step), -(-(before + size) // step)

    def build(self, input_shape: tuple) -> None:
        """Compute the filters for signals of that length."""
        (size,) = places = self._places(input_shape)
        self._output_places(places)
        pads = self._padding(size)
        total = size + sum(pads)
        self._pads = [(0, 0), (0, 0), pads]
        self._kept = slice(*self._cut(size))
        low = scattering.low_pass_1d(total, self._support)
        self._low = [
            scattering.at_resolution(low, r, crop=False).astype("float32")
            for r in range(self._stride + 1)
        ]
        first, second = (scattering.filters_1d(total, self.J, q) for q in (self.Q, 1))
        self._first_waves = [w.response.astype("float32") for w in first]
        self._second_waves = {
            (i, r): scattering.at_resolution(w.response, r, crop=False).astype("float32")
            for i, w in enumerate(second)
            for r in range(min(w.scale, self._stride + 1))
        }
        self.built = True

    def _paths(self, x: Tensor) -> list[Tensor]:
        """Coefficients of every order, `(batch, channels, paths, places)`."""
        spectrum = transformed(ops.expand_dims(ops.pad(x, self._pads, mode="reflect"), 2), 1)
        found = [self._averaged(spectrum, 0)]
        if self.max_order < 1:
            return found
        second = []
        for i, j in enumerate(self._scales[0]):
            at = min(j, self._stride)
            moduli = self._modulus(spectrum, self._first_waves[i], at)
            found.append(self._averaged(moduli, at))
            if self.max_order < 2:
                continue
            for k, scale in enumerate(self._scales[1]):
                if scale > j:
                    to = min(scale, self._stride)
                    wave = self._second_waves[k, at]
                    deeper = self._modulus(moduli, wave, max(to - at, 0))
                    second.append(self._averaged(deeper, max(to, at)))
        return found + second

    def _modulus(self, spectrum: tuple[Tensor, Tensor], wave: np.ndarray, stride: int) -> tuple:
        """Spectrum of `|x * psi|` at every `2^stride`-th place."""
        y = filtering.complex_product(spectrum, (ops.convert_to_tensor(wave), None))
        y = filtering.inverse_transform(folded(y, 2**stride, 1), 1)
        return transformed(modulus_axis(ops.stack(y, axis=0), axis=0), 1)

    def _averaged(self, spectrum: tuple[Tensor, Tensor], resolution: int) -> Tensor:
        low = ops.convert_to_tensor(self._low[resolution])
        y = filtering.complex_product(spectrum, (low, None))
        y = filtering.inverse_transform(folded(y, 2 ** (self._stride - resolution), 1), 1)[0]
        return y[..., self._kept]

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "Q": self.Q, "T": self.T}


@register
class Scattering1D(Scattering1DBody, keras.layers.Layer):
    """Scattering coefficients of a signal: moduli of wavelet coefficients, averaged.

    `S0 = x * phi`, `S1 = |x * psi_1| * phi`, `S2 = ||x * psi_1| * psi_2| * phi`, with Q wavelets an
    octave for the first order and one for the second, of larger scale than the first. Translations
    of much less than T samples change them little, deformations in proportion to their size.
    Nothing is trained, gradients pass through.

    Args:
        J: log2 of the largest wavelets' support in samples.
        Q: wavelets an octave of the first order.
        max_order: 0, 1 or 2.
        T: support of the averaging in samples; None is `2^J`. Outputs are `2^floor(log2 T)` apart.
        log: whether to take `log(S + epsilon)`; the order 0 of a signal with negative means is NaN.
        epsilon: see `log`.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's setting.
        **kwargs: of every Keras layer.

    Input shape:
        `(batch, time, channels)`, real.

    Output shape:
        `(batch, about time / 2^floor(log2 T), channels*paths)`, channel-major; paths in the order
        of their number of wavelets, then of the first, then of the second one.

    Raises:
        ValueError: if an argument is none of these, or the signal is too short for J or T.

    Reference:
        Anden and Mallat, "Deep scattering spectrum", arXiv 1304.6763; filters, padding and order of
        the paths as in kymatio, arXiv 1812.11214.

    Example:

    >>> layer = Scattering1D(J=4, Q=2)
    >>> layer(keras.ops.ones((2, 128, 1))).shape[:2]
    TensorShape([2, 8])
    """


@register
class Scattering2D(Scattering2DBody, keras.layers.Layer):
    """Scattering coefficients of an image: moduli of wavelet coefficients, averaged.

    `S0 = x * phi`, `S1 = |x * psi_1| * phi`, `S2 = ||x * psi_1| * psi_2| * phi` over all wavelets
    of J scales and L angles, in the second order of larger scale than in the first. Translations of
    much less than `2^J` pixels change them little. Nothing is trained, gradients pass through.

    Args:
        J: log2 of the averaging's support.
        L: number of angles.
        max_order: 0, 1 or 2.
        log: whether to take `log(S + epsilon)`; the order 0 of an image with negative means is NaN.
        epsilon: see `log`.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's setting.
        **kwargs: of every Keras layer.

    Input shape:
        `(batch, height, width, channels)`, real.

    Output shape:
        `(batch, height // 2^J, width // 2^J, channels*paths)`, channel-major, with
        `1 + J L + J (J - 1) / 2 L^2` paths for two orders: by their number of wavelets, then scale
        and angle of the first, then of the second one.

    Raises:
        ValueError: if an argument is none of these, or the image is too small for J.

    Reference:
        Bruna and Mallat, "Invariant scattering convolution networks", arXiv 1203.1513; filters,
        padding and order of the paths as in kymatio, arXiv 1812.11214.

    Degenerate case: a constant image has coefficients 0 in the orders 1 and 2.

    Example:

    >>> layer = Scattering2D(J=2, L=4)
    >>> layer(keras.ops.ones((2, 32, 28, 3))).shape
    TensorShape([2, 8, 7, 75])
    """
