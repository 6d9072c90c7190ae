"""Modulus, direction and phase: values, gradients at 0 and at the cut, small numbers, dtypes."""

import math

import keras
import numpy as np
import pytest
from keras import ops

from keras_phase.ops import layout
from keras_phase.ops.modulus import (
    direction,
    direction_axis,
    from_polar,
    modulus,
    modulus_axis,
    phase,
    phase_axis,
    polar,
)
from tests.helpers.gradients import DOUBLE, check_gradient, gradients
from tests.helpers.tolerances import assert_close

ALGEBRAS = ["real", "complex", "cross", "quaternion", "octonion"]
DTYPES = list(dict.fromkeys(["float16", "bfloat16", "float32", DOUBLE]))
FUNCTIONS = {
    "modulus": modulus,
    "direction": direction,
    "phase": phase,
    "polar": polar,
    "round trip": lambda x, algebra: from_polar(*polar(x, algebra), algebra),
}
DIMENSIONS = {"real": 1, "complex": 2, "cross": 3, "quaternion": 4, "octonion": 8}


def elements(algebra, n=5, seed=0):
    return np.random.default_rng(seed).normal(size=(3, DIMENSIONS[algebra] * n))


def numpy(x):
    return ops.convert_to_numpy(ops.cast(x, DOUBLE))


@pytest.mark.parametrize("algebra", ALGEBRAS)
def test_modulus_is_the_euclidean_norm(algebra):
    x = elements(algebra)
    expected = np.linalg.norm(x.reshape(3, DIMENSIONS[algebra], 5), axis=1)
    assert_close(numpy(modulus(ops.array(x), algebra)), expected, DOUBLE)


def test_complex_functions_equal_numpy():
    z = elements("complex")[:, :5] + 1j * elements("complex", seed=1)[:, :5]
    x = ops.convert_to_tensor(np.concatenate([z.real, z.imag], axis=-1))
    unit = numpy(direction(x, "complex"))
    assert_close(numpy(modulus(x, "complex")), np.abs(z), DOUBLE)
    assert_close(numpy(phase(x, "complex")), np.angle(z), DOUBLE)
    assert_close(unit, np.concatenate([np.cos(np.angle(z)), np.sin(np.angle(z))], -1), DOUBLE)


def test_in_the_real_algebra_they_are_abs_and_sign():
    x = ops.convert_to_tensor([-2.0, 0.0, 1e-30, 3.0])
    assert numpy(modulus(x, "real")).tolist() == [2.0, 0.0, np.float32(1e-30), 3.0]
    assert numpy(direction(x, "real")).tolist() == [-1.0, 0.0, 1.0, 1.0]
    assert numpy(phase(x, "real")).tolist() == [-1.0, 0.0, 1.0, 1.0]


@pytest.mark.parametrize("algebra", ALGEBRAS)
def test_polar_round_trip(algebra):
    x = elements(algebra)
    x[0, ::5] = 0.0  # one element is zero
    x = ops.convert_to_tensor(x)
    norm, unit = polar(x, algebra)
    assert_close(numpy(norm), numpy(modulus(x, algebra)), DOUBLE)
    assert_close(numpy(unit), numpy(direction(x, algebra)), DOUBLE)
    assert_close(numpy(from_polar(norm, unit, algebra)), numpy(x), DOUBLE)


@pytest.mark.parametrize("algebra", ALGEBRAS)
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_axis_forms_agree_with_the_layout_forms(algebra, axis):
    x = ops.convert_to_tensor(elements(algebra))
    kernel = ops.moveaxis(layout.to_axis(x, DIMENSIONS[algebra]), -2, axis)
    assert_close(numpy(modulus_axis(kernel, axis)), numpy(modulus(x, algebra)), DOUBLE)
    kept = modulus_axis(kernel, axis, keepdims=True)
    assert kept.shape[axis] == 1
    unit = ops.moveaxis(direction_axis(kernel, axis), axis, -2)
    assert_close(numpy(layout.from_axis(unit)), numpy(direction(x, algebra)), DOUBLE)
    angle = phase_axis(kernel, axis)
    if DIMENSIONS[algebra] > 2:
        angle = layout.from_axis(ops.moveaxis(angle, axis, -2))
    assert_close(numpy(angle), numpy(phase(x, algebra)), DOUBLE)


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("algebra", ALGEBRAS)
def test_gradients(name, algebra):
    check_gradient(lambda x: FUNCTIONS[name](x, algebra), elements(algebra, n=2)[0])


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("algebra", ALGEBRAS)
def test_zero_maps_to_zero_with_gradient_zero(name, algebra):
    x = np.zeros((2, DIMENSIONS[algebra]))
    for y in keras.tree.flatten(FUNCTIONS[name](ops.convert_to_tensor(x), algebra)):
        assert not numpy(y).any()
    (slope,) = gradients(lambda x: FUNCTIONS[name](x, algebra), x)
    assert not slope.any()


