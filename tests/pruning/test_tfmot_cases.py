"""What TF-MOT's own pruning tests look at, on Keras 3; tfmot_tables.py maps each of them."""

import importlib.util

import keras
import numpy as np
import pytest
from keras import ops

from keras_phase.pruning import (
    ConstantSparsity,
    PolynomialDecay,
    PruneLowMagnitude,
    PruningSummaries,
    UpdatePruningStep,
    prune_low_magnitude,
    strip_pruning,
)
from keras_phase.pruning.granularity import Block, Pattern

pytestmark = pytest.mark.tensorflow  # as test_vocabulary.py

L = keras.layers
HALF = ConstantSparsity(0.5, 0, -1, 1)


def small():
    return keras.Sequential([keras.Input((10,)), L.Dense(10, activation="relu"), L.Dense(5)])


def batch(model, size=20):
    rng = np.random.default_rng(0)
    shapes = [(size, *v.shape[1:]) for v in (*model.inputs, *model.outputs)]
    if "int" in str(model.inputs[0].dtype):
        return rng.integers(5, size=shapes[0]), rng.random(shapes[1])
    *x, y = (rng.normal(size=shape).astype("float32") for shape in shapes)
    return (x if len(x) > 1 else x[0]), y


def train(model, steps=1, callbacks=(), optimizer="sgd"):
    """As many epochs of one batch each."""
    if getattr(model, "optimizer", None) is None:
        model.compile(optimizer, "mse")
    x, y = batch(model)
    callbacks = [UpdatePruningStep(), *callbacks]
    model.fit(x, y, batch_size=len(y), epochs=steps, verbose=0, callbacks=callbacks)
    return model


def wrappers(model):
    return [x for x in model.layers if isinstance(x, PruneLowMagnitude)]


def pruned_parts(model):
    """Zeros in every weight that is pruned."""
    pruners = [x.pruner for x in wrappers(model) if x.pruner is not None]
    kernels = [t.kernel() for pruner in pruners for t in pruner.targets]
    return [float(ops.mean(ops.equal(k, 0))) for k in kernels]


def check_parts(model, fraction, within=0.0):
    found = pruned_parts(model)
    assert found
    np.testing.assert_allclose(found, fraction, atol=within + 1e-6)


def check_stripped(model):
    stripped = strip_pruning(model)
    assert wrappers(stripped) == []
    x, _ = batch(model, 3)
    np.testing.assert_array_equal(*(m.predict(x, verbose=0) for m in (model, stripped)))


# Masks of one weight.


def masked(kernel, schedule=HALF, **arguments):
    """A wrapper around a dense layer with that kernel, after it was asked about step 1."""
    kernel = np.asarray(kernel, "float32")
    layer = L.Dense(kernel.shape[1], use_bias=False)
    layer.build((None, len(kernel)))
    layer.kernel.assign(kernel)
    wrapper = prune_low_magnitude(layer, schedule, **arguments)
    wrapper.pruner.state.step = 0
    wrapper.pruner.advance(1)
    return ops.convert_to_numpy(wrapper.pruning_vars[0][1])[0]


@pytest.mark.parametrize(("fraction", "kept"), [(0.9999, 1), (0.5, 50), (0.2, 80), (0.0, 100)])
def test_so_many_of_the_largest_are_kept(fraction, kept):
    w = np.random.default_rng(1).permutation(np.arange(1.0, 101)).reshape(20, 5)
    mask = masked(w, ConstantSparsity(fraction, 0, frequency=1))
    np.testing.assert_array_equal(mask, w > 100 - kept)


def test_a_table_of_fractions_is_followed():
    """A schedule that is a plain function; fractions that stay change nothing."""
    fractions = [0.0, 0.1, 0.1, 0.3, 0.3, 0.5, 0.5]
    layer = L.Dense(5, use_bias=False)
    layer.build((None, 20))
    layer.kernel.assign(np.arange(1, 101, dtype="float32").reshape(20, 5))
    wrapper = prune_low_magnitude(layer, lambda step: (True, fractions[int(step)]))
    kept = []
    for _ in fractions:
        wrapper.pruner.advance(1)
        kept.append(int(np.count_nonzero(ops.convert_to_numpy(layer.kernel))))
    assert kept == [100, 90, 90, 70, 70, 50, 50]


