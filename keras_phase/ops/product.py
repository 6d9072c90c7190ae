"""Products of an algebra-valued kernel with an algebra-valued input, the weight on the left.

A layer's product is a real *contraction* (a matmul, later a convolution) lifted to the algebra:

    y_k = sum_ij C[i, j, k] contract(x_j, w_i),        C the structure constants.

Each method below computes this sum for any algebra and any contraction. `expanded` is the reference
that the others are tested against; `factored` needs a bilinear factorization and `matrix` a matrix
form. All agree in output and in both gradients. `dispatch` chooses among them.
"""

import functools
import math
import operator
from typing import Any, Protocol

from keras import ops

from .. import algebras
from ..algebras import Algebra
from . import layout, native
from .modulus import is_half

Tensor = Any


class Contraction(Protocol):
    """A real bilinear map of an input `(..., in)` and a kernel `(*window, in, out)`.

    Attributes:
        axis: the channel axis of its input and output, -1 unless they are channels-first.
        batched_from_rank: from this rank on `batched` beats as many single products on a CPU; None
            where it never does.
    """

    axis: int
    batched_from_rank: int | None

    def __call__(self, x: Tensor, kernel: Tensor, blocks: int = 1) -> Tensor:
        """One product; input and output channels come in `blocks` blocks (see `convolution`)."""

    def batched(self, x: Tensor, kernel: Tensor) -> Tensor:
        """`R` products at once, `x` and `kernel` with a leading axis of size `R`."""

    def columns(self, x: Tensor, kernel: Tensor, blocks: int = 1) -> Tensor:
        """One kernel against an `x` with a batch axis more, the columns, before the channels."""


class Dense:
    """The contraction of a dense layer: `(..., in) x (in, out) -> (..., out)`."""

    axis = -1
    batched_from_rank = 5  # docs/performance.md

    def __call__(self, x: Tensor, kernel: Tensor, blocks: int = 1) -> Tensor:
        """One matmul; it takes any order of channels."""
        return ops.matmul(x, kernel)

    def batched(self, x: Tensor, kernel: Tensor) -> Tensor:
        """One batched matmul; axes of `x` between the first and the last are rows."""
        if len(x.shape) == 3:
            return ops.matmul(x, kernel)
        rows = ops.shape(x)[1:-1]
        flat = ops.reshape(x, (x.shape[0], -1, x.shape[-1]))
        return ops.reshape(ops.matmul(flat, kernel), (x.shape[0], *rows, kernel.shape[-1]))

    def columns(self, x: Tensor, kernel: Tensor, blocks: int = 1) -> Tensor:
        """A matmul treats every leading axis as rows already."""
        return ops.matmul(x, kernel)


DENSE = Dense()


def expand_kernel(kernel: Tensor, algebra: Any) -> Tensor:
    """The real kernel that acts as `kernel` does, `(*window, d*in, d*out)`.

    Block `(j, k)` is `sum_i C[i, j, k] kernel[i]`.
    """
    algebra = algebras.get(algebra)
    if algebra.dimension == 1:
        return ops.reshape(kernel, kernel.shape[1:])
    plus, minus = ops.unstack(kernel), ops.unstack(ops.negative(kernel))
    zero = None
    rows = []
    for row in _blocks(algebra):
        blocks = []
        for terms in row:
            if not terms:
                zero = ops.zeros_like(plus[0]) if zero is None else zero
                blocks.append(zero)
            else:
                blocks.append(_combine(plus, minus, terms))
        rows.append(ops.concatenate(blocks, axis=-1))
    return ops.concatenate(rows, axis=-2)


def expanded(x: Tensor, kernel: Tensor, algebra: Algebra, contraction: Contraction) -> Tensor:
    """One real product with the expanded kernel: d^2 block products, the reference."""
    return contraction(x, expand_kernel(kernel, algebra), algebra.dimension)


