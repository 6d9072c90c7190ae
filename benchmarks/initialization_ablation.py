"""Component-wise against algebra-specific initialisation and batch normalisation, 2 x 2.

The network of `examples/algebra_zoo.py`, at its size and with its training. Initialisation:

* component: He's rule for each real component by itself, as if it were a real kernel (so products
  of quaternions have four times the variance that it aims at);
* algebra: the same distribution with the algebra's gain, the rule of this package.

Normalisation: of each component by its own variance, or whitening. `--normalizations` may also name
`none`, with biases instead, where the start shows most. Data as for the example.

    python benchmarks/initialization_ablation.py [--data_dir DIR] [--seeds 3] [--quick]
"""

import os
import statistics
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before Keras starts TensorFlow
sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

import keras
from absl import app, flags, logging
from keras import ops

import data
from _results import percent, table
from _zoo_network import network, trainable, widths_for
from _zoo_train import Images, Trainer
from keras_phase import algebras
from pairing import write

_DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of IDX files, or its parent.")
_ALGEBRAS = flags.DEFINE_list("algebras", ["complex", "quaternion", "m2r"], "Names.")
_NORMALIZATIONS = flags.DEFINE_list("normalizations", ["component", "whitening"], "Or none.")
_BUDGET = flags.DEFINE_integer("budget", 20_000, "Real parameters of a network.", 1000)
_SAMPLES = flags.DEFINE_integer("samples", 10_000, "Training images.", 100)
_EPOCHS = flags.DEFINE_integer("epochs", 2, "Passes over them.", 1)
_SEEDS = flags.DEFINE_integer("seeds", 3, "Number of seeds.", 1)
_QUICK = flags.DEFINE_bool("quick", False, "A few steps, to see that everything works; no CSV.")

INITIALIZATIONS = ("component", "algebra")


class ByComponent(keras.initializers.Initializer):
    """He's rule for each component of `(d, *window, in, out)` by itself."""

    def __init__(self, dimension: int):
        self._dimension = dimension
        # Numbers of its own at every call, from Keras's global seed.
        self._he = keras.initializers.HeNormal(keras.random.SeedGenerator())

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        """Draw all components, one after the other."""
        if self._dimension == 1:  # no axis of components
            return self._he(shape, dtype=dtype)
        return ops.stack([self._he(shape[1:], dtype=dtype) for _ in range(self._dimension)])


def run(
    algebra: str, initialization: str, normalization: str, seed: int, images: Images, epochs: int
) -> dict[str, Any]:
    """One row: a network trained."""
    keras.utils.set_random_seed(seed)
    by_component = ByComponent(algebras.get(algebra).dimension)
    model = network(
        images.x.shape[1:],
        widths_for(algebra, _BUDGET.value),
        algebra,
        initializer=by_component if initialization == "component" else "he_normal",
        normalization=None if normalization == "none" else normalization,
    )
    accuracy, step_ms = Trainer(model, images, seed).train(epochs)
    return {
        "algebra": algebra,
        "initialization": initialization,
        "normalization": normalization,
        "seed": seed,
        "parameters": trainable(model),
        "accuracy": round(accuracy, 4),
        "step_ms": round(step_ms, 2),
    }


def tables(rows: list[dict[str, Any]]) -> str:
    """For each algebra, initialisations down and normalisations across: mean and deviation."""

    def cell(**wanted: str) -> list[float]:
        return [r["accuracy"] for r in rows if all(r[k] == v for k, v in wanted.items())]

    names = list(dict.fromkeys(r["algebra"] for r in rows))
    across = list(dict.fromkeys(r["normalization"] for r in rows))
    return table(
        {
            "algebra": algebra,
            "initialisation": start,
            **{
                f"normalisation {n}": percent(
                    cell(algebra=algebra, initialization=start, normalization=n)
                )
                for n in across
            },
        }
        for algebra in names
        for start in INITIALIZATIONS
    )


def effects(rows: list[dict[str, Any]]) -> str:
    """One sentence for each factor: what it changes, seed by seed, all else equal."""
    said = []
    for factor, ours, plain in (
        ("initialization", "algebra", "component"),
        ("normalization", "whitening", "component"),
    ):
        others = [k for k in ("algebra", "initialization", "normalization", "seed") if k != factor]
        level = {
            side: {tuple(r[k] for k in others): r["accuracy"] for r in rows if r[factor] == side}
            for side in (ours, plain)
        }
        changes = [100 * (a - level[plain][k]) for k, a in level[ours].items() if k in level[plain]]
        if not changes:
            continue
        spread = statistics.stdev(changes) if len(changes) > 1 else float("nan")
        said.append(
            f"{factor.capitalize()} '{ours}' instead of '{plain}' changes the accuracy by "
            f"{statistics.fmean(changes):+.2f} points (standard deviation {spread:.2f}; higher in "
            f"{sum(c > 0 for c in changes)} of {len(changes)} pairs)."
        )
    return "\n".join(said)


def main(argv: list[str]) -> None:
    del argv
    logging.set_verbosity(logging.ERROR)
    quick = _QUICK.value
    epochs, seeds = (1, 1) if quick else (_EPOCHS.value, _SEEDS.value)
    try:
        dataset = data.load("fashion_mnist", _DATA_DIR.value)
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f"initialization_ablation: {error}")
    images = Images.of(dataset, 200 if quick else _SAMPLES.value, 500 if quick else None)
    settings = {"dataset": dataset.name, "samples": len(images.x), "epochs": epochs}
    rows = []
    for seed in range(seeds):
        for algebra in map(algebras.get, _ALGEBRAS.value):
            for normalization in _NORMALIZATIONS.value:
                for start in INITIALIZATIONS:
                    row = run(algebra.name, start, normalization, seed, images, epochs)
                    rows.append({**row, **settings})
                    print(
                        f"{algebra.name}, {start}, {normalization}, seed {seed}: {row['accuracy']}",
                        flush=True,
                    )
                    keras.backend.clear_session()
    if not quick:
        write("initialization_ablation", rows)
    print(f"\n{tables(rows)}\n\n{effects(rows)}")


if __name__ == "__main__":
    app.run(main)
