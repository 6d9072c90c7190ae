"""An array in a form: a description and streams of bytes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from . import streams


@dataclass
class Packed:
    """A form of an array.

    Attributes:
        form: what reading it takes beside shape and type: plain numbers and names.
        streams: `(codec, packed bytes, length)`.
    """

    form: dict[str, Any]
    streams: list[tuple[int, bytes, int]] = field(default_factory=list)

    def size(self) -> int:
        """Bytes, with a guess of what the description takes."""
        return sum(len(data) + 4 for _, data, _ in self.streams)

    def add(self, data: np.ndarray, codec: str) -> Self:
        """Add a stream of the array's bytes and return this form."""
        raw = data.tobytes()
        self.streams.append((*streams.pack(raw, codec), len(raw)))
        return self


class Reader:
    """Streams of one array, in order.

    Args:
        items: `(codec, packed bytes, length)`.
    """

    def __init__(self, items: Sequence[tuple[int, bytes, int]]):
        self._items = iter(items)

    def next(self, length: int, longest: int | None = None) -> np.ndarray:
        """The bytes of the next stream, `length` of them, or up to `longest`.

        Raises:
            ValueError: if there are more or fewer.
        """
        codec, data, announced = next(self._items, (0, b"", -1))
        if not length <= announced <= (length if longest is None else longest):
            raise ValueError(f"a stream of {length} bytes is announced with {announced}")
        return np.frombuffer(streams.unpack(codec, data, announced), "uint8")

    def end(self) -> None:
        """Nothing may be left over.

        Raises:
            ValueError: if a stream is.
        """
        if next(self._items, None) is not None:
            raise ValueError("an array has more streams than its form")


def natural(record: dict[str, Any], key: str) -> int:
    """A number from 0 on that a file gives under `key`.

    Raises:
        ValueError: if it is none.
    """
    value = record.get(key)
    if type(value) is not int or not 0 <= value < 1 << 48:
        raise ValueError(f"'{key}' is not a number from 0 on, but {value!r:.50}")
    return value
