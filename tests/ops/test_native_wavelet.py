"""Native wavelet responses and moduli against complex sums in NumPy, and their gradients."""

import os

import numpy as np
import pytest
import tensorflow as tf

from keras_phase.ops import native, native_gradients

pytestmark = pytest.mark.skipif(
    native.unavailable_reason() is not None and os.environ.get("KERAS_PHASE_NATIVE") != "require",
    reason=f"no native operations: {native.unavailable_reason()}",
)

# Batch, height, width, channels; filters and window; strides; padding; parts; conjugate filters.
CASES = {
    "one channel": ((2, 9, 11, 1), (5, 3, 5), (1, 1), "reflect", 1, True),
    "odd channels": ((1, 12, 10, 17), (8, 5, 5), (2, 2), "constant", 1, True),
    "many filters": ((2, 8, 9, 20), (13, 7, 7), (2, 3), "wrap", 1, True),
    "free filters": ((3, 7, 8, 3), (4, 4, 3), (2, 1), "reflect", 1, False),
    "complex signal": ((2, 8, 8, 20), (8, 5, 3), (1, 2), "reflect", 2, True),
    "complex and free": ((1, 6, 7, 3), (1, 3, 3), (1, 1), "constant", 2, False),
    "one place": ((1, 5, 4, 33), (4, 1, 1), (1, 1), "reflect", 1, False),
    "a row": ((2, 1, 40, 5), (6, 1, 9), (1, 4), "reflect", 1, True),
    "a wide stride": ((1, 20, 20, 16), (8, 3, 3), (5, 4), "constant", 1, True),
}
SETS = ["avx512", "avx2", "baseline"]
TOLERANCE = {"float32": 2e-6, "float64": 1e-14}


