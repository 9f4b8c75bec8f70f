"""
Latency that each client adds to a call.

Baselines leave out one layer after the other: first the agent, then the client.
"""

import asyncio
import json
import re
import urllib.parse
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import islice
from statistics import quantiles
from time import perf_counter
from typing import Any

from infra.bench.figures import Figure
from infra.bench.live.flight import seat
from infra.bench.live.plan import WAYS, LiveSizes
from infra.bench.live.process import elsewhere
from infra.bench.live.world import MODELS, QUESTIONS, World, analyst_task, single_policy
from infra.bench.workload import questions
from schemas.prompts import Prompts
from schemas.questions import QuestionAsked
from streams.agents.agent import dismiss
from streams.agents.factory import make_agents
from streams.agents.prompts import messages_of
from streams.agents.providers.completion import Request
from streams.agents.providers.openai_client import OpenAIClient, body_of
from streams.errors import InvariantError

Advance = Callable[[int], None]
Ask = Callable[[QuestionAsked], Awaitable[None]]
Close = Callable[[], Awaitable[None]]


def measure(world: World, sizes: LiveSizes, runs: int, advance: Advance) -> list[Figure]:
    """
    Ask at a steady rate, whether or not answers have come, through each client in processes of its own.

    Returns:
        For each way the median and the 99th percentile of the latency added, in milliseconds.
    """
    note = (
        f"added: {sizes.added_per_s} calls a second by the clock, each from when it was due to its end, less the"
        f" server's {sizes.added_ms} ms; what the server itself takes to read and write stays in. The client alone is"
        " aiohttp without agent, attempts and limits; a plain connection is asyncio's, without any library of HTTP"
    )
    figures = []
    for way, name in WAYS.items():
        found = []
        for _ in range(runs):
            found.append(_run(world, way, sizes))
            advance(1)
        for place, percentile in ((49, "p50"), (98, "p99")):
            figures.append(
                Figure(
                    bench="live",
                    name=f"added, {percentile}, {name}",
                    unit="ms",
                    values=tuple(percentiles[place] for percentiles in found),
                    more_is_better=False,
                    note=note,
                )
            )
    return figures


def _run(world: World, way: str, sizes: LiveSizes) -> list[float]:
    with world.server(sizes.added_ms) as server:
        ran = elsewhere(
            ask_steadily,
            way=way,
            url=server.url,
            calls=sizes.added_calls,
            per_s=sizes.added_per_s,
            latency_s=sizes.added_ms / 1_000,
        )
    return quantiles(ran["added_ms"], n=100, method="inclusive")


def ask_steadily(way: str, url: str, calls: int, per_s: int, latency_s: float) -> dict[str, Any]:
    """Ask at this rate, and give each call's time over the server's latency; in a process of its own."""
    return {"added_ms": asyncio.run(_ask_steadily(way, url, calls, per_s, latency_s))}


async def _ask_steadily(way: str, url: str, calls: int, per_s: int, latency_s: float) -> list[float]:
    ask, close = {"client": _client, "plain": _plain}.get(way, partial(_agent, way))(url)
    asked = list(islice(questions(), QUESTIONS))
    # Imports what the client needs.
    await ask(asked[0])
    # The first calls do not count: they open the connections.
    first = round(2 * per_s * latency_s)
    added_ms: list[float] = []

    async def one(number: int, due_s: float) -> None:
        await ask(asked[number % len(asked)])
        if number >= first:
            added_ms.append(1_000 * (perf_counter() - due_s - latency_s))

    started_s = perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(first + calls):
            due_s = started_s + number / per_s
            await asyncio.sleep(max(0.0, due_s - perf_counter()))
            group.create_task(one(number, due_s))
    await close()
    return added_ms


def _agent(kind: Any, url: str) -> tuple[Ask, Close]:
    agents = make_agents(single_policy(kind, url), None)
    (agent,) = agents.values()
    return partial(seat, agent), partial(dismiss, agents)


def _request(url: str, question: QuestionAsked) -> Request:
    """Make an agent's request."""
    return Request(
        model=MODELS[0],
        base_url=url,
        messages=messages_of(analyst_task(question), Prompts(), alone=True),
        max_output_tokens=1_024,
        temperature_ppb=0,
        seed=0,
        schema=None,
    )


def _client(url: str) -> tuple[Ask, Close]:
    client = OpenAIClient(url, None)

    async def ask(question: QuestionAsked) -> None:
        await client.send(_request(url, question))

    return ask, client.close


def _plain(url: str) -> tuple[Ask, Close]:
    address = urllib.parse.urlsplit(url)
    idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(question: QuestionAsked) -> None:
        body = json.dumps(body_of(_request(url, question), "127.0.0.1")).encode()
        head = f"POST {address.path}/chat/completions HTTP/1.1\r\nHost: {address.netloc}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        reader, writer = idle.pop() if idle else await asyncio.open_connection(address.hostname, address.port)
        writer.write(head.encode() + body)
        answered = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", answered, re.IGNORECASE)
        if length is None or not answered.startswith(b"HTTP/1.1 200 "):
            raise InvariantError(f"a call of the benchmark failed: {answered!r}")
        json.loads(await reader.readexactly(int(length[1])))
        idle.append((reader, writer))

    async def close() -> None:
        for _, writer in idle:
            writer.close()
            await writer.wait_closed()

    return ask, close
