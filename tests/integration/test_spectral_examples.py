"""The spectral examples run, go on where they were, and say what they found."""

import csv
import importlib
import math
from pathlib import Path

import keras
import numpy as np
import pytest
from absl import flags

ROOT = Path(__file__).parents[2]

pytest.importorskip("sklearn")
pytestmark = [pytest.mark.tensorflow, pytest.mark.slow]


def rows(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_pruning_example_compares_and_resumes(tmp_path, run):
    pytest.importorskip("matplotlib")
    said = run("spectral_pruning", "--quick", f"--results={tmp_path}")
    found = rows(tmp_path / "spectral_pruning.csv")
    scores = {"eigenvalue", "connectivity", "kernel_norm", "response", "selection"}
    assert {r["by"] for r in found if r["kind"] == "spectral"} == scores
    assert {r["by"] for r in found if r["kind"] == "dense"} == scores - {"eigenvalue"}
    assert {r["fraction"] for r in found} == {"0.05", "0.5", "0.7", "0.8", "0.9", "0.95"}
    assert "the authors" not in said  # these are digits
    assert "| 1x60    | tanh       | filter" in said
    assert str(tmp_path) not in found[0]["command"]
    assert (tmp_path / "spectral_pruning_1x60_tanh.png").is_file()
    before = (tmp_path / "spectral_pruning.csv").read_bytes()
    again = run("spectral_pruning", "--quick", f"--results={tmp_path}")
    assert (tmp_path / "spectral_pruning.csv").read_bytes() == before
    assert "90 %:" not in again and "| 1x60" in again


def test_learning_example_relates_accuracy_to_trained_numbers(tmp_path, run):
    said = run("spectral_learning", "--quick", f"--results={tmp_path}")
    found = rows(tmp_path / "spectral_learning.csv")
    trained = {r["method"]: int(r["trained"]) for r in found if r["experiment"] == "width"}
    n1, n, classes = 64, 20, 10
    biases = 2 * n + classes
    assert trained["dense"] == n1 * n + n * n + n * classes + biases
    assert trained["one set"] == 2 * n + classes + biases
    assert trained["two sets"] == (n1 + n) + (n + n) + (n + classes) + biases
    assert trained["svd"] == trained["two sets"] + n + n + classes
    triangles = 2 * n * (n + 1) // 2 + classes * (classes + 1) // 2
    assert trained["qr"] == trained["two sets"] + triangles
    assert "rho" in said and all(0 < float(r["accuracy"]) <= 1 for r in found)


def test_the_papers_network_trains_5194_eigenvalues():
    networks = importlib.import_module("_spectral_networks")
    model = networks.network("eigenvalues", "two sets", 2000, 0, 784)
    assert networks.trained_numbers(model) == 5194
    assert [layer.units for layer in model.layers] == [2000, 200, 10]


def test_an_emptied_layer_is_reported(tmp_path):
    cells, report = (importlib.import_module(n) for n in ("_cells", "_spectral_report"))
    flags.FLAGS(["spectral_pruning.py"])
    key = ("network", "activation", "kind", "seed")
    results = cells.Cells(tmp_path / "r.csv", key, {"dataset": "fashion_mnist"})
    place = dict(zip(key, ("3x500", "tanh", "filter", 0), strict=True))
    row = {"by": "eigenvalue", "intact": 0.9, "fraction": 0.05, "accuracy": math.nan}
    results.add(place, [row])
    said = report.pruning_report(results)
    assert "a layer is empty" in said and "(the authors)" in said and "88.80" in said


def test_other_settings_in_the_same_folder_are_refused(tmp_path, run):
    (tmp_path / "spectral_pruning.csv").write_text(
        "network,activation,kind,seed,dataset,epochs,free_epochs\n1x60,tanh,dense,0,digits,99,5\n"
    )
    with pytest.raises(SystemExit, match=r"other settings.*epochs=99"):
        run("spectral_pruning", "--quick", f"--results={tmp_path}")
    with pytest.raises(SystemExit, match="such as '3x500'"):
        run("spectral_pruning", "--networks=big", f"--results={tmp_path / 'other'}")
    with pytest.raises(SystemExit, match="experiments among"):
        run("spectral_learning", "--experiments=all", f"--results={tmp_path / 'third'}")


def test_the_filter_removes_before_it_trains():
    experiments = importlib.import_module("_spectral_pruning")
    data = importlib.import_module("data")
    keras.utils.set_random_seed(0)
    settings = experiments.Settings(epochs=1, free_epochs=1, batch=100)
    found = experiments.filtered(data.load("digits"), (20,), "relu", settings)
    assert [r["fraction"] for r in found] == list(experiments.FRACTIONS)
    assert np.isfinite([r["accuracy"] for r in found]).all()
