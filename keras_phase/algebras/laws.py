"""Which laws a product obeys, decided in integers from its structure constants `C`, `(d, d, d)`.

Every law here is linear in each factor, or made so, and is then true for all elements if it is true
for the basis: a finite number of integer equations.
"""

from fractions import Fraction

import numpy as np

from .factorization import RationalMatrix

# With constants up to this size no sum below leaves 64 bits, and associators are exact in float64.
MAX_CONSTANT = 1024


def unit(c: np.ndarray) -> RationalMatrix | None:
    """The element 1 as a matrix of one row, or None."""
    d = len(c)
    # Both `1 e_j = e_j` and `e_j 1 = e_j`, for all j, as linear equations in the components of 1.
    equations = np.concatenate([c.transpose(1, 2, 0), c.transpose(0, 2, 1)]).reshape(-1, d)
    target = np.tile(np.eye(d, dtype=np.int64).ravel(), 2)
    if np.array_equal(equations[:, 0], target):
        return RationalMatrix(np.eye(1, d, dtype=np.int64))
    guess, *_ = np.linalg.lstsq(equations.astype("float64"), target.astype("float64"), rcond=None)
    exact = RationalMatrix.of([[Fraction(x).limit_denominator(MAX_CONSTANT) for x in guess]])
    numerators, denominator = exact
    return exact if np.array_equal(equations @ numerators[0], target * denominator) else None


def is_commutative(c: np.ndarray) -> bool:
    """Whether `a b = b a`."""
    return np.array_equal(c, c.swapaxes(0, 1))


def is_associative(c: np.ndarray) -> bool:
    """Whether `(a b) c = a (b c)`."""
    return not any(_associators(c, i).any() for i in range(len(c)))


def is_alternative(c: np.ndarray) -> bool:
    """Whether `(a a) b = a (a b)` and `(b a) a = b (a a)`."""
    associators = np.stack([_associators(c, i) for i in range(len(c))])
    # A form vanishes on equal arguments if and only if swapping them changes its sign.
    left, right = associators.swapaxes(0, 1), associators.swapaxes(1, 2)
    return np.array_equal(associators, -left) and np.array_equal(associators, -right)


def is_composition(c: np.ndarray, conjugation: np.ndarray) -> bool:
    """Whether the norm, the part of `a conj(a)` along 1, is multiplicative and not degenerate.

    Args:
        c: structure constants.
        conjugation: `(d, d)`, row `i` the conjugate of `e_i`.
    """
    one, d = unit(c), len(c)
    # Hurwitz: such algebras exist in these dimensions only.
    if one is None or d not in (1, 2, 4, 8):
        return False
    numerators, denominator = one.numerators[0], one.denominator
    form = np.einsum("imk,jm,k->ij", c, conjugation, numerators)
    form = form + form.T
    if np.linalg.matrix_rank(form) < d:
        return False
    # With `form(a) = a form a`, the norm is `form(a) * denominator / (2 * numerators^2)`.
    of_product = np.einsum("iak,kl,jbl->ijab", c, form, c) * (2 * int(numerators @ numerators))
    difference = of_product - np.einsum("ij,ab->ijab", form, form) * denominator
    # Quadratic in both factors: only the part symmetric in i, j and in a, b counts.
    difference = difference + difference.swapaxes(0, 1)
    return not (difference + difference.swapaxes(2, 3)).any()


def units_group(c: np.ndarray) -> np.ndarray | None:
    """`(2d, d)`, the basis elements and their negatives if these form a group, or None.

    Order: `e_0, -e_0, e_1, -e_1, ...`.
    """
    sizes, one = np.abs(c), unit(c)
    # Multiplication by a basis element, from either side, permutes the basis up to signs.
    permutes = sizes.max() == 1 and all((sizes.sum(axis=a) == 1).all() for a in range(3))
    if not permutes or one is None or not is_associative(c):
        return None
    basis = np.eye(len(c), dtype=np.int64)
    return np.stack([basis, -basis], axis=1).reshape(-1, len(c))


def _associators(c: np.ndarray, i: int) -> np.ndarray:
    """`(d, d, d)` in j, k, l: component l of `(e_i e_j) e_k - e_i (e_j e_k)`."""
    c = c.astype("float64")  # whole numbers still, but multiplied by BLAS
    return np.tensordot(c[i], c, axes=(1, 0)) - np.tensordot(c, c[i], axes=(2, 0))
