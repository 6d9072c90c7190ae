"""Wavelet transforms, their moduli and their inverses."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_phase
from keras_phase import wavelets
from tests.helpers import layer_checks
from tests.helpers.gradients import check_gradient, gradients
from tests.helpers.layer_checks import data

T1, T2 = keras_phase.WaveletTransform1D, keras_phase.WaveletTransform2D
M1, M2 = keras_phase.WaveletModulus1D, keras_phase.WaveletModulus2D
I1, I2 = keras_phase.InverseWaveletTransform1D, keras_phase.InverseWaveletTransform2D

OWN = wavelets.FilterBank(np.array([[0.25, 0.5, 0.25], [-0.5j, 0.0, 0.5j]]))

# (class, arguments, input shape, trainable weights): no argument at its default where possible.
CASES = [
    (T1, {"scales": 2, "angles": 2, "strides": 3, "quality": 2, "window": 9}, (2, 14, 4), 0),
    (T1, {"bank": OWN, "padding": "circular", "method": "fft"}, (2, 7, 4), 0),
    (
        T1,
        {"angles": 2, "window": 5, "train": ("scale", "frequency"), "algebra": "real"},
        (2, 9, 3),
        2,
    ),
    (
        T2,
        {"angles": 3, "strides": (2, 1), "padding": "zero", "normalization": "contractive"},
        (2, 7, 6, 4),
        0,
    ),
    (T2, {"bank": "half_octave_odd", "data_format": "channels_first"}, (2, 4, 6, 5), 0),
    (T2, {"angles": 2, "window": 5, "train": ("angle",), "strides": 2}, (2, 6, 7, 2), 1),
    (T2, {"bank": "haar", "strides": 2, "algebra": "quaternion"}, (2, 6, 4, 8), 0),
    (M1, {"strides": 2, "window": 7, "train": "free", "algebra": "real"}, (2, 9, 3), 1),
    (M2, {"angles": 3, "strides": 2, "window": 5}, (2, 7, 6, 4), 0),
    (M2, {"low_pass": False, "bank": "daubechies2", "train": "free"}, (2, 7, 6, 4), 1),
    (
        M2,
        {"low_pass": False, "data_format": "channels_first", "algebra": "real", "method": "fft"},
        (2, 3, 6, 5),
        0,
    ),
    (I1, {"bank": "daubechies3", "strides": 2}, (2, 5, 8), 0),
    (I2, {"angles": 3, "algebra": "real", "window": 5}, (2, 6, 5, 24), 0),
    (
        I2,
        {"bank": "haar", "strides": 2, "data_format": "channels_first", "algebra": "quaternion"},
        (2, 16, 3, 4),
        0,
    ),
]
IDS = [f"{cls.__name__}-{i}" for i, (cls, *_) in enumerate(CASES)]


def numpy_of(x):
    return ops.convert_to_numpy(x)


def complex_of(x):
    real, imag = np.split(numpy_of(x), 2, axis=-1)
    return real + 1j * imag


def test_channels_are_low_pass_first_then_by_channel():
    """Against Fourier transforms of the image and of NumPy's filters on the whole grid."""
    x = data((2, 12, 10, 2 * 3))
    bank = wavelets.filter_bank("morlet", scales=1, angles=4)
    spectrum = np.fft.fft2(complex_of(x), axes=(1, 2))[..., None]
    response = np.moveaxis(bank.responses((12, 10)), 0, -1)[:, :, None]
    expected = np.fft.ifft2(spectrum * response, axes=(1, 2))  # batch, h, w, channel, filter
    y = complex_of(T2(padding="circular")(x))
    np.testing.assert_allclose(y[..., :3], expected[..., 0], atol=3e-6)
    np.testing.assert_allclose(y[..., 3:].reshape(2, 12, 10, 3, 4), expected[..., 1:], atol=3e-6)


@pytest.mark.parametrize("bank", ["morlet", "half_octave_odd", "haar"])
def test_a_real_signal_is_a_complex_one_without_imaginary_part(bank):
    x = data((2, 9, 8, 3))
    settings = {"bank": bank, "strides": 2}
    real = T2(algebra="real", **settings)(x)
    both = T2(**settings)(np.concatenate([x, np.zeros_like(x)], -1))
    size = real.shape[-1]
    np.testing.assert_allclose(numpy_of(real), numpy_of(both)[..., :size], atol=1e-6)


@pytest.mark.parametrize(("transform", "collapse"), [(T1, M1), (T2, M2)])
@pytest.mark.parametrize("algebra", ["real", "complex"])
def test_the_modulus_is_the_transform_collapsed(transform, collapse, algebra):
    d = 1 if algebra == "real" else 2
    x = data((2, *((9, 8) if transform is T2 else (9,)), 3 * d))
    settings = {"strides": 2, "window": 7, "algebra": algebra}
    z = transform(**settings)(x)
    y = complex_of(numpy_of(keras_phase.PhaseCollapse(low_pass=3)(z)))
    found = numpy_of(collapse(**settings)(x))
    found = complex_of(found) if d == 2 else found
    np.testing.assert_allclose(found, y if d == 2 else y.real, atol=1e-6)
    moduli = numpy_of(collapse(low_pass=False, **settings)(x))
    np.testing.assert_allclose(moduli, np.abs(complex_of(numpy_of(z)))[..., 3:], atol=1e-6)


