"""Regrowth, budgets, schedules for layers, masks as arrays, lottery tickets, own criteria."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_phase
from keras_phase.pruning import (
    ConstantSparsity,
    CosineSparsity,
    CubicSparsity,
    PhaseConstantSparsity,
    PolynomialDecay,
    Pruner,
    PruningCallback,
    UpdatePruningStep,
    cosine_drop,
    criteria,
    get_masks,
    one_shot,
    prune,
    prune_low_magnitude,
    rewind,
    rigl,
    set_masks,
    sign_stability,
    snapshot,
    sparse_evolution,
    sparsity_report,
    strip_pruning,
)
from keras_phase.pruning.criteria import Site
from keras_phase.pruning.gradients import gradients

L = keras.layers


def two(first=20, second=10):
    return keras.Sequential(
        [keras.Input((30,)), L.Dense(first, name="first"), L.Dense(second, name="second")]
    )


def data(model):
    rng = np.random.default_rng(0)
    return rng.normal(size=(64, 30)), rng.normal(size=(64, *model.output_shape[1:]))


def fit(model, *callbacks, epochs=1):
    model.compile(keras.optimizers.SGD(0.05), "mse")
    model.fit(*data(model), 8, epochs, verbose=0, callbacks=list(callbacks))
    return model


def nonzero(layer):
    return ops.convert_to_numpy(layer.kernel) != 0


# Regrowth.


def test_sparse_evolution_moves_the_agreed_part():
    model = two()
    pruner = Pruner(model, criterion=sparse_evolution(0.25), layers="first")
    pruner.update(0.8)
    w = ops.convert_to_numpy(model.layers[0].kernel)
    before = w != 0
    pruner.update(0.8)
    after = ops.convert_to_numpy(pruner.state.keep[0])[0]
    assert before.sum() == after.sum() == 120
    dropped = before & ~after
    assert dropped.sum() == 30
    assert np.abs(w[dropped]).max() <= np.abs(w[before & after]).min()
    assert not nonzero(model.layers[0])[after & ~before].any()  # they start at 0


def test_rigl_grows_where_the_gradient_is_largest():
    model = two()
    x, y = data(model)
    pruner = Pruner(model, criterion=rigl(model, x, y, loss="mse", drop=0.25))
    pruner.update(0.8)
    before = [nonzero(layer) for layer in model.layers]
    # By hand: the gradient of the mean square of a linear network.
    k = [ops.convert_to_numpy(v).astype("float64") for v in model.weights]
    error = 2 * ((x @ k[0] + k[1]) @ k[2] + k[3] - y) / y.size
    dense = [x.T @ (error @ k[2].T), (x @ k[0] + k[1]).T @ error]
    found = gradients(model, x, y, "mse")
    pruner.update(0.8)
    for layer, was, g, keep in zip(model.layers, before, dense, pruner.state.keep, strict=True):
        np.testing.assert_allclose(found[id(layer.kernel)][0], np.abs(g), rtol=1e-4, atol=1e-6)
        grown = ops.convert_to_numpy(keep)[0] & ~was
        rest = ~ops.convert_to_numpy(keep)[0] & ~was
        assert grown.sum() == round(0.25 * was.sum())
        assert np.abs(g[grown]).min() >= np.abs(g[rest]).max() * (1 - 1e-5)


@pytest.mark.parametrize("make", [sparse_evolution, lambda: "rigl"])
def test_regrowth_in_fit_keeps_the_fraction(make):
    model = two()
    x, y = data(model)
    criterion = make()
    criterion = rigl(model, x, y, loss="mse") if criterion == "rigl" else criterion
    schedule = ConstantSparsity(0.75, 0, frequency=2)
    masks = []
    log = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda *_, **__: masks.append(get_masks(model)["first/kernel"])
    )
    fit(model, PruningCallback(schedule, criterion=criterion), log)
    assert {m.mean() for m in masks} == {0.25}
    assert (masks[0] != masks[-1]).any()
    wrapped = prune_low_magnitude(two(), schedule, criterion=sparse_evolution())
    fit(wrapped, UpdatePruningStep())
    assert 1 - get_masks(wrapped).popitem()[1].mean() == 0.75


def test_sign_stability_prunes_what_flips():
    criterion = sign_stability(momentum=0.5)
    dense = L.Dense(1, use_bias=False)
    model = keras.Sequential([keras.Input((4,)), dense])
    (p,) = keras_phase.parametrizations.of(dense)
    for sign in (1, -1, 1, -1):
        w = np.array([[[1.0 * sign], [9.0 * sign], [0.1], [-0.2]]], "float32")
        score = ops.convert_to_numpy(criterion.score(w, Site(None, None, p)))
    assert (score[0, :2] < 0.5).all()
    np.testing.assert_allclose(score[0, 2:], 1, rtol=1e-6)
    pruner = Pruner(model, criterion=sign_stability())
    pruner.update(0.5)
    assert nonzero(dense).sum() == 2


# Budgets and schedules.


def test_erk_prunes_the_whole_fraction_and_small_layers_less():
    model = two(200, 3)
    logs = prune(model, 0.9, scope="erk")
    assert logs["pruned"] == pytest.approx(0.9, abs=1e-3)
    first, second = logs["pruned/first"], logs["pruned/second"]
    assert second < 0.9 < first
    # Kept parts are as (30 + 200) / 6000 to (200 + 3) / 600.
    ratio = (1 - first) / (1 - second)
    assert ratio == pytest.approx((230 / 6000) / (203 / 600), rel=0.02)
    assert prune(two(), 1.0, scope="erk")["pruned"] == 1
    assert prune(two(), 0.0, scope="erk")["pruned"] == 0
    keep = prune(two(300, 1), 0.5, scope="erk")
    assert keep["pruned/second"] == 0
    assert keep["pruned"] == pytest.approx(0.5, abs=1e-3)


def test_schedules_for_single_layers():
    schedule = {
        "first": PolynomialDecay(0.2, 0.6, 0, 4, power=1, frequency=2),
        "sec*": one_shot(0.5, 3),
    }
    model = two()
    seen = []
    callback = PruningCallback(schedule)
    log = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda *_, **__: seen.append(tuple(callback.pruner.fractions().values()))
    )
    fit(model, callback, log)
    assert seen[1] == pytest.approx((0.4, 0.0))
    assert seen[2] == pytest.approx((0.4, 0.5))
    assert seen[-1] == pytest.approx((0.6, 0.5))
    only = Pruner(two(), {"second": one_shot(0.5)})
    only.start()
    assert list(only.fractions().values()) == [0, 0.5]


@pytest.mark.parametrize(
    ("schedule", "options", "error", "text"),
    [
        ({"third": one_shot(0.5)}, {}, ValueError, "a layer that is not there.*'third'"),
        ({"first": 0.5}, {}, TypeError, "for the layer 'first'"),
        ({"first": one_shot(0.5)}, {"scope": "global"}, ValueError, "scope='layer'"),
        (
            {"first": one_shot(0.5), "second": PhaseConstantSparsity(0.5, 0)},
            {},
            ValueError,
            "One pruner has one criterion",
        ),
    ],
)
def test_wrong_schedules_for_layers(schedule, options, error, text):
    with pytest.raises(error, match=text):
        Pruner(two(), schedule, **options)


def test_cosine_and_cubic():
    cosine, cubic = CosineSparsity(0.1, 0.9, 10, 50, 5), CubicSparsity(0.1, 0.9, 10, 50, 5)
    for step in range(0, 60, 5):
        p = np.clip((step - 10) / 40, 0, 1)
        wave = 0.9 - 0.8 * (1 + np.cos(np.pi * p)) / 2
        assert cosine(step) == (10 <= step <= 50, pytest.approx(wave))
        assert cubic(step) == PolynomialDecay(0.1, 0.9, 10, 50, 3, 5)(step)
    for schedule in (cosine, cubic):
        config = keras.saving.serialize_keras_object(schedule)
        again = keras.saving.deserialize_keras_object(config)
        assert (type(again), again.get_config()) == (type(schedule), schedule.get_config())
    assert [cosine_drop(0.4, 4)(i) for i in (0, 2, 4, 9)] == pytest.approx([0.4, 0.2, 0, 0])


# Masks.


def masked_by_pruner():
    model = two()
    Pruner(model).update(0.7)
    return model


def masked_by_wrappers():
    return fit(
        prune_low_magnitude(two(), ConstantSparsity(0.7, 1, frequency=1)), UpdatePruningStep()
    )


def masked_by_values():
    model = two()
    prune(model, 0.7)
    return model


# Wrappers are checked on TensorFlow only, as in test_vocabulary.py.
WRAPPERS = pytest.param(masked_by_wrappers, marks=pytest.mark.tensorflow)


@pytest.mark.parametrize("make", [masked_by_pruner, WRAPPERS, masked_by_values])
def test_masks_are_read_and_reported(make):
    model = make()
    masks = get_masks(model)
    kernels = [v for v in model.trainable_weights if v.name == "kernel"]
    for mask, kernel in zip(masks.values(), kernels, strict=True):
        np.testing.assert_array_equal(mask, ops.convert_to_numpy(kernel) != 0)
    report = sparsity_report(model)
    assert [(x.elements, x.zeros, x.pruned) for x in report] == [(600, 420, 420), (200, 140, 140)]
    assert "all" in str(report).splitlines()[-1]
    assert "70.00%" in str(report).splitlines()[-1]


@pytest.mark.parametrize("granularity", ["component", "node", "block"])
def test_masks_of_other_granularities(granularity):
    model = keras.Sequential([keras.Input((8,)), keras_phase.AlgebraDense(4, name="dense")])
    pruner = Pruner(
        model, granularity=granularity, block_shape=(2, 2) if granularity == "block" else None
    )
    pruner.update(0.5)
    (mask,) = get_masks(model).values()
    assert mask.shape == (4, 4)
    if granularity != "component":
        assert mask.mean() == 0.5


@pytest.mark.tensorflow
def test_fine_tuning_a_stripped_model_with_frozen_masks():
    model = strip_pruning(masked_by_wrappers())
    masks = get_masks(model)
    pruner = set_masks(model, masks)
    before = snapshot(model)
    fit(model)
    for layer, mask in zip(model.layers, masks.values(), strict=True):
        np.testing.assert_array_equal(nonzero(layer), mask)
    assert any((a != b).any() for a, b in zip(before, snapshot(model), strict=True))
    pruner.release()
    fit(model)
    assert nonzero(model.layers[0]).all()


def test_phase_masks_keep_their_moduli():
    model = keras.Sequential([keras.Input((30,)), keras_phase.PhaseDense(10, name="dense")])
    prune(model, 1.0, "phase")
    moduli = np.hypot(*ops.convert_to_numpy(model.layers[0].kernel))
    set_masks(model, {"dense/kernel": np.zeros((15, 10), bool)}, "phase")
    before = ops.convert_to_numpy(model.layers[0].kernel)
    fit(model)
    after = ops.convert_to_numpy(model.layers[0].kernel)
    np.testing.assert_allclose(np.hypot(*after), moduli, rtol=1e-5)
    assert np.abs(after - before).max() > 1e-3


def test_lottery_tickets():
    model = two()
    start = snapshot(model)
    fit(model, PruningCallback(one_shot(0.8, 4)))
    masks = get_masks(model)
    rewind(model, start)
    for layer, value, mask in zip(model.layers, start[::2], masks.values(), strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(layer.kernel), np.where(mask, value, 0))
    plain = masked_by_values()
    masks = get_masks(plain)
    rewind(plain, start)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(plain.layers[0].kernel), np.where(masks["first/kernel"], start[0], 0)
    )
    with pytest.raises(ValueError, match="of another model"):
        rewind(two(3), start)


@pytest.mark.parametrize(
    "masks", [{"third/kernel": np.ones((3, 3), bool)}, {"first/kernel": [True]}]
)
def test_masks_must_fit(masks):
    with pytest.raises(ValueError, match="A mask does not fit the model"):
        set_masks(two(), masks)


def test_gradients_need_a_loss_and_plain_kernels():
    model = two()
    with pytest.raises(ValueError, match="Gradients need a loss"):
        gradients(model, *data(model))
    model.compile(loss="mse")
    assert len(gradients(model, *data(model))) == 2
    polar = keras.Sequential([keras.Input((30,)), keras_phase.PhaseDense(5, amplitude="element")])
    with pytest.raises(ValueError, match="has no gradient"):
        gradients(polar, *data(polar), "mse")


# The ten lines of docs/pruning.md.


def test_a_criterion_of_ones_own():
    @criteria.register("test_relative")
    def relative(w, site):
        """Modulus relative to the largest of the output unit."""
        modulus = ops.sqrt(ops.sum(ops.square(w), axis=0, keepdims=True))
        return modulus / ops.max(modulus, axis=-2, keepdims=True)

    try:
        dense = keras_phase.AlgebraDense(4, name="dense")
        model = keras.Sequential([keras.Input((20,)), dense])
        kernel = ops.convert_to_numpy(dense.kernel) * np.array([1, 10, 100, 1000])
        keras_phase.parametrizations.of(dense)[0].set_kernel(kernel.astype("float32"))
        prune(model, 0.5, "test_relative")
        kept = ops.convert_to_numpy(dense.kernel).any(axis=0).sum(axis=0)
        assert kept.sum() == 20
        assert kept.min() >= 2  # by magnitude, the first two units would be empty
        wrapped = prune_low_magnitude(L.Dense(2), criterion="test_relative")
        assert type(wrapped).from_config(wrapped.get_config()).criterion == "test_relative"
    finally:
        del criteria.CRITERIA._objects["test_relative"]
