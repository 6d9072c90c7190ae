"""Wavelets and their banks: published values, admissibility, energy, frames."""

import json

import numpy as np
import pytest

from keras_phase import wavelets
from keras_phase.wavelets import mothers
from keras_phase.wavelets.bank import FilterBank
from keras_phase.wavelets.filter_bank import directions, energy_outside, filter_bank

ORTHONORMAL = ["haar", *(f"daubechies{p}" for p in range(2, 13))]

# (bank, rank, scales, angles, quality, window that holds all but 1e-6 of every filter)
BANKS = [
    ("morlet", 2, 1, 4, 1, 7),
    ("morlet", 2, 1, 8, 1, 11),
    ("morlet", 2, 2, 4, 1, 13),
    ("morlet", 2, 2, 3, 1, 13),
    ("morlet", 1, 3, 2, 1, None),
    ("morlet", 1, 3, 1, 4, None),
    ("gabor", 2, 1, 4, 1, 7),
    ("steerable", 2, 2, 5, 1, 15),
    ("steerable", 1, 1, 1, 1, None),
    ("half_octave_even", 2, 1, 4, 1, 7),
    ("half_octave_even", 2, 1, 8, 1, 11),
    ("half_octave_odd", 2, 1, 4, 1, 7),
    ("half_octave_odd", 2, 1, 8, 1, 15),
    ("analytic", 1, 3, 1, 1, 65),
    *((name, rank, 1, 1, 1, None) for name in ORTHONORMAL for rank in (1, 2)),
]


def make(name, rank, scales, angles, quality, window=None):
    return filter_bank(
        name, rank=rank, scales=scales, angles=angles, quality=quality, window=window
    )


def test_published_values_of_the_phase_collapse_networks():
    """Guth et al., their code on a 32 x 32 grid, 4 angles: angle 0 is the second of them."""
    bank = filter_bank("morlet", angles=4, window=31)
    low, wave = (f[14:17, 14:17] for f in bank.filters[[0, 2]])
    row = [-0.04606, -0.10060, -0.04606]
    np.testing.assert_allclose(wave.real, [row, [0.09377, 0.20481, 0.09377], row], atol=6e-6)
    row = np.array([-0.03686, -0.08051, -0.03686])
    np.testing.assert_allclose(wave.imag, [row, 0 * row, -row], atol=6e-6)
    row = [0.05213, 0.11386, 0.05213]
    np.testing.assert_allclose(low.real, [row, [0.11386, 0.24869, 0.11386], row], atol=6e-6)


@pytest.mark.parametrize(
    ("bank", "bounds", "low"),
    [
        ("morlet", (0.132, 1.000), 1.0),
        ("half_octave_even", (0.161, 1.015), 1.0073),
        ("half_octave_odd", (0.047, 1.015), 1.0073),
    ],
)
def test_published_littlewood_paley_bounds_and_sums(bank, bounds, low):
    found = filter_bank(bank, angles=4, window=31)
    np.testing.assert_allclose(found.bounds(32), bounds, atol=6e-4)
    np.testing.assert_allclose(found.filters[0].sum(), low, atol=6e-5)
    truncated = filter_bank(bank, angles=4)
    np.testing.assert_allclose(truncated.bounds(32), found.bounds(32), atol=6e-5)


def test_slants_of_the_half_octaves():
    """Across its wave an odd filter is as wide as sqrt(3 s^2 / (4 - s^2)) says, s = 4/angles."""
    for angles, slant in ((4, 1.0), (8, 0.5 * np.sqrt(3 / 3.75))):
        bank = filter_bank("half_octave_odd", angles=angles)
        np.testing.assert_allclose(bank.parameters.slant, slant)
        np.testing.assert_allclose(bank.parameters.sigma, 0.8 * np.sqrt(1.5))


