"""Unitary: a kernel that stays norm-preserving while it trains.

The components themselves are stored and trained, as by `Cartesian`; after every optimizer step the
kernel is replaced by the nearest unitary one, its polar factor. So a forward pass costs nothing
extra, the kernel read between two steps is unitary to rounding, any optimizer works, and a saved
file holds an ordinary kernel. (A Cayley transform or a matrix exponential would solve or
exponentiate in every forward pass, and could not be set to every unitary kernel.)
"""

from typing import Any

import keras
from keras import ops

from .. import algebras
from .. import initializers as algebra_initializers
from ..algebras import Algebra
from ..ops.modulus import in_float32
from ..ops.product import expand_kernel
from .base import Projection, install
from .cartesian import Cartesian

Tensor = Any

# Newton's iteration doubles the correct digits once the singular values are near 1, and multiplies
# small ones by 1.5 before: 60 steps reach every kernel that is not singular to rounding.
_MAX_STEPS = 60


class Unitary(Cartesian):
    """Store the components of a kernel whose expanded real matrix stays orthogonal.

    A kernel `(d, *window, in, out)` counts as a matrix of `prod(window)*in` rows: `U^H U = 1` where
    it is square (real: orthogonal, complex: unitary, quaternion: symplectic matrices), else its
    rows or columns are orthonormal, whichever there are fewer of. The kernel's initializer is
    projected too.

    The optimizer steps by the usual gradient and the step is then undone as far as it left the
    unitary kernels: `K <- argmin |U - K|` over the unitary `U`, by Newton's iteration
    `K <- K (3 - K^H K) / 2`, matrix products only.

    Such kernels exist in the algebras of `keras_phase.initializers.Unitary`. Degenerate case: in
    the real algebra the kernel is an orthogonal matrix.

    Raises:
        ValueError: when built in an algebra without unitary kernels or with another constraint;
            when a kernel is set or pruned to one that is not unitary.

    Reference:
        Arjovsky et al., "Unitary evolution recurrent neural networks", arXiv 1511.06464; Higham,
        "Functions of Matrices", SIAM 2008, section 8.3 (the iteration).
    """

    def _create(
        self, layer: Any, name: str, initializer: Any, regularizer: Any, constraint: Any
    ) -> None:
        require_unitary(self.algebra)
        if constraint is not None:
            raise ValueError(
                f"The kernel '{self.path}' is kept unitary, which no other constraint may undo. "
                f"Leave the constraint at None. Received: constraint={constraint!r}"
            )

        def draw(shape: tuple[int, ...], dtype: Any = None) -> Tensor:
            return self._project(initializer(shape, dtype=dtype))

        super()._create(layer, name, draw, regularizer, _Projector(self._project))

    def _project(self, stored: Tensor) -> Tensor:
        return self._stored(nearest_unitary(self._shown(stored), self.algebra))

    def set_kernel(self, value: Tensor) -> None:
        """Assign a unitary kernel `(d, *window, in, out)`.

        Raises:
            ValueError: if `value` is not unitary; `nearest_unitary` makes it so.
        """
        value = self._check_shape(value)
        distance = float(ops.max(ops.abs(nearest_unitary(value, self.algebra) - value)))
        if not distance <= 1e-3:
            raise ValueError(
                f"'{self.path}' holds unitary kernels only. Take the nearest one with "
                "keras_phase.parametrizations.unitary.nearest_unitary, or use Cartesian(). "
                f"Received: a value {distance:.3g} away from it"
            )
        super().set_kernel(value)

    def prune(self, mask: Tensor, value: Tensor) -> None:
        """Nothing, where nothing is pruned.

        Raises:
            ValueError: if an element is pruned: the kernel would not be unitary.
        """
        if not bool(ops.all(mask)):
            raise ValueError(
                f"'{self.path}' is kept unitary, so its elements cannot be pruned. Leave its layer "
                "out with `layers=`, or do without the unitary kernel. Received: a mask with "
                "pruned elements"
            )

    def constrain(self, projection: Projection | None) -> None:
        """Impose a projection after the unitary one; it has to keep the kernel unitary."""
        if projection is None:
            install(self._kernel, None)
        else:
            super().constrain(projection)


class _Projector(keras.constraints.Constraint):
    """The projection of one variable, as Keras's optimizers apply it."""

    def __init__(self, project: Projection):
        self._project = project

    def __call__(self, w: Tensor) -> Tensor:
        return self._project(ops.convert_to_tensor(w))


