"""Bilinear factorizations: how few real products an algebra's product needs."""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

_INT64_BOUND = 2**62


@dataclass(frozen=True, eq=False)
class BilinearFactorization:
    """A rank-R algorithm `C[i, j, k] = sum_r U[r, i] V[r, j] W[r, k]` for a bilinear product.

    Product r multiplies the U-combination of the left factor's components by the V-combination of
    the right one's; W combines the products. Entries are exact rationals with small denominators.

    Args:
        u: `(R, d)`.
        v: `(R, d)`.
        w: `(R, d)`.
        reference: where it comes from.

    Raises:
        ValueError: if the shapes differ, or an entry is not a rational with a denominator up to 64.
    """

    u: np.ndarray
    v: np.ndarray
    w: np.ndarray
    reference: str = field(default="")

    def __post_init__(self):
        for name in "uvw":
            array = np.array(getattr(self, name), dtype="float64")
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        if self.u.ndim != 2 or not self.u.shape == self.v.shape == self.w.shape:
            raise ValueError(
                "Expected u, v and w of one shape (rank, dimension). Received: "
                f"u.shape={self.u.shape}, v.shape={self.v.shape}, w.shape={self.w.shape}"
            )

    @property
    def rank(self) -> int:
        """Number of real products."""
        return len(self.u)

    def check(self, structure_constants: np.ndarray) -> None:
        """Check exactly, in integers, that the factorization gives these structure constants.

        Raises:
            ValueError: naming the first index at which it does not.
        """
        d = structure_constants.shape[0]
        if self.u.shape[1] != d:
            raise ValueError(
                f"The factorization is of dimension {self.u.shape[1]}, the algebra of {d}. "
                f"Received: u.shape={self.u.shape}"
            )
        (u, a), (v, b), (w, c) = (_integers(m, n) for m, n in zip((self.u, self.v, self.w), "uvw", strict=True))
        bound = max(
            float(self.rank * np.abs(u).max() * np.abs(v).max() * np.abs(w).max()),
            float(np.abs(structure_constants).max(initial=0)) * a * b * c,
        )
        if bound > _INT64_BOUND:
            raise ValueError("The factorization's entries are too large for an exact check.")
        products = (u[:, :, None] * v[:, None, :]).reshape(self.rank, d * d)
        found = (products.T @ w).reshape(d, d, d)
        wrong = np.argwhere(found != structure_constants * (a * b * c))
        if len(wrong):
            i, j, k = (int(n) for n in wrong[0])
            raise ValueError(
                f"The factorization does not give the structure constants at {len(wrong)} places. "
                f"Expected C[{i}, {j}, {k}] = {structure_constants[i, j, k]}. Received: "
                f"{Fraction(int(found[i, j, k]), a * b * c)}"
            )

    def kron(self, other: "BilinearFactorization") -> "BilinearFactorization":
        """The factorization of the tensor product, of rank R1*R2."""
        return BilinearFactorization(
            np.kron(self.u, other.u),
            np.kron(self.v, other.v),
            np.kron(self.w, other.w),
            _joined(self.reference, other.reference),
        )

    def transformed(self, old_from_new: np.ndarray, new_from_old: np.ndarray) -> Any:
        """The factorization in another basis.

        Args:
            old_from_new: `(d, d)`, row i holds new basis element i in old coordinates.
            new_from_old: its inverse.
        """
        return BilinearFactorization(
            self.u @ old_from_new.T,
            self.v @ old_from_new.T,
            self.w @ new_from_old,
            self.reference,
        )

    def get_config(self) -> dict[str, Any]:
        """Content as plain lists."""
        return {
            "u": self.u.tolist(),
            "v": self.v.tolist(),
            "w": self.w.tolist(),
            "reference": self.reference,
        }


def _integers(matrix: np.ndarray, name: str) -> tuple[np.ndarray, int]:
    """An integer matrix and the factor by which it is scaled."""
    for scale in (1, 2, 4, 8, 16, 32, 64, 3, 5, 6, 7, 9, 10, 12, 24, 48, 60):
        scaled = matrix * scale
        if np.array_equal(scaled, np.rint(scaled)):
            return scaled.astype("int64"), scale
    raise ValueError(
        f"Expected the entries of {name} to be rationals with a small common denominator. "
        f"Received: {name}={matrix.tolist()}"
    )


def _joined(*references: str) -> str:
    return "; ".join(dict.fromkeys(r for r in references if r))
