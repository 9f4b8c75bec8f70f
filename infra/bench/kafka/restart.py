"""
Restart time of a worker with a backlog.

It ends when the worker has folded records of every partition again.
"""

import signal
import time
from collections.abc import Callable
from typing import NamedTuple

from infra.bench.figures import Figure
from infra.bench.kafka.load import asking
from infra.bench.kafka.log import own_log, watched
from infra.bench.kafka.plan import FOLDING, KafkaPlan
from infra.bench.kafka.prefill import analyses_of, assignments, publish, teach
from infra.bench.kafka.processes import BenchWorker
from infra.bench.workload import bench_policy
from schemas.event import Event
from streams.agents.factory import make_agents
from streams.runtimes.kafka.client.connection import Connection
from streams.topology import ASSIGNMENTS, DECISIONS, TOPICS

Advance = Callable[[int], None]


class RestartCase(NamedTuple):
    """One kind of restart."""

    name: str
    end: signal.Signals
    """Signal that ended the process before."""
    disk: bool
    """Whether it has its folder of local states."""


CASES = (
    RestartCase("stopped, with its disk", signal.SIGTERM, True),
    RestartCase("stopped, without its disk", signal.SIGTERM, False),
    RestartCase("killed, with its disk", signal.SIGKILL, True),
)


async def measure(plan: KafkaPlan, advance: Advance) -> list[Figure]:
    """
    Stop and start a worker again and again.

    Returns:
        For each kind of restart, seconds from the start of the process until a waiting question of each partition is
        decided, and the peak memory.
    """
    sizes = plan.sizes
    seconds: dict[str, list[float]] = {case.name: [] for case in CASES}
    memory: dict[str, list[float]] = {case.name: [] for case in CASES}
    async with own_log(plan.connection) as log, watched(log) as watch, asking(watch) as load:
        await teach(log, plan.directory)
        worker = _started(log, plan, disk=True)
        try:
            watch.workers = (worker,)
            await load.ask(sizes.pending)
            await watch.reached(ASSIGNMENTS, sizes.pending)
            await watch.settled()
            probes = 0
            for _ in range(sizes.runs):
                for case in CASES:
                    probes += 1
                    answers = await _answers(log, probes)
                    await worker.stop(case.end)
                    await publish(log, answers)
                    started = time.monotonic()
                    worker = _started(log, plan, disk=case.disk)
                    watch.workers = (worker,)
                    await watch.reached(DECISIONS, probes * TOPICS[DECISIONS].partitions)
                    seconds[case.name].append(time.monotonic() - started)
                    memory[case.name].append(worker.peak_mib)
                    advance(1)
        finally:
            await worker.stop()
    return _figures(plan, seconds, memory)


def _started(log: Connection, plan: KafkaPlan, *, disk: bool) -> BenchWorker:
    return BenchWorker(log, FOLDING, plan, state=plan.directory / "state" if disk else None)


async def _answers(log: Connection, last: int) -> list[Event]:
    """Make the analyses that decide one question of each partition."""
    agents = make_agents(bench_policy(), None)
    return [answer async for panel in assignments(log, last=last) for answer in await analyses_of(panel, agents)]


def _figures(plan: KafkaPlan, seconds: dict[str, list[float]], memory: dict[str, list[float]]) -> list[Figure]:
    note = (
        f"{plan.sizes.pending:,} questions wait for their analyses; from the start of `orch worker {' '.join(FOLDING)}`"
        " to decisions in all partitions"
    )
    figures = [
        Figure(bench="restart", name=name, unit="s", values=tuple(values), note=note)
        for name, values in seconds.items()
    ]
    return figures + [
        Figure(bench="restart", name=f"peak memory, {name}", unit="MiB", values=tuple(values))
        for name, values in memory.items()
    ]
