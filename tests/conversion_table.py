"""Which layers convert to LiteRT and ONNX: the table of docs/export.md.

`python -m tests.conversion_table` converts and runs every row, and writes the table into the page.
It needs the packages of `pip install keras_phase[convert]`.
"""

import contextlib
import importlib.util
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

import keras_phase as kp
from keras_phase.export import export_saved_model

PAGE = Path(__file__).parents[1] / "docs" / "export.md"
PACKAGES = ("ai_edge_litert", "tf2onnx", "onnx", "onnxruntime")
MISSING = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
TOLERANCE = 1e-5
BEGIN, END = "<!-- table: conversion -->\n", "\n<!-- end of table: conversion -->"


@dataclass(frozen=True)
class Row:
    """Layers that are converted together.

    Attributes:
        names: of the layers, as in the table.
        make: the layers, one after the other; or a function that makes a model.
        shape: of a sample.
        litert: whether LiteRT computes them within the tolerance.
        onnx: whether ONNX does.
        remark: what the table says about them.
        dtype: of the input.
        fixed: whether LiteRT has to be told how many samples come.
    """

    names: str
    make: Callable[[], Any]
    shape: tuple[int, ...]
    litert: bool = True
    onnx: bool = True
    remark: str = ""
    dtype: str = "float32"
    fixed: bool = False


def attention() -> keras.Model:
    inputs = keras.Input((5, 8))
    return keras.Model(inputs, kp.AlgebraMultiHeadAttention(2, 3)(inputs, inputs))


def joined() -> keras.Model:
    inputs = keras.Input((3, 8))
    return keras.Model(inputs, kp.AlgebraConcatenate()([inputs, kp.AlgebraDense(3)(inputs)]))


def pruned() -> keras.Model:
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    return kp.pruning.prune_low_magnitude(model)


def cell(cls: type, **arguments: Any) -> Callable[[], Any]:
    return lambda: keras.layers.RNN(cls(3, **arguments))


