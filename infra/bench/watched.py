"""
Cost of metrics and traces, in interleaved pairs.

A machine that others use changes its speed within seconds. So the two runs of a pair take turns, a few questions at a
time, and CPU time, which waits do not lengthen, stands beside wall time.
"""

import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from statistics import median
from typing import NamedTuple

from infra.bench.figures import Figure, Sizes
from infra.bench.sink import sinking
from infra.bench.workload import questions, run_session
from streams.app.metrics import Counted, instruments
from streams.app.traces import traces
from streams.instruments.address import Address

PAIRS_A_RUN = 4
"""Pairs for each run of other benchmarks: twenty by default."""

TURN = 500
"""
Questions at a time: with 1,500 the pairs of one benchmark differ twice as much; with fewer the ends of runs, when what
waits is sent, count too much.
"""

TARGET_PERCENT = 3.0

LOOPBACK = Address("127.0.0.1", 0)

Advance = Callable[[int], None]


class Way(NamedTuple):
    """What a run has beside its work."""

    counts: bool
    """Metrics."""
    traces: bool = False
    sampler: str = ""
    """Of the traces, as OpenTelemetry names it; none: those that a process makes by default."""


NOTHING = Way(counts=False)

WAYS = {
    "metrics": Way(counts=True),
    "metrics and traces": Way(counts=True, traces=True),
    "metrics, and traces of every question": Way(counts=True, traces=True, sampler="always_on"),
}


class Spent(NamedTuple):
    """What a run took."""

    cpu_s: float
    """User and system time of this process, all threads."""
    wall_s: float


def check() -> None:
    """
    Check that both extras are installed.

    Raises:
        OperatorError: One is not.
    """
    with instruments(LOOPBACK, "bench", (), _silent), traces("http://127.0.0.1:9", "bench", _silent):
        pass


def _silent(url: str, text: str) -> None:
    """Hear where instruments are, and say nothing."""


def measure(directory: Path, sizes: Sizes, advance: Advance) -> list[Figure]:
    """
    Run pairs, the order of the two in turn.

    Returns:
        For metrics, and for metrics with traces as they are made by default and of every question, the CPU time and the
        wall time that they add, in percent.
    """
    figures = []
    with sinking() as collector:
        for name, way in WAYS.items():
            # Each way once, so that no pair loads a module.
            _run(directory, 10, collector, way)
            pairs = []
            for number in range(sizes.runs * PAIRS_A_RUN):
                order = (NOTHING, way) if number % 2 else (way, NOTHING)
                spent = _pair(directory, sizes.paired, collector, order)
                pairs.append((spent[NOTHING], spent[way]))
                if number % PAIRS_A_RUN == PAIRS_A_RUN - 1:
                    advance(1)
            figures += _figures(name, pairs, sizes.paired)
    return figures


def _pair(directory: Path, number: int, collector: str, order: tuple[Way, Way]) -> dict[Way, Spent]:
    """Decide as many questions in either way, in turns; the order changes each time."""
    spent = dict.fromkeys(order, Spent(0, 0))
    for first in range(0, number, TURN):
        for way in order if first // TURN % 2 else reversed(order):
            ran = _run(directory, min(TURN, number - first), collector, way)
            spent[way] = Spent(spent[way].cpu_s + ran.cpu_s, spent[way].wall_s + ran.wall_s)
    return spent


def _run(directory: Path, number: int, collector: str, way: Way) -> Spent:
    """Decide questions in a new log, from the first one until the last span is sent; starts do not count."""
    path = directory / "pair.db"
    sampler = {"OTEL_TRACES_SAMPLER": way.sampler}
    with instruments(LOOPBACK if way.counts else None, "bench", (), _silent) as shown:
        with traces(collector if way.traces else None, "bench", _silent, environment=sampler) as tracer:
            began = Spent(time.process_time(), time.perf_counter())
            run_session(path, islice(questions(), number), counted=Counted(instruments=shown, tracer=tracer))
        spent = Spent(time.process_time() - began.cpu_s, time.perf_counter() - began.wall_s)
    path.unlink()
    return spent


def _figures(name: str, pairs: list[tuple[Spent, Spent]], number: int) -> list[Figure]:
    plain_s = median(without.cpu_s for without, _ in pairs) / number
    note = f"{len(pairs)} pairs of {number:,} questions; {plain_s * 1e6:,.0f} µs of CPU a question without instruments"
    series = {
        "CPU time": tuple(100 * (on.cpu_s / without.cpu_s - 1) for without, on in pairs),
        "wall time": tuple(100 * (on.wall_s / without.wall_s - 1) for without, on in pairs),
    }
    return [
        Figure(
            bench="watched",
            name=f"{what} added by {name}",
            unit="%",
            values=values,
            target=TARGET_PERCENT,
            more_is_better=False,
            note=note if what == "CPU time" else "",
        )
        for what, values in series.items()
    ]
