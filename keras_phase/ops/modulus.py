"""Modulus, unit direction and phase of algebra elements, and their gradients at zero.

An element is a tuple of `d` real numbers; its modulus is the Euclidean norm `|x|` for every algebra
(the algebra's own quadratic norm is `Algebra.norm`). These functions are defined at zero, and every
gradient is finite:

| function | value at 0 | gradient at 0 |
|---|---|---|
| modulus | 0 | 0 |
| direction, `x / |x|` | 0 | 0 |
| phase (d = 2, radians) | 0 | 0 |

What counts as zero: the squares that a modulus sums must not underflow, so an element with
`|x|^2` below the smallest normal number, `|x| < 1.1e-19` in float32 (1.5e-154 in float64), counts
as zero, on every backend and with or without flushed denormals. Above `1.8e19` (1.3e154) the
squares overflow and the modulus is infinite. Elements with d = 1 have neither limit: there the
modulus is `abs` and the direction `sign`, with gradient 0. A NaN in an element makes all of it
NaN.

`float16` and `bfloat16` are computed in float32 and cast back: no element of a float16 tensor
underflows. The gradient of a direction grows as `1 / |x|`, so in float16 it overflows to infinity
for elements below about `1e-5`, as loss scaling expects.

The functions without suffix take activations, `(..., d*n)` component-major; the `_axis` forms take
kernels, whose components lie along a named axis.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from .. import algebras
from . import layout

Tensor = Any


def in_float32(function: Callable) -> Callable:
    """Decorator: compute in float32 where the first argument has 16 bits, and cast the result back.

    Other positional tensors are cast too, keyword arguments are not.
    """

    @functools.wraps(function)
    def wrapper(x: Tensor, *args: Any, **kwargs: Any) -> Any:
        x = _as_float(x)
        if not is_half(x):
            return function(x, *args, **kwargs)
        args = (ops.cast(a, "float32") if hasattr(a, "dtype") else a for a in args)
        result = function(ops.cast(x, "float32"), *args, **kwargs)
        return keras.tree.map_structure(lambda y: ops.cast(y, x.dtype), result)

    return wrapper


def is_half(x: Tensor) -> bool:
    """Whether `x` has a 16-bit float dtype."""
    return keras.backend.standardize_dtype(x.dtype) in ("float16", "bfloat16")


def modulus(x: Tensor, algebra: Any) -> Tensor:
    """Euclidean norm of every element, `|x| = sqrt(sum_k x_k^2)`.

    Args:
        x: `(..., d*n)`, component-major.
        algebra: an `Algebra`, its name or its config. For the real algebra this is `abs`.

    Returns:
        `(..., n)`, in the dtype of `x`; gradient `x / |x|`, 0 at 0.

    Example:

    >>> ops.convert_to_numpy(modulus(ops.array([[3.0, 0.0, 4.0, 0.0]]), "complex")).tolist()
    [[5.0, 0.0]]
    """
    return modulus_axis(_to_axis(x, algebra), axis=-2)


def direction(x: Tensor, algebra: Any) -> Tensor:
    """Unit element `x / |x|` in the direction of every element, 0 where the element is 0.

    Args:
        x: `(..., d*n)`, component-major.
        algebra: an `Algebra`, its name or its config. For the real algebra this is `sign`.

    Returns:
        `(..., d*n)`, in the dtype of `x`; gradient 0 at 0.
    """
    return layout.from_axis(direction_axis(_to_axis(x, algebra), axis=-2))


def phase(x: Tensor, algebra: Any) -> Tensor:
    """What is left of every element without its modulus.

    * d = 2: the angle to the first basis element, radians in (-pi, pi]; 0 at 0. The negative half
      of the first axis has phase pi, also where the second component is `-0.0`; across this cut the
      value jumps and the gradient does not.
    * d = 1: the sign, -1, 0 or 1.
    * d > 2: the unit direction.

    Args:
        x: `(..., d*n)`, component-major.
        algebra: an `Algebra`, its name or its config.

    Returns:
        `(..., n)` for d <= 2, else `(..., d*n)`, in the dtype of `x`.

    Example:

    >>> print(ops.convert_to_numpy(phase(ops.array([-1.0, 0.0]), "complex")))
    [3.1415927]
    """
    x = _to_axis(x, algebra)
    result = phase_axis(x, axis=-2)
    return layout.from_axis(result) if x.shape[-2] > 2 else result


def polar(x: Tensor, algebra: Any) -> tuple[Tensor, Tensor]:
    """Modulus `(..., n)` and unit direction `(..., d*n)` of every element; see `from_polar`."""
    norm, unit = _polar_axis(_to_axis(x, algebra), -2)
    return ops.squeeze(norm, axis=-2), layout.from_axis(unit)


def from_polar(modulus: Tensor, direction: Tensor, algebra: Any) -> Tensor:
    """Elements of the given modulus `(..., n)` and direction `(..., d*n)`: their product.

    `from_polar(*polar(x, algebra), algebra)` is `x`, with gradient 0 where `x` is 0.
    """
    return layout.repeat(modulus, algebras.get(algebra).dimension) * direction


def modulus_axis(x: Tensor, axis: int, keepdims: bool = False) -> Tensor:
    """`modulus` of elements whose components lie along `axis`, dropped unless `keepdims`."""
    norm = in_float32(lambda x: _norm_and_zero(x, axis)[0])(x)
    return norm if keepdims else ops.squeeze(norm, axis=axis)


def modulus_of_array(x: np.ndarray) -> np.ndarray:
    """`modulus_axis` along axis 0, kept, of a float32 or float64 array, on the host.

    For decisions that are taken outside a graph, where each operation of a framework costs more
    than the arithmetic.
    """
    if x.shape[0] == 1:
        return np.abs(x)
    with np.errstate(over="ignore"):
        square = np.square(x).sum(axis=0, keepdims=True)
    return np.sqrt(np.where(square < np.finfo(x.dtype).tiny, 0, square))


def direction_axis(x: Tensor, axis: int) -> Tensor:
    """`direction` of elements whose components lie along `axis`."""
    return _polar_axis(x, axis)[1]


@in_float32
def phase_axis(x: Tensor, axis: int) -> Tensor:
    """`phase` of elements whose components lie along `axis`, which is dropped if it has 1 or 2."""
    if x.shape[axis] > 2:
        return direction_axis(x, axis)
    if x.shape[axis] == 1:
        return ops.squeeze(ops.sign(x), axis=axis)
    is_zero = ops.squeeze(_norm_and_zero(x, axis)[1], axis=axis)
    first, second = ops.unstack(x, axis=axis)
    first = ops.where(is_zero, ops.ones_like(first), first)
    second = ops.where(is_zero, ops.zeros_like(second), second)
    angle = ops.arctan2(second, first)
    # arctan2 is -pi at -0.0 and just below the cut; adding a constant keeps the gradient.
    at_cut = angle <= np.array(-math.pi, dtype=keras.backend.standardize_dtype(angle.dtype))
    return angle + 2 * math.pi * ops.cast(at_cut, angle.dtype)


@in_float32
def _polar_axis(x: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Modulus, with `axis` kept, and direction."""
    norm, is_zero = _norm_and_zero(x, axis)
    if x.shape[axis] == 1:
        return norm, ops.sign(x)
    unit = x / ops.where(is_zero, ops.ones_like(norm), norm)
    return norm, ops.where(is_zero, ops.zeros_like(x), unit)


