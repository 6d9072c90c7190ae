"""Recurrent layers against a loop in NumPy, the stock layers, and the laws of unitary kernels."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_phase import algebras, parametrizations
from keras_phase.layers.gru import AlgebraGRU, AlgebraGRUCell
from keras_phase.layers.lstm import AlgebraLSTM, AlgebraLSTMCell
from keras_phase.layers.recurrent_cell import for_recurrent_kernel
from keras_phase.layers.simple_rnn import AlgebraSimpleRNN, AlgebraSimpleRNNCell
from keras_phase.ops import dispatch
from keras_phase.ops.product import expand_kernel
from keras_phase.parametrizations.unitary import Unitary, has_unitary, nearest_unitary
from tests.helpers import layer_checks
from tests.helpers.gradients import DOUBLE, check_gradient, gradients
from tests.helpers.layer_checks import data
from tests.helpers.tolerances import assert_close
from tests.helpers.versions import newest_keras

NON_ZERO = keras.initializers.RandomUniform(0.1, 0.2, seed=1)
UNITARY = [name for name in algebras.names() if has_unitary(name)]
# Every argument that all three share and that does not change the state's size, not at its default.
SHARED = {
    "activation": "relu",
    "kernel_initializer": "he_normal",
    "recurrent_initializer": "glorot_normal",
    "bias_initializer": NON_ZERO,
    "kernel_regularizer": "l2",
    "recurrent_regularizer": "l1",
    "bias_regularizer": "l2",
    "activity_regularizer": "l2",
    "kernel_constraint": keras.constraints.MaxNorm(2.0),
    "recurrent_constraint": keras.constraints.MaxNorm(2.0),
    "bias_constraint": keras.constraints.MaxNorm(2.0),
    "dropout": 0.2,
    "recurrent_dropout": 0.3,
    "seed": 5,
    "return_sequences": True,
    "go_backwards": True,
    "unroll": True,
    "zero_output_for_mask": True,
    "algebra": "quaternion",
    "parametrization": "Polar",
    "method": "expanded",
}
GATED = {**SHARED, "recurrent_activation": "hard_sigmoid", "gate": "element", "use_cudnn": False}

# (class, arguments, input shape, trainable weights).
LAYERS = [
    (AlgebraSimpleRNN, {"units": 3}, (2, 5, 8), 3),
    (AlgebraSimpleRNN, {"units": 3, **SHARED}, (2, 2, 8), 5),
    (
        AlgebraSimpleRNN,
        {"units": 3, "use_bias": False, "activation": "modrelu", "recurrent_unitary": True},
        (2, 5, 8),
        3,
    ),
    (AlgebraLSTM, {"units": 3}, (2, 5, 8), 3),
    (AlgebraLSTM, {"units": 3, **GATED, "unit_forget_bias": False}, (2, 2, 8), 5),
    (AlgebraGRU, {"units": 3}, (2, 5, 8), 3),
    (AlgebraGRU, {"units": 3, **GATED, "reset_after": False}, (2, 2, 8), 5),
]
IDS = [f"{cls.__name__}-{i}" for i, (cls, *_) in enumerate(LAYERS)]

# (ours, stock, arguments).
RNN, LSTM, GRU = keras.layers.SimpleRNN, keras.layers.LSTM, keras.layers.GRU
BOTH = {"dropout": 0.3, "recurrent_dropout": 0.4, "seed": 3}
TWINS = [
    (AlgebraSimpleRNN, RNN, {}),
    (AlgebraSimpleRNN, RNN, {"go_backwards": True, "use_bias": False}),
    (AlgebraSimpleRNN, RNN, BOTH),
    (AlgebraLSTM, LSTM, {}),
    (AlgebraLSTM, LSTM, {"unroll": True, "unit_forget_bias": False, "activation": "relu"}),
    (AlgebraLSTM, LSTM, {"dropout": 0.3, "seed": 3}),
    pytest.param(AlgebraLSTM, LSTM, BOTH, marks=newest_keras("one recurrent mask for all gates")),
    (AlgebraGRU, GRU, {}),
    (AlgebraGRU, GRU, {"reset_after": False, "recurrent_activation": "hard_sigmoid"}),
    (AlgebraGRU, GRU, {"use_bias": False, "dropout": 0.3, "seed": 3}),
    pytest.param(AlgebraGRU, GRU, BOTH, marks=newest_keras("one recurrent mask for all gates")),
    pytest.param(
        AlgebraGRU,
        GRU,
        {"reset_after": False, **BOTH},
        marks=newest_keras("one recurrent mask for all gates"),
    ),
]
CELLS = [
    (AlgebraSimpleRNNCell, keras.layers.SimpleRNNCell),
    (AlgebraLSTMCell, keras.layers.LSTMCell),
    (AlgebraGRUCell, keras.layers.GRUCell),
]
FAMILY = [
    (AlgebraSimpleRNN, AlgebraSimpleRNNCell, {}),
    (AlgebraLSTM, AlgebraLSTMCell, {}),
    (AlgebraLSTM, AlgebraLSTMCell, {"gate": "element"}),
    (AlgebraGRU, AlgebraGRUCell, {}),
    (AlgebraGRU, AlgebraGRUCell, {"reset_after": False, "gate": "element"}),
]
FAMILY_IDS = ["rnn", "lstm", "lstm element", "gru", "gru before, element"]


# The oracle: elements are (batch, n, d), kernels (d, in, gates, units), everything in float64.


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def elements(x, d):
    return np.moveaxis(x.reshape(*x.shape[:-1], d, -1), -2, -1).astype("float64")


def flat(x):
    return np.moveaxis(x, -1, -2).reshape(*x.shape[:-2], -1)


def product(kernel, x, table):
    """`y_j = sum_i w_ij * x_i` in every gate."""
    return np.einsum("pigu,biq,pqr->gbur", kernel, x, table)


def step(layer, x, states):
    """One step of `layer` by its equations, weights read from the layer."""
    algebra, cell = layer.algebra, layer.cell
    d, u, table = algebra.dimension, layer.units, algebra.structure_constants
    w, r = (
        ops.convert_to_numpy(k).reshape(d, -1, cell.num_gates, u).astype("float64")
        for k in (layer.kernel, layer.recurrent_kernel)
    )
    bias = np.zeros((2, d, cell.num_gates, u))
    if layer.use_bias:
        value = ops.convert_to_numpy(layer.bias)
        bias[: value.ndim] = value.reshape(-1, d, cell.num_gates, u)
    b, b_r = (np.moveaxis(v, 0, -1)[:, None] for v in bias)  # (gates, 1, units, d)

    def gate(y):
        mean = y.mean(-1, keepdims=True) if cell.gate == "element" else y
        return sigmoid(mean) + np.zeros_like(y)

    pre = product(w, x, table) + b
    if isinstance(layer, AlgebraSimpleRNN):
        (h,) = states
        h = np.tanh((pre + product(r, h, table))[0])
        return h, [h]
    if isinstance(layer, AlgebraLSTM):
        h, c = states
        i, f, g, o = pre + product(r, h, table)
        c = gate(f) * c + gate(i) * np.tanh(g)
        h = gate(o) * np.tanh(c)
        return h, [h, c]
    (h,) = states
    y = product(r, h, table) + b_r
    z, reset = gate(pre[0] + y[0]), gate(pre[1] + y[1])
    inner = reset * y[2] if cell.reset_after else product(r[:, :, 2:], reset * h, table)[0]
    h = z * h + (1 - z) * np.tanh(pre[2] + inner)
    return h, [h]


def loop(layer, x, initial=None, mask=None):
    """All outputs `(batch, time, d*units)` and the last states, one time step after the other."""
    d = layer.algebra.dimension
    x = elements(x, d)
    zero = np.zeros((len(x), layer.units, d))
    count = layer.cell.num_states
    states = [zero] * count if initial is None else [elements(s, d) for s in initial]
    y, outputs = zero, []
    times = range(x.shape[1])
    for t in reversed(times) if layer.go_backwards else times:
        new_y, new_states = step(layer, x[:, t], states)
        keep = np.ones(len(x), bool) if mask is None else mask[:, t]
        y = np.where(keep[:, None, None], new_y, y)
        states = [
            np.where(keep[:, None, None], n, o) for n, o in zip(new_states, states, strict=True)
        ]
        outputs.append(flat(y))
    return np.stack(outputs, axis=1), [flat(s) for s in states]


def randomized(layer, shape):
    """The layer, built, with a bias that is not zero."""
    layer.build(shape)
    if layer.bias is not None:
        layer.bias.assign(data(tuple(layer.bias.shape), seed=8))
    return layer


def numpy(x):
    return ops.convert_to_numpy(x)


@pytest.mark.parametrize(("cls", "cell", "arguments"), FAMILY, ids=FAMILY_IDS)
@pytest.mark.parametrize("name", algebras.names())
def test_equals_a_numpy_loop(name, cls, cell, arguments):
    d = algebras.get(name).dimension
    shape = (2, 4, 3 * d)
    layer = cls(5, algebra=name, return_sequences=True, return_state=True, **arguments)
    y, *states = randomized(layer, shape)(data(shape))
    expected, expected_states = loop(layer, data(shape))
    assert_close(y, expected, factor=4)
    for state, other in zip(states, expected_states, strict=True):
        assert_close(state, other, factor=4)


@pytest.mark.parametrize("options", [{}, {"unroll": True}, {"go_backwards": True}])
@pytest.mark.parametrize(("cls", "cell", "arguments"), FAMILY, ids=FAMILY_IDS)
def test_masks_states_and_directions(cls, cell, arguments, options):
    shape = (4, 5, 2 * 3)
    mask = np.array([[1, 1, 1, 0, 0], [0, 1, 0, 1, 1], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]], bool)
    for sequences in (True, False):
        layer = randomized(
            cls(3, return_sequences=sequences, return_state=True, **arguments, **options), shape
        )
        initial = [data((4, 6), seed=i) for i in range(layer.cell.num_states)]
        y, *states = layer(data(shape), mask=mask, initial_state=list(map(ops.array, initial)))
        expected, expected_states = loop(layer, data(shape), initial, mask)
        # Before the first step that counts, Keras's backends differ: zeros, or the initial state.
        seen = np.logical_or.accumulate(mask[:, ::-1] if layer.go_backwards else mask, axis=1)
        if not sequences:
            expected, seen = expected[:, -1], seen[:, -1]
        assert_close(numpy(y)[seen], expected[seen], factor=4)
        for state, other in zip(states, expected_states, strict=True):
            assert_close(state, other, factor=4)


@pytest.mark.parametrize("options", [{}, {"dropout": 0.5, "recurrent_dropout": 0.3, "seed": 1}])
@pytest.mark.parametrize(("cls", "cell", "arguments"), FAMILY, ids=FAMILY_IDS)
def test_cell_in_a_stock_loop_equals_the_layer(cls, cell, arguments, options):
    shape = (3, 4, 2 * 3)
    layer = cls(5, return_sequences=True, **arguments, **options)
    stock = keras.layers.RNN(cell(5, **arguments, **options), return_sequences=True)
    for part in (layer, stock):
        part.build(shape)
    stock.set_weights(layer.get_weights())
    for training in (False, True, True):
        y, expected = (part(data(shape), training=training) for part in (layer, stock))
        assert_close(y, numpy(expected))


@pytest.mark.parametrize(("cls", "cell", "arguments"), FAMILY, ids=FAMILY_IDS)
def test_stateful_goes_on_where_it_stopped(cls, cell, arguments):
    shape = (2, 6, 2 * 3)
    layer = cls(3, stateful=True, return_sequences=True, **arguments)
    parts = [layer(data(shape)[:, i : i + 3]) for i in (0, 3)]
    once = cls(3, return_sequences=True, **arguments)
    once.build(shape)
    once.set_weights(layer.get_weights()[: len(once.weights)])
    whole = numpy(once(data(shape)))
    assert_close(np.concatenate(parts, axis=1), whole)
    layer.reset_state()
    assert_close(layer(data(shape)[:, :3]), whole[:, :3])
    with pytest.raises(ValueError, match="batch size"):
        cls(3, stateful=True, **arguments)(keras.KerasTensor((None, 4, 6)))


@pytest.mark.parametrize(("cls", "cell", "arguments"), FAMILY, ids=FAMILY_IDS)
def test_bidirectional(cls, cell, arguments):
    shape = (2, 4, 2 * 3)
    layer = keras.layers.Bidirectional(cls(5, return_sequences=True, **arguments), merge_mode=None)
    forward, backward = layer(data(shape))
    assert_close(forward, loop(layer.forward_layer, data(shape))[0], factor=4)
    assert_close(backward, loop(layer.backward_layer, data(shape))[0][:, ::-1], factor=4)


@pytest.mark.parametrize(("cls", "cell", "arguments"), FAMILY, ids=FAMILY_IDS)
def test_stacked_cells(cls, cell, arguments):
    shape = (2, 4, 2 * 3)
    cells = [cell(u, dropout=0.2, seed=u, **arguments) for u in (5, 4)]
    stacked = keras.layers.RNN(keras.layers.StackedRNNCells(cells))
    y = numpy(stacked(data(shape)))
    first, second = (cls(u, return_sequences=True, **arguments) for u in (5, 4))
    between = (2, 4, 2 * 5)
    for layer, part, size in ((first, cells[0], shape), (second, cells[1], between)):
        layer.build(size)
        layer.cell.set_weights(part.get_weights())
    assert_close(y, second(first(data(shape)))[:, -1])
    assert np.isfinite(numpy(stacked(data(shape), training=True))).all()


@pytest.mark.parametrize("name", ["complex", "m2r", "octonion"])
@pytest.mark.parametrize(("cls", "cell", "arguments"), FAMILY, ids=FAMILY_IDS)
def test_all_methods_agree(cls, cell, arguments, name):
    algebra = algebras.get(name)
    shape = (2, 3, 3 * algebra.dimension)
    reference = randomized(cls(5, algebra=name, method="expanded", **arguments), shape)
    x = data(shape)
    expected = numpy(reference(x))
    expected_slopes = layer_checks.weight_gradients(reference, shape)
    for method in ("auto", "factored", "matrix"):
        if algebra.factorization is None and method == "factored":
            continue
        if algebra.matrix is None and method == "matrix":
            continue
        dispatch.get(method, algebra)
        layer = cls(5, algebra=name, method=method, **arguments)
        layer.build(shape)
        layer.set_weights(reference.get_weights())
        assert_close(layer(x), expected, factor=4)
        slopes = layer_checks.weight_gradients(layer, shape)
        for slope, other in zip(slopes, expected_slopes, strict=True):
            assert_close(slope, other, factor=4)


@pytest.mark.tensorflow
@pytest.mark.parametrize(("cls", "cell", "arguments"), FAMILY, ids=FAMILY_IDS)
def test_gradients_are_right(cls, cell, arguments):
    """In the cross product, which is neither associative nor commutative."""
    shape = (2, 2, 3)
    layer = randomized(cls(2, algebra="cross", dtype="float64", **arguments), shape)
    variables = layer.trainable_variables

    def call(x, *values):
        state = layer.stateless_call(values, layer.non_trainable_variables, x)
        return state[0]

    check_gradient(call, data(shape), *(numpy(v) for v in variables), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize(("ours", "stock", "arguments"), TWINS)
def test_real_algebra_equals_the_stock_layer(ours, stock, arguments):
    """To rounding: our input products are one for all time steps, summed in another order."""
    arguments = {"units": 5, "return_sequences": True, **arguments}
    layer_checks.check_equals_stock(ours, stock, arguments, (3, 4, 6), exact=False, training=True)


@pytest.mark.parametrize(("ours", "stock"), CELLS)
def test_real_cells_equal_the_stock_cells(ours, stock):
    results = []
    for cls, extra in ((stock, {}), (ours, {"algebra": "real"})):
        keras.utils.set_random_seed(3)
        cell = cls(4, **extra)
        states = [data((2, 4), seed=i) for i in range(2 if "LSTM" in stock.__name__ else 1)]
        results.append((cell(data((2, 3)), list(map(ops.array, states))), cell.get_weights()))
    (expected, weights), (actual, my_weights) = results
    keras.tree.map_structure(lambda a, b: assert_close(a, numpy(b)), actual, expected)
    for mine, theirs in zip(my_weights, weights, strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize(
    ("ours", "stock"), [(AlgebraSimpleRNN, RNN), (AlgebraLSTM, LSTM), (AlgebraGRU, GRU), *CELLS]
)
def test_signature_is_the_stock_layers_then_ours_by_keyword(ours, stock):
    layer_checks.check_signature(ours, stock)


@pytest.mark.parametrize(("cls", "arguments", "shape", "weights"), LAYERS, ids=IDS)
def test_keras_layer_test(cls, arguments, shape, weights):
    layer_checks.check_keras_layer_test(cls, arguments, shape, weights)


@pytest.mark.parametrize(("cls", "arguments", "shape", "weights"), LAYERS, ids=IDS)
def test_reloads_with_every_argument_and_the_same_output(cls, arguments, shape, weights, tmp_path):
    layer_checks.check_round_trips(cls, arguments, shape, tmp_path)


@pytest.mark.tensorflow
@pytest.mark.parametrize(("cls", "arguments", "shape", "weights"), LAYERS, ids=IDS)
def test_exports_with_stock_ops(cls, arguments, shape, weights, tmp_path):
    layer_checks.check_saved_model(cls, arguments, shape, tmp_path)


@pytest.mark.parametrize(("cls", "arguments", "shape", "weights"), LAYERS, ids=IDS)
def test_unknown_batch_size_keeps_the_other_sizes(cls, arguments, shape, weights):
    layer_checks.check_unknown_batch_size(cls, arguments, shape)


@pytest.mark.parametrize(("cls", "cell", "arguments"), FAMILY, ids=FAMILY_IDS)
def test_config_of_state_and_state_output(cls, cell, arguments):
    layer = cls(3, stateful=True, return_state=True, name="memory", trainable=False, **arguments)
    again = cls.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert not again.cell.trainable and again.stateful and again.return_state
    of_cell = cell(3, algebra="quaternion", dropout=0.1, seed=2, **arguments)
    assert cell.from_config(of_cell.get_config()).get_config() == of_cell.get_config()


@pytest.mark.tensorflow
@pytest.mark.parametrize(("cls", "cell", "arguments"), FAMILY[::2], ids=FAMILY_IDS[::2])
def test_compiles(cls, cell, arguments):
    import tensorflow as tf

    layer = cls(4, return_sequences=True, **arguments)
    expected = numpy(layer(data((2, 4, 6))))
    compiled = tf.function(layer, jit_compile=True)
    assert_close(compiled(data((2, 4, 6))), expected)


@pytest.mark.tensorflow
@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize(("cls", "cell", "arguments"), FAMILY[1:4], ids=FAMILY_IDS[1:4])
def test_trains_in_mixed_precision(cls, cell, arguments, dtype):
    keras.config.set_dtype_policy(dtype)
    model = keras.Sequential([keras.Input((4, 6)), cls(4, **arguments)])
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
    assert model.layers[0].compute_dtype == dtype.split("_")[1]
    history = model.fit(data((8, 4, 6)), data((8, 8)), epochs=4, verbose=0).history["loss"]
    assert np.isfinite(history).all() and history[-1] < history[0]


def test_complex_tensors_enter():
    x = data((2, 4, 3)) + 1j * data((2, 4, 3), seed=1)
    layer = AlgebraLSTM(2)
    y = numpy(layer(ops.convert_to_tensor(x.astype("complex64"))))
    both = np.concatenate([x.real, x.imag], axis=-1).astype("float32")
    np.testing.assert_array_equal(y, numpy(layer(both)))


# Weights.


@pytest.mark.parametrize("name", ["real", "complex", "quaternion"])
def test_kernels_and_bias_have_keras_gate_order(name):
    """Doing without the other gates' columns changes only what that gate does."""
    d = algebras.get(name).dimension
    layer = AlgebraLSTM(3, algebra=name)
    layer.build((None, 4, 2 * d))
    assert [w.name for w in layer.weights] == ["kernel", "recurrent_kernel", "bias"]
    assert tuple(layer.kernel.shape) == (d, 2, 12)
    assert tuple(layer.recurrent_kernel.shape) == (d, 3, 12)
    bias = numpy(layer.bias).reshape(d, 4, 3)
    np.testing.assert_array_equal(bias[:, 1], 1)  # the forget gate
    np.testing.assert_array_equal(bias[:, [0, 2, 3]], 0)


