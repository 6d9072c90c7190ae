"""Criteria: scores and pruned values against loops over single elements, in NumPy float64."""

import math

import keras
import numpy as np
import pytest
from keras import ops

from keras_phase.pruning import criteria
from keras_phase.pruning.criteria import CRITERIA, Criterion, Site
from tests.helpers.gradients import check_gradient

SHAPE = (3, 4)
SCALE = 0.7


def _norm(x):
    return math.sqrt(sum(v * v for v in x))


def _direction(x, scale):
    return [scale * v / _norm(x) for v in x] if any(x) else list(x)


# name: (score of one element, pruned value of one element)
ORACLES = {
    "magnitude": (_norm, lambda x: [0.0] * len(x)),
    "phase": (
        lambda x: abs(math.log(_norm(x) / SCALE)) if any(x) else 0.0,
        lambda x: _direction(x, SCALE),
    ),
    "amplitude": (
        lambda x: math.acos(max(-1.0, min(1.0, x[0] / _norm(x)))) if any(x) else 0.0,
        lambda x: [_norm(x), *[0.0] * (len(x) - 1)],
    ),
    "first": (lambda x: _norm(x[1:]), lambda x: [x[0], *[0.0] * (len(x) - 1)]),
    "rest": (lambda x: abs(x[0]), lambda x: [0.0, *x[1:]]),
    "random": (lambda x: 0.25, lambda x: [0.0] * len(x)),
    "eigenvalue": (lambda x: 0.5, lambda x: [0.0] * len(x)),
    "determinant": (lambda x: x[0] ** 2, lambda x: [0.0] * len(x)),  # d > 1: test_determinant.py
}
ORACLES["sign"] = ORACLES["phase"]
ORACLES["real"], ORACLES["imaginary"] = ORACLES["first"], ORACLES["rest"]

CASES = [
    (name, d)
    for name in CRITERIA
    for d in ((1,) if name == "determinant" else (1, 2, 3, 4))
    if CRITERIA.get(name).dimension in (None, d)
]


def kernel(d):
    w = np.random.default_rng(d).normal(size=(d, *SHAPE))
    w[:, 0, 0] = 0  # a zero,
    w[0, 1, 1] = -0.0  # a zero first component,
    w[1:, 2, 2] = 0  # and elements on the first axis,
    w[:, 2, 3] = [-2.0, *[0.0] * (d - 1)]  # on the cut
    w[:, 1, 0] *= 1e-8 / abs(w[:, 1, 0]).max()  # and small
    return w


class Ranked:
    """A parametrization that ranks all nodes alike."""

    def node_scores(self):
        return np.full(SHAPE[-1], 0.5)


def site():
    return Site(np.full((1, 1, 1), SCALE), lambda: np.full((1, *SHAPE), 0.25), Ranked())


def test_every_criterion_has_an_oracle():
    assert set(ORACLES) == set(CRITERIA)


@pytest.mark.parametrize(("name", "d"), CASES)
def test_score_and_value_are_those_of_single_elements(name, d):
    criterion, w = criteria.get(name), kernel(d)
    scores = ops.convert_to_numpy(criterion.score(w, site()))
    values = ops.convert_to_numpy(
        criterion.value(w, np.full((1, 1, 1), SCALE if criterion.scaled else 1.0))
    )
    assert scores.shape == (1, *SHAPE)
    for index in np.ndindex(*SHAPE):
        element = w[(slice(None), *index)].tolist()
        score, value = ORACLES[name]
        assert scores[(0, *index)] == pytest.approx(score(element), rel=1e-5, abs=1e-6)
        assert values[(slice(None), *index)].tolist() == pytest.approx(value(element), rel=1e-5)


@pytest.mark.parametrize(("name", "d"), CASES)
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_projection_keeps_what_is_kept_and_is_idempotent(name, d, dtype):
    criterion = criteria.get(name)
    w = ops.cast(kernel(d), dtype)
    dtype = keras.backend.standardize_dtype(w.dtype)  # JAX makes float32 of float64
    keep = np.random.default_rng(1).random((1, *SHAPE)) < 0.5
    gain = np.where(keep, 0, np.float32(SCALE if criterion.scaled else 1))
    once = criterion.project(w, ops.convert_to_tensor(keep), ops.convert_to_tensor(gain))
    twice = criterion.project(once, ops.convert_to_tensor(keep), ops.convert_to_tensor(gain))
    assert keras.backend.standardize_dtype(once.dtype) == dtype
    w, once, twice = (ops.convert_to_numpy(ops.cast(x, "float64")) for x in (w, once, twice))
    kept = np.broadcast_to(keep, w.shape)
    np.testing.assert_array_equal(once[kept], w[kept])
    eps = {"float64": 1e-14, "float32": 1e-6, "float16": 2e-3, "bfloat16": 2e-2}[dtype]
    np.testing.assert_allclose(twice, once, rtol=eps, atol=0)
    assert not once[:, ~w.any(axis=0)].any()  # a zero stays zero


@pytest.mark.parametrize("d", [1, 2, 4])
def test_phase_gives_all_elements_one_modulus_and_keeps_directions(d):
    w = np.random.default_rng(0).normal(size=(d, 50, 20)).astype("float32")
    value = ops.convert_to_numpy(criteria.get("phase").value(w, 0.3))
    np.testing.assert_allclose(np.linalg.norm(value, axis=0), 0.3, rtol=1e-6)
    cosine = (value * w).sum(0) / (0.3 * np.linalg.norm(w, axis=0))
    np.testing.assert_allclose(cosine, 1, rtol=1e-5)
    if d == 1:  # a sign network has exactly two values
        assert set(np.unique(value)) == {np.float32(-0.3), np.float32(0.3)}


@pytest.mark.tensorflow  # float64 differences
@pytest.mark.parametrize(("name", "d"), CASES)
def test_gradients_of_projections_are_those_of_finite_differences(name, d):
    criterion, w = criteria.get(name), kernel(d)
    w[:, 1, 0] = 0.5  # no element so small that the difference would turn it round
    keep = np.random.default_rng(1).random((1, *SHAPE)) < 0.3
    gain = np.where(keep | ~w.any(axis=0, keepdims=True), 0, SCALE)
    check_gradient(
        lambda w: criterion.project(w, ops.convert_to_tensor(keep), ops.convert_to_tensor(gain)), w
    )


@pytest.mark.parametrize(
    ("name", "d", "instead"),
    [
        ("sign", 2, "Use 'phase'"),
        ("real", 1, "Use 'first' or 'rest'"),
        ("imaginary", 4, "Use 'first'"),
    ],
)
def test_criteria_of_one_dimension_name_their_general_form(name, d, instead):
    message = f"made for algebras of dimension.*'net/kernel' has {d} real.*{instead}.*='{name}'"
    with pytest.raises(ValueError, match=message):
        criteria.get(name).check(d, "net/kernel")
    criteria.get("first").check(d, "net/kernel")


def test_names():
    with pytest.raises(ValueError, match=r"Unknown criterion. Expected one of: magnitude, phase"):
        criteria.get("size")
    mine = Criterion("mine", lambda w, site: w)
    assert criteria.get(mine) is mine
    assert mine.removes
