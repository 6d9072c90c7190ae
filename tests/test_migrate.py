"""Migration: every convention against the formula of the package it comes from, files, errors."""

import itertools
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from keras_phase import migrate
from keras_phase.algebras import get as algebra_of
from keras_phase.layers.batch_normalization import AlgebraBatchNormalization
from keras_phase.layers.convolution import AlgebraConv1D, AlgebraConv2D, AlgebraConv3D
from keras_phase.layers.dense import AlgebraDense, PhaseDense
from keras_phase.migrate import CONVENTIONS
from tests.helpers.tolerances import assert_close

DOCS = Path(__file__).parent.parent / "docs" / "migration.md"
CONVOLUTIONS = {1: AlgebraConv1D, 2: AlgebraConv2D, 3: AlgebraConv3D}
IN, OUT = 3, 2

# What each package multiplies its input parts with, as its source lays the blocks of its real
# kernel out: one row for each input part, one column for each output part.
BLOCKS = {
    "keras-complex/dense": "r -i / i r",
    "keras-complex/conv": "r i / -i r",
    "deep-complex/dense": "r -i / i r",
    "deep-complex/conv": "r i / -i r",
    "deep-quaternion/dense": "r -i -j -k / i r -k j / j k r -i / k -j i r",
    "deep-quaternion/conv": "r i j k / -i r k -j / -j -k r i / -k j -i r",
    "orkis/dense": "r i j k / -i r k -j / -j -k r i / -k j -i r",
    "orkis/conv": "r i j k / -i r k -j / -j -k r i / -k j -i r",
    "cvnn/dense": "r i / -i r",
    "cvnn/conv": "r i / -i r",
    "torch/dense": "r i / -i r",
    "torch/conv": "r i / -i r",
}
# What it calls its arrays, in its order, and how its kernel lies.
ARRAYS = {
    "keras-complex/dense": ("real_kernel imag_kernel", "bias"),
    "keras-complex/conv": ("kernel", "bias"),
    "deep-complex/dense": ("real_kernel imag_kernel", "bias"),
    "deep-complex/conv": ("kernel", "bias"),
    "deep-quaternion/dense": ("r_kernel i_kernel j_kernel k_kernel", "bias"),
    "deep-quaternion/conv": ("kernel", "bias"),
    "orkis/dense": ("r_weight i_weight j_weight k_weight", "bias"),
    "orkis/conv": ("r_weight i_weight j_weight k_weight", "bias"),
    "cvnn/dense": ("kernel_r kernel_i", "bias_r bias_i"),
    "cvnn/conv": ("kernel_r kernel_i", "bias_r bias_i"),
    "torch/dense": ("weight", "bias"),
    "torch/conv": ("weight", "bias"),
}
# Kernels (out, in, *window); a window that runs against the input.
OUT_FIRST = ("orkis/conv", "torch/dense", "torch/conv")
CONVOLVES = ("deep-complex/conv",)
WHITENING = ("keras-complex/batch_normalization", "deep-complex/batch_normalization")
CASES = [
    (name, rank) for name in BLOCKS for rank in ((0,) if name.endswith("dense") else (1, 2, 3))
]


def foreign(name, rank, seed=0):
    """Random parts of a kernel `(*window, in, out)`, of a bias, and the package's own arrays."""
    rng = np.random.default_rng(seed)
    d = algebra_of(CONVENTIONS.get(name).algebra).dimension
    shape = (*(3, 2, 4)[:rank], IN, OUT)
    parts = {part: rng.normal(size=shape) for part in "rijk"[:d]}
    bias = [rng.normal(size=OUT) for _ in range(d)]
    kernels = list(parts.values())
    if name in OUT_FIRST:
        kernels = [np.moveaxis(k, (-1, -2), (0, 1)) for k in kernels]
    kernel_names, bias_names = (names.split() for names in ARRAYS[name])
    if len(kernel_names) == 1 and name.startswith("torch"):
        kernels, biases = [kernels[0] + 1j * kernels[1]], [bias[0] + 1j * bias[1]]
    else:
        kernels = kernels if len(kernel_names) == d else [np.concatenate(kernels, axis=-1)]
        biases = bias if len(bias_names) == d else [np.concatenate(bias)]
    arrays = dict(zip(kernel_names + bias_names, kernels + biases, strict=True))
    return parts, bias, arrays


