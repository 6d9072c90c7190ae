"""The examples run from the command line, as users run them, for a few steps."""

import csv
import gzip
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


def example(*arguments, status=0):
    """Run examples/phase_matters.py in a process of its own; returns what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment.pop("KERAS_PHASE_DATA", None)
    command = [sys.executable, str(ROOT / "examples" / "phase_matters.py"), *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


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


@pytest.mark.parametrize(
    ("algebra", "kept"), [("complex", "imaginary part only"), ("real", "sign only")]
)
def test_demo_trains_compares_draws_and_serves(tmp_path, algebra, kept):
    said = example(
        "--dataset=digits",
        "--quick",
        "--units=16",
        f"--algebra={algebra}",
        f"--output_dir={tmp_path}",
    )
    assert "16/16" in said, "Keras's progress bar"
    assert "pruned: 1.0000" in said
    table = [line.split("|")[1:-1] for line in said.splitlines() if line.startswith("| ")]
    table = {line[0].strip(): line[1:] for line in table}
    for name in ("intact", kept, "amplitude only", "random half of nodes", "50 % magnitude"):
        assert all(0 <= float(cell) <= 100 for cell in table[name]), name
    assert "a process without keras_phase" in said
    assert (tmp_path / "saved_model" / "saved_model.pb").is_file()
    for figure in ("accuracy", "weights", "phases"):
        assert (tmp_path / f"{figure}.png").read_bytes().startswith(PNG)


def test_reproduction_for_a_few_iterations(tmp_path):
    said = example(
        "--reproduce",
        "--epochs=2",
        f"--data_dir={write_mnist(tmp_path / 'mnist')}",
        f"--output_dir={tmp_path / 'out'}",
    )
    assert "iteration 2: loss 2.30" in said
    (row,) = rows(tmp_path / "out" / "phase_reproduce.csv")
    assert row["iteration"] == "2"
    assert {"phase", "random_nodes", "imaginary_as_real", "command", "cpu", "date"} <= set(row)
    assert str(tmp_path) not in row["command"]


def test_missing_data_ends_with_one_plain_line(tmp_path):
    said = example(f"--data_dir={tmp_path}", status=1)
    assert "phase_matters: The IDX files of fashion_mnist are not all there" in said
    assert "Traceback" not in said
