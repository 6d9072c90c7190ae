"""Compressed files: what is in them, how they are written and read."""

import hashlib
import json
import math
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from ..parametrizations import Cartesian, Parametrization
from ..stock_layers import inside
from . import architecture, encodings, rounding, streams
from .packed import Packed, natural

# Not text, and shows damage by transfers that change line ends.
_MAGIC = b"\x89KPZ\r\n\x1a\n"
_VERSION = 1
_START = struct.Struct("<8sHHII")  # magic, version, codec, packed and whole length of the header
_DIGEST = 16
# No file unpacks to more than this many times its size, and one that would is padded.
_RATIO = 4096
_HEADER_RATIO = 64
_FREE = 1 << 20
_DTYPES = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "bfloat16", "float32", "float64"),
)


@dataclass(frozen=True)
class WeightReport:
    """What became of one weight.

    Attributes:
        path: of the variable or kernel.
        form: how it is stored, "zeros", "bytes", "table" or "scaled", with the places of the
            elements that are not zero, "gaps" or "bitmap".
        size: bytes in the file.
        plain_size: bytes of the array.
        error: largest modulus by which an element changed, 0 unless `phase_bits` rounded it.
    """

    path: str
    form: str
    size: int
    plain_size: int
    error: float


@dataclass(frozen=True)
class Report:
    """What `save` did.

    Attributes:
        path: the file.
        size: its bytes.
        plain_size: bytes of all weights.
        weights: one report each.
    """

    path: Path
    size: int
    plain_size: int
    weights: tuple[WeightReport, ...]

    @property
    def ratio(self) -> float:
        """How many times smaller the file is than the weights."""
        return self.plain_size / self.size

    @property
    def error(self) -> float:
        """Largest modulus by which an element changed; 0 unless `phase_bits` rounded some."""
        return max((w.error for w in self.weights), default=0.0)


def save(
    model: keras.Model,
    path: str | os.PathLike,
    *,
    codec: str = "lossless",
    phase_bits: int | None = None,
) -> Report:
    """Write a model to a small file, from which `load` makes a plain Keras model.

    Kernels are stored as they act: parametrizations (direction and amplitude, say), wrappers and
    masks of pruning are left out, and so is the optimizer. Each weight takes the shortest of
    several exact forms, so `load` gives the same numbers, bit for bit. What is small: zeros, signs,
    ternary weights, and phases of few bits with a scale for the layer or the unit. A kernel whose
    phases are on no grid is stored in full unless `phase_bits` rounds them.

    Args:
        model: a built Keras model.
        path: the file to write; it appears whole or not at all.
        codec: "lossless" for the shortest of all codecs of the standard library, or only "zlib",
            "bz2", "lzma" or "stored". Every one is exact.
        phase_bits: round the directions of those kernels whose elements share a modulus (in the
            layer or in each unit, as phase pruning leaves them) to 2^phase_bits code points, for
            d > 1. The report tells the error.

    Returns:
        Sizes, forms and errors.

    Raises:
        TypeError: if `model` is not a Keras 3 model.
        ValueError: if it is not built, or an argument or a part of the model does not serve.

    Example:

    >>> import tempfile
    >>> import keras_phase
    >>> model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(64)])
    >>> _ = keras_phase.pruning.prune(model, 1.0, "sign")
    >>> report = save(model, tempfile.mkdtemp() + "/model.kpz")
    >>> report.weights[0].form, report.weights[0].size < report.weights[0].plain_size / 30
    ('table', True)
    """
    _check(model, codec)
    text, places = architecture.plain(model)
    slots = architecture.slots(model)
    records, body, reports = [], [], []
    for place in places:
        slot = slots[place.slot]
        slot = slot if place.part is None else slot.variables[place.part]
        value, error = _value(slot, phase_bits)
        packed = encodings.encode(value, codec, _points(slot))
        items = [[number, len(data), length] for number, data, length in packed.streams]
        records.append([list(place.shape), place.dtype, packed.form, items])
        data = b"".join(data for _, data, _ in packed.streams)
        body.append(data)
        reports.append(WeightReport(slot.path, _form(packed), len(data), value.nbytes, error))
    header = json.dumps({"weights": records, "model": text}, separators=(",", ":"))
    whole = _file(header.encode(), b"".join(body), sum(r.plain_size for r in reports))
    path = Path(path)
    _write(path, whole)
    return Report(path, len(whole), sum(r.plain_size for r in reports), tuple(reports))


def load(path: str | os.PathLike) -> keras.Model:
    """The model in a file of `save`: plain layers, not compiled, the weights equal bit for bit.

    The architecture is read in Keras's safe mode, and from nothing but Keras's and registered
    classes; memory is taken only after the file's own digest, sizes and shapes agree.

    Args:
        path: the file.

    Raises:
        ValueError: if the file is not one of `save`, damaged, cut short, or made to do harm; the
            message says what was found.

    Example:

    >>> import tempfile
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    >>> path = save(model, tempfile.mkdtemp() + "/model.kpz").path
    >>> bool((load(path).get_weights()[0] == model.get_weights()[0]).all())
    True
    """
    path = Path(path)
    whole = path.read_bytes()
    try:
        header, body = _split(whole)
        arrays = _arrays(header, body, _FREE + _RATIO * len(whole))
        expected = [(shape, dtype) for shape, dtype, _, _ in arrays]
        text = header.get("model")
        if not isinstance(text, str):
            raise ValueError("there is no architecture")
        model = architecture.build(text, expected)
        for variable, (shape, dtype, form, items) in zip(model.weights, arrays, strict=True):
            variable.assign(encodings.decode(form, shape, np.dtype(dtype), items))
    except (ValueError, TypeError, KeyError, MemoryError, OverflowError) as error:
        raise ValueError(
            "The file cannot be loaded: it was damaged, cut short, or not written by "
            "`keras_phase.compress.save`; or it needs classes that are not imported here. Save "
            f"the model again, or import what registers its classes. Reason: {error}. "
            f"Received: path='{path}', {len(whole)} bytes"
        ) from error
    for layer in inside(model):
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()
    return model


