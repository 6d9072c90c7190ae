"""Real multiplications of a layer, for one sample, by each product method.

What is counted: kernels times inputs, and in attention queries times keys and weights times values.
Numbers multiplied one by one, as in normalisation, activations and gates, are not. Windows that
reach over the edge count in full, and so do masked scores and steps.

`products` knows the layers by their classes. A layer that is neither known nor made of layers that
are can be made known: `products.register(MyLayer, rule)`.
"""

import functools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers, tree

from . import algebras, parametrizations
from .algebras import Algebra
from .layers.attention import MultiHeadAttentionBody
from .layers.conversion import ToAlgebraBody
from .layers.convolution import ConvolutionBody
from .layers.convolution_transpose import ConvolutionTransposeBody
from .layers.dense import DenseBody
from .layers.depthwise_convolution import DepthwiseConvolutionBody
from .layers.embedding import EmbeddingBody
from .layers.projection import ProjectionBody
from .layers.recurrent_cell import CellBody
from .layers.separable_convolution import SeparableConvolutionBody
from .layers.wavelet_body import WaveletBody
from .ops import dispatch

# Real multiplications of one product of two elements, by method.
METHODS: dict[str, Callable[[Algebra], int]] = {
    "expanded": lambda a: a.dimension**2,
    "factored": lambda a: a.rank,
    "matrix": lambda a: a.matrix.n**3 * (a.matrix.entry.rank or a.matrix.entry.dimension**2),
}

REAL = algebras.get("real")


def of(layer: keras.layers.Layer) -> dict[str, int]:
    """Real multiplications of one sample, by the name of the method.

    The methods are those that serve the layer's algebra; products in another one, which a method
    cannot serve, count as expanded. A layer that a model calls several times counts as if called
    once, a size that is not known as 1.

    Args:
        layer: a layer; one that is not built, or multiplies nothing, gives no methods.

    Example:

    >>> from keras_phase import AlgebraDense
    >>> layer = AlgebraDense(3, algebra="quaternion")
    >>> layer.build((None, 4 * 5))
    >>> of(layer)
    {'expanded': 240, 'factored': 120}
    """
    found = _found(layer)
    if not found:
        return {}
    main = max((p.algebra for p in found), key=lambda algebra: algebra.dimension)
    return {
        method: sum(p.count * _cost(method, p.algebra) for p in found)
        for method in METHODS
        if _serves(method, main)
    }


def _cost(method: str, algebra: Algebra) -> int:
    return METHODS[method if _serves(method, algebra) else "expanded"](algebra)


def _serves(method: str, algebra: Algebra) -> bool:
    return dispatch.METHODS.get(method).unavailable(algebra) is None


@dataclass(frozen=True)
class Products:
    """So many products of two elements.

    Attributes:
        count: how many.
        algebra: of the elements.
    """

    count: int
    algebra: Algebra = REAL


@functools.singledispatch
def products(layer: keras.layers.Layer, *shapes: tuple) -> list[Products]:
    """The products that a layer computes for one sample.

    Of layers that are not known, one with an attribute `parametrizations` uses each of its kernels
    once at every place of its output; any other computes what the layers inside it do.

    Args:
        layer: a built layer.
        *shapes: of its inputs, with the batch; a size that is not known counts as 1.
    """
    if getattr(layer, "parametrizations", None):
        return _at_output_places(layer, *shapes)
    return [p for x in parametrizations.sublayers(layer) for p in _found(x)]


def _found(layer: keras.layers.Layer) -> list[Products]:
    shapes = _input_shapes(layer)
    return products(layer, *shapes) if layer.built and shapes else []


def _register(*classes: type) -> Callable:
    def decorate(rule: Callable) -> Callable:
        for cls in classes:
            products.register(cls, rule)
        return rule

    return decorate


def _times(count: int, found: Iterable[Products]) -> list[Products]:
    return [Products(count * p.count, p.algebra) for p in found]


def _size(shape: Iterable[int | None]) -> int:
    return math.prod(1 if n is None else n for n in shape)


def _places(layer: keras.layers.Layer, shape: tuple) -> int:
    channels_first = getattr(layer, "data_format", None) == "channels_first"
    return _size(shape[2:] if channels_first else shape[1:-1])


