"""One byte-level language model: its size, training, bits per byte, and what it writes."""

import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from _bytes_text import START, VOCABULARY, Text, batches, windows
from keras_phase import summary
from keras_phase.models import transformer, width_for

# From bytes `(batch, length)`, int32, to logits `(batch, length, VOCABULARY)`.
Predict = Callable[[np.ndarray], Any]
# Steps that TensorFlow runs before it comes back to Python.
_AT_ONCE = 10
_EVALUATION_BATCH = 64


@dataclasses.dataclass(frozen=True)
class Setting:
    """What all algebras have in common, columns of the results.

    Attributes:
        budget: real parameters, nearly.
        steps: of training.
        length: bytes of a training sample, and the longest context; even.
        batch: samples of a step.
        learning_rate: at its highest; it rises for a tenth of the steps, then falls to 0.
        layers: blocks of attention and dense layers.
        heads: of each attention. With one, every even width will do, and so every algebra comes
            near to the budget.
        mlp_ratio: elements between the two dense layers of a block, as a multiple of the width.
    """

    budget: int
    steps: int
    length: int
    batch: int
    learning_rate: float
    layers: int = 3
    heads: int = 1
    mlp_ratio: int = 4

    def architecture(self) -> dict[str, Any]:
        """Arguments of the builder that do not depend on the algebra."""
        return {
            "vocabulary_size": VOCABULARY,
            "sequence_length": self.length,
            "num_layers": self.layers,
            "num_heads": self.heads,
            "mlp_ratio": self.mlp_ratio,
        }


@dataclasses.dataclass(frozen=True)
class Result:
    """One trained model.

    Attributes:
        bits: a byte of the held-out text.
        width: elements at each position.
        parameters: real numbers.
        multiplications: real ones for a byte, each layer by the method that takes fewest.
        multiplications_expanded: the same with products of elements as products of real matrices.
        step_ms: milliseconds of a training step, median.
        seconds: of training, with compilation.
    """

    bits: float
    width: int
    parameters: int
    multiplications: int
    multiplications_expanded: int
    step_ms: float
    seconds: float


def width_in(algebra: str, setting: Setting) -> int:
    """Elements at each position, for the number of parameters nearest to the budget."""
    # In some algebras the rotary encoding turns pairs of elements, so heads are even in all.
    return width_for(
        transformer,
        setting.budget,
        multiple=2 * setting.heads,
        algebra=algebra,
        **setting.architecture(),
    )


def train(
    algebra: str, width: int, seed: int, setting: Setting, text: Text, name: str
) -> tuple[keras.Model, Result]:
    """Train a model called `name`, and measure it on the held-out text.

    Samples, their order and the schedule are the same for all algebras.
    """
    keras.utils.set_random_seed(seed)
    model = transformer(algebra=algebra, width=width, name=name, **setting.architecture())
    samples = batches(
        text.train, seed, steps=setting.steps, batch=setting.batch, length=setting.length
    ).astype("int32")
    clock = _Clock(_AT_ONCE if setting.steps % _AT_ONCE == 0 else 1)
    model.compile(
        keras.optimizers.Adam(_schedule(setting), clipnorm=1.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        steps_per_execution=clock.at_once,
    )
    start = time.perf_counter()
    model.fit(
        samples[:, :-1],
        samples[:, 1:],
        setting.batch,
        shuffle=False,
        verbose=0,
        callbacks=[clock],
    )
    seconds = time.perf_counter() - start
    counts = [row.multiplications for row in summary.rows(model) if row.multiplications]
    return model, Result(
        bits=bits_per_byte(model.predict_on_batch, text.held_out, setting.length),
        width=width,
        parameters=model.count_params(),
        multiplications=sum(min(c.values()) for c in counts) // setting.length,
        multiplications_expanded=sum(c["expanded"] for c in counts) // setting.length,
        step_ms=clock.step_ms(),
        seconds=seconds,
    )


def bits_per_byte(predict: Predict, text: np.ndarray, length: int) -> float:
    """Mean `-log2` of the probability that is given to each byte but the first.

    Args:
        predict: such as a model's `predict_on_batch`.
        text: uint8.
        length: of the contexts; a byte sees at least half of that, where so many precede it.
    """
    total = 0.0
    inputs, targets, counts = windows(text, length)
    for i in range(0, len(inputs), _EVALUATION_BATCH):
        part = slice(i, i + _EVALUATION_BATCH)
        rows = inputs[part].astype("int32")
        # Whole batches only: a model is compiled for each size.
        padded = np.resize(rows, (_EVALUATION_BATCH, length))
        log_p = log_probabilities(predict(padded))[: len(rows)]
        found = np.take_along_axis(log_p, targets[part, :, None].astype(int), -1)[..., 0]
        total -= float(np.sum(found, where=counts[part], dtype="float64"))
    return total / math.log(2) / int(counts.sum())


def log_probabilities(logits: Any) -> np.ndarray:
    """Logarithm of the softmax over the last axis."""
    logits = np.asarray(logits)
    logits = logits - logits.max(axis=-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def sample(
    predict: Predict, prompt: bytes, size: int, *, length: int, temperature: float, seed: int = 0
) -> bytes:
    """`size` bytes that a model writes after the prompt, which stands at the start of a file.

    Args:
        predict: such as the model's `predict_on_batch`; it is called on `(1, length)`.
        prompt: what the file begins with.
        size: number of bytes to write.
        length: of the context.
        temperature: of the distribution; 0 takes the most probable byte.
        seed: of the choice.
    """
    rng = np.random.default_rng(seed)
    text = bytearray(START + prompt)
    for _ in range(size):
        context = text[-length:]
        inputs = np.zeros((1, length), "int32")  # attention is causal: what follows is not seen
        inputs[0, : len(context)] = list(context)
        log_p = log_probabilities(predict(inputs))[0, len(context) - 1].astype("float64")
        if temperature == 0:
            text.append(int(log_p.argmax()))
            continue
        p = np.exp((log_p - log_p.max()) / temperature)
        text.append(int(rng.choice(len(p), p=p / p.sum())))
    return bytes(text[len(START + prompt) :])


def _schedule(setting: Setting) -> keras.optimizers.schedules.LearningRateSchedule:
    rising = max(1, setting.steps // 10)
    return keras.optimizers.schedules.CosineDecay(
        0.0,
        max(1, setting.steps - rising),
        warmup_target=setting.learning_rate,
        warmup_steps=rising,
    )


class _Clock(keras.callbacks.Callback):
    """Times between the ends of steps, of which some run at once."""

    def __init__(self, at_once: int):
        super().__init__()
        self.at_once = at_once
        self._ends: list[float] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._ends.append(time.perf_counter())

    def step_ms(self) -> float:
        """Milliseconds, median."""
        between = np.diff(self._ends)
        return float(1000 * np.median(between)) / self.at_once if len(between) else math.nan
