"""Pruning during training: under `fit` in every mode of compilation, and in custom loops."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_phase
from keras_phase import pruning
from keras_phase.pruning import (
    ConstantSparsity,
    PhaseConstantSparsity,
    PhasePolynomialDecay,
    PolynomialDecay,
    Pruner,
    PruningCallback,
    SignConstantSparsity,
)
from tests.helpers import label
from tests.pruning.networks import compiled, data, kernel, kernels, network, stock, zero_fraction


class Record(keras.callbacks.Callback):
    """Kernels after every train step, seen from behind the pruning callback."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()
        self.seen.append(kernels(self.model))


def fit(model, *callbacks, epochs=2, size=64, **options):
    """Eight steps an epoch."""
    arguments = {"batch_size": 8, "epochs": epochs, "verbose": 0, "shuffle": False} | options
    return model.fit(*data(size), callbacks=list(callbacks), **arguments)


def spread(w):
    """Relative spread of the non-zero moduli."""
    modulus = np.linalg.norm(w, axis=0)
    modulus = modulus[modulus > 0]
    return modulus.std() / modulus.mean()


MODES = [
    {},
    {"run_eagerly": True},
    {"jit_compile": True},
    {"steps_per_execution": 4},
    {"optimizer": lambda: keras.optimizers.SGD(0.1, momentum=0.9)},
    {"optimizer": lambda: keras.optimizers.Adam(0.01, gradient_accumulation_steps=2)},
    {"optimizer": lambda: keras.optimizers.AdamW(0.01, use_ema=True)},
]


