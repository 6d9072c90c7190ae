"""Constructions: families of algebras whose tables follow from a few numbers.

Every function takes, as keywords, fields of `Algebra` (such as `name` or `factorization`) that
replace the ones it makes.
"""

import itertools
from typing import Any

import numpy as np

from .algebra import Algebra, MatrixForm
from .catalog import get
from .factorization import BilinearFactorization

# The laws of an algebra take d^5 operations to decide, its table d^3 numbers to hold.
_MAX_DIMENSION = 64


def cayley_dickson(*gammas: int, **fields: Any) -> Algebra:
    """Double the real numbers once per gamma: each new imaginary unit squares to its gamma.

    A doubling makes pairs with `(a, b) (c, d) = (a c + gamma conj(d) b, d a + b conj(c))` and
    `conj(a, b) = (conj(a), -b)`. The basis lists the pairs `(e_i, 0)`, then the pairs `(0, e_i)`.

    Args:
        gammas: integers, in the order of the doublings: -1 gives complex numbers, -1, -1
            quaternions, 1 split-complex numbers, 0 dual numbers; none gives the real numbers.
        fields: fields of `Algebra` to replace.

    Raises:
        ValueError: if a gamma is not an integer or there are more than 6.

    Reference:
        Schafer, "An Introduction to Nonassociative Algebras", 1966, chapter III.4.

    Example:

    >>> print(cayley_dickson(-1, -1, name="H", basis=("1", "i", "j", "k")))
    H  1   i   j   k
    1  1   i   j   k
    i  i  -1   k  -j
    j  j  -k  -1   i
    k  k   j  -i  -1
    """
    if not all(isinstance(gamma, int) for gamma in gammas):
        raise ValueError(f"Expected integers. Received: gammas={gammas}")
    _check_dimension(2 ** len(gammas), f"gammas={gammas}")
    table, signs = np.ones((1, 1, 1), dtype=np.int64), np.ones(1, dtype=np.int64)
    for gamma in gammas:
        d = len(signs)
        double = np.zeros((2 * d,) * 3, dtype=np.int64)
        swapped = table.swapaxes(0, 1)
        double[:d, :d, :d] = table
        double[d:, d:, :d] = gamma * swapped * signs[:, None]
        double[:d, d:, d:] = swapped
        double[d:, :d, d:] = table * signs[:, None]
        table, signs = double, np.concatenate([signs, -np.ones_like(signs)])
    made = {
        "name": f"cayley_dickson({', '.join(map(str, gammas))})",
        "basis": ("1", *(f"e{i}" for i in range(1, len(signs)))),
        "conjugation": signs,
    }
    return Algebra(structure_constants=table, **{**made, **fields})


