"""Convolution layers, plain, transposed and in amplitude and phase."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_phase import algebras, parametrizations
from keras_phase.initializers import AlgebraVarianceScaling
from keras_phase.layers.convolution import AlgebraConv1D, AlgebraConv2D, AlgebraConv3D
from keras_phase.layers.convolution_transpose import (
    AlgebraConv1DTranspose,
    AlgebraConv2DTranspose,
    AlgebraConv3DTranspose,
)
from keras_phase.layers.phase_convolution import PhaseConv1D, PhaseConv2D, PhaseConv3D
from keras_phase.pruning import prune
from tests.helpers import layer_checks
from tests.helpers.layer_checks import data
from tests.helpers.tolerances import assert_close

NON_ZERO = keras.initializers.RandomUniform(0.1, 0.2, seed=1)
WEIGHTS = {
    "activation": "modrelu",
    "kernel_initializer": "he_normal",
    "bias_initializer": NON_ZERO,
    "kernel_regularizer": "l2",
    "bias_regularizer": "l1",
    "activity_regularizer": "l2",
    "kernel_constraint": keras.constraints.MaxNorm(2.0),
    "bias_constraint": "non_neg",
}
FIRST = {"data_format": "channels_first"}

# (class, arguments, input shape, trainable weights): the second row of each kind has every
# argument at another value than the default.
LAYERS = [
    (AlgebraConv1D, {"filters": 3, "kernel_size": 2}, (2, 5, 4), 2),
    (
        AlgebraConv1D,
        {
            "filters": 4,
            "kernel_size": 3,
            "strides": 2,
            "padding": "causal",
            "groups": 2,
            **FIRST,
            **WEIGHTS,
            "parametrization": "Polar",
            "method": "factored",
        },
        (2, 8, 5),
        4,
    ),
    (AlgebraConv2D, {"filters": 2, "kernel_size": (3, 2)}, (2, 5, 4, 6), 2),
    (
        AlgebraConv2D,
        {
            "filters": 2,
            "kernel_size": 2,
            "strides": (1, 1),
            "padding": "same",
            "dilation_rate": (2, 1),
            "use_bias": False,
            "algebra": "m2r",
            "method": "matrix",
        },
        (2, 5, 4, 8),
        1,
    ),
    (AlgebraConv3D, {"filters": 2, "kernel_size": 2, "algebra": "dual"}, (2, 3, 3, 2, 4), 2),
    (AlgebraConv1DTranspose, {"filters": 3, "kernel_size": 2}, (2, 5, 4), 2),
    (
        AlgebraConv2DTranspose,
        {
            "filters": 2,
            "kernel_size": 3,
            "strides": 2,
            "padding": "same",
            "output_padding": 1,
            **FIRST,
            **WEIGHTS,
            "parametrization": parametrizations.Polar("unit"),
            "method": "expanded",
        },
        (2, 6, 3, 4),
        4,
    ),
    (
        AlgebraConv2DTranspose,
        {"filters": 2, "kernel_size": 2, "dilation_rate": 2, "algebra": "quaternion"},
        (2, 3, 4, 8),
        2,
    ),
    (AlgebraConv3DTranspose, {"filters": 2, "kernel_size": 2}, (2, 3, 3, 2, 4), 2),
    (PhaseConv1D, {"filters": 2, "kernel_size": 2, "amplitude": "element"}, (2, 5, 4), 3),
    (
        PhaseConv2D,
        {"filters": 2, "kernel_size": 2, "amplitude": "unit", "phase_bits": 2},
        (2, 4, 3, 4),
        3,
    ),
    (PhaseConv3D, {"filters": 2, "kernel_size": 2, "amplitude": "one"}, (2, 3, 2, 3, 4), 3),
]
IDS = [f"{cls.__name__}-{i}" for i, (cls, *_) in enumerate(LAYERS)]

K = keras.layers
BIAS = {"activation": "tanh", "bias_initializer": NON_ZERO}
# (ours, stock, arguments, input shape)
TWINS = [
    (AlgebraConv1D, K.Conv1D, {"filters": 3, "kernel_size": 3, **BIAS}, (2, 7, 4)),
    (
        AlgebraConv1D,
        K.Conv1D,
        {"filters": 4, "kernel_size": 3, "padding": "causal", "dilation_rate": 2, "groups": 2},
        (2, 7, 4),
    ),
    (
        AlgebraConv1D,
        K.Conv1D,
        {"filters": 3, "kernel_size": 3, "padding": "causal", "strides": 2, **BIAS, **FIRST},
        (2, 4, 7),
    ),
    (AlgebraConv2D, K.Conv2D, {"filters": 3, "kernel_size": 1, **BIAS}, (2, 6, 5, 4)),
    (
        AlgebraConv2D,
        K.Conv2D,
        {"filters": 6, "kernel_size": (3, 2), "strides": (1, 2), "padding": "same", "groups": 2},
        (2, 6, 5, 4),
    ),
    (
        AlgebraConv2D,
        K.Conv2D,
        {"filters": 3, "kernel_size": 2, "dilation_rate": 2, **BIAS, **FIRST},
        (2, 4, 6, 5),
    ),
    (AlgebraConv2D, K.Conv2D, {"filters": 2, "kernel_size": 1, **FIRST}, (2, 4, 6, 5)),
    (
        AlgebraConv3D,
        K.Conv3D,
        {"filters": 2, "kernel_size": (2, 1, 3), "padding": "same", "strides": 2, **BIAS},
        (2, 4, 3, 5, 2),
    ),
    (AlgebraConv3D, K.Conv3D, {"filters": 2, "kernel_size": 2, **BIAS, **FIRST}, (2, 2, 4, 3, 5)),
    (PhaseConv1D, K.Conv1D, {"filters": 2, "kernel_size": 2, "strides": 2}, (2, 7, 4)),
    (PhaseConv2D, K.Conv2D, {"filters": 2, "kernel_size": 2, "padding": "same"}, (2, 4, 3, 4)),
    (PhaseConv3D, K.Conv3D, {"filters": 2, "kernel_size": 2}, (2, 4, 3, 3, 4)),
    (
        AlgebraConv1DTranspose,
        K.Conv1DTranspose,
        {"filters": 3, "kernel_size": 3, "strides": 2, "output_padding": 1, **BIAS},
        (2, 4, 5),
    ),
    (
        AlgebraConv1DTranspose,
        K.Conv1DTranspose,
        {"filters": 3, "kernel_size": 2, "strides": 3, **FIRST},
        (2, 5, 4),
    ),
    (
        AlgebraConv2DTranspose,
        K.Conv2DTranspose,
        {"filters": 3, "kernel_size": (3, 2), "strides": 2, "padding": "same", **BIAS},
        (2, 4, 3, 5),
    ),
    (
        AlgebraConv2DTranspose,
        K.Conv2DTranspose,
        {"filters": 3, "kernel_size": 2, "dilation_rate": 2, "kernel_initializer": "he_normal"},
        (2, 4, 3, 5),
    ),
    (
        AlgebraConv2DTranspose,
        K.Conv2DTranspose,
        {"filters": 3, "kernel_size": 3, "kernel_initializer": "orthogonal", **FIRST},
        (2, 5, 4, 3),
    ),
    (
        AlgebraConv3DTranspose,
        K.Conv3DTranspose,
        {"filters": 2, "kernel_size": 2, "strides": (1, 2, 1), **BIAS},
        (2, 3, 2, 4, 3),
    ),
    (
        AlgebraConv3DTranspose,
        K.Conv3DTranspose,
        {"filters": 2, "kernel_size": 2, **FIRST},
        (2, 3, 2, 4, 3),
    ),
]


@pytest.mark.parametrize(("cls", "arguments", "shape", "weights"), LAYERS, ids=IDS)
def test_keras_layer_test(cls, arguments, shape, weights):
    # On a CPU, TensorFlow has no transposed 16-bit convolutions with dilation or channels first.
    limited = "Transpose" in cls.__name__ and ({"dilation_rate", "data_format"} & set(arguments))
    layer_checks.check_keras_layer_test(
        cls, arguments, shape, weights, run_mixed_precision_check=not limited
    )


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
    # A window of one place is computed as a matmul, whose gradient adds in another order.
    exact = arguments["kernel_size"] != 1
    layer_checks.check_equals_stock(ours, stock, arguments, shape, exact=exact)


@pytest.mark.parametrize(
    ("ours", "stock"), sorted({t[:2] for t in TWINS}, key=lambda t: t[0].__name__)
)
def test_signature_is_the_stock_layers_then_ours_by_keyword(ours, stock):
    layer_checks.check_signature(ours, stock)


@pytest.mark.parametrize("cls", [AlgebraConv2D, AlgebraConv2DTranspose])
@pytest.mark.parametrize("name", algebras.names())
def test_channels_first_is_the_same_layer(cls, name):
    """An activation of whole elements, with a weight, finds the components in axis 1 too."""
    d = algebras.get(name).dimension
    arguments = {"filters": 3, "kernel_size": 2, "activation": "modrelu", "algebra": name}
    x = data((2, 4, 5, d * 2))
    last = cls(**arguments)
    expected = ops.convert_to_numpy(last(x))
    first = cls(**arguments, **FIRST)
    first.build((None, d * 2, 4, 5))
    first.set_weights(last.get_weights())
    y = ops.convert_to_numpy(first(np.moveaxis(x, -1, 1)))
    assert_close(np.moveaxis(y, 1, -1), expected)


def test_complex_tensors_enter_in_both_formats():
    layer = AlgebraConv2D(3, 2)
    first = AlgebraConv2D(3, 2, **FIRST)
    z = (data((2, 4, 5, 3)) + 1j * data((2, 4, 5, 3), 1)).astype("complex64")
    expected = ops.convert_to_numpy(layer(np.concatenate([z.real, z.imag], -1)))
    assert_close(ops.convert_to_numpy(layer(z)), expected)
    first.build((None, 6, 4, 5))
    first.set_weights(layer.get_weights())
    y = ops.convert_to_numpy(first(np.moveaxis(z, -1, 1)))
    assert_close(np.moveaxis(y, 1, -1), expected)


@pytest.mark.parametrize("cls", [AlgebraConv2D, AlgebraConv2DTranspose])
def test_places_of_unknown_number(cls):
    """One model takes images of any size, by every product method."""
    for name, method in (("complex", "factored"), ("m2c", "matrix"), ("octonion", "expanded")):
        n = 2 * algebras.get(name).dimension
        layer = cls(2, 3, padding="same", algebra=name, method=method)
        inputs = keras.Input((None, None, n))
        model = keras.Model(inputs, layer(inputs))
        assert model.output_shape == (None, None, None, n)
        for places in ((4, 5), (3, 7)):
            x = data((2, *places, n))
            assert_close(model.predict(x, verbose=0), ops.convert_to_numpy(layer(x)))


@pytest.mark.tensorflow
@pytest.mark.parametrize("method", ["expanded", "factored"])
@pytest.mark.parametrize("cls", [AlgebraConv1D, AlgebraConv1DTranspose])
def test_compiles_with_xla(cls, method):
    layer = cls(3, 3, strides=2, method=method, algebra="quaternion")
    x = data((2, 7, 8))
    model = keras.Sequential([keras.Input((7, 8)), layer])
    expected = ops.convert_to_numpy(layer(x))
    model.compile("sgd", "mse", jit_compile=True)
    assert_close(model.predict(x, verbose=0), expected)
    history = model.fit(x, np.zeros_like(expected), epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0]


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("cls", [AlgebraConv2D, AlgebraConv2DTranspose, PhaseConv2D])
def test_mixed_precision_keeps_variables_in_float32(cls, policy):
    layer = cls(3, 2, dtype=policy)
    x = data((2, 4, 5, 4))
    y = layer(x)
    half = policy.removeprefix("mixed_")
    assert keras.backend.standardize_dtype(y.dtype) == half
    assert {w.dtype for w in layer.weights} == {"float32"}
    exact = cls(3, 2)
    exact.build(x.shape)
    exact.set_weights(layer.get_weights())
    assert_close(ops.convert_to_numpy(ops.cast(y, "float32")), exact(x), half)


@pytest.mark.parametrize("name", ["complex", "quaternion", "m2r", "cross"])
@pytest.mark.parametrize("cls", [AlgebraConv1D, AlgebraConv1DTranspose])
def test_pruning_removes_whole_elements(cls, name):
    d = algebras.get(name).dimension
    model = keras.Sequential([keras.Input((6, 4 * d)), cls(8, 3, algebra=name, name="conv")])
    prune(model, 0.5)
    w = ops.convert_to_numpy(model.layers[0].kernel)
    assert w.shape == (d, 3, 4, 8)
    assert 1 - w.any(axis=0).mean() == 0.5


def test_transposed_kernels_store_outputs_first_and_show_them_last():
    layer = AlgebraConv2DTranspose(5, (3, 2))
    layer.build((None, 4, 4, 2 * 3))
    (stored, _) = layer.weights
    assert stored.shape == (2, 3, 2, 5, 3)
    assert tuple(layer.kernel.shape) == (2, 3, 2, 3, 5)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(layer.kernel), np.swapaxes(ops.convert_to_numpy(stored), -1, -2)
    )
    value = data((2, 3, 2, 3, 5))
    layer.kernel_parametrization.set_kernel(value)
    np.testing.assert_array_equal(ops.convert_to_numpy(layer.kernel), value)


def test_a_transposed_unit_is_an_output():
    """One amplitude and one pruned node for each filter, though filters are stored first."""
    layer = AlgebraConv2DTranspose(5, 2, parametrization=parametrizations.Polar("unit"))
    layer.build((None, 4, 4, 2 * 3))
    amplitude = layer.kernel_parametrization.variables[1]
    assert amplitude.shape == (5,)
    model = keras.Sequential([keras.Input((4, 4, 6)), AlgebraConv2DTranspose(5, 2, name="conv")])
    prune(model, 0.4, granularity="node")
    alive = ops.convert_to_numpy(model.layers[0].kernel).any(axis=(0, 1, 2, 3))
    assert alive.tolist().count(False) == 2
    y = ops.convert_to_numpy(model(data((2, 4, 4, 6)))).reshape(2, 5, 5, 2, 5)
    assert (y.any(axis=(0, 1, 2, 3)) == alive).all()


def test_transposed_fans_are_inputs_and_outputs():
    """He's variance counts the inputs: 2 / (window * in * gain), whatever the storage order."""
    layer = AlgebraConv1DTranspose(16, 5, kernel_initializer="he_normal")
    layer.build((None, 7, 2 * 256))
    variance = float(ops.var(layer.kernel))
    assert variance == pytest.approx(2 / (5 * 256 * 2), rel=0.05)
    fixed = AlgebraConv1DTranspose(
        16, 5, kernel_initializer=AlgebraVarianceScaling(seed=1), algebra="real"
    )
    fixed.build((None, 7, 256))
    assert float(ops.var(fixed.kernel)) == pytest.approx(1 / (5 * 256), rel=0.05)


