"""What the image networks share: checks, convolution with normalisation, and the two ends."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from .. import algebras
from ..algebras import Algebra
from ..layers.activation import AlgebraActivation
from ..layers.batch_normalization import AlgebraBatchNormalization
from ..layers.conversion import FromAlgebra, ToAlgebra
from ..layers.convolution import AlgebraConv2D
from ..registry import Registry

Tensor = Any


def _batch_normalization(mode: str) -> Callable[..., keras.layers.Layer]:
    # The statistics of inference follow the last ten batches: small networks train for few steps.
    return lambda **settings: AlgebraBatchNormalization(momentum=0.9, mode=mode, **settings)


NORMALIZATIONS = Registry("normalization")
for _mode in ("component", "scalar", "whitening"):
    NORMALIZATIONS.add(_mode, _batch_normalization(_mode))
# Without gamma and beta: nothing in the network adds a constant.
NORMALIZATIONS.add(
    "bias_free",
    functools.partial(
        AlgebraBatchNormalization, momentum=0.9, mode="scalar", center=False, scale=False
    ),
)

ENCODERS = ("first", "learned", "reshape")


@dataclass(frozen=True)
class Settings:
    """What all layers of one network have in common.

    Attributes:
        algebra: the `Algebra`.
        normalization: a name in `NORMALIZATIONS`, or None.
        activation: of every block.
        kernel_initializer: of the convolutions.
        method: of the products.
    """

    algebra: Algebra
    normalization: str | None
    activation: Any
    kernel_initializer: Any
    method: str

    @classmethod
    def of(cls, algebra: Any, normalization: str | None, *others: Any) -> "Settings":
        """Settings from what users write.

        Raises:
            ValueError: if the algebra or the normalization is unknown.
        """
        if normalization is not None:
            NORMALIZATIONS.get(normalization)
        return cls(algebras.get(algebra), normalization, *others)

    def convolution(self, filters: int, size: int, strides: int, name: str) -> AlgebraConv2D:
        """A convolution; it has a bias where no normalisation follows."""
        return AlgebraConv2D(filters, size, name=name, **self.window(strides))

    def window(self, strides: int) -> dict[str, Any]:
        """Arguments of every layer with a window."""
        return {
            "strides": strides,
            "padding": "same",
            "data_format": "channels_last",
            "use_bias": self.normalization is None,
            "kernel_initializer": self.kernel_initializer,
            "algebra": self.algebra,
            "method": self.method,
        }

    def normalize(self, x: Tensor, name: str) -> Tensor:
        """Normalise over the batch, if at all."""
        if self.normalization is None:
            return x
        make = NORMALIZATIONS.get(self.normalization)
        return make(algebra=self.algebra, name=f"{name}_norm")(x)

    def activate(self, x: Tensor, name: str) -> Tensor:
        """Apply the activation."""
        layer = AlgebraActivation(self.activation, algebra=self.algebra, name=f"{name}_activation")
        return layer(x)


def image_input(input_shape: tuple[int, ...], encoder: str, algebra: Algebra) -> tuple:
    """An input of real images and the first algebra-valued tensor.

    Raises:
        ValueError: if the shape is not `(height, width, channels)`, or the encoder is unknown.
    """
    known = len(input_shape) == 3 and isinstance(input_shape[-1], int)
    if not known:
        raise ValueError(
            "Expected `input_shape` to be (height, width, channels), without the batch, height and "
            f"width None where they vary. Received: input_shape={input_shape}"
        )
    if encoder not in ENCODERS:
        raise ValueError(
            f"Expected `encoder`, the way of real images into the algebra, to be one of {ENCODERS} "
            f"(see `ToAlgebra`). Received: encoder={encoder!r}"
        )
    inputs = keras.Input(tuple(input_shape), name="images")
    return inputs, ToAlgebra(encoder, algebra=algebra, name="to_algebra")(inputs)


def classify(x: Tensor, classes: int, algebra: Algebra) -> Tensor:
    """Real logits: the mean over all places, all components as real numbers, one dense layer."""
    pool = keras.layers.GlobalAveragePooling2D(data_format="channels_last", name="pool")
    x = FromAlgebra("concat", algebra=algebra, name="from_algebra")(pool(x))
    return keras.layers.Dense(classes, name="logits")(x)