def clifford(p: int, q: int = 0, r: int = 0, **fields: Any) -> Algebra:
    """The geometric algebra with `p` generators of square 1, then `q` of -1, then `r` of 0.

    The generators anticommute. Its `2^(p+q+r)` basis elements are ordered by grade, and within a
    grade lexicographically: 1, e1, e2, e3, e12, e13, e23, e123. The conjugation is Clifford
    conjugation: it negates the generators and reverses products.

    Args:
        p: number of generators that square to 1.
        q: number of generators that square to -1.
        r: number of generators that square to 0.
        fields: fields of `Algebra` to replace.

    Raises:
        ValueError: if a number is negative or there are more than 6 generators.

    Example:

    >>> clifford(3).basis
    ('1', 'e1', 'e2', 'e3', 'e12', 'e13', 'e23', 'e123')
    """
    if min(p, q, r) < 0:
        raise ValueError(f"Expected numbers of generators. Received: p={p}, q={q}, r={r}")
    squares = [1] * p + [-1] * q + [0] * r
    n = len(squares)
    _check_dimension(2**n, f"p={p}, q={q}, r={r}")
    blades = [blade for grade in range(n + 1) for blade in itertools.combinations(range(n), grade)]
    index = {blade: i for i, blade in enumerate(blades)}
    table = np.zeros((len(blades),) * 3, dtype=np.int64)
    for (i, left), (j, right) in itertools.product(enumerate(blades), repeat=2):
        # Sorting the generators costs a sign per inversion; equal neighbours become their square.
        sign = (-1) ** sum(a > b for a in left for b in right)
        for shared in set(left) & set(right):
            sign *= squares[shared]
        table[i, j, index[tuple(sorted(set(left) ^ set(right)))]] = sign
    made = {
        "name": f"clifford({p}, {q}, {r})",
        "basis": ("1", *("e" + "".join(str(g + 1) for g in blade) for blade in blades[1:])),
        "conjugation": [(-1) ** (len(blade) * (len(blade) + 1) // 2) for blade in blades],
    }
    return Algebra(structure_constants=table, **{**made, **fields})


def tensor_product(a: Any, b: Any, **fields: Any) -> Algebra:
    """The tensor product over the reals, `(x * y) (x' * y') = x x' * y y'`.

    Component `i_a * d_b + i_b` belongs to the pair of basis elements `i_a` and `i_b`. Conjugations
    and factorizations combine where both algebras have one; the ranks multiply.

    Args:
        a: an `Algebra`, its name or its config.
        b: an `Algebra`, its name or its config.
        fields: fields of `Algebra` to replace.

    Example:

    Quaternions with complex coefficients, by 24 real multiplications:

    >>> biquaternion = tensor_product("quaternion", "complex")
    >>> biquaternion.dimension, biquaternion.num_terms, biquaternion.rank
    (8, 64, 24)
    """
    a, b = get(a), get(b)
    _check_dimension(a.dimension * b.dimension, f"a={a!r}, b={b!r}")
    made = {
        "name": f"tensor_product({a.name}, {b.name})",
        "basis": tuple(f"{x}*{y}" for x, y in itertools.product(a.basis, b.basis)),
    }
    if a.conjugation is not None and b.conjugation is not None:
        made["conjugation"] = np.kron(a.conjugation_matrix, b.conjugation_matrix)
    if a.factorization is not None and b.factorization is not None:
        made["factorization"] = a.factorization.kron(b.factorization)
    table = np.kron(a.structure_constants, b.structure_constants)
    return Algebra(structure_constants=table, **{**made, **fields})


def group_algebra(table: Any, **fields: Any) -> Algebra:
    """Real combinations of the elements of a finite group; convolution over the group.

    The conjugation maps each group element to its inverse.

    Args:
        table: `(m, m)`, the index of the product of the elements `i` and `j`, as in a Cayley table.
            Element 0 must be the neutral one.
        fields: fields of `Algebra` to replace.

    Raises:
        ValueError: if the table is not that of a group.

    Example:

    The product over the cyclic group of order 3 is the circular convolution of length 3:

    >>> cyclic = group_algebra([[0, 1, 2], [1, 2, 0], [2, 0, 1]])
    >>> cyclic.multiply([1, 2, 3], [4, 5, 6]).tolist()
    [31, 31, 28]
    """
    table = np.asarray(table)
    m = len(table) if table.ndim else 0
    elements = np.arange(m)
    latin = (
        table.shape == (m, m)
        and m > 0
        and table.dtype.kind in "iu"
        and all((np.sort(t, axis=1) == elements).all() for t in (table, table.T))
    )
    neutral = latin and (table[0] == elements).all() and (table[:, 0] == elements).all()
    if not neutral or not np.array_equal(table[table], table[:, table]):
        raise ValueError(
            "Expected the Cayley table of a group, m x m indices from 0 to m - 1 with the neutral "
            f"element first. Received: table={table.tolist()}"
        )
    one = np.eye(m, dtype=np.int64)
    made = {
        "name": f"group_algebra(order {m})",
        "basis": ("1", *(f"g{i}" for i in range(1, m))),
        "conjugation": one[np.argmin(table, axis=1)],
    }
    return Algebra(structure_constants=one[table], **{**made, **fields})


def matrix_algebra(
    n: int,
    entry: Any = "real",
    *,
    scheme: BilinearFactorization | None = None,
    **fields: Any,
) -> Algebra:
    """The `n x n` matrices over an algebra, listed column by column.

    Component `(col*e + p)*n + row` is component `p` of an entry, with `e` the entries' dimension; a
    product from the left then mixes rows only, and its right factor reshapes to columns without
    moving data. The conjugation transposes and conjugates the entries.

    Args:
        n: number of rows and columns.
        entry: algebra of the entries: an `Algebra`, its name or its config.
        scheme: an algorithm for real `n x n` matrices, listed column by column; it combines with
            the factorization of the entries where they have one.
        fields: fields of `Algebra` to replace.

    Example:

    >>> matrix_algebra(2).basis
    ('e11', 'e21', 'e12', 'e22')
    >>> matrix_algebra(2, "complex").basis[:4]
    ('e11', 'e21', 'e11i', 'e21i')
    """
    entry = get(entry)
    if not isinstance(n, int) or n < 1:
        raise ValueError(f"Expected a positive number of rows and columns. Received: n={n!r}")
    e = entry.dimension
    _check_dimension(n * n * e, f"n={n}, entry of dimension {e}")
    matrix, made = MatrixForm(n, entry), {}
    if entry.conjugation is not None:
        one = np.eye(n, dtype=np.int64)
        conjugation = np.einsum("cx,ry,pq->cpryqx", one, one, entry.conjugation_matrix)
        made["conjugation"] = conjugation.reshape(n * n * e, n * n * e)
    if scheme is not None and entry.factorization is not None:
        # From (column, row, component) to (column, component, row).
        order = np.arange(n * n * e).reshape(n, n, e).swapaxes(1, 2).ravel()
        made["factorization"] = scheme.kron(entry.factorization).permuted(order)
    made["name"] = f"matrix_algebra({n}, {entry.name})"
    made["basis"] = tuple(
        f"e{row}{col}{'' if part == '1' else part}"
        for col, part, row in itertools.product(range(1, n + 1), entry.basis, range(1, n + 1))
    )
    table = matrix.structure_constants()
    return Algebra(structure_constants=table, matrix=matrix, **{**made, **fields})


def _check_dimension(dimension: int, received: str) -> None:
    if dimension > _MAX_DIMENSION:
        raise ValueError(
            f"The table would have dimension {dimension}; the largest is {_MAX_DIMENSION}. "
            f"Received: {received}"
        )
