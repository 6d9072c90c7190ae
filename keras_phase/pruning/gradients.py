"""Gradients of a loss with respect to kernels, on the backends that have them."""

from typing import Any

import keras
import numpy as np
from keras import ops

from ..parametrizations import Cartesian
from .targets import find


def gradients(model: keras.Model, x: Any, y: Any, loss: Any = None) -> dict[int, np.ndarray]:
    """Moduli of the gradients of all kernels, pruned elements included, as pruning sees these.

    Args:
        model: a built Keras model.
        x: inputs.
        y: targets.
        loss: a Keras loss, its name or a function; None for the compiled one.

    Returns:
        `(1, *shape)` by the id of the kernel's variable.

    Raises:
        ValueError: if there is no loss, or a kernel is not `Cartesian`.
        NotImplementedError: on another backend than TensorFlow and JAX.
    """
    targets = find(model)
    for target in targets:
        if not isinstance(target.parametrization, Cartesian):
            raise ValueError(
                "A pruned element of this kernel has no gradient, since it is made of several "
                "variables. Use the parametrization `Cartesian`, or grow at random "
                f"(`sparse_evolution`). Received: '{target.path}' with {target.parametrization!r}"
            )
    function = keras.losses.get(loss) if loss is not None else getattr(model, "loss", None)
    function = keras.losses.get(function) if isinstance(function, str) else function
    if not callable(function):
        raise ValueError(
            "Gradients need a loss: pass `loss`, or compile the model with a single one. "
            f"Received: loss={loss!r}"
        )
    backends = {"tensorflow": _with_tensorflow, "jax": _with_jax}
    if keras.backend.backend() not in backends:
        raise NotImplementedError(
            "Gradients outside the train step are taken on TensorFlow and JAX. Grow at random "
            f"(`sparse_evolution`). Received: backend='{keras.backend.backend()}'"
        )
    variables = [t.parametrization.variables[0] for t in targets]
    found = backends[keras.backend.backend()](model, variables, x, y, function)
    result = {}
    for target, variable, gradient in zip(targets, variables, found, strict=True):
        shown = target.layout.show(target.parametrization._shown(ops.convert_to_tensor(gradient)))
        square = np.square(ops.convert_to_numpy(shown).astype("float64"))
        result[id(variable)] = np.sqrt(square.sum(axis=0, keepdims=True))
    return result


def _with_tensorflow(model: Any, variables: list, x: Any, y: Any, loss: Any) -> list:
    import tensorflow as tf

    with tf.GradientTape() as tape:
        value = tf.reduce_mean(loss(ops.convert_to_tensor(y), model(x)))
    values = [v.value for v in variables]
    return tape.gradient(value, values, unconnected_gradients="zero")


def _with_jax(model: Any, variables: list, x: Any, y: Any, loss: Any) -> list:
    import jax

    trainable = model.trainable_variables
    index = {id(v): i for i, v in enumerate(trainable)}
    fixed = [v.value for v in model.non_trainable_variables]

    def value(values: list) -> Any:
        outputs, _ = model.stateless_call(values, fixed, x)
        return ops.mean(loss(ops.convert_to_tensor(y), outputs))

    found = jax.grad(value)([v.value for v in trainable])
    return [found[index[id(v)]] if id(v) in index else ops.zeros(v.shape) for v in variables]
