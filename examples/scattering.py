"""How far do a few labels go? Scattering coefficients against pixels and a CNN.

    python examples/scattering.py            Fashion-MNIST, 100 to 10000 labels, 3 seeds
    python examples/scattering.py --quick    digits, under a minute, to see that it works

Scattering coefficients are moduli of wavelet coefficients of moduli, averaged: they hardly change
under small translations, and nothing of them is learned. With few labels that is worth more than
features which a network would have to learn from them; with many the network wins. A CNN with about
as many parameters as the classifier of the coefficients, and a dense layer on the pixels, stand
beside it.
"""

import os
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before Keras starts TensorFlow

import keras
import numpy as np
from absl import app, flags, logging

import data
import keras_phase
from _cells import Results
from _results import percent, table

_DATASET = flags.DEFINE_enum("dataset", "fashion_mnist", data.NAMES, "What to classify.")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of IDX files.")
_LABELS = flags.DEFINE_list("labels", ["100", "300", "1000", "10000"], "Training images.")
_J = flags.DEFINE_integer("J", 2, "log2 of the averaging's support.", 1)
_L = flags.DEFINE_integer("L", 6, "Angles.", 1)
_STEPS = flags.DEFINE_integer("steps", 1500, "Steps of training.", 1)
_SEED = flags.DEFINE_integer("seed", 0, "First seed.", 0)
_SEEDS = flags.DEFINE_integer("seeds", 3, "Number of seeds.", 1)
_RESULTS = flags.DEFINE_string("results", "out/scattering", "Folder of the CSV file.")
_QUICK = flags.DEFINE_bool("quick", False, "Digits and few steps, to see that it works.")

BATCH = 50


def dense(shape: tuple[int, ...], classes: int) -> keras.Model:
    """Normalised features and a dense layer."""
    return keras.Sequential(
        [
            keras.Input(shape),
            keras.layers.BatchNormalization(momentum=0.9),
            keras.layers.Flatten(),
            keras.layers.Dense(classes),
        ]
    )


def cnn(shape: tuple[int, ...], classes: int, parameters: int) -> keras.Model:
    """Two convolutions with pooling and a dense layer, of about that many parameters."""

    def network(width: int) -> keras.Model:
        layers = [keras.Input(shape)]
        for filters in (width, 2 * width):
            layers += [
                keras.layers.Conv2D(filters, 3, padding="same", activation="relu"),
                keras.layers.MaxPooling2D(),
            ]
        return keras.Sequential([*layers, keras.layers.Flatten(), keras.layers.Dense(classes)])

    few, some, more = (network(width).count_params() for width in (2, 4, 6))
    # A quadratic function of the width: its differences give all values.
    second = (more - 2 * some + few) / 2
    sizes = {2 + 2 * k: few + (some - few) * k + second * k * (k - 1) for k in range(20)}
    return network(min(sizes, key=lambda width: abs(sizes[width] - parameters)))


def train(
    name: str, seed: int, labels: int, arrays: dict[str, np.ndarray], steps: int
) -> dict[str, Any]:
    """Train one classifier on the first labels of a shuffled set; its row of the results."""
    keras.utils.set_random_seed(seed)
    chosen = np.random.default_rng(seed).permutation(len(arrays["y"]))[:labels]
    y = arrays["y"][chosen]
    classes = int(arrays["y"].max()) + 1
    kind = "coefficients" if name == "scattering" else "pixels"
    x, x_test = arrays[kind][chosen], arrays[f"{kind}_test"]
    model = dense(x.shape[1:], classes)
    if name == "cnn":
        budget = dense(arrays["coefficients"].shape[1:], classes).count_params()
        model = cnn(x.shape[1:], classes, budget)
    epochs = max(1, steps * BATCH // labels)
    rate = keras.optimizers.schedules.CosineDecay(2e-3, epochs * -(-labels // BATCH))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    start = time.perf_counter()
    model.fit(x, y, BATCH, epochs, verbose=0)
    seconds = round(time.perf_counter() - start, 1)
    accuracy = model.evaluate(x_test, arrays["y_test"], batch_size=500, verbose=0)[1]
    return {"error": 1 - accuracy, "parameters": model.count_params(), "seconds": seconds}


def main(argv: Sequence[str]) -> None:
    del argv
    logging.set_verbosity(logging.ERROR)
    quick = _QUICK.value
    numbers = [50, 500] if quick else [int(n) for n in _LABELS.value]
    seeds = range(_SEED.value, _SEED.value + (1 if quick else _SEEDS.value))
    scales, angles = (1, 4) if quick else (_J.value, _L.value)
    steps = 40 if quick else _STEPS.value
    try:
        dataset = data.load("digits" if quick else _DATASET.value, _DATA_DIR.value)
        settings = {"dataset": dataset.name, "J": scales, "L": angles, "steps": steps}
        results = Results(Path(_RESULTS.value) / "scattering.csv", settings)
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f"scattering: {error}")
    side = round(dataset.x_train.shape[1] ** 0.5)
    layer = keras_phase.Scattering2D(scales, angles)
    arrays = {"y": dataset.y_train, "y_test": dataset.y_test}
    for suffix, x in (("", dataset.x_train), ("_test", dataset.x_test)):
        pixels = x.reshape(-1, side, side, 1)
        arrays[f"pixels{suffix}"] = pixels
        model = keras.Sequential([keras.Input(pixels.shape[1:]), layer])
        arrays[f"coefficients{suffix}"] = model.predict(pixels, batch_size=200, verbose=0)
    rows = []
    for labels in numbers:
        row = {"labels": str(labels)}
        for name in ("scattering", "pixels", "cnn"):
            for seed in seeds:
                if results.get(f"{name}, {labels}", seed) is None:
                    found = train(name, seed, labels, arrays, steps)
                    results.add(f"{name}, {labels}", seed, found)
            errors = [float(r["error"]) for r in results.of(f"{name}, {labels}", seeds)]
            row[f"{name}, error %"] = percent(errors)
        print(", ".join(f"{k}: {v}" for k, v in row.items()), flush=True)
        rows.append(row)
    print(f"\n{table(rows)}\n")
    best = statistics.fmean(
        [float(r["error"]) for r in results.of(f"scattering, {numbers[0]}", seeds)]
    )
    other = statistics.fmean([float(r["error"]) for r in results.of(f"cnn, {numbers[0]}", seeds)])
    print(
        f"With {numbers[0]} labels scattering has {100 * abs(other - best):.2f} points "
        f"{'less' if best < other else 'more'} error than a CNN of about as many parameters."
    )
    print(f"\nwritten: {results.path}")


if __name__ == "__main__":
    app.run(main)