@pytest.mark.parametrize("pooling", ["AVG", "MAX"])
def test_blocks_go_by_their_pooled_modulus(pooling):
    means = np.kron([[0.5, 0.1], [0.2, 0.4]], np.ones((2, 2)))
    means[::2, ::2] *= -1
    peaks = means * np.tile(np.eye(2), (2, 2))
    mask = masked(means if pooling == "AVG" else peaks, block_size=(2, 2),
                  block_pooling_type=pooling)  # fmt: skip
    np.testing.assert_array_equal(mask, np.kron([[1, 0], [0, 1]], np.ones((2, 2))))


@pytest.mark.parametrize("pooling", ["AVG", "MAX"])
@pytest.mark.parametrize("block", [(1, 1), (4, 4), (6, 6), (1, 4), (4, 1), (1, 8), (8, 1)])
def test_pooling_equals_that_of_tensorflow(block, pooling):
    import tensorflow as tf

    w = np.random.default_rng(0).random((1, 30, 41)).astype("float32")
    w = w[:, : 30 // block[0] * block[0], : 41 // block[1] * block[1]]  # whole ones
    expected = tf.nn.pool(w[..., None], block, pooling, block, "SAME")[..., 0]
    np.testing.assert_allclose(Block(block, pooling).pool(w), expected, rtol=1e-6)


# (m, n), moduli of the inputs of one output, which are kept
PATTERNS = [
    ((2, 4), [4, 3, 1, 2], [1, 1, 0, 0]),
    ((2, 4), [1, 2, 3, 4, 9, 7, 8, 6], [0, 0, 1, 1, 1, 0, 1, 0]),
    ((1, 2), [1, 2, 4, 3], [0, 1, 1, 0]),
    ((3, 5), [1, 5, 2, 4, 3], [0, 1, 0, 1, 0]),
    ((2, 4), [1, 3, 2], [0, 1, 1]),  # an incomplete run loses as much in proportion
    ((2, 4), [1, 2, 3, 4, 5, 6, 7], [0, 0, 1, 1, 0, 1, 1]),
]


@pytest.mark.parametrize(("m_by_n", "moduli", "kept"), PATTERNS)
def test_patterns_run_along_the_inputs(m_by_n, moduli, kept):
    w = np.array([moduli, moduli[::-1]]).T * np.array([1, -1])
    mask = masked(w, sparsity_m_by_n=m_by_n)
    np.testing.assert_array_equal(mask[:, 0], kept)
    if len(moduli) % m_by_n[1] == 0:
        np.testing.assert_array_equal(mask[:, 1], kept[::-1])


@pytest.mark.parametrize("m_by_n", [(4, 4), (5, 4)])
def test_patterns_that_keep_nothing_are_refused(m_by_n):
    with pytest.raises(ValueError, match="prunes m of n"):
        Pattern(*m_by_n)


# Layers.


def cells():
    return L.RNN([L.LSTMCell(6), L.GRUCell(4), L.SimpleRNNCell(2)])


class Cell(L.Layer):
    """A recurrent cell that says what is pruned."""

    state_size = output_size = 6

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], 6), name="w")
        self.u = self.add_weight(shape=(6, 6), name="u")
        super().build(shape)

    def call(self, x, states):
        y = ops.tanh(x @ self.w + states[0] @ self.u)
        return y, [y]

    def get_prunable_weights(self):
        return [self.u]


class Inside(L.Layer):
    """A layer made of layers."""

    def __init__(self):
        super().__init__()
        self.convolution, self.dense = L.Conv2D(8, 3), L.Dense(3)

    def call(self, x):
        return self.dense(ops.relu(self.convolution(x)))


