"""A model without its removed nodes: smaller, with the same outputs."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras import tree

from .node_graph import Keep, Node, Signal, steps
from .node_rules import Outcome, apply


def shrink(
    model: keras.Model,
    *,
    change: Callable[[keras.layers.Layer], Mapping[str, Any]] | None = None,
) -> keras.Model:
    """A smaller model that computes what `model` does, without the nodes that have no weights.

    A node (an output element of a dense layer or a convolution) goes if all weights that lead to it
    are 0, as `prune_nodes` and pruning with granularity "node" leave them. If it has been a
    constant `f(b)` that is not 0, what it added moves into the biases of the layers that read it,
    which get one if they have none. Nodes stay where their channel is needed: at the model's
    outputs, in sums whose other side stays, before zero padding if they are not 0, in groups, and
    under an activation across channels.

    `model` stays as it is. If it is compiled, so is the smaller one, with a new optimizer of the
    same settings and count of steps: what the optimizer had collected of the weights is dropped.

    Args:
        model: a built Sequential or functional model of dense layers and convolutions (stock,
            Algebra, Phase, Spectral), batch normalization, activations, dropout, pooling, padding,
            Flatten, Concatenate, Add and other sums, and conversions. Any other layer is taken over
            as it is where no removed node feeds it.
        change: for each layer, arguments to change in its config, such as
            `{"train_vectors": True}`; they must not change its weights.

    Returns:
        The smaller model; its layers have the names of the old ones.

    Raises:
        ValueError: if a layer cannot lose the inputs that were removed (attention, recurrent and
            depthwise layers, layer normalization, ...), is shared, or would be left without nodes;
            if the model is not built, or its connections are not known.

    Example:

    >>> from keras_phase.pruning import nodes
    >>> model = keras.Sequential([
    ...     keras.Input((8,)), keras.layers.Dense(10, "tanh", name="hidden"), keras.layers.Dense(3)
    ... ])
    >>> kept = nodes.prune_nodes(model, 0.7, by="connectivity")
    >>> [layer.units for layer in shrink(model).layers]
    [3, 3]
    """
    outcomes = _plan(model)
    made: dict[int, keras.layers.Layer] = {}

    def rebuild(layer: keras.layers.Layer) -> keras.layers.Layer:
        outcome = outcomes.get(id(layer))
        config = {**layer.get_config(), **(outcome.config if outcome else {})}
        config |= change(layer) if change is not None else {}
        made[id(layer)] = type(layer).from_config(config)
        return made[id(layer)]

    smaller = keras.models.clone_model(model, clone_function=rebuild)
    for layer in model.layers:
        if id(layer) not in made:
            continue
        new, outcome = made[id(layer)], outcomes.get(id(layer))
        if outcome is not None and outcome.fill is not None:
            outcome.fill(new)
        elif layer.weights:
            _copy(layer, new)
    _compile_as(model, smaller)
    return smaller


def _plan(model: keras.Model) -> dict[int, Outcome]:
    """The outcome of every layer, by its id."""
    chain, stay = steps(model), frozenset[Node]()
    while True:
        signals: dict[int, Signal] = {}
        for t in tree.flatten(model.inputs):
            signals[id(t)] = Signal.whole(len(t.shape) - 1, t.shape[-1])
        outcomes: dict[int, Outcome] = {}
        try:
            for step in chain:
                outcome = apply(step, [signals[i] for i in step.inputs], stay)
                outcomes[id(step.operation)] = outcome
                signals[step.outputs[0]] = outcome.signal
                for other, shape in zip(step.outputs[1:], step.shapes[1:], strict=True):
                    signals[other] = Signal.whole(len(shape) - 1, shape[-1] if shape else 0)
            for t in tree.flatten(model.outputs):
                if not signals[id(t)].is_whole:
                    raise signals[id(t)].stop()
        except Keep as request:
            if request.nodes <= stay:
                raise ValueError(
                    f"The graph of '{model.name}' cannot be shrunk: a part of an element would "
                    "have to go. Expected whole elements everywhere between algebra layers; "
                    "`keras_phase.summary.summary` names stock layers that cut them apart. "
                    f"Received: {', '.join(sorted({name for name, _ in stay}))}"
                ) from None
            stay = stay | request.nodes
            continue
        return outcomes


def _copy(source: keras.layers.Layer, target: keras.layers.Layer) -> None:
    """All weights of a layer that loses nothing."""
    if len(source.weights) != len(target.weights):
        raise ValueError(
            f"The changed settings of '{source.name}' give it other weights. Expected settings "
            f"that leave them. Received: {len(target.weights)} weights for {len(source.weights)}"
        )
    target.set_weights(source.get_weights())


def _compile_as(model: keras.Model, smaller: keras.Model) -> None:
    if not getattr(model, "compiled", False):
        return
    try:
        smaller.compile_from_config(model.get_compile_config())
    except Exception as error:
        warnings.warn(
            f"The compiled state of '{model.name}' could not be taken over ({error}): call "
            "`compile` on the smaller model.",
            stacklevel=3,
        )
        return
    if getattr(smaller, "optimizer", None) is not None:
        # A number: JAX would else train both on one array, and delete it.
        smaller.optimizer.iterations.assign(int(model.optimizer.iterations))
