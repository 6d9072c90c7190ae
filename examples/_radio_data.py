"""Generated radio signals: complex baseband, several modulations, a channel, and noise."""

import numpy as np

MODULATIONS = ("BPSK", "QPSK", "8PSK", "16QAM", "4PAM", "2FSK", "AM", "FM")
SAMPLES_PER_SYMBOL, ROLL_OFF, SPAN = 8, 0.35, 6


def signals(
    number: int, samples: int, snr_db: np.ndarray | float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Signals of mean power 1 and noise, and the numbers of their modulations.

    Each has a carrier phase and a timing of its own, and a frequency offset of up to 0.01 cycles a
    sample.

    Args:
        number: of signals.
        samples: of each.
        snr_db: power of the signal over that of the noise, one or one a signal.
        seed: of all that is drawn.

    Returns:
        Complex `(number, samples)` and integers `(number,)`.
    """
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(MODULATIONS), number)
    rows = np.stack([_modulated(MODULATIONS[label], samples, rng) for label in labels])
    rows /= np.sqrt(np.mean(np.abs(rows) ** 2, axis=1, keepdims=True))
    time = np.arange(samples)
    offset = rng.uniform(-0.01, 0.01, (number, 1)) * time + rng.uniform(0, 1, (number, 1))
    noise = rng.normal(size=(number, samples, 2)) @ np.array([1, 1j]) / np.sqrt(2)
    scale = 10 ** (-np.broadcast_to(snr_db, number) / 20)
    return rows * np.exp(2j * np.pi * offset) + scale[:, None] * noise, labels


def _modulated(name: str, samples: int, rng: np.random.Generator) -> np.ndarray:
    if name in ("AM", "FM"):
        message = _message(samples, rng)
        if name == "AM":
            return (1 + 0.7 * message).astype("complex128")
        return np.exp(2j * np.pi * 0.08 * np.cumsum(message))
    count = samples // SAMPLES_PER_SYMBOL + SPAN + 2
    start = rng.integers(0, SAMPLES_PER_SYMBOL)
    if name == "2FSK":
        bits = np.repeat(rng.choice([-1.0, 1.0], count), SAMPLES_PER_SYMBOL)
        return np.exp(1j * np.pi / 2 / SAMPLES_PER_SYMBOL * np.cumsum(bits))[start:][:samples]
    impulses = np.zeros(count * SAMPLES_PER_SYMBOL, "complex128")
    impulses[::SAMPLES_PER_SYMBOL] = _symbols(name, count, rng)
    shaped = np.convolve(impulses, _root_raised_cosine(), mode="same")
    return shaped[SPAN * SAMPLES_PER_SYMBOL // 2 + start :][:samples]


def _symbols(name: str, count: int, rng: np.random.Generator) -> np.ndarray:
    if name.endswith("PSK"):
        order = {"BPSK": 2, "QPSK": 4, "8PSK": 8}[name]
        return np.exp(2j * np.pi * rng.integers(0, order, count) / order)
    levels = np.array([-3.0, -1.0, 1.0, 3.0])
    real = rng.choice(levels, count)
    return real + (1j * rng.choice(levels, count) if name == "16QAM" else 0)


def _message(samples: int, rng: np.random.Generator) -> np.ndarray:
    """Noise of low frequency, its largest value 1."""
    frequency = np.fft.rfftfreq(samples)
    spectrum = np.fft.rfft(rng.normal(size=samples)) * ((frequency > 0) & (frequency < 0.04))
    message = np.fft.irfft(spectrum, samples)
    return message / np.abs(message).max()


def _root_raised_cosine() -> np.ndarray:
    t = np.arange(-SPAN * SAMPLES_PER_SYMBOL // 2, SPAN * SAMPLES_PER_SYMBOL // 2 + 1)
    # An offset far below a sample avoids the two removable singularities.
    t = t / SAMPLES_PER_SYMBOL + 1e-8
    b = ROLL_OFF
    top = np.sin(np.pi * t * (1 - b)) + 4 * b * t * np.cos(np.pi * t * (1 + b))
    return top / (np.pi * t * (1 - (4 * b * t) ** 2))
