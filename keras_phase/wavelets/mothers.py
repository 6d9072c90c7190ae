"""Mother wavelets: one function each, sampled at points.

A function takes coordinates (one array an axis), the width `sigma` of its envelope in samples, its
`frequency` in radians a sample, its `angle` and the envelope's `slant` (width along the wave over
width across it), and returns real and imaginary part. Parameters may be arrays that broadcast
against the points, for many wavelets at once. `xp` is the module that computes: NumPy, or one with
the same functions, such as `keras.ops` where parameters are trained.

In one dimension an angle of pi turns the wave's direction, and `slant` has no meaning.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..registry import Registry

Array = Any
Points = Sequence[Array]

MOTHERS: Registry = Registry("mother wavelet")

# The reference implementations of the scattering transform round pi in the envelope's norm, and
# their filters are the ones that published networks use: a factor of 1 + 3e-5 on all of them.
_PI = 3.1415


@MOTHERS.register("gabor")
def gabor(
    points: Points, sigma: Array, frequency: Array, angle: Array, slant: Array = 1.0, xp: Any = np
) -> tuple[Array, Array]:
    """A wave under a Gaussian, `g(u) exp(i frequency v)`, with the Gaussian's sum near 1.

    `v` is the coordinate along the wave, `w` the one across it, and
    `g = slant / (2 pi sigma^2) exp(-(v^2 + slant^2 w^2) / (2 sigma^2))` in two dimensions,
    `exp(-v^2 / (2 sigma^2)) / (sqrt(2 pi) sigma)` in one. Its mean is small but not 0: `morlet`
    mends that. Degenerate case: with frequency 0 it is the low-pass filter.
    """
    envelope, along = _envelope(points, sigma, angle, slant, xp)
    return envelope * xp.cos(frequency * along), envelope * xp.sin(frequency * along)


@MOTHERS.register("morlet")
def morlet(
    points: Points, sigma: Array, frequency: Array, angle: Array, slant: Array = 1.0, xp: Any = np
) -> tuple[Array, Array]:
    """The Gabor wavelet without its mean: `g(u) (exp(i frequency v) - K)`, whose sum is 0.

    `K` is computed from the sum over the points, which has to be symmetric about the origin: then
    it is real, and the sum is 0 to rounding whatever the window.

    Reference:
        Bruna and Mallat, "Invariant scattering convolution networks", arXiv 1203.1513.
    """
    real, imag = gabor(points, sigma, frequency, angle, slant, xp)
    envelope, _ = _envelope(points, sigma, angle, slant, xp)
    return real - _total(real, points, xp) / _total(envelope, points, xp) * envelope, imag


@MOTHERS.register("steerable")
def steerable(
    points: Points, sigma: Array, frequency: Array, angle: Array, slant: Array = 1.0, xp: Any = np
) -> tuple[Array, Array]:
    """Second derivative of an isotropic Gaussian, and an odd cubic near its Hilbert transform.

    With `t = v / (sqrt(2) sigma)` it is `g(u) ((c t^2 - m) + i (b t^3 - a t))`, with m such that
    the sum is 0. The even part at any angle is a sum of those at 3 angles, the odd part of those at
    4. `frequency` and `slant` are not used: the peak lies near `1.4 / sigma`.

    Reference:
        Freeman and Adelson, "The design and use of steerable filters", IEEE PAMI 13 (1991).
    """
    del frequency, slant
    envelope, along = _envelope(points, sigma, angle, 1.0, xp)
    t = along / (2**0.5 * sigma)
    even = 1.8426 * t * t
    odd = (0.9780 * t * t - 2.205) * t
    mean = _total(even * envelope, points, xp) / _total(envelope, points, xp)
    # The wave of the other mothers starts at its crest and turns counter-clockwise.
    return (mean - even) * envelope, -odd * envelope


def daubechies(moments: int) -> np.ndarray:
    """Daubechies's orthonormal low-pass filter with that many vanishing moments, `(2*moments,)`.

    Of minimal phase, computed by spectral factorization. Degenerate case: one moment is Haar's
    filter.

    Raises:
        ValueError: if `moments` is not between 1 and 12: beyond, the roots lose their digits.

    Reference:
        Daubechies, "Orthonormal bases of compactly supported wavelets", CPAM 41 (1988).

    Example:

    >>> print(daubechies(1).round(4))
    [0.7071 0.7071]
    """
    if not isinstance(moments, int) or not 1 <= moments <= 12:
        raise ValueError(
            "Expected `moments`, the number of vanishing moments of a Daubechies wavelet, between "
            f"1 and 12. Received: moments={moments!r}"
        )
    # |h|^2 = 2 cos(w/2)^(2p) P(sin(w/2)^2); every root y of P is a pair z, 1/z on the z-plane.
    count = [1.0]
    for k in range(1, moments):
        count.append(count[-1] * (moments - 1 + k) / k)
    polynomial = np.ones(1)
    for y in np.roots(count[::-1]) if moments > 1 else ():
        half = 1 - 2 * y
        root = half + np.sqrt(half * half - 1 + 0j)
        polynomial = np.polymul(polynomial, [1, -(root if abs(root) < 1 else 1 / root)])
    for _ in range(moments):
        polynomial = np.polymul(polynomial, [1, 1])
    filters = polynomial.real
    return filters * np.sqrt(2) / filters.sum()


def analytic_pair(size: int, scale: int) -> tuple[np.ndarray, np.ndarray]:
    """A real wavelet and its Hilbert transform, periodic in `size`, at the scale `2^scale`.

    Meyer's wavelet without its negative frequencies, as the two trees of a dual-tree transform
    approximate: `|psi(w)|^2` rises from `2^-scale pi/3` to `2^-scale 2pi/3` and falls over the next
    octave; that of scale 0 stays up until pi. The squares of all scales and of the low-pass filter
    (`meyer_low_pass`) sum to 1 where negative and positive frequencies are averaged, so the bank is
    a tight frame.

    Returns:
        Real and imaginary part, `(size,)` each, with the origin at index 0.

    Reference:
        Kingsbury, "Complex wavelets for shift invariant analysis and filtering of signals", ACHA 10
        (2001); Meyer, "Wavelets and operators", 1992.
    """
    w = 2 * np.pi * np.fft.fftfreq(size)
    response = np.sqrt(2) * np.sin(_rise(w, scale))
    if scale > 0:
        response = response * np.cos(_rise(w, scale - 1))
    # The frequency pi is its own negative: half of its square belongs to either side.
    response = np.where(np.isclose(np.abs(w), np.pi), response / np.sqrt(2), response * (w > 0))
    filters = np.fft.ifft(response)
    return filters.real, filters.imag


def meyer_low_pass(size: int, scales: int) -> np.ndarray:
    """The low-pass filter that belongs to `scales` pairs of `analytic_pair`, `(size,)`."""
    response = np.cos(_rise(np.abs(2 * np.pi * np.fft.fftfreq(size)), scales - 1))
    return np.fft.ifft(response).real


def _rise(w: np.ndarray, scale: int) -> np.ndarray:
    """An angle from 0 to pi/2 over the octave that begins at `2^-scale pi/3`."""
    x = np.clip(np.abs(w) * 2**scale / (np.pi / 3) - 1, 0, 1)
    return np.pi / 2 * x**4 * (35 - 84 * x + 70 * x**2 - 20 * x**3)


def _envelope(
    points: Points, sigma: Array, angle: Array, slant: Array, xp: Any
) -> tuple[Array, Array]:
    """The Gaussian, and the coordinate along the wave."""
    if len(points) == 1:
        along = points[0] * xp.cos(angle)
        norm = (2 * _PI) ** 0.5 * sigma
        return xp.exp(-along * along / (2 * sigma * sigma)) / norm, along
    cos, sin = xp.cos(angle), xp.sin(angle)
    along, across = points[0] * cos + points[1] * sin, points[1] * cos - points[0] * sin
    square = along * along + slant * slant * across * across
    norm = 2 * _PI * sigma * sigma / slant
    return xp.exp(-square / (2 * sigma * sigma)) / norm, along


def _total(x: Array, points: Points, xp: Any) -> Array:
    return xp.sum(x, axis=tuple(range(-len(points), 0)), keepdims=True)


Mother = Callable[..., tuple[Array, Array]]
