"""A SavedModel of plain kernels and stock operations, for serving without this package.

Keras's own `model.export` works too; its result holds the trainable variables of every
parametrization (directions and amplitudes, say) and computes the kernels from them in each call.
Here each kernel is computed once and stored as one plain variable.
"""

import contextlib
import functools
import inspect
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
from keras import ops, tree

from . import parametrizations
from .ops import filtering
from .stock_layers import inside

_MARKER = "saved_model.pb"


def export_saved_model(
    model: keras.Model,
    path: str | os.PathLike,
    *,
    input_signature: list[Any] | None = None,
    overwrite: bool = False,
    real_arithmetic: bool = False,
) -> Path:
    """Write `model` as a TensorFlow SavedModel that loads without keras_phase.

    Parametrizations and pruning are baked: the SavedModel holds the effective kernels,
    `(d, *window, in, out)`, and the operations of TensorFlow. Endpoint (`serve`), signatures
    (`serve`, `serving_default`) and the names of their inputs are those of `model.export`.

    The folder appears whole or not at all: it is written beside `path` and then renamed. Whatever
    fails before, an export already at `path` stays as it was.

    Functional, sequential and subclassed models are served alike, since only the kernels of the
    live model are replaced while it is traced; do not train it in another thread meanwhile.

    Args:
        model: a built Keras model, on the TensorFlow backend.
        path: the folder to make.
        input_signature: the arguments of `serve`, as `tf.TensorSpec`s; None takes the model's
            inputs (for a subclassed model: the shapes that it was first called on, as floats).
        overwrite: whether an existing SavedModel at `path` may be replaced.
        real_arithmetic: whether Fourier transforms become products with real matrices: slower, but
            LiteRT and ONNX can compute them.

    Returns:
        `path`.

    Raises:
        TypeError: if `model` is not a Keras 3 model.
        ValueError: if the model is not built, or its inputs are unknown.
        FileExistsError: if `path` exists and `overwrite` is False, or is not a SavedModel.
        RuntimeError: if the backend is not TensorFlow.

    Example:

    >>> import tempfile
    >>> import keras_phase
    >>> model = keras.Sequential([
    ...     keras.Input((4,)), keras_phase.PhaseDense(3, amplitude="unit"), keras_phase.Modulus()
    ... ])
    >>> folder = tempfile.mkdtemp() + "/served"
    >>> export_saved_model(model, folder).name
    'served'
    """
    _check_model(model)
    path = Path(path)
    _check_target(path, overwrite)
    import tensorflow as tf

    signature = input_signature or _input_signature(model, tf.TensorSpec)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as scratch:
        written = Path(scratch, "new")
        forms = filtering.real_arithmetic() if real_arithmetic else contextlib.nullcontext()
        with baked(model), forms:
            _write(model, written, signature)
        _check_target(path, overwrite)
        _replace(path, written, Path(scratch, "old"))
    return path


@contextlib.contextmanager
def baked(model: keras.Model) -> Iterator[None]:
    """While this context is open, `model` computes with its kernels as plain variables.

    Args:
        model: a built Keras model. What it is asked to do meanwhile must not train it.
    """
    found = [
        p
        for layer in (model, *inside(model))
        if hasattr(layer, "parametrizations")
        for p in parametrizations.of(layer)
    ]
    try:
        for p in found:
            value, name = p.kernel(), p.path.replace("/", ".")
            dtype = keras.backend.standardize_dtype(value.dtype)
            frozen = keras.Variable(value, dtype=dtype, trainable=False, name=name)
            # Shadows the method of this one object, so a parametrization needs no code for it.
            p.kernel = functools.partial(ops.convert_to_tensor, frozen)
            p.factors = functools.partial(_as_factors, p.kernel)
        yield
    finally:
        for p in found:
            vars(p).pop("kernel", None)
            vars(p).pop("factors", None)


def _as_factors(kernel: Callable[[], Any]) -> parametrizations.Factors:
    return parametrizations.Factors(kernel())


def _write(model: keras.Model, folder: Path, signature: list[Any]) -> None:
    archive = keras.export.ExportArchive()
    for layer in (model, *inside(model)):
        # A traced function brings its variables along, but not the tables of a lookup layer.
        # Tracking the whole model would store the baked-away variables too.
        if layer.built and not layer.variables:
            archive.track(layer)
    archive.add_endpoint("serve", model.__call__, signature)
    # Newer versions of Keras announce the folder, which is not yet the final one.
    known = inspect.signature(archive.write_out).parameters
    quiet = {"verbose": False} if "verbose" in known else {}
    archive.write_out(str(folder), **quiet)


def _replace(path: Path, new: Path, old: Path) -> None:
    """Put `new` where `path` is, or leave everything as it was."""
    if not path.exists():
        new.rename(path)
        return
    path.rename(old)
    try:
        new.rename(path)
    except BaseException:
        old.rename(path)
        raise


def _check_model(model: Any) -> None:
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            "A SavedModel of stock TensorFlow operations is made on the TensorFlow backend: save "
            "the model as a .keras file, and load and export it with KERAS_BACKEND=tensorflow. "
            f"Received: backend='{keras.backend.backend()}'"
        )
    if not isinstance(model, keras.Model):
        raise TypeError(
            "Expected a Keras 3 model (`keras.Model`), not a layer, a function or a tf_keras "
            f"model. Received: model of type {type(model).__module__}.{type(model).__name__}"
        )
    if not model.built:
        raise ValueError(
            f"The model '{model.name}' has no weights to export yet: call it on data, or give it "
            f"an `Input`, first. Received: model.built={model.built}"
        )


def _check_target(path: Path, overwrite: bool) -> None:
    if not path.exists():
        return
    is_export = path.is_dir() and ((path / _MARKER).exists() or not any(path.iterdir()))
    if not is_export:
        raise FileExistsError(
            f"The path exists and is not a SavedModel, so it is never replaced: it holds no "
            f"{_MARKER}. Choose a path that does not exist. Received: path='{path}'"
        )
    if not overwrite:
        raise FileExistsError(
            "The folder exists. Pass overwrite=True to replace it (in one step, after the new "
            f"export is complete), or choose another path. Received: path='{path}'"
        )


def _input_signature(model: keras.Model, spec: type) -> list[Any]:
    """Arguments of `serve` as `spec(shape, dtype, name)`, the names as in `model.export`."""
    inputs = getattr(model, "inputs", None)
    if inputs:
        structure = inputs[0] if len(inputs) == 1 else getattr(model, "input", inputs)
        return [
            tree.map_structure(lambda x: spec((None, *x.shape[1:]), x.dtype, x.name), structure)
        ]
    config = model.get_build_config() or {}
    shapes = config.get("shapes_dict") or {"input": config.get("input_shape")}
    if not all(_is_shape(s) for s in shapes.values()):
        raise ValueError(
            f"Cannot tell the inputs of the subclassed model '{model.name}'. Pass "
            "`input_signature=[tf.TensorSpec(shape, dtype), ...]`, one for each argument of its "
            f"`call`. Received: input_signature=None, built on {config}"
        )
    return [spec((None, *s[1:]), model.input_dtype) for s in shapes.values()]


def _is_shape(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(n, int | None) for n in value)
