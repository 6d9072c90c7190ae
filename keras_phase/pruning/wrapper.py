"""TF-MOT's pruning wrapper on Keras 3: a layer together with how it is pruned.

The wrapper computes what its layer computes and owns the pruning engine of the layer's weights;
`UpdatePruningStep` drives it. Masks lie in the wrapper, so they are saved with the model.
"""

import abc
import inspect
from collections.abc import Sequence
from typing import Any, Self

import keras

from ..ops import native
from . import criteria, serialization
from .criteria import Criterion
from .granularity import Block, Granularity, Pattern
from .pruner import Pruner, settled_criterion
from .schedules import ConstantSparsity
from .targets import find

Tensor = Any
_HALF = ConstantSparsity(0.5, begin_step=0)


class PrunableLayer(abc.ABC):
    """What a layer of your own is that says which of its weights are pruned.

    Without it, all its float weights of rank 2 or more are. Any layer with that method will do; the
    class only makes it explicit.

    Example:

    >>> class Scaled(keras.layers.Dense, PrunableLayer):
    ...     def get_prunable_weights(self):
    ...         return [self.kernel]
    >>> isinstance(Scaled(3), PrunableLayer)
    True
    """

    @abc.abstractmethod
    def get_prunable_weights(self) -> list[keras.Variable]:
        """The variables to prune."""


