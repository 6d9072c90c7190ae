"""The summary counts right, and names the stock layers that cut elements apart."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_phase
from keras_phase import parametrizations
from keras_phase.layers.batch_normalization import AlgebraBatchNormalization
from keras_phase.layers.pooling import ModulusMaxPooling2D
from keras_phase.layers.spatial_dropout import AlgebraSpatialDropout2D
from keras_phase.stock_layers import unsafe_layers
from keras_phase.summary import rows, summary, total
from tests.helpers.versions import newest_keras

# Quaternions: 16 real multiplications an element, 8 by the factorization. Dense "one" has 6 * 4
# elements and a bias of 16; "two" 4 * 2 elements, two amplitudes and a bias of 8.
TABLE = """\
Layer  Class           Algebra     Output shape  Parameters  Elements  Mult. expanded  Mult. factored   Zero
------------------------------------------------------------------------------------------------------------
door   ToAlgebra       quaternion  (None, 24)             -         -               -               -      -
one    AlgebraDense    quaternion  (None, 16)           112        24             384             192  50.0%
drop   AlgebraDropout  quaternion  (None, 16)             -         -               -               -      -
two    PhaseDense      quaternion  (None, 8)             42         8             128              64      -
exit   Modulus         quaternion  (None, 2)              -         -               -               -      -
head   Dense           -           (None, 3)              9         6               6               6      -
------------------------------------------------------------------------------------------------------------
Total                                                   163        38             518             262
"""  # noqa: E501


def printed(model):
    lines = []
    assert summary(model, print_fn=lines.append) is None
    return lines


def test_table():
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras_phase.ToAlgebra(algebra="quaternion", name="door"),
            keras_phase.AlgebraDense(4, algebra="quaternion", name="one"),
            keras_phase.AlgebraDropout(0.5, algebra="quaternion", name="drop"),
            keras_phase.PhaseDense(2, algebra="quaternion", amplitude="unit", name="two"),
            keras_phase.Modulus(algebra="quaternion", name="exit"),
            keras.layers.Dense(3, name="head"),
        ]
    )
    (p,) = parametrizations.of(model.get_layer("one"))
    kernel = np.array(p.kernel())
    kernel[:, :3] = 0  # half of the elements
    kernel[:2, 3:] = 0  # half of the components of the others, which so remain elements
    p.set_kernel(kernel)
    assert "\n".join(printed(model)) + "\n" == TABLE


def test_total():
    """A layer that a method cannot serve counts by the expanded one."""
    model = keras.Sequential(
        [
            keras.Input((16,)),
            keras_phase.AlgebraDense(4, algebra="m2c"),
            keras_phase.AlgebraDense(3, algebra="octonion"),
            keras.layers.Dense(2),
        ]
    )
    row = total(model)
    assert row.multiplications == {
        "expanded": 64 * 8 + 64 * 12 + 48,
        "factored": 21 * 8 + 64 * 12 + 48,
        "matrix": 24 * 8 + 64 * 12 + 48,
    }
    assert (row.parameters, row.elements) == (model.count_params(), 8 + 12 + 48)
    kernel = ops.convert_to_numpy(model.layers[-1].kernel)
    kernel[:17] = 0
    model.layers[-1].kernel.assign(kernel)
    assert total(model).zero == 34 / 68


def test_models_inside_models_and_shared_layers_count_once():
    shared = keras_phase.AlgebraDense(3, name="shared")
    inner = keras.Sequential([keras.Input((4,)), shared], name="inner")
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Add()([inner(inputs), shared(inputs)]))
    table = rows(model)
    assert [row.name for row in table if row.elements] == ["inner/shared"]
    assert sum(row.parameters for row in table) == model.count_params()


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.blocks = [keras_phase.PhaseDense(3), keras_phase.PhaseDense(2)]

    def call(self, inputs):
        return self.blocks[1](self.blocks[0](inputs))


def test_subclassed_model():
    model = Subclassed()
    with pytest.raises(ValueError, match=r"call it on data.*Received: model.built=False"):
        summary(model)
    model(np.zeros((1, 8), "float32"))
    assert [row.output_shape[-1] for row in rows(model)] == [6, 4]
    assert sum(row.elements for row in rows(model)) == 4 * 3 + 3 * 2


def between(*layers, shape=(4, 4, 2)):
    """A sequential model with `layers` between two complex ones."""
    return keras.Sequential(
        [
            keras.Input(shape),
            keras_phase.ToAlgebra(),
            *layers,
            keras_phase.AlgebraDense(3),
            keras_phase.Modulus(),
            keras.layers.Flatten(),  # after the algebra: safe
            keras.layers.Dropout(0.5),
            keras.layers.Dense(2),
        ]
    )


@pytest.mark.parametrize(
    ("cls", "arguments", "hint"),
    [
        (keras.layers.Flatten, (), "use keras_phase.AlgebraFlatten"),
        (keras.layers.Reshape, ((36, 4),), "use keras_phase.AlgebraReshape"),
        (keras.layers.Permute, ((1, 3, 2),), "keep the last axis in its place"),
        (keras.layers.Dropout, (0.2,), "use keras_phase.AlgebraDropout"),
        (keras.layers.GaussianDropout, (0.2,), "use keras_phase.AlgebraDropout"),
        (keras.layers.SpatialDropout2D, (0.2,), "use keras_phase.AlgebraSpatialDropout2D"),
        (keras.layers.MaxPooling2D, (2,), "keras_phase.ModulusMaxPooling2D"),
        (keras.layers.GlobalMaxPooling2D, (), "pool the modulus"),
        (keras.layers.BatchNormalization, (), "use keras_phase.AlgebraBatchNormalization"),
        (keras.layers.LayerNormalization, (), "use keras_phase.AlgebraLayerNormalization"),
        (keras.layers.GroupNormalization, (2,), "use keras_phase.AlgebraGroupNormalization"),
        (keras.layers.UnitNormalization, (1,), "keras_phase.AlgebraRMSNormalization, or axis=-1"),
        pytest.param(
            getattr(keras.layers, "RMSNormalization", None),
            (),
            "use keras_phase.AlgebraRMSNormalization",
            marks=newest_keras("no RMSNormalization"),
        ),
        (keras.layers.Dense, (4,), "use keras_phase.AlgebraDense"),
        (keras.layers.Conv2D, (4, 3), "use keras_phase.AlgebraConv2D"),
        (keras.layers.Conv2DTranspose, (4, 3), "use keras_phase.AlgebraConv2DTranspose"),
        (keras.layers.DepthwiseConv2D, (3,), "use keras_phase.AlgebraDepthwiseConv2D"),
        (keras.layers.SeparableConv2D, (4, 3), "use keras_phase.AlgebraSeparableConv2D"),
    ],
)
def test_unsafe_layers_are_named(cls, arguments, hint):
    layer = cls(*arguments, name="here")
    model = between(keras.layers.ZeroPadding2D(), keras.layers.Activation("relu"), layer)
    (warning,) = unsafe_layers(model)
    assert warning.startswith(f"{cls.__name__} 'here' between two algebra layers")
    assert hint in warning
    assert printed(model)[-1] == f"Warning: {warning}"
    assert unsafe_layers(keras.Model(model.inputs, model.outputs)) == [warning]


@pytest.mark.parametrize(
    ("cls", "arguments"),
    [
        (keras.layers.AveragePooling2D, (2,)),
        (keras.layers.GlobalAveragePooling2D, ()),
        (keras.layers.UpSampling2D, ()),
        (keras.layers.Permute, ((2, 1, 3),)),
        (keras.layers.UnitNormalization, ()),
        (keras.layers.SpatialDropout2D, (0.0,)),
        (keras_phase.AlgebraFlatten, ()),
        (keras_phase.AlgebraDropout, (0.5,)),
        (AlgebraSpatialDropout2D, (0.5,)),
        (AlgebraBatchNormalization, ()),
        (ModulusMaxPooling2D, ()),
    ],
)
def test_safe_layers_are_not(cls, arguments):
    assert unsafe_layers(between(cls(*arguments, name="here"))) == []


@pytest.mark.parametrize("name", ["LSTM", "GRU", "SimpleRNN"])
def test_unsafe_layers_over_time_are_named(name):
    layer = getattr(keras.layers, name)(4, name="here")
    (warning,) = unsafe_layers(between(layer, shape=(5, 2)))
    assert f"use keras_phase.Algebra{name}" in warning


def test_unsafe_attention_is_named():
    inputs = keras.Input((5, 2))
    x = keras_phase.ToAlgebra()(inputs)
    y = keras.layers.MultiHeadAttention(2, 3, name="here")(x, x)
    (warning,) = unsafe_layers(keras.Model(inputs, keras_phase.AlgebraDense(3)(y)))
    assert "use keras_phase.AlgebraMultiHeadAttention" in warning


def test_a_real_layer_between_two_doors_is_meant():
    layers = (
        keras_phase.FromAlgebra("concat"),
        keras.layers.Dense(6),
        keras_phase.ToAlgebra("reshape"),
    )
    assert unsafe_layers(between(*layers)) == []


def test_branches():
    inputs = keras.Input((4,))
    x = keras_phase.PhaseEncode()(inputs)
    a, b = keras_phase.AlgebraDense(3)(x), keras_phase.AlgebraDense(2)(x)
    wrong = keras.layers.Concatenate(name="wrong")([a, b])
    right = keras_phase.AlgebraConcatenate()([a, b])
    y = keras.layers.Add()([keras_phase.AlgebraDense(2)(wrong), keras_phase.AlgebraDense(2)(right)])
    (warning,) = unsafe_layers(keras.Model(inputs, y))
    assert "Concatenate 'wrong'" in warning and "use keras_phase.AlgebraConcatenate" in warning


def test_real_algebra_is_safe():
    model = keras.Sequential(
        [
            keras.Input((4, 2)),
            keras_phase.AlgebraDense(3, algebra="real"),
            keras.layers.Flatten(),
            keras_phase.AlgebraDense(3, algebra="real"),
        ]
    )
    assert unsafe_layers(model) == []


@pytest.mark.parametrize("low_pass", [True, False])
def test_moduli_without_the_low_pass_part_are_real(low_pass):
    model = between(
        keras_phase.WaveletModulus2D(angles=2, window=3, low_pass=low_pass),
        keras.layers.BatchNormalization(),
    )
    assert len(unsafe_layers(model)) == low_pass