def test_phase_convolution_shows_phase_and_amplitude():
    layer = PhaseConv2D(3, 2, amplitude="one", phase_bits=2)
    layer(data((2, 4, 4, 4)))
    assert tuple(layer.phase.shape) == (2, 2, 2, 3)
    quarters = ops.convert_to_numpy(layer.phase) / (np.pi / 2)
    assert np.abs(quarters - np.round(quarters)).max() < 1e-5
    amplitude = ops.convert_to_numpy(layer.amplitude)
    assert_close(amplitude, np.full_like(amplitude, amplitude.max()))


def test_dense_and_convolution_put_the_weight_on_the_same_side():
    import keras_phase

    dense = keras_phase.AlgebraDense(3, algebra="quaternion")
    layer = AlgebraConv2D(3, 1, algebra="quaternion")
    x = data((2, 4, 5, 8))
    expected = ops.convert_to_numpy(dense(x))
    layer.build(x.shape)
    kernel, bias = dense.get_weights()
    layer.set_weights([kernel[:, None, None], bias])
    assert_close(ops.convert_to_numpy(layer(x)), expected)


X = data((2, 6, 6, 12))
ERRORS = [
    (lambda: AlgebraConv2D(3, 2)(X[..., :5]), ["last axis", "dimension 2", "size=5"]),
    (lambda: AlgebraConv2D(3, 2, **FIRST)(X[:, :5]), ["axis 1", "dimension 2", "size=5"]),
    (lambda: AlgebraConv2D(0, 2), ["filters", "positive", "filters=0"]),
    (lambda: AlgebraConv2D(4, 2, groups=0), ["groups", "groups=0"]),
    (lambda: AlgebraConv2D(4, 2, groups=3), ["divide", "[1, 2, 4]", "groups=3"]),
    # 12 real channels, but 6 complex elements.
    (lambda: AlgebraConv2D(12, 2, groups=12)(X), ["whole elements", "[1, 2, 3, 6]", "groups=12"]),
    (lambda: AlgebraConv2D(3, 2, strides=2, dilation_rate=2), ["strides", "dilation_rate=(2, 2)"]),
    (lambda: AlgebraConv2D(3, 2, padding="causal"), ["'valid' or 'same'", "'causal'"]),
    (lambda: AlgebraConv1D(3, 2, padding="full"), ["'causal'", "padding='full'"]),
    (lambda: AlgebraConv2D(3, 2, data_format="nhwc"), ["channels_last", "'nhwc'"]),
    (lambda: AlgebraConv2D(3, (2, 2, 2)), ["kernel_size", "2 of them", "(2, 2, 2)"]),
    (lambda: AlgebraConv2D(3, 2, strides=0), ["strides", "at least 1", "strides=0"]),
    (lambda: AlgebraConv2D(3, 7)(X), ["no output", "kernel_size=(7, 7)"]),
    (lambda: AlgebraConv2D(3, 2).build((None, 6, 12)), ["rank 4", "(None, 6, 12)"]),
    (lambda: AlgebraConv2D(3, 2, lora_rank=2), ["lora_rank", "not supported"]),
    (lambda: AlgebraConv2DTranspose(3, 2, output_padding=1), ["less than `strides`"]),
    (lambda: AlgebraConv2D(3, 2, method="matrix"), ["matrix", "not available"]),
    (lambda: PhaseConv2D(3, 2, amplitude="all"), ["'unit'", "'all'"]),
]


@pytest.mark.parametrize(("action", "words"), ERRORS, ids=range(len(ERRORS)))
def test_error_says_what_was_expected_and_received(action, words):
    with pytest.raises(ValueError) as caught:
        action()
    for word in [*words, "Received"]:
        assert word in str(caught.value), str(caught.value)


def test_kernel_before_build_is_an_error():
    with pytest.raises(AttributeError, match="no kernel yet"):
        _ = AlgebraConv2D(3, 2).kernel