@pytest.mark.parametrize("mode", MODES, ids=label)
@pytest.mark.parametrize("criterion", ["magnitude", "phase"])
def test_pruned_weights_stay_pruned_after_every_step(mode, criterion):
    arguments = {"optimizer": lambda: "adam"} | mode
    model = compiled(network(), **(arguments | {"optimizer": arguments["optimizer"]()}))
    record = Record()
    schedule = ConstantSparsity(0.5, begin_step=0, frequency=4)
    history = fit(model, PruningCallback(schedule, criterion=criterion), record).history
    assert history["pruned"] == history["pruned/hidden"] == history["pruned/classes"] == [0.5, 0.5]
    assert len(record.seen) == 16 // mode.get("steps_per_execution", 1)
    for seen in [*record.seen, kernels(model)]:
        for w in seen.values():
            if criterion == "magnitude":
                assert zero_fraction(w) == 0.5
            else:
                modulus = np.sort(np.linalg.norm(w, axis=0).ravel())
                windows = np.lib.stride_tricks.sliding_window_view(modulus, modulus.size // 2)
                widths = windows.max(axis=1) - windows.min(axis=1)
                assert widths.min() < 1e-5 * modulus.mean()
    for name, w in record.seen[-1].items():  # and the kept ones train
        assert (w != record.seen[0][name]).any()


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    keras.config.set_dtype_policy(policy)
    model = compiled(network())
    fit(model, PruningCallback(PhaseConstantSparsity(1.0, 0)))
    assert all(spread(w) < 1e-5 for w in kernels(model).values())
    model = compiled(network())
    fit(model, PruningCallback(ConstantSparsity(0.5, 0)))
    assert all(zero_fraction(w) == 0.5 for w in kernels(model).values())


@pytest.mark.tensorflow
def test_mirrored_strategy():
    from tests.helpers.replicas import two_replicas

    with two_replicas().scope():
        model = compiled(network())
    schedule = PhasePolynomialDecay(0.5, 1.0, 0, 8, frequency=4)
    history = fit(model, PruningCallback(schedule)).history
    assert history["pruned"] == [1.0, 1.0]
    assert all(spread(w) < 1e-5 for w in kernels(model).values())
    copies = model.get_layer("hidden").weights[0].value.values
    assert len(copies) == 2
    np.testing.assert_array_equal(*copies)


@pytest.mark.parametrize("steps_per_execution", [1, 3])
def test_masks_change_when_the_schedule_says(steps_per_execution):
    model = compiled(network(), steps_per_execution=steps_per_execution)
    asked, seen = [], {}

    def schedule(step):
        asked.append(int(step))
        return step % 5 == 0, 0.0625 * asked[-1] / 5

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen[callback.pruner.state.step] = callback.pruner.fractions()["hidden"]

    callback = PruningCallback(schedule)
    fit(model, callback, Watch(), epochs=2)
    assert asked == list(range(17))  # once for each number of updates made, 0 included
    # Older versions of Keras do not tell of an execution that is shorter than the others.
    short = {1: set(), 3: {8, 16}}[steps_per_execution]
    assert {1: set(range(1, 17)), 3: {3, 6, 11, 14}}[steps_per_execution] == set(seen) - short
    assert seen == {step: 0.0625 * (step // 5) for step in seen}
    assert callback.pruner.fractions()["hidden"] == 0.0625 * 3


def test_a_later_fit_with_the_same_callback_goes_on():
    model, asked = compiled(network()), []
    callback = PruningCallback(lambda step: (asked.append(int(step)) or step == 0, 0.5))
    fit(model, callback, epochs=1)
    before = kernel(model.get_layer("hidden")) == 0
    fit(model, callback, epochs=1)
    assert asked == list(range(17))
    np.testing.assert_array_equal(kernel(model.get_layer("hidden")) == 0, before)
    fit(model, epochs=1)  # pruned weights stay so without it, too
    np.testing.assert_array_equal(kernel(model.get_layer("hidden")) == 0, before)
    callback.pruner.release()
    fit(model, epochs=1)
    assert zero_fraction(kernel(model.get_layer("hidden"))) == 0


def test_another_callback_takes_over():
    model = compiled(network())
    first = PruningCallback(ConstantSparsity(0.75, 0), layers="hidden")
    fit(model, first, epochs=1)
    fit(model, PruningCallback(ConstantSparsity(0.5, 0), layers="classes"), epochs=1)
    assert zero_fraction(kernel(model.get_layer("classes"))) == 0.5
    assert zero_fraction(kernel(model.get_layer("hidden"))) < 0.5  # free again
    with pytest.raises(ValueError, match=r"no longer prunes its model.*Received: model 'network'"):
        first.pruner.update(0.5)


def test_stock_layers_and_their_own_constraints():
    model = stock()
    dense = model.get_layer("dense")
    dense.kernel.constraint = keras.constraints.MaxNorm(0.1)
    model.compile(keras.optimizers.SGD(1.0), "mse")
    x, y = np.arange(96).reshape(16, 6) % 11, np.ones((16, 3))
    history = model.fit(
        x, y, epochs=2, verbose=0, callbacks=[PruningCallback(SignConstantSparsity(0.5, 0))]
    ).history
    assert history["pruned"] == [0.5, 0.5]
    assert set(history) >= {"pruned/embedding", "pruned/conv", "pruned/dense"}
    w = ops.convert_to_numpy(dense.kernel)
    values, counts = np.unique(np.abs(w), return_counts=True)
    assert counts.max() == w.size // 2
    kept = np.where(np.abs(w) == values[counts.argmax()], 0, w)
    assert np.linalg.norm(kept, axis=0).max() <= 0.1 + 1e-6


def test_held_zeros_stay_zero_during_training():
    model = compiled(network())
    pruning.prune(model, 0.5)
    zero = {name: w == 0 for name, w in kernels(model).items()}
    fit(model, PruningCallback(PhasePolynomialDecay(0.5, 1.0, 0, 8, frequency=4)))
    for name, w in kernels(model).items():
        np.testing.assert_array_equal(w == 0, zero[name])
        assert spread(w) < 1e-5


def test_polar_layers_train_pruned():
    model = compiled(network(parametrization=keras_phase.parametrizations.Polar("element")))
    fit(model, PruningCallback(ConstantSparsity(0.5, 0, frequency=4)))
    assert all(zero_fraction(w) == 0.5 for w in kernels(model).values())
    model = compiled(network(parametrization=keras_phase.parametrizations.Polar("element")))
    fit(model, PruningCallback(PhaseConstantSparsity(1.0, 0, frequency=4)))
    assert all(spread(w) < 1e-4 for w in kernels(model).values())


@pytest.mark.tensorflow
def test_custom_loop():
    import tensorflow as tf

    model, optimizer = network(), keras.optimizers.Adam(0.01)
    pruner = Pruner(model, PolynomialDecay(0.0, 0.5, 0, 8, power=1, frequency=4))

    @tf.function
    def train_step(x, y):
        with tf.GradientTape() as tape:
            losses = keras.losses.sparse_categorical_crossentropy(y, model(x), from_logits=True)
            loss = tf.reduce_mean(losses)
        optimizer.apply(tape.gradient(loss, model.trainable_weights), model.trainable_weights)

    found = []
    for _ in range(10):
        train_step(*map(tf.constant, data()))
        pruner.step()
        found.append(zero_fraction(kernel(model.get_layer("hidden"))))
    assert found == [0.0] * 3 + [0.25] * 4 + [0.5] * 3


def test_weights_loaded_after_the_last_step_are_pruned_again():
    model = compiled(network())
    stopping = keras.callbacks.EarlyStopping("loss", restore_best_weights=True, patience=0)
    callback = PruningCallback(ConstantSparsity(0.5, 4, frequency=4))
    fit(model, stopping, callback, epochs=3)
    assert all(zero_fraction(w) == 0.5 for w in kernels(model).values())


def test_not_a_number_stops_the_run_and_names_the_variable():
    model = compiled(network(), keras.optimizers.SGD(float("nan")))
    with pytest.raises(ValueError, match=r"not a number or infinite.*Received: 'hidden/kernel'"):
        fit(model, PruningCallback(ConstantSparsity(0.5, 0, frequency=2)))


def test_progress_bar_shows_what_is_pruned(capsys):
    fit(compiled(network()), PruningCallback(ConstantSparsity(0.5, 0)), epochs=1, verbose=2)
    assert "pruned: 0.5" in capsys.readouterr().out


def checkpoint(path):
    return keras.callbacks.ModelCheckpoint(path / "model.keras")


ORDERS = [
    (
        lambda p: [checkpoint(p), make()],
        "ModelCheckpoint stands before PruningCallback.*not pruned",
    ),
    (
        lambda p: [keras.callbacks.BackupAndRestore(p), make()],
        "BackupAndRestore stands before PruningCallback.*Move it to the front.*"
        r"Received: callbacks=\[BackupAndRestore, PruningCallback",
    ),
    (
        lambda p: [make(), keras.callbacks.EarlyStopping("loss", restore_best_weights=True)],
        "EarlyStopping stands after PruningCallback.*Move PruningCallback behind it",
    ),
    (lambda p: [make(), keras.callbacks.SwapEMAWeights()], "SwapEMAWeights stands after"),
    (lambda p: [make(), make()], "Two PruningCallbacks cannot prune one model at a time"),
]


def make(schedule=None, **options):
    return PruningCallback(schedule or ConstantSparsity(0.5, 0), **options)


@pytest.mark.parametrize(("callbacks", "message"), ORDERS)
def test_orders_that_lose_pruning_are_refused(callbacks, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        fit(compiled(network()), *callbacks(tmp_path))
    with pytest.raises(ValueError, match=message):
        keras.callbacks.CallbackList(callbacks(tmp_path), model=compiled(network()))


def test_orders_that_work_are_accepted(tmp_path):
    before = [keras.callbacks.EarlyStopping("loss", restore_best_weights=True)]
    after = [checkpoint(tmp_path), keras.callbacks.EarlyStopping("loss")]
    fit(compiled(network()), *before, make(), *after, epochs=1)
    saved = keras.saving.load_model(tmp_path / "model.keras")
    assert all(zero_fraction(w) == 0.5 for w in kernels(saved).values())


REFUSED = [
    (
        lambda: make(PhaseConstantSparsity(1.0, 0), criterion="magnitude"),
        ValueError,
        "PhaseConstantSparsity is a schedule for the criterion 'phase'.*: criterion='magnitude'",
    ),
    (lambda: make(criterion="size"), ValueError, "Unknown criterion"),
    (lambda: make(granularity="row"), ValueError, "Unknown granularity"),
    (lambda: make(scope="model"), ValueError, "Unknown scope"),
    (lambda: make(0.5), TypeError, "called with a step.*Received: schedule=0.5"),
    (lambda: PruningCallback(None), ValueError, "follows a schedule.*Received: schedule=None"),
]


@pytest.mark.parametrize(("make", "error", "message"), REFUSED)
def test_wrong_settings_are_refused_at_once(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("criterion", "schedule", "expected"),
    [
        (None, ConstantSparsity(0.5, 0), "magnitude"),
        ("phase", ConstantSparsity(0.5, 0), "phase"),
        (None, PhaseConstantSparsity(0.5, 0), "phase"),
        ("phase", PhaseConstantSparsity(0.5, 0), "phase"),
        (None, SignConstantSparsity(0.5, 0), "sign"),
    ],
)
def test_the_criterion_is_the_given_one_or_the_schedules(criterion, schedule, expected):
    model = network("real" if expected == "sign" else "complex")
    pruner = Pruner(model, schedule, criterion=criterion)
    assert pruner.rule.criterion is pruning.criteria.get(expected)


def test_a_pruner_without_schedule_is_driven_by_hand():
    model = network()
    pruner = Pruner(model, criterion="phase")
    pruner.update(1.0)
    assert pruner.logs() == {"pruned": 1.0, "pruned/hidden": 1.0, "pruned/classes": 1.0}
    with pytest.raises(ValueError, match=r"has no schedule to follow.*Received: schedule=None"):
        pruner.step()
