"""Bilinear algorithms: the product of an algebra by few real multiplications, held exactly.

An algorithm of rank `R` multiplies `R` combinations of the left factor by `R` combinations of the
right one, and combines the products: `(a * b)_k = sum_r W[r,k] (U[r] . a) (V[r] . b)`. Its entries
are rational; they are kept as integers over one denominator a matrix, so that whether it reproduces
a table of structure constants is decided in integers, not up to a tolerance.
"""

import math
import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

_TERM = re.compile(r"([+-]?)(\d*)([abc])(\d+)(?:/(\d+))?")


class RationalMatrix(NamedTuple):
    """A matrix of rational numbers, `numerators / denominator`, in lowest terms.

    Attributes:
        numerators: int64, read-only.
        denominator: a positive integer.
    """

    numerators: np.ndarray
    denominator: int = 1

    @classmethod
    def of(cls, values: Any, name: str = "matrix") -> "RationalMatrix":
        """From nested sequences of integers, fractions (`Fraction(1, 2)`, `"1/2"`) or floats.

        A float counts as the binary fraction that it is: 0.5 is one half, 0.1 is not one tenth.

        Raises:
            ValueError: if the values are not a matrix of rational numbers of moderate size.
        """
        try:
            rows = values.tolist() if isinstance(values, np.ndarray) else values
            exact = [[Fraction(value) for value in row] for row in rows]
            if not exact or not exact[0] or len(set(map(len, exact))) > 1:
                raise ValueError("no rows, or rows of several lengths")
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(
                "Expected a matrix (rank, dimension) of integers, fractions or finite floats. "
                f"Received: {name}={values!r}"
            ) from error
        denominator = math.lcm(*(value.denominator for row in exact for value in row))
        numerators = [[int(value * denominator) for value in row] for row in exact]
        return cls.reduced(np.array(numerators, dtype=object), denominator, name)

    @classmethod
    def reduced(
        cls, numerators: np.ndarray, denominator: int, name: str = "matrix"
    ) -> "RationalMatrix":
        """In lowest terms, from integers of any size."""
        flat = [int(n) for n in numerators.flat]
        divisor = math.gcd(denominator, *flat)
        if max(denominator, *map(abs, flat)) // divisor > 2**31:
            raise ValueError(
                f"Over a common denominator, the entries of {name} need integers above 2^31. Write "
                "a number such as 0.1 as Fraction(1, 10) or '1/10'. "
                f"Received: denominator={denominator // divisor}"
            )
        numerators = (numerators // divisor).astype(np.int64)
        return cls(read_only(numerators), denominator // divisor)

    @property
    def values(self) -> np.ndarray:
        """The entries as float64, read-only."""
        return read_only(self.numerators / self.denominator)

    @property
    def transposed(self) -> "RationalMatrix":
        """Rows as columns."""
        return RationalMatrix(read_only(self.numerators.T), self.denominator)

    def __matmul__(self, other: "RationalMatrix") -> "RationalMatrix":
        """Exact product of two matrices."""
        product = self.numerators.astype(object) @ other.numerators.astype(object)
        return self.reduced(product, self.denominator * other.denominator)

    def kron(self, other: "RationalMatrix") -> "RationalMatrix":
        """Exact Kronecker product."""
        product = np.kron(self.numerators.astype(object), other.numerators.astype(object))
        return self.reduced(product, self.denominator * other.denominator)


class BilinearFactorization:
    """An algorithm with `R` real multiplications: `C[i,j,k] = sum_r U[r,i] V[r,j] W[r,k]`.

    Args:
        u: `(R, d)`, the combinations of the left factor; integers, fractions or floats.
        v: `(R, d)`, the combinations of the right factor.
        w: `(R, d)`, the share of every product in the components of the result.

    Attributes:
        u: `(R, d)`, float64, read-only; so are `v` and `w`.
        exact: the three matrices as `RationalMatrix`.

    Raises:
        ValueError: if the three are not matrices of one shape with rational entries.

    Example:
    >>> gauss = BilinearFactorization(
    ...     u=[[1, 1], [1, 0], [0, 1]], v=[[1, 0], [-1, 1], [1, 1]], w=[[1, 1], [0, 1], [-1, 0]]
    ... )
    >>> gauss
    <BilinearFactorization: dimension 2, rank 3>
    >>> table, denominator = gauss.table()
    >>> (table[:, :, 0] / denominator).tolist()  # the real part is a0 b0 - a1 b1
    [[1.0, 0.0], [0.0, -1.0]]
    """

    __slots__ = ("exact", "u", "v", "w")

    def __init__(self, u: Any, v: Any, w: Any):
        matrices = tuple(
            m if isinstance(m, RationalMatrix) else RationalMatrix.of(m, name)
            for name, m in zip("uvw", (u, v, w), strict=True)
        )
        shapes = [m.numerators.shape for m in matrices]
        if len(set(shapes)) > 1:
            raise ValueError(
                "Expected u, v and w of one shape (rank, dimension). "
                f"Received: u.shape={shapes[0]}, v.shape={shapes[1]}, w.shape={shapes[2]}"
            )
        object.__setattr__(self, "exact", matrices)
        for name, m in zip("uvw", matrices, strict=True):
            object.__setattr__(self, name, m.values)

    @classmethod
    def from_products(
        cls, labels: Sequence[str], products: Iterable[tuple[str, str, str]]
    ) -> "BilinearFactorization":
        """Read an algorithm as one writes it.

        Args:
            labels: the digits that name the components, in their order: `("0", "1")`, or
                `("11", "21", "12", "22")` for matrices listed column by column.
            products: for every multiplication the left combination (in `a`), the right one (in `b`)
                and where the product is added (in `c`). A term may have an integer in front and
                a denominator behind: `"-2c0"`, `"c1/2"`.

        Raises:
            ValueError: if a combination cannot be read.

        Example:
        >>> BilinearFactorization.from_products(
        ...     ("0", "1"),
        ...     [("a0+a1", "b0", "c0+c1"), ("a0", "b1-b0", "c1"), ("a1", "b0+b1", "-c0")],
        ... )
        <BilinearFactorization: dimension 2, rank 3>
        """
        columns = zip("abc", zip(*products, strict=True), strict=True)
        return cls(
            *([_combination(text, letter, labels) for text in texts] for letter, texts in columns)
        )

    @property
    def rank(self) -> int:
        """Number of real multiplications `R`."""
        return self.u.shape[0]

    @property
    def dimension(self) -> int:
        """Dimension `d` of the algebra."""
        return self.u.shape[1]

    def table(self) -> tuple[np.ndarray, int]:
        """The product that it computes: integers `(d, d, d)`, and the denominator under them.

        Raises:
            ValueError: if 64-bit integers could overflow.
        """
        u, v, w = (m.numerators for m in self.exact)
        bound = self.rank * math.prod(int(np.abs(m).max()) for m in (u, v, w))
        denominator = math.prod(m.denominator for m in self.exact)
        if max(bound, denominator) >= 2**52:
            raise ValueError(
                "The entries of the factorization are too large for an exact check in 64-bit "
                f"integers. Received: rank={self.rank}, denominator={denominator}, sums up to "
                f"{bound}"
            )
        return np.einsum("ri,rj->ijr", u, v) @ w, denominator

    def kron(self, other: "BilinearFactorization") -> "BilinearFactorization":
        """Algorithm of the tensor product, component `i_self * d_other + i_other`."""
        pairs = zip(self.exact, other.exact, strict=True)
        return BilinearFactorization(*(a.kron(b) for a, b in pairs))

    def permuted(self, order: Any) -> "BilinearFactorization":
        """The algorithm in a reordered basis: new component `i` is the old component `order[i]`."""
        isomorphism = np.eye(self.dimension, dtype=np.int64)[:, np.asarray(order)]
        return self.transported(isomorphism, inverse=isomorphism.T)

    def transported(self, isomorphism: Any, inverse: Any) -> "BilinearFactorization":
        """The algorithm of an isomorphic algebra.

        Args:
            isomorphism: `(d, d)`; column `i` is the image, in this factorization's algebra, of
                basis element `i` of the other one.
            inverse: `(d, d)`, the inverse matrix.
        """
        forth, back = RationalMatrix.of(isomorphism), RationalMatrix.of(inverse)
        u, v, w = self.exact
        return BilinearFactorization(u @ forth, v @ forth, w @ back.transposed)

    def get_config(self) -> dict:
        """The exact entries as plain Python numbers: numerators and denominator of u, v and w."""
        return {
            name: {"numerators": m.numerators.tolist(), "denominator": m.denominator}
            for name, m in zip("uvw", self.exact, strict=True)
        }

    @classmethod
    def from_config(cls, config: dict) -> "BilinearFactorization":
        """Inverse of `get_config`."""
        parts = [(np.array(config[n]["numerators"]), config[n]["denominator"]) for n in "uvw"]
        return cls(*(RationalMatrix.reduced(*part) for part in parts))

    @property
    def key(self) -> tuple:
        """Hashable exact content."""
        return tuple((m.numerators.tobytes(), m.denominator, self.u.shape) for m in self.exact)

    def __eq__(self, other: object) -> bool:
        return self.key == other.key if isinstance(other, BilinearFactorization) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.key)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"A BilinearFactorization is read-only. Received: name={name!r}")

    def __reduce__(self):
        return BilinearFactorization.from_config, (self.get_config(),)

    def __repr__(self) -> str:
        return f"<BilinearFactorization: dimension {self.dimension}, rank {self.rank}>"


def read_only(array: np.ndarray) -> np.ndarray:
    """A copy of `array` that cannot be written."""
    array = np.array(array)
    array.setflags(write=False)
    return array


def _combination(text: str, letter: str, labels: Sequence[str]) -> list[Fraction]:
    """Coefficients of a combination such as `"a0-2a1"`."""
    compact = text.replace(" ", "")
    row = dict.fromkeys(labels, Fraction(0))
    end = 0
    for term in _TERM.finditer(compact):
        sign, factor, name, label, denominator = term.groups()
        if term.start() != end or (end and not sign) or name != letter or label not in row:
            break
        row[label] += Fraction(int(f"{sign}{factor or 1}"), int(denominator or 1))
        end = term.end()
    if end != len(compact) or not compact:
        names = ", ".join(letter + label for label in labels)
        raise ValueError(
            f"Expected a sum of multiples of {names}, such as '{letter}{labels[0]}'. "
            f"Received: {text!r}"
        )
    return list(row.values())
