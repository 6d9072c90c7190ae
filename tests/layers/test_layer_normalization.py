"""Layer, RMS and group normalisation: the stock layers for d = 1, and NumPy."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_phase import algebras
from keras_phase.layers.group_normalization import AlgebraGroupNormalization
from keras_phase.layers.layer_normalization import (
    AlgebraLayerNormalization,
    AlgebraRMSNormalization,
)
from tests.helpers import layer_checks
from tests.helpers.gradients import DOUBLE, check_gradient
from tests.helpers.layer_checks import data
from tests.helpers.tolerances import assert_close
from tests.helpers.versions import newest_keras

LAYER, RMS, GROUP = AlgebraLayerNormalization, AlgebraRMSNormalization, AlgebraGroupNormalization
STOCK_RMS = getattr(keras.layers, "RMSNormalization", None)

NON_DEFAULT = {
    "epsilon": 0.05,
    "beta_initializer": keras.initializers.RandomUniform(0.1, 0.2, seed=1),
    "gamma_initializer": keras.initializers.RandomUniform(0.5, 0.9, seed=2),
    "beta_regularizer": "l2",
    "gamma_regularizer": "l1",
    "beta_constraint": "non_neg",
    "gamma_constraint": keras.constraints.MaxNorm(2.0),
}
COMPONENT = {"mode": "component", "algebra": "quaternion"}

# (class, arguments, input shape, trainable weights)
LAYERS = [
    (LAYER, {}, (2, 6), 2),
    (LAYER, {**NON_DEFAULT, **COMPONENT, "axis": [1, -1]}, (2, 3, 8), 2),
    (LAYER, {**NON_DEFAULT, "axis": 1}, (2, 6, 3), 2),
    (LAYER, {"center": False, "scale": False, "algebra": "m3r"}, (2, 2, 18), 0),
    (RMS, {}, (2, 6), 1),
    (RMS, {"axis": [-1, 1], "epsilon": 0.01, "algebra": "octonion"}, (2, 3, 16), 1),
    (GROUP, {"groups": 3}, (2, 12), 2),
    (GROUP, {**NON_DEFAULT, **COMPONENT, "groups": 2, "axis": 1}, (2, 16, 3), 2),
    (GROUP, {"groups": -1, "center": False}, (2, 3, 2, 8), 1),
    (GROUP, {"groups": 1, "scale": False, "algebra": "cross"}, (2, 4, 9), 1),
]
IDS = [f"{cls.__name__}-{i}" for i, (cls, *_) in enumerate(LAYERS)]

RMS_ONLY = newest_keras("it has no RMSNormalization")

# (ours, stock, arguments, input shape); both modes of ours are tried where there are two.
TWINS = [
    (LAYER, keras.layers.LayerNormalization, {}, (3, 8)),
    (LAYER, keras.layers.LayerNormalization, {**NON_DEFAULT, "axis": [1, 2]}, (3, 4, 5)),
    (LAYER, keras.layers.LayerNormalization, {"axis": [1, 2], "center": False}, (3, 4, 5, 2)),
    (LAYER, keras.layers.LayerNormalization, {"axis": 1, "scale": False}, (3, 4, 5)),
    pytest.param(RMS, STOCK_RMS, {}, (3, 4, 5), marks=RMS_ONLY),
    pytest.param(RMS, STOCK_RMS, {"axis": [1, 2], "epsilon": 0.1}, (3, 4, 5), marks=RMS_ONLY),
    (GROUP, keras.layers.GroupNormalization, {**NON_DEFAULT, "groups": 2}, (3, 4, 6)),
    (GROUP, keras.layers.GroupNormalization, {"groups": 3, "axis": 1}, (3, 6, 2, 2)),
    (GROUP, keras.layers.GroupNormalization, {"groups": -1, "center": False}, (3, 2, 2, 5)),
]


def elements(name, shape, n, seed=0):
    """Normal numbers `(*shape, d*n)` with a mean, and the same as `(*shape, d, n)`."""
    d = algebras.get(name).dimension
    x = (2 * data((*shape, d, n), seed) + 1).astype("float32")
    return x.reshape(*shape, d * n), x


def output(layer, x):
    return ops.convert_to_numpy(layer(x))


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


@pytest.mark.parametrize("mode", ["scalar", "component"])
@pytest.mark.parametrize(("ours", "stock", "arguments", "shape"), TWINS)
def test_real_algebra_equals_the_stock_layer_bit_for_bit(ours, stock, arguments, shape, mode):
    def with_mode(algebra, **kwargs):
        return ours(algebra=algebra, **kwargs, **({} if ours is RMS else {"mode": mode}))

    layer_checks.check_equals_stock(with_mode, stock, arguments, shape)


@pytest.mark.parametrize(
    ("ours", "stock"),
    [
        pytest.param(
            LAYER,
            keras.layers.LayerNormalization,
            marks=newest_keras("its LayerNormalization has the retired argument `rms_scaling`"),
        ),
        pytest.param(RMS, STOCK_RMS, marks=RMS_ONLY),
        (GROUP, keras.layers.GroupNormalization),
    ],
)
def test_signature_is_the_stock_layers_then_ours_by_keyword(ours, stock):
    layer_checks.check_signature(ours, stock)


@pytest.mark.parametrize("mode", ["scalar", "component"])
@pytest.mark.parametrize("name", algebras.names())
def test_layer_normalization_of_each_sample(name, mode):
    x, parts = elements(name, (3, 2), 5)
    layer = LAYER(algebra=name, mode=mode, epsilon=0.01)
    centred = parts - parts.mean(-1, keepdims=True)
    axes = (-1,) if mode == "component" else (-2, -1)
    expected = centred / np.sqrt((centred**2).mean(axes, keepdims=True) + 0.01)
    assert_close(output(layer, x), expected.reshape(x.shape))


@pytest.mark.parametrize("name", algebras.names())
def test_component_mode_is_the_stock_layer_on_each_component(name):
    x, parts = elements(name, (3,), 5)
    y = output(LAYER(algebra=name, mode="component"), x).reshape(parts.shape)
    stock = keras.layers.LayerNormalization()
    for k in range(parts.shape[1]):
        assert_close(y[:, k], output(stock, parts[:, k]))


@pytest.mark.parametrize("name", algebras.names())
def test_rms_normalization_keeps_directions(name):
    x, parts = elements(name, (3, 2), 5)
    y = output(RMS(algebra=name), x).reshape(parts.shape)
    assert_close((y**2).mean((-2, -1)), np.ones((3, 2)))
    ratio = y / parts
    assert_close(ratio, np.broadcast_to(ratio[..., :1, :1], ratio.shape), factor=5)


@pytest.mark.parametrize("mode", ["scalar", "component"])
@pytest.mark.parametrize("name", algebras.names())
def test_group_normalization_of_whole_elements(name, mode):
    x, parts = elements(name, (3, 4), 6)
    layer = GROUP(2, algebra=name, mode=mode, epsilon=0.01)
    y = output(layer, x).reshape(parts.shape)
    for group in (slice(0, 3), slice(3, 6)):
        one = parts[..., group]
        centred = one - one.mean((1, 3), keepdims=True)
        axes = (1, 3) if mode == "component" else (1, 2, 3)
        expected = centred / np.sqrt((centred**2).mean(axes, keepdims=True) + 0.01)
        assert_close(y[..., group], expected, factor=2)


# (class, arguments): per element or per component, gamma meets the right one.
AFFINE = [
    (LAYER, {}),
    (LAYER, COMPONENT),
    (GROUP, {"groups": 2}),
    (GROUP, {**COMPONENT, "groups": 2}),
]


@pytest.mark.parametrize(("cls", "arguments"), AFFINE, ids=range(len(AFFINE)))
def test_gamma_and_beta_meet_their_element_and_component(cls, arguments):
    arguments = {"algebra": "quaternion", **arguments}
    x, _ = elements("quaternion", (3,), 4)
    plain, layer = cls(center=False, scale=False, **arguments), cls(**arguments)
    layer.build(x.shape)
    tied = layer.mode == "scalar"
    gamma, beta = data((4,) if tied else (16,)), data((16,), seed=1)
    layer.gamma.assign(gamma)
    layer.beta.assign(beta)
    factor = np.tile(gamma, 4) if tied else gamma
    assert_close(output(layer, x), output(plain, x) * factor + beta)


@pytest.mark.parametrize("mode", ["scalar", "component"])
def test_several_axes_keep_elements_whole(mode):
    x, parts = elements("quaternion", (2, 3), 4)
    layer = LAYER([1, 2], algebra="quaternion", mode=mode, epsilon=0.01)
    layer.build(x.shape)
    gamma = data(tuple(layer.gamma.shape), seed=2)
    layer.gamma.assign(gamma)
    assert layer.beta.shape == (3, 16)
    assert gamma.shape == ((3, 4) if mode == "scalar" else (3, 16))
    centred = parts - parts.mean((1, 3), keepdims=True)
    axes = (1, 3) if mode == "component" else (1, 2, 3)
    expected = centred / np.sqrt((centred**2).mean(axes, keepdims=True) + 0.01)
    factor = gamma.reshape(3, -1, 4)
    assert_close(output(layer, x), (expected * factor).reshape(x.shape))


@pytest.mark.parametrize("cls", [LAYER, RMS, GROUP])
def test_components_may_lie_along_the_first_axis(cls):
    x, _ = elements("quaternion", (2, 3), 4)
    extra = {"groups": 2} if cls is GROUP else {}
    first, last = (cls(axis=axis, algebra="quaternion", **extra) for axis in (1, -1))
    assert_close(np.moveaxis(output(first, np.moveaxis(x, -1, 1)), 1, -1), output(last, x))


@pytest.mark.parametrize("name", ["complex", "quaternion", "octonion"])
@pytest.mark.parametrize("cls", [LAYER, RMS, GROUP])
def test_scalar_normalisations_commute_with_unit_factors(cls, name):
    algebra = algebras.get(name)
    x, parts = elements(name, (3,), 4)
    unit = np.random.default_rng(4).normal(size=algebra.dimension)
    left = np.einsum(
        "i,ijk->kj", unit / np.linalg.norm(unit), np.asarray(algebra.structure_constants, "float64")
    )
    layer = cls(algebra=name, **({"groups": 2} if cls is GROUP else {}))
    moved = np.einsum("kj,bjn->bkn", left, parts).astype("float32").reshape(x.shape)
    expected = np.einsum("kj,bjn->bkn", left, output(layer, x).reshape(parts.shape))
    assert_close(output(layer, moved), expected.reshape(x.shape), factor=2)


@pytest.mark.tensorflow
@pytest.mark.parametrize(("cls", "arguments", "shape", "weights"), LAYERS, ids=IDS)
def test_gradients_equal_finite_differences(cls, arguments, shape, weights):
    layer = cls(**arguments, dtype=DOUBLE)
    layer.build(shape)
    values = [data(tuple(w.shape), seed=i) for i, w in enumerate(layer.trainable_weights)]

    def function(x, *values):
        return layer.stateless_call(list(values), [], x)[0]

    check_gradient(function, 2 * data(shape) + 1, *values, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("cls", [LAYER, RMS, GROUP])
def test_statistics_are_float32_under_mixed_precision(cls, policy):
    extra = {"groups": 2} if cls is GROUP else {}
    layer, exact = cls(dtype=policy, **extra), cls(**extra)
    x = ops.cast(1000.0 * data((3, 4, 8)), layer.compute_dtype)  # squares overflow in 16 bits
    y = layer(x)
    assert keras.backend.standardize_dtype(y.dtype) == layer.compute_dtype
    assert {keras.backend.standardize_dtype(w.dtype) for w in layer.weights} == {"float32"}
    expected = output(exact, ops.cast(x, "float32"))
    assert_close(ops.convert_to_numpy(ops.cast(y, "float32")), expected, layer.compute_dtype)


@pytest.mark.tensorflow
@pytest.mark.parametrize(("cls", "arguments", "shape", "weights"), LAYERS, ids=IDS)
def test_constant_samples_give_finite_values_and_gradients(cls, arguments, shape, weights):
    import tensorflow as tf

    layer = cls(**arguments)
    for value in (0.0, 3.0):
        x = tf.fill(shape, value)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
            loss = tf.reduce_sum(y * data(tuple(y.shape)))
        assert np.isfinite(y.numpy()).all()
        assert np.isfinite(tape.gradient(loss, x).numpy()).all()


def test_complex_tensors_enter():
    z = np.random.default_rng(0).normal(size=(9, 4)).astype("float32") * np.complex64(1 + 2j)
    split = np.concatenate([z.real, z.imag], -1)
    for layer in (LAYER(), RMS(), GROUP(2)):
        np.testing.assert_array_equal(output(layer, z), output(layer, split))


X = np.ones((2, 6), "float32")
IMAGE = np.ones((2, 4, 4, 6), "float32")

# (what is done, error, words of the message)
ERRORS = [
    (lambda: LAYER(mode="whitening"), ValueError, ["'component'", "'scalar'", "'whitening'"]),
    (lambda: GROUP(mode="all"), ValueError, ["'component'", "'scalar'", "mode='all'"]),
    (lambda: LAYER(axis="last"), TypeError, ["list of ints", "axis='last'"]),
    (lambda: RMS(axis=1.5), TypeError, ["list of ints", "axis=1.5"]),
    (lambda: LAYER(axis=2)(X), ValueError, ["between -2 and 1", "axis=2"]),
    (lambda: RMS(axis=[1, -1])(X), ValueError, ["each once", "axis=[1, -1]"]),
    (lambda: LAYER(axis=[1, 2])(IMAGE), ValueError, ["where the components", "axis=[1, 2]"]),
    (lambda: LAYER(algebra="quaternion")(X), ValueError, ["dimension 4", "size=6"]),
    (lambda: RMS(algebra="quaternion")(X), ValueError, ["dimension 4", "size=6"]),
    (lambda: GROUP(algebra="quaternion")(X), ValueError, ["dimension 4", "size=6"]),
    # 6 real channels have 2 groups, 3 complex elements do not.
    (lambda: GROUP(2)(X), ValueError, ["3 elements", "whole elements", "groups=2"]),
    (lambda: GROUP(6)(X), ValueError, ["3 elements", "groups=6"]),
    (lambda: GROUP(0), ValueError, ["positive integer", "groups=0"]),
    (lambda: GROUP(2, axis=1)(np.ones((2, 4, 3), "complex64")), ValueError, ["axis=1"]),
]


@pytest.mark.parametrize(("action", "error", "words"), ERRORS, ids=range(len(ERRORS)))
def test_error_says_what_was_expected_and_received(action, error, words):
    with pytest.raises(error, match="Received") as caught:
        action()
    for word in words:
        assert word in str(caught.value), str(caught.value)
