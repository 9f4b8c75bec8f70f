"""Damage to the topics and changelogs of a log's stages."""

from collections.abc import Collection, Mapping
from contextlib import aclosing
from typing import Any, NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from streams.errors import OperatorError
from streams.processors import PROCESSORS
from streams.processors.fold import Processor
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.failed_connection import why_unreachable
from streams.runtimes.kafka.stages.changelog import require_beginning
from streams.runtimes.kafka.stages.changelog_codec import unpack
from streams.runtimes.kafka.stages.changelog_records import BARRIER, RecordKind, marks_in, parse_key
from streams.runtimes.kafka.stages.input_marks import Folded
from streams.runtimes.kafka.stages.inspection import Bounds, Inspection
from streams.runtimes.kafka.stages.losses import require_inputs, require_states
from streams.topology import TOPICS

_WINDOWS = (256, 8_192)
"""Offsets at the end of a changelog in which its last commit record is searched for, before all of it is read. Behind
that record stand at most fences, end markers, and a batch that was cut short: some thousand records."""


ALL = tuple(processor.name for processor in PROCESSORS)


class Damage(NamedTuple):
    """A stage that the next owner of a partition would refuse to continue."""

    stage: str
    problem: str
    remedy: str


async def find_damage(connection: Connection, stages: Collection[str] = ALL) -> list[Damage]:
    """
    Look at the changelogs and inputs of stages as their next owners will; nothing is written.

    Args:
        connection: The cluster.
        stages: Names; their topics are there. Those without a changelog are passed over.

    Returns:
        At most one damage for each stage: that of its first partition which has one.

    Raises:
        OperatorError: No broker answers.
    """
    inspection = Inspection(connection, patient=False)
    try:
        found = [
            await _damage(connection, inspection, processor) for processor in PROCESSORS if processor.name in stages
        ]
    except KafkaError as error:
        raise await why_unreachable(connection, error) from error
    finally:
        await inspection.close()
    return [damage for damage in found if damage is not None]


async def _damage(connection: Connection, inspection: Inspection, processor: Processor) -> Damage | None:
    stage, topic = processor.name, connection.changelog(processor.name)
    partitions = range(max(TOPICS[name].partitions for name in processor.reads))
    bounds = await inspection.bounds([TopicPartition(topic, partition) for partition in partitions])
    commits = await _last_commits(inspection, bounds)
    try:
        for place, (begin, _) in bounds.items():
            facts = commits.get(place, {})
            require_beginning(topic, stage, place.partition, begin, facts.get("since", 0))
            await require_states(connection, inspection, processor, place.partition, facts.get("offsets", {}))
        folded = {place.partition: Folded(facts["offsets"], marks_in(facts)) for place, facts in commits.items()}
        await require_inputs(connection, inspection, stage, folded)
    except OperatorError as error:
        return Damage(stage, error.message, error.remedy)
    return None


async def _last_commits(
    inspection: Inspection, bounds: Mapping[TopicPartition, Bounds]
) -> dict[TopicPartition, dict[str, Any]]:
    """Find the facts of each changelog partition's last commit record, of either format, if it has one."""
    found: dict[TopicPartition, dict[str, Any]] = {}
    left = {place: end for place, (_, end) in bounds.items()}
    for window in (*_WINDOWS, None):
        ranges = {
            place: (bounds[place].begin if window is None else max(bounds[place].begin, end - window), end)
            for place, end in left.items()
        }
        async with aclosing(inspection.records(ranges)) as records:
            async for place, record in records:
                if (facts := _facts_of(record)) is not None:
                    found[place] = facts
        left = {
            place: start for place, (start, _) in ranges.items() if place not in found and start > bounds[place].begin
        }
        if not left:
            break
    return found


def _facts_of(record: Any) -> dict[str, Any] | None:
    """Read the facts of a commit record; None for any other record, and for the barrier."""
    if record.value is None:
        return None
    parsed = parse_key(record.key)
    if record.key != BARRIER and (parsed is None or parsed.kind is not RecordKind.COMMIT):
        return None
    facts, _ = unpack(record.value)
    return facts if "offsets" in facts else None
