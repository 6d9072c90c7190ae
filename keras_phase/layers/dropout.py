"""Dropout of whole elements."""

from typing import Any

import keras
from keras import ops

from ..ops import layout
from .algebra_layer import ShapePreservingMixin, register

Tensor = Any


class DropoutBody(ShapePreservingMixin):
    """The logic of `AlgebraDropout`, for any Keras base class."""

    def __init__(
        self,
        rate: float,
        noise_shape: tuple | None = None,
        seed: int | None = None,
        *,
        algebra: Any = "complex",
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if not 0 <= rate <= 1:
            raise ValueError(
                "Expected `rate`, the fraction of elements to drop, between 0 and 1. "
                f"Received: rate={rate}"
            )
        self._set_algebra(algebra)
        self.rate = rate
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)
        self.seed = seed
        if rate > 0:
            self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def build(self, input_shape: tuple) -> None:
        """Check the input's last axis."""
        self._num_elements(input_shape)
        self.built = True

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Drop elements of `(..., d*n)` when training."""
        if not training or self.rate == 0:
            return inputs
        d = self.algebra.dimension
        keep = ops.ones_like(layout.split(inputs, d)[0])
        keep = keras.random.dropout(
            keep, self.rate, noise_shape=self._noise_shape(keep), seed=self.seed_generator
        )
        return ops.multiply(inputs, layout.repeat(keep, d))

    def _noise_shape(self, keep: Tensor) -> tuple | None:
        if self.noise_shape is None:
            return None
        sizes = ops.shape(keep)
        return tuple(sizes[i] if s is None else s for i, s in enumerate(self.noise_shape))

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {
            **super().get_config(),
            "rate": self.rate,
            "noise_shape": self.noise_shape,
            "seed": self.seed,
        }


@register
class AlgebraDropout(DropoutBody, keras.layers.Layer):
    """Drop whole elements during training: all components of an element, or none.

    Kept elements are scaled by `1 / (1 - rate)`. `algebra="real"` equals `keras.layers.Dropout`.

    Args:
        rate: fraction of elements to drop, between 0 and 1.
        noise_shape: shape of the drop pattern in *elements*, `(batch, ..., n)`; a size of 1
            repeats the pattern along that axis, None takes the input's size.
        seed: integer seed.
        algebra: name of an algebra, an `Algebra` or its config.
        **kwargs: of every Keras layer.

    Call arguments:
        inputs: `(batch, ..., d*n)`.
        training: whether to drop; inference returns the input.

    Input shape:
        `(batch, ..., d*n)`.

    Output shape:
        The input's.

    Raises:
        ValueError: if `rate` is outside [0, 1], or the last axis is not a multiple of `d`.

    Example:

    >>> import keras
    >>> x = keras.ops.array([[1.0, 2.0]])
    >>> keras.ops.convert_to_numpy(AlgebraDropout(0.5)(x)).tolist()
    [[1.0, 2.0]]
    """
