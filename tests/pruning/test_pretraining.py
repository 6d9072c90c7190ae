"""The two-stage filter, models with frozen eigenvectors, and the record of eigenvalues."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_phase
from keras_phase.parametrizations import SpectralQR
from keras_phase.pruning.pretraining import EigenvalueHistory, pretraining_filter, with_vectors
from tests.helpers.layer_checks import data

SPECTRAL = {
    "out_initializer": "pruning_uniform",
    "vectors_initializer": "pruning_uniform",
    "train_in": None,
    "use_bias": False,
}


def network(compiled=True, **first):
    keras.utils.set_random_seed(2)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras_phase.SpectralDense(40, "elu", name="hidden", **{**SPECTRAL, **first}),
            keras_phase.SpectralDense(3, "softmax", name="head", **SPECTRAL),
        ]
    )
    if compiled:
        loss = "sparse_categorical_crossentropy"
        model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    return model


def task(seed=0):
    rng = np.random.default_rng(seed)
    x = data((600, 6))
    return x, (x @ rng.normal(size=(6, 3))).argmax(axis=1)


def numpy(x):
    return np.asarray(ops.convert_to_numpy(x))


def test_filter_trains_eigenvalues_then_a_small_network():
    model, (x, y) = network(), task()
    drawn = numpy(model.get_layer("hidden").eigenvectors)
    settings = {"batch_size": 50, "verbose": 0}
    found = pretraining_filter(model, x, y, fraction=0.8, epochs=12, training_epochs=0, **settings)
    kept = found.kept["hidden"]
    hidden = found.model.get_layer("hidden")
    assert hidden.units == kept.sum() == 8
    np.testing.assert_array_equal(numpy(hidden.eigenvectors), drawn[..., kept])
    assert (
        numpy(hidden.eigenvalues.outputs) != numpy(model.layers[0].eigenvalues.outputs)[kept]
    ).all()
    np.testing.assert_array_equal(numpy(model.get_layer("hidden").eigenvectors), drawn)
    found = pretraining_filter(model, x, y, fraction=0.8, epochs=12, training_epochs=12, **settings)
    assert found.model.evaluate(x, y, verbose=0)[1] > 0.85
    assert [len(h.history["loss"]) for h in found.histories] == [12, 12]
    assert (numpy(found.model.get_layer("hidden").eigenvectors) != drawn[..., kept]).all()
    assert len(found.model.trainable_weights) == 4


def test_vectors_are_frozen_and_freed_for_every_kind_of_layer():
    model = keras.Sequential(
        [
            keras.Input((6, 6, 4)),
            keras_phase.SpectralConv2D(3, 2, algebra="complex"),
            keras_phase.AlgebraFlatten(),
            keras_phase.AlgebraDense(4, parametrization=SpectralQR()),
            keras_phase.AlgebraDense(2, parametrization="Spectral"),
            layers.Dense(2),
        ]
    )
    x = data((3, 6, 6, 4))
    frozen = with_vectors(model, False)
    assert len(model.trainable_weights) - len(frozen.trainable_weights) == 3
    np.testing.assert_allclose(numpy(frozen(x)), numpy(model(x)), atol=1e-5)
    freed = with_vectors(frozen, True)
    assert len(freed.trainable_weights) == len(model.trainable_weights)
    np.testing.assert_allclose(numpy(freed(x)), numpy(model(x)), atol=1e-5)


def test_eigenvalues_are_recorded():
    model, (x, y) = network(), task()
    record = EigenvalueHistory(every=2)
    start = numpy(model.get_layer("hidden").eigenvalues.outputs)
    model.fit(x, y, epochs=4, verbose=0, callbacks=[record])
    assert [epoch for epoch, _ in record.history["hidden"]] == [0, 2, 4]
    np.testing.assert_array_equal(record.history["hidden"][0][1].outputs, start)
    end = numpy(model.get_layer("hidden").eigenvalues.outputs)
    np.testing.assert_array_equal(record.history["hidden"][-1][1].outputs, end)
    assert record.history["head"][0][1].inputs is None


def plain():
    model = keras.Sequential([keras.Input((6,)), layers.Dense(3)])
    model.compile("sgd", "mse")
    return model


ERRORS = [
    (lambda: with_vectors(plain(), True), "with spectral dense layers"),
    (lambda: pretraining_filter(network(False), *task(), fraction=0.5), "compile it first"),
    (lambda: pretraining_filter(network(), *task(), fraction=1.0), "fraction=1.0"),
    (lambda: EigenvalueHistory(every=0), "every=0"),
    (
        lambda: plain().fit(data((4, 6)), data((4, 3)), verbose=0, callbacks=[EigenvalueHistory()]),
        "Nothing to record",
    ),
]


@pytest.mark.parametrize(("act", "words"), ERRORS)
def test_errors(act, words):
    with pytest.raises(ValueError, match=words):
        act()