def _norm_and_zero(x: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Modulus and whether it counts as zero, both with `axis` kept.

    The square root never sees a zero: autodiff would multiply its infinite slope there by 0.
    """
    if x.shape[axis] == 1:
        return x * ops.sign(x), ops.equal(x, 0)  # the slope of abs at 0 is 1 on JAX
    square = ops.sum(ops.square(x), axis=axis, keepdims=True)
    # Not `square >= tiny`: a NaN must not count as zero.
    is_zero = square < np.finfo(keras.backend.standardize_dtype(x.dtype)).tiny
    norm = ops.sqrt(ops.where(is_zero, ops.ones_like(square), square))
    return ops.where(is_zero, ops.zeros_like(norm), norm), is_zero


def _to_axis(x: Tensor, algebra: Any) -> Tensor:
    return layout.to_axis(_as_float(x), algebras.get(algebra).dimension)


def _as_float(x: Any) -> Tensor:
    x = x if hasattr(x, "dtype") else ops.convert_to_tensor(x)
    if layout.is_complex(x):
        raise TypeError(
            "Expected a real tensor, component-major. Convert a complex one with "
            f"`ops.layout.from_complex`. Received: x.dtype={x.dtype}"
        )
    is_float = "float" in keras.backend.standardize_dtype(x.dtype)
    return x if is_float else ops.cast(x, keras.config.floatx())
