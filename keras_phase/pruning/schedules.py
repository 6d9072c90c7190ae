"""Schedules: how much is pruned at which step.

A schedule is called with a step, the number of optimizer updates made so far, and answers with
`(should_prune, fraction)`: the protocol of TensorFlow Model Optimization (TF-MOT), whose own
schedule objects are accepted wherever these are. Ours take and return plain numbers, allow a
fraction of 1.0, and may carry the criterion they are meant for.
"""

import math
from typing import Any, ClassVar, Self

import keras
import numpy as np
from keras import ops

_register = keras.saving.register_keras_serializable(package="keras_phase")


class Schedule:
    """Base class: when masks are updated. Subclasses say how much is pruned (`fraction`).

    Masks are updated every `frequency` steps from `begin_step` to `end_step`, both included.

    Attributes:
        criterion: name of the criterion that the schedule is meant for, None if it leaves it open.
    """

    criterion: ClassVar[str | None] = None

    def __init__(self, begin_step: int, end_step: int, frequency: int):
        if begin_step < 0:
            raise ValueError(f"`begin_step` must be at least 0. Received: begin_step={begin_step}")
        if 0 <= end_step < begin_step:
            raise ValueError(
                "A schedule must not end before it begins: expected end_step >= begin_step. "
                f"Received: begin_step={begin_step}, end_step={end_step}"
            )
        if frequency < 1:
            raise ValueError(
                "`frequency` is the number of steps between mask updates and must be at least 1. "
                f"Received: frequency={frequency}"
            )
        self.begin_step, self.end_step, self.frequency = begin_step, end_step, frequency

    def __call__(self, step: Any) -> tuple[Any, Any]:
        """Whether masks are updated after `step` optimizer updates, and the fraction to prune.

        Numbers give numbers; a tensor, as TF-MOT passes it, gives a boolean and a float32 tensor.
        """
        if not isinstance(step, int | np.integer):
            return self._in_tensors(step)
        started = step >= self.begin_step
        ended = 0 <= self.end_step < step
        due = started and not ended and (step - self.begin_step) % self.frequency == 0
        return due, self.fraction(step)

    def fraction(self, step: int) -> float:
        """Fraction of the units to prune at `step`, from 0 to 1."""
        raise NotImplementedError

    def _in_tensors(self, step: Any) -> tuple[Any, Any]:
        step = ops.cast(step, "int64")
        due = ops.logical_and(
            ops.greater_equal(step, self.begin_step),
            ops.equal((step - self.begin_step) % self.frequency, 0),
        )
        if self.end_step >= 0:
            due = ops.logical_and(due, ops.less_equal(step, self.end_step))
        span = max(self.end_step - self.begin_step, 0)
        passed = ops.cast(step - self.begin_step, "float32") / np.float32(max(span, 1))
        return due, ops.cast(self._course(ops.clip(passed, 0, 1) if span else 1.0), "float32")

    def _course(self, progress: Any) -> Any:
        """The fraction when `progress`, from 0 to 1, of the time has passed, as a tensor.

        A schedule of another course than those here defines it to work within TF-MOT.
        """
        raise NotImplementedError(
            f"{type(self).__name__} computes with numbers only, but was called with a tensor. "
            "Define `_course(progress)` in terms of `keras.ops`."
        )

    def arguments(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {
            "begin_step": self.begin_step,
            "end_step": self.end_step,
            "frequency": self.frequency,
        }

    def get_config(self) -> dict[str, Any]:
        """Name and arguments, nested as TF-MOT wants them."""
        return {
            "class_name": keras.saving.get_registered_name(type(self)),
            "config": self.arguments(),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """A schedule from `get_config`, or from arguments."""
        config = dict(config)
        config.pop("class_name", None)
        return cls(**(config.pop("config", None) or {}), **config)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{k}={v!r}" for k, v in self.arguments().items())
        return f"{type(self).__name__}({arguments})"


@_register
class ConstantSparsity(Schedule):
    """Prune the same fraction at every mask update.

    Args:
        target_sparsity: the fraction, from 0 to 1.
        begin_step: first step at which masks are updated.
        end_step: last one; -1 for no end.
        frequency: steps between two updates.

    Example:

    >>> schedule = ConstantSparsity(0.5, begin_step=10, frequency=5)
    >>> schedule(10), schedule(12)
    ((True, 0.5), (False, 0.5))
    """

    def __init__(
        self, target_sparsity: float, begin_step: int, end_step: int = -1, frequency: int = 100
    ):
        if end_step < -1:
            raise ValueError(
                f"`end_step` must be at least 0, or -1 for no end. Received: end_step={end_step}"
            )
        super().__init__(begin_step, end_step, frequency)
        self.target_sparsity = _checked_fraction("target_sparsity", target_sparsity)

    def fraction(self, step: int) -> float:
        """`target_sparsity`."""
        return self.target_sparsity

    def _course(self, progress: Any) -> Any:
        return self.target_sparsity

    def arguments(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {"target_sparsity": self.target_sparsity, **super().arguments()}


@_register
class PolynomialDecay(Schedule):
    """Prune more and more: the kept part decays as a power of the remaining time.

    `fraction = final + (initial - final) * (1 - p)^power`, where `p` goes from 0 at `begin_step` to
    1 at `end_step`. The final fraction is reached if `end_step - begin_step` is a multiple of
    `frequency`; masks do not change after `end_step`.

    Args:
        initial_sparsity: fraction at `begin_step`.
        final_sparsity: fraction at `end_step`.
        begin_step: first step at which masks are updated.
        end_step: last one.
        power: exponent; 1 is linear, 3 prunes most at the beginning.
        frequency: steps between two updates.

    Reference:
        Zhu and Gupta, "To prune, or not to prune", arXiv 1710.01878, equation 1.

    Example:

    >>> schedule = PolynomialDecay(0.0, 1.0, begin_step=0, end_step=100, power=1, frequency=25)
    >>> [schedule(step) for step in (0, 25, 30, 100, 125)]
    [(True, 0.0), (True, 0.25), (False, 0.30000001192092896), (True, 1.0), (False, 1.0)]
    """

    def __init__(
        self,
        initial_sparsity: float,
        final_sparsity: float,
        begin_step: int,
        end_step: int,
        power: float = 3,
        frequency: int = 100,
    ):
        if end_step < 0:
            raise ValueError(
                "A decay needs an end: `end_step` must be at least 0. "
                f"Received: end_step={end_step}"
            )
        super().__init__(begin_step, end_step, frequency)
        self.initial_sparsity = _checked_fraction("initial_sparsity", initial_sparsity)
        self.final_sparsity = _checked_fraction("final_sparsity", final_sparsity)
        self.power = power

    def fraction(self, step: int) -> float:
        """The formula above, in float32 as in TF-MOT."""
        # A decay that begins where it ends is at its end.
        duration = self.end_step - self.begin_step
        progress = np.float32(step - self.begin_step) / np.float32(duration) if duration else 1
        left = np.float32(1) - np.clip(np.float32(progress), 0, 1)
        change = np.float32(self.initial_sparsity - self.final_sparsity)
        return float(np.float32(change * left**self.power + np.float32(self.final_sparsity)))

    def _course(self, progress: Any) -> Any:
        change = np.float32(self.initial_sparsity - self.final_sparsity)
        return change * (1 - progress) ** self.power + np.float32(self.final_sparsity)

    def arguments(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {
            "initial_sparsity": self.initial_sparsity,
            "final_sparsity": self.final_sparsity,
            "power": self.power,
            **super().arguments(),
        }


@_register
class CubicSparsity(PolynomialDecay):
    """`PolynomialDecay` with the usual exponent, 3: most is pruned at the beginning."""

    def __init__(
        self,
        initial_sparsity: float,
        final_sparsity: float,
        begin_step: int,
        end_step: int,
        frequency: int = 100,
    ):
        super().__init__(initial_sparsity, final_sparsity, begin_step, end_step, 3, frequency)

    def arguments(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        config = super().arguments()
        del config["power"]
        return config


@_register
class CosineSparsity(CubicSparsity):
    """Prune more and more along half a wave: slowly, fast in the middle, slowly.

    `fraction = final + (initial - final) * (1 + cos(pi p)) / 2`, with `p` from 0 at `begin_step` to
    1 at `end_step`.

    Args:
        initial_sparsity: fraction at `begin_step`.
        final_sparsity: fraction at `end_step`.
        begin_step: first step at which masks are updated.
        end_step: last one.
        frequency: steps between two updates.

    Example:

    >>> schedule = CosineSparsity(0.0, 0.8, begin_step=0, end_step=100, frequency=25)
    >>> [round(schedule.fraction(step), 2) for step in (0, 25, 50, 75, 100)]
    [0.0, 0.12, 0.4, 0.68, 0.8]
    """

    def fraction(self, step: int) -> float:
        """The formula above."""
        duration = self.end_step - self.begin_step
        progress = min(max((step - self.begin_step) / duration, 0), 1) if duration else 1
        left = (1 + math.cos(math.pi * progress)) / 2
        change = self.initial_sparsity - self.final_sparsity
        return min(max(self.final_sparsity + change * left, 0.0), 1.0)

    def _course(self, progress: Any) -> Any:
        left = (1 + ops.cos(math.pi * ops.convert_to_tensor(progress, "float32"))) / 2
        return self.final_sparsity + (self.initial_sparsity - self.final_sparsity) * left


def one_shot(fraction: float, step: int = 0) -> ConstantSparsity:
    """The schedule that prunes once, after `step` optimizer updates.

    Example:

    >>> [one_shot(0.5, step=2)(step)[0] for step in range(4)]
    [False, False, True, False]
    """
    return ConstantSparsity(fraction, begin_step=step, end_step=step, frequency=1)


@_register
class PhaseConstantSparsity(ConstantSparsity):
    """`ConstantSparsity` for the criterion "phase": moduli are pruned, phases are kept."""

    criterion = "phase"


@_register
class PhasePolynomialDecay(PolynomialDecay):
    """`PolynomialDecay` for the criterion "phase": moduli are pruned, phases are kept."""

    criterion = "phase"


@_register
class SignConstantSparsity(ConstantSparsity):
    """`ConstantSparsity` for the criterion "sign": real weights keep nothing but their sign."""

    criterion = "sign"


@_register
class SignPolynomialDecay(PolynomialDecay):
    """`PolynomialDecay` for the criterion "sign": real weights keep nothing but their sign."""

    criterion = "sign"


def ask(schedule: Any, step: int) -> tuple[bool, float]:
    """What any schedule says at `step`, as plain numbers.

    Schedules that are not ours, those of TF-MOT among them, are called with an int64 tensor and may
    return tensors.

    Raises:
        TypeError: if it says something else.
        ValueError: if the fraction is not a number from 0 to 1.
    """
    own = isinstance(schedule, Schedule)
    answer = schedule(step if own else ops.convert_to_tensor(step, dtype="int64"))
    try:
        due, fraction = answer
        due, fraction = bool(due), float(fraction)
    except (TypeError, ValueError):
        raise TypeError(
            "A schedule must return `(should_prune, fraction)`, two plain numbers or scalar "
            f"tensors. Received: {answer!r} at step {step} from {schedule!r}"
        ) from None
    if due and not 0 <= fraction <= 1:
        raise ValueError(
            "A schedule must return `(should_prune, fraction)` with a fraction from 0 to 1. "
            f"Received: fraction={fraction} at step {step} from {schedule!r}"
        )
    return due, fraction


def _checked_fraction(name: str, value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError(
            f"`{name}` is a fraction and must be from 0 to 1. Received: {name}={value}"
        )
    return float(value)
