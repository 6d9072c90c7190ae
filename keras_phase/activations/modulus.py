"""Activations that change the modulus of an element and keep its direction, or keep it alone.

All but `collapse` commute with every rotation of the components, `f(Q x) = Q f(x)`. Under them
alone a network sees only moduli, and is nearly linear where the moduli are large: on a small
classifier modReLU by itself loses points against split ReLU (about 95 % on MNIST, against more than
97 %).
"""

from typing import Any

from keras import ops

from .. import algebras
from ..ops import layout
from ..ops.modulus import direction, from_polar, in_float32, modulus, polar
from .base import activation

Tensor = Any


@activation("modrelu", symmetry="rotation", weights={"bias": -0.1})
@in_float32
def modrelu(x: Tensor, bias: Tensor, *, algebra: Any) -> Tensor:
    """ReLU of the modulus with a trainable bias: `y = max(|x| + b, 0) x / |x|`, 0 at 0.

    A negative bias is a dead zone of radius `-b`, a positive one pushes elements outwards. With
    bias 0 it is the identity, so the bias starts at -0.1. On its own it makes a network that is
    nearly linear (see the module). Degenerate case: in the real algebra with `b <= 0` it is soft
    shrinkage, `sign(x) max(|x| + b, 0)`.

    Args:
        x: `(..., d*n)`, component-major.
        bias: `(n,)`, one number an element channel.
        algebra: an `Algebra`, its name or its config.

    Returns:
        `(..., d*n)`; gradient 0 inside the dead zone and at 0.

    Reference:
        Arjovsky, Shah and Bengio, Unitary evolution recurrent neural networks, arXiv 1511.06464.
    """
    norm, unit = polar(x, algebra)
    return from_polar(ops.relu(norm + bias), unit, algebra)


@activation("soft_threshold", symmetry="rotation", weights={"threshold": 0.1})
@in_float32
def soft_threshold(x: Tensor, threshold: Tensor, *, algebra: Any) -> Tensor:
    """Shrink every modulus by a trainable threshold: `y = max(|x| - |t|, 0) x / |x|`, 0 at 0.

    The proximal map of `|t| sum |x|`, which makes whole elements sparse. It never expands: a
    threshold that training makes negative counts by its absolute value (where `modrelu` would start
    to push outwards). The threshold starts at 0.1; with 0 it is the identity. Degenerate case: in
    the real algebra it is `keras.activations.soft_shrink` with that threshold.

    Args:
        x: `(..., d*n)`, component-major.
        threshold: `(n,)`, one number an element channel.
        algebra: an `Algebra`, its name or its config.

    Returns:
        `(..., d*n)`; gradient 0 inside the dead zone and at 0.

    Reference:
        Guth, Zarka and Mallat, Phase collapse in neural networks, arXiv 2110.05283.
    """
    norm, unit = polar(x, algebra)
    return from_polar(ops.relu(norm - ops.abs(threshold)), unit, algebra)


@activation("collapse", symmetry="first axis")
def collapse(x: Tensor, *, algebra: Any) -> Tensor:
    """Collapse the phase: `y = |x|` as the first component, the others 0.

    Degenerate case: in the real algebra it is the absolute value.

    Args:
        x: `(..., d*n)`, component-major.
        algebra: an `Algebra`, its name or its config.

    Returns:
        `(..., d*n)`; gradient 0 at 0.

    Reference:
        Guth, Zarka and Mallat, Phase collapse in neural networks, arXiv 2110.05283.
    """
    norm = modulus(x, algebra)
    others = [ops.zeros_like(norm)] * (algebras.get(algebra).dimension - 1)
    return layout.merge([norm, *others])


@activation("modulus_sigmoid", symmetry="rotation", weights={"gain": 1.0, "bias": 0.0})
@in_float32
def modulus_sigmoid(x: Tensor, gain: Tensor, bias: Tensor, *, algebra: Any) -> Tensor:
    """Replace every modulus by a trainable sigmoid: `y = sigmoid(g |x| + b) x / |x|`, 0 at 0.

    The modulus of what comes out is between 0 and 1, and jumps at 0: small elements are blown up to
    about `sigmoid(b)`. The gain starts at 1, the bias at 0. Degenerate case: with gain 0 every
    element has the modulus `sigmoid(b)`.

    Args:
        x: `(..., d*n)`, component-major.
        gain: `(n,)`, one number an element channel.
        bias: `(n,)`, one number an element channel.
        algebra: an `Algebra`, its name or its config.

    Returns:
        `(..., d*n)`; gradient 0 at 0, growing as `1 / |x|` near it.

    Reference:
        Guth, Zarka and Mallat, Phase collapse in neural networks, arXiv 2110.05283.
    """
    norm, unit = polar(x, algebra)
    return from_polar(ops.sigmoid(gain * norm + bias), unit, algebra)


@activation("amplitude_squash", symmetry="rotation")
@in_float32
def amplitude_squash(x: Tensor, *, algebra: Any) -> Tensor:
    """Squash every modulus into [0, 1): `y = tanh(|x|) x / |x|`, 0 at 0.

    Degenerate case: in the real algebra it is tanh.

    Args:
        x: `(..., d*n)`, component-major.
        algebra: an `Algebra`, its name or its config.

    Returns:
        `(..., d*n)`; smooth everywhere, the gradient at 0 is the identity.

    Reference:
        Hirose, Continuous complex-valued back-propagation learning, Electronics Letters 28 (1992).
    """
    norm = modulus(x, algebra)
    # tanh(r) / r is 1 in floating point long before r gets too small to divide by.
    near_zero = norm < 1e-8
    safe = ops.where(near_zero, ops.ones_like(norm), norm)
    factor = ops.where(near_zero, ops.ones_like(norm), ops.tanh(safe) / safe)
    return layout.repeat(factor, algebras.get(algebra).dimension) * x


@activation("unit_modulus", symmetry="rotation")
def unit_modulus(x: Tensor, *, algebra: Any) -> Tensor:
    """Keep the direction of every element only: `y = x / |x|`, 0 at 0.

    Degenerate case: in the real algebra it is the sign, whose gradient is 0 everywhere: it then
    trains nothing below it.

    Args:
        x: `(..., d*n)`, component-major.
        algebra: an `Algebra`, its name or its config.

    Returns:
        `(..., d*n)`; gradient 0 at 0, growing as `1 / |x|` near it.

    Reference:
        Guth, Zarka and Mallat, Phase collapse in neural networks, arXiv 2110.05283.
    """
    return direction(x, algebra)
