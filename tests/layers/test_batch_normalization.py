"""Batch normalisation: the stock layer for d = 1, and each mode against NumPy."""

import inspect

import keras
import numpy as np
import pytest
from keras import ops

from keras_phase import algebras
from keras_phase.layers.batch_normalization import MODES, AlgebraBatchNormalization
from tests.helpers import layer_checks
from tests.helpers.gradients import DOUBLE, check_gradient
from tests.helpers.layer_checks import data
from tests.helpers.tolerances import assert_close

NON_DEFAULT = {
    "momentum": 0.7,
    "epsilon": 0.05,
    "beta_initializer": keras.initializers.RandomUniform(0.1, 0.2, seed=1),
    "gamma_initializer": keras.initializers.RandomUniform(0.5, 0.9, seed=2),
    "moving_mean_initializer": keras.initializers.RandomUniform(0.1, 0.2, seed=3),
    "moving_variance_initializer": keras.initializers.RandomUniform(0.5, 0.9, seed=4),
    "beta_regularizer": "l2",
    "gamma_regularizer": "l1",
    "beta_constraint": "non_neg",
    "gamma_constraint": keras.constraints.MaxNorm(2.0),
    "renorm_clipping": {"rmax": 2.0},
    "renorm_momentum": 0.5,
}

# (arguments, input shape, trainable weights)
LAYERS = [
    *(({"mode": mode}, (4, 6), 2) for mode in MODES),
    *(
        ({**NON_DEFAULT, "mode": mode, "algebra": "quaternion", "axis": 1}, (3, 8, 2), 2)
        for mode in MODES
    ),
    ({"mode": "whitening", "center": False, "scale": False}, (4, 3, 2, 8), 0),
    ({"mode": "scalar", "center": False, "algebra": "octonion"}, (4, 3, 16), 1),
    ({"mode": "whitening", "scale": False, "algebra": "m3r"}, (4, 9), 1),
]
IDS = range(len(LAYERS))

# (arguments of the stock layer, input shape)
TWINS = [({}, (5, 4)), (NON_DEFAULT, (5, 3, 2)), ({"axis": 1, "scale": False}, (4, 3, 2, 2))]


def batch(algebra, shape=(40,), n=3, seed=0):
    """Correlated components with a mean, `(*shape, d*n)`, and as elements `(rows, d, n)`."""
    d = algebras.get(algebra).dimension
    rng = np.random.default_rng(seed)
    mixing = np.eye(d) + 0.3 * rng.normal(size=(n, d, d)) / np.sqrt(d)
    rows = int(np.prod(shape))
    x = np.einsum("nij,bnj->bin", mixing, rng.normal(size=(rows, n, d))) * 3 + 1
    return x.reshape(*shape, d * n).astype("float32"), x.astype("float32")


def covariance(x):
    """`(d, d, n)` of elements `(rows, d, n)` in double precision."""
    x = np.asarray(x, "float64")
    x = x - x.mean(0)
    return np.einsum("bin,bjn->ijn", x, x) / len(x)


def trained(layer, x, **call):
    return ops.convert_to_numpy(layer(x, training=True, **call))


@pytest.mark.parametrize(("arguments", "shape", "weights"), LAYERS, ids=IDS)
def test_keras_layer_test(arguments, shape, weights):
    layer_checks.check_keras_layer_test(
        AlgebraBatchNormalization,
        arguments,
        shape,
        weights,
        expected_num_non_trainable_weights=2,
        call_kwargs={"training": True},
    )


@pytest.mark.parametrize(("arguments", "shape", "weights"), LAYERS, ids=IDS)
def test_reloads_with_every_argument_and_the_same_output(arguments, shape, weights, tmp_path):
    layer_checks.check_round_trips(AlgebraBatchNormalization, arguments, shape, tmp_path)


@pytest.mark.tensorflow
def test_the_synchronized_argument_is_saved():
    layer = AlgebraBatchNormalization(synchronized=True)
    assert AlgebraBatchNormalization.from_config(layer.get_config()).synchronized


@pytest.mark.tensorflow
@pytest.mark.parametrize(("arguments", "shape", "weights"), LAYERS, ids=IDS)
def test_exports_with_stock_ops(arguments, shape, weights, tmp_path):
    layer_checks.check_saved_model(AlgebraBatchNormalization, arguments, shape, tmp_path)


