"""What the initializers of this package share: an algebra, a seed, and their names."""

import copy
from typing import Any

import keras
from keras import ops

from .. import algebras
from ..algebras import Algebra
from ..registry import Registry

Tensor = Any

INITIALIZERS = Registry("initializer")


def register(name: str) -> Any:
    """Class decorator: usable by `name`, and reloaded without `custom_objects`."""

    def add(cls: type) -> type:
        INITIALIZERS.add(name, cls)
        return keras.saving.register_keras_serializable(package="keras_phase")(cls)

    return add


class AlgebraInitializer(keras.initializers.Initializer):
    """Base of initializers that know the algebra; subclasses draw `(d, *window, in, out)`.

    Args:
        algebra: an `Algebra`, its name or its config; None takes the algebra of the layer.
        seed: an integer, a `keras.random.SeedGenerator` or None, as for Keras initializers: an
            integer gives the same kernel at every call.
    """

    def __init__(self, algebra: Any = None, seed: Any = None):
        self.algebra = None if algebra is None else algebras.get(algebra)
        self._init_seed = seed
        self.seed = keras.initializers.RandomNormal(seed=seed).seed  # Keras's own rules for seeds

    def draw(self, shape: tuple[int, ...], dtype: str, algebra: Algebra) -> Tensor:
        """Draw a kernel `(d, *window, in, out)`."""
        raise NotImplementedError

    def bind(self, algebra: Algebra) -> "AlgebraInitializer":
        """This initializer in `algebra`.

        Raises:
            ValueError: if it was made for another algebra.
        """
        if self.algebra == algebra:
            return self
        if self.algebra is not None:
            raise ValueError(
                f"The initializer {type(self).__name__} was made for the algebra "
                f"'{self.algebra.name}', the layer works in '{algebra.name}'. Leave out the "
                f"initializer's `algebra`. Received: algebra='{self.algebra.name}'"
            )
        bound = copy.copy(self)
        bound.algebra = algebra
        return bound

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Tensor:
        """Draw a kernel.

        Args:
            shape: `(d, *window, in, out)`; without the component axis when d = 1.
            dtype: of the result, by default Keras's `floatx`.

        Raises:
            ValueError: if there is no algebra yet, or the shape does not fit it.
        """
        if self.algebra is None:
            raise ValueError(
                f"The initializer {type(self).__name__} has no algebra. Give it one, "
                f"{type(self).__name__}('complex'), or use it as a layer's kernel_initializer. "
                "Received: algebra=None"
            )
        d = self.algebra.dimension
        whole = (1, *shape) if d == 1 else tuple(shape)
        if len(whole) < 3 or whole[0] != d:
            raise ValueError(
                f"{type(self).__name__} draws kernels (d, *window, in, out) with d = {d} for the "
                f"algebra '{self.algebra.name}' (no axis d when it is 1). "
                f"Received: shape={tuple(shape)}"
            )
        dtype = keras.backend.standardize_dtype(dtype or keras.config.floatx())
        return ops.reshape(self.draw(whole, dtype, self.algebra), shape)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        algebra = None if self.algebra is None else algebras.serialize(self.algebra)
        return {"algebra": algebra, "seed": keras.saving.serialize_keras_object(self._init_seed)}
