"""Criteria that let weights come back, or remember how they behaved.

With a constant fraction, each mask update drops some of the kept weights and grows as many of the
pruned ones, from 0: at random (SET) or where the gradient is largest (RigL). They are made by
functions, since they take arguments, and are used like every other criterion.
"""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from ..ops.modulus import direction_axis, modulus_axis
from .criteria import Criterion, Site
from .gradients import gradients

Tensor = Any
Drop = float | Callable[[int], float]


def cosine_drop(initial: float = 0.3, updates: int = 100) -> Callable[[int], float]:
    """Part of the kept weights to drop: from `initial` to 0 along half a wave.

    Args:
        initial: at the first update.
        updates: number of updates until 0.

    Reference:
        Evci et al., arXiv 1911.11134, section 3 (2).

    Example:

    >>> drop = cosine_drop(0.3, updates=10)
    >>> [round(drop(i), 2) for i in (0, 5, 10, 15)]
    [0.3, 0.15, 0.0, 0.0]
    """
    return lambda update: initial / 2 * (1 + math.cos(math.pi * min(update / updates, 1)))


def sparse_evolution(drop: Drop = 0.3) -> Criterion:
    """SET: the smallest kept weights make room for pruned ones chosen at random.

    Args:
        drop: part of the kept weights, or a function from the number of updates to it.

    Reference:
        Mocanu et al., "Scalable training of artificial neural networks with adaptive sparse
        connectivity", arXiv 1707.04780.

    Example:

    >>> sparse_evolution().name
    'sparse_evolution'
    """
    return Criterion(
        "sparse_evolution",
        lambda w, site: _score(w, site, drop, site.noise()),
        regrows=True,
    )


def rigl(model: keras.Model, x: Any, y: Any, *, loss: Any = None, drop: Drop = 0.3) -> Criterion:
    """RigL: the smallest kept weights make room for those with the largest gradients.

    Args:
        model: the model that is pruned, compiled with a loss if `loss` is None.
        x: inputs of a batch on which gradients are taken, or a function without arguments that
            returns the next `(x, y)`; then `y` is None.
        y: its targets.
        loss: a Keras loss, its name or a function; None for the compiled one.
        drop: part of the kept weights, or a function from the number of updates to it.

    Raises:
        ValueError: when used, if a kernel is not stored as it is (`Cartesian`), so that a pruned
            weight has no gradient.

    Reference:
        Evci et al., "Rigging the Lottery: making all tickets winners", arXiv 1911.11134.

    Example:

    >>> layers = [keras.Input((4,)), keras.layers.Dense(4)]
    >>> model = keras.Sequential(layers)
    >>> rigl(model, np.ones((2, 4)), np.ones((2, 4)), loss="mse").name
    'rigl'
    """
    known: dict[str, Any] = {}

    def score(w: Tensor, site: Site) -> Tensor:
        # One pass serves all weights of an update.
        variable = site.parametrization.variables[0]
        if known.get("update") != site.update or id(variable) in known.get("used", ()):
            batch = x() if callable(x) else (x, y)
            known.update(update=site.update, used=set(), found=gradients(model, *batch, loss))
        known["used"].add(id(variable))
        return _score(w, site, drop, known["found"][id(variable)])

    return Criterion("rigl", score, regrows=True)


def _score(w: Tensor, site: Site, drop: Drop, growth: np.ndarray) -> Tensor:
    """0 for weights to drop, 1 to 2 for pruned ones by `growth`, 3 to 4 for those that stay."""
    modulus = ops.convert_to_numpy(modulus_axis(w, axis=0, keepdims=True)).astype("float64")
    growth = np.asarray(growth, "float64").reshape(modulus.shape)
    alive = modulus > 0
    if alive.all():  # nothing is pruned yet, so that nothing can grow
        return ops.convert_to_tensor(modulus.astype("float32"))
    part = drop(site.update) if callable(drop) else drop
    stay = alive.copy()
    order = np.argsort(np.where(alive, modulus, np.inf), axis=None, kind="stable")
    stay.flat[order[: round(part * np.count_nonzero(alive))]] = False
    rank = np.empty(growth.size)
    rank[np.argsort(growth, axis=None, kind="stable")] = np.arange(growth.size) / growth.size
    score = np.where(
        stay, 3 + modulus / modulus.max(), np.where(alive, 0, 1 + rank.reshape(growth.shape))
    )
    return ops.convert_to_tensor(score.astype("float32"))


def sign_stability(momentum: float = 0.9) -> Criterion:
    """Weights are pruned first whose sign (phase) has changed most from update to update.

    The score is the modulus of the running mean of a weight's direction: 1 if it never turned. The
    mean is kept by the criterion, so make one for each training; a resumed run begins it anew.

    Args:
        momentum: weight of the past, from 0 (nothing) to below 1.

    Raises:
        ValueError: if `momentum` is out of range.

    Example:

    >>> sign_stability().removes
    True
    """
    if not 0 <= momentum < 1:
        raise ValueError(f"`momentum` must be from 0 to below 1. Received: momentum={momentum}")
    means: dict[str, np.ndarray] = {}

    def score(w: Tensor, site: Site) -> Tensor:
        path = site.parametrization.path
        new = ops.convert_to_numpy(direction_axis(w, axis=0))
        means[path] = momentum * means[path] + (1 - momentum) * new if path in means else new
        mean = np.sqrt(np.square(means[path]).sum(axis=0, keepdims=True))
        return ops.convert_to_tensor(np.where(new.any(axis=0), mean, 0).astype("float32"))

    return Criterion("sign_stability", score)
