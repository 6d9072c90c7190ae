"""The door to TensorFlow and to the native library: the one module of `ops` that may import it.

`custom_ops` is compiled to one shared library, which knows TensorFlow only by its C API. Where it
is missing or off there is a reason, which naming `method="native"` raises and
`python -m keras_phase info` prints; everything else then runs on stock operations.

`KERAS_PHASE_NATIVE` in the environment: `auto` (the default), `0` (stock operations), or `require`
(a library that is missing is an error).
"""

import contextlib
import ctypes
import functools
import inspect
import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ..algebras import Algebra

Tensor = Any

ABI_VERSION = 3
FOLDER = Path(__file__).parents[1] / "_lib"
LIBRARY = FOLDER / "libkeras_phase.so"
# Written by the build: a library that was cut off would end the process when it is opened.
RECORD = FOLDER / "build.json"

_HOW = (
    "install with a C++17 compiler at hand: "
    "`KERAS_PHASE_NATIVE=require pip install --no-cache-dir --force-reinstall keras_phase`"
)
# The product, and its gradients by the input and by the kernel, as the op numbers them.
FORWARD, INPUT_GRADIENT, KERNEL_GRADIENT = range(3)
# What the wavelet op returns.
MODULUS, RESPONSE, REAL_PART = range(3)
# A trace started by one of these modules is saved, so it may hold stock operations only.
_SAVING = ("keras.src.export", "tensorflow.python.saved_model", "tensorflow.lite", "tf2onnx")


class _Library:
    """The loaded ops, and the C functions beside them."""

    def __init__(self, ops: Any, functions: ctypes.CDLL):
        self.ops = ops
        self.functions = functions


def unavailable_reason() -> str | None:
    """Why the native operations cannot be used, or None when they can.

    Raises:
        RuntimeError: if the environment says `KERAS_PHASE_NATIVE=require` and there is a reason.
    """
    loaded = _load()
    return loaded if isinstance(loaded, str) else None


def instruction_set() -> str:
    """Which instructions the native kernels use: `"avx512"`, `"avx2"` or `"baseline"`."""
    return library().functions.keras_phase_instruction_set().decode()


@contextlib.contextmanager
def forced_instruction_set(name: str) -> Iterator[None]:
    """Use the kernels of another instruction set inside a `with` block (for tests).

    Raises:
        ValueError: if this processor or build does not have it.
    """
    functions, before = library().functions, instruction_set()
    if not functions.keras_phase_force_instruction_set(name.encode()):
        raise ValueError(
            "Expected an instruction set that this processor and build have, of 'avx512', 'avx2', "
            f"'baseline'. Received: name={name!r}"
        )
    try:
        yield
    finally:
        functions.keras_phase_force_instruction_set(before.encode())


def serves(*tensors: Tensor) -> bool:
    """Whether a native op may run on these tensors in the code that is being traced now.

    Not under XLA, which knows no such op; not in a trace that is being saved, which has to load
    elsewhere; not for 16-bit floats; not beside a GPU, whose tensors would travel to the CPU and
    back. Stock operations serve there.
    """
    if unavailable_reason() is not None or _has_gpu():
        return False
    if any(keras.backend.standardize_dtype(t.dtype) not in _DTYPES for t in tensors):
        return False
    return executing_eagerly() or not (_is_under_xla() or _is_being_saved())


def dense(
    x: Tensor, kernel: Tensor, algebra: Algebra, bias: Tensor | None = None, relu: bool = False
) -> Tensor:
    """Dense product `(..., d*in)` with `(d, in, out)` to `(..., d*out)`, bias and ReLU in one op.

    float32 runs the algebra's factorization, float64 the sum over the structure constants.
    """
    x, kernel = keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(kernel)
    exact = kernel.dtype == np.float64 or algebra.factorization is None
    factors = _eager_factors(algebra, exact) if executing_eagerly() else _factors(algebra, exact)
    biases = [] if bias is None else [bias]
    return bilinear(x, kernel, factors, FORWARD, bias=biases, relu=int(relu)).out


def rescale(w: Tensor, keep: Tensor, gain: Tensor | None = None) -> Tensor:
    """`w (keep + gain / |w|)` for elements along the first axis, 0 where `w` is 0, in one pass.

    Args:
        w: `(d, ...)`.
        keep: boolean, `(1, ...)`.
        gain: float32, `(1, ...)`; None counts as 0.
    """
    gains = [] if gain is None else [gain]
    y = library().ops.keras_phase_rescale(w=w, keep=keep, gain=gains)
    y.set_shape(w.shape)
    return y


def multiply(a: Tensor, b: Tensor, table: np.ndarray, sum_rows: bool = False) -> Tensor:
    """`out_k = sum_ij table[i, j, k] a_i b_j` for elements `(..., d*n)`.

    Args:
        a: `(..., d*n)`, or a row `(d*n,)` that serves all rows of `b`.
        b: the same.
        table: `(d, d, d)`.
        sum_rows: add the products of all rows up, `(d*n,)`.
    """
    a, b = keras.ops.convert_to_tensor(a), keras.ops.convert_to_tensor(b)
    table = table.astype("float64") if isinstance(table, np.ndarray) else table
    y = library().ops.keras_phase_multiply(a=a, b=b, table=table, sum=int(sum_rows))
    y.set_shape(a.shape[-1:] if sum_rows else b.shape if a.shape.rank == 1 else a.shape)
    return y


