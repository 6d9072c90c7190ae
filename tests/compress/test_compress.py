"""Models come back from small files with the same numbers; damaged and hostile files do not."""

import json
import struct

import keras
import numpy as np
import pytest

import keras_phase
from keras_phase import compress, parametrizations, pruning
from keras_phase.compress import files
from keras_phase.parametrizations import Cartesian, Polar
from keras_phase.stock_layers import inside
from tests.helpers.versions import newest_keras


@keras.saving.register_keras_serializable(package="keras_phase_tests")
class Subclassed(keras.Model):
    def __init__(self, units=3, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.parts = [keras_phase.PhaseDense(units, amplitude="unit"), keras.layers.Dense(2)]

    def build(self, input_shape):
        self.parts[0].build(input_shape)
        self.parts[1].build((*input_shape[:-1], 2 * self.units))
        self.built = True

    def call(self, x):
        return self.parts[1](self.parts[0](x))

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def polar():
    return keras.Sequential(
        [
            keras.Input((6,)),
            keras_phase.PhaseEncode(),
            keras_phase.PhaseDense(9, phase_bits=2, amplitude="unit", activation="modrelu"),
            keras.layers.BatchNormalization(),
            keras_phase.AlgebraDense(5, parametrization=Polar("one"), kernel_constraint=None),
            keras_phase.FromAlgebra("squared_norm"),
        ]
    )


def shared():
    inputs = keras.Input((6,))
    dense = keras_phase.AlgebraDense(3, algebra="real", parametrization="Polar")
    x = dense(keras.layers.Dense(6)(dense(keras.layers.Dense(6)(inputs))))
    inner = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, activation="tanh")])
    return keras.Model(inputs, inner(x) * 2.0 + 1.0)


def convolutions():
    inputs = keras.Input((6,))
    x = keras.layers.Reshape((1, 3, 2))(inputs)
    normalization = keras.layers.Normalization()
    normalization.adapt(np.random.default_rng(0).random((9, 1, 3, 2)))
    x = keras_phase.AlgebraConv2D(3, (1, 2), parametrization="Polar")(normalization(x))
    x = keras_phase.AlgebraConv2DTranspose(2, (1, 2), parametrization="Polar")(x)
    x = keras_phase.AlgebraDepthwiseConv2D((1, 2))(x)
    return keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x))


def sequences():
    inputs = keras.Input((6,))
    x = keras.layers.Reshape((3, 2))(inputs)
    x = keras_phase.AlgebraLSTM(2, return_sequences=True, parametrization="Polar")(x)
    x = keras_phase.AlgebraMultiHeadAttention(2, 3, parametrization="Polar")(x, x)
    return keras.Model(inputs, keras.layers.GRU(3)(x))


def half():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        return polar()
    finally:
        keras.config.set_dtype_policy("float32")


def subclassed():
    model = Subclassed()
    model.build((None, 6))
    return model


SHARED = newest_keras("it cannot rebuild a functional model in which a layer is used twice")
MODELS = [polar, pytest.param(shared, marks=SHARED), convolutions, sequences, half, subclassed]


def randomized(model):
    rng = np.random.default_rng(1)
    for v in model.weights:
        if "normalization" not in v.path:
            v.assign(rng.normal(size=v.shape))
    return model


def data():
    return np.random.default_rng(2).normal(size=(4, 6)).astype("float32")


