"""Phase collapse, standardization and channel normalisation."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_phase
from tests.helpers import layer_checks
from tests.helpers.gradients import check_gradient, gradients
from tests.helpers.layer_checks import data

Collapse = keras_phase.PhaseCollapse
Standardize = keras_phase.ComplexStandardization
Normalize = keras_phase.ChannelNormalization

# (class, arguments, input shape, trainable weights): no argument at its default where possible.
CASES = [
    (Collapse, {"low_pass": 1}, (2, 3, 8), 0),
    (
        Collapse,
        {"skip": True, "algebra": "quaternion", "data_format": "channels_first"},
        (2, 8, 3),
        0,
    ),
    (Collapse, {"low_pass": 2, "activation": "soft_threshold"}, (2, 3, 8), 1),
    (Collapse, {"skip": True, "activation": "modulus_sigmoid"}, (2, 3, 4), 2),
    (Collapse, {"activation": "amplitude_squash", "algebra": "real"}, (2, 3, 4), 0),
    (Normalize, {"axis": 1, "epsilon": 0.1}, (2, 4, 3), 0),
    (Normalize, {"algebra": "quaternion"}, (2, 3, 8), 0),
]
IDS = [f"{cls.__name__}-{i}" for i, (cls, *_) in enumerate(CASES)]
STANDARDIZE = [
    ({"momentum": 0.5, "epsilon": 0.1, "synchronized": False}, (5, 3, 4)),
    ({"axis": 1, "algebra": "quaternion"}, (5, 8, 3)),
]


def numpy_of(x):
    return ops.convert_to_numpy(x)


def complex_of(x, axis=-1):
    real, imag = np.split(numpy_of(x), 2, axis)
    return real + 1j * imag


def test_collapse_with_and_without_skip():
    x = data((2, 5, 8))
    z = complex_of(x)
    y = complex_of(Collapse(low_pass=1)(x))
    np.testing.assert_allclose(y[..., :1], z[..., :1])
    np.testing.assert_allclose(y[..., 1:], np.abs(z)[..., 1:], rtol=1e-6)
    y = complex_of(Collapse(skip=True)(x))
    np.testing.assert_allclose(y, np.concatenate([z, np.abs(z)], -1), rtol=1e-6)


# Activation by name and what it does to the modulus r, weights at their start.
ALTERNATIVES = {
    "soft_threshold": lambda r: np.maximum(r - 0.1, 0),
    "modulus_sigmoid": lambda r: 1 / (1 + np.exp(-r)),
    "unit_modulus": lambda r: np.ones_like(r),
    "amplitude_squash": np.tanh,
}


@pytest.mark.parametrize("name", ALTERNATIVES)
@pytest.mark.parametrize("skip", [False, True])
def test_alternatives_keep_the_phase(name, skip):
    x = data((2, 5, 8))
    z = complex_of(x)
    expected = ALTERNATIVES[name](np.abs(z)) * z / np.abs(z)
    y = complex_of(Collapse(low_pass=1, skip=skip, activation=name)(x))
    kept = z if skip else z[..., :1]
    changed = expected if skip else expected[..., 1:]
    np.testing.assert_allclose(y, np.concatenate([kept, changed], -1), rtol=1e-5, atol=1e-6)


def test_the_mean_over_phases_vanishes_unless_they_collapse():
    """The paper's theory: a law that turns freely has mean 0, its moduli have not."""
    phases = np.exp(2j * np.pi * np.arange(8) / 8)[:, None] * np.array([1.0, 2.0])
    x = np.concatenate([phases.real, phases.imag], -1).astype("float32")
    np.testing.assert_allclose(complex_of(Collapse()(x)).mean(0), [1, 2], atol=1e-6)
    for name in ALTERNATIVES:
        mean = complex_of(Collapse(activation=name)(x)).mean(0)
        np.testing.assert_allclose(mean, 0, atol=1e-6)


def test_real_algebra_takes_absolute_values():
    x = data((2, 5))
    y = numpy_of(Collapse(low_pass=2, algebra="real")(x))
    np.testing.assert_allclose(y, np.concatenate([x[:, :2], np.abs(x[:, 2:])], -1))


@pytest.mark.parametrize("activation", [None, *ALTERNATIVES])
def test_zero_and_nan(activation):
    layer = Collapse(skip=True, activation=activation)
    zero = np.zeros((2, 4), "float32")
    np.testing.assert_array_equal(numpy_of(layer(zero)), 0)
    (slope,) = gradients(layer, zero)
    assert np.isfinite(slope).all()
    y = numpy_of(layer(np.full((1, 4), np.nan, "float32")))
    assert np.isnan(y[:, :2]).all()


@pytest.mark.tensorflow
@pytest.mark.parametrize("activation", [None, "soft_threshold", "modulus_sigmoid"])
def test_gradient_of_the_collapse(activation):
    layer = Collapse(low_pass=1, activation=activation, dtype="float64")
    check_gradient(layer, 1.0 + np.abs(data((2, 6))))


@pytest.mark.parametrize("algebra", ["real", "complex", "quaternion"])
def test_standardization_gives_mean_0_and_mean_squared_modulus_1(algebra):
    d = keras_phase.algebras.get(algebra).dimension
    x = 3 + 2 * data((40, 5, d * 3))
    layer = Standardize(algebra=algebra)
    y = numpy_of(layer(x, training=True)).reshape(200, d, 3)
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose((y**2).sum(1).mean(0), 1, rtol=1e-4)
    assert not layer.trainable_weights


