"""Both parametrizations: kernel and back, pruning, projections that hold in training."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_phase
from keras_phase import algebras, parametrizations
from keras_phase.ops import phase_code
from keras_phase.parametrizations import Cartesian, Polar
from tests.helpers import label

ALGEBRAS = algebras.names()
ALL = [Cartesian(), Polar("element"), Polar("unit"), Polar("one")]


def built(parametrization, algebra="complex", shape=(5, 4), seed=0):
    d = algebras.get(algebra).dimension
    keras.utils.set_random_seed(seed)
    layer = keras_phase.AlgebraDense(
        shape[1], algebra=algebra, parametrization=parametrization, name="host"
    )
    layer.build((None, d * shape[0]))
    return layer.kernel_parametrization


def numpy(x):
    return np.asarray(ops.convert_to_numpy(x), dtype="float64")


def modulus(kernel):
    return np.sqrt((kernel**2).sum(axis=0))


@pytest.mark.parametrize("name", ALGEBRAS)
@pytest.mark.parametrize("parametrization", ALL, ids=label)
def test_kernel_shows_the_component_axis(parametrization, name):
    p = built(parametrization, name)
    assert tuple(p.kernel().shape) == (algebras.get(name).dimension, 5, 4)
    assert p.path == "host/kernel"
    assert np.isfinite(numpy(p.kernel())).all()


@pytest.mark.parametrize("name", ALGEBRAS)
@pytest.mark.parametrize("parametrization", ALL[:2], ids=label)
def test_set_kernel_is_undone_by_kernel(parametrization, name):
    if name == "real" and isinstance(parametrization, Polar):
        value = np.array([[[1.0, -2.0, 0.0, 3.0]] * 5])
    else:
        value = np.random.default_rng(0).normal(size=(algebras.get(name).dimension, 5, 4))
    p = built(parametrization, name)
    p.set_kernel(value)
    np.testing.assert_allclose(numpy(p.kernel()), value, atol=1e-6)


def test_polar_starts_as_the_drawn_kernel_or_its_means():
    cartesian = numpy(built(Cartesian()).kernel())
    np.testing.assert_allclose(numpy(built(Polar("element")).kernel()), cartesian, atol=1e-6)
    unit = numpy(built(Polar("unit")).kernel())
    np.testing.assert_allclose(
        modulus(unit), np.tile(modulus(cartesian).mean(axis=0), (5, 1)), rtol=1e-5
    )
    np.testing.assert_allclose(
        np.angle(unit[0] + 1j * unit[1]), np.angle(cartesian[0] + 1j * cartesian[1]), atol=1e-5
    )
    one = numpy(built(Polar("one")).kernel())
    np.testing.assert_allclose(modulus(one), modulus(cartesian).mean(), rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "bits"), [("real", 1), ("complex", 2), ("complex", 3), ("quaternion", 3), ("m2r", 4)]
)
def test_phase_bits_leave_code_points_only(name, bits):
    p = built(Polar("one", bits), name)
    kernel = numpy(p.kernel())
    directions = (kernel / modulus(kernel)).reshape(kernel.shape[0], -1).T
    points = phase_code.code_points(name, bits)
    assert len(points) == 2**bits
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1)
    assert len(np.unique(points.round(6), axis=0)) == 2**bits
    assert np.abs(directions[:, None] - points).max(axis=2).min(axis=1).max() < 1e-6


def test_code_points_of_complex_start_at_zero_and_turn_left():
    points = phase_code.code_points("complex", 3)
    np.testing.assert_allclose(
        np.unwrap(np.arctan2(points[:, 1], points[:, 0])), np.arange(8) * np.pi / 4, atol=1e-12
    )


def test_rounding_keeps_zeros():
    unit = ops.convert_to_tensor(np.array([[0.0, 0.8], [0.0, 0.6]]))
    rounded = numpy(phase_code.round_to_code(unit, phase_code.code_points("complex", 2)))
    assert rounded[:, 0].tolist() == [0, 0]
    np.testing.assert_allclose(rounded[:, 1], [1, 0], atol=1e-12)


@pytest.mark.parametrize("parametrization", ALL, ids=label)
@pytest.mark.parametrize("name", ["complex", "quaternion", "real"])
def test_pruning_to_zero_leaves_the_others_untouched(parametrization, name):
    p = built(parametrization, name)
    before = numpy(p.kernel())
    mask = np.random.default_rng(0).random((1, 5, 4)) < 0.5
    p.prune(mask, np.zeros_like(before))
    after = numpy(p.kernel())
    kept = np.broadcast_to(mask, before.shape)
    np.testing.assert_array_equal(after[kept], before[kept])
    assert not after[~kept].any()


def test_pruning_the_amplitude_keeps_latent_directions():
    p = built(Polar("element", 2))
    latent = numpy(p.variables[0])
    kernel = numpy(p.kernel())
    mask = np.zeros((1, 5, 4), bool)
    p.prune(mask, 0.3 * kernel / modulus(kernel))
    np.testing.assert_array_equal(numpy(p.variables[0]), latent)
    np.testing.assert_allclose(modulus(numpy(p.kernel())), 0.3, rtol=1e-5)


@pytest.mark.parametrize("parametrization", ALL, ids=label)
def test_a_projection_holds_after_every_step_and_can_be_lifted(parametrization):
    layer = keras_phase.AlgebraDense(4, parametrization=parametrization)
    model = keras.Sequential([keras.Input((10,)), layer, keras_phase.Modulus()])
    model.compile("adam", "mse")
    p = layer.kernel_parametrization
    mask = np.random.default_rng(0).random((1, 5, 4)) < 0.5
    p.prune(mask, np.zeros((2, 5, 4)))
    p.constrain(lambda w: ops.where(mask, w, ops.zeros_like(w)))
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(32, 10)), rng.normal(size=(32, 4))
    before = numpy(p.kernel())
    model.fit(x, y, batch_size=8, verbose=0)
    after = numpy(p.kernel())
    kept = np.broadcast_to(mask, after.shape)
    assert not after[~kept].any()
    assert (after[kept] != before[kept]).all()
    p.constrain(None)
    assert all(v.constraint is None for v in p.variables)


def test_the_users_constraint_comes_first_and_returns():
    norm = keras.constraints.MaxNorm(0.5)
    layer = keras_phase.AlgebraDense(4, kernel_constraint=norm)
    layer.build((None, 10))
    p = layer.kernel_parametrization
    variable = p.variables[0]
    p.constrain(lambda w: 2 * w)
    p.constrain(lambda w: 3 * w)
    w = np.ones((2, 5, 4), "float32")
    np.testing.assert_allclose(numpy(variable.constraint(w)), 3 * numpy(norm(w)), rtol=1e-6)
    p.constrain(None)
    assert variable.constraint is norm


@pytest.mark.parametrize("name", ALGEBRAS)
def test_an_amplitude_projection_holds_for_polar_elements(name):
    layer = keras_phase.AlgebraDense(4, algebra=name, parametrization=Polar("element"))
    d = layer.algebra.dimension
    model = keras.Sequential([keras.Input((5 * d,)), layer])
    model.compile(keras.optimizers.Adam(0.1), "mse")
    p = layer.kernel_parametrization
    p.constrain(lambda w: 0.2 * w / ops.sqrt(ops.sum(w * w, axis=0, keepdims=True)))
    rng = np.random.default_rng(0)
    model.fit(rng.normal(size=(16, 5 * d)), rng.normal(size=(16, 4 * d)), verbose=0)
    np.testing.assert_allclose(modulus(numpy(p.kernel())), 0.2, rtol=1e-4)


def test_stock_layers_are_viewed_in_the_real_algebra():
    dense, conv = keras.layers.Dense(3), keras.layers.Conv2D(2, 3)
    norm = keras.layers.BatchNormalization()
    dense.build((None, 4))
    conv.build((None, 8, 8, 5))
    norm.build((None, 4))
    (p,) = parametrizations.of(dense)
    assert p.kernel().shape == (1, 4, 3)
    assert p.algebra.name == "real"
    assert p.path == dense.kernel.path
    (q,) = parametrizations.of(conv)
    assert q.kernel().shape == (1, 3, 3, 5, 2)
    assert parametrizations.of(norm) == []
    attention = keras.layers.MultiHeadAttention(2, 3)
    attention.build((None, 4, 6), (None, 4, 6))
    assert parametrizations.of(attention) == []
    inner = parametrizations.sublayers(attention)
    assert sum(len(parametrizations.of(layer)) for layer in inner) == 4


def test_one_description_serves_many_layers():
    polar = Polar("unit")
    first, second = (keras_phase.AlgebraDense(2, parametrization=polar) for _ in range(2))
    first.build((None, 4))
    second.build((None, 4))
    assert first.kernel_parametrization is not second.kernel_parametrization
    assert (
        first.kernel_parametrization.variables[0] is not second.kernel_parametrization.variables[0]
    )


@pytest.mark.parametrize("parametrization", [*ALL, Polar("unit", 2)], ids=label)
def test_config_round_trip(parametrization):
    again = parametrizations.get(parametrizations.serialize(parametrization))
    assert type(again) is type(parametrization)
    assert again.get_config() == parametrization.get_config()


@pytest.mark.parametrize(
    ("parametrization", "value", "words"),
    [
        (Cartesian(), np.zeros((1, 5, 4)), ["(2, 5, 4)", "value.shape=(1, 5, 4)"]),
        (Polar("one"), np.arange(40.0).reshape(2, 5, 4), ["one amplitude per layer", "'one'"]),
        (Polar("unit"), np.arange(40.0).reshape(2, 5, 4), ["per output unit", "'unit'"]),
        (Polar("element", 2), np.ones((2, 5, 4)), ["code points", "phase_bits=2"]),
    ],
)
def test_what_cannot_be_represented_is_an_error(parametrization, value, words):
    with pytest.raises(ValueError) as error:
        built(parametrization).set_kernel(value)
    for word in words:
        assert word in str(error.value)


def test_phase_dense_shows_phase_and_amplitude():
    layer = keras_phase.PhaseDense(3)
    layer.build((None, 8))
    kernel = numpy(layer.kernel)
    np.testing.assert_allclose(numpy(layer.phase), np.angle(kernel[0] + 1j * kernel[1]), atol=1e-6)
    np.testing.assert_allclose(numpy(layer.amplitude), modulus(kernel), rtol=1e-6)
    real = keras_phase.PhaseDense(3, algebra="real")
    real.build((None, 8))
    np.testing.assert_array_equal(numpy(real.phase), np.sign(numpy(real.kernel)[0]))
    quaternion = keras_phase.PhaseDense(3, algebra="quaternion")
    quaternion.build((None, 8))
    np.testing.assert_allclose((numpy(quaternion.phase) ** 2).sum(axis=0), 1, rtol=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="gradients by GradientTape")
def test_straight_through_gradients():
    tf = pytest.importorskip("tensorflow")
    p = built(Polar("one"), "real")
    with tf.GradientTape() as tape:
        loss = ops.sum(p.kernel() * 2.0)
    direction, amplitude = tape.gradient(loss, [v.value for v in p.variables])
    np.testing.assert_allclose(direction, np.full((5, 4), 2 * float(p.variables[1])), rtol=1e-6)
    np.testing.assert_allclose(amplitude, 2 * np.sign(numpy(p.variables[0])).sum(), rtol=1e-5)
