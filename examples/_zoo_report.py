"""What the zoo prints at the end: two tables, and sentences made from their numbers."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from _results import percent, table

Row = Mapping[str, str]

CHANGES = {
    "component": "removing single components instead of whole elements",
    "determinant": "removing whole elements by determinant instead of magnitude",
}

CLAIM = (
    "AlgebraNets (arXiv 2006.07360) claims, for ImageNet, enwik8 and WikiText-103, that some "
    "algebras use parameters and computations better than the real numbers do, and that what was "
    "concluded from small data sets on complex numbers and quaternions does not always transfer."
)


def report(dense: Sequence[Row], sparse: Sequence[Row]) -> str:
    """All that is printed."""
    tuned = statistics.fmean(float(r["tuned"]) - float(r["accuracy"]) for r in dense)
    return "\n\n".join(
        [
            table([_line(rows) for rows in by("algebra", dense).values()]),
            "Accuracy in % after pruning while training on; the same training without pruning adds "
            f"{100 * tuned:+.2f} points to the table above:",
            table(_sparse_lines(sparse)),
            " ".join(
                filter(
                    None,
                    [CLAIM, on_parameters(dense), on_multiplications(dense), on_pruning(sparse)],
                )
            ),
        ]
    )


def by(column: str, rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows by what stands in the column, in order of appearance."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row[column], []).append(row)
    return groups


def numbers(rows: Sequence[Row], column: str) -> list[float]:
    """A column."""
    return [float(row[column]) for row in rows]


def _line(rows: Sequence[Row]) -> dict[str, Any]:
    first = rows[0]
    return {
        "algebra": first["algebra"],
        "elements": first["widths"],
        "accuracy %": percent(numbers(rows, "accuracy")),
        "parameters": f"{int(first['parameters']):,}",
        "multiplications, fewest": f"{int(first['multiplications']):,}",
        "expanded": f"{int(first['multiplications_expanded']):,}",
        "ms a step": f"{statistics.median(numbers(rows, 'step_ms')):.1f}",
    }


def _sparse_lines(rows: Sequence[Row]) -> list[dict[str, Any]]:
    fractions = list(by("fraction", rows))
    return [
        {
            "algebra": algebra,
            "pruned by": way,
            **{
                f"{float(f):.0%}": percent(numbers(by("fraction", some)[f], "accuracy"))
                for f in fractions
            },
        }
        for algebra, of_algebra in by("algebra", rows).items()
        for way, some in by("by", of_algebra).items()
    ]


def on_parameters(rows: Sequence[Row]) -> str:
    """Who is better than the real numbers, beyond the spread of the seeds."""
    groups = {name: numbers(some, "accuracy") for name, some in by("algebra", rows).items()}
    first = rows[0]
    if "real" not in groups or len(groups) == 1:
        return "Without the real numbers and another algebra there is nothing to compare."
    real = groups.pop("real")
    here = (
        f"Here, on small data itself ({first['dataset']}), with about {int(first['budget']):,} "
        f"real parameters and {_counted(int(first['epochs']), 'epoch')} of "
        f"{int(first['samples']):,} images, "
    )
    if len(real) == 1:
        best = max(groups, key=lambda name: groups[name][0])
        lead = 100 * (groups[best][0] - real[0])
        return here + f"{best} leads real by {lead:+.2f} points, with one seed no evidence."
    leads = {name: statistics.fmean(a) - statistics.fmean(real) for name, a in groups.items()}
    spreads = {name: max(statistics.stdev(a), statistics.stdev(real)) for name, a in groups.items()}
    better = sorted((n for n in leads if leads[n] > spreads[n]), key=lambda n: -leads[n])
    worse = sorted((n for n in leads if -leads[n] > spreads[n]), key=lambda n: leads[n])
    said = " and ".join(
        [
            f"{len(better)} of {len(leads)} algebras beat real by more than the standard deviation "
            f"of {len(real)} seeds{_listed(better, leads)}",
            f"{len(worse)} fall behind by more{_listed(worse, leads)}",
        ]
    )
    return f"{here}{said}."


def _listed(names: Sequence[str], leads: Mapping[str, float]) -> str:
    return f" ({', '.join(f'{n} {100 * leads[n]:+.2f}' for n in names)})" if names else ""


def on_multiplications(rows: Sequence[Row]) -> str:
    """What the accuracy costs."""
    groups = by("algebra", rows)
    if "real" not in groups or len(groups) == 1:
        return ""
    cost = {name: int(some[0]["multiplications"]) for name, some in groups.items()}
    mean = {name: statistics.fmean(numbers(some, "accuracy")) for name, some in groups.items()}
    ratio = {name: cost[name] / cost["real"] for name in cost if name != "real"}
    low, high = min(ratio, key=ratio.get), max(ratio, key=ratio.get)
    # No other algebra is as good with as few multiplications.
    front = [n for n in cost if not any(mean[m] > mean[n] and cost[m] <= cost[n] for m in cost)]
    cheaper = [n for n in ratio if ratio[n] <= 1.05 and mean[n] > mean["real"]]
    front.sort(key=cost.get)
    return (
        f"Equal parameters are not equal computations: by the method with the fewest real "
        f"multiplications the others need {ratio[low]:.2f} ({low}) to {ratio[high]:.2f} ({high}) "
        f"times those of real, and no network is better than {' and '.join(front)} with as few. "
        f"Within 5 % of real's number, {' and '.join(cheaper) or 'no algebra'} "
        f"{'are' if len(cheaper) > 1 else 'is'} better on average."
    )


def on_pruning(rows: Sequence[Row]) -> str:
    """Whole elements, components and determinants, each in the algebras that have both."""
    if not rows:
        return ""
    most = max(by("fraction", rows), key=float)
    some = [row for row in rows if row["fraction"] == most]
    ways = by("by", some)
    said = []
    for way, change in CHANGES.items():
        if way not in ways:
            continue
        found, element = (
            {(r["algebra"], r["seed"]): float(r["accuracy"]) for r in ways[w]}
            for w in (way, "element")
        )
        mean = 100 * statistics.fmean(a - element[key] for key, a in found.items())
        higher = sum(a > element[key] for key, a in found.items())
        said.append(
            f"{change} changes the accuracy by {mean:+.2f} points (higher in {higher} of "
            f"{len(found)} networks, {_counted(len({a for a, _ in found}), 'algebra')})"
        )
    if not said:
        return ""
    return f"At {float(most):.0%} pruned, {' and '.join(said)}."


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
