"""
Throughput and cost of many concurrent calls from one process.

The ideal rate is the number of calls in flight over the server's latency.
"""

import asyncio
import gc
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from time import perf_counter, process_time
from typing import Any

from infra.bench.figures import Figure
from infra.bench.live.plan import SHARE_TARGET, TARGET_IN_FLIGHT, Kind, LiveSizes
from infra.bench.live.process import elsewhere
from infra.bench.live.world import QUESTIONS, World, analyst_task, single_policy
from infra.bench.proc import HAS_PROC, cpu_s, if_told, machine_cpu_s, resident_bytes
from infra.bench.workload import questions
from schemas.questions import QuestionAsked
from streams.agents.agent import Agent, dismiss
from streams.agents.calls.retry import take_seat
from streams.agents.factory import make_agents
from streams.errors import InvariantError

_LOOK_S = 0.05
"""Interval at which memory is read."""

Advance = Callable[[int], None]


def measure(world: World, kind: Kind, sizes: LiveSizes, runs: int, advance: Advance) -> list[Figure]:
    """
    Keep so many calls in flight in a new process, several times.

    Raises:
        InvariantError: A call failed, or the server counted other calls than were made.
    """
    found = []
    for _ in range(runs):
        found.append(_run(world, kind, sizes))
        advance(1)
    in_flight, seconds = sizes.in_flight(kind), sizes.flight_ms / 1_000
    calls = sizes.waves * in_flight
    ideal = in_flight / seconds
    target = SHARE_TARGET if (kind, in_flight) == ("litellm", TARGET_IN_FLIGHT) else None
    load = f"{kind}: {calls:,} calls of {seconds:g} s, by one process through attempts and limits"
    steady = (
        f"share: the first {in_flight:,} are spread over one call's time, and each that ends is followed by another;"
        f" counted from the end of the {in_flight:,}th to the start of the last, while {in_flight:,} are in flight"
    )
    lines: tuple[tuple[str, str, str, float | None, bool, str], ...] = (
        ("calls", "per_s", "1/s", None, True, f"{load}; the ideal is {ideal:g} a second"),
        ("share of the ideal", "share", "", target, True, steady),
        ("all at once", "crowd_s", "s", None, False, "all at once: until all have ended, less one call's time"),
        ("peak seen by the server", "peak", "calls", None, True, ""),
        ("CPU time a call", "cpu_ms", "ms", None, False, ""),
        ("CPU time a call, server", "server_ms", "ms", None, False, ""),
        ("cores busy with other work", "others", "cores", None, False, "half a core of other work spoils all of it"),
        ("memory a call in flight", "kib", "KiB", None, False, "memory: the most there was, less what was before"),
    )
    return [
        Figure(
            bench="live",
            name=f"{kind}, {in_flight:,} in flight: {name}",
            unit=unit,
            values=tuple(run[field] for run in found),
            target=wanted,
            more_is_better=more,
            note=note,
        )
        for name, field, unit, wanted, more, note in lines
        if field in found[0]
    ]


def _run(world: World, kind: Kind, sizes: LiveSizes) -> dict[str, float]:
    in_flight, seconds = sizes.in_flight(kind), sizes.flight_ms / 1_000
    calls = sizes.waves * in_flight
    made = 1 + in_flight + calls
    with world.server(sizes.flight_ms) as server:
        assert server.pid is not None
        before_s = if_told(cpu_s, server.pid)
        ran = elsewhere(keep_in_flight, kind=kind, url=server.url, in_flight=in_flight, calls=calls, latency_s=seconds)
        server_s = (if_told(cpu_s, server.pid) - before_s) / made
        stats = server.stats()
    if stats["requests"]["total"] != made or stats["requests"]["by_error"]:
        raise InvariantError(f"{made} calls were made, and the server counted {stats['requests']}")
    per_s = (calls - 2 * in_flight) / ran["steady_s"]
    found = {
        "per_s": per_s,
        "share": per_s * seconds / in_flight,
        "crowd_s": ran["crowd_s"] - seconds,
        "peak": stats["peak_in_flight"],
        "cpu_ms": 1_000 * ran["cpu_s"] / calls,
    }
    if HAS_PROC:
        found["server_ms"] = 1_000 * server_s
        found["kib"] = ran["more_bytes"] / in_flight / 1_024
        found["others"] = max(0.0, ran["machine_s"] - ran["cpu_s"] - server_s * calls) / ran["whole_s"]
    return found


def keep_in_flight(kind: Kind, url: str, in_flight: int, calls: int, latency_s: float) -> dict[str, Any]:
    """
    Make one call, then so many at once, then *calls* with so many always in flight; in a process of its own.

    Returns:
        Times and memory; CPU times are those of the last part.
    """
    return asyncio.run(_keep_in_flight(kind, url, in_flight, calls, latency_s))


async def _keep_in_flight(kind: Kind, url: str, in_flight: int, calls: int, latency_s: float) -> dict[str, Any]:
    agents = make_agents(single_policy(kind, url), None)
    (agent,) = agents.values()
    asked = list(islice(questions(), QUESTIONS))
    # Imports what the client needs, which for litellm takes seconds.
    await seat(agent, asked[0])
    gc.collect()
    numbers = iter(range(calls))
    ended_s: list[float] = []

    async def slot(place: int) -> None:
        # The starts are spread over the time of one call. Calls that start together also end together, for the event
        # loop does a bit of each in turn, and it would be idle between crowds.
        await asyncio.sleep(latency_s * place / in_flight)
        for number in numbers:
            await seat(agent, asked[number % len(asked)])
            ended_s.append(perf_counter())

    sizes = [if_told(resident_bytes)]
    looking = asyncio.create_task(_look(sizes))
    crowd_s = perf_counter()
    await asyncio.gather(*(seat(agent, asked[number % len(asked)]) for number in range(in_flight)))
    own_started_s, machine_started_s, started_s = process_time(), if_told(machine_cpu_s), perf_counter()
    async with asyncio.TaskGroup() as group:
        for place in range(in_flight):
            group.create_task(slot(place))
    own_s, machine_s = process_time() - own_started_s, if_told(machine_cpu_s) - machine_started_s
    looking.cancel()
    with suppress(asyncio.CancelledError):
        await looking
    await dismiss(agents)
    return {
        "crowd_s": started_s - crowd_s,
        "whole_s": ended_s[-1] - started_s,
        # The last call started when all but those in flight had ended.
        "steady_s": ended_s[calls - in_flight - 1] - ended_s[in_flight - 1],
        "cpu_s": own_s,
        "machine_s": machine_s,
        "more_bytes": max(sizes) - sizes[0],
    }


async def _look(sizes: list[int]) -> None:
    while True:
        await asyncio.sleep(_LOOK_S)
        sizes.append(if_told(resident_bytes))


async def seat(agent: Agent, question: QuestionAsked) -> None:
    """
    Have an agent take an analyst's seat, as the session does.

    Raises:
        InvariantError: It gave no reply.
    """
    published = await take_seat(agent, analyst_task(question), question)
    if published.status != "ok":
        raise InvariantError(f"a call of the benchmark failed: {published.attempts[-1].error}")
