"""Variance scaling with the gain of an algebra: Glorot, He and LeCun, and their polar forms."""

import math
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from ..algebras import Algebra
from ..ops.modulus import direction_axis
from ..registry import Registry
from .base import AlgebraInitializer, register
from .law import DEPTH, component_shares, gain

Tensor = Any

# Standard deviation of a standard normal variable that is cut off at two standard deviations.
_TRUNCATED_STD = 0.87962566103423978

DISTRIBUTIONS = Registry("distribution")


@DISTRIBUTIONS.register("uniform")
def _uniform(shape: tuple[int, ...], variance: float, dtype: str, seed: Any) -> Tensor:
    limit = math.sqrt(3.0 * variance)
    return keras.random.uniform(shape, minval=-limit, maxval=limit, dtype=dtype, seed=seed)


@DISTRIBUTIONS.register("truncated_normal")
def _truncated_normal(shape: tuple[int, ...], variance: float, dtype: str, seed: Any) -> Tensor:
    stddev = math.sqrt(variance) / _TRUNCATED_STD
    return keras.random.truncated_normal(shape, mean=0.0, stddev=stddev, dtype=dtype, seed=seed)


@DISTRIBUTIONS.register("untruncated_normal")
def _untruncated_normal(shape: tuple[int, ...], variance: float, dtype: str, seed: Any) -> Tensor:
    stddev = math.sqrt(variance)
    return keras.random.normal(shape, mean=0.0, stddev=stddev, dtype=dtype, seed=seed)


@DISTRIBUTIONS.register("phase")
def _phase(shape: tuple[int, ...], variance: float, dtype: str, seed: Any) -> Tensor:
    unit = direction_axis(keras.random.normal(shape, dtype=dtype, seed=seed), axis=0)
    return math.sqrt(shape[0] * variance) * unit


@DISTRIBUTIONS.register("rayleigh")
def _rayleigh(shape: tuple[int, ...], variance: float, dtype: str, seed: Any) -> Tensor:
    # Two more normal numbers an element make its Rayleigh modulus, of mean square 2.
    normal = keras.random.normal((shape[0] + 2, *shape[1:]), dtype=dtype, seed=seed)
    unit = direction_axis(normal[: shape[0]], axis=0)
    modulus = ops.sqrt(ops.sum(ops.square(normal[shape[0] :]), axis=0))
    return math.sqrt(shape[0] * variance / 2) * modulus * unit


