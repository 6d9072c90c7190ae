"""The examples' data loader: what it reads, and what it says about files that it cannot read."""

import gzip
import struct

import keras
import numpy as np
import pytest

from examples import data

LABELS = np.array([3, 1, 2], np.uint8)
IMAGES = np.arange(3 * 2 * 2, dtype=np.uint8).reshape(3, 2, 2) * 20


def idx(array, code=0x08):
    header = struct.pack(f">2xBB{array.ndim}I", code, array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write_folder(folder, packed=True):
    folder.mkdir(parents=True, exist_ok=True)
    for part in ("train", "t10k"):
        for stem, array in (
            (f"{part}-images-idx3-ubyte", IMAGES),
            (f"{part}-labels-idx1-ubyte", LABELS),
        ):
            content = idx(array)
            path = folder / (stem + ".gz" if packed else stem)
            path.write_bytes(gzip.compress(content) if packed else content)
    return folder


@pytest.fixture(autouse=True)
def no_variable(monkeypatch):
    monkeypatch.delenv("KERAS_PHASE_DATA", raising=False)


@pytest.mark.parametrize("packed", [True, False], ids=["gz", "plain"])
@pytest.mark.parametrize("below", ["", "mnist"], ids=["folder", "parent"])
def test_reads_a_folder_or_its_parent(tmp_path, packed, below):
    write_folder(tmp_path / below, packed)
    dataset = data.load("mnist", tmp_path)
    assert dataset.name == "mnist"
    np.testing.assert_allclose(dataset.x_train, IMAGES.reshape(3, 4) / 255, rtol=1e-6)
    np.testing.assert_array_equal(dataset.y_test, LABELS)
    assert dataset.x_test.dtype == "float32"


@pytest.mark.parametrize("name", ["fashion-mnist", "fashion_mnist"])
def test_both_spellings_of_the_sub_folder_and_the_variable(tmp_path, monkeypatch, name):
    write_folder(tmp_path / name)
    monkeypatch.setenv("KERAS_PHASE_DATA", str(tmp_path))
    assert data.load("fashion_mnist").x_train.shape == (3, 4)


@pytest.mark.parametrize(
    "code, dtype",
    [(0x08, "u1"), (0x09, "i1"), (0x0B, "i2"), (0x0C, "i4"), (0x0D, "f4"), (0x0E, "f8")],
)
def test_every_number_type_of_the_format(tmp_path, code, dtype):
    array = np.arange(6).astype(dtype).reshape(2, 3)
    (tmp_path / "x").write_bytes(idx(array, code))
    read = data.read_idx(tmp_path / "x")
    assert read.dtype == array.dtype
    np.testing.assert_array_equal(read, array)


def test_missing_file_says_what_was_looked_for_where_and_how_to_fix(tmp_path):
    (write_folder(tmp_path) / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(FileNotFoundError) as error:
        data.load("mnist", tmp_path)
    for part in ("t10k-labels-idx1-ubyte.gz", str(tmp_path), "--data_dir", "KERAS_PHASE_DATA"):
        assert part in str(error.value)


def test_missing_folder_is_an_error_too(tmp_path):
    with pytest.raises(FileNotFoundError, match="train-images-idx3-ubyte"):
        data.load("fashion_mnist", tmp_path / "nowhere")


DAMAGES = {
    "gzip cut short": (
        gzip.compress(idx(IMAGES))[:-9],
        ".gz",
        "not a whole gzip file.*Fetch it again",
    ),
    "gzip garbage": (b"no gzip at all", ".gz", "not a whole gzip file"),
    "gzip bits": (gzip.compress(idx(IMAGES))[:20] + b"\xff" * 30, ".gz", "not a whole gzip file"),
    "web page": (b"<html>404</html>", "", r"Expected an IDX file.*first bytes 0x3c68746d"),
    "unknown type": (idx(IMAGES, code=0x0A), "", r"Expected an IDX file.*0x00000a03"),
    "empty": (b"", "", "Expected an IDX file"),
    "truncated": (idx(IMAGES)[:-1], "", "3 x 2 x 2 numbers, so 28 bytes.*Received: 27 bytes"),
    "header only": (idx(IMAGES)[:6], "", "cut short"),
    "too long": (idx(IMAGES) + b"x", "", "Received: 29 bytes"),
    "nan": (
        idx(np.array([[0, 1], [np.nan, 2]], "f4"), 0x0D),
        "",
        r"NaN, the first at index \(1, 0\)",
    ),
}


@pytest.mark.parametrize("content, suffix, message", DAMAGES.values(), ids=DAMAGES)
def test_damaged_file(tmp_path, content, suffix, message):
    path = tmp_path / f"file{suffix}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"(?s){message}") as error:
        data.read_idx(path)
    assert str(path) in str(error.value)


def test_labels_in_the_place_of_images(tmp_path):
    (write_folder(tmp_path) / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(LABELS)))
    with pytest.raises(ValueError, match=r"images with 3 axes.*Received: shape=\(3,\)"):
        data.load("mnist", tmp_path)


def test_counts_that_differ(tmp_path):
    (write_folder(tmp_path) / "train-labels-idx1-ubyte.gz").write_bytes(
        gzip.compress(idx(LABELS[:2]))
    )
    with pytest.raises(ValueError, match="3 images, 2 labels"):
        data.load("mnist", tmp_path)


def test_unknown_name():
    with pytest.raises(ValueError, match=r"fashion_mnist, mnist, digits.*name='cifar'"):
        data.load("cifar")


def test_offline_falls_through_to_digits_and_says_so(monkeypatch, capsys):
    def offline():
        raise Exception("URL fetch failure on https://example.org: no network")

    monkeypatch.setattr(keras.datasets.fashion_mnist, "load_data", offline)
    dataset = data.load("fashion_mnist")
    assert dataset.name == "digits"
    assert dataset.x_train.shape == (1437, 64)
    assert dataset.x_train.max() == 1
    said = capsys.readouterr().out
    assert "digits" in said and "--data_dir" in said and "no network" in said


def test_keras_datasets_serve_when_they_can(monkeypatch):
    monkeypatch.setattr(
        keras.datasets.mnist, "load_data", lambda: ((IMAGES, LABELS), (IMAGES, LABELS))
    )
    dataset = data.load("mnist")
    np.testing.assert_allclose(dataset.x_test, IMAGES.reshape(3, 4) / 255, rtol=1e-6)
