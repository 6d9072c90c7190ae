"""Positions as phases: rotary encoding, the multiplication by unit complex numbers."""

import functools
import math
from typing import Any

import keras
import numpy as np
from keras import ops

from ..algebras import Algebra
from ..ops import layout
from ..ops.modulus import in_float32
from .algebra_layer import ShapePreservingMixin, register

Tensor = Any


class RotaryPhaseEncodingBody(ShapePreservingMixin):
    """The logic of `RotaryPhaseEncoding`, for any Keras base class."""

    def __init__(
        self, base: float = 10000.0, axis: int = 1, *, algebra: Any = "complex", **kwargs: Any
    ):
        super().__init__(**kwargs)
        if not (math.isfinite(base) and base > 0):
            raise ValueError(
                "Expected `base` to be a positive number; the lowest frequency is near 1/base "
                f"radians per position. Received: base={base}"
            )
        if not isinstance(axis, int) or axis in (0, -1):
            raise ValueError(
                "Expected `axis`, the axis of the positions, to be an integer that names neither "
                f"the batch (0) nor the channels (-1). Received: axis={axis}"
            )
        self._set_algebra(algebra)
        self.base = float(base)
        self.axis = axis
        self.supports_masking = True

    def build(self, input_shape: tuple) -> None:
        """Check the input's shape; there are no variables."""
        rank, n = len(input_shape), self._num_elements(input_shape)
        if not -rank < self.axis < rank - 1:
            raise ValueError(
                f"The layer '{self.name}' ({type(self).__name__}) finds no positions in its input. "
                f"Expected `axis` between 1 and {rank - 2} for an input of rank {rank}, or a "
                f"negative one. Received: axis={self.axis}, input_shape={tuple(input_shape)}"
            )
        if imaginary_unit(self.algebra) is None and n % 2:
            raise ValueError(
                f"The layer '{self.name}' ({type(self).__name__}) rotates pairs of elements in the "
                f"algebra '{self.algebra.name}', so it needs an even number of them. "
                f"Received: {n} elements, input_shape={tuple(input_shape)}"
            )
        self._num_planes = n if imaginary_unit(self.algebra) is not None else n // 2
        self.built = True

    @property
    def frequencies(self) -> np.ndarray:
        """Radians per position, `(n,)` (`(n/2,)` where pairs of elements turn), float64."""
        if not self.built:
            raise AttributeError(
                f"The layer '{self.name}' has no frequencies yet: call it on data, or `build` it "
                "first."
            )
        return self.base ** (-np.arange(self._num_planes) / max(self._num_planes, 1))

    def call(self, inputs: Tensor, offset: Any = 0) -> Tensor:
        """Turn the elements of `(batch, ..., d*n)` by their positions."""
        rank = len(inputs.shape)
        axis = self.axis % rank
        dtype = keras.backend.result_type(inputs.dtype, "float32")
        length = ops.shape(inputs)[axis]
        positions = ops.cast(ops.arange(length, dtype="int32"), dtype)
        offset = ops.cast(ops.convert_to_tensor(offset), dtype)
        if len(offset.shape) > 1:
            raise ValueError(
                "Expected `offset`, the position of the first entry, to be a number or one number "
                f"a sample, (batch,). Received: offset.shape={tuple(offset.shape)}"
            )
        positions = ops.expand_dims(ops.reshape(offset, (-1, 1)) + positions, -1)
        angles = positions * ops.convert_to_tensor(self.frequencies, dtype=dtype)
        sizes = [1] * rank
        sizes[0], sizes[axis], sizes[-1] = -1, length, self._num_planes
        angles = ops.reshape(angles, sizes)
        return rotate(inputs, ops.cos(angles), ops.sin(angles), self.algebra)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "base": self.base, "axis": self.axis}


