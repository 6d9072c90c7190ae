"""TF-MOT's callback on Keras 3: drives the masks of wrapped layers."""

from collections.abc import Iterable
from typing import Any

import keras
from keras import ops

from . import backend, schedules
from .pruner import Pruner
from .vocabulary import pruners_of, wrappers_and_models
from .wrapper import PruneLowMagnitude


class UpdatePruningStep(keras.callbacks.Callback):
    """Updates the masks of a model of `prune_low_magnitude`; training it needs this callback.

    Step t begins with the question to each layer's schedule, from t = 1 on. In the step before a
    mask update the pruned weights are free, as all of them are in TF-MOT, so that the ones that
    grow most can come back; in all others they are put back on their pruned values within the
    compiled train step. At the end of an epoch, too, so that what is saved then is pruned.

    With `steps_per_execution=n` masks can change before each execution only: a step that the
    schedule names within it counts as its first, and pruned weights do not come back. Layers that
    the first step builds are pruned from the second on.

    Checked on the TensorFlow backend; on JAX use `PruningCallback`.

    Example, in a training loop of your own:

    >>> from keras_phase.pruning import ConstantSparsity, prune_low_magnitude
    >>> model = prune_low_magnitude(
    ...     keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)]),
    ...     ConstantSparsity(0.75, begin_step=1, frequency=1),
    ... )
    >>> update = UpdatePruningStep()
    >>> update.set_model(model)
    >>> update.on_train_begin()
    >>> update.on_train_batch_begin(0)  # and then a step of the optimizer
    >>> update.on_epoch_end(0)
    >>> float(keras.ops.mean(model.layers[0].layer.kernel == 0))
    0.75
    """

    def __init__(self):
        super().__init__()
        self.pruners: list[Pruner] = []
        self._closed: dict[int, list[tuple[Any, Any]]] = {}
        self._before: list[int] = []
        self._seen = 0
        self._made = 0

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Collect what is pruned."""
        for layer in wrappers_and_models(self.model):
            if isinstance(layer, PruneLowMagnitude):
                layer.is_driven = True
        self.pruners, self._made = [], 0
        self._collect()

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Batches are numbered from 0 on again."""
        self._seen = 0

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Choose masks for the steps that follow, where the schedules name one."""
        if self._made == 1:
            self._collect()  # layers that the first step has built
        count = self._steps_of_execution(batch)
        self._before = [p.state.step for p in self.pruners]
        due = [(p, _fraction(p, range(1, count + 1))) for p in self.pruners]
        due = [(p, fraction) for p, fraction in due if fraction is not None]
        if due:
            backend.sync(self.model)
            for pruner, fraction in due:
                self._close(pruner)
                pruner.update(fraction)
        for pruner in self.pruners:
            pruner.state.step += count
        opened = [
            p
            for p in self.pruners
            if count == 1 and not p.rule.criterion.regrows and _fraction(p, (1,)) is not None
        ]
        for pruner in opened:
            self._open(pruner)
        if due or opened:
            backend.retrace_if_constants(self.model)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Count the steps that were made, fewer than planned in the last execution."""
        steps = (self.params or {}).get("steps")
        seen = backend.batches_seen(self.model, batch, self._seen, steps)
        made, self._seen = seen - self._seen, seen
        self._made += made
        if backend.steps_per_execution(self.model) > 1:
            for pruner, before in zip(self.pruners, self._before, strict=True):
                pruner.state.step = before + made

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Put pruned weights on their pruned values."""
        backend.sync(self.model)
        reopened = [p for p in self.pruners if self._close(p)]
        for pruner in self.pruners:
            pruner.enforce()
        if reopened:
            backend.retrace_if_constants(self.model)

    def on_train_end(self, logs: dict | None = None) -> None:
        """The same, after what other callbacks have set."""
        self.on_epoch_end(0)

    def _collect(self) -> None:
        known = {id(p) for p in self.pruners}
        for pruner in pruners_of(self.model):
            if pruner.is_active and id(pruner) not in known:
                pruner.state.step = max(pruner.state.step, self._made)
                self.pruners.append(pruner)

    def _steps_of_execution(self, batch: int) -> int:
        executions = backend.steps_per_execution(self.model)
        steps = (self.params or {}).get("steps")
        return min(executions, steps - batch) if executions > 1 and steps else executions

    def _open(self, pruner: Pruner) -> None:
        """Let the next step of the optimizer move pruned weights."""
        variables = [v for v in (*pruner.state.keep, *pruner.state.gain) if v is not None]
        self._closed[id(pruner)] = [(v, ops.copy(ops.convert_to_tensor(v))) for v in variables]
        for variable in pruner.state.keep:
            variable.assign(ops.ones_like(variable))
        for variable in pruner.state.gain:
            if variable is not None:
                variable.assign(ops.zeros_like(variable))

    def _close(self, pruner: Pruner) -> bool:
        """Undo `_open`; whether there was something to undo."""
        values = self._closed.pop(id(pruner), [])
        for variable, value in values:
            variable.assign(value)
        return bool(values)


def _fraction(pruner: Pruner, ahead: Iterable[int]) -> float | None:
    """What the schedule wants pruned at one of the next steps, None if it names none of them."""
    answers = [schedules.ask(pruner.schedule, pruner.state.step + n) for n in ahead]
    return next((fraction for due, fraction in reversed(answers) if due), None)