def test_kernels_are_prunable_through_their_parametrizations():
    for cls in (AlgebraSimpleRNN, AlgebraLSTM, AlgebraGRU):
        layer = cls(3, parametrization="Polar", stateful=True)
        layer(data((2, 4, 6)))
        assert parametrizations.of(layer) == []
        kernel, recurrent = parametrizations.of(layer.cell)
        assert recurrent.path.endswith("cell/recurrent_kernel")
        for part in (kernel, recurrent):
            value = data((2, *part.shape))
            part.set_kernel(value)
            assert_close(part.kernel(), value)
            mask = np.arange(part.shape[-1]) > 0
            part.prune(np.broadcast_to(mask, (1, *part.shape)), np.zeros_like(value))
            assert_close(part.kernel(), value * mask)


@pytest.mark.parametrize("name", algebras.names())
def test_the_default_recurrent_initializer_serves_every_algebra(name):
    algebra = algebras.get(name)
    shape = (128, 256) if name == "real" else (algebra.dimension, 128, 256)
    initializer = for_recurrent_kernel("orthogonal", algebra)
    kernel = ops.reshape(initializer(shape, dtype="float32"), (algebra.dimension, 128, 256))
    x = data((64, algebra.dimension * 128))
    y = numpy(dispatch.matmul(x, kernel, algebra))
    assert abs(np.square(y).sum() / np.square(x).sum() - 1) < (1e-4 if has_unitary(name) else 0.1)


