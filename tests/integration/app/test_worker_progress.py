"""The line a minute of a worker."""

import asyncio
import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from streams.agents.calls.progress import CallProgress
from streams.app.worker_progress import DecisionCounter, WorkerProgress
from streams.errors import OperatorError
from streams.runtimes.kafka.client.connection import parse_connection
from streams.runtimes.kafka.client.producer import ProducerRecord, RecordProducer
from streams.topology import DEAD_LETTERS, DECISIONS


async def no_lag() -> dict[str, int]:
    """Measure some lag."""
    return {"merge": 3}


async def no_answer() -> dict[str, int]:
    """Find no broker."""
    raise OperatorError("no broker answers")


def lines(progress: WorkerProgress, times: int = 1) -> list[Any]:
    """Give the values of the lines."""
    with capture_logs() as told:
        for _ in range(times):
            asyncio.run(progress.write())
    assert {line["event"] for line in told} == {"worker_progress"}
    return told


def test_a_line_counts_since_the_start_and_since_the_line_before() -> None:
    """What this process decided and what its calls did; the lag is that of the whole group."""
    decisions, calls = DecisionCounter(parse_connection("127.0.0.1:1", {})), CallProgress()
    progress = WorkerProgress(("merge", "agents"), decisions, calls, no_lag)
    decisions.decided, calls.ended, calls.failed, calls.cost_nusd = 5, 9, 2, 1_000
    calls.begin()
    (first,) = lines(progress)
    decisions.decided, decisions.undecided = 6, 1
    (second,) = lines(progress)
    assert (first["decided"], first["decided_recently"], first["undecided"]) == (5, 5, 0)
    assert (second["decided"], second["decided_recently"], second["undecided_recently"]) == (6, 1, 1)
    assert (second["calls"], second["calls_recently"], second["calls_failed"]) == (9, 0, 2)
    assert (second["spent_nusd"], second["calls_in_flight"], second["lag"]) == (1_000, 1, {"merge": 3})


def test_counts_of_other_stages_are_left_out() -> None:
    """A worker without `merge` does not say that it decided 0; without a broker there is no lag."""
    counter = DecisionCounter(parse_connection("127.0.0.1:1", {}))
    (line,) = lines(WorkerProgress(("rank",), counter, CallProgress(), no_answer))
    assert line.keys() == {"event", "log_level", "lag"}
    assert line["lag"] is None


def test_decisions_are_counted_once_they_are_acknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    """By their status; other records are none."""
    failing = False

    async def publish(self: RecordProducer, messages: Any, *, again: bool) -> None:
        if failing:
            raise OperatorError("not taken")

    monkeypatch.setattr(RecordProducer, "publish", publish)
    counter = DecisionCounter(parse_connection("127.0.0.1:1", {}))
    decided, undecided = (
        ProducerRecord(DECISIONS, "q", json.dumps({"status": status, "seats": [{"status": "decided"}]}).encode())
        for status in ("decided", "undecided")
    )
    asyncio.run(counter.publish(iter((decided, undecided, decided, ProducerRecord(DEAD_LETTERS, "q", b"{}")))))
    asyncio.run(counter.publish([decided, undecided], again=True))
    assert (counter.decided, counter.undecided) == (2, 1), "they count for the owner who made them"
    failing = True
    with pytest.raises(OperatorError):
        asyncio.run(counter.publish([decided]))
    assert (counter.decided, counter.undecided) == (2, 1)
