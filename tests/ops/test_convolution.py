"""Convolutions of every kind, algebra and product method, against loops over the definition."""

import dataclasses
import itertools

import keras
import numpy as np
import pytest
from keras import ops

from keras_phase import algebras
from keras_phase.ops import dispatch, native
from keras_phase.ops.convolution import (
    Convolution,
    DepthwiseConvolution,
    Pointwise,
    TransposedConvolution,
    convolution,
)
from tests.helpers.gradients import DOUBLE, check_gradient, gradients
from tests.helpers.tolerances import assert_close

ALGEBRAS = algebras.names()
METHODS = [
    (name, method)
    for name in ALGEBRAS
    for method in ("expanded", "factored", "matrix")
    if dispatch.METHODS.get(method).unavailable(algebras.get(name)) is None
]
SOME = [m for m in METHODS if m[0] in ("complex", "quaternion", "cross", "m2c", "octonion")]

# (strides, padding, dilation_rate, groups, places, window, in, out): odd sizes throughout.
CONVOLUTIONS = {
    "1d": ((1,), "valid", (1,), 1, (7,), (3,), 3, 5),
    "1d strides": ((2,), "same", (1,), 1, (8,), (3,), 2, 3),
    "1d dilated": ((1,), "same", (2,), 1, (7,), (2,), 2, 3),
    "2d": ((1, 1), "same", (1, 1), 1, (5, 3), (3, 2), 3, 2),
    "2d strides": ((2, 3), "valid", (1, 1), 1, (5, 7), (2, 3), 1, 3),
    "2d dilated": ((1, 1), "valid", (2, 2), 1, (5, 6), (2, 3), 2, 1),
    "3d": ((1, 2, 1), "same", (1, 1, 1), 1, (3, 4, 2), (2, 3, 1), 2, 3),
}
GROUPED = {
    "1d": ((1,), "valid", (1,), 2, (4,), (3,), 4, 6),
    "2d": ((2, 2), "same", (1, 1), 3, (3, 4), (2, 2), 6, 3),
}
# (strides, padding, dilation_rate, output_padding, places, window, in, out)
TRANSPOSED = {
    "1d": ((1,), "valid", (1,), None, (4,), (3,), 3, 5),
    "1d strides": ((3,), "valid", (1,), None, (4,), (2,), 2, 3),
    "2d": ((2, 2), "same", (1, 1), None, (3, 2), (3, 2), 3, 2),
    "2d padded": ((2, 2), "same", (1, 1), (1, 0), (3, 2), (3, 3), 1, 2),
    "3d": ((1, 2, 1), "valid", (1, 1, 1), None, (3, 2, 2), (2, 3, 1), 2, 3),
}
# (strides, padding, dilation_rate, places, window, in, multiplier)
DEPTHWISE = {
    "1d": ((2,), "same", (1,), (7,), (3,), 3, 2),
    "2d": ((1, 1), "valid", (1, 1), (5, 4), (3, 2), 3, 1),
    "2d strides": ((2, 2), "same", (1, 1), (5, 4), (3, 3), 1, 3),
    "2d dilated": ((1, 1), "same", (2, 2), (5, 4), (2, 3), 2, 2),
}


