"""Filtering: every channel is convolved with the same few filters, real or complex, with strides.

`y_f(p) = sum_q h_f(q) x(p - q)`, a true convolution, with the origin in the middle of the filter's
odd window. Outputs are as many as whole strides fit, `size // stride`, at the places
`start + stride * i` with `start = (size % stride + 1) // 2`: what is left over lies at both ends.

Two methods compute the same: `"direct"`, a depthwise convolution, and `"fft"`, the circular
convolution of what the padding made longer. `"auto"` takes the direct one up to windows of 35
places along each axis, where the transform begins to pay on a CPU; and for fixed filters up to that
size the native operation, where it may run.
"""

import contextlib
import math
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import Any

import keras
import numpy as np
from keras import ops

from ..registry import Registry
from . import native_filtering
from .modulus import in_float32

Tensor = Any

METHODS: Registry = Registry("filtering method")
PADDINGS: Registry = Registry("padding")
_BY_MATRICES: ContextVar[bool] = ContextVar("fourier_by_matrices", default=False)

_DIRECT_UP_TO = 35
# TensorFlow 2.16 has a kernel for one filter a channel that reads beyond its memory where windows
# are wide (17 places along an axis do, 11 do not): wider ones go with a second filter, of zeros.
_SINGLE_UP_TO = 9


def filtered(
    parts: Sequence[Tensor],
    real: Tensor,
    imag: Tensor | None = None,
    strides: Sequence[int] | int = 1,
    padding: str = "reflect",
    method: str = "auto",
) -> list[Tensor]:
    """Convolve all channels with all filters.

    Args:
        parts: the components of the signal, `(batch, *places, channels)` each. With complex filters
            one (a real signal) or two (real and imaginary part); with real ones any number.
        real: real parts of the filters, `(filters, *window)` with odd sizes.
        imag: imaginary parts, or None for real filters.
        strides: distance of the outputs, one number or one an axis.
        padding: what lies beyond the edges: `"reflect"` (without repeating the edge), `"zero"` or
            `"circular"`.
        method: `"direct"`, `"fft"` or `"auto"`.

    Returns:
        The components of the outputs, `(batch, *places, channels, filters)` each: two with complex
        filters, else as many as came in.

    Raises:
        ValueError: if an argument is none of these, or the signal is too short for the window.

    Example:

    >>> (y,) = filtered([ops.reshape(ops.arange(4.0), (1, 4, 1))], np.array([[1.0, 0.0, 0.0]]))
    >>> ops.convert_to_numpy(y).ravel().tolist()
    [1.0, 2.0, 3.0, 2.0]
    """
    if imag is not None and len(parts) > 2:
        raise ValueError(
            "Complex filters act on real or complex signals, of one or two components. "
            f"Received: {len(parts)} components"
        )
    window = tuple(real.shape[1:])
    strides, pads = strides_and_edges(parts, real, strides, padding)
    if method == "auto":
        method = "fft" if math.prod(window) > _DIRECT_UP_TO ** len(window) else "direct"
        if method == "direct" and native_filtering.serves(parts, real, imag):
            return native_filtering.responses(parts, real, imag, strides, padding, pads)
    compute = METHODS.get(method)
    pad = PADDINGS.get(padding)
    channels = parts[0].shape[-1]
    x = _padded(ops.concatenate(list(parts), axis=-1) if len(parts) > 1 else parts[0], pads, pad)
    found = compute(x, len(parts), real, imag, strides)
    sizes = output_places(parts[0].shape[1:-1], strides)
    return [ops.reshape(y, (-1, *sizes, channels, real.shape[0])) for y in found]


def strides_and_edges(
    parts: Sequence[Tensor], real: Tensor, strides: Sequence[int] | int, padding: str
) -> tuple[tuple[int, ...], list[tuple[int, int]]]:
    """A stride for each axis, and how many places to add before and after it.

    Raises:
        ValueError: as `check_fits`.
    """
    window, places = tuple(real.shape[1:]), tuple(parts[0].shape[1:-1])
    strides = (strides,) * len(window) if isinstance(strides, int) else tuple(strides)
    check_fits(places, window, strides, padding)
    return strides, [edges(*axis) for axis in zip(places, window, strides, strict=True)]


def output_places(places: Sequence[int | None], strides: Sequence[int]) -> tuple[int | None, ...]:
    """Sizes of the outputs: `size // stride`, None where it is unknown."""
    return tuple(
        None if size is None else size // stride
        for size, stride in zip(places, strides, strict=True)
    )


