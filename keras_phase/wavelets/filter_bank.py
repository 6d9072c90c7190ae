"""Banks by name: one low-pass filter, and wavelets at several scales and angles."""

from collections.abc import Callable, Sequence

import numpy as np

from ..registry import Registry
from . import mothers
from .bank import FilterBank, Parameters, grid
from .mothers import MOTHERS

BANKS: Registry = Registry("filter bank")

# A filter's envelope is 2e-23 this many widths away from its centre.
_REACH = 10


def filter_bank(
    bank: str = "morlet",
    *,
    rank: int = 2,
    scales: int = 1,
    angles: int | None = None,
    quality: int = 1,
    window: int | None = None,
    tolerance: float = 1e-6,
) -> FilterBank:
    """A low-pass filter, and wavelets at several scales and angles, scale by scale.

    | bank | wavelets |
    |---|---|
    | `"morlet"`, `"gabor"` | width `0.8 2^j`, frequency `3/4 pi 2^-j`, slant `4/angles` |
    | `"steerable"` | derivatives of a Gaussian, width `0.8 2^j` |
    | `"half_octave_even"` | Morlet wavelets of j = 0 with a low-pass filter of half an octave |
    | `"half_octave_odd"` | the half octave below: `3/2 pi / (2 sqrt 2)`, width `0.8 sqrt(3/2)` |
    | `"analytic"` | Hilbert pairs, one dimension, tight on its window's grid (`8 2^scales + 1`) |
    | `"haar"`, `"daubechies2"` to `"daubechies12"` | real and orthonormal with a stride of 2 |

    An even block and then an odd one with a stride of 2 factorise the octave of `"morlet"`. In two
    dimensions angle t is `(ceil(angles/2) - 1 - t) pi / angles`; in one it is `t pi`, so 2 angles
    see frequencies of both signs.

    Args:
        bank: name of a bank.
        rank: 1 or 2 axes.
        scales: number of scales (octaves), each half as fine as the one before.
        angles: number of orientations; None is 4 in two dimensions and 1 in one.
        quality: wavelets an octave, in one dimension.
        window: odd size of the window; None takes the smallest that leaves at most `tolerance` of
            each filter's energy outside. Banks of fixed length have their own.
        tolerance: see `window`.

    Raises:
        ValueError: if an argument is not among these, or the bank has no such wavelets.

    Reference:
        Guth, Zarka and Mallat, "Phase collapse in neural networks", arXiv 2110.05283, appendix.
    """
    make = BANKS.get(bank)
    angles = (4 if rank == 2 else 1) if angles is None else angles
    for name, value in (("scales", scales), ("angles", angles), ("quality", quality)):
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(
                f"Expected `{name}` to be an integer of at least 1. Received: {name}={value!r}"
            )
    if rank not in (1, 2):
        raise ValueError(f"Expected `rank` to be 1 or 2 axes. Received: rank={rank}")
    if rank == 1 and angles > 2:
        raise ValueError(
            "In one dimension there are two directions: positive frequencies, and with angles=2 "
            f"negative ones too. Received: angles={angles}"
        )
    if rank == 2 and quality > 1:
        raise ValueError(
            "Several wavelets an octave are for one dimension; in two see the half-octave banks. "
            f"Received: quality={quality}"
        )
    if window is not None and (not isinstance(window, int) or window < 1 or window % 2 == 0):
        raise ValueError(
            "Expected `window` to be an odd positive integer, or None for one that holds all but "
            f"`tolerance` of the energy. Received: window={window}"
        )
    return make(bank, rank, scales, angles, quality, window, tolerance)


