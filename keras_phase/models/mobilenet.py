"""Networks of depthwise separable convolutions for small images."""

from collections.abc import Sequence
from typing import Any

import keras

from ..layers.arguments import require_positive
from ..layers.depthwise_convolution import AlgebraDepthwiseConv2D
from .blocks import Settings, classify, image_input

# For each block its elements, as a multiple of `width`, and its strides: those of the paper, for
# images of 224 x 224, and the first half of them, for 28 x 28 and 32 x 32.
MOBILENET_BLOCKS = (
    *((2, 1), (4, 2), (4, 1), (8, 2), (8, 1), (16, 2)),
    *((16, 1),) * 5,
    *((32, 2), (32, 1)),
)
_SMALL_BLOCKS = MOBILENET_BLOCKS[:7]


def mobilenet(
    input_shape: tuple[int, ...],
    classes: int,
    *,
    algebra: Any = "complex",
    width: int = 32,
    blocks: Sequence[tuple[int, int]] = _SMALL_BLOCKS,
    strides: int = 1,
    normalization: str | None = "component",
    activation: Any = "relu",
    kernel_initializer: Any = "he_normal",
    encoder: str = "first",
    method: str = "auto",
    name: str | None = None,
) -> keras.Model:
    """A network of depthwise separable convolutions over an algebra (MobileNet, first version).

    A 3 x 3 convolution, then blocks of a 3 x 3 depthwise and a 1 x 1 convolution, each with
    normalisation and activation; at the end as in `resnet` the mean over all places and a real
    dense layer that reads all components. The defaults are the first half of it, for images of
    28 x 28 and 32 x 32; the network of the paper, for 224 x 224, is
    `mobilenet(..., blocks=keras_phase.models.MOBILENET_BLOCKS, strides=2)`.

    `algebra="real"` is the ordinary network.

    Args:
        input_shape: `(height, width, channels)` of the real images.
        classes: number of logits.
        algebra: name of an algebra, an `Algebra` or its config.
        width: elements of the first convolution.
        blocks: for each block its elements, as a multiple of `width`, and its strides.
        strides: of the first convolution.
        normalization: as in `resnet`.
        activation: of every convolution, see `keras_phase.activations`.
        kernel_initializer: of the convolutions but the depthwise ones, which start by He's rule for
            the fan-in that they have, the window. (Keras's names count all elements, too, and would
            make the output as many times smaller.)
        encoder: as in `resnet`.
        method: how products are computed, as in `AlgebraConv2D`.
        name: of the model.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        `(batch, classes)`, logits.

    Raises:
        ValueError: if `blocks` are no pairs of positive integers, a size is not positive, or a name
            is unknown.

    Reference:
        Howard et al., "MobileNets", arXiv 1704.04861, table 1. Hoffmann et al., "AlgebraNets",
        arXiv 2006.07360.

    Example:

    >>> model = mobilenet((28, 28, 1), 10, algebra="quaternion", width=4, blocks=[(2, 2), (4, 2)])
    >>> model.output_shape, model.count_params()
    ((None, 10), 2506)
    """
    require_positive(classes=classes, width=width, strides=strides)
    for block in blocks:
        if not isinstance(block, list | tuple) or len(block) != 2 or min(map(int, block)) < 1:
            raise ValueError(
                "Expected `blocks` to be pairs of positive integers: elements as a multiple of "
                f"`width`, and strides. Received: blocks={blocks!r}"
            )
    net = Settings.of(algebra, normalization, activation, kernel_initializer, method)
    inputs, x = image_input(input_shape, encoder, net.algebra)
    x = net.convolution(width, 3, strides, "stem")(x)
    x = net.activate(net.normalize(x, "stem"), "stem")
    elements = width
    for i, (multiple, step) in enumerate(blocks, start=1):
        window = {**net.window(step), "depthwise_initializer": _he_normal(elements)}
        del window["kernel_initializer"]
        x = AlgebraDepthwiseConv2D(3, name=f"block{i}_depthwise", **window)(x)
        x = net.activate(net.normalize(x, f"block{i}_depthwise"), f"block{i}_depthwise")
        elements = multiple * width
        x = net.convolution(elements, 1, 1, f"block{i}_pointwise")(x)
        x = net.activate(net.normalize(x, f"block{i}_pointwise"), f"block{i}_pointwise")
    return keras.Model(inputs, classify(x, classes, net.algebra), name=name)


def _he_normal(elements: int) -> keras.initializers.Initializer:
    """He's rule for a depthwise kernel `(*window, elements, 1)`, whose fan-in is the window."""
    return keras.initializers.VarianceScaling(2.0 * elements, "fan_in", "truncated_normal")
