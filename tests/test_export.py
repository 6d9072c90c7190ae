"""Exports compute without keras_phase, hold plain kernels, and appear whole or not at all."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_phase
from keras_phase import parametrizations
from keras_phase.export import export_saved_model
from keras_phase.ops import filtering


def sequential():
    return keras.Sequential(
        [
            keras.Input((6,)),
            keras_phase.ToAlgebra(algebra="quaternion"),
            keras_phase.AlgebraDense(80, activation="modrelu", algebra="quaternion"),
            keras_phase.AlgebraDense(5, algebra="quaternion", method="factored"),
            keras_phase.FromAlgebra("squared_norm", algebra="quaternion"),
        ]
    )


def phase_only():
    inputs = keras.Input((3, 6))
    x = keras_phase.PhaseEncode()(inputs)
    x = keras_phase.PhaseDense(4, activation="relu", amplitude="unit")(x)
    x = keras_phase.AlgebraFlatten()(x)
    x = keras_phase.PhaseDense(3, amplitude="one", phase_bits=2)(x)
    return keras.Model(inputs, keras_phase.Modulus()(x))


def pruned():
    model = keras.Sequential([keras.Input((6,)), keras_phase.PhaseDense(8, amplitude="element")])
    (p,) = parametrizations.of(model.layers[0])
    p.prune(np.random.default_rng(0).random((1, 3, 8)) < 0.5, np.zeros((2, 3, 8), "float32"))
    return model


def two_inputs():
    inputs = {"a": keras.Input((4,), name="a"), "b": keras.Input((6,), name="b")}
    merged = keras_phase.AlgebraConcatenate()([inputs["a"], inputs["b"]])
    return keras.Model(inputs, keras_phase.PhaseDense(2, amplitude="unit")(merged))


def half_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        return phase_only()
    finally:
        keras.config.set_dtype_policy("float32")


class Subclassed(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.blocks = [keras_phase.PhaseDense(4, amplitude="unit") for _ in range(2)]

    def call(self, inputs):
        for block in self.blocks:
            inputs = block(inputs)
        return inputs


def subclassed():
    model = Subclassed()
    model(np.zeros((1, 8), "float32"))
    return model


def with_lookup():
    inputs = keras.Input((1,), dtype="string")
    x = keras.layers.StringLookup(vocabulary=["up", "down"], output_mode="one_hot")(inputs)
    x = keras_phase.ToAlgebra()(x)
    return keras.Model(inputs, keras_phase.PhaseDense(2, amplitude="unit")(x))


def normal(*shape):
    return np.random.default_rng(1).normal(size=shape).astype("float32")


# (model, what to feed it)
CASES = [
    (sequential, normal(3, 6)),
    (phase_only, normal(2, 3, 6)),
    (pruned, normal(3, 6)),
    (two_inputs, {"a": normal(3, 4), "b": normal(3, 6)}),
    (half_precision, normal(2, 3, 6)),
    (subclassed, normal(3, 8)),
    (with_lookup, np.array([["up"], ["down"], ["sideways"]])),
]
NAMES = [build.__name__ for build, _ in CASES]

# Runs in a process of its own: what somebody sees who has TensorFlow and not this package.
VISITOR = """
import json, sys
import numpy as np, tensorflow as tf
report = {}
for name in sys.argv[1:]:
    data = {k: tf.constant(v) for k, v in np.load(name + ".npz").items()}
    expected = data.pop("expected")
    served = tf.saved_model.load(name)
    y = tf.cast(served.serve(data.get("x", data)), "float32")
    signature = served.signatures["serving_default"]
    graph = signature.graph.as_graph_def()
    nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
    report[name] = {
        "difference": float(tf.reduce_max(tf.abs(y - expected))),
        "signatures": sorted(served.signatures),
        "variables": {v.name.split(":")[0]: v.shape.as_list() for v in signature.variables},
        "operations": sorted({node.op for node in nodes}),
    }
