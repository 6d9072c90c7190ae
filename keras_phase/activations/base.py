"""What an activation is to the layers that hold one, and how a function becomes one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import keras

from .. import algebras
from ..algebras import Algebra
from ..registry import Registry

Tensor = Any

ACTIVATIONS = Registry("activation")


@dataclass(frozen=True)
class WeightSpec:
    """A trainable vector of an activation, one number an element channel, `(n,)`.

    Attributes:
        name: of the weight, and of the function's argument.
        initializer: a Keras initializer, its name or its config.
    """

    name: str
    initializer: Any


@dataclass(frozen=True)
class Activation:
    """An activation as layers hold it: `(x, *weights, algebra) -> y`, both `(..., d*n)`.

    Attributes:
        name: what configs say.
        function: `(x, *weights, *, algebra) -> y`.
        weight_specs: the trainable vectors that the host layer creates and passes on.
        symmetry: under which maps of the `d` components the activation is equivariant:
            `"rotation"` (every orthogonal map: phase-preserving, and blind to the phase),
            `"first axis"` (the orthogonal maps that fix the first component), `"permutation"`, or
            None where nothing is known.
    """

    name: str
    function: Callable[..., Tensor]
    weight_specs: tuple[WeightSpec, ...] = ()
    symmetry: str | None = None

    def __call__(self, x: Tensor, *weights: Tensor, algebra: Any) -> Tensor:
        """Apply the activation to `(..., d*n)`, with the weights in the order of `weight_specs`."""
        return self.function(x, *weights, algebra=algebra)

    @property
    def is_relu(self) -> bool:
        """Whether it sets negative components to 0 and does nothing else, as products can do."""
        return False

    def check(self, algebra: Algebra) -> None:
        """Raise `ValueError` if the activation makes no sense in `algebra`."""

    def with_initializers(self, **initializers: Any) -> "Activation":
        """The same activation with other starting values of its weights.

        Raises:
            ValueError: if the activation has no weight of that name.

        Example:

        >>> from keras_phase import activations
        >>> wider = activations.get("modrelu").with_initializers(
        ...     bias=keras.initializers.Constant(-0.5)
        ... )
        """
        known = [spec.name for spec in self.weight_specs]
        unknown = sorted(set(initializers) - set(known))
        if unknown:
            raise ValueError(
                f"The activation '{self.name}' has no weight '{unknown[0]}'. "
                f"Expected one of: {', '.join(known) or 'none'}. Received: {unknown[0]}="
                f"{initializers[unknown[0]]!r}"
            )
        specs = (
            WeightSpec(s.name, keras.initializers.get(initializers.get(s.name, s.initializer)))
            for s in self.weight_specs
        )
        return replace(self, weight_specs=tuple(specs))

    def serialize(self) -> Any:
        """What `get` makes the same activation from: the name where the weights start as usual."""
        registered = ACTIVATIONS.get(self.name) if self.name in ACTIVATIONS else None
        if registered == self:
            return self.name
        if registered is None or registered.function is not self.function:
            return keras.activations.serialize(self.function)
        starts = {s.name: keras.initializers.serialize(s.initializer) for s in self.weight_specs}
        return {"class_name": self.name, "config": {"initializers": starts}}


@dataclass(frozen=True)
class Split(Activation):
    """A function of real numbers, applied to every component on its own."""

    def __call__(self, x: Tensor, *weights: Tensor, algebra: Any) -> Tensor:
        """Apply the function to `(..., d*n)`."""
        self.check(algebras.get(algebra))
        y = self.function(x)
        if getattr(self.function, "weights", None):
            raise ValueError(
                f"The activation '{self.name}' is a layer with weights, which its host would not "
                "train. Put it behind the host as a layer of its own. "
                f"Received: activation={self.function}"
            )
        return y

    @property
    def is_relu(self) -> bool:
        """Whether the function is `keras.activations.relu` with its defaults."""
        return self.function is keras.activations.relu

    def check(self, algebra: Algebra) -> None:
        """Raise `ValueError` if the function mixes channels and the algebra has d > 1."""
        if algebra.dimension > 1 and _mixes_channels(self.function):
            raise ValueError(
                f"The activation '{self.name}' acts across the last axis, which holds "
                f"{algebra.dimension} components of every element in the algebra "
                f"'{algebra.name}'. Make the elements real first, with "
                'keras_phase.FromAlgebra("squared_norm"), then apply it to them. '
                f"Received: activation={self.name!r}"
            )


def activation(
    name: str, *, symmetry: str | None, weights: Mapping[str, float] | None = None
) -> Callable[[Callable], Callable]:
    """Decorator: register `function(x, *weights, *, algebra) -> y` as the activation `name`.

    Args:
        name: what users and configs call it.
        symmetry: see `Activation`; a test holds the function to it.
        weights: starting value of each trainable vector, by argument name.
    """

    def add(function: Callable) -> Callable:
        specs = tuple(
            WeightSpec(weight, keras.initializers.Constant(start))
            for weight, start in (weights or {}).items()
        )
        ACTIVATIONS.add(name, Activation(name, function, specs, symmetry))
        return function

    return add


_ACROSS_CHANNELS = [
    getattr(keras.activations, name)
    for name in ("softmax", "log_softmax", "sparsemax", "glu")
    if hasattr(keras.activations, name)  # two of them are younger than the oldest Keras we support
]


def _mixes_channels(function: Callable) -> bool:
    across = any(function is other for other in _ACROSS_CHANNELS)
    return across or isinstance(function, keras.layers.Softmax)
