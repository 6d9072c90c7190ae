"""Real multiplications of every kind of layer, against counts by hand and between the methods."""

import keras
import pytest

import keras_phase
from keras_phase import multiplications
from keras_phase.layers import convolution as conv
from keras_phase.layers import convolution_transpose as transpose
from keras_phase.layers import dense
from keras_phase.layers import depthwise_convolution as depthwise
from keras_phase.layers.attention import AlgebraMultiHeadAttention
from keras_phase.layers.batch_normalization import AlgebraBatchNormalization
from keras_phase.layers.embedding import AlgebraEmbedding
from keras_phase.layers.gru import AlgebraGRU, AlgebraGRUCell
from keras_phase.layers.lstm import AlgebraLSTM, AlgebraLSTMCell
from keras_phase.layers.phase_convolution import PhaseConv2D
from keras_phase.layers.separable_convolution import AlgebraSeparableConv2D
from keras_phase.layers.simple_rnn import AlgebraSimpleRNN
from keras_phase.multiplications import Products
from keras_phase.summary import rows
from tests.helpers.versions import newest_keras

# A layer, the shape of its input, and its products of two elements counted by hand.
PRODUCTS = [
    (dense.AlgebraDense, {"units": 5}, (3, 4), 3 * 4 * 5),
    (dense.PhaseDense, {"units": 5, "amplitude": "unit"}, (3, 4), 3 * 4 * 5),
    (conv.AlgebraConv1D, {"filters": 5, "kernel_size": 3}, (9, 4), 7 * 3 * 4 * 5),
    (
        conv.AlgebraConv1D,
        {"filters": 5, "kernel_size": 3, "padding": "causal", "dilation_rate": 2},
        (9, 4),
        9 * 3 * 4 * 5,
    ),
    (
        conv.AlgebraConv2D,
        {"filters": 6, "kernel_size": (3, 2), "strides": 2, "padding": "same", "groups": 2},
        (9, 8, 4),
        5 * 4 * 6 * (4 // 2) * 6,  # each group sees half of the inputs
    ),
    (conv.AlgebraConv3D, {"filters": 2, "kernel_size": 2}, (3, 4, 5, 3), 2 * 3 * 4 * 8 * 3 * 2),
    (PhaseConv2D, {"filters": 2, "kernel_size": 2}, (3, 4, 3), 2 * 3 * 4 * 3 * 2),
    (
        transpose.AlgebraConv1DTranspose,
        {"filters": 5, "kernel_size": 3, "strides": 2},
        (7, 4),
        7 * 3 * 4 * 5,  # every input meets the whole window
    ),
    (
        transpose.AlgebraConv2DTranspose,
        {"filters": 5, "kernel_size": 3, "strides": 2, "padding": "same"},
        (7, 6, 4),
        7 * 6 * 9 * 4 * 5,
    ),
    (
        depthwise.AlgebraDepthwiseConv2D,
        {"kernel_size": 3, "strides": 2, "padding": "same", "depth_multiplier": 2},
        (7, 6, 4),
        4 * 3 * 9 * 4 * 2,  # no sum over the inputs
    ),
    (depthwise.AlgebraDepthwiseConv1D, {"kernel_size": 3}, (7, 4), 5 * 3 * 4),
    (
        AlgebraSeparableConv2D,
        {"filters": 5, "kernel_size": 3, "depth_multiplier": 2},
        (7, 6, 4),
        5 * 4 * (9 * 4 * 2 + 8 * 5),
    ),
    (AlgebraEmbedding, {"input_dim": 9, "output_dim": 4}, (3,), 0),
    (AlgebraSimpleRNN, {"units": 5}, (7, 4), 7 * (4 + 5) * 5),
    (AlgebraGRU, {"units": 5, "return_sequences": True}, (7, 4), 7 * (4 + 5) * 3 * 5),
    (AlgebraLSTM, {"units": 5}, (7, 4), 7 * (4 + 5) * 4 * 5),
    (AlgebraBatchNormalization, {"mode": "whitening"}, (7, 4), 0),
]
# The stock layers whose names these have.
STOCK = {cls.__name__.removeprefix("Algebra"): (cls, *case) for cls, *case in PRODUCTS}
del STOCK["PhaseDense"], STOCK["PhaseConv2D"], STOCK["BatchNormalization"]
# Real multiplications of a product, by the method.
COSTS = {
    "real": {"expanded": 1, "factored": 1},
    "complex": {"expanded": 4, "factored": 3},
    "quaternion": {"expanded": 16, "factored": 8},
    "m2c": {"expanded": 64, "factored": 21, "matrix": 24},  # 2^3 products of complex numbers
    "octonion": {"expanded": 64},
}


def only_row(layer, shape, dimension=1):
    whole = tuple(dimension * n if i == len(shape) - 1 else n for i, n in enumerate(shape))
    whole = shape if isinstance(layer, AlgebraEmbedding | keras.layers.Embedding) else whole
    (row,) = rows(keras.Sequential([keras.Input(whole), layer]))
    return row


@pytest.mark.parametrize("algebra", COSTS)
@pytest.mark.parametrize(("cls", "arguments", "shape", "count"), PRODUCTS)
def test_multiplications(cls, arguments, shape, count, algebra):
    layer = cls(**arguments, algebra=algebra)
    row = only_row(layer, shape, layer.algebra.dimension)
    costs = COSTS[algebra] if count else {}
    assert row.multiplications == {method: count * cost for method, cost in costs.items()}


@pytest.mark.parametrize("name", STOCK)
def test_multiplications_of_stock_layers(name):
    cls, arguments, shape, count = STOCK[name]
    row = only_row(getattr(keras.layers, name)(**arguments), shape)
    assert row.multiplications.get("expanded", 0) == count
    ours = only_row(cls(**arguments, algebra="real"), shape)
    assert (row.multiplications, row.parameters) == (ours.multiplications, ours.parameters)


def test_multiplications_without_the_last_axis():
    # Channels first; a size that is not known counts as 1.
    layer = conv.AlgebraConv2D(5, 3, data_format="channels_first")
    (row,) = rows(keras.Sequential([keras.Input((4, 7, None)), layer]))
    assert row.multiplications["expanded"] == 4 * (5 * 9 * 2 * 5)
    assert only_row_of(keras.layers.EinsumDense("abc,cde->abde", (None, 2, 3)), (7, 4)) == 7 * 24
    assert only_row_of(keras.layers.EinsumDense("ab...,cb->ac...", (3, None)), (7, 4)) == 7 * 12
    assert only_row_of(keras_phase.ToAlgebra("learned"), (7, 4)) == 7 * (4 * 4 + 4 * 4)
    assert only_row_of(keras.layers.BatchNormalization(), (4,)) is None


@pytest.mark.parametrize(
    ("cls", "arguments", "shape", "count"),
    [
        # Real filters once, complex ones twice, for every real channel; windows are odd.
        ("WaveletTransform2D", {"angles": 3, "window": 5}, (8, 12, 2 * 3), 24 * 6 * 25 * (1 + 6)),
        ("WaveletModulus2D", {"angles": 3, "window": 5}, (8, 12, 2 * 3), 24 * 6 * 25 * (1 + 6)),
        ("WaveletModulus2D", {"window": 5, "low_pass": False}, (8, 12, 4), 24 * 4 * 25 * 8),
        ("WaveletTransform1D", {"bank": "haar", "algebra": "quaternion"}, (8, 8), 4 * 8 * 3 * 2),
    ],
)
def test_multiplications_of_wavelets(cls, arguments, shape, count):
    layer = getattr(keras_phase, cls)(strides=2, **arguments)
    (row,) = rows(keras.Sequential([keras.Input(shape), layer]))
    assert row.multiplications["expanded"] == count


def only_row_of(layer, shape):
    return only_row(layer, shape).multiplications.get("expanded")


@pytest.mark.parametrize(
    ("arguments", "query", "value", "products", "scores"),
    [
        ({}, (5, 6), (7, 6), (5 + 7 + 7 + 5) * 6 * 6, 2 * 5 * 7 * 6),
        (
            {"value_dim": 4, "output_shape": (3,)},
            (5, 6),
            (7, 6),
            5 * 6 * 6 + 7 * 6 * 6 + 7 * 6 * 8 + 5 * 8 * 3,
            2 * 5 * 7 * 7,
        ),
        ({"attention_axes": 2}, (9, 5, 6), (9, 7, 6), 9 * 24 * 36, 9 * 2 * 5 * 7 * 6),
        ({"attention_axes": -2}, (9, 5, 6), (9, 7, 6), 9 * 24 * 36, 9 * 2 * 5 * 7 * 6),
        ({"attention_axes": (1, 2)}, (3, 5, 6), (7, 1, 6), 44 * 36, 2 * 15 * 7 * 6),
    ],
)
@pytest.mark.parametrize("algebra", [None, *COSTS])
def test_multiplications_of_attention(arguments, query, value, products, scores, algebra):
    """Projections are products of the algebra, scores are real, by every method."""
    cls, ours = keras.layers.MultiHeadAttention, {}
    if algebra is not None:
        cls, ours = AlgebraMultiHeadAttention, {"algebra": algebra}
    layer = cls(2, 3, **arguments, **ours)
    d = layer.algebra.dimension if ours else 1
    inputs = [keras.Input((*shape[:-1], d * shape[-1])) for shape in (query, value)]
    (row,) = rows(keras.Model(inputs, layer(*inputs)))
    expected = {m: products * c + d * scores for m, c in COSTS[algebra or "real"].items()}
    assert row.multiplications == expected


@newest_keras("no gate in attention")
def test_multiplications_of_a_gate_are_real():
    layer = AlgebraMultiHeadAttention(2, 3, use_gate=True, algebra="octonion")
    x = keras.Input((5, 8 * 6))
    (row,) = rows(keras.Model(x, layer(x, x)))
    gate = 5 * (8 * 6) * (2 * 3)  # from real channels to a number for each element
    assert row.multiplications == {
        "expanded": 64 * 5 * 4 * 36 + gate + 8 * 2 * 5 * 5 * 6,
    }


def test_multiplications_of_layers_around_layers():
    cells = [AlgebraLSTMCell(3), AlgebraGRUCell(5)]
    rnn = keras.layers.RNN(keras.layers.StackedRNNCells(cells))
    steps = 7 * ((4 + 3) * 4 * 3 + (3 + 5) * 3 * 5)
    assert only_row(rnn, (7, 4), 2).multiplications == {
        "expanded": 4 * steps,
        "factored": 3 * steps,
    }
    both = keras.layers.Bidirectional(keras.layers.LSTM(3))
    assert only_row_of(both, (7, 4)) == 2 * 7 * (4 + 3) * 4 * 3
    each = keras.layers.TimeDistributed(conv.AlgebraConv1D(3, 2))
    assert only_row_of(each, (7, 5, 8)) == 4 * 7 * 4 * 2 * 4 * 3


def test_layers_of_others():
    """A layer with kernels uses them at every place, unless its class is registered."""

    class Mine(keras_phase.AlgebraDense):
        pass

    class Low(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner = keras_phase.AlgebraDense(3)

        def call(self, x):
            return self.inner(x)

    class Other(Low):
        pass

    assert only_row_of(Mine(5), (3, 8)) == 4 * 3 * 4 * 5
    assert only_row_of(Low(), (3, 8)) == 4 * 3 * 4 * 3
    multiplications.products.register(
        Other, lambda layer, shape: [Products(shape[1], layer.inner.algebra)]
    )
    assert only_row_of(Other(), (3, 8)) == 4 * 3
