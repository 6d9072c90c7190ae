"""The zoo of algebras: sizes, training and pruning, results that survive, reports, quick runs."""

import csv
import importlib
import itertools
import math
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver

from keras_phase import algebras

ROOT = Path(__file__).parents[2]
BUDGET = 20_000


@pytest.fixture
def module():
    return importlib.import_module


@pytest.fixture
def images(module):
    """Forty small images of ten classes, each a bright row."""
    y = np.arange(40, dtype="int32") % 10
    x = np.zeros((40, 10, 10, 1), "float32")
    x[np.arange(40), y] = 1
    return module("_zoo_train").Images(x, y, x[:20], y[:20])


def trainer(module, images, algebra="m2r", **arguments):
    net, train = module("_zoo_network"), module("_zoo_train")
    model = net.network((10, 10, 1), (2, 3, 4), algebra, **arguments)
    return train.Trainer(model, images, seed=0)


# The network.


@pytest.mark.parametrize("algebra", algebras.names())
def test_all_networks_have_the_same_number_of_parameters(module, algebra):
    net = module("_zoo_network")
    widths = net.widths_for(algebra, BUDGET)
    assert net.parameters(widths, algebra) == pytest.approx(BUDGET, rel=0.03)
    model = net.network((28, 28, 1), widths, algebra)
    assert net.trainable(model) == net.parameters(widths, algebra)
    assert model.output_shape == (None, 10)
    assert all(abs(w / widths[0] - p) < 1.3 for w, p in zip(widths, net.PROPORTIONS, strict=True))


@pytest.mark.parametrize("normalization", ["component", "scalar", "whitening", None])
def test_every_number_of_the_network_matters(module, normalization):
    net = module("_zoo_network")
    model = net.network((16, 16, 1), (2, 2, 2), "m2r", normalization=normalization)
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:  # no zero and no dead unit
        variable.assign(variable + 0.3 * rng.random(variable.shape))
    x = keras.ops.convert_to_tensor(rng.random((5, 16, 16, 1)).astype("float32"))
    before = keras.ops.convert_to_numpy(model(x))
    for variable in model.trainable_variables:
        value = keras.ops.convert_to_numpy(variable)
        # One number a variable: the last, of the last component.
        changed = value.copy()
        changed.flat[-1] += 0.5
        variable.assign(changed)
        assert np.abs(keras.ops.convert_to_numpy(model(x)) - before).max() > 1e-6, variable.path
        variable.assign(value)


def test_a_budget_that_no_network_has(module):
    with pytest.raises(ValueError, match=r"over 'm4r' has 1000 real parameters within 3%"):
        module("_zoo_network").widths_for("m4r", 1000)


# Training and pruning.


def test_stairs(module):
    stairs = module("_zoo_train").Stairs((0.5, 0.75, 0.9), 40)
    asked = [stairs(step) for step in range(130)]
    fractions = [fraction for _, fraction in asked]
    due = [fraction for is_due, fraction in asked if is_due]
    assert due == sorted(due) and due[0] == 0
    assert due[-1] == pytest.approx(0.9)
    for i, goal in enumerate((0.5, 0.75, 0.9)):
        assert fractions[40 * i + 20 : 40 * i + 40] == pytest.approx([goal] * 20)
        # Masks change at the end of the ramp, and not after it.
        assert [is_due for is_due, _ in asked[40 * i + 20 : 40 * i + 40]] == [True] + [False] * 19
    assert not any(is_due for is_due, _ in asked[101:])


@pytest.mark.parametrize("steps", [2, 3, 7, 80])
def test_stairs_reach_every_fraction(module, steps):
    stairs = module("_zoo_train").Stairs((0.5, 0.9), steps)
    asked = [stairs(step) for step in range(2 * steps + 1)]
    for end, goal in ((steps, 0.5), (2 * steps, 0.9)):
        last = [fraction for is_due, fraction in asked[: end + 1] if is_due][-1]
        assert last == pytest.approx(goal)


