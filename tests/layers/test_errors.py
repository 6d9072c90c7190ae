"""What goes wrong is said early: what happened, what was expected, what was received."""

import numpy as np
import pytest

import keras_phase
from keras_phase import parametrizations
from tests.helpers.versions import newest_keras

Z = np.ones((2, 4), "complex64")
X = np.ones((2, 5), "float32")

# (what is done, error, words of the message)
CASES = [
    (lambda: keras_phase.AlgebraDense(0), ValueError, ["positive integer", "units=0"]),
    (lambda: keras_phase.AlgebraDense(3)(X), ValueError, ["multiple of", "dimension 2", "size=5"]),
    (
        lambda: keras_phase.AlgebraDense(3, algebra="octavian"),
        ValueError,
        ["Unknown algebra", "octonion", "'octavian'"],
    ),
    (lambda: keras_phase.AlgebraDense(3, algebra=3), TypeError, ["algebra=3"]),
    (
        lambda: keras_phase.AlgebraDense(3, method="quick"),
        ValueError,
        ["Unknown product method", "factored", "'quick'"],
    ),
    (
        lambda: keras_phase.AlgebraDense(3, algebra="octonion", method="factored"),
        ValueError,
        ["octonion", "no bilinear factorization"],
    ),
    (
        lambda: keras_phase.AlgebraDense(3, activation="softmax"),
        ValueError,
        ["softmax", "squared_norm"],
    ),
    (
        lambda: keras_phase.AlgebraDense(3, parametrization="Bipolar"),
        ValueError,
        ["Unknown parametrization", "Polar", "'Bipolar'"],
    ),
    (
        lambda: keras_phase.AlgebraDense(3, parametrization=7),
        TypeError,
        ["Parametrization", "parametrization=7"],
    ),
    (lambda: keras_phase.AlgebraDense(3, lora_rank=2), ValueError, ["lora_rank", "lora_rank=2"]),
    (
        lambda: keras_phase.AlgebraDense(3, algebra="quaternion")(Z),
        ValueError,
        ["quaternion", "complex tensor", "complex64"],
    ),
    (
        lambda: keras_phase.ToAlgebra("complex", algebra="quaternion"),
        ValueError,
        ["dimension 2", "quaternion"],
    ),
    (lambda: keras_phase.ToAlgebra("second"), ValueError, ["first", "learned", "'second'"]),
    pytest.param(
        lambda: keras_phase.ToAlgebra("first")(Z),
        ValueError,
        ["real", "complex64"],
        marks=newest_keras("it has no complex dtypes"),
    ),
    (lambda: keras_phase.ToAlgebra("complex")(X), ValueError, ["complex", "float32"]),
    (lambda: keras_phase.ToAlgebra(interleaved=True), ValueError, ["interleaved", "'first'"]),
    (lambda: keras_phase.FromAlgebra("phase"), ValueError, ["squared_norm", "'phase'"]),
    (
        lambda: keras_phase.FromAlgebra("complex", algebra="m2r"),
        ValueError,
        ["dimension 2", "m2r"],
    ),
    (lambda: keras_phase.PhaseEncode(float("nan")), ValueError, ["finite", "scale=nan"]),
    (lambda: keras_phase.PhaseDense(3, amplitude="all"), ValueError, ["'unit'", "'all'"]),
    (
        lambda: keras_phase.PhaseDense(3, phase_bits=2, algebra="real")(X),
        ValueError,
        ["phase codes of 1 bits", "phase_bits=2"],
    ),
    (
        lambda: keras_phase.PhaseDense(3, phase_bits=2, algebra="quaternion")(X[:, :4]),
        ValueError,
        ["3, 4 bits", "phase_bits=2"],
    ),
    (lambda: keras_phase.AlgebraDropout(1.5), ValueError, ["between 0 and 1", "rate=1.5"]),
    (lambda: keras_phase.AlgebraReshape((3,))(X[:, :4]), ValueError, ["2 elements", "(3,)"]),
    (lambda: keras_phase.AlgebraReshape((-1, -1)), ValueError, ["at most one -1"]),
    (lambda: keras_phase.AlgebraFlatten("middle"), ValueError, ["channels_last", "'middle'"]),
    (lambda: keras_phase.AlgebraConcatenate()(X[:, :4]), ValueError, ["list of tensors"]),
    (
        lambda: keras_phase.AlgebraConcatenate()([X[:, :4], X[:1, :4]]),
        ValueError,
        ["all other axes must agree"],
    ),
    (lambda: parametrizations.Polar("two"), ValueError, ["'unit'", "amplitude='two'"]),
    (
        lambda: keras_phase.AlgebraDense(3, algebra="octonion", kernel_initializer="unitary").build(
            (None, 8)
        ),
        ValueError,
        ["no unitary kernels", "not associative", "octonion"],
    ),
]


@pytest.mark.parametrize(("action", "error", "words"), CASES, ids=range(len(CASES)))
def test_error_says_what_was_expected_and_received(action, error, words):
    with pytest.raises(error) as caught:
        action()
    message = str(caught.value)
    for word in [*words, "Received"]:
        assert word in message, message


def test_kernel_before_build_is_an_error():
    with pytest.raises(AttributeError, match="no kernel yet"):
        _ = keras_phase.AlgebraDense(3).kernel


def test_a_tf_keras_tensor_is_refused():
    """Stands in for tf_keras, which need not be installed: what counts is the type's module."""
    foreign = type("KerasTensor", (), {"__module__": "tf_keras.src.engine.keras_tensor"})()
    with pytest.raises(TypeError, match=r"tf_keras.*model without weights.*keras\.Input.*Received"):
        keras_phase.PhaseDense(3)(foreign)


def test_real_features_are_never_promoted_silently():
    layer = keras_phase.PhaseDense(3)
    layer.build((None, 784))
    assert layer.kernel.shape == (2, 392, 3)
    assert isinstance(layer.kernel_parametrization, parametrizations.Cartesian)
