"""
Throughput of each folding stage alone, from a backlog.

The unit is input records per second: the rate at which a stage catches up after a long absence.
"""

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

from infra.bench.figures import Figure
from infra.bench.kafka.load import asking, gold_of
from infra.bench.kafka.log import LOOK_S, Watch, own_log, watched
from infra.bench.kafka.plan import FOLDING, KafkaPlan
from infra.bench.kafka.prefill import analyses_of, assignments, publish, teach
from infra.bench.kafka.processes import BenchWorker
from infra.bench.proc import cpu_s
from infra.bench.workload import STATED, bench_policy
from schemas.event import Event
from schemas.feedback import FeedbackGiven
from schemas.registry import decode
from streams.agents.factory import make_agents
from streams.runtimes.kafka.client.connection import Connection
from streams.topology import ANALYSES, ASSIGNMENTS, DECISIONS, FEEDBACK, OBSERVATIONS, QUESTIONS, ROUTER

Advance = Callable[[int], None]


class Drained(NamedTuple):
    """The run of one stage through its backlog."""

    records_per_s: float
    cpu_us: float
    """CPU time of the worker for each input record, in microseconds."""
    first_s: float
    """Time from the start of the process to the first record it wrote."""


async def measure(plan: KafkaPlan, advance: Advance) -> list[Figure]:
    """
    Let one stage after the other fold the outputs of those before it, each in a process of its own.

    Returns:
        For each stage its input records per second and their CPU time; and the startup time of the first stage.
    """
    found: dict[str, list[Drained]] = {stage: [] for stage in FOLDING}
    for _ in range(plan.sizes.runs):
        async with own_log(plan.connection) as log, watched(log) as watch, asking(watch) as load:
            await teach(log, plan.directory)
            taught = (await watch.counts())[ROUTER]
            await load.ask(plan.sizes.backlog)
            found["route"].append(await _drain(plan, watch, "route", (QUESTIONS,), ASSIGNMENTS, plan.sizes.backlog))
            await publish(log, await _analyses(log))
            seats = (await watch.counts())[ANALYSES]
            merged = await _drain(plan, watch, "merge", (ASSIGNMENTS, ANALYSES), DECISIONS, plan.sizes.backlog)
            found["merge"].append(merged)
            await publish(log, await _feedback(log))
            # Each seat is observed twice: how its call went, and whether it was right; each time for two scopes.
            observed = 2 * seats
            found["learn"].append(await _drain(plan, watch, "learn", (DECISIONS, FEEDBACK), OBSERVATIONS, observed))
            written = taught + 2 * observed
            found["rank"].append(await _drain(plan, watch, "rank", (OBSERVATIONS,), ROUTER, written))
        advance(1)
    return _figures(plan, found)


async def _drain(plan: KafkaPlan, watch: Watch, stage: str, reads: tuple[str, ...], writes: str, until: int) -> Drained:
    before = await watch.counts()
    records = sum(before[topic] for topic in reads)
    asked = time.monotonic()
    async with BenchWorker(watch.log, (stage,), plan, state=plan.directory / watch.log.prefix) as worker:
        watch.workers = (worker,)
        # The time counts from the last look that found no output: the startup before it is another figure.
        begun, spent = asked, 0.0
        while (await watch.counts())[writes] == before[writes]:
            watch.require(asked)
            begun, spent = time.monotonic(), cpu_s(worker.pid)
            await asyncio.sleep(LOOK_S)
        await watch.reached(writes, until)
        seconds, spent = time.monotonic() - begun, cpu_s(worker.pid) - spent
        watch.workers = ()
    return Drained(records / seconds, spent / records * 1e6, begun - asked)


async def _analyses(log: Connection) -> list[Event]:
    agents = make_agents(bench_policy(), None)
    return [analysis async for panel in assignments(log) for analysis in await analyses_of(panel, agents)]


async def _feedback(log: Connection) -> list[Event]:
    return [_gold(panel.question_id) async for panel in assignments(log)]


def _gold(question_id: str) -> FeedbackGiven:
    event = decode(FEEDBACK, gold_of(question_id), 0)
    assert isinstance(event, FeedbackGiven)
    return event


def _figures(plan: KafkaPlan, found: dict[str, list[Drained]]) -> list[Figure]:
    note = f"backlog of {plan.sizes.backlog:,} questions, one stage after the other, each in a process alone; {STATED}"
    figures = []
    for stage, runs in found.items():
        values = tuple(run.records_per_s for run in runs)
        figures.append(Figure(bench="inputs", name=f"{stage}, input records", unit="1/s", values=values, note=note))
    for stage, runs in found.items():
        values = tuple(run.cpu_us for run in runs)
        figures.append(Figure(bench="inputs", name=f"{stage}, CPU", unit="us/record", values=values))
    first = tuple(run.first_s for runs in found.values() for run in runs)
    figures.append(Figure(bench="inputs", name="start to first record written", unit="s", values=first))
    return figures