def slide(x, w, convolves):
    """`(batch, *places, in)` by `(*window, in, out)`, one place of the window at a time."""
    window = w.shape[:-2]
    size = [p - q + 1 for p, q in zip(x.shape[1:-1], window, strict=True)]
    y = 0
    for place in itertools.product(*map(range, window)):
        start = [q - 1 - i for i, q in zip(place, window, strict=True)] if convolves else place
        seen = tuple(slice(s, s + n) for s, n in zip(start, size, strict=True))
        y = y + x[(slice(None), *seen)] @ w[place]
    return y


def by_formula(name, x, parts, bias):
    """What the package computes, from component-major data."""
    rows = [row.split() for row in BLOCKS[name].split("/")]
    xs = np.split(x, len(rows), axis=-1)
    outputs = []
    for column, b in enumerate(bias):
        total = b
        for part, row in zip(xs, rows, strict=True):
            entry = row[column]
            sign = -1 if entry.startswith("-") else 1
            total = total + sign * slide(part, parts[entry.strip("-")], name in CONVOLVES)
        outputs.append(total)
    return np.concatenate(outputs, axis=-1)


def layer_for(name, rank, **arguments):
    algebra = CONVENTIONS.get(name).algebra
    if rank == 0:
        layer = AlgebraDense(OUT, algebra=algebra, **arguments)
    else:
        layer = CONVOLUTIONS[rank](OUT, (3, 2, 4)[:rank], algebra=algebra, **arguments)
    layer.build(data(name, rank).shape)
    return layer


def data(name, rank, seed=1):
    d = algebra_of(CONVENTIONS.get(name).algebra).dimension
    return np.random.default_rng(seed).normal(size=(2, *(6, 5, 7)[:rank], d * IN))


@pytest.mark.parametrize(("name", "rank"), CASES)
@pytest.mark.parametrize("use_bias", [True, False])
def test_the_layer_computes_what_theirs_did(name, rank, use_bias):
    parts, bias, arrays = foreign(name, rank)
    if not use_bias:
        arrays = {k: v for k, v in arrays.items() if "bias" not in k}
        bias = [0 * b for b in bias]
    x = data(name, rank)
    expected = by_formula(name, x, parts, bias)
    package = name.partition("/")[0]
    for source in (arrays, list(arrays.values()), {f"net/3/{k}:0": v for k, v in arrays.items()}):
        for convention in (name, package):
            layer = layer_for(name, rank, use_bias=use_bias)
            migrate.load_weights(layer, source, convention)
            assert_close(ops.convert_to_numpy(layer(x)), expected)
    converted = migrate.convert(arrays, name)
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer.kernel), converted["kernel"].astype("float32")
    )
    assert ("bias" in converted) == use_bias


@pytest.mark.parametrize("name", ["cvnn/dense", "cvnn/conv", "torch/dense", "torch/conv"])
def test_native_complex_packages_multiply_complex_numbers(name):
    parts, bias, arrays = foreign(name, 0 if name.endswith("dense") else 1)
    x = data(name, 0 if name.endswith("dense") else 1)
    z = x[..., :IN] + 1j * x[..., IN:]
    y = slide(z, parts["r"] + 1j * parts["i"], False) + bias[0] + 1j * bias[1]
    layer = layer_for(name, z.ndim - 2)
    migrate.load_weights(layer, arrays, name)
    assert_close(ops.convert_to_numpy(layer(x)), np.concatenate([y.real, y.imag], -1))


