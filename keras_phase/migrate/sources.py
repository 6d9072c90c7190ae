"""Where foreign weights come from: arrays by name or in order, and Keras's HDF5 files."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .conventions import Convention

# Arrays of one layer: in its own order, or by name.
LayerWeights = Mapping[str, Any] | Sequence[Any]


def by_name(weights: LayerWeights, convention: Convention) -> dict[str, np.ndarray]:
    """Arrays of one layer by the names of its convention.

    Names may be paths, `"dense_1/real_kernel:0"` or `"net.0.weight"`: their last part counts.

    Raises:
        ValueError: if two names end alike, or a sequence has another length.
    """
    if not isinstance(weights, Mapping):
        names = convention.weights
        without_bias = tuple(name for name in names if name not in convention.bias)
        for expected in (names, without_bias):
            if len(weights) == len(expected):
                return dict(zip(expected, map(np.asarray, weights), strict=True))
        raise ValueError(
            f"Expected the {len(names)} arrays {names} of {convention.layer}, in this order, or "
            f"{len(without_bias)} without a bias, by the convention '{convention.name}'. "
            f"Received: {len(weights)} arrays"
        )
    found: dict[str, np.ndarray] = {}
    for path, array in weights.items():
        name = last_part(path)
        if name in found:
            raise ValueError(
                f"Expected the weights of one layer; two end in '{name}'. Give those of a layer, "
                f"or a model to load into. Received: names {sorted(weights)}"
            )
        found[name] = np.asarray(array)
    return found


def last_part(path: str) -> str:
    """`"kernel"` of `"model/dense/kernel:0"` or `"model.dense.kernel"`."""
    return path.partition(":")[0].replace("/", ".").rpartition(".")[2]


def by_layer(source: Any) -> dict[str, LayerWeights]:
    """Layers of a source with their arrays, without those that have none.

    Args:
        source: path of an HDF5 file of Keras, or a mapping: of layer names to their arrays, or of
            full weight names to arrays, such as a PyTorch `state_dict()` turned to NumPy.

    Raises:
        TypeError: if it is none of these.
        ValueError: if the file is not of a known layout.
    """
    if isinstance(source, str | os.PathLike):
        return read_h5(source)
    if not isinstance(source, Mapping):
        raise TypeError(
            "Expected the path of an HDF5 file, a mapping of layer names to arrays, or a mapping "
            f"of weight names to arrays. Received: source of type {type(source).__name__}"
        )
    if all(isinstance(value, Mapping | list | tuple) for value in source.values()):
        return {name: weights for name, weights in source.items() if len(weights)}
    layers: dict[str, dict[str, Any]] = {}
    for path, array in source.items():
        name = last_part(path)
        prefix = path.partition(":")[0][: -len(name)].rstrip("./")
        layers.setdefault(prefix, {})[name] = array
    return dict(layers)


def read_h5(path: str | os.PathLike) -> dict[str, LayerWeights]:
    """Layers of an HDF5 file of Keras with their arrays.

    Both layouts are read: that of `model.save("m.h5")` and `save_weights("w.h5")` of Keras 1 to 3
    and tf.keras, where layers are in the order of the model and weights have names, and Keras 3's
    `.weights.h5`, where layers are in alphabetical order and weights have numbers.

    Args:
        path: the file.

    Returns:
        From layer names to arrays by name, or to a list of arrays.

    Raises:
        ValueError: if the file has neither layout.

    Example:

    >>> import tempfile, keras
    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="out")])
    >>> path = tempfile.mkdtemp() + "/model.weights.h5"
    >>> model.save_weights(path)
    >>> [array.shape for array in read_h5(path)["dense"]]
    [(3, 2), (2,)]
    """
    import h5py

    path = Path(path)
    with h5py.File(path, "r") as file:
        root = file["model_weights"] if "model_weights" in file else file
        if "layer_names" in root.attrs:
            layers = {name: _named(root[name]) for name in _strings(root, "layer_names")}
        elif "layers" in root:
            layers = dict(_numbered(root["layers"], ""))
        else:
            raise ValueError(
                "Expected an HDF5 file written by Keras: with the attribute `layer_names`, or a "
                f"group `layers`. Received: path={str(path)!r} with {sorted(root)}"
            )
    return {name: arrays for name, arrays in layers.items() if len(arrays)}


def _strings(group: Any, attribute: str) -> list[str]:
    values = group.attrs.get(attribute, [])
    return [v.decode() if isinstance(v, bytes) else str(v) for v in values]


def _named(group: Any) -> dict[str, np.ndarray]:
    return {name: np.array(group[name]) for name in _strings(group, "weight_names")}


def _numbered(group: Any, prefix: str) -> Any:
    """`(name, arrays)` of every layer below `group`, those of nested models too."""
    for name, child in group.items():
        variables = child.get("vars", {})
        arrays = [np.array(variables[str(i)]) for i in range(len(variables))]
        yield prefix + name, arrays
        if "layers" in child:
            yield from _numbered(child["layers"], f"{prefix}{name}/")
