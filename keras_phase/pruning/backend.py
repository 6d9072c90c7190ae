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
