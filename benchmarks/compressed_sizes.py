"""Bytes on disk of a trained MNIST network, pruned in several ways: `.keras`, gzip, xz and ours.

Every network is 784-256-10, trained with its own kind of pruning and saved without optimizer state.
What others compress is the plain model that our file loads as, so no direction or amplitude of a
parametrization counts against them. Goals, against the float32 weights: phases of 2 bits at most
1/28 and less than xz; 90 % magnitude at most 1/8.3 (real) and 1/9 (complex).

    python benchmarks/compressed_sizes.py --data_dir DIR [--epochs 3]
"""

import gzip
import lzma
import sys
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
from absl import app, flags

import keras_phase
from keras_phase import compress, pruning
from pairing import write

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))
from data import Dataset, load

_DATA = flags.DEFINE_string("data_dir", None, "Folder of the IDX files of MNIST.")
_EPOCHS = flags.DEFINE_integer("epochs", 3, "Epochs of training.")
_UNITS = flags.DEFINE_integer("units", 256, "Hidden elements.")
_BATCH = 256


def network(algebra: str, **dense: Any) -> keras.Model:
    """Two dense layers; a complex one takes x exp(i pi x)."""
    real = algebra == "real"
    entrance = [] if real else [keras_phase.PhaseEncode()]
    exit_ = [] if real else [keras_phase.FromAlgebra("norm")]
    return keras.Sequential(
        [
            keras.Input((784,)),
            *entrance,
            keras_phase.PhaseDense(_UNITS.value, activation="relu", algebra=algebra, **dense),
            keras_phase.PhaseDense(10, algebra=algebra, **dense),
            *exit_,
        ]
    )


# Pruning: arguments of the network, criterion and final fraction in training, and after it.
CASES = {
    "intact, real": ("real", {}, None, ()),
    "intact, complex": ("complex", {}, None, ()),
    "magnitude 90 %, real": ("real", {}, ("magnitude", 0.9), ()),
    "magnitude 90 %, complex": ("complex", {}, ("magnitude", 0.9), ()),
    "sign": ("real", {"amplitude": "element"}, ("sign", 1.0), ()),
    "ternary": ("real", {}, ("magnitude", 0.5), (("sign", 1.0),)),
    "phase 2 bit": ("complex", {"amplitude": "one", "phase_bits": 2}, None, ()),
    "phase 2 bit, scale a unit": ("complex", {"amplitude": "unit", "phase_bits": 2}, None, ()),
    "phase 4 bit": ("complex", {"amplitude": "one", "phase_bits": 4}, None, ()),
}


def trained(name: str, data: Dataset) -> keras.Model:
    """The network of that case."""
    keras.utils.set_random_seed(0)
    algebra, dense, during, after = CASES[name]
    model = network(algebra, **dense)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.002), loss, metrics=["accuracy"])
    steps = -(-len(data.x_train) // _BATCH) * _EPOCHS.value
    callbacks = []
    if during:
        criterion, fraction = during
        schedule = keras_phase.PolynomialDecay(
            0.0, fraction, 0, steps // 2 // 20 * 20, frequency=20
        )
        callbacks.append(keras_phase.PruningCallback(schedule, criterion=criterion))
    model.fit(data.x_train, data.y_train, _BATCH, _EPOCHS.value, verbose=0, callbacks=callbacks)
    for criterion, fraction in after:
        pruning.prune(model, fraction, criterion)
    return model


def sizes(model: keras.Model, data: Dataset, folder: Path) -> dict[str, Any]:
    """Sizes of one network, and its accuracy from our file."""
    report = compress.save(model, folder / "model.kpz")
    plain = compress.load(report.path)
    plain.save(folder / "plain.keras")
    whole = (folder / "plain.keras").read_bytes()
    before = model.predict(data.x_test, verbose=0, batch_size=1000)
    after = plain.predict(data.x_test, verbose=0, batch_size=1000)
    smaller = report.plain_size / report.size
    return {
        "weights_bytes": report.plain_size,
        "keras_bytes": len(whole),
        "gzip_bytes": len(gzip.compress(whole, 9)),
        "xz_bytes": len(lzma.compress(whole)),
        "ours_bytes": report.size,
        "weights_over_xz": round(report.plain_size / len(lzma.compress(whole)), 2),
        "weights_over_ours": round(smaller, 2),
        "accuracy": round(float((before.argmax(1) == data.y_test).mean()), 4),
        "accuracy_reloaded": round(float((after.argmax(1) == data.y_test).mean()), 4),
        "largest_difference": float(np.abs(before - after).max()),
    }


def main(argv: list[str]) -> None:
    del argv
    data = load("mnist", _DATA.value)
    rows = []
    for name in CASES:
        with tempfile.TemporaryDirectory() as folder:
            setting = {"data": data.name, "network": name, "epochs": _EPOCHS.value}
            rows.append({**setting, **sizes(trained(name, data), data, Path(folder))})
    write("compressed_sizes", rows)


if __name__ == "__main__":
    app.run(main)
