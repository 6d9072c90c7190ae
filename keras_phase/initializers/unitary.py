"""Kernels that preserve the norm of their input, in every algebra that has them."""

import functools
from typing import Any

import keras
import numpy as np
from keras import ops

from ..algebras import Algebra
from ..ops.product import expand_kernel
from .base import AlgebraInitializer, register

Tensor = Any


@register("unitary")
class Unitary(AlgebraInitializer):
    """Kernels whose expanded real matrix has orthonormal rows or columns, times `gain`.

    A kernel `(d, *window, in, out)` counts as a matrix of `prod(window)*in` rows. When it has no
    more rows than columns the product preserves the Euclidean norm, `|y| = gain |x|`; else it maps
    onto all outputs, and its transpose preserves the norm. It is the polar factor of a normal
    matrix over the algebra, thus uniformly (Haar) distributed.

    Such kernels exist where the algebra is associative and its left multiplications are closed
    under transposition: complex numbers, quaternions, matrix and Clifford algebras, but neither
    the dual numbers nor the cross product. Degenerate case: in the real algebra it is
    `keras.initializers.Orthogonal`.

    Args:
        algebra: an `Algebra`, its name or its config; None takes the algebra of the layer.
        gain: factor of the kernel.
        seed: see `AlgebraInitializer`.

    Raises:
        ValueError: when called in an algebra without unitary kernels.

    Example:

    >>> kernel = Unitary("complex", seed=1)((2, 1, 1))
    >>> round(float(ops.sum(ops.square(kernel))), 4)
    1.0
    """

    def __init__(self, algebra: Any = None, gain: float = 1.0, seed: Any = None):
        super().__init__(algebra, seed)
        self.gain = gain

    def bind(self, algebra: Algebra) -> "Unitary":
        """This initializer in `algebra`; checks that the algebra has unitary kernels."""
        _require_unitary(algebra)
        return super().bind(algebra)

    def draw(self, shape: tuple[int, ...], dtype: str, algebra: Algebra) -> Tensor:
        """Draw one kernel; 16-bit ones in float32."""
        _require_unitary(algebra)
        working = "float64" if dtype == "float64" else "float32"
        flat = (shape[0], int(np.prod(shape[1:-1])), shape[-1])
        kernel = self.gain * _unitary(flat, working, algebra, self.seed)
        return ops.cast(ops.reshape(kernel, shape), dtype)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "gain": self.gain}


def _unitary(shape: tuple[int, int, int], dtype: str, algebra: Algebra, seed: Any) -> Tensor:
    """A unitary kernel `(d, in, out)`."""
    d, size_in, size_out = shape
    if d == 1:
        stock = keras.initializers.Orthogonal(seed=seed)
        return ops.expand_dims(stock((size_in, size_out), dtype=dtype), axis=0)
    if algebra.matrix is not None:
        # A matrix over M_n(entry) is an n times larger one over the entries: a smaller problem.
        n, entry = algebra.matrix.n, algebra.matrix.entry
        e = entry.dimension
        parts = _unitary((e, n * size_in, n * size_out), dtype, entry, seed)
        parts = ops.reshape(parts, (e, n, size_in, n, size_out))  # entry, column, in, row, out
        return ops.reshape(ops.transpose(parts, (1, 0, 3, 2, 4)), shape)
    expanded = expand_kernel(keras.random.normal(shape, dtype=dtype, seed=seed), algebra)
    u, _, v = ops.svd(expanded, full_matrices=False)
    blocks = ops.reshape(ops.matmul(u, v), (d, size_in, d, size_out))
    blocks = ops.reshape(ops.transpose(blocks, (0, 2, 1, 3)), (d * d, size_in * size_out))
    read_off = ops.convert_to_tensor(np.linalg.pinv(_left(algebra)).T, dtype=dtype)
    return ops.reshape(ops.matmul(read_off, blocks), shape)


def _left(algebra: Algebra) -> np.ndarray:
    """The flattened matrices of the left multiplications by the basis elements, `(d, d*d)`."""
    return np.asarray(algebra.structure_constants, dtype="float64").reshape(algebra.dimension, -1)


@functools.lru_cache(maxsize=64)
def _require_unitary(algebra: Algebra) -> None:
    d, left = algebra.dimension, _left(algebra)
    transposed = left.reshape(d, d, d).transpose(0, 2, 1).reshape(d, -1)
    if not algebra.is_associative:
        reason = "it is not associative"
    elif np.linalg.matrix_rank(left) < d:
        reason = "two different elements can act alike by left multiplication"
    elif np.linalg.matrix_rank(np.concatenate([left, transposed])) > d:
        reason = "its left multiplications are not closed under transposition"
    else:
        return
    raise ValueError(
        f"The algebra '{algebra.name}' has no unitary kernels: {reason}. Use 'glorot_uniform' or "
        f"'random_phase', which serve every algebra. Received: algebra='{algebra.name}'"
    )
