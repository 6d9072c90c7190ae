"""Activations as a layer, and for layers that host one."""

from typing import Any

import keras
from keras import ops

from .. import activations
from ..activations.base import Split
from .algebra_layer import AlgebraLayerMixin, ShapePreservingMixin, register

Tensor = Any


class ActivationBody(ShapePreservingMixin):
    """The logic of `AlgebraActivation`, for any Keras base class."""

    def __init__(self, activation: Any, *, algebra: Any = "complex", **kwargs: Any):
        super().__init__(**kwargs)
        self._set_algebra(algebra)
        self.activation = activations.get(activation, self.algebra)
        self.supports_masking = True
        self._activation_weights: list = []

    def build(self, input_shape: tuple) -> None:
        """Create one number an element for each weight of the activation."""
        n = self._num_elements(input_shape)
        self._activation_weights = [
            self.add_weight(name=spec.name, shape=(n,), initializer=spec.initializer)
            for spec in self.activation.weight_specs
        ]
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Apply the activation to `(..., d*n)`."""
        return self.activation(inputs, *self._activation_weights, algebra=self.algebra)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "activation": activations.serialize(self.activation)}


@register
class AlgebraActivation(ActivationBody, keras.layers.Layer):
    """Apply an activation to algebra-valued inputs.

    Args:
        activation: name of an activation of `keras_phase.activations`, else of Keras (applied to
            each component), or a callable. Parametric ones (`"modrelu"`) own one number an element,
            `(n,)`.
        algebra: name of an algebra, an `Algebra` or its config.
        **kwargs: of every Keras layer.

    Input shape:
        `(batch, ..., d*n)`.

    Output shape:
        The input's.

    Raises:
        ValueError: if the activation is unknown, or makes no sense in the algebra.

    Example:

    >>> import keras
    >>> layer = AlgebraActivation("zrelu")
    >>> keras.ops.convert_to_numpy(layer(keras.ops.array([[1.0, -1.0, 2.0, 3.0]]))).tolist()
    [[1.0, 0.0, 2.0, 0.0]]
    """


class ActivationHostMixin(AlgebraLayerMixin):
    """For layers with an `activation`; a parametric one becomes the sub-layer `activation`."""

    def _set_activation(self, activation: Any) -> None:
        self.activation = activations.get(activation, self.algebra)
        self._activation_layer = None
        if self.activation.weight_specs:
            self._activation_layer = AlgebraActivation(
                self.activation, algebra=self.algebra, name="activation", dtype=self.dtype_policy
            )

    def _build_activation(self, shape: tuple) -> None:
        if self._activation_layer is not None:
            if self._channel_axis != -1:
                shape = (shape[0], *shape[2:], shape[1])
            self._activation_layer.build(shape)

    def _activate(self, x: Tensor) -> Tensor:
        if self._channel_axis == -1 or isinstance(self.activation, Split):
            return self._activate_last(x)
        x = self._activate_last(ops.moveaxis(x, self._channel_axis, -1))
        return ops.moveaxis(x, -1, self._channel_axis)

    def _activate_last(self, x: Tensor) -> Tensor:
        if self._activation_layer is not None:
            return self._activation_layer(x)
        return self.activation(x, algebra=self.algebra)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "activation": activations.serialize(self.activation)}
