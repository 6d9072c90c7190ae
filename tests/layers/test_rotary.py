"""Rotary encoding: relative, isometric, and multiplication by unit complex numbers."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_phase import algebras
from keras_phase.layers.rotary import RotaryPhaseEncoding, imaginary_unit
from keras_phase.ops import product
from tests.helpers import layer_checks
from tests.helpers.gradients import DOUBLE, check_gradient
from tests.helpers.layer_checks import data
from tests.helpers.tolerances import assert_close

ALGEBRAS = algebras.names()
# The basis element that acts as the imaginary unit, by hand; elsewhere pairs of elements turn.
UNITS = {"complex": 1, "quaternion": 1, "coquaternion": 1, "octonion": 1}

# (arguments, input shape): no argument at its default where there is another value.
CASES = [
    ({}, (2, 5, 6)),
    ({"base": 50.0, "axis": 2, "algebra": "quaternion", "name": "turn"}, (2, 3, 5, 8)),
    ({"base": 7.0, "axis": -2, "algebra": "m2r"}, (2, 3, 8)),
    ({"algebra": "real"}, (2, 5, 6)),
]


def turned(x, angles, algebra):
    """One element after the other: `x` (positions, d, n), `angles` (positions, planes)."""
    y = np.zeros_like(x)
    positions, d, n = x.shape
    for m in range(positions):
        for k in range(n):
            if algebra.name in UNITS:
                element = np.zeros(d)
                element[0], element[UNITS[algebra.name]] = (
                    np.cos(angles[m, k]),
                    np.sin(angles[m, k]),
                )
                y[m, :, k] = algebra.multiply(element, x[m, :, k])
            else:
                half = k % (n // 2)
                z = np.exp(1j * angles[m, half]) * (x[m, :, half] + 1j * x[m, :, half + n // 2])
                y[m, :, k] = z.real if k < n // 2 else z.imag
    return y


def encode(x, **arguments):
    call = {k: arguments.pop(k) for k in ("offset",) if k in arguments}
    return ops.convert_to_numpy(RotaryPhaseEncoding(**arguments)(x, **call))


@pytest.mark.parametrize(("arguments", "shape"), CASES)
def test_keras_layer_test(arguments, shape):
    layer_checks.check_keras_layer_test(RotaryPhaseEncoding, arguments, shape, 0)


@pytest.mark.parametrize(("arguments", "shape"), CASES)
def test_reloads_with_every_argument_and_the_same_output(arguments, shape, tmp_path):
    layer_checks.check_round_trips(RotaryPhaseEncoding, arguments, shape, tmp_path)


@pytest.mark.tensorflow
@pytest.mark.parametrize(("arguments", "shape"), CASES)
def test_exports_with_stock_ops(arguments, shape, tmp_path):
    layer_checks.check_saved_model(RotaryPhaseEncoding, arguments, shape, tmp_path)


@pytest.mark.parametrize(("arguments", "shape"), CASES)
def test_unknown_batch_size_keeps_the_other_sizes(arguments, shape):
    layer_checks.check_unknown_batch_size(RotaryPhaseEncoding, arguments, shape)


def test_unknown_length():
    inputs = keras.Input((None, 6))
    model = keras.Model(inputs, RotaryPhaseEncoding()(inputs))
    assert model.output_shape == (None, None, 6)
    for length in (1, 4):
        x = data((2, length, 6))
        np.testing.assert_array_equal(model.predict(x, verbose=0), encode(x))


@pytest.mark.parametrize("name", ALGEBRAS)
def test_every_algebra_equals_a_loop(name):
    algebra, n = algebras.get(name), 6
    x = data((2, 5, algebra.dimension * n))
    layer = RotaryPhaseEncoding(base=100.0, algebra=name)
    y = ops.convert_to_numpy(layer(x, offset=3))
    planes = n if name in UNITS else n // 2
    frequencies = 100.0 ** (-np.arange(planes) / planes)
    np.testing.assert_allclose(layer.frequencies, frequencies)
    angles = (3 + np.arange(5))[:, None] * frequencies
    for sample, result in zip(x, y, strict=True):
        expected = turned(sample.reshape(5, -1, n).astype("float64"), angles, algebra)
        assert_close(result, expected.reshape(5, -1))


@pytest.mark.parametrize("name", ALGEBRAS)
def test_scores_depend_on_the_difference_of_positions_and_the_modulus_stays(name):
    d, n = algebras.get(name).dimension, 4
    q, k = data((1, 1, d * n), 1), data((1, 1, d * n), 2)

    def score(m, other):
        return float(
            (encode(q, algebra=name, offset=m) * encode(k, algebra=name, offset=other)).sum()
        )

    assert score(7, 3) == pytest.approx(score(104, 100), rel=1e-4, abs=1e-4)
    assert score(7, 3) != pytest.approx(score(3, 7), rel=1e-3)
    y = encode(q, algebra=name, offset=11)
    modulus = np.sqrt((q.reshape(d, n) ** 2).sum(0)), np.sqrt((y.reshape(d, n) ** 2).sum(0))
    if name in UNITS:
        assert_close(modulus[1], modulus[0])
    pairs = [(m[: n // 2] ** 2 + m[n // 2 :] ** 2) for m in modulus]
    assert_close(pairs[1], pairs[0])


def test_complex_numbers_are_multiplied_by_unit_complex_numbers():
    x = data((2, 5, 2 * 3))
    layer = RotaryPhaseEncoding()
    y = ops.convert_to_numpy(layer(x))
    unit = np.exp(1j * np.arange(5)[:, None] * layer.frequencies)
    factor = np.concatenate([unit.real, unit.imag], -1).astype("float32")[None]
    assert_close(y, ops.convert_to_numpy(product.multiply(factor, x, "complex")))
    assert_close(encode(np.tile(x[:, :1], (1, 5, 1)))[:, 0], x[:, 0])  # position 0 stays


def test_real_channels_in_rotate_half_form_are_complex_elements():
    x = data((2, 5, 8))
    np.testing.assert_array_equal(encode(x, algebra="real"), encode(x, algebra="complex"))


def test_offset_continues_a_sequence_for_all_or_for_each_sample():
    x = data((2, 9, 6))
    whole = encode(x)
    assert_close(encode(x[:, 4:], offset=4), whole[:, 4:])
    assert_close(encode(x[:, 4:], offset=ops.convert_to_tensor(4)), whole[:, 4:])
    each = encode(np.stack([x[0, 2:7], x[1, 4:9]]), offset=np.array([2, 4], "int32"))
    assert_close(each, np.stack([whole[0, 2:7], whole[1, 4:9]]))


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", ["real", "complex", "quaternion", "dual"])
def test_gradient(name):
    x = data((1, 3, algebras.get(name).dimension * 2))
    layer = RotaryPhaseEncoding(algebra=name, dtype="float64")
    check_gradient(lambda t: layer(t, offset=2), x)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16", DOUBLE])
def test_angles_are_computed_in_full_precision(dtype):
    x = data((1, 64, 4))
    layer = RotaryPhaseEncoding(dtype=dtype)
    y = layer(x, offset=2000)
    assert keras.backend.standardize_dtype(y.dtype) == layer.compute_dtype
    rounded = np.asarray(ops.cast(ops.cast(x, layer.compute_dtype), "float32"))
    expected = encode(rounded, offset=2000)
    compute = "float32" if dtype == DOUBLE else layer.compute_dtype
    # float32 angles of 2000 radians are known to 2000 * 6e-8.
    assert_close(np.asarray(ops.cast(y, "float64")), expected, compute, 20)


def test_jit_compile_and_masking():
    model = keras.Sequential(
        [keras.Input((None,), dtype="int32"), keras.layers.Embedding(9, 4, mask_zero=True)]
    )
    model.add(RotaryPhaseEncoding())
    y = model(np.array([[1, 2, 0]]))
    assert ops.convert_to_numpy(y._keras_mask).tolist() == [[True, True, False]]
    model.compile("sgd", "mse", jit_compile=True)
    model.fit(np.array([[1, 2, 0]]), np.zeros((1, 3, 4)), verbose=0)


@pytest.mark.parametrize("name", ALGEBRAS)
def test_the_table_tells_the_imaginary_unit(name):
    assert (imaginary_unit(algebras.get(name)) is not None) == (name in UNITS)


X = np.ones((2, 3, 6), "float32")
# (what is done, words of the message)
ERRORS = [
    (lambda: RotaryPhaseEncoding(base=0.0), ["positive", "base=0.0"]),
    (lambda: RotaryPhaseEncoding(base=float("inf")), ["positive", "base=inf"]),
    (lambda: RotaryPhaseEncoding(axis=0), ["batch", "axis=0"]),
    (lambda: RotaryPhaseEncoding(axis=-1), ["channels", "axis=-1"]),
    (lambda: RotaryPhaseEncoding(axis=2)(X), ["between 1 and 1", "axis=2"]),
    (lambda: RotaryPhaseEncoding(algebra="quaternion")(X), ["multiple of", "quaternion"]),
    (lambda: RotaryPhaseEncoding(algebra="dual")(X), ["even number", "3 elements", "dual"]),
    (lambda: RotaryPhaseEncoding()(X, offset=np.ones((2, 3))), ["(batch,)", "(2, 3)"]),
]


@pytest.mark.parametrize(("action", "words"), ERRORS, ids=range(len(ERRORS)))
def test_error_says_what_was_expected_and_received(action, words):
    with pytest.raises(ValueError) as caught:
        action()
    for word in [*words, "Received"]:
        assert word in str(caught.value), str(caught.value)


def test_frequencies_before_build_are_an_error():
    with pytest.raises(AttributeError, match="no frequencies yet"):
        _ = RotaryPhaseEncoding().frequencies
