"""Is phase the best half of the numbers to keep? Depths, widths, complex and real networks.

The paper claims so "under various settings of depth and width". Each network is trained by
mini-batches, then pruned at once and not trained further. Phase (sign), real part, imaginary part
and a random half of the nodes all keep half of the real numbers; the larger half by modulus does
too, and stands beside them because it was not in the paper.
"""

import itertools
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

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
_SETTING = ("training", "algebra", "depth", "width")
_ACCURACIES = ("intact", *_HALVES["complex"], *_BESIDE)


class Training(NamedTuple):
    """How the networks of a sweep are trained."""

    optimizer: Callable[[], keras.optimizers.Optimizer]
    initializer: Callable[[], keras.initializers.Initializer]


# The paper's optimizer from weights that deep networks can start from, and the paper's weights
# under an optimizer that can start from them.
_TRAININGS = {
    "SGD 0.1, Glorot": Training(
        lambda: keras.optimizers.SGD(0.1), keras.initializers.GlorotUniform
    ),
    "Adam 0.001, 0.01 N(0,1)": Training(
        lambda: keras.optimizers.Adam(1e-3), lambda: keras.initializers.RandomNormal(stddev=0.01)
    ),
}


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
    for how, algebra, depth, width, seed in itertools.product(
        _TRAININGS, _HALVES, depths, widths, seeds
    ):
        keras.utils.set_random_seed(seed)
        training = _TRAININGS[how]
        model = classifier(
            x.shape[1],
            [width] * depth,
            algebra=algebra,
            logits="squared_norm",
            use_bias=False,
            kernel_initializer=training.initializer(),
        )
        model.compile(
            training.optimizer(),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        model.fit(x, y, batch_size, epochs, verbose=0)
        variants = ("intact", *_HALVES[algebra], *_BESIDE)
        test = dataset.x_test, dataset.y_test
        results = pruning.probe.evaluate(model, test, variants, batch_size=2000, seed=seed)
        setting = (how, algebra, depth, width)
        row = dict(zip(_SETTING, setting, strict=True)) | {"epochs": epochs, "seed": seed}
        row |= dict.fromkeys(_ACCURACIES, "")
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
    """Mean and spread over the seeds, in percent, and the lead of phase over the next best half."""
    lines, held = [], Counter()
    for setting, group in itertools.groupby(rows, key=lambda row: [row[k] for k in _SETTING]):
        runs = list(group)
        line = dict(zip(_SETTING, setting, strict=True))
        values = {name: [run[name] for run in runs] for name in _ACCURACIES if runs[0][name] != ""}
        means = {name: statistics.fmean(v) for name, v in values.items()}
        phase, *others = (means[name] for name in _HALVES[line["algebra"]])
        lead = phase - max(others)
        held[line["training"], line["algebra"]] += lead > 0
        cells = {name: percent(values[name]) if name in values else "-" for name in _ACCURACIES}
        lines.append({**line, **cells, "lead of phase": f"{100 * lead:+.2f}"})
    settings = Counter((line["training"], line["algebra"]) for line in lines)
    claims = [
        f"* {', '.join(setting)}: phase is the best half in {held[setting]} of {count} settings"
        for setting, count in settings.items()
    ]
    return "\n".join([table(lines), "", *claims])
