"""Models with coded kernels: they compute what the trained ones do."""

import re

import keras
import numpy as np
import pytest
from keras import ops

import keras_phase
from keras_phase import pruning
from keras_phase.export import export_saved_model
from keras_phase.ops import native, phase_matmul
from keras_phase.quantize import quantize_phases
from tests.helpers.layer_checks import check_round_trips, data

NOISE = keras.initializers.RandomNormal(stddev=0.3, seed=4)


def phase(units, bits, **more):
    return keras_phase.PhaseDense(
        units, amplitude="unit", phase_bits=bits, bias_initializer=NOISE, **more
    )


def sequential(*layers, size=10):
    keras.utils.set_random_seed(3)
    return keras.Sequential([keras.Input((size,)), *layers])


def functional():
    keras.utils.set_random_seed(3)
    x = keras.Input((5, 10))
    shared = phase(5, 2, name="shared")
    y = keras.layers.Add()([shared(x), shared(keras_phase.AlgebraActivation("zrelu")(x))])
    y = keras.layers.Add()([x, phase(5, 4, activation="modrelu", name="last")(y)])
    return keras.Model(x, [y, keras_phase.Modulus()(y)])


def nested():
    inner = sequential(phase(4, 3, activation="tanh", name="inner_phase"))
    return sequential(inner, keras_phase.Modulus(), keras.layers.Dense(2))


def signs():
    """A stock layer pruned by sign, before one that is not."""
    model = sequential(
        keras.layers.Dense(7, "relu", name="sign"), keras.layers.Dense(3, "softmax", name="plain")
    )
    pruning.prune(model, 1.0, criterion="sign", scale="unit", layers=["sign"])
    return model


# (model, names of the layers that are coded and their bits)
MODELS = {
    "sequential": (
        lambda: sequential(
            phase(6, 2, activation="relu", name="a"),
            keras.layers.Dropout(0.5),
            phase(3, 3, use_bias=False, name="b"),
            keras_phase.Modulus(),
        ),
        {"a": 2, "b": 3},
    ),
    "functional": (functional, {"shared": 2, "last": 4}),
    "nested": (nested, {"inner_phase": 3}),
    "signs": (signs, {"sign": 1}),
    "quaternion": (
        lambda: sequential(phase(3, 3, algebra="quaternion", name="q"), size=8),
        {"q": 3},
    ),
    "parametric activation": (
        lambda: sequential(phase(4, 1, activation="modrelu", name="m")),
        {"m": 1},
    ),
    "real": (lambda: sequential(phase(4, 1, algebra="real", name="r")), {"r": 1}),
}


def coded_layers(model):
    found = {}
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            found |= coded_layers(layer)
        elif isinstance(layer, keras_phase.PhaseCodedDense):
            found[layer.name] = layer.phase_bits
    return found


def inputs_of(model):
    return data((6, *model.input_shape[1:]))


def assert_same(model, other, x):
    for a, b in zip(
        *(keras.tree.flatten(m.predict(x, verbose=0)) for m in (model, other)), strict=True
    ):
        np.testing.assert_allclose(b, a, atol=1e-5 * max(1, np.abs(a).max()))


@pytest.mark.parametrize("name", MODELS)
def test_same_outputs_and_round_trips(name, tmp_path):
    make, expected = MODELS[name]
    model = make()
    for v in model.trainable_variables:  # a parametric activation at its start does nothing
        if "activation" in v.path:
            v.assign(data(tuple(v.shape)))
    small = quantize_phases(model)
    assert coded_layers(small) == expected
    x = inputs_of(model)
    assert_same(model, small, x)
    small.save(tmp_path / "small.keras")
    again = keras.saving.load_model(tmp_path / "small.keras")
    assert_same(small, again, x)
    small.save_weights(tmp_path / "small.weights.h5")
    other = quantize_phases(make())
    other.load_weights(tmp_path / "small.weights.h5")
    assert_same(small, other, x)


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", ["sequential", "functional"])
def test_saved_model_has_stock_operations_and_packed_weights(name, tmp_path):
    import tensorflow as tf

    small = quantize_phases(MODELS[name][0]())
    export_saved_model(small, tmp_path / "saved")
    served = tf.saved_model.load(str(tmp_path / "saved"))
    x = inputs_of(small)
    for a, b in zip(
        keras.tree.flatten(small.predict(x, verbose=0)),
        keras.tree.flatten(served.serve(x)),
        strict=True,
    ):
        np.testing.assert_allclose(b, a, atol=1e-5)
    stored = tf.train.load_checkpoint(str(tmp_path / "saved/variables/variables"))
    assert tf.uint8 in stored.get_variable_to_dtype_map().values()
    assert b"KerasPhase" not in (tmp_path / "saved" / "saved_model.pb").read_bytes()


def test_without_the_native_library(monkeypatch):
    model = MODELS["functional"][0]()
    monkeypatch.setattr(native, "serves", lambda *tensors: False)
    assert_same(model, quantize_phases(model), inputs_of(model))


