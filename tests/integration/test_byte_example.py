"""The byte language model: its text and windows, its measure against exact models, a quick run."""

import collections
import csv
import dataclasses
import importlib
import itertools
import lzma
import math
import zlib
from pathlib import Path

import keras
import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver

from keras_phase import algebras

ROOT = Path(__file__).parents[2]


def example_module(name):
    @pytest.fixture
    def fixture():
        return importlib.import_module(name)

    return fixture


text = example_module("_bytes_text")
training = example_module("_bytes_training")
results = example_module("_bytes_results")
example = example_module("byte_language_model")

# Names by the side that the checksums of the names put them on.
SAMPLE_FILES = [f"package/module_{i}.py" for i in range(200)]


@pytest.fixture
def sources(tmp_path):
    """A folder of sources, some to be skipped."""
    folder = tmp_path / "sources"
    for i, name in enumerate(SAMPLE_FILES):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"def function_{i}(x):\n    return x + {i}\n".encode() * 20)
    for name in ("test/a.py", "package/tests/b.py", "site-packages/c.py", "idlelib/d.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"skipped = True\n" * 100)
    (folder / "notes.txt").write_bytes(b"skipped")
    (folder / "_sysconfigdata_linux.py").write_bytes(b"skipped = True\n")
    return folder


def test_files_are_on_one_side(text, sources):
    assert text.source_names(sources) == sorted(SAMPLE_FILES)
    held_out = [name for name in SAMPLE_FILES if zlib.crc32(name.encode()) % 16 == 0]
    assert 0 < len(held_out) < 30
    loaded = text.load(sources, length=10, held_out_bytes=10**6)
    assert (loaded.train_files, loaded.held_out_files) == (200 - len(held_out), len(held_out))
    for part, expected in (
        (loaded.train, sorted(set(SAMPLE_FILES) - set(held_out))),
        (loaded.held_out, sorted(held_out, key=lambda name: zlib.crc32(name.encode()))),
    ):
        contents = [(sources / name).read_bytes() for name in expected]
        assert part.tobytes() == b"".join(b"\0" + content for content in contents)
    assert b"skipped" not in loaded.train.tobytes() + loaded.held_out.tobytes()


def test_texts_are_cut_and_told_apart(text, sources):
    whole = text.load(sources, length=10, held_out_bytes=10**6)
    cut = text.load(sources, length=10, train_bytes=1000, held_out_bytes=500)
    assert (len(cut.train), len(cut.held_out)) == (1000, 500)
    np.testing.assert_array_equal(cut.held_out, whole.held_out[:500])
    assert cut.held_out_files == 1
    again = text.load(sources, length=10, train_bytes=1000, held_out_bytes=500)
    assert cut.checksum() == again.checksum() != whole.checksum()


def test_the_standard_library_is_there(text):
    loaded = text.load(length=64, train_bytes=10**5, held_out_bytes=10**4)
    assert (len(loaded.train), len(loaded.held_out)) == (10**5, 10**4)
    assert b"import" in loaded.train.tobytes() and b"def " in loaded.held_out.tobytes()


def test_too_few_sources(text, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"--text_dir.*Received: 0 bytes to learn and 0"):
        text.load(tmp_path, length=64, held_out_bytes=1000)


def test_batches_are_pieces_of_the_text_and_the_same_for_a_seed(text):
    source = np.arange(200, dtype=np.uint8)
    samples = text.batches(source, 3, steps=7, batch=5, length=8)
    assert samples.shape == (35, 9)
    np.testing.assert_array_equal(samples - samples[:, :1], np.tile(np.arange(9), (35, 1)))
    np.testing.assert_array_equal(samples, text.batches(source, 3, steps=7, batch=5, length=8))
    assert (samples != text.batches(source, 4, steps=7, batch=5, length=8)).any()
    ends = text.batches(source[:10], 0, steps=50, batch=2, length=8)
    assert {tuple(s) for s in ends} == {tuple(range(9)), tuple(range(1, 10))}


@pytest.mark.parametrize("size", [2, 3, 5, 8, 9, 10, 12, 13, 63, 64, 65, 1000])
@pytest.mark.parametrize("length", [2, 8, 64])
def test_windows_predict_every_byte_once_from_what_precedes_it(text, size, length):
    source = np.random.default_rng(size).integers(1, 256, size).astype(np.uint8)
    inputs, targets, counts = text.windows(source, length)
    assert inputs.shape == targets.shape == counts.shape == (len(inputs), length)
    np.testing.assert_array_equal(targets[counts], source[1:])
    position = 0
    for window, row in zip(inputs, counts, strict=True):
        for t in np.flatnonzero(row):
            position += 1
            seen = window[: t + 1]
            np.testing.assert_array_equal(seen, source[position - t - 1 : position])
            assert len(seen) >= min(length // 2, position)


def test_bits_of_simple_models(text):
    source = np.frombuffer(b"aaab" * 50_000, np.uint8)
    expected = -(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25))
    assert text.order_0_bits(source, source) == pytest.approx(expected, rel=0.01)
    noise = np.random.default_rng(0).integers(0, 256, 4000).astype(np.uint8)
    assert text.order_0_bits(noise[:0], noise) == pytest.approx(8)
    for bits in (text.zlib_bits, text.lzma_bits):
        assert bits(source) < 0.05
        assert 8 <= bits(noise) < 8.2
    assert text.lzma_bits(noise, after=noise) < 0.2
    assert text.lzma_bits(source) <= 8 * len(lzma.compress(source.tobytes())) / len(source)


class FrequencyModel:
    """Logits of the byte that follows a byte, as often as in a text; no network."""

    def __init__(self, source):
        pairs = collections.Counter(zip(source[:-1].tolist(), source[1:].tolist(), strict=True))
        self.counts = np.full((256, 256), 1e-9)
        for pair, count in pairs.items():
            self.counts[pair] = count

    def __call__(self, inputs):
        # A constant that the softmax must not see.
        return np.log(self.counts[np.asarray(inputs)]) + 7.0


@pytest.mark.parametrize("size", [2, 50, 5000])
def test_bits_per_byte_are_the_entropy(training, size):
    source = np.random.default_rng(0).choice(list(b"abcd"), size).astype(np.uint8)
    model = FrequencyModel(source)
    p = model.counts / model.counts.sum(axis=1, keepdims=True)
    expected = np.mean([-math.log2(p[a, b]) for a, b in itertools.pairwise(source)])
    assert training.bits_per_byte(model, source, 16) == pytest.approx(expected, abs=1e-5)


def test_a_model_that_knows_nothing_takes_eight_bits(training):
    source = np.random.default_rng(0).integers(0, 256, 300).astype(np.uint8)

    def model(inputs):
        return np.zeros((*inputs.shape, 256))

    assert training.bits_per_byte(model, source, 16) == pytest.approx(8)


def test_samples_follow_the_model(training):
    model = FrequencyModel(np.frombuffer(b"\0abcabcabc" * 3 + b"abdc", np.uint8))
    said = training.sample(model, b"ab", 40, length=6, temperature=0)
    assert said == (b"cab" * 14)[:40]
    said = training.sample(model, b"", 500, length=6, temperature=1.0, seed=1)
    assert {b"bc" in said, b"bd" in said} == {True}
    assert said.count(b"bc") > said.count(b"bd")
    assert said == training.sample(model, b"", 500, length=6, temperature=1.0, seed=1)
    # Cold, the rare one is rarer still.
    cold = training.sample(model, b"", 500, length=6, temperature=0.2, seed=1)
    assert cold.count(b"bd") == 0


def test_samples_see_the_last_bytes_in_their_order(training):
    seen = []

    def model(inputs):
        seen.append(inputs[0].tolist())
        return np.eye(256)[np.minimum(inputs + 1, 255)] * 100

    assert training.sample(model, b"\x05", 4, length=4, temperature=0) == bytes([6, 7, 8, 9])
    assert seen == [[0, 5, 0, 0], [0, 5, 6, 0], [0, 5, 6, 7], [5, 6, 7, 8]]


@pytest.fixture
def setting(training):
    return training.Setting(
        budget=3000, steps=4, length=8, batch=2, learning_rate=1e-2, layers=1, mlp_ratio=2
    )


def small_text(text):
    source = np.frombuffer(b"\0" + b"x = 1\nreturn x\n" * 40, np.uint8)
    return text.Text(source, source[:100], 1, 1)


@pytest.mark.parametrize("algebra", ["real", "quaternion"])
def test_training(training, text, setting, algebra):
    width = training.width_in(algebra, setting)
    learnt = dataclasses.replace(setting, steps=200, learning_rate=0.03)
    model, result = training.train(algebra, width, 0, learnt, small_text(text), "called")
    assert model.name == "called"
    assert result.parameters == model.count_params()
    assert 0 < result.bits < text.order_0_bits(*small_text(text)[:2]) - 1
    assert result.multiplications <= result.multiplications_expanded
    assert result.step_ms > 0 and result.seconds > 0
    # Causal: later bytes change nothing before them.
    x = np.array([[1, 2, 3, 4, 5, 6, 7, 8]])
    later = x + np.array([0, 0, 0, 0, 9, 9, 9, 9])
    ours, theirs = (keras.ops.convert_to_numpy(model(i)) for i in (x, later))
    np.testing.assert_allclose(ours[:, :4], theirs[:, :4], atol=1e-5)
    assert np.abs(ours[:, 4:] - theirs[:, 4:]).max() > 1e-3


def test_a_run_can_be_repeated(training, text, setting):
    runs = [training.train("complex", 4, 5, setting, small_text(text), "m")[1] for _ in range(2)]
    assert runs[0].bits == pytest.approx(runs[1].bits, rel=1e-5)


@pytest.mark.slow
def test_all_algebras_are_within_three_percent(training, example):
    setting = training.Setting(
        budget=example._PARAMETERS.default, steps=1, length=8, batch=1, learning_rate=1.0
    )
    counts = {}
    for name in algebras.names():
        model = training.transformer(
            algebra=name, width=training.width_in(name, setting), **setting.architecture()
        )
        counts[name] = model.count_params()
    for name, count in counts.items():
        assert count == pytest.approx(setting.budget, rel=0.02), name


def a_result(results, **changes):
    values = {
        "bits": 2.5,
        "width": 8,
        "parameters": 1000,
        "multiplications": 500,
        "multiplications_expanded": 700,
        "step_ms": 1.25,
        "seconds": 3.0,
    }
    return results.Result(**{**values, **changes})


@pytest.fixture
def parsed():
    """Flags that the environment columns need."""
    with flagsaver.flagsaver():
        flags.FLAGS(["byte_language_model.py"])
        yield


def test_results_survive_and_are_told_apart(results, tmp_path, parsed):
    first = results.Results(tmp_path, {"budget": 10, "rate": 0.01})
    one = a_result(results)
    first.add("real", 0, one)
    again = results.Results(tmp_path, {"budget": 10, "rate": 0.01})
    assert again.get("real", 0) == one
    assert again.get("real", 1) is None and again.get("complex", 0) is None
    other = results.Results(tmp_path, {"budget": 20, "rate": 0.01})
    assert other.get("real", 0) is None
    other.add("real", 0, dataclasses.replace(one, bits=1.23456))
    whole = results.Results(tmp_path, {"budget": 10, "rate": 0.01})
    assert whole.get("real", 0) == one
    assert results.Results(tmp_path, {"budget": 20, "rate": 0.01}).get("real", 0).bits == 1.2346
    assert first.model_name("real", 0) == again.model_name("real", 0)
    assert len({first.model_name("real", 0), first.model_name("real", 1)}) == 2
    assert first.model_name("real", 0) != other.model_name("real", 0)
    assert [p.name for p in tmp_path.iterdir()] == ["byte_language_model.csv"]


def test_results_of_another_form_are_refused(results, tmp_path, parsed):
    (tmp_path / "byte_language_model.csv").write_text("algebra,seed\nreal,0\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"other columns.*--results.*Received: algebra, seed"):
        results.Results(tmp_path, {"budget": 10})


VERDICTS = {
    "wins": ({"real": [2.5, 2.6], "m2r": [2.3, 2.41]}, "seed by seed, is 0.195 ± 0.007, more"),
    "unclear": ({"real": [2.5, 2.6], "m2r": [2.2, 2.7]}, "less than twice"),
    "loses": ({"real": [2.5], "m2r": [2.6], "dual": [2.7]}, "the next is m2r, 2.600. No algebra"),
    "one seed": ({"real": [2.5], "m2r": [2.4]}, "is 0.100, whose spread one seed does not show"),
    "no real": ({"dual": [2.5], "m2r": [2.4]}, "Fewest bits per byte: m2r, 2.400."),
    "alone": ({"real": [2.5]}, "Fewest bits per byte: real, 2.500."),
}


@pytest.mark.parametrize("case", VERDICTS)
def test_verdict(results, case):
    bits, said = VERDICTS[case]
    assert said in results.verdict(bits)


def run(example, capsys, *arguments):
    with flagsaver.flagsaver():
        flags.FLAGS(["byte_language_model.py", *map(str, arguments)])
        example.main([])
    return capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.tensorflow
def test_quick_run_and_once_more(example, tmp_path, capsys):
    arguments = ["--quick", "--sample=20", "--algebras=real,quaternion"]
    arguments += [f"--results={tmp_path}", f"--model_dir={tmp_path}"]
    said = run(example, capsys, *arguments)
    assert "zlib" in said and "Written by the best model" in said and "import os" in said
    with (tmp_path / "byte_language_model.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["algebra"] for row in rows] == ["real", "quaternion"]
    order_0 = float(said.split("frequencies of the bytes")[1].split("|")[1])
    for row in rows:
        assert 1 < float(row["bits"]) < order_0 - 0.5, "has learnt more than frequencies"
        assert int(row["parameters"]) == pytest.approx(int(row["budget"]), rel=0.05)
    trained = "seconds of training"
    assert trained in said
    again = run(example, capsys, *arguments)
    assert trained not in again, "nothing is trained twice"
    written = said.split("Written by")[1], again.split("Written by")[1]
    assert written[0] == written[1]
    (tmp_path / "byte_language_model.keras").unlink()
    assert "not in" in run(example, capsys, *arguments)


@pytest.mark.parametrize(
    "argument, said",
    [
        ("--algebras=real,sedenion", "byte_language_model: .*sedenion"),
        ("--text_dir={}", "byte_language_model: Expected Python sources"),
    ],
)
def test_bad_input_ends_with_one_plain_line(example, tmp_path, capsys, argument, said):
    with pytest.raises(SystemExit, match=said):
        run(example, capsys, argument.format(tmp_path), f"--results={tmp_path}")


def test_odd_lengths_are_refused(example):
    with flagsaver.flagsaver(), pytest.raises(flags.IllegalFlagValueError, match="must be even"):
        flags.FLAGS(["byte_language_model.py", "--length=9"])


def test_all_algebras_by_one_word(example):
    assert example.chosen_algebras(["all"]) == list(algebras.names())
    assert example.chosen_algebras(["m2r", "real", "m2r"]) == ["m2r", "real"]
