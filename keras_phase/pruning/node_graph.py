"""The graph of a model as steps, and what is known of every channel on the way.

Removing nodes needs to know what a removed node fed. `Signal` follows the channels of a tensor:
which of them go, what constant each of these has been (a node without weights is the constant
`f(b)`), and which nodes it comes from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import keras
import numpy as np
from keras import tree

from ..layers.convolution import ConvolutionBody
from ..layers.dense import DenseBody

# Layers whose output elements are nodes that can be removed.
NODE_LAYERS = (
    keras.layers.Dense,
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    DenseBody,
    ConvolutionBody,
)

Node = tuple[str, int]


@dataclass(frozen=True)
class Step:
    """One operation of a model.

    Attributes:
        operation: the layer, or an operation of `keras.ops`.
        inputs: ids of the tensors that it reads.
        outputs: ids of those that it makes.
        ranks: ranks of its inputs.
        shapes: shapes of its outputs.
    """

    operation: Any
    inputs: list[int]
    outputs: list[int]
    ranks: list[int]
    shapes: list[tuple]

    @property
    def title(self) -> str:
        """How errors call it."""
        return f"{type(self.operation).__name__} '{self.operation.name}'"


@dataclass(frozen=True)
class Signal:
    """The channels of one tensor.

    Attributes:
        axis: the axis of the channels, the batch counted.
        keep: `(channels,)`, False for those that go.
        value: `(channels,)`, the constant that a channel that goes has been, everywhere.
        origin: for every channel the nodes that it comes from; empty where they cannot go.
    """

    axis: int
    keep: np.ndarray
    value: np.ndarray
    origin: list[frozenset[Node]]

    @classmethod
    def whole(cls, axis: int, size: int | None) -> Self:
        """All channels stay."""
        n = size or 0
        return cls(axis, np.ones(n, bool), np.zeros(n), [frozenset()] * n)

    @property
    def is_whole(self) -> bool:
        """Whether all channels stay."""
        return bool(self.keep.all())

    def elements(self, dimension: int) -> np.ndarray:
        """`(n,)`: whether an element of the algebra stays.

        Raises:
            Keep: if a part of an element goes and another one stays.
        """
        parts = self.keep.reshape(dimension, -1)
        if (parts.any(axis=0) != parts.all(axis=0)).any():
            raise self.stop()
        return parts.all(axis=0)

    def stop(self, which: np.ndarray | None = None) -> "Keep":
        """The request that these channels (all that go) stay after all."""
        gone = ~self.keep if which is None else ~self.keep & which
        return Keep(frozenset().union(*(self.origin[i] for i in np.flatnonzero(gone))))


class Keep(Exception):
    """Some nodes cannot go, since what reads them needs their channels."""

    def __init__(self, nodes: frozenset[Node]):
        super().__init__(f"{len(nodes)} nodes have to stay")
        self.nodes = nodes


def steps(model: keras.Model) -> list[Step]:
    """The operations of a sequential or functional model, each after those it reads.

    Raises:
        ValueError: if the model is not built, is neither of these, or uses a layer several times.
    """
    if not model.built:
        raise ValueError(
            f"The model '{model.name}' is not built. Give it an `Input`, or call it on data, first."
            " Received: model.built=False"
        )
    if getattr(model, "inputs", None) is None or not hasattr(model, "operations"):
        if not isinstance(model, keras.Sequential):
            raise ValueError(
                f"The connections of the layers of '{model.name}' are unknown: expected a "
                f"Sequential or functional model. Received: a {type(model).__name__}"
            )
    if isinstance(model, keras.Sequential):
        # Its layers may stand in other models, too, so their own tensors say nothing.
        ends = [id(model.inputs[0]), *map(id, model.layers[:-1]), id(model.outputs[0])]
        return [_step(layer, [ends[i]], [ends[i + 1]]) for i, layer in enumerate(model.layers)]
    _refuse_shared(model)
    known = {id(t) for t in tree.flatten(model.inputs)}
    found = []
    for operation in model.operations:
        if isinstance(operation, keras.layers.InputLayer):
            continue
        read, made = ([id(t) for t in tree.flatten(x)] for x in (operation.input, operation.output))
        if not known.issuperset(read):
            raise _shared(model, operation)
        known.update(made)
        found.append(_step(operation, read, made))
    return found


def _step(operation: Any, read: list[int], made: list[int]) -> Step:
    ranks = [len(t.shape) for t in tree.flatten(operation.input)]
    return Step(
        operation, read, made, ranks, [tuple(t.shape) for t in tree.flatten(operation.output)]
    )


def _refuse_shared(model: keras.Model) -> None:
    """`operation.input` is that of the first call only; a config tells of all."""
    for entry in model.get_config()["layers"]:
        if len(entry["inbound_nodes"]) > 1:
            name = entry.get("name") or entry["config"]["name"]
            raise _shared(model, next(o for o in model.operations if o.name == name))


def _shared(model: keras.Model, operation: Any) -> ValueError:
    return ValueError(
        f"{type(operation).__name__} '{operation.name}' is called several times (a shared layer), "
        "so its nodes have several places. Expected layers that are called once; "
        "`keras.models.clone_model` separates two models. "
        f"Received: model '{model.name}'"
    )


def consumers(model: keras.Model, layer: keras.layers.Layer, kinds: Sequence[type]) -> list[Any]:
    """Layers of these kinds that read directly what `layer` makes."""
    chain = steps(model)
    made = next(set(s.outputs) for s in chain if s.operation is layer)
    return [
        s.operation for s in chain if isinstance(s.operation, tuple(kinds)) and made & set(s.inputs)
    ]
