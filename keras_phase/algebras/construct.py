"""Constructors of structure constants: most rows of the table are one call to one of these."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .algebra import Algebra, MatrixForm, matrix_table
from .factorization import BilinearFactorization, _joined


def cayley_dickson(*gammas: int, name: str, **fields: Any) -> Algebra:
    """Double the real numbers once for each gamma.

    `(a, b)(c, d) = (a c + gamma conj(d) b, d a + b conj(c))`, `conj(a, b) = (conj(a), -b)`; so
    (-1,) gives the complex numbers, (-1, -1) the quaternions, (-1, -1, -1) the octonions and a
    last +1 their split forms.

    Args:
        *gammas: the square of each new unit.
        name: of the algebra.
        **fields: further fields of `Algebra`.
    """
    table, conjugation = np.ones((1, 1, 1), dtype="int64"), np.ones(1, dtype="int64")
    for gamma in gammas:
        d = len(conjugation)
        conj = np.diag(conjugation)
        doubled = np.zeros((2 * d, 2 * d, 2 * d), dtype="int64")
        doubled[:d, :d, :d] = table
        doubled[d:, d:, :d] = gamma * np.einsum("jb,bik->ijk", conj, table)
        doubled[:d, d:, d:] = table.transpose(1, 0, 2)
        doubled[d:, :d, d:] = np.einsum("jb,ibk->ijk", conj, table)
        table, conjugation = doubled, np.concatenate([conjugation, -np.ones(d, dtype="int64")])
    fields.setdefault("basis", _unit_names(len(conjugation)))
    return Algebra(
        name=name, structure_constants=table, conjugation=conjugation, **fields
    )


def clifford(p: int, q: int = 0, r: int = 0, *, name: str | None = None, **fields: Any) -> Algebra:
    """The Clifford algebra of p generators with square +1, q with -1 and r with 0.

    The basis counts in binary: bit m of an index says whether generator m is in the blade, so 1,
    e1, e2, e12, e3, ... The conjugation is Clifford's: a blade of grade g changes its sign by
    `(-1)^(g (g+1) / 2)`.

    Args:
        p: number of generators with square +1.
        q: number of generators with square -1.
        r: number of generators with square 0.
        name: of the algebra, by default `"clifford_p_q_r"`.
        **fields: further fields of `Algebra`.

    Raises:
        ValueError: if a number is negative or the dimension exceeds 64.
    """
    if min(p, q, r) < 0 or p + q + r > 6:
        raise ValueError(
            "Expected numbers of generators p, q, r >= 0 with p + q + r <= 6 (dimension 64). "
            f"Received: p={p}, q={q}, r={r}"
        )
    squares = [1] * p + [-1] * q + [0] * r
    d = 2 ** len(squares)
    table = np.zeros((d, d, d), dtype="int64")
    for a in range(d):
        for b in range(d):
            table[a, b, a ^ b] = _blade_sign(a, b, squares)
    grades = np.array([a.bit_count() for a in range(d)])
    names = ["1"] + [
        "e" + "".join(str(m + 1) for m in range(len(squares)) if a >> m & 1) for a in range(1, d)
    ]
    fields.setdefault("basis", names)
    return Algebra(
        name=name or f"clifford_{p}_{q}_{r}",
        structure_constants=table,
        conjugation=(-1) ** (grades * (grades + 1) // 2),
        **fields,
    )


def tensor_product(a: Algebra, b: Algebra, *, name: str | None = None, **fields: Any) -> Algebra:
    """The tensor product over the reals: `(x (x) y)(x' (x) y') = xx' (x) yy'`.

    Component `i_a * d_b + i_b`. Conjugations and factorizations combine where both have one.

    Args:
        a: first factor.
        b: second factor.
        name: of the algebra, by default `"a_x_b"`.
        **fields: further fields of `Algebra`.
    """
    d = a.dimension * b.dimension
    table = np.einsum("ijk,pqr->ipjqkr", a.structure_constants, b.structure_constants)
    if a.conjugation is not None and b.conjugation is not None:
        fields.setdefault("conjugation", np.kron(a.conjugation_matrix, b.conjugation_matrix))
    if a.factorization is not None and b.factorization is not None:
        fields.setdefault("factorization", a.factorization.kron(b.factorization))
    fields.setdefault("basis", [f"{s}*{t}" for s in a.basis for t in b.basis])
    fields.setdefault("reference", _joined(a.reference, b.reference))
    return Algebra(
        name=name or f"{a.name}_x_{b.name}", structure_constants=table.reshape(d, d, d), **fields
    )


def matrix_algebra(n: int, entry: Algebra, *, name: str | None = None, **fields: Any) -> Algebra:
    """The n x n matrices over an associative algebra, listed column by column.

    Component `(col*e + p)*n + row` is component p of the entry at `(row, col)`. The conjugation is
    the adjoint: transposed, entries conjugated.

    Args:
        n: size of the matrices.
        entry: algebra of the entries, of dimension e.
        name: of the algebra, by default `"mn_entry"`.
        **fields: further fields of `Algebra`.

    Raises:
        ValueError: if `entry` is not associative.
    """
    if not entry.is_associative:
        raise ValueError(
            "Matrices need an associative algebra of entries, since their product sums products. "
            f"Received: entry='{entry.name}', which is not associative"
        )
    if entry.conjugation is not None and "conjugation" not in fields:
        units = np.eye(n, dtype="int64")
        adjoint = np.einsum("ks,pq,rc->kprcqs", units, entry.conjugation_matrix, units)
        size = n * n * entry.dimension
        fields["conjugation"] = adjoint.reshape(size, size)
    suffix = entry.basis if entry.dimension > 1 else [""]
    fields.setdefault(
        "basis",
        [f"E{r + 1}{k + 1}{p}" for k in range(n) for p in suffix for r in range(n)],
    )
    return Algebra(
        name=name or f"m{n}_{entry.name}",
        structure_constants=matrix_table(n, entry.structure_constants),
        matrix=MatrixForm(n, entry),
        **fields,
    )


def group_algebra(table: Sequence[Sequence[int]], *, name: str, **fields: Any) -> Algebra:
    """The real algebra of a finite group, with conjugation `g -> g^-1`.

    Args:
        table: the group's table, `table[g][h]` the index of gh; element 0 is the identity.
        name: of the algebra.
        **fields: further fields of `Algebra`.

    Raises:
        ValueError: if the table is not one of a group with identity 0.
    """
    array = np.asarray(table)
    m = len(array)
    latin = array.shape == (m, m) and all(
        sorted(line) == list(range(m)) for line in [*array, *array.T]
    )
    if not latin or not (array[0] == np.arange(m)).all() or not (array[:, 0] == np.arange(m)).all():
        raise ValueError(
            "Expected the table of a group: each row and column lists every index once, and row and "
            f"column 0 are the identity's. Received: table={np.asarray(table).tolist()}"
        )
    constants = np.eye(m, dtype="int64")[array]
    inverse = np.argmax(array == 0, axis=1)
    fields.setdefault("basis", ["1"] + [f"g{i}" for i in range(1, m)])
    algebra = Algebra(
        name=name, structure_constants=constants, conjugation=np.eye(m, dtype="int64")[inverse],
        **fields,
    )
    if not algebra.is_associative:
        raise ValueError(f"The table of '{name}' is not associative. Received: table={table}")
    return algebra


def permuted(
    factorization: BilinearFactorization, order: Sequence[int]
) -> BilinearFactorization:
    """The factorization with component i of the new basis at `order[i]` of the old one."""
    return BilinearFactorization(
        factorization.u[:, order],
        factorization.v[:, order],
        factorization.w[:, order],
        factorization.reference,
    )


def _blade_sign(a: int, b: int, squares: list[int]) -> int:
    """Sign of the product of two blades given as bit masks; 0 if a generator squares to 0."""
    swaps = sum((a >> (m + 1)).bit_count() for m in range(len(squares)) if b >> m & 1)
    sign = -1 if swaps % 2 else 1
    for m, square in enumerate(squares):
        if a & b & (1 << m):
            sign *= square
    return sign


def _unit_names(d: int) -> list[str]:
    if d <= 4:
        return ["1", "i", "j", "k"][:d]
    return ["1"] + [f"e{i}" for i in range(1, d)]