@keras.saving.register_keras_serializable(package="keras_phase")
class PruneLowMagnitude(keras.layers.Layer):
    """A layer whose weights are pruned while it trains, in TF-MOT's manner.

    The arguments are those of TF-MOT's wrapper; `prune_low_magnitude` makes it of layers and whole
    models. Training needs the callback `UpdatePruningStep`. At step t (from 1 on), before the
    forward pass, the schedule is asked and the mask chosen from the weights as they are, pruned
    ones included, which have just made one step of the optimizer: they come back if they outgrow
    others. All weights of a layer have their own mask.

    Args:
        layer: a Keras 3 layer with weights to prune, stock or of this package.
        pruning_schedule: of this package or of TF-MOT.
        block_size: `(rows, columns)` that are pruned together.
        block_pooling_type: "AVG" or "MAX", the score of a block from those of its elements.
        sparsity_m_by_n: `(m, n)`: m of n consecutive inputs are pruned, once, at step 1, whatever
            the schedule says.
        criterion: name or `Criterion`; None for the schedule's own, else "magnitude".
        scale: for "phase" and "sign", the mean modulus over a "layer" or each output "unit".
        optional: whether the layer may have nothing to prune.
        **kwargs: of every Keras layer.

    Raises:
        TypeError: if `layer` is no Keras 3 layer or the schedule cannot be called.
        ValueError: if an argument makes no sense; when built, if there is nothing to prune.

    Example:

    >>> layer = PruneLowMagnitude(keras.layers.Dense(3, name="dense"), sparsity_m_by_n=(2, 4))
    >>> layer.name, layer(keras.ops.ones((2, 8))).shape
    ('prune_low_magnitude_dense', TensorShape([2, 3]))
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        pruning_schedule: Any = _HALF,
        block_size: Sequence[int] = (1, 1),
        block_pooling_type: str = "AVG",
        sparsity_m_by_n: Sequence[int] | None = None,
        *,
        criterion: str | Criterion | None = None,
        scale: str = "layer",
        optional: bool = False,
        **kwargs: Any,
    ):
        check_keras_3(layer)
        if not isinstance(layer, keras.layers.Layer):
            raise TypeError(
                "Expected a Keras 3 layer to wrap. Make the layer first, then prune it. "
                f"Received: layer={layer!r}"
            )
        kwargs = {"name": f"prune_low_magnitude_{layer.name}", "dtype": layer.dtype_policy} | kwargs
        super().__init__(autocast=False, **kwargs)
        self.layer = layer
        self.pruning_schedule = pruning_schedule
        self.block_size = tuple(block_size)
        self.block_pooling_type = block_pooling_type
        self.sparsity_m_by_n = None if sparsity_m_by_n is None else tuple(sparsity_m_by_n)
        self.criterion = settled_criterion(pruning_schedule, criterion)
        self.scale = scale
        self.optional = optional
        self.granularity = granularity_of(
            self.block_size, self.block_pooling_type, self.sparsity_m_by_n
        )
        criteria.get(self.criterion)  # an error now, not when the layer is built
        self.supports_masking = True
        self.pruner: Pruner | None = None
        self.is_driven = False

    def __call__(self, inputs: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Call the layer; the first call builds it, and then the masks."""
        outputs = super().__call__(inputs, *args, **kwargs)
        symbolic = any(isinstance(x, keras.KerasTensor) for x in keras.tree.flatten(inputs))
        if self.pruner is None and (symbolic or native.executing_eagerly()):
            self.make_pruner()
        return outputs

    def build(self, input_shape: tuple) -> None:
        """Build the layer, unless it takes several inputs: then its own first call does."""
        parameters = inspect.signature(self.layer.build).parameters.values()
        if not self.layer.built and sum(p.default is p.empty for p in parameters) == 1:
            self.layer.build(input_shape)
        self.built = True

    def get_build_config(self) -> dict[str, Any]:
        """The layer's."""
        return {"layer": self.layer.get_build_config()}

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Build the layer and the masks."""
        if config.get("layer") and not self.layer.built:
            self.layer.build_from_config(config["layer"])
        self.built = True
        self.make_pruner()

    def call(self, inputs: Tensor, *args: Any, training: bool | None = None, **kwargs: Any) -> Any:
        """What the layer computes."""
        if training and not self.is_driven:
            raise RuntimeError(
                f"The pruned layer '{self.name}' is trained without the callback "
                "`UpdatePruningStep`, so nothing would be pruned. Add it to `callbacks` of `fit`; "
                "in a training loop of your own call its `set_model` and `on_train_begin` first, "
                "and `on_train_batch_begin` before every step. Or make an unpruned model with "
                "`strip_pruning`. Received: training=True"
            )
        return self.layer(inputs, *args, **kwargs)

    def compute_mask(self, inputs: Tensor, previous_mask: Tensor) -> Tensor:
        """The layer's."""
        return self.layer.compute_mask(inputs, previous_mask)

    def make_pruner(self) -> Pruner | None:
        """The engine of the layer's weights, once they exist; None if there is nothing to prune."""
        if self.pruner is None and self.layer.built and (not self.optional or prunable(self.layer)):
            self.built = True  # a wrapper around a layer that is built has nothing to add
            self.pruner = Pruner(
                self,
                schedule_of(self.pruning_schedule, self.sparsity_m_by_n),
                criterion=self.criterion,
                granularity=self.granularity,
                scale=self.scale,
            )
        return self.pruner

    @property
    def pruning_step(self) -> int:
        """Steps of training, -1 before the first."""
        return -1 if self.pruner is None else self.pruner.state.step

    @property
    def pruning_vars(self) -> list[tuple[keras.Variable, keras.Variable]]:
        """Weights and their masks `(1, *shape)`."""
        if self.pruner is None:
            return []
        targets = self.pruner.targets
        return [
            (t.parametrization.variables[0], keep)
            for t, keep in zip(targets, self.pruner.state.keep, strict=True)
        ]

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {
            **super().get_config(),
            "layer": keras.saving.serialize_keras_object(self.layer),
            "pruning_schedule": serialization.serialize(self.pruning_schedule),
            "block_size": list(self.block_size),
            "block_pooling_type": self.block_pooling_type,
            "sparsity_m_by_n": self.sparsity_m_by_n and list(self.sparsity_m_by_n),
            "criterion": serialization.criterion_name(self.criterion),
            "scale": self.scale,
            "optional": self.optional,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """A wrapper from `get_config`."""
        config = dict(config)
        config["layer"] = keras.saving.deserialize_keras_object(config["layer"])
        config["pruning_schedule"] = serialization.deserialize(config["pruning_schedule"])
        return cls(**config)


class _Once:
    """At step 1, a fraction: the schedule of patterns."""

    def __init__(self, fraction: float):
        self.fraction = fraction

    def __call__(self, step: Any) -> tuple[bool, float]:
        return int(step) == 1, self.fraction


def schedule_of(schedule: Any, sparsity_m_by_n: tuple[int, ...] | None) -> Any:
    """`schedule`, or that of a pattern."""
    if sparsity_m_by_n is None:
        return schedule
    m, n = sparsity_m_by_n
    return _Once(m / n)


def granularity_of(
    block_size: tuple[int, ...], pooling: str, sparsity_m_by_n: tuple[int, ...] | None
) -> Granularity | str:
    """The granularity that TF-MOT's three arguments mean.

    Raises:
        ValueError: if one makes no sense, or they exclude each other.
    """
    if pooling not in ("AVG", "MAX"):
        raise ValueError(
            f"`block_pooling_type` must be 'AVG' or 'MAX'. Received: block_pooling_type={pooling!r}"
        )
    block = Block(block_size, pooling)
    if sparsity_m_by_n is None:
        return "element" if tuple(block_size) == (1, 1) else block
    if tuple(block_size) != (1, 1):
        raise ValueError(
            "A layer is pruned in blocks or in patterns: leave `block_size` at (1, 1) or "
            f"`sparsity_m_by_n` at None. Received: block_size={block_size}, "
            f"sparsity_m_by_n={sparsity_m_by_n}"
        )
    if len(sparsity_m_by_n) != 2 or not all(isinstance(n, int) for n in sparsity_m_by_n):
        raise ValueError(
            "`sparsity_m_by_n` must be two integers, (2, 4) for 2 zeros in 4 numbers. "
            f"Received: sparsity_m_by_n={sparsity_m_by_n!r}"
        )
    return Pattern(*sparsity_m_by_n)


def prunable(layer: keras.layers.Layer) -> bool:
    """Whether a built layer has weights to prune."""
    try:
        return bool(find(layer))
    except ValueError:
        return False


def check_keras_3(item: Any) -> None:
    """Refuse objects of tf_keras (Keras 2).

    Raises:
        TypeError: with what to use instead.
    """
    if any(c.__module__.partition(".")[0] == "tf_keras" for c in type(item).__mro__):
        raise TypeError(
            "Expected a Keras 3 model or layer (`import keras`); this one is of tf_keras (Keras "
            "2), and the two cannot be mixed in one model. Make it of Keras 3 layers, or use "
            "TF-MOT's own `prune_low_magnitude`, with the layers of `keras_phase.legacy`. "
            f"Received: {type(item).__module__}.{type(item).__name__}"
        )
