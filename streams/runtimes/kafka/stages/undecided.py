"""Offsets from which all undecided questions are read."""

from collections.abc import Collection, Sequence
from contextlib import aclosing, closing
from typing import Any

import orjson
import structlog
from aiokafka import TopicPartition

from schemas.decisions import DecisionMade
from schemas.registry import InvalidRecord, decode
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.stages.inspection import Inspection
from streams.runtimes.kafka.stages.rebuild_known import KnownNames
from streams.topology import DECISIONS, QUESTION_PARTITIONS, partition_of

_log = structlog.get_logger("orch.undecided")


class UndecidedFinder:
    """
    Finds where a reader of questions and what follows from them must begin; a `group_member.FindBegin`.

    Args:
        connection: The cluster.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def __call__(self, topics: Sequence[str], partitions: Collection[int]) -> dict[TopicPartition, int]:
        """Find the offsets; see `undecided_from`."""
        inspection = Inspection(self._connection, isolation="read_committed")
        try:
            found = await undecided_from(self._connection, inspection, topics, partitions)
        finally:
            await inspection.close()
        _log.info("undecided_found", partitions=sorted(partitions))
        return found


async def undecided_from(
    connection: Connection, inspection: Inspection, topics: Sequence[str], partitions: Collection[int]
) -> dict[TopicPartition, int]:
    """
    Find the offsets from which all undecided questions are read, from the topics alone.

    A reader that begins there and reads any record of a question also reads all its records if it has no decision, else
    its decision; this is what `workers.open_questions` asks of committed offsets. Each topic is read once. A temporary
    file holds a digest and an offset of each decision (`KnownNames`); memory does not grow with the log.

    Args:
        topics: Co-partitioned by question, decisions among them; names of the topology.
        partitions: Partition numbers.

    Returns:
        First offset to read of each topic and partition.

    Raises:
        KafkaError: The brokers do not answer, or refuse.
        OperatorError: No broker answers, or the disk for temporary files is full.
    """
    names = map(connection.topic, topics)
    bounds = await inspection.bounds([TopicPartition(name, number) for name in names for number in partitions])
    start = {place: end for place, (_, end) in bounds.items()}
    decisions = connection.topic(DECISIONS)
    deciding = {place: at for place, at in bounds.items() if place.topic == decisions}
    others = {place: at for place, at in bounds.items() if place.topic != decisions}
    with closing(KnownNames()) as decided:
        async with aclosing(inspection.records(deciding)) as records:
            async for _, record in records:
                if (question_id := _decided_in(record)) is not None:
                    decided.add(question_id, record.offset)
        async with aclosing(inspection.records(others)) as records:
            async for place, record in records:
                question_id = _question_in(record)
                # Of a record in the wrong partition a stage writes a copy to the right one.
                if question_id is None or partition_of(question_id.encode(), QUESTION_PARTITIONS) != place.partition:
                    continue
                at = decided.at(question_id)
                if at is None:
                    start[place] = min(start[place], record.offset)
                elif record.offset > start[place]:
                    held = TopicPartition(decisions, place.partition)
                    start[held] = min(start[held], at)
    return start


def _decided_in(record: Any) -> str | None:
    """Give the question that a record decides; None for a record that is no decision."""
    try:
        event = decode(DECISIONS, record.value or b"", record.timestamp)
    except InvalidRecord:
        return None
    return event.question_id if isinstance(event, DecisionMade) else None


def _question_in(record: Any) -> str | None:
    """
    Give the question that a record names, if any.

    The event is not checked: one that is invalid only makes a reader begin earlier.
    """
    try:
        fields = orjson.loads(record.value or b"")
    except orjson.JSONDecodeError:
        return None
    question_id = fields.get("question_id") if isinstance(fields, dict) else None
    return question_id if isinstance(question_id, str) else None
