"""The command line: what it prints, and what it says to wrong input."""

import subprocess
import sys

import keras
import pytest

import keras_phase
from keras_phase import algebras
from keras_phase.__main__ import main
from keras_phase.ops import native


def run(capsys, *arguments):
    status = main(["keras_phase", *arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.fixture
def model_file(tmp_path):
    model = keras.Sequential(
        [keras.Input((4,)), keras_phase.PhaseEncode(), keras_phase.PhaseDense(3, name="phase")]
    )
    model.save(tmp_path / "model.keras")
    return tmp_path / "model.keras"


def test_info_names_versions_algebras_and_methods(capsys):
    status, out, _ = run(capsys, "info")
    assert status == 0
    for word in (keras_phase.__version__, keras.__version__, keras.backend.backend()):
        assert word in out
    lines = [line.split() for line in out.splitlines()]
    for name in algebras.names():
        algebra = algebras.get(name)
        (line,) = [x for x in lines if x[:2] == [name, str(algebra.dimension)]]
        assert line[2] == str(algebra.rank or "-")
    reason = native.unavailable_reason()
    assert (reason if reason is not None else f"native       {native.instruction_set()}") in out
    assert "plots" in out


def test_summary_of_a_file(capsys, model_file):
    status, out, _ = run(capsys, "summary", str(model_file))
    assert status == 0
    assert "PhaseDense" in out and "complex" in out


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "There is no such file. Expected a .keras file"),
        (lambda path: path.write_bytes(path.read_bytes()[:-200]), "was cut off while it was"),
        (lambda path: path.write_text("hello"), "The file is not a .keras archive"),
        (lambda path: path.write_bytes(b""), "of 0 bytes"),
    ],
    ids=["missing", "truncated", "text", "empty"],
)
def test_summary_says_what_is_wrong_with_a_file(capsys, model_file, damage, message):
    damage(model_file)
    status, out, err = run(capsys, "summary", str(model_file))
    assert (status, out) == (2, "")
    assert message in err
    assert f"Received: {model_file}" in err
    assert "Traceback" not in err


def test_summary_of_another_archive(capsys, tmp_path):
    import zipfile

    with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
        archive.writestr("notes.txt", "hello")
    status, _, err = run(capsys, "summary", str(tmp_path / "other.keras"))
    assert status == 2
    assert "Keras cannot load the model" in err


@pytest.mark.parametrize("arguments", [(), ("unknown",), ("summary",), ("info", "more")])
def test_usage(capsys, arguments):
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert "python -m keras_phase info" in err


def test_exit_status_of_the_process(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "keras_phase", "summary", "missing.keras"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "There is no such file" in done.stderr
