"""Dropout of whole feature maps of whole elements."""

from typing import Any

import keras
from keras import ops

from ..ops import layout
from .algebra_layer import register
from .dropout import DropoutBody
from .reshaping import standardize_data_format

Tensor = Any


class SpatialDropoutBody(DropoutBody):
    """The logic of the spatial dropouts, for any Keras base class; subclasses set `rank`."""

    rank: int
    _channels_first = False

    def __init__(
        self,
        rate: float,
        seed: int | None = None,
        name: str | None = None,
        dtype: Any = None,
        *,
        algebra: Any = "complex",
        **kwargs: Any,
    ):
        super().__init__(rate, seed=seed, name=name, dtype=dtype, algebra=algebra, **kwargs)
        self.input_spec = keras.layers.InputSpec(ndim=self.rank + 2)

    @property
    def _axis(self) -> int:
        return 1 if self._channels_first else self.rank + 1

    def build(self, input_shape: tuple) -> None:
        """Check the channel axis."""
        self._num_elements(input_shape, self._axis)
        self.built = True

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Drop feature maps of elements when training."""
        if not training or self.rate == 0:
            return inputs
        d, sizes = self.algebra.dimension, ops.shape(inputs)
        shape = [sizes[0]] + [1] * (self.rank + 1)
        shape[self._axis] = sizes[self._axis] // d
        ones = ops.ones(tuple(shape), dtype=inputs.dtype)
        keep = keras.random.dropout(ones, self.rate, seed=self.seed_generator)
        return ops.multiply(inputs, layout.merge([keep] * d, axis=self._axis))

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        config = super().get_config()
        del config["noise_shape"]
        return config


class SpatialDropout1DBody(SpatialDropoutBody):
    """The logic of `AlgebraSpatialDropout1D`, for any Keras base class."""

    rank = 1


class DataFormatSpatialDropoutBody(SpatialDropoutBody):
    """A spatial dropout that knows both data formats."""

    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: int | None = None,
        name: str | None = None,
        dtype: Any = None,
        *,
        algebra: Any = "complex",
        **kwargs: Any,
    ):
        super().__init__(rate, seed, name, dtype, algebra=algebra, **kwargs)
        self.data_format = standardize_data_format(data_format)
        self._channels_first = self.data_format == "channels_first"

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "data_format": self.data_format}


class SpatialDropout2DBody(DataFormatSpatialDropoutBody):
    """The logic of `AlgebraSpatialDropout2D`, for any Keras base class."""

    rank = 2


class SpatialDropout3DBody(DataFormatSpatialDropoutBody):
    """The logic of `AlgebraSpatialDropout3D`, for any Keras base class."""

    rank = 3


@register
class AlgebraSpatialDropout1D(SpatialDropout1DBody, keras.layers.Layer):
    """Drop whole feature maps during training: all components of an element, at all time steps.

    Neighbours in a feature map are alike, so dropping single ones takes little information away;
    this drops an element channel of a sample altogether, or keeps it, scaled by `1 / (1 - rate)`.
    `algebra="real"` equals `keras.layers.SpatialDropout1D`, with the same seed.

    Args:
        rate: fraction of the feature maps to drop, between 0 and 1.
        seed: integer seed.
        name: of the layer.
        dtype: of the layer, a dtype policy.
        algebra: name of an algebra, an `Algebra` or its config.
        **kwargs: of every Keras layer.

    Call arguments:
        inputs: `(batch, time, d*n)`.
        training: whether to drop; inference returns the input.

    Input shape:
        `(batch, time, d*n)`.

    Output shape:
        The input's.

    Raises:
        ValueError: if `rate` is outside [0, 1], or the channel axis is not a multiple of `d`.

    Reference:
        Tompson et al., "Efficient object localization using convolutional networks",
        arXiv 1411.4280, section 3.2.

    Example:

    >>> import keras
    >>> x = keras.ops.ones((1, 5, 4))
    >>> y = keras.ops.convert_to_numpy(AlgebraSpatialDropout1D(0.5, seed=1)(x, training=True))
    >>> sorted(set(y[..., ::2].ravel().tolist())) in ([0.0], [2.0])
    True
    """


@register
class AlgebraSpatialDropout2D(SpatialDropout2DBody, keras.layers.Layer):
    """Drop whole feature maps during training: all components of an element, at all pixels.

    Neighbours in a feature map are alike, so dropping single ones takes little information away;
    this drops an element channel of a sample altogether, or keeps it, scaled by `1 / (1 - rate)`.
    `algebra="real"` equals `keras.layers.SpatialDropout2D`, with the same seed.

    Args:
        rate: fraction of the feature maps to drop, between 0 and 1.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's setting.
        seed: integer seed.
        name: of the layer.
        dtype: of the layer, a dtype policy.
        algebra: name of an algebra, an `Algebra` or its config.
        **kwargs: of every Keras layer.

    Call arguments:
        inputs: `(batch, height, width, d*n)`.
        training: whether to drop; inference returns the input.

    Input shape:
        `(batch, height, width, d*n)`,
        or `(batch, d*n, height, width)` for `channels_first`.

    Output shape:
        The input's.

    Raises:
        ValueError: if `rate` is outside [0, 1], or the channel axis is not a multiple of `d`.

    Reference:
        Tompson et al., "Efficient object localization using convolutional networks",
        arXiv 1411.4280, section 3.2.

    Example:

    >>> import keras
    >>> x = keras.ops.ones((1, 3, 3, 4))
    >>> y = keras.ops.convert_to_numpy(AlgebraSpatialDropout2D(0.5, seed=1)(x, training=True))
    >>> sorted(set(y[..., ::2].ravel().tolist())) in ([0.0], [2.0])
    True
    """


@register
class AlgebraSpatialDropout3D(SpatialDropout3DBody, keras.layers.Layer):
    """Drop whole feature maps during training: all components of an element, at all voxels.

    Neighbours in a feature map are alike, so dropping single ones takes little information away;
    this drops an element channel of a sample altogether, or keeps it, scaled by `1 / (1 - rate)`.
    `algebra="real"` equals `keras.layers.SpatialDropout3D`, with the same seed.

    Args:
        rate: fraction of the feature maps to drop, between 0 and 1.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's setting.
        seed: integer seed.
        name: of the layer.
        dtype: of the layer, a dtype policy.
        algebra: name of an algebra, an `Algebra` or its config.
        **kwargs: of every Keras layer.

    Call arguments:
        inputs: `(batch, depth, height, width, d*n)`.
        training: whether to drop; inference returns the input.

    Input shape:
        `(batch, depth, height, width, d*n)`,
        or `(batch, d*n, depth, height, width)` for `channels_first`.

    Output shape:
        The input's.

    Raises:
        ValueError: if `rate` is outside [0, 1], or the channel axis is not a multiple of `d`.

    Reference:
        Tompson et al., "Efficient object localization using convolutional networks",
        arXiv 1411.4280, section 3.2.

    Example:

    >>> import keras
    >>> x = keras.ops.ones((1, 2, 3, 3, 4))
    >>> y = keras.ops.convert_to_numpy(AlgebraSpatialDropout3D(0.5, seed=1)(x, training=True))
    >>> sorted(set(y[..., ::2].ravel().tolist())) in ([0.0], [2.0])
    True
    """
