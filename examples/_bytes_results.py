"""Results of the byte models: a CSV file, written after every model, and what it says."""

import csv
import dataclasses
import os
import statistics
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from _bytes_training import Result
from _results import environment

FILE = "byte_language_model.csv"


class Results:
    """Rows of models of one setting; those of other settings stay in the file as they are.

    Args:
        folder: of the CSV file.
        setting: columns that are the same in all rows of a run.

    Raises:
        ValueError: if the file has other columns.
    """

    def __init__(self, folder: Path, setting: Mapping[str, Any]):
        self.file = folder / FILE
        self._setting = {name: str(value) for name, value in setting.items()}
        self._rows: list[dict[str, str]] = []
        if self.file.is_file():
            with self.file.open(newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file)
                self._rows = list(reader)
            expected = self._columns()
            if list(reader.fieldnames or ()) != expected:
                raise ValueError(
                    f"'{self.file}' has other columns than this example writes. Name another "
                    f"folder with --results. Expected: {', '.join(expected)}. "
                    f"Received: {', '.join(reader.fieldnames or ())}"
                )

    def get(self, algebra: str, seed: int) -> Result | None:
        """The model of that algebra and seed, if it is there."""
        key = {"algebra": algebra, "seed": str(seed), **self._setting}
        for row in self._rows:
            if all(row[name] == value for name, value in key.items()):
                types = {field.name: field.type for field in dataclasses.fields(Result)}
                return Result(**{name: kind(row[name]) for name, kind in types.items()})
        return None

    def add(self, algebra: str, seed: int, result: Result) -> None:
        """Add a model, and replace the file at once, so that it is whole at any time."""
        numbers = {
            name: round(value, 4) if isinstance(value, float) else value
            for name, value in dataclasses.asdict(result).items()
        }
        row = {"algebra": algebra, "seed": seed, **self._setting, **numbers, **environment()}
        self._rows.append({name: str(value) for name, value in row.items()})
        self.file.parent.mkdir(parents=True, exist_ok=True)
        draft = self.file.with_suffix(".tmp")
        with draft.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=self._columns(), lineterminator="\n")
            writer.writeheader()
            writer.writerows(self._rows)
        os.replace(draft, self.file)

    def model_name(self, algebra: str, seed: int) -> str:
        """A name that tells models of different settings apart."""
        checksum = zlib.crc32(repr(sorted(self._setting.items())).encode())
        return f"bytes_{algebra}_{seed}_{checksum:08x}"

    def _columns(self) -> list[str]:
        measured = [field.name for field in dataclasses.fields(Result)]
        return ["algebra", "seed", *self._setting, *measured, *environment()]


def summarised(algebra: str, results: Sequence[Result]) -> dict[str, Any]:
    """A row of the printed table."""
    first = results[0]
    return {
        "algebra": algebra,
        "width": first.width,
        "parameters": f"{first.parameters:,}",
        "bits per byte": spread([r.bits for r in results]),
        "multiplications a byte": f"{first.multiplications:,}",
        "as real matrices": f"{first.multiplications_expanded:,}",
        "ms a step": f"{statistics.median(r.step_ms for r in results):.0f}",
    }


def spread(values: Sequence[float]) -> str:
    """`mean ± standard deviation`."""
    mean = f"{statistics.fmean(values):.3f}"
    return f"{mean} ± {statistics.stdev(values):.3f}" if len(values) > 1 else mean


def verdict(bits: Mapping[str, Sequence[float]]) -> str:
    """One sentence: the best algebra against the real numbers, seed by seed."""
    means = {algebra: statistics.fmean(values) for algebra, values in bits.items()}
    best = min(means, key=means.__getitem__)
    if "real" not in bits or len(bits) < 2:
        return f"Fewest bits per byte: {best}, {means[best]:.3f}."
    if best == "real":
        second = min((a for a in bits if a != "real"), key=means.__getitem__)
        return (
            f"Fewest bits per byte: real, {means['real']:.3f}; the next is {second}, "
            f"{means[second]:.3f}. No algebra helped here."
        )
    # Models of one seed read the same samples in the same order.
    margins = [r - b for r, b in zip(bits["real"], bits[best], strict=True)]
    said = (
        f"Fewest bits per byte: {best}, {means[best]:.3f}, against {means['real']:.3f} of the "
        f"real numbers; the margin, seed by seed, is {spread(margins)}"
    )
    if len(margins) == 1:
        return f"{said}, whose spread one seed does not show."
    clear = statistics.fmean(margins) > 2 * statistics.stdev(margins)
    return f"{said}, {'more' if clear else 'less'} than twice its standard deviation."


def largest_deviation(parameters: Iterable[int], budget: int) -> float:
    """Of numbers of parameters from the budget, as a fraction of it."""
    return max(abs(count / budget - 1) for count in parameters)
