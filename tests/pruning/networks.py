"""Small networks and data that the pruning tests share."""

import keras
import numpy as np
from keras import ops

import keras_phase

ALGEBRAS = ("real", "complex", "quaternion", "dual", "cross", "m2r", "octonion")


def stock():
    """Stock layers with kernels of rank 2 to 4, and weights that are not kernels."""
    return keras.Sequential(
        [
            keras.Input((6,), dtype="int32"),
            keras.layers.Embedding(11, 8, name="embedding"),
            keras.layers.Reshape((6, 8, 1)),
            keras.layers.Conv2D(4, 3, name="conv"),
            keras.layers.BatchNormalization(),
            keras.layers.Flatten(),
            keras.layers.Dense(3, name="dense"),
        ]
    )


def network(algebra="complex", units=8, **arguments):
    """Two dense layers over an algebra, between real data and real classes."""
    return keras.Sequential(
        [
            keras.Input((6,)),
            keras_phase.ToAlgebra(algebra=algebra, name="first"),
            keras_phase.AlgebraDense(
                units, activation="relu", algebra=algebra, name="hidden", **arguments
            ),
            keras_phase.AlgebraDense(4, algebra=algebra, name="classes", **arguments),
            keras_phase.FromAlgebra("squared_norm", algebra=algebra, name="norm"),
        ],
        name="network",
    )


def compiled(model, optimizer="adam", **arguments):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"], **arguments)
    return model


def data(size=64):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(size, 6)).astype("float32")
    return x, np.abs(x[:, :4]).argmax(1)


def kernel(layer):
    """The effective kernel `(d, in, out)` of one layer."""
    (p,) = keras_phase.parametrizations.of(layer)
    return ops.convert_to_numpy(p.kernel())


def kernels(model):
    """The effective kernels of a model's layers, by name."""
    return {x.name: kernel(x) for x in model.layers if keras_phase.parametrizations.of(x)}


def zero_fraction(w):
    """Fraction of elements that are wholly zero."""
    return 1 - w.any(axis=0).mean()
