"""Cartesian: the kernel's real components are the trainable numbers."""

from typing import Any, Self

import keras
from keras import ops

from .. import algebras
from .base import Parametrization, Projection, install

Tensor = Any


class Cartesian(Parametrization):
    """Store the components of the kernel, the default of every layer.

    One variable `kernel`, `(d, *window, in, out)`; when d = 1 the component axis is dropped, so
    that the real algebra has the very variables of the stock layer.
    """

    def _create(
        self, layer: Any, name: str, initializer: Any, regularizer: Any, constraint: Any
    ) -> None:
        self._kernel = layer.add_weight(
            name=name,
            shape=self.stored_shape,
            initializer=initializer,
            regularizer=regularizer,
            constraint=constraint,
        )

    @classmethod
    def view(cls, variable: keras.Variable) -> Self:
        """A built view of a stock layer's kernel, as a kernel in the real algebra."""
        built = cls()
        built.algebra = algebras.get("real")
        built.shape, built.path = tuple(variable.shape), variable.path
        built._kernel = variable
        return built

    @property
    def variables(self) -> list[keras.Variable]:
        """`[kernel]`."""
        return [self._kernel]

    def kernel(self) -> Tensor:
        """The stored kernel, `(d, *window, in, out)`."""
        return self._shown(ops.convert_to_tensor(self._kernel))

    def set_kernel(self, value: Tensor) -> None:
        """Assign `value` `(d, *window, in, out)`."""
        self._kernel.assign(self._stored(self._check_shape(value)))

    def prune(self, mask: Tensor, value: Tensor) -> None:
        """Assign `value` where `mask` is False."""
        self.set_kernel(ops.where(mask, self.kernel(), value))

    def constrain(self, projection: Projection | None) -> None:
        """Project the stored kernel after every optimizer step."""
        if projection is None:
            install(self._kernel, None)
        else:
            install(self._kernel, lambda w: self._stored(projection(self._shown(w))))
