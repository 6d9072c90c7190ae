"""Activations in which the phase of an element decides how much of it passes."""

from typing import Any

from .. import algebras
from ..ops import layout
from ..ops.modulus import direction, in_float32
from .base import activation

Tensor = Any


@activation("cardioid", symmetry="first axis")
@in_float32
def cardioid(x: Tensor, *, algebra: Any) -> Tensor:
    """Scale every element by its angle to the first basis element: `y = (1 + cos(phase)) / 2 x`.

    The cosine is `x_0 / |x|`, which serves every algebra: an element along the first basis element
    passes whole, one at right angles is halved, one in the opposite direction vanishes. The
    direction of an element is preserved, but the map is not equivariant to rotations that move the
    first axis. Degenerate case: in the real algebra it is ReLU.

    Args:
        x: `(..., d*n)`, component-major.
        algebra: an `Algebra`, its name or its config.

    Returns:
        `(..., d*n)`; the gradient at 0, where the slopes of all directions are averaged, is half
        the identity.

    Reference:
        Virtue, Yu and Lustig, Better than real: complex-valued neural nets for MRI fingerprinting,
        arXiv 1707.00070.
    """
    d = algebras.get(algebra).dimension
    cosine = layout.split(direction(x, algebra), d)[0]
    return layout.repeat((1 + cosine) / 2, d) * x
