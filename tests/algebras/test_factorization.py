"""Exact bilinear algorithms: reading, combining, transporting them, and refusing wrong ones."""

import copy
import json
import pickle
from fractions import Fraction

import numpy as np
import pytest

from keras_phase import algebras
from keras_phase.algebras import BilinearFactorization
from tests.helpers import label

GAUSS = BilinearFactorization.from_products(
    ("0", "1"), [("a0+a1", "b0", "c0+c1"), ("a0", "b1-b0", "c1"), ("a1", "b0+b1", "-c0")]
)
RANKS = {
    "real": 1,
    "complex": 3,
    "quaternion": 8,
    "split_complex": 2,
    "coquaternion": 7,
    "m2r": 7,
    "m2c": 21,
    "m3r": 23,
    "m4r": 49,
    "dual": 3,
    "cross": 5,
    "octonion": None,
}


def test_ranks_of_the_rows():
    assert {name: algebras.get(name).rank for name in algebras.tables.SHIPPED} == RANKS


@pytest.mark.parametrize("name", [name for name, rank in RANKS.items() if rank])
def test_integer_products_by_hand(name):
    # In Python's fractions, one term at a time, as the definition says.
    algebra = algebras.get(name)
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-9, 10, algebra.dimension).tolist() for _ in range(2))
    u, v, w = ([list(map(Fraction, row)) for row in m] for m in _matrices(algebra.factorization))
    products = [
        sum(p * x for p, x in zip(u_r, a, strict=True))
        * sum(q * y for q, y in zip(v_r, b, strict=True))
        for u_r, v_r in zip(u, v, strict=True)
    ]
    combined = [
        sum(share * m for share, m in zip(column, products, strict=True))
        for column in zip(*w, strict=True)
    ]
    assert combined == algebra.multiply(a, b).tolist()


def _matrices(factorization):
    return factorization.u, factorization.v, factorization.w


def test_arrays_are_float64_and_read_only():
    for m in _matrices(GAUSS):
        assert m.dtype == np.float64
        with pytest.raises(ValueError, match="read-only"):
            m[0, 0] = 5
    with pytest.raises(AttributeError, match=r"read-only. Received: name='u'"):
        GAUSS.u = 3
    assert repr(GAUSS) == "<BilinearFactorization: dimension 2, rank 3>"


@pytest.mark.parametrize("half", [0.5, "1/2", Fraction(1, 2), np.float64(0.5)])
def test_spellings_of_a_fraction_are_equal(half):
    f = BilinearFactorization([[half]], [[1]], [[2]])
    assert f == BilinearFactorization([["1/2"]], np.ones((1, 1)), [[2.0]])
    assert hash(f) == hash(BilinearFactorization([["2/4"]], [[1]], [[2]]))
    assert f.u[0, 0] == 0.5
    assert f.table() == ([[[2]]], 2)


def test_thirds_are_exact():
    f = BilinearFactorization([["1/3"]], [[Fraction(3, 7)]], [[7]])
    table, denominator = f.table()
    assert table.ravel().tolist() == [denominator]
    assert algebras.Algebra("r", ("1",), [[[1]]], factorization=f).rank == 1


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_copies_are_equal_and_read_only(copied):
    for f in (GAUSS, algebras.get("cross").factorization):
        other = copied(f)
        assert other == f
        assert not other.u.flags.writeable
    assert GAUSS != algebras.get("dual").factorization
    assert GAUSS != "gauss"


def test_config_round_trip_through_json():
    f = algebras.get("quaternion").factorization
    assert BilinearFactorization.from_config(json.loads(json.dumps(f.get_config()))) == f


def test_transport_to_another_basis_and_back():
    basis, inverse = [[1, 2], [0, 1]], [[1, -2], [0, 1]]
    there = GAUSS.transported(basis, inverse)
    assert there.transported(inverse, basis) == GAUSS
    table, denominator = there.table()
    # Column i of `basis` is the new basis element i in the old components.
    images = np.array(basis).T
    expected = np.einsum(
        "ia,jb,abk,kl->ijl",
        images,
        images,
        algebras.get("complex").structure_constants,
        np.array(inverse).T,
    )
    np.testing.assert_array_equal(table, expected * denominator)


def test_permutation_and_kronecker_product():
    assert GAUSS.permuted([1, 0]).permuted([1, 0]) == GAUSS
    np.testing.assert_array_equal(GAUSS.permuted([1, 0]).u, GAUSS.u[:, [1, 0]])
    product = GAUSS.kron(algebras.get("cross").factorization)
    assert (product.rank, product.dimension) == (15, 6)


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("a0", [1, 0]),
        ("-a0 + 2a1", [-1, 2]),
        ("a1/2-3a0/4", [-0.75, 0.5]),
        ("a0+a0", [2, 0]),
    ],
)
def test_reading_a_combination(text, row):
    f = BilinearFactorization.from_products(("0", "1"), [(text, "b0", "c0")])
    assert f.u.tolist() == [row]


@pytest.mark.parametrize("text", ["", "a2", "b0", "a0a1", "a0+", "a0*2", "x", "a0--a1", "a0 1/2"])
def test_a_combination_that_cannot_be_read(text):
    with pytest.raises(ValueError) as error:
        BilinearFactorization.from_products(("0", "1"), [(text, "b0", "c0")])
    assert str(error.value) == (
        f"Expected a sum of multiples of a0, a1, such as 'a0'. Received: {text!r}"
    )


@pytest.mark.parametrize(
    ("u", "message"),
    [
        ([[1, 2]], "Expected u, v and w of one shape (rank, dimension). Received: u.shape=(1, 2)"),
        ([[1], [1, 2]], "Expected a matrix (rank, dimension) of integers, fractions or finite"),
        ([1], "Expected a matrix (rank, dimension) of integers, fractions or finite floats. "),
        ([], "Expected a matrix (rank, dimension) of integers, fractions or finite floats. "),
        ([["one"]], "Expected a matrix (rank, dimension) of integers, fractions or finite floats"),
        ([[np.nan]], "Expected a matrix (rank, dimension) of integers, fractions or finite float"),
        ([[np.inf]], "Expected a matrix (rank, dimension) of integers, fractions or finite float"),
        ([[0.1]], "Over a common denominator, the entries of u need integers above 2^31. Write"),
    ],
    ids=label,
)
def test_messages(u, message):
    with pytest.raises(ValueError) as error:
        BilinearFactorization(u, [[1]], [[1]])
    assert str(error.value).startswith(message)


def test_a_sum_that_could_overflow_is_refused():
    f = BilinearFactorization([[2**30]], [[2**30]], [[1]])
    with pytest.raises(ValueError, match=r"too large for an exact check.*Received: rank=1"):
        algebras.Algebra("big", ("1",), [[[1]]], factorization=f)
