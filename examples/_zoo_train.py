"""How the networks of the zoo are trained, fine-tuned while they are pruned, and measured."""

import itertools
import math
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from _zoo_network import is_convolution
from data import Dataset
from keras_phase import algebras, pruning
from keras_phase.pruning import criteria

LEARNING_RATE, TUNING_RATE = 0.01, 0.005
BATCH = 50
FRACTIONS = (0.5, 0.75, 0.9)
# What is removed, and the arguments of `PruningCallback` for it.
REMOVALS = {
    "element": {"criterion": "magnitude"},
    "component": {"criterion": "magnitude", "granularity": "component"},
    "determinant": {"criterion": "determinant"},
}


class Images(NamedTuple):
    """Training and test images, `(n, height, width, 1)`, with their labels."""

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray

    @classmethod
    def of(cls, dataset: Dataset, samples: int, test_samples: int | None = None) -> "Images":
        """The first `samples` of the training images, and the test images."""
        side = math.isqrt(dataset.x_train.shape[1])
        x, x_test = (rows.reshape(-1, side, side, 1) for rows in (dataset.x_train, dataset.x_test))
        test = slice(test_samples)
        return cls(x[:samples], dataset.y_train[:samples], x_test[test], dataset.y_test[test])


class Cosine(keras.callbacks.Callback):
    """Lets the learning rate fall to 0 in `steps` updates, again and again, and times the steps."""

    def __init__(self, rate: float, steps: int):
        super().__init__()
        self.rate, self.steps, self._done = rate, steps, 0
        self._ends: list[float] = []

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Set the learning rate of this step."""
        falling = (1 + math.cos(math.pi * (self._done % self.steps) / self.steps)) / 2
        self.model.optimizer.learning_rate = self.rate * falling
        self._done += 1

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Note the time."""
        self._ends.append(time.perf_counter())

    @property
    def step_ms(self) -> float:
        """Median time of a step, of the second half of all."""
        later = self._ends[len(self._ends) // 2 - 1 :] if len(self._ends) > 3 else self._ends
        times = [b - a for a, b in itertools.pairwise(later)]
        return 1e3 * statistics.median(times) if times else float("nan")


class Stairs(pruning.Schedule):
    """Up to each fraction in half of `steps` updates, then as many updates at that fraction."""

    def __init__(self, fractions: Sequence[float], steps: int):
        starts, ramp = range(0, steps * len(fractions), steps), max(steps // 2, 1)
        self._ramps = [
            pruning.PolynomialDecay(
                low, high, start, start + ramp, frequency=math.gcd(ramp, max(ramp // 5, 1))
            )
            for start, (low, high) in zip(
                starts, itertools.pairwise((0.0, *fractions)), strict=True
            )
        ]
        self._steps = steps
        super().__init__(0, self._ramps[-1].end_step, self._ramps[0].frequency)

    def __call__(self, step: int) -> tuple[bool, float]:
        """Of the flight of stairs that this step is on."""
        return self._ramps[min(step // self._steps, len(self._ramps) - 1)](step)


class AtSteps(keras.callbacks.Callback):
    """Calls `measure` after every `steps` updates and keeps what it returns."""

    def __init__(self, steps: int, measure: Callable[[], Any]):
        super().__init__()
        self.found: list[Any] = []
        self._steps, self._measure, self._done = steps, measure, 0

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Count, and measure when it is time."""
        self._done += 1
        if self._done % self._steps == 0:
            self.found.append(self._measure())


class Trainer:
    """One network and its images; it can go back to where training left it."""

    def __init__(self, model: keras.Model, images: Images, seed: int):
        self.model, self.images, self.seed = model, images, seed
        # With a function of its own, which the retracing of pruning leaves alone.
        self._twin = keras.Model(model.inputs, model.outputs)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        # Compiling by XLA would take as long as all the training.
        model.compile(keras.optimizers.Adam(LEARNING_RATE), loss, jit_compile=False)
        self._saved: list[np.ndarray] = []

    def accuracy(self) -> float:
        """On the test images."""
        logits = self._twin.predict(self.images.x_test, 1000, verbose=0)
        return float(np.mean(logits.argmax(axis=-1) == self.images.y_test))

    def train(self, epochs: int) -> tuple[float, float]:
        """Accuracy, and milliseconds a step."""
        steps = epochs * -(-len(self.images.x) // BATCH)
        cosine = Cosine(LEARNING_RATE, steps)
        self.model.fit(self.images.x, self.images.y, BATCH, epochs, verbose=0, callbacks=[cosine])
        self._saved = [keras.ops.convert_to_numpy(v) for v in self._state()]
        return self.accuracy(), cosine.step_ms

    def tune(self, steps: int, by: str | None = None) -> list[float]:
        """From where `train` ended: accuracies after `steps`, `2 steps`, ... updates.

        Args:
            steps: updates for each of `FRACTIONS`.
            by: a key of `REMOVALS`, the way in which that much of the convolutions is pruned then;
                None to train on without.
        """
        pruning.release(self.model)
        for variable, value in zip(self._state(), self._saved, strict=True):
            variable.assign(value)
        keras.utils.set_random_seed(self.seed)
        accuracies = AtSteps(steps, self.accuracy)
        callbacks: list[keras.callbacks.Callback] = [Cosine(TUNING_RATE, steps), accuracies]
        if by is not None:
            stairs = Stairs(FRACTIONS, steps)
            pruner = pruning.PruningCallback(stairs, layers=is_convolution, **REMOVALS[by])
            callbacks.insert(0, pruner)
        count = BATCH * steps * len(FRACTIONS)
        x, y = (np.resize(a, (count, *a.shape[1:])) for a in (self.images.x, self.images.y))
        self.model.fit(x, y, BATCH, verbose=0, callbacks=callbacks)
        return accuracies.found

    def zeros(self) -> float:
        """Fraction of the convolutions' real numbers that are 0."""
        kernels = [
            keras.ops.convert_to_numpy(layer.kernel)
            for layer in self.model.layers
            if is_convolution(layer)
        ]
        return sum(np.sum(k == 0) for k in kernels) / sum(k.size for k in kernels)

    def _state(self) -> list[keras.Variable]:
        return [*self.model.weights, *self.model.optimizer.variables]


def removals(algebra: str) -> list[str]:
    """The keys of `REMOVALS` that differ from each other in that algebra.

    Components are elements in the real numbers; there is no determinant in the cross product, and
    where it is the square of the modulus it removes what the magnitude removes.
    """
    if algebras.get(algebra).dimension == 1:
        return ["element"]
    return ["element", "component", *(["determinant"] if orders_anew(algebra) else [])]


def orders_anew(algebra: str) -> bool:
    """Whether there is a determinant, and it is no function of the modulus."""
    found = algebras.get(algebra)
    try:
        criteria.get("determinant").check(found.dimension, algebra, found)
    except ValueError:
        return False
    if found.matrix is not None:
        return True
    elements = np.random.default_rng(0).normal(size=(20, found.dimension))
    return not np.allclose(np.abs(found.norm(elements)), np.sum(elements**2, axis=-1))
