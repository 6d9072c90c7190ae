"""What a parametrization is: the trainable variables that make a kernel, and back.

A layer is given an unbuilt parametrization (a plain description) and holds one *built* copy for
each kernel. The layer reads `kernel()`; pruning acts through `prune` and `constrain`, so neither
knows which variables there are.
"""

import copy
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import keras
from keras import ops

from ..algebras import Algebra

Tensor = Any
Projection = Callable[[Tensor], Tensor]


class Factors(NamedTuple):
    """A kernel as a product, `inputs_i kernel_ij outputs_j`.

    Where it is one, a layer scales what comes in or goes out instead of forming the kernel.

    Attributes:
        kernel: `(d, *window, in, out)`.
        inputs: real factors `(in,)`, or None.
        outputs: real factors `(out,)`, or None.
    """

    kernel: Tensor
    inputs: Tensor | None = None
    outputs: Tensor | None = None


class Parametrization:
    """Base class: which variables make a kernel of shape `(d, *window, in, out)`.

    Subclasses implement `_create` (variables from initializer and shape), `kernel`, `set_kernel`,
    `prune` and `constrain`, and `get_config` when they take arguments.

    Attributes (once built):
        algebra: the `Algebra` of the kernel.
        shape: the kernel's shape without the component axis, `(*window, in, out)`.
        path: the kernel's path, `"model/dense/kernel"`.
    """

    algebra: Algebra
    shape: tuple[int, ...]
    path: str
    _outputs_first = False

    def build(
        self,
        layer: Any,
        algebra: Algebra,
        shape: tuple[int, ...],
        *,
        name: str = "kernel",
        initializer: Any = "glorot_uniform",
        regularizer: Any = None,
        constraint: Any = None,
        outputs_first: bool = False,
    ) -> Self:
        """Create the variables on `layer` and return a built copy; `self` stays a description.

        Args:
            layer: the layer that owns the variables.
            algebra: the algebra of the kernel.
            shape: `(*window, in, out)`, without the component axis.
            name: name of the kernel, the last part of its path.
            initializer: of the effective kernel, called with the stored shape.
            regularizer: of the main variable.
            constraint: of the main variable.
            outputs_first: whether a stored kernel is `(d, *window, out, in)`, as Keras stores those
                of transposed convolutions; `kernel()` shows `(d, *window, in, out)` all the same.
        """
        built = copy.copy(self)
        built._outputs_first = outputs_first
        built.algebra, built.shape, built.path = (
            algebra,
            tuple(shape),
            f"{getattr(layer, 'path', layer.name)}/{name}",
        )
        built._create(layer, name, initializer, regularizer, constraint)
        return built

    def _create(self, layer: Any, name: str, initializer: Any, regularizer: Any, constraint: Any):
        raise NotImplementedError

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """Shape of a stored kernel: without the component axis when d = 1, as the stock layer's."""
        d, shape = self.algebra.dimension, self.shape
        if self._outputs_first:
            shape = (*shape[:-2], shape[-1], shape[-2])
        return shape if d == 1 else (d, *shape)

    @property
    def variables(self) -> list[keras.Variable]:
        """The variables that make the kernel."""
        raise NotImplementedError

    def kernel(self) -> Tensor:
        """The effective kernel, `(d, *window, in, out)`, the component axis always shown."""
        raise NotImplementedError

    def factors(self) -> Factors:
        """The kernel, or a product that equals it and is cheaper to apply than to form."""
        return Factors(self.kernel())

    def select(self, source: "Parametrization", inputs: Any, outputs: Any) -> None:
        """Become `source`, of the same description, restricted to some nodes.

        Args:
            source: a built parametrization of a larger kernel.
            inputs: indices of the input elements to take over.
            outputs: indices of the output elements.

        Raises:
            ValueError: if this parametrization cannot represent that part.
        """
        self.set_kernel(ops.convert_to_numpy(source.kernel())[..., inputs, :][..., outputs])

    def set_kernel(self, value: Tensor) -> None:
        """Set the variables so that `kernel()` equals `value`.

        Raises:
            ValueError: if this parametrization cannot represent `value`.
        """
        raise NotImplementedError

    def prune(self, mask: Tensor, value: Tensor) -> None:
        """Replace the kernel by `value` where `mask` is False; kept parts do not change at all.

        Args:
            mask: boolean, `(d, *shape)` or `(1, *shape)`, True where the kernel is kept.
            value: `(d, *shape)`.

        Raises:
            ValueError: if this parametrization cannot represent `value` there.
        """
        raise NotImplementedError

    def constrain(self, projection: Projection | None) -> None:
        """Impose `projection` on the kernel after every optimizer step; None ends it.

        Args:
            projection: idempotent map of `(d, *shape)` to `(d, *shape)`. It runs after the user's
                own constraint, inside the train step.
        """
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """An unbuilt parametrization from `get_config`."""
        return cls(**config)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{k}={v!r}" for k, v in self.get_config().items())
        return f"{type(self).__name__}({arguments})"

    def _stored(self, value: Tensor) -> Tensor:
        """`(d, *shape)` to the stored shape."""
        value = ops.swapaxes(value, -1, -2) if self._outputs_first else value
        return _reshaped(value, self.stored_shape)

    def _shown(self, value: Tensor) -> Tensor:
        """The stored shape to `(d, *shape)`."""
        if not self._outputs_first:
            return _reshaped(value, (self.algebra.dimension, *self.shape))
        shape = (self.algebra.dimension, *self.shape[:-2], self.shape[-1], self.shape[-2])
        return ops.swapaxes(ops.reshape(value, shape), -1, -2)

    def _check_shape(self, value: Tensor) -> Tensor:
        value = ops.convert_to_tensor(value)
        expected = (self.algebra.dimension, *self.shape)
        if tuple(value.shape) != expected:
            raise ValueError(
                f"The kernel of '{self.path}' has the shape {expected} (components first). "
                f"Received: value.shape={tuple(value.shape)}"
            )
        return value


def _reshaped(value: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Without the operation where it would do nothing: a mask update is made of few of them."""
    return value if tuple(value.shape) == tuple(shape) else ops.reshape(value, shape)


class ProjectedConstraint(keras.constraints.Constraint):
    """A user's constraint followed by a projection; what `constrain` installs on a variable."""

    def __init__(self, user: Any, projection: Projection):
        self.user = user
        self.projection = projection

    def __call__(self, w: Tensor) -> Tensor:
        """Apply the user's constraint, then the projection."""
        w = ops.convert_to_tensor(w)
        return self.projection(w if self.user is None else self.user(w))


def install(variable: keras.Variable, projection: Projection | None) -> None:
    """Compose `projection` with the variable's own constraint; None restores the latter."""
    user = variable.constraint
    if isinstance(user, ProjectedConstraint):
        user = user.user
    variable.constraint = user if projection is None else ProjectedConstraint(user, projection)
