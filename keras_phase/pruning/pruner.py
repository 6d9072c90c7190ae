"""The pruning engine: keeps a model pruned while it trains.

At the steps that a schedule names a `Rule` chooses what is pruned. In between the choice stands: a
projection behind every optimizer step puts pruned weights back on their pruned value, inside the
compiled train step. The callback is a thin front end.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from . import backend, by_layer, schedules
from .criteria import Criterion
from .granularity import Granularity
from .rule import Mask, Rule
from .state import PruningState, attach, attached, detach
from .targets import Selection, Target, find


class Pruner:
    """Prunes a model while it trains, in `fit` (through `PruningCallback`) or in a custom loop.

    From construction on, a projection behind every step of a Keras optimizer keeps the pruned
    weights pruned, in compiled train steps too; a train step of your own has to be traced after
    that. A model has one pruner: a new one takes over from the last.

    Args:
        model: a built Keras model; it is pruned in place.
        schedule: what is pruned when, called with the number of optimizer updates made; a dict
            `{layer name or pattern: schedule}` for one each; None if you call `update` yourself.
        criterion: name or `Criterion`; None for the schedule's own, else "magnitude".
        granularity: what is pruned as a whole: "element", "component" (a real number), "node" (an
            output unit), "block", or a pattern such as "2:4" (2 of 4 consecutive inputs).
        scope: "layer", the fraction of each weight; "global", of all together, by the plain
            scores: layers with small weights lose more; "erk", of all together, small layers less.
        scale: for "phase" and "sign", the mean modulus over a "layer", or over each output "unit".
        layers: names, paths, layers or predicates; None for all kernels of rank 2 or more.
        block_shape: `(rows, columns)` of granularity "block".
        seed: of the criterion "random".

    Raises:
        ValueError: if a name is unknown, criterion and schedule disagree, or nothing can be pruned.

    Example:

    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, name="dense")])
    >>> pruner = Pruner(model)
    >>> pruner.update(0.5)
    >>> pruner.fractions()
    {'dense': 0.5}
    """

    def __init__(
        self,
        model: keras.Model,
        schedule: Any = None,
        *,
        criterion: str | Criterion | None = None,
        granularity: str | Granularity = "element",
        scope: str = "layer",
        scale: str = "layer",
        layers: Selection | Sequence[Selection] | None = None,
        block_shape: tuple[int, int] | None = None,
        seed: int = 0,
    ):
        criterion = settled_criterion(schedule, criterion)
        rule = Rule.of(criterion, granularity, scope, scale, block_shape, seed)
        targets = find(model, layers)
        rule.check(targets)
        self._schedules = by_layer.groups(schedule, targets, scope)
        release(model)
        self.model, self.schedule, self.rule, self.targets = model, schedule, rule, targets
        with backend.scope(model):
            self.state = PruningState([rule.shapes(target) for target in targets])
        for target, keep, gain in self._masks():
            target.constrain(rule.projection(keep, gain))
        attach(model, self.state)
        object.__setattr__(self.state, "pruner", self)
        backend.retrace(model)

    @property
    def is_active(self) -> bool:
        """False once it was released, or another pruner has taken over the model."""
        return attached(self.model) is self.state

    def start(self) -> None:
        """Ask the schedule about step 0, once, before the first optimizer update."""
        if self.state.step < 0:
            self.advance(1)

    def step(self) -> None:
        """Tell the pruner, in a custom loop, that the optimizer has made an update."""
        self.advance(1 if self.state.step >= 0 else 2)

    def advance(self, count: int) -> None:
        """Count `count` optimizer updates; masks change once if the schedule names one of them."""
        if self.schedule is None:
            raise ValueError(
                "This pruner has no schedule to follow. Give it one, or call `update(fraction)`. "
                "Received: schedule=None"
            )
        fractions: dict[int, float] = {}
        for _ in range(count):
            self.state.step += 1
            for schedule, chosen in self._schedules:
                due, now = schedules.ask(schedule, self.state.step)
                fractions |= dict.fromkeys(chosen, now) if due else {}
        if len(fractions) == len(self.targets) and len(set(fractions.values())) == 1:
            self.update(fractions[0])
        elif fractions:
            self._update_some(fractions)

    def update(self, fraction: float) -> None:
        """Choose anew what is pruned, `fraction` of the units, and prune it.

        Raises:
            ValueError: if a weight is NaN or infinite, or another pruner has taken over the model.
        """
        self._check_active()
        backend.sync(self.model)
        masks = self.rule.decide(self.targets, fraction, self.state.updates)
        for (target, keep, gain), mask in zip(self._masks(), masks, strict=True):
            keep.assign(mask.keep)
            if gain is not None:
                gain.assign(mask.gain)
            self.rule.apply(target, mask)
        self.state.updates += 1
        backend.retrace_if_constants(self.model)

    def _update_some(self, fractions: dict[int, float]) -> None:
        """Choose anew what is pruned in some of the weights, given by index."""
        self._check_active()
        backend.sync(self.model)
        masks = self._masks()
        for i, fraction in fractions.items():
            target, keep, gain = masks[i]
            (mask,) = self.rule.decide([target], fraction, self.state.updates)
            keep.assign(mask.keep)
            if gain is not None:
                gain.assign(mask.gain)
            self.rule.apply(target, mask)
        self.state.updates += 1
        backend.retrace_if_constants(self.model)

    def enforce(self) -> None:
        """Put pruned weights back on their pruned value after something else has set weights."""
        backend.sync(self.model)
        for target, keep, gain in self._masks():
            self.rule.apply(target, Mask(keep, gain))

    def fractions(self) -> dict[str, float]:
        """Fraction of its elements that is pruned, by path of the layer."""
        return _by_layer(self.targets, self.state.keep)

    def logs(self) -> dict[str, float]:
        """`{"pruned": of all, "pruned/<layer path>": of each layer, ...}`."""
        return _report(self.targets, self.state.keep)

    def release(self) -> None:
        """Stop: the weights stay as they are, and the optimizer may change them again."""
        if self.is_active:
            release(self.model)

    def _check_active(self) -> None:
        if not self.is_active:
            raise ValueError(
                "This pruner no longer prunes its model: it was released, or another `Pruner` or "
                "`PruningCallback` took over. Make a new one. "
                f"Received: model '{self.model.name}'"
            )

    def _masks(self) -> list[tuple[Target, keras.Variable, keras.Variable | None]]:
        return list(zip(self.targets, self.state.keep, self.state.gain, strict=True))


def prune(
    model: keras.Model,
    fraction: float,
    criterion: str | Criterion = "magnitude",
    *,
    granularity: str | Granularity = "element",
    scope: str = "layer",
    scale: str = "layer",
    layers: Selection | Sequence[Selection] | None = None,
    block_shape: tuple[int, int] | None = None,
    seed: int = 0,
) -> dict[str, float]:
    """Prune a model once, in place. Nothing keeps the weights pruned in later training.

    Args:
        model: a built Keras model.
        fraction: how much of each weight, from 0 to 1.
        criterion: name or `Criterion`.
        granularity: as of `Pruner`, and so are all further arguments.
        scope: "layer" or "global".
        scale: "layer" or "unit".
        layers: names, paths, layers or predicates; None for all kernels of rank 2 or more.
        block_shape: of granularity "block".
        seed: of the criterion "random".

    Returns:
        What was pruned: `{"pruned": of all, "pruned/<layer path>": of each layer, ...}`.

    Raises:
        ValueError: if a name or the fraction is wrong, a weight is NaN, or nothing can be pruned.

    Example:

    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, name="dense")])
    >>> prune(model, 1.0, "sign")
    {'pruned': 1.0, 'pruned/dense': 1.0}
    """
    rule = Rule.of(criterion, granularity, scope, scale, block_shape, seed)
    targets = find(model, layers)
    rule.check(targets)
    masks = rule.decide(targets, fraction)
    for target, mask in zip(targets, masks, strict=True):
        rule.apply(target, mask)
    return _report(targets, [mask.keep for mask in masks])


def release(model: keras.Model) -> None:
    """End the pruning of a model, whoever began it; its weights stay as they are."""
    if attached(model) is None:
        return
    for target in find(model):
        target.parametrization.constrain(None)
    detach(model)
    backend.retrace(model)


def settled_criterion(schedule: Any, criterion: str | Criterion | None) -> str | Criterion:
    """The criterion to use: the given one, else the schedule's own, else "magnitude".

    Raises:
        TypeError: if the schedule cannot be called.
        ValueError: if the schedule is meant for another criterion than the given one.
    """
    if isinstance(schedule, dict):
        return by_layer.criterion(schedule, criterion)
    if schedule is not None and not callable(schedule):
        raise TypeError(
            "A schedule is called with a step and returns `(should_prune, fraction)`. Use one of "
            f"`keras_phase.pruning`, or one of TF-MOT. Received: schedule={schedule!r}"
        )
    own = getattr(schedule, "criterion", None)
    name = getattr(criterion, "name", criterion)
    if own is not None and name not in (None, own):
        raise ValueError(
            f"{type(schedule).__name__} is a schedule for the criterion '{own}'. Leave `criterion` "
            "out, or use the schedule without it in its name (`ConstantSparsity`, "
            f"`PolynomialDecay`). Received: criterion='{name}'"
        )
    return criterion or own or "magnitude"


def _report(targets: Sequence[Target], keeps: Sequence[Any]) -> dict[str, float]:
    pruned, size = map(sum, zip(*_counts(targets, keeps).values(), strict=True))
    layers = _by_layer(targets, keeps)
    return {"pruned": pruned / size, **{f"pruned/{k}": v for k, v in layers.items()}}


def _by_layer(targets: Sequence[Target], keeps: Sequence[Any]) -> dict[str, float]:
    return {k: pruned / size for k, (pruned, size) in _counts(targets, keeps).items()}


def _counts(targets: Sequence[Target], keeps: Sequence[Any]) -> dict[str, tuple[float, int]]:
    """Pruned elements and all elements of each layer."""
    counts: dict[str, tuple[float, int]] = {}
    for target, keep in zip(targets, keeps, strict=True):
        fraction = 1 - float(np.mean(ops.convert_to_numpy(keep)))
        pruned, size = counts.get(target.layer_path, (0.0, 0))
        counts[target.layer_path] = (pruned + fraction * target.size, size + target.size)
    return counts
