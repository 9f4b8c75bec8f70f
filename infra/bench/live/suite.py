"""All benchmarks of live agents, on generated questions."""

from collections.abc import Callable
from pathlib import Path

from infra.bench.figures import Figure
from infra.bench.live import added, flight, panel
from infra.bench.live.plan import KINDS, LiveSizes
from infra.bench.live.world import World


def measure(directory: Path, sizes: LiveSizes, runs: int, advance: Callable[[int], None]) -> list[Figure]:
    """
    Measure all of it in a fresh directory; files are left in it.

    Raises:
        InvariantError: A call failed; on loopback none should.
    """
    world = World.make(directory)
    figures = [figure for kind in KINDS for figure in flight.measure(world, kind, sizes, runs, advance)]
    figures += added.measure(world, sizes, runs, advance)
    return figures + panel.measure(world, directory, sizes, runs, advance)
