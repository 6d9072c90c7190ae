"""Initializers: variances by Monte Carlo, seeds, unitarity, agreement with Keras, configs."""

import math

import keras
import numpy as np
import pytest
from keras import ops

from keras_phase import algebras, initializers
from keras_phase.algebras import Algebra
from keras_phase.initializers import AlgebraInitializer, AlgebraVarianceScaling, Unitary
from tests.helpers.gradients import DOUBLE
from tests.helpers.versions import newest_keras

ALGEBRAS = algebras.names()
ALGEBRAS_WITH_UNITARY = [name for name in ALGEBRAS if name not in ("octonion", "dual", "cross")]
STOCK = [f"{name}_{kind}" for name in ("glorot", "he", "lecun") for kind in ("uniform", "normal")]
POLAR = ["polar_rayleigh", "random_phase"]
DTYPES = list(dict.fromkeys(["float16", "bfloat16", "float32", DOUBLE]))


def numpy(x):
    return ops.convert_to_numpy(ops.cast(x, DOUBLE))


def product(kernel, x, algebra):
    """`y_ck = sum w_aik x_bi C_abc`, from the table alone."""
    table = np.asarray(algebra.structure_constants, dtype="float64")
    return np.einsum("abc,aio,nbi->nco", table, kernel, x, optimize=True)


def samples(algebra, size):
    number = 20 + 400 // algebra.dimension
    return np.random.default_rng(0).normal(size=(number, algebra.dimension, size))


def draw(name, algebra, size_in, size_out, seed=3):
    algebra = algebras.get(algebra)
    initializer = initializers.for_kernel(named(name, seed), algebra)
    return numpy(initializer(stored((size_in, size_out), algebra))).reshape(
        algebra.dimension, size_in, size_out
    )


def named(name, seed):
    identifier = initializers.get(name)
    return type(identifier)(seed=seed)


def stored(shape, algebra):
    d = algebras.get(algebra).dimension
    return shape if d == 1 else (d, *shape)


@pytest.mark.parametrize("algebra", ALGEBRAS)
@pytest.mark.parametrize("name", STOCK + POLAR)
def test_variance_of_the_output(name, algebra):
    size_in, size_out, algebra = 60, 40, algebras.get(algebra)
    kernel = draw(name, algebra, size_in, size_out)
    x = samples(algebra, size_in)
    y = product(kernel, x, algebra)
    expected = {"glorot": 2 * size_in / (size_in + size_out), "he": 2.0, "lecun": 1.0}
    expected = expected.get(name.partition("_")[0], expected["glorot"])
    assert np.mean(y**2) == pytest.approx(expected, rel=0.12)
    np.testing.assert_allclose(np.mean(y**2, axis=(0, 2)), expected, rtol=0.25)


@pytest.mark.parametrize("algebra", ALGEBRAS)
def test_variance_of_the_gradient_under_glorot_is_symmetric(algebra):
    algebra = algebras.get(algebra)
    kernel = draw("glorot_uniform", algebra, 60, 40)
    g = samples(algebra, 40)
    table = np.asarray(algebra.structure_constants, dtype="float64")
    back = np.einsum("abc,aio,nco->nbi", table, kernel, g, optimize=True)
    assert np.mean(back**2) == pytest.approx(2 * 40 / 100, rel=0.12)


# d, and what variance each component has in units of the body's, for 20 layers.
NILPOTENT = {
    "dual": (algebras.get("dual"), [1, 1 / 100]),
    "clifford(1, 0, 1)": (algebras.clifford(1, 0, 1), [1, 1, 1 / 100, 1 / 100]),
    "quaternion x dual": (
        algebras.tensor_product("quaternion", "dual"),
        [1, 1 / 100] * 4,
    ),
    # e12 grows by 3 n s + n (n - 1) s^2 = 1/5 in n = 20 layers.
    "clifford(0, 0, 2)": (
        algebras.clifford(0, 0, 2),
        [1, *[(math.sqrt(60**2 + 4 * 380 / 5) - 60) / 760] * 3],
    ),
}


@pytest.mark.parametrize("case", NILPOTENT)
@pytest.mark.parametrize(
    "name", ["lecun_normal", "lecun_uniform", "polar_rayleigh", "random_phase"]
)
def test_nilpotent_components_get_a_share(case, name):
    algebra, shares = NILPOTENT[case]
    kernel = draw(name, algebra, 300, 300)
    measured = np.mean(kernel**2, axis=(1, 2))
    body = 1 / (300 * algebra.component_gains[0])
    np.testing.assert_allclose(measured, body * np.array(shares), rtol=0.03)


