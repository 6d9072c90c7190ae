"""What pruning remembers: masks and counters, saved with the model they belong to."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

_ATTRIBUTE = "pruning_state"


class PruningState(keras.layers.Layer):
    """Masks and counters of a pruner.

    It is a layer because Keras saves the layers that it finds in a model's attributes. So it goes
    into `.weights.h5` and `.keras` files, and `BackupAndRestore` brings it back, while the model's
    own weights, their number and its exports stay as they are.

    Args:
        shapes: for each weight the shapes of its mask and of its gain, None for a criterion that
            removes weights and so needs no gain.

    Attributes:
        keep: for each weight, whether it is kept.
        gain: for each weight, what the pruned value is multiplied by; 0 for kept weights and for
            pruned ones that were 0.
        step: number of optimizer updates for which the schedule was asked; -1 before the first.
        updates: number of mask updates.
    """

    # Not kernels to prune, though some are of rank 2.
    parametrizations: Sequence[Any] = ()

    def __init__(self, shapes: Sequence[tuple[tuple[int, ...], tuple[int, ...] | None]]):
        super().__init__(name=_ATTRIBUTE, trainable=False, dtype="float32")
        self.keep = [
            self.add_weight(name=f"keep_{i}", shape=keep, dtype="bool", initializer="ones")
            for i, (keep, _) in enumerate(shapes)
        ]
        self.gain = [
            None
            if gain is None
            else self.add_weight(name=f"gain_{i}", shape=gain, initializer="zeros")
            for i, (_, gain) in enumerate(shapes)
        ]
        self.step = -1
        self.updates = 0
        self.built = True

    def save_own_variables(self, store: Any) -> None:
        """Write masks and counters, which are plain numbers so that counting costs nothing."""
        store["step"] = np.array(self.step)
        store["updates"] = np.array(self.updates)
        for variable in self.weights:
            store[variable.name] = variable

    def load_own_variables(self, store: Any) -> None:
        """Read masks and counters; a file of a model that was not pruned changes nothing.

        Raises:
            ValueError: if the file's masks are of other weights or another granularity.
        """
        saved = set(store.keys())
        if not saved:
            return
        expected = {v.name: tuple(v.shape) for v in self.weights}
        found = {n: tuple(store[n].shape) for n in saved - {"step", "updates"}}
        if found != expected:
            raise ValueError(
                "The saved pruning masks do not fit: they were made with other settings "
                "(criterion, granularity, layers) or for another model. Prune with the settings of "
                f"the saved run. Expected: {expected}. Received: {found}"
            )
        for variable in self.weights:
            variable.assign(np.asarray(store[variable.name]))
        self.step = int(np.asarray(store["step"]))
        self.updates = int(np.asarray(store["updates"]))


def attach(model: keras.Model, state: PruningState) -> None:
    """Make `state` part of what is saved with `model`, but not of its weights.

    A plain attribute: `model.pruning_state = state` would let Keras track it, so that masks would
    count as parameters and go into every export.
    """
    object.__setattr__(model, _ATTRIBUTE, state)


def attached(model: keras.Model) -> PruningState | None:
    """The state that is saved with `model`, if any."""
    return getattr(model, _ATTRIBUTE, None)


def detach(model: keras.Model) -> None:
    """Undo `attach`."""
    if attached(model) is not None:
        object.__delattr__(model, _ATTRIBUTE)
