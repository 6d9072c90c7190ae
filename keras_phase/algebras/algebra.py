"""The algebra record: a finite table of integers from which everything else is derived.

A bilinear product on `R^d` is its structure constants, `e_i e_j = sum_k C[i,j,k] e_k`. An `Algebra`
holds them with a conjugation, and optionally with a fast algorithm and a matrix form; all are
checked exactly when the record is made. Whether the product is commutative, associative and so on
is computed from the table, never typed. No framework is imported: layers, initializers, kernels in
C++ and documentation all read this record.
"""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import checks, laws
from .factorization import BilinearFactorization, read_only

_LAWS = ("unital", "commutative", "associative", "alternative", "composition")


@dataclass(frozen=True, repr=False)
class MatrixForm:
    """An algebra of `n x n` matrices over `entry`, listed column by column.

    Component `(col*e + p)*n + row` is component `p` of the entry in that row and column, with `e`
    the dimension of `entry`.

    Attributes:
        n: number of rows and columns.
        entry: the algebra of the entries.
    """

    n: int
    entry: "Algebra"

    def structure_constants(self) -> np.ndarray:
        """The table that this form implies, `(d, d, d)` with `d = n*n*e`."""
        one, d = np.eye(self.n, dtype=np.int64), self.n * self.n * self.entry.dimension
        # Axes (column, component, row) of the left factor are apr, of the right one bqs, of the
        # result ctu: the left column meets the right row, the others remain.
        table = np.einsum("as,bc,ru,pqt->aprbqsctu", one, one, one, self.entry.structure_constants)
        return table.reshape(d, d, d)

    def __repr__(self) -> str:
        return f"<MatrixForm: {self.n} x {self.n} over '{self.entry.name}'>"


