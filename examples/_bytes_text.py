"""The bytes of the standard library's own sources: files, split, windows, simple compressors.

Every machine with Python has this text, and no model of this repository has seen it. Which files
are held out depends on their names alone, so all machines with one version of Python agree.
"""

import lzma
import sysconfig
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

# Tests and what was installed beside the library; idlelib and pydoc_data, which some installations
# lack; encodings, tables that are nearly copies of each other, on both sides of the split.
SKIPPED = frozenset(
    {"test", "tests", "idlelib", "pydoc_data", "encodings", "site-packages", "dist-packages"}
)
# One file in so many is held out.
HELD_OUT_OF = 16
# Before each file: no source contains it, so a model sees where files begin and can begin one.
START = b"\0"
VOCABULARY = 256


class Text(NamedTuple):
    """Training and held-out text, each file after `START`.

    Attributes:
        train: uint8, all training files in the order of their names.
        held_out: uint8, held-out files in the order of the checksums of their names, cut off.
        train_files: number of files.
        held_out_files: number of files in `held_out`, the last perhaps in part.
    """

    train: np.ndarray
    held_out: np.ndarray
    train_files: int
    held_out_files: int

    def checksum(self) -> str:
        """Of both texts: results of other sources, or of another Python, are other results."""
        return f"{zlib.crc32(self.held_out, zlib.crc32(self.train)):08x}"


def load(
    folder: str | Path | None = None,
    *,
    length: int,
    train_bytes: int | None = None,
    held_out_bytes: int,
) -> Text:
    """The sources under `folder`.

    Args:
        folder: None takes this Python's standard library.
        length: of the pieces that will be drawn.
        train_bytes: cut the training text to this length; None keeps all.
        held_out_bytes: cut the held-out text to this length.

    Raises:
        FileNotFoundError: if there are too few sources.
    """
    folder = Path(folder or sysconfig.get_paths()["stdlib"])
    names = source_names(folder)
    held_out = sorted(filter(is_held_out, names), key=lambda name: (_checksum(name), name))
    train = [name for name in names if not is_held_out(name)]
    train_text, train_files = _joined(folder, train, train_bytes)
    held_out_text, held_out_files = _joined(folder, held_out, held_out_bytes)
    if min(len(train_text), len(held_out_text)) <= length:
        raise FileNotFoundError(
            f"Expected Python sources of more than {length} bytes to learn, and as many among the "
            f"one file in {HELD_OUT_OF} that is held out. Name another folder with --text_dir, or "
            "use a Python whose standard library is not packed. Received: "
            f"{len(train_text)} bytes to learn and {len(held_out_text)} held out, under '{folder}'"
        )
    return Text(train_text, held_out_text, train_files, held_out_files)


def source_names(folder: Path) -> list[str]:
    """Paths of the sources below `folder`, sorted."""
    paths = (path.relative_to(folder) for path in folder.rglob("*.py"))
    # _sysconfigdata describes how this Python was built, on this machine.
    return sorted(
        path.as_posix()
        for path in paths
        if not SKIPPED.intersection(path.parts) and not path.name.startswith("_sysconfigdata")
    )


def is_held_out(name: str) -> bool:
    """Whether a file is held out: a matter of its name, whatever other files there are."""
    return _checksum(name) % HELD_OUT_OF == 0


def batches(text: np.ndarray, seed: int, *, steps: int, batch: int, length: int) -> np.ndarray:
    """`(steps*batch, length + 1)`, pieces of the text from random places, the same for a seed."""
    starts = np.random.default_rng(seed).integers(0, len(text) - length, size=steps * batch)
    return np.lib.stride_tricks.sliding_window_view(text, length + 1)[starts]


def windows(text: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut a text so that every byte but the first is predicted once, from many bytes before it.

    Windows overlap by half, and only their second half counts (all of the first one): a byte has
    `length/2` to `length` bytes of context, where so many came before it.

    Args:
        text: `(n,)`, uint8.
        length: of a window, even.

    Returns:
        Inputs and targets `(windows, length)`, uint8, and whether each target counts, bool.
    """
    half = length // 2
    # Targets are bytes 1 to n - 1; the last window reaches them all.
    count = max(1, -(-(len(text) - 1 - half) // half))
    padded = np.zeros((count - 1) * half + length + 1, np.uint8)
    padded[: len(text)] = text
    at = np.arange(count)[:, None] * half + np.arange(length)
    counts = (at + 1 < len(text)) & (np.arange(length) >= half)
    counts[0] = at[0] + 1 < len(text)
    return padded[at], padded[at + 1], counts


def order_0_bits(train: np.ndarray, held_out: np.ndarray) -> float:
    """Bits per byte of a model that knows how often each byte occurs in the training text."""
    frequencies = np.bincount(train, minlength=VOCABULARY) + 1.0
    bits = -np.log2(frequencies / frequencies.sum())
    return float(bits[held_out].mean())


def zlib_bits(text: np.ndarray) -> float:
    """Bits per byte of zlib."""
    return 8 * len(zlib.compress(text.tobytes(), 9)) / len(text)


def lzma_bits(text: np.ndarray, after: np.ndarray | None = None) -> float:
    """Bits per byte of lzma; of what the text adds, if it follows another one."""
    if after is None:
        return 8 * len(_lzma(text.tobytes())) / len(text)
    before = after.tobytes()
    return 8 * (len(_lzma(before + text.tobytes())) - len(_lzma(before))) / len(text)


def _lzma(text: bytes) -> bytes:
    # No container and no checksum; a dictionary that holds the whole text.
    size = max(1 << 20, 1 << len(text).bit_length())
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": size}]
    return lzma.compress(text, lzma.FORMAT_RAW, filters=filters)


def _checksum(name: str) -> int:
    return zlib.crc32(name.encode())


def _joined(folder: Path, names: Sequence[str], size: int | None) -> tuple[np.ndarray, int]:
    parts, total = [], 0
    for name in names:
        if size is not None and total >= size:
            break
        parts.append(START + (folder / name).read_bytes())
        total += len(parts[-1])
    return np.frombuffer(b"".join(parts)[:size], np.uint8), len(parts)