def test_phase_jumps_at_the_cut_and_its_gradient_does_not():
    re, im = np.array([-2.0, -2.0, -2.0, -2.0]), np.array([0.0, -0.0, 1e-6, -1e-6])
    x = np.stack([re, im], axis=-1)
    angle = numpy(phase(ops.convert_to_tensor(x), "complex"))[:, 0]
    np.testing.assert_allclose(angle, [math.pi, math.pi, math.pi, -math.pi], atol=1e-6)
    (slope,) = gradients(lambda x: phase(x, "complex"), x)
    # d phase / d(re, im) = (-im, re) / |x|^2
    np.testing.assert_allclose(slope, [[0.0, -0.5]] * 4, atol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_phase_lies_in_its_half_open_interval(dtype):
    x = ops.cast([[-1.0, -0.0], [-1.0, -1e-30], [-1.0, 0.0], [1.0, -0.0]], dtype)
    angle = numpy(phase(x, "complex"))[:, 0]
    pi = numpy(ops.cast(np.array(math.pi), dtype))
    np.testing.assert_array_equal(angle, [pi, pi, pi, 0.0])  # -pi + 1e-30 rounds to -pi: excluded


@pytest.mark.parametrize("algebra", ["complex", "quaternion"])
@pytest.mark.parametrize("exponent", [-45, -38, -25, -19, -10, 10, 18])
def test_small_and_large_elements_have_finite_values_and_gradients(algebra, exponent):
    x = np.array(elements(algebra) * 10.0**exponent, dtype="float32")
    for name, function in FUNCTIONS.items():
        tensor = ops.convert_to_tensor(x)
        for y in keras.tree.flatten(function(tensor, algebra)):
            assert np.isfinite(numpy(y)).all(), name
    unit = np.linalg.norm(numpy(direction(tensor, algebra)).reshape(3, -1, 5), axis=1)
    expected = 0.0 if exponent < -20 else 1.0
    if exponent != -19:  # the limit itself
        np.testing.assert_allclose(unit, expected, rtol=1e-6)


@pytest.mark.tensorflow
@pytest.mark.parametrize("jit", [False, True])
def test_compiled_gradients_in_float32_are_finite_and_zero_at_zero(jit):
    tf = pytest.importorskip("tensorflow")
    scales = [1e-25, 1e-19, 1e-10, 1e18, 0.0]
    x = tf.constant(np.concatenate([elements("complex") * s for s in scales]), "float32")

    @tf.function(jit_compile=jit)
    def values_and_slopes(x):
        results = []
        for function in FUNCTIONS.values():
            with tf.GradientTape() as tape:
                tape.watch(x)
                total = sum(tf.reduce_sum(y) for y in keras.tree.flatten(function(x, "complex")))
            results.append((total, tape.gradient(total, x)))
        return results

    for name, (y, slope) in zip(FUNCTIONS, values_and_slopes(x), strict=True):
        assert np.isfinite(y.numpy()), name
        assert np.isfinite(slope.numpy()).all(), name
        assert not slope.numpy()[-3:].any(), name


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("algebra", ALGEBRAS)
def test_dtype_is_kept(dtype, algebra):
    x = elements(algebra)
    narrow = ops.cast(ops.convert_to_tensor(x), dtype)
    wide = ops.cast(narrow, DOUBLE)
    for name, function in FUNCTIONS.items():
        for y, expected in zip(
            keras.tree.flatten(function(narrow, algebra)),
            keras.tree.flatten(function(wide, algebra)),
            strict=True,
        ):
            assert keras.backend.standardize_dtype(y.dtype) == dtype, name
            assert_close(numpy(y), numpy(expected), dtype)


def test_float16_neither_overflows_nor_underflows():
    x = ops.cast([[300.0, 400.0], [6e-8, 0.0]], "float16")
    np.testing.assert_allclose(numpy(modulus(x, "complex"))[:, 0], [500.0, 6e-8], rtol=0.01)
    np.testing.assert_allclose(numpy(direction(x, "complex"))[1], [1.0, 0.0])


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("algebra", ["complex", "quaternion"])
def test_nan_is_propagated(name, algebra):
    x = elements(algebra, n=2)
    x[0, 0] = np.nan
    for y in keras.tree.flatten(FUNCTIONS[name](ops.convert_to_tensor(x), algebra)):
        y = numpy(y).reshape(3, -1, 2)
        assert np.isnan(y[0, :, 0]).all()
        assert np.isfinite(y[1:]).all()
        assert np.isfinite(y[0, :, 1]).all()


def test_empty_and_scalar_batches():
    assert modulus(ops.zeros((0, 4)), "complex").shape == (0, 2)
    assert phase(ops.zeros((0, 4)), "complex").shape == (0, 2)
    assert direction(ops.zeros((4,)), "quaternion").shape == (4,)


def test_integers_become_floats():
    assert numpy(modulus([[3, 4]], "complex")).tolist() == [[5.0]]


def test_symbolic_tensors():
    x = keras.Input((8,))
    model = keras.Model(x, [modulus(x, "complex"), direction(x, "complex"), phase(x, "complex")])
    assert [y.shape for y in model.outputs] == [(None, 4), (None, 8), (None, 4)]
    assert_close(model(ops.ones((1, 8)))[0], math.sqrt(2) * np.ones((1, 4)))


def test_bad_input():
    with pytest.raises(ValueError, match=r"multiple of the algebra's dimension 2.*size=3"):
        modulus(ops.ones((2, 3)), "complex")
    with pytest.raises(ValueError, match=r"Unknown algebra.*algebra='octavian'"):
        modulus(ops.ones((2, 3)), "octavian")
    with pytest.raises(TypeError, match=r"Expected a real tensor.*Received: x.dtype=.*complex64"):
        modulus(ops.convert_to_tensor(np.ones(2, dtype="complex64")), "complex")
