"""`SpectralDense` and the spectral convolutions: layer checks, conversions, errors."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_phase
from keras_phase.parametrizations import Spectral
from tests.helpers import layer_checks
from tests.helpers.layer_checks import data
from tests.helpers.tolerances import assert_close

START = keras.initializers.RandomUniform(0.2, 0.9, seed=1)
OTHER = {
    "train_in": False,
    "train_out": True,
    "train_vectors": False,
    "in_initializer": START,
    "out_initializer": "optimized_uniform",
    "vectors_initializer": "half_uniform",
    "eigenvalue_regularizer": "l1",
    "eigenvalue_constraint": "unit_norm",
}
# (class, arguments, input shape, trainable weights): no argument at its default where the layer has
# another value to offer.
LAYERS = [
    (keras_phase.SpectralDense, {"units": 3}, (2, 8), 4),
    (keras_phase.SpectralDense, {"units": 3, "algebra": "quaternion", **OTHER}, (2, 5, 8), 2),
    (
        keras_phase.SpectralDense,
        {
            "units": 3,
            "activation": "modrelu",
            "use_bias": False,
            "kernel_initializer": "he_normal",
            "kernel_regularizer": "l2",
            "kernel_constraint": keras.constraints.MaxNorm(2.0),
            "algebra": "complex",
            "train_in": None,
            "method": "expanded",
        },
        (2, 8),
        3,
    ),
    (
        keras_phase.SpectralConv1D,
        {"filters": 2, "kernel_size": 3, "padding": "causal"},
        (2, 5, 4),
        4,
    ),
    (
        keras_phase.SpectralConv2D,
        {"filters": 4, "kernel_size": (2, 3), "groups": 2, "algebra": "complex", **OTHER},
        (2, 5, 4, 8),
        2,
    ),
    (
        keras_phase.SpectralConv2D,
        {"filters": 2, "kernel_size": 2, "strides": 2, "train_out": None, "activation": "relu"},
        (2, 4, 4, 3),
        3,
    ),
    (keras_phase.SpectralConv3D, {"filters": 2, "kernel_size": 2}, (2, 3, 3, 3, 2), 4),
]
IDS = [f"{cls.__name__}-{i}" for i, (cls, *_) in enumerate(LAYERS)]
TWINS = [
    (keras_phase.SpectralDense, keras.layers.Dense),
    (keras_phase.SpectralConv1D, keras.layers.Conv1D),
    (keras_phase.SpectralConv2D, keras.layers.Conv2D),
    (keras_phase.SpectralConv3D, keras.layers.Conv3D),
]

cases = pytest.mark.parametrize(("cls", "arguments", "shape", "weights"), LAYERS, ids=IDS)


def numpy(x):
    return np.asarray(ops.convert_to_numpy(x))


@cases
def test_keras_layer_test(cls, arguments, shape, weights):
    regularized = {"eigenvalue_regularizer", "kernel_regularizer"} & set(arguments)
    losses = {"expected_num_losses": 1} if regularized else {}
    layer_checks.check_keras_layer_test(cls, arguments, shape, weights, **losses)


@cases
def test_reloads_with_every_argument_and_the_same_output(cls, arguments, shape, weights, tmp_path):
    layer_checks.check_round_trips(cls, arguments, shape, tmp_path)


@pytest.mark.tensorflow
@cases
def test_exports_with_stock_ops(cls, arguments, shape, weights, tmp_path):
    layer_checks.check_saved_model(cls, arguments, shape, tmp_path)


@cases
def test_unknown_batch_size_keeps_the_other_sizes(cls, arguments, shape, weights):
    layer_checks.check_unknown_batch_size(cls, arguments, shape)


@pytest.mark.parametrize(("ours", "stock"), TWINS)
def test_signature_is_the_stock_layers_then_ours_by_keyword(ours, stock):
    layer_checks.check_signature(ours, stock)


@cases
def test_it_is_an_algebra_layer_with_that_parametrization(cls, arguments, shape, weights):
    spectral = {k: arguments[k] for k in arguments if k in Spectral().get_config()}
    rest = {k: v for k, v in arguments.items() if k not in spectral}
    plain = getattr(keras_phase, cls.__name__.replace("Spectral", "Algebra"))
    outputs = []
    for make in (
        lambda: cls(**arguments),
        lambda: plain(**{"algebra": "real", **rest}, parametrization=Spectral(**spectral)),
    ):
        keras.utils.set_random_seed(3)
        outputs.append(numpy(make()(data(shape))))
    np.testing.assert_array_equal(*outputs)


def test_transfer_operator_applied_is_the_layer():
    layer = keras_phase.SpectralDense(3, use_bias=False, in_initializer=START)
    x = data((1, 5))
    y = numpy(layer(x))
    operator = layer.transfer_operator()
    assert_close((operator @ np.r_[x[0], np.zeros(3)])[5:], y[0])
    np.testing.assert_allclose(
        sorted(np.linalg.eigvals(operator).real),
        sorted(np.concatenate([numpy(v) for v in layer.eigenvalues])),
        atol=1e-4,
    )


# (spectral class, layer to start from, its input).
PLAIN = [
    (keras_phase.SpectralDense, keras.layers.Dense(3, "tanh", bias_initializer="ones"), (2, 5)),
    (keras_phase.SpectralDense, keras.layers.Dense(3, use_bias=False), (2, 5)),
    (keras_phase.SpectralDense, keras_phase.AlgebraDense(3, "modrelu"), (2, 6)),
    (keras_phase.SpectralDense, keras_phase.PhaseDense(3, amplitude="unit"), (2, 6)),
    (keras_phase.SpectralDense, keras_phase.SpectralDense(3, algebra="m2r"), (2, 8)),
    (keras_phase.SpectralConv1D, keras.layers.Conv1D(3, 2, padding="causal"), (2, 5, 4)),
    (keras_phase.SpectralConv2D, keras.layers.Conv2D(4, 2, groups=2, strides=2), (2, 5, 5, 4)),
    (keras_phase.SpectralConv2D, keras_phase.AlgebraConv2D(3, 2, activation="relu"), (2, 4, 4, 6)),
    (keras_phase.SpectralConv3D, keras.layers.Conv3D(2, 2), (1, 3, 3, 3, 2)),
]


@pytest.mark.parametrize(
    "arguments",
    [{}, {"train_in": None}, {"train_out": None}, {"eigenvalues_in": 0.5, "eigenvalues_out": 0.2}],
)
@pytest.mark.parametrize(("cls", "layer", "shape"), PLAIN)
def test_from_and_to_a_plain_layer(cls, layer, shape, arguments):
    x = data(shape)
    expected = numpy(layer(x))
    kind = "dense" if cls is keras_phase.SpectralDense else "convolution"
    spectral = getattr(cls, f"from_{kind}")(layer, train_vectors=False, **arguments)
    assert_close(spectral(x), expected)
    assert spectral.name == layer.name
    assert not any("vectors" in w.name for w in spectral.trainable_weights)
    inputs, outputs = spectral.eigenvalues
    if not arguments:
        assert (numpy(inputs) == 1).all() and (numpy(outputs) == 0).all()
    back = getattr(spectral, f"to_{kind}")()
    assert_close(back(x), expected)
    stock = layer.algebra.dimension == 1 if hasattr(layer, "algebra") else True
    assert isinstance(back, cls.stock if stock else cls.plain)


def test_eigenvalues_alone_learn():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(256, 12)).astype("float32")
    y = (x @ rng.normal(size=(12, 3))).argmax(axis=1)
    keras.utils.set_random_seed(0)
    start = {"in_initializer": "optimized_uniform", "out_initializer": "optimized_uniform"}
    model = keras.Sequential(
        [
            keras.Input((12,)),
            keras_phase.SpectralDense(60, "tanh", train_vectors=False, **start),
            keras_phase.SpectralDense(3, train_vectors=False, **start),
        ]
    )
    vectors = [numpy(layer.eigenvectors) for layer in model.layers]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.03), loss, metrics=["accuracy"])
    history = model.fit(x, y, epochs=15, verbose=0).history
    assert history["accuracy"][-1] > 0.75
    for layer, before in zip(model.layers, vectors, strict=True):
        np.testing.assert_array_equal(numpy(layer.eigenvectors), before)


ERRORS = [
    (lambda: keras_phase.SpectralDense(3, train_in=None, train_out=None), ValueError, "would be 0"),
    (lambda: keras_phase.SpectralDense(3, out_initializer="what"), ValueError, "what"),
    (
        lambda: keras_phase.SpectralDense.from_dense(keras.layers.Dense(3)),
        ValueError,
        "layer.built=False",
    ),
    (
        lambda: keras_phase.SpectralDense.from_dense(keras.layers.Conv1D(3, 2)),
        TypeError,
        "keras.layers.Dense or AlgebraDense",
    ),
    (
        lambda: keras_phase.SpectralConv2D.from_convolution(keras.layers.Conv1D(3, 2)),
        TypeError,
        "keras.layers.Conv2D or AlgebraConv2D",
    ),
    (lambda: keras_phase.SpectralDense(3).eigenvalues, AttributeError, "no eigenvalues yet"),
    (lambda: keras_phase.SpectralDense(3).transfer_operator(), AttributeError, "`build` it first"),
    (lambda: keras_phase.SpectralDense(3).to_dense(), AttributeError, "no eigenvalues yet"),
    (lambda: keras_phase.SpectralDense(3, lora_rank=2), ValueError, "lora_rank"),
]


@pytest.mark.parametrize(("act", "error", "words"), ERRORS)
def test_errors(act, error, words):
    with pytest.raises(error, match=words):
        act()


def test_equal_eigenvalues_cannot_hold_a_kernel():
    dense = keras.layers.Dense(3)
    dense.build((None, 4))
    with pytest.raises(ValueError, match="equal eigenvalues"):
        keras_phase.SpectralDense.from_dense(dense, eigenvalues_out=1.0)
