"""The rows: every algebra that ships, in a few lines each.

Tables come from the constructors. Only algorithms are written out, one multiplication a line: left
combination, right combination, where the product goes; each is checked against the table when its
row is first used. They stay valid where components are matrices, which do not commute; that rules
out some schemes of fewer multiplications.
"""

import numpy as np

from .algebra import Algebra
from .catalog import get, names, row
from .construct import cayley_dickson, matrix_algebra
from .factorization import BilinearFactorization

_PAIR, _TRIPLE, _QUADRUPLE = ("0", "1"), ("0", "1", "2"), ("0", "1", "2", "3")
_MATRIX_2 = ("11", "21", "12", "22")
_MATRIX_3 = ("11", "21", "31", "12", "22", "32", "13", "23", "33")


def _strassen() -> BilinearFactorization:
    """Real 2 x 2 matrices by 7 multiplications."""
    return BilinearFactorization.from_products(
        _MATRIX_2,
        [
            ("a11+a22", "b11+b22", "c11+c22"),
            ("a21+a22", "b11", "c21-c22"),
            ("a11", "b12-b22", "c12+c22"),
            ("a22", "b21-b11", "c11+c21"),
            ("a11+a12", "b22", "c12-c11"),
            ("a21-a11", "b11+b12", "c22"),
            ("a12-a22", "b21+b22", "c11"),
        ],
    )


def _laderman() -> BilinearFactorization:
    """Real 3 x 3 matrices by 23 multiplications."""
    return BilinearFactorization.from_products(
        _MATRIX_3,
        [
            ("a11+a12+a13-a21-a22-a32-a33", "b22", "c12"),
            ("a11-a21", "b22-b12", "c21+c22"),
            ("a22", "-b11+b12+b21-b22-b23-b31+b33", "c21"),
            ("-a11+a21+a22", "b11-b12+b22", "c12+c21+c22"),
            ("a21+a22", "b12-b11", "c12+c22"),
            ("a11", "b11", "c11+c12+c13+c21+c22+c31+c33"),
            ("-a11+a31+a32", "b11-b13+b23", "c13+c31+c33"),
            ("a31-a11", "b13-b23", "c31+c33"),
            ("a31+a32", "b13-b11", "c13+c33"),
            ("a11+a12+a13-a22-a23-a31-a32", "b23", "c13"),
            ("a32", "-b11+b13+b21-b22-b23-b31+b32", "c31"),
            ("-a13+a32+a33", "b22+b31-b32", "c12+c31+c32"),
            ("a13-a33", "b22-b32", "c31+c32"),
            ("a13", "b31", "c11+c12+c13+c21+c23+c31+c32"),
            ("a32+a33", "b32-b31", "c12+c32"),
            ("-a13+a22+a23", "b23+b31-b33", "c13+c21+c23"),
            ("a13-a23", "b23-b33", "c21+c23"),
            ("a22+a23", "b33-b31", "c13+c23"),
            ("a12", "b21", "c11"),
            ("a23", "b32", "c22"),
            ("a21", "b13", "c23"),
            ("a31", "b12", "c32"),
            ("a33", "b33", "c33"),
        ],
    )


@row("real")
def _real() -> Algebra:
    return cayley_dickson(
        name="real",
        factorization=BilinearFactorization.from_products(("0",), [("a0", "b0", "c0")]),
    )


@row("complex")
def _complex() -> Algebra:
    return cayley_dickson(
        -1,
        name="complex",
        basis=("1", "i"),
        factorization=BilinearFactorization.from_products(
            _PAIR, [("a0+a1", "b0", "c0+c1"), ("a0", "b1-b0", "c1"), ("a1", "b0+b1", "-c0")]
        ),
        reference="Three multiplications, the fewest: Winograd, Some bilinear forms whose "
        "multiplicative complexity depends on the field of constants, 1977.",
    )


@row("quaternion")
def _quaternion() -> Algebra:
    return cayley_dickson(
        -1,
        -1,
        name="quaternion",
        basis=("1", "i", "j", "k"),
        factorization=BilinearFactorization.from_products(
            _QUADRUPLE,
            [
                ("a0+a1", "b0+b1", "c1"),
                ("a3-a2", "b2-b3", "c0"),
                ("a0-a1", "b2+b3", "c2"),
                ("a2+a3", "b0-b1", "c3"),
                ("a1+a3", "b1+b2", "-c0/2-c1/2+c2/2+c3/2"),
                ("a1-a3", "b1-b2", "-c0/2-c1/2-c2/2-c3/2"),
                ("a0+a2", "b0-b3", "c0/2-c1/2+c2/2-c3/2"),
                ("a0-a2", "b0+b3", "c0/2-c1/2-c2/2+c3/2"),
            ],
        ),
        reference="Eight multiplications, the fewest: Howell and Lafon, The complexity of the "
        "quaternion product, Cornell TR 75-245, 1975.",
    )


