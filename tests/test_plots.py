"""Figures: what is drawn (read back from the artists), labels with units, and the missing extra."""

import builtins

import numpy as np
import pytest

from keras_phase import PhaseDense, plots, wavelets

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    from matplotlib import pyplot

    pyplot.close("all")


@pytest.mark.parametrize(
    "d, xlabel",
    [(1, "weight"), (2, "real part"), (4, "first component")],
)
def test_weight_cloud_shows_every_element(d, xlabel):
    kernel = RNG.normal(size=(d, 7, 5))
    ax = plots.weight_cloud(kernel)
    assert ax.get_xlabel() == xlabel
    if d == 1:
        assert sum(bar.get_height() for bar in ax.patches) == 35
        return
    points = ax.collections[0].get_offsets()
    assert len(points) == 35
    np.testing.assert_allclose(
        np.linalg.norm(points, axis=1), np.linalg.norm(kernel, axis=0).ravel()
    )
    np.testing.assert_allclose(points[:, 0], kernel[0].ravel())


def test_weight_cloud_circle_is_the_mean_modulus_of_non_zero_elements():
    kernel = np.zeros((2, 3, 1))
    kernel[:, 0, 0], kernel[:, 1, 0] = (3, 4), (0, -1)
    circle = plots.weight_cloud(kernel).lines[0].get_xydata()
    np.testing.assert_allclose(np.linalg.norm(circle, axis=1), 3.0)


def test_large_kernels_are_sampled():
    ax = plots.weight_cloud(RNG.normal(size=(2, 300, 100)))
    assert 6000 <= len(ax.collections[0].get_offsets()) < 12000


def test_phase_histogram_in_radians():
    angles = np.array([0.1, 0.1, -3.0, 2.0])
    kernel = np.stack([np.cos(angles), np.sin(angles)])[:, None]
    kernel = np.concatenate([kernel, np.zeros((2, 1, 4))], axis=1)
    ax = plots.phase_histogram(kernel, bins=8, label="before")
    assert ax.get_xlabel() == "phase (radians)"
    assert [t.get_text() for t in ax.get_xticklabels()] == ["-π", "-π/2", "0", "π/2", "π"]
    assert [bar.get_height() for bar in ax.patches] == [1, 0, 0, 0, 2, 0, 1, 0]
    assert ax.get_legend().get_texts()[0].get_text() == "before"


def test_phase_histogram_of_signs_and_of_quaternions():
    signs = plots.phase_histogram(np.array([[[-1.0, 2.0, 0.0, 3.0]]]))
    assert [bar.get_height() for bar in signs.patches] == [1, 2]
    angles = plots.phase_histogram(RNG.normal(size=(4, 6, 5)), bins=10)
    assert angles.get_xlabel() == "angle to the first basis element (radians)"
    assert sum(bar.get_height() for bar in angles.patches) == 30


def test_takes_a_layer_and_an_axes():
    from matplotlib import pyplot

    layer = PhaseDense(4, amplitude="one")
    layer.build((None, 6))
    _, ax = pyplot.subplots()
    assert plots.weight_cloud(layer, ax) is ax
    radius = np.linalg.norm(ax.collections[0].get_offsets(), axis=1)
    np.testing.assert_allclose(radius, radius[0], rtol=1e-5)


HISTORY = {
    "intact": [(1, {"accuracy": 0.5, "loss": 2.0}), (3, {"accuracy": 0.9, "loss": 1.0})],
    "phase": [(1, {"accuracy": 0.4, "loss": 2.1}), (3, {"accuracy": 0.8, "loss": 1.2})],
}


def test_variant_curves_take_the_history_of_a_probe():
    ax = plots.variant_curves(HISTORY)
    assert [line.get_label() for line in ax.lines] == ["intact", "phase"]
    np.testing.assert_array_equal(ax.lines[1].get_xydata(), [[1, 0.4], [3, 0.8]])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "accuracy")
    ax = plots.variant_curves(HISTORY, metric="loss", unit="step")
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [2.0, 1.0])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("step", "loss")