# Dropout.


@pytest.mark.parametrize(("cls", "cell", "arguments"), FAMILY, ids=FAMILY_IDS)
def test_dropout_drops_whole_elements_at_all_time_steps(cls, cell, arguments):
    """The gradient by the input is 0 where it was dropped."""
    x = data((3, 4, 2 * 16))
    layer = cls(4, dropout=0.5, seed=2, return_sequences=True, **arguments)
    layer.build(x.shape)
    (slope,) = gradients(lambda x: layer(x, training=True), x)
    dropped = slope.reshape(3, 4, 2, 16) == 0
    np.testing.assert_array_equal(dropped, np.broadcast_to(dropped[:, :1, :1], dropped.shape))
    assert 0.25 < dropped.mean() < 0.75
    assert layer.cell.get_config()["dropout"] == 0.5
    np.testing.assert_array_equal(numpy(layer(x)), numpy(layer(x)))


# The unitary form.


def expanded(layer_or_kernel, name):
    kernel = getattr(layer_or_kernel, "recurrent_kernel", layer_or_kernel)
    return numpy(expand_kernel(ops.convert_to_tensor(kernel), name)).astype("float64")


def distance(matrix):
    return np.abs(matrix @ matrix.T - np.eye(len(matrix))).max()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "jit_compile"),
    [
        ("real", False),
        ("complex", False),
        ("quaternion", False),
        ("m2r", False),
        pytest.param("complex", True, marks=pytest.mark.tensorflow),
    ],
)
def test_recurrent_kernel_stays_unitary_in_training(name, jit_compile):
    d = algebras.get(name).dimension
    model = keras.Sequential(
        [
            keras.Input((4, 2 * d)),
            AlgebraSimpleRNN(3, algebra=name, recurrent_unitary=True),
        ]
    )
    model.compile(keras.optimizers.Adam(0.05), "mse", jit_compile=jit_compile)
    layer = model.layers[0]
    start = expanded(layer, name)
    assert distance(start) < 1e-5
    model.fit(data((20, 4, 2 * d)), data((20, 3 * d)), batch_size=4, epochs=10, verbose=0)
    end = expanded(layer, name)
    assert distance(end) < 1e-5
    assert np.abs(end - start).max() > 0.05
    # U^H U = 1 in the algebra: the conjugate transposed is the transposed of the expanded kernel.
    assert_close(np.linalg.svd(end, compute_uv=False), np.ones(3 * d))


