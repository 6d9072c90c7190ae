"""Which scale of the weights goes with which activation."""

import functools
import math
import statistics
from typing import Any

import keras
import numpy as np
from keras import ops

from .. import activations, algebras
from ..activations import Activation
from ..algebras import Algebra
from ..registry import Registry

# Activations that scale with their input, `f(c x) = c f(x)` for c > 0: exact functions of d.
EXACT = Registry("activation with an exact matching scale")
EXACT.add("linear", lambda d: 1.0)
EXACT.add("relu", lambda d: 2.0)
EXACT.add("crelu", lambda d: 2.0)
EXACT.add("zrelu", lambda d: 2.0**d)
EXACT.add("cardioid", lambda d: 4 * d / (d + 1))  # the mean of ((1 + cos) / 2)^2, inverted

_SAMPLES = 2**15
_LARGEST_SCALE = 1e4
_BISECTIONS = 30


def matching_scale(activation: Any, algebra: Any, mean_square: float = 1.0) -> float:
    """The `scale` of `AlgebraVarianceScaling` with which an activation keeps the mean square.

    Layers `activation(sum_i w_ij * x_i)`, drawn with `AlgebraVarianceScaling(scale=s)` over the
    fan-in, give outputs of the mean square (over all components) of their inputs: `s` solves

        mean(f(z)^2) = q,    z normal with mean 0 and variance s q in each of d components.

    It is 1 for linear layers (LeCun), 2 for split ReLU (He), `4d / (d + 1)` for the cardioid, `2^d`
    for zReLU; whatever else there is, is solved for numerically, to about three digits. The
    elements `z` of a wide layer are distributed so when the components of `x` have one variance and
    are not correlated; for activations that are not split this is left to the algebra. The
    activation's own weights are at their starting values. Degenerate case: in the real algebra the
    `scale` of Keras's `VarianceScaling`.

    Args:
        activation: anything that `keras_phase.activations.get` takes.
        algebra: an `Algebra`, its name or its config.
        mean_square: `q`, that is to be kept; the scale depends on it unless the activation is
            positively homogeneous.

    Raises:
        ValueError: if no scale keeps that mean square, since the activation is bounded (by 1 in
            modulus: at most `1/d` is kept) or does not vanish at 0.

    Example:

    >>> matching_scale("relu", "quaternion")
    2.0
    >>> matching_scale("cardioid", "quaternion")
    3.2
    >>> round(matching_scale("amplitude_squash", "complex", mean_square=0.25), 2)
    2.34
    """
    algebra = algebras.get(algebra)
    found = activations.get(activation, algebra)
    if not mean_square > 0:
        raise ValueError(
            f"Expected a positive `mean_square`. Received: mean_square={mean_square!r}"
        )
    if found.name in EXACT and found == activations.get(found.name):
        return float(EXACT.get(found.name)(algebra.dimension))
    samples = _normal(algebra.dimension)

    def factor(scale: float) -> float:
        z = math.sqrt(scale * mean_square) * samples
        return _mean_square(found, z, algebra) / mean_square

    low, high = 1 / _LARGEST_SCALE, _LARGEST_SCALE
    if factor(low) > 1 or factor(high) < 1:
        at_most = mean_square * factor(high)
        raise ValueError(
            f"No scale of the weights lets the activation '{found.name}' keep that mean square in "
            f"the algebra '{algebra.name}': with scales from {low:g} to {high:g} its outputs have "
            f"mean squares from {mean_square * factor(low):.3g} to {at_most:.3g}. Ask for one in "
            f"between. Received: mean_square={mean_square}"
        )
    for _ in range(_BISECTIONS):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if factor(middle) < 1 else (low, middle)
    return math.sqrt(low * high)


def _mean_square(activation: Activation, z: np.ndarray, algebra: Algebra) -> float:
    weights = [
        keras.initializers.get(spec.initializer)((1,), dtype="float32")
        for spec in activation.weight_specs
    ]
    y = activation(ops.convert_to_tensor(z, dtype="float32"), *weights, algebra=algebra)
    return float(np.mean(np.square(ops.convert_to_numpy(y), dtype="float64")))


@functools.lru_cache(maxsize=4)
def _normal(dimension: int) -> np.ndarray:
    """`(samples, d)`, normal numbers: each component runs through all quantiles, in its own order.

    The means of functions of one component are then far more exact than those of random numbers.
    """
    distribution = statistics.NormalDist()
    quantiles = [distribution.inv_cdf((i + 0.5) / _SAMPLES) for i in range(_SAMPLES)]
    one = np.array(quantiles) / np.std(quantiles)
    rng = np.random.default_rng(0)
    return np.stack([rng.permutation(one) for _ in range(dimension)], axis=1)
