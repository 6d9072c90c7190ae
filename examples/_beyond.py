"""Beyond the paper: phase-only networks as good as intact ones, by pruning *during* training.

784-256-10 networks on MNIST. Each pruned network is trained exactly as its intact twin is, with one
difference: a schedule collapses all the amplitudes of a layer to one number, from the first step to
half-time. At the end nothing is left of a weight but its phase, or two bits of it, or its sign.

What makes it work (each found by leaving it out): label smoothing, for a network that memorises its
training set has nothing left to learn its phases from; a learning rate five times the usual, for
the projection removes the radial part of every step; and, for quantised phases, latent directions
that are bounded, so that they can still turn.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

import keras_phase
from _networks import classifier
from _results import percent, table, write_csv
from data import Dataset
from keras_phase import pruning

_FREQUENCY = 100


@dataclass(frozen=True)
class Recipe:
    """What is left of each weight, and how far its accuracy may fall behind.

    Attributes:
        algebra: of the network and of its intact twin.
        schedule: class of the schedule.
        bound: allowed loss against the intact twin, in points of accuracy.
        dense: arguments of each `PhaseDense`; made anew for each network.
    """

    algebra: str
    schedule: Callable[..., Any]
    bound: float
    dense: Callable[[], Mapping[str, Any]] = field(default=dict)


def _bounded_latent_directions(**options: Any) -> dict[str, Any]:
    # Straight-through directions: what is stored only has to say which code point is nearest.
    return {"kernel_constraint": keras.constraints.MaxNorm(0.1, axis=0), **options}


RECIPES = {
    "phase": Recipe("complex", pruning.PhasePolynomialDecay, bound=0.5),
    "phase, 2 bits": Recipe(
        "complex",
        pruning.PhasePolynomialDecay,
        bound=0.7,
        dense=lambda: _bounded_latent_directions(amplitude="element", phase_bits=2),
    ),
    "sign": Recipe(
        "real",
        pruning.SignPolynomialDecay,
        bound=1.0,
        dense=lambda: {"amplitude": "element"},
    ),
}


def run(
    dataset: Dataset,
    output: Path,
    *,
    seeds: Sequence[int],
    epochs: int,
    units: int,
    batch_size: int = 128,
    learning_rate: float = 0.005,
) -> list[dict[str, Any]]:
    """Train every recipe and its intact twin with every seed; print and write the table."""

    def train(algebra: str, dense: Mapping[str, Any], schedule: Any, seed: int) -> keras.Model:
        keras.utils.set_random_seed(seed)
        model = classifier(dataset.x_train.shape[1], [units], algebra=algebra, **dense)
        steps = epochs * -(-len(dataset.x_train) // batch_size)
        decay = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
        loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
        model.compile(keras.optimizers.Adam(decay), loss, metrics=["accuracy"])
        callbacks = []
        if schedule is not None:
            end = steps // 2 // _FREQUENCY * _FREQUENCY
            amount = schedule(0.0, 1.0, begin_step=0, end_step=end, frequency=_FREQUENCY)
            callbacks.append(pruning.PruningCallback(amount))
        labels = keras.utils.to_categorical(dataset.y_train, 10)
        model.fit(dataset.x_train, labels, batch_size, epochs, verbose=0, callbacks=callbacks)
        return model

    def accuracy(model: keras.Model) -> float:
        labels = keras.utils.to_categorical(dataset.y_test, 10)
        return model.evaluate(dataset.x_test, labels, 1000, verbose=0)[1]

    intact: dict[tuple[str, int], float] = {}
    rows, summary = [], []
    for name, recipe in RECIPES.items():
        pairs = []
        for seed in seeds:
            key = recipe.algebra, seed
            if key not in intact:
                intact[key] = accuracy(train(recipe.algebra, {}, None, seed))
            model = train(recipe.algebra, recipe.dense(), recipe.schedule, seed)
            pairs.append((intact[key], accuracy(model)))
            rows.append(
                {
                    "kept": name,
                    "algebra": recipe.algebra,
                    "units": units,
                    "epochs": epochs,
                    "seed": seed,
                    "intact": round(pairs[-1][0], 4),
                    "pruned": round(pairs[-1][1], 4),
                    "amplitude_spread": f"{amplitude_spread(model):.1e}",
                }
            )
            print({key: rows[-1][key] for key in ("kept", "seed", "intact", "pruned")}, flush=True)
        before, after = np.transpose(pairs)
        lost = 100 * float(np.mean(before - after))
        summary.append(
            {
                "kept of each weight": name,
                "algebra": recipe.algebra,
                "intact %": percent(before),
                "pruned %": percent(after),
                "lost, points": f"{lost:.2f}",
                "allowed": recipe.bound,
                "holds": "yes" if lost <= recipe.bound else "no",
            }
        )
    print(table(summary))
    write_csv(output / "phase_beyond.csv", rows)
    return rows


def amplitude_spread(model: keras.Model) -> float:
    """Largest relative deviation of an amplitude from its layer's mean; 0: only phases are left."""
    spreads = []
    for layer in model.layers:
        if isinstance(layer, keras_phase.PhaseDense):
            moduli = keras.ops.convert_to_numpy(layer.amplitude)
            spreads.append(np.abs(moduli / moduli.mean() - 1).max())
    return float(max(spreads))