@pytest.mark.parametrize("name", ["real", "complex", "quaternion"])
def test_gradients_neither_grow_nor_fade_over_200_steps(name):
    """Without an activation the gradient by the first input is as long as that by the last one."""
    d = algebras.get(name).dimension
    x = data((2, 200, 3 * d))
    layer = AlgebraSimpleRNN(6, activation=None, algebra=name, recurrent_unitary=True)
    layer.build(x.shape)
    # Inputs as wide as the state, passed on as they are.
    square = AlgebraSimpleRNN(3, activation=None, algebra=name, recurrent_unitary=True)
    square.build(x.shape)
    one = np.zeros((d, 3, 3))
    one[:] = np.einsum("k,ij->kij", algebras.get(name).unit, np.eye(3))
    square.cell.kernel_parametrization.set_kernel(one.astype("float32"))
    (slope,) = gradients(square, x)
    norms = np.linalg.norm(slope, axis=-1)
    np.testing.assert_allclose(norms, norms[:, -1:] + np.zeros_like(norms), rtol=1e-3)
    (slope,) = gradients(layer, x)
    # A kernel of 3 inputs hides parts of a state of 6 from each step's norm, not from many steps.
    norms = np.linalg.norm(slope, axis=-1)
    assert 0.5 < norms[:, :50].mean() / norms[:, -50:].mean() < 2


