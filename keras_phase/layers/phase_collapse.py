"""What a phase-collapse network needs beside wavelets: collapse, standardization, l2 norm."""

from typing import Any

import keras
from keras import ops

from ..ops import layout
from ..ops.modulus import in_float32, modulus
from .activation import ActivationHostMixin
from .algebra_layer import ShapePreservingMixin, register
from .batch_normalization import BatchNormalizationBody
from .reshaping import standardize_data_format

Tensor = Any


class PhaseCollapseBody(ActivationHostMixin):
    """The logic of `PhaseCollapse`, for any Keras base class."""

    def __init__(
        self,
        low_pass: int = 0,
        skip: bool = False,
        activation: Any = None,
        *,
        algebra: Any = "complex",
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if not isinstance(low_pass, int) or low_pass < 0:
            raise ValueError(
                "Expected `low_pass` to be a non-negative integer, the number of elements at the "
                f"front that keep their phase. Received: low_pass={low_pass!r}"
            )
        self._set_algebra(algebra)
        self._set_activation(activation)
        self._collapses = activation is None
        self.low_pass = low_pass
        self.skip = skip
        self.data_format = standardize_data_format(data_format)

    @property
    def _channel_axis(self) -> int:
        return 1 if self.data_format == "channels_first" else -1

    def build(self, input_shape: tuple) -> None:
        """Check the channels; create the weights of the activation."""
        n = self._num_elements(input_shape, self._channel_axis)
        if self.low_pass > n:
            raise ValueError(
                f"The layer '{self.name}' (PhaseCollapse) keeps the phase of more elements than "
                f"there are. Expected `low_pass` of at most {n}. Received: "
                f"low_pass={self.low_pass}, input_shape={tuple(input_shape)}"
            )
        if self._activation_layer is not None:
            kept = 0 if self.skip else self.low_pass
            self._activation_layer.build((None, self.algebra.dimension * (n - kept)))
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Collapse the phases of the elements behind the first `low_pass`."""
        last = self._channel_axis == -1
        parts = layout.split(inputs if last else ops.moveaxis(inputs, 1, -1), self._d)
        if self.skip:
            kept, others = parts, parts
        else:
            kept = [p[..., : self.low_pass] for p in parts]
            others = [p[..., self.low_pass :] for p in parts]
        collapsed = self._collapsed(layout.merge(others))
        pairs = zip(kept, collapsed, strict=True)
        y = layout.merge([ops.concatenate(p, axis=-1) for p in pairs])
        return y if last else ops.moveaxis(y, -1, 1)

    @property
    def _d(self) -> int:
        return self.algebra.dimension

    def _collapsed(self, x: Tensor) -> list[Tensor]:
        if not self._collapses:
            return layout.split(self._activate_last(x), self._d)
        moduli = modulus(x, self.algebra)
        return [moduli, *(ops.zeros_like(moduli) for _ in range(self._d - 1))]

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """The input's shape; with `skip`, twice as many channels."""
        shape = list(input_shape)
        shape[self._channel_axis] *= 2 if self.skip else 1
        return tuple(shape)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        config = super().get_config()
        return {
            **config,
            "activation": None if self._collapses else config["activation"],
            "low_pass": self.low_pass,
            "skip": self.skip,
            "data_format": self.data_format,
        }


@register
class PhaseCollapse(PhaseCollapseBody, keras.layers.Layer):
    """Replace elements by their moduli, so that their phases collapse.

    `y = (x_low, |x_high|)`; with `skip`, `y = (x, |x|)` of all elements. A modulus is an element
    whose first component is `|x|` and whose others are 0. Wavelet coefficients of a class whose law
    does not change under translations have mean 0, which no linear classifier can use; their moduli
    have means that tell classes apart.

    For comparison, `activation` puts another non-linearity in the place of the modulus, such as
    those that keep the phase: `"soft_threshold"`, `"modulus_sigmoid"`, `"unit_modulus"` and
    `"amplitude_squash"`, the alternatives of the paper's table 2.

    Args:
        low_pass: number of elements at the front that stay as they are, the low-pass coefficients
            of a `WaveletTransform2D`. Unused with `skip`.
        skip: whether to put the moduli of all elements behind the elements.
        activation: None for the modulus, else an activation of `keras_phase.activations`.
        algebra: name of an algebra, an `Algebra` or its config.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's setting.
        **kwargs: of every Keras layer.

    Input shape:
        `(batch, ..., d*n)`, or `(batch, d*n, ...)` with channels first.

    Output shape:
        The input's; with `skip`, `2*d*n` channels.

    Raises:
        ValueError: if `low_pass` is negative or more than the input's elements, or the activation
            is unknown.

    Reference:
        Guth, Zarka and Mallat, "Phase collapse in neural networks", arXiv 2110.05283.

    Degenerate case: at 0 the modulus and its gradient are 0. In the real algebra it is `abs`.

    Example:

    >>> x = keras.ops.array([[1.0, 3.0, 2.0, -4.0]])  # 1 + 2i, 3 - 4i
    >>> keras.ops.convert_to_numpy(PhaseCollapse(low_pass=1)(x)).tolist()
    [[1.0, 5.0, 2.0, 0.0]]
    """


class StandardizationBody(BatchNormalizationBody):
    """The logic of `ComplexStandardization`, for any Keras base class."""

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        *,
        algebra: Any = "complex",
        **kwargs: Any,
    ):
        super().__init__(
            axis,
            momentum,
            epsilon,
            center=False,
            scale=False,
            algebra=algebra,
            mode="scalar",
            **kwargs,
        )
        # The variance of a modulus is d times the mean one of its components.
        self._given_epsilon = epsilon
        self.epsilon = epsilon / self.algebra.dimension

    def call(self, inputs: Tensor, training: bool | None = None, mask: Any = None) -> Tensor:
        """Standardize by the batch's statistics when training, else by the moving ones."""
        y = super().call(inputs, training=training, mask=mask)
        return y * self.algebra.dimension**-0.5

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        config = super().get_config()
        kept = ("name", "trainable", "dtype", "algebra", "axis", "momentum", "synchronized")
        return {**{k: config[k] for k in kept if k in config}, "epsilon": self._given_epsilon}


