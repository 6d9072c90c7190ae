"""Attention: every algebra against a loop, masks, causality, and equality to Keras's layer."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_phase import algebras, parametrizations
from keras_phase.export import export_saved_model
from keras_phase.layers.attention import AlgebraMultiHeadAttention
from keras_phase.layers.projection import AlgebraProjection
from keras_phase.layers.rotary import RotaryPhaseEncoding
from keras_phase.pruning import targets
from tests.helpers import layer_checks
from tests.helpers.gradients import DOUBLE, check_gradient, gradients
from tests.helpers.keras_testing import run_layer_test
from tests.helpers.layer_checks import data
from tests.helpers.tolerances import assert_close
from tests.helpers.versions import KERAS, newest_keras

ALGEBRAS = algebras.names()
SMALL = {"num_heads": 2, "key_dim": 3}
BIASED = {"bias_initializer": keras.initializers.RandomNormal(seed=1)}
EVERYTHING = {
    "num_heads": 2,
    "key_dim": 3,
    "value_dim": 5,
    "dropout": 0.3,
    "use_bias": False,
    "output_shape": (2, 3),
    "attention_axes": (1,),
    "sliding_window": 3,
    "flash_attention": False,
    "kernel_initializer": "he_normal",
    "kernel_regularizer": "l2",
    "activity_regularizer": keras.regularizers.L2(0.1),
    "kernel_constraint": keras.constraints.MaxNorm(2.0),
    "use_gate": True,
    "seed": 7,
    "algebra": "quaternion",
    "parametrization": parametrizations.Polar("unit"),
    "method": "expanded",
    "rotary": RotaryPhaseEncoding(base=50.0, algebra="quaternion"),
}

# (arguments, shapes of query, value and perhaps key, trainable weights): no argument at its default
# in one of them.
CASES = [
    (SMALL, [(2, 5, 8), (2, 4, 6)], 8),
    (EVERYTHING, [(2, 5, 8), (2, 4, 12), (2, 4, 4)], 9),
    (
        {**SMALL, **BIASED, "bias_regularizer": "l2", "attention_axes": -2, "rotary": True},
        [(2, 2, 5, 8), (2, 2, 4, 6)],
        8,
    ),
    (
        {**SMALL, "algebra": "m2r", "bias_constraint": keras.constraints.MaxNorm(2.0)},
        [(2, 3, 2, 8), (2, 2, 4, 8)],
        8,
    ),
]


def model_of(arguments, shapes, **call):
    inputs = [keras.Input(s[1:]) for s in shapes]
    return keras.Model(inputs, AlgebraMultiHeadAttention(**arguments)(*inputs, **call))


@pytest.mark.parametrize(("arguments", "shapes", "weights"), CASES)
def test_keras_layer_test(arguments, shapes, weights):
    names = ("query_shape", "value_shape", "key_shape")
    run_layer_test(
        AlgebraMultiHeadAttention,
        arguments,
        input_shape=dict(zip(names, shapes, strict=False)),
        expected_num_trainable_weights=weights,
        expected_num_seed_generators=int("dropout" in arguments),
        supports_masking=True,
        run_training_check=False,  # it cannot train a layer of several inputs
    )


@pytest.mark.parametrize(("arguments", "shapes", "weights"), CASES)
def test_reloads_with_every_argument_and_the_same_output(arguments, shapes, weights, tmp_path):
    model, x = model_of(arguments, shapes), data(shapes)
    expected = model.predict(x, verbose=0)
    model.save(tmp_path / "model.keras")
    reloaded = keras.saving.load_model(tmp_path / "model.keras")
    assert reloaded.layers[-1].get_config() == model.layers[-1].get_config()
    np.testing.assert_array_equal(reloaded.predict(x, verbose=0), expected)
    model.save_weights(tmp_path / "model.weights.h5")
    clone = keras.models.clone_model(model)
    clone.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(clone.predict(x, verbose=0), expected)


@pytest.mark.tensorflow
@pytest.mark.parametrize(("arguments", "shapes", "weights"), CASES[:2])
def test_exports_with_stock_ops(arguments, shapes, weights, tmp_path):
    import tensorflow as tf

    model, x = model_of(arguments, shapes, use_causal_mask=True), data(shapes)
    export_saved_model(model, tmp_path / "saved")
    served = tf.saved_model.load(str(tmp_path / "saved"))
    assert_close(served.serve(x), model.predict(x, verbose=0))


@pytest.mark.parametrize("scores", [False, True])
@pytest.mark.parametrize(("arguments", "shapes", "weights"), CASES)
def test_symbolic_shapes_are_the_real_ones(arguments, shapes, weights, scores):
    layer = AlgebraMultiHeadAttention(**arguments)
    symbolic = layer(
        *(keras.KerasTensor((None, *s[1:])) for s in shapes), return_attention_scores=scores
    )
    real = layer(*data(shapes), return_attention_scores=scores)
    for a, b in zip(keras.tree.flatten(symbolic), keras.tree.flatten(real), strict=True):
        assert (a.shape[0], *a.shape[1:]) == (None, *b.shape[1:])
        assert a.dtype == keras.backend.standardize_dtype(b.dtype)


@pytest.mark.parametrize("rotary", [None, True])
@pytest.mark.parametrize("causal", [False, True])
def test_unknown_lengths(causal, rotary):
    arguments = {**SMALL, "sliding_window": 2, "rotary": rotary}
    model = model_of(arguments, [(2, None, 8), (2, None, 6)], use_causal_mask=causal)
    assert model.output_shape == (None, None, 8)
    for lengths in ((5, 4), (1, 3)):
        x = data([(2, lengths[0], 8), (2, lengths[1], 6)])
        expected = model.layers[-1](*x, use_causal_mask=causal)
        assert_close(model.predict(x, verbose=0), expected)


# --- algebra="real" is Keras's layer


M = np.random.default_rng(3).random((2, 5, 4)) > 0.4
M[..., 0] = True
not_on_jax = pytest.mark.skipif(
    keras.backend.backend() == "jax",
    reason="on JAX Keras's own layer fails where key_dim and value_dim differ",
)
# (arguments, shapes, arguments of the call)
TWINS = [
    (SMALL, [(2, 5, 6), (2, 4, 6)], {}),
    pytest.param(
        {**SMALL, "value_dim": 4, "use_bias": False},
        [(2, 5, 6), (2, 4, 6), (2, 4, 3)],
        {},
        marks=not_on_jax,
    ),
    ({**SMALL, **BIASED}, [(2, 5, 6), (2, 4, 6)], {"use_causal_mask": True}),
    (SMALL, [(2, 5, 6), (2, 4, 6)], {"attention_mask": M}),
    (SMALL, [(2, 5, 6), (2, 4, 6)], {"attention_mask": M[0], "use_causal_mask": True}),
    (SMALL, [(2, 5, 6), (2, 4, 6)], {"attention_mask": np.stack([M, M], 1).astype("int32")}),
    (SMALL, [(2, 5, 6), (2, 4, 6)], {"value_mask": M[:, 0], "return_attention_scores": True}),
    (SMALL, [(2, 5, 6), (2, 4, 6), (2, 4, 6)], {"key_mask": M[:, 0], "value_mask": M[:, 1]}),
    ({**SMALL, "dropout": 0.4}, [(2, 5, 6), (2, 4, 6)], {"training": True}),
    ({**SMALL, "dropout": 0.4, "seed": 3}, [(2, 5, 6), (2, 4, 6)], {"training": False}),
    ({**SMALL, "output_shape": (2, 3)}, [(2, 5, 6), (2, 4, 6)], {}),
    ({**SMALL, "attention_axes": 2}, [(2, 3, 5, 6), (2, 3, 4, 6)], {}),
    (SMALL, [(2, 3, 2, 6), (2, 2, 4, 6)], {"return_attention_scores": True}),
    ({**SMALL, "kernel_initializer": "orthogonal"}, [(2, 5, 6), (2, 4, 6)], {}),
    ({**SMALL, "kernel_initializer": "he_normal"}, [(2, 5, 6), (2, 4, 6)], {}),
    pytest.param(
        {**SMALL, "sliding_window": 2},
        [(2, 5, 6), (2, 5, 6)],
        {"use_causal_mask": True},
        marks=newest_keras("its attention has no window"),
    ),
    pytest.param(
        {**SMALL, "use_gate": True},
        [(2, 5, 6), (2, 4, 6)],
        {},
        marks=newest_keras("its attention has no gate"),
    ),
]


def outputs_and_slopes(layer, x, call):
    """What the layer returns, and gradients of a weighted sum of its output by its weights."""
    y = keras.tree.flatten(layer(*x, **call))
    slopes = []
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            out = keras.tree.flatten(layer(*x, **{**call, "training": False}))[0]
            loss = tf.reduce_sum(out * data(tuple(out.shape), seed=9))
        slopes = tape.gradient(loss, layer.trainable_weights)
    return [[ops.convert_to_numpy(t) for t in tensors] for tensors in (y, slopes)]


@pytest.mark.parametrize(("arguments", "shapes", "call"), TWINS, ids=range(len(TWINS)))
def test_real_algebra_equals_the_stock_layer(arguments, shapes, call):
    """Outputs bit for bit, where Keras computes with the same operations as here.

    Gradients of the kernels differ by rounding: one product of all positions, here a matmul, there
    an einsum.
    """
    keras.utils.set_random_seed(5)
    stock = keras.layers.MultiHeadAttention(**arguments)
    theirs, their_slopes = outputs_and_slopes(stock, data(shapes), call)
    keras.utils.set_random_seed(5)
    layer = AlgebraMultiHeadAttention(**arguments, algebra="real")
    mine, slopes = outputs_and_slopes(layer, data(shapes), call)
    compare = np.testing.assert_array_equal if KERAS >= (3, 15) else assert_close
    for a, b in zip(mine, theirs, strict=True):
        compare(a, b)
    for a, b in zip(slopes, their_slopes, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=3e-6)

    def name_and_shape(layer):
        return [(w.path.split("/", 1)[1], w.shape) for w in layer.weights]

    assert name_and_shape(layer) == name_and_shape(stock)
    for a, b in zip(layer.weights, stock.weights, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(a), ops.convert_to_numpy(b))


def test_padding_of_an_embedding_reaches_attention_as_in_keras():
    ids = np.array([[3, 1, 0, 0], [2, 0, 5, 1]])
    outputs = []
    for cls, extra in (
        (keras.layers.MultiHeadAttention, {}),
        (AlgebraMultiHeadAttention, {"algebra": "real"}),
    ):
        keras.utils.set_random_seed(2)
        x = keras.layers.Embedding(7, 6, mask_zero=True)(ids)
        y = cls(2, 3, **extra)(x, x)
        outputs.append(ops.convert_to_numpy(y))
        np.testing.assert_array_equal(ops.convert_to_numpy(y._keras_mask), ids != 0)
    compare = np.testing.assert_array_equal if KERAS >= (3, 15) else assert_close
    compare(outputs[1][ids != 0], outputs[0][ids != 0])


def test_signature_is_the_stock_layers_then_ours_by_keyword():
    layer_checks.check_signature(AlgebraMultiHeadAttention, keras.layers.MultiHeadAttention)


# --- every algebra against a loop


def elements(x, d):
    """`(positions, d*n)` to `(positions, n, d)`."""
    return x.reshape(len(x), d, -1).swapaxes(1, 2)


def projected(x, kernel, bias, algebra):
    """`y_thk = sum_i kernel[:, i, h, k] * x_ti + bias`, one product after the other."""
    _, n, heads, size = kernel.shape
    y = np.zeros((len(x), heads, size, algebra.dimension))
    bias = bias.reshape(algebra.dimension, heads, size)
    for t, h, k in np.ndindex(y.shape[:-1]):
        products = [algebra.multiply(kernel[:, i, h, k], x[t, i]) for i in range(n)]
        y[t, h, k] = sum(products) + bias[:, h, k]
    return y


def attention_by_loops(layer, query, value, key, allowed):
    """Output `(positions, d*out)` and weights `(heads, positions, source positions)`."""
    algebra, d = layer.algebra, layer.algebra.dimension
    dense = (layer.query_dense, layer.key_dense, layer.value_dense)
    q, k, v = (
        projected(
            elements(x, d),
            ops.convert_to_numpy(p.kernel).astype("float64"),
            ops.convert_to_numpy(p.bias),
            algebra,
        )
        for x, p in zip((query, key, value), dense, strict=True)
    )
    weights = np.zeros((layer.num_heads, len(q), len(k)))
    context = np.zeros((len(q), *v.shape[1:]))
    for h, t in np.ndindex(weights.shape[:2]):
        for s in range(len(k)):
            score = sum(float(a @ b) for a, b in zip(q[t, h], k[s, h], strict=True))
            score /= np.sqrt(d * layer.key_dim)
            weights[h, t, s] = np.exp(score) if allowed[t, s] else 0.0
        weights[h, t] /= weights[h, t].sum()
        for s in range(len(k)):
            context[t, h] += weights[h, t, s] * v[s, h]
    kernel = ops.convert_to_numpy(layer.output_dense.kernel).astype("float64")
    bias = ops.convert_to_numpy(layer.output_dense.bias).reshape(d, -1)
    y = np.zeros((len(q), d, kernel.shape[-1]))
    for t, o in np.ndindex(len(q), kernel.shape[-1]):
        y[t, :, o] = bias[:, o]
        for h, i in np.ndindex(context.shape[1:3]):
            y[t, :, o] += algebra.multiply(kernel[:, h, i, o], context[t, h, i])
    return y.reshape(len(q), -1), weights


@pytest.mark.parametrize("name", ALGEBRAS)
def test_every_algebra_equals_a_loop(name):
    d = algebras.get(name).dimension
    query, value, key = data([(2, 3, 2 * d), (2, 4, 3 * d), (2, 4, 1 * d)])
    layer = AlgebraMultiHeadAttention(2, 3, value_dim=2, algebra=name, **BIASED)
    mask = M[:, :3]
    y, weights = layer(query, value, key, attention_mask=mask, return_attention_scores=True)
    fused = layer(query, value, key, attention_mask=mask)
    for b in range(2):
        expected, scores = attention_by_loops(layer, query[b], value[b], key[b], mask[b])
        assert_close(ops.convert_to_numpy(weights[b]), scores)
        assert_close(ops.convert_to_numpy(y[b]), expected)
        assert_close(ops.convert_to_numpy(fused[b]), expected)


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", ["complex", "cross", "m2r"])
def test_gradients_by_query_value_and_key(name):
    d = algebras.get(name).dimension
    layer = AlgebraMultiHeadAttention(2, 2, algebra=name, dtype="float64", rotary=True, **BIASED)
    check_gradient(
        lambda q, v, k: layer(q, v, k, use_causal_mask=True),
        *data([(1, 3, d), (1, 2, 2 * d), (1, 2, d)]),
        rtol=1e-5,
    )


@pytest.mark.parametrize("method", ["expanded", "factored", "matrix"])
def test_methods_agree(method):
    x = data((2, 5, 4 * 3))
    reference = AlgebraMultiHeadAttention(2, 3, algebra="m2r")
    y = reference(x, x)
    layer = AlgebraMultiHeadAttention(2, 3, algebra="m2r", method=method)
    layer.build(x.shape, x.shape)
    layer.set_weights(reference.get_weights())
    assert_close(layer(x, x), y)


def test_several_attention_axes_are_one_axis_of_all_positions():
    q, v = data([(2, 3, 2, 8), (2, 2, 4, 8)])
    layer = AlgebraMultiHeadAttention(2, 3, **BIASED)
    y = layer(q, v, value_mask=M[:, :2])
    flat = AlgebraMultiHeadAttention(2, 3, **BIASED)
    flat.build((2, 6, 8), (2, 8, 8))
    flat.set_weights(layer.get_weights())
    mask = M[:, :2].reshape(2, 8)
    expected = flat(q.reshape(2, 6, 8), v.reshape(2, 8, 8), value_mask=mask)
    assert_close(y, ops.reshape(expected, (2, 3, 2, 8)))


def test_masks_and_causality_follow_the_attended_axis():
    """Attention over axis 2 is attention over axis 1 of every row by itself."""
    q, v = data([(2, 3, 5, 8), (2, 3, 5, 8)])
    mask = np.random.default_rng(1).random((2, 3, 5)) > 0.3
    mask[..., 0] = True
    arguments = {**SMALL, **BIASED, "rotary": True, "sliding_window": 3}
    layer = AlgebraMultiHeadAttention(**arguments, attention_axes=(2,))
    y = layer(q, v, value_mask=mask, query_mask=mask, use_causal_mask=True)
    row = AlgebraMultiHeadAttention(**arguments)
    row.build((2, 5, 8), (2, 5, 8))
    row.set_weights(layer.get_weights())
    for i in range(3):
        masks = {"value_mask": mask[:, i], "query_mask": mask[:, i]}
        expected = row(q[:, i], v[:, i], **masks, use_causal_mask=True)
        kept = mask[:, i]
        assert_close(ops.convert_to_numpy(y)[:, i][kept], ops.convert_to_numpy(expected)[kept])


# --- causality, positions, phases


@pytest.mark.parametrize("window", [None, 2])
@pytest.mark.parametrize("scores", [False, True])
def test_causal_mask_leaks_nothing(scores, window):
    layer = AlgebraMultiHeadAttention(2, 3, rotary=True, sliding_window=window)
    x = data((1, 5, 8))
    for t in range(5):

        def output(z, t=t):
            y = layer(z, z, use_causal_mask=True, return_attention_scores=scores)
            return keras.tree.flatten(y)[0][:, t]

        (slope,) = gradients(output, x)
        seen = np.abs(slope[0]).max(axis=-1) > 0
        first = 0 if window is None else max(0, t - window + 1)
        assert seen.tolist() == [first <= s <= t for s in range(5)]


def test_rotary_scores_depend_on_distances_only():
    x = data((2, 4, 8))
    before = np.concatenate([data((2, 3, 8), seed=5), x], axis=1)
    seen = np.tile(np.arange(7) >= 3, (2, 1))
    layer = AlgebraMultiHeadAttention(2, 3, rotary=True, **BIASED)
    plain = layer(x, x)
    shifted = layer(before, before, value_mask=seen)
    assert_close(ops.convert_to_numpy(shifted)[:, 3:], plain)
    swapped = layer(x[:, ::-1], x[:, ::-1])
    assert np.abs(ops.convert_to_numpy(swapped)[:, ::-1] - ops.convert_to_numpy(plain)).max() > 1e-3


def test_rotary_equals_turning_queries_and_keys_by_hand():
    """With identity kernels queries and keys are the input, so the encoded input does the same."""
    x, n = data((2, 5, 2 * 3)), 3
    layer = AlgebraMultiHeadAttention(1, n, rotary=RotaryPhaseEncoding(base=20.0))
    plain = AlgebraMultiHeadAttention(1, n)
    for attention in (layer, plain):
        attention.build(x.shape, x.shape)
        for dense in (attention.query_dense, attention.key_dense):
            identity = np.zeros((2, n, 1, n))
            identity[0, :, 0] = np.eye(n)
            dense.kernel_parametrization.set_kernel(ops.convert_to_tensor(identity, "float32"))
    z = RotaryPhaseEncoding(base=20.0)(x)
    _, expected = plain(z, z, return_attention_scores=True)
    _, scores = layer(x, x, return_attention_scores=True)
    assert_close(scores, expected)


def test_a_common_phase_of_the_inputs_becomes_one_of_the_output():
    z = data((2, 5, 4)) + 1j * data((2, 5, 4), seed=1)
    layer = AlgebraMultiHeadAttention(2, 3, use_bias=False, rotary=True)

    def attend(z):
        x = np.concatenate([z.real, z.imag], -1).astype("float32")
        real, imag = np.split(ops.convert_to_numpy(layer(x, x, use_causal_mask=True)), 2, -1)
        return real + 1j * imag

    turn = np.exp(0.7j)
    difference = np.abs(attend(turn * z) - turn * attend(z)).max()
    assert difference < 1e-5 * np.abs(attend(z)).max() + 1e-6


@pytest.mark.parametrize("name", ["real", "complex", "quaternion", "m2r"])
def test_components_of_variance_one_have_scores_of_variance_one(name):
    algebra, n = algebras.get(name), 16
    d = algebra.dimension
    layer = AlgebraMultiHeadAttention(1, n, algebra=name)
    q, k = data([(1, 100, d * n), (1, 200, d * n)])
    layer.build(q.shape, k.shape)
    identity = np.einsum("c,ij->cij", algebra.unit, np.eye(n))[:, :, None]
    for dense in (layer.query_dense, layer.key_dense):
        dense.kernel_parametrization.set_kernel(ops.convert_to_tensor(identity, "float32"))
    _, weights = layer(q, k, return_attention_scores=True)
    scores = np.log(ops.convert_to_numpy(weights)[0, 0])
    assert np.var(scores, axis=1).mean() == pytest.approx(1.0, abs=0.1)


def test_projections_start_with_the_fans_of_their_matrix():
    layer = AlgebraMultiHeadAttention(8, 16, algebra="quaternion")
    layer.build((None, 5, 4 * 64), (None, 5, 4 * 64))
    for dense in (layer.query_dense, layer.key_dense, layer.value_dense, layer.output_dense):
        variance = float(np.var(ops.convert_to_numpy(dense.kernel)))
        assert variance == pytest.approx(2 / (64 + 128) / 4, rel=0.05)
    first, second = (ops.convert_to_numpy(p.kernel) for p in (layer.query_dense, layer.key_dense))
    assert np.abs(first - second).max() > 0.01


def test_gate_is_real_and_between_zero_and_one():
    x = data((2, 5, 8))
    layer = AlgebraMultiHeadAttention(2, 3, use_gate=True)
    layer.build(x.shape, x.shape)
    closed = layer._gate_dense
    assert isinstance(closed, AlgebraProjection)
    assert closed.kernel.shape == (1, 8, 2, 3)
    open_layer = AlgebraMultiHeadAttention(2, 3)
    open_layer.build(x.shape, x.shape)
    open_layer.set_weights([w for w in layer.get_weights() if w.shape not in [(8, 2, 3), (2, 3)]])
    closed.kernel_parametrization.set_kernel(ops.zeros((1, 8, 2, 3)))
    assert_close(layer(x, x), 0.5 * ops.convert_to_numpy(open_layer(x, x)))


# --- dtypes, training, pruning


@pytest.mark.parametrize("scores", [False, True])
@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16", DOUBLE])
def test_dtypes_and_a_softmax_in_full_precision(dtype, scores):
    x = data((2, 6, 8))
    reference = AlgebraMultiHeadAttention(2, 3, rotary=True, **BIASED)
    expected = reference(x, x, use_causal_mask=True)
    layer = AlgebraMultiHeadAttention(2, 3, rotary=True, dtype=dtype)
    layer.build(x.shape, x.shape)
    layer.set_weights(reference.get_weights())
    y = layer(x, x, use_causal_mask=True, return_attention_scores=scores)
    for t in keras.tree.flatten(y):
        assert keras.backend.standardize_dtype(t.dtype) == layer.compute_dtype
    compute = "float32" if dtype == DOUBLE else layer.compute_dtype
    y = np.asarray(ops.cast(keras.tree.flatten(y)[0], "float64"))
    assert_close(y, expected, compute, 4 if compute == "float16" else 1)
    assert layer._softmax.compute_dtype == ("float32" if dtype.startswith("mixed") else dtype)


def test_complex_tensors_are_welcome():
    x = data((2, 5, 8))
    layer = AlgebraMultiHeadAttention(2, 3)
    z = ops.convert_to_tensor((x[..., :4] + 1j * x[..., 4:]).astype("complex64"))
    assert_close(layer(z, z), layer(x, x))


def test_trains_under_jit_compile():
    x = data((4, 5, 8))
    layer = AlgebraMultiHeadAttention(2, 3, rotary=True)
    inputs = keras.Input((5, 8))
    model = keras.Model(inputs, layer(inputs, inputs, use_causal_mask=True))
    model.compile(keras.optimizers.Adam(0.05), "mse", jit_compile=True)
    before = model.evaluate(x, x, verbose=0)
    model.fit(x, x, epochs=20, verbose=0)
    assert model.evaluate(x, x, verbose=0) < 0.8 * before


def test_pruning_finds_every_kernel_by_elements():
    model = model_of({**SMALL, "use_gate": True, "name": "attention"}, [(2, 5, 8), (2, 4, 6)])
    found = {target.path: (target.shape, target.size) for target in targets.find(model)}
    assert found == {
        "attention/query/kernel": ((2, 4, 6), 24),
        "attention/key/kernel": ((2, 3, 6), 18),
        "attention/gate/kernel": ((1, 8, 6), 48),
        "attention/value/kernel": ((2, 3, 6), 18),
        "attention/attention_output/kernel": ((2, 6, 4), 24),
    }


# --- bad input


X = np.ones((2, 5, 8), "float32")
X4 = np.ones((2, 3, 5, 8), "float32")


def attend(arguments=None, value=X, query=X, **call):
    return AlgebraMultiHeadAttention(**{**SMALL, **(arguments or {})})(query, value, **call)


# (what is done, words of the message)
ERRORS = [
    (lambda: AlgebraMultiHeadAttention(0, 3), ["positive integer", "num_heads=0"]),
    (lambda: AlgebraMultiHeadAttention(2, -1), ["positive integer", "key_dim=-1"]),
    (lambda: AlgebraMultiHeadAttention(2, 3, value_dim=0), ["positive integer", "value_dim=0"]),
    (lambda: AlgebraMultiHeadAttention(2, 3.5), ["key_dim=3.5", "float"]),
    (lambda: attend({"dropout": 1.5}), ["between 0 and 1", "dropout=1.5"]),
    (lambda: attend({"sliding_window": 0}), ["positive integer", "sliding_window=0"]),
    (lambda: attend({"output_shape": (2, 0)}), ["positive integer", "output_shape=(2, 0)"]),
    (lambda: attend({"output_shape": "wide"}), ["integer or several", "'wide'"]),
    (lambda: attend({"attention_axes": 1.5}), ["integer or several", "attention_axes=1.5"]),
    (lambda: attend({"attention_axes": 0}), ["between the batch", "attention_axes=(0,)"]),
    (lambda: attend({"attention_axes": (1, 1)}), ["named once", "attention_axes=(1, 1)"]),
    (lambda: attend({"attention_axes": 2}), ["has 1 of them", "attention_axes=(2,)"]),
    (lambda: attend({"algebra": "octavian"}), ["octonion", "'octavian'"]),
    (lambda: attend({"method": "quick"}), ["factored", "'quick'"]),
    (lambda: attend({"method": "matrix"}), ["not a matrix algebra", "'matrix'"]),
    (lambda: attend({"parametrization": "Bipolar"}), ["Polar", "'Bipolar'"]),
    (lambda: attend({"rotary": "yes"}), ["RotaryPhaseEncoding", "'yes'"]),
    (
        lambda: attend({"rotary": RotaryPhaseEncoding(algebra="real")}),
        ["'complex'", "RotaryPhaseEncoding"],
    ),
    (lambda: attend({"rotary": True, "algebra": "real"}), ["even number", "3 elements"]),
    (lambda: attend({"rotary": True}, X4, X4), ["rotary", "one axis", "(1, 2)"]),
    (lambda: attend(query=X[..., :7]), ["multiple of", "complex", "size=7"]),
    (lambda: attend(value=X[..., :5]), ["multiple of", "complex", "size=5"]),
    (lambda: attend(query=X[:, 0], value=X[:, 0]), ["rank 2 has 0 of them", "(2, 8)"]),
    (lambda: attend(value=X4), ["same rank", "value_shape=(2, 3, 5, 8)"]),
    (lambda: attend(key=X[:, :3]), ["same positions", "key_shape=(2, 3, 8)"]),
    (
        lambda: attend({"attention_axes": 2}, X4[:, :2], X4),
        ["attended positions", "value_shape=(2, 2, 5, 8)"],
    ),
    (lambda: attend(query_mask=np.ones((2, 5, 1))), ["rank 2", "query_mask.shape=(2, 5, 1)"]),
    (lambda: attend(value_mask=np.ones(5)), ["rank 2", "value_mask.shape=(5,)"]),
    (lambda: attend(key=X, key_mask=np.ones(5)), ["rank 2", "key_mask.shape=(5,)"]),
    (lambda: attend(attention_mask=np.ones(5)), ["rank 2 to 4", "attention_mask.shape=(5,)"]),
    (
        lambda: attend(attention_mask=np.ones((1, 1, 1, 5, 5))),
        ["rank 2 to 4", "(1, 1, 1, 5, 5)"],
    ),
    (lambda: attend(None, X4, X4, use_causal_mask=True), ["use_causal_mask", "one axis"]),
    (lambda: attend({"sliding_window": 2}, X4, X4), ["sliding_window", "one axis"]),
    (lambda: attend({"flash_attention": True, "dropout": 0.1}), ["no dropout", "dropout=0.1"]),
    pytest.param(
        lambda: attend({"flash_attention": True}, return_attention_scores=True),
        ["no attention scores", "flash_attention=True"],
        marks=newest_keras("it has no flash attention"),
    ),
]


@pytest.mark.parametrize(("action", "words"), ERRORS, ids=range(len(ERRORS)))
def test_error_says_what_was_expected_and_received(action, words):
    with pytest.raises(ValueError) as caught:
        action()
    for word in [*words, "Received"]:
        assert word in str(caught.value), str(caught.value)


def test_unknown_argument_is_named():
    with pytest.raises((TypeError, ValueError), match="heads"):
        AlgebraMultiHeadAttention(2, 3, heads=2)