@pytest.mark.parametrize("shape", [(5, 5), (3, 7), (7, 3), (2, 3, 4)])
@pytest.mark.parametrize("name", UNITARY)
def test_nearest_unitary_is_the_polar_factor(name, shape):
    d = algebras.get(name).dimension
    kernel = data((d, *shape))
    result = nearest_unitary(ops.convert_to_tensor(kernel), name)
    matrix = expanded(kernel.reshape(d, -1, shape[-1]), name)
    u, _, v = np.linalg.svd(matrix, full_matrices=False)
    actual = expanded(numpy(result).reshape(d, -1, shape[-1]), name)
    np.testing.assert_allclose(actual, u @ v, atol=3e-6)
    again = nearest_unitary(result, name)
    np.testing.assert_allclose(numpy(again), numpy(result), atol=1e-6)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_nearest_unitary_at_any_scale_and_in_any_dtype(scale):
    kernel = data((2, 4, 4)) * scale
    for dtype, tolerance in ((DOUBLE, 1e-5), ("float32", 1e-5), ("bfloat16", 2e-2)):
        result = nearest_unitary(ops.cast(kernel, dtype), "complex")
        assert keras.backend.standardize_dtype(result.dtype) == dtype
        assert distance(expanded(numpy(ops.cast(result, "float32")), "complex")) < tolerance
    broken = kernel.copy()
    broken[0, 0, 0] = np.nan
    assert np.isnan(numpy(nearest_unitary(ops.array(broken), "complex"))).any()


