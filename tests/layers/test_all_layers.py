"""Properties that every layer has. A new layer joins by a row in `LAYERS`."""

import inspect

import keras
import numpy as np
import pytest
from keras import ops

import keras_phase
from keras_phase import algebras
from tests.helpers.keras_testing import run_layer_test
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


def data(shape, seed=0):
    if isinstance(shape, list):
        return [data(s, seed + i) for i, s in enumerate(shape)]
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.mark.parametrize(("cls", "arguments", "shape", "weights"), LAYERS, ids=IDS)
def test_keras_layer_test(cls, arguments, shape, weights):
    run_layer_test(
        cls,
        arguments,
        input_shape=shape,
        expected_num_trainable_weights=weights,
        run_training_check=weights > 0,
    )


@pytest.mark.parametrize(("cls", "arguments", "shape", "weights"), LAYERS, ids=IDS)
def test_reloads_with_every_argument_and_the_same_output(cls, arguments, shape, weights, tmp_path):
    shapes = shape if isinstance(shape, list) else [shape]
    inputs = [keras.Input(s[1:]) for s in shapes]
    layer = cls(**arguments)
    model = keras.Model(inputs, layer(inputs if isinstance(shape, list) else inputs[0]))
    x = data(shape)
    expected = model.predict(x, verbose=0)
    model.save(tmp_path / "model.keras")
    reloaded = keras.saving.load_model(tmp_path / "model.keras")
    assert reloaded.layers[-1].get_config() == layer.get_config()
    np.testing.assert_array_equal(reloaded.predict(x, verbose=0), expected)
    clone = keras.models.clone_model(model)
    model.save_weights(tmp_path / "model.weights.h5")
    clone.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(clone.predict(x, verbose=0), expected)


@pytest.mark.parametrize(("cls", "arguments", "shape", "weights"), LAYERS, ids=IDS)
def test_unknown_batch_size_keeps_the_other_sizes(cls, arguments, shape, weights):
    shapes = shape if isinstance(shape, list) else [shape]
    inputs = [keras.KerasTensor((None, *s[1:])) for s in shapes]
    layer = cls(**arguments)
    symbolic = layer(inputs if isinstance(shape, list) else inputs[0])
    assert symbolic.shape[0] is None
    assert tuple(symbolic.shape[1:]) == tuple(layer(data(shape)).shape[1:])


@pytest.mark.parametrize(("ours", "stock", "arguments", "shape"), TWINS)
def test_real_algebra_equals_the_stock_layer_bit_for_bit(ours, stock, arguments, shape):
    keras.utils.set_random_seed(5)
    theirs = stock(**arguments)
    y_theirs = (
        theirs(data(shape), training=True) if stock is keras.layers.Dropout else theirs(data(shape))
    )
    keras.utils.set_random_seed(5)
    layer = ours(**arguments, algebra="real")
    y = layer(data(shape), training=True) if stock is keras.layers.Dropout else layer(data(shape))
    np.testing.assert_array_equal(ops.convert_to_numpy(y), ops.convert_to_numpy(y_theirs))
    assert [w.shape for w in layer.weights] == [w.shape for w in theirs.weights]
    for a, b in zip(layer.weights, theirs.weights, strict=True):
        assert a.name == b.name
        np.testing.assert_array_equal(ops.convert_to_numpy(a), ops.convert_to_numpy(b))


@pytest.mark.parametrize(
    ("ours", "stock"), sorted({t[:2] for t in TWINS}, key=lambda t: t[0].__name__)
)
def test_signature_is_the_stock_layers_then_ours_by_keyword(ours, stock):
    mine = inspect.signature(ours).parameters
    theirs = [
        p for p in inspect.signature(stock).parameters.values() if p.kind is not p.VAR_KEYWORD
    ]
    positional = [p for p in mine.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    # An older Keras has fewer parameters: all that it has stand in the same order.
    names = [p.name for p in theirs]
    assert [p.name for p in positional if p.name in names] == names
    for p in theirs:
        assert mine[p.name].default == p.default, p.name
    keyword_only = [p.name for p in mine.values() if p.kind is p.KEYWORD_ONLY]
    assert keyword_only[0] == "algebra"


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
