"""How each kind of layer loses channels: what comes out of it, and the smaller layer.

A rule takes a `Step` and the `Signal`s that it reads. It returns the signal that it makes, the
changes of the layer's config, and how the smaller layer gets its weights. Rules raise `Keep` for
nodes that have to stay, and `ValueError` for layers that cannot lose channels.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops, tree

from .. import algebras, layers, parametrizations
from ..layers.activation import ActivationBody
from ..layers.batch_normalization import BatchNormalizationBody
from ..layers.conversion import FromAlgebraBody, ModulusBody, PhaseEncodeBody, ToAlgebraBody
from ..layers.dropout import DropoutBody
from ..layers.reshaping import ConcatenateBody, FlattenBody
from ..ops.product import expand_kernel
from .node_graph import NODE_LAYERS, Keep, Node, Signal, Step, steps

Tensor = Any


class Outcome(NamedTuple):
    """What becomes of a layer.

    Attributes:
        signal: of its output.
        config: what changes in its config.
        fill: puts the weights into the smaller layer, given it; None copies them all.
    """

    signal: Signal
    config: Mapping[str, Any] = {}
    fill: Callable[[Any], None] | None = None


def apply(step: Step, signals: list[Signal], stay: frozenset[Node] | None) -> Outcome:
    """The outcome of a step.

    Args:
        step: the step.
        signals: of its inputs.
        stay: nodes that must not go; None: all of them, to see only where they lead.

    Raises:
        Keep: if more nodes have to stay.
        ValueError: if the layer cannot lose channels; the message names it.
    """
    operation = step.operation
    if isinstance(operation, NODE_LAYERS):
        return _node_layer(step, signals[0], stay)
    for classes, rule in _RULES:
        if isinstance(operation, classes):
            return rule(step, signals)
    if not isinstance(operation, keras.layers.Layer) and type(operation).__name__ in _OPERATIONS:
        return _merge(step, signals)
    return _opaque(step, signals)


def output_layers(model: keras.Model) -> set[int]:
    """Ids of the node layers that make the outputs of the model: their nodes cannot go."""
    wanted = {id(t) for t in tree.flatten(model.outputs)}
    passing = tuple(cls for classes, _ in _RULES for cls in classes)
    found = set()
    for step in reversed(steps(model)):
        layer = step.operation
        if wanted.isdisjoint(step.outputs):
            continue
        if isinstance(layer, NODE_LAYERS):
            found.add(id(layer))
        elif isinstance(layer, passing) or not getattr(layer, "weights", None):
            wanted |= set(step.inputs)
    return found


def mixes_channels(layer: keras.layers.Layer) -> bool:
    """Whether the layer's activation computes a channel from others, as softmax does."""
    from ..activations import get

    try:
        get(getattr(layer, "activation", None)).check(algebras.get("complex"))
    except ValueError:
        return True
    return False


def _opaque(step: Step, signals: list[Signal]) -> Outcome:
    if not all(s.is_whole for s in signals):
        gone = {name for s in signals for name, _ in s.stop().nodes}
        raise ValueError(
            f"{step.title} cannot lose inputs, so the model cannot be shrunk: removed nodes of "
            f"{', '.join(map(repr, sorted(gone)))} feed it. Leave those layers out when pruning "
            "nodes (`layers=`), or keep the masked model. Expected: Dense, Conv, their Algebra, "
            "Phase and Spectral forms, batch normalization, activations, dropout, pooling, "
            f"Flatten, Add and Concatenate. Received: model with {step.title}"
        )
    shape = step.shapes[0]
    return Outcome(Signal.whole(len(shape) - 1, shape[-1] if shape else 0))


def _whole(step: Step, signals: list[Signal]) -> Outcome:
    """An outcome with all channels, for connections that are not followed.

    Raises:
        Keep: if channels of the inputs go.
    """
    if not all(s.is_whole for s in signals):
        raise Keep(frozenset().union(*(s.stop().nodes for s in signals)))
    return Outcome(Signal.whole(len(step.shapes[0]) - 1, step.shapes[0][-1]))


