"""
All benchmarks by name, each in a fresh directory.

Directories lie on a real disk.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from infra.bench import added, archived, decided, hostile, replayed, scale, startup, watched
from infra.bench.figures import Figure, Sizes, file_system
from infra.bench.live.plan import LiveSizes, check, steps

Measure = Callable[[Path, Sizes, Callable[[int], None]], list[Figure]]

IN_MEMORY = ("tmpfs", "ramfs")
"""File systems in memory, on which a durable commit costs nothing and figures mislead."""


@dataclass(frozen=True, slots=True)
class Bench:
    """One benchmark."""

    name: str
    title: str
    measure: Measure
    steps: Callable[[Sizes], int]
    """Number of steps it reports."""
    check: Callable[[], None] = lambda: None
    """Raises an OperatorError where it cannot be measured here."""


def benches(live: LiveSizes) -> dict[str, Bench]:
    """Give all benchmarks by name, with sizes for those of live agents."""
    chosen = (
        Bench("decided", "Decided questions per second", decided.measure, lambda sizes: sizes.runs),
        Bench("latency", "Time added to the agents' own", added.measure, lambda sizes: sizes.runs * len(sizes.open)),
        Bench(
            "watched",
            "Cost of metrics and traces",
            watched.measure,
            lambda sizes: sizes.runs * len(watched.WAYS),
            watched.check,
        ),
        Bench("replay", "Replay with every id derived again", replayed.measure, lambda sizes: sizes.runs),
        Bench("scale", "Restart and memory as the log grows", scale.measure, lambda sizes: 6),
        Bench("archive", "Export, replay and queries of an archive", archived.measure, lambda sizes: 7),
        Bench("start", "Start of the command", startup.measure, lambda sizes: max(sizes.runs, startup.RUNS) + 1),
        Bench("hostile", "Merge of hostile texts", hostile.measure, lambda sizes: sizes.runs),
        Bench(
            "live",
            "Live agents over HTTP",
            partial(_measure_live, live),
            lambda sizes: steps(sizes.runs),
            partial(check, live),
        ),
    )
    return {bench.name: bench for bench in chosen}


def _measure_live(live: LiveSizes, directory: Path, sizes: Sizes, advance: Callable[[int], None]) -> list[Figure]:
    # The server of recorded models is an extra; the other benchmarks do not need it.
    from infra.bench.live import suite

    return suite.measure(directory, live, sizes.runs, advance)


BENCHES = benches(LiveSizes())


def disk(beside: Path) -> Path:
    """Choose where logs are made: the usual place for temporary files, or *beside* where that is kept in memory."""
    usual = Path(tempfile.gettempdir())
    return beside if file_system(usual) in IN_MEMORY else usual


def run(bench: Bench, place: Path, sizes: Sizes, advance: Callable[[int], None]) -> list[Figure]:
    """Run one benchmark in a fresh directory, and remove what it left."""
    with tempfile.TemporaryDirectory(prefix="orch-bench-", dir=place) as directory:
        return bench.measure(Path(directory), sizes, advance)


def run_profile(place: Path, sizes: Sizes) -> tuple[list[tuple[str, float]], str]:
    """Profile `decided` in a fresh directory, and remove what it left."""
    with tempfile.TemporaryDirectory(prefix="orch-bench-", dir=place) as directory:
        return decided.profile(Path(directory), sizes)
