"""Normalisation of one sample over its elements."""

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
    standardize_axis,
)

Tensor = Any


class LayerNormalizationBody(NormalizationMixin):
    """The logic of `AlgebraLayerNormalization`, for any Keras base class."""

    def __init__(
        self,
        axis: int | list[int] = -1,
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
        super().__init__(**kwargs)
        self._set_algebra(algebra)
        self.mode = check_mode(mode, SAMPLE_MODES, "AlgebraLayerNormalization")
        self.axis = standardize_axis(axis)
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
        self.autocast = False  # as the stock layer: what comes in wider stays so

    def build(self, input_shape: tuple) -> None:
        """Create gamma and beta."""
        tied = _axis_sizes(self, input_shape)
        d, at = self.algebra.dimension, _component_position(self, input_shape)
        real = (*tied[:at], d * tied[at], *tied[at + 1 :])
        self._build_affine(tied if self.mode == "scalar" else real, real)
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Normalise each sample over its elements."""
        x = in_float32(inputs)
        d, axis = self.algebra.dimension, self._component_axis(x.shape)
        axes, at = self._axes(x.shape), _component_position(self, x.shape)
        shown = split_axis(x, axis, d, x.shape[axis] // d)
        y = normalize(
            shown,
            [a + (a >= axis) for a in axes],
            axis if self.mode == "scalar" else None,
            _spread_out(self.gamma, shown, axes, axis, at),
            _spread_out(self.beta, shown, axes, axis, at),
            self.epsilon,
        )
        return ops.cast(ops.reshape(y, ops.shape(x)), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {
            **super().get_config(),
            "axis": self.axis,
            "epsilon": self.epsilon,
            **self._affine_config(),
            "mode": self.mode,
        }


@register
class AlgebraLayerNormalization(LayerNormalizationBody, keras.layers.Layer):
    """Layer normalisation of algebra-valued activations.

    For each sample, with the mean `E` over its `n` elements `x`, an algebra element,
    `y = gamma z + beta`, where

    * `mode="scalar"`: `z = (x - E x) / sqrt(v + epsilon)`, `v = E |x - E x|^2 / d`: one real scale
      a sample; the mean square of the components becomes 1.
    * `mode="component"`: every component `k` by its own `v_k = E (x_k - E x_k)^2`.

    Scalar is the default, unlike in batch normalisation: there the scales of the components are
    fixed numbers at inference, here they would differ from sample to sample and change the phases
    of each its own way, while scalar commutes with every orthogonal map of the components (a unit
    factor, a conjugation). There is no mode whitening: a covariance of `d` components from the `n`
    elements of one sample has full rank only for `n > d`, and needs a matrix a sample.

    `algebra="real"` equals `keras.layers.LayerNormalization` in both modes.

    Args:
        axis: the axis, or axes, to normalise over. Components lie along the last axis when that is
            among them, else along the one axis given.
        epsilon: added to the variance.
        center: whether to add `beta`, a real number a component, `(d*n,)`.
        scale: whether to multiply by `gamma`: a real number an element, `(n,)`, in mode component
            one a component, `(d*n,)`.
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
        `(batch, ..., d*n)`.

    Output shape:
        The input's.

    Raises:
        TypeError: if `axis` is neither an int nor a list of ints.
        ValueError: if `mode` is unknown, or the axis of the components has a size that is not a
            multiple of `d`.

    Reference:
        Ba, Kiros and Hinton, "Layer normalization", arXiv 1607.06450, section 3.

    Example:

    >>> import keras
    >>> layer = AlgebraLayerNormalization(epsilon=0.0)
    >>> x = keras.ops.array([[1.0, 3.0, 0.0, 0.0]])
    >>> [round(v, 3) for v in keras.ops.convert_to_numpy(layer(x))[0].tolist()]
    [-1.414, 1.414, 0.0, 0.0]
    """


class RMSNormalizationBody(NormalizationMixin):
    """The logic of `AlgebraRMSNormalization`, for any Keras base class."""

    def __init__(
        self,
        axis: int | list[int] = -1,
        epsilon: float = 1e-6,
        *,
        algebra: Any = "complex",
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self._set_algebra(algebra)
        self.axis = standardize_axis(axis)
        self.epsilon = epsilon
        self.supports_masking = True

    def build(self, input_shape: tuple) -> None:
        """Create the scale."""
        shape = _axis_sizes(self, input_shape)
        self.scale = self.add_weight(name="scale", shape=shape, initializer="ones")
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Divide each sample by its root mean square."""
        x = in_float32(inputs)
        d, axis = self.algebra.dimension, self._component_axis(x.shape)
        axes, at = self._axes(x.shape), _component_position(self, x.shape)
        shown = split_axis(x, axis, d, x.shape[axis] // d)
        reduced = sorted({axis, *(a + (a >= axis) for a in axes)})
        factor = ops.rsqrt(ops.mean(ops.square(shown), axis=reduced, keepdims=True) + self.epsilon)
        scale = _spread_out(self.scale, shown, axes, axis, at)
        y = shown * factor * ops.cast(scale, x.dtype)
        return ops.cast(ops.reshape(y, ops.shape(x)), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "axis": self.axis, "epsilon": self.epsilon}


@register
class AlgebraRMSNormalization(RMSNormalizationBody, keras.layers.Layer):
    """Divide each sample by the root mean square modulus of its elements.

    `y = scale x / sqrt(E |x|^2 / d + epsilon)` with the mean `E` over the `n` elements of a sample,
    so that the mean square of a component becomes 1, and one real `scale` an element. Directions of
    the elements are kept; it commutes with every orthogonal map of the components.

    `algebra="real"` equals `keras.layers.RMSNormalization`.

    Args:
        axis: the axis, or axes, to normalise over. Components lie along the last axis when that is
            among them, else along the one axis given.
        epsilon: added to the mean square.
        algebra: name of an algebra, an `Algebra` or its config.
        **kwargs: of every Keras layer.

    Input shape:
        `(batch, ..., d*n)`.

    Output shape:
        The input's.

    Raises:
        TypeError: if `axis` is neither an int nor a list of ints.
        ValueError: if the axis of the components has a size that is not a multiple of `d`.

    Reference:
        Zhang and Sennrich, "Root mean square layer normalization", arXiv 1910.07467, section 3.

    Example:

    >>> import keras
    >>> x = keras.ops.array([[3.0, 0.0, 4.0, 0.0]])  # 3 + 4i and 0
    >>> y = AlgebraRMSNormalization()(x)
    >>> [round(v, 3) for v in keras.ops.convert_to_numpy(y)[0].tolist()]
    [1.2, 0.0, 1.6, 0.0]
    """


def _axis_sizes(layer: NormalizationMixin, shape: tuple) -> tuple[int, ...]:
    """Sizes of the normalised axes, in elements."""
    at = layer._component_axis(shape)
    n = layer._num_elements(shape, at)
    return tuple(n if a == at else shape[a] for a in layer._axes(shape))


def _component_position(layer: NormalizationMixin, shape: tuple) -> int:
    """Where the axis of the components stands among the normalised axes."""
    return layer._axes(shape).index(layer._component_axis(shape))


def _spread_out(
    weight: Tensor | None, shown: Tensor, axes: list[int], axis: int, at: int
) -> Tensor | None:
    """A weight over `axes`, shaped to meet the input, whose `axis` is split in `(d, n)`."""
    if weight is None:
        return None
    shape = [1] * len(shown.shape)
    for a in axes:
        shape[a + (a >= axis)] = shown.shape[a + (a >= axis)]
    shape[axis] = weight.shape[at] // shape[axis + 1]
    return ops.reshape(weight, shape)
