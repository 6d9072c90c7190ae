"""Moduli of complex filter responses: one native operation where it may run.

It never writes the responses, `2 * filters` numbers for each place and channel, to memory, and uses
that wavelets have conjugate values in opposite places. Elsewhere filters, then moduli.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from . import filtering, native
from .modulus import modulus_axis

Tensor = Any

# How NumPy pads the places of a signal; -1 stands for a zero.
_NUMPY_PADDINGS = {
    "reflect": {"mode": "reflect"},
    "circular": {"mode": "wrap"},
    "zero": {"mode": "constant", "constant_values": -1},
}


def wavelet_modulus(
    parts: Sequence[Tensor],
    real: Tensor,
    imag: Tensor | None,
    strides: Sequence[int] | int = 1,
    padding: str = "reflect",
    method: str = "auto",
) -> Tensor:
    """`|x * h_f|` for all channels and filters; `filtering.filtered` has the arguments.

    `method="auto"` takes the native operation for complex filters that are constants (arrays),
    along one or two axes; `"direct"` and `"fft"` filter by stock operations.

    Returns:
        `(batch, *places, channels, filters)`.

    Example:

    >>> x = ops.reshape(ops.array([0.0, 3.0, 0.0, 0.0]), (1, 4, 1))
    >>> y = wavelet_modulus([x], np.array([[0.0, 1.0, 0.0]]), np.array([[0.0, 0.0, 0.0]]))
    >>> ops.convert_to_numpy(y).ravel().tolist()
    [0.0, 3.0, 0.0, 0.0]
    """
    constant = isinstance(real, np.ndarray) and isinstance(imag, np.ndarray)
    rank = len(real.shape) - 1
    if method == "auto" and constant and rank <= 2 and native.serves(*parts):
        strides = (strides,) * rank if isinstance(strides, int) else tuple(strides)
        return _native(parts, np.stack([real, imag]), strides, padding)
    responses = filtering.filtered(parts, real, imag, strides, padding, method)
    return modulus_axis(ops.stack(responses, axis=-2), axis=-2)


def _native(
    parts: Sequence[Tensor], filters: np.ndarray, strides: tuple[int, ...], padding: str
) -> Tensor:
    places, window = tuple(parts[0].shape[1:-1]), filters.shape[2:]
    filtering.check_fits(places, window, strides, padding)
    x = ops.concatenate(list(parts), axis=-1) if len(parts) > 1 else parts[0]
    under = [_under(*axis, padding=padding) for axis in zip(places, window, strides, strict=True)]
    # The operation sums filter values times signal values at increasing places.
    filters = np.flip(filters, tuple(range(2, filters.ndim)))
    if len(places) == 1:
        filters, under, strides = filters[:, :, None], [np.zeros(1, int), *under], (1, *strides)
        x = ops.expand_dims(x, 1)
    y = native.wavelet_modulus(x, filters, *under, strides, len(parts))
    return ops.squeeze(y, 1) if len(places) == 1 else y


def _under(size: int, window: int, stride: int, padding: str) -> np.ndarray:
    """The place of the signal under each place of the padded one."""
    low, high = filtering.edges(size, window, stride)
    padded = np.pad(np.arange(size), [max(0, low), max(0, high)], **_NUMPY_PADDINGS[padding])
    return padded[max(0, -low) : min(0, high) or None]
