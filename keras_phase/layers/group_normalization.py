"""Normalisation of one sample over groups of its elements."""

from typing import Any

import keras
from keras import ops

from .algebra_layer import register
from .normalization import (
    SAMPLE_MODES,
    NormalizationMixin,
    check_mode,
    in_float32,
    normalize,
    split_axis,
)

Tensor = Any


class GroupNormalizationBody(NormalizationMixin):
    """The logic of `AlgebraGroupNormalization`, for any Keras base class."""

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        *,
        algebra: Any = "complex",
        mode: str = "scalar",
        **kwargs: Any,
    ):
        if not isinstance(groups, int) or (groups <= 0 and groups != -1):
            raise ValueError(
                "Expected `groups` to be a positive integer, or -1 for a group an element. "
                f"Received: groups={groups!r}"
            )
        super().__init__(**kwargs)
        self._set_algebra(algebra)
        self.mode = check_mode(mode, SAMPLE_MODES, "AlgebraGroupNormalization")
        self.groups = groups
        self.axis = int(axis)
        self.epsilon = epsilon
        self._set_affine(
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            beta_constraint,
            gamma_constraint,
        )
        self.autocast = False  # as the stock layer

    def build(self, input_shape: tuple) -> None:
        """Create gamma and beta."""
        axis = self._component_axis(input_shape)
        n = self._num_elements(input_shape, axis)
        if n % self._num_groups(n):
            raise ValueError(
                f"The layer '{self.name}' (AlgebraGroupNormalization) cannot share {n} elements "
                f"evenly among {self.groups} groups: a group has whole elements of "
                f"{self.algebra.dimension} real numbers each. Expected a divisor of {n}, or -1. "
                f"Received: groups={self.groups}, input_shape={tuple(input_shape)}"
            )
        real = (input_shape[axis],)
        self._build_affine((n,) if self.mode == "scalar" else real, real)
        self.input_spec = keras.layers.InputSpec(
            ndim=len(input_shape), axes={self.axis: input_shape[axis]}
        )
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Normalise each group of each sample."""
        x = in_float32(inputs)
        axis, d = self._component_axis(x.shape), self.algebra.dimension
        n = x.shape[axis] // d
        groups = self._num_groups(n)
        shown = split_axis(x, axis, d, groups, n // groups)
        before, after = [1] * axis, [1] * (len(x.shape) - axis - 1)
        weights = [
            None if w is None else ops.reshape(w, (*before, -1, groups, n // groups, *after))
            for w in (self.gamma, self.beta)
        ]
        y = normalize(
            shown,
            [a for a in range(1, len(shown.shape)) if a not in (axis, axis + 1)],
            axis if self.mode == "scalar" else None,
            *weights,
            self.epsilon,
        )
        return ops.cast(ops.reshape(y, ops.shape(x)), self.compute_dtype)

    def _num_groups(self, n: int) -> int:
        return n if self.groups == -1 else self.groups

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {
            **super().get_config(),
            "groups": self.groups,
            "axis": self.axis,
            "epsilon": self.epsilon,
            **self._affine_config(),
            "mode": self.mode,
        }


@register
class AlgebraGroupNormalization(GroupNormalizationBody, keras.layers.Layer):
    """Group normalisation of algebra-valued activations: groups of whole elements.

    The `n` elements are shared among `groups`, neighbours together. Each group of a sample is
    normalised over its elements and all positions, as in `AlgebraLayerNormalization`: its mean is
    an algebra element, and `mode` says whether components share one variance. `gamma` and `beta`
    are per element and component, not per group. `groups=-1` (a group an element) is instance
    normalisation.

    `algebra="real"` equals `keras.layers.GroupNormalization` in both modes.

    Args:
        groups: number of groups, a divisor of `n`, or -1.
        axis: the axis that holds the components: -1, or 1 for `channels_first`.
        epsilon: added to the variance.
        center: whether to add `beta`, `(d*n,)`.
        scale: whether to multiply by `gamma`, `(n,)`, in mode component `(d*n,)`.
        beta_initializer: of `beta`.
        gamma_initializer: of `gamma`.
        beta_regularizer: of `beta`.
        gamma_regularizer: of `gamma`.
        beta_constraint: of `beta`.
        gamma_constraint: of `gamma`.
        algebra: name of an algebra, an `Algebra` or its config.
        mode: `"scalar"` or `"component"`.
        **kwargs: of every Keras layer.

    Input shape:
        `(batch, ..., d*n)`, or with the `d*n` entries along `axis`.

    Output shape:
        The input's.

    Raises:
        ValueError: if `groups` does not divide the elements, `mode` is unknown, or `axis` has a
            size that is not a multiple of `d`.

    Reference:
        Wu and He, "Group normalization", arXiv 1803.08494, section 3.

    Example:

    >>> import keras
    >>> layer = AlgebraGroupNormalization(groups=2, algebra="quaternion")
    >>> layer(keras.ops.ones((2, 5, 4 * 6))).shape
    TensorShape([2, 5, 24])
    """
