"""Rebuild of a stage's states from the topics."""

import asyncio
from contextlib import closing

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.errors import OperatorError
from streams.processors import LEARN, MERGE, RANK, ROUTE
from streams.processors.fold import Processor, Tables
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.fetch import fetch, plain_consumer, record_of
from streams.runtimes.kafka.client.lifecycle import let_go, unreachable
from streams.runtimes.kafka.stages.changelog import Rebuilt
from streams.runtimes.kafka.stages.rebuild_derivation import RebuildPass, StateDerivation
from streams.runtimes.kafka.stages.rebuild_merge import MergeDerivation
from streams.runtimes.kafka.stages.rebuild_stages import LearnDerivation, RankDerivation, RouteDerivation
from streams.topology import DEAD_LETTERS, TOPICS

_DERIVATIONS: dict[str, type[StateDerivation]] = {
    ROUTE.name: RouteDerivation,
    MERGE.name: MergeDerivation,
    LEARN.name: LearnDerivation,
    RANK.name: RankDerivation,
}

_log = structlog.get_logger("orch.rebuild")


def derivation_of(processor: Processor, partition: int, tables: Tables) -> StateDerivation:
    """Begin the derivation of one stage and partition; whoever does closes it."""
    return _DERIVATIONS[processor.name](processor, partition, tables)


async def rebuild(connection: Connection, processor: Processor, partition: int, tables: Tables) -> Rebuilt:
    """
    Derive the states of one stage and partition from its inputs, from their beginnings to their ends as they are now.

    What stands in the output topics is the truth: it is neither decided anew nor sent again. So whoever calls this is
    the owner of the partition, and no owner before it is sending any more; what comes into the output topics meanwhile
    would be missed, and may be sent in another form.

    In memory are the states of the partition, what is to be sent, and of `merge` the events about questions without a
    decision; the ids of what is known besides are in a temporary file. Each input is read once, each topic that the
    stage writes once, and where records lay in the wrong partition those that they belong to. `StateDerivation` and its
    kinds say more.

    Args:
        tables: What the processor sees of the compacted topics, no older than what any owner saw.

    Raises:
        OperatorError: No broker answers; the beginning of a topic was deleted; topics contradict each other; questions
            wait for a panel and there is no policy; the disk for temporary files is full.
    """
    looking = await plain_consumer(connection)
    try:
        # First: what an owner before had made of inputs that came before these ends is in the outputs read after it.
        offsets = {topic: await _end(connection, looking, topic, partition) for topic in processor.reads}
        records = 0
        with closing(derivation_of(processor, partition, tables)) as derivation:
            for one in derivation.passes():
                end = one.end
                if end is None and one.partition == partition:
                    end = offsets.get(one.topic)
                if end is None:
                    end = await _end(connection, looking, one.topic, one.partition)
                records += await _read(connection, one, end)
            for _ in derivation.finish():
                # There may be many questions, and brokers want to hear from this process.
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
    return Rebuilt(derivation.states, offsets, derivation.outputs)


async def _end(connection: Connection, looking: AIOKafkaConsumer, topic: str, partition: int) -> int:
    """Ask where a partition ends, and make sure that its beginning is there."""
    place = TopicPartition(connection.topic(topic), partition)
    try:
        begin = (await looking.beginning_offsets([place]))[place]
        end: int = (await looking.end_offsets([place]))[place]
    except KafkaError as error:
        raise unreachable(connection, error) from error
    # Old letters may be thrown away: at worst some are written once more.
    if begin > 0 and TOPICS[topic].cleanup == "keep" and topic != DEAD_LETTERS:
        raise OperatorError(
            f"{place.topic}, partition {partition} begins at offset {begin}: a part of it tells no states",
            remedy="Restore the topic, or make the log anew under another name on the cluster",
            topic=topic,
            partition=partition,
        )
    return end


async def _read(connection: Connection, one: RebuildPass, end: int) -> int:
    """Read a stretch, and count its records."""
    records = 0
    async for found in fetch(connection, connection.topic(one.topic), one.partition, one.start, end):
        one.take(record_of(found, one.topic))
        records += 1
    return records
