"""Metrics for algebra-valued targets.

Each accumulates *sums* over everything that it has seen and computes its value from them, so its
value over batches is that over all the data at once, whatever the sizes of the batches. Sample
weights multiply terms of these sums; masked positions are left out. Targets and predictions are
`(batch, ..., d*n)`, component-major, or complex where d = 2, as for `keras_phase.losses`.
"""

from typing import Any

import keras
from keras import ops

from . import algebras
from .losses import functions
from .losses.classes import _MaskReader, real_prediction, where_kept
from .losses.functions import Axis
from .ops import layout
from .ops.product import conjugate, multiply

Tensor = Any

register = keras.saving.register_keras_serializable(package="keras_phase")


class _AlgebraMetric(keras.metrics.Metric):
    """Base: a vector of weighted sums over positions, and a value computed from it.

    Subclasses implement `_terms`, from targets and predictions to `(positions, size)`, and
    `_value`, from the sums `(size,)` to a number.
    """

    def __init__(self, size: int, name: str, dtype: Any, algebra: Any, axis: Axis = -1):
        super().__init__(name=name, dtype=dtype)
        self.algebra = algebras.get(algebra)
        self.axis = functions.as_axis(axis)
        self._read_mask = _MaskReader()
        # A sum of 16 bits stops growing after a few hundred terms.
        wide = self.dtype if self.dtype == "float64" else "float32"
        self.sums = self.add_variable((size,), initializer="zeros", dtype=wide, name="sums")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add the terms of a batch.

        Args:
            y_true: `(batch, ..., d*n)`, or complex, `(batch, ..., n)`, where d = 2.
            y_pred: the same.
            sample_weight: one number for each sample, for each position `(batch, ...)`, or what
                broadcasts to that.
        """
        y_pred = real_prediction(y_pred, self.algebra, self.sums.dtype)
        keep = self._read_mask(y_pred)
        y_true, y_pred, _ = functions.as_pair(y_true, y_pred, self.algebra)
        if self.axis not in (-1, (-1,)):
            y_true, y_pred = where_kept(keep, y_true, y_pred)
        terms = ops.cast(ops.stack(self._terms(y_true, y_pred), axis=-1), self.sums.dtype)
        if self.axis in (-1, (-1,)):
            (terms,) = where_kept(keep, terms)
        if sample_weight is not None:
            weights = ops.cast(ops.convert_to_tensor(sample_weight), self.sums.dtype)
            terms = terms * _expand(weights, terms)
        self.sums.assign_add(ops.sum(terms, axis=tuple(range(len(terms.shape) - 1))))

    def result(self) -> Tensor:
        """The value over all that was seen, 0 before that."""
        return ops.cast(self._value(*ops.unstack(ops.convert_to_tensor(self.sums))), self.dtype)

    def _terms(self, y_true: Tensor, y_pred: Tensor) -> list[Tensor]:
        raise NotImplementedError

    def _value(self, *sums: Tensor) -> Tensor:
        return functions.ratio(*sums)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "algebra": algebras.serialize(self.algebra)}


def _expand(weights: Tensor, terms: Tensor) -> Tensor:
    """Weights of samples or positions, with axes of size 1 up to those of `terms`."""
    missing = len(terms.shape) - len(weights.shape)
    if missing < 0 or (missing == 0 and weights.shape[-1] != 1):
        raise ValueError(
            "Expected `sample_weight` to have the shape of the values of the metric, "
            f"{tuple(terms.shape[:-1])}, or one that broadcasts to it. "
            f"Received: sample_weight.shape={tuple(weights.shape)}"
        )
    return ops.reshape(weights, (*ops.shape(weights), *[1] * missing))


@register
class MeanSquaredModulusError(_AlgebraMetric):
    """Mean of `|y_true - y_pred|^2` over elements, the metric of `AlgebraMeanSquaredError`.

    `d` times `keras.metrics.MeanSquaredError`; `algebra="real"` equals it.

    Args:
        name: of the metric.
        dtype: of the result; the sums are kept in float32 at least.
        algebra: name of an algebra, an `Algebra` or its config.

    Raises:
        ValueError: when updated with shapes that differ, a last axis that is not a multiple of `d`,
            or a complex tensor where `d != 2`.

    Example:

    >>> metric = MeanSquaredModulusError()
    >>> metric.update_state([[0.0, 0.0]], [[3.0, 4.0]])
    >>> float(metric.result())
    25.0
    """

    def __init__(
        self,
        name: str = "mean_squared_modulus_error",
        dtype: Any = None,
        *,
        algebra: Any = "complex",
    ):
        super().__init__(2, name, dtype, algebra)

    def _terms(self, y_true: Tensor, y_pred: Tensor) -> list[Tensor]:
        error = functions.algebra_mean_squared_error(y_true, y_pred, algebra=self.algebra)
        return [error, ops.ones_like(error)]


@register
class RootMeanSquaredModulusError(MeanSquaredModulusError):
    """Square root of the mean of `|y_true - y_pred|^2` over elements.

    `sqrt(d)` times `keras.metrics.RootMeanSquaredError`; `algebra="real"` equals it.

    Args:
        name: of the metric.
        dtype: of the result; the sums are kept in float32 at least.
        algebra: name of an algebra, an `Algebra` or its config.

    Raises:
        ValueError: as `MeanSquaredModulusError`.

    Example:

    >>> metric = RootMeanSquaredModulusError()
    >>> metric.update_state([[0.0, 0.0]], [[3.0, 4.0]])
    >>> float(metric.result())
    5.0
    """

    def __init__(
        self,
        name: str = "root_mean_squared_modulus_error",
        dtype: Any = None,
        *,
        algebra: Any = "complex",
    ):
        super().__init__(name, dtype, algebra=algebra)

    def _value(self, *sums: Tensor) -> Tensor:
        return ops.sqrt(functions.ratio(*sums))


@register
class PhaseMeanAbsoluteError(_AlgebraMetric):
    """Mean angle between the directions of targets and predictions, in radians, from 0 to pi.

    The mean of `PhaseError("absolute")` over *elements*: for complex numbers the phase difference
    wrapped across +-pi. Elements whose target is 0 are not counted; a prediction of 0 counts as a
    right angle. A random guess has pi/2 in every algebra.

    Args:
        weighted: whether to weigh each element by the modulus of its target.
        name: of the metric.
        dtype: of the result; the sums are kept in float32 at least.
        algebra: name of an algebra, an `Algebra` or its config.

    Raises:
        ValueError: as `MeanSquaredModulusError`.

    Example:

    >>> metric = PhaseMeanAbsoluteError()
    >>> metric.update_state([[1.0, 0.0]], [[0.0, 2.0]])
    >>> round(float(metric.result()), 5)
    1.5708
    """

    def __init__(
        self,
        weighted: bool = False,
        name: str = "phase_mean_absolute_error",
        dtype: Any = None,
        *,
        algebra: Any = "complex",
    ):
        super().__init__(2, name, dtype, algebra)
        self.weighted = weighted

    def _terms(self, y_true: Tensor, y_pred: Tensor) -> list[Tensor]:
        return list(functions.phase_sums(y_true, y_pred, "absolute", self.weighted, self.algebra))

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "weighted": self.weighted}


@register
class Coherence(_AlgebraMetric):
    """Magnitude-squared coherence of all the data: one common factor is free.

        |sum conj(y_true) * y_pred|^2 / (sum |y_true|^2 sum |y_pred|^2)

    over all elements, positions and samples; the three sums are accumulated, not their ratios. A
    model whose phase is off by a constant has 1, one whose phase is off by another angle in every
    sample near 0: for the latter, which `CoherenceLoss` allows, see `MeanCoherence`.

    Args:
        name: of the metric.
        dtype: of the result; the sums are kept in float32 at least.
        algebra: name of an algebra with a conjugation; what the number means in each is said at
            `CoherenceLoss`.

    Raises:
        ValueError: if the algebra has no conjugation, and as `MeanSquaredModulusError`.

    Example:

    >>> metric = Coherence()
    >>> metric.update_state([[1.0, 0.0]], [[0.0, 2.0]])
    >>> metric.update_state([[0.0, 3.0]], [[-6.0, 0.0]])
    >>> float(metric.result())
    1.0
    """

    def __init__(self, name: str = "coherence", dtype: Any = None, *, algebra: Any = "complex"):
        algebra = algebras.get(algebra)
        algebra.conjugation_matrix  # noqa: B018  refused here, not at the first batch
        super().__init__(algebra.dimension + 2, name, dtype, algebra)

    def _terms(self, y_true: Tensor, y_pred: Tensor) -> list[Tensor]:
        d = self.algebra.dimension
        products = multiply(conjugate(y_true, self.algebra), y_pred, self.algebra)
        parts = (*layout.split(products, d), ops.square(y_true), ops.square(y_pred))
        return [ops.sum(part, axis=-1) for part in parts]

    def _value(self, *sums: Tensor) -> Tensor:
        # Rooted first, so that the product of two large sums does not overflow.
        size = ops.sqrt(sums[-2]) * ops.sqrt(sums[-1])
        return functions.ratio(ops.sqrt(sum(map(ops.square, sums[:-2]))), size) ** 2


@register
class MeanCoherence(_AlgebraMetric):
    """Mean of the coherence of each sample, one minus `CoherenceLoss`.

    A common factor is free in each sample (each position, and each element where `axis` is another
    one than -1). 1 is best.

    Args:
        axis: which axes are summed over, as in `CoherenceLoss`.
        name: of the metric.
        dtype: of the result; the sums are kept in float32 at least.
        algebra: name of an algebra with a conjugation; what the number means in each is said at
            `CoherenceLoss`.

    Raises:
        ValueError: if the algebra has no conjugation or `axis` does not fit, and as
            `MeanSquaredModulusError`.

    Example:

    >>> metric = MeanCoherence()
    >>> metric.update_state([[1.0, 0.0], [0.0, 1.0]], [[0.0, 2.0], [5.0, 0.0]])
    >>> float(metric.result())
    1.0
    """

    def __init__(
        self,
        axis: Axis = -1,
        name: str = "mean_coherence",
        dtype: Any = None,
        *,
        algebra: Any = "complex",
    ):
        super().__init__(2, name, dtype, algebra, axis)
        self.algebra.conjugation_matrix  # noqa: B018  refused here, not at the first batch

    def _terms(self, y_true: Tensor, y_pred: Tensor) -> list[Tensor]:
        value = functions.coherence(y_true, y_pred, self.axis, self.algebra)
        return [value, ops.ones_like(value)]

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "axis": self.axis}


@register
class MeanCosineSimilarity(_AlgebraMetric):
    """Mean of the cosine of each sample, minus `AlgebraCosineSimilarity`.

    1 is the same direction and -1 the opposite one, as in `keras.metrics.CosineSimilarity`, which
    it equals for `axis=-1`.

    Args:
        axis: which axes are summed over, as in `AlgebraCosineSimilarity`.
        name: of the metric.
        dtype: of the result; the sums are kept in float32 at least.
        algebra: name of an algebra, an `Algebra` or its config.

    Raises:
        ValueError: if `axis` does not fit, and as `MeanSquaredModulusError`.

    Example:

    >>> metric = MeanCosineSimilarity()
    >>> metric.update_state([[1.0, 0.0]], [[-2.0, 0.0]])
    >>> float(metric.result())
    -1.0
    """

    def __init__(
        self,
        axis: Axis = -1,
        name: str = "mean_cosine_similarity",
        dtype: Any = None,
        *,
        algebra: Any = "complex",
    ):
        super().__init__(2, name, dtype, algebra, axis)

    def _terms(self, y_true: Tensor, y_pred: Tensor) -> list[Tensor]:
        value = functions.cosine(y_true, y_pred, self.axis, self.algebra)
        return [value, ops.ones_like(value)]

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "axis": self.axis}
