"""Masks of a model, as arrays: read, set, frozen, reported, and lottery tickets."""

from collections.abc import Mapping
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from .criteria import Criterion
from .pruner import Pruner
from .rule import Mask
from .state import attached
from .targets import Target, find
from .vocabulary import pruners_of


@dataclass(frozen=True)
class LayerSparsity:
    """What is zero in one weight.

    Attributes:
        path: of the weight.
        shape: `(*window, in, out)`.
        elements: number of algebra elements.
        zeros: those that are wholly zero.
        pruned: those that a pruner holds on their pruned value; the zeros if there is none.
    """

    path: str
    shape: tuple[int, ...]
    elements: int
    zeros: int
    pruned: int


class SparsityReport(list):
    """`LayerSparsity` of every weight; printed, a table with a line for all."""

    def __str__(self) -> str:
        rows = [(x.path, str(x.shape), x.elements, x.zeros, x.pruned) for x in self]
        sums = [sum(row[i] for row in rows) for i in (2, 3, 4)]
        lines = [f"{'weight':32} {'shape':>20} {'elements':>10} {'zero':>8} {'pruned':>8}"]
        for path, shape, *counts in [*rows, ("all", "", *sums)]:
            n = max(counts[0], 1)
            parts = "".join(f" {100 * c / n:7.2f}%" for c in counts[1:])
            lines.append(f"{path:32} {shape:>20} {counts[0]:10}{parts}")
        return "\n".join(lines)


def sparsity_report(model: keras.Model) -> SparsityReport:
    """How sparse a model's weights are.

    Example:

    >>> from keras_phase.pruning import prune
    >>> dense = keras.layers.Dense(8, name="dense")
    >>> model = keras.Sequential([keras.Input((4,)), dense])
    >>> _ = prune(model, 0.75)
    >>> sparsity_report(model)[0]
    LayerSparsity(path='dense/kernel', shape=(4, 8), elements=32, zeros=24, pruned=24)
    """
    masks, report = get_masks(model), SparsityReport()
    for target in find(model):
        w = ops.convert_to_numpy(target.kernel())
        zeros = w[0].size - np.count_nonzero(w.any(axis=0))
        pruned = np.count_nonzero(~masks.get(target.path, np.ones(target.layout.shape, bool)))
        report.append(
            LayerSparsity(target.path, target.layout.shape, w[0].size, int(zeros), int(pruned))
        )
    return report


def get_masks(model: keras.Model) -> dict[str, np.ndarray]:
    """The masks of a model by the path of the weight, True where an element is kept.

    Those of its pruner or its wrappers; of a model that nothing prunes, True for what is not zero.

    Args:
        model: a built Keras model.

    Returns:
        Arrays `(*window, in, out)`.
    """
    pruners = _pruners(model)
    if not pruners:
        return {t.path: ops.convert_to_numpy(t.kernel()).any(axis=0) for t in find(model)}
    variables = {
        id(t.parametrization.variables[0]): (t, keep)
        for pruner in pruners
        for t, keep in zip(pruner.targets, pruner.state.keep, strict=True)
    }
    found = {}
    for target in find(model):
        known = variables.get(id(target.parametrization.variables[0]))
        if known is not None:
            keep = ops.convert_to_numpy(known[1])
            keep = keep.reshape(keep.shape[-len(target.layout.shape) - 1 :])
            found[target.path] = np.broadcast_to(keep, (len(keep), *target.layout.shape)).all(
                axis=0
            )
    return found


def set_masks(
    model: keras.Model,
    masks: Mapping[str, np.ndarray],
    criterion: str | Criterion = "magnitude",
) -> Pruner:
    """Prune exactly what `masks` says, and keep it pruned in training, whatever trains it.

    Args:
        model: a built Keras model.
        masks: as of `get_masks`, of some or all of the weights; the others are not pruned.
        criterion: what pruned elements become. For one that is `scaled`, they keep the modulus that
            they have.

    Returns:
        The pruner; its `release` ends it.

    Raises:
        ValueError: if a path is not in the model or a shape does not fit.

    Example, fine-tuning with the zeros of a pruned model frozen:

    >>> from keras_phase.pruning import prune
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8)])
    >>> _ = prune(model, 0.75)
    >>> pruner = set_masks(model, get_masks(model))
    >>> model.compile("adam", "mse")
    >>> history = model.fit(np.ones((8, 4)), np.ones((8, 8)), verbose=0)
    >>> float(np.mean(model.get_weights()[0] == 0))
    0.75
    """
    targets = {t.path: t for t in find(model)}
    for path, mask in masks.items():
        if path not in targets or targets[path].layout.shape != np.shape(mask):
            shape = targets[path].layout.shape if path in targets else None
            raise ValueError(
                f"A mask does not fit the model. Expected paths among {', '.join(targets)} and "
                f"the shapes of `get_masks`. Received: '{path}' with shape {np.shape(mask)}, "
                f"not {shape}"
            )
    pruner = Pruner(model, criterion=criterion)
    for target, keep, gain in zip(
        pruner.targets, pruner.state.keep, pruner.state.gain, strict=True
    ):
        if target.path in masks:
            mask = _mask(target, np.asarray(masks[target.path], bool), pruner.rule.criterion)
            keep.assign(mask.keep)
            if gain is not None:
                gain.assign(mask.gain)
    pruner.enforce()
    return pruner


def snapshot(model: keras.Model) -> list[np.ndarray]:
    """Copies of a model's weights, to `rewind` to."""
    return [np.array(ops.convert_to_numpy(v)) for v in model.weights]


def rewind(model: keras.Model, weights: list[np.ndarray]) -> None:
    """Put a model back on the weights of a `snapshot`, with what is pruned now still pruned.

    That is a lottery ticket: train, prune, rewind, train again. Of a pruned model (its pruner or
    wrappers) the masks stay in force.

    Reference:
        Frankle and Carbin, "The lottery ticket hypothesis", arXiv 1803.03635.

    Raises:
        ValueError: if the snapshot is of another model.
    """
    shapes = [tuple(v.shape) for v in model.weights]
    if shapes != [w.shape for w in weights]:
        raise ValueError(
            "The snapshot is of another model. Expected weights of the shapes "
            f"{shapes}. Received: {[w.shape for w in weights]}"
        )
    pruners = _pruners(model)
    masks = {} if pruners else get_masks(model)
    for variable, value in zip(model.weights, weights, strict=True):
        variable.assign(value)
    for pruner in pruners:
        pruner.enforce()
    for target in find(model):
        if target.path in masks:
            w = target.kernel()
            target.prune(ops.convert_to_tensor(masks[target.path][None]), ops.zeros_like(w))


def _pruners(model: keras.Model) -> list[Pruner]:
    state = attached(model)
    return pruners_of(model) if state is None else [state.pruner]


def _mask(target: Target, keep: np.ndarray, criterion: Criterion) -> Mask:
    if criterion.removes:
        return Mask(keep[None], None)
    w = ops.convert_to_numpy(target.kernel()).astype("float32")
    modulus = np.sqrt(np.square(w).sum(axis=0, keepdims=True))
    gain = modulus if criterion.scaled else (modulus > 0).astype("float32")
    return Mask(keep[None], np.where(keep[None], 0, gain).astype("float32"))
