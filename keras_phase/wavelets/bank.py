"""A bank of filters as a record, with the bounds of its frame."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Parameters:
    """What the closed form of a bank's wavelets takes, one entry a wavelet; lengths in samples."""

    sigma: np.ndarray
    frequency: np.ndarray
    angle: np.ndarray
    slant: np.ndarray


@dataclass(frozen=True, eq=False)
class FilterBank:
    """A low-pass filter and wavelets, sampled about the centre of an odd window.

    Attributes:
        filters: complex `(1 + wavelets, *window)`, the low-pass filter first.
        name: of the bank, `"custom"` for filters of your own.
        mother: closed form of the wavelets, as in `keras_phase.wavelets.mothers`, or None.
        parameters: what it takes, or None.

    Example:

    >>> bank = FilterBank([[0.5, 0.5, 0.0], [0.5, -0.5, 0.0]])
    >>> bank.wavelets, bank.window, bank.is_real
    (1, (3,), True)
    """

    filters: np.ndarray
    name: str = "custom"
    mother: Callable | None = None
    parameters: Parameters | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        filters = np.asarray(self.filters)
        odd = filters.ndim > 1 and all(size % 2 for size in filters.shape[1:])
        if not odd or not 2 <= filters.ndim <= 3 or len(filters) < 2:
            raise ValueError(
                "Expected two or more `filters`, of shape (filters, size) or (filters, height, "
                "width), the low-pass one first, with odd sizes: the middle is the origin. Pad "
                f"even ones with a zero. Received: filters.shape={filters.shape}"
            )
        object.__setattr__(self, "filters", filters.astype("complex128"))

    @property
    def window(self) -> tuple[int, ...]:
        """Size along each axis."""
        return self.filters.shape[1:]

    @property
    def rank(self) -> int:
        """Number of axes."""
        return len(self.window)

    @property
    def wavelets(self) -> int:
        """Number of wavelets."""
        return len(self.filters) - 1

    @property
    def is_real(self) -> bool:
        """Whether no filter has an imaginary part."""
        return not np.any(self.filters.imag)

    def points(self) -> list[np.ndarray]:
        """Coordinates of the window's places along each axis, the origin in the middle."""
        return grid(self.window)

    def responses(self, size: int | Sequence[int] | None = None) -> np.ndarray:
        """Fourier transforms `(1 + wavelets, *size)` on a grid, by default of 64 or the window.

        On a grid smaller than the window the filters are periodised.
        """
        sizes = _sizes(size or tuple(max(64, k) for k in self.window), self.rank)
        wrapped = np.zeros((len(self.filters), *sizes), "complex128")
        places = [(np.arange(k) - k // 2) % n for k, n in zip(self.window, sizes, strict=True)]
        np.add.at(wrapped, (slice(None), *np.ix_(*places)), self.filters)
        return np.fft.fftn(wrapped, axes=range(1, 1 + self.rank))

    def littlewood_paley(
        self, size: int | Sequence[int] | None = None, symmetric: bool = True
    ) -> np.ndarray:
        """`|phi(w)|^2 + sum |psi(w)|^2` on a grid: how much of each frequency the bank keeps.

        Args:
            size: of the grid.
            symmetric: whether wavelets count with the mean over `w` and `-w`, which is what
                becomes of real signals.
        """
        power = np.abs(self.responses(size)) ** 2
        low, high = power[0], power[1:].sum(axis=0)
        if symmetric:
            axes = tuple(range(self.rank))
            mirrored = np.roll(np.flip(high, axes), (1,) * self.rank, axes)
            low, high = low, (high + mirrored) / 2
        return low + high

    def bounds(
        self, size: int | Sequence[int] | None = None, symmetric: bool = True
    ) -> tuple[float, float]:
        """The frame bounds `A |x|^2 <= |W x|^2 <= B |x|^2` without subsampling."""
        power = self.littlewood_paley(size, symmetric)
        return float(power.min()), float(power.max())

    def normalized(self, how: str = "contractive") -> "FilterBank":
        """The bank with its frame normalised.

        Args:
            how: `"contractive"` divides all filters by one number, so that the upper bound is 1.
                `"tight"` divides by the root of the Littlewood-Paley sum at every frequency of the
                window's grid, so that both bounds are 1 there; it needs a wide window, since
                what reaches beyond is wrapped around.

        Raises:
            ValueError: if `how` is unknown, or a frequency is lost altogether.
        """
        if how == "contractive":
            factor = self.bounds()[1] ** -0.5
            return replace(self, filters=self.filters * factor, mother=None, parameters=None)
        if how != "tight":
            raise ValueError(
                f"Expected `how` to be 'contractive' or 'tight'. Received: how={how!r}"
            )
        power = self.littlewood_paley(self.window)
        if power.min() < 1e-6 * power.max():
            raise ValueError(
                "The bank loses some frequencies, so no division makes its frame tight. Take more "
                f"angles or scales. Received: frame bounds {self.bounds(self.window)}"
            )
        axes = range(1, 1 + self.rank)
        found = np.fft.ifftn(self.responses(self.window) / np.sqrt(power), axes=axes)
        centred = np.fft.fftshift(found, axes=axes)
        return replace(self, filters=centred, mother=None, parameters=None)

    def get_config(self) -> dict[str, Any]:
        """Name and numbers, for JSON."""
        return {
            "name": self.name,
            "real": self.filters.real.tolist(),
            "imag": self.filters.imag.tolist(),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "FilterBank":
        """Inverse of `get_config`; without the closed form."""
        filters = np.asarray(config["real"]) + 1j * np.asarray(config["imag"])
        return cls(filters, config["name"])


def grid(window: Sequence[int]) -> list[np.ndarray]:
    """Coordinates of the places of a window, the origin in its middle."""
    return list(np.meshgrid(*(np.arange(k) - k // 2 for k in window), indexing="ij"))


def _sizes(size: int | Sequence[int], rank: int) -> tuple[int, ...]:
    return (size,) * rank if isinstance(size, int) else tuple(size)
