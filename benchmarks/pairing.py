"""What the benchmarks share: paired timing, the machine they ran on, results as CSV."""

import csv
import dataclasses
import datetime
import importlib.metadata
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import keras_phase
from keras_phase.ops import native

RESULTS = Path(__file__).parent / "results"


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Times of two functions in interleaved rounds, in milliseconds, and their ratio per round."""

    ours_ms: float
    peer_ms: float
    ratio: float
    ratio_quartile_1: float
    ratio_quartile_3: float
    rounds: int


def compare(
    ours: Callable[[], Any], peer: Callable[[], Any], rounds: int, calls: int
) -> Comparison:
    """Time `ours` against `peer` in one process, `calls` calls a round, in alternating order.

    Whatever slows the machine for a while hits both halves of a round, so the median of the
    rounds' ratios is steadier than the ratio of two medians.
    """
    for function in (ours, peer):  # tracing, and first touch of memory
        for _ in range(max(calls // 10, 2)):
            function()
    times: dict[Callable, list[float]] = {ours: [], peer: []}
    for i in range(rounds):
        for function in (ours, peer) if i % 2 else (peer, ours):
            start = time.perf_counter()
            for _ in range(calls):
                function()
            times[function].append((time.perf_counter() - start) / calls * 1e3)
    ratios = [a / b for a, b in zip(times[ours], times[peer], strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return Comparison(
        ours_ms=round(statistics.median(times[ours]), 4),
        peer_ms=round(statistics.median(times[peer]), 4),
        ratio=round(middle, 4),
        ratio_quartile_1=round(low, 4),
        ratio_quartile_3=round(high, 4),
        rounds=rounds,
    )


Case = tuple[dict[str, Any], int, Callable[[], Any], dict[str, Callable[[], Any]]]


def compare_native(name: str, cases: Iterable[Case], num_threads: int, rounds: int) -> None:
    """Compare forms with native operations with those of peers, and write `NAME_THREADS.csv`.

    Args:
        name: of the result.
        cases: what is compared, as columns of the result; calls a round; our form; the peers'. They
            are made when it is their turn.
        num_threads: of both sides; TensorFlow must not have run yet.
        rounds: paired rounds.
    """
    _limit_threads(num_threads)
    reason = native.unavailable_reason()
    if reason is not None:
        raise SystemExit(f"nothing to time: {reason}")
    settings = {"threads": num_threads, "instructions": native.instruction_set()}
    rows = []
    for row, calls, ours, peers in cases:
        for peer, form in peers.items():
            result = dataclasses.asdict(compare(ours, form, rounds, calls))
            rows.append({**row, "peer": peer, **settings, **result})
    write(f"{name}_{num_threads}", rows)


def _limit_threads(num_threads: int) -> None:
    import tensorflow as tf
    import threadpoolctl

    # Both kinds: TensorFlow runs operations that do not wait for each other side by side, too.
    tf.config.threading.set_intra_op_parallelism_threads(num_threads)
    tf.config.threading.set_inter_op_parallelism_threads(num_threads)
    threadpoolctl.threadpool_limits(num_threads)


def environment() -> dict[str, str]:
    """Date, machine and versions, the last columns of every result."""
    versions = {name: importlib.metadata.version(name) for name in ("tensorflow", "keras", "numpy")}
    return {
        "date": datetime.date.today().isoformat(),
        "cpu": _cpu(),
        "cores": str(len(os.sched_getaffinity(0))),
        "python": platform.python_version(),
        "keras_phase": keras_phase.__version__,
        **versions,
    }


def write(name: str, rows: list[dict[str, Any]]) -> Path:
    """Write `rows`, with the environment, to `benchmarks/results/NAME.csv`, and print them."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.csv"
    table = [{**row, **environment()} for row in rows]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(table[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    for row in rows:
        print("  ".join(f"{key}={value}" for key, value in row.items()))
    print(f"written: {path}")
    return path


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), "unknown")
