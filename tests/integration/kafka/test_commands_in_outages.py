"""Outages as followers of a topic and producers tell them."""

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from infra.broker import Broker
from streams.app import kafka_session as session_module
from streams.app.kafka_session import KafkaSession
from streams.app.reporter import SILENT
from streams.app.workspace import Workspace
from streams.errors import OperatorError
from streams.runtimes.kafka import writer as writer_module
from streams.runtimes.kafka.client import outage as outage_module
from streams.runtimes.kafka.client.connection import Connection, parse_connection
from streams.runtimes.kafka.client.failed_connection import FailedConnection
from streams.runtimes.kafka.client.outage import Look, Outage
from streams.runtimes.kafka.client.topics import create_topics
from streams.runtimes.kafka.reading import tail as tail_module
from streams.runtimes.kafka.reading.tail import records_of
from streams.runtimes.kafka.writer import KafkaWriter
from streams.topology import DECISIONS

from ...worlds import policy, question

REFUSES = FailedConnection("one:9092", "refuses user 'ann'", "Correct the password", answers=True)


@pytest.fixture
def connection(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> Connection:
    """Give a log; a watch over its brokers finds none that can be used, and gives up at its second look."""

    def watch(connection: Connection) -> Outage:
        ticks = iter(range(0, 1_000_000, 60))

        async def look() -> Look:
            return Look(usable=False, failed=(REFUSES,))

        return Outage(look, lambda: float(next(ticks)), give_up_s=60)

    monkeypatch.setattr(outage_module, "LOOK_S", 0.01)
    for module in (tail_module, writer_module, session_module):
        monkeypatch.setattr(module, "LOOK_S", 0.01)
        monkeypatch.setattr(module, "outage_of", watch)
    made = parse_connection(f"{broker.bootstrap}/{uuid.uuid4().hex[:12]}", {})
    asyncio.run(create_topics(made))
    return made


def ended(work: Callable[[], Any]) -> None:
    """Check that something tells of the outage, and ends with its reason."""
    with (
        capture_logs() as lines,
        pytest.raises(OperatorError, match=r"no broker could be used for .* refuses user 'ann'"),
    ):
        work()
    assert [(line["event"], line["why"]) for line in lines] == [("broker_lost", "one:9092 refuses user 'ann'")]


def test_a_follower_tells_of_an_outage_and_gives_up(connection: Connection) -> None:
    """`consume --follow` does not wait in silence."""
    ended(lambda: list(records_of(connection, DECISIONS, follow=True)))


def test_a_question_that_waits_for_its_decision_does_so_too(connection: Connection) -> None:
    """`ask` waits for a worker, which may be as cut off as it is."""

    async def ask() -> None:
        work = Workspace(f"kafka://{','.join(connection.bootstrap)}")
        session = KafkaSession(work, connection, policy("a"), SILENT, look_first=False)
        try:
            await session.start()
            await session.submit(question("q"))
            await session.decision("q")
        finally:
            await session.close()

    ended(lambda: asyncio.run(ask()))


def test_a_producer_does_so_too(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its client never drops what it may have sent."""

    async def never(queued: Any) -> None:
        await asyncio.Event().wait()

    with KafkaWriter(connection) as writer:
        monkeypatch.setattr(writer_module, "settled", never)
        writer.append(question("q"))
        ended(writer.commit)