@pytest.mark.parametrize("depth", [1, 5, 100])
def test_share_of_the_dual_numbers_by_depth(depth):
    shares = initializers.component_variances(algebras.get("dual"), depth)
    np.testing.assert_allclose(shares, [1, 1 / (5 * depth)], rtol=1e-4)
    kernel = numpy(AlgebraVarianceScaling("dual", depth=depth, seed=1)((2, 300, 300)))
    np.testing.assert_allclose(300 * np.mean(kernel**2, axis=(1, 2)), shares, rtol=0.03)


@pytest.mark.parametrize("algebra", [a for a in ALGEBRAS if a != "dual"])
def test_equal_gains_mean_equal_variances(algebra):
    algebra = algebras.get(algebra)
    gain = algebra.component_gains[0]
    np.testing.assert_array_equal(initializers.component_variances(algebra), 1 / gain)
    assert not initializers.nilpotent_components(algebra).any()
    np.testing.assert_array_equal(initializers.mean_squares(algebra, 3), 1.0)


# Two by two upper triangular matrices: the corner is nilpotent, the diagonal is the body.
TRIANGULAR = Algebra(
    "triangular",
    ("a", "b", "c"),
    [
        [[1, 0, 0], [0, 1, 0], [0, 0, 0]],
        [[0, 0, 0], [0, 0, 0], [0, 1, 0]],
        [[0, 0, 0], [0, 0, 0], [0, 0, 1]],
    ],
)
# The square root of -2: gains 5 and 2, and no nilpotent part.
RESCALED = Algebra("rescaled", ("1", "u"), [[[1, 0], [0, 1]], [[0, 1], [-2, 0]]])
# Products of strictly upper triangular matrices: three factors always give 0.
HEISENBERG = Algebra(
    "heisenberg",
    ("x", "y", "z"),
    [np.zeros((3, 3)), [[0, 0, 1], [0, 0, 0], [0, 0, 0]], np.zeros((3, 3))],
)


def test_laws_of_users_algebras():
    assert initializers.nilpotent_components(TRIANGULAR).tolist() == [False, True, False]
    law = initializers.mean_squares(TRIANGULAR)
    np.testing.assert_allclose(law[:, [0, 2]], 1.0)
    np.testing.assert_allclose(law[-1, 1], 1.2, rtol=1e-4)
    law = initializers.mean_squares(RESCALED).mean(axis=1)
    assert 0.8 < law.min() and law.max() < 1.25
    # 5/3 and 2/3 of the variance in the first layer, by hand; in the limit 3/2 and 3/4.
    np.testing.assert_allclose(law[[1, -1]], [7 / 6, 9 / 8], rtol=1e-6)
    kernel = draw("lecun_normal", HEISENBERG, 100, 100)
    y = product(kernel, samples(HEISENBERG, 100), HEISENBERG)
    assert np.mean(y**2) == pytest.approx(1.0, rel=0.2)


@pytest.mark.parametrize("window", [(), (3,), (3, 2)])
def test_the_window_counts_in_the_fans(window):
    shape = (2, *window, 40, 30)
    kernel = numpy(initializers.for_kernel("lecun_uniform", "complex")(shape))
    fan_in = 40 * int(np.prod(window))
    assert np.var(kernel) == pytest.approx(1 / (2 * fan_in), rel=0.1)


def test_axes_of_the_fans():
    stock = keras.initializers.VarianceScaling(seed=1)
    if not hasattr(stock, "input_axes"):
        pytest.skip("this Keras has no input_axes")
    stock = keras.initializers.VarianceScaling(seed=1, input_axes=[0], output_axes=[1, 2])
    kernel = numpy(initializers.for_kernel(stock, "complex")((2, 50, 8, 9)))
    assert np.var(kernel) == pytest.approx(1 / (2 * 50), rel=0.1)


@pytest.mark.parametrize("name", [*STOCK, "orthogonal", "random_normal", "zeros"])
def test_the_real_algebra_takes_the_stock_initializer_itself(name):
    stock = keras.initializers.get(name)
    assert initializers.for_kernel(stock, "real") is stock


@pytest.mark.parametrize("name", STOCK)
@pytest.mark.parametrize("shape", [(5, 7), (3, 3, 4, 5)])
def test_ours_equals_the_stock_one_in_the_real_algebra(name, shape):
    ours = initializers.get(f"algebra_{name}")
    ours = type(ours)("real", seed=5)(shape)
    stock = type(keras.initializers.get(name))(seed=5)(shape)
    np.testing.assert_array_equal(numpy(ours), numpy(stock))


