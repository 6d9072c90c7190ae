"""Probing: how good a model would be if it were pruned now, in several ways.

This is the experiment of the phase paper: prune a trained network to its phases, to its amplitudes
and so on, without training it further, and look at the accuracy. The live model is not touched.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from ..ops.modulus import modulus_axis
from ..registry import Registry
from . import backend
from .criteria import Criterion
from .granularity import Granularity
from .rule import Mask, Rule
from .targets import Selection, Target, find


@dataclass(frozen=True)
class Variant:
    """One way to prune a copy of a model.

    Args:
        name: key of the results.
        criterion: name or `Criterion`, None to prune nothing.
        fraction: how much is pruned, from 0 to 1.
        granularity: "element", "component", "node" or a `Granularity`.
        scope: "layer" or "global".
        scale: "layer" or "unit".
        layers: which weights; None for all kernels of rank 2 or more.
        hidden: leave out the last of these weights, whose outputs are the classes.
        with_bias: for nodes, set the bias of a pruned node to 0 too, so that it is wholly absent.
        draws: how often to repeat with other random numbers; the results are averaged.
    """

    name: str
    criterion: str | Criterion | None
    fraction: float = 1.0
    granularity: str | Granularity = "element"
    scope: str = "layer"
    scale: str = "layer"
    layers: Selection | Sequence[Selection] | None = None
    hidden: bool = False
    with_bias: bool = False
    draws: int = 1

    def plan(self, model: keras.Model, seed: int = 0) -> tuple[Rule, list[Target]]:
        """The rule of this variant and the weights it prunes.

        Raises:
            ValueError: if the model has no such weights, or the criterion is not made for them.
        """
        rule = Rule.of(self.criterion, self.granularity, self.scope, self.scale, None, seed)
        targets = find(model, self.layers)
        if self.hidden:
            targets = targets[:-1]
        if not targets:
            raise ValueError(
                f"The variant '{self.name}' prunes hidden layers only; expected at least two "
                f"layers with kernels. Received: model '{model.name}' with one"
            )
        rule.check(targets)
        return rule, targets

    def prune(self, model: keras.Model, seed: int = 0) -> None:
        """Prune `model` in place."""
        if self.criterion is None:
            return
        rule, targets = self.plan(model, seed)
        for target, mask in zip(targets, rule.decide(targets, self.fraction), strict=True):
            rule.apply(target, mask)
            bias = getattr(target.layer, "bias", None)
            if self.with_bias and bias is not None:
                _prune_bias(bias, mask)


VARIANTS = Registry("variant")


def register(variant: Variant) -> Variant:
    """Make a variant known by its name."""
    return VARIANTS.add(variant.name, variant)


def _imaginary_part(w: Any, keep: Any, gain: Any) -> Any:
    return w * keep + gain * ops.concatenate([w[1:], ops.zeros_like(w[:1])], axis=0)


# Not in the registry of criteria: its value, turned by a right angle, would turn at every step.
_IMAGINARY_AS_REAL = Criterion(
    "imaginary_as_real",
    lambda w, site: modulus_axis(w, axis=0, keepdims=True),
    projection=_imaginary_part,
    dimension=2,
    instead="'first' or 'rest'",
)

for _variant in (
    Variant("intact", None),
    Variant("phase", "phase"),
    Variant("sign", "sign"),
    Variant("amplitude", "amplitude"),
    Variant("real", "real"),
    Variant("imaginary", "imaginary"),
    Variant("imaginary_as_real", _IMAGINARY_AS_REAL),
    Variant("random", "random", 0.5),
    Variant(
        "random_nodes", "random", 0.5, granularity="node", hidden=True, with_bias=True, draws=10
    ),
    Variant("magnitude", "magnitude", 0.5),
):
    register(_variant)


def get(identifier: str | Variant) -> Variant:
    """A variant by name; a `Variant` is returned as it is.

    Raises:
        ValueError: if the name is unknown; the message lists the known ones.
    """
    return identifier if isinstance(identifier, Variant) else VARIANTS.get(identifier)


_DEFAULT = ("intact", "phase", "amplitude", "random", "magnitude")


def evaluate(
    model: keras.Model,
    data: Any,
    variants: Sequence[str | Variant] = _DEFAULT,
    *,
    batch_size: int | None = None,
    seed: int = 0,
) -> dict[str, dict[str, float]]:
    """Evaluate pruned copies of a model.

    Args:
        model: a built and compiled Keras model; it stays as it is.
        data: `(x, y)`, `(x, y, sample_weight)`, or anything else that `model.evaluate` takes.
        variants: names, or `Variant` objects.
        batch_size: of the evaluation.
        seed: of variants with random numbers.

    Returns:
        For each variant what `model.evaluate` says, `{"phase": {"loss": ..., "accuracy": ...}}`.

    Raises:
        ValueError: if a variant is unknown, or not made for this model's weights.

    Example:

    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    >>> model.compile(loss="mse")
    >>> results = evaluate(model, (np.ones((2, 8)), np.ones((2, 4))), ["intact", "sign"])
    >>> list(results), list(results["sign"])
    (['intact', 'sign'], ['loss'])
    """
    chosen = _checked(model, variants)
    return _Subject(model).evaluate(data, chosen, batch_size, seed)


class PhaseProbe(keras.callbacks.Callback):
    """Evaluates pruned copies of the model while it trains, without touching it.

    Variants by name: "intact"; "phase", "amplitude", "real", "imaginary" (each keeps only what its
    name says; for the real algebra phase is the sign, amplitude the absolute value),
    "imaginary_as_real" (the imaginary part as a real weight, as the paper does), "sign" (real
    algebra), "random" (half of the elements removed), "random_nodes" (half of the hidden nodes
    removed with their bias, the mean of 10 draws), "magnitude" (the smaller half removed).

    The copy is made from the model's config. A model that cannot be copied so (a subclass without
    `get_config`, metrics that do not serialise) is pruned itself for the time of an evaluation, and
    its weights and metrics are put back in any case.

    Args:
        data: `(x, y)`, `(x, y, sample_weight)`, or anything else that `model.evaluate` takes.
        every: evaluate every so many units.
        unit: "epoch" or "step" (an optimizer update).
        variants: names, or `Variant` objects.
        batch_size: of the evaluation.
        seed: of variants with random numbers.

    Attributes:
        history: for each variant a list of `(when, metrics)`: the number of epochs or steps done,
            and what `model.evaluate` says. The epoch's logs get `probe/<variant>/<metric>`.

    Raises:
        ValueError: if `every`, `unit` or a variant is wrong.

    Reference:
        Nie and Yuan, "Neural network is heterogeneous: phase matters more", arXiv 2111.02014.
    """

    def __init__(
        self,
        data: Any,
        *,
        every: int = 1,
        unit: str = "epoch",
        variants: Sequence[str | Variant] = _DEFAULT,
        batch_size: int | None = None,
        seed: int = 0,
    ):
        super().__init__()
        if unit not in ("epoch", "step"):
            raise ValueError(f"`unit` must be 'epoch' or 'step'. Received: unit={unit!r}")
        if every < 1:
            raise ValueError(f"`every` must be at least 1. Received: every={every}")
        self.data, self.every, self.unit = data, every, unit
        self.variants = tuple(get(v) for v in variants)
        self.batch_size, self.seed = batch_size, seed
        self.history: dict[str, list[tuple[int, dict[str, float]]]] = {
            v.name: [] for v in self.variants
        }
        self._done = 0
        self._seen = 0
        self._subject: _Subject | None = None

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Make the copy, and refuse variants that are not made for this model."""
        _checked(self.model, self.variants)
        if self._subject is None or self._subject.model is not self.model:
            self._subject = _Subject(self.model)

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Start counting the steps of the epoch."""
        self._seen = 0

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Evaluate after `every` steps."""
        seen = min(batch + 1, self.params.get("steps") or batch + 1)
        self._advance("step", seen - self._seen)
        self._seen = seen

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Evaluate after `every` epochs, and log the last results."""
        self._advance("epoch", 1)
        if logs is not None:
            for name, results in self.history.items():
                last = results[-1][1] if results else {}
                logs.update({f"probe/{name}/{metric}": v for metric, v in last.items()})

    def _advance(self, unit: str, count: int) -> None:
        if unit != self.unit:
            return
        before, self._done = self._done, self._done + count
        if before // self.every == self._done // self.every:
            return
        results = self._subject.evaluate(self.data, self.variants, self.batch_size, self.seed)
        for name, metrics in results.items():
            self.history[name].append((self._done, metrics))


class _Subject:
    """What is pruned and evaluated in the place of a model."""

    def __init__(self, model: keras.Model):
        self.model = model
        self.copy = _copy(model)

    def evaluate(
        self, data: Any, variants: Sequence[Variant], batch_size: int | None, seed: int
    ) -> dict[str, dict[str, float]]:
        backend.sync(self.model)
        subject = self.model if self.copy is None else self.copy
        arguments = data if isinstance(data, tuple) else (data,)
        names = ("x", "y", "sample_weight")[: len(arguments)]
        weights = self.model.get_weights()
        metrics = [ops.convert_to_numpy(v) for v in self.model.metrics_variables]
        results = {}
        try:
            for variant in variants:
                draws = []
                for draw in range(variant.draws):
                    subject.set_weights(weights)
                    variant.prune(subject, seed + draw)
                    draws.append(
                        subject.evaluate(
                            **dict(zip(names, arguments, strict=True)),
                            batch_size=batch_size,
                            verbose=0,
                            return_dict=True,
                        )
                    )
                results[variant.name] = {k: float(np.mean([d[k] for d in draws])) for k in draws[0]}
        finally:
            if subject is self.model:
                subject.set_weights(weights)
                for variable, value in zip(subject.metrics_variables, metrics, strict=True):
                    variable.assign(value)
        return results


def _copy(model: keras.Model) -> keras.Model | None:
    """A compiled copy, or None for a model that cannot be copied from its config."""
    try:
        with backend.scope(model):
            copy = keras.models.clone_model(model)
            if not copy.built:
                copy.build_from_config(model.get_build_config())
            config = model.get_compile_config()
            settings = {
                name: keras.saving.deserialize_keras_object(value)
                for name, value in config.items()
                if name not in ("optimizer", "loss")
            }
            copy.compile(optimizer="sgd", loss=model.loss, **settings)
            copy.set_weights(model.get_weights())
    except (AttributeError, NotImplementedError, RuntimeError, TypeError, ValueError):
        return None
    return copy


def _checked(model: keras.Model, variants: Sequence[str | Variant]) -> list[Variant]:
    chosen = [get(v) for v in variants]
    if not model.compiled:
        raise ValueError(
            "Probing evaluates the model, so it must know loss and metrics. Call `model.compile` "
            f"first. Received: model '{model.name}' with compiled={model.compiled}"
        )
    for variant in chosen:
        if variant.criterion is not None:
            variant.plan(model)
    return chosen


def _prune_bias(bias: keras.Variable, mask: Mask) -> None:
    value = ops.convert_to_tensor(bias)
    size = math.prod(value.shape)
    keep = np.tile(mask.keep.ravel(), size // mask.keep.size).reshape(value.shape)
    bias.assign(ops.where(keep, value, ops.zeros_like(value)))