def whitening_arrays(n=3, epsilon=1e-4, seed=0):
    rng = np.random.default_rng(seed)
    v = rng.normal(size=(n, 2, 2))
    v = v @ np.swapaxes(v, 1, 2) + epsilon * np.eye(2)
    gamma = rng.normal(size=(3, n))
    return {
        "gamma_rr": gamma[0],
        "gamma_ii": gamma[1],
        "gamma_ri": gamma[2],
        "beta": rng.normal(size=2 * n),
        "moving_Vrr": v[:, 0, 0],
        "moving_Vii": v[:, 1, 1],
        "moving_Vri": v[:, 0, 1],
        "moving_mean": rng.normal(size=2 * n),
    }


def whiten_by_formula(x, w, rr, ii, ri):
    """Inverse square root of a 2 x 2 matrix by its trace and determinant; then gamma and beta."""
    real, imag = np.split(x, 2, axis=-1)
    s = np.sqrt(rr * ii - ri**2)
    t = np.sqrt(rr + ii + 2 * s)
    u = ((ii + s) * real - ri * imag) / (s * t)
    v = ((rr + s) * imag - ri * real) / (s * t)
    y = [w["gamma_rr"] * u + w["gamma_ri"] * v, w["gamma_ri"] * u + w["gamma_ii"] * v]
    return np.concatenate(y, axis=-1) + w["beta"]


@pytest.mark.parametrize("epsilon", [1e-4, 1e-2])
@pytest.mark.parametrize("name", WHITENING)
def test_batch_normalization(name, epsilon):
    w = whitening_arrays(epsilon=epsilon)
    x = np.random.default_rng(4).normal(size=(50, 6)) @ np.random.default_rng(5).normal(size=(6, 6))
    layer = AlgebraBatchNormalization(mode="whitening", epsilon=epsilon)
    layer.build(x.shape)
    migrate.load_weights(layer, list(w.values()), name)
    moving = [w[f"moving_V{part}"] for part in ("rr", "ii", "ri")]
    expected = whiten_by_formula(x - w["moving_mean"], w, *moving)
    assert_close(ops.convert_to_numpy(layer(x, training=False)), expected, factor=10)
    centred = x - x.mean(0)
    real, imag = np.split(centred, 2, axis=-1)
    batch = (real**2).mean(0) + epsilon, (imag**2).mean(0) + epsilon, (real * imag).mean(0)
    trained = ops.convert_to_numpy(layer(x, training=True))
    assert_close(trained, whiten_by_formula(centred, w, *batch), factor=10)


def test_tests_and_documentation_cover_every_convention():
    assert set(CONVENTIONS.names()) == {*BLOCKS, *WHITENING}
    for name, (kernel, bias) in ARRAYS.items():
        assert CONVENTIONS.get(name).weights == (*kernel.split(), *bias.split())


def test_the_page_prints_the_registry():
    page = DOCS.read_text(encoding="utf-8")
    assert migrate.markdown_table() in page, (
        "The table of docs/migration.md is not the registry's. Way out: put what "
        "`python -c 'from keras_phase import migrate; print(migrate.markdown_table())'` prints "
        "there."
    )
    rows = re.findall(r"^\| `([\w/-]+)` \| (\w+) \|.*\| `([^`]+)` \|", page, re.MULTILINE)
    assert rows == [
        (name, CONVENTIONS.get(name).algebra, CONVENTIONS.get(name).product) for name in CONVENTIONS
    ]


def test_examples_of_the_page_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arrays = {"real_kernel": np.ones((5, 3)), "imag_kernel": np.ones((5, 3)), "bias": np.zeros(6)}
    write_named("old.h5", {"complex_dense": arrays})
    names = {}
    for block in re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL):
        exec(block, names)
    assert float(ops.sum(names["model"].layers[0].kernel)) == 0  # 1 - i, thrice five times


# Models and files.


