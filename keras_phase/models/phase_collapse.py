"""Networks whose only spatial filters are wavelets, and whose non-linearity is the modulus."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from ..layers.arguments import require_positive
from ..layers.conversion import FromAlgebra
from ..layers.convolution import AlgebraConv2D
from ..layers.phase_collapse import ChannelNormalization, ComplexStandardization, PhaseCollapse
from ..layers.scattering import Scattering2D
from ..layers.wavelet import WaveletTransform2D
from ..wavelets import filter_bank

Tensor = Any

_HALVES = ("half_octave_even", "half_octave_odd")

# The networks of the paper: filter bank and width of every block, and the number of angles.
PHASE_COLLAPSE: Mapping[str, Mapping[str, Any]] = {
    "cifar10": {
        "blocks": _HALVES * 4,
        "widths": (64, 128, 256, 512, 512, 512, 512, 512),
        "angles": 4,
    },
    "imagenet": {
        "blocks": ("morlet", *_HALVES * 5),
        "widths": (32, 64, 64, 128, 256, 512, 512, 512, 512, 512, 256),
        "angles": 8,
    },
}


def phase_collapse_network(
    input_shape: tuple[int, ...],
    classes: int,
    *,
    blocks: int | Sequence[str] | None = None,
    widths: Sequence[int] = (32, 64, 128),
    angles: int = 4,
    skip: bool = True,
    nonlinearity: Any = None,
    window: int | None = None,
    kernel_initializer: Any = "unitary",
    epsilon: float = 1e-6,
    name: str | None = None,
) -> keras.Model:
    """A classifier of images by wavelets, moduli and learned 1 x 1 operators.

    Every block is `x -> N(P(S(rho(W x))))`: W is the wavelet transform of every channel, `rho`
    collapses phases (`PhaseCollapse`), S standardizes, P is a complex 1 x 1 convolution without
    bias, the only thing that is learned, and N divides every place by the norm of its channels. At
    the end real and imaginary parts are normalised over the batch, flattened and classified by a
    dense layer.

    The networks of the paper are `phase_collapse_network(shape, classes, **PHASE_COLLAPSE[name])`
    with the name `"cifar10"` (shape 32 x 32 x 3) or `"imagenet"` (224 x 224 x 3). They have 12.25 M
    trained real numbers without and 24.46 M with skip, and 29.05 M and 53.50 M.

    Args:
        input_shape: `(height, width, channels)` of the real images.
        classes: number of logits.
        blocks: the filter bank of every block, or their number: ordinary octaves then. A block
            halves the image, but for a `"half_octave_even"` one.
        widths: complex channels behind each block.
        angles: number of orientations.
        skip: whether the coefficients stay beside their moduli, those of the low-pass filter
            included; else all but the low-pass ones are replaced.
        nonlinearity: None for the modulus; an activation that keeps the phase, such as
            `"soft_threshold"`, for comparison.
        window: odd size of the filters; None holds all but 1e-6 of their energy. Where an image has
            become too small for that, it is the largest that its reflection fills.
        kernel_initializer: of the 1 x 1 operators.
        epsilon: of the division by the norm.
        name: of the model.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        `(batch, classes)`, logits.

    Raises:
        ValueError: if blocks and widths differ in number, a size is not positive, or the image is
            too small for that many blocks.

    Reference:
        Guth, Zarka and Mallat, "Phase collapse in neural networks", arXiv 2110.05283. Sizes are
        divided by 2 and rounded down; the authors' code also loses a pixel of odd images in even
        blocks.

    Example:

    >>> model = phase_collapse_network((28, 28, 1), 10, widths=(4, 8))
    >>> model.output_shape, sum(w.shape.num_elements() for w in model.trainable_weights)
    ((None, 10), 8602)
    """
    require_positive(classes=classes, angles=angles)
    banks = _banks(blocks, widths)
    if len(input_shape) != 3 or not all(isinstance(n, int) for n in input_shape):
        raise ValueError(
            "Expected `input_shape` to be (height, width, channels), all known: the classifier "
            f"has a weight for every place. Received: input_shape={input_shape}"
        )
    inputs = keras.Input(tuple(input_shape), name="images")
    x, algebra, elements = inputs, "real", input_shape[-1]
    for i, (bank, width) in enumerate(zip(banks, widths, strict=True), start=1):
        at = f"block{i}"
        places = tuple(x.shape[1:3])
        stride = 1 if bank == "half_octave_even" else 2
        if min(places) < 2:
            raise ValueError(
                f"The image has shrunk to {places} before block {i}. Expected at least "
                f"{_least(banks)} pixels along each axis for {len(banks)} blocks, or fewer blocks. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        size = window or filter_bank(bank, angles=angles).window[0]
        x = WaveletTransform2D(
            bank,
            angles=angles,
            strides=stride,
            window=min(size, 2 * min(places) - 1),
            algebra=algebra,
            data_format="channels_last",
            name=f"{at}_wavelets",
        )(x)
        collapse = PhaseCollapse(
            elements, skip, nonlinearity, data_format="channels_last", name=f"{at}_collapse"
        )
        x = ComplexStandardization(name=f"{at}_standardization")(collapse(x))
        x = AlgebraConv2D(
            width,
            1,
            use_bias=False,
            kernel_initializer=kernel_initializer,
            data_format="channels_last",
            name=f"{at}_operator",
        )(x)
        x = ChannelNormalization(epsilon=epsilon, name=f"{at}_norm")(x)
        algebra, elements = "complex", width
    x = FromAlgebra("concat", name="from_algebra")(x)
    return keras.Model(inputs, _classify(x, classes), name=name)


def learned_scattering(input_shape: tuple[int, ...], classes: int, **arguments: Any) -> keras.Model:
    """The network without skip: a scattering transform with learned operators in between.

    `phase_collapse_network(skip=False)`: low-pass coefficients and moduli only.

    Args:
        input_shape: `(height, width, channels)` of the real images.
        classes: number of logits.
        **arguments: of `phase_collapse_network`.

    Reference:
        Zarka, Guth and Mallat, "Separation and concentration in deep networks", arXiv 2012.10424.
    """
    return phase_collapse_network(input_shape, classes, skip=False, **arguments)


def scattering_classifier(
    input_shape: tuple[int, ...],
    classes: int,
    *,
    J: int = 2,
    L: int = 8,
    max_order: int = 2,
    name: str | None = None,
) -> keras.Model:
    """The baseline without learned operators: scattering coefficients and a dense layer.

    Args:
        input_shape: `(height, width, channels)` of the real images.
        classes: number of logits.
        J: log2 of the averaging's support.
        L: number of angles.
        max_order: 1 or 2.
        name: of the model.

    Raises:
        ValueError: as `Scattering2D`.

    Reference:
        Bruna and Mallat, "Invariant scattering convolution networks", arXiv 1203.1513.

    Example:

    >>> scattering_classifier((28, 28, 1), 10, J=2, L=4).count_params()
    12360
    """
    require_positive(classes=classes)
    inputs = keras.Input(tuple(input_shape), name="images")
    scattering = Scattering2D(J, L, max_order, data_format="channels_last", name="scattering")
    return keras.Model(inputs, _classify(scattering(inputs), classes), name=name)


def _classify(x: Tensor, classes: int) -> Tensor:
    x = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name="normalization")(x)
    x = keras.layers.Flatten(data_format="channels_last", name="flatten")(x)
    return keras.layers.Dense(classes, name="logits")(x)


def _banks(blocks: int | Sequence[str] | None, widths: Sequence[int]) -> tuple[str, ...]:
    require_positive(**{f"widths[{i}]": width for i, width in enumerate(widths)})
    banks = len(widths) if blocks is None else blocks
    banks = ("morlet",) * banks if isinstance(banks, int) else tuple(banks)
    if len(banks) != len(widths) or not banks:
        raise ValueError(
            "Expected as many `blocks` as `widths`, at least one: each block ends in an operator "
            f"of its width. Received: {len(banks)} blocks, {len(widths)} widths"
        )
    return banks


def _least(banks: Sequence[str]) -> int:
    """The smallest image that all blocks take."""
    size = 2
    for bank in banks[-2::-1]:
        size *= 1 if bank == "half_octave_even" else 2
    return size
