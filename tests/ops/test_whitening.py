"""Whitening against NumPy in double precision, its symmetries, and inputs without full rank."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_phase.ops import whitening
from tests.helpers.gradients import check_gradient
from tests.helpers.tolerances import assert_close

RNG = np.random.default_rng(3)


def mixed(rows, d, n, seed=0):
    """Elements `(rows, d, n)` whose covariances have eigenvalues from 1 to 16, and a mean."""
    rng = np.random.default_rng(seed)
    axes = [np.linalg.qr(rng.normal(size=(d, d)))[0] for _ in range(2 * n)]
    spread = np.diag(np.linspace(1.0, 4.0, d))
    mixing = np.stack([axes[2 * c] @ spread @ axes[2 * c + 1] for c in range(n)])
    x = np.einsum("nij,bnj->bin", mixing, rng.normal(size=(rows, n, d)))
    return (x + rng.normal(size=(d, n))).astype("float32")


def covariance(x):
    """Covariances `(n, d, d)` of elements `(rows, d, n)`, in double precision."""
    x = np.asarray(x, "float64")
    x = x - x.mean(0)
    return np.einsum("bin,bjn->nij", x, x) / len(x)


def whiten(x, epsilon=1e-5):
    """Of elements `(rows, d, n)`."""
    rows, d, n = x.shape
    y = whitening.whiten(ops.convert_to_tensor(x.reshape(rows, d * n)), d, epsilon)
    return ops.convert_to_numpy(y).reshape(rows, d, n)


# (d, n): every dimension, and channel numbers that make one block, several, and odd ones.
SIZES = [(d, 3) for d in range(1, 17)] + [(2, 17), (2, 64), (3, 20), (4, 1), (8, 6), (16, 4)]


@pytest.mark.parametrize(("d", "n"), SIZES)
def test_output_is_centred_with_the_identity_as_covariance(d, n):
    y = whiten(mixed(400, d, n))
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(covariance(y), np.broadcast_to(np.eye(d), (n, d, d)), atol=1e-3)


@pytest.mark.parametrize("d", [1, 2, 3, 4, 7, 16])
def test_whitening_matrix_is_the_inverse_root_or_cholesky_factor(d):
    c = covariance(mixed(100, d, 5))
    v = c + 0.1 * np.eye(d)
    if d == 2:
        values, vectors = np.linalg.eigh(v)
        expected = np.einsum("nij,nj,nkj->nik", vectors, values**-0.5, vectors)
    else:
        expected = np.linalg.inv(np.linalg.cholesky(v))
    w = whitening.whitening_matrix(ops.convert_to_tensor(c.transpose(1, 2, 0), "float32"), 0.1)
    assert_close(ops.convert_to_numpy(w).transpose(2, 0, 1), expected, factor=5)


@pytest.mark.parametrize("n", [1, 2, 3, 8, 17, 24])
@pytest.mark.parametrize("d", [1, 2, 3, 5, 16])
def test_blocks_hold_what_einsum_says(d, n):
    x = RNG.normal(size=(7, d * n)).astype("float32")
    matrix = RNG.normal(size=(d, d, n)).astype("float32")
    blocks = whitening.to_blocks(ops.convert_to_tensor(x), d)
    np.testing.assert_array_equal(ops.convert_to_numpy(whitening.from_blocks(blocks, d)), x)
    elements = x.reshape(7, d, n)
    moments = ops.convert_to_numpy(whitening.second_moments(blocks, d))
    assert_close(moments, np.einsum("bin,bjn->ijn", elements, elements))
    moved = whitening.from_blocks(whitening.transform(blocks, ops.convert_to_tensor(matrix)), d)
    expected = np.einsum("ijn,bjn->bin", matrix, elements).reshape(7, d * n)
    assert_close(ops.convert_to_numpy(moved), expected)


@pytest.mark.parametrize("d", [1, 2, 3, 6])
def test_a_triangle_holds_the_free_numbers_of_a_symmetric_matrix(d):
    size = whitening.triangle_size(d)
    triangle = RNG.normal(size=(size, 4)).astype("float32")
    full = whitening.symmetric(ops.convert_to_tensor(triangle), d)
    matrix = ops.convert_to_numpy(full)
    np.testing.assert_array_equal(matrix, matrix.swapaxes(0, 1))
    np.testing.assert_array_equal(matrix[np.tril_indices(d)], triangle)
    np.testing.assert_array_equal(ops.convert_to_numpy(whitening.lower_triangle(full)), triangle)


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_root_commutes_with_turns_and_mirrors_of_the_plane(mirrored):
    x = mixed(50, 2, 3)
    q = np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]], "float32")
    q = q @ np.diag([1.0, -1.0]).astype("float32") if mirrored else q
    turn = np.einsum("ij,bjn->bin", q, x)
    assert_close(whiten(turn, 0.1), np.einsum("ij,bjn->bin", q, whiten(x, 0.1)))


@pytest.mark.parametrize("d", [3, 4, 8])
def test_the_cholesky_factor_ignores_lower_triangular_maps_and_keeps_signs(d):
    x = mixed(200, d, 3)
    lower = np.tril(RNG.uniform(0.5, 1.0, size=(d, d)), -1) + np.diag(np.linspace(1, 2, d))
    moved = np.einsum("ij,bjn->bin", lower.astype("float32"), x)
    assert_close(whiten(moved, 1e-7), whiten(x, 1e-7), factor=50)
    signs = np.resize([1.0, -1.0, -1.0], d).astype("float32")[:, None]
    assert_close(whiten(signs * x, 0.1), signs * whiten(x, 0.1))


def flawed(d):
    """Elements with constant, dependent, vanishing, tiny and large components."""
    x = RNG.normal(size=(20, d, 7)).astype("float32")
    x[:, :, 0] = 3.0
    x[:, :, 1] = 0.0
    x[:, :, 2] = x[:, :1, 2]
    x[:, -1, 3] = x[:, 0, 3] * 2 + 5
    x[:, :, 4] = 1e3 * x[:, :1, 4]
    x[:, 0, 5] = 1e4
    x[:, :, 6] *= 1e-6
    return x


@pytest.mark.tensorflow
@pytest.mark.parametrize("epsilon", [1e-3, 1e-5])
@pytest.mark.parametrize("d", [1, 2, 3, 4, 8, 16])
def test_channels_without_full_rank_give_finite_values_and_gradients(d, epsilon):
    import tensorflow as tf

    x = tf.constant(flawed(d).reshape(20, -1))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = whitening.whiten(x, d, epsilon)
        loss = tf.reduce_sum(y * RNG.normal(size=y.shape).astype("float32"))
    assert np.isfinite(y.numpy()).all()
    assert np.isfinite(tape.gradient(loss, x).numpy()).all()
    # No direction is blown up beyond variance 1.
    assert np.linalg.eigvalsh(covariance(y.numpy().reshape(20, d, 7))).max() < 1.1


@pytest.mark.tensorflow
@pytest.mark.parametrize("d", [1, 2, 3, 5])
def test_gradient_equals_finite_differences(d):
    check_gradient(lambda x: whitening.whiten(x, d, 0.1), RNG.normal(size=(6, d * 2)))


@pytest.mark.tensorflow
@pytest.mark.parametrize("d", [2, 3])
def test_second_derivatives_exist(d):
    """Also where the eigenvalues coincide, at the identity."""
    import tensorflow as tf

    def gradient(c):
        with tf.GradientTape() as tape:
            tape.watch(c)
            w = whitening.whitening_matrix((c + tf.transpose(c, (1, 0, 2))) / 2, 0.1)
            loss = tf.reduce_sum(w * np.arange(1.0, d * d + 1).reshape(d, d, 1))
        return tape.gradient(loss, c)

    check_gradient(gradient, np.eye(d)[:, :, None] * np.ones(2))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_16_bits_are_computed_in_float32(dtype):
    x = 200.0 * mixed(300, 2, 4)
    half = ops.cast(ops.convert_to_tensor(x.reshape(300, 8)), dtype)
    y = whitening.whiten(half, 2)
    assert keras.backend.standardize_dtype(y.dtype) == dtype
    exact = whitening.whiten(ops.cast(half, "float32"), 2)
    expected = ops.convert_to_numpy(ops.cast(exact, dtype)).astype("float32")
    np.testing.assert_array_equal(ops.convert_to_numpy(ops.cast(y, "float32")), expected)


def test_nan_stays_nan():
    x = mixed(10, 4, 1)
    x[0, 0, 0] = np.nan
    assert np.isnan(whiten(x)).all()
