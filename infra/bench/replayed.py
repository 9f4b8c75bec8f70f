"""
Replay throughput in events per second.

A replay derives every derived event, and every id, again.
"""

from collections.abc import Callable
from pathlib import Path

from infra.bench.figures import Figure, Sizes
from infra.bench.workload import STATED, make_log
from streams.audit.replay.replay import PARALLEL_FROM, replay
from streams.errors import InvariantError
from streams.runtimes.urls import open_reader

TARGET_PER_S = 100_000

Advance = Callable[[int], None]


def measure(directory: Path, sizes: Sizes, advance: Advance) -> list[Figure]:
    """
    Make a log once, and replay it several times.

    Raises:
        InvariantError: The replay found a difference, so its speed means nothing.
    """
    path = directory / "replayed.db"
    make_log(path, sizes.replayed)
    found = []
    # The first replay fills the page cache and does not count.
    for number in range(sizes.runs + 1):
        with open_reader(f"sqlite:///{path}") as reader:
            result = replay(reader)
        if result.different:
            raise InvariantError(f"replay of the benchmark's own log differs: {result.first_difference}")
        if number:
            found.append(result)
            advance(1)
    processes = "two processes" if found[0].events >= PARALLEL_FROM else "one process"
    return [
        Figure(
            bench="replay",
            name="replayed events",
            unit="1/s",
            values=tuple(result.events / result.seconds for result in found),
            target=TARGET_PER_S,
            note=f"{found[0].events:,} events, {found[0].derived:,} of them derived again; {processes}; {STATED}",
        )
    ]