def wavelet_modulus(
    x: Tensor,
    filters: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    strides: tuple[int, int],
    parts: int,
    result: int = MODULUS,
) -> Tensor:
    """`|sum over (u, v) of filter(u, v) signal(stride * (y, x) + (u, v))|`, for every channel.

    Of moduli, responses are never written to memory; and where all filters have conjugate values in
    opposite places, as wavelets do, half of the multiplications are saved.

    Args:
        x: `(batch, height, width, parts*n)`.
        filters: `(2, filters, *window)`, real and imaginary parts; constants.
        rows: which row of `x` lies under each row of the padded signal, -1 for zeros.
        columns: the same for columns.
        strides: of the outputs.
        parts: 1 for a real signal, 2 for a complex one (real parts of all channels first).
        result: `MODULUS`, or the sum itself: `RESPONSE`, real and imaginary part, or `REAL_PART`
            alone, of real signals.

    Returns:
        `(batch, *places, n, filters)`, with a gradient by `x`; of `RESPONSE` `(2, batch, ...)`.
    """
    x = keras.ops.convert_to_tensor(x)
    y = library().ops.keras_phase_wavelet_modulus(
        x=x,
        filters=keras.ops.convert_to_tensor(filters, dtype=x.dtype),
        rows=rows.astype("int32"),
        columns=columns.astype("int32"),
        slope=[],
        row_stride=strides[0],
        column_stride=strides[1],
        parts=parts,
        result=result,
    )
    n, window = x.shape[-1] // parts, filters.shape[2:]
    places = [
        (size - k) // stride + 1
        for size, k, stride in zip((rows.size, columns.size), window, strides, strict=True)
    ]
    kinds = (2,) if result == RESPONSE else ()
    y.set_shape((*kinds, x.shape[0], *places, n, filters.shape[1]))
    return y


def coded_matmul(
    x: Tensor, codes: Tensor, scale: Tensor, matrices: np.ndarray, bias: Tensor | None, relu: bool
) -> Tensor:
    """`(..., d*in)` to `(..., d*units)` with a kernel of packed codes; see `phase_matmul`.

    Args:
        x: float32, `(..., d*in)`.
        codes: bytes `(words, units, 4)`.
        scale: `(units,)`.
        matrices: `(2^bits, d, d)`, `y[c] = sum_b x[b] matrix[b, c]` for each code.
        bias: `(d*units,)`, or None.
        relu: whether negative components become 0.
    """
    y = library().ops.keras_phase_coded_mat_mul(
        x=x,
        codes=codes,
        scale=scale,
        matrices=matrices,
        bias=[] if bias is None else [bias],
        relu=int(relu),
    )
    if x.shape.rank is not None:
        y.set_shape((*x.shape[:-1], matrices.shape[-1] * codes.shape[1]))
    return y


def lowest(scores: np.ndarray, count: int) -> np.ndarray:
    """Mask of exactly `count` smallest entries of a flat float array; of equal ones, the first."""
    scores = np.ascontiguousarray(scores)
    if scores.ndim != 1 or scores.dtype not in _DTYPES or not 0 <= count <= scores.size:
        raise ValueError(
            "Expected a flat array of float32 or float64 and a `count` from 0 to its size. "
            f"Received: scores of shape {scores.shape} and dtype {scores.dtype}, count={count}"
        )
    chosen = np.empty(scores.shape, bool)
    select = getattr(library().functions, f"keras_phase_lowest_{scores.dtype}")
    select(scores.ctypes.data, scores.size, int(count), chosen.ctypes.data)
    return chosen


