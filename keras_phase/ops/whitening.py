"""Whitening: make the components of every element uncorrelated, each with variance 1.

For each element of `(..., d*n)` let `C` be the covariance of its `d` components and
`V = C + epsilon I`. A whitening matrix `W` has `W V W^T = I`, so `W (x - mean)` has covariance
`W C W^T = I - epsilon W W^T`, the identity where the variances are large beside `epsilon`. `W` is
unique up to a rotation; here it is what the literature uses:

* d = 2: the inverse square root `V^(-1/2)`, in closed form. Turning the input in the plane (a
  phase) or mirroring it (a conjugation) turns or mirrors the output: `whiten(Q x) = Q whiten(x)`
  for every orthogonal `Q`, and of all whitened signals it is nearest to the input.
* d = 1 and d > 2: the inverse Cholesky factor, lower triangular, `V^-1 = W^T W`. It ignores the
  scale of each component and commutes with their signs: `whiten(D x) = sign(D) whiten(x)` for every
  diagonal `D`, and more generally `whiten(L x) = whiten(x)` for every lower triangular `L` with a
  positive diagonal; a rotation of the input gives another rotation of the output. In exchange all
  derivatives exist, also where variances coincide, which an eigendecomposition does not offer.

Large tensors meet only matrix products: elements are taken in blocks of a few channels, so that one
product is wide enough to be fast and little of it is wasted (a NaN or an infinity therefore reaches
the other channels of its block). The small `d x d` work is vectorised
over the channels, with about `8 d` operations.

Reference:
    Trabelsi et al., "Deep Complex Networks", arXiv 1705.09792, section 3.5 (d = 2). Gaudet and
    Maida, "Deep Quaternion Networks", arXiv 1712.04604, on batch normalisation (Cholesky). Kessy,
    Lewin and Strimmer, "Optimal whitening and decorrelation", arXiv 1512.00809 (both, and why).
"""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

Tensor = Any

# Width that blocks of channels aim at: measured, 1.3-2 times the step of stock batch
# normalisation on a CPU at 16, above 3 times from 128 on.
BLOCK_WIDTH = 16


def whiten(x: Tensor, dimension: int, epsilon: float = 1e-3) -> Tensor:
    """Centre `x` and whiten each of its elements over all axes but the last.

    Args:
        x: `(..., d*n)`, component-major; 16-bit floats are computed in float32.
        dimension: real numbers an element, d.
        epsilon: added to the variances.

    Returns:
        `(..., d*n)`, in the dtype of `x`: mean 0 and, for each element, covariance the identity,
        up to `epsilon`. Constant and linearly dependent components become finite numbers.

    Example:

    >>> x = ops.array([[0.0, 0.0], [2.0, 0.0], [0.0, 6.0], [2.0, 6.0]])
    >>> print(ops.convert_to_numpy(ops.round(whiten(x, 2, epsilon=1e-6), 3)).tolist())
    [[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]]
    """
    rows = ops.reshape(x, (-1, x.shape[-1]))
    rows = ops.cast(rows, keras.backend.result_type(x.dtype, "float32"))
    rows = rows - ops.mean(rows, axis=0)
    blocks = to_blocks(rows, dimension)
    covariance = second_moments(blocks, dimension) / ops.cast(ops.shape(rows)[0], rows.dtype)
    y = transform(blocks, whitening_matrix(covariance, epsilon))
    return ops.cast(ops.reshape(from_blocks(y, dimension), ops.shape(x)), x.dtype)


def whitening_matrix(covariance: Tensor, epsilon: float = 1e-3) -> Tensor:
    """`W` with `W (C + epsilon I) W^T = I`, for each channel.

    Args:
        covariance: `(d, d, n)`, symmetric and, up to rounding, positive semidefinite.
        epsilon: added to the diagonal.

    Returns:
        `(d, d, n)`: the inverse square root for d = 2, else the inverse Cholesky factor. Finite,
        also for covariances without full rank, as long as `epsilon` is positive. NaN stays NaN.
    """
    d = covariance.shape[0]
    shift = np.eye(d)[:, :, None] * epsilon
    v = covariance + ops.cast(shift, covariance.dtype)
    return _inverse_square_root(v) if d == 2 else _inverse_cholesky(v)