IMAGE, SERIES, VOLUME = (9, 10, 4), (12, 4), (5, 6, 5, 4)
LOOP = "LiteRT: for a fixed number of samples, as Keras's own layer, or with `unroll=True`"
FOURIER = "Fourier transforms as matrices: `real_arithmetic=True`"
ROWS = [
    Row("AlgebraDense", lambda: kp.AlgebraDense(5, activation="relu"), (8,)),
    Row(
        "AlgebraDense, quaternion, factored",
        lambda: kp.AlgebraDense(5, algebra="quaternion", method="factored"),
        (8,),
    ),
    Row(
        "AlgebraDense, m2r, matrix",
        lambda: kp.AlgebraDense(5, algebra="m2r", method="matrix"),
        (8,),
    ),
    Row("PhaseDense, 2-bit phases", lambda: kp.PhaseDense(5, amplitude="unit", phase_bits=2), (8,)),
    Row("PhaseCodedDense", lambda: kp.PhaseCodedDense(5, phase_bits=2), (8,)),
    Row("SpectralDense", lambda: kp.SpectralDense(5), (8,)),
    Row("AlgebraConv1D", lambda: kp.AlgebraConv1D(3, 3), SERIES),
    Row("AlgebraConv2D", lambda: kp.AlgebraConv2D(3, 3, strides=2, padding="same"), IMAGE),
    Row("AlgebraConv3D", lambda: kp.AlgebraConv3D(3, 2), VOLUME),
    Row("AlgebraConv1DTranspose", lambda: kp.AlgebraConv1DTranspose(3, 3), SERIES),
    Row("AlgebraConv2DTranspose", lambda: kp.AlgebraConv2DTranspose(3, 3), IMAGE),
    Row("AlgebraConv3DTranspose", lambda: kp.AlgebraConv3DTranspose(3, 2), VOLUME),
    Row("AlgebraDepthwiseConv1D", lambda: kp.AlgebraDepthwiseConv1D(3), SERIES),
    Row("AlgebraDepthwiseConv2D", lambda: kp.AlgebraDepthwiseConv2D(3), IMAGE),
    Row("AlgebraSeparableConv1D", lambda: kp.AlgebraSeparableConv1D(3, 3), SERIES),
    Row("AlgebraSeparableConv2D", lambda: kp.AlgebraSeparableConv2D(3, 3), IMAGE),
    Row("PhaseConv1D", lambda: kp.PhaseConv1D(3, 3, amplitude="element"), SERIES),
    Row("PhaseConv2D", lambda: kp.PhaseConv2D(3, 3, amplitude="element"), IMAGE),
    Row("PhaseConv3D", lambda: kp.PhaseConv3D(3, 2, amplitude="element"), VOLUME),
    Row("SpectralConv1D", lambda: kp.SpectralConv1D(3, 3), SERIES),
    Row("SpectralConv2D", lambda: kp.SpectralConv2D(3, 3), IMAGE),
    Row("SpectralConv3D", lambda: kp.SpectralConv3D(3, 2), VOLUME),
    Row("AlgebraEmbedding", lambda: kp.AlgebraEmbedding(7, 3), (5,), dtype="int32"),
    Row("AlgebraMultiHeadAttention", attention, ()),
    Row("RotaryPhaseEncoding", lambda: kp.RotaryPhaseEncoding(), (5, 8)),
    Row("AlgebraSimpleRNN", lambda: kp.AlgebraSimpleRNN(3), (5, 8), fixed=True, remark=LOOP),
    Row("AlgebraLSTM", lambda: kp.AlgebraLSTM(3), (5, 8), fixed=True, remark=LOOP),
    Row("AlgebraGRU", lambda: kp.AlgebraGRU(3), (5, 8), fixed=True, remark=LOOP),
    Row("AlgebraLSTM, unroll=True", lambda: kp.AlgebraLSTM(3, unroll=True), (5, 8)),
    Row("AlgebraSimpleRNNCell", cell(kp.AlgebraSimpleRNNCell), (5, 8), fixed=True, remark=LOOP),
    Row("AlgebraLSTMCell", cell(kp.AlgebraLSTMCell), (5, 8), fixed=True, remark=LOOP),
    Row("AlgebraGRUCell", cell(kp.AlgebraGRUCell), (5, 8), fixed=True, remark=LOOP),
    Row("AlgebraBatchNormalization", lambda: kp.AlgebraBatchNormalization(), IMAGE),
    Row("AlgebraLayerNormalization", lambda: kp.AlgebraLayerNormalization(), (5, 8)),
    Row("AlgebraGroupNormalization", lambda: kp.AlgebraGroupNormalization(2), IMAGE),
    Row("AlgebraRMSNormalization", lambda: kp.AlgebraRMSNormalization(), (5, 8)),
    Row("ChannelNormalization", lambda: kp.ChannelNormalization(), IMAGE),
    Row("ComplexStandardization", lambda: kp.ComplexStandardization(), IMAGE),
    Row("ModulusMaxPooling1D", lambda: kp.ModulusMaxPooling1D(2), SERIES),
    Row("ModulusMaxPooling2D", lambda: kp.ModulusMaxPooling2D(2), IMAGE),
    Row("ModulusMaxPooling3D", lambda: kp.ModulusMaxPooling3D(2), VOLUME),
    Row("AlgebraActivation, modrelu", lambda: kp.AlgebraActivation("modrelu"), (8,)),
    Row("AlgebraActivation, cardioid", lambda: kp.AlgebraActivation("cardioid"), (8,)),
    Row("AlgebraActivation, zrelu", lambda: kp.AlgebraActivation("zrelu"), (8,)),
    Row("AlgebraDropout", lambda: kp.AlgebraDropout(0.5), (8,)),
    Row("AlgebraSpatialDropout1D", lambda: kp.AlgebraSpatialDropout1D(0.5), SERIES),
    Row("AlgebraSpatialDropout2D", lambda: kp.AlgebraSpatialDropout2D(0.5), IMAGE),
    Row("AlgebraSpatialDropout3D", lambda: kp.AlgebraSpatialDropout3D(0.5), VOLUME),
    Row("AlgebraFlatten", lambda: kp.AlgebraFlatten(), IMAGE),
    Row("AlgebraReshape", lambda: kp.AlgebraReshape((6, 4)), (12, 4)),
    Row("AlgebraConcatenate", joined, ()),
    Row("Modulus", lambda: kp.Modulus(), (8,)),
    Row("PhaseEncode", lambda: kp.PhaseEncode(), (8,)),
    Row("PhaseCollapse", lambda: kp.PhaseCollapse(low_pass=2, skip=True), IMAGE),
    Row("ToAlgebra", lambda: kp.ToAlgebra(), (8,)),
    Row("ToAlgebra, learned", lambda: kp.ToAlgebra("learned"), (8,)),
    Row("ToAlgebra, reshape", lambda: kp.ToAlgebra("reshape", interleaved=True), (8,)),
    Row("FromAlgebra, norm", lambda: kp.FromAlgebra("norm"), (8,)),
    Row("FromAlgebra, squared_norm", lambda: kp.FromAlgebra("squared_norm"), (8,)),
    Row("FromAlgebra, first", lambda: kp.FromAlgebra("first"), (8,)),
    Row(
        "FromAlgebra, complex",
        lambda: kp.FromAlgebra("complex"),
        (8,),
        litert=False,
        onnx=False,
        remark='neither has complex numbers: take `"concat"`',
    ),
    Row("WaveletTransform1D", lambda: kp.WaveletTransform1D(scales=1), (32, 4)),
    Row("WaveletTransform2D", lambda: kp.WaveletTransform2D(scales=1), (24, 24, 2)),
    Row(
        "WaveletTransform1D, fft",
        lambda: kp.WaveletTransform1D(scales=1, method="fft"),
        (32, 4),
        remark=FOURIER,
    ),
    Row("WaveletModulus1D", lambda: kp.WaveletModulus1D(scales=1), (32, 4)),
    Row("WaveletModulus2D", lambda: kp.WaveletModulus2D(scales=1), (24, 24, 2)),
    Row(
        "InverseWaveletTransform1D",
        lambda: [
            kp.WaveletTransform1D(scales=1, padding="circular"),
            kp.InverseWaveletTransform1D(scales=1),
        ],
        (32, 2),
        remark=FOURIER,
    ),
    Row(
        "InverseWaveletTransform2D",
        lambda: [
            kp.WaveletTransform2D(scales=1, padding="circular"),
            kp.InverseWaveletTransform2D(scales=1),
        ],
        (16, 16, 2),
        remark=FOURIER,
    ),
    Row("Scattering1D", lambda: kp.Scattering1D(2, Q=1), (32, 1), remark=FOURIER),
    Row("Scattering2D", lambda: kp.Scattering2D(1, L=2), (8, 8, 1), remark=FOURIER),
    Row("PruneLowMagnitude", pruned, ()),
]


