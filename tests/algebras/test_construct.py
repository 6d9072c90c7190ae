"""Families of algebras, and how they meet."""

import itertools

import numpy as np
import pytest

from keras_phase import algebras
from tests.helpers import label

KLEIN = [[i ^ j for j in range(4)] for i in range(4)]


def permuted(c, order):
    return c[np.ix_(order, order, order)]


def test_m2c_is_the_tensor_product_of_m2r_and_complex():
    product, m2c = algebras.tensor_product("m2r", "complex"), algebras.get("m2c")
    # From (column, row, part) to (column, part, row).
    order = [0, 2, 1, 3, 4, 6, 5, 7]
    np.testing.assert_array_equal(
        permuted(product.structure_constants, order), m2c.structure_constants
    )
    np.testing.assert_array_equal(
        product.conjugation_matrix[np.ix_(order, order)], m2c.conjugation_matrix
    )
    assert product.factorization.permuted(order) == m2c.factorization


def test_a_tensor_product_multiplies_factor_by_factor():
    a, b = algebras.get("quaternion"), algebras.get("dual")
    product = algebras.tensor_product(a, b)
    rng = np.random.default_rng(0)
    x, x2 = rng.integers(-3, 4, (2, 4))
    y, y2 = rng.integers(-3, 4, (2, 2))
    np.testing.assert_array_equal(
        product.multiply(np.kron(x, y), np.kron(x2, y2)),
        np.kron(a.multiply(x, x2), b.multiply(y, y2)),
    )
    np.testing.assert_array_equal(
        product.conjugate(np.kron(x, y)), np.kron(a.conjugate(x), b.conjugate(y))
    )
    assert product.basis == tuple(f"{p}*{q}" for p, q in itertools.product("1ijk", "1e"))
    assert (product.rank, product.name) == (24, "tensor_product(quaternion, dual)")


def test_a_tensor_product_leaves_out_what_a_factor_lacks():
    bare = algebras.Algebra("bare", ("a",), [[[2]]])
    product = algebras.tensor_product("octonion", bare)
    assert product.conjugation is None
    assert product.factorization is None


def test_doubling_by_clifford_and_by_cayley_dickson_agree():
    for gamma, signature in [(1, (1, 0, 0)), (-1, (0, 1, 0)), (0, (0, 0, 1))]:
        a, b = algebras.cayley_dickson(gamma), algebras.clifford(*signature)
        np.testing.assert_array_equal(a.structure_constants, b.structure_constants)
        np.testing.assert_array_equal(a.conjugation, b.conjugation)


def test_clifford_generators_square_to_the_signature_and_anticommute():
    algebra = algebras.clifford(2, 1, 1)
    generators = np.eye(16, dtype=int)[1:5]
    products = algebra.multiply(generators[:, None], generators[None])
    symmetric = products + products.swapaxes(0, 1)
    np.testing.assert_array_equal(symmetric[..., 0], np.diag([2, 2, -2, 0]))
    assert not symmetric[..., 1:].any()


@pytest.mark.parametrize("n", [1, 2, 5])
def test_a_cyclic_group_algebra_is_circular_convolution(n):
    table = np.add.outer(np.arange(n), np.arange(n)) % n
    a, b = np.random.default_rng(0).normal(size=(2, 3, n))
    expected = np.fft.ifft(np.fft.fft(a) * np.fft.fft(b)).real
    algebra = algebras.group_algebra(table)
    np.testing.assert_allclose(algebra.multiply(a, b), expected, atol=1e-12)
    np.testing.assert_array_equal(algebra.conjugate(a), np.roll(a[:, ::-1], 1, axis=-1))


def test_the_group_algebra_of_permutations_is_not_commutative():
    elements = sorted(itertools.permutations(range(3)))
    table = [[elements.index(tuple(g[h[i]] for i in range(3))) for h in elements] for g in elements]
    algebra = algebras.group_algebra(table, name="s3")
    assert algebra.laws == ("unital", "associative", "alternative")
    assert len(algebra.units_group) == 12


def test_matrices_over_matrices_are_larger_matrices():
    nested, flat = algebras.matrix_algebra(2, "m2r"), algebras.get("m4r")
    # (block column, column, row, block row) to (block column, column, block row, row)
    order = np.arange(16).reshape(2, 2, 2, 2).swapaxes(2, 3).ravel()
    np.testing.assert_array_equal(
        permuted(nested.structure_constants, order), flat.structure_constants
    )


def test_matrix_algebras_combine_the_algorithms():
    scheme = algebras.get("m2r").factorization
    assert algebras.matrix_algebra(2, "quaternion", scheme=scheme).rank == 56
    assert algebras.matrix_algebra(2, "octonion", scheme=scheme).rank is None
    assert algebras.matrix_algebra(2, "quaternion").rank is None
    assert algebras.matrix_algebra(2, "complex").basis == (
        *("e11", "e21", "e11i", "e21i"),
        *("e12", "e22", "e12i", "e22i"),
    )


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: algebras.cayley_dickson(-1, 1), "cayley_dickson(-1, 1)"),
        (lambda: algebras.clifford(1, 2), "clifford(1, 2, 0)"),
        (lambda: algebras.group_algebra(KLEIN), "group_algebra(order 4)"),
        (lambda: algebras.matrix_algebra(2, "dual"), "matrix_algebra(2, dual)"),
    ],
)
def test_names_and_replaced_fields(make, name):
    assert make().name == name
    assert algebras.clifford(1, name="mine", reference="here").reference == "here"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: algebras.cayley_dickson(0.5),
            "Expected integers. Received: gammas=(0.5,)",
        ),
        (
            lambda: algebras.cayley_dickson(*[-1] * 7),
            "The table would have dimension 128; the largest is 64. "
            "Received: gammas=(-1, -1, -1, -1, -1, -1, -1)",
        ),
        (
            lambda: algebras.clifford(-1),
            "Expected numbers of generators. Received: p=-1, q=0, r=0",
        ),
        (
            lambda: algebras.clifford(20, 20),
            "The table would have dimension 1099511627776; the largest is 64. "
            "Received: p=20, q=20, r=0",
        ),
        (
            lambda: algebras.tensor_product("m4r", "octonion"),
            "The table would have dimension 128; the largest is 64. Received: a=<Algebra 'm4r'",
        ),
        (
            lambda: algebras.matrix_algebra(0),
            "Expected a positive number of rows and columns. Received: n=0",
        ),
        (
            lambda: algebras.matrix_algebra(9),
            "The table would have dimension 81; the largest is 64. "
            "Received: n=9, entry of dimension 1",
        ),
        (
            lambda: algebras.matrix_algebra(2, "hexagon"),
            "Unknown algebra. Expected one of: real, complex, quaternion",
        ),
    ],
)
def test_messages(make, message):
    with pytest.raises(ValueError) as error:
        make()
    assert str(error.value).startswith(message)


# A Latin square with a neutral element, but no group: (1 1) 2 = 3 and 1 (1 2) = 4.
LOOP = [[0, 1, 2, 3, 4], [1, 0, 3, 4, 2], [2, 4, 0, 1, 3], [3, 2, 4, 0, 1], [4, 3, 1, 2, 0]]


@pytest.mark.parametrize(
    "table",
    [LOOP, [[0, 1], [0, 1]], [[1, 0], [0, 1]], [[0, 1]], [], 3, [[0.0]], [[0, 1], [1, 2]]],
    ids=label,
)
def test_what_is_not_a_group_is_refused(table):
    with pytest.raises(ValueError, match=r"Expected the Cayley table of a group.*Received: table="):
        algebras.group_algebra(table)