# (class pair, bank arguments, algebra, places)
INVERTIBLE = [
    (1, {"bank": "haar", "strides": 2}, "real", (8,)),
    (1, {"bank": "daubechies4", "strides": 2}, "quaternion", (12,)),
    (1, {"bank": "analytic", "scales": 2, "window": 33}, "real", (33,)),
    (1, {"bank": "analytic", "scales": 2, "angles": 2, "window": 33}, "complex", (33,)),
    (1, {"bank": "morlet", "scales": 2, "angles": 2}, "complex", (20,)),
    (2, {"bank": "haar", "strides": 2}, "complex", (6, 8)),
    (2, {"bank": "daubechies2", "strides": 2}, "real", (8, 6)),
    (2, {"bank": "morlet", "angles": 4}, "real", (9, 8)),
    (2, {"bank": "morlet", "angles": 4, "strides": 2}, "real", (8, 10)),
    (2, {"bank": "half_octave_odd", "angles": 4}, "complex", (8, 7)),
    (2, {"bank": "half_octave_even", "angles": 4, "normalization": "contractive"}, "real", (8, 8)),
]


@pytest.mark.parametrize(("rank", "arguments", "algebra", "places"), INVERTIBLE)
def test_perfect_reconstruction(rank, arguments, algebra, places):
    d = keras_phase.algebras.get(algebra).dimension
    x = data((2, *places, 3 * d))
    transform, inverse = ((T1, I1), (T2, I2))[rank - 1]
    y = transform(padding="circular", algebra=algebra, **arguments)(x)
    back = numpy_of(inverse(algebra=algebra, **arguments)(y))
    assert back.shape == x.shape
    np.testing.assert_allclose(back, x, atol=3e-4 if "half" in arguments["bank"] else 5e-5)


@pytest.mark.parametrize("bank", ["haar", "daubechies2", "daubechies5"])
@pytest.mark.parametrize("rank", [1, 2])
def test_orthonormal_banks_keep_the_energy(rank, bank):
    x = data((2, *(12, 14)[:rank], 3))
    y = (T1, T2)[rank - 1](bank, strides=2, padding="circular", algebra="real")(x)
    np.testing.assert_allclose(np.sum(numpy_of(y) ** 2), np.sum(x**2), rtol=1e-5)


