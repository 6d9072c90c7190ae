"""A model's architecture as data: made plain, vetted, and tried out before memory is spent on it.

A file may come from anywhere. Keras's `safe_mode` keeps code in it from running; here only what a
model is made of (layers, initializers, ...) gets that far at all, and shapes are compared with the
weights of the file while no variable has memory yet.
"""

import json
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from .. import parametrizations
from ..layers.dense import PhaseMixin
from ..parametrizations import Parametrization
from ..pruning.wrapper import PruneLowMagnitude
from ..stock_layers import inside

# Containers of values that Keras knows by these names; what it calls code is not among them.
_VALUES = {
    "__bytes__",
    "__ellipsis__",
    "__keras_tensor__",
    "__numpy__",
    "__slice__",
    "__tensor__",
    "__tuple__",
}
_MODULES = re.compile(
    r"keras(\.(src(\.\w+)*|activations|constraints|dtype_policies|initializers|layers|models|ops"
    r"(\.\w+)*|quantizers|random|regularizers))?"
)
_FUNCTIONS = re.compile(r"builtins|keras\.(activations|constraints|initializers|ops|regularizers)")
# These read other files.
_FORBIDDEN = {"TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"}


@dataclass(frozen=True)
class Place:
    """A weight of the model that a file makes.

    Attributes:
        shape: of the variable.
        dtype: of the variable.
        slot: index of what it belongs to, in `slots`.
        part: which of several variables of a kernel it is; None for one that is the kernel.
    """

    shape: tuple[int, ...]
    dtype: str
    slot: int
    part: int | None


def plain(model: keras.Model) -> tuple[str, list[Place]]:
    """The architecture of `model` as JSON, uncompiled, and the weights that it has when built.

    Its kernels are variables, other parametrizations only where a class of the user makes them.

    Raises:
        ValueError: if the model holds what cannot be written as data: a lambda, a vocabulary.
    """
    for layer in inside(model):
        if hasattr(layer, "save_assets") and not layer.get_config().get("vocabulary"):
            raise ValueError(
                f"The layer '{layer.name}' ({type(layer).__name__}) keeps files of its own, which "
                "a compressed file does not hold. Expected weights only: give it its "
                "`vocabulary` when it is made, or keep it outside the model. "
                f"Received: model '{model.name}'"
            )
    config = _plain(keras.saving.serialize_keras_object(model))
    text = json.dumps(config, separators=(",", ":"))
    try:
        found = places(text)
    except ValueError as error:
        raise ValueError(
            f"The model '{model.name}' could not be read back: {error}. Register own classes and "
            "functions with `keras.saving.register_keras_serializable`, and use no lambda. "
            f"Received: model of type {type(model).__name__}"
        ) from error
    if len({place.slot for place in found}) != len(slots(model)):
        raise ValueError(
            f"The model '{model.name}' is another one when it is read back: a layer that several "
            "nested models share would be there several times. Call the layer in one model only. "
            f"Received: {len(slots(model))} weights, {len(found)} when read back"
        )
    return text, found


def slots(model: keras.Model) -> list[keras.Variable | Parametrization]:
    """What holds the model's weights, in their order: variables, and kernels made of several."""
    owners = _owners(model)
    found = {id(owners.get(id(v), v)): owners.get(id(v), v) for v in model.weights}
    return list(found.values())


def places(text: str) -> list[Place]:
    """The weights of the model that `build` would make; no variable gets memory.

    Raises:
        ValueError: if the text holds something else than a model.
    """
    config = _parsed(text)
    return _in_thread(lambda: _places(_deserialized(config)), vet(config))


def build(text: str, expected: Sequence[tuple[tuple[int, ...], str]]) -> keras.Model:
    """The model of `plain`, with fresh weights.

    Args:
        text: JSON.
        expected: shapes and types of its weights.

    Raises:
        ValueError: if the text holds something else than a model, or one with other weights.
    """
    found = [(place.shape, place.dtype) for place in places(text)]
    if found != list(expected):
        raise ValueError(f"the model has {len(found)} weights of other shapes than the file")
    model = _deserialized(_parsed(text))  # anew, for some classes take their config apart
    if [(place.shape, place.dtype) for place in _places(model)] != found:
        raise ValueError("the model is not the same when it is built again")
    return model


