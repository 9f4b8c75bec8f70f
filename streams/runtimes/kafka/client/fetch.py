"""Reads of an offset range, without a consumer group."""

from collections.abc import AsyncGenerator, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.errors import OperatorError
from streams.log import Record
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.lifecycle import connect, let_go

_FETCH_BYTES = 8 << 20
_WAIT_MS = 200


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


async def plain_consumer(connection: Connection) -> AIOKafkaConsumer:
    """
    Connect a consumer without a group, for manual assignment.

    Raises:
        OperatorError: No broker answers.
    """
    consumer = AIOKafkaConsumer(
        **connection.client(),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=_FETCH_BYTES,
        fetch_max_bytes=4 * _FETCH_BYTES,
    )
    await connect(consumer, connection)
    return consumer


async def fetch(connection: Connection, topic: str, partition: int, start: int, end: int) -> AsyncGenerator[Any, None]:
    """
    Iterate the records of a partition from offset *start* to before *end*.

    Compaction may have removed some of them. If the log starts after *start*, reading begins with its first record.

    Args:
        topic: Name on the cluster.

    Raises:
        OperatorError: No broker answers.
    """
    if start >= end:
        return
    consumer = await plain_consumer(connection)
    try:
        place = TopicPartition(topic, partition)
        consumer.assign([place])
        consumer.seek(place, start)
        while await consumer.position(place) < end:
            for record in (await consumer.getmany(timeout_ms=_WAIT_MS)).get(place, ()):
                if record.offset >= end:
                    return
                yield record
    finally:
        await let_go(consumer)


async def require_reached(connection: Connection, partition: int, offsets: Mapping[str, int]) -> None:
    """
    Check that input topics reach the offsets up to which they were folded.

    Raises:
        OperatorError: A topic ends before its offset. Its end was lost or the topic was replaced, and the stage would
            skip new records as already folded. Also if no broker answers.
    """
    places = {TopicPartition(connection.topic(topic), partition): offset for topic, offset in offsets.items()}
    if not places:
        return
    consumer = await plain_consumer(connection)
    try:
        ends = await consumer.end_offsets(list(places))
    finally:
        await let_go(consumer)
    for place, offset in places.items():
        if ends[place] < offset:
            raise OperatorError(
                f"{place.topic}, partition {partition} ends at offset {ends[place]}, but was folded up to {offset}:"
                " its end was lost, or the topic was deleted and created again",
                remedy="Restore the topic, or create a new log under another name on the cluster",
            )
