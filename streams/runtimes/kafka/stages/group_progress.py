"""Progress of a stage's consumer group, in any process."""

import asyncio
from collections.abc import Callable, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, KafkaTimeoutError

from streams.errors import OperatorError, UnreachableError
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.consumer_lag import committed_offsets
from streams.runtimes.kafka.client.fetch import patiently
from streams.runtimes.kafka.client.topics import administered
from streams.runtimes.kafka.stages.polling_engine import RecordQueue

Waiting = Callable[[str, int], None]
"""Called at each look with a stage's name and how many records it has still to fold."""

_LOOK_S = 0.02
"""Time between two looks at the partitions of this process."""

_ASK_S = 0.25
"""Time between two questions about the group's offsets, which its members commit twice a second."""

_MARKS_S = 2.0
"""Wait before the rest of a partition is read: Faust never gets past transaction markers, which are no records."""
_READ_MS = 500


async def caught_up(
    connection: Connection,
    looking: AIOKafkaConsumer,
    line: RecordQueue,
    waiting: Waiting = lambda stage, records: None,
) -> None:
    """
    Wait until a stage has folded all records that its topics hold now, and its outputs are acknowledged.

    Of a partition of this process its own stage tells how far it is, of any other one the offsets that the group
    committed. Records that come meanwhile are not waited for, so a busy log ends the wait too; nor are the records of
    open transactions and what lies behind them, which nobody can read yet.

    Args:
        looking: Started, without a group, and reads committed records; its assignment is replaced.
        line: Queue before the stage.

    Raises:
        OperatorError: The brokers refuse.
    """
    stage = line.stage
    places = [TopicPartition(connection.topic(topic), number) for topic, number in line.reached()]
    begins = await patiently(lambda: looking.beginning_offsets(places))
    ends = await patiently(lambda: looking.end_offsets(places))
    targets = {place: end for place, end in ends.items() if end > begins[place]}
    loop = asyncio.get_running_loop()
    ask_at, read_at = loop.time(), loop.time() + _MARKS_S
    committed: Mapping[TopicPartition, int] = {}
    while True:
        here = {TopicPartition(connection.topic(topic), number): at for (topic, number), at in line.reached().items()}
        done = {place: max(here[place], committed.get(place, begins[place])) for place in targets}
        targets = {place: end for place, end in targets.items() if done[place] < end}
        if not targets:
            return
        waiting(stage.processor.name, sum(end - done[place] for place, end in targets.items()))
        if any(here[place] < 0 for place in targets) and loop.time() >= ask_at:
            committed = await _committed(connection, stage.processor.name, committed)
            ask_at = loop.time() + _ASK_S
        elif loop.time() >= read_at:
            # Markers after the last record: the partition counts as folded if nothing can be read up to its end.
            targets = await _with_records(looking, targets, done)
            read_at = loop.time() + _MARKS_S
        await asyncio.sleep(_LOOK_S)


async def _committed(
    connection: Connection, stage: str, before: Mapping[TopicPartition, int]
) -> Mapping[TopicPartition, int]:
    """Ask for the group's offsets; without an answer those *before* stand."""
    try:
        async with administered(connection) as admin:
            found = await committed_offsets(admin, connection.group(stage))
    except UnreachableError:
        # The watch over the brokers ends the process if they stay away.
        return before
    except KafkaError as error:
        if not error.retriable and not isinstance(error, KafkaTimeoutError):
            raise OperatorError(
                f"{connection.group(stage)}: the offsets cannot be read: {type(error).__name__}: {error}",
                remedy="The user needs the right to describe the groups",
            ) from error
        return before
    return {place: at.offset for place, at in found.items()}


async def _with_records(
    looking: AIOKafkaConsumer, targets: Mapping[TopicPartition, int], done: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """Leave out the places that hold no record between their offset of *done* and their end."""
    looking.assign(list(targets))
    for place in targets:
        looking.seek(place, done[place])
    found = await looking.getmany(timeout_ms=_READ_MS)
    # A broker answers one request of a connection after the other, so later look-ups would wait for empty fetches.
    looking.pause(*targets)
    return {place: end for place, end in targets.items() if found.get(place) or await looking.position(place) < end}
