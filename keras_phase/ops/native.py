"""The door to TensorFlow: the one module of `ops` that may import it.

The native library plugs in here. A build without it keeps a reason, which naming
`method="native"` raises and `python -m keras_phase info` prints.
"""

import keras


def unavailable_reason() -> str | None:
    """Why the native methods cannot be used, or None when they can."""
    return "this build of keras_phase has no native library; use method='auto'"


def executing_eagerly() -> bool:
    """Whether an operation called now runs at once, outside any traced graph.

    JAX counts as traced, since Keras compiles its steps there by default.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.executing_eagerly()
    return backend == "torch"
