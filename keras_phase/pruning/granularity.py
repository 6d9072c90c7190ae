"""Granularity: which numbers of a kernel are pruned together, and how many of these units.

The engine hands a granularity the score of every element; it pools them into the scores of its
units, selects units, and spreads the choice over the elements. All of it is NumPy on the host:
masks change once in many steps.
"""

import re
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from keras import ops

from ..ops import native
from ..registry import Registry

Tensor = Any


def num_pruned(count: int, fraction: float) -> int:
    """How many of `count` units are pruned: `count - max(round(count * (1 - fraction)), 1)`.

    It is computed in float32, as in TensorFlow Model Optimization, and like there one unit at least
    is kept; but a fraction of 1 prunes all, and a fraction of 0 none.

    Example:

    >>> num_pruned(10, 0.5), num_pruned(3, 0.99), num_pruned(3, 1.0)
    (5, 2, 3)
    """
    if fraction <= 0 or count == 0:
        return 0
    if fraction >= 1:
        return count
    kept = np.round(np.float32(count) * (np.float32(1) - np.float32(fraction)))
    return count - min(max(int(kept), 1), count)


def lowest(scores: np.ndarray, count: int) -> np.ndarray:
    """Mask of exactly `count` smallest entries of a flat array; of equal ones, the first.

    Example:

    >>> lowest(np.array([2.0, 1.0, 2.0, 2.0]), 2).tolist()
    [True, True, False, False]
    """
    if count == 0:
        return np.zeros(scores.shape, bool)
    if scores.dtype.kind == "f" and scores.itemsize >= 4 and native.unavailable_reason() is None:
        return native.lowest(scores, count)
    # Not a partition, which is several times slower with ties, and what is pruned is tied at 0.
    threshold = np.sort(scores)[count - 1]
    chosen = scores < threshold
    ties = np.flatnonzero(scores == threshold)
    chosen[ties[: count - np.count_nonzero(chosen)]] = True
    return chosen


class Granularity:
    """Base class, and the granularity "element": every algebra element by itself.

    Attributes:
        options: names of the constructor's arguments, all of them required.
    """

    options: ClassVar[tuple[str, ...]] = ()

    def dimension(self, dimension: int) -> int:
        """Dimension of the algebra that the criterion sees."""
        return dimension

    def view(self, w: Tensor) -> Tensor:
        """Kernel `(d, *shape)` as the criterion sees it, the components of an element first."""
        return w

    def unview(self, w: Tensor) -> Tensor:
        """Inverse of `view`."""
        return w

    def mask_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the mask of a viewed kernel `(d, *shape)`; it broadcasts to `(1, *shape)`."""
        return (1, *shape[1:])

    def pool(self, scores: np.ndarray) -> np.ndarray:
        """Scores of the units from those of the elements, `(1, *shape)`."""
        return scores

    def select(self, scores: Sequence[np.ndarray], fraction: float) -> list[np.ndarray]:
        """Which units are kept, for weights whose units compete with each other.

        Args:
            scores: pooled scores, one array a weight.
            fraction: how much of all their units is pruned.
        """
        flat = np.concatenate([s.ravel() for s in scores])
        kept = ~lowest(flat, num_pruned(flat.size, fraction))
        ends = np.cumsum([s.size for s in scores])[:-1]
        return [k.reshape(s.shape) for k, s in zip(np.split(kept, ends), scores, strict=True)]

    def spread(self, kept: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Mask of shape `mask_shape(shape)` from the choice among the units."""
        return kept


class Component(Granularity):
    """Every real number by itself: the kernel is seen as one over the real algebra."""

    def dimension(self, dimension: int) -> int:
        """1."""
        return 1

    def view(self, w: Tensor) -> Tensor:
        """`(d, *shape)` to `(1, d, *shape)`."""
        return ops.expand_dims(w, 0)

    def unview(self, w: Tensor) -> Tensor:
        """`(1, d, *shape)` to `(d, *shape)`."""
        return ops.squeeze(w, 0)


class Node(Granularity):
    """Output units: all the weights that make one entry of the output. The score is their mean."""

    def mask_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """`(1, ..., 1, out)`."""
        return (*(1,) * (len(shape) - 1), shape[-1])

    def pool(self, scores: np.ndarray) -> np.ndarray:
        """Mean over everything but the last axis."""
        return scores.mean(axis=tuple(range(scores.ndim - 1)), keepdims=True)


