"""Pruning under `model.fit`."""

import inspect
from collections.abc import Sequence
from typing import Any

import keras

from . import backend
from .criteria import Criterion
from .granularity import Granularity
from .pruner import Pruner, Rule, settled_criterion
from .targets import Selection
from .vocabulary import pruners_of


class PruningCallback(keras.callbacks.Callback):
    """Prunes the model while `fit` trains it, by a schedule and a criterion.

    The schedule is asked about step 0 before the first optimizer update and then after each of
    them; where it says so, the engine chooses anew what is pruned. Between these updates the pruned
    weights are put back on their pruned value after every optimizer step, inside the compiled train
    step. What is pruned after `fit` stays pruned in a later `fit` with the same callback; another
    one takes over with its own count of steps.

    Masks and counters are saved with the model's weights, so `BackupAndRestore` resumes a killed
    run where it was. Log keys, in `history` and the progress bar: `pruned`, the fraction of all
    elements, and `pruned/<layer path>`.

    Put it before `ModelCheckpoint` and `BackupAndRestore`, which would else save weights of before
    a mask update, and after `EarlyStopping(restore_best_weights=True)` and `SwapEMAWeights`, which
    would else bring unpruned weights back; the wrong order is an error.

    Args:
        schedule: one of `keras_phase.pruning`, or one of TF-MOT.
        criterion: name or `Criterion`; None for the schedule's own, else "magnitude".
        granularity: "element", "component", "node", "block", a pattern such as "2:4", or a
            `Granularity`.
        scope: "layer", the fraction of each weight, or "global", of all together.
        scale: for "phase" and "sign", the mean modulus over a "layer" or each output "unit".
        layers: names, paths, layers or predicates; None for all kernels of rank 2 or more.
        block_shape: `(rows, columns)` of granularity "block".
        seed: of the criterion "random".

    Raises:
        ValueError: if a name is unknown, criterion and schedule disagree, or `block_shape` is
            missing; and in `fit`, if nothing can be pruned or callbacks stand in a wrong order.

    Example:

    >>> import numpy as np
    >>> from keras_phase.pruning import PhasePolynomialDecay
    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, name="dense")])
    >>> model.compile("sgd", "mse")
    >>> schedule = PhasePolynomialDecay(0.5, 1.0, begin_step=0, end_step=8, frequency=4)
    >>> history = model.fit(np.ones((64, 8)), np.ones((64, 4)), batch_size=16, epochs=2, verbose=0,
    ...                     callbacks=[PruningCallback(schedule)]).history
    >>> history["pruned/dense"]
    [0.9375, 1.0]
    """

    def __init__(
        self,
        schedule: Any,
        *,
        criterion: str | Criterion | None = None,
        granularity: str | Granularity = "element",
        scope: str = "layer",
        scale: str = "layer",
        layers: Selection | Sequence[Selection] | None = None,
        block_shape: tuple[int, int] | None = None,
        seed: int = 0,
    ):
        super().__init__()
        if schedule is None:
            raise ValueError(
                "PruningCallback follows a schedule, for example "
                "`ConstantSparsity(0.5, begin_step=0)`. Received: schedule=None"
            )
        criterion = settled_criterion(schedule, criterion)
        Rule.of(criterion, granularity, scope, scale, block_shape, seed)  # errors now, not in fit
        self.schedule = schedule
        self.pruner: Pruner | None = None
        self._settings = {
            "criterion": criterion,
            "granularity": granularity,
            "scope": scope,
            "scale": scale,
            "layers": layers,
            "block_shape": block_shape,
            "seed": seed,
        }
        self._seen = 0

    def set_model(self, model: keras.Model) -> None:
        """Keras's hook; refuses callbacks in a wrong order."""
        super().set_model(model)
        _check_order(self, _callbacks_of_caller())

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Make the engine; its state must exist before `BackupAndRestore` loads."""
        if pruners_of(self.model):
            raise ValueError(
                "The model is one of `prune_low_magnitude`, whose masks `UpdatePruningStep` "
                "updates. Use that callback, or undo the wrapping with `strip_pruning` first. "
                "Received: callbacks with PruningCallback"
            )
        if self.pruner is None or not self.pruner.is_active or self.pruner.model is not self.model:
            self.pruner = Pruner(self.model, self.schedule, **self._settings)

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Ask about step 0, before the first optimizer update."""
        self._seen = 0
        self.pruner.start()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Count optimizer updates, several at once with `steps_per_execution`."""
        seen = backend.batches_seen(self.model, batch, self._seen, self._steps)
        self._advance(seen - self._seen)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Log what is pruned."""
        self._advance(backend.batches_unseen(self.model, self._seen, self._steps))
        self.pruner.enforce()
        if logs is not None:
            logs.update(self.pruner.logs())

    def on_train_end(self, logs: dict | None = None) -> None:
        """Prune what was set after the last step: averages of an optimizer, restored weights."""
        self.pruner.enforce()

    @property
    def _steps(self) -> int | None:
        return (self.params or {}).get("steps")

    def _advance(self, count: int) -> None:
        self.pruner.advance(count)
        self._seen += count


def _callbacks_of_caller() -> list[Any]:
    """The callbacks next to each other in `fit`, [] if they cannot be found.

    A callback is not told of the others. But it is `keras.callbacks.CallbackList` that calls
    `set_model`, so the list is the `self` of a frame close by.
    """
    frame = inspect.currentframe()
    for _ in range(6):
        frame = frame and frame.f_back
        owner = frame and frame.f_locals.get("self")
        if isinstance(owner, keras.callbacks.CallbackList):
            return owner.callbacks
    return []


def _check_order(callback: PruningCallback, callbacks: Sequence[Any]) -> None:
    at = next((i for i, c in enumerate(callbacks) if c is callback), None)
    if at is None:
        return
    for other in callbacks[:at]:
        if isinstance(other, keras.callbacks.ModelCheckpoint | keras.callbacks.BackupAndRestore):
            raise ValueError(
                f"{type(other).__name__} stands before PruningCallback, so it would save weights "
                "of before a mask update, which are not pruned. Expected: PruningCallback first. "
                f"Move it to the front of `callbacks`. Received: {_names(callbacks)}"
            )
    for other in callbacks[at + 1 :]:
        if isinstance(other, PruningCallback):
            raise ValueError(
                "Two PruningCallbacks cannot prune one model at a time. Expected: a single one; "
                "choose its weights with `layers`, or prune in two calls of `fit`. "
                f"Received: {_names(callbacks)}"
            )
        restores = getattr(other, "restore_best_weights", False)
        if restores or isinstance(other, keras.callbacks.SwapEMAWeights):
            raise ValueError(
                f"{type(other).__name__} stands after PruningCallback, so at the end it would put "
                "weights back that are not pruned. Expected: PruningCallback after it. Move "
                f"PruningCallback behind it in `callbacks`. Received: {_names(callbacks)}"
            )


def _names(callbacks: Sequence[Any]) -> str:
    return f"callbacks=[{', '.join(type(c).__name__ for c in callbacks)}]"
