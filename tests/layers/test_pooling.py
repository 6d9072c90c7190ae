"""Max pooling by modulus against a loop over windows, stock max pooling, and its own rules."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from keras_phase import algebras
from keras_phase.layers.pooling import (
    ModulusMaxPooling1D,
    ModulusMaxPooling2D,
    ModulusMaxPooling3D,
)
from tests.helpers import layer_checks
from tests.helpers.gradients import check_gradient, gradients
from tests.helpers.layer_checks import data

LAYERS = {1: ModulusMaxPooling1D, 2: ModulusMaxPooling2D, 3: ModulusMaxPooling3D}
STOCK = {
    1: keras.layers.MaxPooling1D,
    2: keras.layers.MaxPooling2D,
    3: keras.layers.MaxPooling3D,
}

# (class, arguments, input shape for algebra complex): no argument at its default.
CASES = [
    (
        ModulusMaxPooling1D,
        {"pool_size": 3, "strides": 2, "padding": "same", "data_format": "channels_first"},
        (2, 6, 7),
    ),
    (
        ModulusMaxPooling2D,
        {"pool_size": (3, 2), "strides": (1, 2), "padding": "same", "algebra": "quaternion"},
        (2, 5, 6, 8),
    ),
    (
        ModulusMaxPooling3D,
        {"pool_size": (1, 2, 3), "strides": 2, "data_format": "channels_first"},
        (2, 4, 3, 4, 5),
    ),
]
IDS = [cls.__name__ for cls, *_ in CASES]

# (rank, spatial sizes, window, strides): odd sizes, windows longer and shorter than the strides.
WINDOWS = [
    (1, (7,), 2, None),
    (1, (9,), 5, 2),
    (1, (5,), 2, 3),
    (1, (4,), 1, 2),
    (1, (13,), 7, 1),
    (2, (5, 6), (3, 2), (2, 1)),
    (2, (7, 4), 4, 3),
    (3, (3, 4, 5), (2, 1, 3), (1, 2, 2)),
]


def loop(x, dimension, window, strides, padding):
    """Channels last, one output at a time: the definition."""
    rank = x.ndim - 2
    window = (window,) * rank if isinstance(window, int) else window
    strides = window if strides is None else strides
    strides = (strides,) * rank if isinstance(strides, int) else strides
    elements = x.reshape(*x.shape[:-1], dimension, -1)
    sizes, starts = [], []
    for size, w, s in zip(x.shape[1:-1], window, strides, strict=True):
        if padding == "valid":
            sizes.append((size - w) // s + 1)
            starts.append(0)
        else:
            sizes.append((size - 1) // s + 1)
            starts.append(-(max((sizes[-1] - 1) * s + w - size, 0) // 2))
    n = elements.shape[-1]
    out = np.full((x.shape[0], *sizes, dimension, n), np.nan, x.dtype)
    for b, place, c in itertools.product(range(x.shape[0]), np.ndindex(*sizes), range(n)):
        largest = -1.0
        for offset in np.ndindex(*window):
            at = tuple(f + p * s + o for f, p, s, o in zip(starts, place, strides, offset))  # noqa: B905
            if any(i < 0 or i >= size for i, size in zip(at, x.shape[1:-1], strict=True)):
                continue
            element = elements[(b, *at, slice(None), c)]
            norm = np.sqrt(np.sum(np.square(element.astype("float64"))))
            if norm > largest:
                largest = norm
                out[(b, *place, slice(None), c)] = element
    return out.reshape(*out.shape[:-2], -1)


def pooled(layer, x):
    """The layer's output on channels-last data, whatever its format."""
    if layer.data_format == "channels_first":
        return np.moveaxis(ops.convert_to_numpy(layer(np.moveaxis(x, -1, 1))), 1, -1)
    return ops.convert_to_numpy(layer(x))


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("rank", "sizes", "window", "strides"), WINDOWS)
def test_equals_a_loop_over_windows(rank, sizes, window, strides, padding, data_format):
    x = data((2, *sizes, 3 * 2))
    layer = LAYERS[rank](window, strides, padding, data_format, algebra="cross")
    np.testing.assert_array_equal(pooled(layer, x), loop(x, 3, window, strides, padding))


@pytest.mark.parametrize("name", algebras.names())
def test_every_algebra(name):
    d = algebras.get(name).dimension
    x = data((2, 5, 4, 3 * d))
    layer = ModulusMaxPooling2D(3, 2, "same", algebra=name)
    np.testing.assert_array_equal(pooled(layer, x), loop(x, d, 3, 2, "same"))


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_real_algebra_equals_the_stock_layer_on_positive_inputs(rank, padding):
    x = np.abs(data((2, *(5, 4, 6)[:rank], 3)))
    arguments = {"pool_size": 3, "strides": 2, "padding": padding}
    ours, stock = LAYERS[rank](**arguments, algebra="real"), STOCK[rank](**arguments)
    np.testing.assert_array_equal(ops.convert_to_numpy(ours(x)), ops.convert_to_numpy(stock(x)))
    assert ours.compute_output_shape(x.shape) == stock.compute_output_shape(x.shape)


@pytest.mark.tensorflow
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_real_algebra_has_the_stock_gradient(rank):
    x = np.abs(data((2, *(5, 4, 6)[:rank], 3)))
    (mine,) = gradients(lambda x: LAYERS[rank](2, algebra="real")(x) ** 2, x)
    (stock,) = gradients(lambda x: STOCK[rank](2)(x) ** 2, x)
    np.testing.assert_array_equal(mine, stock)


