"""Every kernel trains: under each optimizer, precision, compilation and distribution."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_phase
from tests.helpers.versions import newest_keras

OPTIMIZERS = [
    ("adam", lambda: keras.optimizers.Adam(0.01)),
    ("adamw", lambda: keras.optimizers.AdamW(0.01)),
    ("sgd", lambda: keras.optimizers.SGD(0.1)),
    ("lion", lambda: keras.optimizers.Lion(0.01)),
    ("clipnorm", lambda: keras.optimizers.Adam(0.01, clipnorm=0.1)),
]
if hasattr(keras.optimizers, "Muon"):
    OPTIMIZERS.append(("muon", lambda: keras.optimizers.Muon(0.01)))


def phase_network(algebra="complex", **arguments):
    """Every trainable kind of variable: kernel, direction, amplitude, activation and conversion."""
    return keras.Sequential(
        [
            keras.Input((6,)),
            keras_phase.ToAlgebra("learned", algebra=algebra),
            keras_phase.AlgebraDense(8, activation="modrelu", algebra=algebra, **arguments),
            keras_phase.PhaseDense(8, activation="relu", algebra=algebra, amplitude="element"),
            keras_phase.PhaseDense(8, activation="relu", algebra=algebra, amplitude="unit"),
            keras_phase.AlgebraDense(3, algebra=algebra),
            keras_phase.FromAlgebra("squared_norm", algebra=algebra),
        ]
    )


def data(size=64):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(size, 6)).astype("float32")
    return x, (np.abs(x[:, :3])).argmax(1)


def compiled(model, optimizer="adam", **arguments):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"], **arguments)
    return model


@pytest.mark.parametrize(
    ("name", "optimizer", "algebra"),
    [(*row, "complex") for row in OPTIMIZERS]
    + [(*OPTIMIZERS[0], algebra) for algebra in ("real", "quaternion", "dual", "cross")],
)
def test_every_weight_changes_under_every_optimizer(name, optimizer, algebra):
    model = compiled(phase_network(algebra, kernel_regularizer="l2"), optimizer())
    before = [ops.convert_to_numpy(w).copy() for w in model.trainable_weights]
    # An odd number of steps: Lion's steps of one length cannot cancel.
    history = model.fit(*data(45), batch_size=9, epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    for weight, old in zip(model.trainable_weights, before, strict=True):
        changed = ops.convert_to_numpy(weight) != old
        assert changed.any(), f"{weight.path} did not change under {name}"
        # Whole variables train, no component is left behind.
        if len(weight.shape) == 3:
            assert changed.reshape(weight.shape[0], -1).any(axis=1).all(), weight.path


def test_training_learns():
    keras.utils.set_random_seed(0)
    model = compiled(phase_network(), keras.optimizers.Adam(0.01))
    history = model.fit(*data(512), batch_size=32, epochs=15, verbose=0).history
    assert history["loss"][-1] < 0.5 * history["loss"][0]


@pytest.mark.skipif(not hasattr(keras.optimizers, "Muon"), reason="this Keras has no Muon")
def test_muon_orthogonalises_matrices_only():
    """As docs/layers.md says: the variables of rank 2; kernels with a component axis use AdamW."""
    model = phase_network()
    excluded = keras.optimizers.Muon(exclude_layers=["amplitude"])
    for optimizer, expected in (
        (keras.optimizers.Muon(), {"to_algebra/hidden_kernel", "to_algebra/kernel", "amplitude"}),
        (excluded, {"to_algebra/hidden_kernel", "to_algebra/kernel"}),
    ):
        optimizer.build(model.trainable_variables)
        matrices = {
            w.path
            for w, velocity in zip(
                model.trainable_variables, optimizer.adam_velocities, strict=True
            )
            if velocity is None
        }
        assert len(matrices) == len(expected)
        assert all(any(path.endswith(name) for path in matrices) for name in expected)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_dtype_policies(policy):
    if policy == "float64" and keras.backend.backend() == "jax":
        pytest.skip("JAX computes in float32 unless its own switch for 64 bits is on")
    keras.config.set_dtype_policy(policy)
    model = compiled(phase_network())
    history = model.fit(*data(), batch_size=16, epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    expected = "float64" if policy == "float64" else "float32"
    assert {w.dtype for w in model.trainable_weights} == {expected}
    compute = keras.dtype_policies.get(policy).compute_dtype
    assert keras.backend.standardize_dtype(model(data()[0][:2]).dtype) == compute


@pytest.mark.parametrize("arguments", [{"jit_compile": True}, {"steps_per_execution": 3}])
def test_compiled_training_equals_plain_training(arguments):
    losses = []
    for options in ({"jit_compile": False}, arguments):
        keras.utils.set_random_seed(1)
        model = compiled(phase_network(), "sgd", **options)
        history = model.fit(*data(96), batch_size=16, epochs=2, shuffle=False, verbose=0)
        losses.append(history.history["loss"])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.encode = keras_phase.PhaseEncode()
        self.hidden = keras_phase.PhaseDense(8, activation="relu", amplitude="unit")
        self.out = keras_phase.PhaseDense(3)
        self.collapse = keras_phase.Modulus()

    def call(self, x):
        return self.collapse(self.out(self.hidden(self.encode(x))))


def test_subclassed_and_functional_models_train():
    model = compiled(Subclassed())
    model.fit(*data(), verbose=0)
    assert len(model.trainable_weights) == 5
    inputs = keras.Input((6,))
    z = keras_phase.PhaseEncode()(inputs)
    both = keras_phase.AlgebraConcatenate()([z, keras_phase.PhaseDense(4)(z)])
    functional = keras.Model(inputs, keras_phase.Modulus()(keras_phase.PhaseDense(3)(both)))
    compiled(functional).fit(*data(), verbose=0)


@pytest.mark.tensorflow
@newest_keras("stock layers too train otherwise under MirroredStrategy")
def test_mirrored_training_equals_training_on_one_device():
    tf = pytest.importorskip("tensorflow")
    from tests.helpers.replicas import two_replicas

    results = []
    for strategy in (None, two_replicas()):
        keras.utils.set_random_seed(2)
        with strategy.scope() if strategy else tf.device("CPU:0"):
            model = compiled(phase_network(), "sgd")
        model.fit(*data(), batch_size=16, epochs=1, shuffle=False, verbose=0)
        results.append(model.get_weights())
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.tensorflow
def test_plain_export_and_reload(tmp_path):
    tf = pytest.importorskip("tensorflow")
    model = phase_network()
    x = data()[0]
    model.export(tmp_path / "exported")
    loaded = tf.saved_model.load(tmp_path / "exported")
    np.testing.assert_allclose(loaded.serve(x), model(x), atol=1e-5)


@newest_keras("it has no complex dtypes")
def test_complex_inputs_and_outputs():
    rng = np.random.default_rng(0)
    z = (rng.normal(size=(8, 5)) + 1j * rng.normal(size=(8, 5))).astype("complex64")
    inputs = keras.Input((5,), dtype="complex64")
    x = keras_phase.PhaseDense(4, use_bias=False)(inputs)
    model = keras.Model(inputs, keras_phase.FromAlgebra("complex")(x))
    w = ops.convert_to_numpy(model.layers[-2].kernel)
    y = ops.convert_to_numpy(model(z))
    assert y.dtype == np.complex64
    np.testing.assert_allclose(y, z @ (w[0] + 1j * w[1]), atol=1e-5)
    through = keras.Sequential(
        [keras.Input((5,), dtype="complex64"), keras_phase.ToAlgebra("complex")]
    )
    np.testing.assert_allclose(through.predict(z, verbose=0), np.hstack([z.real, z.imag]))


@newest_keras("it has no complex dtypes")
def test_complex_model_reloads(tmp_path):
    inputs = keras.Input((5,), dtype="complex64")
    model = keras.Model(inputs, keras_phase.PhaseDense(4)(inputs))
    z = np.ones((2, 5), "complex64") * 1j
    model.save(tmp_path / "m.keras")
    reloaded = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(reloaded.predict(z, verbose=0), model.predict(z, verbose=0))
