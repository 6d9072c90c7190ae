"""What the normalisation layers share: the axis of the components, gamma and beta, formulas."""

from typing import Any

import keras
from keras import constraints, initializers, ops, regularizers

from ..ops import layout
from .algebra_layer import ShapePreservingMixin

Tensor = Any

# Modes of the normalisations of one sample: name and what it does.
SAMPLE_MODES = {
    "component": "each component by its own variance",
    "scalar": "the components of an element by one variance",
}


class NormalizationMixin(ShapePreservingMixin):
    """A layer with an `axis` that holds the components, and an affine part."""

    axis: Any

    def _set_affine(
        self,
        center: bool,
        scale: bool,
        beta_initializer: Any,
        gamma_initializer: Any,
        beta_regularizer: Any,
        gamma_regularizer: Any,
        beta_constraint: Any,
        gamma_constraint: Any,
    ) -> None:
        self.center = center
        self.scale = scale
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)
        self.supports_masking = True
        self.gamma = None
        self.beta = None

    def _build_affine(self, gamma_shape: tuple, beta_shape: tuple, gamma_start: Any = None) -> None:
        """Create `gamma` and `beta`; `gamma_start` stands for the layer's gamma initializer."""
        if self.scale:
            self.gamma = self.add_weight(
                name="gamma",
                shape=gamma_shape,
                initializer=gamma_start or self.gamma_initializer,
                regularizer=self.gamma_regularizer,
                constraint=self.gamma_constraint,
                autocast=False,
            )
        if self.center:
            self.beta = self.add_weight(
                name="beta",
                shape=beta_shape,
                initializer=self.beta_initializer,
                regularizer=self.beta_regularizer,
                constraint=self.beta_constraint,
                autocast=False,
            )

    def _affine_config(self) -> dict[str, Any]:
        return {
            "center": self.center,
            "scale": self.scale,
            "beta_initializer": initializers.serialize(self.beta_initializer),
            "gamma_initializer": initializers.serialize(self.gamma_initializer),
            "beta_regularizer": regularizers.serialize(self.beta_regularizer),
            "gamma_regularizer": regularizers.serialize(self.gamma_regularizer),
            "beta_constraint": constraints.serialize(self.beta_constraint),
            "gamma_constraint": constraints.serialize(self.gamma_constraint),
        }

    def _component_axis(self, shape: tuple) -> int:
        """The axis that holds the components, counted from 0; the others are plain."""
        axes = self._axes(shape)
        if len(shape) - 1 in axes:
            return len(shape) - 1
        if len(axes) == 1 or self.algebra.dimension == 1:
            return axes[0]
        raise ValueError(
            f"The layer '{self.name}' ({type(self).__name__}) normalises over several axes without "
            "the last one, which leaves open where the components of an element lie. Expected "
            "`axis` to contain the last axis, or to be the one axis of the components. "
            f"Received: axis={self.axis}, input_shape={tuple(shape)}"
        )

    def _axes(self, shape: tuple) -> list[int]:
        """`axis` as sorted positive numbers."""
        axes = [self.axis] if isinstance(self.axis, int) else list(self.axis)
        rank = len(shape)
        if any(not -rank <= a < rank for a in axes) or len({a % rank for a in axes}) < len(axes):
            raise ValueError(
                f"The layer '{self.name}' ({type(self).__name__}) normalises along axes that its "
                f"input does not have. Expected `axis` between {-rank} and {rank - 1}, each once. "
                f"Received: axis={self.axis}, input_shape={tuple(shape)}"
            )
        return sorted(a % rank for a in axes)

    def _admit(self, x: Any) -> Any:
        if layout.is_complex(x) and self._component_axis(x.shape) != len(x.shape) - 1:
            raise ValueError(
                f"The layer '{self.name}' ({type(self).__name__}) expects the components along "
                "another axis than the last one, where a complex tensor has none. Expected a real "
                "tensor with the components along `axis`, or `axis=-1`. "
                f"Received: axis={self.axis}, inputs.dtype={x.dtype}"
            )
        return super()._admit(x)


def check_mode(mode: str, admissible: dict[str, str], layer: str) -> str:
    """`mode`, if `admissible` (name: what it does) has it."""
    if mode not in admissible:
        known = ", ".join(f"{name!r} ({what})" for name, what in admissible.items())
        raise ValueError(
            f"Expected `mode` of {layer} to be one of {known}. Received: mode={mode!r}"
        )
    return mode


def standardize_axis(axis: Any) -> Any:
    """An int, or a list of ints.

    Raises:
        TypeError: if it is neither.
    """
    if isinstance(axis, list | tuple) and axis and all(isinstance(a, int) for a in axis):
        return list(axis)
    if isinstance(axis, int):
        return axis
    raise TypeError(f"Expected `axis` to be an int or a list of ints. Received: axis={axis!r}")


def in_float32(x: Tensor) -> Tensor:
    """`x` in float32, or in float64 if it was: statistics are never taken in 16 bits."""
    return ops.cast(x, keras.backend.result_type(x.dtype, "float32"))


def split_axis(x: Tensor, axis: int, *sizes: int) -> Tensor:
    """Reshape one axis of `x` into several of the given sizes."""
    shape, dynamic = list(x.shape), None
    for i, size in enumerate(shape):
        if size is None:
            dynamic = ops.shape(x) if dynamic is None else dynamic
            shape[i] = dynamic[i]
    return ops.reshape(x, (*shape[:axis], *sizes, *shape[axis + 1 :]))


def normalize(
    x: Tensor,
    axes: list[int],
    shared: int | None,
    gamma: Tensor | None,
    beta: Tensor | None,
    epsilon: float,
) -> Tensor:
    """`(x - mean) / sqrt(variance + epsilon) * gamma + beta`, mean and variance over `axes`.

    `shared` is the axis of the components when they share their variance, its mean along it.
    """
    mean, variance = ops.moments(x, axes=axes, keepdims=True)
    if shared is not None:
        variance = ops.mean(variance, axis=shared, keepdims=True)
    factor = ops.rsqrt(variance + epsilon)
    if gamma is not None:
        factor = factor * ops.cast(gamma, x.dtype)
    offset = -mean * factor
    if beta is not None:
        offset = offset + ops.cast(beta, x.dtype)
    return x * factor + offset
