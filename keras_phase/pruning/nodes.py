"""Nodes: which of them matter, removing them as a mask, and networks that really shrink.

`node_scores` ranks the output elements of hidden layers, `prune_nodes` sets the weights of the
lowest to 0, `shrink` rebuilds the model without them, `shrink_until` goes as far as a metric
allows. Over an algebra a node is a whole element, in a convolution a channel.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from ..layers.batch_normalization import BatchNormalizationBody
from .granularity import lowest, num_pruned
from .node_graph import NODE_LAYERS, consumers, steps
from .node_rules import output_layers
from .node_scores import SCORES as SCORES
from .node_scores import WITH_DATA as WITH_DATA
from .node_scores import kernel_norm, readers_of
from .rule import SCOPES
from .shrink import shrink as shrink
from .targets import Selection, Target, find

Tensor = Any


def node_scores(
    model: keras.Model,
    by: str = "eigenvalue",
    *,
    layers: Selection | Sequence[Selection] | None = None,
    data: Any = None,
) -> dict[str, np.ndarray]:
    """How much each node of the hidden layers matters.

    Args:
        model: a built model.
        by: `"eigenvalue"`: `|lambda_out|` of layers with one set of eigenvalues, else the norm of
            the node's weights. `"connectivity"`: sum of the moduli of its weights. `"kernel_norm"`:
            their Euclidean norm. These are incoming weights. With `data`: `"response"`: root mean
            square of what the node adds to the next layers. `"selection"`: how early it is chosen
            when the layer is built up again, node by node, so that the next layers get what they
            get from the intact network; `node_scores.selection` has the definition.
        layers: names, paths, layers or predicates; None for all dense layers and convolutions
            but those that make the model's outputs.
        data: inputs of the model, training samples, for the scores that look at data; labels are
            not needed.

    Returns:
        For every layer, by its path, `(units,)`; a node without weights has 0.

    Raises:
        ValueError: if `by` is unknown, a layer has no such score or no nodes, the model is not
            built, or a score is NaN.

    Example:

    >>> import keras_phase
    >>> model = keras.Sequential([
    ...     keras.Input((4,)), keras_phase.SpectralDense(3, train_in=None, name="hidden"),
    ...     keras.layers.Dense(2)
    ... ])
    >>> node_scores(model)["hidden"].tolist()
    [1.0, 1.0, 1.0]
    """
    return {t.layer_path: s for t, s in _scored(model, by, layers, data)}


def prune_nodes(
    model: keras.Model,
    fraction: float | None = None,
    *,
    threshold: float | None = None,
    by: str | Mapping[str, np.ndarray] = "eigenvalue",
    scope: str = "global",
    layers: Selection | Sequence[Selection] | None = None,
    data: Any = None,
) -> dict[str, np.ndarray]:
    """Remove the nodes of the lowest score, in place: their weights and biases become 0.

    The offset of a batch normalization right behind is set to 0 for them, too, so that they stay
    silent. The shapes stay; `shrink` makes the model smaller. Nothing keeps the nodes removed in
    later training: use `PruningCallback(granularity="node")` for that.

    Args:
        model: a built model.
        fraction: how much of the nodes, from 0 to below 1, counted as TF-MOT counts.
        threshold: in place of `fraction`, remove nodes with a score below it.
        by: see `node_scores`; or scores as it returns them.
        scope: `"global"`: the nodes of all layers compete, as in the paper, and a layer may be
            emptied, with a warning. `"layer"`: the fraction of each layer.
        layers: see `node_scores`.
        data: see `node_scores`.

    Returns:
        For every layer, by its path, `(units,)`: True for the nodes that are kept.

    Raises:
        ValueError: if fraction or threshold is missing, both are given, or out of range; as
            `node_scores`; if `scope="layer"` would empty a layer.

    Example:

    >>> model = keras.Sequential([
    ...     keras.Input((8,)), keras.layers.Dense(10, name="hidden"), keras.layers.Dense(3)
    ... ])
    >>> int(prune_nodes(model, 0.7, by="connectivity")["hidden"].sum())
    3
    """
    _check_amount(fraction, threshold)
    scored = _scored(model, by, layers, data)
    kept: dict[int, np.ndarray] = {}
    for group in SCOPES.get(scope)(len(scored)):
        scores = [scored[i][1] for i in group]
        flat = np.concatenate(scores)
        if threshold is None:
            keep = ~lowest(flat, num_pruned(flat.size, fraction))
        else:
            keep = flat >= threshold
        parts = np.split(keep, np.cumsum([s.size for s in scores])[:-1])
        kept |= zip(group, parts, strict=True)
    for i, (target, _) in enumerate(scored):
        _check_emptied(target, kept[i], scope)
    for i, (target, _) in enumerate(scored):
        _silence(model, target, kept[i])
    return {t.layer_path: kept[i] for i, (t, _) in enumerate(scored)}


class Shrunk(NamedTuple):
    """What `shrink_until` found.

    Attributes:
        model: the smaller model.
        fraction: of the nodes that were removed.
        history: `(fraction, metric)` of all that was tried, the intact model first.
    """

    model: keras.Model
    fraction: float
    history: list[tuple[float, float]]


def shrink_until(
    model: keras.Model,
    data: Any,
    metric: str = "accuracy",
    max_drop: float = 0.01,
    *,
    step: float = 0.05,
    by: str = "eigenvalue",
    scope: str = "global",
    layers: Selection | Sequence[Selection] | None = None,
    mode: str | None = None,
    batch_size: int | None = None,
    calibration: Any = None,
) -> Shrunk:
    """Remove ever more nodes until a metric falls by more than `max_drop`, then shrink.

    `model` stays as it is. It is evaluated once for each fraction `step, 2 step, ...`, ranked as it
    is intact; the last fraction before the metric falls too far, or a layer would be emptied, is
    taken.

    Args:
        model: a compiled model.
        data: `(x, y)`, or a data set that `evaluate` takes.
        metric: a key of `model.evaluate(..., return_dict=True)`.
        max_drop: how much worse the metric may become, in its own unit.
        step: of the fraction.
        by: see `node_scores`.
        scope: see `prune_nodes`.
        layers: see `node_scores`.
        mode: "max" if the metric is to be large, "min" if small; None: "min" for names with "loss"
            or "error", else "max".
        batch_size: of the evaluation.
        calibration: inputs for the scores that look at data, see `node_scores`.

    Raises:
        ValueError: if the model is not compiled, the metric unknown, or a number out of range.
    """
    if not 0 < step < 1 or max_drop < 0:
        raise ValueError(
            "Expected `step` between 0 and 1, and a `max_drop` of at least 0. "
            f"Received: step={step}, max_drop={max_drop}"
        )
    if mode not in (None, "min", "max"):
        raise ValueError(f"Expected `mode` to be 'min', 'max' or None. Received: mode={mode!r}")
    if not getattr(model, "compiled", False):
        raise ValueError(
            f"The model '{model.name}' has no metrics: compile it first. "
            "Received: model.compiled=False"
        )
    lower = mode == "min" or (mode is None and any(w in metric for w in ("loss", "error")))

    def measured() -> float:
        given = data if isinstance(data, tuple) else (data,)
        found = model.evaluate(*given, batch_size=batch_size, verbose=0, return_dict=True)
        if metric not in found:
            raise ValueError(
                f"Expected a metric among {', '.join(found)}; compile the model with it, or name "
                f"another one. Received: metric={metric!r}"
            )
        return float(found[metric])

    intact = model.get_weights()
    chosen: dict[str, Any] = {"by": by, "scope": scope, "layers": layers, "data": calibration}
    history, best = [(0.0, measured())], 0.0
    try:
        for k in range(1, round(1 / step)):
            fraction = k * step
            model.set_weights(intact)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", EmptiedWarning)
                kept = prune_nodes(model, fraction, **chosen)
            if not all(k.any() for k in kept.values()):
                break
            history.append((fraction, measured()))
            change = history[-1][1] - history[0][1]
            if (change if lower else -change) > max_drop:
                break
            best = fraction
        model.set_weights(intact)
        if best:
            prune_nodes(model, best, **chosen)
        return Shrunk(shrink(model), best, history)
    finally:
        model.set_weights(intact)


class EmptiedWarning(UserWarning):
    """A layer lost all of its nodes."""


def _scored(
    model: keras.Model,
    by: str | Mapping[str, np.ndarray],
    layers: Selection | Sequence[Selection] | None,
    data: Any,
) -> list[tuple[Target, np.ndarray]]:
    score = _given(by) if isinstance(by, Mapping) else SCORES.get(by)
    found = find(model, layers)
    outputs: set[int] = output_layers(model) if layers is None else set()
    targets = [t for t in found if isinstance(t.layer, NODE_LAYERS) and id(t.layer) not in outputs]
    if layers is not None:
        for t in found:
            if not isinstance(t.layer, NODE_LAYERS):
                raise ValueError(
                    f"{type(t.layer).__name__} '{t.layer_path}' has no nodes that can be removed. "
                    "Expected dense layers and convolutions (stock, Algebra, Phase, Spectral). "
                    f"Received: layers={layers!r}"
                )
    if not targets:
        raise ValueError(
            "There are no nodes to rank: expected a hidden dense layer or convolution, besides the "
            f"layers that make the outputs. Received: model '{model.name}'"
        )
    readers: list[Any] = [[] for _ in targets]
    if isinstance(by, str) and by in WITH_DATA:
        if data is None:
            raise ValueError(
                f"The score '{by}' looks at what nodes do on data. Expected `data`, some hundred "
                f"training samples. Received: by={by!r}, data=None"
            )
        for target in targets:
            _finite(target, kernel_norm(target, []), by)
        readers = readers_of(model, [t.layer for t in targets], data)
    return [(t, _finite(t, score(t, r), by)) for t, r in zip(targets, readers, strict=True)]


def _given(scores: Mapping[str, np.ndarray]) -> Callable[[Target, list[Any]], np.ndarray]:
    def look_up(target: Target, readers: list[Any]) -> np.ndarray:
        found = np.asarray(scores.get(target.layer_path, ()))
        if found.shape != (target.shape[-1],):
            raise ValueError(
                f"Expected scores of the {target.shape[-1]} nodes of '{target.layer_path}', as "
                f"`node_scores` returns them. Received: by=... for {', '.join(scores) or 'nothing'}"
                f", there with the shape {found.shape}"
            )
        return found

    return look_up


def _finite(target: Target, scores: np.ndarray, by: Any) -> np.ndarray:
    if not np.isfinite(scores).all():
        raise ValueError(
            f"The layer '{target.layer_path}' has nodes whose score is not a number: its weights "
            "or eigenvalues are NaN or infinite, training has gone wrong before. Expected finite "
            f"ones. Received: {int((~np.isfinite(scores)).sum())} such nodes"
            + (f", by={by!r}" if isinstance(by, str) else "")
        )
    return scores


def _check_amount(fraction: float | None, threshold: float | None) -> None:
    if (fraction is None) == (threshold is None):
        raise ValueError(
            "Expected either `fraction`, how much of the nodes is removed, or `threshold`, the "
            f"lowest score that stays. Received: fraction={fraction}, threshold={threshold}"
        )
    if fraction is not None and not 0 <= fraction < 1:
        raise ValueError(
            "Expected `fraction`, how much of the nodes is removed, from 0 to below 1: some must "
            f"stay. Received: fraction={fraction}"
        )
    if threshold is not None and not np.isfinite(threshold):
        raise ValueError(f"Expected a finite `threshold`. Received: threshold={threshold}")


def _check_emptied(target: Target, keep: np.ndarray, scope: str) -> None:
    if keep.any():
        return
    if scope == "layer":
        raise ValueError(
            f"The layer '{target.layer_path}' would lose all of its nodes. Expected a threshold "
            f"that leaves some in every layer. Received: {keep.size} nodes below the threshold"
        )
    warnings.warn(
        f"The layer '{target.layer_path}' loses all of its {keep.size} nodes, so the model no "
        "longer depends on its input that way, and cannot be shrunk. Remove fewer, or use "
        "scope='layer'.",
        EmptiedWarning,
        stacklevel=3,
    )


def _silence(model: keras.Model, target: Target, keep: np.ndarray) -> None:
    """Set weights and biases of nodes to 0, and what a batch normalization adds to them."""
    if keep.all():
        return
    rank = len(target.shape)
    mask = ops.convert_to_tensor(keep.reshape((*(1,) * (rank - 1), -1)))
    target.prune(mask, ops.zeros_like(target.kernel()))
    channels = np.tile(keep, target.shape[0])
    bias = getattr(target.layer, "bias", None)
    if bias is not None:
        _zero(bias, channels)
    try:
        steps(model)
    except ValueError:
        return  # connections are unknown, which only `shrink` needs
    kinds = (keras.layers.BatchNormalization, BatchNormalizationBody)
    if any(s.operation is target.layer for s in steps(model)):
        for norm in consumers(model, target.layer, kinds):
            for variable in (norm.beta, norm.moving_mean):
                if variable is not None:
                    _zero(variable, channels)


def _zero(variable: keras.Variable, kept: np.ndarray) -> None:
    """Set the entries to 0 that are not kept."""
    value = ops.convert_to_tensor(variable)
    variable.assign(ops.where(kept, value, ops.zeros_like(value)))