def check_fits(
    places: Sequence[int | None], window: Sequence[int], strides: Sequence[int], padding: str
) -> None:
    """Raise unless a signal of that size can be filtered.

    Raises:
        ValueError: if the padding is unknown, a size is unknown, or too small; the message says
            the smallest admissible one.
    """
    PADDINGS.get(padding)
    reach = {"reflect": lambda k: k // 2 + 1, "circular": lambda k: k // 2}
    least = tuple(
        max(stride, reach.get(padding, lambda k: 1)(k))
        for k, stride in zip(window, strides, strict=True)
    )
    if any(size is None for size in places):
        raise ValueError(
            "Expected signals of a known size: where outputs lie depends on it. Received: "
            f"sizes={tuple(places)}"
        )
    if any(size < smallest for size, smallest in zip(places, least, strict=True)):
        raise ValueError(
            f"The signal is smaller than the filters' support allows. Expected a size of at least "
            f"{least} for windows of {tuple(window)}, strides {tuple(strides)} and "
            f"padding='{padding}'; with padding='zero' the stride is enough. "
            f"Received: size={tuple(places)}"
        )


@METHODS.register("direct")
def _direct(
    x: Tensor, parts: int, real: Tensor, imag: Tensor | None, strides: tuple[int, ...]
) -> list[Tensor]:
    # Part by part: TensorFlow's kernels are fast as long as all filters of a call fit in a cache.
    signals = _split(x, parts)
    found = [_depthwise(signal, real, strides) for signal in signals]
    if imag is None:
        return found
    other = [_depthwise(signal, imag, strides) for signal in signals]
    if parts == 1:
        return [*found, *other]
    return [found[0] - other[1], found[1] + other[0]]


@METHODS.register("fft")
@in_float32
def _by_fft(
    x: Tensor, parts: int, real: Tensor, imag: Tensor | None, strides: tuple[int, ...]
) -> list[Tensor]:
    rank = len(strides)
    x = ops.moveaxis(x, -1, 1)  # batch, channels, *places
    grid = tuple(x.shape[2:])
    response = _response(real, imag, grid)
    signals = [ops.expand_dims(p, 2) for p in _split(x, parts, axis=1)]
    pairs = [(p, ops.zeros_like(p)) for p in signals]
    if imag is not None and parts == 2:
        pairs = [tuple(signals)]
    # The first whole window ends at its size; every stride further is an output.
    cut = tuple(slice(k - 1, n, s) for k, n, s in zip(real.shape[1:], grid, strides, strict=True))
    found = []
    for pair in pairs:
        y = inverse_transform(complex_product(transform(pair, rank), response), rank)
        # places last to channels last: batch, *places, channels, filters
        moved = [ops.moveaxis(part[(..., *cut)], (1, 2), (-2, -1)) for part in y]
        found += moved[: 1 if imag is None else 2]
    return found


def transform(pair: tuple[Tensor, Tensor], rank: int) -> tuple[Tensor, Tensor]:
    """Fourier transform of the last `rank` axes, of real and imaginary parts."""
    if _BY_MATRICES.get():
        return _by_matrices(pair, rank)
    return ops.fft(pair) if rank == 1 else ops.fft2(pair)


@contextlib.contextmanager
def real_arithmetic() -> Iterator[None]:
    """Inside this context Fourier transforms are products with real matrices.

    That is slower, but takes no complex numbers, which some formats of models do not have.
    """
    token = _BY_MATRICES.set(True)
    try:
        yield
    finally:
        _BY_MATRICES.reset(token)


def _by_matrices(pair: tuple[Tensor, Tensor], rank: int) -> tuple[Tensor, Tensor]:
    real, imag = pair
    for axis in range(-rank, 0):
        size = real.shape[axis]
        # Whole turns are taken off before the angle is rounded.
        angle = 2 * np.pi / size * (np.outer(np.arange(size), np.arange(size)) % size)
        cos, sin = (ops.convert_to_tensor(f(angle).astype("float32")) for f in (np.cos, np.sin))
        real, imag = (ops.moveaxis(p, axis, -1) for p in (real, imag))
        real, imag = (
            ops.matmul(real, cos) + ops.matmul(imag, sin),
            ops.matmul(imag, cos) - ops.matmul(real, sin),
        )
        real, imag = (ops.moveaxis(p, -1, axis) for p in (real, imag))
    return real, imag


def inverse_transform(pair: tuple[Tensor, Tensor], rank: int) -> tuple[Tensor, Tensor]:
    """Inverse of `transform`."""
    # With the parts exchanged before and after, the transform goes the other way.
    imag, real = transform((pair[1], pair[0]), rank)
    count = math.prod(pair[0].shape[-rank:])
    return real / count, imag / count


def complex_product(
    a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor | None]
) -> tuple[Tensor, Tensor]:
    """Product of complex numbers as pairs; an imaginary part None is 0."""
    if b[1] is None:
        return a[0] * b[0], a[1] * b[0]
    return a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]