def executing_eagerly() -> bool:
    """Whether an operation called now runs at once, outside any traced graph.

    JAX counts as traced, since Keras compiles its steps there by default.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.executing_eagerly()
    return backend == "torch"


_DTYPES = ("float32", "float64")


def library() -> _Library:
    """The loaded library; `RuntimeError` with the reason if there is none."""
    loaded = _load()
    if isinstance(loaded, str):
        raise RuntimeError(f"The native operations are not available: {loaded}")
    return loaded


@functools.cache
def _load() -> _Library | str:
    setting = os.environ.get("KERAS_PHASE_NATIVE", "auto")
    if setting not in ("auto", "require", "0"):
        raise ValueError(
            "Expected the environment variable KERAS_PHASE_NATIVE to be 'auto', 'require' or '0'. "
            f"Received: KERAS_PHASE_NATIVE={setting!r}"
        )
    if setting == "0":
        return "switched off by the environment variable KERAS_PHASE_NATIVE=0"
    loaded = _try_to_load()
    if isinstance(loaded, str) and setting == "require":
        raise RuntimeError(
            f"KERAS_PHASE_NATIVE=require, but the native operations are not available: {loaded}"
        )
    return loaded


def _try_to_load() -> _Library | str:
    if keras.backend.backend() != "tensorflow":
        return f"they are TensorFlow operations, and the backend is {keras.backend.backend()}"
    if not LIBRARY.exists():
        return f"this installation has no native library; {_HOW}"
    try:
        record = json.loads(RECORD.read_text(encoding="utf-8"))
        size = LIBRARY.stat().st_size
        if record != {"abi": ABI_VERSION, "size": size}:
            raise OSError(
                f"expected {record.get('size')} bytes of ABI {ABI_VERSION}, found {size} bytes of "
                f"ABI {record.get('abi')}"
            )
        return _open()
    except Exception as error:
        reason = f"the library {LIBRARY.name} does not load ({error}); {_HOW}"
        warnings.warn(
            f"keras_phase runs on stock operations: {reason}", RuntimeWarning, stacklevel=2
        )
        return reason


def _open() -> _Library:
    import tensorflow as tf

    from . import native_gradients

    # TensorFlow has to be the first to open the file: it makes the ops that appear meanwhile.
    ops = tf.load_op_library(str(LIBRARY))
    functions = ctypes.CDLL(str(LIBRARY))
    functions.keras_phase_status.restype = ctypes.c_char_p
    functions.keras_phase_instruction_set.restype = ctypes.c_char_p
    functions.keras_phase_force_instruction_set.argtypes = [ctypes.c_char_p]
    for select in (functions.keras_phase_lowest_float32, functions.keras_phase_lowest_float64):
        select.restype = None
        select.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p]
    status = functions.keras_phase_status().decode()
    if status:
        raise OSError(status)
    if functions.keras_phase_abi_version() != ABI_VERSION:
        raise OSError(f"it has ABI {functions.keras_phase_abi_version()}, expected {ABI_VERSION}")
    threads = tf.config.threading.get_intra_op_parallelism_threads()
    functions.keras_phase_set_num_threads(threads or len(os.sched_getaffinity(0)))
    for op, gradient in native_gradients.GRADIENTS.items():
        tf.RegisterGradient(op)(gradient)
    loaded = _Library(ops, functions)
    _check_itself(loaded, tf)
    return loaded


def _check_itself(library: _Library, tf: Any) -> None:
    """One product whose result is known, so that a wrong library is not used."""
    with tf.init_scope():
        one = tf.constant([[1.0, 1.0, 1.0]], "float64")
        y = library.ops.keras_phase_bilinear(
            a=[[2.0, 3.0]], b=[[[5.0], [7.0]]], factors=one, bias=[[1.0]], gate=[], product=FORWARD
        )
        if y.out.numpy().tolist() != [[32.0]]:
            raise OSError("it computes 2 * 5 + 3 * 7 + 1 wrongly")


def bilinear(a: Tensor, b: Tensor, factors: Tensor, product: int, **more: Any) -> Any:
    """The op; its results are `out` and `sums`."""
    d = factors.shape[1] // 3
    arguments = {"bias": [], "gate": [], **more}
    y = library().ops.keras_phase_bilinear(a=a, b=b, factors=factors, product=product, **arguments)
    if product == KERNEL_GRADIENT:
        y.out.set_shape((d, _divided(a.shape[-1], d), _divided(b.shape[-1], d)))
        for sums in y.sums:
            sums.set_shape(b.shape[-1:])
    elif a.shape.rank is not None:
        size = b.shape[2] if product == FORWARD else b.shape[1]
        y.out.set_shape((*a.shape[:-1], None if size is None else d * size))
    return y


def _divided(size: int | None, d: int) -> int | None:
    return None if size is None else size // d


@functools.lru_cache(maxsize=64)
def _factors(algebra: Algebra, exact: bool) -> np.ndarray:
    """`(rank, 3 d)`: rows `U | V | W`; one product for each structure constant if `exact`."""
    if not exact:
        f = algebra.factorization
        return np.concatenate([np.asarray(m, "float64") for m in (f.u, f.v, f.w)], axis=1)
    c, d = algebra.structure_constants, algebra.dimension
    i, j, k = np.nonzero(c)
    unit = np.eye(d)
    return np.concatenate([unit[i], unit[j], unit[k] * c[i, j, k][:, None]], axis=1)


@functools.lru_cache(maxsize=64)
def _eager_factors(algebra: Algebra, exact: bool) -> Tensor:
    """As a tensor that eager calls share; a graph makes its own constant."""
    return keras.ops.convert_to_tensor(_factors(algebra, exact))


@functools.cache
def _has_gpu() -> bool:
    import tensorflow as tf

    return bool(tf.config.list_logical_devices("GPU"))


def _is_under_xla() -> bool:
    import tensorflow as tf

    try:
        from tensorflow.python.ops import control_flow_util
    except ImportError:  # private to TensorFlow: without it, nothing native in graphs
        return True
    return control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())


def _is_being_saved() -> bool:
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith(_SAVING):
            return True
        frame = frame.f_back
    return False