@pytest.mark.parametrize("case", BANKS, ids=lambda c: "-".join(map(str, c[:5])))
def test_wavelets_have_mean_0_and_the_low_pass_filter_has_not(case):
    bank = make(*case[:5])
    if case[0] != "gabor":
        np.testing.assert_allclose(
            bank.filters[1:].sum(tuple(range(1, 1 + bank.rank))), 0, atol=2e-7
        )
    gain = 2 ** (bank.rank / 2) if case[0] in ORTHONORMAL else 1.0
    np.testing.assert_allclose(bank.filters[0].sum().real, gain, rtol=8e-3)
    assert np.isfinite(bank.filters).all()


@pytest.mark.parametrize("case", BANKS, ids=lambda c: "-".join(map(str, c[:5])))
def test_the_window_is_the_smallest_that_holds_the_energy(case):
    window = case[-1]
    bank = make(*case[:5])
    if window is not None:
        assert bank.window == (window,) * bank.rank
    if bank.parameters is None:
        return
    (size, *_) = bank.window
    wide = make(*case[:5], window=2 * size + 21)
    assert energy_outside(wide.filters, size).max() <= 1e-6
    assert energy_outside(wide.filters, size - 2).max() > 1e-6


def test_truncation_against_the_periodised_filters():
    """The window cuts what a filter on the periodic grid of 32 x 32 has elsewhere."""
    wide = filter_bank("morlet", angles=4, window=2 * 32 * 2 + 1)
    responses = wide.responses(32)  # folds the wide window onto the grid
    for window, error in ((5, 2e-3), (7, 1e-4), (9, 1e-6)):
        cut = filter_bank("morlet", angles=4, window=window).responses(32)
        difference = np.abs(cut - responses).max()
        assert difference <= error, (window, difference)
    lost = energy_outside(filter_bank("morlet", angles=4, window=31).filters, 5)
    assert 1e-6 < lost.max() < 3e-6
    odd = energy_outside(filter_bank("half_octave_odd", angles=4, window=31).filters, 5)
    assert 1e-4 < odd.max() < 3e-4


@pytest.mark.parametrize("angles", [3, 4, 5, 8])
def test_angles_are_where_the_spectrum_has_its_peak(angles):
    bank = filter_bank("morlet", angles=angles)
    response = np.abs(bank.responses(64))[1:]
    for found, angle in zip(response, directions(angles, 2), strict=True):
        peak = np.array(np.unravel_index(found.argmax(), found.shape))
        frequency = 2 * np.pi * ((peak + 32) % 64 - 32) / 64
        expected = 0.75 * np.pi * np.array([np.cos(angle), np.sin(angle)])
        # Morlet's correction moves the peak outwards a little.
        assert np.linalg.norm(frequency - expected) < 0.25


def test_steerable_wavelets_at_any_angle_are_sums_of_a_few():
    bank = filter_bank("steerable", angles=12, window=11)
    waves = bank.filters[1:].reshape(12, -1)
    for part, rank in ((waves.real, 3), (waves.imag, 4)):
        sizes = np.linalg.svd(part, compute_uv=False)
        assert sizes[rank - 1] > 1e-2 * sizes[0] > 1e8 * sizes[rank]


@pytest.mark.parametrize("moments", range(1, 13))
def test_daubechies_filters_are_orthonormal_and_kill_polynomials(moments):
    low = mothers.daubechies(moments)
    for shift in range(moments):
        product = low[2 * shift :] @ low[: len(low) - 2 * shift]
        np.testing.assert_allclose(product, shift == 0, atol=1e-9)
    high = filter_bank("haar" if moments == 1 else f"daubechies{moments}", rank=1).filters[1].real
    n = np.linspace(-1, 1, len(high))
    for power in range(moments):
        np.testing.assert_allclose(high @ n**power, 0, atol=1e-7)


def test_daubechies_2_is_the_closed_form():
    root = np.sqrt(3)
    expected = np.array([1 + root, 3 + root, 3 - root, 1 - root]) / (4 * np.sqrt(2))
    np.testing.assert_allclose(mothers.daubechies(2), expected, atol=1e-12)


