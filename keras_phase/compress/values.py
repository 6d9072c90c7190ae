"""Exact forms of elements that are not zero.

* bytes: of all numbers first the least significant ones, and so on, for what has no pattern;
* table: the distinct elements and an index for each, for signs, ternary weights and phases of few
  bits with one scale;
* scaled: a table of directions, a scale for each unit and an index, for those with many.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .packed import Packed, Reader, natural

# Tables with more entries are not worth it.
_LARGEST_TABLE = 1 << 16
# Enough elements to see that a form does not fit, and a step in which it is tried on all.
_SOME = 1 << 16


@dataclass(frozen=True)
class Site:
    """What is known of the elements beside their form.

    Attributes:
        d: numbers of an element.
        count: number of elements.
        dtype: of the numbers.
        width: length of the array's last axis.
        index: where the elements are in the array, a mask, indices or a slice.
    """

    d: int
    count: int
    dtype: np.dtype
    width: int
    index: Any

    def units(self) -> np.ndarray:
        """The place of each element in the array's last axis."""
        if isinstance(self.index, slice):
            return np.arange(self.count) % self.width
        at = np.flatnonzero(self.index) if self.index.dtype == bool else self.index
        return at % self.width


def encodings(
    bits: np.ndarray, site: Site, codec: str, points: Sequence[np.ndarray]
) -> Iterator[Packed]:
    """Forms of `bits`, unsigned integers `(d, count)`, that `decode` turns back into them."""
    found = _distinct(bits)
    if found is not None:
        entries, index = found
        yield from _indexed("table", [entries], index, len(entries), codec)
    if found is None or len(entries) > 256:  # else it takes a byte at most
        yield _bytes(bits, codec)
    if site.dtype == np.float32:
        for directions in points:
            match = _scaled(bits.view("float32"), site, directions)
            if match is not None:
                scales, index = match
                tables = [directions, scales]
                yield from _indexed("scaled", tables, index, len(directions), codec)
                return


def decode(reader: Reader, form: dict[str, Any], site: Site) -> np.ndarray:
    """The bits `(d, count)` from the next streams.

    Raises:
        ValueError: if form and streams do not fit together.
    """
    if str(form.get("values")) not in _DECODERS:
        raise ValueError("an array has values of an unknown form")
    return _DECODERS[str(form["values"])](reader, form, site)


def _bytes(bits: np.ndarray, codec: str) -> Packed:
    # The sign goes to the low end: next to an exponent it would hide that these are few.
    top = np.array(8 * bits.itemsize - 1, bits.dtype)
    rolled = (bits << np.array(1, bits.dtype)) | (bits >> top)
    packed = Packed({"values": "bytes"})
    planes = np.ascontiguousarray(rolled, bits.dtype.newbyteorder("<")).view("uint8")
    for plane in planes.reshape(-1, bits.itemsize).T:
        packed.add(plane, codec)
    return packed


def _read_bytes(reader: Reader, form: dict[str, Any], site: Site) -> np.ndarray:
    size = site.dtype.itemsize
    planes = np.empty((site.d * site.count, size), "uint8")
    for i in range(size):
        planes[:, i] = reader.next(site.d * site.count)
    rolled = planes.view(f"<u{size}")[:, 0]
    one, top = (np.array(n, rolled.dtype) for n in (1, 8 * size - 1))
    return ((rolled >> one) | (rolled << top)).reshape(site.d, site.count)


