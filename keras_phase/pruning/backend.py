"""The few places where pruning must know how a Keras backend trains.

All of it is asked of the model itself, by public attributes that only some trainers have.
"""

import contextlib
from typing import Any

import keras


def scope(model: keras.Model) -> Any:
    """Where to create variables that the train step reads: in the model's distribution strategy."""
    strategy = getattr(model, "distribute_strategy", None)
    return contextlib.nullcontext() if strategy is None else strategy.scope()


def sync(model: keras.Model) -> None:
    """Bring the variables up to date in mid-epoch: JAX trains on copies of them."""
    if hasattr(model, "jax_state_sync"):
        model.jax_state_sync()


def retrace(model: keras.Model) -> None:
    """Make the compiled train step anew, because what it has to impose has changed."""
    if getattr(model, "compiled", False):
        model.make_train_function(force=True)


def retrace_if_constants(model: keras.Model) -> None:
    """Make the train step anew where it holds the masks as constants, as under JAX."""
    if hasattr(model, "jax_state_sync"):
        retrace(model)


def batches_seen(model: keras.Model, batch: int, seen: int, steps: int | None) -> int:
    """Batches of an epoch that are done when `on_train_batch_end(batch)` is called.

    With `steps_per_execution`, older versions of Keras pass the number of the execution's first
    batch, newer ones that of its last, even if the data ended before it.

    Args:
        model: the model that is trained.
        batch: what the callback was told.
        seen: the answer of the last call, 0 at the beginning of an epoch.
        steps: batches of an epoch, if known.
    """
    executions = steps_per_execution(model)
    if executions > 1 and batch == seen:
        batch += executions - 1
    return min(batch + 1, steps or batch + 1)


def batches_unseen(model: keras.Model, seen: int, steps: int | None) -> int:
    """Batches of an epoch that were trained on without a call of `on_train_batch_end`.

    Older versions of Keras leave it out for the last execution, if that is shorter than the others.

    Args:
        model: the model that is trained.
        seen: batches that are known of.
        steps: batches of an epoch, if known.
    """
    left = (steps or seen) - seen
    return left if left < steps_per_execution(model) and not model.stop_training else 0


def steps_per_execution(model: keras.Model) -> int:
    """Optimizer updates between two calls of a callback."""
    return getattr(model, "steps_per_execution", 1) or 1
