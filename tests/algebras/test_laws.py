"""The laws on random elements, over every row and some constructed algebras.

Integers make the arithmetic exact. The flags of a record are computed on its basis; here they are
compared with what random elements show.
"""

import numpy as np
import pytest

from keras_phase import algebras

CYCLIC_3 = [[0, 1, 2], [1, 2, 0], [2, 0, 1]]
CONSTRUCTED = [
    algebras.cayley_dickson(-1, -1, 1),
    algebras.cayley_dickson(1, 0),
    algebras.cayley_dickson(-1, -1, -1, -1),  # sedenions
    algebras.clifford(2, 1, 1),
    algebras.clifford(0, 0, 2),
    algebras.tensor_product("quaternion", "complex"),
    algebras.tensor_product("dual", "quaternion"),
    algebras.tensor_product("cross", "complex"),
    algebras.group_algebra(CYCLIC_3),
    algebras.matrix_algebra(2, "quaternion"),
    algebras.matrix_algebra(1),
]
ALGEBRAS = [algebras.get(name) for name in algebras.tables.SHIPPED] + CONSTRUCTED

every_algebra = pytest.mark.parametrize("algebra", ALGEBRAS, ids=lambda algebra: algebra.name)


def elements(algebra, count, seed=0):
    """`count` arrays (20, d) of small integers."""
    rng = np.random.default_rng(seed)
    return rng.integers(-4, 5, (count, 20, algebra.dimension))


@every_algebra
def test_the_product_is_that_of_the_basis(algebra):
    basis = np.eye(algebra.dimension, dtype=int)
    products = algebra.multiply(basis[:, None], basis[None])
    np.testing.assert_array_equal(products, algebra.structure_constants)


@every_algebra
def test_the_unit_is_neutral(algebra):
    (a,) = elements(algebra, 1)
    assert algebra.is_unital == (algebra.unit is not None)
    if algebra.is_unital:
        np.testing.assert_array_equal(algebra.multiply(algebra.unit, a), a)
        np.testing.assert_array_equal(algebra.multiply(a, algebra.unit), a)


@every_algebra
def test_the_conjugation_is_an_involution_that_reverses_products(algebra):
    a, b = elements(algebra, 2)
    conj, multiply = algebra.conjugate, algebra.multiply
    np.testing.assert_array_equal(conj(conj(a)), a)
    np.testing.assert_array_equal(conj(multiply(a, b)), multiply(conj(b), conj(a)))


@every_algebra
def test_the_commutative_flag_is_truthful(algebra):
    a, b = elements(algebra, 2)
    commutes = np.array_equal(algebra.multiply(a, b), algebra.multiply(b, a))
    assert algebra.is_commutative is commutes


@every_algebra
def test_the_associative_flag_is_truthful(algebra):
    a, b, c = elements(algebra, 3)
    m = algebra.multiply
    assert algebra.is_associative is np.array_equal(m(m(a, b), c), m(a, m(b, c)))


@every_algebra
def test_the_alternative_flag_is_truthful(algebra):
    a, b = elements(algebra, 2)
    m = algebra.multiply
    left = np.array_equal(m(m(a, a), b), m(a, m(a, b)))
    right = np.array_equal(m(m(b, a), a), m(b, m(a, a)))
    assert algebra.is_alternative is (left and right)
    assert algebra.is_alternative or not algebra.is_associative


@every_algebra
def test_the_composition_flag_is_truthful(algebra):
    if not algebra.is_unital:
        assert not algebra.is_composition
        return
    a, b = elements(algebra, 2)
    norm = algebra.norm
    multiplicative = np.allclose(norm(algebra.multiply(a, b)), norm(a) * norm(b), rtol=1e-12)
    basis = np.eye(algebra.dimension)
    products = norm(basis[:, None] + basis) - norm(basis)[:, None] - norm(basis)
    degenerate = np.linalg.matrix_rank(products) < algebra.dimension
    assert algebra.is_composition is bool(multiplicative and not degenerate)


