"""The criterion "determinant": against NumPy's determinants and the algebras' own norms."""

import re

import keras
import numpy as np
import pytest
from keras import ops

import keras_phase
from keras_phase import algebras, parametrizations, pruning
from keras_phase.pruning import criteria
from keras_phase.pruning.criteria import Site
from tests.pruning.networks import compiled, data, kernels, network, zero_fraction

SHAPE = (3, 2, 5)


def _matrix(n, complex_entries=False):
    """Determinant of one element, listed column by column."""

    def score(x):
        parts = np.reshape(x, (n, 2 if complex_entries else 1, n))  # column, component, row
        entries = parts[:, 0] + 1j * parts[:, 1] if complex_entries else parts[:, 0]
        return abs(np.linalg.det(entries.T))

    return score


def _modulus_squared(x):
    return np.sum(np.square(x))


# Every algebra: the score of one element, written out; None where there is none.
SCORES = {
    "real": _modulus_squared,
    "complex": _modulus_squared,
    "quaternion": _modulus_squared,
    "octonion": _modulus_squared,
    "split_complex": lambda x: abs(x[0] ** 2 - x[1] ** 2),
    "coquaternion": lambda x: abs(x[0] ** 2 + x[1] ** 2 - x[2] ** 2 - x[3] ** 2),
    "dual": lambda x: x[0] ** 2,
    "cross": None,
    "m2r": _matrix(2),
    "m3r": _matrix(3),
    "m4r": _matrix(4),
    "m2c": _matrix(2, complex_entries=True),
}
SCORED = [name for name, score in SCORES.items() if score is not None]


class Kernel:
    """Stands for a parametrization: a score asks for the algebra only."""

    def __init__(self, algebra):
        self.algebra = algebras.get(algebra)


def kernel(algebra, seed=0):
    d = algebras.get(algebra).dimension
    return np.random.default_rng(seed).normal(size=(d, *SHAPE)).astype("float32")


def scores(algebra, w, criterion="determinant"):
    site = Site(None, None, Kernel(algebra))
    return ops.convert_to_numpy(criteria.get(criterion).score(w, site))


def test_every_algebra_has_an_oracle():
    assert set(SCORES) == set(algebras.names())


