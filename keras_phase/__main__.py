"""Command line of keras_phase.

python -m keras_phase info                  versions, backend, algebras, what is available
python -m keras_phase summary MODEL.keras   what a saved model is made of
"""

import importlib.metadata
import importlib.util
import platform
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import keras
from absl import app

from . import __version__, algebras
from . import summary as summary_module
from .algebras import Algebra
from .ops import native
from .ops.dispatch import METHODS

_FRAMEWORKS = ("keras", "numpy", "tensorflow", "jax", "torch")
# Extra: (distribution, module) pairs, as setup.py names the extras.
_EXTRAS = {
    "tensorflow": ("tensorflow",),
    "tfmot": ("tensorflow-model-optimization", "tf_keras"),
    "plots": ("matplotlib",),
    "wavelets": ("PyWavelets",),
    "tensorboard": ("tensorboard",),
}
_LAWS = ("unital", "commutative", "associative", "alternative", "composition")


class CommandError(Exception):
    """What the user has to mend; shown without a traceback, exit status 2."""


def info() -> str:
    """Versions, backend, algebras, product methods and extras; reasons for what is missing."""
    lines = [f"keras_phase  {__version__}", f"python       {platform.python_version()}"]
    lines += [f"{name:<12} {_version(name) or 'not installed'}" for name in _FRAMEWORKS]
    lines += [f"backend      {keras.backend.backend()}"]
    lines += [f"native       {native.unavailable_reason() or native.instruction_set()}"]
    lines += ["", "Algebras"]
    lines += _table(
        ("name", "dimension", "rank", "laws"),
        [
            (a.name, str(a.dimension), str(a.rank or "-"), ", ".join(_laws(a)))
            for a in map(algebras.get, algebras.names())
        ],
    )
    lines += ["", "Product methods"]
    lines += [f"  {name:<12} {_availability(name)}" for name in METHODS.names()]
    lines += ["", "Extras"]
    lines += [f"  {name:<12} {_extra(name)}" for name in _EXTRAS]
    return "\n".join(lines)


def summary(path: str) -> str:
    """The summary of a saved model.

    Raises:
        CommandError: if there is no such file, or it is not a whole `.keras` file.
    """
    expected = "Expected a .keras file, written by `model.save('NAME.keras')`"
    if not Path(path).is_file():
        raise CommandError(f"There is no such file. {expected}. Received: {path}")
    if not zipfile.is_zipfile(path):
        raise CommandError(
            f"The file is not a .keras archive, or was cut off while it was written. {expected}; "
            f"save or copy it again. Received: {path} of {Path(path).stat().st_size} bytes"
        )
    try:
        model = keras.saving.load_model(path, compile=False)
    except Exception as error:
        raise CommandError(
            f"Keras cannot load the model: {error}\n{expected}; a model with layers of your own "
            f"loads where they are registered. Received: {path}"
        ) from error
    lines: list[str] = []
    summary_module.summary(model, print_fn=lines.append)
    return "\n".join(lines)


_COMMANDS: dict[str, tuple[Callable[..., str], int]] = {"info": (info, 0), "summary": (summary, 1)}


def main(argv: list[str]) -> int:
    """Run the command in `argv[1:]`; returns the exit status."""
    name, *arguments = argv[1:] or ["help"]
    command, arity = _COMMANDS.get(name, (None, 0))
    if command is None or len(arguments) != arity:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    try:
        print(command(*arguments))
    except CommandError as error:
        print(f"keras_phase {name}: {error}", file=sys.stderr)
        return 2
    return 0


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _laws(algebra: Algebra) -> list[str]:
    return [law for law in _LAWS if getattr(algebra, f"is_{law}")]


def _availability(method: str) -> str:
    """Which algebras the method serves, and why not the others."""
    names = algebras.names()
    reasons = {n: METHODS.get(method).unavailable(algebras.get(n)) for n in names}
    served = [n for n, reason in reasons.items() if reason is None]
    if len(served) == len(names):
        return "all algebras"
    others = "; ".join(dict.fromkeys(reason for reason in reasons.values() if reason))
    if not served:
        return f"not available: {others}"
    if len(served) > len(names) / 2:
        return f"all but {', '.join(n for n in names if n not in served)}: {others}"
    return f"{', '.join(served)}; no other: {others}"


def _extra(name: str) -> str:
    versions = {d: _version(d) for d in _EXTRAS[name]}
    if all(versions.values()):
        return ", ".join(f"{d} {v}" for d, v in versions.items())
    return f"not installed: pip install 'keras_phase[{name}]'"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return [
        "  " + "  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip()
        for r in (head, *rows)
    ]


if __name__ == "__main__":
    app.run(lambda argv: sys.exit(main(argv)))
