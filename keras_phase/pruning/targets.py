"""Which weights are pruned: every kernel of a model, or those of chosen layers."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from .. import parametrizations
from ..parametrizations import Cartesian, Parametrization
from .layouts import Layout, layout_of
from .state import PruningState

Tensor = Any
# Names, layers, or a function that says yes or no to a layer.
Selection = str | keras.layers.Layer | Callable[[keras.layers.Layer], bool]


@dataclass(frozen=True)
class Target:
    """A weight to prune.

    Attributes:
        parametrization: the only way in which it is read and changed.
        layer: the layer that owns it.
        layer_path: names from below the model down to the layer, `"encoder/dense"`.
        path: the same with the weight's name, `"encoder/dense/kernel"`.
    """

    parametrization: Parametrization
    layer: keras.layers.Layer
    layer_path: str
    path: str

    @property
    def layout(self) -> Layout:
        """How the kernel reads as `(*window, in, out)`."""
        return layout_of(self.layer, self.parametrization)

    @property
    def shape(self) -> tuple[int, ...]:
        """`(d, *window, in, out)`, the shape of `kernel()`."""
        return (self.parametrization.algebra.dimension, *self.layout.shape)

    def kernel(self) -> Tensor:
        """The effective kernel as pruning sees it, `(d, *window, in, out)`."""
        return self.layout.show(self.parametrization.kernel())

    def prune(self, mask: Tensor, value: Tensor) -> None:
        """Replace it by `value` where `mask`, which broadcasts to it, is False."""
        self.parametrization.prune(self.layout.hide(mask), self.layout.hide(value))

    def constrain(self, projection: Callable[[Tensor], Tensor]) -> None:
        """Impose `projection`, of `kernel()`, after every optimizer step."""
        layout = self.layout
        self.parametrization.constrain(lambda w: layout.hide(projection(layout.show(w))))

    @property
    def size(self) -> int:
        """Number of algebra elements."""
        return math.prod(self.parametrization.shape)


def find(
    model: keras.layers.Layer, layers: Selection | Sequence[Selection] | None = None
) -> list[Target]:
    """The weights to prune, in the order of the layers, shared ones once.

    Args:
        model: a built Keras model (or layer), however deep its layers are nested.
        layers: None for every kernel of rank 2 or more; else names, paths, layers or predicates. A
            chosen model or layer brings the layers inside it.

    Raises:
        ValueError: if the model is not built, nothing can be pruned, or a name is not in it.
    """
    if not model.built:
        raise ValueError(
            f"The model '{model.name}' is not built, so it has no weights to prune. Give it an "
            f"`Input`, or call it on data, first. Received: model.built={model.built}"
        )
    places = _walk(model, "")
    chosen = _chosen(places, layers)
    found: dict[int, Target] = {}
    for path, layer in chosen:
        for p in _prunable(layer):
            name = p.path.rpartition("/")[2]
            weight_path = f"{path}/{name}" if path else name
            found.setdefault(id(p.variables[0]), Target(p, layer, path or layer.name, weight_path))
    if not found:
        raise ValueError(
            "Nothing to prune: expected at least one kernel of rank 2 or more. Received: "
            f"model '{model.name}' with the layers {', '.join(p for p, _ in places[1:]) or 'none'}"
            + ("" if layers is None else f" and layers={layers!r}")
        )
    return list(found.values())


def _prunable(layer: keras.layers.Layer) -> list[Parametrization]:
    """The layer's own kernels, or those that it chooses by `get_prunable_weights`."""
    found = parametrizations.of(layer)
    if not _chooses(layer) or not layer.built:
        return found
    owners = {id(v): p for p in found for v in p.variables}
    return [owners.get(id(v)) or Cartesian.view(v) for v in layer.get_prunable_weights()]


def _chooses(layer: Any) -> bool:
    return callable(getattr(layer, "get_prunable_weights", None))


def _walk(layer: Any, path: str) -> list[tuple[str, Any]]:
    """Path and layer of `layer` and of everything inside it, each layer once."""
    places: dict[int, tuple[str, Any]] = {}
    names: set[str] = set()

    def visit(layer: Any, path: str) -> None:
        if id(layer) in places or isinstance(layer, PruningState):
            return
        unique, i = path, 0
        while unique in names:
            i += 1
            unique = f"{path}_{i}"
        names.add(unique)
        places[id(layer)] = (unique, layer)
        # A layer that chooses its weights speaks for the layers inside it.
        for child in () if _chooses(layer) else parametrizations.sublayers(layer):
            visit(child, f"{unique}/{child.name}" if unique else child.name)

    visit(layer, path)
    return list(places.values())


def _chosen(places: list[tuple[str, Any]], layers: Any) -> list[tuple[str, Any]]:
    if layers is None:
        return places
    items = layers if isinstance(layers, list | tuple) else [layers]
    result: dict[int, tuple[str, Any]] = {}
    for item in items:
        roots = [(path, layer) for path, layer in places if _matches(item, path, layer)]
        if not roots and not _is_predicate(item):
            raise ValueError(
                "`layers` names a layer that the model does not have. Expected one of: "
                f"{', '.join(path for path, _ in places[1:])}. Received: {item!r}"
            )
        for path, layer in roots:
            inside = {id(child) for _, child in _walk(layer, path)}
            result |= {id(child): (p, child) for p, child in places if id(child) in inside}
    return [place for place in places if id(place[1]) in result]


def _is_predicate(item: Any) -> bool:
    return callable(item) and not isinstance(item, keras.layers.Layer)


def _matches(item: Any, path: str, layer: Any) -> bool:
    if isinstance(item, str):
        return item in (path, layer.name)
    return bool(item(layer)) if _is_predicate(item) else item is layer
