"""Schedules and criteria as configs that come back as they were, or an error at once."""

from typing import Any

import keras

from . import criteria
from .criteria import Criterion
from .schedules import ConstantSparsity, PolynomialDecay

# TF-MOT's schedules take the same arguments as ours of that name.
_OF_TFMOT = {"ConstantSparsity": ConstantSparsity, "PolynomialDecay": PolynomialDecay}


def serialize(schedule: Any) -> Any:
    """Config of a schedule, one of TF-MOT as ours of the same name and arguments.

    Raises:
        ValueError: if it is of a class or a function that is not registered, and so would not come
            back.
    """
    known = schedule if not isinstance(schedule, type) and callable(schedule) else None
    target = schedule if hasattr(schedule, "__name__") else type(known)
    registered = keras.saving.get_registered_name(target)
    if keras.saving.get_registered_object(registered) is target:
        return keras.saving.serialize_keras_object(schedule)
    if type(schedule).__module__.startswith("tensorflow_model_optimization"):
        config = schedule.get_config()
        if config["class_name"] in _OF_TFMOT:
            ours = _OF_TFMOT[config["class_name"]](**config["config"])
            return keras.saving.serialize_keras_object(ours)
    raise ValueError(
        f"The schedule is a {target.__name__}, which is not registered, so a saved model could not "
        "be read back. Decorate it with `@keras.saving.register_keras_serializable()` and give it "
        f"`get_config` and `from_config`. Received: pruning_schedule={schedule!r}"
    )


def deserialize(config: Any) -> Any:
    """The schedule of `serialize`; schedules stay as they are.

    Raises:
        TypeError: if it cannot be called.
    """
    schedule = keras.saving.deserialize_keras_object(config) if isinstance(config, dict) else config
    if not callable(schedule):
        raise TypeError(
            "The config of a pruned layer names a schedule that is not known here. Import the "
            f"module that registers it before loading. Received: pruning_schedule={config!r}"
        )
    return schedule


def criterion_name(criterion: str | Criterion) -> str:
    """The name under which a criterion comes back.

    Raises:
        ValueError: if it has none.
    """
    found = criteria.get(criterion)
    if found.name in criteria.CRITERIA and criteria.get(found.name) is found:
        return found.name
    raise ValueError(
        f"The criterion '{found.name}' is not registered, so a saved model could not be read back. "
        "Make it with the decorator `keras_phase.pruning.criteria.register`. "
        f"Received: criterion={found!r}"
    )
