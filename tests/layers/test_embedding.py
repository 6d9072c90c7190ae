"""Embedding of integers: rows of a table of elements, padding, and equality to Keras's layer."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_phase import algebras, parametrizations
from keras_phase.layers.embedding import AlgebraEmbedding
from keras_phase.layers.projection import AlgebraProjection
from keras_phase.pruning import targets
from tests.helpers import layer_checks
from tests.helpers.layer_checks import data
from tests.helpers.tolerances import assert_close

ALGEBRAS = algebras.names()
IDS = np.array([[1, 4, 0], [6, 1, 2]], "int32")

# (arguments, trainable weights): no argument at its default where there is another value.
CASES = [
    ({"input_dim": 7, "output_dim": 3}, 1),
    (
        {
            "input_dim": 7,
            "output_dim": 3,
            "embeddings_initializer": "he_normal",
            "embeddings_regularizer": "l2",
            "embeddings_constraint": keras.constraints.MaxNorm(2.0),
            "mask_zero": True,
            "algebra": "quaternion",
            "parametrization": parametrizations.Polar("unit"),
            "name": "words",
            "dtype": "float64",
        },
        2,
    ),
    ({"input_dim": 7, "output_dim": 3, "algebra": "real", "embeddings_initializer": "normal"}, 1),
]


def model_of(arguments):
    inputs = keras.Input((3,), dtype="int32")
    return keras.Model(inputs, AlgebraEmbedding(**arguments)(inputs))


@pytest.mark.parametrize(("arguments", "weights"), CASES)
def test_keras_layer_test(arguments, weights):
    layer_checks.check_keras_layer_test(
        AlgebraEmbedding,
        {k: v for k, v in arguments.items() if k != "dtype"},  # Keras adds losses in one dtype
        (2, 3),
        weights,
        input_dtype="int32",
        expected_num_non_trainable_weights=0,
    )


@pytest.mark.parametrize(("arguments", "weights"), CASES)
def test_reloads_with_every_argument_and_the_same_output(arguments, weights, tmp_path):
    model = model_of(arguments)
    expected = model.predict(IDS, verbose=0)
    model.save(tmp_path / "model.keras")
    reloaded = keras.saving.load_model(tmp_path / "model.keras")
    assert reloaded.layers[-1].get_config() == model.layers[-1].get_config()
    np.testing.assert_array_equal(reloaded.predict(IDS, verbose=0), expected)
    model.save_weights(tmp_path / "model.weights.h5")
    clone = keras.models.clone_model(model)
    clone.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(clone.predict(IDS, verbose=0), expected)


@pytest.mark.tensorflow
@pytest.mark.parametrize(("arguments", "weights"), CASES)
def test_exports_with_stock_ops(arguments, weights, tmp_path):
    import tensorflow as tf

    from keras_phase.export import export_saved_model

    model = model_of(arguments)
    export_saved_model(model, tmp_path / "saved")
    served = tf.saved_model.load(str(tmp_path / "saved"))
    assert_close(served.serve(IDS), model.predict(IDS, verbose=0))


@pytest.mark.tensorflow
@pytest.mark.parametrize("mask_zero", [True, False])
def test_real_algebra_equals_the_stock_layer(mask_zero):
    import tensorflow as tf

    results = []
    for cls, extra in ((keras.layers.Embedding, {}), (AlgebraEmbedding, {"algebra": "real"})):
        keras.utils.set_random_seed(5)
        layer = cls(7, 3, mask_zero=mask_zero, **extra)
        with tf.GradientTape() as tape:
            y = layer(IDS)
            loss = tf.reduce_sum(y * data(tuple(y.shape)))
        slope = tf.convert_to_tensor(tape.gradient(loss, layer.trainable_weights[0]))
        mask = getattr(y, "_keras_mask", None)
        results.append((layer.weights[0], y, slope, mask))
    (stock, *theirs, mask), (ours, *mine, my_mask) = results
    assert (ours.name, ours.shape) == (stock.name, stock.shape)
    np.testing.assert_array_equal(ours, stock)
    for a, b in zip(mine, theirs, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (mask is None) == (my_mask is None) == (not mask_zero)
    if mask_zero:
        np.testing.assert_array_equal(my_mask, mask)


def test_signature_is_the_stock_layers_then_ours_by_keyword():
    layer_checks.check_signature(AlgebraEmbedding, keras.layers.Embedding)


@pytest.mark.parametrize("name", ALGEBRAS)
def test_every_algebra_equals_a_loop(name):
    d = algebras.get(name).dimension
    table = data((d, 7, 3))
    layer = AlgebraEmbedding(7, 3, weights=table if d > 1 else table[0], algebra=name)
    assert_close(layer.embeddings, table)
    y = ops.convert_to_numpy(layer(IDS))
    assert y.shape == (2, 3, d * 3)
    for b in range(2):
        for t in range(3):
            for component in range(d):
                row = y[b, t, 3 * component : 3 * (component + 1)]
                np.testing.assert_array_equal(row, table[component, IDS[b, t]])


@pytest.mark.tensorflow
def test_gradient_reaches_the_rows_that_were_used():
    import tensorflow as tf

    layer = AlgebraEmbedding(7, 3, algebra="quaternion")
    weights = data((2, 3, 12))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(IDS) * weights)
    slope = tf.convert_to_tensor(tape.gradient(loss, layer.trainable_weights[0])).numpy()
    expected = np.zeros((4, 7, 3))
    for position, i in np.ndenumerate(IDS):
        expected[:, i] += weights[position].reshape(4, 3)
    assert_close(slope, expected)


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32", "bool"])
def test_indices_of_any_dtype(dtype):
    layer = AlgebraEmbedding(7, 3)
    ids = (IDS % 2).astype(dtype)
    np.testing.assert_array_equal(layer(ids), layer(IDS % 2))


def test_negative_indices_count_from_the_end_as_in_keras():
    layer = AlgebraEmbedding(7, 3)
    np.testing.assert_array_equal(layer(IDS - 7), layer(IDS))


@pytest.mark.tensorflow
def test_an_index_beyond_the_table_is_an_error_as_in_keras():
    import tensorflow as tf

    with pytest.raises(tf.errors.InvalidArgumentError):
        AlgebraEmbedding(7, 3)(np.array([7]))


def test_any_shape_of_input():
    layer = AlgebraEmbedding(7, 3)
    assert layer(np.array([2])).shape == (1, 6)
    assert layer(np.zeros((2, 0), "int32")).shape == (2, 0, 6)
    assert layer(np.zeros((2, 3, 4), "int32")).shape == (2, 3, 4, 6)


def test_mask_reaches_later_layers():
    y = AlgebraEmbedding(7, 3, mask_zero=True)(IDS)
    np.testing.assert_array_equal(ops.convert_to_numpy(y._keras_mask), IDS != 0)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_keeps_the_table_in_float32(dtype):
    layer = AlgebraEmbedding(7, 3, dtype=dtype)
    y = layer(IDS)
    assert keras.backend.standardize_dtype(y.dtype) == layer.compute_dtype
    assert layer.weights[0].dtype == "float32"
    assert keras.backend.standardize_dtype(layer.embeddings.dtype) == "float32"


def test_trains_under_jit_compile():
    model = keras.Sequential(
        [keras.Input((3,), dtype="int32"), AlgebraEmbedding(7, 3, algebra="quaternion")]
    )
    model.compile("adam", "mse", jit_compile=True)
    before = model.evaluate(IDS, np.ones((2, 3, 12)), verbose=0)
    model.fit(IDS, np.ones((2, 3, 12)), epochs=3, verbose=0)
    assert model.evaluate(IDS, np.ones((2, 3, 12)), verbose=0) < before


def test_pruning_finds_the_table_by_elements():
    model = model_of({"input_dim": 7, "output_dim": 3, "name": "words"})
    (target,) = targets.find(model)
    assert (target.path, target.shape, target.size) == ("words/embeddings", (2, 7, 3), 21)


def test_projection_equals_einsum_dense_for_real_and_keeps_its_config():
    ours = AlgebraProjection((4,), (3, 2), activation="tanh", algebra="real")
    stock = keras.layers.EinsumDense("abc,cde->abde", (None, 3, 2), "tanh", "de")
    x = data((2, 5, 4))
    stock.build(x.shape)
    ours.build(x.shape)
    assert [(w.name, w.shape) for w in ours.weights] == [(w.name, w.shape) for w in stock.weights]
    stock.bias.assign(data((3, 2)))
    ours.set_weights(stock.get_weights())
    assert_close(ours(x), stock(x))
    again = AlgebraProjection.from_config(ours.get_config())
    again.build(x.shape)
    assert again.get_config() == ours.get_config()


# (what is done, words of the message)
ERRORS = [
    (lambda: AlgebraEmbedding(0, 3), ["positive integer", "input_dim=0"]),
    (lambda: AlgebraEmbedding(7, 3.0), ["positive integer", "output_dim=3.0", "float"]),
    (lambda: AlgebraEmbedding(True, 3), ["positive integer", "input_dim=True"]),
    (lambda: AlgebraEmbedding(7, 3, lora_rank=2), ["lora_rank", "lora_rank=2"]),
    (
        lambda: AlgebraEmbedding(7, 3, weights=np.ones((7, 3))),
        ["(2, 7, 3)", "complex", "(7, 3)"],
    ),
    (lambda: AlgebraEmbedding(7, 3, algebra="octavian"), ["octonion", "'octavian'"]),
]


@pytest.mark.parametrize(("action", "words"), ERRORS, ids=range(len(ERRORS)))
def test_error_says_what_was_expected_and_received(action, words):
    with pytest.raises(ValueError) as caught:
        action()
    for word in [*words, "Received"]:
        assert word in str(caught.value), str(caught.value)


def test_unknown_argument_is_named():
    with pytest.raises((TypeError, ValueError), match="input_size"):
        AlgebraEmbedding(7, 3, input_size=2)


def test_embeddings_before_build_are_an_error():
    with pytest.raises(AttributeError, match="no embeddings yet"):
        _ = AlgebraEmbedding(7, 3).embeddings
