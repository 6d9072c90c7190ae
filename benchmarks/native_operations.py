"""The native operations against what one would use instead, forward and with gradients.

* `multiply`: the elementwise product of an algebra, against the composed TensorFlow operations (in
  a graph and under XLA) and against the addition of as many numbers, which only moves memory.
* `wavelet`: the modulus of L complex wavelet responses, against `depthwise_conv2d` with real and
  imaginary filters in TensorFlow (all at once, and, which is faster, one real filter at a time),
  and against PyTorch's grouped convolution (if it is installed).
* `lowest`: the choice of half of a layer's weights at a mask update, against `np.sort` and
  `np.partition`.
* `coded`: a dense product with a kernel of packed codes, against the one with that kernel in
  float32, by the factored and the native method, and by `tf.matmul` with the expanded kernel.

    python benchmarks/native_operations.py [--cases multiply,wavelet,lowest,coded] [--threads 1]
"""

import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from absl import app, flags

from keras_phase import algebras
from keras_phase.ops import dispatch, native, phase_matmul, product
from pairing import compare_native

_CASES = flags.DEFINE_list("cases", ["multiply", "wavelet", "lowest", "coded"], "What to time.")
_THREADS = flags.DEFINE_integer("threads", 1, "Threads of both sides.")
_ROUNDS = flags.DEFINE_integer("rounds", 11, "Paired rounds.")

# Numbers in an operand.
MULTIPLY = [
    (size, name)
    for size in (2**20, 2**23)
    for name in ("complex", "quaternion", "cross", "m2r", "dual")
]
# Batch, height, width, channels, filters, window, stride.
WAVELET = [
    (8, 32, 32, 64, 8, 7, 2),
    (8, 32, 32, 256, 4, 5, 1),
    (1, 128, 128, 32, 8, 7, 2),
    (1, 128, 128, 32, 8, 13, 2),
]
LOWEST = [2**16, 4_000_000]
# Algebra, bits of a code, elements in and out, batch.
CODED = [
    (name, bits, 4096, batch)
    for name, bits in (("complex", 2), ("complex", 4), ("real", 1))
    for batch in (1, 8, 32)
]

Pair = tuple[dict[str, Any], Callable[[], Any], dict[str, Callable[[], Any]]]


def step(function: Callable, *inputs: tf.Tensor, **options: Any) -> Callable[[], Any]:
    """Value and gradients by the inputs, as one graph."""

    @tf.function(**options)
    def run(*inputs: tf.Tensor) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            y = function(*inputs)
        return tape.gradient(y, inputs)

    return lambda: run(*inputs)


