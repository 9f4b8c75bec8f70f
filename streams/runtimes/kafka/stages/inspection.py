"""Offset bounds and single records of partitions, looked up."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Any, Literal, NamedTuple, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.consumer_lag import committed_offsets
from streams.runtimes.kafka.client.fetch import connected_patiently, patiently
from streams.runtimes.kafka.client.lifecycle import Client, connect, let_go

_FETCH_BYTES = 256 << 10
"""Most bytes of one partition in one fetch: one record of it is wanted. A larger batch is sent whole (KIP-74)."""
_WAIT_MS = 200
_BROKER_WAIT_MS = 10
"""Longest time that a broker holds a fetch. A client sends one at a time, so the next look waits for the one before."""

T = TypeVar("T")

Isolation = Literal["read_uncommitted", "read_committed"]


class Bounds(NamedTuple):
    """Offsets of a partition."""

    begin: int
    """Log start offset. Retention and deletion of records move it, compaction does not."""
    end: int
    """High watermark; where only committed records are read, the last stable offset."""


class Inspection:
    """
    Looks into partitions over one connection, without a group; connects at the first look.

    Args:
        connection: The cluster.
        patient: Whether to wait for brokers that are away; for a process that watches them (`client/outage.py`).
        isolation: By default uncommitted records are read too, so that a record that was folded once is found again,
            whatever became of its transaction, and ends are high watermarks.
    """

    def __init__(
        self, connection: Connection, *, patient: bool = True, isolation: Isolation = "read_uncommitted"
    ) -> None:
        self._connection = connection
        self._patient = patient
        self._isolation = isolation
        self._consumer: AIOKafkaConsumer | None = None
        self._admin: AIOKafkaAdminClient | None = None
        self._turn = asyncio.Lock()

    async def bounds(self, places: Iterable[TopicPartition]) -> dict[TopicPartition, Bounds]:
        """
        Give the bounds of partitions.

        Raises:
            KafkaError: The brokers do not answer, or refuse.
            UnreachableError: No broker can be used at the first look.
        """
        asked = list(places)
        async with self._turn:
            consumer = await self._connected()
            begins = await self._asked(lambda: consumer.beginning_offsets(asked))
            ends = await self._asked(lambda: consumer.end_offsets(asked))
        return {place: Bounds(begins[place], ends[place]) for place in asked}

    async def records(
        self, ranges: Mapping[TopicPartition, tuple[int, int]]
    ) -> AsyncGenerator[tuple[TopicPartition, Any], None]:
        """
        Iterate the records of offset ranges, from *start* to before *end*; those of one partition in order.

        Raises:
            KafkaError: The brokers do not answer, or refuse.
            UnreachableError: No broker can be used at the first look.
        """
        waiting = {place for place, (start, end) in ranges.items() if start < end}
        if not waiting:
            return
        async with self._turn:
            consumer = await self._connected()
            consumer.assign(list(waiting))
            for place in waiting:
                consumer.seek(place, ranges[place][0])
            while waiting:
                for place, records in (await consumer.getmany(*waiting, timeout_ms=_WAIT_MS)).items():
                    for record in records:
                        if record.offset < ranges[place][1]:
                            yield place, record
                # Partitions that are read make room for the others in the next fetch.
                read = {place for place in waiting if await consumer.position(place) >= ranges[place][1]}
                consumer.pause(*read)
                waiting -= read

    async def records_at(self, offsets: Mapping[TopicPartition, int]) -> dict[TopicPartition, Any]:
        """
        Give the record at an offset of each partition; a partition without a record there is left out.

        Args:
            offsets: Within the bounds of the partitions.

        Raises:
            KafkaError: The brokers do not answer, or refuse.
            UnreachableError: No broker can be used at the first look.
        """
        ranges = {place: (offset, offset + 1) for place, offset in offsets.items()}
        async with aclosing(self.records(ranges)) as records:
            return {place: record async for place, record in records}

    async def partitions(self, topics: Iterable[str]) -> dict[str, int]:
        """
        Give the number of partitions of topics; those that are not there are left out.

        Raises:
            KafkaError: The brokers do not answer, or refuse.
            UnreachableError: No broker can be used at the first look.
        """
        async with self._turn:
            admin = await self._administering()
            # Brokers may create a topic that is asked for by name.
            known = set(await self._asked(admin.list_topics))
            there = [topic for topic in topics if topic in known]
            described = await self._asked(lambda: admin.describe_topics(there)) if there else []
        return {found["topic"]: len(found["partitions"]) for found in described if found["partitions"]}

    async def committed(self, group: str) -> dict[TopicPartition, Any]:
        """
        Give the offsets that a consumer group has committed, with their metadata.

        Raises:
            KafkaError: The brokers do not answer, or refuse.
            UnreachableError: No broker can be used at the first look.
        """
        async with self._turn:
            admin = await self._administering()
            return await self._asked(lambda: committed_offsets(admin, group))

    async def close(self) -> None:
        """Disconnect."""
        async with self._turn:
            for client in (self._consumer, self._admin):
                if client is not None:
                    await let_go(client)
            self._consumer = self._admin = None

    async def _asked(self, ask: Callable[[], Awaitable[T]]) -> T:
        return await (patiently(ask) if self._patient else ask())

    async def _administering(self) -> AIOKafkaAdminClient:
        if self._admin is None:
            self._admin = await self._started(lambda: AIOKafkaAdminClient(**self._connection.client()))
        return self._admin

    async def _connected(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            self._consumer = await self._started(self._made)
        return self._consumer

    def _made(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            **self._connection.client(),
            enable_auto_commit=False,
            # A deleted beginning must not be taken for records that were never there.
            auto_offset_reset="earliest",
            isolation_level=self._isolation,
            max_partition_fetch_bytes=_FETCH_BYTES,
            fetch_max_bytes=4 * _FETCH_BYTES,
            fetch_max_wait_ms=_BROKER_WAIT_MS,
        )

    async def _started(self, made: Callable[[], Client]) -> Any:
        async def started() -> Client:
            client = made()
            await connect(client, self._connection)
            return client

        return await (connected_patiently(started) if self._patient else started())
