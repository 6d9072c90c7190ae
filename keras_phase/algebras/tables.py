"""THE rows: every algebra that ships, and THE literals: the fast bilinear algorithms.

A row is a function that builds its record; it runs at first use. Algorithms are written as the
literature writes them, with a the left factor and b the right one; `Algebra` checks them exactly.
"""

import re
from collections.abc import Sequence

import numpy as np

from .algebra import Algebra
from .construct import (
    cayley_dickson,
    clifford,
    matrix_algebra,
    permuted,
)
from .factorization import BilinearFactorization

_TERM = re.compile(r"([+-]?)(\d*)([a-z]\w*)")


def algorithm(
    components: Sequence[str],
    products: Sequence[tuple[str, str]],
    outputs: Sequence[str],
    *,
    denominator: int = 1,
    reference: str,
) -> BilinearFactorization:
    """A factorization from formulas.

    Args:
        components: suffixes of the components, `"0"` for a0 and b0.
        products: pairs of combinations of the a's and of the b's; product number r is `mr`, from 1.
        outputs: a combination of the m's for each component.
        denominator: by which all outputs are divided.
        reference: where the algorithm comes from.
    """

    def rows(formulas: Sequence[str], names: list[str]) -> np.ndarray:
        matrix = np.zeros((len(formulas), len(names)))
        for row, formula in zip(matrix, formulas, strict=True):
            for sign, factor, name in _TERM.findall(formula.replace(" ", "")):
                row[names.index(name)] += (-1 if sign == "-" else 1) * int(factor or 1)
        return matrix

    u = rows([left for left, _ in products], [f"a{c}" for c in components])
    v = rows([right for _, right in products], [f"b{c}" for c in components])
    w = rows(outputs, [f"m{r + 1}" for r in range(len(products))]) / denominator
    return BilinearFactorization(u, v, w.T, reference)


def real() -> Algebra:
    one = BilinearFactorization([[1]], [[1]], [[1]])
    return cayley_dickson(name="real", factorization=one)


def complex_numbers() -> Algebra:
    gauss = algorithm(
        "01",
        [("a0+a1", "b0"), ("a0", "b1-b0"), ("a1", "b0+b1")],
        ["m1-m3", "m1+m2"],
        reference="Gauss; optimal by Winograd 1975",
    )
    return cayley_dickson(-1, name="complex", factorization=gauss)


def quaternion() -> Algebra:
    eight = algorithm(
        "wxyz",
        [
            ("aw+ax", "bw+bx"),
            ("az-ay", "by-bz"),
            ("aw-ax", "by+bz"),
            ("ay+az", "bw-bx"),
            ("ax+az", "bx+by"),
            ("ax-az", "bx-by"),
            ("aw+ay", "bw-bz"),
            ("aw-ay", "bw+bz"),
        ],
        ["2m2-m5-m6+m7+m8", "2m1-m5-m6-m7-m8", "2m3+m5-m6+m7-m8", "2m4+m5-m6-m7+m8"],
        denominator=2,
        reference="eight products, optimal by Howell and Lafon 1975 (Cornell TR 75-245)",
    )
    return cayley_dickson(-1, -1, name="quaternion", factorization=eight)


def split_complex() -> Algebra:
    diagonal = algorithm(
        "01",
        [("a0+a1", "b0+b1"), ("a0-a1", "b0-b1")],
        ["m1+m2", "m1-m2"],
        denominator=2,
        reference="diagonalisation",
    )
    return cayley_dickson(1, name="split_complex", factorization=diagonal)


def coquaternion() -> Algebra:
    # 1, i, j, k as 2 x 2 matrices, listed column by column as the rows of m2r are.
    images = np.array([[1, 0, 0, 1], [0, 1, -1, 0], [0, 1, 1, 0], [-1, 0, 0, 1]], dtype="float64")
    seven = strassen().transformed(images, np.linalg.inv(images).round(1))
    return cayley_dickson(-1, 1, name="coquaternion", factorization=seven)


def m2r() -> Algebra:
    adjugate = [[0, 0, 0, 1], [0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0]]
    return matrix_algebra(
        2, real(), name="m2r", factorization=strassen(), conjugation=np.array(adjugate)
    )


def m2c() -> Algebra:
    product = strassen().kron(complex_numbers().factorization)
    # From component ((col*2 + row)*2 + p) of the tensor product to (col*2 + p)*2 + row.
    order = np.arange(8).reshape(2, 2, 2).transpose(0, 2, 1).reshape(-1)
    return matrix_algebra(2, complex_numbers(), name="m2c", factorization=permuted(product, order))