def model_of(row: Row) -> keras.Model:
    """A built model of the layers, no weight of it 0."""
    keras.utils.set_random_seed(0)
    made = row.make()
    if not isinstance(made, keras.Model):
        layers = made if isinstance(made, list) else [made]
        made = keras.Sequential([keras.Input(row.shape, dtype=row.dtype), *layers])
    rng = np.random.default_rng(1)
    for v in made.trainable_variables:
        v.assign(v + 0.05 * rng.random(v.shape))
    return made


def data_of(model: keras.Model) -> np.ndarray:
    """Three samples."""
    shape, rng = (3, *model.inputs[0].shape[1:]), np.random.default_rng(2)
    if "int" in str(model.inputs[0].dtype):
        return rng.integers(7, size=shape).astype("int32")
    return rng.normal(size=shape).astype("float32")


def litert(folder: str, x: np.ndarray) -> np.ndarray:
    """What LiteRT computes, with its own operations only."""
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    content = tf.lite.TFLiteConverter.from_saved_model(folder).convert()
    interpreter = Interpreter(model_content=content)
    (entry,) = interpreter.get_input_details()
    if tuple(entry["shape"]) != x.shape:
        interpreter.resize_tensor_input(entry["index"], x.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(entry["index"], x)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def onnx(folder: str, x: np.ndarray) -> np.ndarray:
    """What onnxruntime computes."""
    import onnxruntime
    import tensorflow as tf

    with _aliases():
        import tf2onnx

        served = tf.saved_model.load(folder)
        function = served.signatures["serving_default"]
        wrapped = tf.function(
            lambda v: next(iter(function(v).values())),
            [tf.TensorSpec((None, *x.shape[1:]), x.dtype)],
        )
        model, _ = tf2onnx.convert.from_function(
            wrapped, input_signature=wrapped.input_signature, opset=17
        )
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {session.get_inputs()[0].name: x})[0]


@contextlib.contextmanager
def _aliases():
    """tf2onnx looks for names that newer versions of NumPy do not have."""
    added = [n for n in ("object", "bool") if n not in vars(np)]
    for name in added:
        setattr(np, name, {"object": object, "bool": bool}[name])
    try:
        yield
    finally:
        for name in added:
            delattr(np, name)


TARGETS = {"litert": litert, "onnx": onnx}


def difference(row: Row, target: str) -> float:
    """Largest difference from Keras, relative to the largest output.

    Raises:
        Exception: of many kinds, if it does not convert.
    """
    model = model_of(row)
    x = data_of(model)
    expected = keras.ops.convert_to_numpy(model(x))
    with tempfile.TemporaryDirectory() as folder:
        signature = None
        if row.fixed and target == "litert":
            import tensorflow as tf

            signature = [tf.TensorSpec(x.shape, x.dtype)]
        path = str(
            export_saved_model(
                model, Path(folder, "model"), input_signature=signature, real_arithmetic=True
            )
        )
        found = TARGETS[target](path, x)
    if found.shape != expected.shape:
        raise ValueError(f"Shapes differ: {found.shape}, expected {expected.shape}")
    return float(np.abs(found - expected).max() / max(np.abs(expected).max(), 1))


def table() -> str:
    """Layers, whether they convert, and what to know about it."""
    words = {True: "yes", False: "no"}
    lines = ["| layer | LiteRT | ONNX | remark |", "|---|---|---|---|"]
    for row in ROWS:
        name, _, how = row.names.partition(", ")
        name = f"`{name}`" + (f" ({how})" if how else "")
        lines.append(f"| {name} | {words[row.litert]} | {words[row.onnx]} | {row.remark} |")
    return "\n".join(lines)


def page_with_table(text: str) -> str:
    """The page, with its table made anew between its markers."""
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + table() + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(page_with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