def to_blocks(rows: Tensor, dimension: int) -> Tensor:
    """`(N, d*n)` to blocks of `g` neighbouring channels, `(n/g, N, d*g)`."""
    n = rows.shape[-1] // dimension
    g = _block_channels(dimension, n)
    if g == n:
        return ops.expand_dims(rows, 0)
    x = ops.reshape(rows, (-1, dimension, n // g, g))
    return ops.reshape(ops.transpose(x, (2, 0, 1, 3)), (n // g, -1, dimension * g))


def from_blocks(blocks: Tensor, dimension: int) -> Tensor:
    """Inverse of `to_blocks`."""
    k, g = blocks.shape[0], blocks.shape[-1] // dimension
    if k == 1:
        return ops.squeeze(blocks, 0)
    x = ops.reshape(blocks, (k, -1, dimension, g))
    return ops.reshape(ops.transpose(x, (1, 2, 0, 3)), (-1, dimension * k * g))


def second_moments(blocks: Tensor, dimension: int) -> Tensor:
    """Sum over the rows of `x_i x_j`, `(d, d, n)`, of blocks `(n/g, N, d*g)`."""
    d, k, g = dimension, blocks.shape[0], blocks.shape[-1] // dimension
    product = ops.matmul(ops.transpose(blocks, (0, 2, 1)), blocks)
    product = ops.reshape(product, (k, d, g, d, g))
    same = ops.cast(np.eye(g)[:, None], product.dtype)
    return ops.reshape(ops.transpose(ops.sum(product * same, 4), (1, 3, 0, 2)), (d, d, k * g))


def transform(blocks: Tensor, matrix: Tensor) -> Tensor:
    """Multiply each element of blocks `(n/g, N, d*g)` by its matrix of `(d, d, n)`, on the left."""
    d, k = matrix.shape[0], blocks.shape[0]
    g = blocks.shape[-1] // d
    same = ops.cast(np.eye(g)[:, None], matrix.dtype)
    columns = ops.transpose(ops.reshape(matrix, (d, d, k, g)), (2, 1, 3, 0))
    wide = ops.expand_dims(columns, -1) * same
    return ops.matmul(blocks, ops.reshape(wide, (k, d * g, d * g)))


def multiply(a: Tensor, b: Tensor) -> Tensor:
    """Matrix product for each channel: `(d, d, n)` times `(d, d, n)`."""
    return ops.sum(ops.expand_dims(a, 2) * ops.expand_dims(b, 0), axis=1)


def triangle_size(dimension: int) -> int:
    """Free numbers of a symmetric `d x d` matrix, `d (d + 1) / 2`."""
    return dimension * (dimension + 1) // 2


def symmetric(triangle: Tensor, dimension: int) -> Tensor:
    """Symmetric matrices `(d, d, n)` from lower triangles, `(d (d + 1) / 2, n)`, row by row."""
    # Not a gather, whose gradient is sparse: optimizers treat such a weight like an embedding.
    sizes = range(1, dimension + 1)
    rows = (
        ops.split(triangle, np.cumsum(sizes)[:-1].tolist(), axis=0) if dimension > 1 else [triangle]
    )
    rows = [ops.pad(row, ((0, dimension - i), (0, 0))) for i, row in zip(sizes, rows, strict=True)]
    lower = ops.stack(rows)
    strict = ops.cast(np.tril(np.ones((dimension, dimension)), -1)[:, :, None], lower.dtype)
    return lower + ops.transpose(lower * strict, (1, 0, 2))


def diagonal(values: Tensor) -> Tensor:
    """Diagonal matrices `(d, d, n)` of `(d, n)`."""
    return ops.cast(np.eye(values.shape[0])[:, :, None], values.dtype) * ops.expand_dims(values, 1)


def lower_triangle(matrix: Tensor) -> Tensor:
    """Inverse of `symmetric`: `(d, d, n)` to `(d (d + 1) / 2, n)`."""
    d = matrix.shape[0]
    rows, columns = np.tril_indices(d)
    flat = ops.reshape(matrix, (d * d, matrix.shape[-1]))
    return ops.take(flat, (rows * d + columns).astype("int32"), axis=0)


def _block_channels(dimension: int, n: int) -> int:
    """The divisor of `n` that brings `d*g` nearest to `BLOCK_WIDTH`, in ratio."""
    divisors = [g for g in range(1, n + 1) if n % g == 0]
    return min(divisors, key=lambda g: abs(math.log(dimension * g / BLOCK_WIDTH)), default=n)


def _rounding(x: Tensor, factor: float) -> float:
    return factor * float(np.finfo(keras.backend.standardize_dtype(x.dtype)).eps)


def _inverse_square_root(v: Tensor) -> Tensor:
    """Of symmetric 2 x 2 matrices: `sqrt(V) = (V + s I) / t`, `s = sqrt(det)`, `t^2 = tr + 2 s`."""
    a, b, c = v[0, 0], v[0, 1], v[1, 1]
    # The determinant of dependent components is a difference of equal numbers: what rounding
    # leaves may be negative.
    determinant = ops.maximum(a * c - b * b, _rounding(v, 8.0) * (a * c))
    s = ops.sqrt(determinant)
    scale = 1.0 / (s * ops.sqrt(a + c + 2.0 * s))
    off = -b * scale
    return ops.reshape(ops.stack([(c + s) * scale, off, off, (a + s) * scale]), (2, 2, -1))


def _inverse_cholesky(v: Tensor) -> Tensor:
    """Rows of `L^-1` for `V = L L^T`, by elimination on `[V | I]`, a column a step."""
    d = v.shape[0]
    eye = ops.cast(np.eye(d)[:, :, None], v.dtype) * ops.ones_like(v[:1, :1])
    rest = ops.concatenate([v, eye], axis=1)
    rows = []
    for k in range(d):
        # What is left of a component that depends on earlier ones is rounding: it must not
        # become a negative pivot, nor be blown up to variance 1.
        pivot = ops.maximum(rest[:1, :1], _rounding(v, 4.0 * d) * v[k : k + 1, k : k + 1])
        scale = ops.rsqrt(pivot)
        row = rest[:1, 1:] * scale
        rows.append(row[:, d - 1 - k :])
        rest = rest[1:, 1:] - (rest[1:, :1] * scale) * row
    return ops.concatenate(rows, axis=0)
