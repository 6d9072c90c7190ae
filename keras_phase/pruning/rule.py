"""The decision: which elements of which weights are pruned, given a criterion and a fraction.

It is made on the host, in NumPy, from the weights as they are; masks change once in many steps.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from keras import ops

from ..ops.modulus import modulus_of_array
from ..registry import Registry
from . import budgets, criteria
from . import granularity as granularities
from .criteria import Criterion, Site
from .granularity import Granularity
from .targets import Target

Tensor = Any

# Which weights compete with each other: from their number to groups of their indices.
SCOPES = Registry("scope")
SCOPES.add("layer", lambda count: [[i] for i in range(count)])
SCOPES.add("global", lambda count: [list(range(count))])
SCOPES.add("erk", lambda count: [[i] for i in range(count)])

# What the scale is a mean over: from the rank of a kernel to its axes.
SCALES = Registry("scale")
SCALES.add("layer", lambda rank: tuple(range(rank)))
SCALES.add("unit", lambda rank: tuple(range(rank - 1)))


class Mask(NamedTuple):
    """What is pruned in one weight.

    Attributes:
        keep: boolean, of the granularity's `mask_shape`.
        gain: `(1, *shape)`, what the pruned value is multiplied by: the scale (or 1) for pruned
            elements, 0 for kept ones and for those that were 0; None if the pruned value is 0.
    """

    keep: np.ndarray
    gain: np.ndarray | None


@dataclass(frozen=True)
class Rule:
    """How weights are pruned: the settings that all front ends share.

    Names are resolved by `Rule.of`.
    """

    criterion: Criterion
    granularity: Granularity
    scope: str
    scale: str
    seed: int

    @classmethod
    def of(
        cls,
        criterion: str | Criterion,
        granularity: str | Granularity,
        scope: str,
        scale: str,
        block_shape: tuple[int, int] | None,
        seed: int,
    ) -> Self:
        """A rule from what users write.

        Raises:
            ValueError: if a name is unknown; the message lists the known ones.
        """
        SCOPES.get(scope)
        SCALES.get(scale)
        unit = granularities.get(granularity, block_shape=block_shape)
        chosen = criteria.get(criterion)
        if chosen.by_node and not isinstance(unit, granularities.Node):
            raise ValueError(
                f"The criterion '{chosen.name}' ranks whole nodes. Expected granularity='node'. "
                f"Received: granularity={granularity!r}"
            )
        return cls(chosen, unit, scope, scale, seed)

    def check(self, targets: Sequence[Target]) -> None:
        """Refuse weights that the criterion is not made for."""
        for target in targets:
            self.criterion.check(
                self.granularity.dimension(target.shape[0]),
                target.path,
                target.parametrization.algebra,
            )

    def decide(self, targets: Sequence[Target], fraction: float, update: int = 0) -> list[Mask]:
        """Choose what is pruned, from the weights as they are now.

        Args:
            targets: the weights.
            fraction: how much of them, from 0 to 1.
            update: number of mask updates made before; other random numbers for each.

        Raises:
            ValueError: if a weight is NaN or infinite; the message names it.
        """
        if not 0 <= fraction <= 1:
            raise ValueError(
                f"The fraction to prune must be from 0 to 1. Received: fraction={fraction}"
            )
        weights = [self._read(target) for target in targets]
        moduli = [self._modulus(w) for w in weights]
        scales = [self._scale(modulus) for modulus in moduli]
        scores = [self._score(*each, update) for each in zip(weights, targets, scales, strict=True)]
        kept: dict[int, np.ndarray] = {}
        shares = budgets.SHARES.get(self.scope, budgets.uniform)(targets, fraction)
        for group in SCOPES.get(self.scope)(len(targets)):
            chosen = self.granularity.select([scores[i] for i in group], shares[group[0]])
            kept |= zip(group, chosen, strict=True)
        return [
            self._mask(kept[i], w.shape, modulus, scale)
            for i, (w, modulus, scale) in enumerate(zip(weights, moduli, scales, strict=True))
        ]

    def apply(self, target: Target, mask: Mask) -> None:
        """Put the pruned weights on their pruned value; kept ones do not change at all."""
        unit = self.granularity
        keep, gain = (None if m is None else ops.convert_to_tensor(m) for m in mask)
        if self.criterion.removes:
            # Multiplying by the mask would leave negative zeros.
            value = ops.zeros(target.shape, target.parametrization.variables[0].dtype)
        else:
            value = unit.unview(self.criterion.project(unit.view(target.kernel()), keep, gain))
        target.prune(unit.unview(keep), value)

    def projection(self, keep: Tensor, gain: Tensor | None) -> Callable[[Tensor], Tensor]:
        """The map behind every optimizer step; it reads the variables `keep` and `gain`."""
        unit, project = self.granularity, self.criterion.project
        return lambda w: unit.unview(project(unit.view(w), keep, gain))

    def shapes(self, target: Target) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
        """Shapes of the weight's mask."""
        viewed = self.granularity.view(np.empty(target.shape, "bool")).shape
        gain = None if self.criterion.removes else (1, *viewed[1:])
        return self.granularity.mask_shape(tuple(viewed)), gain

    def _read(self, target: Target) -> np.ndarray:
        w = ops.convert_to_numpy(self.granularity.view(target.kernel()))
        w = w.astype(np.promote_types(w.dtype, "float32"))
        if not np.isfinite(w).all():
            raise ValueError(
                "A mask update met a weight that is not a number or infinite; training has gone "
                "wrong before. Lower the learning rate, clip gradients, or stop with "
                "`keras.callbacks.TerminateOnNaN`. Expected: finite weights. "
                f"Received: '{target.path}' with {np.count_nonzero(~np.isfinite(w))} such values"
            )
        return w

    def _modulus(self, w: np.ndarray) -> np.ndarray | None:
        if self.criterion.removes and not self.criterion.scaled:
            return None  # neither score nor value asks for it
        return modulus_of_array(w)

    def _scale(self, modulus: np.ndarray | None) -> np.ndarray | None:
        """Mean modulus of the non-zero elements, 0 if there are none."""
        if not self.criterion.scaled:
            return None
        axes = SCALES.get(self.scale)(modulus.ndim)
        count = np.count_nonzero(modulus, axis=axes, keepdims=True)
        return modulus.sum(axis=axes, keepdims=True, dtype="float64") / np.maximum(count, 1)

    def _score(
        self, w: np.ndarray, target: Target, scale: np.ndarray | None, update: int
    ) -> np.ndarray:
        def noise() -> np.ndarray:
            key = [self.seed, zlib.crc32(target.path.encode()), update]
            return np.random.default_rng(key).random((1, *w.shape[1:]), dtype="float32")

        scale = None if scale is None else scale.astype(w.dtype)
        site = Site(scale, noise, target.parametrization, update)
        score = self.criterion.score(w, site)
        return self.granularity.pool(ops.convert_to_numpy(score))

    def _mask(
        self,
        kept: np.ndarray,
        shape: tuple[int, ...],
        modulus: np.ndarray | None,
        scale: np.ndarray | None,
    ) -> Mask:
        keep = self.granularity.spread(kept, shape)
        if self.criterion.removes:
            return Mask(keep, None)
        alive = (modulus > 0) & ~keep
        return Mask(keep, np.where(alive, 1 if scale is None else scale, 0).astype("float32"))
