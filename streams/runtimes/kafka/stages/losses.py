"""Checks that a stage's topics and changelog lost no records."""

from collections.abc import Mapping
from contextlib import aclosing

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from streams.errors import OperatorError
from streams.processors import MERGE, ROUTE
from streams.processors.fold import Processor
from streams.runtimes.kafka.client.commit_marks import is_marked
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.failed_connection import why_unreachable
from streams.runtimes.kafka.client.fetch import record_of
from streams.runtimes.kafka.raw_record import event_id_in
from streams.runtimes.kafka.stages.input_marks import Folded, mark_of
from streams.runtimes.kafka.stages.inspection import Inspection
from streams.topology import ASSIGNMENTS, DECISIONS

_OUTPUTS = {ROUTE.name: ASSIGNMENTS, MERGE.name: DECISIONS}
"""Stages that write to the partition number that they read: a first output there, which no other stage writes before.
Outputs of other stages lie in the partitions of other keys, and tell nothing about one partition of the stage."""

_LOOKED_AT = 1_000
"""First records of a topic among which an output is looked for: those before them can only be strangers'."""

_log = structlog.get_logger("orch.losses")


async def require_inputs(
    connection: Connection, inspection: Inspection, stage: str, partitions: Mapping[int, Folded]
) -> None:
    """
    Check that the input topics are those that the stage has folded.

    Brokers know a topic by an id, but aiokafka 0.14 cannot ask for it. So the last folded record of each topic is
    compared with its mark. A mark of a record that retention has deleted says nothing.

    Args:
        partitions: What is folded, by partition number.

    Raises:
        OperatorError: A topic was deleted and created again, or its end was lost: new records would be skipped as
            already folded.
        KafkaError: The brokers do not answer, or refuse.
    """
    offsets = {
        TopicPartition(connection.topic(topic), partition): offset
        for partition, folded in partitions.items()
        for topic, offset in folded.offsets.items()
        if offset > 0
    }
    marks = {
        TopicPartition(connection.topic(topic), partition): mark
        for partition, folded in partitions.items()
        for topic, mark in folded.marks.items()
    }
    bounds = await inspection.bounds(offsets.keys() | marks.keys())
    for place, offset in offsets.items():
        begin, end = bounds[place]
        if end < offset:
            found = f"ends at offset {end}, but was folded up to {offset}: it was deleted and created again, or lost"
            raise _replaced(place, stage, f"{found} its end")
        if begin > offset:
            _log.error("records_lost", topic=place.topic, partition=place.partition, first=offset, last=begin - 1)
    compared = {place: mark for place, mark in marks.items() if bounds[place].begin <= mark.offset}
    there = await inspection.records_at({place: mark.offset for place, mark in compared.items()})
    for place, mark in compared.items():
        record = there.get(place)
        if record is None or mark_of(record_of(record, connection.logical(place.topic))) != mark:
            found = f"does not hold the record that was folded at offset {mark.offset}"
            raise _replaced(place, stage, f"{found}: it was deleted and created again, or records were removed")


def _replaced(place: TopicPartition, stage: str, found: str) -> OperatorError:
    return OperatorError(
        f"{place.topic}, partition {place.partition} {found}",
        remedy=f"Restore the topic. If it was meant, `orch worker {stage} --rebuild` derives the states of {stage} from"
        " what the topics hold now, or says what they lack; stop the stage's other workers first",
        topic=place.topic,
        partition=place.partition,
    )


async def require_states(
    connection: Connection, inspection: Inspection, processor: Processor, partition: int, offsets: Mapping[str, int]
) -> None:
    """
    Check that a changelog without any input offsets is one that never had any.

    Args:
        offsets: Next offset of each input topic, as the changelog has them; a rebuild names every topic.

    Raises:
        OperatorError: The stage has worked on the partition before, so its changelog was emptied: it would decide all
            questions again. Also if no broker answers.
    """
    if offsets:
        return
    stage = processor.name
    try:
        evidence = await _commits(connection, inspection, processor, partition)
        evidence = evidence or await _outputs(connection, inspection, stage, partition)
    except KafkaError as error:
        raise await why_unreachable(connection, error) from error
    if evidence:
        raise OperatorError(
            f"{connection.changelog(stage)}, partition {partition} holds no states, but {stage} has worked on this"
            f" partition: {evidence}. The changelog was deleted or emptied",
            remedy=f"`orch worker {stage} --rebuild` derives the states from the topics; stop the stage's other workers"
            " first",
            topic=connection.changelog(stage),
            partition=partition,
        )


async def _commits(connection: Connection, inspection: Inspection, processor: Processor, partition: int) -> str:
    """
    Find an offset that the stage's group committed after it had folded records; empty if there is none.

    Somebody may have set offsets by hand. Where outputs tell as well, only marked ones count; Faust marks none.
    """
    group = connection.group(processor.name)
    committed = await inspection.committed(group)
    for topic in map(connection.topic, processor.reads):
        at = committed.get(TopicPartition(topic, partition))
        if at is not None and at.offset > 0 and (is_marked(at) or processor.name not in _OUTPUTS):
            return f"group {group} has committed offset {at.offset} of {topic}"
    return ""


async def _outputs(connection: Connection, inspection: Inspection, stage: str, partition: int) -> str:
    """
    Find an output of the stage for this partition; empty if there is none, or none can be told.

    Anybody may have written to the topic. A record of a stage names its event in a header, as `ce_headers` does.
    """
    if stage not in _OUTPUTS:
        return ""
    place = TopicPartition(connection.topic(_OUTPUTS[stage]), partition)
    bounds = (await inspection.bounds([place]))[place]
    async with aclosing(
        inspection.records({place: (bounds.begin, min(bounds.end, bounds.begin + _LOOKED_AT))})
    ) as found:
        async for _, record in found:
            event_id = event_id_in(record.value or b"")
            if event_id is not None and ("ce_id", event_id.encode()) in record.headers:
                return f"{place.topic} holds its outputs, such as the record at offset {record.offset}"
    return ""
