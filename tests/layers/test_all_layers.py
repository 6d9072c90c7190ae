"""Properties that every layer has. A new layer joins by a row in `LAYERS`."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_phase
from keras_phase import algebras
from tests.helpers import layer_checks
from tests.helpers.layer_checks import data
from tests.helpers.tolerances import assert_close

NON_ZERO = keras.initializers.RandomUniform(0.1, 0.2, seed=1)

# (class, arguments, input shape(s) for algebra complex, trainable weights): no argument at its
# default where the layer has another value to offer.
LAYERS = [
    (keras_phase.AlgebraDense, {"units": 3}, (2, 8), 2),
    (
        keras_phase.AlgebraDense,
        {
            "units": 3,
            "activation": "modrelu",
            "use_bias": False,
            "kernel_initializer": "he_normal",
            "kernel_regularizer": "l2",
            "kernel_constraint": keras.constraints.MaxNorm(2.0),
            "parametrization": "Polar",
            "method": "expanded",
        },
        (2, 5, 8),
        3,
    ),
    (keras_phase.AlgebraDense, {"units": 3, "algebra": "quaternion"}, (2, 8), 2),
    (keras_phase.PhaseDense, {"units": 3, "activation": "relu"}, (2, 8), 2),
    (
        keras_phase.PhaseDense,
        {"units": 3, "amplitude": "unit", "phase_bits": 2, "bias_initializer": NON_ZERO},
        (2, 8),
        3,
    ),
    (keras_phase.PhaseDense, {"units": 3, "amplitude": "one", "algebra": "real"}, (2, 8), 3),
    (keras_phase.PhaseCodedDense, {"units": 3, "phase_bits": 2}, (2, 8), 1),
    (
        keras_phase.PhaseCodedDense,
        {
            "units": 3,
            "activation": "modrelu",
            "use_bias": False,
            "phase_bits": 1,
            "zeros": True,
            "algebra": "real",
        },
        (2, 5, 7),
        1,
    ),
    (keras_phase.ToAlgebra, {}, (2, 4), 0),
    (keras_phase.ToAlgebra, {"how": "learned", "hidden_units": 3, "algebra": "m2r"}, (2, 4), 4),
    (keras_phase.ToAlgebra, {"how": "reshape", "interleaved": True}, (2, 3, 4), 0),
    (keras_phase.FromAlgebra, {}, (2, 4), 0),
    (keras_phase.FromAlgebra, {"to": "squared_norm", "algebra": "quaternion"}, (2, 3, 4), 0),
    (keras_phase.FromAlgebra, {"to": "first"}, (2, 4), 0),
    (keras_phase.FromAlgebra, {"to": "concat"}, (2, 4), 0),
    (keras_phase.Modulus, {"algebra": "octonion"}, (2, 16), 0),
    (keras_phase.PhaseEncode, {"scale": 1.5}, (2, 4), 0),
    (keras_phase.AlgebraFlatten, {"data_format": "channels_first"}, (2, 4, 3, 3), 0),
    (keras_phase.AlgebraReshape, {"target_shape": (3, -1)}, (2, 12), 0),
    (keras_phase.AlgebraConcatenate, {"axis": -1}, [(2, 3, 4), (2, 3, 6)], 0),
    (keras_phase.AlgebraConcatenate, {"axis": 1}, [(2, 3, 4), (2, 5, 4)], 0),
    (keras_phase.AlgebraActivation, {"activation": "modrelu"}, (2, 4), 1),
    (keras_phase.AlgebraActivation, {"activation": "cardioid"}, (2, 3, 4), 0),
    (keras_phase.AlgebraDropout, {"rate": 0.4, "seed": 3}, (2, 3, 4), 0),
]
IDS = [f"{cls.__name__}-{i}" for i, (cls, *_) in enumerate(LAYERS)]

# Our layer with algebra="real" and the stock twin: (ours, stock, arguments, input shape(s)).
TWINS = [
    (keras_phase.AlgebraDense, keras.layers.Dense, {"units": 5, "activation": "relu"}, (3, 7)),
    (keras_phase.PhaseDense, keras.layers.Dense, {"units": 5, "activation": "tanh"}, (3, 2, 7)),
    (keras_phase.AlgebraFlatten, keras.layers.Flatten, {}, (3, 2, 5, 4)),
    (
        keras_phase.AlgebraFlatten,
        keras.layers.Flatten,
        {"data_format": "channels_first"},
        (3, 2, 5, 4),
    ),
    (keras_phase.AlgebraReshape, keras.layers.Reshape, {"target_shape": (3, -1)}, (2, 12)),
    (keras_phase.AlgebraConcatenate, keras.layers.Concatenate, {"axis": -1}, [(2, 3), (2, 4)]),
    (keras_phase.AlgebraActivation, keras.layers.Activation, {"activation": "gelu"}, (2, 3)),
    (keras_phase.AlgebraDropout, keras.layers.Dropout, {"rate": 0.5, "seed": 7}, (20, 30)),
]


@pytest.mark.parametrize(("cls", "arguments", "shape", "weights"), LAYERS, ids=IDS)
def test_keras_layer_test(cls, arguments, shape, weights):
    layer_checks.check_keras_layer_test(cls, arguments, shape, weights)


@pytest.mark.parametrize(("cls", "arguments", "shape", "weights"), LAYERS, ids=IDS)
def test_reloads_with_every_argument_and_the_same_output(cls, arguments, shape, weights, tmp_path):
    layer_checks.check_round_trips(cls, arguments, shape, tmp_path)


@pytest.mark.tensorflow
@pytest.mark.parametrize(("cls", "arguments", "shape", "weights"), LAYERS, ids=IDS)
def test_exports_with_stock_ops(cls, arguments, shape, weights, tmp_path):
    layer_checks.check_saved_model(cls, arguments, shape, tmp_path)


@pytest.mark.parametrize(("cls", "arguments", "shape", "weights"), LAYERS, ids=IDS)
def test_unknown_batch_size_keeps_the_other_sizes(cls, arguments, shape, weights):
    layer_checks.check_unknown_batch_size(cls, arguments, shape)


@pytest.mark.parametrize(("ours", "stock", "arguments", "shape"), TWINS)
def test_real_algebra_equals_the_stock_layer_bit_for_bit(ours, stock, arguments, shape):
    training = {"training": True} if stock is keras.layers.Dropout else {}
    layer_checks.check_equals_stock(ours, stock, arguments, shape, **training)


@pytest.mark.parametrize(
    ("ours", "stock"), sorted({t[:2] for t in TWINS}, key=lambda t: t[0].__name__)
)
def test_signature_is_the_stock_layers_then_ours_by_keyword(ours, stock):
    layer_checks.check_signature(ours, stock)


@pytest.mark.parametrize("name", algebras.names())
def test_every_algebra_passes_through_every_layer(name):
    d = algebras.get(name).dimension
    x = data((2, 3, 4))
    model = keras.Sequential(
        [
            keras.Input((3, 4)),
            keras_phase.ToAlgebra(algebra=name),
            keras_phase.AlgebraDense(6, activation="relu", algebra=name),
            keras_phase.AlgebraDropout(0.5, algebra=name),
            keras_phase.AlgebraReshape((2, 9), algebra=name),
            keras_phase.AlgebraActivation("unit_modulus", algebra=name),
            keras_phase.AlgebraFlatten(algebra=name),
            keras_phase.PhaseDense(5, algebra=name, amplitude="unit"),
            keras_phase.Modulus(algebra=name),
        ]
    )
    assert model.predict(x, verbose=0).shape == (2, 5)
    assert model.layers[1].kernel.shape == (d, 4, 6)
    assert np.isfinite(model.predict(np.zeros_like(x), verbose=0)).all()


def test_flatten_and_reshape_keep_elements_whole():
    elements = np.random.default_rng(0).normal(size=(2, 3, 4, 2)) * (1 + 2j)
    x = np.concatenate([elements.real, elements.imag], axis=-1).astype("float32")
    flat = ops.convert_to_numpy(keras_phase.AlgebraFlatten()(x))
    expected = elements.reshape(2, -1)
    assert_close(flat, np.concatenate([expected.real, expected.imag], -1))
    back = keras_phase.AlgebraReshape((3, 4, 2))(flat)
    assert_close(ops.convert_to_numpy(back), x)


def test_dropout_drops_whole_elements_and_keeps_the_mean():
    x = np.ones((200, 2 * 50), "float32")
    y = ops.convert_to_numpy(keras_phase.AlgebraDropout(0.25, seed=0)(x, training=True))
    real, imag = y[:, :50], y[:, 50:]
    np.testing.assert_array_equal(real == 0, imag == 0)
    assert abs((real == 0).mean() - 0.25) < 0.02
    assert_close(real[real != 0], np.full((real != 0).sum(), 4 / 3))


def test_phase_encode_is_the_paper_formula():
    x = data((3, 5))
    y = ops.convert_to_numpy(keras_phase.PhaseEncode()(x))
    expected = x * np.exp(1j * np.pi * x)
    assert_close(y, np.concatenate([expected.real, expected.imag], -1))