@register
class RotaryPhaseEncoding(RotaryPhaseEncodingBody, keras.layers.Layer):
    """Encode a position as a phase: turn element `k` at position `m` by `m theta_k`.

    `y_mk = exp(i m theta_k) * x_mk` with the frequencies `theta_k = base^(-k/n)`, in radians per
    position. The modulus does not change, and the inner product of two turned vectors depends only
    on the difference of their positions: attention scores become relative.

    What turns is decided by the algebra's table:

    * Where a basis element `u` with `u (u x) = -x` keeps the modulus (complex numbers, quaternions,
      coquaternions, octonions: the first imaginary unit), elements are multiplied by
      `exp(u m theta_k)` from the left. `n` frequencies.
    * Elsewhere (real, split-complex and dual numbers, matrices), pairs of elements `k` and
      `k + n/2` turn into each other, each component by itself. `n/2` frequencies, `n` even.

    With `algebra="real"` this is the rotary position embedding in its "rotate half" form; on a real
    tensor `(..., 2n)` the real and the complex algebra do the same.

    Args:
        base: positive; the frequencies go from 1 radian per position down to nearly `1/base`.
        axis: axis of the positions.
        algebra: name of an algebra, an `Algebra` or its config.
        **kwargs: of every Keras layer, `name` and `dtype`.

    Call arguments:
        inputs: `(batch, ..., d*n)`.
        offset: position of the first entry, for decoding with a cache: a number, or one for each
            sample, `(batch,)`.

    Input shape:
        `(batch, ..., d*n)`, with the positions along `axis`.

    Output shape:
        The input's. Angles are computed in float32 (float64 for float64 inputs), also under mixed
        precision; at position `m` they are exact to about `m * 6e-8` radians.

    Raises:
        ValueError: if an argument is out of range, the last axis is not a multiple of `d`, or
            elements turn in pairs and their number is odd.

    Reference:
        Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding",
        arXiv 2104.09864, section 3.2.

    Example:

    >>> import keras
    >>> ones = keras.ops.array([[[1.0, 0.0], [1.0, 0.0]]])
    >>> keras.ops.convert_to_numpy(RotaryPhaseEncoding()(ones)).round(4)
    array([[[1.    , 0.    ],
            [0.5403, 0.8415]]], dtype=float32)
    """


@in_float32
def rotate(x: Tensor, cos: Tensor, sin: Tensor, algebra: Algebra) -> Tensor:
    """Turn the planes of `x` `(..., d*n)` by angles of the given cosine and sine.

    Args:
        x: `(..., d*n)`.
        cos: `(..., n)`, or `(..., n/2)` where pairs of elements turn; broadcasts over the rest.
        sin: of the same shape.
        algebra: an `Algebra`.

    Returns:
        `(..., d*n)`, in the dtype of `x`.
    """
    parts = layout.split(x, algebra.dimension)
    unit = imaginary_unit(algebra)
    if unit is not None:
        turned = [
            part * cos + parts[j] * (sin if sign > 0 else ops.negative(sin))
            for part, (j, sign) in zip(parts, unit, strict=True)
        ]
        return layout.merge(turned)
    turned = []
    for part in parts:
        first, second = ops.split(part, 2, axis=-1)
        turned += [first * cos - second * sin, second * cos + first * sin]
    return ops.concatenate(turned, axis=-1)


@functools.lru_cache(maxsize=64)
def imaginary_unit(algebra: Algebra) -> tuple[tuple[int, int], ...] | None:
    """Left multiplication by the first basis element that acts as the imaginary unit, or None.

    Such an element `u` has `u (u x) = -x` and keeps the Euclidean modulus.

    Returns:
        For every component `k` of `u x` the pair `(j, sign)` with `(u x)_k = sign * x_j`.
    """
    one = np.eye(algebra.dimension, dtype=np.int64)
    for table in algebra.structure_constants:
        if np.array_equal(table @ table, -one) and np.array_equal(table @ table.T, one):
            sources = np.argmax(np.abs(table), axis=0)
            return tuple((int(j), int(table[j, k])) for k, j in enumerate(sources))
    return None
