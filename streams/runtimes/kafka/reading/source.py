"""Ends, committed offsets and records of a log's partitions."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata

from streams.errors import OperatorError
from streams.loop_thread import LoopThread
from streams.processors import PROCESSORS
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.failed_connection import LOST, why_unreachable
from streams.runtimes.kafka.client.least_rights import auditing, reading
from streams.runtimes.kafka.client.lifecycle import connect, is_client_task, let_go
from streams.runtimes.kafka.client.topics import administered, require_topics
from streams.runtimes.kafka.raw_record import RawRecord, by_time
from streams.runtimes.kafka.reading.aborted_records import OffsetGaps, SourcePlace

_PARTITION_BYTES = 1 << 19
_FETCH_BYTES = 32 << 20
"""Most bytes fetched at a time, of one partition and of all; this bounds memory, with some sixty partitions."""
_FETCH_WAIT_MS = 50
_SILENCE_S = 30
"""Longest wait for a record that exists, or for offsets."""
_RETRY_S = 0.1
_LOG_APPEND_TIME = 1
"""Timestamp type of Kafka's protocol; 0 is CreateTime."""


class LogSource:
    """
    The partitions of one log, read without a consumer group.

    Used by one thread at a time. That thread may run an event loop: the client runs in a thread of its own.

    Args:
        connection: The cluster.
        places: Partitions that callers may ask for. Those of topics that the log may lack, and lacks, are left out.
        committed: Whether to leave out the records of aborted transactions.
        groups: Whether they may ask for committed offsets.

    Raises:
        OperatorError: No broker answers, the user lacks a right, or topics are missing.
    """

    def __init__(
        self, connection: Connection, places: Sequence[SourcePlace], *, committed: bool = True, groups: bool = True
    ) -> None:
        self.gaps = OffsetGaps()
        """Offsets at which no record was found."""
        self._connection = connection
        self._isolation_level = "read_committed" if committed else "read_uncommitted"
        topics = tuple(dict.fromkeys(topic for topic, _ in places))
        self._rights = auditing(topics) if groups else reading(topics)
        self._places = {TopicPartition(connection.topic(topic), number): (topic, number) for topic, number in places}
        self._fetched: dict[TopicPartition, Sequence[Any]] = {}
        self._loop = LoopThread(last=is_client_task)
        self._consumer: AIOKafkaConsumer | None = None
        try:
            self._consumer = self._loop.call(self._start())
        except BaseException:
            self.close()
            raise
        self._partitions = {place: partition for partition, place in self._places.items()}

    async def _start(self) -> AIOKafkaConsumer:
        absent = await require_topics(self._connection, self._rights)
        self._places = {partition: place for partition, place in self._places.items() if partition.topic not in absent}
        consumer = AIOKafkaConsumer(
            **self._connection.client(),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=_FETCH_WAIT_MS,
            fetch_max_bytes=_FETCH_BYTES,
            max_partition_fetch_bytes=_PARTITION_BYTES,
            isolation_level=self._isolation_level,
        )
        await connect(consumer, self._connection)
        # Without an assignment the client would look up each topic's metadata one by one, 0.1 s each.
        consumer.assign(list(self._places))
        consumer.pause(*self._places)
        return consumer

    def ends(self) -> dict[SourcePlace, int]:
        """
        Ask for the end of every partition, as readers of committed records have it.

        Returns:
            Last stable offsets: before them no transaction is open, and what was aborted is left out.

        Raises:
            OperatorError: The brokers do not answer.
        """
        return self._by_place(self._ask(self._client.end_offsets(list(self._places))))

    def beginnings(self) -> dict[SourcePlace, int]:
        """
        Ask for the first available offset of every partition.

        Raises:
            OperatorError: The brokers do not answer.
        """
        return self._by_place(self._ask(self._client.beginning_offsets(list(self._places))))

    def committed(self) -> dict[str, dict[SourcePlace, int]]:
        """
        Ask for the committed offsets of every stage: it has folded every earlier record.

        Returns:
            By stage, then by topic and partition.

        Raises:
            OperatorError: The brokers do not answer, or refuse.
        """
        found: dict[str, dict[SourcePlace, int]] = self._ask(self._committed())
        return found

    async def _committed(self) -> dict[str, dict[SourcePlace, int]]:
        found: dict[str, dict[SourcePlace, int]] = {}
        async with administered(self._connection) as admin:
            for processor in PROCESSORS:
                offsets = await _offsets_of(admin, self._connection.group(processor.name))
                found[processor.name] = {
                    self._places[partition]: committed.offset
                    for partition, committed in offsets.items()
                    if partition in self._places
                }
        return found

    def raw_records(self, spans: Mapping[SourcePlace, tuple[int, int]]) -> Iterator[RawRecord]:
        """
        Iterate the records of partitions by time.

        Args:
            spans: First offset of each partition, and the offset before which to stop.

        Raises:
            OperatorError: The brokers do not answer.
        """
        wanted = {self._partitions[place]: span for place, span in spans.items() if span[0] < span[1]}
        self._ask(self._begin({partition: start for partition, (start, _) in wanted.items()}))
        return by_time([self._partition(partition, *span) for partition, span in wanted.items()])

    def _partition(self, partition: TopicPartition, start: int, end: int) -> Iterator[RawRecord]:
        place = topic, number = self._places[partition]
        expected = start
        while found := self._ask(self._take(partition, end)):
            for one in found:
                if one.offset >= end:
                    break
                self.gaps.add(place, expected, one.offset)
                expected = one.offset + 1
                yield RawRecord(
                    topic,
                    number,
                    one.offset,
                    one.timestamp,
                    one.key,
                    one.value or b"",
                    one.headers,
                    tombstone=one.value is None,
                    stamped_by_broker=one.timestamp_type == _LOG_APPEND_TIME,
                )
            else:
                continue
            break
        self.gaps.add(place, expected, end)

    async def _begin(self, starts: Mapping[TopicPartition, int]) -> None:
        self._fetched = {}
        self._client.assign(list(starts))
        for partition, start in starts.items():
            self._client.seek(partition, start)

    async def _take(self, partition: TopicPartition, end: int) -> Sequence[Any]:
        """Take the fetched records of a partition, and start fetching its next ones; empty at the end."""
        await self._fetch(wait_ms=0)
        position, now = 0, asyncio.get_running_loop().time
        async with asyncio.timeout(_SILENCE_S) as silence:
            while partition not in self._fetched and (at := await self._client.position(partition)) < end:
                if at > position:
                    # Aborted records move the position and give nothing.
                    position = at
                    silence.reschedule(now() + _SILENCE_S)
                await self._fetch(wait_ms=1_000)
        found = self._fetched.pop(partition, ())
        if await self._client.position(partition) < end:
            self._client.resume(partition)
        return found

    async def _fetch(self, wait_ms: int) -> None:
        """
        Take all records out of the client, which fetches nothing more while it holds any.

        Their partitions are paused until `_take` resumes them. A partition at its end stays paused: for it the broker
        would delay the fetch of the others.
        """
        found = await self._client.getmany(timeout_ms=wait_ms)
        self._fetched.update(found)
        self._client.pause(*found)

    @property
    def _client(self) -> AIOKafkaConsumer:
        assert self._consumer is not None, "a source that could not start is never used"
        return self._consumer

    def _ask(self, question: Any) -> Any:
        """Run a coroutine of the client, and map its errors."""
        try:
            return self._loop.call(question)
        except LOST as error:
            raise self._loop.call(why_unreachable(self._connection, error)) from error
        except KafkaError as error:
            raise OperatorError(
                f"{self._connection.url}: the log cannot be read ({type(error).__name__}: {error})",
                remedy="`orch doctor` checks brokers and topics; rights to read topics and describe groups are needed",
            ) from error

    def _by_place(self, offsets: Mapping[TopicPartition, int]) -> dict[SourcePlace, int]:
        return {self._places[partition]: offset for partition, offset in offsets.items()}

    def close(self) -> None:
        """Disconnect."""
        try:
            if self._consumer is not None:
                self._loop.call(let_go(self._consumer))
        finally:
            self._loop.close()


async def _offsets_of(admin: AIOKafkaAdminClient, group: str) -> dict[TopicPartition, OffsetAndMetadata]:
    """Ask for the offsets of a group; retry while a new cluster creates its offsets topic."""
    async with asyncio.timeout(_SILENCE_S):
        while True:
            try:
                offsets: dict[TopicPartition, OffsetAndMetadata] = await admin.list_consumer_group_offsets(group)
                return offsets
            except KafkaError as error:
                if not error.retriable:
                    raise
            await asyncio.sleep(_RETRY_S)
