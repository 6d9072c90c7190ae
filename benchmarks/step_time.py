"""Time of one training step: a complex network of AlgebraDense against one written by hand.

Both have four dense layers of the same width, split ReLU, the same loss, optimizer and data, and
run as one `tf.function`. The peer is what one writes without this package: real and imaginary parts
as separate tensors and four real matmuls a layer. Goal: a ratio of at most 1.0 from width 256 on.

    python benchmarks/step_time.py [--widths 256,512,1024] [--batches 32,128] [--jit_compile]
"""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags

import keras_phase
from pairing import compare, write

DEPTH = 4

_WIDTHS = flags.DEFINE_list("widths", ["256", "512", "1024"], "Complex elements a layer.")
_BATCHES = flags.DEFINE_list("batches", ["32", "128"], "Samples a step.")
_METHOD = flags.DEFINE_string("method", "auto", "Product method of our layers.")
_ROUNDS = flags.DEFINE_integer("rounds", 15, "Paired rounds.")
_STEPS = flags.DEFINE_integer("steps", 10, "Training steps a round.")
_JIT = flags.DEFINE_boolean("jit_compile", False, "Compile both with XLA.")


def handwritten(width: int) -> tuple[Callable, list[keras.Variable]]:
    """The network in stock TensorFlow: `(real, imaginary)` in, squared moduli out."""
    glorot = keras.initializers.GlorotUniform()
    layers = [
        (
            keras.Variable(glorot((width, width))),
            keras.Variable(glorot((width, width))),
            keras.Variable(np.zeros(width, "float32")),
            keras.Variable(np.zeros(width, "float32")),
        )
        for _ in range(DEPTH)
    ]

    def call(x: tf.Tensor) -> tf.Tensor:
        real, imag = tf.split(x, 2, axis=-1)
        for i, layer in enumerate(layers):
            a, b, c, d = (v.value for v in layer)
            real, imag = (
                tf.matmul(real, a) - tf.matmul(imag, b) + c,
                tf.matmul(real, b) + tf.matmul(imag, a) + d,
            )
            if i < DEPTH - 1:
                real, imag = tf.nn.relu(real), tf.nn.relu(imag)
        return tf.square(real) + tf.square(imag)

    return call, [v for layer in layers for v in layer]


def ours(width: int, method: str) -> tuple[Callable, list[keras.Variable]]:
    """The same network of `AlgebraDense` layers."""
    model = keras.Sequential([keras.Input((2 * width,))])
    for i in range(DEPTH):
        activation = "relu" if i < DEPTH - 1 else None
        model.add(keras_phase.AlgebraDense(width, activation=activation, method=method))
    model.add(keras_phase.FromAlgebra("squared_norm"))
    return lambda x: model(x, training=True), model.trainable_variables


def training_step(
    call: Callable, variables: list[keras.Variable], x: tf.Tensor, y: tf.Tensor
) -> Callable[[], tf.Tensor]:
    """A compiled training step on fixed data, returning the loss as a number on the host."""
    optimizer = keras.optimizers.SGD(1e-3, momentum=0.9)
    optimizer.build(variables)

    @tf.function(jit_compile=_JIT.value)
    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=call(x))
            loss = tf.reduce_mean(losses)
        optimizer.apply(tape.gradient(loss, [v.value for v in variables]), variables)
        return loss

    return lambda: step().numpy()


def main(argv: list[str]) -> None:
    del argv
    keras.utils.set_random_seed(0)
    rows = []
    for width in map(int, _WIDTHS.value):
        for batch in map(int, _BATCHES.value):
            x = tf.random.normal((batch, 2 * width))
            y = tf.random.uniform((batch,), maxval=width, dtype="int32")
            result = compare(
                training_step(*ours(width, _METHOD.value), x, y),
                training_step(*handwritten(width), x, y),
                rounds=_ROUNDS.value,
                calls=_STEPS.value,
            )
            setting = {"width": width, "batch": batch, "method": _METHOD.value}
            rows.append({**setting, "jit_compile": _JIT.value, **dataclasses.asdict(result)})
    write("step_time", rows)


if __name__ == "__main__":
    app.run(main)
