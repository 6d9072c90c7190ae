"""The real TF-MOT beside Keras 3: imported without side effects, its objects taken as they are.

TF-MOT prunes models of tf_keras only; the layers for it are in `keras_phase.legacy`. Its schedule
objects work wherever ours do. Its callback objects drive its own wrappers, so in a Keras 3 `fit`
`adapt` puts ours in their place.
"""

import os
from collections.abc import Iterable
from types import ModuleType
from typing import Any

import keras

from .summaries import PruningSummaries
from .update_step import UpdatePruningStep

_VARIABLE = "TF_USE_LEGACY_KERAS"
_PACKAGE = "tensorflow_model_optimization"


def load() -> ModuleType:
    """TF-MOT, imported so that `tf.keras` and the environment stay as they are.

    A plain import sets `TF_USE_LEGACY_KERAS=1`, which turns `tf.keras`, if nobody has used it yet,
    and that of child processes into tf_keras.

    Raises:
        ImportError: if TF-MOT is not installed.
    """
    import tensorflow as tf

    before = os.environ.get(_VARIABLE)
    dir(tf.keras)  # it is decided at first use: now, as the environment says
    try:
        import tensorflow_model_optimization
    except ImportError as error:
        raise ImportError(
            "TF-MOT cannot be imported. Install it with `pip install keras_phase[tfmot]`; for "
            "Keras 3 models use `keras_phase.pruning.prune_low_magnitude`, which needs nothing. "
            f"Reason: {error}"
        ) from error
    finally:
        if before is None:
            os.environ.pop(_VARIABLE, None)
        else:
            os.environ[_VARIABLE] = before
    return tensorflow_model_optimization


def adapt(callbacks: Any) -> list[Any]:
    """Callbacks for a Keras 3 `fit` from a list in which objects of TF-MOT are.

    `UpdatePruningStep` becomes ours, `PruningSummaries` ours with its folder; others stay.

    Args:
        callbacks: a callback or several.

    Raises:
        TypeError: for another callback of TF-MOT.
    """
    items = callbacks if isinstance(callbacks, Iterable) else [callbacks]
    return [_adapted(callback) for callback in items]


def _adapted(callback: Any) -> Any:
    if not type(callback).__module__.startswith(_PACKAGE):
        return callback
    name = type(callback).__name__
    if name == "UpdatePruningStep":
        return UpdatePruningStep()
    if name == "PruningSummaries":
        return PruningSummaries(callback.log_dir, update_freq=callback.update_freq)
    raise TypeError(
        "Expected a callback of `keras.callbacks`, or TF-MOT's `UpdatePruningStep` or "
        f"`PruningSummaries`. Received: {type(callback).__module__}.{name}"
    )


def fold_pruning(model: Any) -> Any:
    """Put pruned values into the kernels of a tf_keras model that TF-MOT has pruned and stripped.

    Args:
        model: a tf_keras model of layers of `keras_phase.legacy`, out of TF-MOT's `strip_pruning`.

    Returns:
        `model`.

    Raises:
        TypeError: if it is a Keras 3 model.
    """
    if isinstance(model, keras.layers.Layer):
        raise TypeError(
            "Expected a tf_keras model. In Keras 3 `strip_pruning` leaves nothing to fold. "
            f"Received: model of type {type(model).__name__}"
        )
    for layer in model.submodules:
        if hasattr(layer, "fold_pruning"):
            layer.fold_pruning()
    return model
