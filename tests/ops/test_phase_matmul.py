"""Dense products with packed codes against NumPy's einsum of the decoded kernel."""

import os

import keras
import numpy as np
import pytest
from keras import ops

from keras_phase import algebras
from keras_phase.ops import native, phase_matmul

# (algebra, bits of a direction, whether elements may be 0).
CODES = [
    ("real", 1, False),
    ("real", 1, True),
    ("complex", 1, False),
    ("complex", 2, False),
    ("complex", 2, True),
    ("complex", 3, False),
    ("complex", 3, True),
    ("complex", 4, False),
    ("quaternion", 3, False),
    ("quaternion", 3, True),
    ("m2r", 4, False),
]
# (leading shape, elements in, units): odd, empty, wider than a tile, deeper than a pass.
SHAPES = [
    ((1,), 1, 1),
    ((3,), 7, 5),
    ((8,), 37, 131),
    ((2, 3), 41, 16),
    ((33,), 65, 70),
    ((2,), 2500, 3),
    ((), 9, 4),
    ((0,), 9, 4),
    ((2,), 0, 3),
    ((2,), 5, 0),
]
SETS = ["avx512", "avx2", "baseline"]
TOLERANCE = 3e-6

needs_library = pytest.mark.skipif(
    native.unavailable_reason() is not None and os.environ.get("KERAS_PHASE_NATIVE") != "require",
    reason=f"no native operations: {native.unavailable_reason()}",
)


def case(code, shape, seed=0):
    """Algebra, codebook, codes, and the operands of the product."""
    name, bits, zeros = code
    leading, n, units = shape
    algebra = algebras.get(name)
    rng = np.random.default_rng(seed)
    points = phase_matmul.codebook(algebra, bits, zeros)
    codes = rng.integers(0, len(points), (n, units))
    scale = rng.uniform(0.5, 2, units).astype("float32")
    x = rng.normal(size=(*leading, algebra.dimension * n)).astype("float32")
    bias = rng.normal(size=algebra.dimension * units).astype("float32")
    return algebra, points, codes, scale, x, bias


def packed(points, codes):
    return phase_matmul.pack(codes, phase_matmul.num_bits(points))


def oracle(algebra, points, codes, scale, x, bias=0.0):
    n, units = codes.shape
    d = algebra.dimension
    kernel = np.moveaxis(points[codes], -1, 0) * scale.astype("float64")
    parts = x.astype("float64").reshape(*x.shape[:-1], d, n)
    y = np.einsum("ijk,...jn,inm->...km", algebra.structure_constants, parts, kernel)
    return y.reshape(*x.shape[:-1], d * units) + bias


def assert_near(y, expected):
    y = ops.convert_to_numpy(y)
    assert y.dtype == "float32" and y.shape == expected.shape
    np.testing.assert_allclose(y, expected, atol=TOLERANCE * max(1, abs(expected).max(initial=0)))


@pytest.mark.parametrize("code", CODES, ids=str)
def test_product(code):
    """By the native operation where there is one, and by decoding."""
    for shape in SHAPES:
        algebra, points, codes, scale, x, bias = case(code, shape)
        expected = oracle(algebra, points, codes, scale, x, bias)
        arguments = (x, packed(points, codes), scale, algebra, points)
        assert_near(phase_matmul.phase_matmul(*arguments, bias), expected)
        relu = phase_matmul.phase_matmul(*arguments, bias, relu=True)
        assert_near(relu, np.maximum(expected, 0))


@pytest.mark.parametrize("code", CODES, ids=str)
def test_decoding(code):
    for shape in SHAPES:
        _, points, codes, scale, *_ = case(code, shape)
        kernel = phase_matmul.decode(
            packed(points, codes), ops.convert_to_tensor(scale), points, len(codes)
        )
        expected = np.moveaxis(points[codes], -1, 0) * scale
        np.testing.assert_allclose(ops.convert_to_numpy(kernel), expected, rtol=1e-6)


@pytest.mark.parametrize("code", CODES, ids=str)
def test_encoding_finds_codes_and_scales_again(code):
    _, points, codes, scale, *_ = case(code, ((), 300, 7))
    kernel = (np.moveaxis(points[codes], -1, 0) * scale).astype("float32")
    kernel[..., 3] = 0
    found = phase_matmul.encode(kernel, points)
    assert found.distance < 1e-6 and found.scale[3] == 0
    np.testing.assert_array_equal(points[found.codes][:, :3], points[codes][:, :3])
    np.testing.assert_allclose(found.scale[:3], scale[:3], rtol=1e-6)
    moved = kernel.copy()
    moved[0, 5, 1] += 0.25 * scale[1]
    assert 0.2 < phase_matmul.encode(moved, points).distance < 0.3


def test_bytes_are_packed_lowest_first():
    codes = np.arange(17)[:, None] % 4
    expected = [[[0b11100100] * 4], [[0, 0, 0, 0]]]
    assert phase_matmul.pack(codes, 2).tolist() == expected
    # Ten codes of three bits a word.
    assert phase_matmul.pack(np.full((11, 1), 7), 3).tolist() == [
        [[255, 255, 255, 63]],
        [[7, 0, 0, 0]],
    ]


def test_long_codes_are_refused():
    with pytest.raises(ValueError, match=r"at most 4 bits.*Received: phase_bits=4, zeros=True"):
        phase_matmul.codebook(algebras.get("complex"), 4, zeros=True)