def test_unitary_projects_its_initializer_and_takes_unitary_kernels_only():
    layer = AlgebraSimpleRNN(4, recurrent_unitary=True, recurrent_initializer="glorot_uniform")
    layer.build((None, 3, 6))
    assert distance(expanded(layer, "complex")) < 1e-5
    built = layer.cell.recurrent_parametrization
    other = numpy(nearest_unitary(data((2, 4, 4)), "complex"))
    built.set_kernel(other)
    assert_close(layer.recurrent_kernel, other)
    with pytest.raises(ValueError, match=r"holds unitary kernels only.*nearest_unitary"):
        built.set_kernel(data((2, 4, 4)))
    everything = np.ones((1, 4, 4), bool)
    built.prune(everything, np.zeros((2, 4, 4), "float32"))
    assert_close(layer.recurrent_kernel, other)
    with pytest.raises(ValueError, match=r"cannot be pruned. Leave its layer out"):
        built.prune(~everything, np.zeros((2, 4, 4), "float32"))


# Errors.


@pytest.mark.parametrize("cls", [AlgebraSimpleRNN, AlgebraLSTM, AlgebraGRU])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": 0}, "positive integer.*units=0"),
        ({"units": 2.5}, "positive integer.*units=2.5"),
        ({"dropout": 1.0}, r"`dropout`.*below 1. Received: dropout=1.0"),
        ({"recurrent_dropout": -0.1}, "`recurrent_dropout`.*recurrent_dropout=-0.1"),
        ({"method": "fast"}, "Unknown product method"),
        ({"method": "factored", "algebra": "octonion"}, "no bilinear factorization"),
        ({"activation": "softmax"}, "acts across the last axis"),
        ({"algebra": "kwaternion"}, "Unknown algebra"),
    ],
)
def test_bad_arguments_are_named(cls, arguments, message):
    with pytest.raises(ValueError, match=message):
        cls(**{"units": 3, **arguments})


