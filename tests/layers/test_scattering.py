"""Scattering transforms against kymatio, and what they promise."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_phase
from tests.golden.make_scattering import (
    ANGLES,
    CASES_1D,
    FOLDER,
    SCALES,
    SIZES_2D,
    image,
    places,
    signal,
)
from tests.helpers import layer_checks
from tests.helpers.gradients import gradients

GOLDEN = np.load(FOLDER / "scattering.npz")

# (class, arguments, input shape): no argument at its default.
CASES = [
    (
        keras_phase.Scattering2D,
        {"J": 2, "L": 3, "max_order": 1, "log": True, "epsilon": 10.0},
        (2, 9, 13, 2),
    ),
    (keras_phase.Scattering2D, {"J": 2, "L": 3, "data_format": "channels_first"}, (2, 3, 8, 12)),
    (
        keras_phase.Scattering1D,
        {"J": 3, "Q": 2, "max_order": 1, "T": 5, "log": True, "epsilon": 10.0},
        (2, 33, 2),
    ),
    (keras_phase.Scattering1D, {"J": 3, "Q": 2, "data_format": "channels_first"}, (2, 3, 40)),
]
IDS = [f"{cls.__name__}-{i}" for i, (cls, *_) in enumerate(CASES)]


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("size", SIZES_2D, ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize("angles", ANGLES)
@pytest.mark.parametrize("scales", SCALES)
def test_2d_equals_kymatio(scales, angles, size, order):
    layer = keras_phase.Scattering2D(scales, angles, order)
    y = ops.convert_to_numpy(layer(image(size)[None, :, :, None]))[0]
    assert y.shape == (size[0] // 2**scales, size[1] // 2**scales, layer.paths)
    expected = GOLDEN[f"2d-{size[0]}x{size[1]}-{scales}-{angles}"][: layer.paths]
    assert len(expected) == layer.paths
    np.testing.assert_allclose(y[places(y.shape[:2])].T, expected, atol=1e-5)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(("samples", "scales", "quality", "support"), CASES_1D)
def test_1d_equals_kymatio(samples, scales, quality, support, order):
    layer = keras_phase.Scattering1D(scales, quality, order, support)
    y = ops.convert_to_numpy(layer(signal(samples)[None, :, None]))[0]
    name = f"1d-{samples}-{scales}-{quality}-{support}"
    assert y.shape == (GOLDEN[f"{name}-length"], layer.paths)
    expected = GOLDEN[name][: layer.paths]
    np.testing.assert_allclose(y[places(y.shape[:1])].T, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (keras_phase.Scattering2D(2, 3), (2, 12, 9, 3)),
        (keras_phase.Scattering1D(3, 2), (2, 40, 3)),
    ],
)
def test_channels_are_apart_and_channel_major(layer, shape):
    x = layer_checks.data(shape)
    y = ops.convert_to_numpy(layer(x))
    for channel in range(3):
        alone = ops.convert_to_numpy(layer(x[..., channel : channel + 1]))
        kept = y[..., channel * layer.paths : (channel + 1) * layer.paths]
        np.testing.assert_allclose(kept, alone, atol=1e-6)


def test_channels_first_is_the_same_transposed():
    x = layer_checks.data((2, 12, 9, 3))
    last = ops.convert_to_numpy(keras_phase.Scattering2D(1, 4)(x))
    first = keras_phase.Scattering2D(1, 4, data_format="channels_first")(np.moveaxis(x, -1, 1))
    np.testing.assert_allclose(np.moveaxis(ops.convert_to_numpy(first), 1, -1), last, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_constant_images_have_order_0_only(value):
    y = ops.convert_to_numpy(keras_phase.Scattering2D(2, 4)(np.full((1, 16, 16, 1), value)))
    np.testing.assert_allclose(y[..., 0], value, rtol=1e-4)
    np.testing.assert_allclose(y[..., 1:], 0, atol=1e-5)


def test_nan_stays_nan():
    x = np.zeros((2, 16, 16, 1), "float32")
    x[0, 3, 3] = np.nan
    y = ops.convert_to_numpy(keras_phase.Scattering2D(2, 4)(x))
    assert np.isnan(y[0]).all() and np.isfinite(y[1]).all()


def test_gradient_is_finite_at_0_and_moves_energy():
    layer = keras_phase.Scattering2D(2, 4)
    for x in (np.zeros((1, 8, 8, 1), "float32"), layer_checks.data((1, 8, 8, 1))):
        (slope,) = gradients(lambda x: ops.square(layer(x)), x)
        assert np.isfinite(slope).all()
    assert np.abs(slope).max() > 0


@pytest.mark.tensorflow
def test_gradient_against_finite_differences():
    layer = keras_phase.Scattering2D(1, 3)
    x = layer_checks.data((1, 6, 5, 1))
    (slope,) = gradients(lambda x: ops.square(layer(x)), x)
    direction = layer_checks.data(x.shape, 5)

    def value(step):
        return float(ops.sum(ops.square(layer(x + step * direction))))

    change = (value(1e-2) - value(-1e-2)) / 2e-2
    np.testing.assert_allclose(np.sum(slope * direction), change, rtol=2e-2)


def test_a_translation_changes_little():
    """The promise of the transform, against the change of the pixels themselves."""
    x = layer_checks.data((4, 40, 40, 1))
    here, there = x[:, 4:36, 4:36], x[:, 4:36, 5:37]
    layer = keras_phase.Scattering2D(3, 4)
    a, b = (ops.convert_to_numpy(layer(v))[:, 1:-1, 1:-1, 1:] for v in (here, there))
    assert np.linalg.norm(a - b) < 0.35 * np.linalg.norm(a)
    assert np.linalg.norm(here - there) > np.linalg.norm(here)


@pytest.mark.parametrize(("cls", "arguments", "shape"), CASES, ids=IDS)
def test_keras_layer_test(cls, arguments, shape):
    layer_checks.check_keras_layer_test(cls, arguments, shape, 0)


@pytest.mark.parametrize(("cls", "arguments", "shape"), CASES, ids=IDS)
def test_reloads_with_every_argument_and_the_same_output(cls, arguments, shape, tmp_path):
    layer_checks.check_round_trips(cls, arguments, shape, tmp_path)


@pytest.mark.tensorflow
@pytest.mark.parametrize(("cls", "arguments", "shape"), CASES[:1], ids=IDS[:1])
def test_exports_with_stock_ops(cls, arguments, shape, tmp_path):
    layer_checks.check_saved_model(cls, arguments, shape, tmp_path)


@pytest.mark.parametrize(("cls", "arguments", "shape"), CASES, ids=IDS)
def test_unknown_batch_size_keeps_the_other_sizes(cls, arguments, shape):
    layer_checks.check_unknown_batch_size(cls, arguments, shape)


def test_mixed_precision_computes_in_float32():
    x = layer_checks.data((2, 16, 16, 1))
    y = keras_phase.Scattering2D(2, 4, dtype="mixed_float16")(x)
    assert keras.backend.standardize_dtype(y.dtype) == "float16"
    exact = ops.convert_to_numpy(keras_phase.Scattering2D(2, 4)(x))
    np.testing.assert_allclose(ops.convert_to_numpy(y), exact, atol=2e-3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: keras_phase.Scattering2D(0), "`J`.*positive.*J=0"),
        (lambda: keras_phase.Scattering2D(1, 0), "`L`.*number of angles.*L=0"),
        (lambda: keras_phase.Scattering2D(1, max_order=3), "0, 1 or 2.*max_order=3"),
        (lambda: keras_phase.Scattering2D(1, epsilon=0.0), "positive `epsilon`.*epsilon=0.0"),
        (
            lambda: keras_phase.Scattering2D(3)(np.ones((1, 9, 7, 1))),
            r"at least \d+ pixels along each axis for J=3.*\(9, 7\)",
        ),
        (
            lambda: keras_phase.Scattering2D(1).build((None, None, 8, 1)),
            "known size.*Received: input_shape",
        ),
        (lambda: keras_phase.Scattering1D(5)(np.ones((1, 20, 1))), "at least 32 samples.*20"),
        (lambda: keras_phase.Scattering1D(5, T=0), "`T`.*T=0"),
    ],
)
def test_bad_arguments_and_inputs_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_smallest_admissible_image_is_taken():
    for scales in (1, 2, 3):
        with pytest.raises(ValueError, match="at least") as caught:
            keras_phase.Scattering2D(scales)(np.ones((1, 1, 1, 1)))
        least = int(str(caught.value).split("at least ")[1].split()[0])
        layer = keras_phase.Scattering2D(scales, 4)
        assert layer(np.ones((1, least, least, 1))).shape[1] == least // 2**scales
