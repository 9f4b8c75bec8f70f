"""The tail of one topic, read without a consumer group."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.log import Record
from streams.loop_thread import LoopThread
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.fetch import plain_consumer, record_of
from streams.runtimes.kafka.client.least_rights import reading
from streams.runtimes.kafka.client.lifecycle import is_client_task, let_go
from streams.runtimes.kafka.client.open_transactions import OpenTransactions, held_back, tell_of
from streams.runtimes.kafka.client.outage import LOOK_S, outage_of
from streams.runtimes.kafka.client.topics import require_topics
from streams.topology import TOPICS

_WAIT_MS = 500


def records_of(
    connection: Connection,
    topic: str,
    *,
    follow: bool,
    starts: Mapping[int, int] = MappingProxyType({}),
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[Record]:
    """
    Iterate the records of a topic, those of one partition in order; no aborted ones.

    Records behind a transaction that is open are not read yet: a warning names it.

    Args:
        follow: Whether to wait for new records after the end.
        starts: Offset at which each partition begins; others begin at their beginning.
        stopped: Says whether to end, though more may come; asked at least every `_WAIT_MS`.

    Raises:
        OperatorError: No broker can be used, also for `GIVE_UP_S` while it waits; the user lacks a right, or topics are
            missing.
    """
    loop = LoopThread(last=is_client_task)
    try:
        loop.call(require_topics(connection, reading((topic,)), odds=TOPICS[topic].only_odds))
        consumer = loop.call(plain_consumer(connection))
        watching = loop.begin(outage_of(connection).watch(after_s=LOOK_S))
        try:
            for records in _read(loop, consumer, connection, topic, starts, follow=follow):
                yield from records
                if watching.done():
                    watching.result()
                if stopped():
                    return
        finally:
            loop.call(let_go(consumer))
    finally:
        loop.close()


def ends_of(connection: Connection, topic: str) -> dict[int, int]:
    """
    Give the next offset of each partition of a topic that can be read.

    Raises:
        OperatorError: No broker can be used, the user lacks a right, or topics are missing.
    """
    loop = LoopThread(last=is_client_task)
    try:
        loop.call(require_topics(connection, reading((topic,)), odds=TOPICS[topic].only_odds))
        consumer = loop.call(plain_consumer(connection))
        try:
            places = [TopicPartition(connection.topic(topic), number) for number in range(TOPICS[topic].partitions)]
            return {place.partition: end for place, end in loop.call(consumer.end_offsets(places)).items()}
        finally:
            loop.call(let_go(consumer))
    finally:
        loop.close()


def _read(
    loop: LoopThread,
    consumer: AIOKafkaConsumer,
    connection: Connection,
    topic: str,
    starts: Mapping[int, int],
    *,
    follow: bool,
) -> Iterator[list[Record]]:
    """Give the records of one look after the other; also of one that finds none."""
    places = [TopicPartition(connection.topic(topic), number) for number in range(TOPICS[topic].partitions)]
    loop.call(_begin(consumer, places))
    ends = loop.call(consumer.end_offsets(places))
    for place in places:
        if place.partition in starts:
            consumer.seek(place, min(starts[place.partition], ends[place]))
    left = {place for place, end in ends.items() if end}
    transactions = OpenTransactions()
    while follow or left:
        found = loop.call(consumer.getmany(timeout_ms=_WAIT_MS))
        yield [
            record_of(one, topic) for place, some in found.items() for one in some if follow or one.offset < ends[place]
        ]
        left = {place for place in left if loop.call(consumer.position(place)) < ends[place]}
        if follow:
            transactions.look(consumer, places, time.monotonic())
    for held in held_back(consumer, places):
        tell_of(held)


async def _begin(consumer: AIOKafkaConsumer, places: Sequence[TopicPartition]) -> None:
    """Assign these partitions to a consumer, from their beginnings."""
    consumer.assign(list(places))
    await consumer.seek_to_beginning()
