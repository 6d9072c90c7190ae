"""Figures of weights, of pruning and of filters, on matplotlib (an optional extra).

Every function draws on `ax`, or on a new figure, and returns the `Axes`, so that titles, sizes and
saving stay the caller's: `weight_cloud(layer).figure.savefig("weights.png")`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from keras import ops

_INK = "#1f4e79"
_ACCENT = "#d1495b"
_MAX_POINTS = 6000


def weight_cloud(layer_or_kernel: Any, ax: Any = None, *, color: str = _INK) -> Any:
    """Draw each kernel element as a point of the plane.

    Two components (complex numbers): real part against imaginary part. More than two: first
    component against the modulus of the others, so that the angle to the horizontal axis is the
    angle to the first basis element. One component: a histogram of the weights. The circle, or for
    one component the pair of lines, is the mean modulus of the non-zero elements. Of more than 6000
    elements an evenly spread sample is drawn.

    Args:
        layer_or_kernel: a built layer with a `kernel`, or an array `(d, *window, in, out)`.
        ax: matplotlib `Axes`; None makes a new figure.
        color: of the points.

    Returns:
        The `Axes`.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: if the kernel has no element, or less than two axes.
    """
    ax = _axes(ax, figsize=(4.6, 4.6))
    elements = _elements(layer_or_kernel)
    scale = _mean_modulus(elements)
    if elements.shape[0] == 1:
        ax.hist(elements[0], bins=100, color=color)
        for x in (-scale, scale):
            ax.axvline(x, color=_ACCENT, linestyle="--", linewidth=1)
        ax.set(xlabel="weight", ylabel="number of weights")
        return _finished(ax)
    shown = elements[:, :: max(1, elements.shape[1] // _MAX_POINTS)]
    x, y = shown[0], shown[1] if len(shown) == 2 else np.linalg.norm(shown[1:], axis=0)
    ax.scatter(x, y, s=4, alpha=0.35, linewidths=0, color=color, rasterized=True)
    angle = np.linspace(-np.pi, np.pi, 361)
    ax.plot(scale * np.cos(angle), scale * np.sin(angle), "--", color=_ACCENT, linewidth=1)
    ax.locator_params(nbins=5)
    reach = 1.08 * max(np.linalg.norm(shown, axis=0).max(), scale) or 1.0
    ax.set(
        xlim=(-reach, reach),
        ylim=(-reach, reach) if len(shown) == 2 else (0, reach),
        aspect="equal",
        xlabel="real part" if len(shown) == 2 else "first component",
        ylabel="imaginary part" if len(shown) == 2 else "modulus of the other components",
    )
    return _finished(ax)


def phase_histogram(
    layer_or_kernel: Any, ax: Any = None, *, bins: int = 72, label: str | None = None
) -> Any:
    """Draw how the phases of the non-zero kernel elements are distributed.

    Two components: the angle in (-pi, pi] radians. More: the angle to the first basis element, in
    [0, pi]. One: the numbers of negative and positive weights. Two calls on one `ax` compare.

    Args:
        layer_or_kernel: a built layer with a `kernel`, or an array `(d, *window, in, out)`.
        ax: matplotlib `Axes`; None makes a new figure.
        bins: number of bins over the whole range of angles.
        label: name in the legend.

    Returns:
        The `Axes`.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: if the kernel has no element, or less than two axes.
    """
    ax = _axes(ax)
    elements = _elements(layer_or_kernel)
    elements = elements[:, np.any(elements != 0, axis=0)]
    if len(elements) == 1:
        counts = [np.sum(elements < 0), np.sum(elements > 0)]
        ax.bar(["negative", "positive"], counts, width=0.5, alpha=0.6, label=label)
        ax.set(xlabel="sign", ylabel="number of weights")
    else:
        both = len(elements) == 2
        other = elements[1] if both else np.linalg.norm(elements[1:], axis=0)
        low = -np.pi if both else 0.0
        ax.hist(
            np.arctan2(other, elements[0]),
            bins=np.linspace(low, np.pi, bins + 1),
            alpha=0.6,
            label=label,
        )
        ticks = np.arange(low, np.pi + 0.01, np.pi / 2)
        ax.set_xticks(ticks, [_in_pi(t) for t in ticks])
        ax.set(
            xlim=(low, np.pi),
            xlabel=f"{'phase' if both else 'angle to the first basis element'} (radians)",
            ylabel="number of weights",
        )
    if label is not None:
        ax.legend(frameon=False)
    return _finished(ax)


def variant_curves(
    history: Mapping[str, Sequence[tuple[int, Mapping[str, float]]]],
    ax: Any = None,
    *,
    metric: str = "accuracy",
    unit: str = "epoch",
) -> Any:
    """Draw how good each pruning variant was while a model trained, one curve a variant.

    Args:
        history: for each variant a list of `(when, metrics)`, as `PhaseProbe.history`.
        ax: matplotlib `Axes`; None makes a new figure.
        metric: which of the metrics.
        unit: what `when` counts; the label of the horizontal axis.

    Returns:
        The `Axes`.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: if the metrics do not hold `metric`.
    """
    ax = _axes(ax, figsize=(7.0, 4.2))
    for variant, results in history.items():
        for _, metrics in results:
            if metric not in metrics:
                raise ValueError(
                    f"Expected a metric among {', '.join(metrics)}: compile the model with it, "
                    f"or name another one. Received: metric={metric!r}"
                )
        points = [(when, metrics[metric]) for when, metrics in results]
        ax.plot(*zip(*points, strict=True), marker="o", markersize=3, label=variant)
    ax.set(xlabel=unit, ylabel=metric)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.grid(alpha=0.25)
    ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return _finished(ax)


def eigenvalue_spectrum(
    history: Sequence[tuple[int, tuple[Any, Any]]], ax: Any = None, *, unit: str = "epoch"
) -> Any:
    """Draw how the eigenvalues of one layer spread while it trains.

    Of each set (input nodes, output nodes) the median, the middle half and the whole range.

    Args:
        history: `(when, (inputs, outputs))`, a value of `EigenvalueHistory.history`; None for a set
            that the layer does not have.
        ax: matplotlib `Axes`; None makes a new figure.
        unit: what `when` counts; the label of the horizontal axis.

    Returns:
        The `Axes`.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: if nothing was recorded.
    """
    if not history:
        raise ValueError(
            "Expected at least one record of eigenvalues, as `EigenvalueHistory` makes them. "
            "Received: history of length 0"
        )
    ax = _axes(ax, figsize=(6.4, 4.0))
    when = [w for w, _ in history]
    for index, (label, color) in enumerate((("input nodes", _ACCENT), ("output nodes", _INK))):
        values = [sets[index] for _, sets in history]
        if values[0] is None:
            continue
        low, first, middle, third, high = (
            [float(np.quantile(v, q)) for v in values] for q in (0, 0.25, 0.5, 0.75, 1)
        )
        ax.fill_between(when, low, high, color=color, alpha=0.12, linewidth=0)
        ax.fill_between(when, first, third, color=color, alpha=0.3, linewidth=0)
        ax.plot(when, middle, color=color, label=label)
    ax.set(xlabel=unit, ylabel="eigenvalue")
    ax.legend(frameon=False)
    return _finished(ax)


def pruning_curves(
    results: Mapping[str, Mapping[float, Sequence[float]]],
    ax: Any = None,
    *,
    metric: str = "accuracy",
) -> Any:
    """Draw a metric against the fraction of nodes removed: the mean over runs and its spread.

    The layout is that of the figures in *Spectral pruning of fully connected layers*: per cent of
    nodes to the right, a line for each method in the order given, half the range of the runs as a
    shadow.

    Args:
        results: for every method, from the fraction removed to the values of all runs.
        ax: matplotlib `Axes`; None makes a new figure.
        metric: label of the vertical axis.

    Returns:
        The `Axes`.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: if a method has no value.
    """
    ax = _axes(ax, figsize=(6.4, 4.2))
    for method, values in results.items():
        if not values or not all(values.values()):
            raise ValueError(
                f"Expected at least one value for every fraction. Received: results[{method!r}]="
                f"{dict(values)!r}"
            )
        fractions = sorted(values)
        mean = np.array([np.mean(values[f]) for f in fractions])
        half = np.array([np.ptp(values[f]) / 2 for f in fractions])
        percent = 100 * np.array(fractions)
        (line,) = ax.plot(percent, mean, marker="o", markersize=3, label=method)
        shadow = {"color": line.get_color(), "alpha": 0.2, "linewidth": 0}
        ax.fill_between(percent, mean - half, mean + half, **shadow)
    ax.set(xlabel="nodes removed (%)", ylabel=metric)
    ax.grid(alpha=0.25)
    ax.legend(frameon=False)
    return _finished(ax)


def _axes(ax: Any, figsize: tuple[float, float] = (5.6, 3.8)) -> Any:
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError(
            "keras_phase.plots draws with matplotlib, which is not installed. "
            "Run: pip install keras_phase[plots]"
        ) from error
    return pyplot.subplots(figsize=figsize, layout="constrained")[1]


def _finished(ax: Any) -> Any:
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _elements(layer_or_kernel: Any) -> np.ndarray:
    """The kernel as `(d, number of elements)`."""
    kernel = getattr(layer_or_kernel, "kernel", layer_or_kernel)
    kernel = np.asarray(ops.convert_to_numpy(kernel), dtype="float64")
    if kernel.ndim < 2 or kernel.size == 0:
        raise ValueError(
            "Expected a built layer, or its effective kernel (d, *window, in, out) with at least "
            f"one element. Received: kernel.shape={kernel.shape}"
        )
    return kernel.reshape(kernel.shape[0], -1)


def _mean_modulus(elements: np.ndarray) -> float:
    modulus = np.linalg.norm(elements, axis=0)
    return float(modulus[modulus > 0].mean()) if np.any(modulus > 0) else 0.0


def _in_pi(angle: float) -> str:
    """0, π/2, -π ... of a multiple of pi/2."""
    halves = round(angle / (np.pi / 2))
    named = {0: "0", 1: "π/2", 2: "π"}
    return ("-" if halves < 0 else "") + named[abs(halves)]


def filter_bank(bank: Any, axes: Any = None, *, part: str = "real") -> Any:
    """Draw the filters of a bank, in space.

    In two dimensions each filter is an image, in one a curve.

    Args:
        bank: a `keras_phase.wavelets.FilterBank`, or a layer that holds one.
        axes: as many matplotlib `Axes` as there are filters; None makes a new figure.
        part: `"real"`, `"imag"`, `"modulus"`, or `"response"` for the modulus of the Fourier
            transform, the frequency 0 in the middle.

    Returns:
        The list of `Axes`.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: if `part` is unknown, or there are too few `Axes`.
    """
    bank = getattr(bank, "bank", bank)
    middle = tuple(range(bank.rank))
    shown = {
        "real": lambda: list(bank.filters.real),
        "imag": lambda: list(bank.filters.imag),
        "modulus": lambda: list(np.abs(bank.filters)),
        "response": lambda: [np.fft.fftshift(np.abs(r), axes=middle) for r in bank.responses()],
    }
    if part not in shown:
        raise ValueError(f"Expected `part` among {', '.join(shown)}. Received: part={part!r}")
    pictures = shown[part]()
    if axes is None:
        axes = _axes(None, figsize=(1.6 * len(pictures), 1.8)).figure
        axes.clear()
        axes = axes.subplots(1, len(pictures))
    axes = list(np.ravel(axes))
    if len(axes) < len(pictures):
        raise ValueError(
            f"Expected an `Axes` for each of the {len(pictures)} filters. Received: {len(axes)}"
        )
    for i, (ax, picture) in enumerate(zip(axes, pictures, strict=False)):
        if bank.rank == 1:
            ax.plot(np.arange(len(picture)) - len(picture) // 2, picture, color=_INK)
            _finished(ax)
        else:
            reach = np.abs(picture).max() or 1.0
            ax.imshow(picture, cmap="RdBu_r", vmin=-reach, vmax=reach)
            ax.set_axis_off()
        ax.set_title("low-pass" if i == 0 else str(i), fontsize=8)
    return axes


def littlewood_paley(bank: Any, ax: Any = None) -> Any:
    """Draw how much of each frequency a bank keeps: its Littlewood-Paley sum, and its bounds.

    Args:
        bank: a `keras_phase.wavelets.FilterBank`, or a layer that holds one.
        ax: matplotlib `Axes`; None makes a new figure.

    Returns:
        The `Axes`.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    ax = _axes(ax, figsize=(4.6, 3.8))
    bank = getattr(bank, "bank", bank)
    power = np.fft.fftshift(bank.littlewood_paley())
    low, high = power.min(), power.max()
    if bank.rank == 1:
        ax.plot(np.linspace(-np.pi, np.pi, len(power), endpoint=False), power, color=_INK)
        ax.set(xlabel="frequency (radians)", ylim=(0, None))
        _finished(ax)
    else:
        picture = ax.imshow(power, extent=(-np.pi, np.pi, np.pi, -np.pi), vmin=0)
        ax.figure.colorbar(picture, ax=ax)
        ax.set(xlabel="frequency along a row (radians)", ylabel="along a column")
    ax.set_title(f"bounds {low:.3f} and {high:.3f}", fontsize=9)
    return ax


def class_separation(
    ratios: Sequence[tuple[str, float, float]], ax: Any = None, *, label: str | None = None
) -> Any:
    """Draw how far apart classes are before and after the phases collapse, layer by layer.

    Args:
        ratios: `(layer, ratio before, ratio after)`: Fisher ratios, the variance between class
            means over the variance within classes.
        ax: matplotlib `Axes`; None makes a new figure. Two calls on one compare.
        label: name in the legend.

    Returns:
        The `Axes`.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    ax = _axes(ax)
    names, before, after = zip(*ratios, strict=True)
    prefix = "" if label is None else f"{label}: "
    (line,) = ax.plot(names, after, marker="o", label=f"{prefix}after the collapse")
    ax.plot(names, before, "--", marker="o", color=line.get_color(), label=f"{prefix}before")
    ax.set(ylabel="Fisher ratio", ylim=(0, None))
    ax.legend(frameon=False)
    return _finished(ax)
