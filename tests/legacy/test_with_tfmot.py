"""The real TF-MOT on our tf_keras twins, and beside Keras 3, in processes of their own.

TF-MOT is looked for in this environment, else in that of the Python that the variable
KERAS_PHASE_TFMOT_PYTHON names; without it these tests are skipped.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "with_tfmot.py"
TWINS = Path(__file__).parent / "twins.py"
_HERE = all(importlib.util.find_spec(n) for n in ("tensorflow_model_optimization", "tf_keras"))
PYTHON = os.environ.get("KERAS_PHASE_TFMOT_PYTHON") or (sys.executable if _HERE else None)

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.slow,
    pytest.mark.skipif(
        PYTHON is None,
        reason="TF-MOT is not installed: pip install -e '.[tfmot]', or name a Python that has it "
        "by KERAS_PHASE_TFMOT_PYTHON",
    ),
]


def run(*arguments, script=SCRIPT, folder=None, **environment):
    kept = {k: v for k, v in os.environ.items() if k not in ("TF_USE_LEGACY_KERAS", "PYTHONPATH")}
    done = subprocess.run(
        [PYTHON, str(script), *arguments],
        cwd=folder,
        env={**kept, "KERAS_BACKEND": "tensorflow", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_every_layer_has_a_twin_that_computes_the_same(tmp_path):
    found, masked, without = run(script=TWINS, folder=tmp_path)
    assert not without
    assert masked < 1e-5
    for name, row in found.items():
        assert row.pop("config"), name
        # Also after reloading from each of the formats of tf_keras.
        assert max(row.values()) < 1e-5, (name, row)


def test_masks_equal_those_of_tfmot_at_every_step(tmp_path):
    found = run("equal_masks", folder=tmp_path)
    assert len(found) == 4
    for case, row in found.items():
        assert all(row["same"]), (case, row)
        assert len(set(row["fractions"])) > 1


def test_tfmot_prunes_whole_elements_of_our_layers(tmp_path):
    found = run("whole_elements", folder=tmp_path)
    for case, row in found.items():
        assert row["strip"] < 1e-6, case
        assert row["reload"] < 1e-6, case
        assert row["fold"] < 1e-5, case
        for w in row["rows"]:
            assert w["partly"] == 0, case
            if case.endswith("phase"):
                # TF-MOT leaves one weight at least.
                assert w["zero"] == 0
                assert w["apart"] <= 1, case
            else:
                assert abs(w["zero"] - w["size"] / 2) <= 0.5, case


def test_wrapped_models_come_back_with_our_schedules(tmp_path):
    for name, (same, criterion, difference) in run("files", folder=tmp_path).items():
        assert same, name
        assert difference < 1e-6, name
        expected = "phase" if "Phase" in name else "sign" if "Sign" in name else "magnitude"
        assert criterion == expected


def test_schedules_speak_in_tensors_too(tmp_path):
    assert run("schedules", folder=tmp_path) < 2e-7


def test_objects_of_tfmot_work_in_keras_3(tmp_path):
    fraction, package = run("adapted", folder=tmp_path)
    assert abs(fraction - 0.75) < 0.01
    assert package == "keras_phase"


def test_the_table_of_names_is_complete(tmp_path):
    missing, wrong = run("names", folder=tmp_path)
    assert not missing
    assert not wrong


def test_two_generations_of_keras_do_not_mix(tmp_path):
    texts = run("mixed", folder=tmp_path)
    for text in texts[:3]:
        assert "this one is of tf_keras" in text
    assert "was called on a Keras 3 tensor" in texts[3]
    assert "has weights of its own" in texts[4]


@pytest.mark.parametrize("variable", [None, "0", "1"])
@pytest.mark.parametrize("order", ["ours", "ours,theirs", "theirs,ours"])
def test_imports_in_any_order(variable, order, tmp_path):
    environment = {} if variable is None else {"TF_USE_LEGACY_KERAS": variable}
    found = run("imports", order, folder=tmp_path, **environment)
    if order.startswith("ours"):
        assert found["environment"][0] == variable  # we changed nothing


@pytest.mark.parametrize("variable", [None, "0", "1"])
def test_loading_tfmot_leaves_tf_keras_alone(variable, tmp_path):
    environment = {} if variable is None else {"TF_USE_LEGACY_KERAS": variable}
    before, after, package = run("load_keeps", folder=tmp_path, **environment)
    assert before == after == variable
    assert package == ("tf_keras" if variable == "1" else "keras")