@pytest.mark.parametrize("make", MODELS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("criterion", [None, "magnitude"])
def test_models_come_back_plain_and_equal(make, criterion, tmp_path):
    model = randomized(make())
    if criterion:
        if make is half:
            pytest.skip("16 bits do not tell a shared modulus from others")
        pruning.prune(model, 0.5, criterion, granularity="element")
    model.compile("adam", "mse")
    report = compress.save(model, tmp_path / "a" / "model.kpz")
    again = compress.load(report.path)
    assert report.path.stat().st_size == report.size
    assert [p.name for p in report.path.parent.iterdir()] == ["model.kpz"]
    assert report.error == 0
    assert not getattr(again, "compiled", False)
    kernels = [[p for x in (m, *inside(m)) for p in parametrizations.of(x)] for m in (model, again)]
    for a, b in zip(*kernels, strict=True):
        # What the user's own class makes, only that class can change.
        assert type(b) is (type(a) if make is subclassed else Cartesian)
        one, other = (np.asarray(keras.ops.convert_to_numpy(p.kernel())) for p in (a, b))
        assert one.astype(other.dtype).tobytes() == other.tobytes()
    np.testing.assert_array_equal(*(keras.ops.convert_to_numpy(m(data())) for m in (model, again)))
    # Plain weights and all: a second file holds the same.
    second = compress.save(again, tmp_path / "b")
    for a, b in zip(again.get_weights(), compress.load(second.path).get_weights(), strict=True):
        assert a.tobytes() == b.tobytes()


def test_sizes_of_pruned_kernels(tmp_path):
    def size(algebra, *steps, **dense):
        layers = [keras_phase.PhaseDense(200, algebra=algebra, use_bias=False, **dense)]
        features = 300 * keras_phase.algebras.get(algebra).dimension
        model = keras.Sequential([keras.Input((features,)), *layers])
        for fraction, criterion in steps:
            pruning.prune(model, fraction, criterion)
        report = compress.save(model, tmp_path / "model")
        again = compress.load(report.path)
        x = np.random.default_rng(0).normal(size=(2, features)).astype("float32")
        np.testing.assert_array_equal(*(keras.ops.convert_to_numpy(m(x)) for m in (model, again)))
        return report.ratio

    assert size("real", (0.9, "magnitude")) > 8.3
    assert size("complex", (0.9, "magnitude")) > 9
    assert size("real", (1.0, "sign")) > 28
    assert size("real", (0.5, "magnitude"), (1.0, "sign")) > 18
    assert size("complex", phase_bits=2, amplitude="one") > 29
    assert size("complex", phase_bits=2, amplitude="unit") > 28
    assert size("complex", phase_bits=4, amplitude="unit") > 14.5
    assert size("quaternion", phase_bits=3, amplitude="one") > 37
    assert size("complex", (1.0, "magnitude")) > 100


def test_phase_bits_round_what_is_pruned_by_phase(tmp_path):
    model = keras.Sequential(
        [keras.Input((80,)), keras_phase.PhaseDense(50), keras_phase.PhaseDense(40)]
    )
    pruning.prune(model, 1.0, "phase", layers=model.layers[0].name)
    exact = compress.save(model, tmp_path / "exact")
    report = compress.save(model, tmp_path / "rounded", phase_bits=3)
    assert exact.error == 0
    kernel, other = (keras.ops.convert_to_numpy(x.kernel) for x in model.layers)
    first, second = (
        keras.ops.convert_to_numpy(x.kernel) for x in compress.load(report.path).layers
    )
    np.testing.assert_array_equal(second, other)
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(compress.load(exact.path).layers[0].kernel), kernel
    )
    scale = np.hypot(*kernel).mean()
    angles = np.angle(first[0] + 1j * first[1]) / (np.pi / 4)
    np.testing.assert_allclose(angles, angles.round(), atol=1e-5)
    np.testing.assert_allclose(np.hypot(*first), scale, rtol=1e-5)
    change = np.hypot(*(first - kernel)).max()
    errors = [w.error for w in report.weights]
    assert errors[0] == pytest.approx(change) == report.error
    assert errors[1:] == [0] * 3
    assert change <= 2.01 * scale * np.sin(np.pi / 16)  # half a step of the circle
    assert report.size < exact.size / 1.5


ERRORS = [
    (lambda m, p: compress.save(m, p, codec="zip"), ValueError, "Unknown codec.*codec='zip'"),
    (lambda m, p: compress.save(m, p, phase_bits=9), ValueError, "phase codes of 1 to 8 bits"),
    (lambda m, p: compress.save(m.layers[1], p), TypeError, "Expected a Keras 3 model"),
    (lambda m, p: compress.save(keras.Sequential(), p), ValueError, "no weights to save yet"),
    (lambda m, p: compress.load(p / "none"), FileNotFoundError, "none"),
]


