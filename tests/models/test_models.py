"""The reference networks: counts by hand, equality with networks of stock layers, training."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

import keras_phase
from keras_phase import algebras, multiplications
from keras_phase.models import MOBILENET_BLOCKS, mobilenet, resnet, transformer, width_for
from keras_phase.stock_layers import unsafe_layers
from keras_phase.summary import total
from tests.helpers.tolerances import assert_close

# A builder, small arguments, and the shape of a batch.
NETWORKS = {
    "resnet": (resnet, ((8, 8, 3), 5), {"width": 2, "depth": 8}, (4, 8, 8, 3)),
    "mobilenet": (
        mobilenet,
        ((8, 8, 3), 5),
        {"width": 3, "blocks": [(2, 2), (3, 1)]},
        (4, 8, 8, 3),
    ),
    "transformer": (
        transformer,
        (11, 6),
        {"width": 4, "num_layers": 2, "num_heads": 2, "mlp_ratio": 3},
        (4, 6),
    ),
}


def build(which, **changes):
    builder, args, arguments, _ = NETWORKS[which]
    return builder(*args, **{**arguments, **changes})


def data(name, seed=0):
    shape, rng = NETWORKS[name][-1], np.random.default_rng(seed)
    return rng.integers(11, size=shape) if len(shape) == 2 else rng.random(shape, "float32")


def output(model, name, **call):
    return ops.convert_to_numpy(model(data(name), **call))


@pytest.mark.slow
@pytest.mark.parametrize("algebra", algebras.names())
@pytest.mark.parametrize("name", NETWORKS)
def test_every_algebra(name, algebra):
    model = build(name, algebra=algebra)
    y = output(model, name)
    assert y.shape == (*data(name).shape[: 1 if name != "transformer" else 2], y.shape[-1])
    assert y.shape[-1] == (11 if name == "transformer" else 5)
    assert np.isfinite(y).all() and y.std() > 1e-3
    assert unsafe_layers(model) == []


# Parameters by hand, with w elements of d numbers each. Convolutions have no bias; normalisation by
# components has four numbers a component (two trained), that of a Transformer one an element.


def resnet_parameters(d, w, depth, channels, classes):
    n = (depth - 2) // 6
    kernels = 9 * channels * w + 9 * n * 2 * w**2 * (1 + 4 + 16)
    kernels -= 9 * (2 * w**2 + 8 * w**2)  # the first of a stage has half the inputs
    kernels += 2 * w**2 + 8 * w**2  # shortcuts
    channels = w * (1 + 2 * n * (1 + 2 + 4) + 2 + 4)
    return d * kernels + 4 * d * channels + (4 * d * w + 1) * classes


def mobilenet_parameters(d, w, blocks, channels, classes):
    kernels, normalised, n = 9 * channels * w, w, w
    for multiple, _ in blocks:
        kernels += 9 * n + n * multiple * w
        normalised += n + multiple * w
        n = multiple * w
    return d * kernels + 4 * d * normalised + (d * n + 1) * classes


def transformer_parameters(d, w, layers, ratio, vocabulary):
    block = d * (4 * w**2 + 2 * ratio * w**2 + ratio * w + w) + 2 * w
    return d * vocabulary * w + layers * block + w + (d * w + 1) * vocabulary


@pytest.mark.parametrize("algebra", ["real", "complex", "quaternion", "cross"])
def test_parameters(algebra):
    d = algebras.get(algebra).dimension
    for width, depth in ((2, 8), (3, 14)):
        model = build("resnet", algebra=algebra, width=width, depth=depth)
        assert model.count_params() == resnet_parameters(d, width, depth, 3, 5)
    for width, blocks in ((3, [(2, 2), (3, 1)]), (2, [(1, 1)])):
        model = build("mobilenet", algebra=algebra, width=width, blocks=blocks)
        assert model.count_params() == mobilenet_parameters(d, width, blocks, 3, 5)
    for width, layers, ratio in ((4, 2, 3), (8, 1, 4)):
        sizes = {"width": width, "num_layers": layers, "mlp_ratio": ratio}
        model = build("transformer", algebra=algebra, **sizes)
        assert model.count_params() == transformer_parameters(d, width, layers, ratio, 11)


@pytest.mark.slow
def test_the_networks_of_the_papers_have_their_sizes():
    """ResNet-20 for CIFAR-10 has 0.27 million parameters, MobileNet 4.2 million."""
    model = resnet((32, 32, 3), 10, algebra="real")
    assert 0.27e6 < model.count_params() < 0.275e6
    convolutions = total(model).multiplications["expanded"]
    assert convolutions == pytest.approx(40.8e6, rel=0.01)  # 41 million, as often quoted
    blocks = {"blocks": MOBILENET_BLOCKS, "strides": 2}
    model = mobilenet((224, 224, 3), 1000, algebra="real", **blocks)
    assert model.count_params() == pytest.approx(4.24e6, rel=0.01)
    assert total(model).multiplications["expanded"] == pytest.approx(569e6, rel=0.001)


def stock_resnet(width, blocks):
    """The network of `resnet`, from stock layers."""

    def conv(x, filters, size, strides):
        x = keras.layers.Conv2D(filters, size, strides, "same", use_bias=False)(x)
        return keras.layers.BatchNormalization()(x)

    inputs = keras.Input((8, 8, 3))
    x = keras.layers.ReLU()(conv(inputs, width, 3, 1))
    for stage in range(3):
        for block in range(blocks):
            strides, filters = 2 if stage and not block else 1, width * 2**stage
            y = keras.layers.ReLU()(conv(x, filters, 3, strides))
            y = conv(y, filters, 3, 1)
            if strides == 2:
                x = conv(x, filters, 1, strides)
            x = keras.layers.ReLU()(keras.layers.Add()([x, y]))
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(5)(x))


def stock_mobilenet(width, blocks):
    inputs = x = keras.Input((8, 8, 3))
    for i, (multiple, strides) in enumerate([(1, 1), *blocks]):
        if i:
            layer = keras.layers.DepthwiseConv2D(3, strides, "same", use_bias=False)
            x = keras.layers.ReLU()(keras.layers.BatchNormalization()(layer(x)))
        layer = keras.layers.Conv2D(multiple * width, 1 if i else 3, padding="same", use_bias=False)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization()(layer(x)))
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(5)(x))


def stock_transformer(width, layers, heads, ratio):
    tokens = keras.Input((6,))
    x = keras.layers.Embedding(11, width)(tokens)
    for _ in range(layers):
        y = keras.layers.LayerNormalization()(x)
        attention = keras.layers.MultiHeadAttention(heads, width // heads, use_bias=False)
        x = x + attention(y, y, use_causal_mask=True)
        y = keras.layers.LayerNormalization()(x)
        y = keras.layers.Dense(ratio * width, "relu")(y)
        x = x + keras.layers.Dense(width)(y)
    return keras.Model(tokens, keras.layers.Dense(11)(keras.layers.LayerNormalization()(x)))


@pytest.mark.parametrize(
    ("name", "stock", "changes"),
    [
        ("resnet", lambda: stock_resnet(3, 2), {"width": 3, "depth": 14}),
        ("mobilenet", lambda: stock_mobilenet(3, [(2, 2), (3, 1)]), {}),
        ("transformer", lambda: stock_transformer(4, 2, 2, 3), {"normalization": "layer"}),
    ],
)
def test_the_real_network_is_that_of_stock_layers(name, stock, changes):
    plain = {"rotary": False} if name == "transformer" else {}
    model, twin = build(name, algebra="real", **changes, **plain), stock()
    assert model.count_params() == twin.count_params()
    rng = np.random.default_rng(3)
    for w in model.weights:  # moving statistics and biases, too, away from where they start
        w.assign(ops.convert_to_numpy(w) + 0.3 * rng.random(w.shape, "float32"))
    twin.set_weights(model.get_weights())
    assert_close(output(twin, name), output(model, name))
    assert total(twin).multiplications["expanded"] == total(model).multiplications["expanded"]


@pytest.mark.parametrize(
    ("name", "algebra"),
    [("resnet", "complex"), ("mobilenet", "m2r"), ("transformer", "quaternion")],
)
def test_trains(name, algebra):
    model, x = build(name, algebra=algebra), data(name)
    y = (x * 3 + 1) % 11 if name == "transformer" else np.arange(len(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.03), loss)
    history = model.fit(x, y, epochs=12, verbose=0, shuffle=False).history["loss"]
    assert history[-1] < 0.5 * history[0]
    assert all(np.isfinite(ops.convert_to_numpy(w)).all() for w in model.weights)


@pytest.mark.parametrize("name", NETWORKS)
def test_round_trip(name, tmp_path):
    changes = {"activation": "modrelu", "name": "network"}
    if name == "transformer":
        changes |= {"dropout": 0.1, "normalization": "layer"}
    else:
        changes |= {"normalization": "whitening", "encoder": "learned"}
    model = build(name, algebra="quaternion", **changes)
    assert model.name == "network"
    model.save(tmp_path / "model.keras")
    reloaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(output(reloaded, name), output(model, name))


@pytest.mark.parametrize("normalization", ["component", "scalar", "whitening", None])
@pytest.mark.parametrize("name", ["resnet", "mobilenet"])
def test_normalizations_of_image_networks(name, normalization):
    model = build(name, normalization=normalization)
    layers = [x for x in model.layers if "BatchNormalization" in type(x).__name__]
    convolutions = [x for x in model.layers if "Conv2D" in type(x).__name__]
    assert {x.mode for x in layers} == ({normalization} - {None})
    assert len(layers) == (len(convolutions) if normalization else 0)
    assert {x.use_bias for x in convolutions} == {normalization is None}
    y = output(model, name, training=True)
    assert np.isfinite(y).all() and y.std() > 0.05


@pytest.mark.parametrize("algebra", ["real", "quaternion"])
def test_signals_keep_their_size_through_depthwise_layers(algebra):
    """Without normalisation: depthwise kernels are drawn for the fan-in that they have."""
    changes = {"width": 8, "blocks": [(1, 1)] * 6, "normalization": None}
    y = output(build("mobilenet", algebra=algebra, encoder="learned", **changes), "mobilenet")
    assert 0.05 < y.std() < 5


@pytest.mark.parametrize("encoder", ["first", "learned", "reshape"])
@pytest.mark.parametrize("name", ["resnet", "mobilenet"])
def test_encoders(name, encoder):
    if encoder == "reshape":  # three channels are the three components of one element
        model = build(name, algebra="cross", encoder=encoder)
        assert model.layers[2].kernel.shape[-2] == 1
    else:
        model = build(name, encoder=encoder)
    assert output(model, name).shape == (4, 5)


def test_images_of_any_size():
    model = resnet((None, None, 1), 3, width=1, depth=8)
    assert model(np.ones((2, 9, 5, 1), "float32")).shape == (2, 3)


@pytest.mark.parametrize("normalization", ["rms", "layer", None])
@pytest.mark.parametrize("rotary", [True, False])
def test_transformer_sees_the_past_only(normalization, rotary):
    model = build("transformer", normalization=normalization, rotary=rotary, activation="gelu")
    before, changed = data("transformer"), data("transformer")
    changed[:, 3] = (changed[:, 3] + 1) % 11
    a, b = (ops.convert_to_numpy(model(x)) for x in (before, changed))
    np.testing.assert_array_equal(a[:, :3], b[:, :3])
    assert (np.abs(a - b).max(axis=(0, 2))[3:] > 1e-4).all()


def test_transformer_takes_any_length():
    model = transformer(11, width=4, num_layers=1, num_heads=2)
    assert model(np.zeros((2, 9), "int32")).shape == (2, 9, 11)
    np.testing.assert_allclose(
        ops.convert_to_numpy(model(data("transformer")))[:, :4],
        ops.convert_to_numpy(model(data("transformer")[:, :4])),
        atol=1e-5,
    )


def test_dropout_drops_whole_elements_in_training_only():
    model = build("transformer", dropout=0.5)
    assert sum("dropout" in x.name for x in model.layers) == 4
    np.testing.assert_array_equal(output(model, "transformer"), output(model, "transformer"))
    changed = output(model, "transformer", training=True) - output(model, "transformer")
    assert np.abs(changed).max() > 1e-2


@pytest.mark.parametrize("name", NETWORKS)
def test_methods_agree(name):
    outputs = []
    for method in ("expanded", "factored", "matrix"):
        keras.utils.set_random_seed(1)
        model = build(name, algebra="m2r", method=method)
        outputs.append(output(model, name))
        used = {x.method for x in model.layers if hasattr(x, "method")}
        assert used == {method}
    for y in outputs[1:]:
        assert_close(y, outputs[0], factor=5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("name", NETWORKS)
def test_mixed_precision(name, policy):
    keras.config.set_dtype_policy(policy)
    model = build(name)
    y = output(model, name, training=True).astype("float32")
    assert np.isfinite(y).all()
    assert all(w.dtype == "float32" for w in model.trainable_weights)


# Equal budgets.


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "algebra"),
    [("resnet", "quaternion"), ("mobilenet", "real"), ("transformer", "complex")],
)
def test_the_width_for_a_budget_is_the_nearest(name, algebra):
    builder, args, arguments, _ = NETWORKS[name]
    step = 4 if name == "transformer" else 1
    arguments = {**arguments, "algebra": algebra}
    del arguments["width"]
    widths = range(step, 8 * step, step)
    counts = [builder(*args, width=w, **arguments).count_params() for w in widths]
    between = [(a + b) // 2 + 1 for a, b in itertools.pairwise(counts)]
    for budget in (1, *counts[::3], *between[::3], counts[-1] - 1):
        best = min(zip(counts, widths, strict=True), key=lambda pair: abs(pair[0] - budget))
        assert width_for(builder, budget, *args, multiple=step, **arguments) == best[1]


def test_the_width_takes_few_narrow_models():
    built = []

    def builder(width, **arguments):
        built.append(width)
        return resnet((8, 8, 3), 5, width=width, **arguments)

    assert width_for(builder, 200_000, algebra="real", depth=8) == 26
    assert built == [1, 2, 3, 26]


def test_the_width_of_a_network_that_is_no_parabola():
    def builder(width):
        return keras.Sequential([keras.Input((width,)), keras.layers.Dense(width**2)])

    counts = {w: w**3 + w**2 for w in range(1, 50)}
    for budget in (1, 40, 3000, 99_000):
        best = min(counts, key=lambda w: abs(counts[w] - budget))
        assert width_for(builder, budget) == best


def test_multiplications_of_equal_elements_grow_with_the_method():
    model = build("resnet", algebra="quaternion")
    costs = total(model).multiplications
    head = multiplications.of(model.get_layer("logits"))["expanded"]
    assert costs["expanded"] - head == 2 * (costs["factored"] - head)


ERRORS = [
    ("resnet", {"depth": 18}, r"`depth` to be 6n \+ 2.*Received: depth=18"),
    ("resnet", {"depth": 2}, r"`depth` to be 6n \+ 2.*Received: depth=2"),
    ("resnet", {"width": 0}, "`width` to be a positive integer. Received: width=0"),
    ("resnet", {"normalization": "batch"}, "one of: component, scalar, whitening.*'batch'"),
    ("resnet", {"encoder": "complex"}, r"\('first', 'learned', 'reshape'\).*encoder='complex'"),
    ("resnet", {"algebra": "quart"}, "quart"),
    ("resnet", {"algebra": "octonion", "method": "factored"}, "no bilinear factorization"),
    ("resnet", {"activation": "softmax"}, "acts across the last axis"),
    ("mobilenet", {"strides": -1}, "`strides` to be a positive integer. Received: strides=-1"),
    ("mobilenet", {"blocks": [(2, 1), 3]}, r"pairs of positive integers.*blocks=\[\(2, 1\), 3\]"),
    ("mobilenet", {"blocks": [(2, 0)]}, r"pairs of positive integers.*blocks=\[\(2, 0\)\]"),
    ("mobilenet", {"normalization": "rms"}, "one of: component, scalar, whitening.*'rms'"),
    ("transformer", {"width": 5}, "multiple of `num_heads`.*Received: width=5, num_heads=2"),
    ("transformer", {"num_layers": 0}, "`num_layers` to be a positive integer"),
    ("transformer", {"normalization": "scalar"}, "one of: rms, layer.*'scalar'"),
    ("transformer", {"width": 2, "algebra": "real"}, "an even number of them"),
    ("transformer", {"dropout": 1.5}, "dropout|rate"),
]


@pytest.mark.parametrize(("name", "arguments", "message"), ERRORS)
def test_errors(name, arguments, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        build(name, **arguments)


def test_errors_of_shapes_and_budgets():
    with pytest.raises(ValueError, match=r"\(height, width, channels\).*input_shape=\(28, 28\)"):
        resnet((28, 28), 10)
    with pytest.raises(ValueError, match="`classes` to be a positive integer"):
        mobilenet((28, 28, 1), 0)
    with pytest.raises(ValueError, match="`parameters` to be a positive integer"):
        width_for(resnet, 0, (28, 28, 1), 10)
    with pytest.raises(ValueError, match=r"grows with its argument `width`.*Received: 15 param"):
        width_for(lambda width: keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]), 100)
    with pytest.raises(ValueError, match="`multiple` to be a positive integer"):
        width_for(resnet, 100, (28, 28, 1), 10, multiple=0)


def test_the_readout_takes_all_components():
    model = build("resnet", algebra="quaternion")
    assert model.get_layer("logits").kernel.shape == (4 * 8, 5)
    assert isinstance(model.get_layer("from_algebra"), keras_phase.FromAlgebra)
