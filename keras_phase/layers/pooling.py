"""Max pooling by modulus: whole elements win or lose."""

from typing import Any

import keras
from keras import ops

from ..ops.modulus import is_half, modulus_axis
from .algebra_layer import AlgebraLayerMixin, register
from .reshaping import standardize_data_format

Tensor = Any


class ModulusMaxPoolingBody(AlgebraLayerMixin):
    """The logic of the three layers, for any Keras base class; subclasses set `rank`."""

    rank: int

    def __init__(
        self,
        pool_size: int | tuple[int, ...] = 2,
        strides: int | tuple[int, ...] | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        *,
        algebra: Any = "complex",
        **kwargs: Any,
    ):
        super().__init__(name=name, **kwargs)
        self._set_algebra(algebra)
        self.pool_size = _sizes("pool_size", pool_size, self.rank)
        self.strides = self.pool_size if strides is None else _sizes("strides", strides, self.rank)
        if not isinstance(padding, str) or padding.lower() not in ("valid", "same"):
            raise ValueError(
                f"Expected `padding` to be 'valid' or 'same'. Received: padding={padding!r}"
            )
        self.padding = padding.lower()
        self.data_format = standardize_data_format(data_format)
        self.input_spec = keras.layers.InputSpec(ndim=self.rank + 2)

    @property
    def _channel_axis(self) -> int:
        return 1 if self.data_format == "channels_first" else self.rank + 1

    def build(self, input_shape: tuple) -> None:
        """Check the channel axis and the window."""
        self._num_elements(input_shape, self._channel_axis)
        self.compute_output_shape(input_shape)
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Pool one spatial axis after the other: the winner of the winners is the winner."""
        x = _show_components(inputs, self.algebra.dimension, self._channel_axis)
        components = self._channel_axis
        norm = ops.cast(x, "float32") if is_half(x) else x
        norm = ops.stop_gradient(modulus_axis(norm, axis=components, keepdims=True))
        first = 3 if self.data_format == "channels_first" else 1
        # The last axis first, so that equal moduli are met in the order in which they are stored.
        for i in reversed(range(self.rank)):
            x, norm = _pool_axis(
                x, norm, first + i, self.pool_size[i], self.strides[i], self.padding == "same"
            )
        return _hide_components(x, components)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """The input's shape with pooled spatial sizes."""
        shape, first = list(input_shape), 2 if self.data_format == "channels_first" else 1
        for i, (window, stride) in enumerate(zip(self.pool_size, self.strides, strict=True)):
            size = shape[first + i]
            if size is None:
                continue
            if self.padding == "valid" and size < window:
                raise ValueError(
                    f"The layer '{self.name}' ({type(self).__name__}) has a window larger than its "
                    "input. Use a smaller `pool_size`, or padding='same'. "
                    f"Received: pool_size={self.pool_size}, input_shape={tuple(input_shape)}"
                )
            span = size if self.padding == "same" else size - window + 1
            shape[first + i] = -(-span // stride)
        return tuple(shape)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {
            **super().get_config(),
            "pool_size": self.pool_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
        }


class ModulusMaxPooling1DBody(ModulusMaxPoolingBody):
    """The logic of `ModulusMaxPooling1D`, for any Keras base class."""

    rank = 1


class ModulusMaxPooling2DBody(ModulusMaxPoolingBody):
    """The logic of `ModulusMaxPooling2D`, for any Keras base class."""

    rank = 2

    def __init__(
        self,
        pool_size: int | tuple[int, int] = (2, 2),
        strides: int | tuple[int, int] | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        *,
        algebra: Any = "complex",
        **kwargs: Any,
    ):
        super().__init__(pool_size, strides, padding, data_format, name, algebra=algebra, **kwargs)


class ModulusMaxPooling3DBody(ModulusMaxPoolingBody):
    """The logic of `ModulusMaxPooling3D`, for any Keras base class."""

    rank = 3

    def __init__(
        self,
        pool_size: int | tuple[int, int, int] = (2, 2, 2),
        strides: int | tuple[int, int, int] | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        *,
        algebra: Any = "complex",
        **kwargs: Any,
    ):
        super().__init__(pool_size, strides, padding, data_format, name, algebra=algebra, **kwargs)


@register
class ModulusMaxPooling1D(ModulusMaxPooling1DBody, keras.layers.Layer):
    """Keep, of every window of time steps, the element with the largest modulus.

    `y_t = x_s`, `s` the first step of window `t` where `|x_s|` is largest, in every channel on its
    own. The element is kept whole, with its phase; a stock max pooling would put the components of
    different elements together. Padding never wins. The gradient goes to the winner only.

    `algebra="real"` compares `|x|`, where `keras.layers.MaxPooling1D` compares `x`: the two agree
    on inputs that are nowhere negative. A NaN wins its window.

    Args:
        pool_size: length of a window.
        strides: step between windows; None means `pool_size`.
        padding: `"valid"`, windows inside the input only, or `"same"`, one window for every
            `strides` steps, the ends filled up evenly.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's setting.
        name: of the layer.
        algebra: name of an algebra, an `Algebra` or its config.
        **kwargs: of every Keras layer.

    Input shape:
        `(batch, time, d*n)`, or `(batch, d*n, time)` for `channels_first`.

    Output shape:
        The same with `(time - pool_size) // strides + 1` steps, with padding
        `ceil(time / strides)`.

    Raises:
        ValueError: if an argument is none of these, the channel axis is not a multiple of `d`, or
            the window is larger than the input without padding.

    Example:

    >>> import keras
    >>> x = keras.ops.array([[[3.0, 0.0], [1.0, -4.0]]])  # 3 and 1 - 4i
    >>> keras.ops.convert_to_numpy(ModulusMaxPooling1D()(x)).tolist()
    [[[1.0, -4.0]]]
    """


@register
class ModulusMaxPooling2D(ModulusMaxPooling2DBody, keras.layers.Layer):
    """Keep, of every window of pixels, the element with the largest modulus.

    The element is kept whole, with its phase, in every channel on its own; of equal moduli the
    first in reading order. Padding never wins. The gradient goes to the winner only.

    `algebra="real"` compares `|x|`, where `keras.layers.MaxPooling2D` compares `x`: the two agree
    on inputs that are nowhere negative. A NaN wins its window.

    Args:
        pool_size: height and width of a window, or one number for both.
        strides: steps between windows, or one for both; None means `pool_size`.
        padding: `"valid"`, windows inside the input only, or `"same"`, one window for every
            `strides` pixels, the ends filled up evenly.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's setting.
        name: of the layer.
        algebra: name of an algebra, an `Algebra` or its config.
        **kwargs: of every Keras layer.

    Input shape:
        `(batch, height, width, d*n)`, or `(batch, d*n, height, width)` for `channels_first`.

    Output shape:
        The same with `(size - pool_size) // strides + 1` pixels an axis, with padding
        `ceil(size / strides)`.

    Raises:
        ValueError: as `ModulusMaxPooling1D`.

    Example:

    >>> import keras
    >>> ModulusMaxPooling2D(algebra="quaternion")(keras.ops.ones((1, 8, 6, 4 * 3))).shape
    TensorShape([1, 4, 3, 12])
    """


@register
class ModulusMaxPooling3D(ModulusMaxPooling3DBody, keras.layers.Layer):
    """Keep, of every window of voxels, the element with the largest modulus.

    As `ModulusMaxPooling2D`, with three spatial axes.

    Args:
        pool_size: sizes of a window, or one number for all.
        strides: steps between windows, or one for all; None means `pool_size`.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's setting.
        name: of the layer.
        algebra: name of an algebra, an `Algebra` or its config.
        **kwargs: of every Keras layer.

    Input shape:
        `(batch, depth, height, width, d*n)`, or `(batch, d*n, depth, height, width)` for
        `channels_first`.

    Output shape:
        The same with `(size - pool_size) // strides + 1` voxels an axis, with padding
        `ceil(size / strides)`.

    Raises:
        ValueError: as `ModulusMaxPooling1D`.

    Example:

    >>> import keras
    >>> ModulusMaxPooling3D()(keras.ops.ones((1, 4, 4, 6, 2 * 3))).shape
    TensorShape([1, 2, 2, 3, 6])
    """


def _show_components(x: Tensor, d: int, axis: int) -> Tensor:
    """Split the channel axis `d*n` into `(d, n)`."""
    sizes = tuple(ops.shape(x))
    return ops.reshape(x, (*sizes[:axis], d, x.shape[axis] // d, *sizes[axis + 1 :]))


def _hide_components(x: Tensor, axis: int) -> Tensor:
    sizes = tuple(ops.shape(x))
    return ops.reshape(x, (*sizes[:axis], x.shape[axis] * x.shape[axis + 1], *sizes[axis + 2 :]))


def _pool_axis(
    x: Tensor, norm: Tensor, axis: int, window: int, stride: int, same: bool
) -> tuple[Tensor, Tensor]:
    """Winners of the windows along one axis, and their moduli.

    Windows double: the winner among 2w positions is that of two windows of w. The last step takes
    two overlapping windows at once with the stride, so that `ceil(log2(window))` comparisons do.
    """
    if same:
        x, norm = (_pad(t, axis, window, stride, fill) for t, fill in ((x, 0), (norm, -1)))

    def at(start: int, stop: int, step: int = 1) -> list[Tensor]:
        # `stop` counts positions from the end.
        part = (slice(None),) * axis + (slice(start, -stop if stop else None, step),)
        return [x[part], norm[part]]

    width = 1
    while 2 * width < window:
        x, norm = _winner(*at(0, width), *at(width, 0))
        width *= 2
    rest = window - width
    return _winner(*at(0, rest, stride), *at(rest, 0, stride)) if rest else tuple(at(0, 0, stride))


def _winner(x: Tensor, norm: Tensor, other: Tensor, other_norm: Tensor) -> tuple[Tensor, Tensor]:
    """The elements with the larger modulus, the first of equal ones; a NaN wins."""
    better = ops.logical_or(other_norm > norm, ops.isnan(other_norm))
    return ops.where(better, other, x), ops.where(better, other_norm, norm)


def _pad(x: Tensor, axis: int, window: int, stride: int, fill: float) -> Tensor:
    """Fill an axis up for windows at every `stride`, evenly, one more at the end."""
    widths = [(0, 0)] * len(x.shape)
    size = x.shape[axis]
    if size is not None:
        total = max((-(-size // stride) - 1) * stride + window - size, 0)
        widths[axis] = (total // 2, total - total // 2)
        return ops.pad(x, widths, constant_values=fill)
    # The size is known at run time only: pad by more than enough, then cut.
    size = ops.shape(x)[axis]
    total = ops.maximum((-(-size // stride) - 1) * stride + window - size, 0)
    widths[axis] = (window - 1, window - 1)
    x = ops.pad(x, widths, constant_values=fill)
    start = window - 1 - total // 2
    return x[(slice(None),) * axis + (slice(start, start + size + total),)]


def _sizes(name: str, value: Any, rank: int) -> tuple[int, ...]:
    sizes = (value,) * rank if isinstance(value, int) else tuple(value or ())
    if len(sizes) != rank or not all(isinstance(s, int) and s > 0 for s in sizes):
        raise ValueError(
            f"Expected `{name}` to be a positive integer, or {rank} of them. "
            f"Received: {name}={value!r}"
        )
    return sizes
