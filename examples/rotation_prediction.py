"""Where will a tumbling body point next? Networks over several algebras, at equal parameters.

    python examples/rotation_prediction.py            3 seeds, table and CSV in out/
    python examples/rotation_prediction.py --quick    a few steps, to see that everything works

A body with three different moments of inertia tumbles freely. A network sees four measured
orientations, each a quaternion with an error of 1 degree about every axis, and predicts the one
that follows. The law of motion is the same however the world's axes are chosen; another choice
multiplies all orientations from the right, `p -> p r`. Layers that multiply from the left by
quaternions commute with that, as does an activation of the modulus. Nothing else about rotations is
built in: the networks have stock dense layers, and no layer divides, normalises or composes.

All networks have two hidden layers, and equal numbers of real parameters within 2 %. Each algebra
takes the activation and the learning rate, from the same grid, that are best on validation data for
the first seed.
"""

import dataclasses
import itertools
import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before Keras starts TensorFlow

import keras
import numpy as np
from absl import app, flags, logging

import keras_phase
from _results import table, write_csv
from _rotation_data import Motion, angle_degrees, at_constant_velocity, tumbling
from keras_phase import algebras

_ALGEBRAS = flags.DEFINE_list(
    "algebras", ["real", "complex", "m2r", "quaternion"], "Of dimension 1, 2 or 4."
)
_PARAMETERS = flags.DEFINE_integer("parameters", 8000, "Real parameters of a network.", 200)
_SAMPLES = flags.DEFINE_integer("samples", 2000, "Training samples.", 100)
_EPOCHS = flags.DEFINE_integer("epochs", 60, "Passes over them.", 1)
_SEED = flags.DEFINE_integer("seed", 0, "First seed, of data and networks.", 0)
_SEEDS = flags.DEFINE_integer("seeds", 3, "Number of seeds.", 1)
_QUICK = flags.DEFINE_bool("quick", False, "A few steps, to see that everything works.")
_OUT = flags.DEFINE_string("out", "out", "Folder of the CSV file.")

ACTIVATIONS = ("relu", "tanh", "modrelu")
LEARNING_RATES = (0.01, 0.03, 0.1)
FRAMES, HIDDEN_LAYERS, BATCH, TEST_SAMPLES = 4, 2, 100, 4000
VALIDATION_SEED, TEST_SEED = 1_000_001, 1_000_002
# The order of 1, i, j, k in which a quaternion is two complex numbers, (w + x i) + (y + z i) j:
# multiplication from the left by a complex number is then what it is in the quaternions.
_ORDER = {2: (0, 2, 1, 3)}


@dataclasses.dataclass(frozen=True)
class Setting:
    """What the grid varies."""

    activation: str
    learning_rate: float


@dataclasses.dataclass(frozen=True)
class Result:
    """One trained network: mean errors in degrees, size, seconds of training."""

    validation: float
    test: float
    train: float
    parameters: int
    seconds: float


def network(algebra: str, units: int, activation: str) -> keras.Model:
    """Four quaternions to one, in elements of `algebra`."""
    elements = 4 // algebras.get(algebra).dimension
    initializer = "he_normal" if activation == "relu" else "glorot_normal"
    hidden = [
        keras_phase.AlgebraDense(
            units, activation=activation, algebra=algebra, kernel_initializer=initializer
        )
        for _ in range(HIDDEN_LAYERS)
    ]
    return keras.Sequential(
        [
            keras.Input((4 * FRAMES,)),
            *hidden,
            keras_phase.AlgebraDense(elements, algebra=algebra),
        ]
    )


def units_for(algebra: str, activation: str, parameters: int) -> int:
    """Hidden elements for about that many real parameters."""
    sizes = {units: network(algebra, units, activation).count_params() for units in (8, 16, 24)}
    # A polynomial of degree 2 in the units, which three sizes determine.
    count = np.polynomial.Polynomial.fit(list(sizes), list(sizes.values()), 2)
    return max(2, round(max((count - parameters).roots().real)))


def to_elements(quaternions: np.ndarray, algebra: str) -> np.ndarray:
    """`(n, 4)` or `(n, frames, 4)` to `(n, 4 frames)`, component-major."""
    parts = quaternions.reshape(len(quaternions), -1, 4)
    parts = parts[..., list(_ORDER.get(algebras.get(algebra).dimension, range(4)))]
    return np.moveaxis(parts, -1, 1).reshape(len(quaternions), -1)


def from_elements(outputs: np.ndarray, algebra: str) -> np.ndarray:
    """Inverse of `to_elements` for one quaternion a sample, `(n, 4)`."""
    order = _ORDER.get(algebras.get(algebra).dimension, range(4))
    return outputs[:, np.argsort(order)]


