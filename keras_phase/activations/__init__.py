"""Activations of algebra elements, by name, as functions and as objects that layers hold.

An activation maps `(..., d*n)`, component-major, to the same shape. Three kinds:

* *split*: a real function on every component on its own. Every Keras name is one (`"relu"`,
  `"tanh"`, ...), so is every callable that takes one tensor.
* *of the modulus* (`modrelu`, `soft_threshold`, `modulus_sigmoid`, `amplitude_squash`,
  `unit_modulus`): the direction stays, the modulus changes, whatever the phase. `collapse` is the
  opposite: only the modulus stays.
* *of the phase* (`cardioid`, `zrelu`): the phase decides how much passes.

The parametric ones, `modrelu`, `soft_threshold` and `modulus_sigmoid`, have trainable numbers an
element channel, which the host layer owns. A new activation is one decorated function in one of
these files.

Which to take: split ReLU is the safe default. The activations of the modulus leave the phase alone,
so a network that has only them is equivariant, and on a small classifier nearly linear: a complex
one-hidden-layer network with modReLU reaches about 95 % on MNIST, with split ReLU above 97 %.

Example:

>>> from keras_phase import activations
>>> activations.names()[:3]
('crelu', 'zrelu', 'modrelu')
>>> relu = activations.get("relu", "quaternion")
>>> keras.ops.convert_to_numpy(relu([[1.0, -1.0, 2.0, -2.0]], algebra="quaternion")).tolist()
[[1.0, 0.0, 2.0, 0.0]]
"""

import inspect
from collections.abc import Callable
from typing import Any

import keras

from .. import algebras
from .base import ACTIVATIONS, Split
from .base import Activation as Activation
from .base import WeightSpec as WeightSpec
from .base import activation as activation
from .componentwise import crelu as crelu
from .componentwise import zrelu as zrelu
from .modulus import amplitude_squash as amplitude_squash
from .modulus import collapse as collapse
from .modulus import modrelu as modrelu
from .modulus import modulus_sigmoid as modulus_sigmoid
from .modulus import soft_threshold as soft_threshold
from .modulus import unit_modulus as unit_modulus
from .phase import cardioid as cardioid


def names() -> tuple[str, ...]:
    """Names of the activations of this package; every Keras name works too."""
    return ACTIVATIONS.names()


def get(identifier: Any, algebra: Any = None) -> Activation:
    """The activation that `identifier` stands for.

    Args:
        identifier: a name (ours first, then Keras's), a function, an `Activation`, a config from
            `serialize`, or None for the linear one. A function with an argument `algebra` is called
            as `f(x, algebra=...)`, any other one as `f(x)`.
        algebra: if given, also check that the activation makes sense in it.

    Returns:
        An `Activation`: call it as `activation(x, *weights, algebra=...)`.

    Raises:
        ValueError: if the name is unknown, or the activation makes no sense in the algebra: one
            that acts across the last axis (softmax) where that axis holds components.
        TypeError: if `identifier` is of another type.

    Example:

    >>> get("softmax", "complex")
    Traceback (most recent call last):
        ...
    ValueError: The activation 'softmax' acts across the last axis, which holds 2 components ...
    """
    found = _find(identifier)
    if algebra is not None:
        found.check(algebras.get(algebra))
    return found


def split(function: Any) -> Activation:
    """The activation that applies a real function, or a Keras name, to every component.

    Degenerate case: in the real algebra it is the function.
    """
    function = _keras_function(function)
    name = getattr(function, "__name__", None) or getattr(function, "name", "activation")
    return Split(name, function, symmetry="permutation")


def serialize(identifier: Any) -> Any:
    """A name or a config from which `get` makes the same activation.

    Your own functions need `keras.saving.register_keras_serializable`, as with Keras layers.
    """
    return get(identifier).serialize()


def _find(identifier: Any) -> Activation:
    if isinstance(identifier, Activation):
        return identifier
    if identifier in ACTIVATIONS:
        return ACTIVATIONS.get(identifier)
    if isinstance(identifier, dict) and identifier.get("class_name") in ACTIVATIONS:
        starts = identifier.get("config", {}).get("initializers", {})
        return ACTIVATIONS.get(identifier["class_name"]).with_initializers(**starts)
    function = _keras_function(identifier)
    for known in map(ACTIVATIONS.get, ACTIVATIONS):
        if known.function is function:
            return known
    if _takes_algebra(function):
        return Activation(getattr(function, "__name__", "activation"), function)
    return split(function)


def _keras_function(identifier: Any) -> Callable:
    try:
        return keras.activations.get(identifier)
    except ValueError:
        if not isinstance(identifier, str):
            raise TypeError(
                "An activation must be a name, a callable, an `Activation`, its config, or None. "
                f"Received: activation={identifier!r} of type {type(identifier).__name__}"
            ) from None
        raise ValueError(
            f"Unknown activation. Expected one of: {', '.join(ACTIVATIONS)}; or a Keras activation "
            f"('relu', 'tanh', ...) for every component. Received: activation={identifier!r}"
        ) from None


def _takes_algebra(function: Callable) -> bool:
    try:
        return "algebra" in inspect.signature(function).parameters
    except ValueError:  # some built-in functions have no signature
        return False
