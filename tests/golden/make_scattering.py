"""Make `scattering.npz`: coefficients that kymatio computes. Run where kymatio 0.3 imports.

python -m venv kymatio && kymatio/bin/pip install "kymatio==0.3.0" "scipy<1.17"
kymatio/bin/python tests/golden/make_scattering.py
"""

from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent

SIZES_2D = [(32, 32), (64, 48)]
SCALES, ANGLES = (1, 2, 3), (4, 8)
# (samples, J, Q, T)
CASES_1D = [(256, 4, 8, None), (200, 5, 2, None), (512, 6, 4, 16), (300, 3, 1, 50)]


def image(size: tuple[int, int]) -> np.ndarray:
    """One image, float32: noise under a slope and an edge."""
    rng = np.random.default_rng(sum(size))
    rows, columns = np.meshgrid(*(np.linspace(-1, 1, n) for n in size), indexing="ij")
    return (rng.normal(size=size) / 4 + rows + (columns > 0.3)).astype("float32")


def signal(samples: int) -> np.ndarray:
    """One signal, float32: a chirp in noise."""
    t = np.linspace(0, 1, samples)
    noise = np.random.default_rng(samples).normal(size=samples)
    return (np.sin(60 * t * t * np.pi) + 0.2 * noise).astype("float32")


def places(shape: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    """A few places of an output: corners and six others."""
    rng = np.random.default_rng(len(shape))
    return tuple(np.r_[0, n - 1, rng.integers(0, n, 6)] for n in shape)


if __name__ == "__main__":
    from kymatio.numpy import Scattering1D, Scattering2D

    found = {}
    for size in SIZES_2D:
        for scales in SCALES:
            for angles in ANGLES:
                y = Scattering2D(scales, size, L=angles, max_order=2)(image(size))
                at = places(y.shape[-2:])
                found[f"2d-{size[0]}x{size[1]}-{scales}-{angles}"] = y[:, at[0], at[1]]
    for samples, scales, quality, support in CASES_1D:
        y = Scattering1D(scales, samples, Q=quality, T=support)(signal(samples))
        found[f"1d-{samples}-{scales}-{quality}-{support}"] = y[:, places(y.shape[-1:])[0]]
        found[f"1d-{samples}-{scales}-{quality}-{support}-length"] = np.array(y.shape[-1])
    np.savez_compressed(
        FOLDER / "scattering.npz", **{k: v.astype("float32") for k, v in found.items()}
    )