class Block(Granularity):
    """Rectangles of the last two kernel axes (inputs and outputs). The score is their mean.

    Args:
        block_shape: `(rows, columns)`, in elements. Blocks at the far edges may be smaller.
        pooling: "AVG", or "MAX" for the largest score instead of the mean.
    """

    options = ("block_shape",)

    def __init__(self, block_shape: tuple[int, int], pooling: str = "AVG"):
        if len(block_shape) != 2 or not all(isinstance(n, int) and n > 0 for n in block_shape):
            raise ValueError(
                "`block_shape` must be two positive integers, the rows (inputs) and columns "
                f"(outputs) of a block. Received: block_shape={block_shape!r}"
            )
        self.block_shape, self.pooling = tuple(block_shape), pooling

    def pool(self, scores: np.ndarray) -> np.ndarray:
        """Mean or maximum over every block, `(1, *window, blocks in, blocks out)`."""
        if self.pooling == "MAX":
            return self._reduce(np.maximum, scores)
        return self._reduce(np.add, scores) / self._reduce(np.add, np.ones_like(scores[:1]))

    def spread(self, kept: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Repeat the choice over every block."""
        for axis, size in zip((-2, -1), self.block_shape, strict=True):
            kept = np.repeat(kept, size, axis=axis)
        return kept[..., : shape[-2], : shape[-1]]

    def _reduce(self, function: np.ufunc, x: np.ndarray) -> np.ndarray:
        for axis, size in zip((-2, -1), self.block_shape, strict=True):
            x = function.reduceat(x, np.arange(0, x.shape[axis], size), axis=axis)
        return x


class Pattern(Granularity):
    """Of every `n` consecutive inputs of an output, `m` elements at most: the pattern "m:n".

    A fraction below `m / n` prunes as many of each `n` as of a layer of that size; one above it is
    an error. At the end of the inputs, fewer than `n` are treated alike. All weights have the
    pattern, so the scope makes no difference.

    Args:
        m: elements that are pruned at most.
        n: elements in a row.
    """

    def __init__(self, m: int, n: int):
        if not 0 < m < n:
            raise ValueError(
                "A pattern 'm:n' prunes m of n consecutive elements, with m from 1 to n - 1: "
                f"'2:4'. Received: granularity='{m}:{n}'"
            )
        self.m, self.n = m, n

    def select(self, scores: Sequence[np.ndarray], fraction: float) -> list[np.ndarray]:
        """Which elements are kept, in every run of `n` by itself."""
        if fraction > self.m / self.n + 1e-6:
            raise ValueError(
                f"The pattern '{self.m}:{self.n}' prunes {self.m} of {self.n} elements. Expected a "
                f"fraction of at most {self.m / self.n:.6g}; let the schedule end there, or prune "
                f"without a pattern. Received: fraction={fraction}"
            )
        return [self._keep(s, fraction) for s in scores]

    def _keep(self, scores: np.ndarray, fraction: float) -> np.ndarray:
        runs = np.split(scores, range(self.n, scores.shape[-2], self.n), axis=-2)
        kept = []
        for run in runs:
            ranks = run.argsort(axis=-2, kind="stable").argsort(axis=-2)
            kept.append(ranks >= min(num_pruned(run.shape[-2], fraction), self.m))
        return np.concatenate(kept, axis=-2)


GRANULARITIES = Registry("granularity")
GRANULARITIES.add("element", Granularity)
GRANULARITIES.add("component", Component)
GRANULARITIES.add("node", Node)
GRANULARITIES.add("block", Block)


def get(identifier: str | Granularity, **options: Any) -> Granularity:
    """A granularity by name; an object is returned as it is.

    Args:
        identifier: "element", "component", "node", "block", "m:n" with two numbers ("2:4"), or a
            `Granularity`.
        **options: what its constructor takes, `block_shape` for "block". None counts as absent.

    Raises:
        ValueError: if the name is unknown, or an option is missing or makes no sense.
    """
    options = {name: value for name, value in options.items() if value is not None}
    pattern = re.fullmatch(r"(\d+):(\d+)", identifier) if isinstance(identifier, str) else None
    if pattern:
        identifier = Pattern(*map(int, pattern.groups()))
    ready = isinstance(identifier, Granularity)
    if not ready and identifier not in GRANULARITIES:
        raise ValueError(
            f"Unknown granularity. Expected one of: {', '.join(GRANULARITIES)}, or a pattern such "
            f"as '2:4'. Received: granularity={identifier!r}"
        )
    cls = type(identifier) if ready else GRANULARITIES.get(identifier)
    expected = () if ready else cls.options
    if tuple(options) != expected:
        raise ValueError(
            f"The granularity {identifier!r} takes {', '.join(expected) or 'no options'}. "
            f"Received: {', '.join(f'{k}={v!r}' for k, v in options.items()) or 'none'}"
        )
    return identifier if ready else cls(**options)