@pytest.mark.parametrize(
    "algebra", [a for a in ALGEBRAS if a.factorization], ids=lambda algebra: algebra.name
)
def test_the_factorization_computes_the_product(algebra):
    f, (a, b) = algebra.factorization, elements(algebra, 2)
    products = (a @ f.u.T) * (b @ f.v.T)
    np.testing.assert_allclose(products @ f.w, algebra.multiply(a, b), atol=1e-12)
    table, denominator = f.table()
    np.testing.assert_array_equal(table, algebra.structure_constants * denominator)
    assert f.rank == algebra.rank == len(f.u)


@every_algebra
def test_the_gain_is_the_variance_of_a_product(algebra):
    a, b = np.random.default_rng(1).normal(
        size=(2, 200_000 // algebra.dimension, algebra.dimension)
    )
    variance = algebra.multiply(a, b).var(axis=0)
    np.testing.assert_allclose(variance, algebra.component_gains, rtol=0.15, atol=1e-12)


@every_algebra
def test_the_unit_group_is_closed_and_has_inverses(algebra):
    group = algebra.units_group
    if group is None:
        return
    d = algebra.dimension
    assert group.shape == (2 * d, d)
    np.testing.assert_array_equal(group[0], algebra.unit)
    np.testing.assert_array_equal(group[1::2], -group[::2])
    members = {tuple(g) for g in group}
    products = algebra.multiply(group[:, None], group[None]).reshape(-1, 2 * d, d)
    # Each row of the group's table is a permutation of the group.
    assert all({tuple(p) for p in row} == members for row in products)


def test_which_rows_have_a_unit_group():
    have = [a.name for a in map(algebras.get, algebras.tables.SHIPPED) if a.units_group is not None]
    assert have == ["real", "complex", "quaternion", "split_complex", "coquaternion"]


@pytest.mark.parametrize(
    ("name", "laws"),
    [
        ("real", "unital commutative associative alternative composition"),
        ("complex", "unital commutative associative alternative composition"),
        ("quaternion", "unital associative alternative composition"),
        ("split_complex", "unital commutative associative alternative composition"),
        ("coquaternion", "unital associative alternative composition"),
        ("octonion", "unital alternative composition"),
        ("dual", "unital commutative associative alternative"),
        ("cross", ""),
        ("m2r", "unital associative alternative"),
        ("m2c", "unital associative alternative"),
        ("m3r", "unital associative alternative"),
        ("m4r", "unital associative alternative"),
    ],
)
def test_the_known_laws_of_the_rows(name, laws):
    assert algebras.get(name).laws == tuple(laws.split())


@pytest.mark.parametrize("name", ["real", "complex", "quaternion", "octonion"])
def test_the_norm_of_a_division_algebra_is_the_squared_modulus(name):
    # With alternativity and composition this singles the algebra out (Hurwitz).
    algebra = algebras.get(name)
    (a,) = elements(algebra, 1)
    np.testing.assert_array_equal(algebra.norm(a), (a**2).sum(axis=-1))


def test_adjugate_2x2_matrices_are_a_composition_algebra_with_the_determinant_as_norm():
    adjugate = [[0, 0, 0, 1], [0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0]]
    algebra = algebras.matrix_algebra(2, conjugation=adjugate)
    (a,) = elements(algebra, 1)
    assert algebra.is_composition
    np.testing.assert_allclose(algebra.norm(a), np.linalg.det(a.reshape(-1, 2, 2)), atol=1e-9)


def test_a_unit_off_the_basis_is_found():
    # Complex numbers in the basis 2, 1 + i: 1 is half of the first element.
    basis = np.array([[2, 0], [1, 1]])
    c = np.einsum(
        "ia,jb,abk,kl->ijl",
        basis,
        basis,
        algebras.get("complex").structure_constants,
        np.linalg.inv(basis),
    )
    algebra = algebras.Algebra("skew", ("a", "b"), c, [[1, 0], [1, -1]])
    np.testing.assert_array_equal(algebra.unit, [0.5, 0])
    assert algebra.is_composition
    assert algebra.norm([1, 1]) == 10  # |3 + i|^2
