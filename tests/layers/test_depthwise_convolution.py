"""Depthwise and separable convolution layers."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_phase import algebras, parametrizations
from keras_phase.layers.convolution import AlgebraConv2D
from keras_phase.layers.depthwise_convolution import AlgebraDepthwiseConv1D, AlgebraDepthwiseConv2D
from keras_phase.layers.separable_convolution import AlgebraSeparableConv1D, AlgebraSeparableConv2D
from keras_phase.pruning import prune
from tests.helpers import layer_checks, versions
from tests.helpers.layer_checks import data
from tests.helpers.tolerances import assert_close
from tests.helpers.versions import newest_keras

NON_ZERO = keras.initializers.RandomUniform(0.1, 0.2, seed=1)
WEIGHTS = {
    "activation": "modrelu",
    "bias_initializer": NON_ZERO,
    "bias_regularizer": "l1",
    "activity_regularizer": "l2",
    "bias_constraint": "non_neg",
    "depthwise_initializer": "he_normal",
    "depthwise_regularizer": "l2",
    "depthwise_constraint": keras.constraints.MaxNorm(2.0),
}
POINTWISE = {
    "pointwise_initializer": "lecun_uniform",
    "pointwise_regularizer": "l1",
    "pointwise_constraint": keras.constraints.MaxNorm(3.0),
}
FIRST = {"data_format": "channels_first"}

# (class, arguments, input shape, trainable weights): the second row of each kind has every
# argument at another value than the default.
LAYERS = [
    (AlgebraDepthwiseConv1D, {"kernel_size": 2, "algebra": "split_complex"}, (2, 5, 4), 2),
    (
        AlgebraDepthwiseConv1D,
        {
            "kernel_size": 3,
            "strides": 2,
            "padding": "same",
            "depth_multiplier": 2,
            **FIRST,
            **WEIGHTS,
            "parametrization": "Polar",
            "method": "factored",
        },
        (2, 4, 6),
        4,
    ),
    (
        AlgebraDepthwiseConv2D,
        {"kernel_size": (2, 3), "dilation_rate": 2, "use_bias": False, "algebra": "m2r"},
        (2, 4, 6, 8),
        1,
    ),
    (
        AlgebraDepthwiseConv2D,
        {"kernel_size": 2, "depth_multiplier": 3, "method": "expanded", **FIRST, **WEIGHTS},
        (2, 4, 4, 3),
        3,
    ),
    (AlgebraSeparableConv1D, {"filters": 3, "kernel_size": 2, "algebra": "dual"}, (2, 5, 4), 3),
    (
        AlgebraSeparableConv1D,
        {
            "filters": 3,
            "kernel_size": 2,
            "padding": "same",
            "dilation_rate": 2,
            "depth_multiplier": 2,
            **WEIGHTS,
            **POINTWISE,
            "parametrization": parametrizations.Polar("unit"),
            "method": "expanded",
        },
        (2, 5, 4),
        6,
    ),
    (
        AlgebraSeparableConv2D,
        {"filters": 3, "kernel_size": 2, "strides": 2, "use_bias": False, **FIRST},
        (2, 4, 4, 5),
        2,
    ),
]
IDS = [f"{cls.__name__}-{i}" for i, (cls, *_) in enumerate(LAYERS)]

K = keras.layers
BIAS = {"activation": "tanh", "bias_initializer": NON_ZERO}
BOTH = newest_keras("strides with dilation stop the process in its depthwise convolution")
# (ours, stock, arguments, input shape)
TWINS = [
    (
        AlgebraDepthwiseConv1D,
        K.DepthwiseConv1D,
        {"kernel_size": 3, "strides": 2, "depth_multiplier": 2, **BIAS},
        (2, 7, 4),
    ),
    (
        AlgebraDepthwiseConv1D,
        K.DepthwiseConv1D,
        {"kernel_size": 2, "padding": "same", "dilation_rate": 2, **FIRST},
        (2, 4, 7),
    ),
    pytest.param(
        AlgebraDepthwiseConv2D,
        K.DepthwiseConv2D,
        {"kernel_size": (2, 3), "strides": 2, "dilation_rate": 2, **BIAS},
        (2, 7, 8, 3),
        marks=BOTH,
    ),
    (
        AlgebraDepthwiseConv2D,
        K.DepthwiseConv2D,
        {"kernel_size": 3, "padding": "same", "depth_multiplier": 2, **BIAS, **FIRST},
        (2, 3, 7, 8),
    ),
    (
        AlgebraSeparableConv1D,
        K.SeparableConv1D,
        {"filters": 3, "kernel_size": 3, "strides": 2, "depth_multiplier": 2, **BIAS},
        (2, 7, 4),
    ),
    (
        AlgebraSeparableConv1D,
        K.SeparableConv1D,
        {"filters": 3, "kernel_size": 2, "dilation_rate": 2, "padding": "same", **FIRST},
        (2, 4, 7),
    ),
    (
        AlgebraSeparableConv2D,
        K.SeparableConv2D,
        {"filters": 3, "kernel_size": (2, 3), "padding": "same", **BIAS},
        (2, 7, 8, 3),
    ),
    pytest.param(
        AlgebraSeparableConv2D,
        K.SeparableConv2D,
        {"filters": 3, "kernel_size": 2, "strides": 2, "dilation_rate": 2, **BIAS, **FIRST},
        (2, 3, 7, 8),
        marks=BOTH,
    ),
]


@pytest.mark.parametrize(("cls", "arguments", "shape", "weights"), LAYERS, ids=IDS)
def test_keras_layer_test(cls, arguments, shape, weights):
    # An older Keras has no 16-bit depthwise convolutions with channels first on a CPU.
    limited = versions.KERAS < (3, 15) and "data_format" in arguments
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
def test_real_algebra_equals_the_stock_layer(ours, stock, arguments, shape):
    # The pointwise part is a matmul, whose gradient adds in another order.
    exact = stock in (K.DepthwiseConv1D, K.DepthwiseConv2D)
    layer_checks.check_equals_stock(ours, stock, arguments, shape, exact=exact)


@pytest.mark.parametrize(
    ("ours", "stock"),
    [
        (AlgebraDepthwiseConv1D, K.DepthwiseConv1D),
        (AlgebraDepthwiseConv2D, K.DepthwiseConv2D),
        (AlgebraSeparableConv1D, K.SeparableConv1D),
        (AlgebraSeparableConv2D, K.SeparableConv2D),
    ],
)
def test_signature_is_the_stock_layers_then_ours_by_keyword(ours, stock):
    layer_checks.check_signature(ours, stock)


@pytest.mark.parametrize("name", algebras.names())
def test_depthwise_is_a_convolution_with_one_group_an_element(name):
    """`groups=in` of the plain convolution is the depthwise one, filter `c*multiplier + m`."""
    d = algebras.get(name).dimension
    x = data((2, 4, 5, d * 3))
    depthwise = AlgebraDepthwiseConv2D(2, depth_multiplier=2, algebra=name)
    grouped = AlgebraConv2D(6, 2, groups=3, algebra=name)
    expected = ops.convert_to_numpy(depthwise(x))
    grouped.build(x.shape)
    kernel = ops.convert_to_numpy(depthwise.kernel)  # (d, 2, 2, 3, 2)
    grouped.kernel_parametrization.set_kernel(kernel.reshape(d, 2, 2, 1, 6))
    assert_close(ops.convert_to_numpy(grouped(x)), expected)


@pytest.mark.parametrize("name", algebras.names())
@pytest.mark.parametrize("first", [False, True])
def test_separable_is_depthwise_then_pointwise(name, first):
    d = algebras.get(name).dimension
    x = data((2, 4, 5, d * 3))
    layer = AlgebraSeparableConv2D(4, 2, depth_multiplier=2, algebra=name)
    expected = ops.convert_to_numpy(layer(x))
    if first:
        same = AlgebraSeparableConv2D(4, 2, depth_multiplier=2, algebra=name, **FIRST)
        same.build((None, d * 3, 4, 5))
        same.set_weights(layer.get_weights())
        y = np.moveaxis(ops.convert_to_numpy(same(np.moveaxis(x, -1, 1))), 1, -1)
    else:
        depthwise = AlgebraDepthwiseConv2D(2, depth_multiplier=2, algebra=name, use_bias=False)
        depthwise.build(x.shape)
        depthwise.kernel_parametrization.set_kernel(layer.depthwise_kernel)
        pointwise = AlgebraConv2D(4, 1, algebra=name)
        pointwise.build((None, 3, 4, d * 6))
        pointwise.kernel_parametrization.set_kernel(layer.pointwise_kernel)
        y = ops.convert_to_numpy(pointwise(depthwise(x)))
    assert_close(y, expected)


def test_separable_holds_a_parametrization_for_each_kernel():
    layer = AlgebraSeparableConv1D(3, 2, parametrization="Polar", name="conv")
    layer.build((None, 5, 4))
    assert [p.path for p in layer.parametrizations] == [
        "conv/depthwise_kernel",
        "conv/pointwise_kernel",
    ]
    assert [w.name for w in layer.weights] == [
        "depthwise_kernel_direction",
        "depthwise_kernel_amplitude",
        "pointwise_kernel_direction",
        "pointwise_kernel_amplitude",
        "bias",
    ]


@pytest.mark.parametrize("name", ["complex", "m2r"])
def test_pruning_removes_whole_elements(name):
    d = algebras.get(name).dimension
    model = keras.Sequential(
        [
            keras.Input((6, 6, 4 * d)),
            AlgebraDepthwiseConv2D(3, depth_multiplier=2, algebra=name),
            AlgebraSeparableConv2D(8, 3, algebra=name),
        ]
    )
    prune(model, 0.5)
    kernels = [p.kernel() for x in model.layers for p in parametrizations.of(x)]
    assert [tuple(w.shape) for w in kernels] == [
        (d, 3, 3, 4, 2),
        (d, 3, 3, 8, 1),
        (d, 1, 1, 8, 8),
    ]
    for w in kernels:
        assert 1 - ops.convert_to_numpy(w).any(axis=0).mean() == 0.5


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("cls", [AlgebraDepthwiseConv2D, AlgebraSeparableConv2D])
def test_mixed_precision_keeps_variables_in_float32(cls, policy):
    filters = {} if cls is AlgebraDepthwiseConv2D else {"filters": 3}
    layer = cls(**filters, kernel_size=2, dtype=policy)
    x = data((2, 4, 5, 4))
    y = layer(x)
    half = policy.removeprefix("mixed_")
    assert keras.backend.standardize_dtype(y.dtype) == half
    assert {w.dtype for w in layer.weights} == {"float32"}
    exact = cls(**filters, kernel_size=2)
    exact.build(x.shape)
    exact.set_weights(layer.get_weights())
    assert_close(ops.convert_to_numpy(ops.cast(y, "float32")), exact(x), half)


@pytest.mark.tensorflow
def test_compiles_with_xla_and_takes_any_number_of_places():
    layer = AlgebraSeparableConv2D(3, 2, algebra="quaternion")
    inputs = keras.Input((None, None, 8))
    model = keras.Model(inputs, layer(inputs))
    for jit_compile in (False, True):
        model.compile("sgd", "mse", jit_compile=jit_compile)
        for places in ((4, 5), (3, 7)):
            x = data((2, *places, 8))
            expected = ops.convert_to_numpy(layer(x))
            assert_close(model.predict(x, verbose=0), expected)
            model.fit(x, np.zeros_like(expected), verbose=0)


X = data((2, 6, 6, 12))
ERRORS = [
    (lambda: AlgebraDepthwiseConv2D(2)(X[..., :5]), ["last axis", "dimension 2", "size=5"]),
    (lambda: AlgebraDepthwiseConv2D(2, depth_multiplier=0), ["depth_multiplier", "positive"]),
    (lambda: AlgebraDepthwiseConv1D(2, padding="causal"), ["AlgebraConv1D only", "'causal'"]),
    (lambda: AlgebraSeparableConv2D(0, 2), ["filters", "positive", "filters=0"]),
    (lambda: AlgebraSeparableConv2D(3, 7)(X), ["no output", "kernel_size=(7, 7)"]),
    (lambda: AlgebraSeparableConv2D(3, 2, method="fast"), ["Unknown product method", "'fast'"]),
]


@pytest.mark.parametrize(("action", "words"), ERRORS, ids=range(len(ERRORS)))
def test_error_says_what_was_expected_and_received(action, words):
    with pytest.raises(ValueError) as caught:
        action()
    for word in [*words, "Received"]:
        assert word in str(caught.value), str(caught.value)


def test_kernel_before_build_is_an_error():
    with pytest.raises(AttributeError, match="no kernel yet"):
        _ = AlgebraSeparableConv2D(3, 2).pointwise_kernel
