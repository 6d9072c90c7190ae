"""Parametrizations: which trainable variables make a kernel.

`Cartesian` stores the components, `Polar` direction and amplitude, `Unitary` keeps a square kernel
unitary, `Spectral`, `SpectralSVD` and `SpectralQR` train eigenvalues of the nodes, `DynamicSparse`
leaves out the small elements of another one. A new one is a subclass of `Parametrization` in a file
of its own and a row in `_CLASSES`.
"""

from typing import Any

import keras

from ..registry import Registry
from .base import Factors as Factors
from .base import Parametrization as Parametrization
from .base import Projection as Projection
from .cartesian import Cartesian as Cartesian
from .dynamic_sparse import DynamicSparse as DynamicSparse
from .polar import Polar as Polar
from .spectral import Spectral as Spectral
from .spectral_factored import SpectralQR as SpectralQR
from .spectral_factored import SpectralSVD as SpectralSVD
from .unitary import Unitary as Unitary

_CLASSES = Registry("parametrization")
for _class in (Cartesian, Polar, Unitary, Spectral, SpectralSVD, SpectralQR, DynamicSparse):
    _CLASSES.add(_class.__name__, _class)


def register(cls: type[Parametrization]) -> type[Parametrization]:
    """Class decorator: make a user's parametrization known by its class name, for reloading."""
    _CLASSES.add(cls.__name__, cls)
    return cls


def get(identifier: Any) -> Parametrization:
    """A parametrization from an object, a class name, a config, or None (`Cartesian`).

    Raises:
        ValueError: if the name is unknown.
        TypeError: if the identifier is of another type.
    """
    if identifier is None:
        return Cartesian()
    if isinstance(identifier, Parametrization):
        return identifier
    if isinstance(identifier, str):
        return _CLASSES.get(identifier)()
    if isinstance(identifier, dict) and "class_name" in identifier:
        return _CLASSES.get(identifier["class_name"]).from_config(identifier.get("config", {}))
    raise TypeError(
        "Expected a `Parametrization`, its class name, its config or None. "
        f"Received: parametrization={identifier!r} (of type {type(identifier).__name__})"
    )


def serialize(parametrization: Parametrization) -> dict[str, Any]:
    """Config that `get` reads back."""
    return {
        "class_name": type(parametrization).__name__,
        "config": parametrization.get_config(),
    }


def of(layer: keras.layers.Layer) -> list[Parametrization]:
    """The built parametrizations of one layer's own kernels (not of its sub-layers).

    A stock Keras layer's float weights of rank 2 or more, biases apart (attention and GRU have some
    of rank 2), are viewed as `Cartesian` kernels in the real algebra, so that one pruning engine
    serves both.
    """
    if not layer.built:
        return []
    own = getattr(layer, "parametrizations", None)
    if own is not None:
        return list(own)
    inner = {id(v) for child in sublayers(layer) for v in child.variables}
    return [
        Cartesian.view(v)
        for v in layer.weights
        if id(v) not in inner
        and (v.trainable or not layer.trainable)  # a recurrent state is no kernel
        and len(v.shape) >= 2
        and "float" in str(v.dtype)
        and not v.name.endswith("bias")
    ]


def sublayers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """The layers directly inside `layer`, in the order of its attributes, each once."""
    found = list(getattr(layer, "layers", None) or [])
    for value in vars(layer).values():
        items = value if isinstance(value, list | tuple) else [value]
        if isinstance(value, dict):
            items = list(value.values())
        found += [v for v in items if isinstance(v, keras.layers.Layer)]
    return list({id(v): v for v in found if not isinstance(v, keras.Metric)}.values())
