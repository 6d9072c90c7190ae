"""Cost of batch normalisation in a training graph: ours against stock on as many floats.

Forward pass, the gradients by the input, gamma and beta, and the moving averages, as one
`tf.function`; the stock layer sees the same tensor as `d*n` real channels. Goal: whitening at
(64, 32, 32, 16) complex elements costs at most 3 times the stock layer.

    python benchmarks/batch_norm_cost.py [--modes whitening,scalar] [--jit_compile]
"""

import dataclasses
from collections.abc import Callable

import keras
import tensorflow as tf
from absl import app, flags

from keras_phase.layers.batch_normalization import AlgebraBatchNormalization
from pairing import compare, write

# (algebra, shape of the batch in elements): the goal's, then as many floats or channels in others.
CASES = [
    ("complex", (64, 32, 32, 16)),
    ("complex", (32, 16, 16, 256)),
    ("complex", (64, 32, 32, 17)),
    ("quaternion", (64, 32, 32, 8)),
    ("quaternion", (64, 32, 32, 16)),
    ("octonion", (64, 32, 32, 4)),
    ("octonion", (64, 32, 32, 16)),
    ("m4r", (64, 32, 32, 4)),
]

_MODES = flags.DEFINE_list("modes", ["whitening", "scalar"], "Modes to time.")
_ROUNDS = flags.DEFINE_integer("rounds", 15, "Paired rounds.")
_STEPS = flags.DEFINE_integer("steps", 4, "Training steps a round.")
_JIT = flags.DEFINE_boolean("jit_compile", False, "Compile both with XLA.")


def training_step(layer: keras.layers.Layer, x: tf.Tensor) -> Callable[[], float]:
    """A compiled step on fixed data, returning a number that depends on all that it computed."""
    layer.build(x.shape)
    weight = tf.random.normal(x.shape, seed=1)
    variables = [v.value for v in layer.trainable_variables]

    @tf.function(jit_compile=_JIT.value)
    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x, training=True) * weight)
        return loss + sum(tf.reduce_sum(g) for g in tape.gradient(loss, [x, *variables]))

    return lambda: float(step().numpy())


def main(argv: list[str]) -> None:
    del argv
    keras.utils.set_random_seed(0)
    rows = []
    for algebra, shape in CASES:
        for mode in _MODES.value:
            ours = AlgebraBatchNormalization(algebra=algebra, mode=mode)
            d = ours.algebra.dimension
            x = tf.random.normal((*shape[:-1], d * shape[-1]))
            result = compare(
                training_step(ours, x),
                training_step(keras.layers.BatchNormalization(), x),
                rounds=_ROUNDS.value,
                calls=_STEPS.value,
            )
            setting = {"algebra": algebra, "d": d, "elements": "x".join(map(str, shape))}
            timing = dataclasses.asdict(result)
            rows.append({**setting, "mode": mode, "jit_compile": _JIT.value, **timing})
    write("batch_norm_cost", rows)


if __name__ == "__main__":
    app.run(main)
