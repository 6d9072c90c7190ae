"""What every layer must pass; each family's test file runs these over its own table of cases."""

import inspect

import keras
import numpy as np
from keras import ops

from keras_phase.export import export_saved_model
from tests.helpers.keras_testing import run_layer_test
from tests.helpers.tolerances import assert_close


def data(shape, seed=0):
    """Normal numbers of that shape, or a list of such arrays for a list of shapes."""
    if isinstance(shape, list):
        return [data(s, seed + i) for i, s in enumerate(shape)]
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def check_keras_layer_test(cls, arguments, shape, weights, **kwargs):
    """Keras's own test of a layer: config, build, shapes, dtypes, training, mixed precision."""
    run_layer_test(
        cls,
        arguments,
        input_shape=shape,
        expected_num_trainable_weights=weights,
        run_training_check=weights > 0,
        **kwargs,
    )


def functional(layer, shape):
    """A functional model of that one layer."""
    shapes = shape if isinstance(shape, list) else [shape]
    inputs = [keras.Input(s[1:]) for s in shapes]
    return keras.Model(inputs, layer(inputs if isinstance(shape, list) else inputs[0]))


def check_round_trips(cls, arguments, shape, tmp_path):
    """Config, `.keras`, `.weights.h5` and `clone_model` keep every argument and the output."""
    layer = cls(**arguments)
    model = functional(layer, shape)
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


def check_saved_model(cls, arguments, shape, tmp_path):
    """The SavedModel of stock ops computes what the layer does (TensorFlow only)."""
    import tensorflow as tf

    model = functional(cls(**arguments), shape)
    x = data(shape)
    export_saved_model(model, tmp_path / "saved")
    served = tf.saved_model.load(str(tmp_path / "saved"))
    assert_close(served.serve(x), model.predict(x, verbose=0))


def check_unknown_batch_size(cls, arguments, shape):
    """A symbolic call leaves only the batch size open, and the real one agrees."""
    shapes = shape if isinstance(shape, list) else [shape]
    inputs = [keras.KerasTensor((None, *s[1:])) for s in shapes]
    layer = cls(**arguments)
    symbolic = layer(inputs if isinstance(shape, list) else inputs[0])
    assert symbolic.shape[0] is None
    assert tuple(symbolic.shape[1:]) == tuple(layer(data(shape)).shape[1:])


def check_equals_stock(ours, stock, arguments, shape, exact=True, **call):
    """`algebra="real"` is the stock layer: output, weights by name, shape and value, gradients.

    `exact=False` allows rounding, where the two add the same numbers in another order.
    """
    compare = np.testing.assert_array_equal if exact else assert_close
    results = []
    for cls, extra in ((stock, {}), (ours, {"algebra": "real"})):
        keras.utils.set_random_seed(5)
        layer = cls(**arguments, **extra)
        y = layer(data(shape), **call)
        weights = [(w.name, ops.convert_to_numpy(w)) for w in layer.weights]
        results.append((ops.convert_to_numpy(y), weights, weight_gradients(layer, shape, **call)))
    (y, weights, slopes), (my_y, my_weights, my_slopes) = results
    compare(my_y, y)
    assert [name for name, _ in my_weights] == [name for name, _ in weights]
    for (_, mine), (_, theirs) in zip(my_weights, weights, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    for mine, theirs in zip(my_slopes, slopes, strict=True):
        compare(mine, theirs)


def weight_gradients(layer, shape, **call):
    """Gradients of a fixed weighted sum of the outputs by every trainable weight (TensorFlow)."""
    if keras.backend.backend() != "tensorflow":
        return []
    import tensorflow as tf

    with tf.GradientTape() as tape:
        y = layer(data(shape), **call)
        loss = tf.reduce_sum(y * data(tuple(y.shape), seed=9))
    return [tf.convert_to_tensor(g).numpy() for g in tape.gradient(loss, layer.trainable_weights)]


def check_signature(ours, stock):
    """The stock layer's arguments in its order with its defaults, then ours by keyword."""
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
