"""Residual networks for small images."""

from typing import Any

import keras

from ..layers.arguments import require_positive
from .blocks import Settings, classify, image_input

Tensor = Any


def resnet(
    input_shape: tuple[int, ...],
    classes: int,
    *,
    algebra: Any = "complex",
    width: int = 16,
    depth: int = 20,
    normalization: str | None = "component",
    activation: Any = "relu",
    kernel_initializer: Any = "he_normal",
    encoder: str = "first",
    method: str = "auto",
    name: str | None = None,
) -> keras.Model:
    """A residual network over an algebra, of the form that its authors used for CIFAR-10.

    A convolution, then three stages of `n = (depth - 2) / 6` blocks with `width`, `2 width` and
    `4 width` elements; the second and third stage begin with strides of 2. A block is
    `relu(x + N(w2 * relu(N(w1 * x))))` with 3 x 3 convolutions and normalisation N; where its shape
    changes, `x` goes through a normalised 1 x 1 convolution. At the end the mean over all places
    and a real dense layer that reads all components (`FromAlgebra("concat")`): a squared norm for
    each class, the way out with the same number of parameters, is never negative, and its
    gradient vanishes where a class has no evidence yet.

    `algebra="real"` is the ordinary network.

    Args:
        input_shape: `(height, width, channels)` of the real images.
        classes: number of logits.
        algebra: name of an algebra, an `Algebra` or its config.
        width: elements of the first stage.
        depth: number of layers on the main path, `6n + 2`.
        normalization: mode of `AlgebraBatchNormalization`, `"component"`, `"scalar"` or
            `"whitening"`, or `"bias_free"`, scalar without gamma and beta; None for biases
            instead.
        activation: of the blocks, see `keras_phase.activations`.
        kernel_initializer: of the convolutions.
        encoder: how real images become algebra-valued, as in `ToAlgebra`: `"first"`, `"learned"`,
            or `"reshape"` for images whose channels are components already.
        method: how products are computed, as in `AlgebraConv2D`.
        name: of the model.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        `(batch, classes)`, logits.

    Raises:
        ValueError: if `depth` is not `6n + 2`, a size is not positive, or a name is unknown.

    Reference:
        He et al., "Deep residual learning for image recognition", arXiv 1512.03385, section 4.2
        (with projections, option B). Hoffmann et al., "AlgebraNets", arXiv 2006.07360.

    Example:

    >>> model = resnet((28, 28, 1), 10, algebra="m2r", width=4, depth=8)
    >>> model.output_shape, model.count_params()
    ((None, 10), 21210)
    """
    require_positive(classes=classes, width=width, depth=depth)
    blocks, rest = divmod(depth - 2, 6)
    if rest or blocks < 1:
        raise ValueError(
            "Expected `depth` to be 6n + 2, two layers and three stages of n blocks with two "
            f"convolutions each: 8, 14, 20, 32, 56. Received: depth={depth}"
        )
    net = Settings.of(algebra, normalization, activation, kernel_initializer, method)
    inputs, x = image_input(input_shape, encoder, net.algebra)
    x = net.convolution(width, 3, 1, "stem")(x)
    x = net.activate(net.normalize(x, "stem"), "stem")
    elements = width
    for stage in range(3):
        for block in range(blocks):
            strides = 2 if stage and not block else 1
            filters = width * 2**stage
            x = _block(
                net, x, filters, strides, filters != elements, f"stage{stage + 1}_block{block + 1}"
            )
            elements = filters
    return keras.Model(inputs, classify(x, classes, net.algebra), name=name)


def bias_free_resnet(
    input_shape: tuple[int, ...],
    classes: int,
    *,
    activation: Any = "relu",
    width: int = 16,
    depth: int = 20,
    algebra: Any = "real",
    name: str | None = None,
) -> keras.Model:
    """A residual network in which nothing but the logits adds a constant.

    It is `resnet` without biases, gammas and betas, in which the effect of the non-linearity shows
    by itself: the paper compares `"relu"`, the absolute value (`"collapse"` here),
    `"soft_threshold"`, `"tanh"` and `"softsign"`. Absolute values collapse signs as moduli collapse
    phases, and keep the accuracy; odd functions keep signs, and lose much of it.

    Args:
        input_shape: `(height, width, channels)` of the images.
        classes: number of logits.
        activation: of the blocks, see `keras_phase.activations`.
        width: elements of the first stage.
        depth: number of layers on the main path, `6n + 2`.
        algebra: name of an algebra, an `Algebra` or its config.
        name: of the model.

    Raises:
        ValueError: as `resnet`.

    Reference:
        Guth, Zarka and Mallat, "Phase collapse in neural networks", arXiv 2110.05283, table 3.

    Example:

    >>> bias_free_resnet((28, 28, 1), 10, activation="collapse", width=4, depth=8).output_shape
    (None, 10)
    """
    return resnet(
        input_shape,
        classes,
        algebra=algebra,
        width=width,
        depth=depth,
        normalization="bias_free",
        activation=activation,
        name=name,
    )


def _block(net: Settings, x: Tensor, filters: int, strides: int, project: bool, at: str) -> Tensor:
    y = net.convolution(filters, 3, strides, f"{at}_conv1")(x)
    y = net.activate(net.normalize(y, f"{at}_conv1"), f"{at}_conv1")
    y = net.convolution(filters, 3, 1, f"{at}_conv2")(y)
    y = net.normalize(y, f"{at}_conv2")
    if project:
        x = net.convolution(filters, 1, strides, f"{at}_shortcut")(x)
        x = net.normalize(x, f"{at}_shortcut")
    return net.activate(keras.layers.Add(name=f"{at}_add")([x, y]), at)
