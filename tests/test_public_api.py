"""What users see: names at the top, docstrings, annotations and the documentation agree."""

import importlib
import importlib.util
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import keras
import pytest

import keras_phase
from keras_phase import activations, algebras
from keras_phase.ops.dispatch import METHODS
from keras_phase.pruning import criteria, schedules

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
API = (DOCS / "api.md").read_text(encoding="utf-8")
# Classes derived from these are at the top of the package; functions stay in their modules.
TOP_LEVEL_BASES = (
    keras.layers.Layer,
    keras.callbacks.Callback,
    keras.initializers.Initializer,
    keras.constraints.Constraint,
    keras.losses.Loss,
    keras.metrics.Metric,
    schedules.Schedule,
)
# Base classes and helpers of which users see only the subclasses.
INTERNAL = {
    "AlgebraInitializer",
    "AlgebraProjection",
    "KerasCell",
    "ProjectedConstraint",
    "PruningState",
    "Schedule",
}


def modules():
    for found in pkgutil.walk_packages(keras_phase.__path__, "keras_phase."):
        # The twins for tf_keras are there where that is installed.
        legacy = found.name.startswith("keras_phase.legacy")
        if legacy and importlib.util.find_spec("tf_keras") is None:
            continue
        if not found.name.endswith("__main__"):
            yield importlib.import_module(found.name)


def public_objects():
    """`(name, object)` of what the modules define without a leading underscore, each once."""
    found = {}
    for module in modules():
        for name, value in vars(module).items():
            own = getattr(value, "__module__", None) == module.__name__
            if own and not name.startswith("_") and callable(value):
                found[f"{module.__name__}.{name}"] = value
    return sorted(found.items())


PUBLIC = public_objects()
EXPORTED = sorted(n for n in keras_phase.__all__ if not n.startswith("__"))


def test_exported_names_exist():
    missing = [name for name in keras_phase.__all__ if not hasattr(keras_phase, name)]
    assert not missing
    assert len(set(keras_phase.__all__)) == len(keras_phase.__all__)


def test_classes_for_users_are_at_the_top():
    classes = {
        value.__name__
        for _, value in PUBLIC
        if inspect.isclass(value) and issubclass(value, TOP_LEVEL_BASES)
    }
    missing = sorted(classes - INTERNAL - set(keras_phase.__all__))
    assert not missing, (
        f"{missing} are not in keras_phase.__all__. Rule: layers, callbacks, schedules, "
        "initializers, constraints, losses and metrics are at the top. Way out: export them in "
        "keras_phase/__init__.py, or add a base class to INTERNAL of this file."
    )


# Functions at the top: what turns a whole model into another one by a single call.
AT_THE_TOP = {"quantize_phases"}


def test_functions_stay_in_their_modules():
    functions = [n for n in EXPORTED if inspect.isfunction(getattr(keras_phase, n))]
    functions = sorted(set(functions) - AT_THE_TOP)
    assert not functions, (
        f"{functions} are functions at the top. Rule: only classes and modules are. Way out: "
        "reach them by their module."
    )


@pytest.mark.parametrize(("name", "value"), PUBLIC, ids=[n for n, _ in PUBLIC])
def test_public_objects_say_what_they_do_and_take(name, value):
    if isinstance(value, type) or inspect.isfunction(value):
        assert inspect.getdoc(value), f"{name} has no docstring"
    functions = {name: value} if inspect.isfunction(value) else {}
    if isinstance(value, type):
        functions = {
            f"{name}.{n}": f
            for n, f in vars(value).items()
            if inspect.isfunction(f)
            and (n == "__init__" or not n.startswith("_"))
            # Not what a dataclass or a protocol adds, nor a field's default.
            and f.__code__.co_filename == inspect.getsourcefile(value)
            and f.__name__ == n
        }
    for label, function in functions.items():
        for parameter in inspect.signature(function).parameters.values():
            if parameter.name not in ("self", "cls"):
                assert parameter.annotation is not parameter.empty, (
                    f"{label} does not annotate its argument `{parameter.name}`"
                )


@pytest.mark.parametrize("name", EXPORTED)
def test_exported_names_are_in_the_api_page(name):
    label = f"keras_phase.{name}" if inspect.ismodule(getattr(keras_phase, name)) else name
    assert f"`{label}`" in API, f"docs/api.md does not list `{label}`"


@pytest.mark.parametrize(
    ("noun", "names"),
    [
        ("algebra", algebras.names()),
        ("activation", activations.names()),
        ("criterion", criteria.CRITERIA.names()),
        ("product method", METHODS.names()),
    ],
)
def test_registered_names_are_in_the_api_page(noun, names):
    missing = [name for name in names if f'`"{name}"`' not in API]
    assert not missing, f"docs/api.md does not list {missing} as a {noun}"


def test_api_page_lists_nothing_that_is_not_there():
    for dotted in re.findall(r"`(keras_phase(?:\.\w+)+)`", API):
        value = keras_phase
        for part in dotted.split(".")[1:]:
            assert hasattr(value, part), f"docs/api.md lists {dotted}, which does not exist"
            value = getattr(value, part)


def test_readme_prints_the_algebra_table():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert algebras.markdown_table().strip() in readme, (
        "The algebra table of README.md is not the registry's. Way out: put what "
        "`python -c 'from keras_phase import algebras; print(algebras.markdown_table())'` prints "
        "there."
    )


@pytest.mark.slow
@pytest.mark.tensorflow
def test_readme_examples_run(tmp_path, monkeypatch):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in re.findall(r"```python\n(.*?)```", readme, re.DOTALL):
        exec(block, names)
    accuracy = names["model"].evaluate(names["images"], names["labels"], verbose=0)[1]
    assert accuracy > 0.9
    amplitudes = keras.ops.convert_to_numpy(names["model"].layers[1].amplitude)
    assert amplitudes.std() < 1e-5 * amplitudes.mean()
    assert (tmp_path / "served" / "saved_model.pb").exists()


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda p: p.name)
def test_links_between_pages_hold(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_import_is_light():
    """No optional package and no thread comes with it; benchmarks/import_time.py times it."""
    code = (
        "import sys, threading, keras; before = set(sys.modules); import keras_phase;"
        "new = set(sys.modules) - before;"
        "bad = {'tensorflow_model_optimization', 'tf_keras', 'matplotlib', 'sklearn'} & new;"
        "assert not bad, bad; assert threading.active_count() == 1"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
