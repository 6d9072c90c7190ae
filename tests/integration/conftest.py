"""Scripts share names of flags, so those of one test file are gone before the next one's appear."""

import sys
from pathlib import Path

import pytest
from absl import flags

SCRIPTS = [Path(__file__).parents[2] / name for name in ("examples", "benchmarks")]


@pytest.fixture(scope="module", autouse=True)
def flags_and_scripts_of_this_file_only():
    before = set(flags.FLAGS)
    yield
    for name in set(flags.FLAGS) - before:
        delattr(flags.FLAGS, name)
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file is not None and Path(file).parent in SCRIPTS:
            del sys.modules[name]
