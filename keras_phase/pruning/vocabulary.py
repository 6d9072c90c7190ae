"""TF-MOT's functions on Keras 3 models: wrap, find and strip."""

import abc
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import keras

from .. import parametrizations
from . import schedules
from .criteria import Criterion
from .pruner import Pruner, release
from .wrapper import _HALF, PruneLowMagnitude, check_keras_3, granularity_of, prunable, schedule_of

# Where a pruner of a subclassed model is kept, out of sight of Keras.
_ATTRIBUTE = "in_place_pruner"


class PruningPolicy(abc.ABC):
    """Which layers of a model are pruned.

    Example:

    >>> class OnlyDense(PruningPolicy):
    ...     def allow_pruning(self, layer):
    ...         return isinstance(layer, keras.layers.Dense)
    ...     def ensure_model_supports_pruning(self, model):
    ...         pass
    >>> model = keras.Sequential([
    ...     keras.Input((4,)), keras.layers.Dense(3), keras.layers.Embedding(2, 2)
    ... ])
    >>> pruned = prune_low_magnitude(model, pruning_policy=OnlyDense())
    >>> [type(layer).__name__ for layer in pruned.layers]
    ['PruneLowMagnitude', 'Embedding']
    """

    @abc.abstractmethod
    def allow_pruning(self, layer: keras.layers.Layer) -> bool:
        """Whether the layer is pruned."""

    @abc.abstractmethod
    def ensure_model_supports_pruning(self, model: keras.Model) -> None:
        """Raise `ValueError` for a model that should not be pruned."""


def prune_low_magnitude(
    to_prune: Any,
    pruning_schedule: Any = _HALF,
    block_size: Sequence[int] = (1, 1),
    block_pooling_type: str = "AVG",
    pruning_policy: PruningPolicy | None = None,
    sparsity_m_by_n: Sequence[int] | None = None,
    *,
    criterion: str | Criterion | None = None,
    scale: str = "layer",
    **kwargs: Any,
) -> Any:
    """Make a layer, a list of layers or a model prune itself in training.

    Sequential and functional models are cloned: the clone's layers with weights to prune are
    wrapped in `PruneLowMagnitude`, around the very layers of the model, so both share weights; a
    layer used in several places is wrapped once, nested models are gone into. A subclassed model is
    pruned in place and returned itself. Compile what is returned, and train it with
    `UpdatePruningStep`.

    Args:
        to_prune: a Keras 3 layer, a list of layers, or a model; a subclassed one must be built.
        pruning_schedule: of this package or of TF-MOT.
        block_size: `(rows, columns)` that are pruned together.
        block_pooling_type: "AVG" or "MAX".
        pruning_policy: which layers of a model are pruned; None for all with kernels.
        sparsity_m_by_n: `(m, n)` for m zeros in n consecutive numbers.
        criterion: what is pruned first and what stays: name or `Criterion`; None for the schedule's
            own, else "magnitude".
        scale: of "phase" and "sign", "layer" or "unit".
        **kwargs: of the wrapping layer; of no effect on models, as in TF-MOT.

    Returns:
        A wrapper, a list of layers, or a model.

    Raises:
        TypeError: if `to_prune` is something else, a tf_keras object say.
        ValueError: if an argument makes no sense, or there is nothing to prune.

    Example:

    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    >>> pruned = prune_low_magnitude(model, schedules.ConstantSparsity(0.5, 1, frequency=1))
    >>> pruned.compile("sgd", "mse")
    >>> from keras_phase import UpdatePruningStep
    >>> x = keras.ops.ones((16, 8))
    >>> history = pruned.fit(x, x[:, :4], verbose=0, callbacks=[UpdatePruningStep()])
    >>> float(keras.ops.mean(strip_pruning(pruned).layers[0].kernel == 0))
    0.5
    """
    check_keras_3(to_prune)
    settings = {
        "pruning_schedule": pruning_schedule,
        "block_size": block_size,
        "block_pooling_type": block_pooling_type,
        "sparsity_m_by_n": sparsity_m_by_n,
        "criterion": criterion,
        "scale": scale,
    }
    if isinstance(to_prune, list | tuple):
        return [_wrapped_in_list(layer, settings) for layer in to_prune]
    if isinstance(to_prune, keras.Model):
        if pruning_policy is not None:
            pruning_policy.ensure_model_supports_pruning(to_prune)
        return _pruned_model(to_prune, settings, pruning_policy)
    if isinstance(to_prune, PruneLowMagnitude):
        return to_prune
    wrapper = PruneLowMagnitude(to_prune, **settings, **kwargs)
    wrapper.make_pruner()  # of a layer that is built: errors now
    return wrapper


