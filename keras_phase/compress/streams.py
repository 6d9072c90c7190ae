"""Bytes to fewer bytes, by the codecs of the standard library, and back within a stated length."""

import bz2
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..registry import Registry

# No container around it: its header could ask for gigabytes of dictionary.
_LZMA = [{"id": lzma.FILTER_LZMA2, "preset": 6}]
# Longer streams without a pattern in single bytes are not worth the seconds that codecs take.
_LONG = 1 << 14
_NO_PATTERN = 7.9


@dataclass(frozen=True)
class Codec:
    """A way to write bytes.

    Attributes:
        name: as in the argument `codec` of `save`.
        number: as in files.
        pack: the bytes to write, as candidates of which the shortest is taken.
        unpack: `unpack(data, length)` returns the bytes, which must be `length`, and never makes
            more than one more than these.
    """

    name: str
    number: int
    pack: Callable[[bytes], list[bytes]]
    unpack: Callable[[bytes, int], bytes]


def _deflate(data: bytes) -> list[bytes]:
    found = []
    for strategy in (zlib.Z_DEFAULT_STRATEGY, zlib.Z_HUFFMAN_ONLY):
        packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9, strategy)
        found.append(packer.compress(data) + packer.flush())
    return found


def _inflate(data: bytes, length: int) -> bytes:
    unpacker = zlib.decompressobj(-15)
    result = unpacker.decompress(data, length + 1)
    if not unpacker.eof or unpacker.unused_data:
        raise ValueError("a deflated stream does not end where it should")
    return result


def _expand(unpacker: bz2.BZ2Decompressor | lzma.LZMADecompressor, data: bytes, n: int) -> bytes:
    result = unpacker.decompress(data, n + 1)
    if len(result) == n and not unpacker.eof and not unpacker.needs_input:
        result += unpacker.decompress(b"", 1)
    if not unpacker.eof or unpacker.unused_data:
        raise ValueError("a compressed stream does not end where it should")
    return result


CODECS = Registry("codec")
for _codec in (
    Codec("stored", 0, lambda data: [data], lambda data, length: data),
    Codec("zlib", 1, _deflate, _inflate),
    Codec(
        "bz2",
        2,
        lambda data: [bz2.compress(data)],
        lambda data, length: _expand(bz2.BZ2Decompressor(), data, length),
    ),
    Codec(
        "lzma",
        3,
        lambda data: [lzma.compress(data, lzma.FORMAT_RAW, filters=_LZMA)],
        lambda data, length: _expand(
            lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_LZMA), data, length
        ),
    ),
):
    CODECS.add(_codec.name, _codec)
_BY_NUMBER = {CODECS.get(name).number: CODECS.get(name) for name in CODECS}


def pack(data: bytes, codec: str) -> tuple[int, bytes]:
    """The number of a codec and what it makes of `data`.

    Args:
        data: bytes.
        codec: "lossless" for the shortest of all, or the name of one; bytes that it would make
            longer are stored as they are.
    """
    names = list(CODECS) if codec == "lossless" else ["stored", codec]
    if len(data) > _LONG and _bits_a_byte(data) > _NO_PATTERN:
        names = ["stored"]
    made = [(c.number, x) for c in map(CODECS.get, names) for x in c.pack(data)]
    return min(made, key=lambda each: len(each[1]))


def unpack(number: int, data: bytes, length: int) -> bytes:
    """The `length` bytes that `pack` was given.

    Raises:
        ValueError: if there are more or fewer of them, or the data are not of that codec.
    """
    if number not in _BY_NUMBER:
        raise ValueError(f"there is no codec number {number!r}")
    try:
        result = _BY_NUMBER[number].unpack(data, length)
    except (zlib.error, lzma.LZMAError, OSError, EOFError) as error:
        raise ValueError(f"a stream is not what its codec writes ({error})") from error
    if len(result) != length:
        raise ValueError(f"a stream of {length} bytes has another length")
    return result


def _bits_a_byte(data: bytes) -> float:
    counts = np.bincount(np.frombuffer(data, "uint8"), minlength=256)
    p = counts[counts > 0] / len(data)
    return float(-(p * np.log2(p)).sum())
