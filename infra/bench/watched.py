"""
Cost of metrics and traces, in interleaved pairs.

A machine that others use makes neighbouring runs alike, so each run with instruments is compared with the one beside
it, and CPU time, which waits do not lengthen, stands beside wall time.
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

TARGET_PERCENT = 3.0

LOOPBACK = Address("127.0.0.1", 0)

WAYS = {"metrics": (True, False), "metrics and traces": (True, True)}
"""What is on: metrics, traces."""

Advance = Callable[[int], None]


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
        For metrics, and for metrics with traces, the CPU time and the wall time that they add, in percent.
    """
    figures = []
    with sinking() as collector:
        for way, (counts, sends) in WAYS.items():
            # Each way once, so that no pair loads a module.
            _run(directory, 10, collector, counts, sends)
            pairs = []
            for number in range(sizes.runs * PAIRS_A_RUN):
                order = (False, True) if number % 2 else (True, False)
                spent = {on: _run(directory, sizes.paired, collector, counts and on, sends and on) for on in order}
                pairs.append((spent[False], spent[True]))
                if number % PAIRS_A_RUN == PAIRS_A_RUN - 1:
                    advance(1)
            figures += _figures(way, pairs, sizes.paired)
    return figures


def _run(directory: Path, number: int, collector: str, counts: bool, sends: bool) -> Spent:
    """Decide questions in a new log, from the first one until the last span is sent; starts do not count."""
    path = directory / "pair.db"
    with instruments(LOOPBACK if counts else None, "bench", (), _silent) as shown:
        with traces(collector if sends else None, "bench", _silent) as tracer:
            began = Spent(time.process_time(), time.perf_counter())
            run_session(path, islice(questions(), number), counted=Counted(instruments=shown, tracer=tracer))
        spent = Spent(time.process_time() - began.cpu_s, time.perf_counter() - began.wall_s)
    path.unlink()
    return spent


def _figures(way: str, pairs: list[tuple[Spent, Spent]], number: int) -> list[Figure]:
    plain_s = median(without.cpu_s for without, _ in pairs) / number
    note = f"{len(pairs)} pairs of {number:,} questions; {plain_s * 1e6:,.0f} µs of CPU a question without instruments"
    series = {
        "CPU time": tuple(100 * (on.cpu_s / without.cpu_s - 1) for without, on in pairs),
        "wall time": tuple(100 * (on.wall_s / without.wall_s - 1) for without, on in pairs),
    }
    return [
        Figure(
            bench="watched",
            name=f"{what} added by {way}",
            unit="%",
            values=values,
            target=TARGET_PERCENT,
            more_is_better=False,
            note=note if what == "CPU time" else "",
        )
        for what, values in series.items()
    ]
