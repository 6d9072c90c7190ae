"""Time of `import keras_phase` beyond `import keras`, and of loading the native library.

The median of fresh processes.

    python benchmarks/import_time.py
"""

import statistics
import subprocess
import sys
from pathlib import Path

_PROCESSES = 10
_TIMED = {
    "import keras_phase": "import keras; TIME(); import keras_phase; TIME()",
    "native library": "import keras_phase; from keras_phase.ops import native; "
    "TIME(); assert native.unavailable_reason() is None; TIME()",
}
_CLOCK = "import time; times = []; TIME = lambda: times.append(time.perf_counter()); "


def seconds(code: str) -> float:
    """Between the two calls of `TIME()`, in a process of its own."""
    command = [sys.executable, "-c", f"{_CLOCK}{code}; print(times[1] - times[0])"]
    root = Path(__file__).parent.parent
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    return float(done.stdout)


if __name__ == "__main__":
    for what, code in _TIMED.items():
        found = [seconds(code) for _ in range(_PROCESSES)]
        print(
            f"{what}: median {statistics.median(found):.3f} s of {_PROCESSES}, "
            f"at most {max(found):.3f} s"
        )
