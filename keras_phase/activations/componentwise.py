"""Activations that look at the components one by one."""

from typing import Any

import keras
from keras import ops

from .. import algebras
from ..ops import layout
from .base import activation

Tensor = Any


@activation("crelu", symmetry="permutation")
def crelu(x: Tensor, *, algebra: Any) -> Tensor:
    """ReLU of every component: `y_k = max(x_k, 0)`, the split form of `"relu"`.

    Not phase-preserving: the output lies in the first orthant. Degenerate case: in the real algebra
    it is ReLU.

    Args:
        x: `(..., d*n)`, component-major.
        algebra: any; the result does not depend on it.

    Returns:
        `(..., d*n)`.

    Reference:
        Trabelsi et al., Deep complex networks, arXiv 1705.09792.
    """
    return keras.activations.relu(x)


@activation("zrelu", symmetry="permutation")
def zrelu(x: Tensor, *, algebra: Any) -> Tensor:
    """Pass the elements without a negative component, drop the others.

    `y = x` where every `x_k >= 0`, else 0; for complex numbers, where the phase is in [0, pi/2].
    The phase of what passes is preserved. Degenerate case: in the real algebra it is ReLU. Of
    elements in random directions it passes one in `2^d`: from d = 4 on, very few.

    Args:
        x: `(..., d*n)`, component-major.
        algebra: an `Algebra`, its name or its config.

    Returns:
        `(..., d*n)`; the gradient is 1 where the element passes, at 0 too, and 0 elsewhere.

    Reference:
        Guberman, On complex valued convolutional neural networks, arXiv 1602.09046.
    """
    parts = layout.to_axis(x, algebras.get(algebra).dimension)
    dropped = ops.any(parts < 0, axis=-2, keepdims=True)
    # An element with a NaN passes, so that it shows.
    dropped = ops.logical_and(dropped, ops.all(ops.equal(parts, parts), axis=-2, keepdims=True))
    return layout.from_axis(ops.where(dropped, ops.zeros_like(parts), parts))