@pytest.mark.parametrize(("call", "error", "text"), ERRORS)
def test_errors(call, error, text, tmp_path):
    with pytest.raises(error, match=text):
        call(polar(), tmp_path / "x" if error is not FileNotFoundError else tmp_path)


def test_what_cannot_be_data_is_refused(tmp_path):
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Lambda(lambda x: x + 1)(inputs))
    with pytest.raises(ValueError, match="stands for code"):
        compress.save(model, tmp_path / "x")
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = compress.save(polar(), tmp_path / "model").path
    before = path.read_bytes()
    monkeypatch.setattr("pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        compress.save(half(), path)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


@pytest.fixture(name="file")
def saved(tmp_path):
    """A small file of several forms, as bytes, and a path to write others to."""
    model = polar()
    pruning.prune(model, 0.5, "magnitude", layers=lambda x: "Algebra" in type(x).__name__)
    return compress.save(model, tmp_path / "good").path.read_bytes(), tmp_path / "bad"


def test_every_truncation_is_an_error(file):
    whole, path = file
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="cannot be loaded: it was damaged, cut short"):
            compress.load(path)


def test_every_flipped_bit_is_an_error(file):
    whole, path = file
    rng = np.random.default_rng(0)
    for bit in rng.choice(8 * len(whole), 300, replace=False):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="cannot be loaded"):
            compress.load(path)


def parts(whole):
    """Header and body of a file."""
    header, body = files._split(whole)
    return header, bytes(body)