def test_real_algebra_compares_absolute_values():
    x = np.array([[[1.0], [-3.0], [2.0]]], "float32")
    y = ops.convert_to_numpy(ModulusMaxPooling1D(3, algebra="real")(x))
    np.testing.assert_array_equal(y, [[[-3.0]]])


def test_equal_moduli_give_the_first_in_reading_order():
    x = np.zeros((1, 2, 2, 2), "float32")
    x[0, :, :, 0] = [[0, 3], [5, -5]]
    x[0, :, :, 1] = [[0, 4], [0, 0]]  # moduli 0, 5, 5, 5
    y = ops.convert_to_numpy(ModulusMaxPooling2D()(x))
    np.testing.assert_array_equal(y.ravel(), [3, 4])


@pytest.mark.parametrize("window", [2, 3, 5])
def test_padding_never_wins(window):
    """An input of zeros, and elements too small for a modulus, still come from the input."""
    tiny = np.full((1, 3, 2), -1e-30, "float32")
    y = ops.convert_to_numpy(ModulusMaxPooling1D(window, 1, "same")(tiny))
    np.testing.assert_array_equal(y, tiny)


def test_nan_wins_its_window_only():
    x = data((1, 6, 2))
    x[0, 1, 1] = np.nan
    y = ops.convert_to_numpy(ModulusMaxPooling1D(2)(x))
    assert np.isnan(y[0, 0, 1]) and np.isfinite(y[0, 1:]).all()


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_gradient_is_right(padding):
    x = data((1, 5, 4, 2 * 2))
    layer = ModulusMaxPooling2D((3, 2), (2, 1), padding, dtype="float64")
    check_gradient(layer, x)


def test_gradient_goes_to_the_winner_only():
    x = np.zeros((1, 4, 2), "float32")
    x[0, :, 0], x[0, :, 1] = [1, 0, 2, 0], [0, 3, 0, 1]
    (slope,) = gradients(ModulusMaxPooling1D(2), x)
    np.testing.assert_array_equal(slope[0], [[0, 0], [1, 1], [1, 1], [0, 0]])


@pytest.mark.tensorflow
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("rank", "sizes", "window", "strides"), WINDOWS)
def test_sizes_known_at_run_time_only(rank, sizes, window, strides, padding):
    import tensorflow as tf

    layer = LAYERS[rank](window, strides, padding)
    x = data((2, *sizes, 2 * 3))
    inputs = keras.Input((*(None for _ in sizes), 6))
    model = keras.Model(inputs, layer(inputs))
    run = tf.function(model, input_signature=[tf.TensorSpec((None, *(None for _ in sizes), 6))])
    np.testing.assert_array_equal(run(x).numpy(), loop(x, 2, window, strides, padding))


@pytest.mark.tensorflow
def test_compiles():
    import tensorflow as tf

    layer = ModulusMaxPooling2D(3, 2, "same")
    x = data((2, 7, 6, 4))
    compiled = tf.function(layer, jit_compile=True)
    np.testing.assert_array_equal(compiled(x).numpy(), ops.convert_to_numpy(layer(x)))


def test_long_windows_take_few_comparisons():
    """The graph grows with the logarithm of the window."""
    x = data((1, 1000, 2))
    layer = ModulusMaxPooling1D(1000)
    y = ops.convert_to_numpy(layer(x))
    winner = np.argmax(np.linalg.norm(x[0], axis=-1))
    np.testing.assert_array_equal(y[0, 0], x[0, winner])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "mixed_bfloat16"])
def test_half_precision_compares_in_float32(dtype):
    """Moduli above 65504 are infinite in float16, and equal in bfloat16 to three digits."""
    x = np.array([[[5e4, 5e4], [6e4, 6e4]], [[1.0, 0.0], [1.0, 0.0625]]], "float32")
    y = ops.convert_to_numpy(ops.cast(ModulusMaxPooling1D(dtype=dtype)(x), "float32"))
    expected = ops.convert_to_numpy(ops.cast(ops.cast(x[:, 1:], dtype.split("_")[-1]), "float32"))
    np.testing.assert_array_equal(y, expected)


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
    ("arguments", "message"),
    [
        ({"pool_size": 0}, "`pool_size` to be a positive integer, or 2 of them.*pool_size=0"),
        ({"pool_size": (2, 2, 2)}, r"or 2 of them.*pool_size=\(2, 2, 2\)"),
        ({"strides": -1}, "`strides` to be a positive integer.*strides=-1"),
        ({"padding": "causal"}, "'valid' or 'same'.*padding='causal'"),
        ({"data_format": "last"}, "'channels_last' or 'channels_first'.*data_format='last'"),
        ({"algebra": "kwaternion"}, "Unknown algebra"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        ModulusMaxPooling2D(**arguments)


def test_bad_inputs_are_named():
    with pytest.raises(ValueError, match="multiple of the algebra's dimension 2"):
        ModulusMaxPooling2D()(data((1, 4, 4, 3)))
    with pytest.raises(ValueError, match="axis 1 must be a multiple of the algebra's dimension 4"):
        ModulusMaxPooling2D(data_format="channels_first", algebra="quaternion")(data((1, 6, 4, 4)))
    with pytest.raises(ValueError, match=r"window larger than its input.*padding='same'"):
        ModulusMaxPooling2D(5)(data((1, 4, 6, 2)))
