"""The native operations against stock ones and float64 NumPy, by every route."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_phase
from keras_phase import algebras
from keras_phase.ops import dispatch, native
from keras_phase.pruning import criteria
from tests.helpers.tolerances import assert_close

ALGEBRAS = [*algebras.names(), algebras.clifford(2, 0, 1)]
# (leading shape, elements in, elements out): odd, empty, wider than a tile, deeper than a block.
SHAPES = [
    ((1,), 1, 1),
    ((5,), 7, 3),
    ((2, 3, 2), 5, 33),
    ((29,), 37, 70),
    ((3,), 530, 31),
    ((0,), 4, 5),
    ((4,), 0, 3),
]
NOW = native.ABI_VERSION
SETS = ["avx512", "avx2", "baseline"]

needs_library = pytest.mark.skipif(
    native.unavailable_reason() is not None and os.environ.get("KERAS_PHASE_NATIVE") != "require",
    reason=f"no native operations: {native.unavailable_reason()}",
)


def normal(shape, dtype="float32", seed=0):
    return tf.constant(np.random.default_rng(seed).normal(size=shape), dtype)


def oracle(x, kernel, algebra):
    x, kernel = np.asarray(x, "float64"), np.asarray(kernel, "float64")
    d, n = kernel.shape[:2]
    parts = x.reshape(*x.shape[:-1], d, n)
    y = np.einsum("ijk,...jn,inm->...km", algebra.structure_constants, parts, kernel)
    return y.reshape(*x.shape[:-1], d * kernel.shape[2])


def values_and_gradients(function, *arguments):
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        y = function(*arguments)
        loss = tf.reduce_sum(y * normal(y.shape, y.dtype, seed=9))
    return [y, *tape.gradient(loss, arguments)]


@needs_library
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("algebra", ALGEBRAS, ids=lambda a: getattr(a, "name", a))
def test_product_and_gradients_in_every_algebra(algebra, dtype):
    algebra = algebras.get(algebra)
    d = algebra.dimension
    for leading, n, m in SHAPES[:5]:
        x, kernel = normal((*leading, d * n), dtype), normal((d, n, m), dtype, 1)
        mine = values_and_gradients(lambda x, k: native.dense(x, k, algebra), x, kernel)
        stock = values_and_gradients(
            lambda x, k: dispatch.METHODS.get("expanded")(x, k, algebra), x, kernel
        )
        assert_close(mine[0], oracle(x, kernel, algebra), dtype)
        for a, b in zip(mine, stock, strict=True):
            assert_close(a, b, dtype)


@needs_library
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("instructions", SETS)
def test_every_instruction_set_and_shape(instructions, shape):
    leading, n, m = shape
    algebra = algebras.get("quaternion")
    x, kernel, bias = normal((*leading, 4 * n)), normal((4, n, m), seed=1), normal(4 * m, seed=2)
    try:
        with native.forced_instruction_set(instructions):
            mine = values_and_gradients(
                lambda *t: native.dense(t[0], t[1], algebra, t[2], relu=True), x, kernel, bias
            )
    except ValueError:
        pytest.skip(f"this processor or build has no {instructions}")
    stock = values_and_gradients(
        lambda x, k, b: tf.nn.relu(dispatch.METHODS.get("expanded")(x, k, algebra) + b),
        x,
        kernel,
        bias,
    )
    for a, b in zip(mine, stock, strict=True):
        assert_close(a, b)


@needs_library
@pytest.mark.parametrize("relu", [False, True])
def test_second_derivatives(relu):
    algebra = algebras.get("complex")
    x, kernel, bias = (
        normal((3, 8), "float64"),
        normal((2, 4, 5), "float64", 1),
        normal(10, "float64"),
    )

    def slopes(function):
        with tf.GradientTape() as outer:
            outer.watch([x, kernel, bias])
            first = values_and_gradients(lambda *t: tf.square(function(*t)), x, kernel, bias)[1:]
            loss = tf.add_n([tf.reduce_sum(tf.square(g)) for g in first])
        return outer.gradient(loss, [x, kernel, bias])

    mine = slopes(lambda x, k, b: native.dense(x, k, algebra, b, relu))
    finish = tf.nn.relu if relu else tf.identity
    stock = slopes(lambda x, k, b: finish(dispatch.METHODS.get("expanded")(x, k, algebra) + b))
    for a, b in zip(mine, stock, strict=True):
        assert_close(a, b, "float64")


@needs_library
def test_same_input_gives_the_same_bits_on_every_number_of_threads():
    algebra = algebras.get("complex")
    x, kernel = normal((300, 2 * 200)), normal((2, 200, 190), seed=1)
    results = []
    for threads in (1, 2, 5, 2):
        native.library().functions.keras_phase_set_num_threads(threads)
        results.append(native.dense(x, kernel, algebra).numpy())
    for other in results[1:]:
        np.testing.assert_array_equal(other, results[0])


@needs_library
def test_nan_and_infinity_pass_through():
    algebra = algebras.get("complex")
    x = normal((2, 4)).numpy()
    x[0, 0] = np.nan
    y = native.dense(tf.constant(x), normal((2, 2, 3)), algebra, relu=True).numpy()
    assert np.isnan(y[0]).all() and np.isfinite(y[1]).all()


@needs_library
@pytest.mark.parametrize("d", [2, 4, 7])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rescale_is_the_stock_projection(d, dtype):
    shape = (d, 37, 19)
    w = normal(shape, dtype).numpy()
    w[:, :3] = 0
    keep = np.random.default_rng(1).random((1, *shape[1:])) < 0.5
    gain = np.where(keep, 0, 0.3).astype("float32")
    mine = native.rescale(tf.constant(w), tf.constant(keep), tf.constant(gain))
    stock = criteria.to_direction(tf.constant(w), keep.astype(dtype), gain.astype(dtype))
    assert_close(mine, stock, dtype)
    np.testing.assert_array_equal(mine.numpy()[:, keep[0]], w[:, keep[0]])
    masked = native.rescale(tf.constant(w), tf.constant(keep)).numpy()
    np.testing.assert_array_equal(masked, np.where(keep, w, 0))


@needs_library
@pytest.mark.parametrize("jit_compile", [False, True])
def test_training_with_and_without_xla(jit_compile):
    model = keras.Sequential(
        [
            keras.Input((8,)),
            keras_phase.AlgebraDense(6, activation="relu", method="native"),
            keras_phase.AlgebraDense(3, method="native"),
        ]
    )
    model.compile("sgd", "mse", jit_compile=jit_compile)
    before = [w.copy() for w in model.get_weights()]
    model.fit(normal((16, 8)), normal((16, 6)), epochs=2, verbose=0)
    assert all((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))


@needs_library
def test_exports_hold_stock_operations_only(tmp_path):
    model = keras.Sequential([keras.Input((8,)), keras_phase.AlgebraDense(6, method="native")])
    expected = model(normal((3, 8))).numpy()
    model.export(str(tmp_path / "keras"))
    keras_phase.export.export_saved_model(model, tmp_path / "ours")
    for name in ("keras", "ours"):
        assert b"KerasPhase" not in (tmp_path / name / "saved_model.pb").read_bytes()
        served = tf.saved_model.load(str(tmp_path / name))
        assert_close(served.serve(normal((3, 8))), expected)


PRODUCTS = (
    "Expected product 0, with at most one bias and relu 0 or 1, product 1 with at most one gate, "
    "or product 2 with at most one gate and sums."
)


@needs_library
@pytest.mark.parametrize(
    ("a", "b", "product", "words"),
    [
        ((2, 8), (2, 3, 5), 0, "does not fit the kernel"),
        ((2, 7), (2, 3, 5), 0, "Expected a (..., d*n) and a kernel b"),
        ((2, 6), (3, 5), 0, "a.shape=(2, 6), b.shape=(3, 5)"),
        ((2, 6), (2, 3, 5), 1, "does not fit the kernel"),
        ((2, 6), (3, 10), 2, "equal in front"),
        ((2, 6), (2, 6), 3, f"{PRODUCTS} Received: product=3, relu=0, num_bias=0"),
    ],
)
def test_bad_shapes_are_invalid_arguments(a, b, product, words):
    factors = native._factors(algebras.get("complex"), False)
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        native.library().ops.keras_phase_bilinear(
            a=normal(a), b=normal(b), factors=factors, bias=[], gate=[], product=product
        )
    assert words in str(error.value)


BAD = {
    "missing": (None, None, "no native library", 0),
    "other file": (b"not a library", {"abi": NOW, "size": 13}, "does not load", 1),
    "cut": (b"cut", {"abi": NOW, "size": 13}, f"expected 13 bytes of ABI {NOW}, found 3 bytes", 1),
    "old": (b"old", {"abi": 0, "size": 3}, "found 3 bytes of ABI 0", 1),
}
# A damaged library may end a process, so another one tries them.
LOAD = """
import json, os, pathlib, sys, warnings
import numpy as np
import keras_phase
from keras_phase.ops import native

