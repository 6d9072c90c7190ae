"""Transformers that predict Python source byte by byte, over several algebras at equal size.

    python examples/byte_language_model.py                   4 algebras, 3 seeds, about 14 minutes
    python examples/byte_language_model.py --algebras=all    every algebra
    python examples/byte_language_model.py --quick           a few steps, to see that it works

The text is on every machine: the sources of Python's own standard library. Some files are held out;
what counts is how many bits a byte of them takes when it is coded by the predicted probabilities.
All models have the same decoder Transformer, equal numbers of real parameters within 3 %, and the
same samples, optimizer and schedule; nothing is tuned for an algebra. At the end the best model
continues a prompt.

The models read a megabyte of source once and look back 64 bytes. Compressors, which look back more
or have read all training files, are printed beside them.

An interrupted run goes on where it was when it is started again.
"""

import dataclasses
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before Keras starts TensorFlow

import keras
from absl import app, flags, logging

import _bytes_text
from _bytes_results import Results, largest_deviation, summarised, verdict
from _bytes_text import Text
from _bytes_training import Result, Setting, sample, train, width_in
from _results import table
from keras_phase import algebras

_ALGEBRAS = flags.DEFINE_list(
    "algebras", ["real", "complex", "quaternion", "m2r"], "Names, or `all` of them."
)
_PARAMETERS = flags.DEFINE_integer("parameters", 344_000, "Real parameters of a model.", 1000)
_STEPS = flags.DEFINE_integer("steps", 3000, "Steps of training.", 1)
_LENGTH = flags.DEFINE_integer("length", 64, "Bytes of a training sample.", 2)
_BATCH = flags.DEFINE_integer("batch", 4, "Samples of a step.", 1)
_LEARNING_RATE = flags.DEFINE_float("learning_rate", 3e-3, "At its highest.", 0.0)
_SEED = flags.DEFINE_integer("seed", 0, "First seed, of weights and samples.", 0)
_SEEDS = flags.DEFINE_integer("seeds", 3, "Number of seeds.", 1)
_TEXT_DIR = flags.DEFINE_string("text_dir", None, "Python sources to learn; default: the library.")
_RESULTS = flags.DEFINE_string("results", "out/byte_language_model", "Folder of the CSV file.")
_MODEL_DIR = flags.DEFINE_string(
    "model_dir", "out/byte_language_model", "Folder where the best model is kept."
)
_SAMPLE = flags.DEFINE_integer("sample", 400, "Bytes that the best model writes.", 0)
_PROMPT = flags.DEFINE_string("prompt", "import os\n\ndef ", "What it continues.")
_TEMPERATURE = flags.DEFINE_float("temperature", 0.7, "0 takes the likeliest byte.", 0.0)
_QUICK = flags.DEFINE_bool("quick", False, "A few steps, to see that everything works.")
flags.register_validator("length", lambda n: n % 2 == 0, "it must be even: windows overlap by half")

HELD_OUT_BYTES = 1 << 17
QUICK = Setting(budget=20_000, steps=200, length=32, batch=8, learning_rate=1e-2, layers=1)
QUICK_BYTES = (1 << 20, 1 << 13)  # of training and held-out text


def chosen_algebras(names: Sequence[str]) -> list[str]:
    """Names of the flag, `all` spelled out."""
    names = algebras.names() if list(names) == ["all"] else names
    return list(dict.fromkeys(algebras.get(name).name for name in names))


def train_all(
    names: Sequence[str],
    seeds: Sequence[int],
    setting: Setting,
    text: Text,
    results: Results,
    best: Path,
) -> dict[tuple[str, int], Result]:
    """Train what the results lack, and keep the best model of all in the file `best`."""
    widths = {}
    found = {(n, s): results.get(n, s) for s in seeds for n in names}
    for (name, seed), known in found.items():
        if known is not None:
            continue
        if name not in widths:
            widths[name] = width_in(name, setting)
        keras.backend.clear_session()  # graphs of the models before would fill the memory
        called = results.model_name(name, seed)
        model, result = train(name, widths[name], seed, setting, text, called)
        if result.bits <= min((r.bits for r in found.values() if r), default=math.inf):
            best.parent.mkdir(parents=True, exist_ok=True)
            model.save(best)
        results.add(name, seed, result)
        found[name, seed] = result
        said = f"{result.bits:.3f} bits per byte, {result.seconds:.0f} seconds of training"
        print(f"{name}, seed {seed}: {said}", flush=True)
    return found


