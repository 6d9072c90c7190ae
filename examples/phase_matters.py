"""What is left of a neural network when its weights keep nothing but their phase?

    python examples/phase_matters.py                   train, prune, export, plot (make demo)
    python examples/phase_matters.py --algebra=real    the same with signs
    python examples/phase_matters.py --reproduce       the experiment of arXiv 2111.02014
    python examples/phase_matters.py --sweep           the same over depths and widths
    python examples/phase_matters.py --beyond          phase-only networks as good as intact ones

Data: Fashion-MNIST or MNIST from --data_dir (or KERAS_PHASE_DATA), else keras.datasets, else
scikit-learn's digits.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before Keras starts TensorFlow

from absl import app, flags, logging

import _beyond
import _demo
import _reproduce
import _sweep
import data

_DATASET = flags.DEFINE_enum(
    "dataset", None, data.NAMES, "What to learn. Default: fashion_mnist; experiments take mnist."
)
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of IDX files, or its parent.")
_OUTPUT_DIR = flags.DEFINE_string("output_dir", "out/phase_matters", "Figures, tables, export.")
_ALGEBRA = flags.DEFINE_string("algebra", "complex", "Of the demo's weights, any of keras_phase.")
_EPOCHS = flags.DEFINE_integer("epochs", None, "Epochs (iterations of --reproduce).", 1)
_UNITS = flags.DEFINE_integer("units", None, "Hidden elements.", 1)
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the demo, first seed of the experiments.", 0)
_SEEDS = flags.DEFINE_integer("seeds", 3, "Number of seeds of the experiments.", 1)
_QUICK = flags.DEFINE_bool("quick", False, "A few steps, to see that everything works.")
_REPRODUCE = flags.DEFINE_bool("reproduce", False, "Repeat the paper's experiment.")
_SWEEP = flags.DEFINE_bool("sweep", False, "Repeat it over depths and widths.")
_BEYOND = flags.DEFINE_bool("beyond", False, "Prune during training.")
flags.mark_bool_flags_as_mutual_exclusive(["reproduce", "sweep", "beyond"])


def main(argv: Sequence[str]) -> None:
    del argv
    logging.set_verbosity(logging.ERROR)
    is_experiment = _REPRODUCE.value or _SWEEP.value or _BEYOND.value
    try:
        dataset = data.load(
            _DATASET.value or ("mnist" if is_experiment else "fashion_mnist"), _DATA_DIR.value
        )
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f"phase_matters: {error}")
    if _QUICK.value:
        dataset = dataset._replace(x_train=dataset.x_train[:512], y_train=dataset.y_train[:512])
    output = Path(_OUTPUT_DIR.value)
    output.mkdir(parents=True, exist_ok=True)
    seeds = range(_SEED.value, _SEED.value + _SEEDS.value)
    if _REPRODUCE.value:
        iterations = _EPOCHS.value or 700
        _reproduce.run(dataset, output, iterations=iterations, every=min(100, iterations))
    elif _SWEEP.value:
        _sweep.run(dataset, output, seeds=seeds, epochs=_EPOCHS.value or 5)
    elif _BEYOND.value:
        units, epochs = _UNITS.value or 256, _EPOCHS.value or 12
        _beyond.run(dataset, output, seeds=seeds, epochs=epochs, units=units)
    else:
        _demo.run(
            dataset,
            output,
            algebra=_ALGEBRA.value,
            units=_UNITS.value or 128,
            epochs=_EPOCHS.value or (1 if _QUICK.value else None),
            seed=_SEED.value,
        )


if __name__ == "__main__":
    app.run(main)