@_register(CellBody, layers.LSTMCell, layers.GRUCell, layers.SimpleRNNCell)
def _once(layer: keras.layers.Layer, *shapes: tuple) -> list[Products]:
    return [Products(math.prod(p.shape), p.algebra) for p in parametrizations.of(layer)]


@_register(DenseBody, ToAlgebraBody, ConvolutionTransposeBody, layers.Dense)
@_register(layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
def _at_input_places(layer: keras.layers.Layer, shape: tuple, *others: tuple) -> list[Products]:
    return _times(_places(layer, shape), _once(layer))


@_register(ConvolutionBody, DepthwiseConvolutionBody, SeparableConvolutionBody)
@_register(layers.Conv1D, layers.Conv2D, layers.Conv3D, layers.DepthwiseConv1D)
@_register(layers.DepthwiseConv2D, layers.SeparableConv1D, layers.SeparableConv2D)
def _at_output_places(layer: keras.layers.Layer, *shapes: tuple) -> list[Products]:
    return _times(_places(layer, layer.compute_output_shape(*shapes)), _once(layer))


@_register(EmbeddingBody, layers.Embedding)
def _none(layer: keras.layers.Layer, *shapes: tuple) -> list[Products]:
    return []


@_register(ProjectionBody)
def _projection(layer: Any, shape: tuple) -> list[Products]:
    return _times(_size(shape[1 : -len(layer.input_elements)]), _once(layer))


@_register(WaveletBody)
def _filters(layer: Any, shape: tuple) -> list[Products]:
    """Filtering by definition: every part of the signal with every part of the filters."""
    low = 1 if getattr(layer, "low_pass", True) else 0
    responses = low + layer.bank.wavelets * (1 if layer.bank.is_real else 2)
    taps = math.prod(layer.bank.window)
    channels = shape[1 if layer.data_format == "channels_first" else -1]
    return [
        Products(_places(layer, layer.compute_output_shape(shape)) * channels * taps * responses)
    ]


@_register(layers.EinsumDense)
def _einsum(layer: Any, shape: tuple) -> list[Products]:
    """Every input with each kernel entry of the same letters."""
    inputs, kernel = layer.equation.partition("->")[0].replace(" ", "").split(",")
    sizes = zip(kernel, layer.kernel.shape, strict=True)
    return [Products(_size(shape[1:]) * _size(n for letter, n in sizes if letter not in inputs))]


@_register(MultiHeadAttentionBody, layers.MultiHeadAttention)
def _attention(layer: Any, query: tuple, value: tuple, *key: tuple) -> list[Products]:
    d = getattr(layer, "algebra", REAL).dimension
    axes = layer.attention_axes
    axes = range(1, len(query) - 1) if axes is None else [axes] if isinstance(axes, int) else axes
    pairs = _size(query[1:-1]) * _size(value[a] for a in axes)
    scores = Products(pairs * layer.num_heads * d * (layer.key_dim + layer.value_dim))
    last = layer.output_dense  # the stock layer builds it without the sizes of the positions
    inner = [p for x in parametrizations.sublayers(layer) if x is not last for p in _found(x)]
    heads = (*query[:-1], layer.num_heads, d * layer.value_dim)
    return [*inner, scores, *products(last, heads)]


@_register(layers.RNN)
def _recurrent(layer: Any, sequences: tuple, *states: tuple) -> list[Products]:
    cell = layer.cell
    return _times(sequences[1] or 1, products(cell, (sequences[0], *sequences[2:])))


@_register(layers.TimeDistributed)
def _at_time_steps(layer: Any, sequences: tuple) -> list[Products]:
    return _times(sequences[1] or 1, products(layer.layer, (sequences[0], *sequences[2:])))


def _input_shapes(layer: keras.layers.Layer) -> list[tuple]:
    """Shapes of the inputs with the batch; those of the graph, else those that it was built for."""
    config = (layer.get_build_config() or {}) if layer.built else {}
    built = list(config.get("shapes_dict", {}).values()) or [config.get("input_shape")]
    built = [tuple(shape) for shape in built if shape is not None]
    try:
        shapes = [tuple(x.shape) for x in tree.flatten(layer.input)]
    except (AttributeError, ValueError):  # not in a graph, or called several times
        return built
    return shapes if len(shapes) == len(built) or not built else built
