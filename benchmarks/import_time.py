"""Time of `import keras_phase` beyond `import keras`, the median of fresh processes.

python benchmarks/import_time.py
"""

import statistics
import subprocess
import sys
from pathlib import Path

_PROCESSES = 10
_CODE = (
    "import keras, time; t = time.perf_counter(); import keras_phase;print(time.perf_counter() - t)"
)

if __name__ == "__main__":
    root = Path(__file__).parent.parent
    seconds = [
        float(
            subprocess.run(
                [sys.executable, "-c", _CODE], cwd=root, capture_output=True, text=True, check=True
            ).stdout
        )
        for _ in range(_PROCESSES)
    ]
    print(
        f"median {statistics.median(seconds):.3f} s of {_PROCESSES}, at most {max(seconds):.3f} s"
    )