@needs_library
@pytest.mark.tensorflow
@pytest.mark.parametrize("instructions", SETS)
@pytest.mark.parametrize("code", CODES, ids=str)
def test_instruction_sets(code, instructions):
    for shape in SHAPES:
        algebra, points, codes, scale, x, bias = case(code, shape, seed=1)
        try:
            with native.forced_instruction_set(instructions):
                y = native.coded_matmul(
                    ops.convert_to_tensor(x),
                    packed(points, codes),
                    scale,
                    phase_matmul.matrices(algebra, points),
                    bias,
                    False,
                )
        except ValueError as error:
            pytest.skip(str(error))
        assert_near(y, oracle(algebra, points, codes, scale, x, bias))


@needs_library
@pytest.mark.tensorflow
def test_rows_do_not_depend_on_each_other_nor_on_threads():
    algebra, points, codes, scale, x, _ = case(("complex", 2, False), ((7,), 4100, 1025))
    arguments = (packed(points, codes), scale, algebra, points)
    y = phase_matmul.phase_matmul(x, *arguments).numpy()
    one = phase_matmul.phase_matmul(x[4:5], *arguments).numpy()
    np.testing.assert_array_equal(y[4:5], one)
    try:
        native.library().functions.keras_phase_set_num_threads(1)
        alone = phase_matmul.phase_matmul(x, *arguments).numpy()
        native.library().functions.keras_phase_set_num_threads(3)
        shared = phase_matmul.phase_matmul(x, *arguments).numpy()
    finally:
        threads = len(os.sched_getaffinity(0))
        native.library().functions.keras_phase_set_num_threads(threads)
    np.testing.assert_array_equal(alone, shared)
    assert_near(y, oracle(algebra, points, codes, scale, x))


@needs_library
@pytest.mark.tensorflow
def test_gradients_are_those_of_the_decoded_product(monkeypatch):
    import tensorflow as tf

    algebra, points, codes, scale, x, bias = case(("complex", 3, True), ((3, 2), 23, 9))
    arrays = [tf.constant(a) for a in (x, scale, bias)]
    slopes = []
    for route in ("native", "stock"):
        if route == "stock":
            monkeypatch.setattr(native, "serves", lambda *tensors: False)
        with tf.GradientTape() as tape:
            tape.watch(arrays)
            y = phase_matmul.phase_matmul(
                arrays[0], packed(points, codes), arrays[1], algebra, points, arrays[2], relu=True
            )
            total = tf.reduce_sum(y * tf.cast(tf.range(y.shape[-1]), y.dtype))
        slopes.append([s.numpy() for s in tape.gradient(total, arrays)])
    for mine, stock in zip(*slopes, strict=True):
        np.testing.assert_allclose(mine, stock, atol=1e-4 * np.abs(stock).max())


@needs_library
@pytest.mark.tensorflow
@pytest.mark.parametrize("options", [{}, {"jit_compile": True}], ids=["graph", "xla"])
def test_graphs(options):
    import tensorflow as tf

    algebra, points, codes, scale, x, bias = case(("complex", 2, False), ((5,), 19, 11))

    @tf.function(input_signature=[tf.TensorSpec((None, x.shape[-1]))], **options)
    def run(x):
        y = phase_matmul.phase_matmul(x, packed(points, codes), scale, algebra, points, bias)
        assert y.shape.as_list() == [None, 22]
        return y

    assert_near(run(x), oracle(algebra, points, codes, scale, x, bias))
    named = {op.type for op in run.get_concrete_function().graph.get_operations()}
    assert ("KerasPhaseCodedMatMul" in named) == (not options)


def test_other_dtypes_are_decoded():
    algebra, points, codes, scale, x, _ = case(("complex", 2, False), ((5,), 19, 11))
    expected = oracle(algebra, points, codes, scale, x)
    y = phase_matmul.phase_matmul(
        ops.cast(x, "bfloat16"), packed(points, codes), scale, algebra, points
    )
    assert keras.backend.standardize_dtype(y.dtype) == "bfloat16"
    np.testing.assert_allclose(
        ops.convert_to_numpy(ops.cast(y, "float32")), expected, atol=0.02 * abs(expected).max()
    )


# Shapes of (x, codes, scale, matrices, bias), and what the text says.
BAD = {
    "matrices": (((2, 6), (1, 5, 4), (5,), (3, 2, 2), (10,)), r"matrices \(2\^bits, d, d\)"),
    "many bits": (((2, 6), (1, 5, 4), (5,), (32, 2, 2), (10,)), "1 to 4 bits"),
    "x": (((2, 7), (1, 5, 4), (5,), (4, 2, 2), (10,)), r"x \(\.\.\., d\*in\)"),
    "no axis": (((), (1, 5, 4), (5,), (4, 2, 2), (10,)), r"x \(\.\.\., d\*in\)"),
    "words": (((2, 6), (2, 5, 4), (5,), (4, 2, 2), (10,)), r"codes \(1, out, 4\) for 3 inputs"),
    "bytes": (((2, 6), (1, 5, 3), (5,), (4, 2, 2), (10,)), r"codes \(1, out, 4\)"),
    "scale": (((2, 6), (1, 5, 4), (6,), (4, 2, 2), (10,)), r"scale \(out\)"),
    "bias": (((2, 6), (1, 5, 4), (5,), (4, 2, 2), (5,)), r"bias \(d\*out\)"),
}


@needs_library
@pytest.mark.tensorflow
@pytest.mark.parametrize("wrong", BAD)
def test_bad_input_is_an_error_with_the_shapes(wrong):
    import tensorflow as tf

    shapes, text = BAD[wrong]
    x, codes, scale, matrices, bias = shapes
    with pytest.raises(tf.errors.InvalidArgumentError, match=text) as error:
        native.library().ops.keras_phase_coded_mat_mul(
            x=tf.zeros(x),
            codes=tf.zeros(codes, "uint8"),
            scale=tf.zeros(scale),
            matrices=tf.zeros(matrices, "float64"),
            bias=[tf.zeros(bias)],
        )
    assert "Received: x.shape=(" in str(error.value)
