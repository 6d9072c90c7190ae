"""Results of an experiment of many cells, one CSV file that is written after every cell.

A run that was interrupted finds its finished cells there and goes on with the others.
"""

import csv
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from _results import environment

Row = dict[str, str]


class Cells:
    """Finished cells, each one row or several.

    Args:
        path: the CSV file.
        key: names of the columns that say which cell a row belongs to.
        settings: columns that are the same in all rows of a run.

    Raises:
        ValueError: if the file holds results of other settings.
    """

    def __init__(self, path: Path, key: Iterable[str], settings: Mapping[str, Any]):
        self.path, self._key = path, tuple(key)
        self._settings = {name: str(value) for name, value in settings.items()}
        self.rows: list[Row] = []
        if path.is_file():
            with path.open(newline="", encoding="utf-8") as file:
                self.rows = list(csv.DictReader(file))
        for row in self.rows:
            other = {k: row.get(k) for k, v in self._settings.items() if row.get(k) != v}
            if other:
                found = ", ".join(f"{k}={v}" for k, v in other.items())
                raise ValueError(
                    f"'{path}' holds results of other settings ({found}). Name another folder with "
                    "--results, or delete the file."
                )

    def has(self, **key: Any) -> bool:
        """Whether the cell is finished."""
        return any(all(row[name] == str(key[name]) for name in self._key) for row in self.rows)

    def add(self, key: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> None:
        """Add a finished cell and write the file, which is whole at any time."""
        for row in rows:
            columns = {**key, **row, **self._settings, **environment()}
            self.rows.append({name: str(value) for name, value in columns.items()})
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(".tmp")
        with draft.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(self.rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)
        os.replace(draft, self.path)

    def select(self, **columns: Any) -> list[Row]:
        """Rows with these values."""
        wanted = {name: str(value) for name, value in columns.items()}
        return [row for row in self.rows if all(row[k] == v for k, v in wanted.items())]

    def values(self, column: str, **columns: Any) -> list[float]:
        """A column of the rows with these values, as numbers."""
        return [float(row[column]) for row in self.select(**columns)]


class Results(Cells):
    """Cells that are networks, one row each, by name and seed."""

    def __init__(self, path: Path, settings: Mapping[str, Any]):
        super().__init__(path, ("name", "seed"), settings)

    def get(self, name: str, seed: int) -> Row | None:
        """The row of that name and seed, or None."""
        return next(iter(self.select(name=name, seed=seed)), None)

    def add(self, name: str, seed: int, values: Mapping[str, Any]) -> Row:
        """Add one row and write the file."""
        super().add({"name": name, "seed": seed}, [values])
        return self.rows[-1]

    def of(self, name: str, seeds: Iterable[int]) -> list[Row]:
        """The rows of a name, in the order of the seeds."""
        found = (self.get(name, seed) for seed in seeds)
        return [row for row in found if row is not None]
