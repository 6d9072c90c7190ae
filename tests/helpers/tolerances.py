"""One table of tolerances: relative to the largest entry, for each dtype."""

import numpy as np

RELATIVE = {"float64": 1e-12, "float32": 2e-5, "bfloat16": 4e-2, "float16": 4e-3}


def assert_close(actual, expected, dtype="float32", factor=1.0):
    """Compare two arrays by the norm-wise tolerance of `dtype`."""
    actual = np.asarray(actual, dtype="float64")
    expected = np.asarray(expected, dtype="float64")
    if actual.shape != expected.shape:
        raise AssertionError(f"shapes differ: {actual.shape} and {expected.shape}")
    if expected.size == 0:
        return
    error = np.abs(actual - expected).max()
    allowed = factor * RELATIVE[dtype] * max(np.abs(expected).max(), 1e-30)
    if not error <= allowed:
        worst = np.unravel_index(np.abs(actual - expected).argmax(), actual.shape)
        raise AssertionError(
            f"largest difference {error:.3g} at {worst} exceeds {allowed:.3g} ({dtype})"
        )
