"""The losses as functions, and the definitions that metrics share with them.

Targets and predictions are `(batch, ..., d*n)`, component-major, like every activation; where d = 2
a complex tensor `(batch, ..., n)` does too. `|x|` is the Euclidean modulus, `mean_j` runs over the
`n` elements of the last axis. A function returns one number for each position, `(batch, ...)`.

What is defined by a direction is defined at zero too, with gradient 0: an element whose *target* is
0 has no phase and does not count; a *prediction* of 0 counts as being at a right angle.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from .. import algebras
from ..algebras import Algebra
from ..ops import layout
from ..ops.modulus import direction_axis, is_half, modulus, modulus_axis
from ..ops.product import conjugate, multiply
from ..registry import Registry

Tensor = Any
Axis = int | tuple[int, ...]

register = keras.saving.register_keras_serializable(package="keras_phase")


@register
def algebra_mean_squared_error(y_true: Any, y_pred: Any, *, algebra: Any = "complex") -> Tensor:
    """`mean_j |y_true_j - y_pred_j|^2`, `(batch, ..., d*n)` to `(batch, ...)`.

    This is `d` times `keras.losses.mean_squared_error`, which divides by `d*n` numbers, not by `n`
    elements.

    Example:

    >>> import numpy as np
    >>> y_true, y_pred = np.array([[1 + 2j, 0]]), np.array([[1.0, 3.0, 0.0, 4.0]])
    >>> float(algebra_mean_squared_error(y_true, y_pred)[0])  # (|2i|^2 + |3 + 4i|^2) / 2
    14.5
    """
    algebra = algebras.get(algebra)
    y_true, y_pred, dtype = as_pair(y_true, y_pred, algebra)
    error = ops.mean(ops.square(y_true - y_pred), axis=-1)
    return ops.cast(error * algebra.dimension, dtype)


@register
def phase_error(
    y_true: Any,
    y_pred: Any,
    how: str = "cosine",
    weighted: bool = False,
    *,
    algebra: Any = "complex",
) -> Tensor:
    """Weighted mean over the elements of an error of direction; see `PhaseError`.

    Example:

    >>> import numpy as np
    >>> y_true, y_pred = np.exp([[3.1j]]), np.exp([[-3.1j]])
    >>> round(float(phase_error(y_true, y_pred, how="absolute")[0]), 4)  # 2 pi - 6.2
    0.0832
    """
    algebra = algebras.get(algebra)
    y_true, y_pred, dtype = as_pair(y_true, y_pred, algebra)
    total, count = phase_sums(y_true, y_pred, how, weighted, algebra)
    return ops.cast(ratio(total, count), dtype)


@register
def coherence_loss(
    y_true: Any, y_pred: Any, axis: Axis = -1, *, algebra: Any = "complex"
) -> Tensor:
    """`1 - coherence`, the axes of `axis` summed over; see `CoherenceLoss`.

    Example:

    >>> import numpy as np
    >>> y = np.array([[1 + 2j, 3 - 1j, 2j]])
    >>> abs(round(float(coherence_loss(y, 5j * y)[0]), 5))
    0.0
    """
    algebra = algebras.get(algebra)
    y_true, y_pred, dtype = as_pair(y_true, y_pred, algebra)
    return ops.cast(1 - coherence(y_true, y_pred, axis, algebra), dtype)


@register
def algebra_cosine_similarity(
    y_true: Any, y_pred: Any, axis: Axis = -1, *, algebra: Any = "complex"
) -> Tensor:
    """Negative cosine, the axes of `axis` summed over; see `AlgebraCosineSimilarity`.

    Example:

    >>> import numpy as np
    >>> y = np.array([[1 + 2j, 3 - 1j]])
    >>> round(float(algebra_cosine_similarity(y, -2 * y)[0]), 5)
    1.0
    """
    algebra = algebras.get(algebra)
    y_true, y_pred, dtype = as_pair(y_true, y_pred, algebra)
    return ops.cast(-cosine(y_true, y_pred, axis, algebra), dtype)


# The elementwise definitions, which metrics share. They take what `as_pair` returns.

ERRORS = Registry("phase error")


@ERRORS.register("cosine")
def _cosine_error(u: Tensor, v: Tensor) -> Tensor:
    # Half the squared distance of unit vectors; unlike 1 - <u, v> it keeps its digits near 0.
    half = 0.5 * ops.sum(ops.square(u - v), axis=-2)
    return half + 0.5 * ops.cast(ops.all(ops.equal(v, 0), axis=-2), half.dtype)


@ERRORS.register("absolute")
def _angle(u: Tensor, v: Tensor) -> Tensor:
    # Kahan's formula: accurate at both ends, and without the infinite slope of arccos there.
    return 2 * ops.arctan2(modulus_axis(u - v, -2), modulus_axis(u + v, -2))


@ERRORS.register("squared")
def _squared_angle(u: Tensor, v: Tensor) -> Tensor:
    return ops.square(_angle(u, v))


def phase_sums(
    y_true: Tensor, y_pred: Tensor, how: str, weighted: bool, algebra: Algebra
) -> tuple[Tensor, Tensor]:
    """Weighted sum of the phase errors over the elements, and sum of the weights, `(batch, ...)`.

    The weights are the moduli of the target, or 1 where it is not 0.
    """
    error = ERRORS.get(how)
    u, v = (direction_axis(layout.to_axis(y, algebra.dimension), -2) for y in (y_true, y_pred))
    size = modulus(y_true, algebra)
    weights = size if weighted else ops.cast(ops.not_equal(size, 0), size.dtype)
    return ops.sum(weights * error(u, v), axis=-1), ops.sum(weights, axis=-1)


def coherence(y_true: Tensor, y_pred: Tensor, axis: Axis, algebra: Algebra) -> Tensor:
    """`|sum conj(y_true) y_pred|^2 / (sum |y_true|^2 sum |y_pred|^2)` over the axes of `axis`."""
    axes = _axes(axis, y_pred)
    t, p = (_normalized(y, axes, algebra) for y in (y_true, y_pred))
    total = _sum(multiply(conjugate(t, algebra), p, algebra), axes, algebra)
    return ops.sum(ops.square(total), axis=-1 if -1 in axes else -2)


def cosine(y_true: Tensor, y_pred: Tensor, axis: Axis, algebra: Algebra) -> Tensor:
    """Cosine of the angle between the vectors of all components along the axes of `axis`."""
    axes = _axes(axis, y_pred)
    t, p = (_normalized(y, axes, algebra) for y in (y_true, y_pred))
    return ops.sum(_sum(t * p, axes, algebra), axis=-1 if -1 in axes else -2)


def as_axis(axis: Any) -> Axis:
    """An integer, or a tuple of integers from a list or tuple of them."""
    if isinstance(axis, list | tuple):
        axis = tuple(axis)
    if not all(isinstance(a, int) for a in (axis if isinstance(axis, tuple) else (axis,))):
        raise TypeError(f"Expected `axis` to be an integer or a tuple of them. Received: {axis=}")
    return axis


def _axes(axis: Axis, x: Tensor) -> tuple[int, ...]:
    """Distinct axes, counted from the last."""
    rank = len(x.shape)
    axis = as_axis(axis)
    axes = axis if isinstance(axis, tuple) else (axis,)
    counted = tuple(sorted({a - rank if a >= 0 else a for a in axes}, reverse=True))
    if not counted or len(counted) != len(axes) or not all(-rank < a < 0 for a in counted):
        raise ValueError(
            f"Expected `axis` to name one or more different axes of {rank} axes, but not the first "
            f"one, which holds the samples. Received: axis={axis}, y_pred.shape={tuple(x.shape)}"
        )
    return counted


def _normalized(x: Tensor, axes: tuple[int, ...], algebra: Algebra) -> Tensor:
    """`x` over its norm along `axes` and the components; 0, with gradient 0, where that is 0."""
    norm = modulus(x, algebra)
    for axis in axes:
        norm = modulus_axis(norm, axis, keepdims=True)
    norm = norm if -1 in axes else layout.repeat(norm, algebra.dimension)
    is_zero = ops.equal(norm, 0)
    unit = x / ops.where(is_zero, ops.ones_like(norm), norm)
    return ops.where(is_zero, ops.zeros_like(x), unit)


def _sum(x: Tensor, axes: tuple[int, ...], algebra: Algebra) -> Tensor:
    """Sum over `axes`, the components in an axis of their own: the last, or before the elements."""
    return ops.sum(
        layout.to_axis(x, algebra.dimension), axis=tuple(a - 1 if a < -1 else a for a in axes)
    )


def ratio(total: Tensor, count: Tensor) -> Tensor:
    """`total / count`, and 0 where nothing was counted."""
    is_zero = ops.equal(count, 0)
    quotient = total / ops.where(is_zero, ops.ones_like(count), count)
    return ops.where(is_zero, ops.zeros_like(total), quotient)


def as_pair(y_true: Any, y_pred: Any, algebra: Algebra) -> tuple[Tensor, Tensor, str]:
    """Both as real tensors of one dtype, at least float32, and the dtype for the result."""
    y_pred = as_real(y_pred, algebra, "y_pred")
    y_true = as_real(y_true, algebra, "y_true")
    known = [tuple(y.shape) for y in (y_true, y_pred)]
    same_rank = len(known[0]) == len(known[1])
    if not same_rank or any(a != b and None not in (a, b) for a, b in zip(*known, strict=True)):
        raise ValueError(
            "Expected `y_true` and `y_pred` of one shape, (batch, ..., d*n) with d = "
            f"{algebra.dimension} for the algebra '{algebra.name}' (or complex, (batch, ..., n), "
            f"where d = 2). Received: y_true.shape={known[0]}, y_pred.shape={known[1]}"
        )
    dtype = keras.backend.standardize_dtype(y_pred.dtype)
    if "float" not in dtype:
        dtype = keras.config.floatx()
    wide = "float32" if is_half(y_pred) else dtype
    return ops.cast(y_true, wide), ops.cast(y_pred, wide), dtype


def as_real(y: Any, algebra: Algebra, name: str) -> Tensor:
    """A real tensor, component-major, from a real or complex one of any kind."""
    y = y if hasattr(y, "dtype") else np.asarray(y)
    if layout.is_complex(y):
        check_complex(y, algebra, name)
        if isinstance(y, np.ndarray):  # an older Keras makes no complex tensors
            return ops.convert_to_tensor(np.concatenate([y.real, y.imag], axis=-1))
        return layout.from_complex(y)
    y = ops.convert_to_tensor(y)
    if not len(y.shape):
        raise ValueError(
            f"Expected `{name}` to have a last axis of d*n real numbers. "
            f"Received: {name}.shape={tuple(y.shape)}"
        )
    layout.num_elements(y.shape[-1], algebra.dimension, f"last axis of `{name}`")
    return y


def check_complex(y: Tensor, algebra: Algebra, name: str) -> None:
    """Raise `ValueError` unless the algebra has the two components of a complex tensor."""
    if algebra.dimension != 2:
        raise ValueError(
            f"A complex tensor has 2 real numbers an element, those of the algebra "
            f"'{algebra.name}' have {algebra.dimension}. Expected a real tensor whose last axis is "
            f"component-major. Received: {name}.dtype={y.dtype}, {name}.shape={tuple(y.shape)}"
        )
