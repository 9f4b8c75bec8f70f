"""Metadata that mark a committed offset as this program's."""

from collections.abc import Collection, Mapping

from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.consumer_lag import committed_offsets
from streams.runtimes.kafka.client.topics import administered

_OURS = "orch"


def marked(offset: int) -> tuple[int, str]:
    """
    Give an offset to commit, with its metadata.

    Whoever sets a group's offsets by hand (`kafka-consumer-groups.sh --reset-offsets`) leaves the metadata empty; the
    offset in it tells a tool that keeps them.
    """
    return offset, f"{_OURS} {offset}"


def is_marked(committed: OffsetAndMetadata) -> bool:
    """Say whether a member of this program committed an offset."""
    return (committed.offset, committed.metadata) == marked(committed.offset)


async def is_committed_here(
    connection: Connection, group: str, places: Collection[TopicPartition], ends: Mapping[TopicPartition, int]
) -> dict[TopicPartition, bool]:
    """
    Say of each place whether a member of this program committed its offset, and the topic reaches that far.

    Args:
        ends: End offset of each place.

    Raises:
        KafkaError: The brokers do not answer, or refuse.
        OperatorError: No broker answers.
    """
    async with administered(connection) as admin:
        found = await committed_offsets(admin, group)
    return {
        place: place in found and is_marked(found[place]) and found[place].offset <= ends[place] for place in places
    }