def peer_layers():
    """Arrays of a network of keras-complex, by layer and name."""
    _, _, convolution = foreign("keras-complex/conv", 1, seed=1)
    rng = np.random.default_rng(7)
    dense = {
        "real_kernel": rng.normal(size=(2 * OUT, OUT)),
        "imag_kernel": rng.normal(size=(2 * OUT, OUT)),
        "bias": rng.normal(size=2 * OUT),
    }
    stock = {"kernel": rng.normal(size=(2 * OUT, 4)), "bias": rng.normal(size=4)}
    return {
        "zz_conv": convolution,
        "bn": whitening_arrays(OUT),
        "flatten": {},
        "a_dense": dense,
        "head": stock,
    }


def our_model():
    model = keras.Sequential(
        [
            keras.Input((6, 2 * IN)),
            AlgebraConv1D(OUT, 3),
            AlgebraBatchNormalization(mode="whitening", epsilon=1e-4),
            # As theirs: stock, although it cuts elements apart.
            keras.layers.MaxPooling1D(2),
            keras.layers.Flatten(),
            AlgebraDense(OUT, activation="modrelu"),
            keras.layers.Dense(4),
        ]
    )
    x = np.random.default_rng(3).normal(size=(5, 6, 2 * IN)).astype("float32")
    return model, x


def by_hand(layers, x, package="keras-complex"):
    """The network from its layers' arrays, one layer at a time."""
    model, _ = our_model()
    for layer, weights in zip(
        [x for x in model.layers if x.weights], filter(None, layers.values()), strict=True
    ):
        if isinstance(layer, keras.layers.Dense):
            layer.set_weights(list(weights.values()))
        else:
            migrate.load_weights(layer, weights, package)
    return model.predict(x, verbose=0)


def write_named(path, layers, root="model_weights"):
    """As `model.save("m.h5")` of Keras 2 lays it out."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        group = file.create_group(root) if root else file
        group.attrs["layer_names"] = [name.encode() for name in layers]
        for name, arrays in layers.items():
            child = group.create_group(name)
            paths = [f"{name}/{key}:0" for key in arrays]
            child.attrs["weight_names"] = [p.encode() for p in paths]
            for p, array in zip(paths, arrays.values(), strict=True):
                child[p] = array


def write_numbered(path, layers):
    """As `save_weights("m.weights.h5")` of Keras 3 lays it out."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        for name, arrays in layers.items():
            group = file.create_group(f"layers/{name}/vars")
            for i, array in enumerate(arrays.values()):
                group[str(i)] = array


@pytest.mark.parametrize("form", ["named", "root", "numbered", "arrays", "names"])
def test_a_model_from_every_kind_of_source(form, tmp_path):
    layers = peer_layers()
    path, mapping = tmp_path / "old.h5", None
    source = path
    if form in ("named", "root"):
        write_named(path, layers, root="model_weights" if form == "named" else None)
    elif form == "numbered":
        write_numbered(path, layers)
    elif form == "arrays":
        source = {name: list(arrays.values()) for name, arrays in layers.items()}
    else:
        source = {f"{n}.{k}": array for n, arrays in layers.items() for k, array in arrays.items()}
    model, x = our_model()
    if form == "numbered":  # in alphabetical order
        ours = [layer.name for layer in model.layers if layer.weights]
        mapping = dict(zip(ours, [n for n in layers if n != "flatten"], strict=True))
    migrate.load_weights(model, source, "keras-complex", layers=mapping)
    assert_close(model.predict(x, verbose=0), by_hand(layers, x))


def test_layers_of_the_same_names_need_no_order():
    layers = {name: list(arrays.values()) for name, arrays in peer_layers().items()}
    model, x = our_model()
    expected = by_hand(peer_layers(), x)
    named = [layer for layer in model.layers if layer.weights]
    inputs = keras.Input((6, 2 * IN))
    y = inputs
    for layer in model.layers:
        config = layer.get_config()
        if layer in named:
            config["name"] = [n for n in layers if n != "flatten"][named.index(layer)]
        y = type(layer).from_config(config)(y)
    renamed = keras.Model(inputs, y)
    migrate.load_weights(renamed, dict(reversed(layers.items())), "keras-complex")
    assert_close(renamed.predict(x, verbose=0), expected)