def test_cosine(module):
    cosine = module("_zoo_train").Cosine(0.1, 4)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(1.0), "mse")
    cosine.set_model(model)
    rates = []
    for batch in range(8):
        cosine.on_train_batch_begin(batch)
        rates.append(float(keras.ops.convert_to_numpy(model.optimizer.learning_rate)))
        cosine.on_train_batch_end(batch)
    expected = [0.05 * (1 + math.cos(math.pi * i / 4)) for i in range(4)]
    assert rates == pytest.approx(expected * 2)
    assert cosine.step_ms >= 0


WAYS = {
    "real": ["element"],
    "complex": ["element", "component"],
    "quaternion": ["element", "component"],
    "octonion": ["element", "component"],
    "cross": ["element", "component"],
}


@pytest.mark.parametrize("algebra", algebras.names())
def test_ways_to_prune_differ(module, algebra):
    expected = WAYS.get(algebra, ["element", "component", "determinant"])
    assert module("_zoo_train").removals(algebra) == expected


@pytest.mark.tensorflow
@pytest.mark.parametrize("by", [None, "element", "component", "determinant"])
def test_tuning_prunes_and_starts_where_training_ended(module, images, by):
    one = trainer(module, images)
    one.train(2)
    trained = [keras.ops.convert_to_numpy(v) for v in one.model.weights]
    seen = []
    one.accuracy = lambda: seen.append(one.zeros()) or len(seen)
    assert one.tune(4, by) == [1, 2, 3]
    if by is None:
        assert max(seen) < 0.05
    else:
        assert seen == pytest.approx([0.5, 0.75, 0.9], abs=0.1)
    # Whatever came before, the next one begins at the same weights.
    starts, fit = [], one.model.fit
    start = keras.callbacks.LambdaCallback(
        on_train_begin=lambda _: starts.extend(one.model.get_weights())
    )
    one.model.fit = lambda *a, callbacks, **k: fit(*a, callbacks=[start, *callbacks], **k)
    one.tune(2)
    one.model.fit = fit
    for found, value in zip(starts, trained, strict=True):
        np.testing.assert_array_equal(found, value)


@pytest.mark.tensorflow
def test_training_learns(module, images):
    one = trainer(module, images)
    accuracy, step_ms = one.train(40)
    assert accuracy > 0.5
    assert step_ms > 0


# Results.

SETTINGS = {"dataset": "digits", "samples": 10, "budget": 100, "epochs": 1, "tuning_steps": 2}


def dense_row(accuracy=0.9, tuned=0.91, multiplications=1000):
    return {
        "widths": "1-2-3",
        "parameters": 101,
        "multiplications": multiplications,
        "multiplications_expanded": 2000,
        "accuracy": accuracy,
        "tuned": tuned,
        "step_ms": 1.5,
    }


def sparse_rows(*ways, accuracy=0.8):
    return [
        {"by": way, "fraction": f, "accuracy": accuracy, "intact": 0.9, "tuned": 0.91}
        for way in ways
        for f in (0.5, 0.75, 0.9)
    ]


@pytest.mark.tensorflow  # its version is a column
def test_results_are_read_back(module, tmp_path):
    cls = module("_zoo_results").Results
    first = cls(tmp_path / "new", SETTINGS)
    assert not first.has("m2r", 0)
    first.add("real", 1, dense_row(), sparse_rows("element"))
    first.add("m2r", 0, dense_row(), sparse_rows("element", "determinant"))
    again = cls(tmp_path / "new", SETTINGS)
    assert (again.dense, again.sparse) == (first.dense, first.sparse)
    assert again.has("m2r", 0) and not again.has("m2r", 1)
    dense, sparse = again.selected(["m2r", "real"], [0, 1])
    assert [row["algebra"] for row in dense] == ["m2r", "real"]
    assert len(sparse) == 9
    with pytest.raises(ValueError, match=r"epochs=1, now epochs=2.*--results"):
        cls(tmp_path / "new", {**SETTINGS, "epochs": 2})


