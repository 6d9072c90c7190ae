"""Filters of the scattering transform as Fourier transforms, at every resolution that it uses."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from . import mothers
from .filter_bank import directions, voices

# Frequencies in cycles a sample, as the reference implementation has them.
_WIDTH_AT_0 = 0.1
_ALPHA = 5.0


@dataclass(frozen=True)
class Wavelet:
    """One wavelet on a periodic grid.

    Attributes:
        scale: `j`; its coefficients are kept at every `2^j`-th place.
        response: its Fourier transform, real.
    """

    scale: int
    response: np.ndarray


def at_resolution(response: np.ndarray, resolution: int, crop: bool) -> np.ndarray:
    """The transform of a filter for signals kept at every `2^resolution`-th place.

    Args:
        response: on the full grid.
        resolution: log2 of the places' distance.
        crop: whether frequencies that the coarser grid lacks are cut, or folded and averaged.
    """
    factor = 2**resolution
    if factor == 1:
        return response
    if not crop:
        folded = response.reshape(*(n for size in response.shape for n in (factor, size // factor)))
        return folded.mean(axis=tuple(range(0, 2 * response.ndim, 2)))
    for axis, size in enumerate(response.shape):
        kept = size // factor
        places = np.r_[0 : (kept + 1) // 2, size - kept // 2 : size]
        response = np.take(response, places, axis=axis)
    return response


def padded_size(size: int, scales: int) -> int:
    """Size of an image's axis with its padding, a multiple of `2^scales`."""
    return (size // 2**scales + 2) * 2**scales


def filters_2d(size: Sequence[int], scales: int, angles: int) -> tuple[np.ndarray, list[Wavelet]]:
    """The low-pass response and the wavelets on a periodic grid, scale by scale.

    Widths `0.8 2^j`, frequencies `3/4 pi 2^-j`, slant `4/angles`, low-pass width `0.8 2^(J-1)`.
    """
    points = np.meshgrid(*(np.arange(-2 * n, 3 * n) for n in size), indexing="ij")

    def response(real: np.ndarray, imag: np.ndarray) -> np.ndarray:
        folded = (real + 1j * imag).reshape(5, size[0], 5, size[1]).sum(axis=(0, 2))
        return np.fft.fft2(folded).real

    waves = []
    for j in range(scales):
        for angle in directions(angles, 2):
            frequency = 0.75 * np.pi / 2**j
            wave = mothers.morlet(points, 0.8 * 2**j, frequency, angle, 4 / angles)
            waves.append(Wavelet(j, response(*wave)))
    return response(*mothers.gabor(points, 0.8 * 2 ** (scales - 1), 0.0, 0.0)), waves


def filters_1d(size: int, scales: int, quality: int) -> list[Wavelet]:
    """The wavelets of one order on a periodic grid of a power of 2, highest frequency first.

    `quality` an octave until their width in frequency has fallen to `0.1 2^-scales`, then
    `quality - 1` of that width.
    """
    frequency, width = constant_q(_WIDTH_AT_0 / 2**scales, quality)
    pairs = zip(scales_1d(scales, quality), frequency, width, strict=True)
    return [Wavelet(j, _wave(size, xi, sigma)) for j, xi, sigma in pairs]


def scales_1d(scales: int, quality: int) -> list[int]:
    """The scale of each wavelet of one order: how far apart its coefficients may be kept."""
    frequency, width = constant_q(_WIDTH_AT_0 / 2**scales, quality)
    highest = np.minimum(frequency + _ALPHA * width, 0.5)
    return [math.floor(-math.log2(f)) - 1 for f in highest]


def constant_q(narrowest: float, quality: int) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies and widths in frequency, in cycles a sample."""
    octaves = 40  # far more than any signal has
    radians, samples = voices(octaves, quality)
    frequency = (radians / (2 * np.pi))[: octaves * quality]
    width = 1 / (2 * np.pi * samples)[: octaves * quality]
    if width[0] <= narrowest:
        frequency, width, elbow = frequency[:0], width[:0], width[0]
    else:
        # The last one is the first that is at most one step wider than the narrowest.
        wide = int(np.sum(width > narrowest * 2 ** (1 / quality)))
        frequency, width = frequency[: wide + 1], width[: wide + 1]
        elbow = frequency[-1]
    below = elbow * (1 - np.arange(1, quality) / quality)
    return np.append(frequency, below), np.append(width, np.full(quality - 1, narrowest))


def low_pass_1d(size: int, support: float) -> np.ndarray:
    """Response of the low-pass filter that averages over about `support` samples."""
    return _wave(size, 0.0, _WIDTH_AT_0 / support)


def temporal_support(size: int, support: float) -> int:
    """Half of the width beyond which the low-pass filter has less than 1e-3 of its sum."""
    impulse = np.abs(np.fft.ifft(low_pass_1d(size, support)))[: size // 2]
    beyond = np.cumsum(impulse[::-1])[::-1]
    small = np.flatnonzero(beyond <= 1e-3)
    return int(small[0]) + 1 if len(small) else size // 2


def _wave(size: int, frequency: float, width: float) -> np.ndarray:
    """Response of a Morlet wavelet (a Gaussian, if the frequency is 0), its sum of moduli 1."""
    periods = min(math.ceil(width * math.sqrt(-2 * math.log(1e-7)) + 1), 5)
    grid = np.arange((1 - periods) * size, periods * size) / size
    around_0 = np.fft.fftfreq(size) if periods == 1 else grid

    def folded(x: np.ndarray) -> np.ndarray:
        return x.reshape(-1, size).mean(axis=0)

    response = folded(np.exp(-(around_0**2) / (2 * width**2)))
    if frequency:
        gabor = folded(np.exp(-((grid - frequency) ** 2) / (2 * width**2)))
        response = gabor - gabor[0] / response[0] * response
    return response / np.abs(np.fft.ifft(response)).sum()
