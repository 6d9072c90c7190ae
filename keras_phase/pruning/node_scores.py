"""Scores of nodes: from weights alone, and from what the nodes do on data.

| score | of a node |
|---|---|
| eigenvalue | `|lambda_out|` with one set of eigenvalues, else the norm of its spectral weights |
| connectivity | sum of the moduli of the weights that lead to it |
| kernel_norm | their Euclidean norm |
| response | root mean square of what it adds to what the next layers sum up |
| selection | how early it is chosen when the layer is built up again, node by node |
"""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from .. import algebras, parametrizations
from ..ops.product import expand_kernel
from ..registry import Registry
from .node_graph import NODE_LAYERS, Signal, Step, steps
from .node_rules import apply, mixes_channels
from .targets import Target

Tensor = Any

# From `(target, readers)` to a score of every output element, `(out,)`; the lowest goes first.
SCORES = Registry("node score")
# Those that look at data.
WITH_DATA = ("response", "selection")

# Of so many nodes chosen, one more is chosen at a time by `selection`.
_CHOSEN_PER_STEP = 40
_MAX_SAMPLES = 2000


@dataclass(frozen=True)
class Reader:
    """A layer that sums up what nodes make.

    Attributes:
        layer: the layer.
        rows: `(channels, nodes)`, 1 where a channel that it reads comes from a node.
        inputs: `(samples, channels)`, what it reads on the data; places count as samples.
        weights: `(channels, window * outputs)`, its real kernel.
    """

    layer: keras.layers.Layer
    rows: np.ndarray
    inputs: np.ndarray
    weights: np.ndarray

    @property
    def classifies(self) -> bool:
        """Whether it makes probabilities of what each node gives to it as one number."""
        one_each = np.array_equal(self.rows, np.eye(len(self.rows)))
        return isinstance(self.layer, NODE_LAYERS) and mixes_channels(self.layer) and one_each

    def energy(self) -> np.ndarray:
        """`(nodes, nodes)`: mean products of what two nodes add; their sum is the mean square.

        Of a convolution the places under the window count as unrelated.
        """
        weights = self.weights
        if mixes_channels(self.layer):  # a common shift of all classes changes nothing
            weights = weights - weights.mean(axis=1, keepdims=True)
        moments = self.inputs.T @ self.inputs / len(self.inputs)
        return self.rows.T @ (moments * (weights @ weights.T)) @ self.rows


@SCORES.register("eigenvalue")
def eigenvalue(target: Target, readers: list[Reader]) -> np.ndarray:
    """`|lambda_out|` with one set of eigenvalues, else the norm of `(lambda_in - lambda_out) phi`.

    Raises:
        ValueError: if the layer has no eigenvalues.
    """
    p = target.parametrization
    try:
        return p.node_scores()
    except AttributeError:
        raise ValueError(
            f"The layer '{target.layer_path}' has no eigenvalues to rank its nodes by: it is not "
            "spectral. Use by='connectivity' or 'kernel_norm', make it a SpectralDense, or choose "
            f"other layers with `layers`. Received: by='eigenvalue', {type(p).__name__} kernel"
        ) from None


@SCORES.register("connectivity")
def connectivity(target: Target, readers: list[Reader]) -> np.ndarray:
    """Sum of the moduli of the weights that lead to the node."""
    return np.linalg.norm(_kernel(target), axis=0).reshape(-1, target.shape[-1]).sum(axis=0)


@SCORES.register("kernel_norm")
def kernel_norm(target: Target, readers: list[Reader]) -> np.ndarray:
    """Euclidean norm of the weights that lead to the node."""
    return np.linalg.norm(_kernel(target).reshape(-1, target.shape[-1]), axis=0)


@SCORES.register("response")
def response(target: Target, readers: list[Reader]) -> np.ndarray:
    """`sqrt(mean(a_j^2) sum_k w_jk^2)`: the root mean square of what it adds to its readers.

    The weights to classes under softmax count without their mean over the classes.
    """
    return np.sqrt(sum(np.maximum(np.diag(r.energy()), 0) for r in readers))


@SCORES.register("selection")
def selection(target: Target, readers: list[Reader]) -> np.ndarray:
    """The layer is built up again from nothing; what is chosen early scores high, in (0, 1].

    Chosen is the node that brings what the readers sum up nearest to what they sum up intact. Where
    the reader is the layer of the classes, near means a small cross-entropy between the intact
    network's probabilities and those of the chosen nodes (its second-order change, one node); else
    a large correlation, which a common factor does not change. So nodes that repeat each other, or
    that cancel, are told from nodes that matter. Labels are not used. Every layer has the same
    scores, so all lose the same fraction.
    """
    if len(readers) == 1 and readers[0].classifies:
        order = _by_probabilities(readers[0])
    else:
        order = _by_correlation(sum(r.energy() for r in readers))
    scores = np.empty(len(order))
    scores[order] = 1 - np.arange(len(order)) / len(order)
    return np.where(_kernel(target).reshape(-1, target.shape[-1]).any(axis=0), scores, 0)


def _by_correlation(energy: np.ndarray) -> np.ndarray:
    """Nodes in the order in which they are chosen."""
    n = len(energy)
    own, whole = np.diag(energy), energy.sum(axis=1)
    order, free = [], np.ones(n, bool)
    along, square, across = 0.0, 0.0, np.zeros(n)
    for _ in range(n):
        lengths = np.sqrt(np.maximum(square + 2 * across + own, 1e-30))
        j = int(np.where(free, (along + whole) / lengths, -np.inf).argmax())
        along, square = along + whole[j], square + 2 * across[j] + own[j]
        across = across + energy[j]
        free[j] = False
        order.append(j)
    return np.array(order)


