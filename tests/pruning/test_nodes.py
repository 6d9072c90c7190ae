"""Ranking and removing nodes, the eigenvalue criterion, and shrinking by a metric."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_phase
from keras_phase import pruning
from keras_phase.pruning import nodes
from keras_phase.pruning.nodes import node_scores, prune_nodes, shrink, shrink_until
from tests.helpers.layer_checks import data

HALF = {"in_initializer": "half_uniform", "out_initializer": "half_uniform"}


def network(algebra="real", bias=True, **spectral):
    keras.utils.set_random_seed(1)
    d = keras_phase.algebras.get(algebra).dimension
    settings = {
        "algebra": algebra,
        "use_bias": bias,
        "bias_initializer": "ones",
        **HALF,
        **spectral,
    }
    return keras.Sequential(
        [
            keras.Input((5 * d,)),
            keras_phase.SpectralDense(10, "tanh", name="first", **settings),
            keras_phase.SpectralDense(6, "tanh", name="second", **settings),
            keras_phase.SpectralDense(3, name="head", **settings),
        ]
    )


def numpy(x):
    return np.asarray(ops.convert_to_numpy(x), dtype="float64")


@pytest.mark.parametrize("algebra", ["real", "complex", "quaternion"])
def test_scores_are_their_definitions(algebra):
    model = network(algebra)
    layer = model.get_layer("first")
    kernel, (inputs, outputs) = numpy(layer.kernel), map(numpy, layer.eigenvalues)
    weighted = (inputs[:, None] - outputs) * numpy(layer.eigenvectors)
    expected = {
        "eigenvalue": np.sqrt((weighted**2).sum(axis=(0, 1))),
        "connectivity": np.sqrt((kernel**2).sum(axis=0)).sum(axis=0),
        "kernel_norm": np.sqrt((kernel**2).sum(axis=(0, 1))),
    }
    assert set(expected) | set(nodes.WITH_DATA) == set(nodes.SCORES)
    for by, scores in expected.items():
        found = node_scores(model, by)
        assert list(found) == ["first", "second"]
        np.testing.assert_allclose(found["first"], scores, rtol=1e-5)


def test_one_set_ranks_by_its_eigenvalues():
    model = network(train_in=None)
    for name, scores in node_scores(model).items():
        outputs = numpy(model.get_layer(name).eigenvalues.outputs)
        np.testing.assert_allclose(scores, np.abs(outputs), rtol=1e-6)


def test_response_is_what_a_node_adds_to_the_next_layer():
    model, x = network("complex"), data((40, 10))
    hidden = numpy(keras.Model(model.inputs, model.layers[0].output)(x))
    after = model.get_layer("second")
    expected = []
    for j in range(10):
        alone = np.zeros_like(hidden)
        alone[:, [j, 10 + j]] = hidden[:, [j, 10 + j]]
        added = numpy(after._product(alone.astype("float32"), after.kernel, after.algebra))
        # What the two components add does not overlap on average over the outputs' norm.
        parts = [np.where(np.arange(20) == k, hidden, 0).astype("float32") for k in (j, 10 + j)]
        energy = sum(
            (
                numpy(after._product(a, after.kernel, after.algebra))
                * numpy(after._product(b, after.kernel, after.algebra))
            )
            .sum(axis=1)
            .mean()
            for a in parts
            for b in parts
        )
        np.testing.assert_allclose(energy, (added**2).sum(axis=1).mean(), rtol=1e-4)
        expected.append(np.sqrt(energy))
    found = node_scores(model, "response", data=x)["first"]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_nodes_are_followed_through_the_layers_between():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 6, 2))
    y = layers.Conv2D(4, 3, activation="relu", name="conv")(inputs)
    y = layers.MaxPooling2D(2)(layers.BatchNormalization()(y))
    z = layers.Dense(5, "tanh", name="dense")(layers.Flatten()(y))
    joined = layers.Concatenate()([z, layers.Dropout(0.5)(z)])
    model = keras.Model(inputs, layers.Dense(3, name="head")(joined))
    x = data((30, 8, 6, 2))
    found = node_scores(model, "response", data=x)
    flat = keras.Model(inputs, model.get_layer("dense").input)(x)
    kernel, flat = numpy(model.get_layer("dense").kernel), numpy(flat)
    added = [((flat[:, j::4] @ kernel[j::4]) ** 2).sum(axis=1).mean() ** 0.5 for j in range(4)]
    np.testing.assert_allclose(found["conv"], added, rtol=1e-4)
    seen = numpy(keras.Model(inputs, model.get_layer("dense").output)(x))
    kernel = numpy(model.get_layer("head").kernel)
    both = np.sqrt((seen**2).mean(axis=0) * ((kernel[:5] + kernel[5:]) ** 2).sum(axis=1))
    np.testing.assert_allclose(found["dense"], both, rtol=1e-4)


def duplicated(last):
    """Five distinct nodes, each of them four times, and what the next layer makes of them."""
    rng = np.random.default_rng(0)
    model = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(20, "relu", name="hidden"),
            layers.Dense(3, last, use_bias=False),
        ]
    )
    model.layers[0].kernel.assign(np.repeat(rng.normal(size=(5, 5)), 4, axis=1))
    model.layers[1].kernel.assign(np.repeat(rng.normal(size=(5, 3)), 4, axis=0))
    return model


@pytest.mark.parametrize("last", ["softmax", None])
def test_selection_takes_one_of_each_kind_before_copies(last):
    model = duplicated(last)
    scores = node_scores(model, "selection", data=data((200, 5)))["hidden"]
    assert sorted(scores) == pytest.approx(np.arange(1, 21) / 20)
    first = np.argsort(-scores)[:5] // 4
    assert len(set(first)) >= 3  # norms alone would take copies of the largest


def test_selection_keeps_what_the_network_says():
    keras.utils.set_random_seed(0)
    x = data((600, 6))
    y = (x @ np.random.default_rng(0).normal(size=(6, 3))).argmax(axis=1)
    model = keras.Sequential(
        [keras.Input((6,)), layers.Dense(60, "relu"), layers.Dense(3, "softmax")]
    )
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["acc"])
    model.fit(x[:400], y[:400], epochs=15, verbose=0)
    weights, accuracy = model.get_weights(), {}
    for by in ("selection", "connectivity"):
        model.set_weights(weights)
        prune_nodes(model, 0.85, by=by, data=x[:400])
        accuracy[by] = model.evaluate(x[400:], y[400:], verbose=0)[1]
    assert accuracy["selection"] > accuracy["connectivity"] + 0.03


def test_channels_of_convolutions_are_nodes():
    model = keras.Sequential(
        [
            keras.Input((6, 6, 3)),
            layers.Conv2D(4, 3, name="conv"),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    kernel = numpy(model.get_layer("conv").kernel)
    np.testing.assert_allclose(
        node_scores(model, "connectivity")["conv"], np.abs(kernel).sum(axis=(0, 1, 2)), rtol=1e-5
    )


def test_output_layers_are_left_out_behind_activations_and_sums():
    inputs = keras.Input((4,))
    x = layers.Dense(5, name="hidden")(inputs)
    y = layers.Add()([layers.Dense(2, name="a")(x), layers.Dense(2, name="b")(x)])
    model = keras.Model(inputs, layers.Softmax()(y))
    assert list(node_scores(model, "connectivity")) == ["hidden"]
    assert list(node_scores(model, "connectivity", layers=["a"])) == ["a"]


def test_the_whole_pool_competes_or_each_layer_by_itself():
    model = network(train_in=None)
    model.get_layer("second").kernel_parametrization.set_eigenvalues(outputs=5.0)
    kept = prune_nodes(model, 0.5)
    assert kept["second"].all() and kept["first"].sum() == 2
    scores = np.abs(numpy(model.get_layer("first").eigenvalues.outputs))
    np.testing.assert_array_equal(kept["first"], scores >= np.sort(scores)[-2])
    kept = prune_nodes(network(train_in=None), 0.5, scope="layer")
    assert kept["first"].sum() == 5 and kept["second"].sum() == 3


@pytest.mark.parametrize("algebra", ["real", "complex"])
def test_removed_nodes_are_silent_and_the_others_unchanged(algebra):
    model = network(algebra)
    d = model.layers[0].algebra.dimension
    hidden = keras.Model(model.inputs, model.layers[0].output)
    x = data((7, 5 * d))
    before = numpy(hidden(x))
    kept = prune_nodes(model, 0.5)["first"]
    after = numpy(hidden(x))
    channels = np.tile(kept, d)
    assert not after[:, ~channels].any()
    np.testing.assert_array_equal(after[:, channels], before[:, channels])


def test_a_threshold_keeps_what_reaches_it():
    model = network(train_in=None)
    kept = prune_nodes(model, threshold=0.2, scope="layer")
    for name, keep in kept.items():
        outputs = numpy(model.get_layer(name).eigenvalues.outputs)
        np.testing.assert_array_equal(keep, np.abs(outputs) >= 0.2)


def test_scores_of_ones_own_are_taken():
    model = network()
    scores = {"first": np.arange(10.0), "second": np.full(6, 99.0)}
    kept = prune_nodes(model, 0.25, by=scores)
    np.testing.assert_array_equal(kept["first"], np.arange(10) >= 4)
    with pytest.raises(ValueError, match="scores of the 6 nodes of 'second'"):
        prune_nodes(model, 0.25, by={"first": np.arange(10.0)})


def test_pruning_again_counts_the_removed_ones():
    model = network()
    first = prune_nodes(model, 0.25, scope="layer")
    second = prune_nodes(model, 0.5, scope="layer")
    for name, keep in second.items():
        assert not (keep & ~first[name]).any()
        assert keep.sum() == round(0.5 * keep.size)


def test_batch_normalization_behind_a_node_is_silenced():
    model = keras.Sequential(
        [keras.Input((4,)), layers.Dense(8), layers.BatchNormalization(), layers.Dense(2)]
    )
    norm = model.layers[1]
    for w in norm.weights:
        w.assign(np.abs(data(w.shape)) + 0.5)
    kept = prune_nodes(model, 0.5, by="kernel_norm")
    hidden = keras.Model(model.inputs, norm.output)
    y = numpy(hidden(data((3, 4))))
    (keep,) = kept.values()
    assert not y[:, ~keep].any() and y[:, keep].all()


def test_emptying_a_layer_warns_or_is_refused():
    model = network(train_in=None)
    model.get_layer("second").kernel_parametrization.set_eigenvalues(outputs=0.001)
    with pytest.warns(nodes.EmptiedWarning, match="'second' loses all of its 6 nodes"):
        prune_nodes(model, 0.5)
    with pytest.raises(ValueError, match="would empty it"):
        shrink(model)
    with pytest.raises(ValueError, match="'first' would lose all"):
        prune_nodes(network(train_in=None), threshold=9.0, scope="layer")


@pytest.mark.parametrize("sets", [{}, {"train_in": None}, {"train_vectors": False}])
def test_eigenvalue_criterion_prunes_during_training(sets):
    model = network(**sets)
    model.compile(keras.optimizers.Adam(0.01), "mse")
    schedule = keras_phase.PolynomialDecay(0.0, 0.5, begin_step=0, end_step=6, frequency=2)
    callback = keras_phase.PruningCallback(
        schedule, criterion="eigenvalue", granularity="node", layers=["first", "second"]
    )
    history = model.fit(
        data((64, 5)), data((64, 3), 1), batch_size=8, verbose=0, callbacks=[callback]
    )
    assert history.history["pruned"] == [0.5]
    for name in ("first", "second"):
        kernel = numpy(model.get_layer(name).kernel)[0]
        assert (~kernel.any(axis=0)).mean() == 0.5
    smaller = shrink(model)
    assert [layer.units for layer in smaller.layers] == [5, 3, 3]
    x = data((9, 5), 3)
    np.testing.assert_allclose(numpy(smaller(x)), numpy(model(x)), atol=1e-5)


def test_shrink_until_a_metric_falls():
    keras.utils.set_random_seed(0)
    x, rng = data((400, 6)), np.random.default_rng(0)
    y = (x @ rng.normal(size=(6, 3))).argmax(axis=1)
    model = keras.Sequential(
        [keras.Input((6,)), layers.Dense(40, "relu", name="hidden"), layers.Dense(3, "softmax")]
    )
    model.compile(
        keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    model.fit(x, y, epochs=8, verbose=0)
    weights = model.get_weights()
    found = shrink_until(model, (x, y), max_drop=0.03, step=0.1, by="kernel_norm")
    for old, new in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert found.history[0][0] == 0 and found.fraction > 0
    values = dict(found.history)
    assert values[0] - values[found.fraction] <= 0.03
    assert found.fraction == 0.9 or values[0] - found.history[-1][1] > 0.03
    assert found.model.get_layer("hidden").units == round(40 * (1 - found.fraction))
    accuracy = found.model.evaluate(x, y, verbose=0)[1]
    assert accuracy == pytest.approx(values[found.fraction], abs=1e-6)
    by_loss = shrink_until(model, (x, y), "loss", max_drop=1e9, step=0.3, by="kernel_norm")
    assert by_loss.fraction == pytest.approx(0.6)


def stock():
    return keras.Sequential([keras.Input((4,)), layers.Dense(5, name="plain"), layers.Dense(2)])


def infinite():
    model = network(train_in=None)
    model.get_layer("second").kernel_parametrization.set_eigenvalues(outputs=np.nan)
    return model


ERRORS = [
    (lambda: node_scores(network(), "selection"), "looks at what nodes do on data.*data=None"),
    (
        lambda: node_scores(
            keras.Sequential([keras.Input((4, 3)), layers.Dense(5, name="d"), layers.LSTM(2)]),
            "response",
            data=data((2, 4, 3)),
        ),
        "reads the nodes of 'd'",
    ),
    (lambda: prune_nodes(network(), 1.0), "from 0 to below 1.*fraction=1.0"),
    (lambda: prune_nodes(network(), -0.1), "fraction=-0.1"),
    (lambda: prune_nodes(network()), "either `fraction`"),
    (lambda: prune_nodes(network(), 0.5, threshold=0.1), "either `fraction`"),
    (lambda: prune_nodes(network(), threshold=np.inf), "finite `threshold`"),
    (lambda: prune_nodes(network(), 0.5, by="beauty"), "eigenvalue, connectivity, kernel_norm"),
    (lambda: prune_nodes(network(), 0.5, scope="world"), "layer, global"),
    (lambda: prune_nodes(stock(), 0.5), "'plain' has no eigenvalues.*Cartesian"),
    (lambda: node_scores(infinite()), "'second' has nodes whose score is not a number"),
    (lambda: node_scores(keras.Sequential([layers.Dense(2)])), "is not built"),
    (
        lambda: node_scores(keras.Sequential([keras.Input((4,)), layers.Dense(2)]), "kernel_norm"),
        "no nodes to rank",
    ),
    (
        lambda: node_scores(
            keras.Sequential([keras.Input((4, 3)), layers.LSTM(2, name="r")]), layers="r"
        ),
        "LSTMCell 'r/lstm_cell' has no nodes",
    ),
    (
        lambda: pruning.prune(stock(), 0.5, "eigenvalue", granularity="node"),
        "has no eigenvalues to rank its nodes by.*granularity='node'",
    ),
    (
        lambda: pruning.prune(network(), 0.5, "eigenvalue"),
        "ranks whole nodes.*granularity='element'",
    ),
    (lambda: shrink_until(network(), (data((2, 5)),)), "compile it first"),
    (lambda: shrink_until(network(), None, step=0), "`step` between 0 and 1"),
    (lambda: shrink_until(network(), None, mode="up"), "mode='up'"),
]


@pytest.mark.parametrize(("act", "words"), ERRORS)
def test_errors(act, words):
    with pytest.raises(ValueError, match=words):
        act()
