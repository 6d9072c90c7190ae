"""Dense product with a kernel of packed codes: each element one of a few directions.

An element of the kernel is `scale[unit] * points[code]`, with a codebook `points` of 2^bits
elements (directions of `phase_code.code_points`, and 0 where pruned elements are) and a code of 1
to 4 bits. Codes are packed in words of 32 bits that serve `codes_per_word` inputs of a unit, the
first input in the lowest bits, and stored as bytes, `(words, units, 4)`, lowest first.
"""

import functools
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from ..algebras import Algebra
from . import dispatch, native, phase_code

Tensor = Any

MAX_BITS = 4
_STEP = 1 << 16


class Coded(NamedTuple):
    """A kernel as codes.

    Attributes:
        codes: `(in, units)`, rows of the codebook.
        scale: `(units,)`, float32.
        distance: largest modulus of the difference to the kernel, divided by the unit's scale.
    """

    codes: np.ndarray
    scale: np.ndarray
    distance: float


@functools.lru_cache(maxsize=64)
def codebook(algebra: Algebra, phase_bits: int, zeros: bool = False) -> np.ndarray:
    """The elements that a code stands for, `(2^bits, d)`.

    Args:
        algebra: of the kernel.
        phase_bits: bits of a direction.
        zeros: whether an element may be 0 too, which takes one bit more.

    Raises:
        ValueError: if the algebra has no code of that many bits, or a code would be too long.

    Example:

    >>> from keras_phase import algebras
    >>> codebook(algebras.get("real"), 1, zeros=True).tolist()
    [[1.0], [-1.0], [0.0], [0.0]]
    """
    points = phase_code.code_points(algebra, phase_bits)
    if phase_bits + zeros > MAX_BITS:
        raise ValueError(
            f"Packed codes have at most {MAX_BITS} bits, one of them for zeros where elements were "
            f"pruned. Received: phase_bits={phase_bits}, zeros={zeros}"
        )
    return np.concatenate([points, np.zeros_like(points)]) if zeros else points


def num_bits(points: np.ndarray) -> int:
    """Bits of the codes of a codebook."""
    return len(points).bit_length() - 1


def codes_per_word(bits: int) -> int:
    """Codes in a word of 32 bits: 32, 16, 10 and 8 for 1 to 4 bits."""
    return 32 // bits


def packed_shape(size: int, units: int, bits: int) -> tuple[int, int, int]:
    """Shape of the packed codes of `size` inputs."""
    return -(-size // codes_per_word(bits)), units, 4


def pack(codes: np.ndarray, bits: int) -> np.ndarray:
    """`(in, units)` to bytes `(words, units, 4)`.

    Example:

    >>> pack(np.array([[1], [2], [3]]), 2).tolist()
    [[[57, 0, 0, 0]]]
    """
    size, units = codes.shape
    per_word = codes_per_word(bits)
    words = packed_shape(size, units, bits)[0]
    padded = np.zeros((words * per_word, units), "uint32")
    padded[:size] = codes
    shifts = (bits * np.arange(per_word, dtype="uint32"))[:, None]
    packed = (padded.reshape(words, per_word, units) << shifts).sum(axis=1, dtype="uint32")
    return (packed[..., None] >> np.arange(0, 32, 8, dtype="uint32")).astype("uint8")


def unpack(codes: Tensor, bits: int, size: int) -> Tensor:
    """Bytes `(words, units, 4)` to codes `(size, units)`, int32."""
    codes = ops.cast(codes, "int32")
    words, units, _ = codes.shape
    if bits == 3:  # across bytes; the upper two bits of a word are 0
        codes = ops.sum(codes * np.array([1, 1 << 8, 1 << 16, 1 << 24], "int32"), axis=-1)
        codes = ops.expand_dims(codes, -1)
    count = 10 if bits == 3 else 8 // bits
    shifts = np.array([1 << bits * i for i in range(count)], "int32")
    codes = ops.mod(ops.floor_divide(ops.expand_dims(codes, -1), shifts), 1 << bits)
    codes = ops.reshape(ops.transpose(codes, (0, 2, 3, 1)), (words * codes_per_word(bits), units))
    return ops.cast(codes[:size], "int32")


def decode(codes: Tensor, scale: Tensor, points: np.ndarray, size: int) -> Tensor:
    """The kernel `(d, size, units)` in the dtype of `scale`."""
    index = unpack(codes, num_bits(points), size)
    parts = [ops.take(ops.convert_to_tensor(p, dtype=scale.dtype), index) for p in points.T]
    return ops.stack(parts) * scale


def encode(kernel: np.ndarray, points: np.ndarray) -> Coded:
    """The nearest codes, with the mean modulus of a unit's elements that are not 0 as its scale.

    Args:
        kernel: `(d, in, units)`.
        points: the codebook.

    Example:

    >>> kernel = np.array([[[2.0, 0.5], [-2.0, 0.5]]])
    >>> encode(kernel, np.array([[1.0], [-1.0]])).codes.tolist()
    [[0, 0], [1, 0]]
    """
    _, size, units = kernel.shape
    kernel = kernel.astype("float64")
    modulus = np.sqrt(np.square(kernel).sum(axis=0))
    scale = modulus.sum(axis=0) / np.maximum((modulus > 0).sum(axis=0), 1)
    codes, distance = np.zeros((size, units), "uint8"), 0.0
    directions = kernel / np.where(scale > 0, scale, 1)
    length = np.square(points).sum(axis=1)[:, None, None] / 2
    step = max(1, _STEP // max(units, 1))
    for start in range(0, size, step):
        part = directions[:, start : start + step]
        nearest = (np.tensordot(points, part, axes=1) - length).argmax(axis=0)
        codes[start : start + step] = nearest
        change = np.square(np.moveaxis(points[nearest], -1, 0) - part).sum(axis=0)
        change = change[:, scale > 0]  # a unit without weights has the scale 0
        distance = max(distance, float(np.sqrt(change.max(initial=0.0))))
    return Coded(codes, scale.astype("float32"), distance)


def phase_matmul(
    x: Tensor,
    codes: Tensor,
    scale: Tensor,
    algebra: Algebra,
    points: np.ndarray,
    bias: Tensor | None = None,
    relu: bool = False,
) -> Tensor:
    """Dense product of a coded kernel with `x`, the weight on the left.

    The native operation looks partial sums up, four bits of codes at a time, and never makes the
    kernel; elsewhere the kernel is decoded and multiplied.

    Args:
        x: `(..., d*in)`.
        codes: bytes `(words, units, 4)`.
        scale: `(units,)`.
        algebra: of the kernel.
        points: the codebook, `(2^bits, d)`.
        bias: `(d*units,)`, added.
        relu: whether negative components become 0.

    Returns:
        `(..., d*units)`.
    """
    x = ops.convert_to_tensor(x)
    scale = ops.cast(scale, x.dtype)
    bias = None if bias is None else ops.convert_to_tensor(bias)
    operands = [x, scale, *([] if bias is None else [bias])]
    if native.serves(*operands) and keras.backend.standardize_dtype(x.dtype) == "float32":
        return native.coded_matmul(x, codes, scale, matrices(algebra, points), bias, relu)
    kernel = decode(codes, scale, points, x.shape[-1] // algebra.dimension)
    return dispatch.METHODS.get("auto")(x, kernel, algebra, bias=bias, relu=relu)


def matrices(algebra: Algebra, points: np.ndarray) -> np.ndarray:
    """How codes act from the left, `(2^bits, d, d)`: `y[c] = sum_b x[b] matrix[b, c]`."""
    return np.einsum("abc,pa->pbc", algebra.structure_constants.astype("float64"), points)
