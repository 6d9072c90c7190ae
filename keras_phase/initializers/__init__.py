"""Initializers of algebra-valued kernels, `(d, *window, in, out)`.

The variance of a product follows from the algebra's table: with independent components,

    var(y_k) = n sum_ij C[i, j, k]^2 var(w_i) var(x_j) = n g_k var(w) var(x)

with `g = Algebra.component_gains` (complex 2, quaternion 4, n x n matrices n, cross 2) where all
components of the weight have the same variance. Where the gains are equal, that variance is the
stock rule's divided by the gain: then every component of an output has the variance that the stock
layer's output would have; forward and backward, through any number of layers. Where they differ, in
the dual numbers and Clifford algebras with r > 0, components of the weight that lie in the
nilpotent part get a small share of it, since the activations' nilpotent part accumulates from layer
to layer. `law` states the rule and derives it from the table; `matching_scale` gives the factor
that an activation asks for; `docs/initialization.md` has both with what was measured.

`for_kernel` is how the layers use any Keras initializer by this rule. All components come from one
draw, so they differ, and a fixed seed repeats them.
"""

from typing import Any

import keras

from .. import algebras
from .base import INITIALIZERS
from .base import AlgebraInitializer as AlgebraInitializer
from .law import component_variances as component_variances
from .law import mean_squares as mean_squares
from .law import nilpotent_components as nilpotent_components
from .matching import matching_scale as matching_scale
from .unitary import Unitary as Unitary
from .variance_scaling import AlgebraGlorotNormal as AlgebraGlorotNormal
from .variance_scaling import AlgebraGlorotUniform as AlgebraGlorotUniform
from .variance_scaling import AlgebraHeNormal as AlgebraHeNormal
from .variance_scaling import AlgebraHeUniform as AlgebraHeUniform
from .variance_scaling import AlgebraLecunNormal as AlgebraLecunNormal
from .variance_scaling import AlgebraLecunUniform as AlgebraLecunUniform
from .variance_scaling import AlgebraVarianceScaling as AlgebraVarianceScaling
from .variance_scaling import PolarRayleigh as PolarRayleigh
from .variance_scaling import RandomPhase as RandomPhase


def names() -> tuple[str, ...]:
    """Names of the initializers of this package; every Keras name works too."""
    return INITIALIZERS.names()


def get(identifier: Any) -> Any:
    """An initializer from a name of this package or of Keras, a config, a callable or None.

    Example:

    >>> get("unitary").gain
    1.0
    """
    if identifier in INITIALIZERS:
        return INITIALIZERS.get(identifier)()
    return keras.initializers.get(identifier)


def for_kernel(identifier: Any, algebra: Any) -> Any:
    """What draws a kernel of `algebra` in the way that `identifier` says.

    * Glorot, He, LeCun and other `VarianceScaling`: the same distribution, with the fans of
      `(*window, in, out)` and the algebra's gain.
    * `Orthogonal`: `Unitary`.
    * An initializer of this package: itself, in `algebra` if it was made without one.
    * Everything else (constants, `RandomNormal`, callables, arrays): itself, on the whole kernel
      `(d, *window, in, out)`.

    Degenerate case: when d = 1, a stock initializer comes back unchanged.

    Raises:
        ValueError: if the initializer was made for another algebra, or makes no sense in this one.
    """
    algebra = algebras.get(algebra)
    initializer = get(identifier)
    if isinstance(initializer, AlgebraInitializer):
        return initializer.bind(algebra)
    if algebra.dimension == 1:
        return initializer
    if isinstance(initializer, keras.initializers.Orthogonal):
        return Unitary(gain=initializer.gain, seed=initializer.seed).bind(algebra)
    if isinstance(initializer, keras.initializers.VarianceScaling):
        return AlgebraVarianceScaling(
            algebra,
            scale=initializer.scale,
            mode=initializer.mode,
            distribution=initializer.distribution,
            seed=initializer.seed,
            input_axes=getattr(initializer, "input_axes", None),
            output_axes=getattr(initializer, "output_axes", None),
        )
    return initializer