def test_inverse_is_the_least_squares_solution():
    """Coefficients that no signal has: the nearest ones', by a dense matrix."""
    settings = {"bank": "morlet", "angles": 2, "window": 5}
    eye = np.eye(8, dtype="float32")[..., None]
    columns = numpy_of(T1(padding="circular", algebra="real", **settings)(eye)).reshape(8, -1).T
    y = data((1, 8, columns.shape[0] // 8))
    y[..., 3] = 0  # the low-pass part of a real signal is real
    expected = np.linalg.lstsq(columns, y.ravel(), rcond=None)[0]
    found = numpy_of(I1(algebra="real", **settings)(y)).ravel()
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_constant_and_zero_images():
    for value in (0.0, 2.0):
        y = numpy_of(M2(strides=2, algebra="real")(np.full((1, 9, 9, 2), value, "float32")))
        np.testing.assert_allclose(y[..., :2], value, rtol=1e-4)
        np.testing.assert_allclose(y[..., 2:], 0, atol=1e-6)


def test_nan_spreads_as_far_as_the_filters_reach():
    x = np.zeros((1, 15, 15, 2), "float32")
    x[0, 7, 7, 0] = np.nan
    y = numpy_of(M2(window=5)(x))
    assert np.isnan(y[0, 5:10, 5:10]).any(-1).all()
    assert np.isfinite(y[0, :5]).all() and np.isfinite(y[0, 10:]).all()


def test_gradient_is_finite_at_0():
    x = np.zeros((1, 9, 9, 2), "float32")
    for layer in (M2(), T2(), M2(train=("scale", "frequency", "angle"))):
        (slope,) = gradients(lambda x, layer=layer: layer(x), x)
        assert np.isfinite(slope).all()
    (slope,) = gradients(lambda x: M2(low_pass=False)(x), x)
    np.testing.assert_array_equal(slope, 0)


@pytest.mark.tensorflow
@pytest.mark.parametrize("cls", [T2, M2])
def test_gradient_by_the_input(cls):
    layer = cls(angles=2, strides=2, window=5, dtype="float64")
    check_gradient(layer, data((1, 5, 6, 2)))


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", ["scale", "frequency", "angle", "free"])
def test_gradients_by_the_filters(name):
    """Every trained number moves the output as its finite difference says."""
    import tensorflow as tf

    layer = M2(angles=2, window=5, train=name, algebra="real")
    x = data((2, 6, 7, 2))
    layer(x)
    (weight,) = layer.trainable_weights
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(x) ** 2)
    slope = numpy_of(tf.convert_to_tensor(tape.gradient(loss, weight)))
    start, direction = numpy_of(weight), data(weight.shape, 3)
    values = []
    for step in (1e-2, -1e-2):
        weight.assign(start + step * direction)
        values.append(float(tf.reduce_sum(layer(x) ** 2)))
    np.testing.assert_allclose(np.sum(slope * direction), np.subtract(*values) / 2e-2, rtol=1e-2)


@pytest.mark.parametrize("train", ["free", ("scale",), ("scale", "frequency", "angle")])
@pytest.mark.parametrize("rank", [1, 2])
def test_trained_filters_start_as_the_fixed_ones(train, rank):
    x = data((2, *(12, 11)[:rank], 4))
    cls = (T1, T2)[rank - 1]
    settings = {"window": 7, "angles": 2}
    fixed, trained = cls(**settings)(x), cls(train=train, **settings)(x)
    np.testing.assert_allclose(numpy_of(trained), numpy_of(fixed), atol=2e-6)


def test_trained_parameters_keep_the_mean_at_0():
    layer = T2(train=("scale", "angle"), algebra="real", window=7)
    layer.build((None, 9, 9, 1))
    for weight in layer.trainable_weights:
        weight.assign(numpy_of(weight) + 0.3)
    real, imag = map(numpy_of, layer.filters)
    np.testing.assert_allclose(real.sum((1, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(imag.sum((1, 2)), 0, atol=1e-6)


def test_complex_tensors_are_taken():
    x = data((2, 9, 9, 6))
    z = x[..., :3] + 1j * x[..., 3:]
    np.testing.assert_allclose(numpy_of(M2()(z)), numpy_of(M2()(x)), atol=1e-6)


@pytest.mark.parametrize(("cls", "arguments", "shape", "weights"), CASES, ids=IDS)
def test_keras_layer_test(cls, arguments, shape, weights):
    layer_checks.check_keras_layer_test(cls, arguments, shape, weights)


@pytest.mark.parametrize(("cls", "arguments", "shape", "weights"), CASES, ids=IDS)
def test_reloads_with_every_argument_and_the_same_output(cls, arguments, shape, weights, tmp_path):
    layer_checks.check_round_trips(cls, arguments, shape, tmp_path)


EXPORTED = [0, 2, 3, 7, 8, 12]


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("cls", "arguments", "shape", "weights"),
    [CASES[i] for i in EXPORTED],
    ids=[IDS[i] for i in EXPORTED],
)
def test_exports_with_stock_ops(cls, arguments, shape, weights, tmp_path):
    layer_checks.check_saved_model(cls, arguments, shape, tmp_path)


@pytest.mark.parametrize(("cls", "arguments", "shape", "weights"), CASES, ids=IDS)
def test_unknown_batch_size_keeps_the_other_sizes(cls, arguments, shape, weights):
    layer_checks.check_unknown_batch_size(cls, arguments, shape)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(dtype):
    x = data((2, 9, 9, 4))
    exact = numpy_of(M2(strides=2)(x))
    y = M2(strides=2, dtype=dtype)(x)
    assert keras.backend.standardize_dtype(y.dtype) == dtype.removeprefix("mixed_")
    found = numpy_of(ops.cast(y, "float32"))
    np.testing.assert_allclose(found, exact, atol=5e-2 if "b" in dtype else 5e-3)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: T2("mexican_hat"), ValueError, "Unknown filter bank.*'mexican_hat'"),
        (lambda: T2(angles=0), ValueError, "`angles`.*angles=0"),
        (lambda: T2(bank=3), TypeError, "name of a filter bank.*bank=3"),
        (lambda: T2(OWN), ValueError, r"along 2 axes.*window \(3,\)"),
        (lambda: T1(OWN, scales=2), ValueError, "leave these arguments.*'scales': 2"),
        (lambda: T2(algebra="quaternion"), ValueError, "real bank.*algebra='quaternion'"),
        (lambda: T2(train="width"), ValueError, "'scale', 'frequency'.*train='width'"),
        (lambda: T2("haar", train="scale"), ValueError, "'haar'.*closed form.*train='scale'"),
        (lambda: T2(padding="same"), ValueError, "Unknown padding.*'same'"),
        (lambda: T2(method="fast"), ValueError, "Unknown filtering method.*'fast'"),
        (lambda: T2(strides=0), ValueError, "`strides`.*strides=0"),
        (
            lambda: T2(name="w")(np.ones((1, 3, 9, 2))),
            ValueError,
            r"'w' \(WaveletTransform2D\).*at least \(4, 4\) for windows of \(7, 7\).*\(3, 9\)",
        ),
        (lambda: T2().build((None, None, 9, 2)), ValueError, "known size"),
        (lambda: T2()(np.ones((1, 9, 9, 3))), ValueError, "multiple of.*dimension 2"),
        (lambda: I2()(np.ones((1, 9, 9, 8))), ValueError, "multiple of 10 channels"),
        (
            lambda: I2(strides=4, angles=1, algebra="real")(np.ones((1, 2, 2, 4))),
            ValueError,
            "do not determine the signal.*singular values",
        ),
    ],
)
def test_bad_arguments_and_inputs_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()
