"""Tail of one topic, read as a consumer group."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError

from streams.errors import UsageError
from streams.log import Record
from streams.loop_thread import LoopThread
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.consumer_lag import GROUPS
from streams.runtimes.kafka.client.fetch import record_of
from streams.runtimes.kafka.client.least_rights import reading
from streams.runtimes.kafka.client.lifecycle import connect, is_client_task, let_go
from streams.runtimes.kafka.client.outage import LOOK_S, outage_of
from streams.runtimes.kafka.client.topics import require_topics
from streams.topology import TOPICS

_WAIT_MS = 500


def records_of_group(
    connection: Connection,
    topic: str,
    group: str,
    *,
    follow: bool,
    stopped: Callable[[], bool] = lambda: False,
    abandoned: Callable[[], bool] = lambda: False,
) -> Iterator[Record]:
    """
    Iterate the records that a consumer group has not taken yet, of the partitions that this member is given.

    A record counts as taken when the next one is asked for, or when the iterator is closed; taken records are
    committed. So a member that dies repeats some, and loses none.

    Args:
        group: Its name on the cluster; members share the partitions.
        follow: Whether to wait for new records after the end.
        stopped: Says whether to end, though more may come.
        abandoned: Says, when the iterator is closed, whether the last record was not taken.

    Raises:
        UsageError: The group is one of the log's own.
        OperatorError: No broker can be used, or the user lacks a right.
    """
    if group in map(connection.group, GROUPS):
        raise UsageError(f"group {group!r} is that of a stage of this log", remedy="Give a name of your own")
    loop = LoopThread(last=is_client_task)
    try:
        loop.call(require_topics(connection, reading((topic,)), odds=TOPICS[topic].only_odds))
        member = loop.call(_joined(connection, topic, group))
        watching = loop.begin(outage_of(connection).watch(after_s=LOOK_S))
        taken: dict[TopicPartition, int] = {}
        try:
            for places in _read(loop, member, follow=follow):
                for place, record in places:
                    try:
                        yield record_of(record, topic)
                    except GeneratorExit:
                        if not abandoned():
                            taken[place] = record.offset + 1
                        raise
                    taken[place] = record.offset + 1
                _commit(loop, member, taken)
                if watching.done():
                    watching.result()
                if stopped():
                    return
        finally:
            _commit(loop, member, taken)
            loop.call(let_go(member))
    finally:
        loop.close()


async def _joined(connection: Connection, topic: str, group: str) -> AIOKafkaConsumer:
    member = AIOKafkaConsumer(
        connection.topic(topic),
        **connection.client(),
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    await connect(member, connection)
    return member


def _read(loop: LoopThread, member: AIOKafkaConsumer, *, follow: bool) -> "Iterator[list[tuple[TopicPartition, Any]]]":
    """Give the records of one look after the other, until all that were there are read."""
    ends: dict[TopicPartition, int] | None = None
    while True:
        found = loop.call(member.getmany(timeout_ms=_WAIT_MS))
        yield [(place, record) for place, some in found.items() for record in some]
        held = member.assignment()
        if follow or not held:
            continue
        if ends is None:
            ends = loop.call(member.end_offsets(list(held)))
        if all(loop.call(member.position(place)) >= ends.get(place, 0) for place in held):
            return


def _commit(loop: LoopThread, member: AIOKafkaConsumer, taken: dict[TopicPartition, int]) -> None:
    """Commit what was taken of the partitions that the member still holds."""
    held = member.assignment()
    offsets = {place: offset for place, offset in taken.items() if place in held}
    taken.clear()
    if offsets:
        with suppress(CommitFailedError):
            # The group was rebalanced meanwhile: the next owner repeats them.
            loop.call(member.commit(offsets))
