"""How far apart classes are: the Fisher ratio, and textures for which theory predicts it."""

import keras
import numpy as np
from keras import ops

import keras_phase


def fisher_ratio(features: np.ndarray, labels: np.ndarray) -> float:
    """Variance between the class means over the mean variance within classes, `(n, features)`.

    With few samples even equal classes have a ratio above 0, of about `(classes - 1) / n`.
    """
    mean = features.mean(axis=0)
    between = within = 0.0
    for label in np.unique(labels):
        chosen = features[labels == label]
        share = len(chosen) / len(features)
        centre = chosen.mean(axis=0)
        between += share * float(np.sum((centre - mean) ** 2))
        within += share * float(np.mean(np.sum((chosen - centre) ** 2, axis=1)))
    return between / within


def layer_ratios(
    model: keras.Model, x: np.ndarray, y: np.ndarray
) -> list[tuple[str, float, float]]:
    """For every block of a trained network: `(block, ratio before, ratio after the collapse)`.

    Only coefficients that collapse are compared: those of the wavelets.
    """
    rows = []
    for layer in model.layers:
        if not isinstance(layer, keras_phase.PhaseCollapse):
            continue
        inner = keras.Model(model.inputs, layer.input)
        coefficients = inner.predict(x, batch_size=500, verbose=0)
        real, imag = np.split(coefficients, 2, axis=-1)
        real, imag = real[..., layer.low_pass :], imag[..., layer.low_pass :]
        before = np.concatenate([real, imag], axis=-1).reshape(len(x), -1)
        after = np.hypot(real, imag).reshape(len(x), -1)
        name = layer.name.removesuffix("_collapse")
        rows.append((name, fisher_ratio(before, y), fisher_ratio(after, y)))
    return rows


def textures(
    samples: int, size: int = 16, classes: int = 4, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Stationary textures: filtered noise whose spectrum points in the direction of its class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, samples)
    frequency = 2 * np.pi * np.fft.fftfreq(size)
    rows, columns = np.meshgrid(frequency, frequency, indexing="ij")
    spectra = []
    for label in range(classes):
        angle = np.pi * label / classes
        centre = 0.6 * np.pi * np.array([np.cos(angle), np.sin(angle)])
        bumps = [(rows - s * centre[0]) ** 2 + (columns - s * centre[1]) ** 2 for s in (1, -1)]
        spectra.append(sum(np.exp(-b / 0.5) for b in bumps))
    noise = np.fft.fft2(rng.normal(size=(samples, size, size)))
    images = np.fft.ifft2(noise * np.array(spectra)[labels]).real
    images /= images.std(axis=(1, 2), keepdims=True)
    return images[..., None].astype("float32"), labels


def texture_rows(samples: int = 2000) -> list[dict[str, str]]:
    """Rows of a table: class means of coefficients and of moduli, against their spread."""
    x, y = textures(samples)
    z = keras_phase.WaveletTransform2D(padding="circular", algebra="real")(x)
    real, imag = (np.asarray(p) for p in ops.split(ops.convert_to_tensor(z), 2, axis=-1))
    real, imag = real[..., 1:], imag[..., 1:]
    features = {
        "x * psi": np.concatenate([real, imag], axis=-1),
        "|x * psi|": np.hypot(real, imag),
    }
    rows = []
    for name, values in features.items():
        flat = values.reshape(samples, -1)
        means = [np.linalg.norm(flat[y == c].mean(axis=0)) for c in np.unique(y)]
        spread = np.sqrt(np.mean(np.sum(flat**2, axis=1)))
        rows.append(
            {
                "feature": name,
                "norm of class means / rms norm": f"{np.mean(means) / spread:.3f}",
                "Fisher ratio": f"{fisher_ratio(flat, y):.4f}",
            }
        )
    return rows


def changed_predictions(model: keras.Model, x: np.ndarray, shifts: tuple[int, ...]) -> list[float]:
    """Share of the images whose predicted class changes when they move to the right by a shift."""

    def classes(images: np.ndarray) -> np.ndarray:
        return np.argmax(model.predict(images, batch_size=500, verbose=0), axis=-1)

    here = classes(x)
    found = []
    for shift in shifts:
        moved = np.zeros_like(x)
        moved[:, :, shift:] = x[:, :, :-shift]
        found.append(float(np.mean(classes(moved) != here)))
    return found
