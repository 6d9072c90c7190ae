"""Scripts share names of flags and of modules: a test has those that it imports, and no others."""

import contextlib
import importlib
import sys
from pathlib import Path

import pytest
from absl import flags
from absl.testing import flagsaver

SCRIPTS = [Path(__file__).parents[2] / name for name in ("benchmarks", "examples")]


def is_script(module) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and Path(file).parent in SCRIPTS


@contextlib.contextmanager
def own_scripts():
    before = set(sys.modules)
    try:
        with flagsaver.flagsaver():  # forgets new flags, too
            yield
    finally:
        for name in set(sys.modules) - before:
            if is_script(sys.modules[name]):
                del sys.modules[name]


@pytest.fixture(autouse=True)
def scripts_of_this_test_only(monkeypatch):
    for folder in SCRIPTS:
        monkeypatch.syspath_prepend(folder)
    monkeypatch.delenv("KERAS_PHASE_DATA", raising=False)
    with own_scripts():
        yield


@pytest.fixture
def run(capsys):
    """Runs a script with command line arguments; returns what it printed."""

    def run_script(name, *arguments):
        with own_scripts():
            module = importlib.import_module(name)
            flags.FLAGS([f"{name}.py", *map(str, arguments)])
            module.main([])
        return capsys.readouterr().out

    return run_script
