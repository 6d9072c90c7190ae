"""Results that survive an interruption: one CSV file, written after every network."""

import csv
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from _results import environment

Row = dict[str, str]


class Results:
    """Rows of a CSV file, by name and seed.

    Args:
        file: the CSV file; rows that it has already are kept.
        settings: columns that are the same in all rows of a run.

    Raises:
        ValueError: if the file holds results of other settings.
    """

    def __init__(self, file: Path, settings: Mapping[str, Any]):
        self.file = file
        self._settings = {name: str(value) for name, value in settings.items()}
        self.rows: list[Row] = []
        if file.is_file():
            with file.open(newline="", encoding="utf-8") as lines:
                self.rows = list(csv.DictReader(lines))
        for row in self.rows:
            other = {k: row.get(k) for k, v in self._settings.items() if row.get(k) != v}
            if other:
                raise ValueError(
                    f"'{file}' holds results of other settings ({other}, now "
                    f"{ {k: self._settings[k] for k in other} }). Name another folder with "
                    "--results, or delete the file."
                )

    def get(self, name: str, seed: int) -> Row | None:
        """The row of that name and seed, or None."""
        key = (name, str(seed))
        return next((r for r in self.rows if (r["name"], r["seed"]) == key), None)

    def add(self, name: str, seed: int, values: Mapping[str, Any]) -> Row:
        """Add one row and write the file."""
        row = {"name": name, "seed": seed, **values, **self._settings, **environment()}
        self.rows.append({column: str(value) for column, value in row.items()})
        self._write()
        return self.rows[-1]

    def of(self, name: str, seeds: Iterable[int]) -> list[Row]:
        """The rows of a name, in the order of the seeds."""
        found = (self.get(name, seed) for seed in seeds)
        return [row for row in found if row is not None]

    def _write(self) -> None:
        """Replace the file at once, so that it is whole at any time."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        draft = self.file.with_suffix(".tmp")
        with draft.open("w", newline="", encoding="utf-8") as lines:
            writer = csv.DictWriter(lines, fieldnames=list(self.rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)
        os.replace(draft, self.file)
