"""The same convolutional network over every algebra, at equal numbers of real parameters.

    python examples/algebra_zoo.py             3 seeds, tables and CSV in out/, about 25 minutes
    python examples/algebra_zoo.py --quick     a few steps, to see that everything works

After AlgebraNets (arXiv 2006.07360), scaled down to Fashion-MNIST. All networks have the same
layers, training and numbers of real parameters, within 3 %; nothing is tuned for an algebra. Each
is trained, then fine-tuned while its convolutions are pruned to 50, 75 and 90 %: whole elements by
magnitude, components by magnitude, whole elements by determinant; and, as a control, without
pruning.

An interrupted run goes on where it was when it is started again.

Data: Fashion-MNIST or MNIST from --data_dir (or KERAS_PHASE_DATA), else keras.datasets, else
scikit-learn's digits.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before Keras starts TensorFlow

import keras
from absl import app, flags, logging

import data
from _zoo_network import network, trainable, widths_for
from _zoo_report import report
from _zoo_results import Results
from _zoo_train import FRACTIONS, Images, Trainer, removals
from keras_phase import algebras, summary

_DATASET = flags.DEFINE_enum("dataset", "fashion_mnist", data.NAMES, "What to learn.")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of IDX files, or its parent.")
_RESULTS = flags.DEFINE_string("results", "out/algebra_zoo", "Folder of the CSV files.")
_ALGEBRAS = flags.DEFINE_list("algebras", None, "Names; default: all.")
_BUDGET = flags.DEFINE_integer("budget", 20_000, "Real parameters of a network.", 1000)
_SAMPLES = flags.DEFINE_integer("samples", 10_000, "Training images.", 100)
_EPOCHS = flags.DEFINE_integer("epochs", 4, "Passes over them.", 1)
_TUNING = flags.DEFINE_integer("tuning_steps", 80, "Updates for each fraction to prune.", 2)
_SEED = flags.DEFINE_integer("seed", 0, "First seed.", 0)
_SEEDS = flags.DEFINE_integer("seeds", 3, "Number of seeds.", 1)
_QUICK = flags.DEFINE_bool("quick", False, "A few steps, to see that everything works.")

QUICK_ALGEBRAS = ("real", "cross", "m2r")


def experiment(
    algebra: str, seed: int, images: Images, *, budget: int, epochs: int, tuning_steps: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The rows of one algebra and seed: of the network, and of its sparse variants."""
    keras.utils.set_random_seed(seed)
    widths = widths_for(algebra, budget)
    model = network(images.x.shape[1:], widths, algebra)
    counts = [row.multiplications for row in summary.rows(model) if row.multiplications]
    trainer = Trainer(model, images, seed)
    accuracy, step_ms = trainer.train(epochs)
    tuned = trainer.tune(tuning_steps)[-1]
    dense = {
        "widths": "-".join(map(str, widths)),
        "parameters": trainable(model),
        "multiplications": sum(min(count.values()) for count in counts),
        "multiplications_expanded": sum(count["expanded"] for count in counts),
        "accuracy": round(accuracy, 4),
        "tuned": round(tuned, 4),
        "step_ms": round(step_ms, 2),
    }
    sparse = [
        {
            "by": way,
            "fraction": fraction,
            "accuracy": round(after, 4),
            "intact": round(accuracy, 4),
            "tuned": round(tuned, 4),
        }
        for way in removals(algebra)
        for fraction, after in zip(FRACTIONS, trainer.tune(tuning_steps, way), strict=True)
    ]
    return dense, sparse


def main(argv: Sequence[str]) -> None:
    del argv
    logging.set_verbosity(logging.ERROR)
    quick = _QUICK.value
    names = _ALGEBRAS.value or (QUICK_ALGEBRAS if quick else algebras.names())
    seeds = range(_SEED.value, _SEED.value + (1 if quick else _SEEDS.value))
    settings = {
        "budget": 4000 if quick else _BUDGET.value,
        "epochs": 1 if quick else _EPOCHS.value,
        "tuning_steps": 2 if quick else _TUNING.value,
    }
    try:
        dataset = data.load(_DATASET.value, _DATA_DIR.value)
        images = Images.of(dataset, 400 if quick else _SAMPLES.value, 500 if quick else None)
        described = {"dataset": dataset.name, "samples": len(images.x), **settings}
        results = Results(Path(_RESULTS.value), described)
        for name in names:  # before anything is trained
            widths_for(name, settings["budget"])
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f"algebra_zoo: {error}")
    for seed in seeds:
        for name in names:
            if results.has(name, seed):
                continue
            dense, sparse = experiment(name, seed, images, **settings)
            results.add(name, seed, dense, sparse)
            after = ", ".join(f"{r['by']} {r['fraction']:.0%} {r['accuracy']:.4f}" for r in sparse)
            print(f"{name}, seed {seed}: {dense['accuracy']:.4f}; {after}", flush=True)
            # Graphs of the networks before would fill the memory.
            keras.backend.clear_session()
    print(f"\n{report(*results.selected(names, seeds))}\n\nwritten: {_RESULTS.value}")


if __name__ == "__main__":
    app.run(main)
