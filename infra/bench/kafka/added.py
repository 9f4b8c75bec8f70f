"""
Added latency on Kafka.

It is the time from when a question was due to when its decision is read, less the time its agents took.
"""

from collections.abc import Callable, Mapping
from statistics import quantiles

import orjson

from infra.bench.figures import Figure
from infra.bench.kafka.decided import saturated
from infra.bench.kafka.load import Load, asking
from infra.bench.kafka.log import adopt, own_log, watched
from infra.bench.kafka.plan import KafkaPlan
from infra.bench.kafka.prefill import task_about
from infra.bench.kafka.processes import Meter, at_work
from infra.bench.workload import bench_policy
from streams.agents.factory import make_agents

CALL_MS = 200
"""Median time of a call: that of a small hosted model; single calls take half to double of it."""
P50_TARGET_MS, P99_TARGET_MS = 40, 150

Advance = Callable[[int], None]


async def measure(plan: KafkaPlan, advance: Advance) -> list[Figure]:
    """
    Ask at half of the rate that saturates, learning included; the clock sets the pace, not the answers.

    Returns:
        For agents that answer at once, and for agents that wait, the median and the 99th percentile of the latency
        added, in milliseconds.
    """
    figures: list[Figure] = []
    async with (
        own_log(plan.connection) as log,
        at_work(log, plan) as workers,
        watched(log, workers) as watch,
        asking(watch) as load,
    ):
        await adopt(log, bench_policy())
        await load.saturate(plan.sizes.warm_up, plan.sizes.open)
        await watch.settled()
        per_s = plan.sizes.asked / (await saturated(watch, load, Meter(log, workers), plan)).learned_s / 2
        for call_ms in (0, CALL_MS):
            await adopt(log, bench_policy(call_ms, waits=call_ms > 0))
            runs = []
            for _ in range(plan.sizes.runs):
                await watch.settled()
                runs.append(await _run(load, per_s, plan.sizes.steady_s, call_ms))
                advance(1)
            figures += _figures(plan, call_ms, per_s, runs)
    return figures


async def _run(load: Load, per_s: float, seconds: float, call_ms: int) -> list[float]:
    """Ask at a fixed rate, and give the percentiles of the latency added, in milliseconds."""
    await load.steady(round(per_s * seconds), per_s)
    called_ms = await _slowest_calls_ms(load.decisions, call_ms)
    added = [load.waited_s[question_id] * 1000 - called_ms[question_id] for question_id in load.decisions]
    return quantiles(added, n=100, method="inclusive")


async def _slowest_calls_ms(decisions: Mapping[str, bytes], call_ms: int) -> dict[str, int]:
    """
    Give the planned time of each panel's slowest seat.

    Events have the call's actual time, which is longer if the process was late. That delay is not the agent's, so it
    counts as added latency.
    """
    virtual = make_agents(bench_policy(call_ms), None)
    found = {}
    for question_id, value in decisions.items():
        decision = orjson.loads(value)
        seats = [seat["agent"] for seat in (*decision["counted"], *decision["excluded"])]
        task = task_about(question_id)
        replies = [await virtual[agent].reply(task) for agent in seats]
        found[question_id] = max(reply.latency_ms or 0 for reply in replies)
    return found


def _figures(plan: KafkaPlan, call_ms: int, per_s: float, runs: list[list[float]]) -> list[Figure]:
    agents = f"agents take {call_ms} ms" if call_ms else "agents answer at once"
    note = (
        f"{per_s:.0f} questions a second for {plan.sizes.steady_s:.0f} s, half of what can be decided and learned; less"
        f" what the slowest agent of each panel takes; workers: {plan.workers}"
    )
    return [
        Figure(
            bench="latency",
            name=f"added, {name}, {agents}",
            unit="ms",
            values=tuple(percentiles[place] for percentiles in runs),
            target=target,
            more_is_better=False,
            note=note,
        )
        for place, name, target in ((49, "p50", P50_TARGET_MS), (98, "p99", P99_TARGET_MS))
    ]
