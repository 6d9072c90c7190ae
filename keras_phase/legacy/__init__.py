"""Twins of the layers for tf_keras (Keras 2), so that the real TF-MOT can prune them.

The same bodies as in `keras_phase.layers`, on `tf_keras.layers.Layer`: same arguments, same
variables, same numbers. TF-MOT's own `prune_low_magnitude` wraps them, and they are pruned by whole
elements; a schedule that carries a criterion (`PhasePolynomialDecay`) makes it their criterion.
Needs tf_keras, best as `pip install keras_phase[tfmot]`. Importing it leaves `tf.keras` alone.

Example, with `tfmot = keras_phase.pruning.tfmot.load()`:

    model = tf_keras.Sequential([tf_keras.Input((8,)), keras_phase.legacy.PhaseDense(4)])
    schedule = keras_phase.PhasePolynomialDecay(0.0, 1.0, begin_step=0, end_step=100)
    model = tfmot.sparsity.keras.prune_low_magnitude(model, schedule)
"""

import importlib.util

if importlib.util.find_spec("tf_keras") is None:
    raise ImportError(
        "keras_phase.legacy is made of tf_keras (Keras 2) layers, and tf_keras is not installed. "
        "Install it with `pip install keras_phase[tfmot]`; for Keras 3 models use "
        "`keras_phase.pruning`, which needs neither."
    )

from . import attention, layers, recurrent
from .attention import *  # noqa: F403
from .layers import *  # noqa: F403
from .recurrent import *  # noqa: F403

__all__ = sorted([*attention.__all__, *layers.__all__, *recurrent.__all__])