def _check(model: Any, codec: str) -> None:
    if not isinstance(model, keras.Model):
        raise TypeError(
            "Expected a Keras 3 model (`keras.Model`), not a layer, a function or a tf_keras "
            f"model. Received: model of type {type(model).__module__}.{type(model).__name__}"
        )
    if not model.built:
        raise ValueError(
            f"The model '{model.name}' has no weights to save yet: call it on data, or give it an "
            f"`Input`, first. Received: model.built={model.built}"
        )
    if codec != "lossless" and codec not in streams.CODECS:
        raise ValueError(
            f"Unknown codec. Expected one of: lossless, {', '.join(streams.CODECS)}. "
            f"Received: codec={codec!r}"
        )


def _value(slot: Any, phase_bits: int | None) -> tuple[np.ndarray, float]:
    """The weight as it acts, `(d, *shape)`, in the type in which it is stored."""
    if not isinstance(slot, Parametrization):
        return ops.convert_to_numpy(slot)[None], 0.0
    variable = slot.variables[0]
    if isinstance(slot, Cartesian):
        stored = ops.convert_to_numpy(variable)
    else:
        dtype = keras.backend.standardize_dtype(variable.dtype)
        stored = ops.convert_to_numpy(ops.cast(slot._stored(slot.kernel()), dtype))
    stored = stored[None] if slot.algebra.dimension == 1 else stored
    return rounding.rounded(stored, slot.algebra, phase_bits)


def _points(slot: Any) -> Sequence[np.ndarray]:
    return rounding.tables(slot.algebra) if isinstance(slot, Parametrization) else _SIGNS


_SIGNS = [np.array([[1.0], [-1.0]], "float32")]


def _form(packed: Packed) -> str:
    values = packed.form.get("values", "zeros")
    return f"{values}, {packed.form['place']}" if "place" in packed.form else values


def _file(header: bytes, body: bytes, plain_size: int) -> bytes:
    number, packed = streams.pack(header, "lossless")
    if len(header) > _HEADER_RATIO * len(packed) + _FREE:
        number, packed = 0, header
    start = _START.pack(_MAGIC, _VERSION, number, len(packed), len(header))
    size = len(start) + len(packed) + len(body) + _DIGEST
    padding = bytes(max(0, -(-(plain_size - _FREE) // _RATIO) - size))
    whole = b"".join([start, packed, body, padding])
    return whole + _digest(whole)


def _split(whole: bytes) -> tuple[dict[str, Any], memoryview]:
    """Header and body of a file that is as it was written."""
    if len(whole) < _START.size + _DIGEST or not whole.startswith(_MAGIC):
        raise ValueError("it does not begin as such files do")
    if _digest(whole[:-_DIGEST]) != whole[-_DIGEST:]:
        raise ValueError("its digest does not fit: bits have changed, or the end is missing")
    _, version, number, packed, length = _START.unpack_from(whole)
    if version != _VERSION:
        raise ValueError(f"it is of version {version}, this package reads {_VERSION}")
    body = memoryview(whole)[_START.size : -_DIGEST]
    if packed > len(body) or length > _HEADER_RATIO * packed + _FREE:
        raise ValueError(f"a header of {packed} bytes is announced to hold {length}")
    text = streams.unpack(number, bytes(body[:packed]), length)
    try:
        header = json.loads(text)
    except RecursionError as error:
        raise ValueError("the header is nested too deeply") from error
    if not isinstance(header, dict) or not isinstance(header.get("weights"), list):
        raise ValueError("the header does not describe weights")
    return header, body[packed:]


def _arrays(header: dict[str, Any], body: memoryview, most: int) -> list[tuple]:
    """Shape, type, form and streams of every weight, of which none is unpacked yet."""
    found, at, total = [], 0, 0
    for record in header["weights"]:
        shape, dtype, form, items = _record(record)
        total += math.prod(shape) * np.dtype(dtype).itemsize
        if total > most:
            raise ValueError(f"it announces over {most} bytes of weights, too many for its size")
        packed = []
        for number, size, length in items:
            if at + size > len(body):
                raise ValueError("it announces more streams than it holds")
            packed.append((number, bytes(body[at : at + size]), length))
            at += size
        found.append((shape, dtype, form, packed))
    if any(body[at:]):
        raise ValueError("something stands behind the weights")
    return found


def _record(record: Any) -> tuple[tuple[int, ...], str, dict[str, Any], list]:
    if not isinstance(record, list) or len(record) != 4:
        raise ValueError("a weight is not described as such")
    shape, dtype, form, items = record
    if not isinstance(shape, list) or not isinstance(items, list) or not isinstance(form, dict):
        raise ValueError("a weight is not described as such")
    if dtype not in _DTYPES:
        raise ValueError(f"a weight is of the type {dtype!r:.30}")
    axes = tuple(natural({"an axis": n}, "an axis") for n in shape)
    for item in items:
        if not isinstance(item, list) or len(item) != 3:
            raise ValueError("a stream is not described as such")
        for n in item:
            natural({"a stream": n}, "a stream")
    return axes, dtype, form, items


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_DIGEST).digest()


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        scratch.write_bytes(data)
        scratch.replace(path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
