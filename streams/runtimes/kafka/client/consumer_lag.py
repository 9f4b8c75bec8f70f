"""Lag and members of each stage's consumer group."""

import asyncio
from collections.abc import Collection
from typing import Any, NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from streams.errors import OperatorError
from streams.processors import PROCESSORS
from streams.runtimes.kafka.client.connection import Connection
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
    """Records behind the committed offsets. It includes records in flight, since offsets are committed periodically."""


GROUPS: dict[str, tuple[str, ...]] = {
    **{processor.name: processor.reads for processor in PROCESSORS},
    "agents": (QUESTIONS, ASSIGNMENTS, ANALYSES, DECISIONS),
    "deadlines": (ASSIGNMENTS, DECISIONS),
}
"""Stages with a consumer group, each with the topics that its members read."""

_TRIES, _WAIT_S = 20, 0.2


async def group_lags(connection: Connection, stages: Collection[str] = tuple(GROUPS)) -> list[GroupLag]:
    """
    Measure the lag of the consumer group of each of *stages*.

    Raises:
        OperatorError: No broker answers, or it refuses.
    """
    consumer = await plain_consumer(connection)
    try:
        async with administered(connection) as admin:
            found = []
            for stage, topics in GROUPS.items():
                if stage not in stages:
                    continue
                places = [
                    TopicPartition(connection.topic(topic), partition)
                    for topic in topics
                    for partition in range(TOPICS[topic].partitions)
                ]
                begins = await consumer.beginning_offsets(places)
                ends = await consumer.end_offsets(places)
                committed = await committed_offsets(admin, connection.group(stage))
                done = {place: committed[place].offset if place in committed else begins[place] for place in places}
                lag = sum(max(0, ends[place] - done[place]) for place in places)
                found.append(GroupLag(stage, await describe_members(admin, connection.group(stage)), lag))
            return found
    except KafkaError as error:
        raise OperatorError(f"the consumer groups cannot be described: {type(error).__name__}: {error}") from error
    finally:
        await let_go(consumer)


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
