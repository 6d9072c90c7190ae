"""Constraints on kernels: unit modulus, phases of few bits, signs.

A constraint acts on the stored variable after every optimizer step, so the step itself is taken at
full precision but only its projection survives: under `PhaseQuantized` and `Sign` an update that
does not carry a weight to the next code point is lost. To *train* such weights use
`PhaseDense(phase_bits=...)`, which keeps the latent weights; the constraints are for optimizers
that move weights by whole steps, and for keeping imported weights exact.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from . import algebras
from .ops import phase_code
from .ops.modulus import direction_axis, in_float32, modulus_axis

Tensor = Any

register = keras.saving.register_keras_serializable(package="keras_phase")


class _ElementConstraint(keras.constraints.Constraint):
    """A constraint on whole elements, components along the first axis (none when d = 1)."""

    def __init__(self, algebra: Any):
        self.algebra = algebras.get(algebra)

    def project(self, kernel: Tensor) -> Tensor:
        """Project `(d, *shape)`."""
        raise NotImplementedError

    def __call__(self, value: Tensor) -> Tensor:
        """Project the stored kernel: `(d, *shape)`, or `(*shape)` when d = 1."""
        d = self.algebra.dimension
        if d == 1:
            return ops.squeeze(self.project(ops.expand_dims(value, axis=0)), axis=0)
        if not len(value.shape) or value.shape[0] != d:
            raise ValueError(
                f"{type(self).__name__} acts on kernels whose first axis has the {d} components of "
                f"the algebra '{self.algebra.name}'. Give it the layer's algebra, and a kernel, "
                f"not a bias. Received: value.shape={tuple(value.shape)}"
            )
        return self.project(value)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {"algebra": algebras.serialize(self.algebra)}


@register
class UnitModulus(_ElementConstraint):
    """Keep every kernel element at modulus 1, `w / |w|`; zeros stay zero.

    Degenerate case: in the real algebra this is `Sign`.

    Args:
        algebra: an `Algebra`, its name or its config.

    Call arguments:
        value: `(d, *window, in, out)`; without the first axis when d = 1.

    Raises:
        ValueError: when called on a tensor without a component axis of the algebra's dimension.

    Example:

    >>> w = ops.array([[[0.0]], [[-2.0]]])
    >>> ops.convert_to_numpy(UnitModulus("complex")(w)).ravel().tolist()
    [0.0, -1.0]
    """

    def project(self, kernel: Tensor) -> Tensor:
        """Unit directions."""
        return direction_axis(kernel, axis=0)


@register
class PhaseQuantized(_ElementConstraint):
    """Round the phase of every kernel element to `bits` bits and keep its modulus; zeros stay zero.

    The code points, and the numbers of bits an algebra has, are those of
    `keras_phase.ops.phase_code.code_points`: for complex numbers the angles `2 pi m / 2^bits`.
    Degenerate case: in the real algebra the phase is a sign, one bit, and nothing changes.

    Args:
        bits: number of bits of a phase.
        algebra: an `Algebra`, its name or its config.

    Call arguments:
        value: `(d, *window, in, out)`; without the first axis when d = 1.

    Raises:
        ValueError: if the algebra has no phase code of that many bits, or when called on a tensor
            without a component axis of the algebra's dimension.

    Example:

    >>> w = ops.array([[[3.0]], [[-4.0]]])
    >>> print(ops.convert_to_numpy(PhaseQuantized(2, "complex")(w)).ravel().round(3))
    [ 0. -5.]
    """

    def __init__(self, bits: int, algebra: Any):
        super().__init__(algebra)
        self.bits = bits
        self._points = phase_code.code_points(self.algebra, bits)

    def project(self, kernel: Tensor) -> Tensor:
        """Nearest code point times the modulus."""
        return _round_phase(kernel, points=self._points)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {"bits": self.bits, **super().get_config()}


@register
class Sign(keras.constraints.Constraint):
    """Keep every component at -1, 0 or 1: `sign(w_k)`, whatever the algebra.

    Degenerate case: in the real algebra this is `UnitModulus("real")`.

    Call arguments:
        value: any shape.
    """

    def __call__(self, value: Tensor) -> Tensor:
        """Signs of all entries."""
        return ops.sign(value)


@in_float32
def _round_phase(kernel: Tensor, *, points: np.ndarray) -> Tensor:
    rounded = phase_code.round_to_code(direction_axis(kernel, axis=0), points)
    return rounded * modulus_axis(kernel, axis=0, keepdims=True)