@pytest.mark.parametrize("cls", [AlgebraLSTM, AlgebraGRU])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gate": "modulus"}, "'component'.*'element'.*gate='modulus'"),
        ({"recurrent_activation": "modrelu"}, "without weights.*recurrent_activation='modrelu'"),
        ({"recurrent_activation": "softmax"}, "acts across the last axis"),
        ({"use_cudnn": True}, "'auto' or False.*use_cudnn=True"),
    ],
)
def test_bad_gates_are_named(cls, arguments, message):
    with pytest.raises(ValueError, match=message):
        cls(3, **arguments)


@pytest.mark.parametrize("name", ["dual", "cross", "octonion"])
def test_unitary_names_the_algebras_that_have_it(name):
    with pytest.raises(ValueError, match=f"'{name}' has no unitary kernels.*real, complex, quat"):
        AlgebraSimpleRNN(3, algebra=name, recurrent_unitary=True)
    assert not has_unitary(name)


def test_unitary_takes_no_other_constraint():
    with pytest.raises(ValueError, match=r"no other constraint.*recurrent_constraint='unit_norm'"):
        AlgebraSimpleRNN(3, recurrent_unitary=True, recurrent_constraint="unit_norm")
    layer = keras.layers.Layer()
    with pytest.raises(ValueError, match=r"no other constraint.*constraint='unit_norm'"):
        Unitary().build(layer, algebras.get("complex"), (3, 3), constraint="unit_norm")


def test_bad_inputs_are_named():
    with pytest.raises(ValueError, match=r"'memory'.*multiple of the algebra's dimension 2"):
        AlgebraLSTM(3, name="memory")(data((2, 4, 5)))
    with pytest.raises(ValueError, match="expected ndim=3"):
        AlgebraGRU(3)(data((2, 4)))
    with pytest.raises(AttributeError, match="no kernels yet"):
        _ = AlgebraGRU(3).kernel
