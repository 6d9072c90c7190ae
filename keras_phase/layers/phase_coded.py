"""A dense layer for inference whose kernel is packed codes."""

from typing import Any

import keras
import numpy as np
from keras import ops

from ..ops import phase_matmul
from ..ops.phase_matmul import Coded
from .activation import ActivationHostMixin
from .algebra_layer import register
from .arguments import require_positive

Tensor = Any

# Distance, relative to a unit's scale, up to which a kernel counts as coded exactly.
TOLERANCE = 1e-6


class PhaseCodedDenseBody(ActivationHostMixin):
    """The logic of `PhaseCodedDense`, for any Keras base class."""

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        *,
        phase_bits: int,
        zeros: bool = False,
        algebra: Any = "complex",
        **kwargs: Any,
    ):
        require_positive("the number of algebra elements of the output", units=units)
        super().__init__(**kwargs)
        self._set_algebra(algebra)
        self.units = units
        self.use_bias = use_bias
        self.phase_bits = phase_bits
        self.zeros = zeros
        self._points = phase_matmul.codebook(self.algebra, phase_bits, zeros)
        self._set_activation(activation)
        self.bias = None
        self.input_spec = keras.layers.InputSpec(min_ndim=2)
        self.supports_masking = True

    def build(self, input_shape: tuple) -> None:
        """Create the variables for inputs of that shape."""
        self._size = self._num_elements(input_shape)
        bits = phase_matmul.num_bits(self._points)
        self.codes = self.add_weight(
            name="codes",
            shape=phase_matmul.packed_shape(self._size, self.units, bits),
            initializer="zeros",
            dtype="uint8",
            trainable=False,
        )
        self.scale = self.add_weight(
            name="scale",
            shape=(self.units,),
            initializer="ones",
            trainable=False,
            autocast=False,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias", shape=(self.algebra.dimension * self.units,), initializer="zeros"
            )
        self._build_activation(self.compute_output_shape(input_shape))
        self.input_spec = keras.layers.InputSpec(min_ndim=2, axes={-1: input_shape[-1]})
        self.built = True

    @property
    def kernel(self) -> Tensor:
        """The kernel that the codes stand for, `(d, in, units)`."""
        if not self.built:
            raise AttributeError(
                f"The layer '{self.name}' has no kernel yet: call it on data, or `build` it first."
            )
        codes, scale = (ops.convert_to_tensor(v) for v in (self.codes, self.scale))
        return phase_matmul.decode(codes, scale, self._points, self._size)

    def set_kernel(self, value: Any) -> None:
        """Make the kernel `value`, `(d, in, units)`.

        Raises:
            ValueError: if its shape is another one, or its elements are not code points times one
                scale for each unit.
        """
        value = np.asarray(ops.convert_to_numpy(value))
        expected = (self.algebra.dimension, self._size, self.units)
        if value.shape != expected:
            raise ValueError(
                f"Expected a kernel of the shape {expected} for the layer '{self.name}'. "
                f"Received: value.shape={value.shape}"
            )
        coded = phase_matmul.encode(value, self._points)
        if not coded.distance <= TOLERANCE:
            raise ValueError(
                f"The kernel is not made of {self.phase_bits}-bit directions with one scale for "
                f"each unit: an element of the layer '{self.name}' is {coded.distance:.3g} times "
                "its unit's scale away from the nearest one. Train it with "
                "`PhaseDense(amplitude='unit', phase_bits=...)`, or round it. "
                f"Received: phase_bits={self.phase_bits}, zeros={self.zeros}"
            )
        self.assign(coded)

    def assign(self, coded: Coded) -> None:
        """Store codes `(in, units)` and scales, as `phase_matmul.encode` gives them."""
        self.codes.assign(phase_matmul.pack(coded.codes, phase_matmul.num_bits(self._points)))
        self.scale.assign(coded.scale)

    def take_over(self, layer: keras.layers.Layer, coded: Coded) -> None:
        """Store `coded` and the bias and the activation's weights of the dense layer `layer`."""
        self.assign(coded)
        if self.bias is not None:
            self.bias.assign(ops.convert_to_numpy(layer.bias))  # JAX deletes shared arrays
        if self._activation_layer is not None:
            self._activation_layer.set_weights(layer._activation_layer.get_weights())

    def call(self, inputs: Tensor) -> Tensor:
        """Apply the layer to `(..., d*in)`."""
        relu = self.activation.is_relu
        codes, scale = (ops.convert_to_tensor(v) for v in (self.codes, self.scale))
        x = phase_matmul.phase_matmul(
            inputs, codes, scale, self.algebra, self._points, self.bias, relu
        )
        return x if relu else self._activate(x)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """`(..., d*units)`."""
        return (*input_shape[:-1], self.algebra.dimension * self.units)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {
            **super().get_config(),
            "units": self.units,
            "use_bias": self.use_bias,
            "phase_bits": self.phase_bits,
            "zeros": self.zeros,
        }


@register
class PhaseCodedDense(PhaseCodedDenseBody, keras.layers.Layer):
    """Dense layer for inference: weights of 1 to 4 bits with one scale for each unit.

    `y_j = activation(s_j sum_i u_ij * x_i + b_j)`, where `u_ij` is one of 2^phase_bits directions
    (`keras_phase.ops.phase_code.code_points`), or 0 with `zeros`. Codes and scales are not trained:
    `keras_phase.quantize.quantize_phases` makes such layers from trained ones. A kernel takes
    `bits/(32 d)` of its bytes in float32, and with the native library, in float32 on a CPU, the
    product is made of table look-ups and additions only.

    Args:
        units: number of output elements; the output's last axis is `d*units`.
        activation: as in `AlgebraDense`.
        use_bias: whether to add a bias, `(d*units,)`.
        phase_bits: bits of a direction.
        zeros: whether elements may be 0, as pruning leaves them; a code then has one bit more.
        algebra: name of an algebra, an `Algebra` or its config.
        **kwargs: of every Keras layer.

    Input shape:
        `(batch, ..., d*in)`.

    Output shape:
        `(batch, ..., d*units)`, in the layer's compute dtype.

    Raises:
        ValueError: if `units` is not positive, the algebra has no code of `phase_bits` bits, or a
            code would have more than 4 bits.

    Example:

    >>> layer = PhaseCodedDense(2, phase_bits=1, use_bias=False, algebra="real")
    >>> layer.build((None, 3))
    >>> layer.set_kernel([[[2.0, 0.5], [-2.0, 0.5], [2.0, -0.5]]])
    >>> tuple(layer.codes.shape)
    (1, 2, 4)
    >>> ops.convert_to_numpy(layer(ops.ones((1, 3)))).tolist()
    [[2.0, 0.5]]
    """