def _distinct(bits: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Distinct elements `(entries, d)` and the index of each element, if these are few."""
    largest = min(_LARGEST_TABLE, bits.shape[1] // 2)
    for part in (bits[:, :_SOME], bits):
        elements = np.ascontiguousarray(part.T)
        size = elements.itemsize * elements.shape[1]
        # Integers sort many times faster than other things of their size.
        whole = elements.view(f"u{size}" if size in (1, 2, 4, 8) else f"V{size}")[:, 0]
        _, first, index = np.unique(whole, return_index=True, return_inverse=True)
        if len(first) > largest:
            return None
    return elements[first], index.reshape(-1)


def _indexed(
    name: str, tables: Sequence[np.ndarray], index: np.ndarray, entries: int, codec: str
) -> Iterator[Packed]:
    for digits in sorted({1, _digits(entries)}):
        packed = Packed({"values": name, "entries": entries, "digits": digits})
        for table in tables:
            packed.add(table.astype(table.dtype.newbyteorder("<")), codec)
        if entries > 256:
            packed.add((index & 255).astype("uint8"), codec)
            packed.add((index >> 8).astype("uint8"), codec)
        elif entries > 1:
            packed.add(_digits_to_bytes(index, entries, digits), codec)
        yield packed


def _read_index(reader: Reader, entries: int, digits: int, count: int) -> np.ndarray:
    if not 1 <= entries <= _LARGEST_TABLE or not 1 <= digits <= _digits(entries):
        raise ValueError(f"a table has {entries} entries, {digits} of them a byte")
    if entries == 1:
        return np.zeros(count, "uint8")
    if entries > 256:
        low, high = reader.next(count), reader.next(count)
        index = low.astype("uint16") | (high.astype("uint16") << 8)
    else:
        data = reader.next(-(-count // digits))
        index = np.empty((len(data), digits), "uint8")
        for i in range(digits):
            last = i == digits - 1
            index[:, i] = data if last else data % entries
            data = data if last else data // entries
        index = index.reshape(-1)[:count]
    if index.max() >= entries:
        raise ValueError(f"an index is {index.max()}, into a table of {entries} entries")
    return index


def _digits(entries: int) -> int:
    """How many numbers below `entries` a byte holds."""
    return next((k for k in (8, 5, 4, 3, 2) if entries**k <= 256 and entries > 1), 1)


def _digits_to_bytes(index: np.ndarray, entries: int, digits: int) -> np.ndarray:
    padded = np.zeros(-(-len(index) // digits) * digits, "uint8")
    padded[: len(index)] = index
    place = (entries ** np.arange(digits)).astype("uint8")
    return (padded.reshape(-1, digits) * place).sum(axis=1, dtype="uint8")


def _read_table(reader: Reader, form: dict[str, Any], site: Site) -> np.ndarray:
    entries, digits = natural(form, "entries"), natural(form, "digits")
    size = site.dtype.itemsize
    table = reader.next(entries * site.d * size).view(f"<u{size}").reshape(entries, site.d)
    return table[_read_index(reader, entries, digits, site.count)].T


def _scaled(
    elements: np.ndarray, site: Site, directions: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Scales of the units and the index of each element, if these make it to the last bit."""
    units = site.units()
    scales = np.zeros(site.width, "float32")
    # An element along an axis shows the scale as it is.
    np.maximum.at(scales, units, np.abs(elements).max(axis=0))
    index = np.empty(site.count, "uint8")
    for start in range(0, site.count, _SOME):
        at = slice(start, start + _SOME)
        index[at] = (directions @ elements[:, at]).argmax(axis=0)
        made = directions[index[at]].T * scales[units[at]]
        if not np.array_equal(made.view("uint32"), elements[:, at].view("uint32")):
            return None
    return scales, index


def _read_scaled(reader: Reader, form: dict[str, Any], site: Site) -> np.ndarray:
    entries, digits = natural(form, "entries"), natural(form, "digits")
    if site.dtype != np.float32:
        raise ValueError(f"numbers of the type {site.dtype} have no scales")
    directions = reader.next(4 * entries * site.d).view("<f4").reshape(entries, site.d)
    scales = reader.next(4 * site.width).view("<f4")
    index = _read_index(reader, entries, digits, site.count)
    with np.errstate(all="ignore"):
        made = directions[index].T * scales[site.units()]
    return made.astype("<f4").view("<u4")


_DECODERS: dict[str, Callable[[Reader, dict[str, Any], Site], np.ndarray]] = {
    "bytes": _read_bytes,
    "table": _read_table,
    "scaled": _read_scaled,
}
