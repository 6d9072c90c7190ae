"""How a fraction of all weights is shared out among layers."""

import math
from collections.abc import Callable, Sequence

from .targets import Target


def uniform(targets: Sequence[Target], fraction: float) -> list[float]:
    """The same fraction of every weight."""
    return [fraction] * len(targets)


def erk(targets: Sequence[Target], fraction: float) -> list[float]:
    """Erdos-Renyi-Kernel: small weights stay denser, `fraction` of all elements is pruned.

    A kernel `(*window, in, out)` keeps a part proportional to
    `(sum(window) + in + out) / (prod(window) * in * out)`, none more than all of it.

    Reference:
        Evci et al., "Rigging the Lottery", arXiv 1911.11134, section 3 (1).

    Example:

    >>> import keras
    >>> from keras_phase.pruning.targets import find
    >>> layers = [keras.layers.Dense(100), keras.layers.Dense(10)]
    >>> model = keras.Sequential([keras.Input((100,)), *layers])
    >>> [round(f, 3) for f in erk(find(model), 0.8)]
    [0.858, 0.219]
    """
    sizes = [math.prod(t.layout.shape) for t in targets]
    raw = [sum(t.layout.shape) / size for t, size in zip(targets, sizes, strict=True)]
    budget, dense = (1 - fraction) * sum(sizes), set()
    while True:
        free = [i for i in range(len(sizes)) if i not in dense]
        left = budget - sum(sizes[i] for i in dense)
        total = sum(raw[i] * sizes[i] for i in free)
        scale = left / total if total else 0.0
        full = [i for i in free if scale * raw[i] > 1]
        if not full:
            break
        dense |= {max(full, key=lambda i: raw[i])}
    return [0.0 if i in dense else min(max(1 - scale * raw[i], 0), 1) for i in range(len(sizes))]


# Scopes whose weights have different fractions.
SHARES: dict[str, Callable[[Sequence[Target], float], list[float]]] = {"erk": erk}