# Layer, shape of its input, number of weights that are pruned.
LAYERS = {
    "Conv3D": (lambda: L.Conv3D(2, 3), (4, 5, 4, 4), 1),
    "Conv3DTranspose": (lambda: L.Conv3DTranspose(2, 3), (2, 3, 2, 4), 1),
    "SeparableConv1D": (lambda: L.SeparableConv1D(4, 3), (5, 6), 2),
    "ConvLSTM2D": (lambda: L.ConvLSTM2D(2, 3), (3, 5, 5, 2), 2),
    "SimpleRNN": (lambda: L.SimpleRNN(10), (3, 4), 2),
    "three cells": (cells, (3, 4), 6),
    "a cell that chooses": (lambda: L.RNN([L.LSTMCell(4), Cell()]), (3, 4), 3),
    "a layer of layers": (Inside, (6, 6, 4), 2),
}


@pytest.mark.parametrize("name", LAYERS)
def test_more_layers_reach_half(name):
    make, shape, count = LAYERS[name]
    model = keras.Sequential([keras.Input(shape), prune_low_magnitude(make(), HALF)])
    check_parts(model, 0)
    train(model)
    assert len(pruned_parts(model)) == count
    check_parts(model, 0.5, within=0.01)
    check_stripped(model)


def test_an_embedding_before_other_layers():
    layers = [L.Embedding(10, 3), L.Flatten(), L.Dense(1)]
    model = keras.Sequential([keras.Input((5,), dtype="int32"), *layers])
    model = train(prune_low_magnitude(model, HALF))
    check_parts(model, 0.5, within=0.04)  # half of 15 is 8 or 7
    check_stripped(model)


# Layer, shape of its input, (m, n), fraction that is pruned.
MBYN = {
    "Conv2D": (lambda: L.Conv2D(4, (3, 5)), (8, 8, 8), (2, 4), 1 / 2),
    "Conv2D, 7 inputs": (lambda: L.Conv2D(4, (3, 5)), (8, 8, 7), (2, 4), 3 / 7),
    "Conv2D, 1:2": (lambda: L.Conv2D(4, (3, 5)), (8, 8, 8), (1, 2), 1 / 2),
    "Dense": (lambda: L.Dense(6), (8,), (2, 4), 1 / 2),
    "Dense, 1:2": (lambda: L.Dense(6), (8,), (1, 2), 1 / 2),
    "DepthwiseConv2D": (lambda: L.DepthwiseConv2D(3), (5, 5, 8), (2, 4), 4 / 9),  # of 9 places
    "Conv3D": (lambda: L.Conv3D(2, 2), (3, 3, 3, 4), (2, 4), 1 / 2),
    "a layer of layers": (Inside, (6, 6, 4), (2, 4), 1 / 2),
}