def factored(x: Tensor, kernel: Tensor, algebra: Algebra, contraction: Contraction) -> Tensor:
    """`R` real products, `R` the rank of the algebra's factorization (complex 3, quaternion 8).

    With `C[i,j,k] = sum_r U[r,i] V[r,j] W[r,k]`, product `r` takes the U-combined kernels and the
    V-combined inputs, and W combines the results.
    """
    u, v, w = _factors(algebra)
    axis, from_rank = contraction.axis, contraction.batched_from_rank
    parts = layout.split(x, algebra.dimension, axis)
    if from_rank is None or algebra.factorization.rank < from_rank:
        kernels = _combinations(ops.unstack(kernel), u)
        inputs = _combinations(parts, v)
        products = [contraction(a, b) for a, b in zip(inputs, kernels, strict=True)]
        return layout.merge(_combinations(products, tuple(zip(*w, strict=True))), axis)
    inputs = _mix(v, ops.stack(parts))
    products = contraction.batched(inputs, _mix(u, kernel))
    return layout.merge(ops.unstack(_mix(tuple(zip(*w, strict=True)), products)), axis)


def matrix(x: Tensor, kernel: Tensor, algebra: Algebra, contraction: Contraction) -> Tensor:
    """M_n over an entry algebra as one product over the entries: n^3 block products, not n^4.

    The columns of an n x n element never mix under a product from the left, and the basis runs
    column by column, so the input reshapes to `n` batch columns without moving data; only the
    kernel is permuted.
    """
    n, entry = algebra.matrix.n, algebra.matrix.entry
    e = entry.dimension
    *window, size_in, size_out = kernel.shape[1:]
    axes = tuple(range(3, 3 + len(window)))
    parts = ops.reshape(kernel, (n, e, n, *window, size_in, size_out))  # column, entry, row
    last = 3 + len(window)
    parts = ops.transpose(parts, (1, *axes, 0, last, 2, last + 1))
    entry_kernel = ops.reshape(parts, (e, *window, n * size_in, n * size_out))
    axis = contraction.axis % len(x.shape)
    columns = show_blocks(x, (n, x.shape[axis] // n), axis)
    inner = expanded if entry.factorization is None or e == 1 or is_half(x) else factored
    y = inner(columns, entry_kernel, entry, _Columns(contraction, n))
    return merge_blocks(y, 2, axis)


def show_blocks(x: Tensor, sizes: tuple[int, ...], axis: int) -> Tensor:
    """Show the blocks of `axis` (not negative) as axes of those sizes, without moving data."""
    shape = tuple(ops.shape(x))
    return ops.reshape(x, (*shape[:axis], *sizes, *shape[axis + 1 :]))


def merge_blocks(x: Tensor, count: int, axis: int) -> Tensor:
    """Inverse of `show_blocks`: `count` axes from `axis` on become one."""
    shape = tuple(ops.shape(x))
    size = math.prod(x.shape[axis : axis + count])
    return ops.reshape(x, (*shape[:axis], size, *shape[axis + count :]))


def multiply(a: Tensor, b: Tensor, algebra: Any) -> Tensor:
    """Element-wise product `a * b`, `a` on the left, broadcasting.

    Args:
        a: `(..., d*n)`, component-major.
        b: `(..., d*n)`, component-major.
        algebra: an `Algebra`, its name or its config.

    Returns:
        `(..., d*n)`.

    Example:

    >>> from keras import ops
    >>> i, one_plus_i = ops.convert_to_tensor([[0.0, 1.0]]), ops.convert_to_tensor([[1.0, 1.0]])
    >>> ops.convert_to_numpy(multiply(i, one_plus_i, "complex")).tolist()
    [[-1.0, 1.0]]
    """
    algebra = algebras.get(algebra)
    if _fit_one_operation(a, b) and native.serves(a, b):
        return native.multiply(a, b, algebra.structure_constants)
    a_parts, b_parts = (layout.split(t, algebra.dimension) for t in (a, b))
    result = []
    for terms in _product_terms(algebra):
        products = [_scaled(ops.multiply(a_parts[i], b_parts[j]), c) for c, i, j in terms]
        result.append(
            functools.reduce(operator.add, products)
            if products
            else ops.zeros_like(ops.multiply(a_parts[0], b_parts[0]))
        )
    return layout.merge(result)


def _fit_one_operation(a: Tensor, b: Tensor) -> bool:
    """Whether both have one shape and dtype, or one of them is a single row."""
    if not hasattr(a, "dtype") or not hasattr(b, "dtype") or a.dtype != b.dtype:
        return False
    if () in (tuple(a.shape), tuple(b.shape)):
        return False
    same = tuple(a.shape) == tuple(b.shape) and None not in a.shape[1:]
    return same or (a.shape[-1] == b.shape[-1] and 1 in (len(a.shape), len(b.shape)))


def conjugate(x: Tensor, algebra: Any) -> Tensor:
    """Conjugate of every element, `(..., d*n)` to `(..., d*n)`."""
    algebra = algebras.get(algebra)
    columns = tuple(tuple(map(float, column)) for column in algebra.conjugation_matrix.T)
    return layout.merge(_combinations(layout.split(x, algebra.dimension), columns))


class _Columns:
    """A contraction whose input carries one more axis, the columns of the matrix elements.

    Channels come in `rows` blocks for each block of the entry algebra.
    """

    batched_from_rank = None

    def __init__(self, contraction: Contraction, rows: int):
        self._contraction = contraction
        self._rows = rows
        self.axis = contraction.axis if contraction.axis < 0 else contraction.axis + 1

    def __call__(self, x: Tensor, kernel: Tensor, blocks: int = 1) -> Tensor:
        return self._contraction.columns(x, kernel, blocks * self._rows)


@functools.lru_cache(maxsize=64)
def _blocks(algebra: Algebra) -> tuple:
    """Per input component j and output component k the terms `(coefficient, i)` of block (j, k)."""
    c, d = algebra.structure_constants, algebra.dimension
    return tuple(
        tuple(tuple((float(c[i, j, k]), i) for i in range(d) if c[i, j, k]) for k in range(d))
        for j in range(d)
    )


@functools.lru_cache(maxsize=64)
def _product_terms(algebra: Algebra) -> tuple:
    """Per output component k the terms `(coefficient, i, j)`."""
    c, d = algebra.structure_constants, algebra.dimension
    return tuple(
        tuple((float(c[i, j, k]), i, j) for i in range(d) for j in range(d) if c[i, j, k])
        for k in range(d)
    )


@functools.lru_cache(maxsize=64)
def _factors(algebra: Algebra) -> tuple:
    """The factorization's U, V, W as nested tuples of floats."""
    f = algebra.factorization
    return tuple(tuple(tuple(float(c) for c in row) for row in m) for m in (f.u, f.v, f.w))


def _combine(plus: list[Tensor], minus: list[Tensor], terms: tuple) -> Tensor:
    """Sum of `coefficient * tensor`, with the negated tensors already at hand."""
    parts = [
        plus[i] if c == 1 else minus[i] if c == -1 else ops.multiply(plus[i], c) for c, i in terms
    ]
    return functools.reduce(operator.add, parts)


def _combinations(tensors: list[Tensor], rows: tuple) -> list[Tensor]:
    """One linear combination of `tensors` for each row, by additions where it has +-1."""
    return [_combination(tensors, row) for row in rows]


def _combination(tensors: list[Tensor], row: tuple) -> Tensor:
    terms = sorted(((c, t) for c, t in zip(row, tensors, strict=True) if c), key=lambda p: -p[0])
    if not terms:
        return ops.zeros_like(tensors[0])
    (c, first), *rest = terms
    total = _scaled(first, c)
    for c, t in rest:
        total = total - _scaled(t, -c) if c < 0 else total + _scaled(t, c)
    return total


def _scaled(x: Tensor, c: float) -> Tensor:
    return x if c == 1 else ops.negative(x) if c == -1 else ops.multiply(x, c)


def _mix(rows: tuple, stacked: Tensor) -> Tensor:
    """Linear combinations along the first axis, as one small matmul."""
    shape = tuple(ops.shape(stacked))
    coefficients = ops.convert_to_tensor(rows, dtype=stacked.dtype)
    mixed = ops.matmul(coefficients, ops.reshape(stacked, (shape[0], -1)))
    return ops.reshape(mixed, (len(rows), *shape[1:]))