def multiply() -> Iterator[Pair]:
    """The elementwise product."""
    for size, name in MULTIPLY:
        table = algebras.get(name).structure_constants
        d = table.shape[0]
        a, b = (tf.random.normal((size // (256 * d), 256 * d), seed=s) for s in (1, 2))
        ours, composed = _products(table)
        row = {"case": "multiply", "shape": f"{name} {size}"}
        yield (
            {**row, "what": "forward"},
            _graph(ours, a, b),
            {
                "graph": _graph(composed, a, b),
                "xla": _graph(composed, a, b, jit_compile=True),
                "add": _graph(lambda a, b: a + b, a, b),
            },
        )
        yield (
            {**row, "what": "gradients"},
            step(ours, a, b),
            {"graph": step(composed, a, b), "xla": step(composed, a, b, jit_compile=True)},
        )


def _products(table: np.ndarray) -> tuple[Callable, Callable]:
    d = table.shape[0]
    terms = [
        [(i, j, float(table[i, j, k])) for i, j in np.argwhere(table[:, :, k])] for k in range(d)
    ]

    def composed(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        p, q = tf.split(a, d, -1), tf.split(b, d, -1)
        parts = [tf.add_n([c * p[i] * q[j] for i, j, c in terms[k]]) for k in range(d)]
        return tf.concat(parts, -1)

    return lambda a, b: native.multiply(a, b, table), composed


def wavelet() -> Iterator[Pair]:
    """The modulus of wavelet responses, reflected at the edges."""
    rng = np.random.default_rng(0)
    for batch, height, width, n, count, k, stride in WAVELET:
        x = tf.constant(rng.normal(size=(batch, height, width, n)), "float32")
        filters = rng.normal(size=(2, count, k, k)).astype("float32")
        opposite = filters[:, :, ::-1, ::-1]
        filters = np.stack([filters[0] + opposite[0], filters[1] - opposite[1]])
        ours, *forms = _moduli(x.shape, filters, stride)
        forms = dict(zip(("depthwise", "one by one"), forms, strict=True))
        peers = {
            "forward": {name: _graph(form, x) for name, form in forms.items()},
            "gradients": {name: step(form, x) for name, form in forms.items()},
        }
        if importlib.util.find_spec("torch"):
            peers["forward"]["torch"], peers["gradients"]["torch"] = _torch(
                x.numpy(), filters, stride
            )
        shape = f"{batch}x{height}x{width}x{n} L{count} {k}x{k} s{stride}"
        row = {"case": "wavelet", "shape": shape}
        yield {**row, "what": "forward"}, _graph(ours, x), peers["forward"]
        yield {**row, "what": "gradients"}, step(ours, x), peers["gradients"]


def _moduli(shape: tf.TensorShape, filters: np.ndarray, stride: int) -> list[Callable]:
    _, height, width, n = shape
    count, k, _ = filters.shape[1:]
    rows, columns = (np.pad(np.arange(size), k // 2, mode="reflect") for size in (height, width))
    kernel = filters.reshape(2 * count, k, k).transpose(1, 2, 0)[:, :, None].repeat(n, axis=2)
    edge = [k // 2] * 2

    def responses(x: tf.Tensor, kernel: np.ndarray) -> tf.Tensor:
        return tf.nn.depthwise_conv2d(x, kernel, [1, stride, stride, 1], "VALID")

    def padded(x: tf.Tensor) -> tf.Tensor:
        return tf.pad(x, [[0, 0], edge, edge, [0, 0]], mode="REFLECT")

    def depthwise(x: tf.Tensor) -> tf.Tensor:
        y = responses(padded(x), kernel)
        y = tf.reshape(y, (*y.shape[:3], n, 2, count))
        return tf.sqrt(tf.reduce_sum(tf.square(y), axis=-2) + 1e-12)

    def one_by_one(x: tf.Tensor) -> tf.Tensor:
        x = padded(x)
        parts = [responses(x, kernel[..., i : i + 1]) for i in range(2 * count)]
        pairs = zip(parts[:count], parts[count:], strict=True)
        return tf.stack([tf.sqrt(a * a + b * b + 1e-12) for a, b in pairs], axis=-1)

    return [
        lambda x: native.wavelet_modulus(x, filters, rows, columns, (stride, stride), 1),
        depthwise,
        one_by_one,
    ]


def lowest() -> Iterator[Pair]:
    """The selection of a mask update, of random scores."""
    for size in LOWEST:
        scores = np.abs(np.random.default_rng(0).normal(size=size)).astype("float32")
        yield (
            {"case": "lowest", "shape": str(size), "what": "forward"},
            lambda scores=scores: native.lowest(scores, scores.size // 2),
            {
                "sort": lambda scores=scores: np.sort(scores)[scores.size // 2],
                "partition": lambda scores=scores: np.partition(scores, scores.size // 2),
            },
        )


def coded() -> Iterator[Pair]:
    """Dense products with codes that are drawn at random."""
    rng = np.random.default_rng(0)
    for name, bits, size, batch in CODED:
        algebra = algebras.get(name)
        points = phase_matmul.codebook(algebra, bits)
        codes = rng.integers(0, len(points), (size, size))
        scale = tf.constant(rng.uniform(0.5, 2, size), "float32")
        packed = tf.constant(phase_matmul.pack(codes, bits))
        kernel = tf.constant(np.moveaxis(points[codes], -1, 0) * scale.numpy(), "float32")
        x = tf.constant(rng.normal(size=(batch, algebra.dimension * size)), "float32")
        ours, matmul, *methods = _coded_forms(algebra, points, packed, scale, kernel)
        peers = {"matmul": _graph(matmul, x)}
        if algebra.dimension > 1:
            peers |= {"factored": _graph(methods[0], x), "native": _graph(methods[1], x)}
        row = {"case": "coded", "shape": f"{name} {size} {bits} bit batch {batch}"}
        yield {**row, "what": "forward"}, _graph(ours, x), peers


def _coded_forms(
    algebra: algebras.Algebra,
    points: np.ndarray,
    codes: tf.Tensor,
    scale: tf.Tensor,
    kernel: tf.Tensor,
) -> list[Callable]:
    block = tf.constant(product.expand_kernel(kernel, algebra))
    factored, native_method = (dispatch.get(method, algebra) for method in ("factored", "native"))
    return [
        lambda x: phase_matmul.phase_matmul(x, codes, scale, algebra, points),
        lambda x: tf.linalg.matmul(x, block),
        lambda x: factored(x, kernel, algebra),
        lambda x: native_method(x, kernel, algebra),
    ]


def _graph(function: Callable, *inputs: tf.Tensor, **options: Any) -> Callable[[], Any]:
    run = tf.function(function, **options)
    return lambda: run(*inputs)


def _torch(x: np.ndarray, filters: np.ndarray, stride: int) -> tuple[Callable, Callable]:
    import torch

    torch.set_num_threads(_THREADS.value)
    n, count, k = x.shape[-1], filters.shape[1], filters.shape[-1]
    x = torch.tensor(x.transpose(0, 3, 1, 2).copy())
    kernel = torch.tensor(np.tile(filters.reshape(2 * count, 1, k, k), (n, 1, 1, 1)))

    def function(x: Any) -> Any:
        x = torch.nn.functional.pad(x, (k // 2,) * 4, mode="reflect")
        y = torch.nn.functional.conv2d(x, kernel, stride=stride, groups=n)
        y = y.reshape(x.shape[0], n, 2, count, *y.shape[2:])
        return (y.square().sum(2) + 1e-12).sqrt()

    def forward() -> Any:
        with torch.no_grad():
            return function(x)

    def gradients() -> Any:
        leaf = x.clone().requires_grad_(True)
        function(leaf).sum().backward()
        return leaf.grad

    return forward, gradients


_MAKERS = {"multiply": multiply, "wavelet": wavelet, "lowest": lowest, "coded": coded}


def main(argv: list[str]) -> None:
    del argv
    chosen = (pair for case in _CASES.value for pair in _MAKERS[case]())
    cases = ((row, 2, ours, peers) for row, ours, peers in chosen)
    compare_native("native_operations", cases, _THREADS.value, _ROUNDS.value)


if __name__ == "__main__":
    app.run(main)
