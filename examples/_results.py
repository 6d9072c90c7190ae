"""Tables of the experiments: where they ran, printed for people and written as CSV."""

import csv
import importlib.metadata
import os
import shlex
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import keras
from absl import flags

import keras_phase

Row = Mapping[str, Any]


def environment() -> dict[str, Any]:
    """Date, machine, versions and command: the last columns of every result."""
    packages = ("keras", keras.backend.backend(), "numpy")
    versions = {name: importlib.metadata.version(name) for name in packages}
    command = shlex.join(["python", f"examples/{Path(sys.argv[0]).name}", *_arguments()])
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "date": date.today().isoformat(),
        "cpu": _cpu(),
        "cores": cores,
        "keras_phase": keras_phase.__version__,
        **versions,
        "command": command,
    }


def write_csv(path: Path, rows: Sequence[Row]) -> None:
    """Write `rows`, each with the environment; the columns are those of the first row."""
    table = [{**row, **environment()} for row in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(table[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    print(f"written: {path}")


def table(rows: Iterable[Row]) -> str:
    """`rows` as a Markdown table; the columns are those of the first row."""
    rows = list(rows)
    cells = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    lines = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |"
        for line in cells
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *lines[1:]])


def percent(values: float | Sequence[float]) -> str:
    """An accuracy in percent; of several, `mean ± standard deviation`."""
    if isinstance(values, float):
        return f"{100 * values:.2f}"
    mean = f"{100 * statistics.fmean(values):.2f}"
    return f"{mean} ± {100 * statistics.stdev(values):.2f}" if len(values) > 1 else mean


def _arguments() -> list[str]:
    """The flags that were given, without the folders of this machine."""
    given = [flag for flag in flags.FLAGS.get_key_flags_for_module(sys.argv[0]) if flag.present]
    folders = ("results", "out")
    return [f.serialize() for f in given if not f.name.endswith("_dir") and f.name not in folders]


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown"
    return next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), "unknown")