@pytest.mark.parametrize("moments", [2, 3, 6])
def test_daubechies_equals_pywavelets(moments):
    pywt = pytest.importorskip("pywt")
    expected = pywt.Wavelet(f"db{moments}").rec_lo
    np.testing.assert_allclose(mothers.daubechies(moments), expected, atol=1e-9)


@pytest.mark.parametrize("scales", [1, 2, 4])
@pytest.mark.parametrize("size", [64, 65])
def test_analytic_pairs_are_one_sided_hilbert_pairs_and_tight(scales, size):
    for scale in range(scales):
        real, imag = mothers.analytic_pair(size, scale)
        response = np.fft.fft(real + 1j * imag)
        negative = np.fft.fftfreq(size) < 0
        negative[size // 2] &= size % 2 == 1  # the frequency pi belongs to both sides
        np.testing.assert_allclose(response[negative], 0, atol=1e-12)
    for angles in (1, 2):
        bank = filter_bank("analytic", rank=1, scales=scales, angles=angles, window=65)
        np.testing.assert_allclose(bank.bounds(65), 1, atol=1e-12)


def test_normalisations_of_the_frame():
    bank = filter_bank("half_octave_even", angles=4)
    np.testing.assert_allclose(bank.normalized().bounds()[1], 1, rtol=1e-12)
    tight = filter_bank("morlet", angles=4, window=31).normalized("tight")
    np.testing.assert_allclose(tight.bounds(31), 1, rtol=1e-9)
    with pytest.raises(ValueError, match=r"'contractive' or 'tight'.*Received: how='loose'"):
        bank.normalized("loose")


def test_bounds_hold_for_signals():
    bank = filter_bank("morlet", angles=4)
    low, high = bank.bounds(16)
    responses = bank.responses(16)
    x = np.random.default_rng(0).normal(size=(20, 16, 16))
    energy = np.sum(np.abs(np.fft.ifft2(responses * np.fft.fft2(x)[:, None])) ** 2, (1, 2, 3))
    ratio = energy / np.sum(x**2, (1, 2))
    assert (low <= ratio).all() and (ratio <= high).all()


def test_a_bank_survives_json():
    bank = filter_bank("morlet", angles=2)
    again = FilterBank.from_config(json.loads(json.dumps(bank.get_config())))
    np.testing.assert_array_equal(again.filters, bank.filters)
    assert again.name == "morlet" and not again.is_real
    assert filter_bank("haar", rank=1).is_real


def test_names_are_those_that_the_function_takes():
    assert set(ORTHONORMAL) | {b[0] for b in BANKS} == set(wavelets.names())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bank": "mexican_hat"}, "Unknown filter bank.*morlet.*'mexican_hat'"),
        ({"angles": 0}, "`angles` to be an integer of at least 1. Received: angles=0"),
        ({"scales": 1.5}, "`scales`.*scales=1.5"),
        ({"rank": 3}, "1 or 2 axes.*rank=3"),
        ({"rank": 1, "angles": 3}, "two directions.*angles=3"),
        ({"quality": 2}, "half-octave banks.*quality=2"),
        ({"window": 6}, "odd positive.*window=6"),
        ({"bank": "half_octave_even", "scales": 2}, "one scale.*scales=2"),
        ({"bank": "half_octave_odd", "angles": 2}, "at least 3 angles.*angles=2"),
        ({"bank": "analytic"}, "one dimension.*rank=2"),
        ({"bank": "haar", "window": 5}, "window of 3.*window=5"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        filter_bank(**arguments)


def test_bad_filters_are_named():
    with pytest.raises(ValueError, match=r"odd sizes.*Received: filters.shape=\(2, 4\)"):
        FilterBank(np.ones((2, 4)))
    with pytest.raises(ValueError, match=r"vanishing moments.*moments=13"):
        mothers.daubechies(13)
