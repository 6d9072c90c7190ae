"""The source itself: who may import whom, no private API of others, short files, no machine paths.

A failure names the rule and the way out.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "keras_phase"
FILES = sorted(PACKAGE.rglob("*.py"))
NAMES = [str(f.relative_to(ROOT)) for f in FILES]
MAX_LINES = 400

# First part of the path below the package, and its level: imports go down or stay.
LEVELS = {
    "registry": 0,
    "algebras": 0,
    "wavelets": 0,
    "ops": 1,
    "activations": 2,
    "initializers": 2,
    "constraints": 2,
    "parametrizations": 2,
    "layers": 3,
    "models": 3,
    "losses": 3,
    "metrics": 3,
    "pruning": 4,
    "stock_layers": 4,
    "multiplications": 4,
    "summary": 4,
    "export": 4,
    "compress": 4,
    "quantize": 4,
    "migrate": 4,
    "plots": 4,
    "__main__": 4,
    "legacy": 5,
    "__init__": 6,
}
# Packages from outside by level; the standard library is open to all.
ALLOWED = {level: {"numpy", "keras"} if level else {"numpy"} for level in range(7)}
# (start of the path, package, only inside functions): what a few files may import beyond that.
EXCEPTIONS = [
    ("ops/native.py", "tensorflow", False),
    ("ops/native_gradients.py", "tensorflow", False),
    ("export.py", "tensorflow", True),
    ("pruning/tfmot.py", "tensorflow", True),
    ("pruning/tfmot.py", "tensorflow_model_optimization", True),
    ("pruning/summaries.py", "tensorflow", True),
    ("pruning/gradients.py", "tensorflow", True),
    ("pruning/gradients.py", "jax", True),
    ("legacy/", "tensorflow", True),
    ("legacy/", "tf_keras", False),
    ("plots.py", "matplotlib", True),
    ("wavelets/", "pywt", True),
    ("migrate/", "h5py", True),
    ("__main__.py", "absl", False),
]


def parse(file):
    return ast.parse(file.read_text(encoding="utf-8"), filename=str(file))


def part_of(file):
    """`"ops"` for keras_phase/ops/layout.py, `"export"` for keras_phase/export.py."""
    return file.relative_to(PACKAGE).with_suffix("").parts[0]


def imports(file):
    """`(dotted name, line, whether inside a function)` of everything that a file imports.

    Relative imports are resolved, so our own modules start with `keras_phase`.
    """
    tree = parse(file)
    inside = {
        id(node)
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(outer)
    }
    folder = ["keras_phase", *file.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno, id(node) in inside
        elif isinstance(node, ast.ImportFrom):
            base = folder[: len(folder) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                yield f"{module}.{alias.name}", node.lineno, id(node) in inside


def defined_private_names():
    """Every name with a leading underscore that the package itself defines."""
    names = set()
    for file in FILES:
        for node in ast.walk(parse(file)):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                names.add(node.attr)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
            elif isinstance(node, ast.alias):
                names.add(node.asname or node.name)
    return {n for n in names if n.startswith("_")}


OWN_PRIVATE = defined_private_names()


def text_files():
    """What is, or would be, in the repository."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        names = listed.stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):  # an unpacked archive
        names = [str(f.relative_to(ROOT)) for f in ROOT.rglob("*") if f.is_file()]
        names = [n for n in names if not n.startswith(".venv")]
    for name in names:
        try:
            yield name, (ROOT / name).read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError):
            continue


def test_every_file_has_a_level():
    unknown = sorted({part_of(f) for f in FILES} - set(LEVELS))
    assert not unknown, (
        f"{unknown} of keras_phase have no level. Rule: imports go down through the levels. "
        "Way out: give the new part its level in LEVELS of this file, as low as it can be."
    )


