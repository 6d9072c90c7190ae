"""Probing: results are those of networks pruned by hand, and the live model stays as it is."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_phase
from keras_phase import pruning
from keras_phase.pruning import PhaseConstantSparsity, PhaseProbe, PruningCallback, Variant, probe
from tests.pruning.networks import compiled, data, kernel, network


class Subclassed(keras.Model):
    """Takes an object that no config can hold, so it cannot be cloned."""

    def __init__(self, activation):
        super().__init__()
        self.hidden = keras.layers.Dense(8)
        self.classes = keras.layers.Dense(4)
        self.activation = activation

    def call(self, x):
        return self.classes(self.activation(self.hidden(x)))

    def get_config(self):
        raise NotImplementedError


def functional():
    x = keras.Input((6,))
    y = keras.layers.Dense(8, activation="relu", name="hidden")(x)
    y = keras.layers.BatchNormalization()(keras.layers.Dropout(0.5)(y))
    return keras.Model(x, keras.layers.Dense(4, name="classes")(y))


def subclassed():
    model = Subclassed(keras.activations.relu)
    model(np.zeros((1, 6)))
    return model


def custom_metric(y_true, y_pred):
    return ops.mean(y_pred)


def with_custom_metric():
    model = functional()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=[custom_metric])
    return model


def state(model):
    variables = [*model.variables, *model.metrics_variables, *model.optimizer.variables]
    return [ops.convert_to_numpy(v) for v in variables]


MODELS = {
    "algebra": lambda: compiled(network()),
    "functional": lambda: compiled(functional()),
    "jit": lambda: compiled(functional(), jit_compile=True),
    "subclassed": lambda: compiled(subclassed()),
    "custom_metric": with_custom_metric,
}
EVERYWHERE = ("intact", "phase", "amplitude", "random", "random_nodes", "magnitude")


@pytest.mark.parametrize("name", MODELS)
def test_probing_leaves_no_trace(name):
    model = MODELS[name]()
    x, y = data()
    model.fit(x, y, verbose=0)
    before = state(model)
    results = probe.evaluate(model, (x, y), EVERYWHERE)
    for a, b in zip(before, state(model), strict=True):
        np.testing.assert_array_equal(a, b)
    expected = model.evaluate(x, y, verbose=0, return_dict=True)
    assert results["intact"] == pytest.approx(expected, rel=1e-5)
    assert tuple(results) == EVERYWHERE
    assert {tuple(r) for r in results.values()} == {tuple(expected)}


@pytest.mark.parametrize("model", ["algebra", "subclassed"])
def test_probing_does_not_change_the_course_of_training(model):
    def final(*callbacks):
        keras.utils.set_random_seed(0)
        m = MODELS[model]()
        history = m.fit(
            *data(), batch_size=8, epochs=3, shuffle=False, verbose=0, callbacks=callbacks
        ).history
        return state(m), history["loss"], history["accuracy"]

    plain = final()
    probed = final(PhaseProbe(data(), every=3, unit="step", variants=["phase", "magnitude"]))
    for a, b in zip(keras.tree.flatten(plain), keras.tree.flatten(probed), strict=True):
        np.testing.assert_array_equal(a, b)


def by_hand(name):
    """Kernels of the complex network after pruning, in plain NumPy."""
    model = compiled(network())
    for layer in ("hidden", "classes"):
        (p,) = keras_phase.parametrizations.of(model.get_layer(layer))
        w = kernel(model.get_layer(layer))
        z = w[0] + 1j * w[1]
        z = {
            "intact": z,
            "phase": np.abs(z).mean() * z / np.abs(z),
            "amplitude": np.abs(z),
            "real": z.real,
            "imaginary": 1j * z.imag,
            "imaginary_as_real": z.imag,
            "magnitude": np.where(np.abs(z) > np.median(np.abs(z)), z, 0),
        }[name]
        p.set_kernel(np.stack([np.real(z), np.imag(z)]).astype("float32"))
    return model


@pytest.mark.parametrize(
    "name", ["phase", "amplitude", "real", "imaginary", "imaginary_as_real", "magnitude"]
)
def test_variants_are_those_of_the_paper(name):
    results = probe.evaluate(by_hand("intact"), data(), [name])[name]
    keras.utils.set_random_seed(0)  # the same network again
    expected = by_hand(name).evaluate(*data(), verbose=0, return_dict=True)
    assert results == pytest.approx(expected, rel=1e-4)


def test_random_nodes_removes_half_of_the_hidden_nodes_with_their_bias():
    model = network(bias_initializer="ones")
    probe.get("random_nodes").prune(model, seed=5)
    w, bias = kernel(model.get_layer("hidden")), model.get_layer("hidden").bias
    gone = ~w.any(axis=(0, 1))
    assert gone.sum() == 4
    np.testing.assert_array_equal(ops.convert_to_numpy(bias) == 0, np.tile(gone, 2))
    assert kernel(model.get_layer("classes")).all()
    assert ops.convert_to_numpy(model.get_layer("classes").bias).all()


def test_draws_are_averaged():
    model = compiled(network())
    variants = [Variant(str(i), "random", 0.5, draws=n) for i, n in enumerate((1, 3))]
    one, three = probe.evaluate(model, data(), variants).values()
    singles = [probe.evaluate(model, data(), variants[:1], seed=s)["0"] for s in range(3)]
    assert one == singles[0]
    assert three["loss"] == pytest.approx(np.mean([s["loss"] for s in singles]))


@pytest.mark.parametrize(
    ("unit", "every", "when"),
    [("epoch", 1, [1, 2, 3]), ("epoch", 2, [2]), ("step", 3, [3, 6, 9, 12]), ("step", 5, [5, 10])],
)
def test_history_and_logs(unit, every, when):
    model = compiled(network())
    callback = PhaseProbe(data(), every=every, unit=unit, variants=["intact", "phase"])
    history = model.fit(*data(), batch_size=16, epochs=3, verbose=0, callbacks=[callback]).history
    assert list(callback.history) == ["intact", "phase"]
    for name, results in callback.history.items():
        assert [w for w, _ in results] == when
        logged = history[f"probe/{name}/accuracy"]
        assert logged[-1] == results[-1][1]["accuracy"]
        assert f"probe/{name}/loss" in history


def test_with_pruning_during_training_and_a_dataset():
    model = compiled(network())
    batches = [tuple(a[i : i + 16] for a in data()) for i in range(0, 64, 16)]

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return len(batches)

        def __getitem__(self, i):
            return batches[i]

    callback = PhaseProbe(Batches(), variants=["intact", "phase"])
    model.fit(
        *data(),
        verbose=0,
        callbacks=[callback, PruningCallback(PhaseConstantSparsity(1.0, 0))],
    )
    intact, phase = (callback.history[n][0][1]["loss"] for n in ("intact", "phase"))
    assert intact == pytest.approx(phase, rel=1e-4)  # it is phase-only already


def test_sign_of_a_real_network_is_its_phase():
    results = probe.evaluate(compiled(functional()), data(), ["phase", "sign"])
    assert results["phase"] == results["sign"]


def one_layer():
    return compiled(keras.Sequential([keras.Input((6,)), keras.layers.Dense(4)]))


REFUSED = [
    (lambda: PhaseProbe(data(), unit="batch"), "'epoch' or 'step'. Received: unit='batch'"),
    (lambda: PhaseProbe(data(), every=0), "at least 1. Received: every=0"),
    (lambda: PhaseProbe(data(), variants=["phases"]), "Unknown variant. Expected one of: intact"),
    (lambda: probe.evaluate(network(), data()), "Call `model.compile` first"),
    (lambda: probe.evaluate(compiled(functional()), data(), ["real"]), "Use 'first' or 'rest'"),
    (lambda: probe.evaluate(one_layer(), data(), ["random_nodes"]), "expected at least two layers"),
    (
        lambda: compiled(functional()).fit(
            *data(), verbose=0, callbacks=[PhaseProbe(data(), variants=["imaginary"])]
        ),
        "criterion 'imaginary' is made for algebras of dimension 2",
    ),
]


@pytest.mark.parametrize(("use", "message"), REFUSED)
def test_wrong_use_is_refused_before_training(use, message):
    with pytest.raises(ValueError, match=message):
        use()


def test_users_variants_by_name():
    mine = probe.register(Variant("most_nodes", "magnitude", 0.75, granularity="node"))
    results = probe.evaluate(compiled(network()), data(), ["most_nodes"])
    assert probe.get("most_nodes") is mine
    assert list(results) == ["most_nodes"]
    assert pruning.Variant is Variant
