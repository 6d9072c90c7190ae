"""Constraints on kernels: unit modulus, phases of few bits, signs, unitary kernels.

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
from .ops.product import expand_kernel
from .parametrizations.unitary import nearest_unitary, require_unitary

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
class NearestUnitary(_ElementConstraint):
    """Replace the kernel by the nearest one whose rows or columns are orthonormal.

    What `keras_phase.parametrizations.Unitary` does, as a constraint, for the 1 x 1 operators of a
    phase-collapse network: `AlgebraConv2D(n, 1, kernel_initializer="unitary",
    kernel_constraint=NearestUnitary("complex"))`.

    Args:
        algebra: an `Algebra`, its name or its config.

    Call arguments:
        value: `(d, *window, in, out)`, which counts as a matrix of `prod(window)*in` rows; without
            the first axis when d = 1.

    Raises:
        ValueError: if the algebra has no unitary kernels, or as `UnitModulus`.

    Degenerate case: a kernel of linearly dependent rows and columns has no nearest unitary one.

    Example:

    >>> w = ops.reshape(ops.array([3.0, 4.0]), (2, 1, 1))
    >>> print(ops.convert_to_numpy(NearestUnitary("complex")(w)).ravel().round(3))
    [0.6 0.8]
    """

    def __init__(self, algebra: Any):
        super().__init__(algebra)
        require_unitary(self.algebra)

    def project(self, kernel: Tensor) -> Tensor:
        """The polar factor of the expanded kernel."""
        return nearest_unitary(kernel, self.algebra)


@register
class Parseval(_ElementConstraint):
    """Pull the kernel towards orthonormal rows or columns, by one step at a time.

    `K <- (1 + b) K - b K K^H K`, the gradient step on `|K^H K - 1|^2`; it costs two products of
    matrices, where `NearestUnitary` iterates. Kernels whose singular values are below
    `sqrt(1 + 1/b)` are pulled, larger ones are pushed away: start at a unitary kernel.

    Args:
        algebra: an `Algebra`, its name or its config.
        step: b, between 0 and 1. 0.5 doubles the right digits of a kernel that is nearly unitary.

    Call arguments:
        value: as in `NearestUnitary`.

    Raises:
        ValueError: if the step is out of range, or as `NearestUnitary`.

    Reference:
        Cisse et al., "Parseval networks", arXiv 1704.08847, equation 8.

    Example:

    >>> w = ops.reshape(ops.array([0.0, 1.1]), (2, 1, 1))
    >>> print(ops.convert_to_numpy(Parseval("complex", step=0.5)(w)).ravel().round(4))
    [0.     0.9845]
    """

    def __init__(self, algebra: Any, step: float = 0.1):
        super().__init__(algebra)
        require_unitary(self.algebra)
        if not 0 < step <= 1:
            raise ValueError(
                f"Expected `step` above 0 and at most 1: how far one call goes. Received: {step=}"
            )
        self.step = step

    def project(self, kernel: Tensor) -> Tensor:
        """One step."""
        return _parseval(kernel, algebra=self.algebra, step=self.step)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "step": self.step}


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


@in_float32
def _parseval(kernel: Tensor, *, algebra: algebras.Algebra, step: float) -> Tensor:
    d, *_, size_out = kernel.shape
    matrix = expand_kernel(ops.reshape(kernel, (d, -1, size_out)), algebra)
    gram = ops.matmul(ops.transpose(matrix), matrix)
    moved = (1 + step) * matrix - step * ops.matmul(matrix, gram)
    # The product with the unit is the kernel: its row of blocks gives the components back.
    blocks = ops.reshape(moved, (d, -1, d, size_out))
    unit = ops.convert_to_tensor(algebra.unit, dtype=kernel.dtype)
    return ops.reshape(ops.transpose(ops.tensordot(unit, blocks, axes=1), (1, 0, 2)), kernel.shape)