@pytest.mark.tensorflow  # its version is a column
def test_an_interruption_between_the_files_is_mended(module, tmp_path):
    cls = module("_zoo_results").Results
    first = cls(tmp_path, SETTINGS)
    first.add("real", 0, dense_row(), sparse_rows("element"))
    kept = (tmp_path / "algebra_zoo.csv").read_text(encoding="utf-8")
    first.add("m2r", 0, dense_row(), sparse_rows("element"))
    (tmp_path / "algebra_zoo.csv").write_text(kept, encoding="utf-8")
    again = cls(tmp_path, SETTINGS)
    assert {row["algebra"] for row in again.sparse} == {"real"}
    again.add("m2r", 0, dense_row(), sparse_rows("element"))
    assert len(cls(tmp_path, SETTINGS).sparse) == 6


# Reports.


def rows_of(module, tmp_path, accuracies, ways=("element", "component"), **arguments):
    """Dense and sparse rows as they come back from files."""
    results = module("_zoo_results").Results(tmp_path, SETTINGS)
    for algebra, seeds in accuracies.items():
        for seed, accuracy in enumerate(seeds):
            row = dense_row(accuracy, **arguments.get(algebra, {}))
            sparse = [r for i, w in enumerate(ways) for r in sparse_rows(w, accuracy=0.7 + i / 10)]
            results.add(algebra, seed, row, sparse)
    return results.selected(accuracies, range(9))


PARAMETERS = {
    "better": ({"real": [0.8, 0.81], "m2r": [0.9, 0.91]}, r"1 of 1 .* seeds \(m2r \+10.00\)"),
    "worse": ({"real": [0.8, 0.81], "m2r": [0.7, 0.7]}, r"0 of 1 .* and 1 fall .*m2r -10.50"),
    "alike": ({"real": [0.8, 0.9], "m2r": [0.84, 0.86]}, r"^Here.*0 of 1 .*seeds and 0 fall"),
    "one seed": ({"real": [0.8], "m2r": [0.9]}, r"m2r leads real by \+10.00 points, with one"),
    "no real": ({"m2r": [0.8]}, "nothing to compare"),
    "real only": ({"real": [0.8]}, "nothing to compare"),
}


@pytest.mark.tensorflow
@pytest.mark.parametrize("case", PARAMETERS)
def test_sentence_on_parameters(module, tmp_path, case):
    accuracies, said = PARAMETERS[case]
    dense, sparse = rows_of(module, tmp_path, accuracies)
    report = module("_zoo_report")
    sentence = report.on_parameters(dense)
    assert re.search(said, sentence), sentence
    assert sentence in report.report(dense, sparse)


@pytest.mark.tensorflow  # its version is a column
def test_sentence_on_multiplications(module, tmp_path):
    dense, _ = rows_of(
        module,
        tmp_path,
        {"real": [0.8, 0.8], "dual": [0.82, 0.82], "m2r": [0.9, 0.9], "cross": [0.85, 0.85]},
        dual={"multiplications": 1010},
        m2r={"multiplications": 2000},
        cross={"multiplications": 3000},
    )
    said = module("_zoo_report").on_multiplications(dense)
    assert "need 1.01 (dual) to 3.00 (cross) times" in said
    assert "no network is better than real and dual and m2r with as few" in said
    assert "dual is better on average" in said


@pytest.mark.tensorflow  # its version is a column
def test_sentence_on_pruning(module, tmp_path):
    report = module("_zoo_report")
    accuracies = {"real": [0.8, 0.8], "m2r": [0.9, 0.9]}
    _, sparse = rows_of(module, tmp_path, accuracies, ways=("element", "component", "determinant"))
    said = report.on_pruning(sparse)
    assert said.startswith("At 90% pruned, removing single components instead of whole elements")
    assert "by +10.00 points (higher in 4 of 4 networks, 2 algebras) and" in said
    assert "by determinant instead of magnitude changes the accuracy by +20.00 points" in said
    only = [row for row in sparse if row["by"] == "element"]
    assert report.on_pruning(only) == report.on_pruning([]) == ""


# Whole runs.


