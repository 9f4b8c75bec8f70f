"""The writer of a log on Kafka, for input producers."""

import asyncio
from collections.abc import Sequence
from typing import Any, Self

from schemas.event import MAX_EVENT_BYTES, Event
from schemas.policies import PolicyAdopted
from streams.errors import UsageError
from streams.log import Headers, Stored
from streams.loop_thread import LoopThread
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.least_rights import reading, writing
from streams.runtimes.kafka.client.lifecycle import is_client_task
from streams.runtimes.kafka.client.outage import LOOK_S, outage_of
from streams.runtimes.kafka.client.producer import ProducerRecord, RecordProducer, message_of, settled
from streams.runtimes.kafka.client.topics import require_topics
from streams.runtimes.kafka.stages.global_tables import KafkaGlobalTables
from streams.topology import POLICIES

MOST_QUEUED = 5_000
"""Unacknowledged records at which `append` waits; this bounds memory when a large file is published."""


class KafkaWriter:
    """
    The `Appender` of a cluster. A log may have many at a time; workers fold what they publish.

    Args:
        connection: The cluster; the topics of the log must exist.
        topics: Topics that the caller appends to.

    Raises:
        OperatorError: No broker answers, the user may not write to *topics*, or they are missing.
    """

    def __init__(self, connection: Connection, topics: Sequence[str] = ()) -> None:
        self._connection = connection
        self._topics = tuple(topics)
        self._producer = RecordProducer(connection)
        self._queued: list[asyncio.Future[Any]] = []
        self._loop = LoopThread(last=is_client_task)
        try:
            self._loop.call(self._start())
        except BaseException:
            self._loop.close()
            raise

    async def _start(self) -> None:
        await require_topics(self._connection, writing(self._topics))
        await self._producer.start()

    @property
    def policy(self) -> PolicyAdopted | None:
        """Give the policy adopted last; None while the log holds no policy."""
        return self._loop.call(newest_policy(self._connection))

    def append(self, event: Event, *, headers: Headers = (), again: bool = False) -> Stored | None:
        """
        Publish an event; it is durable after `commit`. An event appended twice is published twice, and counts once.

        Returns:
            The event with partition 0 and offset 0, since its place is not known yet.

        Raises:
            UsageError: The event has more than MAX_EVENT_BYTES; the writer stays usable.
            OperatorError: The brokers refused an event that was appended before.
        """
        size = len(event.encode())
        if size > MAX_EVENT_BYTES:
            raise UsageError(
                f"{event.topic}: the event about {event.correlation!r} has {size:,} bytes",
                remedy=f"The limit is {MAX_EVENT_BYTES:,}: shorten its text",
                topic=event.topic,
                key=event.key,
            )
        self.send(message_of(event, headers))
        return Stored(event.topic, 0, 0, event)

    def send(self, message: ProducerRecord) -> None:
        """Publish a record unchanged."""
        self._loop.call(self._send(message))

    async def _send(self, message: ProducerRecord) -> None:
        self._queued.append(await self._producer.send(message))
        if len(self._queued) >= MOST_QUEUED:
            await self._settle()

    async def _settle(self) -> None:
        queued, self._queued = self._queued, []
        waiting = asyncio.ensure_future(settled(queued))
        # The client itself waits for absent brokers without a word, and without end.
        watching = asyncio.create_task(outage_of(self._connection).watch(after_s=LOOK_S))
        try:
            await asyncio.wait({waiting, watching}, return_when=asyncio.FIRST_COMPLETED)
            (waiting if waiting.done() else watching).result()
        finally:
            for task in (waiting, watching):
                task.cancel()
            await asyncio.gather(waiting, watching, return_exceptions=True)

    def commit(self) -> None:
        """
        Wait until every appended event is acknowledged.

        Raises:
            OperatorError: The brokers refused an event, or none can be used for `GIVE_UP_S`.
        """
        self._loop.call(self._settle())

    def folding(self) -> None:
        """Give None: workers fold."""

    def close(self) -> None:
        """Disconnect; events that were not committed may or may not be in the log."""
        try:
            self._loop.call(self._producer.stop())
        finally:
            self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()


async def newest_policy(connection: Connection) -> PolicyAdopted | None:
    """
    Find the policy adopted last; None while the log holds no policy.

    Raises:
        OperatorError: No broker answers, or the user may not read the topic of policies.
    """
    await require_topics(connection, reading((POLICIES,)))
    tables = KafkaGlobalTables(connection, (POLICIES,))
    try:
        await tables.start()
        return tables.tables.policy
    finally:
        await tables.stop()
