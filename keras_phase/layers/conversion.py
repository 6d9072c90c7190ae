"""Doors into and out of an algebra."""

import math
from typing import Any

import keras
from keras import ops

from ..ops import layout
from ..ops.modulus import in_float32, modulus
from ..registry import Registry
from .algebra_layer import AlgebraLayerMixin, register

Tensor = Any


class ToAlgebraBody(AlgebraLayerMixin):
    """The logic of `ToAlgebra`, for any Keras base class."""

    _opens_complex = False

    def __init__(
        self,
        how: str = "first",
        *,
        algebra: Any = "complex",
        interleaved: bool = False,
        hidden_units: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self._set_algebra(algebra)
        ENTRANCES.get(how)
        if how == "complex" and self.algebra.dimension != 2:
            raise ValueError(
                "ToAlgebra(how='complex') takes complex tensors, which have 2 real numbers an "
                "element. Use an algebra of dimension 2, or how='reshape' on real data. "
                f"Received: algebra='{self.algebra.name}' of dimension {self.algebra.dimension}"
            )
        if interleaved and how != "reshape":
            raise ValueError(
                "`interleaved` says how the real input of how='reshape' is ordered. "
                f"Received: interleaved={interleaved} with how={how!r}"
            )
        self.how = how
        self.interleaved = interleaved
        self.hidden_units = hidden_units
        self.supports_masking = True

    def build(self, input_shape: tuple) -> None:
        """Create the variables of `how="learned"`; check the size for `how="reshape"`."""
        n, d = input_shape[-1], self.algebra.dimension
        if self.how == "reshape":
            self._num_elements(input_shape)
        if self.how == "learned" and d > 1:
            hidden = self.hidden_units or n
            self._hidden_kernel = self.add_weight(name="hidden_kernel", shape=(n, hidden))
            self._hidden_bias = self.add_weight(
                name="hidden_bias", shape=(hidden,), initializer="zeros"
            )
            self._kernel = self.add_weight(name="kernel", shape=(hidden, (d - 1) * n))
            self._bias = self.add_weight(name="bias", shape=((d - 1) * n,), initializer="zeros")
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Convert `(..., n)` to `(..., d*n)`."""
        if layout.is_complex(inputs) != (self.how == "complex"):
            raise ValueError(
                f"ToAlgebra(how={self.how!r}) expects "
                f"{'a complex' if self.how == 'complex' else 'a real'} tensor. Use how='complex' "
                f"for complex tensors and the others for real ones. "
                f"Received: inputs.dtype={inputs.dtype}"
            )
        return ENTRANCES.get(self.how)(self, inputs)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """`(..., d*n)`; unchanged for `how="reshape"`."""
        if self.how == "reshape":
            return tuple(input_shape)
        return (*input_shape[:-1], self.algebra.dimension * input_shape[-1])

    def compute_output_spec(self, inputs: Tensor, **kwargs: Any) -> keras.KerasTensor:
        """Real and in the compute dtype, also for a complex input."""
        return keras.KerasTensor(self.compute_output_shape(inputs.shape), dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {
            **super().get_config(),
            "how": self.how,
            "interleaved": self.interleaved,
            "hidden_units": self.hidden_units,
        }


ENTRANCES = Registry("way into an algebra (`how`)")


@ENTRANCES.register("first")
def _first(layer: ToAlgebraBody, x: Tensor) -> Tensor:
    return layout.merge([x] + [ops.zeros_like(x)] * (layer.algebra.dimension - 1))


@ENTRANCES.register("learned")
def _learned(layer: ToAlgebraBody, x: Tensor) -> Tensor:
    if layer.algebra.dimension == 1:
        return x
    hidden = ops.relu(ops.add(ops.matmul(x, layer._hidden_kernel), layer._hidden_bias))
    others = ops.add(ops.matmul(hidden, layer._kernel), layer._bias)
    return ops.concatenate([x, others], axis=-1)


@ENTRANCES.register("reshape")
def _reshape(layer: ToAlgebraBody, x: Tensor) -> Tensor:
    d = layer.algebra.dimension
    return layout.interleaved_to_blocks(x, d) if layer.interleaved else x


@ENTRANCES.register("complex")
def _complex(layer: ToAlgebraBody, x: Tensor) -> Tensor:
    return ops.cast(layout.from_complex(x), layer.compute_dtype)


@register
class ToAlgebra(ToAlgebraBody, keras.layers.Layer):
    """Convert real or complex data to algebra-valued data.

    Args:
        how: `"first"`: the input becomes the first component, the others are 0. `"learned"`: the
            other components come from a small network of the input, `W2 relu(W1 x + b1) + b2`.
            `"reshape"`: the input's last axis already holds all components. `"complex"`: the input
            is a complex tensor.
        algebra: name of an algebra, an `Algebra` or its config.
        interleaved: for `how="reshape"`: False if the last axis is component-major (all first
            components, then all second ones), True if the components of an element are adjacent.
        hidden_units: width of the network of `how="learned"`; None is the input's.
        **kwargs: of every Keras layer.

    Input shape:
        `(batch, ..., n)`, for `how="reshape"` `(batch, ..., d*n)`.

    Output shape:
        `(batch, ..., d*n)`, component-major, in the compute dtype. With `algebra="real"` the layer
        is the identity.

    Raises:
        ValueError: if `how` is unknown or does not fit the algebra, or the input is complex where a
            real one is expected, or the other way round.

    Reference:
        Hoffmann et al., "AlgebraNets", arXiv 2006.07360 (learned components).

    Example:

    >>> import keras
    >>> x = keras.ops.array([[1.0, 2.0]])
    >>> keras.ops.convert_to_numpy(ToAlgebra()(x)).tolist()
    [[1.0, 2.0, 0.0, 0.0]]
    """


class FromAlgebraBody(AlgebraLayerMixin):
    """The logic of `FromAlgebra`, for any Keras base class."""

    def __init__(self, to: str = "norm", *, algebra: Any = "complex", **kwargs: Any):
        super().__init__(**kwargs)
        self._set_algebra(algebra)
        EXITS.get(to)
        if to == "complex" and self.algebra.dimension != 2:
            raise ValueError(
                "FromAlgebra(to='complex') needs elements of 2 real numbers. Use to='concat', or "
                "an algebra of dimension 2. "
                f"Received: algebra='{self.algebra.name}' of dimension {self.algebra.dimension}"
            )
        self.to = to
        self.supports_masking = True

    def build(self, input_shape: tuple) -> None:
        """Check the input's last axis."""
        self._num_elements(input_shape)
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Convert `(..., d*n)`."""
        return EXITS.get(self.to)(inputs, self.algebra)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """`(..., n)`, or the input's for `to="concat"`."""
        if self.to == "concat":
            return tuple(input_shape)
        return (*input_shape[:-1], self._num_elements(input_shape))

    def compute_output_spec(self, inputs: Tensor, **kwargs: Any) -> keras.KerasTensor:
        """Complex for `to="complex"`, else in the compute dtype."""
        dtype = self.compute_dtype
        if self.to == "complex":
            dtype = "complex128" if dtype == "float64" else "complex64"
        return keras.KerasTensor(self.compute_output_shape(inputs.shape), dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "to": self.to}


EXITS = Registry("way out of an algebra (`to`)")
EXITS.add("norm", modulus)


@EXITS.register("squared_norm")
@in_float32
def _squared_norm(x: Tensor, algebra: Any) -> Tensor:
    return ops.sum(ops.square(layout.to_axis(x, algebra.dimension)), axis=-2)


EXITS.add("first", lambda x, algebra: layout.split(x, algebra.dimension)[0])
EXITS.add("concat", lambda x, algebra: x)
EXITS.add("complex", lambda x, algebra: layout.to_complex(x))


@register
class FromAlgebra(FromAlgebraBody, keras.layers.Layer):
    """Convert algebra-valued data to real or complex data.

    Args:
        to: `"norm"`: the modulus (Euclidean norm of the d numbers, gradient 0 at 0).
            `"squared_norm"`: its square. `"first"`: the first component. `"concat"`: all components
            as real channels. `"complex"`: a complex tensor (d = 2).
        algebra: name of an algebra, an `Algebra` or its config.
        **kwargs: of every Keras layer.

    Input shape:
        `(batch, ..., d*n)`.

    Output shape:
        `(batch, ..., n)`; `(batch, ..., d*n)` for `to="concat"`.

    Raises:
        ValueError: if `to` is unknown or does not fit the algebra, or the last axis is not a
            multiple of `d`.

    Example:

    >>> import keras
    >>> x = keras.ops.array([[3.0, 4.0]])
    >>> keras.ops.convert_to_numpy(FromAlgebra("norm")(x)).tolist()
    [[5.0]]
    """


class ModulusBody(AlgebraLayerMixin):
    """The logic of `Modulus`, for any Keras base class."""

    def __init__(self, *, algebra: Any = "complex", **kwargs: Any):
        super().__init__(**kwargs)
        self._set_algebra(algebra)
        self.supports_masking = True

    def build(self, input_shape: tuple) -> None:
        """Check the input's last axis."""
        self._num_elements(input_shape)
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Modulus of `(..., d*n)`."""
        return modulus(inputs, self.algebra)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """`(..., n)`."""
        return (*input_shape[:-1], self._num_elements(input_shape))


@register
class Modulus(ModulusBody, keras.layers.Layer):
    """Modulus of every element: `|x| = sqrt(x_1^2 + ... + x_d^2)`, the collapse of the phase.

    Its gradient is `x / |x|`, and 0 at 0. With `algebra="real"` it is the absolute value.

    Args:
        algebra: name of an algebra, an `Algebra` or its config.
        **kwargs: of every Keras layer.

    Input shape:
        `(batch, ..., d*n)`.

    Output shape:
        `(batch, ..., n)`.

    Raises:
        ValueError: if the last axis is not a multiple of `d`.

    Reference:
        Guth, Zarka and Mallat, "Phase Collapse in Neural Networks", arXiv 2110.05283.

    Example:

    >>> import keras
    >>> x = keras.ops.array([[3.0, 0.0, 4.0, 0.0]])
    >>> keras.ops.convert_to_numpy(Modulus()(x)).tolist()
    [[5.0, 0.0]]
    """


class PhaseEncodeBody:
    """The logic of `PhaseEncode`, for any Keras base class."""

    def __init__(self, scale: float = math.pi, **kwargs: Any):
        super().__init__(**kwargs)
        if not math.isfinite(scale):
            raise ValueError(f"Expected a finite `scale`, in radians. Received: scale={scale}")
        self.scale = float(scale)
        self.supports_masking = True

    def build(self, input_shape: tuple) -> None:
        """No variables."""
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Encode `(..., n)`."""
        angle = ops.multiply(inputs, self.scale)
        return layout.merge(
            [ops.multiply(inputs, ops.cos(angle)), ops.multiply(inputs, ops.sin(angle))]
        )

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """`(..., 2n)`."""
        return (*input_shape[:-1], 2 * input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "scale": self.scale}


@register
class PhaseEncode(PhaseEncodeBody, keras.layers.Layer):
    """Turn real features into complex ones whose phase also carries the value.

    `y = x exp(i scale x)`: real part `x cos(scale x)`, imaginary part `x sin(scale x)`. With the
    default scale, a feature in [0, 1] turns by up to half a circle. `scale=0` equals
    `ToAlgebra("first")`.

    Args:
        scale: radians for a unit of the input.
        **kwargs: of every Keras layer.

    Input shape:
        `(batch, ..., n)`, real.

    Output shape:
        `(batch, ..., 2n)`, complex elements, component-major.

    Raises:
        ValueError: if `scale` is not finite.

    Reference:
        Nie and Yuan, "Neural network is heterogeneous: Phase matters more", arXiv 2111.02014.

    Example:

    >>> import keras
    >>> x = keras.ops.array([[0.0, 1.0]])
    >>> keras.ops.convert_to_numpy(PhaseEncode()(x)).round(4)
    array([[ 0., -1.,  0., -0.]], dtype=float32)
    """