def case(name, dtype, seed=0):
    """Signal, filters, rows, columns, strides, parts."""
    (batch, height, width, n), (count, *window), strides, mode, parts, conjugate = CASES[name]
    rng = np.random.default_rng(seed)
    filters = rng.normal(size=(2, count, *window))
    if conjugate:
        opposite = filters[:, :, ::-1, ::-1]
        filters = np.stack([filters[0] + opposite[0], filters[1] - opposite[1]])
    extra = {"constant_values": -1} if mode == "constant" else {}
    rows, columns = (
        np.pad(np.arange(size), (k // 2, (k - 1) // 2), mode=mode, **extra)
        for size, k in zip((height, width), window, strict=True)
    )
    x = rng.normal(size=(batch, height, width, parts * n)).astype(dtype)
    return x, filters.astype(dtype), rows, columns, strides, parts


def expected(x, filters, rows, columns, strides, parts):
    return np.abs(responses(x, filters, rows, columns, strides, parts))


def responses(x, filters, rows, columns, strides, parts):
    """By complex numbers, one place of the window at a time."""
    x, filters = x.astype("float64"), filters.astype("float64")
    n = x.shape[-1] // parts
    signal = x[..., :n] + 1j * (x[..., n:] if parts == 2 else 0)
    padded = signal[:, rows][:, :, columns]
    padded[:, rows < 0] = 0
    padded[:, :, columns < 0] = 0
    total = 0
    height, width = filters.shape[2:]
    for u in range(height):
        for v in range(width):
            last = (len(rows) - height + u + 1, len(columns) - width + v + 1)
            part = padded[:, u : last[0] : strides[0], v : last[1] : strides[1]]
            total = total + part[..., None] * (filters[0] + 1j * filters[1])[:, u, v]
    return total


def slope(function, x, weights):
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(function(x) * tf.constant(weights, x.dtype))
    return tape.gradient(total, x).numpy()


def stock(arguments):
    _, filters, rows, columns, strides, parts = arguments
    constants = (tf.constant(filters), tf.constant(rows, "int32"), tf.constant(columns, "int32"))
    return lambda x: native_gradients.stock_wavelet_modulus(x, *constants, *strides, parts)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("instructions", SETS)
@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient(name, instructions, dtype):
    x, *rest = arguments = case(name, dtype)
    try:
        forced = native.forced_instruction_set(instructions)
        with forced:
            y = native.wavelet_modulus(x, *rest).numpy()
            weights = np.random.default_rng(1).normal(size=y.shape)
            mine = slope(lambda x: native.wavelet_modulus(x, *rest), x, weights)
    except ValueError as error:
        pytest.skip(str(error))
    value = expected(*arguments)
    assert y.dtype == dtype and y.shape == value.shape
    np.testing.assert_allclose(y, value, atol=TOLERANCE[dtype] * value.max())
    by_stock = slope(stock(arguments), x, weights)
    # Small moduli have wild directions: their slopes lose digits on both sides.
    np.testing.assert_allclose(mine, by_stock, atol=20 * TOLERANCE[dtype] * np.abs(by_stock).max())


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("instructions", SETS)
@pytest.mark.parametrize("name", CASES)
def test_responses(name, instructions, dtype):
    """Values, and the gradient: `<A x, w> = <x, A' w>` for a linear A."""
    x, *rest = arguments = case(name, dtype)
    total = responses(*arguments)
    results = {native.RESPONSE: np.stack([total.real, total.imag])}
    if rest[-1] == 1:
        results[native.REAL_PART] = total.real
    rng = np.random.default_rng(1)
    for result, value in results.items():
        weights, other = rng.normal(size=value.shape), rng.normal(size=x.shape)

        def function(x, result=result):
            return native.wavelet_modulus(x, *rest, result)

        try:
            with native.forced_instruction_set(instructions):
                y = function(x).numpy()
                by_x = slope(function, x, weights)
        except ValueError as error:
            pytest.skip(str(error))
        assert y.dtype == dtype and y.shape == value.shape
        scale = np.abs(value).max()
        np.testing.assert_allclose(y, value, atol=TOLERANCE[dtype] * scale)
        moved = responses(other, *rest)
        moved = np.stack([moved.real, moved.imag]) if result == native.RESPONSE else moved.real
        expected_sum = np.sum(moved * weights)
        size = np.linalg.norm(moved) * np.linalg.norm(weights)
        assert abs(np.sum(by_x * other) - expected_sum) < 10 * TOLERANCE[dtype] * size


@pytest.mark.parametrize("result", [native.RESPONSE, native.REAL_PART])
def test_second_derivative_of_responses(result):
    """The gradient is linear in the slope, and its gradient by that is the response again."""
    x, *rest = case("odd channels", "float32")
    direction = np.random.default_rng(3).normal(size=x.shape).astype("float32")
    y = native.wavelet_modulus(direction, *rest, result)
    weights = tf.ones_like(y)
    with tf.GradientTape() as outer:
        outer.watch(weights)
        t = tf.constant(x)
        with tf.GradientTape() as inner:
            inner.watch(t)
            out = native.wavelet_modulus(t, *rest, result)
        by_x = inner.gradient(out, t, output_gradients=weights)
        along = tf.reduce_sum(by_x * direction)
    np.testing.assert_allclose(outer.gradient(along, weights), y, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["one channel", "complex and free"])
def test_second_derivative_equals_finite_differences(name):
    x, *rest = case(name, "float64")
    rng = np.random.default_rng(2)
    shape = native.wavelet_modulus(x, *rest).shape
    weights, direction = rng.normal(size=shape), rng.normal(size=x.shape)

    def along(x):
        return np.sum(slope(lambda x: native.wavelet_modulus(x, *rest), x, weights) * direction)

    t = tf.constant(x)
    with tf.GradientTape() as outer:
        outer.watch(t)
        with tf.GradientTape() as inner:
            inner.watch(t)
            total = tf.reduce_sum(native.wavelet_modulus(t, *rest) * weights)
        along_here = tf.reduce_sum(inner.gradient(total, t) * direction)
    second = outer.gradient(along_here, t).numpy()
    step = 1e-6
    for index in [(0, 0, 0, 0), (0, 3, 2, 0), (0, 5, 6, x.shape[-1] - 1)]:
        moved = np.zeros_like(x)
        moved[index] = step
        difference = (along(x + moved) - along(x - moved)) / (2 * step)
        assert second[index] == pytest.approx(difference, rel=1e-5, abs=1e-6)


def test_zeros_have_no_slope_and_nan_stays():
    x, *rest = case("odd channels", "float32")
    zero = np.zeros_like(x)
    y = native.wavelet_modulus(zero, *rest).numpy()
    assert (y == 0).all()
    assert (slope(lambda x: native.wavelet_modulus(x, *rest), zero, np.ones_like(y)) == 0).all()
    x[0, 4, 4, 3] = np.nan
    y = native.wavelet_modulus(x, *rest).numpy()
    assert np.isnan(y[0, 2, 2, 3]).all()
    assert np.isfinite(y[0, :, :, :3]).all() and np.isfinite(y[0, :, :, 4:]).all()


@pytest.mark.parametrize("name", ["odd channels", "many filters", "complex signal"])
def test_equal_bits_on_any_number_of_threads(name):
    x, *rest = case(name, "float32")
    x = np.tile(x, (3, 4, 4, 1))
    rest[1:3] = [np.arange(x.shape[1]), np.arange(x.shape[2])]
    functions, found = native.library().functions, []
    before = tf.config.threading.get_intra_op_parallelism_threads() or len(os.sched_getaffinity(0))
    for threads in (1, 2, 5):
        functions.keras_phase_set_num_threads(threads)
        y = native.wavelet_modulus(x, *rest).numpy()
        found.append([y, slope(lambda x: native.wavelet_modulus(x, *rest), x, np.ones_like(y))])
    functions.keras_phase_set_num_threads(before)
    for more in found[1:]:
        np.testing.assert_array_equal(more[0], found[0][0])
        np.testing.assert_array_equal(more[1], found[0][1])


def test_in_a_graph_of_unknown_batch():
    x, *rest = case("odd channels", "float32")

    @tf.function(input_signature=[tf.TensorSpec((None, *x.shape[1:]))])
    def run(x):
        y = native.wavelet_modulus(x, *rest)
        assert y.shape.as_list() == [None, 6, 5, 17, 8]
        return y, tf.gradients(y, x)[0]

    y, by_x = run(np.concatenate([x, 2 * x]))
    np.testing.assert_allclose(y[1], 2 * y[0], rtol=1e-6)
    assert by_x.shape == (2, *x.shape[1:])


def test_without_images_or_places():
    x, filters, _, columns, strides, parts = case("one place", "float32")
    assert (
        native.wavelet_modulus(x[:0], filters, np.arange(5), columns, strides, parts).shape[0] == 0
    )
    nothing = np.zeros((2, 0, 4, 3), "float32")
    y = native.wavelet_modulus(nothing, filters, np.array([-1, -1]), columns, strides, parts)
    assert y.shape == (2, 2, 4, 3, 4) and (y.numpy() == 0).all()


BAD = {
    "rank of x": ({"x": np.zeros((2, 5, 3))}, "Expected x"),
    "parts": ({"parts": 2}, r"parts\*n"),
    "three parts": ({"parts": 3}, "one or two parts"),
    "fourth result": ({"result": 3}, "result 0, 1"),
    "real part of complex": ({"result": 2, "parts": 2}, "for one part 2"),
    "filters": ({"filters": np.zeros((3, 1, 3, 3))}, r"filters \(2, f, \*window\)"),
    "few rows": ({"rows": np.arange(2)}, "as many rows"),
    "a row beyond": ({"rows": np.array([0, 1, 9])}, r"rows\[2\]=9"),
    "a column before": ({"columns": np.array([0, -2, 1])}, r"columns\[1\]=-2"),
    "no filter": ({"filters": np.zeros((2, 0, 3, 3))}, "1 to 4096 filters"),
    "stride": ({"row_stride": 0}, "strides of at least 1.*Received: row_stride=0, column_str"),
    "slope": ({"slope": [np.zeros((1, 3, 3, 1, 1))]}, r"slope of the shape \(1, 3, 3, 3, 1\)"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_an_error_with_the_shapes(name):
    changed, message = BAD[name]
    arguments = {
        "x": np.zeros((1, 5, 5, 3)),
        "filters": np.zeros((2, 1, 3, 3)),
        "rows": np.arange(5),
        "columns": np.arange(5),
        "slope": [],
        **{"row_stride": 1, "column_stride": 1, "parts": 1},
        **changed,
    }
    for integer in ("rows", "columns"):
        arguments[integer] = arguments[integer].astype("int32")
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        native.library().ops.keras_phase_wavelet_modulus(**arguments)
