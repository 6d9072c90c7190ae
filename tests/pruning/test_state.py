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
from tests.pruning.networks import compiled, data, network
from tests.helpers.versions import newest_keras

keras.utils.set_random_seed(0)
folder, criterion, kill_at = sys.argv[1], sys.argv[2], int(sys.argv[3])
model = compiled(network())

class Kill(keras.callbacks.Callback):
    steps = 0
    def on_train_batch_end(self, batch, logs=None):
        self.steps += 1
        if self.steps == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

pruning = PruningCallback(PolynomialDecay(0.1, 0.9, 0, 30, frequency=5), criterion=criterion)
history = model.fit(
    *data(), batch_size=8, epochs=4, shuffle=False, verbose=0,
    callbacks=[pruning, keras.callbacks.BackupAndRestore(folder + "/backup"), Kill()],
).history
weights = {str(i): w for i, w in enumerate(model.get_weights())}
pruned, step = history["pruned"][-1], pruning.pruner.state.step
np.savez(folder + "/end.npz", pruned=pruned, step=step, **weights)
"""


@pytest.mark.slow
@pytest.mark.parametrize("criterion", ["random", "phase"])
def test_killed_and_resumed_ends_as_the_uninterrupted_run(criterion, tmp_path):
    def start(name, kill_at):
        (tmp_path / name).mkdir(exist_ok=True)
        command = [sys.executable, "-c", RUN, str(tmp_path / name), criterion, str(kill_at)]
        return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)

    whole, killed = start("whole", -1), start("killed", 8 * 2 + 3)  # in the third epoch
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
    assert float(found["pruned"]) == pytest.approx(0.9, abs=0.02)
