"""The losses as Keras classes: reduction, sample weights and masks as every loss of Keras."""

from typing import Any

import keras
import numpy as np
from keras import ops

from .. import algebras
from ..algebras import Algebra
from ..layers import ToAlgebra
from ..ops import layout
from .functions import (
    ERRORS,
    Axis,
    algebra_cosine_similarity,
    algebra_mean_squared_error,
    as_axis,
    as_real,
    check_complex,
    coherence_loss,
    phase_error,
)

Tensor = Any

register = keras.saving.register_keras_serializable(package="keras_phase")


class _MaskReader(keras.layers.Layer):
    """Which positions of a prediction count: its Keras mask, which only layers are given.

    Call arguments:
        inputs: `(batch, ..., channels)`.

    Returns:
        Boolean, `(batch, ...)`, all True where there is no mask.
    """

    def __init__(self):
        super().__init__(name="mask_reader", autocast=False)
        self.supports_masking = True

    def call(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """The mask, for all axes but the last."""
        everything = ops.ones_like(inputs[..., 0], dtype="bool")
        if mask is None:
            return everything
        mask = ops.cast(mask, "bool")
        missing = len(everything.shape) - len(mask.shape)
        return ops.logical_and(everything, ops.reshape(mask, (*ops.shape(mask), *[1] * missing)))

    def compute_mask(self, inputs: Tensor, previous_mask: Tensor | None = None) -> None:
        """The result is a mask, and has none."""


def where_kept(keep: Tensor, *tensors: Tensor) -> list[Tensor]:
    """Each of `tensors`, `(positions, size)`, with 0 where `keep`, `(positions)`, is False."""
    keep = ops.expand_dims(keep, axis=-1)
    return [ops.where(keep, x, ops.zeros_like(x)) for x in tensors]


def real_prediction(y_pred: Any, algebra: Algebra, dtype: str) -> Tensor:
    """A prediction as a real tensor that keeps its Keras mask, which layers pass on."""
    if not layout.is_complex(y_pred) or isinstance(y_pred, np.ndarray):
        return y_pred if ops.is_tensor(y_pred) else as_real(y_pred, algebra, "y_pred")
    check_complex(y_pred, algebra, "y_pred")
    return ToAlgebra("complex", algebra=algebra, dtype=dtype)(y_pred)


class _AlgebraLoss(keras.losses.Loss):
    """Base of the losses: lets complex tensors in, and masked positions out of inner sums."""

    def __init__(self, reduction: str | None, name: str, dtype: Any, algebra: Any):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.algebra = algebras.get(algebra)
        self.axis: Axis = -1
        self._read_mask = _MaskReader()

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Tensor:
        """The loss, reduced."""
        y_pred = real_prediction(y_pred, self.algebra, self.dtype)
        y_true = as_real(y_true, self.algebra, "y_true")
        if self.axis not in (-1, (-1,)):
            y_true, y_pred = where_kept(self._read_mask(y_pred), y_true, y_pred)
        return super().__call__(y_true, y_pred, sample_weight)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        config = {**super().get_config(), "dtype": self.dtype}
        return {**config, "algebra": algebras.serialize(self.algebra)}


@register
class AlgebraMeanSquaredError(_AlgebraLoss):
    """Mean squared modulus of the difference, `mean_j |y_true_j - y_pred_j|^2`.

    Each *element* counts once, so this is `d` times `keras.losses.MeanSquaredError`, which takes
    the mean over the `d*n` real numbers. `algebra="real"` equals it.

    Args:
        reduction: `"sum_over_batch_size"`, `"sum"`, None, or another of Keras.
        name: of the loss.
        dtype: of the computation; below 32 bits, sums are still taken in float32.
        algebra: name of an algebra, an `Algebra` or its config.

    Call arguments:
        y_true: `(batch, ..., d*n)`, or complex, `(batch, ..., n)`, where d = 2.
        y_pred: the same.
        sample_weight: `(batch, ...)` or what broadcasts to it.

    Raises:
        ValueError: if the shapes differ, the last axis is not a multiple of `d`, or a complex
            tensor meets an algebra with `d != 2`.

    Example:

    >>> import keras
    >>> loss = AlgebraMeanSquaredError()
    >>> float(loss(keras.ops.array([[0.0, 0.0]]), keras.ops.array([[3.0, 4.0]])))
    25.0
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "algebra_mean_squared_error",
        dtype: Any = None,
        *,
        algebra: Any = "complex",
    ):
        super().__init__(reduction, name, dtype, algebra)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """`(batch, ...)`."""
        return algebra_mean_squared_error(y_true, y_pred, algebra=self.algebra)


@register
class PhaseError(_AlgebraLoss):
    """Error of direction alone: what is left when moduli are ignored.

    With `theta_j` in [0, pi] the angle between the component vectors of `y_true_j` and `y_pred_j`,
    for complex numbers the phase difference wrapped across +-pi,

        loss = sum_j w_j e(theta_j) / sum_j w_j.

    It is defined for every algebra and does not change when predictions are scaled. In the real
    algebra a direction is a sign, so `theta` is 0 or pi and there is no gradient.

    At zero: elements with `y_true_j = 0` have no phase, hence weight 0 (a position where all
    targets are 0 has loss 0); `y_pred_j = 0` counts as a right angle, with gradient 0.

    Args:
        how: the error `e`. `"cosine"`: `1 - cos(theta)`, smooth, in [0, 2]. `"absolute"`: `theta`
            in radians; its gradient has the same size at every angle and is 0 at exactly 0 and pi.
            `"squared"`: `theta^2`.
        weighted: False: `w_j = 1`. True: `w_j = |y_true_j|`, so that weak elements, whose phase is
            mostly noise, count little.
        reduction: `"sum_over_batch_size"`, `"sum"`, None, or another of Keras.
        name: of the loss.
        dtype: of the computation; below 32 bits, sums are still taken in float32.
        algebra: name of an algebra, an `Algebra` or its config.

    Call arguments:
        y_true: `(batch, ..., d*n)`, or complex, `(batch, ..., n)`, where d = 2.
        y_pred: the same.
        sample_weight: `(batch, ...)` or what broadcasts to it.

    Raises:
        ValueError: if `how` is unknown, the shapes differ, the last axis is not a multiple of `d`,
            or a complex tensor meets an algebra with `d != 2`.

    Example:

    >>> import numpy as np
    >>> loss = PhaseError("absolute")
    >>> round(float(loss(np.array([[-1 + 0.001j]]), np.array([[-1 - 0.001j]]))), 4)
    0.002
    """

    def __init__(
        self,
        how: str = "cosine",
        weighted: bool = False,
        reduction: str | None = "sum_over_batch_size",
        name: str = "phase_error",
        dtype: Any = None,
        *,
        algebra: Any = "complex",
    ):
        super().__init__(reduction, name, dtype, algebra)
        ERRORS.get(how)
        self.how, self.weighted = how, weighted

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """`(batch, ...)`."""
        return phase_error(y_true, y_pred, self.how, self.weighted, algebra=self.algebra)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "how": self.how, "weighted": self.weighted}


@register
class CoherenceLoss(_AlgebraLoss):
    """One minus the magnitude-squared coherence, blind to a common factor.

        loss = 1 - |sum_j conj(y_true_j) * y_pred_j|^2 / (sum_j |y_true_j|^2 sum_j |y_pred_j|^2)

    For complex numbers it lies in [0, 1] and does not change when either side is multiplied by any
    complex number: a global phase (and scale) is free, differences of phase along `axis` are not.
    It is 0 exactly where `y_pred = y_true * q` with one `q != 0`.

    In other algebras the product is the algebra's own and `|.|` the Euclidean modulus. The
    statements above hold where `|a * b| = |a| |b|`: real, complex, quaternion and octonion (where
    `q` stands on the right, and the invariance needs associativity, hence not for octonions).
    Elsewhere the number is defined but means less: in a matrix algebra `y_pred = y_true` need not
    give 0, and in the split algebras it can be negative.

    Where all of either side is 0 the loss is 1, with gradient 0.

    Args:
        axis: which axes are summed over, an integer or a tuple: -1, the elements; another one,
            such as time in `(batch, time, d*n)`, for every element apart. Not the samples, 0.
        reduction: `"sum_over_batch_size"`, `"sum"`, None, or another of Keras.
        name: of the loss.
        dtype: of the computation; below 32 bits, sums are still taken in float32.
        algebra: name of an algebra with a conjugation, an `Algebra` or its config.

    Call arguments:
        y_true: `(batch, ..., d*n)`, or complex, `(batch, ..., n)`, where d = 2.
        y_pred: the same. Where other axes than the last are summed over, masked positions are left
            out of the sums.
        sample_weight: of the shape that remains, or what broadcasts to it.

    Raises:
        ValueError: if the algebra has no conjugation, `axis` does not fit, the shapes differ, the
            last axis is not a multiple of `d`, or a complex tensor meets an algebra with `d != 2`.

    Reference:
        Carter, "Coherence and time delay estimation", Proc. IEEE 75 (1987), 236-255.

    Example:

    >>> import numpy as np
    >>> y = np.array([[1 + 2j, 3 - 1j, 2j]])
    >>> abs(round(float(CoherenceLoss()(y, np.exp(0.7j) * y)), 5))
    0.0
    """

    def __init__(
        self,
        axis: Axis = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "coherence_loss",
        dtype: Any = None,
        *,
        algebra: Any = "complex",
    ):
        super().__init__(reduction, name, dtype, algebra)
        # Read once, so that an algebra without conjugation is refused here, not in training.
        self.algebra.conjugation_matrix  # noqa: B018
        self.axis = as_axis(axis)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """`(batch, ...)`, without the axes of `axis`; `(..., n)` where -1 is not among them."""
        return coherence_loss(y_true, y_pred, self.axis, algebra=self.algebra)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "axis": self.axis}


@register
class AlgebraCosineSimilarity(_AlgebraLoss):
    """Negative cosine of the angle between whole vectors of elements.

        loss = - sum_jk y_true_jk y_pred_jk / (|y_true| |y_pred|)

    over elements `j` and components `k`: the real inner product, so that -1 is the same direction,
    0 a right angle and 1 the opposite one, as in `keras.losses.CosineSimilarity`, which it equals
    for `axis=-1`. Unlike `CoherenceLoss` it does see a global phase.

    Where all of either side is 0 the loss is 0, with gradient 0.

    Args:
        axis: which axes are summed over, as in `CoherenceLoss`.
        reduction: `"sum_over_batch_size"`, `"sum"`, None, or another of Keras.
        name: of the loss.
        dtype: of the computation; below 32 bits, sums are still taken in float32.
        algebra: name of an algebra, an `Algebra` or its config.

    Call arguments:
        y_true: `(batch, ..., d*n)`, or complex, `(batch, ..., n)`, where d = 2.
        y_pred: the same. Where other axes than the last are summed over, masked positions are left
            out of the sums.
        sample_weight: of the shape that remains, or what broadcasts to it.

    Raises:
        ValueError: if `axis` does not fit, the shapes differ, the last axis is not a multiple of
            `d`, or a complex tensor meets an algebra with `d != 2`.

    Example:

    >>> import numpy as np
    >>> y = np.array([[1 + 2j, 3 - 1j]])
    >>> round(float(AlgebraCosineSimilarity()(y, 2 * y)), 5)
    -1.0
    """

    def __init__(
        self,
        axis: Axis = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "algebra_cosine_similarity",
        dtype: Any = None,
        *,
        algebra: Any = "complex",
    ):
        super().__init__(reduction, name, dtype, algebra)
        self.axis = as_axis(axis)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """`(batch, ...)`, without the axes of `axis`; `(..., n)` where -1 is not among them."""
        return algebra_cosine_similarity(y_true, y_pred, self.axis, algebra=self.algebra)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "axis": self.axis}
