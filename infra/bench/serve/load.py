"""Clients that ask at a rate, and their outcome."""

import asyncio
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.bench.proc import HAS_PROC, resident_bytes
from infra.bench.serve.http_client import EventReader, HttpConnection, HttpReply, events

AGAIN_S = 0.25
"""Time after which a client sends a question again that got no answer."""

MISSED_S = 30.0
"""Time that the follower gets for the last decisions, after the last answer."""


@dataclass(slots=True)
class LoadOutcome:
    """What the clients saw."""

    answers: dict[str, str] = field(default_factory=dict)
    """Event id of the decision, by question id."""
    added_s: list[float] = field(default_factory=list)
    """Time from when a question was due to its decision, less the time of its agents; of those asked once."""
    again: int = 0
    """Requests that were sent again."""
    different: int = 0
    """Answers that differ from an earlier one, or from the log."""
    followed: Counter[str] = field(default_factory=Counter)
    """Decisions in the stream, by question id."""
    resumed: int = 0
    """How often the follower went on from its last place."""
    resident: list[float] = field(default_factory=list)
    """Memory of the server in MiB, once a second."""


class HttpLoad:
    """
    A number of clients that ask so many questions a second, on the clock, whether or not answers have come.

    Args:
        port: Port of the server.
        clients: Connections; each asks every so many-th question.
        rate: Questions a second, of all together.
        seconds: How long.
    """

    def __init__(self, port: int, clients: int, rate: float, seconds: float) -> None:
        self._port, self._clients, self._rate = port, clients, rate
        self.total = int(rate * seconds)
        self.outcome = LoadOutcome()
        self._began = 0.0

    async def run(self) -> None:
        """Ask all questions, each until it has its decision; follow the stream meanwhile."""
        loop = asyncio.get_running_loop()
        self._began = loop.time() + 1.0
        following = asyncio.create_task(self._follow())
        try:
            await asyncio.gather(*(self._client(number) for number in range(self._clients)))
            async with asyncio.timeout(MISSED_S):
                while len(self.outcome.followed) < self.total:
                    await asyncio.sleep(0.1)
        except TimeoutError:
            pass
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def _client(self, first: int) -> None:
        connection, loop = HttpConnection(self._port), asyncio.get_running_loop()
        for number in range(first, self.total, self._clients):
            due = self._began + number / self._rate
            await asyncio.sleep(due - loop.time())
            reply, sent = await self._ask(connection, number)
            if sent == 1:
                self.outcome.added_s.append(loop.time() - due - agents_s(reply.body))
            self.outcome.answers[question_id(number)] = reply.body["event_id"]
        connection.close()

    async def _ask(self, connection: HttpConnection, number: int) -> tuple[HttpReply, int]:
        """Send a question until it has its decision, as a client does that knows its id."""
        sent = 0
        while True:
            sent += 1
            try:
                reply = await connection.send("POST", "/v1/questions?wait=60", question(number))
                if reply.status == 200:
                    return reply, sent
            except (OSError, EOFError):
                pass
            self.outcome.again += 1
            await asyncio.sleep(AGAIN_S)

    async def _follow(self) -> None:
        place = "0"
        while True:
            reader: EventReader | None = None
            try:
                reader = await events(self._port, place)
                while True:
                    told = await reader.next()
                    if b"data" in told:
                        # Members are sorted: what stands behind "question_id" is the id.
                        behind = told[b"data"].partition(b'"question_id":"')[2]
                        self.outcome.followed[behind.partition(b'"')[0].decode()] += 1
                    place = told.get(b"id", place.encode()).decode()
            except (OSError, EOFError):
                self.outcome.resumed += 1
                await asyncio.sleep(AGAIN_S)
            finally:
                if reader is not None:
                    reader.close()

    async def ask_again(self, numbers: Sequence[int]) -> None:
        """Ask questions that were answered once more, and compare."""
        connection = HttpConnection(self._port)
        for number in numbers:
            reply, _ = await self._ask(connection, number)
            self.outcome.different += reply.body["event_id"] != self.outcome.answers[question_id(number)]
        connection.close()

    async def decided(self) -> Counter[str]:
        """Read all decisions of the log, count them by question, and compare them with the answers."""
        connection, found = HttpConnection(self._port), Counter[str]()
        path: str | None = "/v1/decisions?limit=500"
        while path:
            page = (await connection.send("GET", path)).body
            for each in page["decisions"]:
                decision = each["decision"]
                found[decision["question_id"]] += 1
                self.outcome.different += self.outcome.answers.get(decision["question_id"]) != decision["event_id"]
            path = page["next"]
        connection.close()
        return found


async def watch_memory(pid: int, into: list[float]) -> None:
    """Note the memory of a process once a second, in MiB."""
    while HAS_PROC:
        into.append(resident_bytes(pid) / 2**20)
        await asyncio.sleep(1)


def question_id(number: int) -> str:
    """Name a question."""
    return f"load-{number}"


def question(number: int) -> dict[str, Any]:
    """Make a question."""
    return {
        "question_id": question_id(number),
        "text": f"Which of these is closest to {number}? Think of what it is near to, and of what it is not.",
        "options": ["nothing", "a few", "many", "more than anyone can count"],
        "subject": f"subject {number % 8}",
    }


def agents_s(decision: dict[str, Any]) -> float:
    """Give the time that the agents of a decision took: of each stage its slowest."""
    slowest: dict[int, int] = {}
    for seat in (*decision["counted"], *decision["excluded"]):
        taken = seat["conduct"]["latency_ms"] or 0
        slowest[seat["stage"]] = max(taken, slowest.get(seat["stage"], 0))
    return sum(slowest.values()) / 1000


def quantile(values: Sequence[float], share: float) -> float:
    """Give a quantile by the nearest rank; NaN of nothing."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan
