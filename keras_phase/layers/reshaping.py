"""Layers that rearrange elements: the stock ones would cut elements apart."""

import math
from typing import Any

import keras
from keras import ops

from ..ops import layout
from .algebra_layer import AlgebraLayerMixin, register

Tensor = Any


class FlattenBody(AlgebraLayerMixin):
    """The logic of `AlgebraFlatten`, for any Keras base class."""

    def __init__(self, data_format: str | None = None, *, algebra: Any = "complex", **kwargs: Any):
        super().__init__(**kwargs)
        self._set_algebra(algebra)
        self.data_format = standardize_data_format(data_format)
        self.input_spec = keras.layers.InputSpec(min_ndim=2)

    def build(self, input_shape: tuple) -> None:
        """Check the axis of the components."""
        self._num_elements(self._channels_last(input_shape))
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Flatten `(batch, ..., d*n)`."""
        if self.data_format == "channels_first":
            inputs = ops.moveaxis(inputs, 1, -1)
        size = self._num_elements(inputs.shape) * math.prod(inputs.shape[1:-1])
        return _regroup(inputs, self.algebra.dimension, (size,))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """`(batch, d*size)`."""
        sizes = input_shape[1:]
        return (input_shape[0], None if None in sizes else math.prod(sizes))

    def _channels_last(self, shape: tuple) -> tuple:
        if self.data_format == "channels_last":
            return tuple(shape)
        return (shape[0], *shape[2:], shape[1])

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "data_format": self.data_format}


@register
class AlgebraFlatten(FlattenBody, keras.layers.Layer):
    """Flatten the element axes, keeping the components of each element together.

    `algebra="real"` equals `keras.layers.Flatten`.

    Args:
        data_format: `"channels_last"` (components in the last axis), `"channels_first"` (in axis
            1), or None for Keras's setting.
        algebra: name of an algebra, an `Algebra` or its config.
        **kwargs: of every Keras layer.

    Input shape:
        `(batch, ..., d*n)`.

    Output shape:
        `(batch, d*size)` with `size` the number of elements, component-major, the elements in
        `keras.layers.Flatten`'s order.

    Raises:
        ValueError: if the axis of the components is not a multiple of `d`.

    Example:

    >>> import keras
    >>> AlgebraFlatten()(keras.ops.ones((2, 4, 4, 2 * 3))).shape
    TensorShape([2, 96])
    """


class ReshapeBody(AlgebraLayerMixin):
    """The logic of `AlgebraReshape`, for any Keras base class."""

    def __init__(self, target_shape: tuple[int, ...], *, algebra: Any = "complex", **kwargs: Any):
        super().__init__(**kwargs)
        self._set_algebra(algebra)
        self.target_shape = tuple(target_shape)
        if not self.target_shape or self.target_shape.count(-1) > 1:
            raise ValueError(
                "Expected a `target_shape` in elements with at least one axis and at most one -1. "
                f"Received: target_shape={target_shape}"
            )

    def build(self, input_shape: tuple) -> None:
        """Check the sizes."""
        self._num_elements(input_shape)
        self._resolved(input_shape)
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Reshape `(batch, ..., d*n)`."""
        return _regroup(inputs, self.algebra.dimension, self._resolved(inputs.shape))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """`(batch, *target_shape[:-1], d*target_shape[-1])`."""
        *others, last = self._resolved(input_shape)
        return (input_shape[0], *others, self.algebra.dimension * last)

    def _resolved(self, input_shape: tuple) -> tuple[int, ...]:
        """The target shape with -1 worked out."""
        size = self._num_elements(input_shape) * math.prod(input_shape[1:-1])
        known = math.prod(s for s in self.target_shape if s != -1)
        target = tuple(size // max(known, 1) if s == -1 else s for s in self.target_shape)
        if math.prod(target) != size:
            raise ValueError(
                f"The layer '{self.name}' cannot reshape {size} elements of the algebra "
                f"'{self.algebra.name}' to target_shape (which counts elements, not real numbers). "
                f"Received: input_shape={tuple(input_shape)}, target_shape={self.target_shape}"
            )
        return target

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "target_shape": self.target_shape}