def baselines(text: Text) -> list[dict[str, Any]]:
    """Rows of a printed table: what the held-out text takes without a network."""
    held_out = text.held_out
    bits = {
        "frequencies of the bytes": _bytes_text.order_0_bits(text.train, held_out),
        "zlib": _bytes_text.zlib_bits(held_out),
        "lzma": _bytes_text.lzma_bits(held_out),
        "lzma, after all training files": _bytes_text.lzma_bits(held_out, text.train),
    }
    return [
        {"without a network": name, "bits per byte": f"{value:.3f}"} for name, value in bits.items()
    ]


def continuation(best: Path, name: str, prompt: str, length: int) -> str:
    """The prompt and what the kept model writes after it, or why there is none."""
    model = keras.saving.load_model(best, compile=False) if best.is_file() else None
    if model is None or model.name != name:
        return f"The best model was trained by an earlier run, and is not in '{best}' any more."
    written = sample(
        model.predict_on_batch,
        prompt.encode(),
        _SAMPLE.value,
        length=length,
        temperature=_TEMPERATURE.value,
    )
    lines = (prompt.encode() + written).decode(errors="replace").splitlines()
    return "\n".join(f"    {line}" for line in lines)


def main(argv: Sequence[str]) -> None:
    del argv
    logging.set_verbosity(logging.ERROR)
    quick = _QUICK.value
    seeds = range(_SEED.value, _SEED.value + (1 if quick else _SEEDS.value))
    train_bytes, held_out_bytes = QUICK_BYTES if quick else (None, HELD_OUT_BYTES)
    setting = QUICK if quick else _setting()
    best = Path(_MODEL_DIR.value) / "byte_language_model.keras"
    try:
        names = chosen_algebras(_ALGEBRAS.value)
        text = _bytes_text.load(
            _TEXT_DIR.value,
            length=setting.length,
            train_bytes=train_bytes,
            held_out_bytes=held_out_bytes,
        )
        described = {**dataclasses.asdict(setting), "text": text.checksum()}
        results = Results(Path(_RESULTS.value), described)
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f"byte_language_model: {error}")
    print(
        f"{len(text.train):,} bytes of {text.train_files} files to learn, "
        f"{len(text.held_out):,} of {text.held_out_files} other files held out.",
        flush=True,
    )
    found = train_all(names, seeds, setting, text, results, best)
    by_algebra = {name: [found[name, seed] for seed in seeds] for name in names}
    print(f"\n{table(summarised(n, r) for n, r in by_algebra.items())}\n")
    print(
        "Multiplications: each layer by the method that takes fewest, and with elements written "
        "out as real matrices.\nTime: with the method that the layers choose.\n"
    )
    print(f"{table(baselines(text))}\n")
    print(verdict({name: [r.bits for r in rs] for name, rs in by_algebra.items()}))
    deviation = largest_deviation((r.parameters for r in found.values()), setting.budget)
    advice = " Another --parameters may suit these algebras better." if deviation > 0.03 else ""
    print(f"Numbers of parameters are within {deviation:.1%} of {setting.budget:,}.{advice}")
    if _SAMPLE.value:
        name, seed = min(found, key=lambda key: found[key].bits)
        print(f"\nWritten by the best model, {name}, seed {seed}:\n")
        print(continuation(best, results.model_name(name, seed), _PROMPT.value, setting.length))
    print(f"\nwritten: {results.file}")


def _setting() -> Setting:
    return Setting(
        budget=_PARAMETERS.value,
        steps=_STEPS.value,
        length=_LENGTH.value,
        batch=_BATCH.value,
        learning_rate=_LEARNING_RATE.value,
    )


if __name__ == "__main__":
    app.run(main)
