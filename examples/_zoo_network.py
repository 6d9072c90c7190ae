"""One small convolutional network over any algebra, at a given number of real parameters.

    ToAlgebra(learned) - 3 x (3 x 3 convolution with stride 2, batch normalisation, ReLU)
    - mean over the image - all components - 10 classes

The other components of an element are functions of the pixel that the network learns. (If they
started at 0, matrices would have one column only, which products from the left never mix with the
others: a real network again.)
"""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import keras

import keras_phase
from keras_phase import algebras

CLASSES, WINDOW, HIDDEN = 10, 3, 8
# Elements of the three convolutions, to one another.
PROPORTIONS = (1.0, 1.5, 2.0)
TOLERANCE = 0.03


def network(
    image_shape: tuple[int, ...],
    widths: Sequence[int],
    algebra: str,
    *,
    initializer: Any = "he_normal",
    normalization: str | None = "component",
) -> keras.Model:
    """The network; `widths` count elements.

    Args:
        image_shape: `(height, width, channels)`.
        widths: elements of the three convolutions.
        algebra: name of an algebra.
        initializer: of the convolutions' kernels.
        normalization: mode of `AlgebraBatchNormalization`, None for biases instead.
    """
    x = inputs = keras.Input(image_shape)
    x = keras_phase.ToAlgebra("learned", algebra=algebra, hidden_units=HIDDEN)(x)
    for i, width in enumerate(widths):
        x = keras_phase.AlgebraConv2D(
            width,
            WINDOW,
            strides=2,
            padding="same",
            use_bias=normalization is None,
            kernel_initializer=initializer,
            algebra=algebra,
            name=f"convolution_{i}",
        )(x)
        if normalization is not None:
            x = keras_phase.AlgebraBatchNormalization(
                algebra=algebra, mode=normalization, momentum=0.9
            )(x)
        x = keras_phase.AlgebraActivation("relu", algebra=algebra)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras_phase.FromAlgebra("concat", algebra=algebra)(x)
    return keras.Model(inputs, keras.layers.Dense(CLASSES, name="classes")(x))


def is_convolution(layer: keras.layers.Layer) -> bool:
    """Whether the layer is one of the three that are pruned."""
    return isinstance(layer, keras_phase.AlgebraConv2D)


def trainable(model: keras.Model) -> int:
    """Real numbers that training changes; moving averages are not among them."""
    return sum(math.prod(v.shape) for v in model.trainable_variables)


def parameters(widths: Sequence[int], algebra: str, channels: int = 1) -> int:
    """What `trainable` says of that network, without building it."""
    d = algebras.get(algebra).dimension
    entrance = HIDDEN * (channels + 1) + (HIDDEN + 1) * (d - 1) * channels if d > 1 else 0
    sizes = (channels, *widths)
    kernels = WINDOW**2 * d * sum(a * b for a, b in itertools.pairwise(sizes))
    return entrance + kernels + 2 * d * sum(widths) + CLASSES * (d * widths[-1] + 1)


def widths_for(algebra: str, budget: int, channels: int = 1) -> tuple[int, ...]:
    """The widths nearest to `PROPORTIONS` among those within 1 % of the budget, or else nearest it.

    Each convolution has its own: a single width for all, as `keras_phase.models.width_for` finds,
    comes no closer than 20 % where an element is 16 numbers.

    Raises:
        ValueError: if no network is within `TOLERANCE` of the budget.
    """
    scale = 1.0
    while parameters([scale * p for p in PROPORTIONS], algebra, channels) < budget:
        scale *= 1.01
    ideal = [scale * p for p in PROPORTIONS]
    ranges = [range(max(1, int(0.6 * w)), int(1.5 * w) + 2) for w in ideal]

    def cost(widths: tuple[int, ...]) -> tuple[float, float]:
        off = abs(parameters(widths, algebra, channels) / budget - 1)
        shape = sum((w / i - 1) ** 2 for w, i in zip(widths, ideal, strict=True))
        return max(off, 0.01), shape

    widths = min(itertools.product(*ranges), key=cost)
    count = parameters(widths, algebra, channels)
    if abs(count / budget - 1) > TOLERANCE:
        raise ValueError(
            f"No network over '{algebra}' has {budget} real parameters within {TOLERANCE:.0%}: "
            f"the nearest has {count}. Ask for more. Received: budget={budget}"
        )
    return widths