def test_standardization_is_the_formula_of_the_paper():
    x = data((30, 4))
    z = complex_of(x)
    centred = z - z.mean(0)
    expected = centred / np.sqrt((np.abs(centred) ** 2).mean(0) + 0.5)
    layer = Standardize(epsilon=0.5, momentum=0.75)
    np.testing.assert_allclose(complex_of(layer(x, training=True)), expected, atol=1e-5)
    mean = 0.25 * z.mean(0)
    # In the variables, the variance is that of a component.
    variance = 2 * (0.75 * 1 + 0.25 * (np.abs(centred) ** 2).mean(0) / 2)
    expected = (z - mean) / np.sqrt(variance + 0.5)
    np.testing.assert_allclose(complex_of(layer(x)), expected, atol=1e-5)


def test_standardization_turns_with_its_input():
    x = data((30, 4))
    turned = complex_of(x) * np.exp(0.7j)
    y = complex_of(Standardize()(x, training=True)) * np.exp(0.7j)
    both = np.concatenate([turned.real, turned.imag], -1).astype("float32")
    np.testing.assert_allclose(complex_of(Standardize()(both, training=True)), y, atol=1e-5)


def test_a_constant_channel_becomes_0():
    y = numpy_of(Standardize()(np.full((5, 4), 3.0, "float32"), training=True))
    np.testing.assert_allclose(y, 0, atol=1e-5)


def test_channel_normalisation_divides_by_the_norm():
    x = data((2, 5, 8))
    y = numpy_of(Normalize()(x))
    norm = np.linalg.norm(x, axis=-1, keepdims=True)
    np.testing.assert_allclose(y, x / norm, rtol=1e-5)
    first = numpy_of(Normalize(axis=1)(np.moveaxis(x, -1, 1)))
    np.testing.assert_allclose(np.moveaxis(first, 1, -1), y, atol=1e-6)


def test_channel_normalisation_of_0():
    zero = np.zeros((2, 4), "float32")
    np.testing.assert_array_equal(numpy_of(Normalize(epsilon=1e-2)(zero)), 0)
    (slope,) = gradients(Normalize(epsilon=1e-2), zero)
    np.testing.assert_allclose(slope, 10, rtol=1e-5)


@pytest.mark.tensorflow
def test_gradient_of_the_channel_normalisation():
    check_gradient(Normalize(epsilon=0.1, dtype="float64"), data((2, 6)))


def test_large_numbers_in_float16_do_not_overflow():
    x = np.full((1, 4), 1000.0, "float16")
    y = numpy_of(Normalize(dtype="float16")(x))
    np.testing.assert_allclose(y, 0.5, rtol=1e-3)


@pytest.mark.parametrize(("cls", "arguments", "shape", "weights"), CASES, ids=IDS)
def test_keras_layer_test(cls, arguments, shape, weights):
    layer_checks.check_keras_layer_test(cls, arguments, shape, weights)


@pytest.mark.parametrize(("arguments", "shape"), STANDARDIZE)
def test_keras_layer_test_of_the_standardization(arguments, shape):
    layer_checks.check_keras_layer_test(
        Standardize, arguments, shape, 0, expected_num_non_trainable_weights=2
    )


EVERY = [*CASES, *((Standardize, a, s, 0) for a, s in STANDARDIZE)]
EVERY_ID = [*IDS, "ComplexStandardization-0", "ComplexStandardization-1"]


@pytest.mark.parametrize(("cls", "arguments", "shape", "weights"), EVERY, ids=EVERY_ID)
def test_reloads_with_every_argument_and_the_same_output(cls, arguments, shape, weights, tmp_path):
    layer_checks.check_round_trips(cls, arguments, shape, tmp_path)


@pytest.mark.tensorflow
@pytest.mark.parametrize(("cls", "arguments", "shape", "weights"), EVERY, ids=EVERY_ID)
def test_exports_with_stock_ops(cls, arguments, shape, weights, tmp_path):
    layer_checks.check_saved_model(cls, arguments, shape, tmp_path)


@pytest.mark.parametrize(("cls", "arguments", "shape", "weights"), EVERY, ids=EVERY_ID)
def test_unknown_batch_size_keeps_the_other_sizes(cls, arguments, shape, weights):
    layer_checks.check_unknown_batch_size(cls, arguments, shape)


def test_configs_hold_the_arguments_of_the_constructor():
    layer = Standardize(axis=1, momentum=0.5, epsilon=0.1)
    again = Standardize.from_config(layer.get_config())
    assert (again.axis, again.momentum, again.get_config()["epsilon"]) == (1, 0.5, 0.1)
    assert again.epsilon == layer.epsilon


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Collapse(-1), "`low_pass`.*low_pass=-1"),
        (lambda: Collapse(3)(data((2, 4))), r"at most 2.*low_pass=3, input_shape=\(2, 4\)"),
        (lambda: Collapse(activation="softmax"), "softmax"),
        (lambda: Collapse()(data((2, 5))), "multiple of"),
        (lambda: Normalize(epsilon=0.0), "positive `epsilon`.*epsilon=0.0"),
        (lambda: Normalize()(data((2, 5))), "multiple of"),
        (lambda: Standardize()(data((2, 5))), "multiple of"),
    ],
)
def test_bad_arguments_and_inputs_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_dtype_of_the_output_follows_the_policy():
    for layer in (Collapse(dtype="mixed_float16"), Standardize(dtype="mixed_float16")):
        y = layer(data((3, 4)))
        assert keras.backend.standardize_dtype(y.dtype) == "float16"
