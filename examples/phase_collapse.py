"""Does a classifier need to keep the phase? Networks of wavelets with different non-linearities.

    python examples/phase_collapse.py           Fashion-MNIST, 3 seeds: hours, resumes when killed
    python examples/phase_collapse.py --quick   digits, under a minute, to see that it works

All learned networks have fixed wavelets and learned 1 x 1 operators; they differ in what stands
between. The modulus collapses phases, the other four keep them (the alternatives of Guth, Zarka and
Mallat, "Phase collapse in neural networks", table 2). Beside them stand fixed scattering
coefficients with a dense layer, and a ResNet of as many parameters.

Printed besides: how much wavelet coefficients tell classes of stationary textures apart before and
after the collapse, the same per layer of a trained network, and how many predictions change when
images move by a few pixels.

The paper has, on CIFAR-10, errors of 27.7 % (scattering), 11.7 % (no skip), 7.7 % (skip) and 22.5 %
(skip, soft threshold). Fashion-MNIST is an easier task of centred objects, whose laws do change
under translation: smaller differences are to be expected.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before Keras starts TensorFlow

import keras
import numpy as np
from absl import app, flags, logging

import data
from _cells import Results
from _results import percent, table
from _separation import changed_predictions, layer_ratios, texture_rows
from keras_phase import models

_DATASET = flags.DEFINE_enum("dataset", "fashion_mnist", data.NAMES, "What to classify.")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of IDX files.")
_NETWORKS = flags.DEFINE_list("networks", None, "Some of the networks; default: all.")
_WIDTHS = flags.DEFINE_list("widths", ["32", "64", "128"], "Complex channels of every block.")
_ANGLES = flags.DEFINE_integer("angles", 4, "Orientations of the wavelets.", 1)
_WINDOW = flags.DEFINE_integer("window", 5, "Size of the filters: 5 has all but 2e-6 of them.", 1)
_EPOCHS = flags.DEFINE_integer("epochs", 12, "Passes over the images.", 1)
_LEARNING_RATE = flags.DEFINE_float("learning_rate", 0.05, "At the start.", 0.0)
_SAMPLES = flags.DEFINE_integer("samples", 0, "Training images; 0 takes all.", 0)
_SEED = flags.DEFINE_integer("seed", 0, "First seed.", 0)
_SEEDS = flags.DEFINE_integer("seeds", 3, "Number of seeds.", 1)
_RESULTS = flags.DEFINE_string("results", "out/phase_collapse", "Folder of the CSV file.")
_QUICK = flags.DEFINE_bool("quick", False, "Digits and few epochs, to see that it works.")

BATCH, MOMENTUM, WEIGHT_DECAY = 128, 0.9, 1e-4
SHIFTS = (1, 2, 3)
Builder = Callable[[tuple[int, ...], int, dict[str, Any]], keras.Model]


def _collapsing(skip: bool, nonlinearity: str | None = None) -> Builder:
    def build(shape: tuple[int, ...], classes: int, settings: dict[str, Any]) -> keras.Model:
        return models.phase_collapse_network(
            shape, classes, skip=skip, nonlinearity=nonlinearity, **settings
        )

    return build


def _scattering(shape: tuple[int, ...], classes: int, settings: dict[str, Any]) -> keras.Model:
    scales = 2 if min(shape[:2]) >= 16 else 1
    return models.scattering_classifier(shape, classes, J=scales, L=settings["angles"])


def _resnet(shape: tuple[int, ...], classes: int, settings: dict[str, Any]) -> keras.Model:
    """As many parameters as the network with skip, within what whole widths allow."""
    budget = models.phase_collapse_network(
        shape, classes, kernel_initializer="zeros", **settings
    ).count_params()
    arguments = {"algebra": "real", "depth": 8}
    width = models.width_for(models.resnet, budget, shape, classes, **arguments)
    return models.resnet(shape, classes, width=width, **arguments)


NETWORKS: dict[str, Builder] = {
    "modulus with skip": _collapsing(True),
    "modulus without skip": _collapsing(False),
    "soft_threshold with skip": _collapsing(True, "soft_threshold"),
    "modulus_sigmoid with skip": _collapsing(True, "modulus_sigmoid"),
    "unit_modulus with skip": _collapsing(True, "unit_modulus"),
    "amplitude_squash with skip": _collapsing(True, "amplitude_squash"),
    "scattering": _scattering,
    "resnet": _resnet,
}


def images(dataset: data.Dataset, samples: int) -> tuple[np.ndarray, ...]:
    """Training and test images with their labels, centred on the training mean."""
    side = round(dataset.x_train.shape[1] ** 0.5)
    x, x_test = (v.reshape(-1, side, side, 1) for v in (dataset.x_train, dataset.x_test))
    mean, deviation = x.mean(), x.std()
    x, y = x[: samples or None], dataset.y_train[: samples or None]
    return (x - mean) / deviation, y, (x_test - mean) / deviation, dataset.y_test


def train(
    name: str, seed: int, arrays: tuple[np.ndarray, ...], settings: dict[str, Any], epochs: int
) -> tuple[keras.Model, dict[str, Any]]:
    """Train one network; its row of the results."""
    x, y, x_test, y_test = arrays
    keras.utils.set_random_seed(seed)
    classes = int(y.max()) + 1
    model = NETWORKS[name](x.shape[1:], classes, settings)
    steps = epochs * -(-len(x) // BATCH)
    rate = keras.optimizers.schedules.PiecewiseConstantDecay(
        [int(0.6 * steps), int(0.85 * steps)],
        [_LEARNING_RATE.value * factor for factor in (1, 0.1, 0.01)],
    )
    optimizer = keras.optimizers.SGD(rate, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"])
    start = time.perf_counter()
    model.fit(x, y, BATCH, epochs, verbose=0)
    seconds = time.perf_counter() - start
    accuracy = model.evaluate(x_test, y_test, batch_size=500, verbose=0)[1]
    changed = changed_predictions(model, x_test[:2000], SHIFTS)
    trained = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    row = {
        "error": 1 - accuracy,
        "train_error": 1 - model.evaluate(x[:5000], y[:5000], batch_size=500, verbose=0)[1],
        "trained_parameters": trained,
        **{f"changed_by_shift_{s}": c for s, c in zip(SHIFTS, changed, strict=True)},
        "seconds": round(seconds, 1),
    }
    return model, row


def summary(results: Results, names: Sequence[str], seeds: Sequence[int]) -> list[dict[str, str]]:
    """Rows of the printed table."""
    rows = []
    for name in names:
        found = results.of(name, seeds)
        shifted = [percent([float(r[f"changed_by_shift_{s}"]) for r in found]) for s in SHIFTS]
        rows.append(
            {
                "network": name,
                "trained parameters": found[0]["trained_parameters"],
                "test error, %": percent([float(r["error"]) for r in found]),
                "training error, %": percent([float(r["train_error"]) for r in found]),
                **{f"changed by {s} px, %": c for s, c in zip(SHIFTS, shifted, strict=True)},
            }
        )
    return rows


def verdict(results: Results, seeds: Sequence[int]) -> str:
    """One sentence on the modulus against the soft threshold, whoever wins."""
    first, second = (
        [float(r["error"]) for r in results.of(name, seeds)]
        for name in ("modulus with skip", "soft_threshold with skip")
    )
    if not first or not second:
        return ""
    margin = statistics.fmean(second) - statistics.fmean(first)
    than = "lower" if margin > 0 else "higher"
    said = f"The modulus's error is {abs(100 * margin):.2f} points {than} than the soft threshold's"
    if len(first) == 1:
        return said + "; one seed shows no spread."
    spread = max(statistics.stdev(first), statistics.stdev(second))
    return said + f"; the larger standard deviation over seeds is {100 * spread:.2f}."


def main(argv: Sequence[str]) -> None:
    del argv
    logging.set_verbosity(logging.ERROR)
    quick = _QUICK.value
    names = _NETWORKS.value or list(NETWORKS)
    unknown = sorted(set(names) - set(NETWORKS))
    if unknown:
        raise app.UsageError(f"Expected networks among {list(NETWORKS)}. Received: {unknown}")
    seeds = range(_SEED.value, _SEED.value + (1 if quick else _SEEDS.value))
    widths = (8, 16) if quick else tuple(map(int, _WIDTHS.value))
    epochs = 2 if quick else _EPOCHS.value
    settings = {"widths": widths, "angles": _ANGLES.value, "window": _WINDOW.value}
    try:
        dataset = data.load("digits" if quick else _DATASET.value, _DATA_DIR.value)
        arrays = images(dataset, _SAMPLES.value)
        described = {
            "dataset": dataset.name,
            "samples": len(arrays[0]),
            "widths": "-".join(map(str, widths)),
            "angles": _ANGLES.value,
            "window": _WINDOW.value,
            "epochs": epochs,
            "learning_rate": _LEARNING_RATE.value,
        }
        results = Results(Path(_RESULTS.value) / "phase_collapse.csv", described)
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f"phase_collapse: {error}")
    print(f"Stationary textures:\n\n{table(texture_rows(500 if quick else 4000))}\n", flush=True)
    layers = Results(Path(_RESULTS.value) / "phase_collapse_layers.csv", described)
    for seed in seeds:
        for name in names:
            if results.get(name, seed) is not None:
                continue
            keras.backend.clear_session()
            model, row = train(name, seed, arrays, settings, epochs)
            for block, before, after in layer_ratios(model, arrays[2][:2000], arrays[3][:2000]):
                # Rows of an interrupted network are there already.
                if layers.get(f"{name}: {block}", seed) is None:
                    ratios = {"before": f"{before:.4f}", "after": f"{after:.4f}"}
                    layers.add(f"{name}: {block}", seed, ratios)
            results.add(name, seed, row)
            said = f"error {percent(row['error'])} %, {row['seconds']} seconds"
            print(f"{name}, seed {seed}: {said}", flush=True)
    print(f"\n{table(summary(results, names, seeds))}\n")
    print(verdict(results, seeds))
    ratios = [
        {"layer": r["name"], "Fisher ratio before": r["before"], "of the moduli": r["after"]}
        for r in layers.rows
        if r["seed"] == str(seeds[0]) and r["name"].startswith("modulus with")
    ]
    if ratios:
        print(f"\nWavelet coefficients in the trained networks:\n\n{table(ratios)}")
    print(f"\nwritten: {results.path}")


if __name__ == "__main__":
    app.run(main)
