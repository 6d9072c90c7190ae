"""Image data for the examples: IDX files, else keras.datasets, else scikit-learn's digits.

    dataset = load("fashion_mnist", data_dir="~/data")

The folder may hold the four IDX files themselves, as they are or gzipped, or sub-folders named
`mnist` and `fashion-mnist` that do. Without `data_dir` the variable KERAS_PHASE_DATA names it.
"""

import contextlib
import gzip
import math
import os
import socket
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

NAMES = ("fashion_mnist", "mnist", "digits")
VARIABLE = "KERAS_PHASE_DATA"

_SUBFOLDERS = {"fashion_mnist": ("fashion-mnist", "fashion_mnist"), "mnist": ("mnist",)}
_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_OFFLINE_AFTER_SECONDS = 5


class Dataset(NamedTuple):
    """Images as rows of numbers in [0, 1], labels as class numbers.

    Attributes:
        name: what was loaded, one of `NAMES`.
        x_train: `(n, features)`, float32.
        y_train: `(n,)`, int32.
        x_test: `(m, features)`, float32.
        y_test: `(m,)`, int32.
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def load(name: str, data_dir: str | os.PathLike | None = None) -> Dataset:
    """The named data set, or scikit-learn's digits when there is no folder and no network.

    Args:
        name: one of `NAMES`.
        data_dir: folder of IDX files; None takes the environment variable KERAS_PHASE_DATA. A
            folder that is named but does not serve is an error, never passed over.

    Raises:
        FileNotFoundError: if the folder lacks one of the four files.
        ValueError: if the name is unknown, or a file is damaged or holds NaN.
    """
    if name not in NAMES:
        raise ValueError(f"Expected a data set among {', '.join(NAMES)}. Received: name={name!r}")
    if name == "digits":
        return _digits()
    data_dir = data_dir or os.environ.get(VARIABLE)
    if data_dir:
        return _checked(name, *_from_idx_folder(name, Path(data_dir).expanduser()))
    try:
        with _impatient_network():
            (x, y), (x_test, y_test) = getattr(keras.datasets, name).load_data()
    except Exception as reason:  # Keras raises a plain Exception when it cannot download.
        print(
            f"{name}: no --data_dir, no {VARIABLE}, and keras.datasets has no copy and cannot "
            f"download one ({_first_line(reason)}). Using scikit-learn's digits (8 x 8) instead."
        )
        return _digits()
    return _checked(name, x, y, x_test, y_test)


def read_idx(path: str | os.PathLike) -> np.ndarray:
    """Read one IDX file, gzipped or not.

    Args:
        path: the file; a name that ends in `.gz` is unpacked.

    Returns:
        Array with the shape and the number type that the file's header announces.

    Raises:
        ValueError: if the file is not an IDX file, or damaged, or holds NaN.
    """
    path = Path(path)
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(
            f"The file is not a whole gzip file ({error}): it is damaged or was cut short. "
            f"Fetch it again. Received: path='{path}'"
        ) from error
    magic = data[:4]
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _IDX_TYPES or magic[3] == 0:
        raise ValueError(
            "Expected an IDX file: two zero bytes, a type code "
            f"({', '.join(f'{code:#04x}' for code in _IDX_TYPES)}) and the number of axes. Fetch "
            f"the file again. Received: first bytes 0x{magic.hex()} in path='{path}'"
        )
    dtype, rank = np.dtype(_IDX_TYPES[magic[2]]), magic[3]
    start = 4 + 4 * rank
    shape = [int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(rank)]
    expected = start + math.prod(shape) * dtype.itemsize
    if len(data) != expected:
        raise ValueError(
            f"The file's header announces {' x '.join(map(str, shape))} numbers, so {expected} "
            "bytes with the header: it is damaged or was cut short. Fetch it again. "
            f"Received: {len(data)} bytes in path='{path}'"
        )
    array = np.frombuffer(data, dtype, offset=start).reshape(shape)
    _refuse_nan(array, f"path='{path}'")
    return array.astype(dtype.newbyteorder("="))


def _from_idx_folder(name: str, folder: Path) -> Iterator[np.ndarray]:
    home = next((folder / s for s in _SUBFOLDERS[name] if (folder / s).is_dir()), folder)
    for part, kind, rank in (
        ("train", "images", 3),
        ("train", "labels", 1),
        ("t10k", "images", 3),
        ("t10k", "labels", 1),
    ):
        path = _find(home, f"{part}-{kind}-idx{rank}-ubyte", name)
        array = read_idx(path)
        if array.ndim != rank:
            raise ValueError(
                f"Expected {kind} with {rank} axes: is this another file under that name? "
                f"Received: shape={array.shape} in path='{path}'"
            )
        yield array


def _find(home: Path, stem: str, name: str) -> Path:
    candidates = [home / stem, home / f"{stem}.gz"]
    for path in candidates:
        if path.is_file():
            return path
    raise FileNotFoundError(
        f"The IDX files of {name} are not all there: looked for {stem} and {stem}.gz in "
        f"'{home}'. Name the folder that holds the four files (train-images, train-labels, "
        "t10k-images and t10k-labels, gzipped or not), or one with a sub-folder "
        f"{' or '.join(map(repr, _SUBFOLDERS[name]))} of them, with --data_dir or {VARIABLE}; with "
        f"neither, keras.datasets is asked. Received: no file at '{candidates[0]}'"
    )


@contextlib.contextmanager
def _impatient_network() -> Iterator[None]:
    """Give up on a silent network after seconds; the operating system takes minutes."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_OFFLINE_AFTER_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _digits() -> Dataset:
    """Scikit-learn's 1797 images of 8 x 8; the last 360 are the test set."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))
    x, y = (images[order] / 16).astype("float32"), labels[order].astype("int32")
    return Dataset("digits", x[:-360], y[:-360], x[-360:], y[-360:])


def _checked(name: str, *arrays: np.ndarray) -> Dataset:
    x, y, x_test, y_test = arrays
    for images, labels in ((x, y), (x_test, y_test)):
        if len(images) != len(labels):
            raise ValueError(
                f"Expected as many labels as images in {name}: are the files of one data set? "
                f"Received: {len(images)} images, {len(labels)} labels"
            )
    return Dataset(name, _rows(x), y.astype("int32"), _rows(x_test), y_test.astype("int32"))


def _rows(images: np.ndarray) -> np.ndarray:
    rows = images.reshape(len(images), -1).astype("float32")
    return rows / 255 if np.issubdtype(images.dtype, np.integer) else rows


def _refuse_nan(array: np.ndarray, source: str) -> None:
    if np.issubdtype(array.dtype, np.floating) and np.isnan(array).any():
        where = tuple(int(i) for i in np.argwhere(np.isnan(array))[0])
        raise ValueError(
            "Expected numbers, found NaN: no network can be trained on this. Mend or leave out "
            f"those rows. Received: {int(np.isnan(array).sum())} NaN, the first at index {where}, "
            f"in {source}"
        )


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
