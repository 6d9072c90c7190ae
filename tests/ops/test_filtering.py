"""Filtering: all methods against NumPy's direct sum, at the places that are promised."""

import itertools

import numpy as np
import pytest
from keras import ops

from keras_phase import wavelets
from keras_phase.ops.filtering import METHODS, PADDINGS, filtered
from tests.helpers.gradients import check_gradient

NUMPY_MODES = {"reflect": "reflect", "zero": "constant", "circular": "wrap"}

# (places, window, strides): odd and even sizes, leftovers, strides beyond the window's half.
SHAPES = [
    ((9,), (5,), (1,)),
    ((8,), (5,), (2,)),
    ((7,), (3,), (2,)),
    ((11,), (3,), (4,)),
    ((14,), (1,), (5,)),
    ((6, 7), (5, 3), (1, 1)),
    ((8, 7), (5, 5), (2, 2)),
    ((5, 9), (3, 7), (3, 2)),
]
IDS = ["-".join("x".join(map(str, part)) for part in shape) for shape in SHAPES]


def by_hand(x, filters, strides, padding):
    """The sum itself, in complex numbers: `(batch, *places, channels)` to `(..., filters)`."""
    window = filters.shape[1:]
    reach = [(k // 2, k // 2) for k in window]
    padded = np.pad(x, [(0, 0), *reach, (0, 0)], mode=NUMPY_MODES[padding])
    whole = np.zeros((*x.shape, len(filters)), "complex128")
    for q in itertools.product(*map(range, window)):
        # h(q - k//2) meets x(p + k//2 - q), at p + 2 (k//2) - q of the padded signal
        moved = [
            slice(k - 1 - i, k - 1 - i + n)
            for k, i, n in zip(window, q, x.shape[1:-1], strict=True)
        ]
        whole += padded[(slice(None), *moved)][..., None] * filters[(slice(None), *q)]
    for axis, (size, stride) in enumerate(zip(x.shape[1:-1], strides, strict=True), start=1):
        start = (size % stride + 1) // 2
        whole = np.take(whole, start + stride * np.arange(size // stride), axis=axis)
    return whole


def numbers(shape, seed):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("padding", PADDINGS.names())
@pytest.mark.parametrize("method", [*METHODS.names(), "auto"])
@pytest.mark.parametrize(("places", "window", "strides"), SHAPES, ids=IDS)
def test_equals_the_sum(places, window, strides, method, padding):
    x = numbers((2, *places, 3), 0) + 1j * numbers((2, *places, 3), 1)
    h = numbers((4, *window), 2) + 1j * numbers((4, *window), 3)
    parts = [x.real.astype("float32"), x.imag.astype("float32")]
    expected = by_hand(x, h, strides, padding)
    scale = 2e-6 * np.abs(expected).max()
    for d in (1, 2):
        y = filtered(parts[:d], h.real, h.imag, strides, padding, method)
        want = by_hand(x.real if d == 1 else x, h, strides, padding)
        for found, part in zip(y, (want.real, want.imag), strict=True):
            assert found.shape == part.shape
            np.testing.assert_allclose(ops.convert_to_numpy(found), part, atol=scale)
    y = filtered([*parts, parts[0]], h.real, None, strides, padding, method)
    want = by_hand(x, h.real, strides, padding)
    for found, part in zip(y, (want.real, want.imag, want.real), strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(found), part, atol=scale)


@pytest.mark.parametrize("method", METHODS.names())
def test_filters_may_be_tensors(method):
    x, h = numbers((2, 7, 6, 2), 0).astype("float32"), numbers((3, 3, 5), 1).astype("float32")
    fixed = filtered([x], h, h + 1, 2, "reflect", method)
    tensors = filtered(
        [x], ops.convert_to_tensor(h), ops.convert_to_tensor(h + 1), 2, "reflect", method
    )
    for a, b in zip(fixed, tensors, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(a), ops.convert_to_numpy(b), atol=2e-5)


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("shape", "window", "stride"), [((1, 7, 2), (3,), 2), ((1, 4, 5, 1), (3, 3), 2)]
)
@pytest.mark.parametrize("padding", PADDINGS.names())
def test_gradients_of_signal_and_filters(shape, window, stride, padding):
    h = numbers((2, *window), 1), numbers((2, *window), 2)
    x = numbers(shape, 3), numbers(shape, 4)

    def direct(re, im, real, imag):
        return filtered([re, im], real, imag, stride, padding, "direct")

    check_gradient(direct, *x, *h)


@pytest.mark.parametrize(
    ("bank", "window"), [("morlet", 5), ("morlet", None), ("half_octave_odd", None)]
)
def test_methods_agree_on_wavelets(bank, window):
    filters = wavelets.filter_bank(bank, angles=4, window=window).filters
    x = numbers((2, 15, 12, 3), 0).astype("float32")
    direct, fft = (
        filtered([x, x[:, ::-1]], filters.real, filters.imag, 2, "reflect", method)
        for method in ("direct", "fft")
    )
    for a, b in zip(direct, fft, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(a), ops.convert_to_numpy(b), atol=2e-6)


def test_large_windows_go_through_the_transform():
    h = numbers((1, 71), 0)
    x = numbers((1, 80, 1), 1).astype("float32")
    chosen = ops.convert_to_numpy(filtered([x], h)[0])
    np.testing.assert_array_equal(chosen, ops.convert_to_numpy(filtered([x], h, method="fft")[0]))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("method", METHODS.names())
def test_16_bits(dtype, method):
    h = wavelets.filter_bank("morlet").filters
    x = numbers((2, 9, 8, 3), 1).astype("float32")
    exact = filtered([x], h.real, h.imag, 2)
    half = filtered([ops.cast(x, dtype)], h.real, h.imag, 2, method=method)
    for a, b in zip(half, exact, strict=True):
        assert dtype in str(a.dtype)
        a, b = (ops.convert_to_numpy(ops.cast(t, "float32")) for t in (a, b))
        np.testing.assert_allclose(a, b, atol=4e-2)


@pytest.mark.parametrize(
    ("places", "arguments", "message"),
    [
        ((3, 8), {}, r"at least \(4, 4\) for windows of \(7, 7\).*Received: size=\(3, 8\)"),
        ((8, 2), {"padding": "circular"}, r"at least \(3, 3\)"),
        ((8, 1), {"padding": "zero", "strides": 2}, r"at least \(2, 2\)"),
        ((8, 8), {"padding": "mirror"}, "Unknown padding.*reflect.*'mirror'"),
        ((8, 8), {"method": "fourier"}, "Unknown filtering method.*fft.*'fourier'"),
    ],
)
def test_bad_arguments_are_named(places, arguments, message):
    h = wavelets.filter_bank("morlet", angles=4).filters
    with pytest.raises(ValueError, match=message):
        filtered([np.ones((1, *places, 1), "float32")], h.real, h.imag, **arguments)


def test_complex_filters_take_no_quaternions():
    h = np.ones((1, 3))
    with pytest.raises(ValueError, match=r"one or two components.*Received: 4"):
        filtered([np.ones((1, 5, 1), "float32")] * 4, h, h)
