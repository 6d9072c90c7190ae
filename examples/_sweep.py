"""Is phase the best half of the numbers to keep? Depths, widths, complex and real networks.

The paper claims so "under various settings of depth and width". Each network is trained by
mini-batches, then pruned at once and not trained further. Phase (sign), real part, imaginary part
and a random half of the nodes all keep half of the real numbers; the larger half by modulus does
too, and stands beside them because it was not in the paper.
"""

import itertools
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from _networks import classifier
from _results import percent, table, write_csv
from data import Dataset
from keras_phase import pruning

_IMAGES = 30_000
# Algebra: the prunings that the claim compares, the claimed best one first.
_HALVES = {
    "complex": ("phase", "real", "imaginary", "random_nodes"),
    "real": ("phase", "random_nodes"),
}
_BESIDE = ("amplitude", "magnitude")


def run(
    dataset: Dataset,
    output: Path,
    *,
    seeds: Sequence[int],
    epochs: int,
    depths: Sequence[int] = (1, 2, 3),
    widths: Sequence[int] = (50, 100, 200),
    batch_size: int = 100,
) -> list[dict[str, Any]]:
    """Train and prune every network; print and write the tables.

    Returns:
        One row a network and seed, test accuracies by variant.
    """
    x, y = dataset.x_train[:_IMAGES], dataset.y_train[:_IMAGES]
    rows = []
    for algebra, depth, width, seed in itertools.product(_HALVES, depths, widths, seeds):
        keras.utils.set_random_seed(seed)
        model = classifier(
            x.shape[1], [width] * depth, algebra=algebra, logits="squared_norm", use_bias=False
        )
        model.compile(
            keras.optimizers.Adam(1e-3),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        model.fit(x, y, batch_size, epochs, verbose=0)
        variants = ("intact", *_HALVES[algebra], *_BESIDE)
        test = dataset.x_test, dataset.y_test
        results = pruning.probe.evaluate(model, test, variants, batch_size=2000, seed=seed)
        setting = {"algebra": algebra, "depth": depth, "width": width}
        row = dict.fromkeys(("algebra", "depth", "width", "epochs", "seed"))
        row |= dict.fromkeys(("intact", *_HALVES["complex"], *_BESIDE), "")
        row |= {**setting, "epochs": epochs, "seed": seed}
        row |= {name: round(metrics["accuracy"], 4) for name, metrics in results.items()}
        rows.append(row)
        print("  ".join(f"{k}={v}" for k, v in row.items() if v != ""), flush=True)
        keras.utils.clear_session()
    write_csv(output / "phase_sweep.csv", rows)
    summary = summarise(rows)
    print(summary)
    (output / "phase_sweep.md").write_text(summary + "\n", encoding="utf-8")
    return rows


def summarise(rows: Sequence[dict[str, Any]]) -> str:
    """A Markdown table: mean and spread over the seeds, and whether phase is the best half."""
    lines, held = [], 0
    for key, group in itertools.groupby(
        rows, key=lambda row: (row["algebra"], row["depth"], row["width"])
    ):
        runs = list(group)
        algebra, depth, width = key
        names = [name for name in runs[0] if name in ("intact", *_HALVES["complex"], *_BESIDE)]
        values = {n: [run[n] for run in runs] for n in names if runs[0][n] != ""}
        means = {name: statistics.fmean(v) for name, v in values.items()}
        best = max(_HALVES[algebra], key=means.__getitem__)
        held += best == "phase"
        lines.append(
            {
                "algebra": algebra,
                "hidden layers": depth,
                "width": width,
                **{name: percent(values[name]) if name in values else "-" for name in names},
                "best half": best,
            }
        )
    claim = f"Phase (sign) is the best half in {held} of {len(lines)} settings."
    return f"{table(lines)}\n\n{claim}"