@register
class AlgebraReshape(ReshapeBody, keras.layers.Layer):
    """Reshape the element axes, keeping the components of each element together.

    `algebra="real"` equals `keras.layers.Reshape`.

    Args:
        target_shape: the new shape in *elements*, without the batch axis; one entry may be -1.
        algebra: name of an algebra, an `Algebra` or its config.
        **kwargs: of every Keras layer.

    Input shape:
        `(batch, ..., d*n)`.

    Output shape:
        `(batch, *target_shape[:-1], d*target_shape[-1])`.

    Raises:
        ValueError: if the numbers of elements differ.

    Example:

    >>> import keras
    >>> AlgebraReshape((2, 3))(keras.ops.ones((5, 2 * 6))).shape
    TensorShape([5, 2, 6])
    """


class ConcatenateBody(AlgebraLayerMixin):
    """The logic of `AlgebraConcatenate`, for any Keras base class."""

    def __init__(self, axis: int = -1, *, algebra: Any = "complex", **kwargs: Any):
        super().__init__(**kwargs)
        self._set_algebra(algebra)
        self.axis = axis
        self.supports_masking = False

    def build(self, input_shape: list[tuple]) -> None:
        """Check the shapes."""
        if not isinstance(input_shape, list | tuple) or not all(
            isinstance(s, list | tuple) for s in input_shape
        ):
            raise ValueError(
                f"The layer '{self.name}' expects a list of tensors to concatenate. "
                f"Received: input_shape={input_shape}"
            )
        for shape in input_shape:
            self._num_elements(shape)
        self.compute_output_shape(input_shape)
        self.built = True

    def call(self, inputs: list[Tensor]) -> Tensor:
        """Concatenate tensors `(batch, ..., d*n_i)`."""
        if self.axis not in (-1, len(inputs[0].shape) - 1):
            return ops.concatenate(inputs, axis=self.axis)
        d = self.algebra.dimension
        components = zip(*(layout.split(x, d) for x in inputs), strict=True)
        return layout.merge([ops.concatenate(c, axis=-1) for c in components])

    def compute_output_shape(self, input_shape: list[tuple]) -> tuple:
        """The shape with the sizes of `axis` added."""
        axis = self.axis % len(input_shape[0])
        total: int | None = 0
        for shape in input_shape:
            others = [
                (a, b)
                for i, (a, b) in enumerate(zip(shape, input_shape[0], strict=False))
                if i != axis
            ]
            if len(shape) != len(input_shape[0]) or any(
                a != b for a, b in others if None not in (a, b)
            ):
                raise ValueError(
                    f"The layer '{self.name}' concatenates along axis {self.axis}; all other axes "
                    f"must agree. Received: input_shape={list(map(tuple, input_shape))}"
                )
            total = None if total is None or shape[axis] is None else total + shape[axis]
        return (*input_shape[0][:axis], total, *input_shape[0][axis + 1 :])

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "axis": self.axis}


@register
class AlgebraConcatenate(ConcatenateBody, keras.layers.Layer):
    """Concatenate algebra-valued tensors, component by component along the last axis.

    `algebra="real"` equals `keras.layers.Concatenate`.

    Args:
        axis: the axis to concatenate along.
        algebra: name of an algebra, an `Algebra` or its config.
        **kwargs: of every Keras layer.

    Input shape:
        A list of tensors `(batch, ..., d*n_i)`.

    Output shape:
        `(batch, ..., d*(n_1 + n_2 + ...))`.

    Raises:
        ValueError: if the other axes differ, or a last axis is not a multiple of `d`.

    Example:

    >>> import keras
    >>> one, two = keras.ops.ones((1, 2)), keras.ops.zeros((1, 2))
    >>> keras.ops.convert_to_numpy(AlgebraConcatenate()([one, two])).tolist()
    [[1.0, 0.0, 1.0, 0.0]]
    """


def standardize_data_format(data_format: str | None) -> str:
    """`data_format`, or Keras's setting for None.

    Raises:
        ValueError: if it is neither `"channels_last"` nor `"channels_first"`.
    """
    data_format = data_format or keras.config.image_data_format()
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(
            "Expected `data_format` to be 'channels_last' or 'channels_first'. "
            f"Received: data_format={data_format!r}"
        )
    return data_format


def _regroup(x: Tensor, dimension: int, target: tuple[int, ...]) -> Tensor:
    """`(batch, ..., d*n)` to `(batch, *target[:-1], d*target[-1])`, elements in row-major order."""
    if dimension > 1:
        x = ops.moveaxis(layout.to_axis(x, dimension), -2, 1)
        x = ops.moveaxis(ops.reshape(x, (-1, dimension, *target)), 1, -2)
        return layout.from_axis(x)
    return ops.reshape(x, (-1, *target))