def strip_pruning(model: Any) -> Any:
    """The model without wrappers and masks; pruned weights are on their pruned values.

    It shares its layers with the pruned model, whose pruning ends. A subclassed model that was
    pruned in place is returned itself.

    Args:
        model: a model, or a layer, of `prune_low_magnitude`.

    Raises:
        TypeError: if it is no Keras 3 model or layer.
    """
    check_keras_3(model)
    if not isinstance(model, keras.layers.Layer):
        raise TypeError(
            "Expected a Keras 3 model or layer of `prune_low_magnitude`. "
            f"Received: model of type {type(model).__name__}"
        )
    done: dict[int, Any] = {}

    def stripped(layer: Any) -> Any:
        if id(layer) not in done:
            done[id(layer)] = strip(layer)
        return done[id(layer)]

    def strip(layer: Any) -> Any:
        for pruner in _own(layer):
            pruner.enforce()
            pruner.release()
        if isinstance(layer, PruneLowMagnitude):
            return layer.layer
        if _is_graph(layer):
            return keras.models.clone_model(layer, clone_function=stripped)
        if getattr(layer, _ATTRIBUTE, None) is not None:
            object.__delattr__(layer, _ATTRIBUTE)
        return layer

    return stripped(model)


def pruners_of(model: keras.layers.Layer) -> list[Pruner]:
    """The engines of a model's wrappers, and those of what is pruned in place, each once."""
    found: dict[int, Pruner] = {}
    for layer in wrappers_and_models(model):
        if isinstance(layer, PruneLowMagnitude):
            layer.make_pruner()
        found |= {id(p): p for p in _own(layer)}
    return list(found.values())


def wrappers_and_models(model: keras.layers.Layer) -> list[keras.layers.Layer]:
    """The model and everything inside it, each once."""
    found: dict[int, keras.layers.Layer] = {}

    def visit(layer: keras.layers.Layer) -> None:
        if id(layer) not in found:
            found[id(layer)] = layer
            for child in parametrizations.sublayers(layer):
                visit(child)

    visit(model)
    return list(found.values())


def pruning_scope() -> AbstractContextManager:
    """A scope in which models with wrappers are loaded; TF-MOT needs one, here all is registered.

    Example:

    >>> with pruning_scope():
    ...     pass
    """
    names = {"PruneLowMagnitude": PruneLowMagnitude}
    for cls in (schedules.ConstantSparsity, schedules.PolynomialDecay):
        names[cls.__name__] = cls
    return keras.saving.custom_object_scope(names)


def _own(layer: Any) -> list[Pruner]:
    if isinstance(layer, PruneLowMagnitude):
        found = layer.pruner
    else:
        found = getattr(layer, _ATTRIBUTE, None)
    return [] if found is None else [found]


def _is_graph(model: Any) -> bool:
    return isinstance(model, keras.Sequential) or (
        isinstance(model, keras.Model) and hasattr(model, "operations")
    )


def _wrapped_in_list(layer: Any, settings: dict[str, Any]) -> Any:
    check_keras_3(layer)
    if isinstance(layer, PruneLowMagnitude | keras.layers.InputLayer):
        return layer
    return PruneLowMagnitude(layer, **settings, optional=True)


def _pruned_model(
    model: keras.Model, settings: dict[str, Any], policy: PruningPolicy | None
) -> keras.Model:
    done: dict[int, Any] = {}

    def pruned(layer: Any) -> Any:
        if id(layer) not in done:
            done[id(layer)] = make(layer)
        return done[id(layer)]

    def make(layer: Any) -> Any:
        check_keras_3(layer)
        if not isinstance(layer, keras.layers.Layer):  # an operation between layers
            return layer
        if _is_graph(layer):
            return keras.models.clone_model(layer, clone_function=pruned)
        if isinstance(layer, keras.Model):
            return _pruned_in_place(layer, settings, policy)
        refused = policy is not None and not policy.allow_pruning(layer)
        if refused or isinstance(layer, PruneLowMagnitude):
            return layer
        if layer.built and not prunable(layer):
            return layer
        return PruneLowMagnitude(layer, **settings, optional=not layer.built)

    result = pruned(model)
    if result.built and not pruners_of(result):
        raise ValueError(
            "Nothing to prune: expected a model with at least one kernel of rank 2 or more that "
            f"the policy allows. Received: model '{model.name}' with the layers "
            f"{', '.join(layer.name for layer in model.layers) or 'none'}"
        )
    return result


def _pruned_in_place(
    model: keras.Model, settings: dict[str, Any], policy: PruningPolicy | None
) -> keras.Model:
    given = dict(settings)
    schedule = given.pop("pruning_schedule")
    m_by_n = given.pop("sparsity_m_by_n")
    m_by_n = None if m_by_n is None else tuple(m_by_n)
    granularity = granularity_of(
        tuple(given.pop("block_size")), given.pop("block_pooling_type"), m_by_n
    )
    layers: Callable[[Any], bool] | None = None
    if policy is not None:
        # A model that is allowed would bring all its layers along.
        def layers(layer: Any) -> bool:
            return not isinstance(layer, keras.Model) and policy.allow_pruning(layer)

    release(model)
    pruner = Pruner(
        model, schedule_of(schedule, m_by_n), granularity=granularity, layers=layers, **given
    )
    object.__setattr__(model, _ATTRIBUTE, pruner)
    return model
