"""Time of one training step of a convolution over an algebra, against what one would use instead.

Both sides run forward, both gradients and an SGD update of a 3x3 convolution with as many real
channels in as out, as one `tf.function`. The peers:

* `stock`: `keras.layers.Conv2D` with as many real channels. It has `d` times as many weights and
  does the `d^2` products of the expanded form.
* `block`: the usual way to write a hypercomplex convolution: the real block kernel concatenated
  from the components' kernels, then one `conv2d`. Goal: never slower than this.
* `torch` (`--torch`, if torch is installed): `block` in PyTorch.

    python benchmarks/convolution_speed.py [--algebras complex,m2r] [--shapes 32x32x32x64] [--torch]
"""

import dataclasses
import importlib.util
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags

from keras_phase import algebras
from keras_phase.layers.convolution import AlgebraConv2D
from pairing import compare, write

WINDOW = 3

_ALGEBRAS = flags.DEFINE_list("algebras", list(algebras.names()), "Algebras.")
_SHAPES = flags.DEFINE_list(
    "shapes", ["32x32x32x64", "32x16x16x256"], "Batch, height, width and real channels."
)
_METHOD = flags.DEFINE_string("method", "auto", "Product method of our layer.")
_ROUNDS = flags.DEFINE_integer("rounds", 15, "Paired rounds.")
_STEPS = flags.DEFINE_integer("steps", 3, "Training steps a round.")
_JIT = flags.DEFINE_boolean("jit_compile", False, "Compile the TensorFlow sides with XLA.")
_TORCH = flags.DEFINE_boolean("torch", False, "Run the block form in PyTorch too.")


def block_terms(algebra: algebras.Algebra) -> list[list[list[tuple[float, int]]]]:
    """Per input component j and output component k the terms `(coefficient, i)` of a block."""
    c, d = algebra.structure_constants, algebra.dimension
    return [
        [[(float(c[i, j, k]), i) for i in range(d) if c[i, j, k]] for k in range(d)]
        for j in range(d)
    ]


def ours(shape: tuple[int, ...], algebra: algebras.Algebra) -> tuple[Callable, list]:
    """Our layer, no bias."""
    layer = AlgebraConv2D(
        shape[-1] // algebra.dimension,
        WINDOW,
        padding="same",
        use_bias=False,
        algebra=algebra,
        method=_METHOD.value,
    )
    layer.build((None, *shape[1:]))
    return layer, layer.trainable_variables


def stock(shape: tuple[int, ...], algebra: algebras.Algebra) -> tuple[Callable, list]:
    """A real convolution of as many real channels."""
    layer = keras.layers.Conv2D(shape[-1], WINDOW, padding="same", use_bias=False)
    layer.build((None, *shape[1:]))
    return layer, layer.trainable_variables


def block(shape: tuple[int, ...], algebra: algebras.Algebra) -> tuple[Callable, list]:
    """A variable a component, concatenated to the real kernel in every call."""
    n = shape[-1] // algebra.dimension
    glorot = keras.initializers.GlorotUniform()
    parts = [keras.Variable(glorot((WINDOW, WINDOW, n, n))) for _ in range(algebra.dimension)]
    terms = block_terms(algebra)

    def call(x: tf.Tensor) -> tf.Tensor:
        w = [p.value for p in parts]
        zero = tf.zeros_like(w[0])
        rows = [tf.concat([sum((c * w[i] for c, i in t), zero) for t in row], -1) for row in terms]
        return tf.nn.conv2d(x, tf.concat(rows, -2), 1, "SAME")

    return call, parts


def tensorflow_step(call: Callable, variables: list, shape: tuple[int, ...]) -> Callable[[], Any]:
    """A compiled training step on fixed data, the input's gradient included."""
    optimizer = keras.optimizers.SGD(1e-3)
    optimizer.build(variables)
    x = tf.Variable(tf.random.stateless_normal(shape, [0, 1]))
    weight = tf.random.stateless_normal(shape, [0, 2])

    @tf.function(jit_compile=_JIT.value)
    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(call(x) * weight)
        by_x, *slopes = tape.gradient(loss, [x, *(v.value for v in variables)])
        optimizer.apply(slopes, variables)
        return loss + tf.reduce_max(by_x)

    return lambda: step().numpy()


def torch_step(shape: tuple[int, ...], algebra: algebras.Algebra) -> Callable[[], Any]:
    """The block form in PyTorch."""
    import torch

    torch.manual_seed(0)
    n = shape[-1] // algebra.dimension
    parts = [
        torch.nn.Parameter(torch.randn(n, n, WINDOW, WINDOW) * 0.05)
        for _ in range(algebra.dimension)
    ]
    terms = block_terms(algebra)
    batch, height, width, channels = shape
    x = torch.randn(batch, channels, height, width, requires_grad=True)
    weight = torch.randn(batch, channels, height, width)
    optimizer = torch.optim.SGD(parts, lr=1e-3)

    def step() -> float:
        optimizer.zero_grad()
        x.grad = None
        zero = torch.zeros_like(parts[0])
        columns = [
            torch.cat([sum((c * parts[i] for c, i in t), zero) for t in row], 0) for row in terms
        ]
        y = torch.nn.functional.conv2d(x, torch.cat(columns, 1), padding=WINDOW // 2)
        loss = (y * weight).sum()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def check_same_product(algebra: algebras.Algebra) -> None:
    """Our layer and the block form compute the same, else their times say nothing."""
    small = (1, 4, 4, algebra.dimension * 2)
    call, (kernel,) = ours(small, algebra)
    peer, parts = block(small, algebra)
    for part, value in zip(
        parts, tf.reshape(kernel.value, (-1, WINDOW, WINDOW, 2, 2)), strict=True
    ):
        part.assign(value)
    x = tf.random.stateless_normal(small, [0, 3])
    np.testing.assert_allclose(call(x), peer(x), rtol=1e-4, atol=1e-4)


def main(argv: list[str]) -> None:
    del argv
    keras.utils.set_random_seed(0)
    if _TORCH.value and importlib.util.find_spec("torch") is None:
        raise app.UsageError("--torch needs PyTorch, which is not installed.")
    rows = []
    for name in _ALGEBRAS.value:
        algebra = algebras.get(name)
        for text in _SHAPES.value:
            *places, channels = map(int, text.split("x"))
            # Three components do not divide 64: the nearest number of whole elements below.
            channels -= channels % algebra.dimension
            shape = (*places, channels)
            check_same_product(algebra)
            peers = {
                "stock": lambda s, a: tensorflow_step(*stock(s, a), s),
                "block": lambda s, a: tensorflow_step(*block(s, a), s),
            }
            if _TORCH.value:
                peers["torch"] = torch_step
            for peer, make in peers.items():
                result = compare(
                    tensorflow_step(*ours(shape, algebra), shape),
                    make(shape, algebra),
                    rounds=_ROUNDS.value,
                    calls=_STEPS.value,
                )
                setting = {"algebra": name, "shape": "x".join(map(str, shape)), "peer": peer}
                setting |= {"method": _METHOD.value, "jit_compile": _JIT.value}
                rows.append({**setting, **dataclasses.asdict(result)})
    write("convolution_speed", rows)


if __name__ == "__main__":
    app.run(main)
