"""What pruning adds to a training step: `fit` with `PruningCallback` against `fit` without.

Two equal complex networks are trained in turns, each turn one `fit` of a few hundred steps, with
the mask updated every 100 steps. Goal: at most 3 % more time.

    python benchmarks/pruning_overhead.py [--width 512] [--criterion phase]
"""

import dataclasses
import functools

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags

import keras_phase
from pairing import compare, write

_WIDTHS = flags.DEFINE_list("widths", ["256", "512"], "Complex elements a layer.")
_BATCH = flags.DEFINE_integer("batch", 128, "Samples a step.")
_CRITERIA = flags.DEFINE_list("criteria", ["magnitude", "phase"], "Pruning criteria to time.")
_FREQUENCY = flags.DEFINE_integer("frequency", 100, "Steps between mask updates.")
_ROUNDS = flags.DEFINE_integer("rounds", 11, "Paired rounds.")
_STEPS = flags.DEFINE_integer("steps", 200, "Training steps a round.")


def network(width: int) -> keras.Model:
    """Three complex layers and a readout."""
    model = keras.Sequential(
        [
            keras.Input((2 * width,)),
            keras_phase.PhaseDense(width, activation="relu"),
            keras_phase.PhaseDense(width, activation="relu"),
            keras_phase.PhaseDense(width, activation="relu"),
            keras_phase.PhaseDense(10),
            keras_phase.FromAlgebra("squared_norm"),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-4), loss)
    return model


def main(argv: list[str]) -> None:
    del argv
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    rows = []
    for width in map(int, _WIDTHS.value):
        x = rng.normal(size=(_BATCH.value, 2 * width)).astype("float32")
        y = rng.integers(10, size=_BATCH.value)
        data = tf.data.Dataset.from_tensors((x, y)).repeat(_STEPS.value)
        for criterion in _CRITERIA.value:
            pruned, intact = network(width), network(width)
            schedule = keras_phase.ConstantSparsity(0.5, begin_step=0, frequency=_FREQUENCY.value)
            callback = keras_phase.PruningCallback(schedule, criterion=criterion)
            result = compare(
                functools.partial(pruned.fit, data, shuffle=False, verbose=0, callbacks=[callback]),
                functools.partial(intact.fit, data, shuffle=False, verbose=0),
                rounds=_ROUNDS.value,
                calls=1,
            )
            setting = {"width": width, "batch": _BATCH.value, "criterion": criterion}
            setting |= {"frequency": _FREQUENCY.value, "steps_per_round": _STEPS.value}
            rows.append({**setting, **dataclasses.asdict(result)})
    write("pruning_overhead", rows)


if __name__ == "__main__":
    app.run(main)