def vet(config: Any) -> dict[str, Any]:
    """Refuse whatever is not a part of a model; the registered objects that it names.

    Raises:
        ValueError: if the config names code, files, or a class that is unknown here.
    """
    known: dict[str, Any] = {}
    pending = [config]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            if "class_name" in item:
                _vet_object(item, known)
            if isinstance(item.get("vocabulary"), str):
                raise ValueError("a vocabulary is the name of a file")
            pending += item.values()
        elif isinstance(item, list):
            pending += item
    return known


def _vet_object(item: dict[str, Any], known: dict[str, Any]) -> None:
    name, module = item["class_name"], item.get("module")
    is_function = name == "function"
    called = item.get("config") if is_function else name
    if not isinstance(name, str) or not isinstance(called, str):
        raise ValueError(f"a class is called {name!r:.50}")
    if name.startswith("__"):
        if name not in _VALUES:
            raise ValueError(f"'{name}' stands for code, which is not read")
        return
    for identifier in (item.get("registered_name"), called):
        registered = isinstance(identifier, str) and keras.saving.get_registered_object(identifier)
        if registered:
            known[identifier] = registered
            return
    allowed = _FUNCTIONS if is_function else _MODULES
    if module is None and is_function:
        raise ValueError(f"the function '{called}' is not registered here")
    if not called.isidentifier() or called in _FORBIDDEN:
        raise ValueError(f"'{called}' is not a part of a model")
    if module is not None and not (isinstance(module, str) and allowed.fullmatch(module)):
        raise ValueError(
            f"'{called}' of the module {module!r:.60} is neither a part of Keras models nor "
            "registered here"
        )


def _plain(config: Any) -> Any:
    """Without parametrizations, and as never compiled."""
    if isinstance(config, list | tuple):
        return [_plain(item) for item in config]
    if not isinstance(config, dict):
        return config
    config = {key: _plain(value) for key, value in config.items() if key != "compile_config"}
    inner = config.get("config")
    if isinstance(inner, dict) and isinstance(config.get("registered_name"), str):
        cls = keras.saving.get_registered_object(config["registered_name"])
        if cls is PruneLowMagnitude:
            return _unwrapped(config)
        if isinstance(cls, type) and issubclass(cls, PhaseMixin):
            inner |= {"amplitude": "free", "phase_bits": None}
        elif "parametrization" in inner:
            inner["parametrization"] = None
    return config


def _unwrapped(config: dict[str, Any]) -> dict[str, Any]:
    """The layer in the place and under the name of its pruning wrapper."""
    layer = config["config"]["layer"]
    inner = {**layer["config"], "name": config["config"]["name"]}
    return {**config, "build_config": None, **layer, "config": inner}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("the architecture is nested too deeply") from error


def _deserialized(config: Any) -> keras.Model:
    try:
        model = keras.saving.deserialize_keras_object(config, safe_mode=True)
    except Exception as error:  # whatever a constructor raises
        first = str(error).split("\n", 1)[0]
        raise ValueError(f"the architecture cannot be built: {first:.300}") from error
    if not isinstance(model, keras.Model):
        raise ValueError(f"the architecture is of a {type(model).__name__}, not of a model")
    return model


def _owners(model: keras.Model) -> dict[int, Parametrization]:
    owners: dict[int, Parametrization] = {}
    for layer in (model, *inside(model)):
        if hasattr(layer, "parametrizations"):
            for p in parametrizations.of(layer):
                owners |= {id(v): p for v in p.variables}
    return owners


def _places(model: keras.Model) -> list[Place]:
    owners, order = _owners(model), {id(slot): i for i, slot in enumerate(slots(model))}
    found = []
    for v in model.weights:
        owner = owners.get(id(v))
        variables = [v] if owner is None else owner.variables
        part = [id(x) for x in variables].index(id(v)) if len(variables) > 1 else None
        slot = order[id(v if owner is None else owner)]
        dtype = keras.backend.standardize_dtype(v.dtype)
        found.append(Place(tuple(v.shape), dtype, slot, part))
    return found


def _in_thread(function: Callable[[], Any], known: dict[str, Any]) -> Any:
    """`function()` where variables are described but never get memory.

    Keras keeps a list of such variables, to give them memory later, and keeps it for each thread:
    it ends with this one.
    """
    outcome: list[Any] = []

    def run() -> None:
        try:
            scope = keras.StatelessScope(initialize_variables=False)
            with keras.saving.custom_object_scope(known), scope:
                outcome.append((function(), None))
        except BaseException as error:
            outcome.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join()
    result, error = outcome[0]
    if error is not None:
        raise error
    return result
