"""The tail of one topic, read without a consumer group."""

import time
from collections.abc import Callable, Iterator, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.log import Record
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.fetch import plain_consumer, record_of
from streams.runtimes.kafka.client.lifecycle import let_go
from streams.runtimes.kafka.client.loop_thread import LoopThread
from streams.runtimes.kafka.client.topics import require_topics
from streams.topology import DECISIONS, TOPICS, partition_of

_WAIT_MS = 500
_PATIENCE_S = 5.0


def records_of(connection: Connection, topic: str, *, follow: bool) -> Iterator[Record]:
    """
    Iterate the records of a topic from its beginning, those of one partition in order.

    Args:
        follow: Whether to wait for new records after the end.

    Raises:
        OperatorError: No broker answers, or topics are missing.
    """
    loop = LoopThread()
    try:
        loop.call(require_topics(connection))
        consumer = loop.call(plain_consumer(connection))
        try:
            yield from _read(loop, consumer, connection, topic, follow=follow)
        finally:
            loop.call(let_go(consumer))
    finally:
        loop.close()


def decision_of(connection: Connection, question_id: str, ask: Callable[[], None], tell: Callable[[], None]) -> None:
    """
    Wait for the decision of a question.

    Args:
        ask: Publishes the question; called once the question's partition of decisions is read from its beginning.
        tell: Called once if there is no decision after `_PATIENCE_S`.
    """
    loop = LoopThread()
    try:
        consumer = loop.call(plain_consumer(connection))
        try:
            number = partition_of(question_id.encode(), TOPICS[DECISIONS].partitions)
            loop.call(_begin(consumer, [TopicPartition(connection.topic(DECISIONS), number)]))
            ask()
            patience: float | None = time.monotonic() + _PATIENCE_S
            while True:
                for found in loop.call(consumer.getmany(timeout_ms=_WAIT_MS)).values():
                    if any(one.key == question_id.encode() for one in found):
                        return
                if patience is not None and time.monotonic() > patience:
                    tell()
                    patience = None
        finally:
            loop.call(let_go(consumer))
    finally:
        loop.close()


def _read(
    loop: LoopThread, consumer: AIOKafkaConsumer, connection: Connection, topic: str, *, follow: bool
) -> Iterator[Record]:
    places = [TopicPartition(connection.topic(topic), number) for number in range(TOPICS[topic].partitions)]
    loop.call(_begin(consumer, places))
    ends = loop.call(consumer.end_offsets(places))
    left = {place for place, end in ends.items() if end}
    while follow or left:
        for place, found in loop.call(consumer.getmany(timeout_ms=_WAIT_MS)).items():
            for one in found:
                if follow or one.offset < ends[place]:
                    yield record_of(one, topic)
        left = {place for place in left if loop.call(consumer.position(place)) < ends[place]}


async def _begin(consumer: AIOKafkaConsumer, places: Sequence[TopicPartition]) -> None:
    """Assign these partitions to a consumer, from their beginnings."""
    consumer.assign(list(places))
    await consumer.seek_to_beginning()
