"""The algebra record: a bilinear product on R^d is its table, and everything else follows from it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from .factorization import BilinearFactorization


@dataclass(frozen=True)
class MatrixForm:
    """The algebra is M_n over `entry`, listed column by column.

    Component `(col*e + p)*n + row` is component `p` of the entry at `(row, col)`, `e` the dimension
    of `entry`.
    """

    n: int
    entry: "Algebra"


@dataclass(frozen=True, eq=False, repr=False)
class Algebra:
    """A finite-dimensional real algebra, checked exactly on construction and then read-only.

    Args:
        name: registry key and config value.
        basis: names of the d basis elements.
        structure_constants: integers C `(d, d, d)` with `e_i e_j = sum_k C[i, j, k] e_k`.
        conjugation: the anti-automorphism, signs `(d,)` or an integer matrix `(d, d)` whose row i
            is the conjugate of e_i; None if the algebra has none of use.
        factorization: an exact bilinear factorization of the product, optional.
        matrix: set if the algebra is one of matrices.
        reference: where table and factorization come from.

    Raises:
        ValueError: if shapes do not fit, the table is not integer, the conjugation is not an
            involution that reverses products, or the factorization or the matrix form does not
            give the table; the message names the indices.

    Example:

    >>> dual = Algebra("my_dual", ("1", "e"), [[[1, 0], [0, 1]], [[0, 1], [0, 0]]])
    >>> dual.multiply([2.0, 3.0], [5.0, 7.0]).tolist()
    [10.0, 29.0]
    """

    name: str
    basis: tuple[str, ...]
    structure_constants: np.ndarray
    conjugation: np.ndarray | None = None
    factorization: BilinearFactorization | None = None
    matrix: MatrixForm | None = None
    reference: str = ""

    def __post_init__(self):
        object.__setattr__(self, "basis", tuple(self.basis))
        d = len(self.basis)
        table = _integer_array(self.structure_constants, "structure_constants")
        if d == 0 or table.shape != (d, d, d):
            raise ValueError(
                f"The algebra '{self.name}' has {d} basis elements, so its structure constants "
                f"have the shape {(d, d, d)}. Received: structure_constants.shape={table.shape}"
            )
        object.__setattr__(self, "structure_constants", table)
        if self.conjugation is not None:
            conjugation = _integer_array(self.conjugation, "conjugation")
            object.__setattr__(self, "conjugation", conjugation)
            self._check_conjugation()
        if self.factorization is not None:
            self.factorization.check(table)
        if self.matrix is not None:
            self._check_matrix_form()

    def _check_conjugation(self) -> None:
        d, matrix = self.dimension, self.conjugation_matrix
        if self.conjugation.shape not in ((d,), (d, d)):
            raise ValueError(
                f"Expected the conjugation of '{self.name}' as signs ({d},) or a matrix ({d}, {d})."
                f" Received: conjugation.shape={self.conjugation.shape}"
            )
        if not np.array_equal(matrix @ matrix, np.eye(d, dtype="int64")):
            raise ValueError(
                f"The conjugation of '{self.name}' is not an involution: applied twice it must give "
                f"the identity. Received: conjugation={self.conjugation.tolist()}"
            )
        c = self.structure_constants
        of_product = c @ matrix
        reversed_product = np.einsum("jb,ia,bak->ijk", matrix, matrix, c)
        _require_equal(
            of_product,
            reversed_product,
            f"The conjugation of '{self.name}' must reverse products, conj(e_i e_j) = conj(e_j) "
            "conj(e_i)",
        )

    def _check_matrix_form(self) -> None:
        n, entry = self.matrix.n, self.matrix.entry
        _require_equal(
            self.structure_constants,
            matrix_table(n, entry.structure_constants),
            f"The structure constants of '{self.name}' are not those of {n} x {n} matrices over "
            f"'{entry.name}', listed column by column",
        )

    @property
    def dimension(self) -> int:
        """Real numbers an element, d."""
        return len(self.basis)

    @property
    def rank(self) -> int | None:
        """Real products of the factorization, or None without one."""
        return None if self.factorization is None else self.factorization.rank

    @cached_property
    def num_terms(self) -> int:
        """Non-zero structure constants: real products of the direct method."""
        return int(np.count_nonzero(self.structure_constants))

    @cached_property
    def component_gains(self) -> np.ndarray:
        """`g_k = sum_ij C[i, j, k]^2`: variance of component k of a product of unit-variance ones."""
        return _frozen((self.structure_constants.astype("float64") ** 2).sum(axis=(0, 1)))

    @cached_property
    def conjugation_matrix(self) -> np.ndarray | None:
        """The conjugation as a matrix, row i the conjugate of e_i."""
        if self.conjugation is None:
            return None
        matrix = self.conjugation if self.conjugation.ndim == 2 else np.diag(self.conjugation)
        return _frozen(matrix)

    @cached_property
    def unit(self) -> np.ndarray | None:
        """Coordinates of the two-sided unit, or None."""
        c, d = self.structure_constants.astype("float64"), self.dimension
        # u e_j = e_j and e_j u = e_j for all j: linear equations in u.
        left = c.transpose(1, 2, 0).reshape(d * d, d)
        right = c.transpose(0, 2, 1).reshape(d * d, d)
        target = np.tile(np.eye(d).reshape(-1), 2)
        equations = np.concatenate([left, right])
        solution = np.rint(np.linalg.lstsq(equations, target, rcond=None)[0])
        return _frozen(solution) if np.array_equal(equations @ solution, target) else None

    @property
    def is_unital(self) -> bool:
        """Whether there is a unit."""
        return self.unit is not None

    @cached_property
    def is_commutative(self) -> bool:
        """Whether ab = ba."""
        c = self.structure_constants
        return bool(np.array_equal(c, c.transpose(1, 0, 2)))

    @cached_property
    def is_associative(self) -> bool:
        """Whether (ab)c = a(bc)."""
        return not self._associator.any()

    @cached_property
    def is_alternative(self) -> bool:
        """Whether (aa)b = a(ab) and (ab)b = a(bb)."""
        a = self._associator
        return not (a + a.transpose(1, 0, 2, 3)).any() and not (a + a.transpose(0, 2, 1, 3)).any()

    @cached_property
    def _associator(self) -> np.ndarray:
        c = self.structure_constants
        left = np.einsum("ijp,pkl->ijkl", c, c, optimize=True)
        return left - np.einsum("jkp,ipl->ijkl", c, c, optimize=True)

    @cached_property
    def is_composition(self) -> bool:
        """Whether the quadratic norm is multiplicative, N(ab) = N(a) N(b), and not degenerate."""
        form = self._norm_form
        if form is None or np.linalg.matrix_rank(form) < self.dimension:
            return False
        c = self.structure_constants
        # Polarised: the part of N(ab) - N(a)N(b) symmetric in (i, k) and in (j, l) vanishes.
        product = np.einsum("ijp,klq,pq->ijkl", c, c, form, optimize=True)
        difference = 2 * product - 2 * np.einsum("ik,jl->ijkl", form, form)
        symmetric = difference + difference.transpose(2, 1, 0, 3)
        return not (symmetric + symmetric.transpose(0, 3, 2, 1)).any()

    @cached_property
    def _norm_form(self) -> np.ndarray | None:
        """Symmetric matrix Q with N(a) = a Q a, if a conj(a) is a multiple of the unit."""
        if self.conjugation is None or self.unit is None:
            return None
        product = np.einsum("jb,ibk->ijk", self.conjugation_matrix, self.structure_constants)
        form = (product + product.transpose(1, 0, 2)) / 2
        axis = int(np.flatnonzero(self.unit)[0])
        coefficient = form[:, :, axis] / self.unit[axis]
        return coefficient if np.array_equal(coefficient[..., None] * self.unit, form) else None

    @cached_property
    def units_group(self) -> np.ndarray | None:
        """The finite group that the basis elements generate, `(m, d)`, or None.

        In the order e_0, -e_0, e_1, -e_1, ...; None when products of basis elements are not all
        plus or minus a basis element, or the group has no inverses.
        """
        c, d = self.structure_constants, self.dimension
        signed = (np.abs(c).sum(axis=2) == 1).all() and np.abs(c).max() == 1
        if not signed or self.unit is None or not self.is_associative:
            return None
        return _frozen(np.stack([np.eye(d), -np.eye(d)], axis=1).reshape(2 * d, d))

    def multiply(self, a: Any, b: Any) -> np.ndarray:
        """Product of elements `(..., d)`, broadcasting."""
        return np.einsum("...i,...j,ijk->...k", a, b, self.structure_constants)

    def conjugate(self, a: Any) -> np.ndarray:
        """Conjugate of elements `(..., d)`.

        Raises:
            ValueError: if the algebra has no conjugation.
        """
        if self.conjugation is None:
            raise ValueError(
                f"The algebra '{self.name}' has no conjugation. Give its record one. "
                f"Received: algebra='{self.name}'"
            )
        return np.asarray(a) @ self.conjugation_matrix

    def norm(self, a: Any) -> np.ndarray:
        """The algebra's own quadratic norm, `(..., d)` to `(...)`: the unit's coefficient of a conj(a).

        It can be 0 or negative for non-zero elements; the modulus is always the Euclidean norm.
        """
        if self.unit is None:
            raise ValueError(
                f"The algebra '{self.name}' has no unit, so no quadratic norm of its own. "
                f"Received: algebra='{self.name}'"
            )
        product = self.multiply(a, self.conjugate(a))
        return product @ self.unit / (self.unit @ self.unit)

    def get_config(self) -> dict[str, Any]:
        """Content as plain values, for `from_config`."""
        return {
            "name": self.name,
            "basis": list(self.basis),
            "structure_constants": self.structure_constants.tolist(),
            "conjugation": None if self.conjugation is None else self.conjugation.tolist(),
            "factorization": None if self.factorization is None else self.factorization.get_config(),
            "matrix": None
            if self.matrix is None
            else {"n": self.matrix.n, "entry": self.matrix.entry.get_config()},
            "reference": self.reference,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Inverse of `get_config`."""
        config = dict(config)
        if config.get("factorization") is not None:
            config["factorization"] = BilinearFactorization(**config["factorization"])
        if config.get("matrix") is not None:
            form = config["matrix"]
            config["matrix"] = MatrixForm(form["n"], cls.from_config(form["entry"]))
        return cls(**config)

    @cached_property
    def _key(self) -> tuple:
        f = self.factorization
        return (
            self.name,
            self.basis,
            self.structure_constants.tobytes(),
            None if self.conjugation is None else self.conjugation_matrix.tobytes(),
            None if f is None else (f.u.tobytes(), f.v.tobytes(), f.w.tobytes()),
            None if self.matrix is None else (self.matrix.n, self.matrix.entry._key),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Algebra) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        rank = "" if self.rank is None else f", rank={self.rank}"
        return f"Algebra('{self.name}', dimension={self.dimension}{rank})"


