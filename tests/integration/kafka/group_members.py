"""Topics on a real broker, and group members reading them."""

import asyncio
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from schemas.questions import QuestionAsked
from streams.log import Polled, Record
from streams.runtimes.kafka.client.connection import Connection, parse_connection
from streams.runtimes.kafka.client.group_member import GroupMember
from streams.runtimes.kafka.client.producer import RecordProducer, message_of
from streams.runtimes.kafka.client.topics import create_topics
from streams.topology import DECISIONS, QUESTIONS

from ...worlds import question

READ = (QUESTIONS, DECISIONS)
WAIT_MS = 50

Test = Callable[["Cluster"], Coroutine[Any, Any, None]]
Run = Callable[[Test], None]


class Reader:
    """A group member, and the records it has read."""

    def __init__(self, subscription: GroupMember) -> None:
        self.subscription = subscription
        self.held: frozenset[int] = frozenset()
        self.records: list[Record] = []
        self.reached: dict[tuple[str, int], int] = {}
        self.looks: list[Polled] = []
        self._task: asyncio.Task[None] | None = None

    def go(self) -> None:
        """Read on, until `halt`."""
        self._task = asyncio.create_task(self._read())

    async def halt(self) -> None:
        """Read no further; the member stays in its group."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _read(self) -> None:
        while True:
            self.take(await self.subscription.poll(WAIT_MS))

    def take(self, look: Polled) -> None:
        self.looks.append(look)
        self.held, self.reached = look.partitions, dict(look.reached)
        self.records += look.records

    def ids(self) -> list[str]:
        """List the ids of the questions it has read."""
        return [record.key for record in self.records if record.topic == QUESTIONS]

    def offsets(self) -> dict[tuple[str, int], list[int]]:
        """List the offsets it has read of each partition."""
        found = defaultdict(list)
        for record in self.records:
            found[record.topic, record.partition].append(record.offset)
        return found


class Cluster:
    """Topics of one test, and members that read them."""

    def __init__(self, connection: Connection, producer: RecordProducer) -> None:
        self.connection = connection
        self.producer = producer

    async def ask(self, questions: Iterable[QuestionAsked]) -> None:
        """Write questions."""
        await self.producer.publish(map(message_of, questions))

    @asynccontextmanager
    async def member(
        self, *, instance: str | None = None, reading: bool = True, topics: Sequence[str] = READ
    ) -> AsyncIterator[Reader]:
        """Run a member of the group."""
        subscription = GroupMember(self.connection, self.producer, "agents", instance=instance)
        reader = Reader(subscription)
        try:
            await subscription.start(topics)
            if reading:
                reader.go()
            yield reader
        finally:
            await reader.halt()
            await subscription.stop()


async def on(bootstrap: str, test: Test) -> None:
    """Run a test against topics of its own."""
    connection = parse_connection(f"{bootstrap}/{uuid.uuid4().hex[:12]}", {})
    await create_topics(connection)
    async with RecordProducer(connection) as producer:
        await test(Cluster(connection, producer))


@pytest.fixture
def run(broker: Any) -> Run:
    """Run a test on the broker that all tests share."""
    return lambda test: asyncio.run(asyncio.wait_for(on(broker.bootstrap, test), 300))


def numbered(count: int, prefix: str = "q") -> list[QuestionAsked]:
    """Make so many questions."""
    return [question(f"{prefix}{number}") for number in range(count)]
