"""Directions of few bits: tables of them, and rounding where it was asked for."""

import functools

import numpy as np

from ..algebras import Algebra
from ..ops import phase_code

# Relative difference up to which moduli count as one.
_TOLERANCE = 1e-4
_STEP = 1 << 16


@functools.lru_cache(maxsize=64)
def tables(algebra: Algebra) -> tuple[np.ndarray, ...]:
    """The code points of every number of bits that the algebra has, `(2^bits, d)` each."""
    found = []
    for bits in range(1, 9):
        try:
            found.append(phase_code.code_points(algebra, bits).astype("float32"))
        except ValueError:  # none of that size
            continue
    return tuple(found)


def rounded(kernel: np.ndarray, algebra: Algebra, bits: int | None) -> tuple[np.ndarray, float]:
    """`kernel` with directions of `bits` bits, and the largest modulus of a change.

    A kernel stays as it is where d = 1, where `bits` is None, and where its moduli are as different
    as those of a kernel are that is not pruned by phase.

    Args:
        kernel: `(d, *shape)`.
        algebra: of the kernel.
        bits: number of bits, or None.

    Raises:
        ValueError: if the algebra has no code of that many bits.
    """
    if bits is None or algebra.dimension == 1:
        return kernel, 0.0
    points = phase_code.code_points(algebra, bits).astype(kernel.dtype)
    flat = kernel.reshape(kernel.shape[0], -1, kernel.shape[-1])
    modulus = np.sqrt(np.square(flat.astype("float64")).sum(axis=0))
    scale = _shared(modulus, (0, 1))
    scale = _shared(modulus, (0,)) if scale is None else scale
    if scale is None:
        return kernel, 0.0
    # Each unit has one number, so that a table and these numbers make the kernel exactly.
    scale = np.broadcast_to(scale, (1, flat.shape[-1])).astype(kernel.dtype)
    result = np.zeros_like(flat)
    step = max(1, _STEP // flat.shape[-1])
    for start in range(0, flat.shape[1], step):
        part = flat[:, start : start + step]
        index = np.tensordot(points, part, axes=1).argmax(axis=0)
        made = np.moveaxis(points[index], -1, 0) * scale
        result[:, start : start + step] = np.where(part.any(axis=0), made, kernel.dtype.type(0))
    change = np.sqrt(np.square((result - flat).astype("float64")).sum(axis=0))
    return result.reshape(kernel.shape), float(change.max(initial=0.0))


def _shared(modulus: np.ndarray, axes: tuple[int, ...]) -> np.ndarray | None:
    """Mean of the moduli that are not 0, if these are all the same."""
    present = modulus > 0
    count = np.maximum(present.sum(axis=axes, keepdims=True), 1)
    mean = modulus.sum(axis=axes, keepdims=True) / count
    same = np.abs(modulus - mean) <= _TOLERANCE * mean
    return mean if (same | ~present).all() else None
