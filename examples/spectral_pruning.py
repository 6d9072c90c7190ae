"""Pruning nodes by eigenvalues: which ranking keeps the accuracy, and how small can a network be?

    python examples/spectral_pruning.py             Fashion-MNIST, 3 seeds, hours
    python examples/spectral_pruning.py --quick     digits, a few steps, under a minute

After Buffoni et al., "Spectral pruning of fully connected layers" (Sci. Rep. 12, 11201, 2022).
Networks with one or more hidden layers, without biases, kernels with one set of eigenvalues
(`w_ij = -lambda_j phi_ij`) or plain, are trained, then lose hidden nodes, all layers competing:

* `spectral`: eigenvalues and eigenvectors trained together, nodes ranked by every score;
* `dense`: a plain network of the same shape, ranked by every score but the eigenvalues;
* `filter`: eigenvalues trained alone, nodes removed, then all that is left is trained.

Only the last one trains after pruning. Scores that look at data see training images alone. An
interrupted run goes on where it was when it is started again. At the end: a table beside the
authors' results, and with matplotlib a figure.
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
from _spectral_pruning import KINDS, Settings
from _spectral_report import draw_pruning, pruning_report

_DATASET = flags.DEFINE_enum("dataset", "fashion_mnist", data.NAMES, "What to learn.")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of IDX files, or its parent.")
_RESULTS = flags.DEFINE_string("results", "out/spectral_pruning", "Folder of CSV and figures.")
_NETWORKS = flags.DEFINE_list("networks", ["1x2000", "3x500"], "Hidden layers x nodes.")
_ACTIVATIONS = flags.DEFINE_list("activations", ["elu", "tanh", "relu"], "Of the hidden layers.")
_KINDS = flags.DEFINE_list("kinds", list(KINDS), "Which of spectral, dense, filter.")
_EPOCHS = flags.DEFINE_integer("epochs", 30, "Passes over the images (the authors: 100).", 1)
_FREE_EPOCHS = flags.DEFINE_integer("free_epochs", 20, "Of the filter, after pruning.", 1)
_SEEDS = flags.DEFINE_integer("seeds", 3, "Number of seeds.", 1)
_QUICK = flags.DEFINE_bool("quick", False, "Digits and a few steps, to see that everything works.")


def main(argv: Sequence[str]) -> None:
    del argv
    logging.set_verbosity(logging.ERROR)
    quick = _QUICK.value
    settings = Settings(
        epochs=10 if quick else _EPOCHS.value,
        free_epochs=5 if quick else _FREE_EPOCHS.value,
        batch=25 if quick else 200,
    )
    networks = ["1x60"] if quick else _NETWORKS.value
    activations = ["tanh"] if quick else _ACTIVATIONS.value
    folder = Path(_RESULTS.value)
    try:
        for name in networks:
            settings.widths(name)
        unknown = [kind for kind in _KINDS.value if kind not in KINDS]
        if unknown:
            raise ValueError(f"Expected kinds among {', '.join(KINDS)}. Received: {unknown[0]!r}")
        dataset = data.load("digits" if quick else _DATASET.value, _DATA_DIR.value)
        described = {
            "dataset": dataset.name,
            "epochs": settings.epochs,
            "free_epochs": settings.free_epochs,
        }
        key = ("network", "activation", "kind", "seed")
        results = Cells(folder / "spectral_pruning.csv", key, described)
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f"spectral_pruning: {error}")
    for seed in range(1 if quick else _SEEDS.value):
        for name in networks:
            for activation in activations:
                for kind in _KINDS.value:
                    place = dict(zip(key, (name, activation, kind, seed), strict=True))
                    if results.has(**place):
                        continue
                    keras.utils.set_random_seed(seed)
                    rows = KINDS[kind](dataset, settings.widths(name), activation, settings)
                    results.add(place, rows)
                    at_90 = {r["by"]: r["accuracy"] for r in rows if r["fraction"] == 0.9}
                    said = ", ".join(f"{by} {100 * value:.1f}" for by, value in at_90.items())
                    print(f"{', '.join(map(str, place.values()))}, 90 %: {said}", flush=True)
                    # Graphs of the networks before would fill the memory.
                    keras.backend.clear_session()
    print(f"\n{pruning_report(results)}\n\nwritten: {results.path}")
    for figure in draw_pruning(results, folder):
        print(f"written: {figure}")


if __name__ == "__main__":
    app.run(main)
