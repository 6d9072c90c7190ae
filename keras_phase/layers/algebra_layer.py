"""What all layers share: the algebra they work in, and a guarded door for their inputs.

Layer bodies here are base-free mixins over `keras.ops`: the logic of a layer, without the Keras
class it hangs on. `AlgebraDense(DenseBody, keras.layers.Layer)` adds base and registration.
"""

from typing import Any

import keras
from keras import ops, tree

from .. import algebras
from ..algebras import Algebra
from ..ops import layout

Tensor = Any


def register(cls: type) -> type:
    """Class decorator: make a layer reload without `custom_objects`."""
    return keras.saving.register_keras_serializable(package="keras_phase")(cls)


class AlgebraLayerMixin:
    """Holds `algebra`, checks inputs, and lets complex tensors in where d = 2.

    A complex tensor `(..., n)` becomes real and component-major, `(..., 2n)`, before Keras builds
    the layer. Between layers nothing has a complex dtype.
    """

    algebra: Algebra
    _opens_complex = True
    _channel_axis = -1

    def _set_algebra(self, algebra: Any) -> None:
        self.algebra = algebras.get(algebra)

    def __call__(self, *args: Any, **kwargs: Any) -> Tensor:
        """Check and convert the inputs, then go on as any Keras layer."""
        args, kwargs = tree.map_structure(self._admit, (args, kwargs))
        return super().__call__(*args, **kwargs)

    def _admit(self, x: Any) -> Any:
        module = type(x).__module__.partition(".")[0]
        if module == "tf_keras":
            raise TypeError(
                f"The Keras 3 layer '{self.name}' ({type(self).__name__}) was called on a tf_keras "
                "(Keras 2) tensor, which would build a model without weights. Expected a Keras 3 "
                "tensor: make the input with `keras.Input` from `import keras`, and do not mix "
                "`tf_keras` layers into the model. "
                f"Received: inputs of type {type(x).__module__}.{type(x).__name__}"
            )
        if not self._opens_complex or not layout.is_complex(x):
            return x
        if self.algebra.dimension != 2:
            raise ValueError(
                f"The layer '{self.name}' ({type(self).__name__}) works in the algebra "
                f"'{self.algebra.name}' with {self.algebra.dimension} real numbers an element; a "
                "complex tensor has 2. Expected a real tensor whose last axis is component-major. "
                "Split it with `ops.real` and `ops.imag`, or use algebra='complex'. "
                f"Received: inputs.dtype={x.dtype}, inputs.shape={tuple(x.shape)}"
            )
        return ComplexToReal(self._channel_axis)(x)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "algebra": algebras.serialize(self.algebra)}

    def _num_elements(self, shape: tuple, axis: int = -1) -> int:
        """Elements in the channel axis of an input shape, with an error that names the layer."""
        name = "last axis" if axis in (-1, len(shape) - 1) else f"axis {axis}"
        try:
            return layout.num_elements(shape[axis], self.algebra.dimension, name)
        except ValueError as error:
            raise ValueError(
                f"The layer '{self.name}' ({type(self).__name__}, algebra '{self.algebra.name}') "
                f"cannot take its input. {error} Received: input_shape={tuple(shape)}"
            ) from None


@register
class ComplexToReal(keras.Operation):
    """Complex `(..., n)` to real component-major `(..., 2n)`, as a node of a functional model.

    Args:
        axis: the axis of the channels.
        name: of the operation.
    """

    def __init__(self, axis: int = -1, *, name: str | None = None):
        super().__init__(name=name)
        self.axis = axis

    def call(self, x: Tensor) -> Tensor:
        """Real parts, then imaginary parts."""
        return layout.merge([ops.real(x), ops.imag(x)], self.axis)

    def compute_output_spec(self, x: Tensor) -> keras.KerasTensor:
        """Symbolic Keras ops report a wrong dtype here, hence an operation of our own."""
        dtype = "float64" if str(x.dtype) == "complex128" else "float32"
        shape = list(x.shape)
        shape[self.axis] *= 2
        return keras.KerasTensor(shape, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        """Axis and name."""
        return {"axis": self.axis, "name": self.name}


class ShapePreservingMixin(AlgebraLayerMixin):
    """A layer without a change of shape."""

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """The input's shape."""
        return input_shape
