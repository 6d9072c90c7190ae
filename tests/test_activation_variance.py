"""Activation variance through 20 layers: every algebra, with its matching non-linearity.

Networks are simulated in NumPy from the structure constants alone, with kernels that the
initializers draw. On average over weights the law is exact at every width, but one network of
width n is off by a factor of about exp(sqrt(5 layers / n)); hence many networks at once.
"""

import keras
import numpy as np
import pytest
from keras import ops

from keras_phase import AlgebraDense, activations, algebras, initializers
from keras_phase.activations import Activation
from keras_phase.initializers import AlgebraVarianceScaling

LAYERS, WIDTH, SAMPLES = 20, 256, 2

NILPOTENT = {
    "dual": algebras.get("dual"),
    "clifford(1, 0, 1)": algebras.clifford(1, 0, 1),
    "clifford(0, 0, 2)": algebras.clifford(0, 0, 2),
    "clifford(3, 0, 1)": algebras.clifford(3, 0, 1),
    "quaternion x dual": algebras.tensor_product("quaternion", "dual"),
    "dual x dual": algebras.tensor_product("dual", "dual"),
}
REGULAR = {
    **{name: algebras.get(name) for name in algebras.names() if name != "dual"},
    "clifford(2, 0, 0)": algebras.clifford(2),
    "clifford(1, 1, 0)": algebras.clifford(1, 1),
    "clifford(0, 3, 0)": algebras.clifford(0, 3),
    "complex x quaternion": algebras.tensor_product("complex", "quaternion"),
}
ALGEBRAS = {**REGULAR, **NILPOTENT}


def linear(y):
    return y


def relu(y):
    return np.maximum(y, 0)


def cardioid(y):
    modulus = np.sqrt(np.sum(y**2, axis=0))
    return y * (1 + y[0] / modulus) / 2


def zrelu(y):
    return y * np.all(y > 0, axis=0)


def modrelu(y):
    modulus = np.sqrt(np.sum(y**2, axis=0))
    return y * np.maximum(modulus - 0.1, 0) / np.maximum(modulus, 0.1)


def kernels(initializer, algebra, networks, n):
    """`(d, networks, n, n)`."""
    d = algebra.dimension
    initializer = initializers.for_kernel(initializer, algebra)
    # Fan-in alone decides, so one wide draw is many networks' layer.
    drawn = initializer((n, networks * n) if d == 1 else (d, n, networks * n))
    kernel = ops.convert_to_numpy(drawn).reshape(d, n, networks, n)
    return np.ascontiguousarray(kernel.transpose(0, 2, 1, 3))


def mean_squares(initializer, algebra, activation, networks=1024):
    """`(layers + 1, d)`, mean square of every component after each layer."""
    d, table = algebra.dimension, algebra.structure_constants
    n, networks = max(WIDTH // d, 24), min(384 * d, networks)
    kernel = kernels(initializer, algebra, networks, n)
    shape = (d, networks, SAMPLES, n)
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape).astype("float32")
    result = [np.mean(x**2, axis=(1, 2, 3))]
    for layer in range(LAYERS):
        # Each network takes its layers from 20 of the kernels, no kernel twice. Signs of rows and
        # columns, which do not change how kernels are distributed, make them new.
        weights = np.roll(kernel, layer, axis=1)
        rows, columns = rng.choice(np.float32([-1, 1]), size=(2, networks, 1, n))
        x, y = x * rows, np.zeros_like(x)
        for i, j, k in np.argwhere(table):
            y[k] += table[i, j, k] * (x[j] @ weights[i])
        x = activation(y * columns)
        result.append(np.mean(x**2, axis=(1, 2, 3)))
    return np.stack(result)


@pytest.mark.slow
@pytest.mark.parametrize("algebra", ALGEBRAS)
@pytest.mark.parametrize(
    ("name", "activation"), [("HeNormal", relu), ("LecunNormal", linear)], ids=["he", "lecun"]
)
def test_mean_square_stays_through_20_layers(name, activation, algebra):
    algebra = ALGEBRAS[algebra]
    initializer = getattr(keras.initializers, name)(seed=1)
    measured = mean_squares(initializer, algebra, activation)
    total = measured.mean(axis=1)
    assert 0.8 <= total.min() and total.max() <= 1.25
    # And each component follows the law, which says 1 at every depth unless there are nilpotents.
    law = initializers.mean_squares(algebra, LAYERS)
    np.testing.assert_allclose(measured, law, rtol=0.25)
    np.testing.assert_allclose(total, law.mean(axis=1), rtol=0.15)