def _response(real: Tensor, imag: Tensor | None, grid: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Fourier transforms of the filters, their windows' first place at the grid's origin."""
    rank = len(grid)
    widths = [(0, 0), *((0, n - k) for n, k in zip(grid, real.shape[1:], strict=True))]
    if isinstance(real, np.ndarray):
        both = real if imag is None else real + 1j * imag
        found = np.fft.fftn(np.pad(both, widths), axes=range(1, 1 + rank))
        return tuple(ops.convert_to_tensor(p.astype("float32")) for p in (found.real, found.imag))
    real = ops.pad(real, widths)
    imag = ops.zeros_like(real) if imag is None else ops.pad(imag, widths)
    return transform((real, imag), rank)


def _depthwise(x: Tensor, filters: Tensor, strides: tuple[int, ...]) -> Tensor:
    """`(batch, *places, n)` to `(batch, *places, n*filters)`, without padding."""
    if filters.shape[0] == 1 and max(filters.shape[1:]) > _SINGLE_UP_TO:
        pad = np.pad if isinstance(filters, np.ndarray) else ops.pad
        both = pad(filters, [(0, 1), *((0, 0) for _ in strides)])
        return _depthwise(x, both, strides)[..., ::2]
    if filters.shape[0] > 1 and _one_by_one(filters):
        found = [_depthwise(x, filters[i : i + 1], strides) for i in range(filters.shape[0])]
        y = ops.stack(found, axis=-1)
        return ops.reshape(y, (-1, *y.shape[1:-2], y.shape[-2] * y.shape[-1]))
    # A layer's convolution is a correlation: the filters are turned.
    turned = filters[(slice(None), *(slice(None, None, -1) for _ in strides))]
    fixed = isinstance(filters, np.ndarray)
    filters = ops.convert_to_tensor(turned.copy()) if fixed else turned
    filters = ops.cast(filters, x.dtype)
    kernel = ops.expand_dims(ops.moveaxis(filters, 0, -1), -2)  # *window, 1, filters
    kernel = ops.repeat(kernel, x.shape[-1], axis=-2)
    # TensorFlow's kernels want equal strides: the rest of each is taken afterwards.
    common = math.gcd(*strides)
    y = ops.depthwise_conv(x, kernel, common, "valid", data_format="channels_last")
    if max(strides) == common:
        return y
    return y[(slice(None), *(slice(None, None, stride // common) for stride in strides))]


def _one_by_one(filters: Tensor) -> bool:
    """Whether one filter a channel at a time is faster, as on TensorFlow by a third or more."""
    small = max(filters.shape[1:]) <= _SINGLE_UP_TO
    return small and keras.backend.backend() == "tensorflow"


def _split(x: Tensor, parts: int, axis: int = -1) -> list[Tensor]:
    return [x] if parts == 1 else list(ops.split(x, parts, axis=axis))


def edges(size: int, window: int, stride: int) -> tuple[int, int]:
    """How many places to add before and after; a negative number takes some away."""
    start = (size % stride + 1) // 2
    last = start + (size // stride - 1) * stride
    return window // 2 - start, window // 2 - (size - 1 - last)


def _padded(x: Tensor, pads: Sequence[tuple[int, int]], pad: Any) -> Tensor:
    kept = tuple(slice(max(0, -low), min(0, high) or None) for low, high in pads)
    cropped = any(low < 0 or high < 0 for low, high in pads)
    widths = [(max(0, low), max(0, high)) for low, high in pads]
    x = pad(x, widths) if any(map(any, widths)) else x
    return x[(slice(None), *kept)] if cropped else x


@PADDINGS.register("reflect")
def _reflect(x: Tensor, widths: list[tuple[int, int]]) -> Tensor:
    return ops.pad(x, [(0, 0), *widths, (0, 0)], mode="reflect")


@PADDINGS.register("zero")
def _zero(x: Tensor, widths: list[tuple[int, int]]) -> Tensor:
    return ops.pad(x, [(0, 0), *widths, (0, 0)])


@PADDINGS.register("circular")
def _circular(x: Tensor, widths: list[tuple[int, int]]) -> Tensor:
    for axis, (low, high) in enumerate(widths, start=1):
        ahead = (slice(None),) * axis
        parts = [x[(*ahead, slice(x.shape[axis] - low, None))], x, x[(*ahead, slice(0, high))]]
        x = ops.concatenate(parts, axis=axis)
    return x
