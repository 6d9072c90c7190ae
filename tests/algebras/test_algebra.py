"""The record: what it refuses, its identity, its text, its NumPy methods."""

import copy
import dataclasses
import json
import pickle

import numpy as np
import pytest

from keras_phase import algebras
from keras_phase.algebras import Algebra, BilinearFactorization, MatrixForm

COMPLEX = [[[1, 0], [0, 1]], [[0, 1], [-1, 0]]]
BARE = Algebra("bare", ("a", "b"), [[[1, 0], [1, 0]], [[0, 0], [0, 1]]])
GAUSS = algebras.get("complex").factorization


def make(**changes):
    fields = {
        "name": "mine",
        "basis": ("1", "i"),
        "structure_constants": COMPLEX,
        "conjugation": (1, -1),
    }
    return Algebra(**{**fields, **changes})


def test_a_consistent_record_is_accepted():
    algebra = make(factorization=GAUSS)
    assert (algebra.dimension, algebra.rank, algebra.num_terms) == (2, 3, 4)
    assert make(conjugation=None).conjugation is None


ERRORS = [
    (
        {"name": 3},
        TypeError,
        "Expected name to be of type str. Received: name=3",
    ),
    (
        {"factorization": "gauss"},
        TypeError,
        "Expected factorization to be of type BilinearFactorization or None. "
        "Received: factorization='gauss'",
    ),
    (
        {"matrix": 2},
        TypeError,
        "Expected matrix to be of type MatrixForm or None. Received: matrix=2",
    ),
    (
        {"basis": "1i"},
        ValueError,
        "Expected a sequence of one or more different names of basis elements. "
        "Received: basis='1i'",
    ),
    (
        {"basis": ("i", "i")},
        ValueError,
        "Expected a sequence of one or more different names of basis elements. "
        "Received: basis=('i', 'i')",
    ),
    (
        {"basis": ("1", "i", "j")},
        ValueError,
        "The algebra 'mine' has 3 basis elements, so structure_constants must have the shape "
        "(3, 3, 3). Received: structure_constants.shape=(2, 2, 2)",
    ),
    (
        {"structure_constants": [[[0.5]]]},
        ValueError,
        "Expected integers between -1024 and 1024; a rescaled basis may have them. "
        "Received: structure_constants=[[[0.5]]]",
    ),
    (
        {"structure_constants": [[[np.nan]]]},
        ValueError,
        "Expected integers between -1024 and 1024; a rescaled basis may have them. "
        "Received: structure_constants=[[[nan]]]",
    ),
    (
        {"structure_constants": [[[2000]]]},
        ValueError,
        "Expected integers between -1024 and 1024; a rescaled basis may have them. "
        "Received: structure_constants=[[[2000]]]",
    ),
    (
        {"structure_constants": "table"},
        ValueError,
        "Expected an array of integers. Received: structure_constants='table'",
    ),
    (
        {"conjugation": (1, -1, -1)},
        ValueError,
        "The algebra 'mine' has 2 basis elements, so conjugation must have the shape (2,) or "
        "(2, 2). Received: conjugation.shape=(3,)",
    ),
    (
        {"conjugation": (1, 2)},
        ValueError,
        "The conjugation of 'mine' must be its own inverse; applied twice it changes basis element "
        "1. Received: conjugation=[1, 2]",
    ),
    (
        {"conjugation": (-1, 1)},
        ValueError,
        "The conjugation of 'mine' must reverse products, but for i=0, j=0 conj(e_i e_j) is -1 and "
        "conj(e_j) conj(e_i) is 1. Received: conjugation=[-1, 1]",
    ),
    (
        {"conjugation": [[0, 1], [1, 0]]},
        ValueError,
        "The conjugation of 'mine' must reverse products, but for i=0, j=0 conj(e_i e_j) is i and "
        "conj(e_j) conj(e_i) is -1. Received: conjugation=[[0, 1], [1, 0]]",
    ),
    (
        {"factorization": BilinearFactorization([[1]], [[1]], [[1]])},
        ValueError,
        "The algebra 'mine' has dimension 2, the factorization another one. Received: dimension=1",
    ),
    (
        {"factorization": algebras.get("split_complex").factorization},
        ValueError,
        "The structure constants of 'mine' and the factorization differ in 1 of 8 entries, first "
        "at [1, 1, 0]: expected -1. Received: 1",
    ),
    (
        {"factorization": BilinearFactorization(GAUSS.u / 2, GAUSS.v, GAUSS.w)},
        ValueError,
        "The structure constants of 'mine' and the factorization differ in 4 of 8 entries, first "
        "at [0, 0, 0]: expected 1. Received: 1/2",
    ),
    (
        {"matrix": MatrixForm(2, algebras.get("real"))},
        ValueError,
        "The algebra 'mine' has dimension 2, the matrix form another one. Received: dimension=4",
    ),
    (
        {"matrix": MatrixForm(1, algebras.get("dual"))},
        ValueError,
        "The structure constants of 'mine' and the matrix form differ in 1 of 8 entries, first at "
        "[1, 1, 0]: expected -1. Received: 0",
    ),
]


@pytest.mark.parametrize(("changes", "exception", "message"), ERRORS)
def test_messages(changes, exception, message):
    with pytest.raises(exception) as error:
        make(**changes)
    assert str(error.value) == message


