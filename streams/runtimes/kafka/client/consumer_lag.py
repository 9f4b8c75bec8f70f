"""Lag and members of each stage's consumer group."""

import asyncio
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.errors import OperatorError
from streams.processors import PROCESSORS
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.failed_connection import LOST, why_unreachable
from streams.runtimes.kafka.client.fetch import plain_consumer
from streams.runtimes.kafka.client.lifecycle import let_go
from streams.runtimes.kafka.client.member_version import GroupMembers, describe_members
from streams.runtimes.kafka.client.topics import administered
from streams.topology import ANALYSES, ASSIGNMENTS, DECISIONS, QUESTIONS, TOPICS


class GroupLag(NamedTuple):
    """Lag and members of one stage's consumer group."""

    stage: str
    members: GroupMembers
    lag: int
    """
    Offsets between what is committed and the high watermarks.

    It includes records in flight, since offsets are committed periodically, and records that wait for the end of a
    transaction. Aborted records and markers that end a partition are left out, up to `_MOST_MARKS` of them.
    """
    held: int = 0
    """Those of them that wait for the end of a transaction: no stage can read them yet."""


GROUPS: dict[str, tuple[str, ...]] = {
    **{processor.name: processor.reads for processor in PROCESSORS},
    "agents": (QUESTIONS, ASSIGNMENTS, ANALYSES, DECISIONS),
    "deadlines": (ASSIGNMENTS, DECISIONS),
}
"""Stages with a consumer group, each with the topics that its members read."""

_TRIES, _WAIT_S = 20, 0.2

_MOST_MARKS = 100
"""Lag of a partition up to which it is read to see whether there is any record."""
_READ_MS = 200
_READ_S = 2.0
"""Longest reading of all those partitions; what it does not reach counts."""


async def group_lags(connection: Connection, stages: Collection[str] = tuple(GROUPS)) -> list[GroupLag]:
    """
    Measure the lag of the consumer group of each of *stages*, except one whose topics the log lacks and may lack.

    Raises:
        OperatorError: No broker answers, or it refuses.
    """
    consumer, committed_only = await plain_consumer(connection, committed=False), None
    try:
        committed_only = await plain_consumer(connection)
        async with administered(connection) as admin:
            there = set(await admin.list_topics())
            of_stage = {
                stage: _places(connection, stage)
                for stage in GROUPS
                if stage in stages and not any(_lacks(connection, topic, there) for topic in GROUPS[stage])
            }
            places = list(dict.fromkeys(place for some in of_stage.values() for place in some))
            begins = await consumer.beginning_offsets(places)
            committed = {stage: await committed_offsets(admin, connection.group(stage)) for stage in of_stage}
            # Asked in this order, so that nothing is committed behind the ends, and nothing new counts as held.
            ends, stable = await consumer.end_offsets(places), await committed_only.end_offsets(places)
            found = []
            for stage, some in of_stage.items():
                known = committed[stage]
                done = {place: known[place].offset if place in known else begins[place] for place in some}
                done |= await _past_marks(committed_only, done, stable)
                lag = sum(max(0, ends[place] - done[place]) for place in some)
                held = sum(max(0, ends[place] - max(stable[place], done[place])) for place in some)
                found.append(GroupLag(stage, await describe_members(admin, connection.group(stage)), lag, held))
            return found
    except LOST as error:
        raise await why_unreachable(connection, error) from error
    except KafkaError as error:
        raise OperatorError(f"the consumer groups cannot be described: {type(error).__name__}: {error}") from error
    finally:
        await let_go(consumer)
        if committed_only is not None:
            await let_go(committed_only)


def _lacks(connection: Connection, topic: str, there: Collection[str]) -> bool:
    """Whether a log lacks a topic that it may lack."""
    return TOPICS[topic].only_odds and connection.topic(topic) not in there


def _places(connection: Connection, stage: str) -> list[TopicPartition]:
    """List the partitions that a stage reads."""
    return [
        TopicPartition(connection.topic(topic), partition)
        for topic in GROUPS[stage]
        for partition in range(TOPICS[topic].partitions)
    ]


async def _past_marks(
    consumer: AIOKafkaConsumer, done: Mapping[TopicPartition, int], stable: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """
    Find the partitions in which nothing but markers and aborted records lies behind what is done.

    Faust commits no offset behind them, so an idle stage would seem to lag.

    Returns:
        Their last stable offsets.
    """
    ends = {place: stable[place] for place, at in done.items() if at < stable[place] <= at + _MOST_MARKS}
    if not ends:
        return {}
    consumer.assign(list(ends))
    for place in ends:
        consumer.seek(place, done[place])
    passed: dict[TopicPartition, int] = {}
    limit = asyncio.get_running_loop().time() + _READ_S
    left = set(ends)
    while left and asyncio.get_running_loop().time() < limit:
        some = await consumer.getmany(timeout_ms=_READ_MS)
        left -= {place for place, records in some.items() if any(record.offset < ends[place] for record in records)}
        for place in sorted(left):
            if await consumer.position(place) >= ends[place]:
                passed[place] = ends[place]
                left.remove(place)
    return passed


async def committed_offsets(admin: Any, group: str) -> dict[TopicPartition, Any]:
    """Read a group's committed offsets; retry while a new cluster finds a coordinator for its first group."""
    for _ in range(_TRIES):
        try:
            return dict(await admin.list_consumer_group_offsets(group))
        except KafkaError as error:
            if not error.retriable:
                raise
            await asyncio.sleep(_WAIT_S)
    return dict(await admin.list_consumer_group_offsets(group))
