"""The dense product between stacks of axes, which attention projects with."""

import math
from typing import Any

import keras
from keras import ops

from .. import initializers as algebra_initializers
from ..initializers import AlgebraInitializer
from ..ops import attention
from .algebra_layer import register
from .dense import DenseBody

Tensor = Any


class ProjectionBody(DenseBody):
    """The logic of `AlgebraProjection`, for any Keras base class."""

    def __init__(self, input_elements: tuple, output_elements: tuple, **kwargs: Any):
        super().__init__(math.prod(output_elements), **kwargs)
        self.input_elements = tuple(input_elements)
        self.output_elements = tuple(output_elements)

    def build(self, input_shape: tuple) -> None:
        """Create the variables, of the shapes that `keras.layers.EinsumDense` gives them."""
        self.kernel_parametrization = self.parametrization.build(
            self,
            self.algebra,
            (*self.input_elements, *self.output_elements),
            initializer=self._as_matrix(self.kernel_initializer),
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        if self.use_bias:
            first, *rest = self.output_elements
            self.bias = self.add_weight(
                name="bias",
                shape=(self.algebra.dimension * first, *rest),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Apply the layer to `(..., *input_elements)`, the last axis `d` times as long."""
        d = self.algebra.dimension
        size = math.prod(self.input_elements)
        x = attention.fold(inputs, len(self.input_elements), d)
        leading = tuple(ops.shape(x))[:-1]
        # As rows of one matrix, which costs nothing and makes the kernel's gradient one product.
        x = ops.reshape(x, (-1, d * size))
        x = self._product(x, ops.reshape(self.kernel, (d, size, self.units)), self.algebra)
        if self.bias is not None:
            x = ops.add(x, ops.reshape(self.bias, (-1,)))
        x = ops.reshape(x, (*leading, d * self.units))
        return self._activate(attention.unfold(x, self.output_elements, d))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """`(..., *output_elements)`, the last axis `d` times as long."""
        *others, last = self.output_elements
        leading = input_shape[: len(input_shape) - len(self.input_elements)]
        return (*leading, *others, self.algebra.dimension * last)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        config = super().get_config()
        del config["units"]
        elements = {"input_elements": self.input_elements, "output_elements": self.output_elements}
        return {**config, **elements}

    def _as_matrix(self, identifier: Any) -> Any:
        """What draws the kernel with the fans of the matrix that the projection is."""
        bound = algebra_initializers.for_kernel(identifier, self.algebra)
        if not isinstance(bound, AlgebraInitializer):
            has_axes = isinstance(bound, keras.initializers.VarianceScaling)
            if not has_axes or getattr(bound, "input_axes", ()) is not None:
                return bound
            # As EinsumDense does; an older Keras has no such arguments and takes other fans.
            rank = len(self.input_elements)
            axes = {
                "input_axes": tuple(range(rank)),
                "output_axes": tuple(range(rank, rank + len(self.output_elements))),
            }
            config = {**bound.get_config(), **axes, "seed": bound.seed}
            return type(bound).from_config(config)
        if getattr(bound, "input_axes", None) is not None:
            return bound
        d = self.algebra.dimension
        matrix = (math.prod(self.input_elements), self.units)

        def draw(shape: tuple[int, ...], dtype: Any = None) -> Tensor:
            return ops.reshape(bound(matrix if d == 1 else (d, *matrix), dtype=dtype), shape)

        return draw


@register
class AlgebraProjection(ProjectionBody, keras.layers.Layer):
    """Dense layer from the last axes of the input to several axes; attention is made of it.

    The kernel is `(d, *input_elements, *output_elements)`, so that every head has an axis of its
    own, and the bias `(d*output_elements[0], ...)`, which reads `(d*units,)` when flattened.
    `algebra="real"` equals `keras.layers.EinsumDense`. Other arguments are those of `AlgebraDense`.

    Args:
        input_elements: sizes of the input's last axes in elements, `(in,)` or `(heads, in)`.
        output_elements: sizes of the output's last axes in elements, such as `(heads, out)`.
    """
