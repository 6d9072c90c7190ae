"""The dense product and its training step, natively and in the forms one would use instead.

Shapes are batch x real width, to the same real width. Peers:

* `expanded`: one `tf.matmul` with the real block kernel, already built.
* `stock`: the best stock method of this package, factored or matrix.
* `torch`: the block kernel put together from its components and multiplied, in PyTorch.
* `torch complex64`, `torch three`, `numpy`, `tf complex64`: complex numbers as such, or as three
  real products.

    python benchmarks/native_dense.py [--threads 1]
"""

import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from absl import app, flags

from keras_phase import algebras
from keras_phase.ops import dispatch
from keras_phase.ops.product import expand_kernel
from pairing import Case, compare_native

_THREADS = flags.DEFINE_integer("threads", 1, "Threads of both sides.")
_ROUNDS = flags.DEFINE_integer("rounds", 15, "Paired rounds.")
_ALGEBRAS = flags.DEFINE_list("algebras", None, "Only these.")

SHAPES = {
    "quaternion": [(32, 256), (128, 512), (1024, 1024), (128, 2048)],
    "complex": [(32, 256), (128, 512), (1024, 1024)],
    "m2c": [(128, 512), (128, 2048)],
    "cross": [(128, 510), (128, 2046)],
    "dual": [(128, 512), (128, 2048)],
}
# What a round should take at least, in multiplications of the expanded form.
WORK = 2e8

Forms = dict[str, Callable[[], Any]]


def cases() -> Iterator[Case]:
    """Every algebra and shape, forward and in training."""
    rng = np.random.default_rng(0)
    for name, shapes in SHAPES.items():
        if _ALGEBRAS.value and name not in _ALGEBRAS.value:
            continue
        algebra = algebras.get(name)
        d = algebra.dimension
        for batch, width in shapes:
            x, slope = (rng.normal(size=(batch, width)).astype("float32") for _ in range(2))
            kernel = rng.normal(size=(d, width // d, width // d)).astype("float32") / width**0.5
            for what in ("forward", "train"):
                build = tensorflow_forward if what == "forward" else tensorflow_train
                peers = _tensorflow_peers(build, algebra, x, kernel, slope)
                if d == 2 and name == "complex":
                    peers |= numpy_forms(what, x, kernel, slope)
                if importlib.util.find_spec("torch"):
                    peers |= torch_forms(what, algebra, x, kernel, slope)
                ours = build(_method("native", algebra), x, kernel, slope)
                row = {"algebra": name, "shape": f"{batch}x{width}", "what": what}
                yield row, max(1, int(WORK / batch / width**2)), ours, peers


def _method(name: str, algebra: algebras.Algebra) -> Callable:
    product = dispatch.get(name, algebra)
    return lambda x, kernel: product(x, kernel, algebra)


def _tensorflow_peers(
    build: Callable, algebra: algebras.Algebra, x: np.ndarray, kernel: np.ndarray, slope: np.ndarray
) -> Forms:
    block = np.asarray(expand_kernel(tf.constant(kernel), algebra))
    stock = "matrix" if algebra.matrix is not None else "factored"
    peers = {
        "expanded": build(tf.matmul, x, block, slope),
        "stock": build(_method(stock, algebra), x, kernel, slope),
    }
    if algebra.name == "complex":
        peers["tf complex64"] = build(tf.matmul, *map(_as_complex, (x, kernel, slope)))
    return peers


def _as_complex(a: np.ndarray) -> np.ndarray:
    real, imag = a if a.ndim == 3 else np.split(a, 2, axis=-1)
    return (real + 1j * imag).astype("complex64")


def tensorflow_forward(
    product: Callable, x: np.ndarray, kernel: np.ndarray, slope: np.ndarray
) -> Callable[[], Any]:
    """The product, as a graph."""
    run, x, kernel = tf.function(product), tf.constant(x), tf.Variable(kernel)
    return lambda: run(x, kernel)


def tensorflow_train(
    product: Callable, x: np.ndarray, kernel: np.ndarray, slope: np.ndarray
) -> Callable[[], Any]:
    """The product and both gradients, as a graph."""
    x, kernel, slope = tf.constant(x), tf.Variable(kernel), tf.constant(slope)

    @tf.function
    def run(x: tf.Tensor) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = product(x, kernel)
        return y, tape.gradient(y, [x, kernel], output_gradients=slope)

    return lambda: run(x)


def numpy_forms(what: str, x: np.ndarray, kernel: np.ndarray, slope: np.ndarray) -> Forms:
    """Complex matrices."""
    x, kernel, slope = map(_as_complex, (x, kernel, slope))
    if what == "forward":
        return {"numpy": lambda: x @ kernel}
    return {"numpy": lambda: (x @ kernel, slope @ kernel.conj().T, x.conj().T @ slope)}


def torch_forms(
    what: str, algebra: algebras.Algebra, x: np.ndarray, kernel: np.ndarray, slope: np.ndarray
) -> Forms:
    """The usual form, and for complex numbers two more."""
    import torch

    torch.set_num_threads(_THREADS.value)
    table, d = algebra.structure_constants, algebra.dimension

    def block(w: Any) -> Any:
        def part(i: int, k: int) -> Any:
            """What component k of the result gets of component i of the input."""
            terms = [w[j] * float(table[j, i, k]) for j in np.flatnonzero(table[:, i, k])]
            return sum(terms[1:], start=terms[0]) if terms else torch.zeros_like(w[0])

        return torch.cat([torch.cat([part(i, k) for k in range(d)], 1) for i in range(d)])

    def three(x: Any, w: Any) -> Any:
        a, b = x.chunk(2, -1)
        p, q, r = a @ w[0], b @ w[1], (a + b) @ (w[0] + w[1])
        return torch.cat([p - q, r - p - q], -1)

    forms = {"torch": (lambda x, w: x @ block(w), (x, kernel, slope))}
    if algebra.name == "complex":
        numbers = tuple(map(_as_complex, (x, kernel, slope)))
        forms["torch complex64"] = (lambda x, w: x @ w, numbers)
        forms["torch three"] = (three, (x, kernel, slope))
    return {name: _torch_form(what, *form) for name, form in forms.items()}


def _torch_form(what: str, product: Callable, arrays: tuple) -> Callable[[], Any]:
    import torch

    x, kernel, slope = map(torch.tensor, arrays)

    def forward() -> Any:
        with torch.no_grad():
            return product(x, kernel)

    def train() -> Any:
        leaves = [x.detach().requires_grad_(True), kernel.detach().requires_grad_(True)]
        y = product(*leaves)
        return y, torch.autograd.grad(y, leaves, slope)

    return forward if what == "forward" else train


def main(argv: list[str]) -> None:
    del argv
    compare_native("native_dense", cases(), _THREADS.value, _ROUNDS.value)


if __name__ == "__main__":
    app.run(main)
