"""The native route of the wavelet modulus against filtering by stock operations."""

import os

import numpy as np
import pytest
from keras import ops

import keras_phase
from keras_phase.ops import native
from keras_phase.ops.filtering import filtered
from keras_phase.ops.wavelet_modulus import wavelet_modulus
from tests.helpers.gradients import gradients

pytestmark = pytest.mark.tensorflow

needs_library = pytest.mark.skipif(
    native.unavailable_reason() is not None and os.environ.get("KERAS_PHASE_NATIVE") != "require",
    reason=f"no native operations: {native.unavailable_reason()}",
)

# Places, channels, window, strides; a leftover or a cropped edge in every second one.
SHAPES = [
    ((9, 11), 3, (5, 3), (1, 1)),
    ((8, 13), 17, (5, 5), (2, 3)),
    ((7, 7), 2, (1, 1), (3, 3)),
    ((14,), 5, (7,), (4,)),
    ((16,), 16, (3,), (1,)),
]


def bank(window, count=5, seed=0):
    rng = np.random.default_rng(seed)
    waves = rng.normal(size=(2, count, *window))
    opposite = np.flip(waves, tuple(range(2, waves.ndim)))
    return waves[0] + opposite[0], waves[1] - opposite[1]


@needs_library
@pytest.mark.parametrize("padding", ["reflect", "zero", "circular"])
@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_native_equals_direct(shape, parts, padding, monkeypatch):
    places, n, window, strides = shape
    rng = np.random.default_rng(1)
    signal = [rng.normal(size=(2, *places, n)).astype("float32") for _ in range(parts)]
    real, imag = bank(window)
    calls = []
    run = native.wavelet_modulus
    monkeypatch.setattr(native, "wavelet_modulus", lambda *given: calls.append(1) or run(*given))
    found = {}
    for method in ("auto", "direct"):

        def function(*signal, method=method):
            return wavelet_modulus(signal, real, imag, strides, padding, method)

        y = ops.convert_to_numpy(function(*map(ops.convert_to_tensor, signal)))
        found[method] = [y, *gradients(function, *signal)]
    assert len(calls) == 2
    for mine, wanted in zip(found["auto"], found["direct"], strict=True):
        np.testing.assert_allclose(mine, wanted, atol=2e-5 * np.abs(wanted).max())


@needs_library
@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_layer_trains_alike_on_both_routes(jit_compile):
    weights = {}
    for method in ("auto", "direct"):
        model = network(method)
        model.compile("sgd", "mse", jit_compile=jit_compile)
        x = np.random.default_rng(2).normal(size=(8, 12, 10, 4)).astype("float32")
        model.fit(x, np.ones((8, 1)), epochs=2, batch_size=4, verbose=0, shuffle=False)
        weights[method] = model.get_weights()
    for mine, wanted in zip(weights["auto"], weights["direct"], strict=True):
        np.testing.assert_allclose(mine, wanted, atol=1e-5)


def network(method):
    import keras

    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [
            keras.Input((12, 10, 4)),
            keras.layers.Conv2D(6, 3),
            keras_phase.WaveletModulus2D(
                strides=2, angles=4, window=5, algebra="real", method=method
            ),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(1),
        ]
    )


def test_filters_that_are_tensors_take_stock_operations(monkeypatch):
    monkeypatch.setattr(native, "wavelet_modulus", None)
    x = ops.ones((1, 6, 6, 2))
    real, imag = map(ops.convert_to_tensor, bank((3, 3)))
    assert wavelet_modulus([x], real, imag).shape == (1, 6, 6, 2, 5)


@needs_library
@pytest.mark.parametrize("components", [1, 2, 4])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_real_filters_take_every_component(shape, components):
    places, n, window, strides = shape
    rng = np.random.default_rng(1)
    signal = [rng.normal(size=(2, *places, n)).astype("float32") for _ in range(components)]
    (real, _), found = bank(window), {}
    for method in ("auto", "direct"):

        def function(*signal, method=method):
            return ops.stack(filtered(signal, real, None, strides, "reflect", method))

        y = ops.convert_to_numpy(function(*map(ops.convert_to_tensor, signal)))
        found[method] = [y, *gradients(function, *signal)]
    for mine, wanted in zip(found["auto"], found["direct"], strict=True):
        np.testing.assert_allclose(mine, wanted, atol=2e-5 * np.abs(wanted).max())


def test_a_signal_that_is_too_small_is_refused_on_every_route():
    for method in ("auto", "direct", "fft"):
        with pytest.raises(ValueError, match=r"size of at least \(3, 3\)"):
            wavelet_modulus([ops.ones((1, 2, 6, 1))], *bank((5, 5)), method=method)