@register
class ComplexStandardization(StandardizationBody, keras.layers.Layer):
    """Give every channel mean 0 and mean squared modulus 1 over the batch, without weights.

    `y = (x - E x) / sqrt(E |x - E x|^2 + epsilon)`: one real scale an element, so phases about the
    mean stay. It is `AlgebraBatchNormalization(mode="scalar")` without gamma and beta, divided by
    `sqrt(d)`, and serves any algebra. Running statistics follow Keras: the variance is that of the
    batch, not the unbiased estimate.

    Args:
        axis: the axis that holds the components: -1, or 1 for `channels_first`.
        momentum: of the moving averages, 0.9 (0.1 in the notation of torch).
        epsilon: added to the variance of the modulus.
        algebra: name of an algebra, an `Algebra` or its config.
        **kwargs: of every Keras layer, and `synchronized`.

    Call arguments:
        inputs: `(batch, ..., d*n)`.
        training: whether to standardize by the batch, and move the averages.
        mask: as in `AlgebraBatchNormalization`.

    Input shape:
        `(batch, ..., d*n)`, or with the `d*n` entries along `axis`.

    Output shape:
        The input's.

    Raises:
        ValueError: if the axis does not hold whole elements.

    Reference:
        Guth, Zarka and Mallat, "Phase collapse in neural networks", arXiv 2110.05283.

    Degenerate case: a channel that is constant over the batch becomes 0.

    Example:

    >>> x = keras.ops.array([[1.0, 1.0], [-1.0, -1.0]])
    >>> y = ComplexStandardization()(x, training=True)
    >>> print(keras.ops.convert_to_numpy(y).round(3))
    [[ 0.707  0.707]
     [-0.707 -0.707]]
    """


class ChannelNormalizationBody(ShapePreservingMixin):
    """The logic of `ChannelNormalization`, for any Keras base class."""

    def __init__(
        self, axis: int = -1, epsilon: float = 1e-6, *, algebra: Any = "complex", **kwargs: Any
    ):
        super().__init__(**kwargs)
        if not epsilon > 0:
            raise ValueError(
                "Expected a positive `epsilon`: it is what divides an input of 0. "
                f"Received: epsilon={epsilon}"
            )
        self._set_algebra(algebra)
        self.axis = axis
        self.epsilon = epsilon
        self._channel_axis = axis

    def build(self, input_shape: tuple) -> None:
        """Check the channels."""
        self._num_elements(input_shape, self.axis)
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Divide every place by the norm of its channels."""
        return _normalized(inputs, axis=self.axis, epsilon=self.epsilon)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "axis": self.axis, "epsilon": self.epsilon}


@register
class ChannelNormalization(ChannelNormalizationBody, keras.layers.Layer):
    """Divide the elements of every place by their common l2 norm.

    `y = x / sqrt(sum_c |x_c|^2 + epsilon)`.

    Args:
        axis: the axis of the channels: -1, or 1 for `channels_first`.
        epsilon: added to the squared norm; positive.
        algebra: name of an algebra, an `Algebra` or its config.
        **kwargs: of every Keras layer.

    Input shape:
        `(batch, ..., d*n)`, or with the `d*n` entries along `axis`.

    Output shape:
        The input's.

    Raises:
        ValueError: if `epsilon` is not positive, or the axis does not hold whole elements.

    Reference:
        Guth, Zarka and Mallat, "Phase collapse in neural networks", arXiv 2110.05283 (where
        epsilon is 0).

    Degenerate case: an input of 0 stays 0, with the gradient `1 / sqrt(epsilon)`.

    Example:

    >>> x = keras.ops.array([[3.0, 0.0, 0.0, 4.0]])
    >>> print(keras.ops.convert_to_numpy(ChannelNormalization()(x)).round(4))
    [[0.6 0.  0.  0.8]]
    """


@in_float32
def _normalized(x: Tensor, *, axis: int, epsilon: float) -> Tensor:
    return x * ops.rsqrt(ops.sum(ops.square(x), axis=axis, keepdims=True) + epsilon)
