"""The wheel, built from a copy of the sources without the network, holds the whole package."""

import ast
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    str(f.relative_to(ROOT))
    for f in (ROOT / "keras_phase").rglob("*")
    if f.suffix == ".py" or f.name == "py.typed"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("build")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc", "_lib")
    shutil.copytree(ROOT / "keras_phase", folder / "keras_phase", ignore=ignored)
    shutil.copytree(ROOT / "custom_ops", folder / "custom_ops", ignore=ignored)
    command = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps"]
    command += ["--no-index", "--quiet", "--wheel-dir", str(folder / "out"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = (folder / "out").glob("*.whl")
    return built


def test_wheel_holds_every_module_and_the_native_library_and_nothing_else(wheel):
    names = [n for n in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in n]
    native = ["keras_phase/_lib/build.json", "keras_phase/_lib/libkeras_phase.so"]
    assert sorted(n for n in names if n not in native) == SOURCES
    if shutil.which("g++"):
        assert "-py3-none-" in wheel.name and "-any" not in wheel.name
        assert set(native) <= set(names)


def test_metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
        metadata = archive.read(name).decode()
    source = ast.parse((ROOT / "keras_phase" / "__init__.py").read_text(encoding="utf-8"))
    (version,) = [
        ast.literal_eval(node.value)
        for node in source.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "__version__"
    ]
    assert f"\nVersion: {version}\n" in metadata
    assert "\nRequires-Python: >=3.11\n" in metadata
    required = [
        line
        for line in metadata.splitlines()
        if line.startswith("Requires-Dist") and ";" not in line
    ]
    assert required == ["Requires-Dist: keras>=3.5", "Requires-Dist: numpy"]


def test_installed_wheel_imports_and_computes(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = (
        "import keras_phase; import numpy as np;"
        f"assert keras_phase.__file__.startswith({str(tmp_path)!r}), keras_phase.__file__;"
        "y = keras_phase.PhaseDense(3)(keras_phase.ToAlgebra()(np.ones((2, 4), 'float32')));"
        "assert y.shape == (2, 6)"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
