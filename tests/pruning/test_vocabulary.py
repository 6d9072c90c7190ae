"""TF-MOT's vocabulary on Keras 3: the cases of its own tests, and what it cannot do."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_phase
from keras_phase import compress
from keras_phase.pruning import (
    ConstantSparsity,
    PhasePolynomialDecay,
    PolynomialDecay,
    PrunableLayer,
    PruneLowMagnitude,
    PruningCallback,
    PruningPolicy,
    PruningSummaries,
    SignConstantSparsity,
    UpdatePruningStep,
    prune_low_magnitude,
    pruning_scope,
    strip_pruning,
)
from keras_phase.pruning.summaries import pruning_logs
from keras_phase.pruning.vocabulary import pruners_of
from tests.helpers.versions import newest_keras

# On JAX the masks of wrappers do not yet follow; PruningCallback does.
pytestmark = pytest.mark.tensorflow

L = keras.layers
HALF = ConstantSparsity(0.5, begin_step=1, frequency=1)


def weights_of(layer):
    """Pruned weights of a wrapper as NumPy arrays `(d, *shape)`."""
    return [ops.convert_to_numpy(t.kernel()) for t in layer.pruner.targets]


def zeros(w):
    return 1 - w.any(axis=0).mean()


def model_of(*layers, shape=(8,), dtype=None):
    return keras.Sequential([keras.Input(shape, dtype=dtype), *layers])


def fitted(model, steps=4, epochs=1, callbacks=(), batch=4, **compiled):
    """Trained on random data, with `UpdatePruningStep`."""
    model.compile("adam", "mse", **compiled)
    rng = np.random.default_rng(0)
    shape = (steps * batch, *model.input_shape[1:])
    x = rng.integers(5, size=shape) if "int" in str(model.inputs[0].dtype) else rng.random(shape)
    y = rng.random((len(x), *model.output_shape[1:]))
    model.fit(x, y, batch, epochs, verbose=0, callbacks=[UpdatePruningStep(), *callbacks])
    return model


# Layer, shape of its input, type of its input, number of weights that are pruned.
LAYERS = {
    "Dense": (lambda: L.Dense(6), (8,), None, 1),
    "EinsumDense": (lambda: L.EinsumDense("abc,cd->abd", (None, 6)), (3, 8), None, 1),
    "Conv1D": (lambda: L.Conv1D(4, 2), (7, 4), None, 1),
    "Conv2D": (lambda: L.Conv2D(4, 3), (7, 7, 4), None, 1),
    "Conv2DTranspose": (lambda: L.Conv2DTranspose(4, 3), (7, 7, 4), None, 1),
    "DepthwiseConv2D": (lambda: L.DepthwiseConv2D(2), (7, 7, 4), None, 1),
    "SeparableConv2D": (lambda: L.SeparableConv2D(6, 2), (7, 7, 4), None, 2),
    "Embedding": (lambda: L.Embedding(6, 4), (5,), "int32", 1),
    "LSTM": (lambda: L.LSTM(4), (5, 4), None, 2),
    "GRU": (lambda: L.GRU(4, return_sequences=True), (5, 4), None, 2),
    "Bidirectional": (lambda: L.Bidirectional(L.LSTM(4)), (5, 4), None, 4),
    "TimeDistributed": (lambda: L.TimeDistributed(L.Dense(4)), (5, 4), None, 1),
    "AlgebraDense": (lambda: keras_phase.AlgebraDense(6, algebra="quaternion"), (8,), None, 1),
    "PhaseDense": (lambda: keras_phase.PhaseDense(6, amplitude="element"), (8,), None, 1),
    "AlgebraConv2D": (lambda: keras_phase.AlgebraConv2D(4, 3), (7, 7, 4), None, 1),
    "AlgebraLSTM": (lambda: keras_phase.AlgebraLSTM(4), (5, 4), None, 2),
}


@pytest.mark.parametrize("name", LAYERS)
def test_half_of_every_layer_is_exactly_zero(name):
    make, shape, dtype, count = LAYERS[name]
    model = fitted(model_of(prune_low_magnitude(make(), HALF), shape=shape, dtype=dtype))
    found = weights_of(model.layers[0])
    assert len(found) == count
    for w in found:
        elements = w[0].size
        assert zeros(w) == pytest.approx(elements // 2 / elements, abs=0.51 / elements)
    stripped = strip_pruning(model)
    assert not any(isinstance(x, PruneLowMagnitude) for x in stripped.layers)
    x = np.ones((2, *shape), dtype or "float32")
    np.testing.assert_array_equal(*(ops.convert_to_numpy(m(x)) for m in (model, stripped)))


def test_attention_in_a_functional_model():
    inputs = keras.Input((5, 8))
    attention = prune_low_magnitude(L.MultiHeadAttention(2, 4), HALF)
    model = keras.Model(inputs, attention(inputs, inputs))
    fitted(model)
    assert [zeros(w) for w in weights_of(attention)] == [0.5] * 4


@pytest.mark.parametrize("options", [{"jit_compile": True}, {"steps_per_execution": 3}])
@pytest.mark.tensorflow
def test_compiled_in_other_ways(options):
    schedule = PolynomialDecay(0.0, 0.75, 0, 8, frequency=2)
    model = fitted(prune_low_magnitude(model_of(L.Dense(6)), schedule), 5, 2, **options)
    (wrapper,) = model.layers
    assert zeros(weights_of(wrapper)[0]) == 0.75
    assert wrapper.pruning_step == 10


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(policy):
    keras.config.set_dtype_policy(policy)
    model = fitted(prune_low_magnitude(model_of(L.Dense(6), L.Dense(3)), HALF))
    assert [zeros(weights_of(x)[0]) for x in model.layers] == [0.5, 0.5]
    assert model.layers[0].layer.kernel.dtype == "float32"


@pytest.mark.tensorflow
def test_mirrored_strategy():
    from tests.helpers.replicas import two_replicas

    with two_replicas().scope():
        model = prune_low_magnitude(model_of(L.Dense(6)), HALF)
        fitted(model)
    assert zeros(weights_of(model.layers[0])[0]) == 0.5


def test_nested_and_shared_layers():
    shared = L.Dense(8, name="shared")
    inner = model_of(shared, L.Dense(8, name="own"))
    inputs = keras.Input((8,))
    model = keras.Model(inputs, L.ReLU()(shared(inner(shared(inputs)))) * 2.0)
    pruned = prune_low_magnitude(model, HALF)
    assert len(pruners_of(pruned)) == 2
    fitted(pruned)
    for name in ("shared", "own"):
        layer = shared if name == "shared" else inner.layers[1]
        assert zeros(ops.convert_to_numpy(layer.kernel)[None]) == 0.5
    stripped = strip_pruning(pruned)
    assert pruners_of(stripped) == []
    x = np.ones((2, 8), "float32")
    np.testing.assert_array_equal(*(ops.convert_to_numpy(m(x)) for m in (pruned, stripped)))


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.first, self.second = L.Dense(8), keras_phase.AlgebraDense(4)

    def call(self, x):
        return self.second(self.first(x))


def test_subclassed_models_are_pruned_in_place():
    model = Subclassed()
    with pytest.raises(ValueError, match="is not built"):
        prune_low_magnitude(model, HALF)
    model(np.ones((1, 8), "float32"))
    assert prune_low_magnitude(model, HALF) is model
    model.compile("adam", "mse")
    data = np.random.default_rng(0).random((2, 16, 8))
    model.fit(*data, verbose=0, callbacks=[UpdatePruningStep()])
    kernels = [ops.convert_to_numpy(k) for k in (model.first.kernel[None], model.second.kernel)]
    assert [zeros(k) for k in kernels] == [0.5, 0.5]
    assert strip_pruning(model) is model
    model.fit(*data, verbose=0)
    assert zeros(ops.convert_to_numpy(model.first.kernel)[None]) < 0.1


def test_a_model_inside_is_pruned_in_place_too():
    inner = Subclassed()
    model = prune_low_magnitude(model_of(L.Dense(8), inner), HALF)
    fitted(model)
    assert zeros(ops.convert_to_numpy(inner.first.kernel)[None]) == 0.5


# Masks.


def test_masks_follow_the_schedule():
    """TF-MOT: nothing before `begin_step`, then every `frequency` steps, nothing after the end."""
    schedule = PolynomialDecay(0.25, 0.75, begin_step=2, end_step=6, power=1, frequency=2)
    model = prune_low_magnitude(model_of(L.Dense(8)), schedule)
    found = []
    log = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: found.append(zeros_of_mask(model.layers[0]))
    )
    # After UpdatePruningStep, which comes first in `fitted`.
    fitted(model, 8, callbacks=[log])
    assert found[1::2][:3] == [0.25, 0.5, 0.75]
    assert found[0] == 0
    assert found[6:] == [0.75, 0.75]


def zeros_of_mask(wrapper):
    ((_, keep),) = wrapper.pruning_vars
    return 1 - ops.convert_to_numpy(keep).mean()


def test_pruned_weights_come_back_if_they_outgrow_others():
    """Zero weights with a large gradient, and large ones without any."""
    layer = L.Dense(1, use_bias=False, kernel_initializer="zeros")
    schedule = ConstantSparsity(0.5, begin_step=1, frequency=2)
    model = prune_low_magnitude(model_of(layer, shape=(4,)), schedule)
    layer.kernel.assign([[0.1], [0.1], [0.3], [0.3]])
    model.compile(keras.optimizers.SGD(0.5), "mse")
    x, y = np.array([[1.0, 1, 0, 0]] * 4), np.full((4, 1), 9.0)
    model.fit(x, y, batch_size=1, verbose=0, callbacks=[UpdatePruningStep()])
    kernel = ops.convert_to_numpy(layer.kernel)[:, 0]
    assert (kernel[:2] > 1).all()
    assert (kernel[2:] == 0).all()


def test_training_without_the_callback_is_an_error():
    model = prune_low_magnitude(model_of(L.Dense(4)), HALF)
    model.compile("sgd", "mse")
    assert model.predict(np.ones((2, 8)), verbose=0).shape == (2, 4)
    with pytest.raises(Exception, match="without the callback `UpdatePruningStep`"):
        model.fit(np.ones((4, 8)), np.ones((4, 4)), verbose=0)


@pytest.mark.tensorflow
def test_a_training_loop_of_ones_own():
    import tensorflow as tf

    model = prune_low_magnitude(model_of(L.Dense(4)), HALF)
    optimizer = keras.optimizers.SGD(0.1)
    update = UpdatePruningStep()
    update.set_model(model)
    update.on_train_begin()
    for _ in range(3):
        update.on_train_batch_begin(batch=-1)  # as TF-MOT's guide calls it
        with tf.GradientTape() as tape:
            loss = ops.mean(model(np.ones((2, 8), "float32"), training=True) ** 2)
        gradients = tape.gradient(loss, model.trainable_weights)
        optimizer.apply_gradients(zip(gradients, model.trainable_weights, strict=True))
    update.on_epoch_end(-1)
    assert zeros(weights_of(model.layers[0])[0]) == 0.5
    assert model.layers[0].pruning_step == 3


def test_phase_and_sign_schedules_carry_their_criterion():
    phase = PhasePolynomialDecay(0.0, 1.0, 0, 4, frequency=2)
    model = fitted(prune_low_magnitude(model_of(keras_phase.PhaseDense(6)), phase), 6)
    moduli = np.hypot(*weights_of(model.layers[0])[0])
    np.testing.assert_allclose(moduli, moduli.mean(), rtol=1e-5)
    sign = SignConstantSparsity(1.0, 1, frequency=1)
    model = fitted(prune_low_magnitude(model_of(L.Dense(6)), sign))
    kernel = weights_of(model.layers[0])[0]
    assert len(np.unique(np.abs(kernel))) == 1
    with pytest.raises(ValueError, match="schedule for the criterion 'phase'"):
        prune_low_magnitude(L.Dense(3), phase, criterion="magnitude")


def test_blocks_and_patterns():
    blocks = prune_low_magnitude(L.Dense(8), HALF, (4, 2), "MAX")
    pattern = prune_low_magnitude(L.Dense(8), HALF, sparsity_m_by_n=(2, 4))
    fitted(model_of(blocks, pattern))
    (w,), (v,) = weights_of(blocks), weights_of(pattern)
    whole = w[0].reshape(2, 4, 4, 2).swapaxes(1, 2).reshape(8, 8)
    assert sorted((whole != 0).sum(axis=1)) == [0] * 4 + [8] * 4
    assert ((v[0].reshape(2, 4, 8) == 0).sum(axis=1) == 2).all()


def test_pooling_of_blocks():
    w = np.array([[1.0, 1, 0, 0], [1, 1, 0, 3]], "float32")
    for pooling, kept in (("AVG", 0), ("MAX", 2)):
        layer = L.Dense(4, use_bias=False)
        layer.build((None, 2))
        layer.kernel.assign(w)
        wrapper = prune_low_magnitude(layer, HALF, (2, 2), pooling)
        wrapper.pruner.update(0.5)
        assert ops.convert_to_numpy(layer.kernel)[1, kept + 1] != 0
        assert zeros(weights_of(wrapper)[0]) >= 0.5


# What is pruned.


class Chosen(L.Layer, PrunableLayer):
    def build(self, shape):
        self.a = self.add_weight(shape=(shape[-1], 6), name="a")
        self.b = self.add_weight(shape=(shape[-1], 6), name="b")
        self.c = self.add_weight(shape=(6,), name="c", initializer="random_normal")

    def call(self, x):
        return ops.matmul(x, self.a + self.b) + self.c

    def get_prunable_weights(self):
        return [self.a, self.c]


def test_layers_choose_their_weights():
    model = fitted(model_of(prune_low_magnitude(Chosen(), HALF)))
    layer = model.layers[0].layer
    found = [1 - (ops.convert_to_numpy(v) != 0).mean() for v in (layer.a, layer.b, layer.c)]
    assert found == [0.5, 0, 0.5]


class OnlyDense(PruningPolicy):
    def allow_pruning(self, layer):
        return isinstance(layer, L.Dense)

    def ensure_model_supports_pruning(self, model):
        if len(model.layers) > 3:
            raise ValueError("too long")


def test_a_policy_chooses_layers():
    model = model_of(L.Dense(4), keras_phase.AlgebraDense(2), L.Flatten())
    pruned = prune_low_magnitude(model, HALF, pruning_policy=OnlyDense())
    assert [isinstance(x, PruneLowMagnitude) for x in pruned.layers] == [True, False, False]
    model.add(L.ReLU())
    with pytest.raises(ValueError, match="too long"):
        prune_low_magnitude(model, HALF, pruning_policy=OnlyDense())


def test_lists_and_wrapped_layers():
    first, second, third = prune_low_magnitude([L.Dense(2), L.ReLU(), L.Dense(2)], HALF)
    assert all(isinstance(x, PruneLowMagnitude) for x in (first, second, third))
    model = fitted(model_of(first, second, third))
    again = prune_low_magnitude(model, ConstantSparsity(0.9, 1))
    assert again.layers[0] is first
    assert prune_low_magnitude(first) is first


def test_an_unbuilt_model():
    model = prune_low_magnitude(keras.Sequential([L.Dense(4), L.ReLU(), L.Dense(2)]), HALF)
    model.compile("sgd", "mse")
    x, y = np.random.default_rng(0).random((4, 8)), np.ones((4, 2))
    model.fit(x, y, 1, verbose=0, callbacks=[UpdatePruningStep()])
    kernels = [ops.convert_to_numpy(p.targets[0].kernel()) for p in pruners_of(model)]
    assert [zeros(w) for w in kernels] == [0.5, 0.5]


# Configs and files.


@keras.saving.register_keras_serializable(package="keras_phase_tests")
class Own:
    def __init__(self, at=1):
        self.at = at

    def __call__(self, step):
        return int(step) == self.at, 0.5

    def get_config(self):
        return {"at": self.at}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


ARGUMENTS = {
    "pruning_schedule": PolynomialDecay(0.1, 0.6, 3, 9, power=2, frequency=3),
    "block_size": (2, 3),
    "block_pooling_type": "MAX",
    "criterion": "phase",
    "scale": "unit",
    "optional": True,
    "name": "given",
}


def test_nothing_is_lost_in_a_config():
    layer = PruneLowMagnitude(L.Dense(3), **ARGUMENTS)
    config = layer.get_config()
    again = PruneLowMagnitude.from_config(config)
    assert again.get_config() == config
    for name, value in ARGUMENTS.items():
        got = getattr(again, name)
        assert got.get_config() == value.get_config() if "schedule" in name else got == value
    pattern = PruneLowMagnitude(L.Dense(3), Own(4), sparsity_m_by_n=(1, 4))
    again = PruneLowMagnitude.from_config(pattern.get_config())
    assert again.sparsity_m_by_n == (1, 4)
    assert (type(again.pruning_schedule), again.pruning_schedule.at) == (Own, 4)


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_masks_and_steps_come_back(suffix, tmp_path):
    def make():
        return prune_low_magnitude(model_of(L.Dense(6), keras_phase.PhaseDense(3)), HALF)

    model, path = fitted(make()), tmp_path / f"model{suffix}"
    if suffix == ".keras":
        model.save(path)
        with pruning_scope():
            again = keras.saving.load_model(path)
    else:
        model.save_weights(path)
        again = make()
        again.load_weights(path)
    for a, b in zip(model.layers, again.layers, strict=True):
        assert b.pruning_step == 4
        np.testing.assert_array_equal(*(ops.convert_to_numpy(x.pruning_vars[0][1]) for x in (a, b)))
        np.testing.assert_array_equal(weights_of(a)[0], weights_of(b)[0])
    fitted(again)
    assert [x.pruning_step for x in again.layers] == [8, 8]


@newest_keras("it cannot rebuild a functional model in which a layer is used twice")
def test_a_compressed_file_has_no_wrappers(tmp_path):
    inputs = keras.Input((8,))
    dense = L.Dense(8)
    model = prune_low_magnitude(keras.Model(inputs, dense(L.ReLU()(dense(inputs)))), HALF)
    fitted(model)
    plain = compress.load(compress.save(model, tmp_path / "model").path)
    assert not any(isinstance(x, PruneLowMagnitude) for x in plain.layers)
    x = np.random.default_rng(0).random((3, 8)).astype("float32")
    np.testing.assert_array_equal(*(ops.convert_to_numpy(m(x)) for m in (model, plain)))
    fitted(model)  # still pruned
    assert zeros(ops.convert_to_numpy(dense.kernel)[None]) == 0.5


def test_summaries(tmp_path):
    model = fitted(prune_low_magnitude(model_of(L.Dense(6, name="dense")), HALF))
    logs = pruning_logs(model)
    kernel = np.abs(weights_of(model.layers[0])[0])
    (sparsity, threshold) = (
        next(v for k, v in logs.items() if k.endswith(e)) for e in ("sparsity", "threshold")
    )
    assert sparsity == 0.5
    assert threshold == pytest.approx(kernel[kernel > 0].min())
    with pytest.raises(ValueError, match="log_dir"):
        PruningSummaries(log_dir="")


# Errors.


def unregistered(step):
    return True, 0.5


ERRORS = [
    (lambda: prune_low_magnitude("dense"), TypeError, "Expected a Keras 3 layer to wrap"),
    (lambda: prune_low_magnitude(L.Dense(2), 0.5), TypeError, "A schedule is called with a step"),
    (lambda: prune_low_magnitude(L.Dense(2), HALF, (0, 1)), ValueError, "two positive integers"),
    (lambda: prune_low_magnitude(L.Dense(2), HALF, 3), TypeError, "not iterable"),
    (lambda: prune_low_magnitude(L.Dense(2), HALF, (1, 1), "SUM"), ValueError, "'AVG' or 'MAX'"),
    (
        lambda: prune_low_magnitude(L.Dense(2), HALF, sparsity_m_by_n=(5, 4)),
        ValueError,
        "'m:n' prunes m of n",
    ),
    (
        lambda: prune_low_magnitude(L.Dense(2), HALF, sparsity_m_by_n=(2.0, 4)),
        ValueError,
        "two integers",
    ),
    (
        lambda: prune_low_magnitude(L.Dense(2), HALF, (2, 2), sparsity_m_by_n=(2, 4)),
        ValueError,
        "in blocks or in patterns",
    ),
    (lambda: prune_low_magnitude(L.Dense(2), criterion="size"), ValueError, "Unknown criterion"),
    (lambda: prune_low_magnitude(L.ReLU())(np.ones((1, 2))), ValueError, "Nothing to prune"),
    (lambda: prune_low_magnitude(model_of(L.ReLU())), ValueError, "Nothing to prune"),
    (lambda: strip_pruning("model"), TypeError, "model or layer of `prune_low_magnitude`"),
    (
        lambda: PruneLowMagnitude(L.Dense(2), unregistered).get_config(),
        ValueError,
        "not registered, so a saved model",
    ),
    (
        lambda: PruneLowMagnitude.from_config(
            {**PruneLowMagnitude(L.Dense(2)).get_config(), "pruning_schedule": "Unknown"}
        ),
        TypeError,
        "names a schedule that is not known",
    ),
]


@pytest.mark.parametrize(("call", "error", "text"), ERRORS)
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_schedules_that_return_something_else():
    model = prune_low_magnitude(model_of(L.Dense(2)), lambda step: 0.5)
    with pytest.raises((TypeError, ValueError), match="`\\(should_prune, fraction\\)`"):
        fitted(model)


def test_two_ways_of_pruning_do_not_mix():
    model = prune_low_magnitude(model_of(L.Dense(2)), HALF)
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="UpdatePruningStep"):
        model.fit(np.ones((2, 8)), np.ones((2, 2)), verbose=0, callbacks=[PruningCallback(HALF)])