def matrix_table(n: int, entry_table: np.ndarray) -> np.ndarray:
    """Structure constants of n x n matrices over an algebra, column by column."""
    e = entry_table.shape[0]
    d = n * n * e
    units = np.eye(n, dtype="int64")
    # The left factor stands at column k, entry p, row r, the right one at column s, entry q, row l.
    table = np.einsum("kl,ra,sb,pqt->kprsqlbta", *(units,) * 3, entry_table.astype("int64"))
    return table.reshape(d, d, d)


def _integer_array(values: Any, name: str) -> np.ndarray:
    array = np.array(values)
    if array.dtype == object or not np.array_equal(array, np.rint(array.astype("float64"))):
        raise ValueError(f"Expected integers. Received: {name}={values!r}")
    return _frozen(array.astype("int64"))


def _require_equal(actual: np.ndarray, expected: np.ndarray, message: str) -> None:
    wrong = np.argwhere(actual != expected)
    if len(wrong):
        indices = ", ".join(str(int(i)) for i in wrong[0])
        raise ValueError(
            f"{message}; {len(wrong)} places differ, the first at ({indices}). "
            f"Received: {int(actual[tuple(wrong[0])])}, expected {int(expected[tuple(wrong[0])])}"
        )


def _frozen(array: np.ndarray) -> np.ndarray:
    array = np.array(array)
    array.setflags(write=False)
    return array
