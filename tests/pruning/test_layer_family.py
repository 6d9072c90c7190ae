"""Pruning finds and prunes the kernels of every kind of layer, as whole elements."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_phase
from keras_phase import pruning
from keras_phase.layers.attention import AlgebraMultiHeadAttention
from keras_phase.layers.convolution import AlgebraConv1D, AlgebraConv2D, AlgebraConv3D
from keras_phase.layers.convolution_transpose import AlgebraConv1DTranspose, AlgebraConv2DTranspose
from keras_phase.layers.depthwise_convolution import AlgebraDepthwiseConv1D, AlgebraDepthwiseConv2D
from keras_phase.layers.embedding import AlgebraEmbedding
from keras_phase.layers.gru import AlgebraGRU
from keras_phase.layers.lstm import AlgebraLSTM
from keras_phase.layers.separable_convolution import AlgebraSeparableConv1D, AlgebraSeparableConv2D
from keras_phase.layers.simple_rnn import AlgebraSimpleRNN
from keras_phase.parametrizations.unitary import Unitary
from keras_phase.pruning import (
    ConstantSparsity,
    PhaseConstantSparsity,
    Pruner,
    PruningCallback,
)
from keras_phase.pruning import granularity as granularities
from keras_phase.pruning.granularity import num_pruned
from keras_phase.pruning.targets import find

ALGEBRAS = ("real", "complex", "quaternion", "m2r")
# By the name of a layer: class, arguments, shape of the input in elements, and for each kernel its
# path below the layer, and the sizes of what it sums over and of what it makes, as they are stored:
# "w" an axis of the window, "i" inputs, "o" outputs.
LAYERS = {
    "conv1d": (AlgebraConv1D, (6, 3), {}, (7, 4), {"kernel": "wio"}),
    "conv2d": (AlgebraConv2D, (6, 3), {"groups": 2}, (6, 5, 8), {"kernel": "wwio"}),
    "conv3d": (AlgebraConv3D, (4, 2), {}, (3, 3, 3, 4), {"kernel": "wwwio"}),
    "transpose1d": (AlgebraConv1DTranspose, (6, 3), {"strides": 2}, (7, 4), {"kernel": "wio"}),
    "transpose2d": (AlgebraConv2DTranspose, (6, 2), {}, (4, 3, 4), {"kernel": "wwio"}),
    # An output for every input and multiplier is a sum over the window.
    "depthwise1d": (AlgebraDepthwiseConv1D, (4,), {}, (7, 6), {"kernel": "ioo"}),
    "depthwise2d": (
        AlgebraDepthwiseConv2D,
        ((2, 4),),
        {"depth_multiplier": 2},
        (5, 6, 3),
        {"kernel": "iioo"},
    ),
    "separable1d": (
        AlgebraSeparableConv1D,
        (6, 4),
        {},
        (7, 8),
        {"depthwise_kernel": "ioo", "pointwise_kernel": "wio"},
    ),
    "separable2d": (
        AlgebraSeparableConv2D,
        (6, 2),
        {},
        (5, 6, 8),
        {"depthwise_kernel": "iioo", "pointwise_kernel": "wwio"},
    ),
    "attention": (
        AlgebraMultiHeadAttention,
        (2, 4),
        {"use_bias": False},
        (5, 4),
        {
            "query/kernel": "ioo",
            "key/kernel": "ioo",
            "value/kernel": "ioo",
            "attention_output/kernel": "iio",
        },
    ),
    "embedding": (AlgebraEmbedding, (12, 6), {}, (5,), {"embeddings": "io"}),
    "dense": (keras_phase.AlgebraDense, (6,), {}, (4,), {"kernel": "io"}),
    "polar": (keras_phase.PhaseDense, (6,), {"amplitude": "element"}, (4,), {"kernel": "io"}),
    "lstm": (
        AlgebraLSTM,
        (4,),
        {},
        (5, 8),
        {"lstm_cell/kernel": "io", "lstm_cell/recurrent_kernel": "io"},
    ),
    "gru": (
        AlgebraGRU,
        (4,),
        {},
        (5, 8),
        {"gru_cell/kernel": "io", "gru_cell/recurrent_kernel": "io"},
    ),
    "simple_rnn": (
        AlgebraSimpleRNN,
        (4,),
        {},
        (5, 8),
        {"simple_rnn_cell/kernel": "io", "simple_rnn_cell/recurrent_kernel": "io"},
    ),
    # Stock layers, in the real algebra.
    "stock_conv2d": (keras.layers.Conv2D, (6, 2), {}, (6, 5, 4), {"kernel": "wwio"}),
    "stock_transpose2d": (keras.layers.Conv2DTranspose, (6, 2), {}, (4, 3, 4), {"kernel": "wwoi"}),
    "stock_depthwise2d": (keras.layers.DepthwiseConv2D, (2,), {}, (5, 6, 8), {"kernel": "iioo"}),
    "stock_separable1d": (
        keras.layers.SeparableConv1D,
        (6, 4),
        {},
        (7, 8),
        {"depthwise_kernel": "ioo", "pointwise_kernel": "wio"},
    ),
    "stock_einsum": (
        keras.layers.EinsumDense,
        ("abc,cde->abde", (None, 2, 3)),
        {},
        (5, 4),
        {"kernel": "ioo"},
    ),
    "stock_attention": (
        keras.layers.MultiHeadAttention,
        (2, 4),
        {"use_bias": False},
        (5, 4),
        {
            "query/kernel": "ioo",
            "key/kernel": "ioo",
            "value/kernel": "ioo",
            "attention_output/kernel": "iio",
        },
    ),
    "stock_embedding": (keras.layers.Embedding, (12, 6), {}, (5,), {"embeddings": "io"}),
    "stock_lstm": (
        keras.layers.LSTM,
        (4,),
        {},
        (5, 8),
        {"lstm_cell/kernel": "io", "lstm_cell/recurrent_kernel": "io"},
    ),
}
CASES = [
    (name, algebra)
    for name in LAYERS
    for algebra in (("real",) if name.startswith("stock") else ALGEBRAS)
]

# One algebra for each layer will do where only places and sizes matter.
ONE_EACH = [
    (name, algebra) for name, algebra in CASES if algebra == "quaternion" or "stock" in name
]


def build(name, algebra, **changes):
    """A model of that one layer."""
    cls, args, arguments, shape, _ = LAYERS[name]
    dimension = keras_phase.algebras.get(algebra).dimension
    ours = {} if name.startswith("stock") else {"algebra": algebra}
    layer = cls(*args, **arguments, **ours, **changes, name="layer")
    if "embedding" in name:
        inputs = keras.Input(shape, dtype="int32")
    else:
        inputs = keras.Input((*shape[:-1], dimension * shape[-1]))
    return keras.Model(inputs, layer(inputs, inputs) if "attention" in name else layer(inputs))


def batch(model, size=8):
    shape, rng = (size, *model.input_shape[1:]), np.random.default_rng(0)
    if model.inputs[0].dtype == "int32":
        return rng.integers(12, size=shape).astype("int32")
    return rng.normal(size=shape).astype("float32")


def kernels(model):
    """Effective kernels `(d, *stored)` by path."""
    return {t.path: ops.convert_to_numpy(t.parametrization.kernel()) for t in find(model)}


def matrices(name, model):
    """The kernels as `(d, window, inputs, outputs)`, sorted by the letters of the table."""
    found = []
    for path, letters in LAYERS[name][-1].items():
        w = kernels(model)[f"layer/{path}"]
        order = sorted(range(len(letters)), key=lambda i: "wio".index(letters[i]))
        w = w.transpose(0, *(i + 1 for i in order))
        sizes = [
            np.prod([w.shape[1 + j] for j, i in enumerate(order) if letters[i] == kind], dtype=int)
            for kind in "wio"
        ]
        found.append(w.reshape(w.shape[0], *sizes))
    return found


@pytest.mark.parametrize(("name", "algebra"), CASES)
def test_half_of_the_elements_is_exactly_half_and_none_is_half_zero(name, algebra):
    model = build(name, algebra)
    paths = [f"layer/{path}" for path in LAYERS[name][-1]]
    assert sorted(kernels(model)) == sorted(paths)
    weights = {w.path: ops.convert_to_numpy(w) for w in model.weights}
    report = pruning.prune(model, 0.5)
    assert report["pruned"] == 0.5
    assert {k.partition("/")[2] for k in report} - {""} == {p.rpartition("/")[0] for p in paths}
    for w in kernels(model).values():
        zero = w == 0
        assert zero.all(axis=0).mean() == 0.5
        assert (zero.all(axis=0) == zero.any(axis=0)).all()
    for w in model.weights:  # biases and other weights stay
        if len(w.shape) < 2 or w.name == "bias":
            np.testing.assert_array_equal(ops.convert_to_numpy(w), weights[w.path])


# Layers whose output is linear in one kernel: no output unit is nonzero but for its weights.
LINEAR = [(n, a) for n, a in CASES if not any(x in n for x in ("attention", "lstm", "gru", "rnn"))]


@pytest.mark.parametrize(("name", "algebra"), LINEAR)
def test_a_pruned_node_is_a_unit_that_is_silent(name, algebra):
    model = build(name, algebra)
    pruning.prune(model, 0.5, granularity="node")
    y = ops.convert_to_numpy(model(batch(model)))
    if name == "stock_einsum":
        y = y.reshape(*y.shape[:-2], -1)
    d = keras_phase.algebras.get(algebra).dimension
    silent = (y.reshape(-1, d, y.shape[-1] // d) == 0).all(axis=(0, 1))
    pruned = ~matrices(name, model)[-1].any(axis=(0, 1, 2))
    np.testing.assert_array_equal(silent, pruned)
    assert silent.mean() == 0.5


@pytest.mark.parametrize("algebra", ["real", "quaternion"])
def test_nodes_of_attention_are_numbers_of_single_heads(algebra):
    model = build("attention", algebra)
    pruning.prune(model, 0.5, granularity="node")
    for w in matrices("attention", model):
        gone = ~w.any(axis=(0, 1, 2))
        assert gone.mean() == 0.5
        assert not (~w.any(axis=0))[:, :, ~gone].any()


@pytest.mark.parametrize(("name", "algebra"), ONE_EACH)
def test_blocks(name, algebra):
    model = build(name, algebra)
    before = matrices(name, model)
    pruning.prune(model, 0.5, granularity="block", block_shape=(2, 3))
    for old, w in zip(before, matrices(name, model), strict=True):
        zero, blocks, pruned = ~w.any(axis=0), 0, 0
        for place in zero:
            for i in range(0, place.shape[0], 2):
                for j in range(0, place.shape[1], 3):
                    block = place[i : i + 2, j : j + 3]
                    assert block.all() or not block.any()
                    blocks, pruned = blocks + 1, pruned + block.all()
        assert pruned == num_pruned(blocks, 0.5)
        np.testing.assert_array_equal(w[:, ~zero], old[:, ~zero])


@pytest.mark.parametrize(("name", "algebra"), ONE_EACH)
def test_patterns(name, algebra):
    model = build(name, algebra)
    before = matrices(name, model)
    pruning.prune(model, 0.5, granularity="2:4", scope="global")
    for old, w in zip(before, matrices(name, model), strict=True):
        for place in np.ndindex(w.shape[1], -(-w.shape[2] // 4), w.shape[3]):
            run = (slice(None), place[0], slice(4 * place[1], 4 * place[1] + 4), place[2])
            modulus, zero = np.linalg.norm(old[run], axis=0), ~w[run].any(axis=0)
            assert zero.sum() == num_pruned(len(zero), 0.5)
            assert set(np.flatnonzero(zero)) == set(np.argsort(modulus)[: zero.sum()])


@pytest.mark.parametrize("name", ["attention", "lstm", "separable2d"])
def test_global_scope_compares_all_kernels_of_a_layer(name):
    model = build(name, "complex")
    first, *_ = find(model)
    first.parametrization.set_kernel(first.parametrization.kernel() * 1e-3)
    sizes = {path: w[0].size for path, w in kernels(model).items()}
    fraction = sizes[first.path] / sum(sizes.values())
    pruning.prune(model, fraction, scope="global")
    for path, w in kernels(model).items():
        assert w.any() == (path != first.path)


def sequences(algebra):
    """Tokens to real numbers, over every kind of layer for sequences."""
    tokens = keras.Input((6,), dtype="int32")
    x = AlgebraEmbedding(12, 4, algebra=algebra)(tokens)
    x = AlgebraConv1D(4, 3, padding="same", algebra=algebra)(x)
    x = x + AlgebraMultiHeadAttention(2, 2, algebra=algebra)(x, x)
    x = AlgebraLSTM(4, return_sequences=True, algebra=algebra)(x)
    x = AlgebraGRU(4, return_sequences=True, algebra=algebra)(x)
    x = AlgebraSimpleRNN(4, algebra=algebra)(x)
    x = keras_phase.AlgebraDense(4, algebra=algebra)(x)
    x = keras_phase.FromAlgebra("concat", algebra=algebra)(x)
    return keras.Model(tokens, keras.layers.Dense(2)(x))


def images(algebra):
    inputs = keras.Input((6, 6, 2))
    x = keras_phase.ToAlgebra(algebra=algebra)(inputs)
    x = AlgebraConv2D(4, 3, activation="relu", algebra=algebra)(x)
    x = AlgebraDepthwiseConv2D(2, depth_multiplier=2, algebra=algebra)(x)
    x = AlgebraSeparableConv2D(4, 2, activation="relu", algebra=algebra)(x)
    x = AlgebraConv2DTranspose(4, 2, strides=2, algebra=algebra)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras_phase.FromAlgebra("concat", algebra=algebra)(x)
    return keras.Model(inputs, keras.layers.Dense(2)(x))


@pytest.mark.parametrize("criterion", ["magnitude", "phase"])
@pytest.mark.parametrize(("network", "algebra"), [(sequences, "complex"), (images, "quaternion")])
def test_training(network, algebra, criterion):
    model = network(algebra)
    model.compile(keras.optimizers.Adam(0.01), "mse")
    cls = {"magnitude": ConstantSparsity, "phase": PhaseConstantSparsity}[criterion]
    callback, before = PruningCallback(cls(0.5, 0, frequency=2)), kernels(model)
    x = batch(model, 32)
    y = np.random.default_rng(1).normal(size=(32, 2))
    history = model.fit(x, y, batch_size=8, epochs=2, verbose=0, callbacks=[callback]).history
    assert np.isfinite(history["loss"]).all()
    assert history["pruned"] == [0.5, 0.5]
    for path, w in kernels(model).items():
        modulus = np.linalg.norm(w, axis=0)
        if criterion == "magnitude":
            assert (modulus == 0).mean() == 0.5
            assert ((w == 0).any(axis=0) == (modulus == 0)).all()
        else:
            pruned = np.sort(modulus.ravel())
            windows = np.lib.stride_tricks.sliding_window_view(pruned, pruned.size // 2)
            assert (windows.max(axis=1) - windows.min(axis=1)).min() < 1e-5 * modulus.mean()
        assert (w != before[path])[:, modulus > 0].any()


@pytest.mark.parametrize(("m", "n"), [(2, 4), (1, 4), (3, 4), (1, 3), (5, 8)])
@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.25, 1 / 3, 0.5, 0.625, 0.75])
def test_patterns_prune_the_lowest_of_each_run(m, n, fraction):
    scores = np.random.default_rng(0).integers(4, size=(1, 2, 11, 3)).astype("float32")
    unit = granularities.get(f"{m}:{n}")
    if fraction > m / n:
        with pytest.raises(ValueError, match=f"'{m}:{n}' prunes {m} of {n} elements"):
            unit.select([scores], fraction)
        return
    kept = unit.select([scores], fraction)[0]
    for i, j in np.ndindex(2, 3):
        for start in range(0, 11, n):
            run = scores[0, i, start : start + n, j].tolist()
            order = sorted(range(len(run)), key=lambda k: (run[k], k))
            gone = order[: min(m, num_pruned(len(run), fraction))]
            expected = [k not in gone for k in range(len(run))]
            assert kept[0, i, start : start + n, j].tolist() == expected


def test_masks_are_saved_and_held_after_loading(tmp_path):
    """Masks of attention, whose kernel is stored with three axes, have two."""
    models = [build("attention", "complex") for _ in range(2)]
    pruners = [Pruner(model, granularity="node") for model in models]
    pruners[0].update(0.5)
    models[0].save_weights(tmp_path / "model.weights.h5")
    models[1].load_weights(tmp_path / "model.weights.h5")
    assert pruners[1].fractions() == pruners[0].fractions()
    for target in pruners[1].targets:
        target.parametrization.set_kernel(ops.ones_like(target.parametrization.kernel()))
    pruners[1].enforce()
    for path, w in kernels(models[1]).items():
        np.testing.assert_array_equal(w != 0, kernels(models[0])[path] != 0)


ERRORS = [
    ("conv2d", {"granularity": "block"}, "takes block_shape. Received: none"),
    ("attention", {"granularity": "4:2"}, r"m from 1 to n - 1.*Received: granularity='4:2'"),
    ("attention", {"granularity": "2of4"}, "node, block, or a pattern such as '2:4'. Received"),
    ("gru", {"granularity": "1:4"}, r"'1:4' prunes 1 of 4.*at most 0.25.*fraction=0.5"),
    ("embedding", {"layers": "kernel"}, "names a layer that the model does not have"),
    ("lstm", {"criterion": "imaginary", "algebra": "quaternion"}, "imaginary"),
]


@pytest.mark.parametrize(("name", "arguments", "message"), ERRORS)
def test_errors(name, arguments, message):
    arguments = dict(arguments)
    model = build(name, arguments.pop("algebra", "complex"))
    with pytest.raises(ValueError, match=f"(?s){message}"):
        pruning.prune(model, 0.5, **arguments)


def test_a_unitary_kernel_says_that_it_cannot_be_pruned():
    model = build("simple_rnn", "complex", parametrization=Unitary())
    with pytest.raises(ValueError, match=r"kernel' is kept unitary.*`layers=`"):
        pruning.prune(model, 0.5)