@pytest.mark.parametrize("name", algebras.tables.SHIPPED)
def test_every_wrong_sign_of_a_row_is_noticed(name):
    # A table with one sign turned breaks the conjugation, or differs from the factorization.
    algebra = algebras.get(name)
    constants = algebra.structure_constants
    for index in np.argwhere(constants)[:: max(1, algebra.num_terms // 16)]:
        wrong = constants.copy()
        wrong[tuple(index)] *= -1
        fields = {"structure_constants": wrong, "matrix": None}
        if name == "octonion":
            # Turned in pairs it could still be an algebra with a conjugation; alone it is none.
            assert not dataclasses.replace(algebra, **fields, conjugation=None).is_alternative
        else:
            with pytest.raises(ValueError, match=f"of '{name}'"):
                dataclasses.replace(algebra, **fields)


def test_arrays_are_read_only():
    algebra = algebras.get("quaternion")
    arrays = (
        algebra.structure_constants,
        algebra.conjugation,
        algebra.conjugation_matrix,
        algebra.unit,
        algebra.component_gains,
        algebra.units_group,
    )
    assert not any(array.flags.writeable for array in arrays)
    with pytest.raises(dataclasses.FrozenInstanceError):
        algebra.name = "other"


def test_a_later_change_of_the_argument_changes_nothing():
    table = np.array(COMPLEX)
    algebra = make(structure_constants=table)
    table[0, 0, 0] = 7
    assert algebra == make()


@pytest.mark.parametrize("name", algebras.tables.SHIPPED)
def test_config_round_trip_through_json(name):
    algebra = algebras.get(name)
    again = Algebra.from_config(json.loads(json.dumps(algebra.get_config())))
    assert again == algebra
    assert hash(again) == hash(algebra)
    assert again.get_config() == algebra.get_config()


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_copies_are_equal_and_read_only(copied):
    for name in ("cross", "m2c"):
        other = copied(algebras.get(name))
        assert other == algebras.get(name)
        assert not other.structure_constants.flags.writeable


def test_equality_is_by_content():
    assert make() == make(reference="elsewhere", conjugation=[[1, 0], [0, -1]])
    assert len({make(), make(), make(name="other")}) == 2
    different = [
        {"name": "other"},
        {"basis": ("1", "j")},
        {"conjugation": (1, 1)},
        {"conjugation": None},
        {"factorization": GAUSS},
        {"matrix": MatrixForm(1, algebras.get("complex"))},
    ]
    assert all(make(**changes) != make() for changes in different)
    assert make() != "complex"


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"name": "x", "basis": ["1"]},
        {"name": "x", "basis": ["1"], "structure_constants": [[0, 0, 5, 1]]},
        {"name": "x", "basis": ["1"], "structure_constants": [], "colour": "red"},
        {"class_name": "Algebra", "config": {}},
    ],
)
def test_a_config_that_is_none(config):
    with pytest.raises(ValueError, match="Expected the config of an algebra") as error:
        Algebra.from_config(config)
    assert f"Received: config={config!r}" in str(error.value)


def test_text():
    assert repr(make()) == (
        "<Algebra 'mine': dimension 2; unital, commutative, associative, alternative, composition>"
    )
    assert repr(algebras.get("cross")) == "<Algebra 'cross': dimension 3, rank 5>"
    assert repr(algebras.get("m2c").matrix) == "<MatrixForm: 2 x 2 over 'complex'>"
    assert str(algebras.get("split_complex")) == (
        "split_complex  1  j\n            1  1  j\n            j  j  1"
    )
    doubled = Algebra("two", ("1", "t"), [[[2, -1], [0, 0]], [[-1, 0], [0, -3]]])
    assert str(doubled).split("\n")[1:] == ["  1  2-t    0", "  t   -1  -3t"]


def test_numpy_methods_broadcast_and_keep_the_dtype():
    algebra = algebras.get("quaternion")
    a, b = np.ones((5, 1, 4), dtype="float32"), np.ones((3, 4), dtype="float32")
    assert algebra.multiply(a, b).shape == (5, 3, 4)
    assert algebra.multiply(a, b).dtype == algebra.conjugate(a).dtype == np.float32
    assert algebra.multiply([1, 2, 3, 4], [5, 6, 7, 8]).dtype.kind == "i"
    assert algebra.norm(a).shape == (5, 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: algebras.get("complex").multiply([1, 2, 3], [1, 2]),
            "Expected an array (..., 2), the components of the algebra 'complex' last. "
            "Received: a.shape=(3,)",
        ),
        (
            lambda: algebras.get("complex").norm(1),
            "Expected an array (..., 2), the components of the algebra 'complex' last. "
            "Received: a.shape=()",
        ),
        (
            lambda: BARE.conjugate([1, 2]),
            "The algebra 'bare' has no conjugation. Give it one: a linear map that is its own "
            "inverse and reverses products. Received: conjugation=None",
        ),
        (
            lambda: algebras.get("cross").norm([1, 2, 3]),
            "The algebra 'cross' has no unit to measure a norm along. Use the Euclidean modulus "
            "instead. Received: algebra='cross'",
        ),
    ],
)
def test_messages_of_the_numpy_methods(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert str(error.value) == message


def test_an_algebra_without_laws():
    assert BARE.laws == ()
    assert BARE.unit is None
    assert BARE.units_group is None
    assert make(conjugation=None).laws == ("unital", "commutative", "associative", "alternative")
