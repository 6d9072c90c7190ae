"""Look-up of activations by name, function, object and config, and what it refuses."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_phase import activations, algebras
from keras_phase.ops import layout
from tests.helpers import label
from tests.helpers.gradients import DOUBLE
from tests.helpers.tolerances import assert_close
from tests.helpers.versions import newest_keras

ALGEBRAS = ["real", "complex", "dual", "cross", "quaternion", "octonion"]
NAMES = activations.names()
PARAMETRIC = {"modrelu": ("bias", -0.1), "soft_threshold": ("threshold", 0.1)}


def elements(algebra, n=4):
    d = algebras.get(algebra).dimension
    return np.random.default_rng(0).normal(size=(3, d * n))


def numpy(x):
    return ops.convert_to_numpy(ops.cast(x, DOUBLE))


def apply(identifier, x, algebra):
    return numpy(activations.get(identifier)(ops.convert_to_tensor(x), algebra=algebra))


@keras.saving.register_keras_serializable(package="keras_phase_tests")
def twice(x):
    return 2 * x


@keras.saving.register_keras_serializable(package="keras_phase_tests")
def first_component(x, *, algebra):
    first, *rest = layout.split(x, algebras.get(algebra).dimension)
    return layout.merge([first, *(0 * part for part in rest)])


@pytest.mark.parametrize("name", ["relu", "tanh", "gelu", "linear", "swish"])
@pytest.mark.parametrize("algebra", ALGEBRAS)
def test_keras_names_act_on_every_component(name, algebra):
    x = elements(algebra)
    expected = numpy(keras.activations.get(name)(ops.convert_to_tensor(x)))
    assert_close(apply(name, x, algebra), expected, DOUBLE)


IDENTIFIERS = [
    None,
    "relu",
    *NAMES,
    activations.cardioid,
    keras.activations.tanh,
    twice,
    first_component,
    pytest.param(
        keras.layers.LeakyReLU(negative_slope=0.1),
        marks=newest_keras("a layer as activation does not survive its config"),
    ),
    activations.split("elu"),
    activations.get("modrelu").with_initializers(bias="ones"),
    activations.get("soft_threshold").with_initializers(threshold=keras.initializers.Constant(2.0)),
]


@pytest.mark.parametrize("identifier", IDENTIFIERS, ids=label)
def test_config_round_trip(identifier):
    original = activations.get(identifier)
    config = activations.serialize(original)
    assert activations.serialize(identifier) == config
    restored = activations.get(config)
    assert restored.name == original.name
    assert [s.name for s in restored.weight_specs] == [s.name for s in original.weight_specs]
    x = ops.convert_to_tensor(elements("complex"))
    outputs = []
    for activation in (original, restored):
        starts = [keras.initializers.get(s.initializer)((4,)) for s in activation.weight_specs]
        starts = [ops.cast(s, DOUBLE) for s in starts]
        outputs.append(numpy(activation(x, *starts, algebra="complex")))
    np.testing.assert_array_equal(*outputs)


@pytest.mark.parametrize(
    ("identifier", "config"),
    [(None, "linear"), ("swish", "silu"), ("modrelu", "modrelu"), (activations.zrelu, "zrelu")],
)
def test_names_serialize_to_names(identifier, config):
    assert activations.serialize(identifier) == config


@pytest.mark.parametrize("name", PARAMETRIC)
def test_parametric_activations_have_a_stated_nonzero_start(name):
    weight, start = PARAMETRIC[name]
    (spec,) = activations.get(name).weight_specs
    assert spec.name == weight
    assert numpy(spec.initializer((3,))).tolist() == pytest.approx([start] * 3)
    assert f"starts at {start}" in " ".join(activations.get(name).function.__doc__.split())


def test_a_function_with_an_algebra_argument_gets_it():
    x = np.array([[1.0, 2.0, 3.0, 4.0]])
    assert apply(first_component, x, "complex").tolist() == [[1.0, 2.0, 0.0, 0.0]]
    assert apply(first_component, x, "quaternion").tolist() == [[1.0, 0.0, 0.0, 0.0]]


ACROSS = ["softmax", "log_softmax", keras.activations.softmax, keras.layers.Softmax()]


@pytest.mark.parametrize("identifier", ACROSS, ids=label)
def test_softmax_needs_real_elements(identifier):
    message = r'acts across the last axis.*FromAlgebra\("squared_norm"\).*Received: activation='
    with pytest.raises(ValueError, match=message):
        activations.get(identifier, "complex")
    with pytest.raises(ValueError, match=message):
        activations.get(identifier)(ops.ones((1, 4)), algebra="quaternion")
    y = activations.get(identifier, "real")(ops.ones((1, 4)), algebra="real")
    assert numpy(y).shape == (1, 4)


BAD = {
    "name": (
        lambda: activations.get("zzz"),
        ValueError,
        r"Unknown activation. Expected one of: crelu, .*Keras activation.*activation='zzz'",
    ),
    "type": (
        lambda: activations.get(3),
        TypeError,
        r"must be a name, a callable.*Received: activation=3 of type int",
    ),
    "initializer of a weight": (
        lambda: activations.get("modrelu").with_initializers(slope="ones"),
        ValueError,
        r"'modrelu' has no weight 'slope'. Expected one of: bias. Received: slope='ones'",
    ),
    "a layer with weights": (
        lambda: activations.get(keras.layers.PReLU())(ops.ones((1, 4)), algebra="complex"),
        ValueError,
        r"layer with weights, which its host would not train.*Received: activation=",
    ),
    "size": (
        lambda: activations.cardioid(ops.ones((1, 3)), algebra="complex"),
        ValueError,
        r"multiple of the algebra's dimension 2",
    ),
    "duplicate": (
        lambda: activations.activation("zrelu", symmetry=None)(lambda x, *, algebra: x),
        ValueError,
        r"already a activation|already an? activation",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    make, error, message = BAD[case]
    with pytest.raises(error, match=message):
        make()