def test_theano_flips_stock_convolutions_too():
    rng = np.random.default_rng(0)
    arrays = {"c": [rng.normal(size=(3, 4, 2)), rng.normal(size=2)]}
    arrays["d"] = list(foreign("deep-complex/dense", 0)[2].values())
    model = keras.Sequential(
        [keras.Input((5, 4)), keras.layers.Conv1D(2, 3), keras.layers.Flatten(), AlgebraDense(OUT)]
    )
    x = rng.normal(size=(2, 5, 4))
    migrate.load_weights(model, arrays, "deep-complex")
    assert_close(
        ops.convert_to_numpy(model.layers[0](x)), slide(x, arrays["c"][0], True) + arrays["c"][1]
    )


def test_pytorch_names_of_several_layers():
    state = {}
    for i, seed in enumerate([1, 2]):
        _, _, arrays = foreign("torch/dense", 0, seed=seed)
        if i == 1:
            arrays["weight"] = np.swapaxes(arrays["weight"], 0, 1).copy()
            arrays["bias"] = np.random.default_rng(0).normal(size=IN) * (1 + 2j)
        state |= {f"net.{2 * i}.linear.{name}": array for name, array in arrays.items()}
    model = keras.Sequential([keras.Input((2 * IN,)), AlgebraDense(OUT), AlgebraDense(IN)])
    migrate.load_weights(model, state, "torch")
    x = data("torch/dense", 0)
    z = x[..., :IN] + 1j * x[..., IN:]
    for i in (0, 2):
        z = z @ state[f"net.{i}.linear.weight"].T + state[f"net.{i}.linear.bias"]
    actual = ops.convert_to_numpy(model(x))
    assert_close(actual, np.concatenate([z.real, z.imag], -1), factor=10)


def test_presets_and_polar_parametrizations():
    parts, bias, arrays = foreign("keras-complex/dense", 0)
    layer = PhaseDense(OUT, amplitude="element")
    layer.build((None, 2 * IN))
    migrate.load_weights(layer, arrays, "keras-complex")
    x = data("keras-complex/dense", 0)
    expected = by_formula("keras-complex/dense", x, parts, bias)
    assert_close(ops.convert_to_numpy(layer(x)), expected)


def test_a_failure_changes_nothing():
    """A phase-only layer cannot hold kernels of several amplitudes, and says so late."""
    model = keras.Sequential(
        [keras.Input((2 * IN,)), AlgebraDense(IN), PhaseDense(OUT, amplitude="one")]
    )
    first = [np.ones((IN, IN)), np.ones((IN, IN)), np.ones(2 * IN)]
    second = list(foreign("keras-complex/dense", 0)[2].values())
    before = model.get_weights()
    with pytest.raises(ValueError, match="amplitude"):
        migrate.load_weights(model, {"a": first, "b": second}, "keras-complex")
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


# Errors.


def dense(**arguments):
    layer = AlgebraDense(OUT, **arguments)
    layer.build((None, layer.algebra.dimension * IN))
    return layer


def good(name="keras-complex/dense"):
    return foreign(name, 0)[2]


