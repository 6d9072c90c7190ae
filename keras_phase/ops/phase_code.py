"""Directions of few bits: the code points of each algebra, and rounding to them."""

import itertools
import math
from typing import Any

import numpy as np
from keras import ops

from .. import algebras

Tensor = Any


def code_points(algebra: Any, bits: int) -> np.ndarray:
    """The 2^bits unit directions that a `bits`-bit phase can take.

    * d = 1: the signs `(1, -1)`; only one bit.
    * d = 2: the angles `2 pi m / 2^bits`, `m = 0, 1, ...`, starting at 0 radians.
    * d > 2: the algebra's finite unit group when it has `2^bits` elements (quaternion, 3 bits:
      1, -1, i, -i, j, -j, k, -k); else, for `bits = d`, the sign patterns
      `(+-1, ..., +-1)/sqrt(d)`, counted in binary with + before -, the last component fastest.

    Args:
        algebra: an `Algebra`, its name or its config.
        bits: number of bits of a code.

    Returns:
        `(2^bits, d)`, float64, each row of norm 1.

    Raises:
        ValueError: if the algebra has no code of that many bits.

    Example:

    >>> code_points("complex", 2).round().astype(int).tolist()
    [[1, 0], [0, 1], [-1, 0], [0, -1]]
    """
    algebra = algebras.get(algebra)
    d = algebra.dimension
    if d == 2 and isinstance(bits, int) and 1 <= bits <= 8:
        angles = 2 * math.pi * np.arange(2**bits) / 2**bits
        points = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
        return np.where(np.abs(points) < 1e-15, 0, points)  # cos(pi / 2) is 0
    codes = {}
    if d > 2:
        codes[d] = np.array(list(itertools.product((1.0, -1.0), repeat=d))) / math.sqrt(d)
    group = np.array([[1.0], [-1.0]]) if d == 1 else algebra.units_group
    if group is not None and d != 2:
        size = len(group)
        if size & (size - 1) == 0:
            codes[size.bit_length() - 1] = np.asarray(group, dtype="float64")
    if bits not in codes:
        allowed = "1 to 8" if d == 2 else ", ".join(map(str, sorted(codes)))
        raise ValueError(
            f"The algebra '{algebra.name}' (d = {d}) has phase codes of {allowed} bits. "
            f"Received: phase_bits={bits!r}"
        )
    return codes[bits]


def round_to_code(unit: Tensor, points: np.ndarray) -> Tensor:
    """The nearest code point of each element along axis 0; a zero element stays zero.

    Args:
        unit: `(d, *shape)`.
        points: `(2^bits, d)`, from `code_points`.

    Returns:
        `(d, *shape)`; the gradient is zero (the caller decides on a straight-through one).
    """
    table = ops.convert_to_tensor(points, dtype=unit.dtype)
    flat = ops.reshape(unit, (unit.shape[0], -1))
    nearest = ops.argmax(ops.matmul(table, flat), axis=0)
    rounded = ops.reshape(ops.transpose(ops.take(table, nearest, axis=0)), unit.shape)
    present = ops.any(ops.not_equal(unit, 0), axis=0, keepdims=True)
    return ops.where(present, rounded, ops.zeros_like(unit))
