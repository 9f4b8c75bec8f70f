"""
Throughput on Kafka in decided questions per second.

Broker, workers and the client that asks share one machine.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from infra.bench.figures import Figure
from infra.bench.kafka.load import Load, asking
from infra.bench.kafka.log import Watch, adopt, own_log, watched
from infra.bench.kafka.plan import KafkaPlan
from infra.bench.kafka.processes import OTHERS, Meter, at_work
from infra.bench.workload import STATED, bench_policy

TARGET_PER_S = 120

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class KafkaRun:
    """One run at saturation."""

    decided_s: float
    """Time from the first question to the last decision read."""
    learned_s: float
    """Time from the first question to the last record of the router table."""
    events: int
    changelog: int
    """Records in the changelogs; they are not events."""
    cpu_s: dict[str, float]
    """CPU time by process."""
    lasted_s: float
    """Wall time of the same run."""


async def measure(plan: KafkaPlan, advance: Advance) -> list[Figure]:
    """
    Keep a constant number of questions open, several times over one log.

    Args:
        plan: Cluster, worker processes and sizes.
        advance: Called when a run is done.

    Returns:
        Decided questions per second, the same until all is learned from them, events and CPU time a question.
    """
    sizes, found = plan.sizes, []
    async with (
        own_log(plan.connection) as log,
        at_work(log, plan) as workers,
        watched(log, workers) as watch,
        asking(watch) as load,
    ):
        await adopt(log, bench_policy())
        await load.saturate(sizes.warm_up, sizes.open)
        for _ in range(sizes.runs):
            await watch.settled()
            found.append(await saturated(watch, load, Meter(log, workers), plan))
            advance(1)
    return _figures(plan, found)


async def saturated(watch: Watch, load: Load, meter: Meter, plan: KafkaPlan) -> KafkaRun:
    """
    Run once at saturation, from a settled log to a settled log.

    Args:
        meter: A new one.
    """
    events, changelog = sum((await watch.counts()).values()), await watch.in_changelogs()
    started = time.time()
    seconds = await load.saturate(plan.sizes.asked, plan.sizes.open)
    await watch.settled()
    cpu_s, lasted_s = meter.read(), time.time() - started
    return KafkaRun(
        seconds,
        await watch.last_learned_s() - started,
        sum((await watch.counts()).values()) - events,
        await watch.in_changelogs() - changelog,
        cpu_s,
        lasted_s,
    )


def _figures(plan: KafkaPlan, found: list[KafkaRun]) -> list[Figure]:
    number = plan.sizes.asked
    note = f"{number:,} questions, {plan.sizes.open} open at a time; workers: {plan.workers}; {STATED}"
    figures = [
        Figure(
            bench="decided",
            name="decided questions",
            unit="1/s",
            values=tuple(number / ran.decided_s for ran in found),
            target=TARGET_PER_S,
            note=note,
        ),
        Figure(
            bench="decided",
            name="decided and learned",
            unit="1/s",
            values=tuple(number / ran.learned_s for ran in found),
            target=TARGET_PER_S,
            note="until the last record of the router table that follows: what can go on for ever",
        ),
        Figure(
            bench="decided",
            name="events",
            unit="1/question",
            values=tuple(ran.events / number for ran in found),
            note="records of the topics; those of the changelogs are on top",
        ),
        Figure(
            bench="decided",
            name="records of changelogs",
            unit="1/question",
            values=tuple(ran.changelog / number for ran in found),
        ),
    ]
    for process in found[0].cpu_s:
        if process != OTHERS:
            values = tuple(ran.cpu_s[process] / number * 1000 for ran in found)
            figures.append(Figure(bench="decided", name=f"CPU, {process}", unit="ms/question", values=values))
    busy = tuple((sum(ran.cpu_s.values()) - ran.cpu_s[OTHERS]) / ran.lasted_s for ran in found)
    others = tuple(ran.cpu_s[OTHERS] / ran.lasted_s for ran in found)
    return [
        *figures,
        Figure(bench="decided", name="cores busy", unit="cores", values=busy),
        Figure(bench="decided", name="cores busy with other work", unit="cores", values=others),
    ]
