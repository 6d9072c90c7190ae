"""Which modulation has a radio signal? Phase collapse in one dimension, against a real CNN.

    python examples/radio_modulation.py            3 seeds, table, CSV and figure in out/
    python examples/radio_modulation.py --quick    few signals, under a minute, to see that it works

Signals are generated: 128 samples of complex baseband in eight modulations, with a random carrier
phase, timing and frequency offset, in white noise of stated strength. The carrier phase says
nothing about the modulation, and moduli of wavelet coefficients do not see it. The complex network
has fixed wavelets of both signs of frequency and learned 1 x 1 operators; the CNN sees real and
imaginary parts as two channels, and has as many trained parameters.
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

import keras_phase
from _cells import Results
from _radio_data import MODULATIONS, signals
from _results import percent, table

_SIGNALS = flags.DEFINE_integer("signals", 20_000, "Training signals.", 100)
_EPOCHS = flags.DEFINE_integer("epochs", 15, "Passes over them.", 1)
_WIDTHS = flags.DEFINE_list("widths", ["16", "32", "64"], "Complex channels of every block.")
_SEED = flags.DEFINE_integer("seed", 0, "First seed.", 0)
_SEEDS = flags.DEFINE_integer("seeds", 3, "Number of seeds.", 1)
_RESULTS = flags.DEFINE_string("results", "out/radio_modulation", "Folder of CSV and figure.")
_QUICK = flags.DEFINE_bool("quick", False, "Few signals, to see that it works.")

SAMPLES, BATCH, TEST_SEED = 128, 100, 1_000_003
SNRS = (-8, -4, 0, 4, 8, 12, 16)
NETWORKS = ("phase collapse", "real CNN")


def collapsing(widths: Sequence[int]) -> keras.Model:
    """Complex signals through wavelets, moduli and 1 x 1 operators."""
    inputs = keras.Input((SAMPLES, 2), name="signals")
    x, elements = inputs, 1
    for width in widths:
        x = keras_phase.WaveletTransform1D(scales=2, angles=2, strides=2, window=13)(x)
        x = keras_phase.PhaseCollapse(low_pass=elements, skip=True)(x)
        x = keras_phase.ComplexStandardization()(x)
        x = keras_phase.AlgebraConv1D(width, 1, use_bias=False, kernel_initializer="unitary")(x)
        x = keras_phase.ChannelNormalization()(x)
        elements = width
    x = keras.layers.GlobalAveragePooling1D()(keras_phase.Modulus()(x))
    x = keras.layers.BatchNormalization(momentum=0.9)(x)
    return keras.Model(inputs, keras.layers.Dense(len(MODULATIONS))(x))


def convolutional(width: int) -> keras.Model:
    """The usual network: convolutions with ReLU on two real channels."""
    inputs = x = keras.Input((SAMPLES, 2), name="signals")
    for filters in (width, 2 * width, 4 * width):
        x = keras.layers.Conv1D(filters, 7, strides=2, padding="same", use_bias=False)(x)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(x))
    x = keras.layers.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, keras.layers.Dense(len(MODULATIONS))(x))


def trained(model: keras.Model) -> int:
    """Number of trained real parameters."""
    return sum(int(np.prod(w.shape)) for w in model.trainable_weights)


def network(name: str, widths: Sequence[int]) -> keras.Model:
    """One of the two, of equal size within what whole widths allow."""
    ours = collapsing(widths)
    if name == "phase collapse":
        return ours
    sizes = {width: trained(convolutional(width)) for width in range(2, 40)}
    return convolutional(min(sizes, key=lambda width: abs(sizes[width] - trained(ours))))


def as_real(x: np.ndarray) -> np.ndarray:
    """Complex `(n, samples)` to `(n, samples, 2)`."""
    return np.stack([x.real, x.imag], axis=-1).astype("float32")


def train(name: str, seed: int, number: int, epochs: int, widths: Sequence[int]) -> dict[str, Any]:
    """Train one network; its row of the results."""
    keras.utils.set_random_seed(seed)
    levels = np.random.default_rng(seed).choice(SNRS, number)
    x, y = signals(number, SAMPLES, levels.astype(float), seed)
    model = network(name, widths)
    rate = keras.optimizers.schedules.CosineDecay(5e-3, epochs * -(-number // BATCH))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    start = time.perf_counter()
    model.fit(as_real(x), y, BATCH, epochs, verbose=0)
    row: dict[str, Any] = {
        "trained_parameters": trained(model),
        "seconds": round(time.perf_counter() - start, 1),
    }
    for snr in SNRS:
        x, y = signals(min(number, 4000), SAMPLES, float(snr), TEST_SEED + snr)
        accuracy = model.evaluate(as_real(x), y, batch_size=1000, verbose=0)[1]
        row[f"accuracy_{snr}_db"] = accuracy
    return row


def draw(results: Results, seeds: Sequence[int], file: Path) -> None:
    """Accuracy against the signal-to-noise ratio, with the spread over seeds."""
    try:
        import matplotlib
    except ImportError:
        print("No figure: matplotlib is not installed.")
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, ax = pyplot.subplots(figsize=(5.6, 3.8), layout="constrained")
    for name in NETWORKS:
        rows = results.of(name, seeds)
        values = np.array([[float(r[f"accuracy_{snr}_db"]) for snr in SNRS] for r in rows])
        ax.errorbar(SNRS, values.mean(0), values.std(0), marker="o", capsize=3, label=name)
    ax.axhline(1 / len(MODULATIONS), color="0.6", linestyle=":", label="chance")
    ax.set(xlabel="signal-to-noise ratio (dB)", ylabel="accuracy", ylim=(0, 1))
    ax.legend(frameon=False)
    figure.savefig(file)
    pyplot.close(figure)
    print(f"written: {file}")


def main(argv: Sequence[str]) -> None:
    del argv
    logging.set_verbosity(logging.ERROR)
    quick = _QUICK.value
    number, epochs = (1000, 2) if quick else (_SIGNALS.value, _EPOCHS.value)
    widths = (4, 8) if quick else tuple(map(int, _WIDTHS.value))
    seeds = range(_SEED.value, _SEED.value + (1 if quick else _SEEDS.value))
    settings = {"signals": number, "epochs": epochs, "widths": "-".join(map(str, widths))}
    folder = Path(_RESULTS.value)
    try:
        results = Results(folder / "radio_modulation.csv", settings)
    except ValueError as error:
        sys.exit(f"radio_modulation: {error}")
    for seed in seeds:
        for name in NETWORKS:
            if results.get(name, seed) is None:
                keras.backend.clear_session()
                row = results.add(name, seed, train(name, seed, number, epochs, widths))
                print(f"{name}, seed {seed}: {row['seconds']} seconds", flush=True)
    rows = []
    for name in NETWORKS:
        found = results.of(name, seeds)
        by_snr = {
            f"{snr} dB": percent([float(r[f"accuracy_{snr}_db"]) for r in found]) for snr in SNRS
        }
        rows.append({"network": name, "parameters": found[0]["trained_parameters"], **by_snr})
    print(f"\nAccuracy in percent:\n\n{table(rows)}\n")
    means = [
        statistics.fmean(
            float(r[f"accuracy_{snr}_db"]) for r in results.of(n, seeds) for snr in SNRS
        )
        for n in NETWORKS
    ]
    print(
        f"Mean over all noise levels: phase collapse {percent(means[0])} %, real CNN "
        f"{percent(means[1])} %.\n\nwritten: {results.path}"
    )
    draw(results, seeds, folder / "radio_modulation.png")


if __name__ == "__main__":
    app.run(main)