@pytest.mark.parametrize("bits", [1, 2, 3])
def test_pruned_elements_stay_zero(bits):
    model = sequential(phase(6, bits, name="a"))
    layer = model.layers[0]
    direction = layer.kernel_parametrization.variables[0]
    pruned = ops.convert_to_numpy(direction).copy()
    pruned[:, ::3] = 0
    pruned[:, :, 2] = 0  # a unit without weights
    direction.assign(pruned)
    kernel = ops.convert_to_numpy(layer.kernel)
    assert not kernel[:, ::3].any()
    small = quantize_phases(model)
    assert small.layers[0].zeros and small.layers[0].phase_bits == bits
    assert_same(model, small, inputs_of(model))
    np.testing.assert_allclose(ops.convert_to_numpy(small.layers[0].kernel), kernel, atol=1e-6)


def test_two_bits_and_complex_weights_take_a_thirty_second_of_the_bytes():
    model = sequential(phase(40, 2, use_bias=False), size=2 * 64)
    layer = quantize_phases(model).layers[0]
    assert int(np.prod(layer.codes.shape)) * 32 == 2 * 64 * 40 * 4


def test_coded_bits_that_are_asked_for():
    model = MODELS["sequential"][0]()
    with pytest.raises(
        ValueError, match=r"'b' is not made of 2-bit.* times its unit's mean modulus"
    ):
        quantize_phases(model, phase_bits=2)
    model = sequential(phase(6, 1, name="a"))
    assert coded_layers(quantize_phases(model)) == {"a": 1}
    assert coded_layers(quantize_phases(model, phase_bits=3)) == {"a": 3}


def test_distance_in_the_error():
    model = sequential(keras_phase.AlgebraDense(1, use_bias=False), size=4)
    model.layers[0].kernel_parametrization.set_kernel([[[1.0], [0.8]], [[0.0], [0.6]]])
    with pytest.raises(ValueError) as error:
        quantize_phases(model, phase_bits=2)
    distance = float(re.search(r"an element is (\S+) times", str(error.value))[1])
    assert distance == pytest.approx(np.hypot(0.2, 0.6), abs=1e-3)


class Own(keras.Model):
    """A model of its own code."""

    def call(self, x):
        return x


def test_errors():
    with pytest.raises(ValueError, match=r"No dense kernel .* is phase-coded"):
        quantize_phases(sequential(keras_phase.AlgebraDense(3)))
    with pytest.raises(TypeError, match=r"Sequential or functional.*Own"):
        quantize_phases(Own())
    with pytest.raises(ValueError, match="no weights yet"):
        quantize_phases(keras.Sequential([phase(3, 2)]))
    with pytest.raises(ValueError, match="has phase codes of"):
        quantize_phases(sequential(phase(3, 3, algebra="quaternion"), size=8), phase_bits=2)


def test_the_layer_refuses_other_kernels():
    layer = keras_phase.PhaseCodedDense(2, phase_bits=1)
    with pytest.raises(AttributeError, match="has no kernel yet"):
        _ = layer.kernel
    layer.build((None, 6))
    with pytest.raises(ValueError, match=r"shape \(2, 3, 2\).*value.shape=\(1, 3, 2\)"):
        layer.set_kernel(np.ones((1, 3, 2)))
    with pytest.raises(ValueError, match=r"1-bit directions.*away from the nearest"):
        layer.set_kernel(np.ones((2, 3, 2)))


def test_layer_round_trips(tmp_path):
    arguments = {
        "units": 3,
        "activation": "modrelu",
        "use_bias": False,
        "phase_bits": 2,
        "zeros": True,
        "algebra": "complex",
    }
    check_round_trips(keras_phase.PhaseCodedDense, arguments, (2, 5, 8), tmp_path)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float64"])
def test_other_policies(policy):
    layer = keras_phase.PhaseCodedDense(3, phase_bits=2, dtype=policy)
    layer.build((None, 8))
    points = phase_matmul.codebook(layer.algebra, 2)
    codes = np.random.default_rng(0).integers(0, 4, (4, 3))
    layer.set_kernel(np.moveaxis(points[codes], -1, 0) * 0.5)
    x = data((2, 8))
    y = ops.convert_to_numpy(ops.cast(layer(x), "float32"))
    kernel = ops.convert_to_numpy(ops.cast(layer.kernel, "float32"))
    w, z = kernel[0] + 1j * kernel[1], x[:, :4] + 1j * x[:, 4:]
    expected = np.concatenate([(z @ w).real, (z @ w).imag], axis=-1)
    np.testing.assert_allclose(y, expected, atol=0.03 if policy == "mixed_bfloat16" else 1e-6)


def test_complex_input_opens_the_layer():
    layer = keras_phase.PhaseCodedDense(3, phase_bits=2)
    x = data((2, 8))
    complex_x = ops.convert_to_tensor((x[:, :4] + 1j * x[:, 4:]).astype("complex64"))
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer(complex_x)), ops.convert_to_numpy(layer(x)), atol=1e-6
    )
