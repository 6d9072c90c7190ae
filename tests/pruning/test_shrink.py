"""`shrink`: smaller models with the outputs of the masked ones, and refusals by name."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_phase
from keras_phase.parametrizations import DynamicSparse, Polar, SpectralQR, SpectralSVD
from keras_phase.pruning.nodes import prune_nodes, shrink
from tests.helpers.layer_checks import data

BIASED = keras.initializers.RandomUniform(-0.5, 0.5, seed=2)
IMAGE = (8, 6, 3)


def sequential(shape, *parts):
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input(shape), *parts])


def residual(make, width, depth=2):
    keras.utils.set_random_seed(1)
    x = inputs = keras.Input((8,))
    x = make(width, name="stem")(x)
    for i in range(depth):
        y = make(width, activation="relu", name=f"branch_{i}")(x)
        x = layers.Add()([x, y])
    return keras.Model(inputs, make(3, name="head")(x))


def merged(how, **arguments):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((8,))
    parts = [layers.Dense(n, "tanh", bias_initializer=BIASED, name=f"p{n}")(inputs) for n in (5, 7)]
    return keras.Model(inputs, layers.Dense(3)(how(**arguments)(parts)))


def normalized():
    """Conv, batch normalization with statistics that are not trivial, ReLU, conv with padding."""
    model = sequential(
        IMAGE,
        layers.Conv2D(7, 3, padding="same", name="first"),
        layers.BatchNormalization(name="norm"),
        layers.ReLU(),
        layers.Dropout(0.5),
        layers.Conv2D(6, 3, padding="same", strides=2, activation="relu"),
        layers.AveragePooling2D(2),
        layers.Flatten(),
        layers.Dense(9, "elu"),
        layers.Dense(3, "softmax"),
    )
    for i, w in enumerate(model.get_layer("norm").weights):
        w.assign(np.abs(data(w.shape, i)) + 0.1)
    return model


def dense_net(activation, bias):
    return lambda: sequential(
        (8,),
        layers.Dense(20, activation, use_bias=bias, bias_initializer=BIASED),
        layers.Dense(12, activation, use_bias=bias, bias_initializer=BIASED),
        layers.Dense(3, use_bias=bias),
    )


def algebra_net(name, mode="component", activation="relu"):
    return lambda: sequential(
        IMAGE,
        keras_phase.ToAlgebra(algebra=name),
        keras_phase.AlgebraConv2D(5, 3, algebra=name, activation=activation),
        keras_phase.AlgebraBatchNormalization(algebra=name, mode=mode),
        keras_phase.AlgebraActivation("crelu", algebra=name),
        keras_phase.ModulusMaxPooling2D(2, algebra=name),
        keras_phase.AlgebraFlatten(algebra=name),
        keras_phase.AlgebraDropout(0.5, algebra=name),
        keras_phase.SpectralDense(9, "tanh", algebra=name),
        keras_phase.PhaseDense(6, algebra=name, amplitude="unit"),
        keras_phase.FromAlgebra("norm", algebra=name),
        layers.Dense(3),
    )


def spectral_net(parametrization):
    return lambda: sequential(
        (8,),
        keras_phase.AlgebraDense(20, "tanh", algebra="real", parametrization=parametrization),
        keras_phase.AlgebraDense(12, "elu", algebra="real", parametrization=parametrization),
        keras_phase.AlgebraDense(3, algebra="real", parametrization=parametrization),
    )


# (builds the model, what ranks its nodes).
MODELS = {
    "dense relu": (dense_net("relu", True), "connectivity"),
    "dense sigmoid": (dense_net("sigmoid", True), "connectivity"),
    "dense softplus without bias": (dense_net("softplus", False), "kernel_norm"),
    "conv, batch normalization": (normalized, "kernel_norm"),
    "conv sigmoid valid": (
        lambda: sequential(
            IMAGE,
            layers.Conv2D(7, 3, activation="sigmoid", use_bias=False),
            layers.MaxPooling2D(2),
            layers.Conv2D(6, 2, activation="sigmoid", use_bias=False),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, use_bias=False),
        ),
        "kernel_norm",
    ),
    "conv sigmoid same": (
        lambda: sequential(
            IMAGE,
            layers.Conv2D(7, 3, padding="same", activation="sigmoid"),
            layers.Conv2D(6, 3, padding="same", activation="sigmoid"),
            layers.Flatten(),
            layers.Dense(3),
        ),
        "kernel_norm",
    ),
    "conv1d causal": (
        lambda: sequential(
            (9, 4),
            layers.Conv1D(7, 3, padding="causal", activation="relu"),
            layers.Conv1D(6, 2, padding="causal", activation="tanh"),
            layers.GlobalMaxPooling1D(),
            layers.Dense(3),
        ),
        "kernel_norm",
    ),
    "conv3d": (
        lambda: sequential(
            (4, 4, 4, 2), layers.Conv3D(5, 2, activation="relu"), layers.Flatten(), layers.Dense(2)
        ),
        "kernel_norm",
    ),
    "groups": (
        lambda: sequential(
            IMAGE,
            layers.Conv2D(6, 3, activation="relu"),
            layers.Conv2D(8, 3, groups=2, activation="relu"),
            layers.Flatten(),
            layers.Dense(10, "relu"),
            layers.Dense(3),
        ),
        "kernel_norm",
    ),
    "residual": (lambda: residual(layers.Dense, 10), "kernel_norm"),
    "concatenate": (lambda: merged(layers.Concatenate), "kernel_norm"),
    "spectral": (
        lambda: sequential(
            (8,),
            keras_phase.SpectralDense(20, "tanh", train_in=None),
            keras_phase.SpectralDense(12, "relu", bias_initializer=BIASED),
            keras_phase.SpectralDense(3),
        ),
        "eigenvalue",
    ),
    "spectral conv": (
        lambda: sequential(
            IMAGE,
            keras_phase.SpectralConv2D(7, 3, activation="relu", algebra="real"),
            layers.Flatten(),
            keras_phase.SpectralDense(3),
        ),
        "eigenvalue",
    ),
    "svd": (spectral_net(SpectralSVD()), "eigenvalue"),
    "qr": (spectral_net(SpectralQR()), "eigenvalue"),
    "polar": (spectral_net(Polar("unit")), "kernel_norm"),
    "fixed sparse": (spectral_net(DynamicSparse(percentile=40.0, dynamic=False)), "kernel_norm"),
    "complex": (algebra_net("complex"), "kernel_norm"),
    "complex whitening": (algebra_net("complex", "whitening", "modrelu"), "kernel_norm"),
    "quaternion scalar": (algebra_net("quaternion", "scalar"), "kernel_norm"),
    "m2r": (algebra_net("m2r"), "kernel_norm"),
}


def check_equal(model, smaller):
    x = data((5, *model.input_shape[1:]))
    expected = model.predict(x, verbose=0)
    np.testing.assert_allclose(smaller.predict(x, verbose=0), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_outputs_are_those_of_the_masked_model(name):
    build, by = MODELS[name]
    model = build()
    before = model.count_params()
    kept = prune_nodes(model, 0.5, by=by, scope="layer")
    weights = model.get_weights()
    smaller = shrink(model)
    assert smaller.count_params() <= before == model.count_params()
    check_equal(model, smaller)
    for old, new in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    if name not in ("groups", "residual", "conv sigmoid same"):
        assert smaller.count_params() < 0.8 * before
        for path, keep in kept.items():
            layer = smaller.get_layer(path)
            assert getattr(layer, "units", None) == keep.sum() or layer.filters == keep.sum()
    assert type(smaller) is type(model)
    assert shrink(smaller).count_params() == smaller.count_params()


@pytest.mark.parametrize("name", ["dense sigmoid", "conv sigmoid valid", "complex"])
def test_constants_of_nodes_without_weights_move_into_the_next_bias(name):
    """Weights alone are 0, as a pruning callback leaves them; biases are not."""
    build, _ = MODELS[name]
    model = build()
    for layer in model.layers:
        if hasattr(layer, "kernel_parametrization") or isinstance(
            layer, layers.Dense | layers.Conv2D
        ):
            if layer.bias is not None:
                layer.bias.assign(data(layer.bias.shape))
    biases = [w for w in model.weights if w.name == "bias"]
    values = [np.array(ops.convert_to_numpy(b)) for b in biases]
    prune_nodes(model, 0.6, by="kernel_norm", scope="layer")
    for bias, value in zip(biases, values, strict=True):
        bias.assign(value)
    smaller = shrink(model)
    check_equal(model, smaller)
    assert smaller.layers[-1].use_bias
    assert smaller.count_params() < 0.8 * model.count_params()


def test_a_residual_sum_loses_what_goes_on_both_sides():
    model = residual(layers.Dense, 10)
    gone = [1, 4, 7]
    for name in ("stem", "branch_0", "branch_1"):
        layer = model.get_layer(name)
        kernel = np.array(layer.kernel)
        kernel[:, gone] = 0
        if name == "branch_0":
            kernel[:, 2] = 0  # on one side only
        layer.kernel.assign(kernel)
    smaller = shrink(model)
    assert [smaller.get_layer(n).units for n in ("stem", "branch_0", "branch_1")] == [7, 7, 7]
    check_equal(model, smaller)


@pytest.mark.parametrize("algebra", ["real", "complex"])
def test_residual_over_an_algebra_and_operators(algebra):
    def make(width, activation=None, name=None):
        return keras_phase.AlgebraDense(width, activation, algebra=algebra, name=name)

    model = residual(make, 10)
    prune_nodes(
        model, 0.5, by="kernel_norm", scope="layer", layers=["stem", "branch_0", "branch_1"]
    )
    check_equal(model, shrink(model))


def test_an_operator_of_keras_ops_is_a_sum_too():
    inputs = keras.Input((8,))
    a, b = layers.Dense(6, name="a")(inputs), layers.Dense(6, "relu", name="b")(inputs)
    model = keras.Model(inputs, layers.Dense(2)(ops.add(a, b)))
    for name in "ab":
        kernel = np.array(model.get_layer(name).kernel)
        kernel[:, :3] = 0
        model.get_layer(name).kernel.assign(kernel)
    smaller = shrink(model)
    assert smaller.get_layer("a").units == 3
    check_equal(model, smaller)


def test_two_inputs_and_outputs():
    a, b = keras.Input((4,)), keras.Input((5,))
    x, y = layers.Dense(8, "relu")(a), layers.Dense(6, "relu")(b)
    z = layers.Concatenate()([x, y])
    model = keras.Model([a, b], [layers.Dense(2)(z), y])
    prune_nodes(model, 0.5, by="kernel_norm", scope="layer")
    smaller = shrink(model)
    given = [data((3, 4)), data((3, 5))]
    for new, old in zip(
        smaller.predict(given, verbose=0), model.predict(given, verbose=0), strict=True
    ):
        np.testing.assert_allclose(new, old, atol=1e-5)


def test_the_smaller_model_is_compiled_and_trains_and_saves(tmp_path):
    model = MODELS["spectral"][0]()
    model.compile(keras.optimizers.Adam(0.003), "mse", metrics=["mae"])
    x, y = data((32, 8)), data((32, 3), 1)
    model.fit(x, y, batch_size=8, verbose=0)
    prune_nodes(model, 0.5)
    smaller = shrink(model)
    assert float(smaller.optimizer.learning_rate) == pytest.approx(0.003)
    assert int(smaller.optimizer.iterations) == int(model.optimizer.iterations) == 4
    np.testing.assert_allclose(
        smaller.evaluate(x, y, verbose=0), model.evaluate(x, y, verbose=0), rtol=1e-4
    )
    smaller.fit(x, y, verbose=0)
    smaller.save(tmp_path / "small.keras")
    again = keras.saving.load_model(tmp_path / "small.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), smaller.predict(x, verbose=0))


def test_settings_can_change_on_the_way():
    model = sequential((8,), keras_phase.SpectralDense(6, train_vectors=False, name="s"))
    freed = shrink(model, change=lambda layer: {"train_vectors": True})
    check_equal(model, freed)
    assert len(model.trainable_weights) == 3 and len(freed.trainable_weights) == 4


def test_a_whole_model_comes_back_equal():
    model = sequential(
        (6, 4),
        layers.LayerNormalization(),
        layers.LSTM(5),
        layers.Dense(2),
    )
    check_equal(model, shrink(model))


def attention():
    inputs = keras.Input((5, 4))
    x = layers.Dense(8, name="hidden")(inputs)
    return keras.Model(inputs, layers.MultiHeadAttention(2, 3, name="attention")(x, x))


REFUSED = [
    (attention, "MultiHeadAttention 'attention'"),
    (
        lambda: sequential((5, 4), layers.Dense(8, name="hidden"), layers.LSTM(3, name="lstm")),
        "LSTM 'lstm'",
    ),
    (
        lambda: sequential(
            IMAGE, layers.Conv2D(8, 1, name="hidden"), layers.DepthwiseConv2D(2, name="depth")
        ),
        "DepthwiseConv2D 'depth'",
    ),
    (
        lambda: sequential(
            (4,), layers.Dense(8, name="hidden"), layers.LayerNormalization(name="n")
        ),
        "LayerNormalization 'n'",
    ),
    (
        lambda: sequential(
            (4,), layers.Dense(8, name="hidden"), layers.Softmax(name="soft"), layers.Dense(2)
        ),
        "Softmax 'soft'",
    ),
]


@pytest.mark.parametrize(("build", "name"), REFUSED)
def test_what_cannot_shrink_is_named(build, name):
    model = build()
    prune_nodes(model, 0.5, by="kernel_norm", layers="hidden")
    before = model.get_weights()
    with pytest.raises(ValueError, match="cannot lose inputs") as error:
        shrink(model)
    assert name in str(error.value) and "'hidden'" in str(error.value)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_shared_layers_are_refused():
    inputs = keras.Input((4,))
    shared = layers.Dense(4, name="shared")
    model = keras.Model(inputs, shared(shared(inputs)))
    with pytest.raises(ValueError, match="'shared' is called several times"):
        shrink(model)


def test_layers_of_a_sequential_model_may_stand_elsewhere_too():
    model = dense_net("relu", True)()
    other = keras.Sequential([keras.Input((8,)), *model.layers[:2], layers.Dense(2)])
    prune_nodes(other, 0.5, by="kernel_norm")
    check_equal(other, shrink(other))
    inputs = keras.Input((8,))
    elsewhere = keras.Model(inputs, layers.Dense(1)(model.layers[0](inputs)))
    with pytest.raises(ValueError, match="is called several times"):
        shrink(elsewhere)


def test_unbuilt_subclassed_and_emptied_models_are_refused():
    with pytest.raises(ValueError, match="is not built"):
        shrink(keras.Sequential([layers.Dense(3)]))

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(3)

        def call(self, x):
            return self.dense(x)

    own = Own()
    own(data((2, 4)))
    with pytest.raises(ValueError, match="Sequential or functional"):
        shrink(own)
    model = dense_net("relu", True)()
    model.layers[0].kernel.assign(np.zeros((8, 20)))
    with pytest.raises(ValueError, match="would empty it"):
        shrink(model)


def test_a_dynamic_threshold_is_refused():
    model = spectral_net(DynamicSparse(percentile=40.0))()
    prune_nodes(model, 0.5, by="kernel_norm")
    with pytest.raises(ValueError, match="DynamicSparse"):
        shrink(model)


def test_nan_is_an_error():
    model = dense_net("relu", True)()
    model.layers[0].kernel.assign(np.full((8, 20), np.nan))
    with pytest.raises(ValueError, match="is NaN in places"):
        shrink(model)
