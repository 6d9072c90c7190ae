"""The examples run for a few steps, once as users start them, else in this process."""

import csv
import gzip
import importlib
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
PNG = b"\x89PNG\r\n\x1a\n"

pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")
pytestmark = [pytest.mark.tensorflow, pytest.mark.slow]


def in_a_process(*arguments):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, str(ROOT / "examples" / "phase_matters.py"), *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def write_mnist(folder, train=60, test=20):
    """Ten classes of 28 x 28 images, each a bright row."""
    folder.mkdir()
    for part, n in (("train", train), ("t10k", test)):
        labels = np.arange(n, dtype=np.uint8) % 10
        images = np.zeros((n, 28, 28), np.uint8)
        images[np.arange(n), 2 * labels] = 255
        for kind, array in (("images", images), ("labels", labels)):
            header = struct.pack(f">2xBB{array.ndim}I", 8, array.ndim, *array.shape)
            path = folder / f"{part}-{kind}-idx{array.ndim}-ubyte.gz"
            path.write_bytes(gzip.compress(header + array.tobytes()))
    return folder


def rows(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def check_demo(said, output, kept):
    assert "16/16" in said, "Keras's progress bar"
    assert "pruned: 1.0000" in said
    table = [line.split("|")[1:-1] for line in said.splitlines() if line.startswith("| ")]
    table = {line[0].strip(): line[1:] for line in table}
    for name in ("intact", *kept, "amplitude only", "random half of nodes", "50 % magnitude"):
        assert all(0 <= float(cell) <= 100 for cell in table[name]), name
    assert "a process without keras_phase" in said
    assert (output / "saved_model" / "saved_model.pb").is_file()
    for figure in ("accuracy", "weights", "phases"):
        assert (output / f"{figure}.png").read_bytes().startswith(PNG)


QUICK = ("--dataset=digits", "--quick", "--units=16")


def test_demo_trains_compares_draws_and_serves(tmp_path):
    said = in_a_process(*QUICK, f"--output_dir={tmp_path}")
    check_demo(said, tmp_path, ["phase only", "real part only", "imaginary part only"])


def test_demo_over_the_real_algebra_prunes_to_signs(tmp_path, run):
    said = run("phase_matters", *QUICK, "--algebra=real", f"--output_dir={tmp_path}")
    check_demo(said, tmp_path, ["sign only"])
    assert "real part" not in said


def test_reproduction_for_a_few_iterations(tmp_path, run):
    folder, output = write_mnist(tmp_path / "mnist"), tmp_path / "out"
    said = run(
        "phase_matters",
        "--reproduce",
        "--epochs=2",
        f"--data_dir={folder}",
        f"--output_dir={output}",
    )
    assert "iteration 2: loss 2.30" in said
    (row,) = rows(output / "phase_reproduce.csv")
    assert row["iteration"] == "2"
    assert {"phase", "random_nodes", "imaginary_as_real", "command", "cpu", "date"} <= set(row)
    assert str(tmp_path) not in row["command"]


def test_sweep_counts_where_phase_is_the_best_half():
    sweep = importlib.import_module("_sweep")
    setting = {"training": "SGD", "algebra": "complex", "width": 50, "epochs": 1}
    halves = {"intact": 0.9, "real": 0.3, "imaginary": 0.4, "amplitude": 0.1, "magnitude": 0.9}
    results = [
        {**setting, **halves, "depth": depth, "seed": seed, "phase": phase, "random_nodes": 0.7}
        for depth, phases in ((1, (0.8, 0.9)), (2, (0.6, 0.7)))
        for seed, phase in enumerate(phases)
    ]
    summary = sweep.summarise(results)
    assert "SGD, complex: phase is the best half in 1 of 2 settings" in summary
    assert "85.00 ± 7.07" in summary
    assert "+15.00" in summary and "-5.00" in summary


def test_missing_data_ends_with_one_plain_line(tmp_path, run):
    with pytest.raises(SystemExit, match="phase_matters: The IDX files of fashion_mnist are not"):
        run("phase_matters", f"--data_dir={tmp_path}")


@pytest.mark.parametrize("schedule", ["magnitude", "phase"])
def test_a_script_for_tfmot_runs_on_keras_3(schedule, run):
    arguments = ("--dataset=digits", "--epochs=6", "--units=32", f"--schedule={schedule}")
    said = run("tfmot_migration", *arguments)
    assert ("90.00%" in said) == (schedule == "magnitude")
    assert ("no weight moved" in said) == (schedule == "phase")