def _node_layer(step: Step, signal: Signal, stay: frozenset[Node] | None) -> Outcome:
    layer = step.operation
    algebra = getattr(layer, "algebra", algebras.get("real"))
    d, rank = algebra.dimension, step.ranks[0]
    first = getattr(layer, "data_format", "channels_last") == "channels_first"
    axis = 1 if first else rank - 1
    if not signal.is_whole and signal.axis != axis:
        raise signal.stop()
    (p,) = parametrizations.of(layer)
    kernel = ops.convert_to_numpy(ops.cast(p.kernel(), "float32")).astype("float64")
    if np.isnan(kernel).any():
        raise ValueError(
            f"The kernel of {step.title} is NaN in places, so its nodes cannot be told apart. "
            f"Expected finite weights. Received: {int(np.isnan(kernel).sum())} NaN"
        )
    grouped = getattr(layer, "groups", 1) > 1
    if grouped and not signal.is_whole:
        raise signal.stop()
    inputs = signal.elements(d)
    # Zeros of the padding are no constant: what a node adds there differs from the middle.
    padded = getattr(layer, "padding", "valid") != "valid" and max(layer.kernel_size) > 1
    constant = ~signal.keep & (signal.value != 0)
    if padded and constant.any():
        raise signal.stop(constant)
    bias = np.zeros(d * kernel.shape[-1])
    if layer.bias is not None:
        bias = bias + ops.convert_to_numpy(layer.bias)
    folded = bias
    if constant.any():
        expanded = ops.convert_to_numpy(expand_kernel(ops.convert_to_tensor(kernel), algebra))
        expanded = expanded.reshape(-1, *expanded.shape[-2:]).sum(axis=0)
        folded = bias + np.where(signal.keep, 0, signal.value) @ expanded
    read = kernel if grouped else kernel[..., inputs, :]
    alive = read.reshape(-1, kernel.shape[-1]).any(axis=0)
    if stay is None or grouped or mixes_channels(layer):
        alive[:] = True
    alive[[j for name, j in stay or () if name == layer.name]] = True
    if not alive.any():
        raise ValueError(
            f"{step.title} has no node with weights left, so shrinking would empty it. Prune less, "
            "or with scope='layer', which leaves one node at least. "
            f"Received: {len(alive)} nodes, all removed"
        )
    value = _activated(layer, folded)
    channels = np.tile(alive, d)
    origin = [frozenset({(layer.name, j)}) for j in range(len(alive))] * d
    chosen_in, chosen_out = np.flatnonzero(inputs), np.flatnonzero(alive)
    needs_bias = layer.bias is not None or bool(folded[channels].any())

    def fill(new: Any) -> None:
        (target,) = parametrizations.of(new)
        target.select(p, np.arange(p.shape[-2]) if grouped else chosen_in, chosen_out)
        if new.bias is not None:
            new.bias.assign(folded[channels])
        inner = getattr(layer, "_activation_layer", None)
        if inner is not None:
            new._activation_layer.set_weights([w[alive] for w in inner.get_weights()])

    size = "units" if hasattr(layer, "units") else "filters"
    config = {size: int(alive.sum()), "use_bias": needs_bias}
    out_axis = 1 if first else len(step.shapes[0]) - 1
    return Outcome(Signal(out_axis, channels, value, origin), config, fill)


def _activated(layer: Any, x: np.ndarray) -> np.ndarray:
    """The activation of a node layer at a vector of all its channels."""
    x = ops.cast(ops.convert_to_tensor(x[None]), layer.compute_dtype)
    activate = getattr(layer, "_activate_last", None) or layer.activation
    y = x if activate is None else activate(x)
    return ops.convert_to_numpy(ops.cast(y, "float32"))[0].astype("float64")


def _probe(step: Step, signal: Signal, **call: Any) -> np.ndarray:
    """What a layer that treats channels apart makes of the constants."""
    rank = step.ranks[0]
    shape = [1] * rank
    shape[signal.axis] = -1
    x = ops.reshape(ops.convert_to_tensor(signal.value), shape)
    x = ops.cast(x, getattr(step.operation, "compute_dtype", None) or "float32")
    y = step.operation.call(x, **call)
    return ops.convert_to_numpy(ops.cast(y, "float32")).ravel().astype("float64")