def _by_probabilities(reader: Reader) -> np.ndarray:
    """Nodes in the order in which they are chosen."""
    values = reader.inputs[:: max(1, len(reader.inputs) // _MAX_SAMPLES)].astype("float32")
    weights = reader.weights.astype("float32")
    weights = weights - weights.mean(axis=1, keepdims=True)
    bias = reader.layer.bias
    start = 0.0 if bias is None else ops.convert_to_numpy(bias).astype("float32")
    wanted = _softmax(values @ weights + start)
    squares, value_squares = weights**2, values**2
    sums = np.zeros_like(wanted) + start
    order: list[int] = []
    free = np.ones(len(weights), bool)
    while free.any():
        now = _softmax(sums)
        slope = ((now - wanted).T @ values * weights.T).sum(axis=0)
        spread = now @ squares.T - (now @ weights.T) ** 2
        change = slope + 0.5 * (value_squares * spread).sum(axis=0)
        count = min(1 + len(order) // _CHOSEN_PER_STEP, int(free.sum()))
        chosen = np.argsort(np.where(free, change, np.inf), kind="stable")[:count]
        sums = sums + values[:, chosen] @ weights[chosen]
        free[chosen] = False
        order.extend(chosen.tolist())
    return np.array(order)


def _softmax(x: np.ndarray) -> np.ndarray:
    p = np.exp(x - x.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def _kernel(target: Target) -> np.ndarray:
    return ops.convert_to_numpy(ops.cast(target.kernel(), "float32")).astype("float64")


def readers_of(
    model: keras.Model, layers: list[keras.layers.Layer], data: Any, batch_size: int = 256
) -> list[list[Reader]]:
    """For each of the layers the layers that sum up its nodes, with what they read on `data`.

    Args:
        model: a built Sequential or functional model.
        layers: node layers of it.
        data: inputs of the model.
        batch_size: of the evaluation.

    Raises:
        ValueError: if no layer is found that reads a layer's nodes, or as `node_graph.steps`.
    """
    chain = steps(model)
    signals: dict[int, Signal] = {}
    for t in tree.flatten(model.inputs):
        signals[id(t)] = Signal.whole(len(t.shape) - 1, t.shape[-1])
    reading: list[tuple[Step, Signal]] = []
    for step in chain:
        if isinstance(step.operation, NODE_LAYERS):
            reading.append((step, signals[step.inputs[0]]))
        signals[step.outputs[0]] = apply(step, [signals[i] for i in step.inputs], None).signal
        for other, shape in zip(step.outputs[1:], step.shapes[1:], strict=True):
            signals[other] = Signal.whole(len(shape) - 1, shape[-1] if shape else 0)
    places = {id(layer): i for i, layer in enumerate(layers)}
    names = {layer.name: layer for layer in layers}
    found: list[list[Reader]] = [[] for _ in layers]
    wanted = [
        (step, signal)
        for step, signal in reading
        if any(name in names for nodes in signal.origin for name, _ in nodes)
    ]
    for (step, signal), values in zip(
        wanted, _inputs(model, wanted, data, batch_size), strict=True
    ):
        weights = _real_kernel(step.operation)
        for name in sorted({name for nodes in signal.origin for name, _ in nodes} & set(names)):
            layer = names[name]
            rows = np.zeros((len(signal.keep), getattr(layer, "units", 0) or layer.filters))
            for channel, nodes in enumerate(signal.origin):
                for other, j in nodes:
                    if other == name:
                        rows[channel, j] = 1
            found[places[id(layer)]].append(Reader(step.operation, rows, values, weights))
    for layer, some in zip(layers, found, strict=True):
        if not some:
            raise ValueError(
                f"No dense layer or convolution was found that reads the nodes of '{layer.name}'; "
                "scores with data rank nodes by what they give to such layers. Use "
                f"by='kernel_norm' for it. Received: model '{model.name}'"
            )
    return found


def _real_kernel(layer: Any) -> np.ndarray:
    (p,) = parametrizations.of(layer)
    algebra = getattr(layer, "algebra", algebras.get("real"))
    kernel = ops.convert_to_numpy(expand_kernel(ops.cast(p.kernel(), "float32"), algebra))
    kernel = np.tile(kernel, (*(1,) * (kernel.ndim - 2), getattr(layer, "groups", 1), 1))
    kernel = np.moveaxis(kernel, -2, 0)
    return kernel.reshape(len(kernel), -1).astype("float64")


def _inputs(
    model: keras.Model, reading: list[tuple[Step, Signal]], data: Any, batch_size: int
) -> list[np.ndarray]:
    """What the layers of those steps read, `(samples, channels)`."""
    if isinstance(model, keras.Sequential):
        x, seen = data, {}
        wanted = {id(step.operation) for step, _ in reading}
        for layer in model.layers:
            if id(layer) in wanted:
                seen[id(layer)] = x
            x = _in_batches(layer, x, batch_size)
        values = [seen[id(step.operation)] for step, _ in reading]
    else:
        tensors = [step.operation.input for step, _ in reading]
        values = keras.Model(model.inputs, tensors).predict(data, batch_size, verbose=0)
        values = values if isinstance(values, list | tuple) else [values]
    found = []
    for (_, signal), value in zip(reading, values, strict=True):
        flat = np.moveaxis(np.asarray(value, "float64"), signal.axis, -1)
        found.append(flat.reshape(-1, flat.shape[-1]))
    return found


def _in_batches(layer: Any, x: Any, batch_size: int) -> np.ndarray:
    x = np.asarray(x)
    parts = [layer(x[i : i + batch_size]) for i in range(0, len(x), batch_size)]
    return np.concatenate([ops.convert_to_numpy(ops.cast(p, "float32")) for p in parts])
