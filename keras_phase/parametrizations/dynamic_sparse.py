"""DynamicSparse: only the largest elements of another parametrization's kernel take part."""

from typing import Any, Self

import keras
import numpy as np
from keras import ops

from ..ops.modulus import modulus_axis
from .base import Parametrization, Projection

Tensor = Any


class DynamicSparse(Parametrization):
    """Another parametrization's kernel, with its small elements left out.

    `w = base where |base| > c, else 0`, and `c` is a percentile of the moduli `|base|`: of `n`
    elements `round(percentile/100 (n - 1)) + 1` are 0 (more if moduli are equal; none for a
    percentile of 0 unless they are 0). Gradients flow through what is left only. Numbers of the
    base that serve many elements, as in `SpectralQR`, bring elements back that were left out; a
    `Cartesian` element that falls below `c` stays there until `c` sinks.

    Args:
        base: the parametrization that is made sparse: None (`Cartesian`), a name, config or object.
        percentile: from 0 to below 100, which part is left out.
        dynamic: True: `c` follows the kernel at every call. False: it stays as it was at the start,
            variable `threshold`.

    Raises:
        ValueError: if the percentile is out of range.

    Reference:
        Chicchi et al., arXiv 2106.09021, sparse QR and its sparse dense homologue.
    """

    def __init__(self, base: Any = None, percentile: float = 90.0, dynamic: bool = True):
        from . import get

        if not 0 <= percentile < 100:
            raise ValueError(
                "Expected `percentile`, which part of the elements is left out, from 0 to below "
                f"100. Received: percentile={percentile}"
            )
        self.base = get(base)
        self.percentile = float(percentile)
        self.dynamic = bool(dynamic)

    def _create(
        self, layer: Any, name: str, initializer: Any, regularizer: Any, constraint: Any
    ) -> None:
        self.base = self.base.build(
            layer,
            self.algebra,
            self.shape,
            name=name,
            initializer=initializer,
            regularizer=regularizer,
            constraint=constraint,
            outputs_first=self._outputs_first,
        )
        self._threshold = None
        if not self.dynamic:
            prefix = "" if name == "kernel" else f"{name}_"
            self._threshold = layer.add_weight(
                name=f"{prefix}threshold",
                shape=(),
                initializer=lambda shape, dtype=None: ops.cast(self._limit(self._moduli()), dtype),
                trainable=False,
                autocast=False,
            )

    @property
    def variables(self) -> list[keras.Variable]:
        """Those of the base, and the threshold where it is fixed."""
        return [*self.base.variables, *([] if self._threshold is None else [self._threshold])]

    def _moduli(self) -> Tensor:
        return modulus_axis(ops.cast(self.base.kernel(), "float32"), axis=0, keepdims=True)

    def _limit(self, moduli: Tensor) -> Tensor:
        flat = ops.reshape(moduli, (-1,))
        index = round(self.percentile / 100 * (flat.shape[0] - 1))
        if self.percentile == 0:
            return ops.zeros((), dtype=flat.dtype)
        ordered = ops.sort(flat)
        # Between the two, so that rounding to 16 bits seldom moves an element over it.
        return (ordered[index] + ordered[min(index + 1, flat.shape[0] - 1)]) / 2

    def _limit_of(self, moduli: Tensor) -> Tensor:
        if self._threshold is None:
            return self._limit(moduli)
        return ops.convert_to_tensor(self._threshold)

    def kernel(self) -> Tensor:
        """The sparse kernel, `(d, *window, in, out)`."""
        kernel = self.base.kernel()
        moduli = modulus_axis(ops.cast(ops.stop_gradient(kernel), "float32"), axis=0, keepdims=True)
        limit = self._limit_of(moduli)
        return ops.where(moduli > limit, kernel, ops.zeros_like(kernel))

    def set_kernel(self, value: Tensor) -> None:
        """Set the base so that the sparse kernel is `value`.

        Raises:
            ValueError: if `value` has too few zeros, or the base cannot represent it.
        """
        value = self._check_shape(value)
        moduli = modulus_axis(ops.cast(value, "float32"), axis=0, keepdims=True)
        limit = self._limit_of(moduli)
        lost = ops.logical_and(moduli > 0, moduli <= limit)
        if bool(ops.any(lost)):
            raise ValueError(
                f"'{self.path}' leaves out the elements up to the {self.percentile:g}th percentile "
                "of the moduli, and this kernel has elements there that are not 0. Set them to 0 "
                "first, or set the kernel of the base. "
                f"Received: {int(ops.sum(ops.cast(lost, 'int32')))} such elements"
            )
        self.base.set_kernel(value)

    def select(self, source: Parametrization, inputs: Any, outputs: Any) -> None:
        """Take over a part of `source`.

        Raises:
            ValueError: if the threshold is dynamic: it depends on the part that is left behind.
        """
        whole = len(inputs) == source.shape[-2] and len(outputs) == source.shape[-1]
        if self.dynamic and not whole:
            raise ValueError(
                f"'{self.path}' is sparse by a percentile of all its elements (DynamicSparse), "
                "which the removal of some would change. Use dynamic=False, or store its kernel in "
                "a Cartesian layer first. Received: dynamic=True"
            )
        self.base.select(source.base, inputs, outputs)
        if self._threshold is not None:
            self._threshold.assign(ops.convert_to_numpy(source._threshold))

    def prune(self, mask: Tensor, value: Tensor) -> None:
        """Prune the base; a pruned value below the threshold still counts as 0."""
        self.base.prune(mask, value)

    def constrain(self, projection: Projection | None) -> None:
        """Impose the projection on the base's kernel."""
        self.base.constrain(projection)

    def node_scores(self) -> np.ndarray:
        """Those of a spectral base."""
        return self.base.node_scores()

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        from . import serialize

        return {
            "base": serialize(self.base),
            "percentile": self.percentile,
            "dynamic": self.dynamic,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """An unbuilt parametrization from `get_config`."""
        return cls(**config)
