"""Polar: direction and amplitude of each kernel element as separate trainables.

The phase of a weight (its unit direction; the sign when d = 1) and its modulus can so be trained,
shared, quantised or fixed apart from each other: networks whose information is in the phase
(Nie and Yuan, arXiv 2111.02014) are `Polar` with few amplitudes.
"""

from typing import Any

import keras
from keras import ops

from ..ops import phase_code
from ..ops.modulus import direction_axis, modulus_axis
from .base import Parametrization, Projection, install

Tensor = Any

# Relative difference above which moduli or directions count as different.
_TOLERANCE = 1e-5


class Polar(Parametrization):
    """Kernel = amplitude x direction, `w_ij = a_ij * u_ij` with `|u_ij| = 1`.

    Variables: `direction`, of the kernel's shape, normalised at use (its own length is free, a zero
    stays zero), and `amplitude`. When d = 1 the direction is `sign(direction)` with a
    straight-through gradient. With `phase_bits=k` the direction is rounded to one of 2^k code
    points (`ops.phase_code.code_points`), also with a straight-through gradient.

    The kernel's initializer is drawn once: `direction` starts as the drawn kernel, `amplitude` as
    its moduli (their mean over a unit, or over the layer).

    Args:
        amplitude: `"element"`, one for each kernel element, shape `(*window, in, out)`; `"unit"`,
            one for each output unit, `(out,)`; `"one"`, a single number, `()`.
        phase_bits: number of bits of the direction, or None for a continuous one.

    Raises:
        ValueError: if `amplitude` is none of the three, or the algebra has no code of `phase_bits`.
    """

    def __init__(self, amplitude: str = "element", phase_bits: int | None = None):
        if amplitude not in _AMPLITUDE_SHAPES:
            raise ValueError(
                f"`amplitude` must be one of {', '.join(map(repr, _AMPLITUDE_SHAPES))}: an "
                "amplitude for each element, each output unit, or one for the layer. "
                f"Received: amplitude={amplitude!r}"
            )
        self.amplitude = amplitude
        self.phase_bits = phase_bits

    def _create(
        self, layer: Any, name: str, initializer: Any, regularizer: Any, constraint: Any
    ) -> None:
        if self.phase_bits is not None:
            self._points = phase_code.code_points(self.algebra, self.phase_bits)
        prefix = "" if name == "kernel" else f"{name}_"
        drawn = _DrawnOnce(initializer, self)
        # Kept in the variable's own precision: in float16 a short direction would lose its angle.
        self._direction = layer.add_weight(
            name=f"{prefix}direction",
            shape=self.stored_shape,
            initializer=drawn.direction,
            regularizer=regularizer,
            constraint=constraint,
            autocast=False,
        )
        self._amplitude = layer.add_weight(
            name=f"{prefix}amplitude",
            shape=_AMPLITUDE_SHAPES[self.amplitude](self.shape),
            initializer=drawn.amplitude,
            autocast=False,
        )
        self._dtype = layer.compute_dtype

    @property
    def variables(self) -> list[keras.Variable]:
        """`[direction, amplitude]`."""
        return [self._direction, self._amplitude]

    def kernel(self) -> Tensor:
        """Amplitude times unit direction, `(d, *window, in, out)`, in the compute dtype."""
        return ops.cast(self._unit() * ops.convert_to_tensor(self._amplitude), self._dtype)

    def _unit(self) -> Tensor:
        return self._unit_of(self._shown(ops.convert_to_tensor(self._direction)))

    def _unit_of(self, direction: Tensor) -> Tensor:
        """Unit direction at use: normalised, or rounded with a straight-through gradient."""
        if self.algebra.dimension == 1:
            return _straight_through(direction, ops.sign(direction))
        unit = direction_axis(direction, axis=0)
        if self.phase_bits is None:
            return unit
        return _straight_through(unit, phase_code.round_to_code(unit, self._points))

    def set_kernel(self, value: Tensor) -> None:
        """Split `value` into direction and amplitude.

        Raises:
            ValueError: if moduli differ where one amplitude serves several elements, or a direction
                is not a code point of `phase_bits`.
        """
        value = ops.cast(self._check_shape(value), self._direction.dtype)
        modulus, unit = modulus_axis(value, axis=0), direction_axis(value, axis=0)
        self._require_code_points(unit)
        if self.amplitude != "element":
            axes = tuple(range(len(modulus.shape) - (self.amplitude == "unit")))
            shared = ops.max(modulus, axis=axes)
            self._require_shared(modulus, shared)
            modulus = shared
        self._direction.assign(self._stored(unit))
        self._amplitude.assign(modulus)

    def prune(self, mask: Tensor, value: Tensor) -> None:
        """Replace the kernel by `value` where `mask` is False.

        A direction that stays the same keeps its latent value, a zero removes the direction.
        """
        current = ops.cast(self.kernel(), self._direction.dtype)
        value = ops.where(mask, current, ops.cast(self._check_shape(value), current.dtype))
        modulus = modulus_axis(value, axis=0)
        if self.amplitude != "element":
            self._require_shared(modulus, ops.abs(ops.convert_to_tensor(self._amplitude)))
        self._require_code_points(direction_axis(value, axis=0))
        self._direction.assign(self._stored(self._redirected(self._direction, value)))
        if self.amplitude == "element":
            pruned = ops.logical_not(ops.all(ops.broadcast_to(mask, value.shape), axis=0))
            self._amplitude.assign(
                ops.where(pruned, modulus, ops.convert_to_tensor(self._amplitude))
            )

    def constrain(self, projection: Projection | None) -> None:
        """Project direction, then amplitude, after every optimizer step."""
        if projection is None:
            for variable in self.variables:
                install(variable, None)
            return

        def project_direction(direction: Tensor) -> Tensor:
            return self._stored(self._redirected(direction, projection(self._kernel_of(direction))))

        def project_amplitude(amplitude: Tensor) -> Tensor:
            return modulus_axis(projection(self._unit() * amplitude), axis=0)

        install(self._direction, project_direction)
        # A shared amplitude belongs to the kept elements too, so no projection may move it.
        install(self._amplitude, project_amplitude if self.amplitude == "element" else None)

    def get_config(self) -> dict[str, Any]:
        """`amplitude` and `phase_bits`."""
        return {"amplitude": self.amplitude, "phase_bits": self.phase_bits}

    def _kernel_of(self, direction: Tensor) -> Tensor:
        amplitude = ops.convert_to_tensor(self._amplitude)
        return self._unit_of(self._shown(direction)) * amplitude

    def _redirected(self, direction: Tensor, value: Tensor) -> Tensor:
        """`direction` with the elements replaced whose unit direction in `value` is another one."""
        direction = ops.convert_to_tensor(direction)
        latent = self._shown(direction)
        old, new = direction_axis(self._kernel_of(direction), 0), direction_axis(value, 0)
        # A negative amplitude turns the direction round; the latent direction carries no such sign.
        turned = ops.sign(ops.convert_to_tensor(self._amplitude))
        turned = ops.where(ops.equal(turned, 0), ops.ones_like(turned), turned)
        changed = ops.max(ops.abs(old - new), axis=0, keepdims=True) > _TOLERANCE
        if self.amplitude == "element":
            turned = ops.ones_like(turned)  # the amplitude becomes the modulus, never negative
        return ops.where(changed, new * turned, latent)

    def _require_shared(self, modulus: Tensor, shared: Tensor) -> None:
        zero = ops.equal(modulus, 0)
        equal = ops.abs(modulus - shared) <= _TOLERANCE * ops.abs(shared)
        if not bool(ops.all(ops.logical_or(zero, equal))):
            raise ValueError(
                f"'{self.path}' has one amplitude per {_NOUNS[self.amplitude]}, so the moduli of "
                "its elements must be equal or zero; this kernel's are not. Use "
                "Polar(amplitude='element') or Cartesian(). "
                f"Received: amplitude={self.amplitude!r}"
            )

    def _require_code_points(self, unit: Tensor) -> None:
        if self.phase_bits is None:
            return
        error = ops.max(ops.abs(phase_code.round_to_code(unit, self._points) - unit))
        if float(error) > _TOLERANCE:
            raise ValueError(
                f"'{self.path}' has directions of {self.phase_bits} bits; this kernel's directions "
                "are not code points. Round it with ops.phase_code.round_to_code, or use "
                f"phase_bits=None. Received: phase_bits={self.phase_bits}, largest distance "
                f"{float(error):.3g}"
            )


_AMPLITUDE_SHAPES = {
    "element": lambda shape: shape,
    "unit": lambda shape: shape[-1:],
    "one": lambda shape: (),
}
_NOUNS = {"unit": "output unit", "one": "layer"}


def _straight_through(latent: Tensor, value: Tensor) -> Tensor:
    """`value` forward, the gradient of `latent` backward."""
    # In this order nothing is rounded: code points stay the same few numbers.
    return ops.stop_gradient(value) + (latent - ops.stop_gradient(latent))


class _DrawnOnce:
    """Two initializers over a single draw of the kernel, so that both describe the same one."""

    def __init__(self, initializer: Any, polar: Polar):
        self._initializer = initializer
        self._polar = polar
        self._modulus: Tensor = None

    def direction(self, shape: tuple[int, ...], dtype: Any = None) -> Tensor:
        drawn = self._initializer(shape, dtype=dtype)
        self._modulus = modulus_axis(self._polar._shown(drawn), axis=0)
        return drawn

    def amplitude(self, shape: tuple[int, ...], dtype: Any = None) -> Tensor:
        axes = tuple(range(len(self._modulus.shape) - len(shape)))
        return ops.cast(ops.mean(self._modulus, axis=axes) if axes else self._modulus, dtype)
