"""One product everywhere: the same kernel gives the same numbers in every kind of layer."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_phase
from keras_phase import algebras
from keras_phase.pruning import targets
from tests.helpers.tolerances import assert_close

IN, OUT = 3, 5


def dense(algebra, x):
    layer = keras_phase.AlgebraDense(OUT, use_bias=False, algebra=algebra)
    return layer, lambda: layer(x)


def convolution(rank):
    def make(algebra, x):
        layer = getattr(keras_phase, f"AlgebraConv{rank}D")(OUT, 1, use_bias=False, algebra=algebra)
        places = x.reshape(x.shape[0], *(1,) * rank, x.shape[-1])
        return layer, lambda: ops.reshape(layer(places), (x.shape[0], -1))

    return make


def transposed(algebra, x):
    layer = keras_phase.AlgebraConv2DTranspose(OUT, 1, use_bias=False, algebra=algebra)
    return layer, lambda: ops.reshape(layer(x[:, None, None]), (x.shape[0], -1))


def separable(algebra, x):
    """The window multiplies by the unit (where there is one), so only the 1 x 1 part is left."""
    layer = keras_phase.AlgebraSeparableConv2D(OUT, 1, use_bias=False, algebra=algebra)
    layer.build((None, 1, 1, x.shape[-1]))
    window, pointwise = layer.parametrizations
    unit = np.zeros((algebra.dimension, 1, 1, IN, 1), "float32")
    unit[...] = np.reshape(algebra.unit, (-1, 1, 1, 1, 1))
    window.set_kernel(unit)
    return pointwise, lambda: ops.reshape(layer(x[:, None, None]), (x.shape[0], -1))


def recurrent(cls):
    def make(algebra, x):
        layer = cls(OUT, activation="linear", use_bias=False, algebra=algebra)
        return layer, lambda: layer(x[:, None])

    return make


def attention(algebra, x):
    """The values alone: with one key, attention is the value, and the output kernel is the unit."""
    layer = keras_phase.AlgebraMultiHeadAttention(
        1, 2, value_dim=OUT, use_bias=False, output_shape=OUT, algebra=algebra
    )
    sequence = x[:, None]
    layer(sequence, sequence)
    kernels = {p.path.split("/")[-2]: p for p in _parametrizations(layer)}
    identity = np.eye(OUT)[None, None] * np.reshape(algebra.unit, (-1, 1, 1, 1))
    output = kernels["attention_output"]
    output.set_kernel(identity.reshape(algebra.dimension, *output.shape).astype("float32"))
    return kernels["value"], lambda: layer(sequence, sequence)[:, 0]


def _parametrizations(layer):
    return [t.parametrization for t in targets.find(layer)]


LAYERS = {
    "dense": (dense, False),
    "conv1d": (convolution(1), False),
    "conv2d": (convolution(2), False),
    "conv3d": (convolution(3), False),
    "transposed": (transposed, False),
    "simple_rnn": (recurrent(keras_phase.AlgebraSimpleRNN), False),
    "separable": (separable, True),
    "attention": (attention, True),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("algebra", algebras.names())
def test_every_layer_multiplies_from_the_left_by_the_same_table(algebra, name):
    algebra = algebras.get(algebra)
    make, needs_unit = LAYERS[name]
    if needs_unit and not algebra.is_unital:
        pytest.skip(f"{algebra.name} has no unit to leave the other kernel out with")
    d, rng = algebra.dimension, np.random.default_rng(0)
    x = rng.normal(size=(4, d * IN)).astype("float32")
    keras.utils.set_random_seed(0)
    layer, call = make(algebra, x)
    call()
    kernel = rng.normal(size=(d, IN, OUT)).astype("float32")
    if isinstance(layer, keras.layers.Layer):
        layer = _parametrizations(layer)[0]
    layer.set_kernel(kernel.reshape(d, *layer.shape))
    expected = np.einsum(
        "ijk,bjn,inm->bkm", algebra.structure_constants, x.reshape(4, d, IN), kernel
    )
    assert_close(call(), expected.reshape(4, d * OUT))
