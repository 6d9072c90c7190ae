"""Spatial dropout: whole elements over whole feature maps, and the stock layers' masks."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_phase import algebras
from keras_phase.layers.spatial_dropout import (
    AlgebraSpatialDropout1D,
    AlgebraSpatialDropout2D,
    AlgebraSpatialDropout3D,
)
from tests.helpers import layer_checks
from tests.helpers.gradients import gradients
from tests.helpers.layer_checks import data

LAYERS = {1: AlgebraSpatialDropout1D, 2: AlgebraSpatialDropout2D, 3: AlgebraSpatialDropout3D}
STOCK = {
    1: keras.layers.SpatialDropout1D,
    2: keras.layers.SpatialDropout2D,
    3: keras.layers.SpatialDropout3D,
}

# (class, arguments, input shape for algebra complex): no argument at its default.
CASES = [
    (AlgebraSpatialDropout1D, {"rate": 0.4, "seed": 3}, (2, 3, 4)),
    (
        AlgebraSpatialDropout2D,
        {"rate": 0.4, "data_format": "channels_first", "seed": 3, "algebra": "quaternion"},
        (2, 8, 3, 5),
    ),
    (
        AlgebraSpatialDropout3D,
        {"rate": 0.4, "data_format": "channels_last", "seed": 3},
        (2, 3, 2, 3, 4),
    ),
]
IDS = [cls.__name__ for cls, *_ in CASES]
FORMATS = [(1, None), (2, None), (2, "channels_first"), (3, None), (3, "channels_first")]


def of_format(data_format):
    return {} if data_format is None else {"data_format": data_format}


@pytest.mark.parametrize(("rank", "data_format"), FORMATS)
@pytest.mark.parametrize("name", algebras.names())
def test_drops_whole_elements_over_whole_maps(name, rank, data_format):
    d, n, batch = algebras.get(name).dimension, 50, 20
    channels = 1 if data_format else rank + 1
    shape = [batch] + [2] * (rank + 1)
    shape[channels] = d * n
    layer = LAYERS[rank](0.25, seed=0, algebra=name, **of_format(data_format))
    y = ops.convert_to_numpy(layer(np.ones(shape, "float32"), training=True))
    maps = np.moveaxis(y, channels, 1).reshape(batch, d, n, -1)
    np.testing.assert_array_equal(maps, np.broadcast_to(maps[:, :1, :, :1], maps.shape))
    kept = maps[:, 0, :, 0]
    np.testing.assert_allclose(kept[kept != 0], 4 / 3, rtol=1e-6)
    assert abs((kept == 0).mean() - 0.25) < 0.05


@pytest.mark.parametrize(("rank", "data_format"), FORMATS)
def test_real_algebra_equals_the_stock_layer_bit_for_bit(rank, data_format):
    shape = (3, 4, 5, 4, 6)[: rank + 2]
    arguments = {"rate": 0.5, "seed": 7, **of_format(data_format)}
    layer_checks.check_equals_stock(LAYERS[rank], STOCK[rank], arguments, shape, training=True)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_inference_and_rate_zero_return_the_input(rank):
    x = data((*(2, 3, 4, 3)[: rank + 1], 4))
    np.testing.assert_array_equal(ops.convert_to_numpy(LAYERS[rank](0.5)(x)), x)
    np.testing.assert_array_equal(ops.convert_to_numpy(LAYERS[rank](0.0)(x, training=True)), x)


def test_gradient_is_the_mask():
    x = data((4, 3, 2 * 5))
    layer = AlgebraSpatialDropout1D(0.5, seed=1)
    y = ops.convert_to_numpy(layer(x, training=True))
    layer = AlgebraSpatialDropout1D(0.5, seed=1)
    (slope,) = gradients(lambda x: layer(x, training=True), x)
    np.testing.assert_allclose(slope * x, y, rtol=1e-6)


def test_draws_anew_at_every_call():
    layer = AlgebraSpatialDropout1D(0.5, seed=1)
    x = np.ones((8, 1, 2 * 16), "float32")
    first, second = (ops.convert_to_numpy(layer(x, training=True)) for _ in range(2))
    assert (first != second).any()


@pytest.mark.tensorflow
def test_compiles_with_an_unknown_shape():
    import tensorflow as tf

    layer = AlgebraSpatialDropout2D(0.5, seed=1)
    layer.build((None, None, None, 4))

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 4))], jit_compile=True)
    def run(x):
        return layer(x, training=True)

    y = run(np.ones((5, 3, 4, 4), "float32")).numpy()
    assert set(np.unique(y)) <= {0.0, 2.0}
    np.testing.assert_array_equal(y[..., :2], y[..., 2:])


@pytest.mark.parametrize(("cls", "arguments", "shape"), CASES, ids=IDS)
def test_keras_layer_test(cls, arguments, shape):
    layer_checks.check_keras_layer_test(cls, arguments, shape, 0)


@pytest.mark.parametrize(("cls", "arguments", "shape"), CASES, ids=IDS)
def test_reloads_with_every_argument_and_the_same_output(cls, arguments, shape, tmp_path):
    layer_checks.check_round_trips(cls, arguments, shape, tmp_path)


@pytest.mark.tensorflow
@pytest.mark.parametrize(("cls", "arguments", "shape"), CASES, ids=IDS)
def test_exports_with_stock_ops(cls, arguments, shape, tmp_path):
    layer_checks.check_saved_model(cls, arguments, shape, tmp_path)


@pytest.mark.parametrize(("cls", "arguments", "shape"), CASES, ids=IDS)
def test_unknown_batch_size_keeps_the_other_sizes(cls, arguments, shape):
    layer_checks.check_unknown_batch_size(cls, arguments, shape)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_signature_is_the_stock_layers_then_ours_by_keyword(rank):
    layer_checks.check_signature(LAYERS[rank], STOCK[rank])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AlgebraSpatialDropout1D(1.5), "between 0 and 1.*rate=1.5"),
        (lambda: AlgebraSpatialDropout2D(0.5, "last"), "'channels_last' or 'channels_first'"),
        (lambda: AlgebraSpatialDropout1D(0.5)(data((2, 3, 5))), "multiple of the algebra's dim"),
        (lambda: AlgebraSpatialDropout2D(0.5)(data((2, 3, 4))), "expected ndim=4"),
    ],
)
def test_bad_arguments_and_inputs_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
