"""How the kernels of different layers read as `(*window, in, out)`.

Nodes, blocks and patterns are about what a kernel sums over (the inputs) and what it makes (the
outputs). Most kernels are stored as `(*window, in, out)`. Those of attention have several axes of
either; those of depthwise convolutions sum over the window and make an output for each input and
multiplier; those of stock transposed convolutions have the outputs before the inputs.
"""

import math
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from ..layers.depthwise_convolution import DepthwiseConvolutionBody
from ..layers.projection import ProjectionBody
from ..parametrizations import Parametrization

Tensor = Any

_TRANSPOSED = (
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
)
_DEPTHWISE = (
    DepthwiseConvolutionBody,
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
)


@dataclass(frozen=True)
class Layout:
    """A kernel's stored axes and what they mean.

    Attributes:
        stored: shape of the kernel, without components.
        shape: `(*window, in, out)`, of as many numbers.
        swapped: whether the last two axes are stored the other way round.
    """

    stored: tuple[int, ...]
    shape: tuple[int, ...]
    swapped: bool = False

    def show(self, w: Tensor) -> Tensor:
        """`(d, *stored)` to `(d, *shape)`."""
        if self.stored == self.shape and not self.swapped:
            return w
        w = ops.swapaxes(w, -1, -2) if self.swapped else w
        return ops.reshape(w, (w.shape[0], *self.shape))

    def hide(self, w: Tensor) -> Tensor:
        """Inverse of `show`; a mask `(1, ..., out)` that broadcasts is spread out."""
        if self.stored == self.shape and not self.swapped:
            return w
        w = ops.broadcast_to(w, (w.shape[0], *self.shape))
        if self.swapped:
            return ops.swapaxes(w, -1, -2)
        return ops.reshape(w, (w.shape[0], *self.stored))


def layout_of(layer: keras.layers.Layer, parametrization: Parametrization) -> Layout:
    """The layout of a kernel of that layer."""
    stored = tuple(parametrization.shape)
    name = parametrization.path.rpartition("/")[2]
    if isinstance(layer, ProjectionBody):
        return _matrix(stored, len(layer.input_elements))
    if isinstance(layer, keras.layers.EinsumDense):
        inputs, letters = layer.equation.partition("->")[0].replace(" ", "").split(",")
        summed = [letter in inputs for letter in letters]
        if summed == sorted(summed, reverse=True) and any(summed) and not all(summed):
            return _matrix(stored, sum(summed))
    if isinstance(layer, _DEPTHWISE) or name == "depthwise_kernel":
        return _matrix(stored, len(stored) - 2)
    if isinstance(layer, _TRANSPOSED):
        return Layout(stored, (*stored[:-2], stored[-1], stored[-2]), swapped=True)
    return Layout(stored, stored)


def _matrix(stored: tuple[int, ...], inputs: int) -> Layout:
    return Layout(stored, (math.prod(stored[:inputs]), math.prod(stored[inputs:])))
