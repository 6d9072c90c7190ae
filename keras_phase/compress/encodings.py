"""Exact forms of an array of algebra elements, of which the shortest is written.

An array `(d, n)` is split in two: which elements are not zero, and their values. The former is
nothing at all, a bitmap, or the gaps between indices; the latter is up to `values`. Everything acts
on bit patterns, so nothing is rounded.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import values
from .packed import Packed, Reader, natural

# A gap is a sum of bytes of which all but the last are this one.
_MORE = 255


def encode(value: np.ndarray, codec: str, points: Sequence[np.ndarray] = ()) -> Packed:
    """The shortest form of an array.

    Args:
        value: `(d, *shape)`.
        codec: as of `streams.pack`.
        points: tables `(count, d)` of unit directions to try with a scale for each unit of the last
            axis.
    """
    best = _encode(value, value.shape[0], codec, points)
    if value.shape[0] > 1:  # one component may be zero where another is not
        best = min(best, _encode(value, 1, codec, ()), key=Packed.size)
    return best


def decode(
    form: dict[str, Any],
    shape: tuple[int, ...],
    dtype: np.dtype,
    items: Sequence[tuple[int, bytes, int]],
) -> np.ndarray:
    """The array that `encode` was given.

    Raises:
        ValueError: if form, shape and streams do not fit together.
    """
    reader = Reader(items)
    size = math.prod(shape)
    d, count = natural(form, "d"), natural(form, "count")
    if d < 1 or size % d or count > size // d:
        raise ValueError(f"{count} elements of {d} numbers are not of an array of {size}")
    bits = np.zeros((d, size // d), f"<u{dtype.itemsize}")
    if count:
        index: Any = slice(None)
        if count < bits.shape[1]:
            index = _PLACES.get(str(form.get("place")), _unknown)(reader, count, bits.shape[1])
        site = values.Site(d, count, dtype, shape[-1] if shape else 1, index)
        bits[:, index] = values.decode(reader, form, site)
    reader.end()
    return bits.view(dtype.newbyteorder("<")).astype(dtype, copy=False).reshape(shape)


def _encode(value: np.ndarray, d: int, codec: str, points: Sequence[np.ndarray]) -> Packed:
    bits = np.ascontiguousarray(value).view(f"u{value.dtype.itemsize}").reshape(d, -1)
    present = bits.any(axis=0)
    count = int(np.count_nonzero(present))
    place = Packed({"d": d, "count": count})
    if not count:
        return place
    if count < present.size:
        bitmap = Packed({**place.form, "place": "bitmap"}).add(np.packbits(present), codec)
        gaps = Packed({**place.form, "place": "gaps"}).add(_gaps(np.flatnonzero(present)), codec)
        place = min(bitmap, gaps, key=Packed.size)
        bits = np.ascontiguousarray(bits[:, present])
    site = values.Site(d, count, value.dtype, value.shape[-1], present)
    best = min(values.encodings(bits, site, codec, points), key=Packed.size)
    return Packed({**place.form, **best.form}, place.streams + best.streams)


def _gaps(indices: np.ndarray) -> np.ndarray:
    gaps = np.diff(indices, prepend=-1) - 1
    full, last = np.divmod(gaps, _MORE)
    result = np.full(full.sum() + full.size, _MORE, "uint8")
    result[np.cumsum(full + 1) - 1] = last
    return result


def _read_gaps(reader: Reader, count: int, n: int) -> np.ndarray:
    data = reader.next(count, count + n // _MORE)
    ends = np.flatnonzero(data < _MORE)
    if len(ends) != count or ends[-1] != len(data) - 1:
        raise ValueError(f"{count} gaps are announced, {len(ends)} are there")
    indices = np.cumsum(data, dtype="int64")[ends] + np.arange(count)
    if indices[-1] >= n:
        raise ValueError(f"an index is {indices[-1]}, of {n} elements")
    return indices


def _read_bitmap(reader: Reader, count: int, n: int) -> np.ndarray:
    present = np.unpackbits(reader.next(-(-n // 8)), count=n).view("bool")
    if np.count_nonzero(present) != count:
        raise ValueError(f"a bitmap has another number of elements than {count}")
    return present


def _unknown(*_: Any) -> Any:
    raise ValueError("an array has its elements in places of an unknown form")


_PLACES = {"bitmap": _read_bitmap, "gaps": _read_gaps}
