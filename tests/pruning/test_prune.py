"""Pruning at once: what is pruned, by loops over sorted lists, and which weights are found."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_phase
from keras_phase import pruning
from keras_phase.pruning.targets import find
from tests.pruning.networks import ALGEBRAS, kernel, kernels, network, stock, zero_fraction


@pytest.mark.parametrize("algebra", ALGEBRAS)
@pytest.mark.parametrize("criterion", ["magnitude", "random"])
def test_half_of_the_elements_is_exactly_half_and_none_is_half_zero(algebra, criterion):
    model = network(algebra)
    report = pruning.prune(model, 0.5, criterion)
    assert report == {"pruned": 0.5, "pruned/hidden": 0.5, "pruned/classes": 0.5}
    for w in kernels(model).values():
        zero = w == 0
        assert zero.all(axis=0).mean() == 0.5
        assert (zero.all(axis=0) == zero.any(axis=0)).all()


def test_stock_layers_lose_their_smallest_weights_and_nothing_else():
    model = stock()
    before = {v.path: ops.convert_to_numpy(v) for v in model.weights}
    report = pruning.prune(model, 0.25)
    assert set(report) == {"pruned", "pruned/embedding", "pruned/conv", "pruned/dense"}
    for v in model.weights:
        now, old = ops.convert_to_numpy(v), before[v.path]
        if v.path.endswith(("kernel", "embeddings")):
            order = np.argsort(np.abs(old).ravel(), kind="stable")
            old = old.ravel()
            old[order[: round(old.size * 0.25)]] = 0
        np.testing.assert_array_equal(now.ravel(), old.ravel())


@pytest.mark.parametrize("algebra", ["real", "complex", "quaternion"])
@pytest.mark.parametrize("scale", ["layer", "unit"])
def test_phase_of_a_part_takes_the_moduli_nearest_the_scale(algebra, scale):
    model = network(algebra)
    old = kernels(model)
    pruning.prune(model, 0.5, "phase", scale=scale)
    for name, new in kernels(model).items():
        modulus, changed = np.linalg.norm(old[name], axis=0), (new != old[name]).any(axis=0)
        s = modulus.mean() if scale == "layer" else modulus.mean(axis=0, keepdims=True)
        distance = np.abs(np.log(modulus / s))
        np.testing.assert_allclose(
            np.linalg.norm(new, axis=0)[changed], np.broadcast_to(s, modulus.shape)[changed], 1e-5
        )
        assert distance[changed].max() <= distance[~changed].min()
        assert changed.sum() == changed.size // 2


def test_phase_is_the_same_for_a_scaled_network_but_for_the_scale():
    results = []
    for factor in (1.0, 64.0):
        keras.utils.set_random_seed(3)
        model = network()
        (p,) = keras_phase.parametrizations.of(model.get_layer("hidden"))
        p.set_kernel(p.kernel() * factor)
        pruning.prune(model, 0.5, "phase")
        results.append(kernel(model.get_layer("hidden")) / factor)
    np.testing.assert_allclose(*results, rtol=1e-5)


@pytest.mark.parametrize("criterion", ["magnitude", "phase", "amplitude", "real", "imaginary"])
def test_zeros_go_first_stay_zero_and_do_not_count_in_the_scale(criterion):
    model = network()
    pruning.prune(model, 0.5)
    before = kernels(model)
    pruning.prune(model, 0.5, criterion)
    for name, w in kernels(model).items():  # all of the half that was pruned was zero
        np.testing.assert_array_equal(w, before[name])
    pruning.prune(model, 1.0, criterion)
    for name, w in kernels(model).items():
        assert not w[:, ~before[name].any(axis=0)].any()
    if criterion == "phase":
        for name, w in kernels(model).items():
            modulus = np.linalg.norm(before[name], axis=0)
            expected = np.where(modulus > 0, modulus[modulus > 0].mean(), 0)
            np.testing.assert_allclose(np.linalg.norm(w, axis=0), expected, rtol=1e-5)


def test_global_scope_compares_all_weights():
    model = network()
    (p,) = keras_phase.parametrizations.of(model.get_layer("classes"))
    p.set_kernel(p.kernel() * 1e-3)  # all of it is smaller than the rest
    report = pruning.prune(model, 32 / 80, scope="global")
    assert report == {"pruned": 0.4, "pruned/hidden": 0.0, "pruned/classes": 1.0}


def test_components_are_the_numbers_of_the_real_algebra():
    model = network("quaternion")
    old = kernel(model.get_layer("hidden"))
    pruning.prune(model, 0.5, granularity="component")
    new = kernel(model.get_layer("hidden"))
    order = np.argsort(np.abs(old).ravel(), kind="stable")
    expected = old.ravel().copy()
    expected[order[: old.size // 2]] = 0
    np.testing.assert_array_equal(new.ravel(), expected)
    pruning.prune(model, 1.0, "phase", granularity="component")
    values = np.unique(np.abs(kernel(model.get_layer("hidden"))))
    assert len(values) == 2  # 0 and the scale
    assert values[1] == pytest.approx(np.abs(expected[expected != 0]).mean(), rel=1e-6)


def test_nodes_and_blocks_go_as_a_whole():
    model = network("complex")
    old = np.linalg.norm(kernel(model.get_layer("hidden")), axis=0)
    pruning.prune(model, 0.25, granularity="node", layers="hidden")
    gone = ~kernel(model.get_layer("hidden")).any(axis=(0, 1))
    assert gone.sum() == 2
    assert set(np.flatnonzero(gone)) == set(np.argsort(old.mean(axis=0))[:2])
    pruning.prune(model, 0.5, granularity="block", block_shape=(4, 2), layers="classes")
    zero = ~kernel(model.get_layer("classes")).any(axis=0)
    assert zero.reshape(2, 4, 2, 2).all(axis=(1, 3)).sum() == 2
    assert zero.mean() == 0.5


def test_random_depends_on_seed_and_path_only():
    def pruned(seed, name="hidden"):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(8, name=name)])
        pruning.prune(model, 0.5, "random", seed=seed)
        return ops.convert_to_numpy(model.weights[0]) == 0

    np.testing.assert_array_equal(pruned(1), pruned(1))
    assert (pruned(1) != pruned(2)).any()
    assert (pruned(1) != pruned(1, "other")).any()


@pytest.mark.parametrize("amplitude", ["element", "unit", "one"])
def test_polar_weights_are_pruned_through_their_variables(amplitude):
    parametrization = keras_phase.parametrizations.Polar(amplitude)
    model = network(parametrization=parametrization)
    pruning.prune(model, 0.5)
    assert all(zero_fraction(w) == 0.5 for w in kernels(model).values())


class Subclassed(keras.Model):
    """A shared layer, layers in a list and in a nested model, and two of the same name."""

    def __init__(self):
        super().__init__(name="net")
        self.shared = keras.layers.Dense(4, name="shared")
        self.blocks = [keras.layers.Dense(4, name="twin"), keras.layers.Dense(4, name="twin")]
        self.inner = keras.Sequential([self.shared, keras_phase.PhaseDense(2, name="phase")])
        self.norm = keras.layers.LayerNormalization()

    def call(self, x):
        for block in (self.shared, *self.blocks):
            x = block(x)
        return self.inner(self.norm(x))


def test_weights_are_found_in_nested_shared_and_subclassed_models():
    model = Subclassed()
    model(np.ones((1, 4)))
    paths = {t.path for t in find(model)}
    assert paths == {
        "shared/kernel",
        "twin/kernel",
        "twin_1/kernel",
        "sequential/phase/kernel",
    }
    assert {t.path for t in find(model, "sequential")} == {
        "shared/kernel",
        "sequential/phase/kernel",
    }
    assert [t.path for t in find(model, ["twin_1"])] == ["twin_1/kernel"]
    assert [t.path for t in find(model, model.shared)] == ["shared/kernel"]
    phase = find(model, lambda layer: isinstance(layer, keras_phase.PhaseDense))
    assert [t.path for t in phase] == ["sequential/phase/kernel"]
    assert phase[0].shape == (2, 2, 2)


def not_a_number():
    model = network()
    model.get_layer("classes").weights[0].assign(np.full((2, 8, 4), np.nan))
    return model


REFUSED = [
    (network, (0.5, "size"), {}, "Unknown criterion. Expected one of: magnitude, phase, sign"),
    (network, (0.5, "sign"), {}, "'hidden/kernel' has 2 real numbers an element. Use 'phase'"),
    (lambda: network("real"), (0.5, "real"), {}, "Use 'first' or 'rest', their general forms"),
    (network, (0.5,), {"scope": "model"}, "Unknown scope. Expected one of: layer, global"),
    (network, (0.5,), {"scale": "node"}, "Unknown scale. Expected one of: layer, unit"),
    (network, (0.5,), {"granularity": "block"}, "takes block_shape. Received: none"),
    (network, (1.5,), {}, "must be from 0 to 1. Received: fraction=1.5"),
    (network, (0.5,), {"layers": "hiden"}, "does not have. Expected one of: .*hidden.*'hiden'"),
    (network, (0.5,), {"layers": lambda layer: False}, "Nothing to prune.*and layers=<function"),
    (
        lambda: keras.Sequential([keras.Input((2,)), keras.layers.ReLU(name="relu")]),
        (0.5,),
        {},
        "Nothing to prune: expected at least one kernel of rank 2 or more.*the layers relu",
    ),
    (
        lambda: keras.Sequential([keras.layers.Dense(2)]),
        (0.5,),
        {},
        "is not built.*Give it an `Input`.*Received: model.built=False",
    ),
    (
        not_a_number,
        (0.5,),
        {},
        "not a number or infinite.*Expected: finite weights. Received: 'classes/kernel' with 64",
    ),
]


@pytest.mark.parametrize(("model", "args", "options", "message"), REFUSED)
def test_wrong_use_is_refused(model, args, options, message):
    with pytest.raises(ValueError, match=message):
        pruning.prune(model(), *args, **options)
