"""
Restart time and peak memory by size of the log.

Each is measured at a small and a large number of events; neither may grow with the log.
"""

from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

from infra.bench.elsewhere import elsewhere, report
from infra.bench.figures import Figure, Sizes
from infra.bench.workload import STATED, make_log
from streams.errors import InvariantError

MOST_GROWTH = 1.5
"""Largest ratio of peak memory at the two sizes that counts as constant; it is above 1 because caches fill up."""

Advance = Callable[[int], None]


def measure(directory: Path, sizes: Sizes, advance: Advance) -> list[Figure]:
    """Make two logs, and open and replay each in a process of its own, to measure its memory alone."""
    figures: list[Figure] = []
    peaks: dict[str, list[float]] = {}
    for events in (sizes.small, sizes.large):
        path = directory / f"scale-{events}.db"
        made = elsewhere("scale", "make", f"{path}:{events}")
        advance(1)
        opened = [elsewhere("scale", "open_log", str(path)) for _ in range(sizes.runs)]
        advance(1)
        replayed = [elsewhere("scale", "replay_log", str(path)) for _ in range(1 if events > 500_000 else sizes.runs)]
        advance(1)
        size = path.stat().st_size / 2**20
        note = f"{made['events']:,} events, {size:,.0f} MiB"
        label = f"{events:,}"
        figures.append(_figure(f"open a log of {label}", "s", opened, "seconds", note))
        figures.append(_figure(f"replay of {label}", "1/s", replayed, "events_per_s", note))
        kinds = [("making", [made]), ("opening", opened), ("replaying", replayed)]
        for name, results in kinds:
            figures.append(_figure(f"peak memory {name} {label}", "MiB", results, "peak_mib", note))
            peaks.setdefault(name, []).append(figures[-1].median)
        path.unlink()
    for name, (small, large) in peaks.items():
        figures.append(
            Figure(
                bench="scale",
                name=f"memory {name}, large over small",
                unit="x",
                values=(large / small,),
                target=MOST_GROWTH,
                more_is_better=False,
                note=f"{sizes.large:,} events against {sizes.small:,}; {STATED}",
            )
        )
    return figures


def _figure(name: str, unit: str, results: list[dict[str, Any]], field: str, note: str) -> Figure:
    return Figure(bench="scale", name=name, unit=unit, values=tuple(r[field] for r in results), note=note)


def make(argument: str) -> None:
    """Make a log, `PATH:EVENTS`, and report."""
    path, _, events = argument.rpartition(":")
    ran = make_log(Path(path), int(events))
    report(events=ran.events, seconds=ran.seconds)


def open_log(path: str) -> None:
    """Open a log for writing until it is ready for the next question, and report."""
    from streams.log import wall_clock_ms
    from streams.processors import PROCESSORS
    from streams.runtimes.embedded.writer import EmbeddedWriter

    started = perf_counter()
    with EmbeddedWriter(Path(path), PROCESSORS, clock=wall_clock_ms) as log:
        waiting = sum(1 for _ in log.open_states("merge"))
        seconds = perf_counter() - started
    report(seconds=seconds, waiting=waiting)


def replay_log(path: str) -> None:
    """Replay a log, and report; the peak is that of the larger of its processes."""
    from streams.audit.replay.replay import replay
    from streams.runtimes.urls import open_reader

    with open_reader(f"sqlite:///{path}") as reader:
        found = replay(reader)
    if found.different:
        raise InvariantError(f"replay of the benchmark's own log differs: {found.first_difference}")
    report(events_per_s=found.events / found.seconds, seconds=found.seconds)