@pytest.mark.parametrize("algebra", SCORED)
def test_scores_are_those_of_single_elements(algebra):
    w = kernel(algebra)
    found = scores(algebra, w)
    assert found.shape == (1, *SHAPE)
    expected = np.apply_along_axis(SCORES[algebra], 0, w.astype("float64"))
    np.testing.assert_allclose(found[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("algebra", SCORED)
def test_scores_are_multiplicative(algebra):
    a, b = kernel(algebra, 1), kernel(algebra, 2)
    product = algebras.get(algebra).multiply(np.moveaxis(a, 0, -1), np.moveaxis(b, 0, -1))
    found = scores(algebra, np.moveaxis(product, -1, 0))
    expected = scores(algebra, a) * scores(algebra, b)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("algebra", SCORED)
def test_zero_scores_zero(algebra):
    w = kernel(algebra)
    w[:, 0] = 0
    w[:, 1] = -0.0
    found = scores(algebra, w)
    assert not found[0, :2].any()
    assert found[0, 2].all()


@pytest.mark.parametrize("algebra", ["real", "complex", "quaternion", "octonion"])
def test_order_is_that_of_the_magnitude_in_composition_algebras(algebra):
    w = kernel(algebra)
    by_determinant, by_magnitude = (scores(algebra, w, c) for c in ("determinant", "magnitude"))
    np.testing.assert_array_equal(
        np.argsort(by_determinant.ravel()), by_magnitude.ravel().argsort()
    )
    np.testing.assert_allclose(by_determinant, by_magnitude**2, rtol=1e-5)


@pytest.mark.parametrize("algebra", ["m2r", "m4r", "split_complex", "coquaternion"])
def test_order_is_another_where_large_elements_can_be_singular(algebra):
    algebra = algebras.get(algebra)
    w = np.zeros((algebra.dimension, 1, 2), "float32")
    w[:, 0, 0] = 100 * np.ones(algebra.dimension)  # all entries equal: no inverse
    w[:, 0, 1] = algebra.unit
    np.testing.assert_allclose(scores(algebra, w)[0, 0], [0, 1], atol=1e-3)


def test_other_entries_and_algebras_of_users():
    # The norm of quaternions |q|, of 1 x 1 matrices of them; a tensor product is no matrix form.
    one_by_one = algebras.matrix_algebra(1, "quaternion")
    w = kernel("quaternion")
    np.testing.assert_allclose(
        scores(one_by_one, w), np.linalg.norm(w, axis=0, keepdims=True), rtol=1e-4
    )
    with pytest.raises(ValueError, match="has neither"):
        scores(algebras.tensor_product("complex", "quaternion"), kernel("m2c"))


@pytest.mark.parametrize(
    "algebra",
    ["cross", algebras.clifford(3, 0, 0), algebras.matrix_algebra(2, "cross")],
    ids=["cross", "clifford", "matrices"],
)
def test_algebras_without_are_refused(algebra):
    algebra = algebras.get(algebra)
    message = f"'{re.escape(algebra.name)}' has neither. Use 'magnitude'.*='determinant'"
    w = np.ones((algebra.dimension, 2, 2), "float32")
    with pytest.raises(ValueError, match=message):
        scores(algebra, w)
    criterion = criteria.get("determinant")
    with pytest.raises(ValueError, match=message):
        criterion.check(algebra.dimension, "net/kernel", algebra)
    # Components are real numbers, in any algebra.
    criterion.check(1, "net/kernel", algebra)
    model = network("cross")
    with pytest.raises(ValueError, match="'cross' has neither"):
        pruning.prune(model, 0.5, "determinant")
    pruning.prune(model, 0.5, "determinant", granularity="component")


@pytest.mark.parametrize("algebra", ["real", "m2r", "m3r", "m2c", "dual", "octonion"])
def test_prune_removes_the_smallest_determinants(algebra):
    model = network(algebra)
    before = kernels(model)
    assert pruning.prune(model, 0.5, "determinant", layers="hidden")["pruned"] == 0.5
    score, after = SCORES[algebra], kernels(model)["hidden"]
    sizes = np.apply_along_axis(score, 0, before["hidden"].astype("float64"))
    removed = ~after.any(axis=0)
    assert removed.mean() == 0.5
    assert sizes[removed].max() <= sizes[~removed].min() * (1 + 1e-4)
    np.testing.assert_array_equal(after[:, ~removed], before["hidden"][:, ~removed])


def test_layers_of_other_algebras_are_real():
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(8, name="stock"),
            keras_phase.AlgebraDense(4, algebra="m2r", name="matrices"),
        ]
    )
    before = kernels(model)
    pruning.prune(model, 0.5, "determinant")
    after = kernels(model)
    order = np.abs(before["stock"]).ravel().argsort()
    assert not after["stock"].ravel()[order[:24]].any()
    assert after["stock"].ravel()[order[24:]].all()
    assert zero_fraction(after["matrices"]) == 0.5


@pytest.mark.parametrize("granularity", ["element", "component", "node", "block"])
def test_while_training(granularity):
    model = compiled(network("m2r"))
    x, y = data()
    schedule = pruning.PolynomialDecay(0.0, 0.75, begin_step=0, end_step=4, frequency=2)
    options = {"block_shape": (1, 2)} if granularity == "block" else {}
    callback = pruning.PruningCallback(
        schedule, criterion="determinant", granularity=granularity, **options
    )
    model.fit(x, y, batch_size=16, epochs=2, verbose=0, callbacks=[callback])
    for w in kernels(model).values():
        zero = np.mean(w == 0) if granularity == "component" else zero_fraction(w)
        assert zero == pytest.approx(0.75, abs=0.02)


def test_parametrization_gives_the_algebra():
    layer = keras_phase.AlgebraDense(3, algebra="m2r", parametrization="Polar")
    layer.build((None, 8))
    (p,) = parametrizations.of(layer)
    w = ops.convert_to_numpy(p.kernel())
    found = criteria.get("determinant").score(w, Site(None, None, p))
    expected = np.apply_along_axis(SCORES["m2r"], 0, w.astype("float64"))
    np.testing.assert_allclose(ops.convert_to_numpy(found)[0], expected, rtol=1e-4, atol=1e-6)