def m3r() -> Algebra:
    laderman = algorithm(
        [f"{r}{c}" for r in "123" for c in "123"],
        [
            ("a11+a12+a13-a21-a22-a32-a33", "b22"),
            ("a11-a21", "b22-b12"),
            ("a22", "-b11+b12+b21-b22-b23-b31+b33"),
            ("-a11+a21+a22", "b11-b12+b22"),
            ("a21+a22", "b12-b11"),
            ("a11", "b11"),
            ("-a11+a31+a32", "b11-b13+b23"),
            ("a31-a11", "b13-b23"),
            ("a31+a32", "b13-b11"),
            ("a11+a12+a13-a22-a23-a31-a32", "b23"),
            ("a32", "-b11+b13+b21-b22-b23-b31+b32"),
            ("-a13+a32+a33", "b22+b31-b32"),
            ("a13-a33", "b22-b32"),
            ("a13", "b31"),
            ("a32+a33", "b32-b31"),
            ("-a13+a22+a23", "b23+b31-b33"),
            ("a13-a23", "b23-b33"),
            ("a22+a23", "b33-b31"),
            ("a12", "b21"),
            ("a23", "b32"),
            ("a21", "b13"),
            ("a31", "b12"),
            ("a33", "b33"),
        ],
        [
            "m6+m14+m19",
            "m1+m4+m5+m6+m12+m14+m15",
            "m6+m7+m9+m10+m14+m16+m18",
            "m2+m3+m4+m6+m14+m16+m17",
            "m2+m4+m5+m6+m20",
            "m14+m16+m17+m18+m21",
            "m6+m7+m8+m11+m12+m13+m14",
            "m12+m13+m14+m15+m22",
            "m6+m7+m8+m9+m23",
        ],
        reference="Laderman 1976",
    )
    by_columns = np.arange(9).reshape(3, 3).T.reshape(-1)
    return matrix_algebra(
        3, real(), name="m3r", factorization=permuted(laderman, by_columns)
    )


def m4r() -> Algebra:
    twice = strassen().kron(strassen())
    # From (block column, block row, column, row) to (block column, column, block row, row).
    order = np.arange(16).reshape(2, 2, 2, 2).transpose(0, 2, 1, 3).reshape(-1)
    return matrix_algebra(4, real(), name="m4r", factorization=permuted(twice, order))


def dual() -> Algebra:
    direct = algorithm(
        "01",
        [("a0", "b0"), ("a0", "b1"), ("a1", "b0")],
        ["m1", "m2+m3"],
        reference="the direct product; optimal by Winograd 1975",
    )
    return clifford(0, 0, 1, name="dual", basis=("1", "e"), factorization=direct)


def cross() -> Algebra:
    table = np.zeros((3, 3, 3), dtype="int64")
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        table[i, j, k], table[j, i, k] = 1, -1
    five = algorithm(
        "123",
        [
            ("a2+a3", "b1-b2"),
            ("a1+a2", "b2-b3"),
            ("a2", "b3-b1"),
            ("a3-a2", "b1+b2"),
            ("a1-a2", "b2+b3"),
        ],
        ["m1+2m3-m4", "m1+m2+m4-m5", "m2+2m3+m5"],
        denominator=2,
        reference="rank of the 3 x 3 determinant tensor, Krishna and Makam, arXiv 1801.00496",
    )
    return Algebra("cross", ("i", "j", "k"), table, -np.ones(3, dtype="int64"), five)


def octonion() -> Algebra:
    return cayley_dickson(-1, -1, -1, name="octonion")


def strassen() -> BilinearFactorization:
    """Strassen's seven products, components listed column by column."""
    by_rows = algorithm(
        ["11", "12", "21", "22"],
        [
            ("a11+a22", "b11+b22"),
            ("a21+a22", "b11"),
            ("a11", "b12-b22"),
            ("a22", "b21-b11"),
            ("a11+a12", "b22"),
            ("a21-a11", "b11+b12"),
            ("a12-a22", "b21+b22"),
        ],
        ["m1+m4-m5+m7", "m3+m5", "m2+m4", "m1-m2+m3+m6"],
        reference="Strassen 1969",
    )
    return permuted(by_rows, [0, 2, 1, 3])


ROWS = {
    "real": real,
    "complex": complex_numbers,
    "quaternion": quaternion,
    "split_complex": split_complex,
    "coquaternion": coquaternion,
    "m2r": m2r,
    "m2c": m2c,
    "m3r": m3r,
    "m4r": m4r,
    "dual": dual,
    "cross": cross,
    "octonion": octonion,
}