@pytest.mark.parametrize("algebra", ["complex", "dual", "quaternion", "m2c"])
@pytest.mark.parametrize("name", [*STOCK, *POLAR, "random_normal", "random_uniform"])
@pytest.mark.parametrize("seed", [7, "generator"])
def test_components_differ(name, algebra, seed):
    kernel = draw(name, algebra, 6, 5, keras.random.SeedGenerator(1) if seed != 7 else seed)
    flat = kernel.reshape(len(kernel), -1)
    correlation = np.corrcoef(flat) - np.eye(len(flat))
    assert np.abs(correlation).max() < 0.95
    assert len(np.unique(flat, axis=0)) == len(flat)


@pytest.mark.parametrize("name", [*STOCK, *POLAR, "unitary"])
def test_seeds(name):
    one, again, other = (draw(name, "quaternion", 6, 5, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert not np.allclose(one, other)
    unseeded = initializers.for_kernel(named(name, None), "quaternion")
    np.testing.assert_array_equal(numpy(unseeded((4, 3, 2))), numpy(unseeded((4, 3, 2))))
    generator = initializers.for_kernel(named(name, keras.random.SeedGenerator(1)), "quaternion")
    assert not np.allclose(numpy(generator((4, 3, 2))), numpy(generator((4, 3, 2))))


def test_random_phase_has_one_modulus_and_every_direction():
    kernel = draw("random_phase", "complex", 60, 50)
    np.testing.assert_allclose(np.linalg.norm(kernel, axis=0), np.sqrt(1 / 55), rtol=1e-5)
    counts, _ = np.histogram(np.arctan2(kernel[1], kernel[0]), bins=8, range=(-np.pi, np.pi))
    assert counts.min() > 0.75 * 3000 / 8


def test_polar_rayleigh_has_rayleigh_moduli():
    kernel = draw("polar_rayleigh", "quaternion", 60, 50)
    squares = np.sum(kernel**2, axis=0).ravel()
    # |w|^2 of a Rayleigh modulus is exponential: its mean is its standard deviation.
    assert np.std(squares) == pytest.approx(np.mean(squares), rel=0.1)
    assert np.mean(squares < np.mean(squares)) == pytest.approx(1 - np.exp(-1), abs=0.03)


@pytest.mark.parametrize("shape", [(3, 3), (2, 5), (5, 2), (2, 3, 4)])
@pytest.mark.parametrize("algebra", ALGEBRAS_WITH_UNITARY)
def test_unitary_kernels_preserve_the_norm(algebra, shape):
    algebra = algebras.get(algebra)
    kernel = numpy(Unitary(algebra, gain=2.0, seed=1)(stored(shape, algebra), dtype=DOUBLE))
    kernel = kernel.reshape(algebra.dimension, -1, shape[-1])
    _, rows, columns = kernel.shape
    x = np.random.default_rng(0).normal(size=(4, algebra.dimension, rows))
    y = product(kernel, x, algebra)
    if rows <= columns:
        np.testing.assert_allclose(
            np.linalg.norm(y.reshape(4, -1), axis=1),
            2 * np.linalg.norm(x.reshape(4, -1), axis=1),
            rtol=1e-10 if DOUBLE == "float64" else 1e-5,
        )
    g = np.random.default_rng(1).normal(size=(4, algebra.dimension, columns))
    table = np.asarray(algebra.structure_constants, dtype="float64")
    back = np.einsum("abc,aio,nco->nbi", table, kernel, g, optimize=True)
    if rows >= columns:
        np.testing.assert_allclose(
            np.linalg.norm(back.reshape(4, -1), axis=1),
            2 * np.linalg.norm(g.reshape(4, -1), axis=1),
            rtol=1e-10 if DOUBLE == "float64" else 1e-5,
        )


def test_one_complex_filter_is_unitary_in_the_complex_sense():
    kernel = draw("unitary", "complex", 6, 6)
    matrix = kernel[0] + 1j * kernel[1]
    np.testing.assert_allclose(matrix @ matrix.conj().T, np.eye(6), atol=1e-5)


def test_unitary_is_orthogonal_in_the_real_algebra():
    ours = numpy(Unitary("real", seed=4)((5, 3)))
    np.testing.assert_array_equal(ours, numpy(keras.initializers.Orthogonal(seed=4)((5, 3))))


def test_orthogonal_means_unitary():
    stock = keras.initializers.Orthogonal(gain=3.0, seed=4)
    ours = initializers.for_kernel(stock, "complex")
    assert (type(ours), ours.gain, ours.seed) == (Unitary, 3.0, 4)


REASONS = {
    "octonion": "it is not associative",
    "cross": "it is not associative",
    "dual": "its left multiplications are not closed under transposition",
}


@pytest.mark.parametrize("algebra", REASONS)
@pytest.mark.parametrize("name", ["unitary", "orthogonal"])
def test_algebras_without_unitary_kernels(name, algebra):
    message = f"'{algebra}' has no unitary kernels: {REASONS[algebra]}. Use .*Received: algebra="
    with pytest.raises(ValueError, match=message):
        initializers.for_kernel(name, algebra)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [*STOCK, *POLAR, "unitary"])
def test_dtypes(name, dtype):
    kernel = initializers.for_kernel(named(name, 1), "complex")((2, 8, 8), dtype=dtype)
    assert keras.backend.standardize_dtype(kernel.dtype) == dtype
    assert np.isfinite(numpy(kernel)).all()
    assert 0.03 < np.std(numpy(kernel)) < 1.0


@pytest.mark.parametrize("name", initializers.names())
@pytest.mark.parametrize("algebra", [None, "quaternion", algebras.clifford(0, 2)])
def test_config_round_trip(name, algebra):
    original = type(initializers.get(name))(algebra, seed=3)
    config = keras.initializers.serialize(original)
    restored = keras.initializers.deserialize(config)
    assert type(restored) is type(original)
    assert restored.get_config() == original.get_config()
    drawn = [
        initializers.for_kernel(i, original.algebra or "quaternion") for i in (original, restored)
    ]
    np.testing.assert_array_equal(*(numpy(i((4, 3, 2))) for i in drawn))


@newest_keras("a SeedGenerator does not survive its config")
def test_arguments_survive_the_config():
    original = AlgebraVarianceScaling(
        "complex", 3.0, "fan_out", "rayleigh", 2, input_axes=[0], output_axes=[1], depth=7
    )
    restored = AlgebraVarianceScaling.from_config(original.get_config())
    assert restored.get_config() == original.get_config()
    original = Unitary("complex", gain=0.5, seed=keras.random.SeedGenerator(3))
    restored = keras.initializers.deserialize(keras.initializers.serialize(original))
    assert restored.gain == 0.5
    assert isinstance(restored.seed, keras.random.SeedGenerator)


@newest_keras("an array is no initializer")
def test_other_initializers_see_the_whole_kernel():
    kernel = initializers.for_kernel(lambda shape, dtype=None: ops.ones(shape), "complex")(
        (2, 3, 4)
    )
    assert kernel.shape == (2, 3, 4)
    value = np.arange(24.0).reshape(2, 3, 4)
    array = initializers.for_kernel(value, "complex")((2, 3, 4), dtype="float32")
    np.testing.assert_array_equal(numpy(array), value)


def test_binding_leaves_the_original_alone():
    shared = Unitary(seed=1)
    assert initializers.for_kernel(shared, "complex").algebra == algebras.get("complex")
    assert initializers.for_kernel(shared, "quaternion").algebra == algebras.get("quaternion")
    assert shared.algebra is None


BAD = {
    "no algebra": (
        lambda: Unitary()((2, 3, 3)),
        r"Unitary has no algebra.*Unitary\('complex'\).*Received: algebra=None",
    ),
    "another algebra": (
        lambda: initializers.for_kernel(Unitary("complex"), "quaternion"),
        r"made for the algebra 'complex', the layer works in 'quaternion'.*Received: algebra=",
    ),
    "no component axis": (
        lambda: AlgebraVarianceScaling("complex")((3, 4)),
        r"draws kernels \(d, \*window, in, out\) with d = 2.*Received: shape=\(3, 4\)",
    ),
    "wrong component axis": (
        lambda: AlgebraVarianceScaling("quaternion")((2, 3, 4)),
        r"with d = 4 for the algebra 'quaternion'.*Received: shape=\(2, 3, 4\)",
    ),
    "distribution": (
        lambda: AlgebraVarianceScaling("complex", distribution="cauchy"),
        r"Unknown distribution. Expected one of: uniform, .*Received: distribution='cauchy'",
    ),
    "mode": (lambda: AlgebraVarianceScaling("complex", mode="fan"), r"`mode`"),
    "depth": (lambda: AlgebraVarianceScaling(depth=0), r"positive integer.*Received: depth=0"),
    "no product": (
        lambda: initializers.for_kernel(
            "he_normal", Algebra("null", ("a", "b"), np.zeros((2, 2, 2)))
        )((2, 3, 3)),
        "Every product of the algebra is 0.*Received: algebra='null'",
    ),
    "seed": (lambda: Unitary("complex", seed="one"), r"`seed`"),
}


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(c, marks=newest_keras("seeds are not checked")) if c == "seed" else c
        for c in BAD
    ],
)
def test_bad_input(case):
    make, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        make()


def test_a_users_algebra():
    table = algebras.get("complex").structure_constants
    mine = Algebra(name="mine", basis=("1", "u"), structure_constants=table, conjugation=(1, -1))
    kernel = initializers.for_kernel("unitary", mine)((2, 3, 3))
    assert isinstance(initializers.for_kernel("he_normal", mine), AlgebraInitializer)
    assert kernel.shape == (2, 3, 3)
