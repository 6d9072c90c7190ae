"""Gradients of the backend in float64, compared with central finite differences."""

import contextlib

import keras
import numpy as np

# The widest dtype that Keras computes in on this backend.
DOUBLE = "float32" if keras.backend.backend() == "jax" else "float64"


def gradients(function, *arrays):
    """Gradients of `sum(function(*arrays))` by every array, as NumPy arrays, on any backend."""
    return _GRADIENTS[keras.backend.backend()](function, arrays)


def finite_differences(function, *arrays, step=1e-6):
    """The same by central differences, one entry at a time."""

    def total(position, flat):
        moved = list(arrays)
        moved[position] = flat.reshape(np.shape(arrays[position]))
        return float(_total(function, [keras.ops.convert_to_tensor(a) for a in moved]))

    slopes = []
    for position, array in enumerate(arrays):
        slope = np.zeros(np.size(array))
        for entry in range(slope.size):
            shift = np.zeros(slope.size)
            shift[entry] = step
            above, below = (total(position, np.ravel(array) + s) for s in (shift, -shift))
            slope[entry] = (above - below) / (2 * step)
        slopes.append(slope.reshape(np.shape(array)))
    return slopes


def check_gradient(function, *arrays, rtol=1e-6, atol=1e-7, step=1e-6):
    """Assert that the gradients of `function` by every array are finite and right.

    Outputs are summed with fixed random weights, so that errors of different outputs cannot cancel.
    On JAX some Keras operations (arctan2, tanh) compute in float32 always: mark such tests
    `tensorflow`.

    Args:
        function: takes one tensor an array, returns a tensor or a structure of tensors.
        *arrays: where to differentiate; cast to float64.
        rtol: relative tolerance.
        atol: absolute tolerance.
        step: of the finite differences.
    """
    arrays = [np.asarray(array, dtype="float64") for array in arrays]

    def weighted(*tensors):
        rng = np.random.default_rng(0)
        outputs = keras.tree.flatten(function(*tensors))
        weights = [rng.uniform(0.5, 1.5, size=tuple(y.shape)) for y in outputs]
        return [y * keras.ops.convert_to_tensor(w) for y, w in zip(outputs, weights, strict=True)]

    with _double_precision():
        actual = gradients(weighted, *arrays)
        expected = finite_differences(weighted, *arrays, step=step)
    for position, (a, e) in enumerate(zip(actual, expected, strict=True)):
        message = f"gradient by argument {position}"
        assert np.isfinite(a).all(), f"{message} is not finite: {a}"
        np.testing.assert_allclose(a, e, rtol=rtol, atol=atol, err_msg=message)


def _total(function, tensors):
    return sum(keras.ops.sum(y) for y in keras.tree.flatten(function(*tensors)))


def _tensorflow(function, arrays):
    import tensorflow as tf

    tensors = [tf.constant(a) for a in arrays]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        total = _total(function, tensors)
    slopes = tape.gradient(total, tensors, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return [slope.numpy() for slope in slopes]


def _jax(function, arrays):
    import jax

    positions = tuple(range(len(arrays)))
    tensors = [jax.numpy.asarray(a) for a in arrays]
    slopes = jax.grad(lambda *t: _total(function, t), argnums=positions)(*tensors)
    return [np.asarray(slope) for slope in slopes]


def _torch(function, arrays):
    import torch

    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    total = _total(function, tensors)
    slopes = torch.autograd.grad(total, tensors, allow_unused=True, materialize_grads=True)
    return [slope.detach().numpy() for slope in slopes]


_GRADIENTS = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}


@contextlib.contextmanager
def _double_precision():
    """JAX computes in float32 unless told otherwise; the other backends need nothing."""
    if keras.backend.backend() != "jax":
        yield
        return
    import jax

    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", before)