assert "keras_phase" not in sys.modules
print(json.dumps(report))
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports")
    for build, x in CASES:
        keras.utils.set_random_seed(3)
        model = build()
        export_saved_model(model, folder / build.__name__)
        y = model(keras.tree.map_structure(tf.constant, x))
        named = x if isinstance(x, dict) else {"x": x}
        np.savez(folder / f"{build.__name__}.npz", expected=tf.cast(y, "float32"), **named)
    done = subprocess.run(
        [sys.executable, "-c", VISITOR, *NAMES],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", NAMES)
def test_computes_the_same_without_the_package(report, name):
    assert report[name]["difference"] < 1e-5
    assert report[name]["signatures"] == ["serve", "serving_default"]


@pytest.mark.parametrize("name", NAMES)
def test_holds_plain_kernels_and_stock_operations(report, name):
    variables = report[name]["variables"]
    assert not [v for v in variables if "direction" in v or "amplitude" in v]
    assert [v for v in variables if "kernel" in v]
    # Python or compiled code of others would need that code where the model is served.
    assert not [op for op in report[name]["operations"] if op in ("PyFunc", "XlaCallModule")]


def test_kernels_are_the_effective_ones(tmp_path):
    model = phase_only()
    expected = [keras.ops.convert_to_numpy(model.layers[i].kernel) for i in (2, 4)]
    served = tf.saved_model.load(str(export_saved_model(model, tmp_path / "served")))
    kernels = [v for v in served.signatures["serve"].variables if "kernel" in v.name]
    for kernel, value in zip(kernels, expected, strict=True):
        np.testing.assert_array_equal(kernel.numpy(), value)


def test_plain_keras_export_works_too(tmp_path):
    model = phase_only()
    x = normal(2, 3, 6)
    model.export(tmp_path / "plain")
    served = tf.saved_model.load(str(tmp_path / "plain"))
    np.testing.assert_allclose(served.serve(x), model(x), atol=1e-5)


def test_the_model_trains_on_unharmed(tmp_path):
    model = phase_only()
    model.compile("sgd", "mse")
    export_saved_model(model, tmp_path / "served")
    before = [keras.ops.convert_to_numpy(v) for v in model.trainable_variables]
    assert len(before) == 6
    model.fit(normal(2, 3, 6), normal(2, 3), verbose=0)
    assert not np.array_equal(before[0], model.trainable_variables[0])
    kernel = keras.ops.convert_to_numpy(model.layers[2].kernel)
    np.testing.assert_allclose(
        np.linalg.norm(kernel, axis=0), np.broadcast_to(model.layers[2].amplitude, (6, 4)), 1e-5
    )


def test_signature_of_your_own(tmp_path):
    spec = tf.TensorSpec((5, 8), "float32", name="signal")
    export_saved_model(subclassed(), tmp_path / "served", input_signature=[spec])
    served = tf.saved_model.load(str(tmp_path / "served"))
    _, arguments = served.signatures["serve"].structured_input_signature
    assert arguments["signal"].shape == (5, 8)


def operations(function):
    graph = function.graph.as_graph_def()
    return {n.op for n in (*graph.node, *(n for f in graph.library.function for n in f.node_def))}


def test_real_arithmetic_has_no_fourier_transforms(tmp_path):
    model = keras.Sequential([keras.Input((8, 8, 1)), keras_phase.Scattering2D(1, L=2)])
    x = normal(2, 8, 8, 1)
    for real in (False, True):
        path = export_saved_model(model, tmp_path / str(real), real_arithmetic=real)
        served = tf.saved_model.load(str(path))
        np.testing.assert_allclose(served.serve(x), model(x), atol=1e-5)
        found = operations(served.signatures["serving_default"])
        assert any("FFT" in op for op in found) is not real
        assert real is not any(op in ("Complex", "ComplexAbs") for op in found)


@pytest.mark.parametrize("shape", [(2, 7), (1, 12), (3, 5, 6)])
def test_fourier_transforms_as_matrices(shape):
    rank, rng = len(shape) - 1, np.random.default_rng(0)
    z = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    pair = tuple(keras.ops.convert_to_tensor(p.astype("float32")) for p in (z.real, z.imag))
    with filtering.real_arithmetic():
        real, imag = filtering.transform(pair, rank)
        back = filtering.inverse_transform((real, imag), rank)
    expected = np.fft.fftn(z, axes=range(1, 1 + rank))
    np.testing.assert_allclose(np.asarray(real) + 1j * np.asarray(imag), expected, atol=1e-5)
    np.testing.assert_allclose(np.asarray(back[0]) + 1j * np.asarray(back[1]), z, atol=1e-6)


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_existing_export_is_replaced_only_when_asked(tmp_path):
    folder = export_saved_model(pruned(), tmp_path / "served")
    before = contents(folder)
    with pytest.raises(FileExistsError, match=r"Pass overwrite=True to replace it.*Received: path"):
        export_saved_model(phase_only(), folder)
    assert contents(folder) == before
    export_saved_model(phase_only(), folder, overwrite=True)
    assert tf.saved_model.load(str(folder)).serve(normal(2, 3, 6)).shape == (2, 3)
    assert [p.name for p in tmp_path.iterdir()] == ["served"]


@pytest.mark.parametrize("failing", ["writing", "renaming"])
def test_a_failure_leaves_the_old_export_whole(tmp_path, monkeypatch, failing):
    folder = export_saved_model(pruned(), tmp_path / "served")
    before = contents(folder)
    model = phase_only()
    if failing == "writing":

        def write_half(archive, path, **kwargs):
            Path(path).mkdir()
            Path(path, "saved_model.pb").write_bytes(b"half")
            raise OSError("disk full")

        monkeypatch.setattr(tf.saved_model, "save", write_half)
    else:
        rename = Path.rename

        def fail_on_new(path, target):
            if path.name == "new":
                raise OSError("disk full")
            return rename(path, target)

        monkeypatch.setattr(Path, "rename", fail_on_new)
    with pytest.raises(OSError, match="disk full"):
        export_saved_model(model, folder, overwrite=True)
    assert contents(folder) == before
    assert [p.name for p in tmp_path.iterdir()] == ["served"]
    assert "kernel" not in vars(parametrizations.of(model.layers[2])[0])


def test_other_folders_are_never_replaced(tmp_path):
    (tmp_path / "notes.txt").write_text("keep me")
    for path in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(FileExistsError, match="is not a SavedModel, so it is never replaced"):
            export_saved_model(pruned(), path, overwrite=True)
    assert (tmp_path / "notes.txt").read_text() == "keep me"


def test_errors_say_what_was_expected(tmp_path):
    path = tmp_path / "served"
    with pytest.raises(TypeError, match=r"Expected a Keras 3 model.*Received: model of type"):
        export_saved_model(keras_phase.PhaseDense(2), path)
    with pytest.raises(ValueError, match=r"call it on data.*Received: model.built=False"):
        export_saved_model(keras.Sequential([keras_phase.PhaseDense(2)]), path)
    assert not path.exists()