@pytest.mark.parametrize(("arguments", "shape", "weights"), LAYERS, ids=IDS)
def test_unknown_batch_size_keeps_the_other_sizes(arguments, shape, weights):
    layer_checks.check_unknown_batch_size(AlgebraBatchNormalization, arguments, shape)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("arguments", "shape"), TWINS)
def test_real_algebra_equals_the_stock_layer_in_every_mode(arguments, shape, mode, training):
    known = inspect.signature(keras.layers.BatchNormalization).parameters
    arguments = {k: v for k, v in arguments.items() if k in known}

    def ours(algebra, **kwargs):
        return AlgebraBatchNormalization(algebra=algebra, mode=mode, **kwargs)

    stock = keras.layers.BatchNormalization
    layer_checks.check_equals_stock(ours, stock, arguments, shape, training=training)


@pytest.mark.parametrize("mode", MODES)
def test_real_algebra_equals_the_stock_layer_under_a_mask(mode):
    x, mask = data((4, 5, 3)), np.random.default_rng(0).uniform(size=(4, 5)) < 0.6
    ours, stock = (
        AlgebraBatchNormalization(algebra="real", mode=mode),
        keras.layers.BatchNormalization(),
    )
    # Not bit for bit: Keras before 3.15 hides by a product instead of a choice.
    assert_close(trained(ours, x, mask=mask), trained(stock, x, mask=mask))
    for mine, theirs in zip(ours.weights, stock.weights, strict=True):
        assert_close(ops.convert_to_numpy(mine), ops.convert_to_numpy(theirs))


def test_signature_is_the_stock_layers_then_ours_by_keyword():
    layer_checks.check_signature(AlgebraBatchNormalization, keras.layers.BatchNormalization)


@pytest.mark.parametrize("name", algebras.names())
def test_component_mode_is_the_stock_layer_on_all_real_channels(name):
    x, _ = batch(name)
    ours, stock = AlgebraBatchNormalization(algebra=name), keras.layers.BatchNormalization()
    np.testing.assert_array_equal(trained(ours, x), trained(stock, x))
    np.testing.assert_array_equal(ours(x), stock(x))


@pytest.mark.parametrize("name", algebras.names())
def test_scalar_mode_has_one_root_mean_square_an_element(name):
    x, elements = batch(name)
    layer = AlgebraBatchNormalization(algebra=name, mode="scalar", epsilon=0.01)
    centred = elements - elements.mean(0)
    expected = centred / np.sqrt((centred**2).mean((0, 1)) + 0.01)
    assert_close(trained(layer, x), expected.reshape(x.shape))
    assert layer.gamma.shape == layer.moving_variance.shape == (3,)