@row("split_complex")
def _split_complex() -> Algebra:
    return cayley_dickson(
        1,
        name="split_complex",
        basis=("1", "j"),
        factorization=BilinearFactorization.from_products(
            _PAIR, [("a0+a1", "b0+b1", "c0/2+c1/2"), ("a0-a1", "b0-b1", "c0/2-c1/2")]
        ),
        reference="Component-wise in the basis (1 + j)/2, (1 - j)/2.",
    )


@row("coquaternion")
def _coquaternion() -> Algebra:
    # Columns: 1, i, j, k as real 2 x 2 matrices, each listed column by column.
    as_matrix = np.array([[1, 0, 0, -1], [0, 1, 1, 0], [0, -1, 1, 0], [1, 0, 0, 1]])
    return cayley_dickson(
        -1,
        1,
        name="coquaternion",
        basis=("1", "i", "j", "k"),
        factorization=_strassen().transported(as_matrix, inverse=as_matrix.T / 2),
        reference="Split-quaternions, i^2 = -1, j^2 = k^2 = 1; isomorphic to m2r, whose algorithm "
        "they use.",
    )


@row("dual")
def _dual() -> Algebra:
    return cayley_dickson(
        0,
        name="dual",
        basis=("1", "e"),
        factorization=BilinearFactorization.from_products(
            _PAIR, [("a0", "b0", "c0"), ("a0", "b1", "c1"), ("a1", "b0", "c1")]
        ),
        reference="Dual numbers, e^2 = 0. Three multiplications are the fewest (Winograd, 1977), "
        "so the algorithm is the definition.",
    )


@row("cross")
def _cross() -> Algebra:
    table = np.zeros((3, 3, 3), dtype=np.int64)
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        table[i, j, k], table[j, i, k] = 1, -1
    return Algebra(
        name="cross",
        basis=("i", "j", "k"),
        structure_constants=table,
        conjugation=(-1, -1, -1),
        factorization=BilinearFactorization.from_products(
            _TRIPLE,
            [
                ("a1+a2", "b0-b1", "c0/2+c1/2"),
                ("a0+a1", "b1-b2", "c1/2+c2/2"),
                ("a1", "b2-b0", "c0+c2"),
                ("a2-a1", "b0+b1", "c1/2-c0/2"),
                ("a0-a1", "b1+b2", "c2/2-c1/2"),
            ],
        ),
        reference="Five multiplications, the fewest: Krishna and Makam, On the tensor rank of the "
        "3 x 3 permanent and determinant, arXiv:1801.00496.",
    )


@row("m2r")
def _m2r() -> Algebra:
    return matrix_algebra(
        2,
        name="m2r",
        scheme=_strassen(),
        reference="Seven multiplications, the fewest: Strassen, Gaussian elimination is not "
        "optimal, 1969; Winograd, On multiplication of 2 x 2 matrices, 1971.",
    )


@row("m2c")
def _m2c() -> Algebra:
    return matrix_algebra(
        2,
        "complex",
        name="m2c",
        scheme=_strassen(),
        reference="Strassen, 1969, with three real multiplications for each complex one.",
    )


@row("m3r")
def _m3r() -> Algebra:
    return matrix_algebra(
        3,
        name="m3r",
        scheme=_laderman(),
        reference="Laderman, A noncommutative algorithm for multiplying 3 x 3 matrices using 23 "
        "multiplications, 1976.",
    )


@row("m4r")
def _m4r() -> Algebra:
    # From (block column, block row, column, row) to column by column.
    order = np.arange(16).reshape(2, 2, 2, 2).swapaxes(1, 2).ravel()
    return matrix_algebra(
        4,
        name="m4r",
        scheme=_strassen().kron(_strassen()).permuted(order),
        reference="Strassen, 1969, twice. Schemes of 48 multiplications exist; their additions "
        "cost more than they save.",
    )


@row("octonion")
def _octonion() -> Algebra:
    return cayley_dickson(
        -1,
        -1,
        -1,
        name="octonion",
        reference="Baez, The octonions, Bulletin of the AMS 39, 2002, section 2.2.",
    )


# Users may register more.
SHIPPED = names()


def markdown_table() -> str:
    """The algebras that ship, and what their tables say of them, as a Markdown table."""
    laws = ("commutative", "associative", "unital", "composition")
    lines = [
        ("name", "dimension", "rank", "non-zero terms", *laws),
        ("---", "---:", "---:", "---:", *("---" for _ in laws)),
    ]
    for algebra in map(get, SHIPPED):
        flags = ("yes" if law in algebra.laws else "no" for law in laws)
        numbers = (algebra.dimension, algebra.rank or "none", algebra.num_terms)
        lines.append((f"`{algebra.name}`", *map(str, numbers), *flags))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
