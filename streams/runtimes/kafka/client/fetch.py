"""Reads of an offset range, without a consumer group."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from structlog.typing import FilteringBoundLogger

from streams.errors import OperatorError, UnreachableError
from streams.log import Record
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.failed_connection import LOST
from streams.runtimes.kafka.client.lifecycle import connect, let_go
from streams.runtimes.kafka.client.open_transactions import OpenTransactions

T = TypeVar("T")

_FETCH_BYTES = 8 << 20
_WAIT_MS = 200

_END_S = 30.0
"""Longest time in which a partition may end before what was written to it: a new leader learns its high watermark only
from its followers."""

_AGAIN_S = 3.0
"""Time between two tries to connect while no broker can be used."""

_log: FilteringBoundLogger = structlog.get_logger("orch.fetch")


def record_of(found: Any, topic: str) -> Record:
    """Convert a record of the client; key bytes that are not UTF-8 become escapes."""
    return Record(
        topic,
        found.partition,
        found.offset,
        found.timestamp,
        (found.key or b"").decode("utf-8", "backslashreplace"),
        found.value or b"",
        tuple(found.headers),
    )


async def plain_consumer(connection: Connection, *, committed: bool = True) -> AIOKafkaConsumer:
    """
    Connect a consumer without a group, for manual assignment.

    Args:
        committed: Whether to leave out the records of aborted transactions. The end of a partition is then its last
            stable offset, where the oldest open transaction begins; otherwise it is the high watermark.

    Raises:
        UnreachableError: No broker can be used.
    """
    consumer = AIOKafkaConsumer(
        **connection.client(),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=_FETCH_BYTES,
        fetch_max_bytes=4 * _FETCH_BYTES,
        isolation_level="read_committed" if committed else "read_uncommitted",
    )
    await connect(consumer, connection)
    return consumer


async def patient_consumer(connection: Connection, *, committed: bool = True) -> AIOKafkaConsumer:
    """
    Connect as `plain_consumer` does, and wait for brokers that are away.

    For a running stage: its process watches the brokers (`outage.py`), and ends when they are away for too long.
    """
    return await connected_patiently(lambda: plain_consumer(connection, committed=committed))


async def connected_patiently(connected: Callable[[], Awaitable[T]]) -> T:
    """Connect a client, and wait for brokers that are away, as `patient_consumer` does."""
    told = False
    while True:
        try:
            return await connected()
        except UnreachableError as error:
            if not told:
                _log.warning("read_put_off", why=error.message)
                told = True
            await asyncio.sleep(_AGAIN_S)


async def patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """
    Ask the brokers until they answer, as `patient_consumer` does.

    aiokafka gives up on each request after 40 s.
    """
    while True:
        try:
            return await ask()
        except LOST as error:
            _log.warning("read_put_off", why=f"{type(error).__name__}: {error}")
            await asyncio.sleep(_AGAIN_S)


async def fetch(
    connection: Connection, topic: str, partition: int, start: int, end: int, *, committed: bool = True
) -> AsyncGenerator[Any, None]:
    """
    Iterate the records of a partition from offset *start* to before *end*.

    Compaction may have removed some of them. If the log starts after *start*, reading begins with its first record.
    Waits for brokers that are away, and with *committed* for transactions that are open before *end*.

    Args:
        topic: Name on the cluster.
        committed: Whether to leave out the records of aborted transactions.

    Raises:
        OperatorError: The partition ends before *end*.
    """
    if start >= end:
        return
    consumer = await patient_consumer(connection, committed=committed)
    try:
        place = TopicPartition(topic, partition)
        consumer.assign([place])
        consumer.seek(place, start)
        waiting = _WaitForEnd(consumer, place, start, end)
        while await consumer.position(place) < end:
            found = (await consumer.getmany(timeout_ms=_WAIT_MS)).get(place, ())
            await waiting.check()
            for record in found:
                if record.offset >= end:
                    return
                yield record
    finally:
        await let_go(consumer)


class _WaitForEnd:
    """Wait of a reader for records before the end of its range: there must be a reason why they do not come."""

    def __init__(self, consumer: AIOKafkaConsumer, place: TopicPartition, start: int, end: int) -> None:
        self._consumer, self._place = consumer, place
        self._start, self._end = start, end
        self._transactions = OpenTransactions()
        self._short_since_ms: int | None = None
        """Time of the first answer by which the partition ends too early; by this machine's clock."""

    async def check(self) -> None:
        """
        Tell of a transaction that is waited for.

        Asks nothing, so it is cheap enough for every look at the client.

        Raises:
            OperatorError: The partition ends before the end of the range.
        """
        self._transactions.look(self._consumer, [self._place], asyncio.get_running_loop().time())
        if await self._consumer.position(self._place) < self._start:
            # The client has gone back to the beginning, because there is no such offset.
            raise _cut_off(self._place, self._consumer.highwater(self._place), self._start)
        answered_ms, highwater = self._consumer.last_poll_timestamp(self._place), self._consumer.highwater(self._place)
        if answered_ms is None or highwater is None or highwater >= self._end:
            self._short_since_ms = None
        elif self._short_since_ms is None:
            self._short_since_ms = answered_ms
        elif answered_ms - self._short_since_ms >= _END_S * 1000:
            raise _cut_off(self._place, highwater, self._end)


def _cut_off(place: TopicPartition, end: int | None, offset: int) -> OperatorError:
    return OperatorError(
        f"{place.topic}, partition {place.partition} ends at offset {end}, but was folded up to {offset}: its end was"
        " lost, or the topic was deleted and created again",
        remedy="Restore the topic, or create a new log under another name on the cluster",
    )
