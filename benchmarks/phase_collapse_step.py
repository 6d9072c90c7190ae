"""Time of one training step of a phase-collapse network against the same written by hand.

Three blocks of 32, 64 and 128 complex channels with skip, 4 angles, 5 x 5 filters, 28 x 28 images,
SGD with momentum. The peers are what one writes without this package: real and imaginary parts as
separate tensors, filtered by `tf.nn.depthwise_conv2d` in TensorFlow or by a grouped convolution in
PyTorch (if it is installed). `ours` runs as `model.train_on_batch`, with the native operation and
without; the peers as one `tf.function` and in PyTorch's eager mode. Where kymatio is installed, a
second table compares the scattering transform forward.

    python benchmarks/phase_collapse_step.py [--batch 128] [--rounds 9]
"""

import dataclasses
import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags

import keras_phase
from keras_phase import models, wavelets
from keras_phase.ops import native_filtering
from pairing import compare, write

_BATCH = flags.DEFINE_integer("batch", 128, "Images of a step.")
_ROUNDS = flags.DEFINE_integer("rounds", 9, "Paired rounds.")

WIDTHS = (32, 64, 128)
SIDE, ANGLES, WINDOW, CLASSES = 28, 4, 5, 10
# Before and after each axis: stride 2 takes sizes 28, 14, 7 to 14, 7, 3.
PADS = ((2, 1), (2, 1), (1, 1))
RATE, MOMENTUM = 0.05, 0.9
Step = Callable[[], Any]


def filters() -> np.ndarray:
    """Low-pass filter and wavelets, `(1 + angles, *window)`, turned for a correlation."""
    bank = wavelets.filter_bank("morlet", rank=2, angles=ANGLES, window=WINDOW)
    return bank.filters[:, ::-1, ::-1]


def ours(x: np.ndarray, y: np.ndarray) -> Step:
    """The network of this package, as users train it."""
    model = models.phase_collapse_network(
        x.shape[1:], CLASSES, widths=WIDTHS, angles=ANGLES, window=WINDOW
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(RATE, momentum=MOMENTUM), loss)
    return lambda: model.train_on_batch(x, y)


def without_native(x: np.ndarray, y: np.ndarray) -> Step:
    """The same, traced with stock operations only."""
    step, serves = ours(x, y), native_filtering.serves
    native_filtering.serves = lambda *given: False
    step()
    native_filtering.serves = serves
    return step