@pytest.mark.parametrize("name", algebras.names())
def test_whitening_leaves_the_identity_times_the_learned_affine_map(name):
    x, _ = batch(name, (400,))
    d = algebras.get(name).dimension
    arguments = {"algebra": name, "mode": "whitening", "epsilon": 1e-5}
    identity = np.eye(d)[:, :, None] * np.ones(3)
    plain = trained(AlgebraBatchNormalization(scale=False, **arguments), x)
    np.testing.assert_allclose(covariance(plain.reshape(-1, d, 3)), identity, atol=1e-3)
    layer = AlgebraBatchNormalization(**arguments)
    np.testing.assert_allclose(
        covariance(trained(layer, x).reshape(-1, d, 3)), identity / d, atol=1e-3
    )
    if d == 1:
        return
    rng = np.random.default_rng(1)
    triangle, offset = rng.normal(size=(d * (d + 1) // 2, 3)), rng.normal(size=(d * 3))
    layer.gamma.assign(triangle)
    layer.beta.assign(offset)
    y = trained(layer, x).reshape(-1, d, 3)
    matrix = np.zeros((d, d, 3))
    rows, columns = np.tril_indices(d)
    matrix[rows, columns] = matrix[columns, rows] = triangle
    expected = np.einsum("ijn,kjn->ikn", matrix, matrix)
    np.testing.assert_allclose(covariance(y), expected, atol=1e-3 * np.abs(expected).max())
    np.testing.assert_allclose(y.mean(0), offset.reshape(d, 3), atol=1e-3)


@pytest.mark.parametrize("name", ["complex", "quaternion"])
@pytest.mark.parametrize("mode", MODES)
def test_moving_statistics_follow_the_batches(mode, name):
    d = algebras.get(name).dimension
    layer = AlgebraBatchNormalization(algebra=name, mode=mode, momentum=0.75)
    mean, spread = np.zeros((d, 3)), np.eye(d)[:, :, None] * np.ones(3)
    for seed in range(3):
        x, elements = batch(name, seed=seed)
        trained(layer, x)
        mean = 0.75 * mean + 0.25 * elements.mean(0)
        spread = 0.75 * spread + 0.25 * covariance(elements)
    variance = np.einsum("iin->in", spread)
    assert_close(ops.convert_to_numpy(layer.moving_mean), mean.ravel())
    if mode == "whitening":
        assert layer.moving_variance is None
        assert_close(ops.convert_to_numpy(layer.moving_covariance), spread)
    else:
        expected = variance.mean(0) if mode == "scalar" else variance.ravel()
        assert layer.moving_covariance is None
        assert_close(ops.convert_to_numpy(layer.moving_variance), expected)


@pytest.mark.parametrize("name", ["complex", "quaternion", "m3r"])
@pytest.mark.parametrize("mode", MODES)
def test_inference_agrees_with_training_once_the_averages_have_settled(mode, name):
    x, _ = batch(name)
    layer = AlgebraBatchNormalization(algebra=name, mode=mode, momentum=0.5)
    for _ in range(40):
        y = trained(layer, x)
    assert_close(ops.convert_to_numpy(layer(x, training=False)), y, factor=5)
    layer.trainable = False
    before = [ops.convert_to_numpy(w) for w in layer.weights]
    frozen = trained(layer, 2 * x)
    np.testing.assert_array_equal(frozen, ops.convert_to_numpy(layer(2 * x, training=False)))
    for old, w in zip(before, layer.weights, strict=True):
        np.testing.assert_array_equal(old, ops.convert_to_numpy(w))


@pytest.mark.parametrize("mode", MODES)
def test_any_axis_holds_the_components(mode):
    x, _ = batch("quaternion", (6, 5, 4))
    first = AlgebraBatchNormalization(1, algebra="quaternion", mode=mode)
    last = AlgebraBatchNormalization(algebra="quaternion", mode=mode)
    moved = trained(first, np.moveaxis(x, -1, 1))
    assert_close(np.moveaxis(moved, 1, -1), trained(last, x))
    for a, b in zip(first.weights, last.weights, strict=True):
        assert_close(ops.convert_to_numpy(a), ops.convert_to_numpy(b))


@pytest.mark.parametrize("name", ["complex", "quaternion"])
@pytest.mark.parametrize("mode", MODES)
def test_masked_positions_do_not_count(mode, name):
    x, elements = batch(name, (8, 6))
    mask = np.random.default_rng(0).uniform(size=(8, 6)) < 0.5
    x[~mask] = 1e6
    masked = AlgebraBatchNormalization(algebra=name, mode=mode)
    alone = AlgebraBatchNormalization(algebra=name, mode=mode)
    y = trained(masked, x, mask=mask)
    assert_close(y[mask], trained(alone, elements[mask.ravel()].reshape(mask.sum(), -1)))
    for a, b in zip(masked.weights, alone.weights, strict=True):
        assert_close(ops.convert_to_numpy(a), ops.convert_to_numpy(b))


@pytest.mark.parametrize("mode", MODES)
def test_a_mask_arrives_from_a_masking_layer(mode):
    x, _ = batch("complex", (8, 6))
    x[:, 4:] = 0
    layer = AlgebraBatchNormalization(mode=mode, momentum=0.0)
    keras.Sequential([keras.Input((6, 6)), keras.layers.Masking(), layer])(x, training=True)
    assert_close(ops.convert_to_numpy(layer.moving_mean), x[:, :4].mean((0, 1)))


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("mode", MODES)
def test_statistics_are_float32_under_mixed_precision(mode, policy):
    x, _ = batch("complex", (30,))
    x = (300 * x).astype("float16")  # squares overflow in 16 bits
    layer = AlgebraBatchNormalization(mode=mode, dtype=policy)
    y = layer(x, training=True)
    assert keras.backend.standardize_dtype(y.dtype) == policy[len("mixed_") :]
    assert {keras.backend.standardize_dtype(w.dtype) for w in layer.weights} == {"float32"}
    exact = AlgebraBatchNormalization(mode=mode)
    kept = ops.convert_to_numpy(ops.cast(ops.cast(x, layer.compute_dtype), "float32"))
    dtype = layer.compute_dtype
    assert_close(ops.convert_to_numpy(ops.cast(y, "float32")), trained(exact, kept), dtype)
    for a, b in zip(layer.weights, exact.weights, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(a), ops.convert_to_numpy(b))


@pytest.mark.tensorflow
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", ["complex", "quaternion"])
@pytest.mark.parametrize("mode", MODES)
def test_gradients_in_training_equal_finite_differences(mode, name, masked):
    x, _ = batch(name, (2, 3), n=2)
    layer = AlgebraBatchNormalization(algebra=name, mode=mode, epsilon=0.1, dtype=DOUBLE)
    layer.build(x.shape)
    mask = np.array([[True, True, False], [True, True, True]]) if masked else None
    rng = np.random.default_rng(2)
    gamma, beta = (rng.normal(size=tuple(w.shape)) for w in (layer.gamma, layer.beta))
    state = [ops.cast(w, "float64") for w in layer.non_trainable_variables]

    def function(x, gamma, beta):
        return layer.stateless_call([gamma, beta], state, x, training=True, mask=mask)[0]

    check_gradient(function, x, gamma, beta, atol=1e-6)


@pytest.mark.parametrize("name", ["complex", "quaternion"])
def test_scalar_mode_commutes_with_unit_factors(name):
    algebra = algebras.get(name)
    x, elements = batch(name)
    unit = np.random.default_rng(4).normal(size=algebra.dimension)
    unit /= np.linalg.norm(unit)
    left = np.einsum("i,ijk->kj", unit, np.asarray(algebra.structure_constants, "float64"))
    moved = np.einsum("kj,bjn->bkn", left, elements).astype("float32").reshape(x.shape)
    modes = ["scalar", "whitening"] if name == "complex" else ["scalar"]
    for mode in modes:
        y = trained(AlgebraBatchNormalization(algebra=name, mode=mode), x)
        expected = np.einsum("kj,bjn->bkn", left, y.reshape(elements.shape))
        layer = AlgebraBatchNormalization(algebra=name, mode=mode)
        assert_close(trained(layer, moved).reshape(elements.shape), expected, factor=5)


@pytest.mark.parametrize("name", ["complex", "quaternion", "m4r"])
@pytest.mark.parametrize("mode", MODES)
def test_channels_without_full_rank_train(mode, name):
    d = algebras.get(name).dimension
    x = data((16, d, 3))
    x[:, :, 0] = 5.0
    x[:, :, 1] = x[:, :1, 1]
    x = x.reshape(16, -1)
    model = keras.Sequential(
        [
            keras.Input((d * 3,)),
            keras.layers.Dense(3 * d, kernel_initializer="identity"),
            AlgebraBatchNormalization(algebra=name, mode=mode),
            keras.layers.Dense(1),
        ]
    )
    model.compile("sgd", "mse")
    model.fit(x, np.ones((16, 1)), epochs=2, verbose=0)
    assert all(np.isfinite(ops.convert_to_numpy(w)).all() for w in model.weights)
    assert np.isfinite(model.predict(x, verbose=0)).all()


def test_complex_tensors_enter():
    z = np.random.default_rng(0).normal(size=(9, 4)).astype("float32") * np.complex64(1 + 2j)
    split = np.concatenate([z.real, z.imag], -1)
    layer, other = (AlgebraBatchNormalization(mode="whitening") for _ in range(2))
    np.testing.assert_array_equal(trained(layer, z), trained(other, split))


@pytest.mark.tensorflow
@pytest.mark.parametrize("mode", MODES)
def test_compiled_by_xla(mode):
    import tensorflow as tf

    x, _ = batch("quaternion", (6, 5))
    layer = AlgebraBatchNormalization(algebra="quaternion", mode=mode)
    expected = trained(layer, x)

    @tf.function(jit_compile=True)
    def compiled(x):
        return layer(x, training=True)

    assert_close(compiled(x), expected, factor=5)


@pytest.mark.tensorflow
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_synchronized_replicas_share_the_statistics_of_the_whole_batch(mode, masked):
    """Replicas of different sizes, values and gradients against one device with all rows."""
    import tensorflow as tf

    from tests.helpers.replicas import two_replicas

    x, _ = batch("quaternion", (10, 2))
    mask = np.random.default_rng(0).uniform(size=(10, 2)) < 0.7 if masked else None
    weight = data(x.shape, seed=5)
    parts = [slice(0, 4), slice(4, 10)]
    strategy = two_replicas()
    arguments = {"algebra": "quaternion", "mode": mode}
    with strategy.scope():
        layer = AlgebraBatchNormalization(synchronized=True, **arguments)
        layer.build(x.shape)

    def step(layer, x, weight, mask):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True, mask=mask)
            loss = tf.reduce_sum(y * weight)
        return y, tape.gradient(loss, x)

    @tf.function
    def distributed():
        values = [
            strategy.experimental_distribute_values_from_function(
                lambda c, v=v: tf.constant(v[parts[c.replica_id_in_sync_group]])
            )
            for v in (x, weight, np.ones((10, 2), bool) if mask is None else mask)
        ]
        return strategy.run(
            lambda a, b, m: step(layer, a, b, m if masked else None), args=tuple(values)
        )

    y, slope = (np.concatenate(strategy.experimental_local_results(v)) for v in distributed())
    alone = AlgebraBatchNormalization(**arguments)
    alone.build(x.shape)
    expected, expected_slope = step(alone, tf.constant(x), tf.constant(weight), mask)
    assert_close(y, expected)
    assert_close(slope, expected_slope, factor=5)
    for a, b in zip(layer.weights, alone.weights, strict=True):
        assert_close(ops.convert_to_numpy(a.value), ops.convert_to_numpy(b))


X = np.ones((2, 6), "float32")
MASK = np.ones((2, 6), bool)

# (what is done, words of the message)
ERRORS = [
    (lambda: AlgebraBatchNormalization(mode="zca"), ["'component'", "'whitening'", "mode='zca'"]),
    (lambda: AlgebraBatchNormalization(renorm=True), ["`renorm`", "renorm=True"]),
    (
        lambda: AlgebraBatchNormalization(algebra="quaternion")(X),
        ["multiple of", "dimension 4", "size=6", "quaternion"],
    ),
    (
        lambda: AlgebraBatchNormalization(1)(np.ones((2, 3, 4), "float32")),
        ["axis 1", "multiple of", "size=3"],
    ),
    (lambda: AlgebraBatchNormalization(2)(X), ["between -2 and 1", "axis=2"]),
    (
        lambda: AlgebraBatchNormalization()(X, mask=MASK),
        ["one axis less", "mask.shape=(2, 6)", "inputs.shape=(2, 6)"],
    ),
    (
        lambda: AlgebraBatchNormalization(1, mode="whitening")(
            np.ones((2, 6, 3), "float32"), training=True, mask=MASK
        ),
        ["cuts elements apart", "axis=1", "mask.shape=(2, 6)"],
    ),
    (
        lambda: AlgebraBatchNormalization(1)(np.ones((2, 6, 3), "complex64")),
        ["complex tensor", "`axis=-1`", "axis=1"],
    ),
    (lambda: AlgebraBatchNormalization().build((None, None)), ["static size", "size=None"]),
]


@pytest.mark.parametrize(("action", "words"), ERRORS, ids=range(len(ERRORS)))
def test_error_says_what_was_expected_and_received(action, words):
    with pytest.raises(ValueError, match="Received") as caught:
        action()
    for word in words:
        assert word in str(caught.value), str(caught.value)


def test_synchronized_needs_tensorflow(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match=r"tf\.distribute.*Received: synchronized=True"):
        AlgebraBatchNormalization(synchronized=True)
