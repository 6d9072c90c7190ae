"""Phase-collapse networks: the paper's sizes, their parts, and that they train."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_phase
from keras_phase.models import (
    PHASE_COLLAPSE,
    bias_free_resnet,
    learned_scattering,
    phase_collapse_network,
    scattering_classifier,
)
from tests.helpers.layer_checks import data


def trained(model):
    return sum(int(np.prod(w.shape)) for w in model.trainable_weights)


# (configuration, image, classes, skip, trained real numbers in millions as the paper's code has)
PAPER = [
    ("cifar10", (32, 32, 3), 10, False, 12.25),
    ("cifar10", (32, 32, 3), 10, True, 24.46),
    ("imagenet", (224, 224, 3), 1000, False, 29.05),
    ("imagenet", (224, 224, 3), 1000, True, 53.50),
]


@pytest.mark.parametrize(("name", "image", "classes", "skip", "millions"), PAPER)
def test_sizes_of_the_paper(name, image, classes, skip, millions):
    configuration = PHASE_COLLAPSE[name]
    model = phase_collapse_network(
        image, classes, skip=skip, kernel_initializer="zeros", **configuration
    )
    assert round(trained(model) / 1e6, 2) == millions
    blocks = [x for x in model.layers if isinstance(x, keras_phase.WaveletTransform2D)]
    sizes = [x.output.shape[1] for x in blocks]
    if name == "cifar10":
        assert sizes == [32, 16, 16, 8, 8, 4, 4, 2]
    else:
        # The paper's code has 6 in the place of the last but one: see the docstring.
        assert sizes == [112, 112, 56, 56, 28, 28, 14, 14, 7, 7, 3]


@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize("nonlinearity", [None, "soft_threshold", "modulus_sigmoid"])
def test_trains_and_reloads(skip, nonlinearity, tmp_path):
    keras.utils.set_random_seed(0)
    model = phase_collapse_network(
        (9, 8, 2), 3, widths=(4, 6), skip=skip, nonlinearity=nonlinearity
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), loss)
    x, y = data((12, 9, 8, 2)), np.arange(12) % 3
    history = model.fit(x, y, batch_size=6, epochs=8, verbose=0).history["loss"]
    assert history[-1] < history[0]
    assert all(np.isfinite(ops.convert_to_numpy(w)).all() for w in model.weights)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


def test_learned_scattering_is_the_network_without_skip():
    arguments = {"widths": (4, 6), "kernel_initializer": keras.initializers.Constant(0.1)}
    ours = learned_scattering((8, 8, 1), 3, **arguments)
    other = phase_collapse_network((8, 8, 1), 3, skip=False, **arguments)
    other.set_weights(ours.get_weights())
    x = data((2, 8, 8, 1))
    np.testing.assert_array_equal(ours.predict(x, verbose=0), other.predict(x, verbose=0))


def test_operators_start_unitary_and_places_have_norm_1():
    model = phase_collapse_network((8, 8, 1), 3, widths=(4, 16))
    real, imag = ops.convert_to_numpy(model.get_layer("block2_operator").kernel)[:, 0, 0]
    kernel = real + 1j * imag
    gram = kernel.conj().T @ kernel
    np.testing.assert_allclose(gram, np.eye(16), atol=1e-5)
    inner = keras.Model(model.inputs, model.get_layer("block2_norm").output)
    norm = np.sum(inner.predict(data((2, 8, 8, 1)), verbose=0) ** 2, axis=-1)
    np.testing.assert_allclose(norm, 1, atol=1e-3)


def test_fixed_scattering_trains_only_the_classifier():
    model = scattering_classifier((16, 12, 1), 5, J=2, L=4)
    features = 4 * 3 * (1 + 8 + 16)
    assert trained(model) == (features + 1) * 5 + 2 * 25
    assert model(data((2, 16, 12, 1))).shape == (2, 5)


@pytest.mark.parametrize("activation", ["relu", "collapse", "soft_threshold", "tanh", "softsign"])
def test_bias_free_resnet_adds_no_constant(activation):
    model = bias_free_resnet((8, 8, 1), 3, activation=activation, width=2, depth=8)
    names = {w.name for w in model.trainable_weights}
    assert not names & {"gamma", "beta"}
    hidden = keras.Model(model.inputs, model.get_layer("pool").output)
    zero = hidden.predict(np.zeros((2, 8, 8, 1), "float32"), verbose=0)
    np.testing.assert_array_equal(zero, 0)


def test_zero_and_nan_images():
    """The first gives logits, the second NaN."""
    model = phase_collapse_network((8, 8, 1), 3, widths=(4, 4))
    assert np.isfinite(model.predict(np.zeros((1, 8, 8, 1)), verbose=0)).all()
    assert np.isnan(model.predict(np.full((1, 8, 8, 1), np.nan), verbose=0)).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: phase_collapse_network((8, 8, 1), 3, blocks=2), "2 blocks, 3 widths"),
        (lambda: phase_collapse_network((8, 8, 1), 3, widths=()), "0 widths"),
        (lambda: phase_collapse_network((8, 8), 3), r"input_shape=\(8, 8\)"),
        (lambda: phase_collapse_network((None, 8, 1), 3), "all known"),
        (lambda: phase_collapse_network((8, 8, 1), 0), "`classes`.*classes=0"),
        (lambda: phase_collapse_network((8, 8, 1), 3, widths=(4, 0)), r"widths\[1\]=0"),
        (
            lambda: phase_collapse_network((8, 4, 1), 3),
            r"before block 3. Expected at least 8 pixels",
        ),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