def require_unitary(algebra: Any) -> None:
    """Check that an algebra has unitary kernels.

    Raises:
        ValueError: if it has none; the message names the algebras that have.
    """
    algebra = algebras.get(algebra)
    try:
        algebra_initializers.Unitary().bind(algebra)
    except ValueError as error:
        reason = str(error).partition(". ")[0]
        admissible = ", ".join(n for n in algebras.names() if has_unitary(n))
        raise ValueError(
            f"{reason}. Expected one of the algebras {admissible}, or another one that is "
            "associative and whose left multiplications are closed under transposition. "
            f"Received: algebra='{algebra.name}'"
        ) from None


def has_unitary(algebra: Any) -> bool:
    """Whether an algebra has unitary kernels."""
    try:
        algebra_initializers.Unitary().bind(algebras.get(algebra))
    except ValueError:
        return False
    return True


@in_float32
def nearest_unitary(kernel: Tensor, algebra: Any) -> Tensor:
    """The unitary kernel nearest to `kernel`, its polar factor, both `(d, *window, in, out)`.

    A singular kernel has no nearest one; what comes back then is not unitary.

    Example:

    >>> kernel = ops.reshape(ops.array([3.0, 4.0]), (2, 1, 1))
    >>> print(ops.convert_to_numpy(nearest_unitary(kernel, "complex")).ravel().round(4))
    [0.6 0.8]
    """
    algebra = algebras.get(algebra)
    require_unitary(algebra)
    shape = kernel.shape
    flat = ops.reshape(kernel, (shape[0], -1, shape[-1]))
    return ops.reshape(_nearest(flat, algebra), shape)


def _nearest(kernel: Tensor, algebra: Algebra) -> Tensor:
    d, size_in, size_out = kernel.shape
    if algebra.matrix is not None:
        # A matrix over M_n(entry) is an n times larger one over the entries: a smaller problem.
        n, entry = algebra.matrix.n, algebra.matrix.entry
        e = entry.dimension
        parts = ops.reshape(kernel, (n, e, n, size_in, size_out))  # column, entry, row
        parts = ops.transpose(parts, (1, 0, 3, 2, 4))
        parts = _nearest(ops.reshape(parts, (e, n * size_in, n * size_out)), entry)
        parts = ops.reshape(parts, (e, n, size_in, n, size_out))
        return ops.reshape(ops.transpose(parts, (1, 0, 3, 2, 4)), kernel.shape)
    polar = _polar_factor(expand_kernel(kernel, algebra))
    # The product with the unit is the kernel: its row of blocks gives the components back.
    blocks = ops.reshape(polar, (d, size_in, d, size_out))
    unit = ops.convert_to_tensor(algebra.unit, dtype=kernel.dtype)
    return ops.transpose(ops.tensordot(unit, blocks, axes=1), (1, 0, 2))


def _polar_factor(x: Tensor) -> Tensor:
    """The nearest real matrix with orthonormal rows or columns, by Newton's iteration."""
    rows, columns = x.shape
    if rows < columns:
        return ops.transpose(_polar_factor(ops.transpose(x)))
    single = keras.backend.standardize_dtype(x.dtype) == "float32"
    tolerance = (6e-8 if single else 1.2e-16) * (8 * columns**0.5 + columns)
    one = ops.eye(columns, dtype=x.dtype)

    def error(x: Tensor) -> tuple[Tensor, Tensor]:
        excess = ops.matmul(ops.transpose(x), x) - one
        return excess, ops.sqrt(ops.sum(ops.square(excess)))

    # Singular values below sqrt(3) converge. After a usual step they are near 1 as they are; else
    # the fourth root of the sum of their fourth powers bounds the largest.
    excess, distance = error(x)
    bound = ops.sqrt(ops.sqrt(ops.sum(ops.square(excess + one))))
    x = x / ops.where(distance < 1, ops.ones_like(bound), bound)
    excess, distance = error(x)

    def unfinished(x: Tensor, excess: Tensor, distance: Tensor, before: Tensor) -> Tensor:
        # Near the end every step squares the error, until rounding stops it.
        falling = ops.logical_or(distance > 0.1, distance < before / 2)
        return ops.logical_and(distance > tolerance, falling)

    def step(x: Tensor, excess: Tensor, distance: Tensor, before: Tensor) -> tuple[Tensor, ...]:
        x = x - ops.matmul(x, excess) / 2
        return (x, *error(x), distance)

    start = (x, excess, distance, distance + 1)
    return ops.while_loop(unfinished, step, start, maximum_iterations=_MAX_STEPS)[0]
