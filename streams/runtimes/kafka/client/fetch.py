"""Reads of an offset range, without a consumer group."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.errors import OperatorError
from streams.log import Record
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.lifecycle import connect, let_go

_FETCH_BYTES = 8 << 20
_WAIT_MS = 200


def record_of(found: Any, topic: str) -> Record:
    """Make a record of what a client fetched; bytes of a key that are no text are written as escapes."""
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
    Connect a consumer that belongs to no group and reads what it is assigned by hand.

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


async def fetch(connection: Connection, topic: str, partition: int, start: int, end: int) -> AsyncIterator[Any]:
    """
    Iterate the records of a partition (of a topic by its name on the cluster) from offset *start* to before *end*.

    Compaction may have removed some; a start before what is kept begins with what is kept.
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
    Make sure that input topics reach as far as they were folded.

    Raises:
        OperatorError: One ends before, so it is not the one that the states come from, and new records in it would be
            taken for old ones.
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
                " its end was lost, or the topic was made anew",
                remedy="Restore it, or make the whole log anew under another name on the cluster",
            )
