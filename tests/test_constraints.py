"""Constraints: what they project onto, zeros, dtypes, configs, and their use in a layer."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_phase
from keras_phase import algebras
from keras_phase.constraints import PhaseQuantized, Sign, UnitModulus
from keras_phase.ops.phase_code import code_points
from keras_phase.ops.product import expand_kernel
from tests.helpers.gradients import DOUBLE

ALGEBRAS = ["real", "complex", "dual", "cross", "quaternion", "octonion"]
QUANTIZED = [
    ("real", 1),
    ("complex", 1),
    ("complex", 2),
    ("complex", 5),
    ("cross", 3),
    ("quaternion", 3),
    ("quaternion", 4),
]
CONSTRAINTS = {
    **{f"unit {name}": UnitModulus(name) for name in ALGEBRAS},
    **{f"{bits} bits {name}": PhaseQuantized(bits, name) for name, bits in QUANTIZED},
    "sign real": Sign(),
    "sign complex": Sign(),
}
DTYPES = list(dict.fromkeys(["float16", "bfloat16", "float32", DOUBLE]))
TOLERANCE = {"rtol": 1e-12, "atol": 1e-12} if DOUBLE == "float64" else {"rtol": 1e-5, "atol": 1e-6}


def dimension(algebra):
    return algebras.get(algebra).dimension


def stored(algebra, shape=(5, 6), seed=0):
    """A stored kernel, its first element 0."""
    d = dimension(algebra)
    value = np.random.default_rng(seed).normal(size=(d, *shape))
    value[(slice(None), *(0 for _ in shape))] = 0.0
    return value if d > 1 else value[0]


def numpy(x):
    return ops.convert_to_numpy(ops.cast(x, DOUBLE))


def apply(constraint, value):
    return numpy(constraint(ops.convert_to_tensor(value)))


def with_axis(value, algebra):
    return value[None] if dimension(algebra) == 1 else value


@pytest.mark.parametrize("shape", [(5, 6), (3, 2, 4), (2, 3, 4, 5)])
@pytest.mark.parametrize("algebra", ALGEBRAS)
def test_unit_modulus(algebra, shape):
    value = stored(algebra, shape)
    result = apply(UnitModulus(algebra), value)
    assert result.shape == value.shape
    norm = np.linalg.norm(with_axis(value, algebra), axis=0)
    units = with_axis(result, algebra)
    np.testing.assert_allclose(np.linalg.norm(units, axis=0), norm > 0, **TOLERANCE)
    np.testing.assert_allclose(units * norm, with_axis(value, algebra), **TOLERANCE)


@pytest.mark.parametrize(("algebra", "bits"), QUANTIZED)
def test_phase_quantized(algebra, bits):
    value = with_axis(stored(algebra), algebra)
    result = with_axis(apply(PhaseQuantized(bits, algebra), stored(algebra)), algebra)
    norm = np.linalg.norm(value, axis=0)
    np.testing.assert_allclose(np.linalg.norm(result, axis=0), norm, **TOLERANCE)
    points = code_points(algebra, bits)
    nearest = np.max(np.einsum("md,d...->m...", points, value), axis=0)
    np.testing.assert_allclose(np.sum(result * value, axis=0), nearest * norm, **TOLERANCE)
    units = (result / np.where(norm == 0, 1, norm))[:, norm > 0].T
    distance = np.abs(units[:, None] - points[None]).max(-1).min(-1)
    assert distance.max() < TOLERANCE["atol"]


def test_two_bits_of_phase_by_hand():
    value = np.array([[1.0, -3.0, 0.2, -0.3], [0.5, -0.1, 0.9, -2.0]])[:, :, None]
    result = apply(PhaseQuantized(2, "complex"), value)[..., 0]
    r = np.hypot(*value[..., 0])
    expected = [[r[0], -r[1], 0, 0], [0, 0, r[2], -r[3]]]
    np.testing.assert_allclose(result, expected, **TOLERANCE)


def test_one_bit_changes_nothing_in_the_real_algebra():
    value = stored("real")
    np.testing.assert_allclose(apply(PhaseQuantized(1, "real"), value), value, **TOLERANCE)


def test_sign():
    np.testing.assert_array_equal(apply(Sign(), stored("complex")), np.sign(stored("complex")))
    real = stored("real")
    np.testing.assert_array_equal(apply(Sign(), real), apply(UnitModulus("real"), real))


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_projections_are_idempotent_and_keep_zeros(name):
    value = stored(name.split()[-1])
    once = apply(CONSTRAINTS[name], value)
    np.testing.assert_allclose(apply(CONSTRAINTS[name], once), once, **TOLERANCE)
    assert not with_axis(once, name.split()[-1])[:, 0, 0].any()


@pytest.mark.parametrize("name", CONSTRAINTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(name, dtype):
    value = ops.cast(ops.convert_to_tensor(stored(name.split()[-1])), dtype)
    result = CONSTRAINTS[name](value)
    assert keras.backend.standardize_dtype(result.dtype) == dtype
    expected = numpy(CONSTRAINTS[name](ops.cast(value, DOUBLE)))
    np.testing.assert_allclose(numpy(result), expected, rtol=0.01, atol=1e-5)


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_config_round_trip(name):
    original = CONSTRAINTS[name]
    restored = keras.constraints.deserialize(keras.constraints.serialize(original))
    assert restored.get_config() == original.get_config()
    value = stored(name.split()[-1])
    np.testing.assert_array_equal(apply(restored, value), apply(original, value))


@pytest.mark.parametrize("constraint", [UnitModulus("real"), Sign()], ids=["unit", "sign"])
def test_a_stock_layer_under_a_real_constraint(constraint):
    layer = keras.layers.Dense(3, kernel_constraint=constraint)
    model = keras.Sequential([keras.Input((4,)), layer])
    model.compile("sgd", "mse")
    model.fit(np.ones((8, 4)), np.ones((8, 3)), verbose=0)
    assert set(np.unique(numpy(layer.kernel))) <= {-1.0, 1.0}


BAD = {
    "component axis": (
        lambda: UnitModulus("complex")(ops.ones((3, 4))),
        r"UnitModulus acts on kernels whose first axis has the 2 components.*shape=\(3, 4\)",
    ),
    "scalar": (lambda: UnitModulus("complex")(ops.ones(())), r"Received: value.shape=\(\)"),
    "bits": (
        lambda: PhaseQuantized(2, "real"),
        r"phase codes of 1 bits. Received: phase_bits=2",
    ),
    "algebra": (lambda: UnitModulus("zzz"), r"Unknown algebra.*algebra='zzz'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    make, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("name", ["real", "complex", "quaternion", "m2r"])
@pytest.mark.parametrize("shape", [(1, 1, 3, 5), (1, 1, 5, 3), (2, 2, 1, 4)])
def test_unitary_constraints_make_orthonormal_rows_or_columns(name, shape):
    algebra = algebras.get(name)
    stored = shape if algebra.dimension == 1 else (algebra.dimension, *shape)
    kernel = np.random.default_rng(0).normal(size=stored).astype("float32")

    def distance(kernel):
        whole = np.reshape(ops.convert_to_numpy(kernel), (algebra.dimension, *shape))
        matrix = ops.convert_to_numpy(
            expand_kernel(whole.reshape(algebra.dimension, -1, shape[-1]), algebra)
        )
        values = np.linalg.svd(matrix, compute_uv=False)
        return np.abs(values - 1).max()

    nearest = keras_phase.NearestUnitary(name)(kernel)
    assert distance(nearest) < 1e-5
    away = nearest + 0.05 * kernel
    closer = keras_phase.Parseval(name, step=0.5)(away)
    assert distance(closer) < 2 * distance(away) ** 2
    once = keras_phase.Parseval(name)(away)
    assert distance(once) < distance(away)


def test_unitary_constraints_name_what_they_cannot_take():
    with pytest.raises(ValueError, match="no unitary kernels"):
        keras_phase.NearestUnitary("octonion")
    with pytest.raises(ValueError, match=r"at most 1.*step=0"):
        keras_phase.Parseval("complex", step=0)


@pytest.mark.tensorflow
def test_a_kernel_stays_unitary_while_it_trains():
    layer = keras_phase.AlgebraConv2D(
        3,
        1,
        use_bias=False,
        kernel_initializer="unitary",
        kernel_constraint=keras_phase.NearestUnitary("complex"),
    )
    model = keras.Sequential([keras.Input((4, 4, 10)), layer])
    model.compile(keras.optimizers.SGD(0.5), "mean_squared_error")
    rng = np.random.default_rng(1)
    model.fit(rng.normal(size=(8, 4, 4, 10)), rng.normal(size=(8, 4, 4, 6)), verbose=0)
    real, imag = ops.convert_to_numpy(layer.kernel)[:, 0, 0]
    gram = (real + 1j * imag).conj().T @ (real + 1j * imag)
    np.testing.assert_allclose(gram, np.eye(3), atol=1e-5)