@dataclass(frozen=True, eq=False, repr=False)
class Algebra:
    """A finite-dimensional algebra over the real numbers.

    Equality, hash and serialization go by content, which the reference is no part of. The arrays
    are read-only.

    Args:
        name: under which it is registered and shown.
        basis: names of the `d` basis elements.
        structure_constants: `(d, d, d)` integers `C` with `e_i e_j = sum_k C[i,j,k] e_k`.
        conjugation: a linear map that is its own inverse and reverses products, `conj(a b) =
            conj(b) conj(a)`: the signs of the basis elements, `(d,)`, or `(d, d)` whose row `i` is
            the conjugate of `e_i`. None where the algebra is to have none.
        factorization: an exact algorithm for the product, or None.
        matrix: the matrix form, where the basis is that of matrices listed column by column.
        reference: where the table and the factorization come from.

    Raises:
        TypeError: if an argument has the wrong type.
        ValueError: if a table has the wrong shape or breaks a law; the message names the indices.

    Example:

    >>> gaussian = Algebra("gaussian", ("1", "i"), [[[1, 0], [0, 1]], [[0, 1], [-1, 0]]], (1, -1))
    >>> gaussian
    <Algebra 'gaussian': dimension 2; unital, commutative, associative, alternative, composition>
    >>> gaussian.multiply([1, 2], [3, 4]).tolist()  # (1 + 2i) (3 + 4i)
    [-5, 10]
    >>> float(gaussian.norm([3, 4]))
    25.0
    """

    name: str
    basis: tuple[str, ...]
    structure_constants: np.ndarray
    conjugation: np.ndarray | None = None
    factorization: BilinearFactorization | None = None
    matrix: MatrixForm | None = None
    reference: str = ""

    def __post_init__(self):
        checks.has_type("name", self.name, str)
        checks.has_type("factorization", self.factorization, BilinearFactorization, None)
        checks.has_type("matrix", self.matrix, MatrixForm, None)
        table = checks.as_integers("structure_constants", self.structure_constants)
        object.__setattr__(self, "basis", checks.as_basis(self.basis))
        object.__setattr__(self, "structure_constants", table)
        checks.has_shape(self, "structure_constants", table, 3)
        if self.conjugation is not None:
            conjugation = checks.as_integers("conjugation", self.conjugation)
            object.__setattr__(self, "conjugation", conjugation)
            checks.has_shape(self, "conjugation", conjugation, 1, 2)
            checks.is_conjugation(self)
        if self.matrix is not None:
            checks.gives_table(self, "the matrix form", self.matrix.structure_constants())
        if self.factorization is not None:
            checks.gives_table(self, "the factorization", *self.factorization.table())

    # Facts computed from the table.

    @property
    def dimension(self) -> int:
        """Number `d` of real components of an element."""
        return len(self.basis)

    @property
    def rank(self) -> int | None:
        """Real multiplications of the factorization, or None without one."""
        return None if self.factorization is None else self.factorization.rank

    @functools.cached_property
    def num_terms(self) -> int:
        """Number of non-zero structure constants: the multiplications of the product as defined."""
        return int(np.count_nonzero(self.structure_constants))

    @functools.cached_property
    def component_gains(self) -> np.ndarray:
        """`(d,)`, `g_k = sum_ij C[i,j,k]^2`, float64.

        The variance of component k of `a * b`, for independent components of mean 0 and variance 1:
        2 for each component of a complex product, 4 for quaternions, 1 and 2 for dual numbers.
        """
        return read_only(np.square(self.structure_constants).sum(axis=(0, 1)).astype("float64"))

    @functools.cached_property
    def unit(self) -> np.ndarray | None:
        """`(d,)`, the element 1, float64, or None if there is none."""
        unit = laws.unit(self.structure_constants)
        return None if unit is None else read_only(unit.values[0])

    @property
    def is_unital(self) -> bool:
        """Whether there is an element 1 with `1 a = a 1 = a`."""
        return self.unit is not None

    @functools.cached_property
    def is_commutative(self) -> bool:
        """Whether `a b = b a`."""
        return laws.is_commutative(self.structure_constants)

    @functools.cached_property
    def is_associative(self) -> bool:
        """Whether `(a b) c = a (b c)`."""
        return laws.is_associative(self.structure_constants)

    @functools.cached_property
    def is_alternative(self) -> bool:
        """Whether `(a a) b = a (a b)` and `(b a) a = b (a a)`; associative algebras are."""
        return self.is_associative or laws.is_alternative(self.structure_constants)

    @functools.cached_property
    def is_composition(self) -> bool:
        """Whether `norm(a b) = norm(a) norm(b)`.

        A degenerate norm, such as that of dual numbers (`norm(a + b e) = a^2`), does not count.
        """
        if self.conjugation is None:
            return False
        return laws.is_composition(self.structure_constants, self.conjugation_matrix)

    @property
    def laws(self) -> tuple[str, ...]:
        """Those that hold of unital, commutative, associative, alternative, composition."""
        return tuple(law for law in _LAWS if getattr(self, f"is_{law}"))

    @functools.cached_property
    def units_group(self) -> np.ndarray | None:
        """`(2d, d)`, the finite group of the basis elements and their negatives, or None.

        It exists where the algebra is associative with 1, and products of basis elements are plus
        or minus basis elements. Each element is followed by its negative: for quaternions 1, -1, i,
        -i, j, -j, k, -k.
        """
        group = laws.units_group(self.structure_constants)
        return None if group is None else read_only(group.astype("float64"))

    @functools.cached_property
    def conjugation_matrix(self) -> np.ndarray:
        """`(d, d)` integers whose row `i` is the conjugate of `e_i`.

        Raises:
            ValueError: if the algebra has no conjugation.
        """
        if self.conjugation is None:
            raise ValueError(
                f"The algebra '{self.name}' has no conjugation. Give it one: a linear map that is "
                "its own inverse and reverses products. Received: conjugation=None"
            )
        c = self.conjugation
        return c if c.ndim == 2 else read_only(np.diag(c))

    # The product on NumPy arrays.

    def multiply(self, a: Any, b: Any) -> np.ndarray:
        """Product `a * b`, `a` on the left, of arrays `(..., d)`, broadcasting."""
        a, b = checks.as_elements(self, "a", a), checks.as_elements(self, "b", b)
        c = self.structure_constants.astype(np.result_type(a, b))
        return np.einsum("...i,...j,ijk->...k", a, b, c)

    def conjugate(self, a: Any) -> np.ndarray:
        """Conjugate of an array `(..., d)`.

        Raises:
            ValueError: if the algebra has no conjugation.
        """
        a = checks.as_elements(self, "a", a)
        return a @ self.conjugation_matrix.astype(a.dtype)

    def norm(self, a: Any) -> np.ndarray:
        """The algebra's quadratic norm, `(..., d)` to `(...)`: the part of `a conj(a)` along 1.

        This is not the Euclidean modulus: it can be zero or negative for an element that is not
        zero.

        Raises:
            ValueError: if the algebra has no unit or no conjugation.
        """
        if self.unit is None:
            raise ValueError(
                f"The algebra '{self.name}' has no unit to measure a norm along. Use the Euclidean "
                f"modulus instead. Received: algebra='{self.name}'"
            )
        a = checks.as_elements(self, "a", a)
        return self.multiply(a, self.conjugate(a)) @ self.unit / (self.unit @ self.unit)

    # Identity and serialization.

    def get_config(self) -> dict:
        """The content as plain Python values, from which `from_config` makes an equal algebra."""
        conjugation, factorization, matrix = self.conjugation, self.factorization, self.matrix
        terms = np.argwhere(self.structure_constants)
        values = self.structure_constants[tuple(terms.T)]
        return {
            "name": self.name,
            "basis": list(self.basis),
            "structure_constants": np.column_stack([terms, values]).tolist(),
            "conjugation": None if conjugation is None else conjugation.tolist(),
            "factorization": None if factorization is None else factorization.get_config(),
            "matrix": None
            if matrix is None
            else {"n": matrix.n, "entry": matrix.entry.get_config()},
            "reference": self.reference,
        }

    @classmethod
    def from_config(cls, config: dict) -> "Algebra":
        """Inverse of `get_config`, with all checks.

        Raises:
            ValueError: if the config is not one that `get_config` makes.
        """
        try:
            fields = dict(config)
            d, terms = len(fields["basis"]), np.array(fields["structure_constants"], dtype=np.int64)
            i, j, k, values = terms.reshape(-1, 4).T
            fields["structure_constants"] = np.zeros((d, d, d), dtype=np.int64)
            fields["structure_constants"][i, j, k] = values
            if fields.get("factorization"):
                fields["factorization"] = BilinearFactorization.from_config(fields["factorization"])
            if fields.get("matrix"):
                n, entry = fields["matrix"]["n"], fields["matrix"]["entry"]
                fields["matrix"] = MatrixForm(n, cls.from_config(entry))
            return cls(**fields)
        except (KeyError, IndexError, TypeError) as error:
            raise ValueError(
                "Expected the config of an algebra as `Algebra.get_config()` makes it, with a "
                "name, a basis and the non-zero structure constants as rows [i, j, k, value]. "
                f"Received: config={config!r}"
            ) from error

    @functools.cached_property
    def _key(self) -> tuple:
        conjugation = None if self.conjugation is None else self.conjugation_matrix.tobytes()
        table = self.structure_constants.tobytes()
        return self.name, self.basis, table, conjugation, self.factorization, self.matrix

    def __eq__(self, other: object) -> bool:
        return self._key == other._key if isinstance(other, Algebra) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key)

    def __reduce__(self):
        # Copies and pickles are made again from content, which keeps their arrays read-only.
        return Algebra.from_config, (self.get_config(),)

    def __repr__(self) -> str:
        rank = "" if self.rank is None else f", rank {self.rank}"
        laws = f"; {', '.join(self.laws)}" if self.laws else ""
        return f"<Algebra '{self.name}': dimension {self.dimension}{rank}{laws}>"

    def __str__(self) -> str:
        """The multiplication table, left factors down the side."""
        rows = [[self.name, *self.basis]]
        for name, products in zip(self.basis, self.structure_constants, strict=True):
            rows.append([name, *(checks.written(element, self.basis) for element in products)])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join("  ".join(map(str.rjust, row, widths)) for row in rows)
