"""A schedule for each layer: `{layer name or pattern: schedule}`."""

import fnmatch
from collections.abc import Sequence
from typing import Any

from .targets import Target


def groups(schedule: Any, targets: Sequence[Target], scope: str) -> list[tuple[Any, list[int]]]:
    """Schedules with the indices of the weights that follow them.

    Args:
        schedule: one for all, None, or a dict from layer names, paths or patterns (`"block*/conv"`)
            to schedules; the first that matches counts, a layer that none matches is not pruned.
        targets: the weights.
        scope: of the rule; with a dict, "layer".

    Raises:
        ValueError: if a name matches no layer, or the scope joins layers.
    """
    if not isinstance(schedule, dict):
        return [] if schedule is None else [(schedule, list(range(len(targets))))]
    if scope != "layer":
        raise ValueError(
            "Schedules for single layers prune each layer by itself: expected scope='layer'. "
            f"Received: scope='{scope}'"
        )
    left = set(range(len(targets)))
    found = []
    for pattern, each in schedule.items():
        matching = [i for i, t in enumerate(targets) if _matches(pattern, t)]
        if not matching:
            raise ValueError(
                "A schedule is for a layer that is not there. Expected names or patterns of: "
                f"{', '.join(dict.fromkeys(t.layer_path for t in targets))}. Received: {pattern!r}"
            )
        found.append((each, [i for i in matching if i in left]))
        left -= set(matching)
    return found


def criterion(schedule: dict[str, Any], given: Any) -> Any:
    """The criterion that all schedules share.

    Raises:
        TypeError: if one cannot be called.
        ValueError: if they are meant for different ones.
    """
    for name, each in schedule.items():
        if not callable(each):
            raise TypeError(
                "A schedule is called with a step and returns `(should_prune, fraction)`. "
                f"Received: {each!r} for the layer {name!r}"
            )
    own = {getattr(each, "criterion", None) for each in schedule.values()}
    name = getattr(given, "name", given)
    names = own if given is None else (own - {None}) | {name}
    if len(names) > 1:
        raise ValueError(
            "One pruner has one criterion: expected schedules for the same one. Prune other layers "
            f"in another call. Received: {', '.join(sorted(map(str, names)))}"
        )
    return given or names.pop() or "magnitude"


def _matches(pattern: str, target: Target) -> bool:
    names = (target.layer_path, target.layer.name, target.path)
    return any(fnmatch.fnmatchcase(name, pattern) for name in names)
