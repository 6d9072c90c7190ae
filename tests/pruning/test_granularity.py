"""Counting and choosing units, against loops over sorted lists."""

import itertools

import numpy as np
import pytest

from keras_phase.pruning import granularity
from keras_phase.pruning.granularity import Block, Granularity, lowest, num_pruned

FRACTIONS = (0.0, 0.01, 0.25, 0.5, 0.65, 0.9, 0.999, 1.0)


@pytest.mark.parametrize("fraction", FRACTIONS)
@pytest.mark.parametrize("count", [0, 1, 2, 3, 10, 785, 200_704, 2**24 + 1])
def test_count_is_within_half_a_unit_and_keeps_one(count, fraction):
    pruned = num_pruned(count, fraction)
    assert 0 <= pruned <= count
    # float32 has 24 bits.
    assert abs(pruned - count * fraction) <= max(1, count * 1e-6)
    if fraction == 1.0:
        assert pruned == count
    if fraction < 1.0 and count:
        assert pruned < count
    if fraction == 0.0:
        assert pruned == 0


def test_half_is_exactly_half():
    assert all(num_pruned(2 * n, 0.5) == n for n in range(1, 500))


@pytest.mark.parametrize("levels", [1, 2, 5, 1000])
def test_lowest_is_the_start_of_a_stable_sort(rng, levels):
    scores = rng.integers(levels, size=97).astype("float32")
    order = sorted(range(97), key=lambda i: (scores[i], i))
    for count in (0, 1, 13, 50, 96, 97):
        assert sorted(order[:count]) == np.flatnonzero(lowest(scores, count)).tolist()


def test_lowest_takes_infinite_scores():
    scores = np.array([np.inf, 1.0, np.inf, -np.inf])
    assert lowest(scores, 3).tolist() == [True, True, False, True]


@pytest.mark.parametrize("shape", [(1, 5, 7), (1, 3, 3, 5, 4)])
@pytest.mark.parametrize("block", [(1, 1), (2, 3), (4, 1), (9, 9)])
def test_blocks_are_means_over_rectangles(rng, shape, block):
    scores, unit = rng.random(shape), Block(block)
    pooled = unit.pool(scores)
    rows, columns = (range(0, n, b) for n, b in zip(shape[-2:], block, strict=True))
    for (i, r), (j, c) in itertools.product(enumerate(rows), enumerate(columns)):
        rectangle = (..., slice(r, r + block[0]), slice(c, c + block[1]))
        np.testing.assert_allclose(pooled[..., i, j], scores[rectangle].mean((-1, -2)))
    kept = rng.random(pooled.shape) < 0.5
    mask = unit.spread(kept, shape)
    assert mask.shape == shape
    for index in np.ndindex(*shape):
        at = (*index[:-2], index[-2] // block[0], index[-1] // block[1])
        assert mask[index] == kept[at]


def test_nodes_are_means_over_columns(rng):
    scores = rng.random((1, 3, 4, 6))
    unit = granularity.get("node")
    expected = [scores[..., k].mean() for k in range(6)]
    np.testing.assert_allclose(unit.pool(scores).ravel(), expected)
    assert unit.mask_shape(scores.shape) == (1, 1, 1, 6)


@pytest.mark.parametrize("name", ["element", "component", "node", "block"])
def test_more_is_pruned_from_the_same_order(rng, name):
    unit = granularity.get(name, block_shape=(2, 2) if name == "block" else None)
    scores = [unit.pool(rng.random((1, 6, 8)).astype("float32")) for _ in range(2)]
    masks = [np.concatenate([k.ravel() for k in unit.select(scores, f)]) for f in FRACTIONS]
    for less, more in itertools.pairwise(masks):
        assert not (more & ~less).any()
    assert masks[0].all()
    assert not masks[-1].any()


REFUSED = [
    (("row",), {}, "Unknown granularity. Expected one of: element, component, node, block"),
    (("block",), {}, "takes block_shape. Received: none"),
    (("node",), {"block_shape": (2, 2)}, r"takes no options. Received: block_shape=\(2, 2\)"),
    ((Granularity(),), {"block_shape": (2, 2)}, "takes no options"),
    (("block",), {"block_shape": (2, 0)}, r"two positive integers.*block_shape=\(2, 0\)"),
    (("block",), {"block_shape": (2,)}, "two positive integers"),
]


@pytest.mark.parametrize(("args", "options", "message"), REFUSED)
def test_wrong_granularities_are_refused(args, options, message):
    with pytest.raises(ValueError, match=message):
        granularity.get(*args, **options)


@pytest.fixture
def rng():
    return np.random.default_rng(0)
