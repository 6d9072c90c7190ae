"""Every tf_keras twin beside its Keras 3 layer: `python twins.py`, for a process of its own.

Prints one line of JSON: a row for each layer, and the names of those without. Needs tf_keras.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
import tf_keras

import keras_phase
from keras_phase import legacy

IMAGE, SERIES, VOLUME = (9, 10, 4), (12, 4), (5, 6, 5, 4)
# Name: arguments, and the shape of a sample or shapes of several inputs.
CASES = {
    "AlgebraActivation": ({"activation": "cardioid"}, (8,)),
    "AlgebraBatchNormalization": ({"mode": "whitening", "momentum": 0.5}, IMAGE),
    "AlgebraConcatenate": ({}, [(3, 8), (3, 4)]),
    "AlgebraConv1D": ({"filters": 3, "kernel_size": 3, "activation": "relu"}, SERIES),
    "AlgebraConv1DTranspose": ({"filters": 3, "kernel_size": 3, "strides": 2}, SERIES),
    "AlgebraConv2D": ({"filters": 3, "kernel_size": 3, "padding": "same"}, IMAGE),
    "AlgebraConv2DTranspose": ({"filters": 3, "kernel_size": 3}, IMAGE),
    "AlgebraConv3D": ({"filters": 3, "kernel_size": 2}, VOLUME),
    "AlgebraConv3DTranspose": ({"filters": 3, "kernel_size": 2}, VOLUME),
    "AlgebraDense": ({"units": 3, "algebra": "quaternion", "kernel_regularizer": "l2"}, (8,)),
    "AlgebraDepthwiseConv1D": ({"kernel_size": 3}, SERIES),
    "AlgebraDepthwiseConv2D": ({"kernel_size": 3, "depth_multiplier": 2}, IMAGE),
    "AlgebraDropout": ({"rate": 0.5, "seed": 1}, (8,)),
    "AlgebraEmbedding": ({"input_dim": 7, "output_dim": 3}, (5,)),
    "AlgebraFlatten": ({}, IMAGE),
    "AlgebraGRU": ({"units": 3, "dropout": 0.3, "recurrent_dropout": 0.3, "seed": 1}, (5, 8)),
    "AlgebraGRUCell": ({"units": 3}, (5, 8)),
    "AlgebraGroupNormalization": ({"groups": 2, "mode": "scalar"}, IMAGE),
    "AlgebraLSTM": ({"units": 3, "algebra": "quaternion", "return_sequences": True}, (5, 8)),
    "AlgebraLSTMCell": ({"units": 3, "gate": "element"}, (5, 8)),
    "AlgebraLayerNormalization": ({"mode": "scalar"}, IMAGE),
    "AlgebraMultiHeadAttention": (
        {"num_heads": 2, "key_dim": 3, "rotary": True, "use_gate": True},
        [(5, 8), (7, 4)],
    ),
    "AlgebraRMSNormalization": ({}, IMAGE),
    "AlgebraReshape": ({"target_shape": (3, -1)}, (12,)),
    "AlgebraSeparableConv1D": ({"filters": 3, "kernel_size": 3}, SERIES),
    "AlgebraSeparableConv2D": ({"filters": 3, "kernel_size": 3}, IMAGE),
    "AlgebraSimpleRNN": ({"units": 3, "recurrent_unitary": True, "go_backwards": True}, (5, 8)),
    "AlgebraSimpleRNNCell": ({"units": 3}, (5, 8)),
    "AlgebraSpatialDropout1D": ({"rate": 0.5, "seed": 1}, SERIES),
    "AlgebraSpatialDropout2D": ({"rate": 0.5, "seed": 1}, IMAGE),
    "AlgebraSpatialDropout3D": ({"rate": 0.5, "seed": 1}, VOLUME),
    "ChannelNormalization": ({}, IMAGE),
    "ComplexStandardization": ({}, IMAGE),
    "FromAlgebra": ({"to": "squared_norm"}, (8,)),
    "InverseWaveletTransform1D": ({"scales": 2}, (16, 12)),
    "InverseWaveletTransform2D": ({"scales": 1, "angles": 2}, (16, 16, 12)),
    "Modulus": ({"algebra": "quaternion"}, (8,)),
    "ModulusMaxPooling1D": ({}, SERIES),
    "ModulusMaxPooling2D": ({"pool_size": (2, 3)}, IMAGE),
    "ModulusMaxPooling3D": ({}, VOLUME),
    "PhaseCodedDense": ({"units": 3, "phase_bits": 2}, (8,)),
    "PhaseCollapse": ({}, IMAGE),
    "PhaseConv1D": ({"filters": 3, "kernel_size": 3, "amplitude": "element"}, SERIES),
    "PhaseConv2D": ({"filters": 3, "kernel_size": 3, "amplitude": "unit"}, IMAGE),
    "PhaseConv3D": ({"filters": 3, "kernel_size": 2, "amplitude": "one"}, VOLUME),
    "PhaseDense": ({"units": 3, "amplitude": "element"}, (8,)),
    "PhaseEncode": ({}, (8,)),
    "RotaryPhaseEncoding": ({}, (5, 8)),
    "Scattering1D": ({"J": 2}, (32, 1)),
    "Scattering2D": ({"J": 1, "L": 3}, (16, 16, 1)),
    "SpectralConv1D": ({"filters": 3, "kernel_size": 3}, SERIES),
    "SpectralConv2D": ({"filters": 3, "kernel_size": 3}, IMAGE),
    "SpectralConv3D": ({"filters": 3, "kernel_size": 2}, VOLUME),
    "SpectralDense": ({"units": 3, "train_in": None, "algebra": "complex"}, (8,)),
    "ToAlgebra": ({"how": "learned", "hidden_units": 3}, (8,)),
    "WaveletModulus1D": ({}, (32, 2)),
    "WaveletModulus2D": ({"train": "free"}, (16, 16, 2)),
    "WaveletTransform1D": ({}, (32, 2)),
    "WaveletTransform2D": ({}, (16, 16, 2)),
}


def pair(name: str) -> tuple[keras.layers.Layer, tf_keras.layers.Layer]:
    """The Keras 3 layer and its twin; of a cell, the loops over it."""
    arguments, _ = CASES[name]
    ours, twin = getattr(keras_phase.layers, name)(**arguments), getattr(legacy, name)(**arguments)
    if name.endswith("Cell"):
        return keras.layers.RNN(ours), tf_keras.layers.RNN(twin)
    return ours, twin


def inputs_of(name: str) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    shape = CASES[name][1]
    if name == "AlgebraEmbedding":
        return [rng.integers(7, size=(6, *shape))]
    shapes = shape if isinstance(shape, list) else [shape]
    return [rng.normal(size=(6, *s)).astype("float32") for s in shapes]


def call(layer, inputs, **arguments):
    if len(inputs) > 1 and "Concatenate" in type(layer).__name__:
        return layer(inputs, **arguments)
    return layer(*inputs, **arguments)


def step(layer, inputs):
    """Output in training, its gradients, and the output for inference after it."""
    for sublayer in layer._flatten_layers():
        if hasattr(sublayer, "seed_generator"):
            sublayer.seed_generator.state.assign([1, 0])
    with tf.GradientTape() as tape:
        y = call(layer, inputs, training=True)
        weight = tf.reshape(tf.cast(tf.range(tf.size(y)) % 7, y.dtype), tf.shape(y))
        total = tf.reduce_sum(y * weight)
    ours = isinstance(layer, keras.layers.Layer)
    variables = [v.value if ours else v for v in layer.trainable_variables]
    return [y, *tape.gradient(total, variables), call(layer, inputs, training=False)]


def apart(a, b) -> float:
    a, b = np.asarray(a), np.asarray(b)
    return float(np.abs(a - b).max() / (1 + np.abs(a).max()))


def compare(name: str) -> dict:
    """Largest differences: of the twins, and of a model of the twin after each way to save it."""
    inputs = inputs_of(name)
    ours, twin = pair(name)
    call(ours, inputs)
    call(twin, inputs)
    twin.set_weights([v.numpy() for v in ours.weights])
    both = zip(step(ours, inputs), step(twin, inputs), strict=True)
    found = {"apart": max(apart(a, b) for a, b in both)}
    symbols = [tf_keras.Input(x.shape[1:], dtype=x.dtype) for x in inputs]
    model = tf_keras.Model(symbols, call(twin, symbols))
    with tempfile.TemporaryDirectory() as folder:
        # tf_keras cannot read the cell of an `RNN` from HDF5, if it is not one of its own.
        old = [] if name.endswith("Cell") else ["model.h5"]
        for file in ("model.keras", "model", *old):
            model.save(f"{folder}/{file}")
            again = tf_keras.models.load_model(f"{folder}/{file}")
            found[file] = apart(model(inputs), again(inputs))
    again = type(twin).from_config(twin.get_config())
    found["config"] = again.get_config() == twin.get_config()
    return found


def masked() -> float:
    """Difference of the twins of attention where a mask comes with their input."""
    x = inputs_of("AlgebraLSTM")[0]
    x[:, 3:] = 0
    ours, twin = pair("AlgebraMultiHeadAttention")
    keep, keep_too = keras.layers.Masking()(x), tf_keras.layers.Masking()(x)
    ours(keep, keep)
    twin(keep_too, keep_too)
    twin.set_weights([v.numpy() for v in ours.weights])
    without = ours(x, x)
    if apart(ours(keep, keep), without) < 1e-3:
        raise RuntimeError("the mask changes nothing")
    return apart(ours(keep, keep), twin(keep_too, keep_too))


def layers_without_a_twin() -> list[str]:
    layers = {
        name
        for name, cls in vars(keras_phase.layers).items()
        if isinstance(cls, type) and issubclass(cls, keras.layers.Layer)
    }
    return sorted(layers - set(legacy.__all__)) + sorted(set(legacy.__all__) - set(CASES))


if __name__ == "__main__":
    found = {name: compare(name) for name in sorted(CASES)}
    print(json.dumps([found, masked(), layers_without_a_twin()]))