def train(algebra: str, setting: Setting, seed: int, data: Sequence[Motion], epochs: int) -> Result:
    """Train one network; `data` are the training, validation and test samples."""
    keras.utils.set_random_seed(seed)
    units = units_for(algebra, setting.activation, _PARAMETERS.value)
    model = network(algebra, units, setting.activation)
    x, y = to_elements(data[0].seen, algebra), to_elements(data[0].next, algebra)
    steps = -(-len(x) // BATCH)
    decay = keras.optimizers.schedules.CosineDecay(setting.learning_rate, epochs * steps)
    at_once = 10 if steps % 10 == 0 else 1
    model.compile(keras.optimizers.Adam(decay), "mean_squared_error", steps_per_execution=at_once)
    start = time.perf_counter()
    model.fit(x, y, BATCH, epochs, verbose=0)
    seconds = time.perf_counter() - start

    def error(motion: Motion) -> float:
        outputs = model.predict(to_elements(motion.seen, algebra), 2000, verbose=0)
        predicted = from_elements(outputs, algebra)
        return float(np.mean(angle_degrees(predicted, motion.next)))

    errors = map(error, (data[1], data[2], data[0]))
    return Result(*errors, parameters=model.count_params(), seconds=seconds)


def best(
    algebra: str, settings: Sequence[Setting], seed: int, data: Sequence[Motion], epochs: int
) -> tuple[Setting, Result]:
    """The setting with the smallest validation error, and its result."""
    results = {s: train(algebra, s, seed, data, epochs) for s in settings}
    return min(results.items(), key=lambda pair: pair[1].validation)


def summary(algebra: str, setting: Setting, results: Sequence[Result]) -> dict[str, Any]:
    """A row of the printed table."""
    return {
        "algebra": algebra,
        "activation": setting.activation,
        "learning rate": setting.learning_rate,
        "parameters": results[0].parameters,
        "test error, degrees": spread([r.test for r in results]),
        "training error": spread([r.train for r in results]),
        "seconds a network": f"{statistics.fmean(r.seconds for r in results):.1f}",
    }


def spread(values: Sequence[float]) -> str:
    """`mean ± standard deviation`."""
    mean = f"{statistics.fmean(values):.2f}"
    return f"{mean} ± {statistics.stdev(values):.2f}" if len(values) > 1 else mean


def verdict(errors: dict[str, Sequence[float]]) -> str:
    """One sentence on quaternion against real networks, whoever wins."""
    ours, real = errors["quaternion"], errors["real"]
    margin = statistics.fmean(real) - statistics.fmean(ours)
    largest = max(statistics.stdev(e) if len(e) > 1 else 0.0 for e in (ours, real))
    sentence = (
        f"Test error of quaternion networks: {statistics.fmean(ours):.2f} degrees, of real ones "
        f"with as many parameters: {statistics.fmean(real):.2f}; "
    )
    if margin <= 0:
        return sentence + "the quaternion prior did not help here."
    if len(ours) == 1:
        return sentence + f"a margin of {margin:.2f}, whose spread one seed does not show."
    if margin > 2 * largest and max(ours) < min(real):
        held = f"{margin / largest:.0f} times the larger standard deviation" if largest else "all"
        return sentence + f"the margin of {margin:.2f} is {held} over seeds."
    return sentence + f"the margin of {margin:.2f} is within the spread of seeds ({largest:.2f})."


def main(argv: Sequence[str]) -> None:
    del argv
    logging.set_verbosity(logging.ERROR)
    for name in _ALGEBRAS.value:
        if algebras.get(name).dimension not in (1, 2, 4):
            raise app.UsageError(f"Expected algebras of dimension 1, 2 or 4. Received: {name}")
    quick = _QUICK.value
    samples, epochs = (200, 2) if quick else (_SAMPLES.value, _EPOCHS.value)
    seeds = range(_SEED.value, _SEED.value + (1 if quick else _SEEDS.value))
    settings = [Setting(*pair) for pair in itertools.product(ACTIVATIONS, LEARNING_RATES)]
    if quick:
        settings = [Setting("modrelu", LEARNING_RATES[0])]
    held_out = [tumbling(TEST_SAMPLES, seed) for seed in (VALIDATION_SEED, TEST_SEED)]
    data = {seed: [tumbling(samples, seed), *held_out] for seed in seeds}

    rows, lines, errors = [], [], {}
    for algebra in _ALGEBRAS.value:
        first = seeds[0]
        setting, result = best(algebra, settings, first, data[first], epochs)
        results = [result, *(train(algebra, setting, s, data[s], epochs) for s in seeds[1:])]
        errors[algebra] = [r.test for r in results]
        lines.append(summary(algebra, setting, results))
        print(f"{algebra}: {lines[-1]['test error, degrees']} degrees", flush=True)
        rows += [
            {
                "algebra": algebra,
                **dataclasses.asdict(setting),
                "samples": samples,
                "epochs": epochs,
                "seed": seed,
                **{k: round(v, 4) for k, v in dataclasses.asdict(r).items()},
            }
            for seed, r in zip(seeds, results, strict=True)
        ]
    test = held_out[1]
    print(f"\nMean angle between predicted and true orientation:\n\n{table(lines)}\n")
    for name, guess in (
        ("the last orientation seen", test.seen[:, -1]),
        ("turning on at the same rate", at_constant_velocity(test.seen)),
    ):
        print(f"Without a network, {name}: {np.mean(angle_degrees(guess, test.next)):.2f} degrees.")
    if {"real", "quaternion"} <= errors.keys():
        print(verdict(errors))
    write_csv(Path(_OUT.value) / "rotation_prediction.csv", rows)


if __name__ == "__main__":
    app.run(main)