# Phase-preserving activations, and the algebras in which their matching scale holds.
MATCHING = [
    ("cardioid", cardioid, "real"),
    ("cardioid", cardioid, "complex"),
    ("cardioid", cardioid, "quaternion"),
    ("zrelu", zrelu, "complex"),
    ("modrelu", modrelu, "complex"),
    ("modrelu", modrelu, "quaternion"),
    ("modrelu", modrelu, "m2r"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "activation", "algebra"), MATCHING)
def test_matching_scale_of_phase_preserving_activations(name, activation, algebra):
    scale = initializers.matching_scale(name, algebra)
    initializer = AlgebraVarianceScaling(scale=scale, seed=1)
    total = mean_squares(initializer, algebras.get(algebra), activation, 512).mean(axis=1)
    assert 0.8 <= total.min() and total.max() <= 1.25


@pytest.mark.parametrize("algebra", ALGEBRAS)
def test_layers_draw_by_the_law(algebra):
    algebra = ALGEBRAS[algebra]
    n = 2048 // algebra.dimension
    layer = AlgebraDense(n // 8, kernel_initializer="lecun_normal", algebra=algebra)
    layer.build((None, n * algebra.dimension))
    kernel = ops.convert_to_numpy(layer.kernel)
    expected = initializers.component_variances(algebra) / n
    np.testing.assert_allclose(np.mean(kernel**2, axis=(1, 2)), expected, rtol=0.1)


# Scales that keep the mean square: by hand, or by a sum over the modulus.
def chi_mean(function, d):
    """Mean of a function of the modulus of d normal numbers, by a sum over the modulus."""
    r = np.linspace(1e-6, 12, 200_001)
    density = r ** (d - 1) * np.exp(-(r**2) / 2)
    return np.sum(function(r) * density) / np.sum(density)


SCALES = {
    "linear": (None, lambda d: 1.0),
    "He": ("relu", lambda d: 2.0),
    "split": ("crelu", lambda d: 2.0),
    "one orthant": ("zrelu", lambda d: 2.0**d),
    "cardioid": ("cardioid", lambda d: 4 * d / (d + 1)),
    "leaky": (keras.layers.LeakyReLU(negative_slope=0.5), lambda d: 2 / 1.25),
}


@pytest.mark.parametrize("algebra", ["real", "complex", "quaternion", "m3r"])
@pytest.mark.parametrize("case", SCALES)
def test_matching_scales(case, algebra):
    activation, expected = SCALES[case]
    d = algebras.get(algebra).dimension
    found = initializers.matching_scale(activation, algebra)
    assert found == pytest.approx(expected(d), rel=1e-3)


@pytest.mark.parametrize("activation", ["zrelu", "cardioid"])
@pytest.mark.parametrize("algebra", ["complex", "quaternion"])
def test_exact_scales_are_what_the_solver_finds(activation, algebra):
    function = activations.get(activation).function
    renamed = Activation("renamed", lambda x, *, algebra: function(x, algebra=algebra))
    exact = initializers.matching_scale(activation, algebra)
    assert initializers.matching_scale(renamed, algebra) == pytest.approx(exact, rel=5e-3)


# (activation, its effect on a modulus, the mean square that is kept)
MODULI = [
    ("modrelu", lambda r: np.maximum(r - 0.1, 0), 1.0),
    ("soft_threshold", lambda r: np.maximum(r - 0.1, 0), 0.5),
    ("amplitude_squash", np.tanh, 0.05),
]


@pytest.mark.parametrize(("activation", "radial", "kept"), MODULI)
@pytest.mark.parametrize("algebra", ["real", "complex", "quaternion", "octonion"])
def test_matching_scales_of_functions_of_the_modulus(activation, radial, kept, algebra):
    d = algebras.get(algebra).dimension
    scale = initializers.matching_scale(activation, algebra, kept)
    std = np.sqrt(scale * kept)
    assert chi_mean(lambda r: radial(std * r) ** 2, d) / d == pytest.approx(kept, rel=2e-3)


BAD = {
    "bounded": (
        lambda: initializers.matching_scale("tanh", "complex"),
        r"No scale .* 'tanh' keep that mean square .*'complex'.*Received: mean_square=1.0",
    ),
    "not 0 at 0": (
        lambda: initializers.matching_scale("sigmoid", "real", 0.1),
        r"mean squares from 0.25 .*Received: mean_square=0.1",
    ),
    "mean square": (
        lambda: initializers.matching_scale("relu", "real", -1.0),
        r"positive `mean_square`. Received: mean_square=-1.0",
    ),
    "scale": (lambda: AlgebraVarianceScaling("complex", scale=-1.0), r"`scale`"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    make, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        make()
