"""Spectral parametrizations: the transfer operator, counts, gradients, pruning and round trips."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_phase
from keras_phase import algebras, parametrizations
from keras_phase.ops.product import expand_kernel
from keras_phase.parametrizations import (
    Cartesian,
    DynamicSparse,
    Spectral,
    SpectralQR,
    SpectralSVD,
    spectral_initializers,
)
from tests.helpers.gradients import DOUBLE, check_gradient
from tests.helpers.layer_checks import check_round_trips, data
from tests.helpers.tolerances import assert_close

HALF = keras.initializers.RandomUniform(0.3, 0.9, seed=3)
LOW = keras.initializers.RandomUniform(-0.4, -0.1, seed=4)
SETS = {"in_initializer": HALF, "out_initializer": LOW}
# One and two sets, trained and frozen, and every way to make eigenvectors; no argument at its
# default where it has another value to offer.
ALL = [
    Spectral(**SETS),
    Spectral(train_in=None, out_initializer="half_uniform"),
    Spectral(train_out=None, in_initializer="half_uniform", train_vectors=False),
    Spectral(False, True, False, **SETS, vectors_initializer="optimized_uniform"),
    SpectralSVD(**SETS),
    SpectralSVD(train_in=None, orthogonal=False, train_left=True, train_right=True),
    SpectralSVD(rank=2, train_values=False, vectors_initializer="direct"),
    SpectralQR(**SETS),
    SpectralQR(train_out=None, triangular=False, train_vectors=False),
    DynamicSparse(SpectralQR(**SETS), percentile=60.0),
    DynamicSparse(Cartesian(), percentile=60.0, dynamic=False),
]
BY_ELEMENT = [p for p in ALL if type(p) is Spectral]
BY_NODE = [p for p in ALL if isinstance(p, SpectralSVD | SpectralQR)]


def short(value):
    """Class name and place in the table."""
    if not isinstance(value, parametrizations.Parametrization):
        return None
    place = next((i for i, p in enumerate(ALL) if p is value), "")
    return f"{type(value).__name__}{place}"


def dense(parametrization, algebra="complex", shape=(5, 4), **arguments):
    keras.utils.set_random_seed(0)
    d = algebras.get(algebra).dimension
    layer = keras_phase.AlgebraDense(
        shape[1], algebra=algebra, parametrization=parametrization, name="host", **arguments
    )
    layer.build((None, d * shape[0]))
    return layer


def convolution(parametrization, algebra="complex", **arguments):
    keras.utils.set_random_seed(0)
    d = algebras.get(algebra).dimension
    layer = keras_phase.AlgebraConv2D(
        4, (3, 2), algebra=algebra, parametrization=parametrization, **arguments
    )
    layer.build((None, 6, 5, 2 * d))
    return layer


def numpy(x):
    return np.asarray(ops.convert_to_numpy(x), dtype="float64")


@pytest.mark.parametrize("algebra", algebras.names())
@pytest.mark.parametrize("parametrization", ALL, ids=short)
def test_layer_multiplies_by_the_effective_kernel(parametrization, algebra):
    layer = dense(parametrization, algebra)
    x = data((3, 5 * layer.algebra.dimension))
    assert tuple(layer.kernel.shape) == (layer.algebra.dimension, 5, 4)
    assert_close(layer(x), x @ numpy(expand_kernel(layer.kernel, algebra)))


@pytest.mark.parametrize("arguments", [{}, {"groups": 2}, {"padding": "same", "strides": 2}])
@pytest.mark.parametrize("algebra", ["real", "quaternion", "m2r"])
@pytest.mark.parametrize("parametrization", ALL, ids=short)
def test_convolution_equals_that_of_the_effective_kernel(parametrization, algebra, arguments):
    layer = convolution(parametrization, algebra, **arguments)
    plain = convolution(None, algebra, **arguments)
    plain.kernel_parametrization.set_kernel(layer.kernel)
    x = data((2, 6, 5, 2 * layer.algebra.dimension))
    assert_close(layer(x), plain(x))


def test_channels_first_scales_the_channels():
    for p in BY_ELEMENT:
        layer = keras_phase.AlgebraConv1D(3, 2, data_format="channels_first", parametrization=p)
        plain = keras_phase.AlgebraConv1D(3, 2, data_format="channels_first")
        for each in (layer, plain):
            each.build((None, 8, 6))
        plain.kernel_parametrization.set_kernel(layer.kernel)
        x = keras.KerasTensor((2, 8, 6))
        assert layer(x).shape == plain(x).shape == (2, 6, 5)


@pytest.mark.parametrize("algebra", ["real", "complex", "quaternion", "m2r", "dual", "cross"])
@pytest.mark.parametrize("parametrization", BY_ELEMENT, ids=short)
def test_transfer_operator(parametrization, algebra):
    """`Phi Lambda Phi^-1` applied to `(x; 0)` is the layer, and `Phi^-1 = 2 - Phi`."""
    for layer, shape in (
        (dense(parametrization, algebra, use_bias=False), (1, 5)),
        (convolution(parametrization, algebra, use_bias=False), (1, 3, 2, 2)),
    ):
        d = layer.algebra.dimension
        vectors, values = layer.kernel_parametrization.operator()
        inverse = 2 * np.eye(len(values)) - vectors
        np.testing.assert_allclose(np.linalg.inv(vectors), inverse, atol=1e-12)
        x = data((*shape[:-1], d * shape[-1]))
        state = np.zeros(len(values))
        state[: x.size] = x.ravel()
        y = (vectors * values) @ inverse @ state
        assert len(values) == x.size + 4 * d
        assert_close(y[x.size :], numpy(layer(x)).ravel())


# (parametrization, trained numbers, all numbers) of a dense layer from 7 to 5 real numbers, and
# from 4 to 6, beside the bias; by the formulas of the paper.
COUNTS = [
    (Spectral(), 12 + 35, 12 + 35),
    (Spectral(train_vectors=False), 12, 12 + 35),
    (Spectral(train_in=None, train_vectors=False), 5, 5 + 35),
    (SpectralSVD(), 12 + 5, 12 + 5 + 35 + 25),
    (SpectralSVD(rank=2), 12 + 2, 12 + 2 + 14 + 10),
    (SpectralQR(), 12 + 5 * 6 // 2, 12 + 15 + 35),
    (SpectralQR(triangular=False), 12 + 5 * 5, 12 + 25 + 35),
]


@pytest.mark.parametrize(("parametrization", "trained", "everything"), COUNTS, ids=short)
def test_counts_of_numbers(parametrization, trained, everything):
    layer = dense(parametrization, "real", (7, 5), use_bias=False)
    assert sum(int(np.prod(v.shape)) for v in layer.trainable_weights) == trained
    assert layer.count_params() == everything
    layer.trainable = False
    layer.trainable = True
    assert sum(int(np.prod(v.shape)) for v in layer.trainable_weights) == trained


def test_triangle_of_a_wide_kernel_goes_on():
    layer = dense(SpectralQR(), "real", (4, 6), use_bias=False)
    assert layer.kernel_parametrization.variables[0].shape == (4 * 5 // 2 + 4 * 2,)


def test_a_kernel_starts_as_the_layers_initializer_draws_it():
    drawn = numpy(dense(None).kernel)
    for p in (Spectral(), SpectralSVD(), SpectralQR(), Spectral(in_initializer="direct")):
        assert_close(dense(p).kernel, drawn)
    assert_close(dense(Spectral(train_in=None)).kernel, -drawn)
    assert_close(dense(Spectral(train_out=None)).kernel, drawn)


@pytest.mark.parametrize("name", spectral_initializers.SCHEMES)
def test_named_initializers(name):
    names = dict.fromkeys(["in_initializer", "out_initializer", "vectors_initializer"], name)
    p = dense(Spectral(**names), "real", (400, 300)).kernel_parametrization
    inputs, outputs = map(numpy, p.eigenvalues)
    phi = numpy(p.phi())
    glorot = np.sqrt(6 / 700)
    bounds = {
        "optimized_uniform": (0.97, 0.13, None),
        "half_uniform": (0.5, 0.5, glorot),
        "pruning_uniform": (0.5, 0.5, 0.2),
        "receiving": (0.0, 1.0, glorot),
        "direct": (1.0, 0.0, glorot),
    }[name]
    for values, bound in zip((inputs, outputs, phi), bounds, strict=True):
        if bound is None:
            assert abs(values.std() - 0.036) < 0.001
        else:
            assert 0.95 * bound <= np.abs(values).max() <= bound + 1e-6
    assert SpectralSVD(orthogonal=False).get_config()["orthogonal"] is False


def test_independent_factors_are_those_of_the_authors():
    p = dense(SpectralSVD(orthogonal=False), "real", (400, 300)).kernel_parametrization
    values, left, right = (numpy(v) for v in p.variables[:3])
    assert abs(left.std() - 0.04) < 0.001 and abs(right.std() - 0.04) < 0.001
    assert 0 <= values.min() < 0.1 and 2.9 < values.max() <= 3


def test_factors_are_orthonormal():
    p = dense(SpectralSVD()).kernel_parametrization
    _, left, right = (numpy(v) for v in p.variables[:3])
    np.testing.assert_allclose(left.T @ left, np.eye(4), atol=1e-5)
    np.testing.assert_allclose(right.T @ right, np.eye(4), atol=1e-5)
    _, q = (numpy(v) for v in dense(SpectralQR()).kernel_parametrization.variables[:2])
    np.testing.assert_allclose(q.T @ q, np.eye(4), atol=1e-5)


@pytest.mark.parametrize("algebra", algebras.names())
@pytest.mark.parametrize("parametrization", ALL[:9], ids=short)
def test_set_kernel_is_undone_by_kernel(parametrization, algebra):
    p = dense(parametrization, algebra).kernel_parametrization
    value = np.random.default_rng(0).normal(size=(algebras.get(algebra).dimension, 5, 4))
    if getattr(parametrization, "rank", None) == 2:
        value = value[..., :1] * np.arange(1.0, 5.0)
    before = [None if v is None else numpy(v) for v in p.eigenvalues]
    p.set_kernel(value)
    assert_close(p.kernel(), value, factor=5)
    for old, new in zip(before, p.eigenvalues, strict=True):
        assert (old is None and new is None) or np.array_equal(old, numpy(new))


def test_set_kernel_takes_back_a_sparse_kernel():
    for p in (dense(q).kernel_parametrization for q in ALL[9:]):
        value = numpy(p.kernel())
        p.set_kernel(value)
        assert_close(p.kernel(), value)


@pytest.mark.tensorflow
@pytest.mark.parametrize("algebra", ["real", "complex", "cross"])
@pytest.mark.parametrize("parametrization", ALL[:10], ids=short)
def test_gradients(parametrization, algebra):
    layer = dense(parametrization, algebra, dtype=DOUBLE)
    x = data((3, 5 * layer.algebra.dimension)).astype(DOUBLE)
    variables = layer.trainable_variables
    starts = [numpy(v) for v in variables]

    def output(*values):
        mapping = [(v, ops.cast(a, v.dtype)) for v, a in zip(variables, values, strict=True)]
        with keras.StatelessScope(state_mapping=mapping):
            return layer(x)

    check_gradient(output, *starts, rtol=1e-5)


@pytest.mark.parametrize("parametrization", BY_ELEMENT, ids=short)
def test_elements_are_pruned_through_the_eigenvectors(parametrization):
    layer = dense(parametrization)
    model = keras.Sequential([keras.Input((10,)), layer])
    model.compile(keras.optimizers.Adam(0.01), "mse")
    p = layer.kernel_parametrization
    mask = np.random.default_rng(0).random((1, 5, 4)) < 0.5
    kept = np.broadcast_to(mask, (2, 5, 4))
    before = numpy(p.kernel())
    p.constrain(lambda w: ops.where(mask, w, ops.zeros_like(w)))
    p.prune(mask, np.zeros((2, 5, 4)))
    after = numpy(p.kernel())
    np.testing.assert_array_equal(after[kept], before[kept])
    assert not after[~kept].any()
    model.fit(data((32, 10)), data((32, 8), 1), batch_size=8, verbose=0)
    trained = numpy(p.kernel())
    assert not trained[~kept].any()
    assert (trained[kept] != before[kept]).all()
    p.constrain(None)
    assert p.variables[0].constraint is None


def test_phase_pruning_holds_the_moduli_while_eigenvalues_train():
    layer = dense(Spectral(**SETS))
    model = keras.Sequential([keras.Input((10,)), layer])
    model.compile(keras.optimizers.Adam(0.05), "mse")
    schedule = keras_phase.PhaseConstantSparsity(1.0, begin_step=0)
    callback = keras_phase.PruningCallback(schedule)
    model.fit(data((32, 10)), data((32, 8), 1), batch_size=8, verbose=0, callbacks=[callback])
    moduli = np.linalg.norm(numpy(layer.kernel), axis=0)
    np.testing.assert_allclose(moduli, moduli.mean(), rtol=1e-4)


@pytest.mark.parametrize("parametrization", BY_NODE, ids=short)
def test_nodes_are_pruned_in_products(parametrization):
    layer = dense(parametrization)
    model = keras.Sequential([keras.Input((10,)), layer])
    model.compile(keras.optimizers.Adam(0.01), "mse")
    p = layer.kernel_parametrization
    mask = np.array([True, False, True, False]).reshape(1, 1, 4)
    p.constrain(lambda w: ops.where(mask, w, ops.zeros_like(w)))
    before = numpy(p.kernel())
    p.prune(mask, np.zeros((2, 5, 4)))
    model.fit(data((32, 10)), data((32, 8), 1), batch_size=8, verbose=0)
    after = numpy(p.kernel())
    assert not after[..., 1::2].any()
    assert (after[..., ::2] != before[..., ::2]).any()
    p.constrain(None)


def test_dynamic_sparse_leaves_the_largest_out_of_their_own_number():
    for p in ALL[9:]:
        kernel = numpy(dense(p, shape=(10, 10)).kernel)
        assert (np.linalg.norm(kernel, axis=0) == 0).sum() == round(0.6 * 99) + 1
    layer = dense(DynamicSparse(percentile=75.0), "real", (10, 10))
    base = numpy(layer.kernel_parametrization.base.kernel())
    limit = np.percentile(np.abs(base), 75.0, method="nearest")
    np.testing.assert_array_equal(numpy(layer.kernel), np.where(np.abs(base) > limit, base, 0))


def test_a_dynamic_threshold_follows_the_kernel_and_a_fixed_one_stays():
    for dynamic in (True, False):
        p = dense(DynamicSparse(percentile=50.0, dynamic=dynamic), "real").kernel_parametrization
        p.base.set_kernel(10 * numpy(p.base.kernel()))
        zeros = (numpy(p.kernel()) == 0).sum()
        assert zeros == (round(0.5 * 19) + 1 if dynamic else zeros)
        assert dynamic or zeros < 10


def test_regularizer_and_constraint_act_on_trained_eigenvalues():
    p = Spectral(False, True, eigenvalue_regularizer="l1", eigenvalue_constraint="non_neg", **SETS)
    layer = dense(p, "real")
    (loss,) = layer.losses
    assert_close(loss, 0.01 * np.abs(numpy(layer.kernel_parametrization.eigenvalues.outputs)).sum())
    model = keras.Sequential([keras.Input((5,)), layer])
    model.compile("sgd", "mse")
    inputs = numpy(layer.kernel_parametrization.eigenvalues.inputs)
    model.fit(data((8, 5)), data((8, 4)), verbose=0)
    assert numpy(layer.kernel_parametrization.eigenvalues.outputs).min() >= 0
    np.testing.assert_array_equal(numpy(layer.kernel_parametrization.eigenvalues.inputs), inputs)


@pytest.mark.parametrize("parametrization", ALL, ids=short)
def test_round_trips(parametrization, tmp_path):
    arguments = {"units": 3, "parametrization": parametrization, "algebra": "complex"}
    check_round_trips(keras_phase.AlgebraDense, arguments, (2, 8), tmp_path)
    arguments = {"filters": 2, "kernel_size": 2, "parametrization": parametrization}
    check_round_trips(keras_phase.AlgebraConv2D, arguments, (2, 4, 4, 6), tmp_path)
    again = parametrizations.get(parametrizations.serialize(parametrization))
    assert again.get_config() == parametrization.get_config()


def test_all_arguments_survive_serialization():
    settings = {"eigenvalue_regularizer": "l2", "eigenvalue_constraint": "unit_norm", **SETS}
    for p in (Spectral(**settings), SpectralQR(**settings), SpectralSVD(**settings)):
        config = parametrizations.serialize(p)
        keras.saving.serialize_keras_object(config)
        assert parametrizations.get(config).get_config() == p.get_config()


@pytest.mark.parametrize("parametrization", ALL, ids=short)
def test_mixed_precision(parametrization):
    layer = dense(parametrization, dtype="mixed_float16")
    y = layer(data((3, 10)))
    assert keras.backend.standardize_dtype(y.dtype) == "float16"
    assert all(v.dtype == "float32" for v in layer.weights)
    plain = dense(None)
    plain.kernel_parametrization.set_kernel(ops.cast(layer.kernel, "float32"))
    assert_close(y, plain(data((3, 10))), "float16")


@pytest.mark.parametrize(
    "host",
    [
        lambda p: keras_phase.AlgebraConv2DTranspose(3, 2, parametrization=p),
        lambda p: keras_phase.AlgebraDepthwiseConv2D(2, parametrization=p),
        lambda p: keras_phase.AlgebraSeparableConv2D(3, 2, parametrization=p),
        lambda p: keras_phase.AlgebraConv3D(3, 2, parametrization=p),
    ],
)
def test_every_convolution_takes_them(host):
    for p in (ALL[0], ALL[1], ALL[4], ALL[7], ALL[9]):
        layer = host(p)
        shape = (2, 4, 4, 4, 4) if "3D" in type(layer).__name__ else (2, 4, 4, 4)
        assert np.isfinite(numpy(layer(data(shape)))).all()


def test_other_layers_take_them():
    x = data((2, 3, 8))
    for layer in (
        keras_phase.AlgebraLSTM(2, parametrization=Spectral()),
        keras_phase.AlgebraGRU(2, parametrization=SpectralSVD()),
    ):
        assert np.isfinite(numpy(layer(x))).all()


ERRORS = [
    (lambda: Spectral(None, None), ["would be 0", "train_in=None"]),
    (lambda: Spectral("yes"), ["True (trained)", "train_in='yes'"]),
    (lambda: Spectral(train_vectors=None), ["train_vectors=None"]),
    (lambda: Spectral(out_initializer="nonsense"), ["nonsense"]),
    (lambda: SpectralSVD(rank=0), ["positive number of singular values", "rank=0"]),
    (lambda: DynamicSparse(percentile=100), ["below 100", "percentile=100"]),
    (
        lambda: dense(Spectral(in_initializer="zeros")).kernel_parametrization.set_kernel(
            np.ones((2, 5, 4))
        ),
        ["equal eigenvalues", "such weights"],
    ),
    (
        lambda: dense(SpectralSVD(rank=1)).kernel_parametrization.set_kernel(
            np.arange(40.0).reshape(2, 5, 4) ** 2
        ),
        ["1 singular values", "rank=1"],
    ),
    (
        lambda: dense(SpectralQR()).kernel_parametrization.prune(
            np.arange(20).reshape(1, 5, 4) > 3, np.zeros((2, 5, 4))
        ),
        ["granularity='node'", "single elements"],
    ),
    (
        lambda: dense(DynamicSparse()).kernel_parametrization.set_kernel(np.ones((2, 5, 4))),
        ["90th percentile", "such elements"],
    ),
    (
        lambda: dense(Spectral(train_in=None)).kernel_parametrization.set_eigenvalues(inputs=1.0),
        ["train_in=None", "inputs=1.0"],
    ),
]


@pytest.mark.parametrize(("act", "words"), ERRORS)
def test_errors(act, words):
    with pytest.raises(ValueError) as error:
        act()
    for word in words:
        assert word in str(error.value)


def test_frozen_eigenvectors_hold_no_phase():
    layer = dense(Spectral(train_vectors=False, **SETS))
    p = layer.kernel_parametrization
    p.constrain(lambda w: w)
    with pytest.raises(ValueError, match="a pruned value that is not 0"):
        p.prune(np.zeros((1, 5, 4), bool), np.ones((2, 5, 4)))
