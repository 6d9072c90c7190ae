"""Set-up of every test run: seeds, two logical CPUs, and what other backends leave out.

* `KERAS_PHASE_TEST_SEED` changes the seed of every test.
* Before TensorFlow starts, its CPU is split in two logical devices, so that distribution
  strategies can be tested anywhere.
* On another backend (`KERAS_BACKEND=jax`), a file that imports TensorFlow at its top is not
  collected, and tests marked `tensorflow` are skipped; both are counted in the report.
"""

import os
import re
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import pytest

TESTS = Path(__file__).parent
SEED = int(os.environ.get("KERAS_PHASE_TEST_SEED", "0"))
TENSORFLOW = keras.backend.backend() == "tensorflow"

if TENSORFLOW:
    import tensorflow as tf

    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )
    if "PYTEST_XDIST_WORKER" in os.environ:
        # Workers share the cores: more threads than that only wait for each other.
        tf.config.threading.set_intra_op_parallelism_threads(1)
    collect_ignore = []
else:
    collect_ignore = sorted(
        str(path.relative_to(TESTS))
        for path in TESTS.rglob("test_*.py")
        if re.search(r"^(import|from) tensorflow", path.read_text(encoding="utf-8"), re.MULTILINE)
    )


def pytest_report_header():
    lines = [f"keras {keras.__version__} on {keras.backend.backend()}, seed {SEED}"]
    if collect_ignore:
        lines.append(f"not collected without TensorFlow: {', '.join(collect_ignore)}")
    return lines


def pytest_collection_modifyitems(items):
    if not TENSORFLOW:
        skip = pytest.mark.skip(reason=f"TensorFlow only, not {keras.backend.backend()}")
        for item in items:
            if "tensorflow" in item.keywords:
                item.add_marker(skip)


@pytest.fixture(autouse=True)
def fresh_state():
    """Every test starts with the same seeds, fresh layer names and float32 layers."""
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(SEED)
    yield
    keras.config.set_dtype_policy("float32")
    keras.config.set_floatx("float32")