@pytest.mark.slow
@pytest.mark.tensorflow
def test_quick_run_and_its_continuation(module, tmp_path, capsys):
    pytest.importorskip("sklearn")
    example = module("algebra_zoo")

    def run(*arguments):
        with flagsaver.flagsaver():
            flags.FLAGS(["algebra_zoo.py", "--quick", f"--results={tmp_path}", *arguments])
            example.main([])
        return capsys.readouterr().out

    said = run("--dataset=digits", "--algebras=cross,m2r")
    assert "Accuracy in % after pruning" in said and "AlgebraNets" in said
    first = (tmp_path / "algebra_zoo.csv").read_text(encoding="utf-8")
    said = run("--dataset=digits", "--algebras=real,cross,m2r")
    assert "real, seed 0" in said and "cross, seed 0" not in said
    with (tmp_path / "algebra_zoo.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["algebra"] for row in rows] == ["cross", "m2r", "real"]
    assert first in (tmp_path / "algebra_zoo.csv").read_text(encoding="utf-8")
    assert all(abs(int(row["parameters"]) / 4000 - 1) < 0.03 for row in rows)
    assert all(int(r["multiplications"]) <= int(r["multiplications_expanded"]) for r in rows)
    with (tmp_path / "algebra_zoo_sparse.csv").open(encoding="utf-8") as file:
        sparse = list(csv.DictReader(file))
    assert len(sparse) == 3 * (2 + 3 + 1)
    assert all(0 <= float(row["accuracy"]) <= 1 for row in sparse)
    with pytest.raises(SystemExit, match=r"other settings \(dataset=digits.*dataset=mnist"):
        data = module("data")
        digits = data.load("digits")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(data, "load", lambda *_: digits._replace(name="mnist"))
            run("--algebras=real")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--algebras=real,nimbers"], "algebra_zoo: Unknown algebra"),
        (["--budget=1000", "--algebras=m4r"], "algebra_zoo: No network over 'm4r'"),
    ],
)
def test_wrong_flags_are_told_before_anything_is_trained(module, tmp_path, arguments, said):
    pytest.importorskip("sklearn")
    example = module("algebra_zoo")
    with flagsaver.flagsaver():
        flags.FLAGS(["x", "--dataset=digits", f"--results={tmp_path}/new", *arguments])
        with pytest.raises(SystemExit, match=said):
            example.main([])
    assert not (tmp_path / "new").exists()


# The ablation, which trains the same network.


@pytest.mark.parametrize("dimension", [1, 2, 4])
def test_initialisation_by_component(module, dimension):
    ablation = module("initialization_ablation")
    keras.utils.set_random_seed(0)
    draw = ablation.ByComponent(dimension)
    shape = (3, 3, 40, 50) if dimension == 1 else (dimension, 3, 3, 40, 50)
    w = keras.ops.convert_to_numpy(draw(shape)).reshape(dimension, -1)
    np.testing.assert_allclose(w.var(axis=1), 2 / (9 * 40), rtol=0.05)
    for a, b in itertools.combinations(w, 2):
        assert abs(np.corrcoef(a, b)[0, 1]) < 0.05
    assert not np.array_equal(w.ravel(), keras.ops.convert_to_numpy(draw(shape)).ravel())


@pytest.mark.slow
@pytest.mark.tensorflow
def test_quick_ablation(module, images, monkeypatch, capsys, tmp_path):
    ablation = module("initialization_ablation")
    dataset = module("data").Dataset(
        "digits", images.x.reshape(40, 100), images.y, images.x.reshape(40, 100), images.y
    )
    monkeypatch.setattr(ablation.data, "load", lambda *_: dataset)
    pairing = module("pairing")
    monkeypatch.setattr(pairing, "RESULTS", tmp_path)
    with flagsaver.flagsaver():
        flags.FLAGS(["x", "--algebras=complex", "--epochs=1", "--seeds=1"])
        ablation.main([])
    said = capsys.readouterr().out
    assert "| complex | algebra " in said
    assert "Initialization 'algebra' instead of 'component' changes" in said
    assert "Normalization 'whitening' instead of 'component' changes" in said
    with (tmp_path / "initialization_ablation.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found = {(r["initialization"], r["normalization"], r["seed"]) for r in rows}
    levels = ("component", "algebra"), ("component", "whitening"), ("0",)
    assert found == set(itertools.product(*levels))
