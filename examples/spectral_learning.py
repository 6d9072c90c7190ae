"""Networks that train eigenvalues: fewer trained numbers, how much of the accuracy?

    python examples/spectral_learning.py            MNIST and Fashion-MNIST, 3 seeds
    python examples/spectral_learning.py --quick    digits, a few steps, under a minute

After Chicchi et al., "Training of sparse and dense deep neural networks: fewer parameters, same
performance" (arXiv 2106.09021). Three experiments, each against a plain network of the same shape:

* `width`: two hidden layers of 50, 150 or 300 ReLU nodes, with one set of eigenvalues, two sets,
  S-SVD and QR; accuracy relative to Dense, and the ratio rho of trained numbers.
* `eigenvalues`: 784-2000-200-10, tanh, of which the eigenvalues alone are trained (5 194 numbers).
* `sparse`: two hidden layers of 500 tanh nodes, kernels sparse by percentile: QR against Dense.

An interrupted run goes on where it was when it is started again.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before Keras starts TensorFlow

import keras
from absl import app, flags, logging

import data
from _cells import Cells
from _spectral_networks import METHODS, QUICK, SETTINGS, train
from _spectral_report import learning_report

_DATASETS = flags.DEFINE_list("datasets", ["mnist", "fashion_mnist"], "What to learn.")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of IDX files, or its parent.")
_RESULTS = flags.DEFINE_string("results", "out/spectral_learning", "Folder of the CSV file.")
_EXPERIMENTS = flags.DEFINE_list(
    "experiments", ["width", "eigenvalues", "sparse"], "Which of the three."
)
_SIZES = flags.DEFINE_list("sizes", ["50", "150", "300"], "Hidden nodes of experiment `width`.")
_PERCENTILES = flags.DEFINE_list(
    "percentiles", ["50", "80", "90", "95", "98"], "Per cent left out in experiment `sparse`."
)
_EPOCHS = flags.DEFINE_integer("epochs", 30, "Passes over the training images at most.", 1)
_SEEDS = flags.DEFINE_integer("seeds", 3, "Number of seeds.", 1)
_QUICK = flags.DEFINE_bool("quick", False, "Digits and a few steps, to see that everything works.")


def cells(experiment: str, quick: bool) -> list[dict[str, object]]:
    """The cells of one experiment, but for data set and seed."""
    if experiment == "width":
        sizes = [20] if quick else [int(s) for s in _SIZES.value]
        return [{"method": m, "size": s, "percentile": 0} for s in sizes for m in METHODS]
    if experiment == "eigenvalues":
        size = 100 if quick else 2000
        return [{"method": "two sets", "size": size, "percentile": 0}]
    percentiles = [90] if quick else [int(p) for p in _PERCENTILES.value]
    size = 40 if quick else 500
    return [
        {"method": m, "size": size, "percentile": p} for p in percentiles for m in ("dense", "qr")
    ]


def main(argv: Sequence[str]) -> None:
    del argv
    logging.set_verbosity(logging.ERROR)
    quick = _QUICK.value
    names = ["digits"] if quick else _DATASETS.value
    try:
        unknown = [e for e in _EXPERIMENTS.value if e not in SETTINGS]
        if unknown:
            raise ValueError(
                f"Expected experiments among {', '.join(SETTINGS)}. Received: {unknown[0]!r}"
            )
        sets = {name: data.load(name, _DATA_DIR.value) for name in names}
        settings = {"epochs": QUICK["epochs"] if quick else _EPOCHS.value, "quick": quick}
        key = ("dataset", "experiment", "method", "size", "percentile", "seed")
        results = Cells(Path(_RESULTS.value) / "spectral_learning.csv", key, settings)
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f"spectral_learning: {error}")
    for seed in range(1 if quick else _SEEDS.value):
        for name, dataset in sets.items():
            for experiment in _EXPERIMENTS.value:
                for cell in cells(experiment, quick):
                    place = {"dataset": dataset.name, "experiment": experiment, **cell}
                    place["seed"] = seed
                    if results.has(**place):
                        continue
                    keras.utils.set_random_seed(seed)
                    row = train(experiment, dataset, epochs=settings["epochs"], **cell)
                    results.add(place, [row])
                    said = ", ".join(f"{v}" for v in place.values())
                    print(f"{said}: {100 * row['accuracy']:.2f} %", flush=True)
                    # Graphs of the networks before would fill the memory.
                    keras.backend.clear_session()
            del name
    print(f"\n{learning_report(results)}\n\nwritten: {results.path}")


if __name__ == "__main__":
    app.run(main)