def margins(size, kernel, stride, dilation, padding):
    """Places before and after the input, and the number of places of the output."""
    reach = dilation * (kernel - 1) + 1
    if padding == "valid":
        return 0, 0, (size - reach) // stride + 1
    count = -(-size // stride)
    total = max((count - 1) * stride + reach - size, 0)
    return (reach - 1, 0, count) if padding == "causal" else (total // 2, total - total // 2, count)


def elements(x, d):
    """`(..., d*n)` to `(..., d, n)`."""
    return x.reshape(*x.shape[:-1], d, -1)


def loop(x, kernel, algebra, strides, padding, dilation, groups=1):
    """A convolution as a loop over the places of the output and of the window."""
    d, window = algebra.dimension, kernel.shape[1:-2]
    size_in, size_out = kernel.shape[-2], kernel.shape[-1] // groups
    settings = zip(x.shape[1:-1], window, strides, dilation, strict=True)
    pads = [margins(*s, padding) for s in settings]
    x = np.pad(elements(x, d), [(0, 0), *((a, b) for a, b, _ in pads), (0, 0), (0, 0)])
    y = np.zeros((len(x), *(count for *_, count in pads), d, groups * size_out))
    for place in itertools.product(*(range(count) for *_, count in pads)):
        for offset in itertools.product(*map(range, window)):
            at = tuple(
                p * s + o * r for p, s, o, r in zip(place, strides, offset, dilation, strict=True)
            )
            for g in range(groups):
                ins, outs = (slice(g * n, (g + 1) * n) for n in (size_in, size_out))
                y[(slice(None), *place, slice(None), outs)] += np.einsum(
                    "pqr,pij,bqi->brj",
                    algebra.structure_constants,
                    kernel[(slice(None), *offset, slice(None), outs)],
                    x[(slice(None), *at, slice(None), ins)],
                )
    return y.reshape(*y.shape[:-2], -1)


def depthwise_loop(x, kernel, algebra, strides, padding, dilation):
    """Every channel by itself, then component-major with the multiplier innermost."""
    d, n = algebra.dimension, kernel.shape[-2]
    parts = [
        elements(
            loop(
                elements(x, d)[..., c],
                kernel[..., c : c + 1, :],
                algebra,
                strides,
                padding,
                dilation,
            ),
            d,
        )
        for c in range(n)
    ]
    return np.concatenate(parts, axis=-1).reshape(*parts[0].shape[:-2], -1)


def transposed_loop(x, kernel, algebra, strides, padding, dilation, extra):
    """Every place of the input adds its window to the output."""
    d, window = algebra.dimension, kernel.shape[1:-2]
    x, places = elements(x, d), x.shape[1:-1]
    reach = [r * (k - 1) + 1 for k, r in zip(window, dilation, strict=True)]
    whole = [(n - 1) * s + r for n, s, r in zip(places, strides, reach, strict=True)]
    y = np.zeros((len(x), *whole, d, kernel.shape[-1]))
    for place in itertools.product(*map(range, places)):
        for offset in itertools.product(*map(range, window)):
            at = tuple(
                p * s + o * r for p, s, o, r in zip(place, strides, offset, dilation, strict=True)
            )
            y[(slice(None), *at)] += np.einsum(
                "pqr,pij,bqi->brj",
                algebra.structure_constants,
                kernel[(slice(None), *offset)],
                x[(slice(None), *place)],
            )
    for i, (n, s, r) in enumerate(zip(places, strides, reach, strict=True)):
        if padding == "valid":
            size = (n - 1) * s + r + (max(s - r, 0) if extra is None else extra[i])
            before = 0
        else:
            size = n * s if extra is None else (n - 1) * s + r % 2 + extra[i]
            before = margins(size, window[i], s, dilation[i], "same")[0]
        pad = [(0, 0)] * y.ndim
        pad[i + 1] = (0, max(before + size - y.shape[i + 1], 0))
        y = np.pad(y, pad).take(range(before, before + size), axis=i + 1)
    return y.reshape(*y.shape[:-2], -1)


def draw(algebra, places, window, size_in, size_out, seed=0):
    rng = np.random.default_rng(seed)
    d = algebra.dimension
    x = rng.normal(size=(2, *places, d * size_in))
    return x, rng.normal(size=(d, *window, size_out[0], size_out[1]))


def compute(x, kernel, algebra, method, contraction):
    """The product as an array."""
    y = dispatch.get(method, algebra)(
        ops.convert_to_tensor(x), ops.convert_to_tensor(kernel), algebra, contraction
    )
    return ops.convert_to_numpy(y)


def both_formats(x, kernel, algebra, method, contraction):
    """The product with channels last and with channels first, both shown with channels last.

    In float32: TensorFlow has no channels-first convolutions in float64 on a CPU.
    """
    x, kernel = x.astype("float32"), kernel.astype("float32")
    first = dataclasses.replace(contraction, data_format="channels_first")
    y = compute(np.moveaxis(x, -1, 1), kernel, algebra, method, first)
    return compute(x, kernel, algebra, method, contraction), np.moveaxis(y, 1, -1)


@pytest.mark.parametrize(("name", "method"), METHODS)
@pytest.mark.parametrize("case", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_convolution_equals_the_loop(name, method, case):
    strides, padding, dilation, groups, places, window, size_in, size_out = case
    algebra = algebras.get(name)
    x, kernel = draw(algebra, places, window, size_in, (size_in, size_out))
    expected = loop(x, kernel, algebra, strides, padding, dilation)
    contraction = Convolution(strides, padding, "channels_last", dilation, groups)
    assert_close(compute(x, kernel, algebra, method, contraction), expected, DOUBLE)


@pytest.mark.parametrize(
    ("name", "method", "case"),
    [(*m, "1d") for m in METHODS] + [(*m, "2d") for m in SOME],  # Keras compiles each: slow
)
def test_groups_take_whole_elements(name, method, case):
    strides, padding, dilation, groups, places, window, size_in, size_out = GROUPED[case]
    algebra = algebras.get(name)
    x, kernel = draw(algebra, places, window, size_in, (size_in // groups, size_out))
    expected = loop(x, kernel, algebra, strides, padding, dilation, groups)
    contraction = Convolution(strides, padding, "channels_last", dilation, groups)
    assert_close(compute(x, kernel, algebra, method, contraction), expected, DOUBLE)


@pytest.mark.parametrize(("name", "method"), METHODS)
@pytest.mark.parametrize("case", TRANSPOSED.values(), ids=TRANSPOSED)
def test_transposed_convolution_equals_the_loop(name, method, case):
    strides, padding, dilation, extra, places, window, size_in, size_out = case
    algebra = algebras.get(name)
    x, kernel = draw(algebra, places, window, size_in, (size_in, size_out))
    expected = transposed_loop(x, kernel, algebra, strides, padding, dilation, extra)
    contraction = TransposedConvolution(strides, padding, "channels_last", dilation, extra)
    assert_close(compute(x, kernel, algebra, method, contraction), expected, DOUBLE)


@pytest.mark.parametrize(("name", "method"), METHODS)
@pytest.mark.parametrize("case", DEPTHWISE.values(), ids=DEPTHWISE)
def test_depthwise_convolution_equals_the_loop(name, method, case):
    strides, padding, dilation, places, window, size_in, multiplier = case
    algebra = algebras.get(name)
    x, kernel = draw(algebra, places, window, size_in, (size_in, multiplier))
    expected = depthwise_loop(x, kernel, algebra, strides, padding, dilation)
    contraction = DepthwiseConvolution(strides, padding, "channels_last", dilation)
    assert_close(compute(x, kernel, algebra, method, contraction), expected, DOUBLE)


@pytest.mark.parametrize(("name", "method"), METHODS)
def test_one_place_is_the_dense_product(name, method):
    """Dense, a 1x1 convolution by either contraction, and einsum; and both gradients."""
    algebra = algebras.get(name)
    d = algebra.dimension
    x, kernel = draw(algebra, (3, 2), (1, 1), 5, (5, 3))
    signs = np.sin(np.arange(2 * 3 * 2 * d * 3)).reshape(2, 3, 2, d * 3)
    c = algebra.structure_constants
    expected = np.einsum("pqr,pij,bxyqi->bxyrj", c, kernel[:, 0, 0], elements(x, d))
    by_x = np.einsum("pqr,pij,bxyrj->bxyqi", c, kernel[:, 0, 0], elements(signs, d))
    by_kernel = np.einsum("pqr,bxyqi,bxyrj->pij", c, elements(x, d), elements(signs, d))
    product = dispatch.get(method, algebra)
    ones = (1, 1)
    assert isinstance(convolution(ones, ones, "valid", "channels_last", ones), Pointwise)
    for contraction in (Pointwise(), Convolution(ones, "valid", "channels_last", ones)):

        def weighted(a, k, contraction=contraction):
            return ops.multiply(product(a, k, algebra, contraction), signs)

        y = compute(x, kernel, algebra, method, contraction)
        assert_close(y, expected.reshape(y.shape), DOUBLE)
        slopes = gradients(weighted, x, kernel)
        assert_close(slopes[0], by_x.reshape(x.shape), DOUBLE)
        assert_close(slopes[1], by_kernel.reshape(kernel.shape), DOUBLE)
    dense = dispatch.matmul(x, kernel[:, 0, 0], algebra, method)
    assert_close(ops.convert_to_numpy(dense), expected.reshape(y.shape), DOUBLE)


# One contraction of each kind: (contraction, window, kernel in and out).
KINDS = {
    "pointwise": (Pointwise(), (1, 1), (4, 3)),
    "convolution": (Convolution((2, 1), "same", "channels_last", (1, 1)), (3, 2), (4, 3)),
    "groups": (Convolution((1, 1), "valid", "channels_last", (1, 1), 2), (2, 2), (2, 4)),
    "transposed": (TransposedConvolution((2, 1), "same", "channels_last", (1, 1)), (3, 2), (4, 3)),
    "depthwise": (DepthwiseConvolution((1, 1), "same", "channels_last", (1, 1)), (3, 2), (4, 2)),
}


@pytest.mark.parametrize(("name", "method"), SOME)
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_channels_first_is_the_same_product(name, method, kind):
    contraction, window, size = kind
    algebra = algebras.get(name)
    x, kernel = draw(algebra, (5, 4), window, 4, size)
    last, first = both_formats(x, kernel, algebra, method, contraction)
    assert_close(first, last)


@pytest.mark.parametrize(("name", "method"), [m for m in SOME if m[1] != "expanded"])
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_method_has_the_gradients_of_expanded(name, method, kind):
    contraction, window, size = kind
    algebra = algebras.get(name)
    x, kernel = draw(algebra, (3, 5), window, 4, size)

    def slopes(method):
        def function(a, k):
            y = dispatch.get(method, algebra)(a, k, algebra, contraction)
            return y * np.sin(np.arange(np.prod(y.shape))).reshape(y.shape)

        return gradients(function, x, kernel)

    for fast, reference in zip(slopes(method), slopes("expanded"), strict=True):
        assert_close(fast, reference, DOUBLE)


@pytest.mark.parametrize(
    "kind", [KINDS[k] for k in ("pointwise", "convolution", "transposed", "depthwise")]
)
def test_gradients_are_those_of_finite_differences(kind):
    contraction, window, size = kind
    algebra = algebras.get("complex")
    x, kernel = draw(algebra, (3, 2), window, 4, size)
    product = dispatch.get("expanded", algebra)
    tolerance = {"rtol": 1e-5, "atol": 1e-6}
    if DOUBLE == "float32":
        pytest.skip("convolutions of this backend compute in float32")
    check_gradient(lambda a, k: product(a, k, algebra, contraction), x[:1], kernel, **tolerance)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_batched_is_one_product_after_the_other(kind):
    contraction, window, size = kind
    rng = np.random.default_rng(0)
    x = ops.convert_to_tensor(rng.normal(size=(3, 2, 5, 4, 4)).astype("float32"))
    kernel = ops.convert_to_tensor(rng.normal(size=(3, *window, *size)).astype("float32"))
    expected = [ops.convert_to_numpy(contraction(x[r], kernel[r])) for r in range(3)]
    assert_close(ops.convert_to_numpy(contraction.batched(x, kernel)), np.stack(expected))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize(("name", "method"), [m for m in SOME if m[1] != "factored"])
def test_16_bit_floats_stay(name, method, dtype):
    algebra = algebras.get(name)
    x, kernel = (ops.cast(a, dtype) for a in draw(algebra, (5, 4), (3, 2), 3, (3, 2)))
    contraction = Convolution((1, 1), "same", "channels_last", (1, 1))
    y = dispatch.get(method, algebra)(x, kernel, algebra, contraction)
    assert keras.backend.standardize_dtype(y.dtype) == dtype
    exact = loop(
        *(np.asarray(ops.cast(a, "float64")) for a in (x, kernel)), algebra, (1, 1), "same", (1, 1)
    )
    assert_close(np.asarray(ops.cast(y, "float64")), exact, dtype)


def test_auto_follows_the_measured_rule(monkeypatch):
    same = ((1, 1), "same", "channels_last", (1, 1))
    x = ops.zeros((1, 3, 3, 64))
    complex_algebra = algebras.get("complex")
    wide, narrow = ops.zeros((2, 3, 3, 32, 32)), ops.zeros((2, 3, 3, 32, 8))

    def chosen(kernel, contraction, algebra=complex_algebra, x=x):
        return dispatch.choose(x, kernel, algebra, contraction).name

    monkeypatch.setattr(native, "executing_eagerly", lambda: False)
    assert chosen(wide, Convolution(*same)) == "factored"
    assert chosen(wide, TransposedConvolution(*same)) == "factored"
    assert chosen(narrow, Convolution(*same)) == "expanded"
    assert chosen(wide, Pointwise()) == "expanded"
    assert chosen(ops.zeros((2, 3, 3, 32, 1)), DepthwiseConvolution(*same)) == "factored"
    assert chosen(wide, Convolution(*same), x=ops.cast(x, "bfloat16")) == "expanded"
    assert chosen(wide, Convolution(*same), algebras.get("m2r")) == "matrix"
    monkeypatch.setattr(native, "executing_eagerly", lambda: True)
    assert chosen(wide, Convolution(*same)) == "expanded"
    assert chosen(ops.zeros((2, 3, 3, 128, 128)), Convolution(*same)) == "factored"
