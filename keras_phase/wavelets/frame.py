"""The way back from a filtered signal: the least-squares inverse of a strided bank."""

import itertools
import math
from collections.abc import Sequence

import numpy as np


def responses_by_alias(
    filters: np.ndarray, size: Sequence[int], strides: Sequence[int]
) -> np.ndarray:
    """Fourier transforms of the filters, sorted by the frequency that a stride maps them to.

    Args:
        filters: `(filters, *window)`, centred.
        size: of the periodic signal, multiples of the strides.
        strides: distance of the outputs.

    Returns:
        `(frequencies, filters, aliases)`: with a signal's transform in the same order,
        `(frequencies, aliases)`, the product is the transform of the outputs.
    """
    rank = len(size)
    wrapped = np.zeros((len(filters), *size), "complex128")
    places = [(np.arange(k) - k // 2) % n for k, n in zip(filters.shape[1:], size, strict=True)]
    np.add.at(wrapped, (slice(None), *np.ix_(*places)), filters)
    response = np.fft.fftn(wrapped, axes=range(1, 1 + rank))
    pairs = [(s, n // s) for n, s in zip(size, strides, strict=True)]
    response = response.reshape(len(filters), *itertools.chain(*pairs))
    aliases, frequencies = range(1, 2 * rank + 1, 2), range(2, 2 * rank + 1, 2)
    response = response.transpose(*frequencies, 0, *aliases)
    count = math.prod(strides)
    return response.reshape(-1, len(filters), count) / count


def dual_responses(filters: np.ndarray, size: Sequence[int], strides: Sequence[int]) -> np.ndarray:
    """The pseudo-inverse of `responses_by_alias`, `(frequencies, aliases, filters)`.

    Raises:
        ValueError: if the filters lose something of some signals, which nothing brings back.
    """
    matrices = responses_by_alias(filters, size, strides)
    values = np.linalg.svd(matrices, compute_uv=False)
    few = matrices.shape[1] < matrices.shape[2]
    least = 0.0 if few else float(values.min())
    if not least > 1e-3 * values.max():
        raise ValueError(
            "These filters do not determine the signal: some frequencies are lost. Take smaller "
            "strides or more angles, or 'haar', 'analytic' or a Daubechies bank. Received: "
            f"singular values from {least:.3g} to {values.max():.3g} for a signal of "
            f"{tuple(size)} and strides {tuple(strides)}"
        )
    return np.linalg.pinv(matrices)