def energy_outside(filters: np.ndarray, window: int) -> np.ndarray:
    """Share of each filter's energy outside the centred window, `(filters,)`."""
    energy = np.abs(filters) ** 2
    middle = tuple(
        slice(max(0, n // 2 - window // 2), n // 2 + window // 2 + 1) for n in filters.shape[1:]
    )
    axes = tuple(range(1, filters.ndim))
    return 1 - energy[(slice(None), *middle)].sum(axes) / energy.sum(axes)


def sample(
    mother: Callable, parameters: Parameters, low_sigma: float, window: Sequence[int]
) -> np.ndarray:
    """The filters of a bank with a closed form, `(1 + wavelets, *window)`, centred."""
    points = grid(window)
    low, _ = mothers.gabor(points, low_sigma, 0.0, 0.0, 1.0)
    shape = (-1,) + (1,) * len(window)
    columns = (
        np.reshape(getattr(parameters, name), shape)
        for name in ("sigma", "frequency", "angle", "slant")
    )
    real, imag = mother(points, *columns)
    return np.concatenate([low[None], real + 1j * imag])


def _from_mother(
    name: str,
    mother: Callable,
    parameters: Parameters,
    low_sigma: float,
    rank: int,
    window: int | None,
    tolerance: float,
) -> FilterBank:
    if window is None:
        widest = max(np.max(parameters.sigma / np.minimum(parameters.slant, 1)), low_sigma)
        wide = 2 * int(np.ceil(_REACH * widest)) + 1
        filters = sample(mother, parameters, low_sigma, (wide,) * rank)
        window = next(
            k for k in range(1, wide + 2, 2) if energy_outside(filters, k).max() <= tolerance
        )
    filters = sample(mother, parameters, low_sigma, (window,) * rank)
    return FilterBank(filters, name, mother, parameters)


def directions(angles: int, rank: int) -> np.ndarray:
    """The angles of a bank in radians, in their order."""
    if rank == 1:
        return np.pi * np.arange(angles)
    return np.pi / angles * ((angles + 1) // 2 - 1 - np.arange(angles))


@BANKS.register("morlet")
@BANKS.register("gabor")
@BANKS.register("steerable")
def _octaves(
    name: str, rank: int, scales: int, angles: int, quality: int, window: int | None, tol: float
) -> FilterBank:
    if quality == 1:
        sigma = 0.8 * 2.0 ** np.arange(scales)
        frequency = 0.75 * np.pi / 2.0 ** np.arange(scales)
    else:
        frequency, sigma = voices(scales, quality)
    slant = 4 / angles if rank == 2 and name != "steerable" else 1.0
    parameters = _crossed(sigma, frequency, angles, rank, slant)
    low = float(sigma.max())
    return _from_mother(name, MOTHERS.get(name), parameters, low, rank, window, tol)


@BANKS.register("half_octave_even")
@BANKS.register("half_octave_odd")
def _half_octave(
    name: str, rank: int, scales: int, angles: int, quality: int, window: int | None, tol: float
) -> FilterBank:
    if rank != 2 or scales != 1:
        raise ValueError(
            "A half-octave bank has one scale, in two dimensions: two blocks, even and odd, make "
            f"an octave. Received: rank={rank}, scales={scales}"
        )
    slant, sigma, frequency = 4 / angles, 0.8, 0.75 * np.pi
    if name == "half_octave_odd":
        if slant >= 2:
            raise ValueError(
                "The odd half octave needs at least 3 angles: its slant, "
                f"sqrt(3 s^2 / (4 - s^2)) with s = 4/angles, has no value. Received: {angles=}"
            )
        sigma, frequency = 0.8 * 1.5**0.5, np.pi / 2**0.5
        slant = (3 * slant**2 / (4 - slant**2)) ** 0.5
    parameters = _crossed(np.array([sigma]), np.array([frequency]), angles, rank, slant)
    return _from_mother(name, mothers.morlet, parameters, 0.8 / 2**0.5, rank, window, tol)


@BANKS.register("analytic")
def _analytic(
    name: str, rank: int, scales: int, angles: int, quality: int, window: int | None, tol: float
) -> FilterBank:
    _require(name, rank == 1 and quality == 1, f"one dimension: {rank=}, {quality=}")

    def filters(size: int) -> np.ndarray:
        pairs = [mothers.analytic_pair(size, j) for j in range(scales)]
        waves = [real + sign * 1j * imag for real, imag in pairs for sign in (1, -1)[:angles]]
        # One frame whichever signs of frequency it sees.
        waves = np.asarray(waves) / (angles**0.5)
        low = mothers.meyer_low_pass(size, scales)[None]
        return np.fft.fftshift(np.concatenate([low, waves]), axes=1)

    # What ends abruptly at the frequency pi falls off slowly: no window holds all but 1e-6 of it.
    return FilterBank(filters(window or 2 ** (scales + 3) + 1), name)


def _orthonormal(
    name: str, rank: int, scales: int, angles: int, quality: int, window: int | None, tol: float
) -> FilterBank:
    moments = 1 if name == "haar" else int(name.removeprefix("daubechies"))
    low = mothers.daubechies(moments)
    size = len(low) + 1
    usual = scales == 1 and quality == 1 and window in (None, size)
    _require(name, usual, f"one scale, in a window of {size}: {scales=}, {quality=}, {window=}")
    high = (-1.0) ** np.arange(len(low)) * low[::-1]
    # A window has a middle: the last place stays empty.
    pair = [np.append(low, 0), np.append(high, 0)]
    if rank == 1:
        return FilterBank(np.array(pair), name)
    return FilterBank(np.array([np.outer(a, b) for a in pair for b in pair]), name)


for _name in ("haar", *(f"daubechies{_p}" for _p in range(2, 13))):
    BANKS.add(_name, _orthonormal)


def voices(scales: int, quality: int) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies (radians) and widths (samples) of `quality` Morlet wavelets an octave.

    Neighbours meet where their response has fallen by 3 dB; below the last octave `quality - 1`
    wavelets of one width fill the gap to the low-pass filter.
    """
    ratio = 2.0 ** (-1 / quality)
    highest = max(1 / (1 + 2 ** (3 / quality)), 0.35)
    frequency = highest * ratio ** np.arange(scales * quality)
    width = frequency * (1 - ratio) / (1 + ratio) / np.sqrt(np.log(2))
    below = frequency[-1] * (1 - np.arange(1, quality) / quality)
    frequency = np.concatenate([frequency, below])
    width = np.concatenate([width, np.full(quality - 1, width[-1])])
    return 2 * np.pi * frequency, 1 / (2 * np.pi * width)


def _crossed(
    sigma: np.ndarray, frequency: np.ndarray, angles: int, rank: int, slant: float
) -> Parameters:
    """Every scale at every angle."""
    angle = np.tile(directions(angles, rank), len(sigma))
    return Parameters(
        np.repeat(sigma, angles), np.repeat(frequency, angles), angle, np.full(angle.shape, slant)
    )


def _require(name: str, holds: bool, what: str) -> None:
    if not holds:
        wanted, _, received = what.partition(": ")
        raise ValueError(
            f"The bank '{name}' is for {wanted}; 'morlet' has more freedom. Received: {received}"
        )
