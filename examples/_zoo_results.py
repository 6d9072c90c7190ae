"""Results that survive an interruption: two CSV files, written after every network."""

import csv
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from _results import environment

Row = dict[str, Any]


class Results:
    """The rows of both tables, by algebra and seed.

    Args:
        folder: of `algebra_zoo.csv` and `algebra_zoo_sparse.csv`.
        settings: columns that are the same in all rows of a run.

    Raises:
        ValueError: if the folder holds results of other settings.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]):
        self._settings = {name: str(value) for name, value in settings.items()}
        self._dense_file = folder / "algebra_zoo.csv"
        self._sparse_file = folder / "algebra_zoo_sparse.csv"
        self.dense, self.sparse = _read(self._dense_file), _read(self._sparse_file)
        for row in (*self.dense, *self.sparse):
            other = {k: row.get(k) for k, v in self._settings.items() if row.get(k) != v}
            if other:
                raise ValueError(
                    f"'{folder}' holds results of other settings ({_written(other)}, now "
                    f"{_written({k: self._settings[k] for k in other})}). Name another folder with "
                    "--results, or delete algebra_zoo.csv and algebra_zoo_sparse.csv there."
                )
        # An interruption between the two files leaves sparse rows without their network.
        self.sparse = [row for row in self.sparse if self.has(row["algebra"], int(row["seed"]))]

    def has(self, algebra: str, seed: int) -> bool:
        """Whether the network is there, with its sparse variants."""
        return any(r["algebra"] == algebra and int(r["seed"]) == seed for r in self.dense)

    def add(self, algebra: str, seed: int, dense: Row, sparse: Iterable[Row]) -> None:
        """Add one network and its sparse variants, and write the files."""

        def whole(row: Row) -> dict[str, str]:
            columns = {"algebra": algebra, "seed": seed, **row, **self._settings, **environment()}
            return {name: str(value) for name, value in columns.items()}

        self.dense.append(whole(dense))
        self.sparse += map(whole, sparse)
        _write(self._sparse_file, self.sparse)
        _write(self._dense_file, self.dense)

    def selected(self, algebras: Iterable[str], seeds: Iterable[int]) -> tuple[list[Row], ...]:
        """Dense and sparse rows of those algebras and seeds, algebras in their order."""
        chosen = [(a, str(s)) for a in algebras for s in seeds]
        return tuple(
            [row for key in chosen for row in rows if (row["algebra"], row["seed"]) == key]
            for rows in (self.dense, self.sparse)
        )


def _read(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    """Replace the file at once, so that it is whole at any time."""
    if not rows:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".tmp")
    with draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    os.replace(draft, path)


def _written(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())