def forged(header, body, plain=0):
    """A file with a digest that fits."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return files._file(text, body, plain)


def test_forged_bodies_load_or_raise(file):
    """With a digest that fits, flipped bits give other weights or a clear error, and no crash."""
    whole, path = file
    header, body = parts(whole)
    rng = np.random.default_rng(0)
    outcomes = set()
    for _ in range(40):
        damaged = bytearray(body)
        for bit in rng.choice(8 * len(body), 3):
            damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(forged(header, bytes(damaged)))
        try:
            compress.load(path)
            outcomes.add("loads")
        except ValueError as error:
            assert "cannot be loaded" in str(error)
            outcomes.add("raises")
    assert outcomes == {"loads", "raises"}


def test_forged_headers_load_or_raise(file):
    whole, path = file
    header, body = parts(whole)
    text = json.dumps(header)
    rng = np.random.default_rng(0)
    for _ in range(60):
        at = rng.integers(len(text))
        changed = text[:at] + rng.choice(list('0129"{}[],:-ex')) + text[at + 1 :]
        path.write_bytes(forged(changed.encode(), body))
        try:
            compress.load(path)
        except ValueError as error:
            assert "cannot be loaded" in str(error)


def with_model(change):
    def forge(header, body):
        config = json.loads(header["model"])
        config = change(config) or config
        return forged({**header, "model": json.dumps(config)}, body)

    return forge


def layer(config, number=2):
    return config["config"]["layers"][number]


def huge(config):
    layer(config)["config"]["units"] = 10**13


def function(module, name):
    def change(config):
        called = {"module": module, "class_name": "function", "config": name}
        layer(config)["config"]["activation"] = {**called, "registered_name": name}

    return change


def replaced(**item):
    def change(config):
        config["config"]["layers"][2] = {"registered_name": None, "config": {}, **item}

    return change


LAMBDA = {"class_name": "__lambda__", "config": {"value": "4wAA"}}
HOSTILE = {
    "a kernel of terabytes": (with_model(huge), "other shapes|cannot be built"),
    "another shape": (
        with_model(lambda c: layer(c)["config"].update(units=10)),
        "other shapes|cannot be built",
    ),
    "code": (with_model(lambda c: layer(c)["config"].update(activation=LAMBDA)), "for code"),
    "a system call": (with_model(function("os", "system")), "neither a part of Keras models"),
    "a download": (with_model(function("keras.utils", "get_file")), "neither a part of Keras"),
    "a download by dots": (with_model(function("keras.ops", "x.get_file")), "not a part"),
    "a way round safety": (
        with_model(function("keras.config", "enable_unsafe_deserialization")),
        "neither a part of Keras models",
    ),
    "a class of another module": (
        with_model(replaced(module="subprocess", class_name="Popen")),
        "neither a part of Keras models",
    ),
    "a class by dots": (
        with_model(replaced(module="keras", class_name="utils.get_file")),
        "not a part of a model",
    ),
    "a SavedModel to run": (
        with_model(replaced(module="keras.layers", class_name="TFSMLayer")),
        "not a part of a model",
    ),
    "a file to read": (
        with_model(
            replaced(
                module="keras.layers", class_name="StringLookup", config={"vocabulary": "/x/y"}
            )
        ),
        "the name of a file",
    ),
    "no model": (with_model(lambda c: layer(c)), "not of a model"),
    "a list": (with_model(lambda c: [c]), "cannot be built|not of a model"),
    "no architecture": (lambda h, b: forged({**h, "model": 3}, b), "no architecture"),
    "a deep architecture": (
        lambda h, b: forged({**h, "model": "[" * 99999 + "]" * 99999}, b),
        "nested too deeply|cannot be built",
    ),
    "a deep header": (lambda h, b: forged(b"[" * 99999 + b"]" * 99999, b), "nested too deeply"),
    "a header of a list": (lambda h, b: forged([h], b), "does not describe weights"),
    "weights of no form": (lambda h, b: forged({**h, "weights": [1]}, b), "not described"),
    "terabytes of weights": (
        lambda h, b: forged({**h, "weights": [[[10**13], "float32", {}, []]]}, b),
        "too many for its size",
    ),
    "weights of objects": (
        lambda h, b: forged({**h, "weights": [[[3], "O", {}, []]]}, b),
        "is of the type 'O'",
    ),
    "negative axes": (
        lambda h, b: forged({**h, "weights": [[[-3], "float32", {}, []]]}, b),
        "not a number from 0 on",
    ),
    "more streams than bytes": (
        lambda h, b: forged({**h, "weights": [[[3], "float32", {}, [[0, 10**6, 3]]]]}, b),
        "more streams than it holds",
    ),
    "a tail": (lambda h, b: forged(h, b + b"tail"), "behind the weights"),
    "another version": (
        lambda h, b: _with_digest(struct.pack("<8sHHII", files._MAGIC, 9, 0, 2, 2) + b"{}"),
        "of version 9",
    ),
    "a header bomb": (
        lambda h, b: _with_digest(struct.pack("<8sHHII", files._MAGIC, 1, 1, 2, 2**31) + b"{}"),
        "is announced to hold",
    ),
    "no codec": (
        lambda h, b: _with_digest(struct.pack("<8sHHII", files._MAGIC, 1, 77, 2, 2) + b"{}"),
        "no codec number 77",
    ),
}


def _with_digest(data):
    return data + files._digest(data)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused(name, file):
    whole, path = file
    forge, text = HOSTILE[name]
    path.write_bytes(forge(*parts(whole)))
    with pytest.raises(ValueError, match=text) as caught:
        compress.load(path)
    assert len(str(caught.value)) < 1000
    with keras.StatelessScope():  # nothing waits for its memory
        pass


def test_classes_of_the_user_must_be_known(tmp_path, monkeypatch):
    path = compress.save(subclassed(), tmp_path / "model").path
    registered = keras.saving.get_custom_objects()
    monkeypatch.delitem(registered, "keras_phase_tests>Subclassed")
    with pytest.raises(ValueError, match="import what registers its classes"):
        compress.load(path)
    with keras.saving.custom_object_scope({"keras_phase_tests>Subclassed": Subclassed}):
        compress.load(path)


def test_an_all_zero_model_still_justifies_its_memory(tmp_path):
    model = keras.Sequential(
        [keras.Input((2000,)), keras.layers.Dense(2000, kernel_initializer="zeros")]
    )
    report = compress.save(model, tmp_path / "model")
    assert report.plain_size <= files._FREE + files._RATIO * report.size
    assert not compress.load(report.path).get_weights()[0].any()
