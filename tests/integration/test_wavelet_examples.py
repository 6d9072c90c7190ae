"""The wavelet examples run, resume, and generate what they say."""

import csv
import importlib
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]

pytest.importorskip("sklearn")
pytestmark = [pytest.mark.tensorflow]


def rows(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_phase_collapse_runs_and_resumes(run, tmp_path):
    chosen = "--networks=scattering"
    run("phase_collapse", "--quick", chosen, f"--results={tmp_path}")
    (first,) = rows(tmp_path / "phase_collapse.csv")
    said = run("phase_collapse", "--quick", chosen, f"--results={tmp_path}")
    assert "seed 0: error" not in said, "nothing is trained again"
    assert rows(tmp_path / "phase_collapse.csv") == [first]
    assert 0 <= float(first["error"]) <= 1 and first["dataset"] == "digits"
    with pytest.raises(SystemExit, match="other settings"):
        run("phase_collapse", "--quick", chosen, "--angles=2", f"--results={tmp_path}")


@pytest.mark.slow
def test_scattering_runs(run, tmp_path):
    said = run("scattering", "--quick", f"--results={tmp_path}")
    assert "| labels | scattering, error % |" in said
    assert len(rows(tmp_path / "scattering.csv")) == 6


@pytest.mark.slow
def test_radio_modulation_runs(run, tmp_path):
    said = run("radio_modulation", "--quick", f"--results={tmp_path}")
    assert "Mean over all noise levels" in said
    assert {r["name"] for r in rows(tmp_path / "radio_modulation.csv")} == {
        "phase collapse",
        "real CNN",
    }


def test_fisher_ratio_of_known_classes():
    separation = importlib.import_module("_separation")
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 5000)
    features = rng.normal(size=(10000, 2)) + 3.0 * labels[:, None]
    # Means 3 apart in both of two features with variance 1: 2 * 1.5^2 / 2.
    np.testing.assert_allclose(separation.fisher_ratio(features, labels), 2.25, rtol=0.05)
    assert separation.fisher_ratio(features, rng.permutation(labels)) < 1e-2


def test_stationary_textures_are_told_apart_by_moduli_only():
    before, after = importlib.import_module("_separation").texture_rows(600)
    name = "norm of class means / rms norm"
    assert float(before[name]) < 0.15 < 0.7 < float(after[name])
    assert 50 * float(before["Fisher ratio"]) < float(after["Fisher ratio"])


def test_radio_signals_have_the_stated_power_and_noise():
    radio = importlib.import_module("_radio_data")
    clean, labels = radio.signals(400, 128, 300.0, 0)
    noisy, again = radio.signals(400, 128, 0.0, 0)
    np.testing.assert_array_equal(labels, again)
    np.testing.assert_allclose(np.mean(np.abs(clean) ** 2, axis=1), 1, rtol=1e-9)
    np.testing.assert_allclose(np.mean(np.abs(noisy - clean) ** 2), 1, rtol=0.02)
    constant = [radio.MODULATIONS.index(name) for name in ("FM", "2FSK")]
    np.testing.assert_allclose(np.abs(clean[np.isin(labels, constant)]), 1, rtol=1e-9)
