"""Filtering and moduli of responses by one native operation, where it may run.

It takes fixed filters along one or two axes, reads each input once for all of them, and uses that
wavelets have conjugate values in opposite places.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from . import native

Tensor = Any

# How NumPy pads the places of a signal; -1 stands for a zero.
_NUMPY_PADDINGS = {
    "reflect": {"mode": "reflect"},
    "circular": {"mode": "wrap"},
    "zero": {"mode": "constant", "constant_values": -1},
}


def serves(parts: Sequence[Tensor], real: Tensor, imag: Tensor | None) -> bool:
    """Whether the native operation may run here, on those filters."""
    fixed = isinstance(real, np.ndarray) and (imag is None or isinstance(imag, np.ndarray))
    return fixed and real.ndim <= 3 and native.serves(*parts)


def responses(
    parts: Sequence[Tensor],
    real: np.ndarray,
    imag: np.ndarray | None,
    strides: Sequence[int],
    padding: str,
    edges: Sequence[tuple[int, int]],
) -> list[Tensor]:
    """What `filtering.filtered` returns.

    Args:
        parts: as there, and so the others.
        real: real parts of the filters.
        imag: imaginary parts, or None.
        strides: one for each axis.
        padding: name of a padding.
        edges: how many places to add before and after each axis.
    """
    if imag is not None:
        filters = np.stack([real, imag])
        y = _run(parts, filters, strides, padding, edges, native.RESPONSE)
        return list(ops.unstack(y))
    # Real filters take components for channels of their own.
    filters = np.stack([real, np.zeros_like(real)])
    x = _together(parts)
    y = _run([x], filters, strides, padding, edges, native.REAL_PART)
    return [y] if len(parts) == 1 else list(ops.split(y, len(parts), axis=-2))


def moduli(
    parts: Sequence[Tensor],
    real: np.ndarray,
    imag: np.ndarray,
    strides: Sequence[int],
    padding: str,
    edges: Sequence[tuple[int, int]],
) -> Tensor:
    """Moduli of the responses to complex filters, `(batch, *places, channels, filters)`."""
    return _run(parts, np.stack([real, imag]), strides, padding, edges, native.MODULUS)


def _run(
    parts: Sequence[Tensor],
    filters: np.ndarray,
    strides: Sequence[int],
    padding: str,
    edges: Sequence[tuple[int, int]],
    result: int,
) -> Tensor:
    x, strides = _together(parts), tuple(strides)
    places = x.shape[1:-1]
    under = [_under(n, *edge, padding) for n, edge in zip(places, edges, strict=True)]
    # The operation sums filter values times signal values at increasing places.
    filters = np.flip(filters, tuple(range(2, filters.ndim)))
    line = len(places) == 1
    if line:
        filters, under, strides = filters[:, :, None], [np.zeros(1, int), *under], (1, *strides)
        x = ops.expand_dims(x, 1)
    y = native.wavelet_modulus(x, filters, *under, strides, len(parts), result)
    return ops.squeeze(y, -4) if line else y


def _together(parts: Sequence[Tensor]) -> Tensor:
    return ops.concatenate(list(parts), axis=-1) if len(parts) > 1 else parts[0]


def _under(size: int, low: int, high: int, padding: str) -> np.ndarray:
    """The place of the signal under each place of the padded one."""
    padded = np.pad(np.arange(size), [max(0, low), max(0, high)], **_NUMPY_PADDINGS[padding])
    return padded[max(0, -low) : min(0, high) or None]
