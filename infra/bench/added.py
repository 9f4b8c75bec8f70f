"""
Added latency of the embedded session.

It is the time from a question's append to its committed decision, less the time its agents took.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from statistics import quantiles
from time import perf_counter

from infra.bench.figures import Figure, Sizes
from infra.bench.workload import SessionRun, bench_policy, questions, run_session
from schemas.agents import AgentSpec
from schemas.questions import QuestionAsked
from streams.agents.agent import Agent, Reply, Task
from streams.agents.factory import make_agents

CALL_S = 0.2
"""Time of every call: that of a small hosted model, and constant, so that it can be subtracted."""
P50_TARGET_MS, P99_TARGET_MS = 10, 50

Advance = Callable[[int], None]


class WaitingAgent:
    """
    A simulated agent that waits: the same time for each call, but longer for the first questions.

    The first calls are spread over one call's time, so that the questions do not move through the stages as one crowd.
    """

    virtual = False
    live = None

    def __init__(self, inner: Agent, spread: int) -> None:
        self._inner = inner
        self._spread = spread

    @property
    def spec(self) -> AgentSpec:
        """The agent as the policy describes it."""
        return self._inner.spec

    async def reply(self, task: Task) -> Reply:
        """Wait, then answer as the simulated agent does; the caller measures the latency."""
        number = int(task.question_id.rpartition("-")[2])
        extra = CALL_S * number / self._spread if number < self._spread else 0
        await asyncio.sleep(CALL_S + extra)
        return replace(await self._inner.reply(task), latency_ms=None)


def measure(directory: Path, sizes: Sizes, advance: Advance) -> list[Figure]:
    """
    Run the session with so many questions always open.

    Returns:
        For each load the median and the 99th percentile of the latency added, in milliseconds.
    """
    figures = []
    for opened in sizes.open:
        found = []
        for number in range(sizes.runs):
            found.append(_run(directory / f"added-{opened}-{number}.db", opened, min(sizes.waiting, 25 * opened)))
            advance(1)
        rate = sum(rate for _, rate in found) / len(found)
        note = f"{opened} open, panel of 3, {CALL_S * 1000:.0f} ms a call; {rate:.0f} decided/s"
        for place, name, target in ((49, "p50", P50_TARGET_MS), (98, "p99", P99_TARGET_MS)):
            values = tuple(percentiles[place] for percentiles, _ in found)
            figures.append(
                Figure(
                    bench="latency",
                    name=f"added, {name}, {opened} open",
                    unit="ms",
                    values=values,
                    target=target,
                    more_is_better=False,
                    note=note,
                )
            )
    return figures


def _run(path: Path, opened: int, number: int) -> tuple[list[float], float]:
    """Give the percentiles of the added latency in milliseconds, and the decided questions per second."""
    asked_at: dict[str, float] = {}

    def asked() -> Iterator[QuestionAsked]:
        for question in islice(questions(), number):
            asked_at[question.question_id] = perf_counter()
            yield question

    agents = {name: WaitingAgent(agent, opened) for name, agent in make_agents(bench_policy(), None).items()}
    ran: SessionRun = run_session(path, asked(), window=opened, agents=agents)
    path.unlink()
    # The first questions had spread calls, and those after them started beside these.
    measured = list(asked_at)[2 * opened :]
    added = [(ran.committed_at[name] - asked_at[name] - CALL_S) * 1000 for name in measured]
    return quantiles(added, n=100, method="inclusive"), ran.questions / ran.seconds
