"""Losses: values by NumPy, gradients, zeros, reductions, weights, masks, `fit`, errors."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_phase import algebras, losses
from keras_phase.layers import FromAlgebra
from keras_phase.layers.dense import AlgebraDense
from tests.helpers.gradients import DOUBLE, check_gradient, gradients
from tests.helpers.tolerances import assert_close
from tests.helpers.versions import newest_keras

ALGEBRAS = algebras.names()
# Where |a * b| = |a| |b| for the Euclidean modulus.
DIVISION = ["real", "complex", "quaternion", "octonion"]
# (class, arguments without the algebra, function of the same name)
CASES = [
    (losses.AlgebraMeanSquaredError, {}, losses.algebra_mean_squared_error),
    (losses.PhaseError, {}, losses.phase_error),
    (losses.PhaseError, {"how": "absolute", "weighted": True}, losses.phase_error),
    (losses.PhaseError, {"how": "squared"}, losses.phase_error),
    (losses.CoherenceLoss, {}, losses.coherence_loss),
    (losses.CoherenceLoss, {"axis": 1}, losses.coherence_loss),
    (losses.CoherenceLoss, {"axis": (1, -1)}, losses.coherence_loss),
    (losses.AlgebraCosineSimilarity, {}, losses.algebra_cosine_similarity),
    (losses.AlgebraCosineSimilarity, {"axis": 1}, losses.algebra_cosine_similarity),
]
IDS = [f"{cls.__name__}-{'-'.join(map(str, arguments.values()))}" for cls, arguments, _ in CASES]
all_cases = pytest.mark.parametrize(("cls", "arguments", "function"), CASES, ids=IDS)


def dimension(algebra):
    return algebras.get(algebra).dimension


def pair(algebra="complex", shape=(3, 5), n=4, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(*shape, dimension(algebra) * n)) for _ in range(2)]


def elements(x, algebra):
    """`(..., d*n)` to `(..., n, d)`, in NumPy."""
    d = dimension(algebra)
    return np.swapaxes(x.reshape(*x.shape[:-1], d, -1), -1, -2)


def to_complex(x):
    n = x.shape[-1] // 2
    return x[..., :n] + 1j * x[..., n:]


def numpy(x):
    return ops.convert_to_numpy(ops.cast(x, DOUBLE))


def angle(t, p):
    """Angle between vectors in the last axis, by arccos."""
    size = np.linalg.norm(t, axis=-1) * np.linalg.norm(p, axis=-1)
    return np.arccos(np.clip((t * p).sum(-1) / size, -1, 1))


@pytest.mark.parametrize("algebra", ALGEBRAS)
def test_mean_squared_error_by_elements(algebra):
    y_true, y_pred = pair(algebra)
    expected = np.linalg.norm(elements(y_true - y_pred, algebra), axis=-1) ** 2
    actual = losses.algebra_mean_squared_error(y_true, y_pred, algebra=algebra)
    assert_close(numpy(actual), expected.mean(-1))
    stock = keras.losses.MeanSquaredError()(y_true, y_pred)
    ours = losses.AlgebraMeanSquaredError(algebra=algebra)(y_true, y_pred)
    assert_close(numpy(ours), dimension(algebra) * numpy(stock))


def test_the_real_ones_are_those_of_keras():
    y_true, y_pred = (y.astype("float32") for y in pair("real"))
    for ours, stock in [
        (losses.AlgebraMeanSquaredError, keras.losses.MeanSquaredError),
        (losses.AlgebraCosineSimilarity, keras.losses.CosineSimilarity),
    ]:
        mine, theirs = ours(algebra="real")(y_true, y_pred), stock()(y_true, y_pred)
        np.testing.assert_allclose(numpy(mine), numpy(theirs), rtol=2e-6)


@pytest.mark.parametrize("algebra", ALGEBRAS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("how", losses.functions.ERRORS.names())
def test_phase_error_by_arccos(how, weighted, algebra):
    y_true, y_pred = pair(algebra)
    t, p = elements(y_true, algebra), elements(y_pred, algebra)
    theta = angle(t, p)
    error = {"cosine": 1 - np.cos(theta), "absolute": theta, "squared": theta**2}[how]
    weights = np.linalg.norm(t, axis=-1) if weighted else np.ones_like(theta)
    expected = (weights * error).sum(-1) / weights.sum(-1)
    actual = losses.phase_error(y_true, y_pred, how, weighted, algebra=algebra)
    assert_close(numpy(actual), expected)


def test_phase_error_is_the_wrapped_phase_difference():
    y_true, y_pred = pair()
    difference = np.angle(to_complex(y_true)) - np.angle(to_complex(y_pred))
    wrapped = np.abs((difference + np.pi) % (2 * np.pi) - np.pi)
    assert np.abs(difference).max() > np.pi  # some are across the cut
    assert_close(numpy(losses.phase_error(y_true, y_pred, "absolute")), wrapped.mean(-1))


@pytest.mark.parametrize("gap", [1e-3, 1e-5, 0.0])
def test_phase_error_across_the_cut(gap):
    y_true, y_pred = np.exp([[1j * (np.pi - gap)]]), np.exp([[-1j * (np.pi - gap)]])
    y_true, y_pred = (np.concatenate([y.real, y.imag], -1) for y in (y_true, y_pred))
    for how, expected in [
        ("absolute", 2 * gap),
        ("squared", 4 * gap**2),
        ("cosine", 1 - np.cos(2 * gap)),
    ]:
        actual = numpy(losses.phase_error(y_true, y_pred, how))
        np.testing.assert_allclose(actual, [expected], atol=3e-7 if DOUBLE == "float32" else 1e-15)


@pytest.mark.parametrize(("how", "expected"), [("cosine", 2), ("absolute", np.pi)])
def test_phase_error_at_the_other_end(how, expected):
    y = pair()[0].astype("float32")
    np.testing.assert_allclose(numpy(losses.phase_error(y, -3 * y, how)), expected, rtol=1e-6)


def test_phase_error_ignores_moduli_and_sees_signs():
    y_true, y_pred = pair("quaternion")
    scale = np.tile(np.random.default_rng(3).uniform(0.1, 9, size=(3, 5, 4)), 4)
    expected = numpy(losses.phase_error(y_true, y_pred, algebra="quaternion"))
    actual = numpy(losses.phase_error(y_true, scale * y_pred, algebra="quaternion"))
    assert_close(actual, expected)
    signs = losses.phase_error([[1.0, -2.0, 3.0]], [[-5.0, -1.0, 4.0]], "absolute", algebra="real")
    assert_close(numpy(signs), [np.pi / 3])


def test_coherence_of_complex_numbers():
    y_true, y_pred = pair()
    t, p = to_complex(y_true), to_complex(y_pred)
    for axis in (-1, 2, 1, (1, 2)):
        inner = np.abs((t.conj() * p).sum(axis)) ** 2
        expected = 1 - inner / ((np.abs(t) ** 2).sum(axis) * (np.abs(p) ** 2).sum(axis))
        assert_close(numpy(losses.coherence_loss(y_true, y_pred, axis)), expected)
        cosine = (t.conj() * p).real.sum(axis) / np.sqrt(
            (np.abs(t) ** 2).sum(axis) * (np.abs(p) ** 2).sum(axis)
        )
        assert_close(numpy(losses.algebra_cosine_similarity(y_true, y_pred, axis)), -cosine)


@pytest.mark.parametrize("name", ALGEBRAS)
def test_coherence_by_structure_constants(name):
    algebra = algebras.get(name)
    y_true, y_pred = pair(name)
    t, p = elements(y_true, name), elements(y_pred, name)
    inner = np.einsum("...ni,...nj,ijk->...k", t @ algebra.conjugation_matrix, p,
                      algebra.structure_constants)  # fmt: skip
    expected = 1 - (inner**2).sum(-1) / ((t**2).sum((-1, -2)) * (p**2).sum((-1, -2)))
    assert_close(numpy(losses.coherence_loss(y_true, y_pred, algebra=name)), expected)


@pytest.mark.parametrize("name", DIVISION)
def test_coherence_is_blind_to_a_common_factor_on_the_right(name):
    algebra = algebras.get(name)
    y_true, y_pred = pair(name)
    assert (numpy(losses.coherence_loss(y_true, y_pred, algebra=name)) > 0).all()
    factor = np.random.default_rng(5).normal(size=algebra.dimension)
    turned = np.swapaxes(algebra.multiply(elements(y_true, name), factor), -1, -2).reshape(
        y_true.shape
    )
    same = numpy(losses.coherence_loss(y_true, turned, algebra=name))
    np.testing.assert_allclose(same, 0, atol=2e-6)


@all_cases
def test_class_function_and_reductions(cls, arguments, function):
    y_true, y_pred = (y.astype("float32") for y in pair("quaternion"))
    values = numpy(function(y_true, y_pred, **arguments, algebra="quaternion"))
    kept = numpy(cls(**arguments, reduction=None, algebra="quaternion")(y_true, y_pred))
    np.testing.assert_array_equal(kept, values)
    for reduction, expected in [("sum", values.sum()), ("sum_over_batch_size", values.mean())]:
        loss = cls(**arguments, reduction=reduction, algebra="quaternion")
        assert_close(numpy(loss(y_true, y_pred)), expected)
        weights = np.random.default_rng(1).uniform(size=values.shape)
        weighted = (values * weights).sum() if reduction == "sum" else (values * weights).mean()
        assert_close(numpy(loss(y_true, y_pred, weights)), weighted)


@all_cases
def test_complex_targets(cls, arguments, function):
    y_true, y_pred = (y.astype("float32") for y in pair())
    for loss in (cls(**arguments), lambda t, p: function(t, p, **arguments)):
        expected = numpy(loss(y_true, y_pred))
        for t, p in [(to_complex(y_true), y_pred), (to_complex(y_true), to_complex(y_pred))]:
            np.testing.assert_array_equal(numpy(loss(t, p)), expected)


@newest_keras("it has no complex dtypes")
@all_cases
def test_complex_tensors(cls, arguments, function):
    arrays = [y.astype("float32") for y in pair()]
    y_true, y_pred = (ops.convert_to_tensor(to_complex(y)) for y in arrays)
    for loss in (cls(**arguments), lambda t, p: function(t, p, **arguments)):
        np.testing.assert_array_equal(numpy(loss(y_true, y_pred)), numpy(loss(*arrays)))


@pytest.mark.tensorflow
@pytest.mark.parametrize("algebra", ["real", "complex", "cross", "quaternion", "m2r"])
@all_cases
def test_gradients(cls, arguments, function, algebra):
    y_true, y_pred = pair(algebra, shape=(2, 3), n=2)
    check_gradient(
        lambda p: function(ops.convert_to_tensor(y_true), p, **arguments, algebra=algebra),
        y_pred,
        atol=1e-6,
    )


@pytest.mark.parametrize("algebra", ["real", "complex", "quaternion"])
@all_cases
def test_zeros_give_finite_values_and_gradients(cls, arguments, function, algebra):
    y_true, y_pred = (y.astype("float32") for y in pair(algebra, shape=(4, 2), n=3))
    d = dimension(algebra)
    zero = np.zeros((4, 2, d, 3), dtype="float32")
    t, p = (y.reshape(4, 2, d, 3) for y in (y_true, y_pred))
    p[0, 0, :, 0] = zero[0, 0, :, 0]  # one element of the prediction
    t[0, 1, :, 1] = zero[0, 1, :, 1]  # one of the target
    p[1], t[2], p[3], t[3] = (zero[0],) * 4  # all of one, all of both

    def loss(a, b):
        return function(a, b, **arguments, algebra=algebra)

    y_true, y_pred = t.reshape(y_true.shape), p.reshape(y_pred.shape)
    assert np.isfinite(numpy(loss(y_true, y_pred))).all()
    for slope in gradients(loss, y_true, y_pred):
        assert np.isfinite(slope).all()
    if function is not losses.algebra_mean_squared_error:
        slope = gradients(loss, y_true, y_pred)[1].reshape(p.shape)
        np.testing.assert_array_equal(slope[1:], 0)
        if function is losses.phase_error:
            np.testing.assert_array_equal(slope[0, 0, :, 0], 0)
            np.testing.assert_array_equal(slope[0, 1, :, 1], 0)


def test_values_at_zero():
    t, zero = np.array([[1.0, 2.0]], "float32"), np.zeros((1, 2), "float32")
    for how, at_right_angle in [("cosine", 1), ("absolute", np.pi / 2), ("squared", np.pi**2 / 4)]:
        assert_close(numpy(losses.phase_error(t, zero, how)), [at_right_angle])
        assert_close(numpy(losses.phase_error(zero, t, how)), [0.0])
    # A target of 0 does not count: two elements, of which one is at a right angle.
    half = losses.phase_error([[1.0, 0.0, 0.0, 0.0]], [[0.0, 1.0, 1.0, 0.0]], "absolute")
    assert_close(numpy(half), [np.pi / 2])
    for a, b in [(t, zero), (zero, t), (zero, zero)]:
        assert_close(numpy(losses.coherence_loss(a, b)), [1.0])
        assert_close(numpy(losses.algebra_cosine_similarity(a, b)), [0.0])


@all_cases
def test_nan_is_passed_on(cls, arguments, function):
    y_true, y_pred = (y.astype("float32") for y in pair())
    y_pred[0, 0, 0] = np.nan
    assert np.isnan(numpy(cls(**arguments)(y_true, y_pred)))


@pytest.mark.parametrize(("cls", "arguments", "function"), CASES[1:], ids=IDS[1:])
@pytest.mark.parametrize("scale", [1e-15, 1e15])
def test_size_does_not_matter_for_directions(cls, arguments, function, scale):
    y_true, y_pred = (y.astype("float32") for y in pair())
    expected = numpy(function(y_true, y_pred, **arguments))
    actual = numpy(function(y_true * np.float32(scale), y_pred * np.float32(scale), **arguments))
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


@all_cases
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_computed_in_float32(cls, arguments, function, dtype):
    y_true, y_pred = (y.astype("float32") for y in pair())
    loss = cls(**arguments, dtype=dtype)
    actual = loss(y_true, y_pred)
    assert keras.backend.standardize_dtype(actual.dtype) == dtype
    rounded = [ops.cast(ops.cast(y, dtype), "float32") for y in (y_true, y_pred)]
    assert_close(numpy(actual), numpy(cls(**arguments)(*rounded)), dtype)
    keras.config.set_dtype_policy(f"mixed_{dtype}")
    mixed = cls(**arguments)(y_true, ops.cast(y_pred, dtype))
    assert keras.backend.standardize_dtype(mixed.dtype) == "float32"


@pytest.mark.parametrize(
    ("cls", "arguments"),
    [
        (losses.AlgebraMeanSquaredError, {}),
        (losses.PhaseError, {"how": "squared", "weighted": True}),
        (losses.CoherenceLoss, {"axis": (1, -1)}),
        (losses.AlgebraCosineSimilarity, {"axis": 1}),
    ],
)
def test_config_keeps_every_argument(cls, arguments):
    common = {"reduction": "sum", "name": "mine", "dtype": "float16", "algebra": "quaternion"}
    loss = cls(**arguments, **common)
    config = keras.saving.serialize_keras_object(loss)
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is cls
    assert again.get_config() == loss.get_config()
    y_true, y_pred = pair("quaternion")
    np.testing.assert_array_equal(numpy(again(y_true, y_pred)), numpy(loss(y_true, y_pred)))
    for key, value in {**arguments, **common, "algebra": algebras.get("quaternion")}.items():
        found = getattr(again, key)
        assert (tuple(found) if isinstance(found, list) else found) == value


def model_for(algebra, output=None):
    d = dimension(algebra)
    layers = [keras.Input((5, d * 2)), AlgebraDense(3, algebra=algebra)]
    return keras.Sequential([*layers, *([output] if output else [])])


@pytest.mark.parametrize(
    ("cls", "arguments", "algebra"),
    [(cls, arguments, "complex") for cls, arguments, _ in CASES]
    + [(losses.PhaseError, {}, "quaternion"), (losses.CoherenceLoss, {}, "octonion")],
)
def test_fit_evaluate_and_save(cls, arguments, algebra, tmp_path):
    rng = np.random.default_rng(0)
    d = dimension(algebra)
    x = rng.normal(size=(16, 5, d * 2)).astype("float32")
    teacher = model_for(algebra)
    y = teacher.predict(x, verbose=0)
    model = model_for(algebra)
    model.compile(keras.optimizers.Adam(0.02), loss=cls(**arguments, algebra=algebra))
    before = model.evaluate(x, y, verbose=0)
    model.fit(x, y, epochs=4, verbose=0)
    after = model.evaluate(x, y, verbose=0)
    assert after < before
    model.save(tmp_path / "model.keras")
    reloaded = keras.saving.load_model(tmp_path / "model.keras")
    assert reloaded.loss.get_config() == model.loss.get_config()
    np.testing.assert_allclose(reloaded.evaluate(x, y, verbose=0), after, rtol=1e-6)


@newest_keras("it has no complex dtypes")
@all_cases
def test_complex_targets_in_evaluate(cls, arguments, function):
    x = np.random.default_rng(0).normal(size=(8, 5, 4)).astype("float32")
    y = pair(shape=(8, 5), n=3)[0].astype("float32")
    model = model_for("complex")
    model.compile(loss=cls(**arguments))
    complex_loss = model.evaluate(x, to_complex(y), verbose=0)
    np.testing.assert_allclose(complex_loss, model.evaluate(x, y, verbose=0), rtol=1e-6)


@newest_keras("it has no complex dtypes")
def test_complex_outputs_train_too():
    x, y = (to_complex(a.astype("float32")) for a in pair(shape=(8, 5), n=3))
    model = model_for("complex", FromAlgebra("complex"))
    x = np.concatenate([x.real, x.imag], -1)[..., :4]
    model.compile("adam", loss=losses.AlgebraMeanSquaredError())
    real = model_for("complex")
    real.set_weights(model.get_weights())
    real.compile("adam", loss=losses.AlgebraMeanSquaredError())
    assert_close(model.evaluate(x, y, verbose=0), real.evaluate(x, y, verbose=0))
    model.fit(x, y, epochs=1, verbose=0)


@all_cases
def test_masks_leave_positions_out(cls, arguments, function):
    """A masked time step changes nothing, whatever stands there."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6, 5, 4)).astype("float32")
    x[:, 3:] = 0  # masked
    y = rng.normal(size=(6, 5, 6)).astype("float32")
    model = keras.Sequential(
        [keras.Input((5, 4)), keras.layers.Masking(0.0), AlgebraDense(3, bias_initializer="ones")]
    )
    model.compile("adam", loss=cls(**arguments))
    masked = model.evaluate(x, y, verbose=0)
    y[:, 3:] = 1e3
    np.testing.assert_allclose(model.evaluate(x, y, verbose=0), masked, rtol=1e-6)
    short = keras.Sequential([keras.Input((3, 4)), model.layers[-1]])
    expected = numpy(cls(**arguments)(y[:, :3], short(x[:, :3])))
    np.testing.assert_allclose(masked, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: losses.phase_error(np.ones((2, 3)), np.ones((2, 3))), "multiple of the algebra's"),
        (lambda: losses.PhaseError()(np.ones((2, 4)), np.ones((2, 6))), r"Received: y_true.shape"),
        (lambda: losses.CoherenceLoss()(np.ones((4,)), np.ones((2, 4))), "of one shape"),
        (lambda: losses.PhaseError("power"), "cosine, absolute, squared"),
        (lambda: losses.phase_error([[1.0, 0]], [[1.0, 0]], how="no"), "Unknown phase error"),
        (lambda: losses.PhaseError(reduction="median"), "reduction=median"),
        (lambda: losses.PhaseError(algebra="kwaternion"), "kwaternion"),
        (lambda: losses.CoherenceLoss(axis=0)(np.ones((2, 4)), np.ones((2, 4))), "axis=0"),
        (lambda: losses.CoherenceLoss(axis=2)(np.ones((2, 4)), np.ones((2, 4))), "axis=2"),
        (lambda: losses.coherence_loss(np.ones((2, 4)), np.ones((2, 4)), (1, -1)), "different"),
        (lambda: losses.coherence_loss(np.ones((2, 4)), np.ones((2, 4)), ()), r"axis=\(\)"),
        (
            lambda: losses.PhaseError(algebra="quaternion")(1j * np.ones((2, 4)), np.ones((2, 4))),
            "have 4. Expected a real tensor",
        ),
        (
            lambda: losses.PhaseError(algebra="real")(np.ones((2, 4)), 1j * np.ones((2, 4))),
            "y_pred.dtype=complex",
        ),
        (lambda: losses.algebra_mean_squared_error(1.0, 2.0), "to have a last axis"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_axis_must_be_integers():
    for axis in (1.0, "time", (1, None)):
        with pytest.raises(TypeError, match="`axis` to be an integer or a tuple"):
            losses.CoherenceLoss(axis=axis)


def test_coherence_needs_a_conjugation():
    bare = algebras.Algebra("bare", ("1", "i"), algebras.get("complex").structure_constants)
    with pytest.raises(ValueError, match="has no conjugation"):
        losses.CoherenceLoss(algebra=bare)
