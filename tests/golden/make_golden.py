"""Make the golden files: a model of every layer, with its outputs. Run only on a change of format.

python tests/golden/make_golden.py
"""

from pathlib import Path

import keras
import numpy as np

import keras_phase

FOLDER = Path(__file__).parent


def network() -> keras.Model:
    """Every layer that owns weights, every parametrization, and the layers between."""
    inputs = keras.Input((3, 4))
    x = keras_phase.ToAlgebra("learned", hidden_units=3)(inputs)
    x = keras_phase.AlgebraDense(4, activation="modrelu")(x)
    x = keras_phase.AlgebraFlatten()(x)
    a = keras_phase.PhaseDense(3, activation="relu", amplitude="element")(x)
    b = keras_phase.PhaseDense(2, activation="cardioid", amplitude="unit", phase_bits=3)(x)
    x = keras_phase.AlgebraConcatenate()([a, b])
    x = keras_phase.AlgebraDropout(0.5)(x)
    x = keras_phase.AlgebraActivation("soft_threshold")(x)
    x = keras_phase.AlgebraDense(4, parametrization=keras_phase.parametrizations.Polar("one"))(x)
    x = keras_phase.AlgebraReshape((2, 2))(x)
    return keras.Model(inputs, keras_phase.FromAlgebra("norm")(x))


def data() -> np.ndarray:
    """Inputs of the golden outputs."""
    return np.linspace(-1, 1, 5 * 3 * 4, dtype="float32").reshape(5, 3, 4)


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    model = network()
    model.save(FOLDER / "network.keras")
    model.save_weights(FOLDER / "network.weights.h5")
    np.savez(
        FOLDER / "network.npz",
        outputs=model.predict(data(), verbose=0),
        # Layer names count up in a process; what belongs to the format is what comes after them.
        names=[w.path.partition("/")[2] for w in model.weights],
        shapes=[str(tuple(w.shape)) for w in model.weights],
    )