def test_bad_input():
    with pytest.raises(ValueError, match=r"built layer, or its effective kernel.*shape=\(3,\)"):
        plots.weight_cloud(np.ones(3))
    with pytest.raises(ValueError, match=r"metric among accuracy, loss.*metric='auc'"):
        plots.variant_curves(HISTORY, metric="auc")


def test_missing_matplotlib_says_how_to_get_it(monkeypatch):
    real_import = builtins.__import__

    def without_matplotlib(name, *args, **kwargs):
        if name.partition(".")[0] == "matplotlib":
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_matplotlib)
    with pytest.raises(ImportError, match=r"pip install keras_phase\[plots\]"):
        plots.weight_cloud(np.ones((2, 2, 2)))


@pytest.mark.parametrize("part", ["real", "imag", "modulus", "response"])
@pytest.mark.parametrize("rank", [1, 2])
def test_filter_banks_are_drawn_filter_by_filter(rank, part):
    bank = wavelets.filter_bank("morlet", rank=rank, angles=2, window=9)
    axes = plots.filter_bank(bank, part=part)
    assert [ax.get_title() for ax in axes] == ["low-pass", "1", "2"]
    if rank == 1:
        (line,) = axes[1].get_lines()
        expected = bank.filters[1].real
        if part == "real":
            np.testing.assert_allclose(line.get_ydata(), expected)
    again = plots.filter_bank(bank, axes, part=part)
    assert again == axes
    with pytest.raises(ValueError, match=r"each of the 3 filters.*Received: 2"):
        plots.filter_bank(bank, axes[:2])
    with pytest.raises(ValueError, match=r"`part` among real.*part='phase'"):
        plots.filter_bank(bank, part="phase")


@pytest.mark.parametrize("rank", [1, 2])
def test_littlewood_paley_sums_are_drawn_with_their_bounds(rank):
    bank = wavelets.filter_bank("morlet", rank=rank, angles=2)
    low, high = bank.bounds()
    assert plots.littlewood_paley(bank).get_title() == f"bounds {low:.3f} and {high:.3f}"


def test_class_separation_is_drawn_before_and_after():
    ax = plots.class_separation([("block1", 0.1, 0.5), ("block2", 0.2, 0.9)], label="skip")
    after, before = ax.get_lines()
    assert list(after.get_ydata()) == [0.5, 0.9] and list(before.get_ydata()) == [0.1, 0.2]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == [
        "skip: after the collapse",
        "skip: before",
    ]


def test_eigenvalue_spectrum_draws_median_half_and_range():
    history = [(i, (None, RNG.normal(size=9))) for i in range(3)]
    ax = plots.eigenvalue_spectrum(history)
    (line,) = ax.lines
    np.testing.assert_allclose(line.get_ydata(), [np.median(v[1]) for _, v in history])
    assert len(ax.collections) == 2
    both = [(i, (a[1], a[1])) for i, a in history]
    assert len(plots.eigenvalue_spectrum(both).lines) == 2
    with pytest.raises(ValueError, match="length 0"):
        plots.eigenvalue_spectrum([])


def test_pruning_curves_draw_means_and_half_ranges():
    results = {"spectral": {0.5: [0.8, 0.9], 0.9: [0.4, 0.7]}, "dense": {0.5: [0.6]}}
    ax = plots.pruning_curves(results)
    first, second = ax.lines
    np.testing.assert_allclose(first.get_xdata(), [50, 90])
    np.testing.assert_allclose(first.get_ydata(), [0.85, 0.55])
    assert len(second.get_xdata()) == 1
    assert ax.get_xlabel() == "nodes removed (%)"
    with pytest.raises(ValueError, match="at least one value"):
        plots.pruning_curves({"spectral": {}})