@register("algebra_variance_scaling")
class AlgebraVarianceScaling(AlgebraInitializer):
    """`keras.initializers.VarianceScaling` with the gain of an algebra.

    Every component has variance `scale / (fan g)`, `g` the algebra's gain (complex 2, quaternion 4,
    n x n matrices n) and the fan that of the kernel without its component axis; nilpotent
    components have a share of it (dual numbers: 1/100), see `docs/initialization.md`. Degenerate
    case: in the real algebra it draws what Keras draws, bit for bit.

    Args:
        algebra: an `Algebra`, its name or its config; None takes the algebra of the layer.
        scale: positive factor of the variance.
        mode: `"fan_in"`, `"fan_out"` or `"fan_avg"`.
        distribution: of the components, `"truncated_normal"`, `"untruncated_normal"` or
            `"uniform"`; or of whole elements in uniformly distributed directions: `"rayleigh"`,
            with Rayleigh moduli, or `"phase"`, all with the same modulus (nilpotent components are
            then shortened).
        seed: see `AlgebraInitializer`.
        input_axes: axes that make the fan-in, of the shape without its component axis.
        output_axes: axes that make the fan-out.
        depth: number of layers in which no nilpotent component of an activation may grow by more
            than a fifth; of no effect in algebras without such components.

    Raises:
        ValueError: if an argument is none of these.

    Example:

    >>> init = AlgebraVarianceScaling("quaternion", scale=2.0, seed=1)
    >>> tuple(init((4, 64, 32)).shape)
    (4, 64, 32)
    """

    def __init__(
        self,
        algebra: Any = None,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: Any = None,
        input_axes: Any = None,
        output_axes: Any = None,
        depth: int = DEPTH,
    ):
        super().__init__(algebra, seed)
        # Keras checks scale and mode.
        keras.initializers.VarianceScaling(scale=scale, mode=mode)
        self.scale = scale
        self.mode = mode
        self.distribution = distribution
        self._draw = DISTRIBUTIONS.get(distribution)
        self.input_axes = input_axes
        self.output_axes = output_axes
        if not isinstance(depth, int) or depth < 1:
            raise ValueError(
                "Expected `depth` to be a positive integer, a number of layers. "
                f"Received: depth={depth!r}"
            )
        self.depth = depth

    def draw(self, shape: tuple[int, ...], dtype: str, algebra: Algebra) -> Tensor:
        """Draw all components at once."""
        variance = self.scale / max(1.0, self._fan(shape[1:])) / gain(algebra)
        kernel = self._draw(shape, variance, dtype, self.seed)
        shares = component_shares(algebra, self.depth)
        if (shares == 1).all():
            return kernel
        factors = np.sqrt(shares).reshape(-1, *[1] * (len(shape) - 1))
        return kernel * ops.convert_to_tensor(factors, dtype=dtype)

    def _fan(self, shape: tuple[int, ...]) -> float:
        if self.input_axes is not None and self.output_axes is not None:
            fan_in = math.prod(shape[axis] for axis in self.input_axes)
            fan_out = math.prod(shape[axis] for axis in self.output_axes)
        else:
            window = math.prod(shape[:-2])
            fan_in, fan_out = window * shape[-2], window * shape[-1]
        return {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {
            **super().get_config(),
            "scale": self.scale,
            "mode": self.mode,
            "distribution": self.distribution,
            "input_axes": self.input_axes,
            "output_axes": self.output_axes,
            "depth": self.depth,
        }


class _Preset(AlgebraVarianceScaling):
    """Variance scaling with fixed settings, as Keras's presets are."""

    settings: ClassVar[dict[str, Any]]

    def __init__(self, algebra: Any = None, seed: Any = None):
        super().__init__(algebra, seed=seed, **self.settings)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        config = super().get_config()
        return {name: config[name] for name in ("algebra", "seed")}


@register("algebra_glorot_uniform")
class AlgebraGlorotUniform(_Preset):
    """Glorot: uniform components of variance `2 / ((fan_in + fan_out) g)`.

    Args:
        algebra: an `Algebra`, its name or its config; None takes the algebra of the layer.
        seed: see `AlgebraInitializer`.
    """

    settings: ClassVar = {"scale": 1.0, "mode": "fan_avg", "distribution": "uniform"}


@register("algebra_glorot_normal")
class AlgebraGlorotNormal(_Preset):
    """Glorot: truncated normal components of variance `2 / ((fan_in + fan_out) g)`.

    Args:
        algebra: an `Algebra`, its name or its config; None takes the algebra of the layer.
        seed: see `AlgebraInitializer`.
    """

    settings: ClassVar = {"scale": 1.0, "mode": "fan_avg", "distribution": "truncated_normal"}


@register("algebra_he_uniform")
class AlgebraHeUniform(_Preset):
    """He: uniform components of variance `2 / (fan_in g)`.

    Args:
        algebra: an `Algebra`, its name or its config; None takes the algebra of the layer.
        seed: see `AlgebraInitializer`.
    """

    settings: ClassVar = {"scale": 2.0, "mode": "fan_in", "distribution": "uniform"}


@register("algebra_he_normal")
class AlgebraHeNormal(_Preset):
    """He: truncated normal components of variance `2 / (fan_in g)`.

    Args:
        algebra: an `Algebra`, its name or its config; None takes the algebra of the layer.
        seed: see `AlgebraInitializer`.
    """

    settings: ClassVar = {"scale": 2.0, "mode": "fan_in", "distribution": "truncated_normal"}


@register("algebra_lecun_uniform")
class AlgebraLecunUniform(_Preset):
    """LeCun: uniform components of variance `1 / (fan_in g)`.

    Args:
        algebra: an `Algebra`, its name or its config; None takes the algebra of the layer.
        seed: see `AlgebraInitializer`.
    """

    settings: ClassVar = {"scale": 1.0, "mode": "fan_in", "distribution": "uniform"}


@register("algebra_lecun_normal")
class AlgebraLecunNormal(_Preset):
    """LeCun: truncated normal components of variance `1 / (fan_in g)`.

    Args:
        algebra: an `Algebra`, its name or its config; None takes the algebra of the layer.
        seed: see `AlgebraInitializer`.
    """

    settings: ClassVar = {"scale": 1.0, "mode": "fan_in", "distribution": "truncated_normal"}


class _PolarPreset(AlgebraVarianceScaling):
    """Variance scaling in polar coordinates; scale and mode stay free."""

    distribution_name: ClassVar[str]

    def __init__(
        self, algebra: Any = None, scale: float = 1.0, mode: str = "fan_avg", seed: Any = None
    ):
        super().__init__(algebra, scale, mode, self.distribution_name, seed)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        config = super().get_config()
        return {name: config[name] for name in ("algebra", "scale", "mode", "seed")}


@register("polar_rayleigh")
class PolarRayleigh(_PolarPreset):
    """Rayleigh moduli in uniformly distributed directions, with the variance of Glorot or He.

    For complex numbers this is Trabelsi's initializer, `|w| ~ Rayleigh(s)` with
    `s^2 = 1 / (fan_in + fan_out)`, or `1 / fan_in` with `scale=2, mode="fan_in"`; its components
    are then normal and independent. In every algebra the variance of a component is that of
    `AlgebraVarianceScaling`. Degenerate case: in the real algebra, a Rayleigh modulus with a
    random sign.

    Args:
        algebra: an `Algebra`, its name or its config; None takes the algebra of the layer.
        scale: positive factor of the variance, 1 for Glorot, 2 for He.
        mode: `"fan_in"`, `"fan_out"` or `"fan_avg"`.
        seed: see `AlgebraInitializer`.

    Reference:
        Trabelsi et al., Deep complex networks, arXiv 1705.09792, section 3.6.
    """

    distribution_name: ClassVar = "rayleigh"


@register("random_phase")
class RandomPhase(_PolarPreset):
    """All moduli equal, in uniformly distributed directions: the information is in the phase.

    The modulus is `sqrt(d scale / (fan g))`, so the variance of a component is that of
    `AlgebraVarianceScaling`. Degenerate case: in the real algebra, random signs times one number.

    Args:
        algebra: an `Algebra`, its name or its config; None takes the algebra of the layer.
        scale: positive factor of the variance, 1 for Glorot, 2 for He.
        mode: `"fan_in"`, `"fan_out"` or `"fan_avg"`.
        seed: see `AlgebraInitializer`.
    """

    distribution_name: ClassVar = "phase"