def in_tensorflow(x: np.ndarray, y: np.ndarray) -> Step:
    """By `depthwise_conv2d` on real and imaginary parts."""
    bank = filters()
    low = bank[:1].real.astype("float32")
    waves = [part.astype("float32") for part in (bank[1:].real, bank[1:].imag)]

    def kernel(values: np.ndarray, channels: int) -> tf.Tensor:
        values = np.repeat(np.moveaxis(values, 0, -1)[:, :, None], channels, axis=2)
        return tf.constant(values)

    def depthwise(x: tf.Tensor, values: np.ndarray) -> tf.Tensor:
        return tf.nn.depthwise_conv2d(x, kernel(values, x.shape[-1]), [1, 2, 2, 1], "VALID")

    def padded(x: tf.Tensor, pads: tuple[int, int]) -> tf.Tensor:
        return tf.pad(x, [[0, 0], pads, pads, [0, 0]], "REFLECT")

    sizes = [2 * 5 * n for n in (1, *WIDTHS[:-1])]  # low-pass and waves, and their moduli
    glorot = keras.initializers.GlorotUniform(seed=0)
    operators = [
        [tf.Variable(glorot((1, 1, n, w))) for _ in range(2)]
        for n, w in zip(sizes, WIDTHS, strict=True)
    ]
    moving = [
        [tf.Variable(tf.zeros(n)), tf.Variable(tf.zeros(n)), tf.Variable(tf.ones(n))] for n in sizes
    ]
    normalization = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)
    logits = keras.layers.Dense(CLASSES)
    normalization.build((None, 3, 3, 2 * WIDTHS[-1]))
    logits.build((None, 9 * 2 * WIDTHS[-1]))

    def block(i: int, re: tf.Tensor, im: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
        re = padded(re, PADS[i])
        low_re, a, b = depthwise(re, low), depthwise(re, waves[0]), depthwise(re, waves[1])
        if im is None:
            low_im = tf.zeros_like(low_re)
        else:
            im = padded(im, PADS[i])
            low_im = depthwise(im, low)
            a, b = a - depthwise(im, waves[1]), b + depthwise(im, waves[0])
        re, im = tf.concat([low_re, a], -1), tf.concat([low_im, b], -1)
        modulus = tf.sqrt(re * re + im * im + 1e-12)
        re, im = tf.concat([re, modulus], -1), tf.concat([im, tf.zeros_like(modulus)], -1)
        mean_re, mean_im = tf.reduce_mean(re, [0, 1, 2]), tf.reduce_mean(im, [0, 1, 2])
        re, im = re - mean_re, im - mean_im
        variance = tf.reduce_mean(re * re + im * im, [0, 1, 2])
        for variable, value in zip(moving[i], (mean_re, mean_im, variance), strict=True):
            variable.assign(0.9 * variable + 0.1 * value)
        scale = tf.math.rsqrt(variance + 1e-5)
        re, im = re * scale, im * scale
        c, d = operators[i]
        re, im = (
            tf.nn.conv2d(re, c, 1, "VALID") - tf.nn.conv2d(im, d, 1, "VALID"),
            tf.nn.conv2d(re, d, 1, "VALID") + tf.nn.conv2d(im, c, 1, "VALID"),
        )
        norm = tf.math.rsqrt(tf.reduce_sum(re * re + im * im, -1, keepdims=True) + 1e-6)
        return re * norm, im * norm

    trained = [v for pair in operators for v in pair]
    trained += [v.value for v in (*normalization.trainable_weights, *logits.trainable_weights)]
    speeds = [tf.Variable(tf.zeros_like(v)) for v in trained]

    @tf.function
    def step(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            re, im = x, None
            for i in range(len(WIDTHS)):
                re, im = block(i, re, im)
            z = normalization(tf.concat([re, im], -1), training=True)
            z = logits(tf.reshape(z, (-1, 9 * 2 * WIDTHS[-1])))
            loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=z)
            loss = tf.reduce_mean(loss)
        gradients = tape.gradient(loss, trained)
        for variable, speed, gradient in zip(trained, speeds, gradients, strict=True):
            speed.assign(MOMENTUM * speed - RATE * gradient)
            variable.assign_add(speed)
        return loss

    return lambda: step(x, y).numpy()


def in_torch(x: np.ndarray, y: np.ndarray) -> Step:
    """By grouped convolutions on real and imaginary parts."""
    import torch
    from torch.nn import functional

    torch.set_num_threads(tf.config.threading.get_intra_op_parallelism_threads() or 2)
    torch.manual_seed(0)
    bank = filters()
    low = torch.tensor(bank[:1].real.astype("float32").copy())
    waves = [torch.tensor(p.astype("float32").copy()) for p in (bank[1:].real, bank[1:].imag)]
    sizes = [2 * 5 * n for n in (1, *WIDTHS[:-1])]
    operators = [
        [(torch.randn(w, n, 1, 1) * n**-0.5).requires_grad_() for _ in range(2)]
        for n, w in zip(sizes, WIDTHS, strict=True)
    ]
    moving = [[torch.zeros(n), torch.zeros(n), torch.ones(n)] for n in sizes]
    normalization = torch.nn.BatchNorm2d(2 * WIDTHS[-1])
    logits = torch.nn.Linear(9 * 2 * WIDTHS[-1], CLASSES)
    trained = [v for pair in operators for v in pair]
    trained += [*normalization.parameters(), *logits.parameters()]
    optimizer = torch.optim.SGD(trained, RATE, momentum=MOMENTUM)
    x = torch.tensor(x.transpose(0, 3, 1, 2).copy())
    y = torch.tensor(y.astype("int64"))

    def depthwise(x: Any, values: Any) -> Any:
        kernel = values[:, None].repeat(x.shape[1], 1, 1, 1)
        return functional.conv2d(x, kernel, stride=2, groups=x.shape[1])

    def padded(x: Any, pads: tuple[int, int]) -> Any:
        return functional.pad(x, (*pads, *pads), mode="reflect")

    def block(i: int, re: Any, im: Any) -> tuple[Any, Any]:
        re = padded(re, PADS[i])
        low_re, a, b = depthwise(re, low), depthwise(re, waves[0]), depthwise(re, waves[1])
        if im is None:
            low_im = torch.zeros_like(low_re)
        else:
            im = padded(im, PADS[i])
            low_im = depthwise(im, low)
            a, b = a - depthwise(im, waves[1]), b + depthwise(im, waves[0])
        re, im = torch.cat([low_re, a], 1), torch.cat([low_im, b], 1)
        modulus = torch.sqrt(re * re + im * im + 1e-12)
        re, im = torch.cat([re, modulus], 1), torch.cat([im, torch.zeros_like(modulus)], 1)
        mean_re, mean_im = re.mean((0, 2, 3)), im.mean((0, 2, 3))
        re, im = re - mean_re[:, None, None], im - mean_im[:, None, None]
        variance = (re * re + im * im).mean((0, 2, 3))
        with torch.no_grad():
            for old, value in zip(moving[i], (mean_re, mean_im, variance), strict=True):
                old.mul_(0.9).add_(value, alpha=0.1)
        scale = torch.rsqrt(variance + 1e-5)[:, None, None]
        re, im = re * scale, im * scale
        c, d = operators[i]
        re, im = (
            functional.conv2d(re, c) - functional.conv2d(im, d),
            functional.conv2d(re, d) + functional.conv2d(im, c),
        )
        norm = torch.rsqrt((re * re + im * im).sum(1, keepdim=True) + 1e-6)
        return re * norm, im * norm

    def step() -> float:
        re, im = x, None
        for i in range(len(WIDTHS)):
            re, im = block(i, re, im)
        z = logits(normalization(torch.cat([re, im], 1)).flatten(1))
        loss = functional.cross_entropy(z, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def scattering(images: int, side: int) -> Iterator[tuple[str, Step, Step]]:
    """Our transform in a graph and kymatio's NumPy and torch forms, as far as installed."""
    if importlib.util.find_spec("kymatio") is None:
        return
    x = np.random.default_rng(0).normal(size=(images, side, side)).astype("float32")
    layer = keras_phase.Scattering2D(2, 8)
    run = tf.function(layer)
    given = tf.constant(x[..., None])

    from kymatio.numpy import Scattering2D

    on_host = Scattering2D(2, (side, side))
    yield "kymatio, NumPy", lambda: run(given), lambda: on_host(x)
    if importlib.util.find_spec("torch") is not None:
        import torch
        from kymatio.torch import Scattering2D as InTorch

        peer, tensor = InTorch(2, (side, side)), torch.tensor(x)
        yield "kymatio, torch", lambda: run(given), lambda: peer(tensor)


def main(argv: list[str]) -> None:
    del argv
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(_BATCH.value, SIDE, SIDE, 1)).astype("float32")
    y = rng.integers(0, CLASSES, _BATCH.value).astype("int32")
    peers = {"tf.nn.depthwise_conv2d": in_tensorflow}
    if importlib.util.find_spec("torch") is not None:
        peers["torch, grouped convolution"] = in_torch
    rows = []
    for kind, build in {"native": ours, "stock operations": without_native}.items():
        for name, peer in peers.items():
            result = compare(build(x, y), peer(x, y), rounds=_ROUNDS.value, calls=2)
            row = {"what": "training step", "ours": kind, "peer": name, "batch": _BATCH.value}
            rows.append({**row, **dataclasses.asdict(result)})
    for images, side in ((32, 32), (8, 128)):
        for name, mine, peer in scattering(images, side):
            result = compare(mine, peer, rounds=_ROUNDS.value, calls=2)
            row = {"what": f"scattering, {side}x{side}", "ours": "stock operations", "peer": name}
            rows.append({**row, "batch": images, **dataclasses.asdict(result)})
    write("phase_collapse_step", rows)


if __name__ == "__main__":
    app.run(main)