def _unchanged(step: Step, signals: list[Signal]) -> Outcome:
    """Dropout and noise, which do nothing when the model is used."""
    return Outcome(signals[0])


def _activation(step: Step, signals: list[Signal]) -> Outcome:
    (signal,), layer = signals, step.operation
    if signal.is_whole:
        return Outcome(signal)
    if mixes_channels(layer):
        return _opaque(step, signals)
    fill = None
    if isinstance(layer, ActivationBody):
        if signal.axis != step.ranks[0] - 1:
            raise signal.stop()
        alive = signal.elements(layer.algebra.dimension)

        def fill(new: Any) -> None:
            new.set_weights([w[alive] for w in layer.get_weights()])

    value = _probe(step, signal)
    return Outcome(Signal(signal.axis, signal.keep, value, signal.origin), {}, fill)


def _batch_normalization(step: Step, signals: list[Signal]) -> Outcome:
    (signal,), layer = signals, step.operation
    if signal.is_whole:
        return Outcome(signal)
    if layer.axis % step.ranks[0] != signal.axis:
        raise signal.stop()
    alive = signal.elements(getattr(layer, "algebra", algebras.get("real")).dimension)

    def fill(new: Any) -> None:
        new.set_weights(
            [
                w[..., signal.keep if w.shape[-1] == len(signal.keep) else alive]
                for w in layer.get_weights()
            ]
        )

    value = _probe(step, signal, training=False)
    return Outcome(Signal(signal.axis, signal.keep, value, signal.origin), {}, fill)


def _places(step: Step, signals: list[Signal]) -> Outcome:
    """Pooling, resizing and cropping: they act on every channel by itself."""
    (signal,), layer = signals, step.operation
    first = getattr(layer, "data_format", "channels_last") == "channels_first"
    if signal.axis != (1 if first else step.ranks[0] - 1):
        return _whole(step, signals)
    pads = isinstance(layer, _PADDING) or getattr(layer, "padding", "valid") == "same"
    constant = ~signal.keep & (signal.value != 0)
    if pads and constant.any():
        raise signal.stop(constant)
    axis = 1 if first else len(step.shapes[0]) - 1
    return Outcome(Signal(axis, signal.keep, signal.value, signal.origin))


def _flatten(step: Step, signals: list[Signal]) -> Outcome:
    """The place of every channel after flattening is found by flattening their numbers."""
    (signal,), layer = signals, step.operation
    shape = list(layer.input.shape)
    if None in shape[1:]:
        return _whole(step, signals)
    numbers = np.arange(shape[signal.axis], dtype="float64")
    numbers = numbers.reshape([-1 if i == signal.axis else 1 for i in range(len(shape))])
    numbers = np.broadcast_to(numbers, (1, *shape[1:]))
    flat = ops.convert_to_numpy(layer.call(ops.convert_to_tensor(numbers)))
    source = np.rint(flat.ravel()).astype(int)
    origin = [signal.origin[i] for i in source]
    return Outcome(Signal(1, signal.keep[source], signal.value[source], origin))


def _merge(step: Step, signals: list[Signal]) -> Outcome:
    """Sums and the like: a channel goes where it goes on all sides."""
    alike = {(s.axis, len(s.keep)) for s in signals}
    if len(alike) > 1 or len(signals) < 2 or len(set(step.ranks)) > 1:
        return _whole(step, signals)
    keep = np.any([s.keep for s in signals], axis=0)
    disagreed = [s.stop(keep).nodes for s in signals]
    if any(disagreed):
        raise Keep(frozenset().union(*disagreed))
    shape = [1] * step.ranks[0]
    shape[signals[0].axis] = -1
    values = [ops.cast(np.reshape(s.value, shape), "float32") for s in signals]
    layer = step.operation
    merged = layer.call(values) if isinstance(layer, keras.layers.Layer) else layer.call(*values)
    origin = [frozenset().union(*nodes) for nodes in zip(*(s.origin for s in signals), strict=True)]
    value = ops.convert_to_numpy(merged).ravel().astype("float64")
    return Outcome(Signal(signals[0].axis, keep, value, origin))


