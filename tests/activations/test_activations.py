"""Every activation of the registry: symmetry, gradients, dtypes, configs; then the values."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_phase import activations, algebras
from keras_phase.ops.modulus import direction
from tests.helpers.gradients import DOUBLE, check_gradient, gradients
from tests.helpers.tolerances import assert_close
from tests.helpers.versions import newest_keras

ALGEBRAS = ["real", "complex", "dual", "cross", "quaternion", "octonion"]
ATOL = 1e-12 if DOUBLE == "float64" else 1e-6
NAMES = activations.names()
PHASE_PRESERVING = ["modrelu", "soft_threshold", "amplitude_squash", "unit_modulus", "cardioid"]
DTYPES = list(dict.fromkeys(["float16", "bfloat16", "float32", DOUBLE]))


def dimension(algebra):
    return algebras.get(algebra).dimension


def elements(algebra, n=4, rows=3, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, dimension(algebra) * n))


def weights(activation, n=4):
    """Weights of both signs, away from the kink of every element that the tests use."""
    return [np.linspace(-0.3, 0.25, n) for _ in activation.weight_specs]


def numpy(x):
    return ops.convert_to_numpy(ops.cast(x, DOUBLE))


def apply(identifier, x, algebra, *values):
    activation = activations.get(identifier)
    values = [ops.convert_to_tensor(w) for w in (values or weights(activation))]
    return numpy(activation(ops.convert_to_tensor(x), *values, algebra=algebra))


def rotation(d, fixed, seed=0):
    """A random orthogonal matrix that fixes the first `fixed` axes."""
    q = np.eye(d)
    random = np.random.default_rng(seed).normal(size=(d - fixed, d - fixed))
    q[fixed:, fixed:] = np.linalg.qr(random)[0]
    return q


def permutation(d, seed=0):
    return np.eye(d)[np.random.default_rng(seed).permutation(d)]


SYMMETRIES = {
    "rotation": lambda d: rotation(d, 0),
    "first axis": lambda d: rotation(d, 1),
    "permutation": permutation,
}


@pytest.mark.parametrize("algebra", ALGEBRAS)
@pytest.mark.parametrize("name", [*NAMES, "tanh"])
def test_the_declared_symmetry(name, algebra):
    activation, d = activations.get(name), dimension(algebra)
    q = SYMMETRIES[activation.symmetry](d)
    x = elements(algebra).reshape(3, d, 4)
    turned = np.einsum("kj,bjn->bkn", q, x).reshape(3, -1)
    y = apply(name, x.reshape(3, -1), algebra).reshape(3, d, 4)
    expected = np.einsum("kj,bjn->bkn", q, y).reshape(3, -1)
    assert_close(apply(name, turned, algebra), expected, DOUBLE, factor=10)


def test_cardioid_and_split_relu_do_not_commute_with_all_rotations():
    x, q = elements("quaternion").reshape(3, 4, 4), rotation(4, 0)
    turned = np.einsum("kj,bjn->bkn", q, x).reshape(3, -1)
    for name in ("cardioid", "crelu", "zrelu"):
        y = apply(name, x.reshape(3, -1), "quaternion").reshape(3, 4, 4)
        expected = np.einsum("kj,bjn->bkn", q, y).reshape(3, -1)
        assert not np.allclose(apply(name, turned, "quaternion"), expected)


@pytest.mark.parametrize("algebra", ALGEBRAS)
@pytest.mark.parametrize("name", PHASE_PRESERVING)
def test_the_phase_is_preserved_or_the_element_dropped(name, algebra):
    x = elements(algebra)
    y = apply(name, x, algebra)
    units = numpy(direction(ops.convert_to_tensor(y), algebra))
    kept = np.tile(np.any(y.reshape(3, -1, 4), axis=1), dimension(algebra))
    expected = numpy(direction(ops.convert_to_tensor(x), algebra))
    np.testing.assert_allclose(units[kept], expected[kept], atol=ATOL)
    assert kept.any()


@pytest.mark.tensorflow
@pytest.mark.parametrize("algebra", ALGEBRAS)
@pytest.mark.parametrize("name", [*NAMES, "tanh"])
def test_gradients(name, algebra):
    activation = activations.get(name)
    x = elements(algebra, n=4, rows=1)[0]
    check_gradient(
        lambda x, *w: activation(x, *w, algebra=algebra), x, *weights(activation), rtol=1e-5
    )


# The slope at 0 in every direction, averaged over both sides.
SLOPE_AT_ZERO = {"amplitude_squash": 1.0, "cardioid": 0.5, "zrelu": 1.0, "crelu": 0.0}


@pytest.mark.parametrize("algebra", ALGEBRAS)
@pytest.mark.parametrize("name", NAMES)
def test_gradient_at_zero(name, algebra):
    activation = activations.get(name)
    x = np.zeros((1, dimension(algebra) * 4))
    arrays = [x, *weights(activation)]
    assert not apply(name, x, algebra).any()
    slopes = gradients(lambda x, *w: activation(x, *w, algebra=algebra), *arrays)
    np.testing.assert_allclose(slopes[0], SLOPE_AT_ZERO.get(name, 0.0))
    assert all(not slope.any() for slope in slopes[1:])


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", ["amplitude_squash", "cardioid"])
def test_gradient_at_zero_by_finite_differences(name):
    check_gradient(lambda x: activations.get(name)(x, algebra="quaternion"), np.zeros((1, 4)))


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", NAMES)
def test_gradient_at_the_cut(name):
    activation = activations.get(name)
    x = np.array([[-2.0, -1.0, -0.5, -3.0, 0.0, 1e-9, -1e-9, -0.0]])
    slopes = gradients(lambda x, *w: activation(x, *w, algebra="complex"), x, *weights(activation))
    assert all(np.isfinite(slope).all() for slope in slopes)
    if name in PHASE_PRESERVING:
        check_gradient(
            lambda x, *w: activation(x, *w, algebra="complex"), x, *weights(activation), rtol=1e-5
        )


@pytest.mark.tensorflow
@pytest.mark.parametrize("jit", [False, True])
def test_compiled_float32_agrees_and_has_finite_gradients(jit):
    tf = pytest.importorskip("tensorflow")
    x = np.concatenate([elements("complex") * s for s in (1.0, 1e-10, 1e-19, 1e-30, 0.0)])
    x = tf.constant(x, "float32")

    @tf.function(jit_compile=jit)
    def values_and_slopes(x):
        results = []
        for name in NAMES:
            activation = activations.get(name)
            w = [tf.constant(v, "float32") for v in weights(activation)]
            with tf.GradientTape() as tape:
                tape.watch([x, *w])
                y = activation(x, *w, algebra="complex")
            results.append((y, *tape.gradient(y, [x, *w])))
        return results

    for name, (y, *slopes) in zip(NAMES, values_and_slopes(x), strict=True):
        assert_close(y.numpy()[:3], apply(name, x.numpy()[:3].astype(DOUBLE), "complex"))
        assert all(np.isfinite(slope.numpy()).all() for slope in slopes), name


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [*NAMES, "relu"])
def test_dtypes(name, dtype):
    activation = activations.get(name)
    x = ops.cast(ops.convert_to_tensor(elements("quaternion")), dtype)
    w = [ops.cast(ops.convert_to_tensor(v), dtype) for v in weights(activation)]
    y = activation(x, *w, algebra="quaternion")
    assert keras.backend.standardize_dtype(y.dtype) == dtype
    expected = apply(name, numpy(x), "quaternion", *(numpy(v) for v in w))
    assert_close(numpy(y), expected, dtype)


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", NAMES)
def test_float16_gradients_near_zero_are_not_nan(name):
    tf = pytest.importorskip("tensorflow")
    activation = activations.get(name)
    x = tf.constant([[1e-7, 1e-5, 1e-3, 0.0, -1e-7, 0.0, 1e-3, 0.0]], "float16")
    w = [tf.constant(v, "float16") for v in weights(activation)]
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = activation(x, *w, algebra="complex")
    assert not np.isnan(tape.gradient(y, x).numpy()).any()


@pytest.mark.parametrize("name", NAMES)
def test_nan_is_propagated(name):
    x = elements("complex")
    x[0, 0] = np.nan
    y = apply(name, x, "complex").reshape(3, 2, 4)
    assert np.isnan(y[0, 0, 0])
    assert np.isfinite(y[1:]).all()


def relu(x):
    return np.maximum(x, 0)


REAL_FORMS = {
    "crelu": relu,
    "zrelu": relu,
    "cardioid": relu,
    "unit_modulus": np.sign,
    "amplitude_squash": np.tanh,
}


@pytest.mark.parametrize("name", REAL_FORMS)
def test_the_real_form(name):
    x = elements("real")
    assert_close(apply(name, x, "real"), REAL_FORMS[name](x), DOUBLE)


@newest_keras("it has no soft_shrink")
def test_soft_threshold_is_keras_soft_shrink_in_the_real_algebra():
    x = ops.convert_to_tensor(elements("real"))
    expected = numpy(keras.activations.soft_shrink(x, 0.4))
    for threshold in (0.4, -0.4):
        assert_close(apply("soft_threshold", x, "real", np.full(4, threshold)), expected, DOUBLE)
    assert_close(apply("modrelu", x, "real", np.full(4, -0.4)), expected, DOUBLE)


def complex_values(seed=0):
    x = elements("complex", n=50, seed=seed)
    return x, x[:, :50] + 1j * x[:, 50:]


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("modrelu", lambda z: relu(np.abs(z) - 0.4) * np.exp(1j * np.angle(z))),
        ("soft_threshold", lambda z: relu(np.abs(z) - 0.4) * np.exp(1j * np.angle(z))),
        ("cardioid", lambda z: (1 + np.cos(np.angle(z))) / 2 * z),
        ("zrelu", lambda z: np.where((np.angle(z) >= 0) & (np.angle(z) <= np.pi / 2), z, 0)),
        ("crelu", lambda z: relu(z.real) + 1j * relu(z.imag)),
        ("amplitude_squash", lambda z: np.tanh(np.abs(z)) * np.exp(1j * np.angle(z))),
        ("unit_modulus", lambda z: np.exp(1j * np.angle(z))),
    ],
)
def test_the_complex_form(name, form):
    x, z = complex_values()
    start = {"modrelu": [np.full(50, -0.4)], "soft_threshold": [np.full(50, 0.4)]}.get(name, [])
    y = numpy(activations.get(name)(ops.convert_to_tensor(x), *start, algebra="complex"))
    assert_close(y, np.concatenate([form(z).real, form(z).imag], axis=-1), DOUBLE)


def test_modrelu_is_the_identity_with_bias_zero_and_not_with_the_start():
    x = elements("quaternion")
    assert_close(apply("modrelu", x, "quaternion", np.zeros(4)), x, DOUBLE)
    (spec,) = activations.get("modrelu").weight_specs
    start = numpy(keras.initializers.get(spec.initializer)((4,)))
    assert not np.allclose(apply("modrelu", x, "quaternion", start), x, rtol=0.01)


def test_zrelu_keeps_real_numbers():
    x = np.array([[1.0, -1.0, 0.0, 0.0]])
    assert apply("zrelu", x, "complex").tolist() == [[1.0, 0.0, 0.0, 0.0]]


def test_zrelu_keeps_one_orthant():
    x = elements("quaternion", n=4000)
    kept = np.any(apply("zrelu", x, "quaternion").reshape(3, 4, -1), axis=1)
    assert np.mean(kept) == pytest.approx(1 / 16, abs=0.01)


def test_functions_are_called_directly():
    x = ops.convert_to_tensor(elements("complex"))
    assert_close(activations.cardioid(x, algebra="complex"), apply("cardioid", x, "complex"))
    bias = ops.convert_to_tensor(np.full(4, -0.2))
    direct = activations.modrelu(x, bias, algebra="complex")
    assert_close(direct, apply("modrelu", x, "complex", np.full(4, -0.2)))
