"""What the spectral examples print and draw at the end."""

import math
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path

from _cells import Cells
from _results import percent, table

# Mean accuracy in % of the authors, Fashion-MNIST, 5 realisations, 100 epochs, at 5, 50, 70, 80, 90
# and 95 % of the nodes removed (result files of github.com/Buffoni/spectral_learning).
AUTHORS = {
    ("1x2000", "elu", "filter"): (88.61, 88.25, 88.47, 88.83, 88.44, 88.47),
    ("1x2000", "elu", "dense"): (89.31, 89.41, 71.52, 53.55, 37.18, 32.00),
    ("1x2000", "elu", "spectral"): (89.29, 89.30, 86.81, 82.37, 69.29, 56.31),
    ("1x2000", "relu", "filter"): (88.81, 89.20, 88.95, 88.72, 88.47, 88.09),
    ("1x2000", "relu", "dense"): (89.82, 89.83, 89.46, 87.45, 72.97, 55.81),
    ("1x2000", "relu", "spectral"): (89.63, 89.37, 86.22, 80.23, 65.69, 47.29),
    ("1x2000", "tanh", "filter"): (87.63, 88.33, 88.48, 88.57, 88.56, 87.84),
    ("1x2000", "tanh", "dense"): (89.56, 87.81, 60.94, 42.61, 24.77, 21.46),
    ("1x2000", "tanh", "spectral"): (89.08, 87.37, 79.43, 74.84, 64.82, 48.50),
    ("3x500", "elu", "filter"): (88.34, 88.81, 88.50, 88.62, 87.84, 86.26),
    ("3x500", "elu", "dense"): (89.45, 58.54, 17.72, 12.28, 7.43, 10.00),
    ("3x500", "elu", "spectral"): (89.63, 87.86, 69.70, 52.30, 28.51, 12.97),
    ("3x500", "relu", "filter"): (88.67, 88.33, 88.34, 88.23, 87.73, 86.69),
    ("3x500", "relu", "dense"): (89.53, 69.18, 10.00, 10.00, 10.00, 10.00),
    ("3x500", "relu", "spectral"): (89.98, 86.25, 67.08, 48.04, 23.47, 9.89),
    ("3x500", "tanh", "filter"): (88.80, 88.46, 88.36, 87.11, 84.10, 69.52),
    ("3x500", "tanh", "dense"): (87.98, 41.19, 20.70, 10.62, 10.00, 10.00),
    ("3x500", "tanh", "spectral"): (90.16, 84.45, 63.51, 51.49, 33.80, 23.08),
}
AUTHORS_FRACTIONS = (0.05, 0.5, 0.7, 0.8, 0.9, 0.95)


def _distinct(results: Cells, column: str) -> list[str]:
    return list(dict.fromkeys(row[column] for row in results.rows))


def pruning_report(results: Cells) -> str:
    """Accuracy after removing nodes, beside the authors'."""
    fractions = _distinct(results, "fraction")
    lines = []
    for place in dict.fromkeys((r["network"], r["activation"], r["kind"]) for r in results.rows):
        columns = dict(zip(("network", "activation", "kind"), place, strict=True))
        for by in dict.fromkeys(r["by"] for r in results.select(**columns)):
            lines.append(
                {
                    **columns,
                    "ranked by": by,
                    "intact": percent(_once(results, "intact", **columns, by=by)),
                    **{
                        f"{float(f):.0%}": _cell(
                            results.values("accuracy", **columns, by=by, fraction=f)
                        )
                        for f in fractions
                    },
                }
            )
        if place in AUTHORS and results.rows[0]["dataset"] == "fashion_mnist":
            authors = dict(zip(AUTHORS_FRACTIONS, AUTHORS[place], strict=True))
            numbers = {f"{float(f):.0%}": f"{authors[float(f)]:.2f}" for f in fractions}
            lines.append({**columns, "ranked by": "(the authors)", "intact": "", **numbers})
    return (
        "Accuracy in % after removing nodes, mean ± standard deviation of the seeds:\n\n"
        + table(lines)
    )


def _once(results: Cells, column: str, **columns: object) -> list[float]:
    """One value a seed."""
    return list({r["seed"]: float(r[column]) for r in results.select(**columns)}.values())


def _cell(values: Sequence[float]) -> str:
    return "a layer is empty" if any(map(math.isnan, values)) else percent(list(values))


def draw_pruning(results: Cells, folder: Path) -> Iterable[Path]:
    """A figure for every network and activation; none without matplotlib."""
    try:
        import matplotlib
    except ImportError:
        return
    matplotlib.use("Agg")
    from keras_phase import plots

    for name, activation in dict.fromkeys((r["network"], r["activation"]) for r in results.rows):
        curves: dict[str, dict[float, list[float]]] = {}
        for row in results.select(network=name, activation=activation):
            value = float(row["accuracy"])
            if not math.isnan(value):
                label = f"{row['kind']}, {row['by']}"
                curve = curves.setdefault(label, {})
                curve.setdefault(float(row["fraction"]), []).append(value)
        ax = plots.pruning_curves(curves)
        ax.set_title(f"{row['dataset']}, {name}, {activation}")
        path = folder / f"spectral_pruning_{name}_{activation}.png"
        ax.figure.savefig(path, dpi=120)
        yield path


def learning_report(results: Cells) -> str:
    """Accuracy, its ratio to the plain network of the same shape, and the ratio of numbers."""
    lines = []
    for place in dict.fromkeys(
        (r["dataset"], r["experiment"], r["size"], r["percentile"], r["method"])
        for r in results.rows
    ):
        names = ("dataset", "experiment", "size", "percentile", "method")
        columns = dict(zip(names, place, strict=True))
        rows = results.select(**columns)
        accuracy = [float(r["accuracy"]) for r in rows]
        plain = {r["seed"]: r for r in results.select(**{**columns, "method": "dense"})}
        pairs = [(r, plain[r["seed"]]) for r in rows if r["seed"] in plain]
        relative = [float(r["accuracy"]) / float(p["accuracy"]) for r, p in pairs]
        lines.append(
            {
                **columns,
                "trained numbers": f"{int(rows[0]['trained']):,}",
                "accuracy %": percent(accuracy),
                "of dense": f"{statistics.fmean(relative):.3f}" if pairs else "",
                "rho": f"{int(rows[0]['trained']) / int(pairs[0][1]['trained']):.3f}"
                if pairs
                else "",
            }
        )
    return table(lines)
