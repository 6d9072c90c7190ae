"""Metrics: values by NumPy, batches against all data at once, weights, masks, `fit`, errors."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_phase import algebras, losses, metrics
from keras_phase.layers import FromAlgebra
from keras_phase.layers.dense import AlgebraDense
from tests.helpers.gradients import DOUBLE
from tests.helpers.tolerances import assert_close
from tests.helpers.versions import newest_keras
from tests.test_losses import angle, elements, model_for, pair, to_complex

ALGEBRAS = algebras.names()


def squared_modulus(t, p, w):
    """`t` and `p` are `(positions, n, d)`, `w` is `(positions)`."""
    return (w[:, None] * ((t - p) ** 2).sum(-1)).sum() / (w.sum() * t.shape[1])


def mean_angle(t, p, w, sizes=None):
    weights = w[:, None] * (np.ones(t.shape[:2]) if sizes is None else sizes)
    return (weights * angle(t, p)).sum() / weights.sum()


def pooled_coherence(t, p, w, algebra):
    conjugate = t @ algebras.get(algebra).conjugation_matrix
    inner = (w[:, None, None] * algebras.get(algebra).multiply(conjugate, p)).sum((0, 1))
    sizes = [(w[:, None, None] * y**2).sum() for y in (t, p)]
    return (inner**2).sum() / np.prod(sizes)


def mean_coherence(t, p, w, algebra):
    each = [pooled_coherence(a[None], b[None], np.ones(1), algebra) for a, b in zip(t, p)]  # noqa: B905
    return (w * each).sum() / w.sum()


def mean_cosine(t, p, w):
    flat = [y.reshape(len(y), -1) for y in (t, p)]
    return (w * np.cos(angle(*flat))).sum() / w.sum()


# (class, arguments, oracle on arrays (positions, n, d) and weights (positions))
CASES = [
    (metrics.MeanSquaredModulusError, {}, lambda t, p, w, a: squared_modulus(t, p, w)),
    (metrics.RootMeanSquaredModulusError, {}, lambda t, p, w, a: squared_modulus(t, p, w) ** 0.5),
    (metrics.PhaseMeanAbsoluteError, {}, lambda t, p, w, a: mean_angle(t, p, w)),
    (
        metrics.PhaseMeanAbsoluteError,
        {"weighted": True},
        lambda t, p, w, a: mean_angle(t, p, w, np.linalg.norm(t, axis=-1)),
    ),
    (metrics.Coherence, {}, pooled_coherence),
    (metrics.MeanCoherence, {}, mean_coherence),
    (metrics.MeanCosineSimilarity, {}, lambda t, p, w, a: mean_cosine(t, p, w)),
]
IDS = [f"{cls.__name__}{'-weighted' if arguments else ''}" for cls, arguments, _ in CASES]
all_cases = pytest.mark.parametrize(("cls", "arguments", "oracle"), CASES, ids=IDS)
BY_AXIS = [metrics.MeanCoherence, metrics.MeanCosineSimilarity]


def value(metric):
    return float(ops.convert_to_numpy(ops.cast(metric.result(), DOUBLE)))


def data(algebra, shape=(7, 5), seed=0):
    """A prediction that resembles the target, so that no value is near 0 by chance."""
    y_true, y_pred = pair(algebra, shape=shape, seed=seed)
    return y_true.astype("float32"), (y_pred + y_true).astype("float32")


def expected(oracle, y_true, y_pred, algebra, weights=None):
    weights = np.ones(y_true.shape[:-1]) if weights is None else weights
    weights = np.broadcast_to(weights, y_true.shape[:-1]).ravel()
    t, p = (elements(y.astype("float64"), algebra) for y in (y_true, y_pred))
    return oracle(*(y.reshape(-1, *y.shape[-2:]) for y in (t, p)), weights, algebra)


@pytest.mark.parametrize("algebra", ALGEBRAS)
@all_cases
def test_value_over_batches_of_any_size(cls, arguments, oracle, algebra):
    y_true, y_pred = data(algebra)
    metric = cls(**arguments, algebra=algebra)
    for start, end in [(0, 1), (1, 5), (5, 7)]:
        metric.update_state(y_true[start:end], y_pred[start:end])
    assert_close(value(metric), expected(oracle, y_true, y_pred, algebra))
    metric.reset_state()
    assert value(metric) == 0
    metric.update_state(y_true, y_pred)
    assert_close(value(metric), expected(oracle, y_true, y_pred, algebra))


@all_cases
def test_sample_weights(cls, arguments, oracle):
    y_true, y_pred = data("quaternion")
    rng = np.random.default_rng(2)
    for shape in [(7,), (7, 1), (7, 5), (1, 5)]:
        weights = rng.uniform(size=shape).astype("float32")
        weights[0, ...] += 1
        metric = cls(**arguments, algebra="quaternion")
        metric.update_state(y_true, y_pred, weights)
        by_position = weights if weights.ndim == 2 else weights[:, None]
        assert_close(value(metric), expected(oracle, y_true, y_pred, "quaternion", by_position))
    metric = cls(**arguments, algebra="quaternion")
    metric.update_state(y_true, y_pred, sample_weight=np.array([1.0, 1, 0, 0, 0, 0, 0]))
    assert_close(value(metric), expected(oracle, y_true[:2], y_pred[:2], "quaternion"))


@pytest.mark.parametrize(
    ("ours", "stock"),
    [
        (metrics.MeanSquaredModulusError, keras.metrics.MeanSquaredError),
        (metrics.RootMeanSquaredModulusError, keras.metrics.RootMeanSquaredError),
        (metrics.MeanCosineSimilarity, keras.metrics.CosineSimilarity),
    ],
)
def test_the_real_ones_are_those_of_keras(ours, stock):
    y_true, y_pred = data("real")
    mine, theirs = ours(algebra="real"), stock()
    for metric in (mine, theirs):
        metric.update_state(y_true, y_pred)
        metric.update_state(y_true[:2], -y_pred[:2], np.array([0.5, 2.0])[:, None])
    assert_close(value(mine), value(theirs))


@pytest.mark.parametrize(
    ("metric", "loss", "sign", "offset"),
    [
        (metrics.MeanSquaredModulusError, losses.AlgebraMeanSquaredError, 1, 0),
        (metrics.PhaseMeanAbsoluteError, lambda: losses.PhaseError("absolute"), 1, 0),
        (metrics.MeanCoherence, losses.CoherenceLoss, -1, 1),
        (metrics.MeanCosineSimilarity, losses.AlgebraCosineSimilarity, -1, 0),
    ],
)
def test_metrics_have_the_definitions_of_the_losses(metric, loss, sign, offset):
    y_true, y_pred = data("complex")
    metric = metric()
    metric.update_state(y_true, y_pred)
    assert_close(value(metric), offset + sign * float(loss()(y_true, y_pred)))


def test_coherence_of_all_data_has_one_free_phase():
    y, _ = data("complex")
    one, many = metrics.Coherence(), metrics.MeanCoherence()
    for metric in (one, many):
        metric.update_state(to_complex(y), np.exp(0.3j) * to_complex(y))
        assert_close(value(metric), 1.0)
        metric.reset_state()
        phases = np.exp(2j * np.pi * np.arange(7) / 7)[:, None, None]
        same = np.tile(to_complex(y)[:1], (7, 1, 1))
        metric.update_state(same, phases * same)
    assert value(one) < 1e-6
    assert_close(value(many), 1.0)


def test_targets_of_zero_are_not_counted():
    metric = metrics.PhaseMeanAbsoluteError()
    metric.update_state([[1.0, 0.0], [0.0, 0.0]], [[0.0, 1.0], [1.0, 0.0]])
    metric.update_state([[0.0, 0.0]], [[1.0, 0.0]])
    assert_close(value(metric), np.pi / 2)


@pytest.mark.parametrize("cls", BY_AXIS)
def test_another_axis(cls):
    y_true, y_pred = data("complex")
    expected = cls(axis=-1)
    swapped = [np.swapaxes(to_complex(y), 1, 2) for y in (y_true, y_pred)]
    expected.update_state(*swapped)
    for axis in (1, -2, [1]):
        metric = cls(axis=axis)
        metric.update_state(y_true, y_pred)
        assert_close(value(metric), value(expected))
    whole = cls(axis=(1, 2))
    flat = cls()
    whole.update_state(y_true, y_pred)
    flat.update_state(*(to_complex(y).reshape(7, -1) for y in (y_true, y_pred)))
    assert_close(value(whole), value(flat))


@all_cases
def test_complex_arrays_and_lists(cls, arguments, oracle):
    y_true, y_pred = data("complex", shape=(3,))
    results = []
    for t, p in [
        (y_true, y_pred),
        (to_complex(y_true), y_pred),
        (to_complex(y_true), to_complex(y_pred)),
        (y_true.tolist(), y_pred.tolist()),
    ]:
        metric = cls(**arguments)
        metric.update_state(t, p)
        results.append(value(metric))
    np.testing.assert_allclose(results, results[0], rtol=1e-6)


@all_cases
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_many_terms_in_half_precision(cls, arguments, oracle, dtype):
    """Sums stay in float32: 16 bits would stop at a few hundred."""
    y_true, y_pred = data("complex", shape=(3000,))
    metric = cls(**arguments, dtype=dtype)
    metric.update_state(y_true[:10], ops.cast(y_pred[:10], dtype))
    metric.update_state(y_true[10:], ops.cast(y_pred[10:], dtype))
    assert keras.backend.standardize_dtype(metric.result().dtype) == dtype
    assert_close(value(metric), expected(oracle, y_true, y_pred, "complex"), dtype)


@pytest.mark.parametrize(
    ("cls", "arguments"),
    [
        (metrics.MeanSquaredModulusError, {}),
        (metrics.RootMeanSquaredModulusError, {}),
        (metrics.PhaseMeanAbsoluteError, {"weighted": True}),
        (metrics.Coherence, {}),
        (metrics.MeanCoherence, {"axis": (1, -1)}),
        (metrics.MeanCosineSimilarity, {"axis": 1}),
    ],
)
def test_config_keeps_every_argument(cls, arguments):
    given = {**arguments, "name": "mine", "dtype": "float16", "algebra": "quaternion"}
    metric = cls(**given)
    config = keras.saving.serialize_keras_object(metric)
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is cls
    assert again.get_config() == metric.get_config()
    for key, wanted in {**given, "algebra": algebras.get("quaternion")}.items():
        assert getattr(again, key) == wanted


def test_in_fit_and_evaluate(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 5, 4)).astype("float32")
    y = model_for("complex").predict(x, verbose=0)
    model = model_for("complex")
    tried = [cls(**arguments, name=f"m{i}") for i, (cls, arguments, _) in enumerate(CASES)]
    by_axis = [cls(axis=1) for cls in BY_AXIS]
    model.compile("adam", loss=losses.AlgebraMeanSquaredError(), metrics=[*tried, *by_axis])
    history = model.fit(x, y, epochs=1, batch_size=7, verbose=0, validation_data=(x, y)).history
    logs = model.evaluate(x, y, batch_size=7, verbose=0, return_dict=True)
    y_pred = model.predict(x, verbose=0)
    for metric, (_, _, oracle) in zip(tried, CASES, strict=True):
        assert_close(logs[metric.name], expected(oracle, y, y_pred, "complex"))
        assert_close(history[f"val_{metric.name}"][0], logs[metric.name])
    model.save(tmp_path / "model.keras")
    reloaded = keras.saving.load_model(tmp_path / "model.keras")
    again = reloaded.evaluate(x, y, batch_size=20, verbose=0, return_dict=True)
    for name in logs:
        np.testing.assert_allclose(again[name], logs[name], rtol=1e-4)


@newest_keras("it has no complex dtypes")
def test_complex_tensors_in_evaluate():
    y_true, y_pred = data("complex", shape=(6,))
    model = keras.Sequential([keras.Input((8,)), FromAlgebra("complex")])
    tried = [cls(**arguments, name=f"m{i}") for i, (cls, arguments, _) in enumerate(CASES)]
    model.compile(loss=losses.AlgebraMeanSquaredError(), metrics=tried)
    logs = model.evaluate(y_pred, to_complex(y_true), verbose=0, return_dict=True)
    for metric, (_, _, oracle) in zip(tried, CASES, strict=True):
        assert_close(logs[metric.name], expected(oracle, y_true, y_pred, "complex"))


def test_masked_positions_are_left_out():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6, 5, 4)).astype("float32")
    x[:, 3:] = 0  # masked
    y = rng.normal(size=(6, 5, 6)).astype("float32")
    y[:, 3:] = np.nan
    layer = AlgebraDense(3, bias_initializer="ones")
    model = keras.Sequential([keras.Input((5, 4)), keras.layers.Masking(0.0), layer])
    tried = [cls(**arguments, name=f"m{i}") for i, (cls, arguments, _) in enumerate(CASES)]
    by_axis = [cls(axis=1) for cls in BY_AXIS]
    model.compile(loss=losses.AlgebraMeanSquaredError(), metrics=[*tried, *by_axis])
    logs = model.evaluate(x, y, verbose=0, return_dict=True)
    y_pred = ops.convert_to_numpy(layer(x[:, :3]))
    for metric in (*tried, *by_axis):
        masked = logs[metric.name]
        metric.reset_state()
        metric.update_state(y[:, :3], y_pred)
        np.testing.assert_allclose(masked, value(metric), rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: metrics.Coherence(algebra="kwaternion"), "kwaternion"),
        (lambda: metrics.Coherence().update_state(np.ones((2, 3)), np.ones((2, 3))), "multiple of"),
        (
            lambda: metrics.PhaseMeanAbsoluteError().update_state(np.ones((2, 2)), np.ones((2, 4))),
            "of one shape",
        ),
        (
            lambda: metrics.MeanCosineSimilarity(axis=0).update_state([[1.0, 2]], [[1.0, 2]]),
            "axis=0",
        ),
        (
            lambda: metrics.MeanCoherence().update_state(
                np.ones((2, 4)), np.ones((2, 4)), np.ones((2, 3))
            ),
            r"sample_weight.shape=\(2, 3\)",
        ),
        (
            lambda: metrics.Coherence(algebra="cross").update_state(
                1j * np.ones((2, 4)), 1j * np.ones((2, 4))
            ),
            "have 3. Expected a real tensor",
        ),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("cls", [metrics.Coherence, metrics.MeanCoherence])
def test_coherence_needs_a_conjugation(cls):
    bare = algebras.Algebra("bare", ("1", "i"), algebras.get("complex").structure_constants)
    with pytest.raises(ValueError, match="has no conjugation"):
        cls(algebra=bare)