def without(arrays, *names):
    return {key: array for key, array in arrays.items() if key not in names}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: migrate.convert(good(), "keras"), "Unknown convention.*keras-complex/dense"),
        (lambda: migrate.load_weights(dense(), good(), "nobody"), "Unknown convention.*nobody"),
        (
            lambda: migrate.load_weights(dense(), good(), "keras-complex/conv"),
            "of the kind 'dense', one of keras-complex/dense",
        ),
        (
            lambda: migrate.load_weights(dense(), without(good(), "imag_kernel"), "keras-complex"),
            r"Missing: \['imag_kernel'\]",
        ),
        (
            lambda: migrate.load_weights(dense(), {**good(), "gamma": [1]}, "keras-complex"),
            r"Unknown: \['gamma'\]",
        ),
        (
            lambda: migrate.load_weights(dense(), without(good(), "bias"), "keras-complex"),
            "do not fit the layer",
        ),
        (
            lambda: migrate.load_weights(dense(use_bias=False), good(), "keras-complex"),
            "do not fit the layer",
        ),
        (
            lambda: migrate.convert([np.ones((3, 2))], "keras-complex/dense"),
            r"Expected the 3 arrays \('real_kernel', 'imag_kernel', 'bias'\)",
        ),
        (
            lambda: migrate.convert([np.ones(3), np.ones(3)], "keras-complex/dense"),
            "2 axes and one shape",
        ),
        (
            lambda: migrate.convert([np.ones((3, 2)), np.ones((2, 3))], "keras-complex/dense"),
            "2 axes and one shape",
        ),
        (lambda: migrate.convert([np.ones((3, 2, 5))], "keras-complex/conv"), "side by side"),
        (
            lambda: migrate.convert([np.ones((3, 4)), np.ones((2, 2))], "torch/dense"),
            "Expected bias arrays of 1 axis",
        ),
        (
            lambda: migrate.convert({"a/bias": [1], "b/bias": [2]}, "keras-complex/dense"),
            "two end in 'bias'",
        ),
        (
            lambda: migrate.load_weights(dense(algebra="quaternion"), good(), "keras-complex"),
            "is of the algebra 'complex'. Received: layer",
        ),
        (
            lambda: migrate.load_weights(AlgebraDense(OUT), good(), "keras-complex"),
            "`build` it first",
        ),
        (
            lambda: migrate.load_weights(keras.layers.Dense(2, name="d"), good(), "keras-complex"),
            r"Received: 'd' \(Dense\)",
        ),
        (
            lambda: migrate.convert(
                {**whitening_arrays(), "beta": np.ones(3)}, "keras-complex/batch_normalization"
            ),
            r"Expected the shape \(6,\) for 'beta'",
        ),
        (
            lambda: migrate.convert(
                whitening_arrays(), "keras-complex/batch_normalization", epsilon=5.0
            ),
            "Expected a layer with the epsilon of the original",
        ),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_errors_of_batch_normalization():
    layer = AlgebraBatchNormalization(epsilon=1e-4)
    layer.build((None, 6))
    with pytest.raises(ValueError, match="needs mode='whitening'"):
        migrate.load_weights(layer, whitening_arrays(), "deep-complex")


def test_errors_of_models(tmp_path):
    model, _ = our_model()
    layers = peer_layers()
    with pytest.raises(ValueError, match="`layers` to name the foreign layer of each"):
        migrate.load_weights(model, without(layers, "bn"), "keras-complex")
    with pytest.raises(ValueError, match=r"layers=\{'dense': 'nowhere'\}"):
        migrate.load_weights(model, layers, "keras-complex", layers={"dense": "nowhere"})
    layers["a_dense"]["bias"] = np.ones(3)
    with pytest.raises(ValueError, match="Foreign layer 'a_dense' into 'algebra_dense"):
        migrate.load_weights(model, layers, "keras-complex")
    layers = peer_layers()
    layers["head"]["bias"] = np.ones(3)
    with pytest.raises(ValueError, match="for the stock layer"):
        migrate.load_weights(model, layers, "keras-complex")
    with pytest.raises(TypeError, match="the path of an HDF5 file, a mapping"):
        migrate.load_weights(model, [np.ones(3)], "keras-complex")
    small = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="Stock layers of PyTorch"):
        migrate.load_weights(small, {"a": small.get_weights()}, "torch")
    unlike = keras.Sequential([keras.Input((4,)), keras.layers.PReLU()])
    with pytest.raises(ValueError, match="stock layer"):
        migrate.load_weights(unlike, {"a": [np.ones((2, 4))]}, "keras-complex")
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data"] = np.ones(3)
    with pytest.raises(ValueError, match="Expected an HDF5 file written by Keras"):
        migrate.load_weights(model, tmp_path / "other.h5", "keras-complex")
