"""Every product method, for every algebra, against the definition and against `expanded`."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_phase import algebras
from keras_phase.ops import dispatch, layout, native, product
from tests.helpers.tolerances import assert_close

ALGEBRAS = algebras.names()
METHODS = ("expanded", "factored", "matrix")
CASES = [
    (name, method)
    for name in ALGEBRAS
    for method in METHODS
    if dispatch.METHODS.get(method).unavailable(algebras.get(name)) is None
]
# (leading shape of x, in, out): odd, one and empty sizes.
SIZES = [((5,), 3, 4), ((1,), 1, 1), ((2, 3), 7, 5), ((0,), 3, 2), ((2, 1, 3), 2, 9)]


def by_definition(x, kernel, algebra):
    """y_j = sum_i w_ij * x_i with the structure constants, in NumPy."""
    d = algebra.dimension
    xs = x.reshape(*x.shape[:-1], d, kernel.shape[1])
    y = np.einsum("pqr,pij,...qi->...rj", algebra.structure_constants, kernel, xs)
    return y.reshape(*x.shape[:-1], d * kernel.shape[2])


def draw(algebra, leading, size_in, size_out, seed=0, dtype="float64"):
    rng = np.random.default_rng(seed)
    d = algebra.dimension
    x = rng.normal(size=(*leading, d * size_in)).astype(dtype)
    return x, rng.normal(size=(d, size_in, size_out)).astype(dtype)


def gradients(function, *arrays):
    tf = pytest.importorskip("tensorflow")
    tensors = [tf.constant(a) for a in arrays]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        y = function(*tensors)
        weight = tf.reshape(tf.sin(tf.cast(tf.range(tf.size(y)), y.dtype)), tf.shape(y))
        loss = tf.reduce_sum(y * weight)
    return [g.numpy() for g in tape.gradient(loss, tensors)]


@pytest.mark.parametrize(("name", "method"), CASES)
@pytest.mark.parametrize("size", SIZES)
def test_method_equals_the_definition(name, method, size):
    algebra = algebras.get(name)
    x, kernel = draw(algebra, *size)
    y = dispatch.matmul(ops.convert_to_tensor(x), ops.convert_to_tensor(kernel), algebra, method)
    dtype = keras.backend.standardize_dtype(y.dtype)  # JAX keeps float32 unless told otherwise
    assert_close(ops.convert_to_numpy(y), by_definition(x, kernel, algebra), dtype)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="gradients by GradientTape")
@pytest.mark.parametrize(("name", "method"), [c for c in CASES if c[1] != "expanded"])
def test_method_has_the_gradients_of_expanded(name, method):
    algebra = algebras.get(name)
    x, kernel = draw(algebra, (5,), 3, 7)
    fast = gradients(lambda a, b: dispatch.matmul(a, b, algebra, method), x, kernel)
    reference = gradients(lambda a, b: dispatch.matmul(a, b, algebra, "expanded"), x, kernel)
    for a, b in zip(fast, reference, strict=True):
        assert_close(a, b, "float64")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize(("name", "method"), CASES)
def test_method_keeps_the_dtype_and_its_precision(name, method, dtype):
    algebra = algebras.get(name)
    x, kernel = draw(algebra, (4,), 5, 3)
    x, kernel = (np.asarray(ops.cast(a, dtype)) for a in (x, kernel))
    y = dispatch.matmul(ops.convert_to_tensor(x), ops.convert_to_tensor(kernel), algebra, method)
    assert keras.backend.standardize_dtype(y.dtype) == dtype
    expected = by_definition(x.astype("float64"), kernel.astype("float64"), algebra)
    factor = 1 if method != "factored" else 8  # sums and differences lose a stated constant
    assert_close(np.asarray(ops.cast(y, "float64")), expected, dtype, factor)


@pytest.mark.parametrize("name", ALGEBRAS)
def test_elementwise_product_equals_numpy(name):
    algebra = algebras.get(name)
    rng = np.random.default_rng(1)
    d = algebra.dimension
    a, b = rng.normal(size=(3, d * 5)), rng.normal(size=(1, d * 5))
    y = ops.convert_to_numpy(product.multiply(a, b, name))
    a_elements = np.swapaxes(a.reshape(3, d, 5), 1, 2)
    b_elements = np.swapaxes(b.reshape(1, d, 5), 1, 2)
    expected = np.swapaxes(algebra.multiply(a_elements, b_elements), 1, 2).reshape(3, -1)
    assert_close(y, expected, "float64" if y.dtype == np.float64 else "float32")


@pytest.mark.parametrize("name", [n for n in ALGEBRAS if algebras.get(n).conjugation is not None])
def test_conjugate_equals_numpy(name):
    algebra = algebras.get(name)
    x = np.random.default_rng(2).normal(size=(3, algebra.dimension * 2))
    elements = np.swapaxes(x.reshape(3, algebra.dimension, 2), 1, 2)
    expected = np.swapaxes(algebra.conjugate(elements), 1, 2).reshape(3, -1)
    assert_close(ops.convert_to_numpy(product.conjugate(x, name)), expected, "float32")


@pytest.mark.parametrize("name", ALGEBRAS)
def test_dense_product_of_one_element_is_the_elementwise_product(name):
    """Kernel of one input and one output: the weight stands on the left in both."""
    algebra = algebras.get(name)
    x, kernel = draw(algebra, (4,), 1, 1)
    y = dispatch.matmul(ops.convert_to_tensor(x), ops.convert_to_tensor(kernel), algebra)
    weight = np.tile(kernel.reshape(1, -1), (4, 1))
    assert_close(ops.convert_to_numpy(y), ops.convert_to_numpy(product.multiply(weight, x, name)))


def test_complex_product_is_that_of_complex_numbers():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(4, 3)) + 1j * rng.normal(size=(4, 3))
    w = rng.normal(size=(3, 2)) + 1j * rng.normal(size=(3, 2))
    y = dispatch.matmul(
        ops.convert_to_tensor(np.concatenate([x.real, x.imag], -1)),
        ops.convert_to_tensor(np.stack([w.real, w.imag])),
        "complex",
    )
    expected = x @ w
    assert_close(ops.convert_to_numpy(y), np.concatenate([expected.real, expected.imag], -1))


def test_interleaved_layout_is_undone():
    x = np.arange(12.0).reshape(2, 6)
    blocks = layout.interleaved_to_blocks(ops.convert_to_tensor(x), 2)
    assert ops.convert_to_numpy(blocks)[0].tolist() == [0, 2, 4, 1, 3, 5]
    assert_close(ops.convert_to_numpy(layout.blocks_to_interleaved(blocks, 2)), x)


def test_auto_follows_the_table(monkeypatch):
    wide = ops.zeros((2, 256, 256))
    narrow = ops.zeros((2, 256, 10))
    x = ops.zeros((1, 512))
    complex_algebra = algebras.get("complex")
    monkeypatch.setattr(native, "serves", lambda *tensors: False)
    monkeypatch.setattr(native, "executing_eagerly", lambda: False)
    assert dispatch.choose(x, wide, complex_algebra).name == "factored"
    assert dispatch.choose(x, narrow, complex_algebra).name == "expanded"
    assert dispatch.choose(ops.cast(x, "bfloat16"), wide, complex_algebra).name == "expanded"
    assert dispatch.choose(x, wide, algebras.get("m2r")).name == "matrix"
    assert dispatch.choose(x, wide, algebras.get("octonion")).name == "expanded"
    monkeypatch.setattr(native, "executing_eagerly", lambda: True)
    assert dispatch.choose(x, wide, complex_algebra).name == "expanded"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("complex", "fast"), ["Unknown product method", "expanded", "fast"]),
        (("octonion", "factored"), ["not available", "octonion", "factorization"]),
        (("complex", "matrix"), ["not available", "complex", "not a matrix algebra"]),
        (("nonsense", "auto"), ["Unknown algebra", "quaternion", "nonsense"]),
    ],
)
def test_errors_name_what_is_wrong(arguments, words):
    with pytest.raises(ValueError) as error:
        dispatch.get(arguments[1], arguments[0])
    for word in words:
        assert word in str(error.value)


def test_wrong_sizes_are_an_error():
    with pytest.raises(ValueError, match=r"x\.shape=\(1, 5\)"):
        dispatch.matmul(ops.zeros((1, 5)), ops.zeros((2, 3, 4)), "complex")
