"""What is saved with a pruned model, and that a killed run ends as if nothing had happened."""

import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

import keras_phase
from keras_phase.pruning import ConstantSparsity, PhaseConstantSparsity, Pruner, PruningCallback
from tests.pruning.networks import compiled, data, network

ROOT = Path(__file__).parent.parent.parent


def trained(**options):
    model = compiled(network())
    schedule = PhaseConstantSparsity(0.5, 0, end_step=0)
    callback = PruningCallback(schedule, **options)
    model.fit(*data(), batch_size=16, verbose=0, callbacks=[callback])
    return model, callback.pruner


def test_masks_are_not_part_of_the_model():
    model, plain = trained()[0], compiled(network())
    plain.fit(*data(), batch_size=16, verbose=0)
    for attribute in ("weights", "variables", "trainable_weights", "layers"):
        assert len(getattr(model, attribute)) == len(getattr(plain, attribute))
    assert model.count_params() == plain.count_params()
    assert len(model.get_weights()) == len(plain.get_weights())
    assert "pruning" not in str(model.get_config())
    assert keras_phase.parametrizations.of(model.pruning_state) == []


@pytest.mark.parametrize("suffix", [".weights.h5", ".keras"])
def test_pruned_and_plain_models_read_each_others_files(suffix, tmp_path):
    (model, _), plain, path = trained(), compiled(network()), tmp_path / f"model{suffix}"
    plain.fit(*data(), batch_size=16, verbose=0)
    for source, target in ((model, plain), (plain, model), (model, compiled(network()))):
        if suffix == ".keras":
            source.save(path)
            target = keras.saving.load_model(path)
        else:
            source.save_weights(path)
            target.load_weights(path)
        for a, b in zip(source.get_weights(), target.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


def test_masks_and_counters_come_back(tmp_path):
    model, pruner = trained()
    model.save_weights(tmp_path / "x.weights.h5")
    again = network()
    other = Pruner(again, PhaseConstantSparsity(0.5, 0, end_step=0))
    again.load_weights(tmp_path / "x.weights.h5")
    assert (other.state.step, other.state.updates) == (4, 1)
    assert other.fractions() == pruner.fractions()
    for a, b in zip(other.state.weights, pruner.state.weights, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(a), ops.convert_to_numpy(b))
    Pruner(again, ConstantSparsity(0.5, 0), granularity="node")
    with pytest.raises(ValueError, match=r"saved pruning masks do not fit.*keep_0.*\(1, 6, 8\)"):
        again.load_weights(tmp_path / "x.weights.h5")


def test_clones_are_not_pruned():
    model, _ = trained()
    clone = compiled(keras.models.clone_model(model))
    assert not hasattr(clone, "pruning_state")
    clone.fit(*data(), verbose=0)
    assert all(w.constraint is None for w in clone.weights)


@pytest.mark.tensorflow
def test_export_knows_nothing_of_masks(tmp_path):
    import tensorflow as tf

    model, _ = trained()
    model.export(tmp_path / "served")
    loaded = tf.saved_model.load(tmp_path / "served")
    assert len(loaded.variables) == len(model.weights)
    x = data()[0]
    np.testing.assert_allclose(loaded.serve(x), model(x), atol=1e-6)


RUN = """
import os, signal, sys
import keras, numpy as np
from keras_phase.pruning import PolynomialDecay, PruningCallback
from keras_phase.pruning import UpdatePruningStep, get_masks, prune_low_magnitude
from tests.pruning.networks import compiled, data, network

keras.utils.set_random_seed(0)
folder, route, criterion, kill_at = *sys.argv[1:4], int(sys.argv[4])
schedule = PolynomialDecay(0.1, 0.9, 0, 30, frequency=5)
model = network()
if route == "wrapper":
    model = prune_low_magnitude(model, schedule, criterion=criterion)
    pruning = UpdatePruningStep()
else:
    pruning = PruningCallback(schedule, criterion=criterion)
compiled(model)

class Kill(keras.callbacks.Callback):
    steps = 0
    def on_train_batch_end(self, batch, logs=None):
        self.steps += 1
        if self.steps == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

model.fit(
    *data(), batch_size=8, epochs=4, shuffle=False, verbose=0,
    callbacks=[pruning, keras.callbacks.BackupAndRestore(folder + "/backup"), Kill()],
)
weights = {str(i): w for i, w in enumerate(model.get_weights())}
masks = list(get_masks(model).values())
pruned = 1 - sum(m.sum() for m in masks) / sum(m.size for m in masks)
pruners = pruning.pruners if route == "wrapper" else [pruning.pruner]
np.savez(folder + "/end.npz", pruned=pruned, step=pruners[-1].state.step, **weights)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("route", "criterion"),
    [
        ("callback", "random"),
        ("callback", "phase"),
        pytest.param("wrapper", "magnitude", marks=pytest.mark.tensorflow),
    ],
)
def test_killed_and_resumed_ends_as_the_uninterrupted_run(route, criterion, tmp_path):
    def start(name, kill_at):
        (tmp_path / name).mkdir(exist_ok=True)
        arguments = [str(tmp_path / name), route, criterion, str(kill_at)]
        command = [sys.executable, "-c", RUN, *arguments]
        return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)

    # In the third epoch, between a mask update (after 20 steps) and the epoch's end (24).
    whole, killed = start("whole", -1), start("killed", 22)
    assert killed.communicate()[1] is not None
    assert killed.returncode == -signal.SIGKILL
    resumed = start("killed", -1)
    for run in (whole, resumed):
        errors = run.communicate()[1]
        assert run.returncode == 0, errors
    expected, found = (np.load(tmp_path / name / "end.npz") for name in ("whole", "killed"))
    assert int(found["step"]) == 32
    for name in expected.files:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    # 0.9 of 48 and of 32 elements, each rounded.
    assert float(found["pruned"]) == pytest.approx((43 + 29) / 80, abs=1e-6)
