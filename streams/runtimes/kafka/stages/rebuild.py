"""Rebuild of a stage's states from the topics."""

import asyncio
from contextlib import aclosing, closing

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.errors import OperatorError
from streams.log import Record
from streams.processors import LEARN, MERGE, RANK, ROUTE, TUNE
from streams.processors.fold import Processor, Tables
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.failed_connection import why_unreachable
from streams.runtimes.kafka.client.fetch import fetch, patient_consumer, record_of
from streams.runtimes.kafka.client.lifecycle import let_go
from streams.runtimes.kafka.stages.changelog import Rebuilt
from streams.runtimes.kafka.stages.input_marks import InputMark, mark_of
from streams.runtimes.kafka.stages.rebuild_chains import RankDerivation, TuneDerivation
from streams.runtimes.kafka.stages.rebuild_derivation import RebuildPass, StateDerivation
from streams.runtimes.kafka.stages.rebuild_merge import MergeDerivation
from streams.runtimes.kafka.stages.rebuild_stages import LearnDerivation, RouteDerivation
from streams.topology import DEAD_LETTERS, TOPICS

_DERIVATIONS: dict[str, type[StateDerivation]] = {
    ROUTE.name: RouteDerivation,
    MERGE.name: MergeDerivation,
    LEARN.name: LearnDerivation,
    RANK.name: RankDerivation,
    TUNE.name: TuneDerivation,
}

_log = structlog.get_logger("orch.rebuild")


def derivation_of(processor: Processor, partition: int, tables: Tables) -> StateDerivation:
    """Begin the derivation of one stage and partition; the caller closes it."""
    return _DERIVATIONS[processor.name](processor, partition, tables)


async def rebuild(connection: Connection, processor: Processor, partition: int, tables: Tables) -> Rebuilt:
    """
    Derive the states of one stage and partition from its inputs, from their beginnings to their ends as they are now.

    Events in the output topics are the truth: they are neither decided again nor sent again. So the caller must own the
    partition, and no earlier owner may still be sending: this would miss events that reach the output topics meanwhile,
    and could send different ones.

    Memory holds the states of the partition, the outputs to send, and for `merge` the events about questions without a
    decision; a temporary file holds the ids of other known events. Each input topic and each output topic is read once;
    where records lay in the wrong partition, their right partitions too. `StateDerivation` and its subclasses say more.

    Args:
        tables: View of the compacted topics, no older than what any owner saw.

    Raises:
        OperatorError: No broker answers; the beginning of a topic was deleted; topics contradict each other; questions
            wait for a panel and there is no policy; the disk for temporary files is full.
    """
    looking = await patient_consumer(connection)
    try:
        there = await looking.topics()
        # Ask for the input ends first: outputs of an earlier owner for inputs before these ends are in the output
        # topics, which are read afterwards.
        offsets = {topic: await _end(connection, looking, topic, partition) for topic in processor.reads}
        records = 0
        marks: dict[str, InputMark] = {}
        with closing(derivation_of(processor, partition, tables)) as derivation:
            for one in derivation.passes():
                if TOPICS[one.topic].only_odds and connection.topic(one.topic) not in there:
                    # The log is older than the topic, and nothing was ever written there.
                    continue
                end = one.end
                if end is None and one.partition == partition:
                    end = offsets.get(one.topic)
                if end is None:
                    end = await _end(connection, looking, one.topic, one.partition)
                read, last = await _read(connection, one, end)
                records += read
                if last is not None and one.topic in offsets and one.partition == partition and one.end is None:
                    marks[one.topic] = mark_of(last)
            for _ in derivation.finish():
                # There may be many questions; the event loop must send heartbeats meanwhile.
                await asyncio.sleep(0)
    finally:
        await let_go(looking)
    _log.info(
        "states_rebuilt",
        stage=processor.name,
        partition=partition,
        records=records,
        states=len(derivation.states),
        outputs=len(derivation.outputs),
    )
    return Rebuilt(derivation.states, offsets, derivation.outputs, marks)


async def _end(connection: Connection, looking: AIOKafkaConsumer, topic: str, partition: int) -> int:
    """Give the end offset of a partition, and check that its beginning was not deleted."""
    place = TopicPartition(connection.topic(topic), partition)
    try:
        begin = (await looking.beginning_offsets([place]))[place]
        end: int = (await looking.end_offsets([place]))[place]
    except KafkaError as error:
        raise await why_unreachable(connection, error) from error
    # The beginning of the dead letter topic may be missing: at worst some letters are written again.
    if begin > 0 and TOPICS[topic].cleanup == "keep" and topic != DEAD_LETTERS:
        raise OperatorError(
            f"{place.topic}, partition {partition} begins at offset {begin}: states need all of its records",
            remedy="Restore the topic, or create a new log under another name on the cluster",
            topic=topic,
            partition=partition,
        )
    return end


async def _read(connection: Connection, one: RebuildPass, end: int) -> tuple[int, Record | None]:
    """Read one pass; count its records, and give the last one."""
    records, last = 0, None
    async with aclosing(fetch(connection, connection.topic(one.topic), one.partition, one.start, end)) as reading:
        async for found in reading:
            last = record_of(found, one.topic)
            one.take(last)
            records += 1
    return records, last