@pytest.mark.parametrize("name", NAMES)
def test_imports_go_down(name):
    file = ROOT / name
    level = LEVELS[part_of(file)]
    for module, line, _ in imports(file):
        if not module.startswith("keras_phase."):
            continue
        target = module.split(".")[1]
        assert LEVELS.get(target, level) <= level, (
            f"{name}:{line} imports {module}, level {LEVELS[target]}, from level {level}. Rule: "
            "imports go down through the levels (0 algebras, 1 ops, 2 parametrizations and what "
            "layers are given, 3 layers, 4 pruning and tools). Way out: move the shared part down, "
            "or pass the object in as an argument."
        )


@pytest.mark.parametrize("name", NAMES)
def test_foreign_imports_are_few(name):
    file = ROOT / name
    inside_package = str(file.relative_to(PACKAGE))
    level = LEVELS[part_of(file)]
    for module, line, in_function in imports(file):
        top = module.split(".")[0]
        if top == "keras_phase" or top in sys.stdlib_module_names or top in ALLOWED[level]:
            continue
        rules = [r for r in EXCEPTIONS if inside_package.startswith(r[0]) and r[1] == top]
        assert rules, (
            f"{name}:{line} imports {top}. Rule: level 0 knows NumPy and no framework, the rest "
            "NumPy and Keras; TensorFlow stands in ops/native.py and, inside functions, where "
            "EXCEPTIONS of this file says so. Way out: use `keras.ops`, or put what needs "
            f"{top} behind a function of one of those files."
        )
        assert in_function or not rules[0][2], (
            f"{name}:{line} imports {top} at its top. Rule: optional packages are imported inside "
            "the function that needs them. Way out: move the import there."
        )


@pytest.mark.parametrize("name", NAMES)
def test_no_private_api_of_others(name):
    file = ROOT / name
    way_out = (
        "Rule: only the public API of Keras and TensorFlow. Way out: look for the public name, or "
        "do without; a test that needs a private one goes through tests/helpers/keras_testing.py."
    )
    for module, line, _ in imports(file):
        private = [p for p in module.split(".") if p == "src" or re.match(r"_[a-z]", p)]
        ours = module.startswith("keras_phase")
        assert ours or not private, f"{name}:{line} imports {module}. {way_out}"
    for node in ast.walk(parse(file)):
        if isinstance(node, ast.Attribute) and re.match(r"_[a-zA-Z]", node.attr):
            assert node.attr in OWN_PRIVATE, (
                f"{name}:{node.lineno} uses .{node.attr}, which keras_phase does not define. "
                f"{way_out}"
            )


def test_private_api_of_keras_in_tests_has_one_door():
    door = ROOT / "tests" / "helpers" / "keras_testing.py"
    for file in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(parse(file)):
            module = getattr(node, "module", None) if isinstance(node, ast.ImportFrom) else None
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [module or ""]
            if file != door:
                assert not any(n.startswith("keras.src") for n in names), (
                    f"{file.name}:{node.lineno} imports keras.src. Rule: private Keras modules "
                    "have one door. Way out: add a function to tests/helpers/keras_testing.py."
                )


@pytest.mark.parametrize("name", NAMES)
def test_no_assert_in_the_library(name):
    for node in ast.walk(parse(ROOT / name)):
        assert not isinstance(node, ast.Assert), (
            f"{name}:{node.lineno} has an assert, which `python -O` removes. Rule: the library "
            "raises. Way out: ValueError or TypeError with what was expected and `Received: ...`."
        )


@pytest.mark.parametrize("name", NAMES)
def test_files_are_short(name):
    lines = len((ROOT / name).read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_LINES, (
        f"{name} has {lines} lines. Rule: a file is one idea, near 250 lines and {MAX_LINES} at "
        "most. Way out: split it by idea, not by length."
    )


def test_no_machine_paths():
    # Written apart, so that this file does not find itself.
    forbidden = re.compile(r"(?<![\w.])/(?:home|root|work|Users|opt)/\w|\.\./" + "shared")
    for name, text in text_files():
        for number, line in enumerate(text.splitlines(), start=1):
            assert not forbidden.search(line), (
                f"{name}:{number} names a path of one machine: {line.strip()[:80]!r}. Rule: the "
                "project runs from any folder. Way out: a path relative to the file, a flag or an "
                "environment variable."
            )
