"""A worker's log line a minute: counts and lags."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import orjson
import structlog
from structlog.typing import FilteringBoundLogger

from schemas.analyses import AnalysisPublished, Attempt
from schemas.decisions import DecisionMade
from schemas.letters import RecordRejected
from streams.agents.calls.progress import CallProgress
from streams.errors import OperatorError
from streams.instruments.meters import Meters
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.consumer_lag import group_lags
from streams.runtimes.kafka.client.producer import ProducerRecord, RecordProducer

if TYPE_CHECKING:
    from streams.instruments.tracer import Tracer

LINE_S = 60.0
"""Seconds between two lines."""

LAG_S = 15.0
"""Longest wait for the lags; without an answer the line has none."""

_log: FilteringBoundLogger = structlog.get_logger("orch.worker")

Lags = Callable[[], Awaitable[Mapping[str, int]]]


class DecisionCounter(RecordProducer):
    """
    A producer that counts the decisions it publishes, for *meters* every event, and tells *tracer* of decisions.

    A decision counts for the process that made it, so one that a new owner sends again does not count there.
    """

    def __init__(self, connection: Connection, meters: Meters | None = None, tracer: "Tracer | None" = None) -> None:
        super().__init__(connection)
        self._meters = meters
        self._tracer = tracer
        self.decided = 0
        self.undecided = 0

    async def publish(self, messages: Iterable[ProducerRecord], *, again: bool = False) -> None:
        """Send records, wait until all of them are acknowledged, and count the decisions among them."""
        sent = list(messages)
        await super().publish(sent, again=again)
        for message in sent if not again else ():
            if message.topic == DecisionMade.topic:
                made = orjson.loads(message.value)
                decided = made.get("status") == "decided"
                self.decided += decided
                self.undecided += not decided
                if self._meters is not None:
                    self._meters.note_decision(made["status"], made["reason"])
                if self._tracer is not None:
                    self._tracer.sent(made, message.headers)
            if self._meters is not None:
                _note(self._meters, message)


def _note(meters: Meters, message: ProducerRecord) -> None:
    """Count a record that was written; a copy of a stranger's record is no event of ours."""
    kind = next((value for name, value in message.headers if name == "ce_type"), None)
    if kind is None:
        return
    meters.note_record(message.topic, kind.decode())
    if message.topic == AnalysisPublished.topic:
        made = orjson.loads(message.value)
        meters.note_attempts(made["agent"], (Attempt.model_construct(**one) for one in made["attempts"]))
    elif message.topic == RecordRejected.topic:
        meters.note_letter(orjson.loads(message.value)["reason"])


class WorkerProgress:
    """
    Writes a line a minute: counts since the start, and those of the time since the line before.

    Args:
        stages: Stages of the process; the counts of other stages are left out.
        decisions: Counts the decisions, if the process runs `merge`.
        calls: Counts the calls that take wall time, if the process runs `agents`.
        lags: Gives the lag of each stage's group.
    """

    def __init__(self, stages: Iterable[str], decisions: DecisionCounter, calls: CallProgress, lags: Lags) -> None:
        self._stages = tuple(stages)
        self._decisions = decisions
        self._calls = calls
        self._lags = lags
        self._before: dict[str, int] = {}

    async def write(self) -> None:
        """Write one line."""
        try:
            async with asyncio.timeout(LAG_S):
                lag: Mapping[str, int] | None = await self._lags()
        except (OperatorError, OSError, TimeoutError):
            lag = None
        counts = self._counts()
        recent = {f"{name}_recently": count - self._before.get(name, 0) for name, count in counts.items()}
        self._before = counts
        flight = {"calls_in_flight": self._calls.in_flight} if "agents" in self._stages else {}
        _log.info("worker_progress", **counts, **recent, **flight, lag=None if lag is None else dict(lag))

    async def keep_writing(self, every_s: float) -> None:
        """Write a line every *every_s* seconds, until cancelled."""
        while True:
            await asyncio.sleep(every_s)
            await self.write()

    def _counts(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        if "merge" in self._stages:
            counts |= {"decided": self._decisions.decided, "undecided": self._decisions.undecided}
        if "agents" in self._stages:
            calls = self._calls
            counts |= {"calls": calls.ended, "calls_failed": calls.failed, "calls_refused": calls.refused}
            counts |= {"spent_nusd": calls.cost_nusd, "calls_unpriced": calls.unpriced}
        return counts


def lags_of(connection: Connection, stages: Iterable[str]) -> Lags:
    """Make the function that measures the lag of each stage's group, all its members together."""
    chosen = tuple(stages)

    async def lags() -> dict[str, int]:
        return {found.stage: found.lag for found in await group_lags(connection, chosen)}

    return lags