@pytest.mark.parametrize("name", MBYN)
def test_patterns_in_layers(name):
    make, shape, (m, n), fraction = MBYN[name]
    layer = prune_low_magnitude(make(), HALF, sparsity_m_by_n=(m, n))
    model = train(keras.Sequential([keras.Input(shape), layer]), steps=2)
    check_parts(model, fraction)
    for target in layer.pruner.targets:
        w = np.moveaxis(ops.convert_to_numpy(target.kernel())[0], -2, 0)
        w = w[: len(w) // n * n].reshape(-1, n, w[0].size)
        assert ((w == 0).sum(axis=1) == m).all()
    check_stripped(model)


# Whole models.


def convolutions():
    return [L.Conv2D(8, 5, activation="relu"), L.MaxPooling2D(2, 2), L.BatchNormalization(),
            L.Conv2D(8, 5), L.MaxPooling2D(2, 2), L.Flatten(), L.Dense(16), L.Dropout(0.4),
            L.Dense(10)]  # fmt: skip


def functional():
    inputs = x = keras.Input((28, 28, 1), name="image")
    for layer in convolutions():
        x = layer(x)
    return keras.Model(inputs, x)


def sequential():
    return keras.Sequential([keras.Input((28, 28, 1)), *convolutions()])


def of_list():
    return keras.Sequential([keras.Input((28, 28, 1)), *prune_low_magnitude(convolutions(), HALF)])


@pytest.mark.parametrize("make", [sequential, functional, of_list])
def test_image_classifiers_reach_half(make):
    model = make() if make is of_list else prune_low_magnitude(make(), HALF)
    assert sum(len(x.pruning_vars) for x in wrappers(model)) == 4
    train(model)
    check_parts(model, 0.5)
    check_stripped(model)


def test_configs_of_whole_models_come_back():
    model = prune_low_magnitude(sequential(), HALF)
    config = model.get_config()
    again = keras.Sequential.from_config(config)
    assert again.get_config() == config
    assert sum(len(x.pruning_vars) for x in wrappers(again)) == 4
    assert again.built


def test_stripped_models_have_the_old_config():
    for model in (sequential(), functional()):
        stripped = strip_pruning(prune_low_magnitude(model, HALF))
        assert stripped.get_config() == model.get_config()


def test_models_that_are_not_built_stay_so():
    model = keras.Sequential([L.Dense(3), L.Dense(2)])
    pruned = prune_low_magnitude(model, HALF)
    assert not model.built
    assert not pruned.built
    again = keras.models.model_from_json(pruned.to_json())
    assert not again.built
    assert len(wrappers(again)) == 2


def test_two_inputs():
    inputs = [keras.Input((6,)), keras.Input((6,))]
    outputs = L.Add()([L.Dense(4)(x) for x in inputs])
    pruned = prune_low_magnitude(keras.Model(inputs, outputs), HALF)
    assert len(wrappers(pruned)) == 2  # `Add` has nothing to prune
    check_parts(train(pruned), 0.5)
    check_stripped(pruned)


def test_layers_alone():
    assert prune_low_magnitude(L.Dense(3), HALF, name="mine").name == "mine"
    layer = L.Dense(3, name="given")
    wrapper = prune_low_magnitude(layer, HALF, (1, 1), "MAX")
    assert (wrapper.layer, wrapper.pruning_schedule) == (layer, HALF)
    assert (wrapper.block_size, wrapper.block_pooling_type) == ((1, 1), "MAX")
    assert wrapper.name == "prune_low_magnitude_given"
    with pytest.raises(ValueError, match="'AVG' or 'MAX'"):
        PruneLowMagnitude(layer, block_pooling_type="MIN")


# Training.


def test_a_fraction_of_zero_changes_nothing():
    plain, other = small(), small()
    other.set_weights(plain.get_weights())
    pruned = prune_low_magnitude(other, ConstantSparsity(0, 0, frequency=1))
    x, y = batch(plain)
    plain.compile("sgd", "mse")
    plain.fit(x, y, epochs=3, batch_size=20, verbose=0)
    train(pruned, 3)
    for a, b in zip(plain.get_weights(), strip_pruning(pruned).get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_one_weight_at_least_is_kept():
    model = train(prune_low_magnitude(small(), ConstantSparsity(0.995, 0, frequency=1)))
    np.testing.assert_allclose(pruned_parts(model), [1 - 1 / 100, 1 - 1 / 50], rtol=1e-6)


def test_pretrained_models():
    model = small()
    model.compile("adam", "mse")
    x, y = batch(model)
    model.fit(x, y, verbose=0)
    before = model.predict(x, verbose=0)
    pruned = prune_low_magnitude(model, HALF)
    assert getattr(pruned, "optimizer", None) is not model.optimizer
    for a, b in zip(model.layers, pruned.layers, strict=True):
        assert a.kernel is b.layer.kernel
    np.testing.assert_array_equal(pruned.predict(x, verbose=0), before)
    pruned.compile("sgd", "mse")
    assert np.isfinite(pruned.evaluate(x, y, verbose=0))  # no callback is needed for that
    check_parts(train(pruned), 0.5)


def test_weights_of_a_plain_model_go_in_before_the_wrapping(tmp_path):
    plain, path = small(), tmp_path / "plain.weights.h5"
    plain.save_weights(path)
    x, _ = batch(plain)
    before, after = small(), prune_low_magnitude(small(), HALF)
    before.load_weights(path)
    pruned = prune_low_magnitude(before, HALF)
    np.testing.assert_array_equal(*(m.predict(x, verbose=0) for m in (plain, pruned)))
    with pytest.raises(ValueError):
        after.load_weights(path)


def test_steps_are_counted_over_epochs():
    model = train(prune_low_magnitude(small()), 3)
    assert [x.pruning_step for x in model.layers] == [3, 3]
    model = prune_low_magnitude(small())
    model(batch(model)[0])
    assert [x.pruning_step for x in model.layers] == [-1, -1]
    with pytest.raises(RuntimeError, match="without the callback"):
        model(batch(model)[0], training=True)


@pytest.mark.parametrize("form", [".keras", ".weights.h5"])
@pytest.mark.parametrize(
    ("schedule", "steps", "then"),
    [
        (PolynomialDecay(0.2, 0.6, 1, 4, 3, 1), {1: 0.2}, {3: 0.6}),
        (PolynomialDecay(0.2, 0.6, 0, 2, 3, 1), {3: 0.6}, {1: 0.6}),  # past its end
    ],
)
def test_stopped_saved_and_gone_on_with(form, schedule, steps, then, tmp_path):
    model, path = prune_low_magnitude(small(), schedule), tmp_path / f"model{form}"
    for count, fraction in steps.items():
        check_parts(train(model, count), fraction)
    if form == ".keras":
        model.save(path)
        again = keras.saving.load_model(path)
    else:
        model.save_weights(path)
        again = prune_low_magnitude(small(), schedule)
        again.load_weights(path)
    check_parts(again, fraction)
    for count, fraction in then.items():
        check_parts(train(again, count), fraction)
    check_stripped(again)


@pytest.mark.parametrize("frequency", [1, 2])
def test_checkpoints_are_pruned_except_before_an_update(frequency, tmp_path):
    """TF-MOT's never are; here a step is free before a mask update only."""
    model = prune_low_magnitude(small(), ConstantSparsity(0.5, 1, frequency=frequency))
    save = keras.callbacks.ModelCheckpoint(
        tmp_path / "{batch:d}.weights.h5", save_weights_only=True, save_freq=1
    )
    x, y = (np.repeat(v, 4, axis=0) for v in batch(model))
    model.compile("sgd", "mse")
    model.fit(x, y, batch_size=20, verbose=0, callbacks=[UpdatePruningStep(), save])
    check_parts(model, 0.5)
    found = {}
    for path in sorted(tmp_path.glob("*.h5")):
        model.load_weights(path)
        found[int(path.name.split(".")[0])] = pruned_parts(model)[0]
    assert len(found) == 4
    exact = [abs(v - 0.5) < 1e-6 for _, v in sorted(found.items())]
    # Masks are chosen at steps 1, 2, ... or 1, 3, ...: the steps made just before them are free.
    assert exact == ([False] * 4 if frequency == 1 else [True, False, True, False])


@pytest.mark.parametrize("log_dir", ["", None, object()])
def test_summaries_want_a_folder(log_dir):
    with pytest.raises(ValueError, match="`log_dir` must be a path"):
        PruningSummaries(log_dir=log_dir)


@pytest.mark.skipif(
    importlib.util.find_spec("tensorboard") is None, reason="TensorBoard is not installed"
)
def test_summaries_are_written(tmp_path):
    train(prune_low_magnitude(small(), HALF), 2, [PruningSummaries(str(tmp_path))])
    assert list((tmp_path / "metrics").iterdir())


def test_in_a_strategy_and_reloaded(tmp_path):
    from tests.helpers.replicas import two_replicas

    with two_replicas().scope():
        model = prune_low_magnitude(small(), HALF)
        model.compile("sgd", "mse")
    train(model, 2).save(tmp_path / "model.keras")
    check_parts(model, 0.5)
    check_parts(keras.saving.load_model(tmp_path / "model.keras"), 0.5)
