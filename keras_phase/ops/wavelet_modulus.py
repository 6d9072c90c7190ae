"""Moduli of complex filter responses: one native operation where it may run.

It never writes the responses, `2 * filters` numbers for each place and channel, to memory, and uses
that wavelets have conjugate values in opposite places. Elsewhere filters, then moduli.
"""

from collections.abc import Sequence
from typing import Any

from keras import ops

from . import filtering, native_filtering
from .modulus import modulus_axis

Tensor = Any


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

    >>> import numpy as np
    >>> x = ops.reshape(ops.array([0.0, 3.0, 0.0, 0.0]), (1, 4, 1))
    >>> y = wavelet_modulus([x], np.array([[0.0, 1.0, 0.0]]), np.array([[0.0, 0.0, 0.0]]))
    >>> ops.convert_to_numpy(y).ravel().tolist()
    [0.0, 3.0, 0.0, 0.0]
    """
    if method == "auto" and imag is not None and native_filtering.serves(parts, real, imag):
        strides, pads = filtering.strides_and_edges(parts, real, strides, padding)
        return native_filtering.moduli(parts, real, imag, strides, padding, pads)
    responses = filtering.filtered(parts, real, imag, strides, padding, method)
    return modulus_axis(ops.stack(responses, axis=-2), axis=-2)
