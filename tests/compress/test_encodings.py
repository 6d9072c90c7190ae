"""Every form gives back the same bits, and takes no more bytes than its entropy and a little."""

import tracemalloc

import numpy as np
import pytest

from keras_phase import algebras
from keras_phase.compress import encodings, rounding, streams
from keras_phase.compress.packed import Reader

RNG = np.random.default_rng(0)
COMPLEX = rounding.tables(algebras.get("complex"))
QUATERNION = rounding.tables(algebras.get("quaternion"))


def normal(*shape):
    return RNG.normal(size=shape).astype("float32")


def sparse(w, fraction):
    modulus = np.sqrt((w**2).sum(axis=0))
    return np.where(modulus > np.quantile(modulus, fraction), w, np.float32(0))


def phases(bits, scale, points=COMPLEX):
    index = RNG.integers(2**bits, size=(697, 31))
    table = next(p for p in points if len(p) == 2**bits)
    return np.moveaxis(table[index], -1, 0) * np.float32(scale)


def special():
    w = normal(1, 5, 7)
    w[0, 0, :3] = [-0.0, np.nan, -np.inf]
    return w


FIRST = np.array([1, 0], "float32").reshape(2, 1, 1)
UNIT_SCALES = (0.5 + RNG.random(31)).astype("float32")
# name: (array, points, values of the expected form, bits a number at most or None)
CASES = {
    "dense": (normal(1, 97, 31), (), "bytes", 32),
    "dense complex": (normal(2, 97, 31), COMPLEX, "bytes", 32),
    "sparse": (sparse(normal(1, 97, 31), 0.9), (), "bytes", 4.2),
    "sparse complex": (sparse(normal(2, 97, 31), 0.9), COMPLEX, "bytes", 3.8),
    "very sparse": (sparse(normal(1, 970, 31), 0.999), (), "bytes", 0.2),
    "first component": (normal(2, 97, 31) * FIRST, (), None, 17),
    "signs": (np.sign(normal(1, 97, 31)) * np.float32(0.3), (), "table", 1.2),
    "ternary": (np.sign(sparse(normal(1, 97, 31), 0.5)), (), "table", 1.7),
    "one phase bit": (phases(1, 0.3), COMPLEX, "table", 0.6),
    "two phase bits": (phases(2, 0.3), COMPLEX, "table", 1.1),
    "four phase bits": (phases(4, 0.3), COMPLEX, "table", 2.5),
    "two bits, scaled": (phases(2, UNIT_SCALES), COMPLEX, "scaled", 1.3),
    "three bits, scaled": (phases(3, UNIT_SCALES), COMPLEX, "scaled", 2.1),
    "quaternion units": (phases(3, UNIT_SCALES, QUATERNION), QUATERNION, None, 1.0),
    "many values": (normal(600)[RNG.integers(600, size=(1, 50, 90))], (), "table", 16),
    "zeros": (np.zeros((2, 3, 5), "float32"), (), None, None),
    "ones": (np.ones((1, 30, 50), "float32"), (), "table", 0.2),
    "empty": (np.zeros((1, 0, 3), "float32"), (), None, None),
    "number": (np.array([3], "int64"), (), None, None),
    "special": (special(), (), None, None),
    "bool": (RNG.random((1, 9)) > 0.5, (), None, None),
    "int8": (RNG.integers(-9, 9, size=(1, 9)).astype("int8"), (), None, None),
    "half": (normal(2, 13, 3).astype("float16"), (), "bytes", None),
    "double": (normal(1, 13, 3).astype("float64"), (), "bytes", None),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("codec", ["lossless", "stored", "zlib", "bz2", "lzma"])
def test_bits_come_back(name, codec):
    value, points, expected, most = CASES[name]
    packed = encodings.encode(value, codec, points)
    again = encodings.decode(packed.form, value.shape, value.dtype, packed.streams)
    assert again.dtype == value.dtype
    assert again.tobytes() == value.tobytes()
    if codec == "lossless":
        assert expected in (None, packed.form.get("values"))
        if most is not None:
            assert 8 * packed.size() / value.size <= most


@pytest.mark.parametrize("length", [0, 1, 255, 256, 5000])
@pytest.mark.parametrize("codec", list(streams.CODECS))
def test_streams_have_the_stated_length(codec, length):
    data = bytes(RNG.integers(4, size=length, dtype="uint8"))
    number, packed = streams.pack(data, codec)
    assert streams.unpack(number, packed, length) == data
    forced = streams.CODECS.get(codec)
    for candidate in forced.pack(data):
        for wrong in (length - 1, length + 1):
            if wrong >= 0:
                with pytest.raises(ValueError, match="stream"):
                    streams.unpack(forced.number, candidate, wrong)
        if codec != "stored" and length:
            for cut in (candidate[:-1], candidate + b"\0", candidate[: len(candidate) // 2]):
                with pytest.raises(ValueError, match="stream"):
                    streams.unpack(forced.number, cut, length)


@pytest.mark.parametrize("codec", ["zlib", "bz2", "lzma"])
def test_a_bomb_is_not_unpacked(codec):
    packer = streams.CODECS.get(codec)
    bomb = min(packer.pack(bytes(1 << 27)), key=len)
    tracemalloc.start()
    with pytest.raises(ValueError, match="stream"):
        streams.unpack(packer.number, bomb, 1000)
    assert tracemalloc.get_traced_memory()[1] < 1 << 24
    tracemalloc.stop()


# What a file may say wrongly, of three elements among nine: (form, streams as bytes).
GOOD = {"d": 1, "count": 3, "place": "gaps", "values": "table", "entries": 2, "digits": 8}
TABLE = np.array([1, 2], "<f4").tobytes()
BAD = {
    "too many elements": ({**GOOD, "count": 10}, [b"\1\1\1", TABLE, b"\5"]),
    "too few gaps": (GOOD, [b"\1\1", TABLE, b"\5"]),
    "an open gap": (GOOD, [b"\1\1\1\xff", TABLE, b"\5"]),
    "a place outside": (GOOD, [b"\1\1\7", TABLE, b"\5"]),
    "no such place": ({**GOOD, "place": "here"}, [b"\1\1\1", TABLE, b"\5"]),
    "a short table": (GOOD, [b"\1\1\1", TABLE[:4], b"\5"]),
    "a short index": (GOOD, [b"\1\1\1", TABLE, b""]),
    "more streams": (GOOD, [b"\1\1\1", TABLE, b"\5", b""]),
    "no streams": (GOOD, []),
    "an entry outside": ({**GOOD, "digits": 1}, [b"\1\1\1", TABLE, b"\0\2\1"]),
    "too many digits": ({**GOOD, "digits": 9}, [b"\1\1\1", TABLE, b"\5"]),
    "no entries": ({**GOOD, "entries": 0}, [b"\1\1\1", b"", b"\5"]),
    "values of no form": ({**GOOD, "values": "poem"}, [b"\1\1\1", TABLE, b"\5"]),
    "values of a list": ({**GOOD, "values": ["table"]}, [b"\1\1\1", TABLE, b"\5"]),
    "no dimension": ({**GOOD, "d": 0}, [b"\1\1\1", TABLE, b"\5"]),
    "a wrong dimension": ({**GOOD, "d": 2}, [b"\1\1\1", TABLE, b"\5"]),
    "half an element": ({**GOOD, "count": 1.5}, [b"\1\1\1", TABLE, b"\5"]),
    "a bitmap of others": ({**GOOD, "place": "bitmap"}, [b"\xff\0", TABLE, b"\5"]),
}


def test_the_good_one_is_good():
    items = [(0, data, len(data)) for data in (b"\1\1\1", TABLE, b"\5")]
    value = encodings.decode(GOOD, (9,), np.dtype("float32"), items)
    assert value.tolist() == [0, 2, 0, 1, 0, 2, 0, 0, 0]


@pytest.mark.parametrize("name", BAD)
def test_wrong_descriptions_are_errors(name):
    form, data = BAD[name]
    with pytest.raises(ValueError):
        encodings.decode(form, (9,), np.dtype("float32"), [(0, d, len(d)) for d in data])


def test_a_reader_ends():
    with pytest.raises(ValueError, match="more streams"):
        Reader([(0, b"", 0)]).end()