def tried(setting, function):
    os.environ["KERAS_PHASE_NATIVE"] = setting
    native._load.cache_clear()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            return function(), len(caught)
        except (RuntimeError, ValueError) as error:
            return f"{type(error).__name__}: {error}", len(caught)

found = {}
for folder in map(pathlib.Path, sys.argv[1:]):
    native.LIBRARY, native.RECORD = folder / "lib.so", folder / "build.json"
    reason = tried("auto", native.unavailable_reason)
    shape = keras_phase.AlgebraDense(3)(np.ones((1, 4), "float32")).shape
    found[folder.name] = *reason, list(shape), tried("require", native.unavailable_reason)[0]
named = lambda: keras_phase.AlgebraDense(3, method="native")
found["settings"] = [tried(setting, named)[0] for setting in ("0", "maybe")]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def tried(tmp_path_factory):
    folder = tmp_path_factory.mktemp("libraries")
    for name, (content, record, *_) in BAD.items():
        (folder / name).mkdir()
        if content is not None:
            (folder / name / "lib.so").write_bytes(content)
            (folder / name / "build.json").write_text(json.dumps(record))
    done = subprocess.run(
        [sys.executable, "-c", LOAD, *(str(folder / name) for name in BAD)],
        env={**os.environ, "PYTHONPATH": f"{keras_phase.__path__[0]}/.."},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", BAD)
def test_a_bad_library_is_left_alone_with_one_warning(name, tried):
    reason, count, shape, required = tried[name]
    *_, words, warnings = BAD[name]
    assert words in reason
    assert count == warnings
    assert shape == [1, 6]
    assert "KERAS_PHASE_NATIVE=require" in required and words in required


def test_switched_off_by_the_environment(tried):
    off, unknown = tried["settings"]
    assert off.startswith("ValueError") and "KERAS_PHASE_NATIVE=0" in off
    assert "Expected the environment variable KERAS_PHASE_NATIVE" in unknown


@needs_library
def test_auto_takes_the_native_op_in_eager_mode(monkeypatch):
    calls = []
    dense = native.dense
    monkeypatch.setattr(native, "dense", lambda *a: calls.append(a) or dense(*a))
    keras_phase.AlgebraDense(64)(normal((2, 128)))
    assert len(calls) == 1
    keras_phase.AlgebraDense(64, dtype="mixed_float16")(normal((2, 128)))
    keras_phase.AlgebraDense(8)(normal((2, 16)))
    tf.function(keras_phase.AlgebraDense(64))(normal((2, 128)))
    assert len(calls) == 1
    tf.function(keras_phase.AlgebraDense(64, method="native"))(normal((2, 128)))
    assert len(calls) > 1


LOWEST = {
    "random": lambda r, n: r.normal(size=n),
    "zeros": lambda r, n: np.where(r.random(n) < 0.5, 0, r.normal(size=n)),
    "both zeros": lambda r, n: np.where(r.random(n) < 0.5, 0.0, -0.0),
    "few values": lambda r, n: r.integers(-2, 3, n),
    "close": lambda r, n: 1 + r.integers(0, 9, n) * 1e-7,
    "denormal and infinite": lambda r, n: r.choice([1e-42, 2e-42, np.inf, -np.inf], n),
    "NaN last": lambda r, n: np.where(r.random(n) < 0.3, r.choice([np.nan, -np.nan], n), 1.0),
}


@needs_library
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1, 2, 37, 4099])
@pytest.mark.parametrize("name", LOWEST)
def test_lowest_equals_a_stable_sort(name, size, dtype):
    scores = LOWEST[name](np.random.default_rng(size), size).astype(dtype)
    order = np.argsort(scores, kind="stable")
    for count in {0, 1, size // 3, size - 1, size}:
        expected = np.isin(np.arange(size), order[:count])
        np.testing.assert_array_equal(native.lowest(scores, count), expected)


@needs_library
def test_lowest_of_a_strided_and_of_an_empty_array():
    scores = np.arange(10.0)[::-2]
    assert native.lowest(scores, 2).tolist() == [False, False, False, True, True]
    assert native.lowest(np.zeros(0), 0).shape == (0,)


@needs_library
@pytest.mark.parametrize(
    ("scores", "count"), [(np.zeros(3), 4), (np.zeros(3), -1), (np.zeros((2, 2)), 1), ([1, 2], 1)]
)
def test_lowest_refuses_what_it_cannot_select_from(scores, count):
    with pytest.raises(ValueError, match=r"Expected a flat array of float32 or float64 .* count="):
        native.lowest(scores, count)
