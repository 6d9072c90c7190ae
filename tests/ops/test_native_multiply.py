"""The native elementwise product against NumPy's einsum, and its gradients."""

import os

import numpy as np
import pytest
import tensorflow as tf

from keras_phase import algebras, ops
from keras_phase.ops import native

pytestmark = pytest.mark.skipif(
    native.unavailable_reason() is not None and os.environ.get("KERAS_PHASE_NATIVE") != "require",
    reason=f"no native operations: {native.unavailable_reason()}",
)

NAMES = [*algebras.names(), algebras.clifford(2, 0, 1)]
# Leading axes of both operands; None for a single row.
SHAPES = [((), ()), ((7,), (7,)), ((2, 3), (2, 3)), (None, (5,)), ((2, 5), None), ((0,), (0,))]
SIZES = [1, 15, 16, 37]
SETS = ["avx512", "avx2", "baseline"]
TOLERANCE = {"float32": 2e-6, "float64": 1e-14}


def operands(name, shapes, n, dtype):
    algebra = algebras.get(name)
    rng = np.random.default_rng(n)
    sizes = [(*(shape or ()), algebra.dimension * n) for shape in shapes]
    return algebra, *(rng.normal(size=size).astype(dtype) for size in sizes)


def expected(algebra, *arrays):
    """By the structure constants, component axis apart."""
    d = algebra.dimension
    a, b = (x.astype("float64").reshape(*x.shape[:-1], d, x.shape[-1] // d) for x in arrays)
    y = np.einsum("...in,...jn,ijk->...kn", a, b, algebra.structure_constants.astype("float64"))
    return y.reshape(*y.shape[:-2], arrays[0].shape[-1])


def slopes(function, weights, *arrays):
    tensors = [tf.constant(x) for x in arrays]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        total = tf.reduce_sum(function(*tensors) * tf.constant(weights, tensors[0].dtype))
    return [slope.numpy() for slope in tape.gradient(total, tensors)]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("shapes", SHAPES)
@pytest.mark.parametrize("name", NAMES, ids=str)
def test_value_and_gradients(name, shapes, dtype):
    for n in SIZES:
        algebra, a, b = operands(name, shapes, n, dtype)
        table = algebra.structure_constants

        def mine(a, b, table=table):
            return native.multiply(a, b, table)

        def oracle(a, b, algebra=algebra, table=table):
            split = [tf.reshape(x, (*x.shape[:-1], algebra.dimension, -1)) for x in (a, b)]
            y = tf.einsum("...in,...jn,ijk->...kn", *split, tf.constant(table, a.dtype))
            return tf.reshape(y, (*y.shape[:-2], a.shape[-1]))

        y, value = mine(a, b).numpy(), expected(algebra, a, b)
        assert y.dtype == dtype and y.shape == value.shape
        limit = TOLERANCE[dtype] * max(1, np.abs(value).max(initial=0))
        np.testing.assert_allclose(y, value, atol=limit)
        weights = np.random.default_rng(1).normal(size=y.shape)
        if y.size == 0:
            continue
        for found, wanted in zip(
            slopes(mine, weights, a, b), slopes(oracle, weights, a, b), strict=True
        ):
            limit = 4 * TOLERANCE[dtype] * max(1, np.abs(wanted).max(initial=0))
            np.testing.assert_allclose(found, wanted, atol=limit)


@pytest.mark.parametrize("instructions", SETS)
@pytest.mark.parametrize("name", ["real", "quaternion", "m3r"])
def test_instruction_sets(name, instructions):
    algebra, a, b = operands(name, ((9,), (9,)), 37, "float32")
    try:
        with native.forced_instruction_set(instructions):
            y = native.multiply(a, b, algebra.structure_constants).numpy()
    except ValueError as error:
        pytest.skip(str(error))
    np.testing.assert_allclose(y, expected(algebra, a, b), atol=1e-5)


@pytest.mark.parametrize("shapes", [((4,), (4,)), (None, (4,)), ((4,), None)])
def test_second_derivatives(shapes):
    """Of a bilinear map: those of one operand by the other, the product with the directions."""
    algebra, a, b = operands("quaternion", shapes, 5, "float64")
    table = algebra.structure_constants
    rng = np.random.default_rng(3)
    weights = rng.normal(size=expected(algebra, a, b).shape)
    for position, (moved, other) in enumerate([(a, b), (b, a)]):
        direction = rng.normal(size=moved.shape)
        t = [tf.constant(a), tf.constant(b)]
        with tf.GradientTape() as outer:
            outer.watch(t)
            with tf.GradientTape() as inner:
                inner.watch(t)
                total = tf.reduce_sum(native.multiply(*t, table) * weights)
            along = tf.reduce_sum(inner.gradient(total, t[position]) * direction)
        second = outer.gradient(along, t[1 - position]).numpy()
        assert second.shape == other.shape
        pair = (direction, b) if position == 0 else (a, direction)
        first = slopes(lambda a, b: native.multiply(a, b, table), weights, *pair)
        np.testing.assert_allclose(second, first[1 - position], atol=1e-12)


def test_the_product_of_layers_uses_it_where_shapes_allow(monkeypatch):
    calls = []
    native_multiply = native.multiply
    monkeypatch.setattr(
        native, "multiply", lambda *arguments: calls.append(1) or native_multiply(*arguments)
    )
    _, a, b = operands("complex", ((3,), (3,)), 20, "float32")
    a, b = tf.constant(a), tf.constant(b)
    y = ops.multiply(a, b, "complex")
    assert len(calls) == 1
    np.testing.assert_allclose(
        y, expected(algebras.get("complex"), *map(np.array, (a, b))), atol=1e-5
    )
    broadcast = ops.multiply(a[:, None], b[None], "complex")  # stock operations
    assert len(calls) == 1 and broadcast.shape == (3, 3, 40)
    compiled = tf.function(lambda a, b: ops.multiply(a, b, "complex"), jit_compile=True)
    np.testing.assert_allclose(compiled(a, b), y, atol=1e-6)
    assert len(calls) == 1


BAD = {
    "table": (((3, 4), (3, 4), (2, 2, 3)), r"table \(d, d, d\)"),
    "size": (((3, 5), (3, 5), (2, 2, 2)), "one shape"),
    "other size": (((3, 4), (3, 6), (2, 2, 2)), "one shape"),
    "broadcast": (((3, 4), (1, 4), (2, 2, 2)), "one shape"),
    "scalar": (((), (), (1, 1, 1)), "one shape"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_an_error_with_the_shapes(name):
    shapes, message = BAD[name]
    with pytest.raises(tf.errors.InvalidArgumentError, match=message + ".*Received: a.shape="):
        native.library().ops.keras_phase_multiply(
            a=np.zeros(shapes[0]), b=np.zeros(shapes[1]), table=np.ones(shapes[2])
        )