def _concatenate(step: Step, signals: list[Signal]) -> Outcome:
    layer = step.operation
    axis = layer.axis % step.ranks[0]
    if any(s.axis != axis for s in signals):
        return _whole(step, signals)
    d = layer.algebra.dimension if isinstance(layer, ConcatenateBody) else 1
    # Component by component.
    order = [
        (s, i)
        for component in range(d)
        for s in signals
        for i in range(component * len(s.keep) // d, (component + 1) * len(s.keep) // d)
    ]
    keep = np.array([s.keep[i] for s, i in order])
    value = np.array([s.value[i] for s, i in order])
    return Outcome(Signal(axis, keep, value, [s.origin[i] for s, i in order]))


def _conversion(step: Step, signals: list[Signal]) -> Outcome:
    """Into an algebra and out of it, element by element."""
    (signal,), layer = signals, step.operation
    entering = isinstance(layer, ToAlgebraBody | PhaseEncodeBody)
    plain = getattr(layer, "how", "first") == "first" and getattr(layer, "to", "norm") != "complex"
    if not plain or signal.axis != step.ranks[0] - 1:
        return _opaque(step, signals)
    alive = signal.keep if entering else signal.elements(layer.algebra.dimension)
    value = _probe(step, signal)
    copies = len(value) // len(alive)
    origin = signal.origin[: len(alive)] * copies
    return Outcome(Signal(len(step.shapes[0]) - 1, np.tile(alive, copies), value, origin))


def _known(module: Any, *names: str) -> tuple[type, ...]:
    """Those that the installed Keras has."""
    return tuple(getattr(module, name) for name in names if hasattr(module, name))


_stock = keras.layers
_PADDING = _known(_stock, "ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D")
_RULES: list[tuple[tuple[type, ...], Callable[[Step, list[Signal]], Outcome]]] = [
    (
        (
            DropoutBody,
            layers.AlgebraSpatialDropout1D,
            layers.AlgebraSpatialDropout2D,
            layers.AlgebraSpatialDropout3D,
            *_known(
                _stock,
                "Dropout",
                "SpatialDropout1D",
                "SpatialDropout2D",
                "SpatialDropout3D",
                "AlphaDropout",
                "GaussianDropout",
                "GaussianNoise",
                "ActivityRegularization",
                "Identity",
            ),
        ),
        _unchanged,
    ),
    (
        (ActivationBody, *_known(_stock, "Activation", "ReLU", "LeakyReLU", "ELU", "Rescaling")),
        _activation,
    ),
    ((BatchNormalizationBody, _stock.BatchNormalization), _batch_normalization),
    (
        (
            layers.ModulusMaxPooling1D,
            layers.ModulusMaxPooling2D,
            layers.ModulusMaxPooling3D,
            *_PADDING,
            *(
                found
                for rank in "123"
                for found in _known(
                    _stock,
                    f"MaxPooling{rank}D",
                    f"AveragePooling{rank}D",
                    f"GlobalMaxPooling{rank}D",
                    f"GlobalAveragePooling{rank}D",
                    f"UpSampling{rank}D",
                    f"Cropping{rank}D",
                )
            ),
        ),
        _places,
    ),
    ((FlattenBody, _stock.Flatten), _flatten),
    (
        _known(_stock, "Add", "Subtract", "Average", "Multiply", "Maximum", "Minimum"),
        _merge,
    ),
    ((ConcatenateBody, _stock.Concatenate), _concatenate),
    ((FromAlgebraBody, ModulusBody, ToAlgebraBody, PhaseEncodeBody), _conversion),
]
# Operations of `keras.ops` by the name of their class.
_OPERATIONS = ("Add", "Subtract", "Multiply", "Maximum", "Minimum")
