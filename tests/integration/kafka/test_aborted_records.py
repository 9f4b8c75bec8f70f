"""Logs that hold what followed from aborted records."""

import asyncio
import uuid
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from hypothesis import given
from hypothesis import strategies as st

from infra.broker import Broker
from schemas.event import Event
from schemas.panels import PanelAssigned
from schemas.registry import decode_canonical
from streams.audit.explain.explain import explain
from streams.audit.replay.replay import replay
from streams.log import Record
from streams.runtimes.archive.export import export_log
from streams.runtimes.archive.opening import open_archive
from streams.runtimes.kafka.client import group_member
from streams.runtimes.kafka.client.connection import Connection, parse_connection
from streams.runtimes.kafka.client.producer import RecordProducer, message_of
from streams.runtimes.kafka.client.topics import create_topics
from streams.runtimes.kafka.raw_record import RawRecord
from streams.runtimes.kafka.reader import KafkaReader
from streams.runtimes.kafka.reading.aborted_records import AbortedRecords, OffsetGaps
from streams.runtimes.kafka.stages.runner import FOLDING, HostingOptions, RunningStages, running
from streams.topology import ASSIGNMENTS, DECISIONS, FEEDBACK, OBSERVATIONS, QUESTIONS, ROUTER

from ...record_builders import home, ids_at
from ...worlds import World, analysis, gold, policy, question
from ..workers.memory_log import until_true
from .transactions import Transactor

PLACE = home("q")


class OldTown:
    """A log whose stages read the records of aborted transactions, as those of 0.1 do."""

    def __init__(self, connection: Connection, producer: RecordProducer, stages: RunningStages) -> None:
        self.connection = connection
        self._producer = producer
        self._stages = stages

    async def transact(self, topic: str, *values: bytes, end: str, partition: int = PLACE) -> None:
        """Write records in a transaction that ends so, and let the stages fold them before it does."""

        def begin() -> Transactor:
            made = Transactor(",".join(self.connection.bootstrap), f"{self.connection.prefix}-{uuid.uuid4().hex[:6]}")
            made.begin(self.connection.topic(topic), values, partition)
            return made

        folded = self._folded()
        transactor = await asyncio.to_thread(begin)
        await until_true(lambda: self._folded() >= folded + len(values))
        await asyncio.to_thread(getattr(transactor, end))
        await self._stages.settled()

    def _folded(self) -> int:
        return sum(engine.line.stage.folded for engine in self._stages._engines)

    async def put(self, *events: Event) -> None:
        """Write events, and wait until all that follows is in the log."""
        await self._producer.publish(map(message_of, events))
        await self._stages.settled()

    async def events(self, topic: str) -> list[Any]:
        """Read a topic."""

        def read() -> list[Any]:
            with KafkaReader(self.connection, topics=(topic,)) as reader:
                return [reader_event(record) for record in reader.records()]

        return await asyncio.to_thread(read)


def reader_event(record: Record) -> Event:
    """Decode a record of a view."""
    return decode_canonical(record.topic, record.value)


def old_log(broker: Broker, story: Callable[[OldTown], Coroutine[Any, Any, None]]) -> Connection:
    """Play a story before stages that read everything."""

    async def play() -> Connection:
        connection = parse_connection(f"{broker.bootstrap}/{uuid.uuid4().hex[:12]}", {})
        await create_topics(connection)
        async with (
            RecordProducer(connection) as producer,
            running(connection, FOLDING, producer, HostingOptions()) as stages,
        ):
            await story(OldTown(connection, producer, stages))
        return connection

    class Everything(AIOKafkaConsumer):
        def __init__(self, **settings: Any) -> None:
            super().__init__(**{**settings, "isolation_level": "read_uncommitted"})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(group_member, "AIOKafkaConsumer", Everything)
        return asyncio.run(asyncio.wait_for(play(), 90))


def test_what_an_aborted_question_led_to_is_replayed_and_named(broker: Broker, tmp_path: Path) -> None:
    """Nothing differs, on the cluster and in an archive; `not_proved` names each record that led to something."""
    doubt, sure, odd = list(zip(ids_at(PLACE), range(3), strict=False))
    asked, kept = question(doubt[0]), question(sure[0])
    elsewhere = (PLACE + 1) % 8

    async def story(town: OldTown) -> None:
        await town.put(policy("a", "b"))
        # An aborted question, whose id is asked again with another text: a conflict, which names both.
        await town.transact(QUESTIONS, asked.encode(), end="abort")
        await town.put(question(doubt[0], text="Something else?"))
        await town.transact(QUESTIONS, kept.encode(), end="commit")
        # One that is no event, one in the wrong partition, and one of a transaction that nothing followed from.
        await town.transact(QUESTIONS, b"no event", end="abort")
        await town.transact(QUESTIONS, question(odd[0]).encode(), end="abort", partition=elsewhere)
        panels = [event for event in await town.events(ASSIGNMENTS) if isinstance(event, PanelAssigned)]
        for panel in panels:
            await town.put(*(analysis(panel, name) for name in ("a", "b")))
        await town.transact(FEEDBACK, gold("A", sure[0]).encode(), end="abort")
        await town.transact(FEEDBACK, gold("A", sure[0]).encode(), end="abort")

    connection = old_log(broker, story)
    with KafkaReader(connection) as reader:
        found = replay(reader)
        assert (found.different, found.first_difference) == (0, None)
        aborted = list(reader.aborted())
        assert [(topic, partition) for topic, partition, _ in aborted] == [
            (FEEDBACK, PLACE),
            *sorted([(QUESTIONS, PLACE)] * 2 + [(QUESTIONS, elsewhere)]),
        ]
        (claim,) = (claim for claim in found.not_proved if "aborted" in claim)
        assert f"{QUESTIONS}/{PLACE}/0" in claim
        assert len([event for event in reader.about(doubt[0]) if event.topic == DECISIONS]) == 1
        assert explain(reader, doubt[0])["question"]["text"] == asked.text
    with KafkaReader(connection) as reader:
        export_log(reader, tmp_path / "archive", written_by="0")
    with open_archive(tmp_path / "archive") as archive:
        copied = replay(archive)
        assert (copied.different, copied.derived) == (0, found.derived)
        assert claim in copied.not_proved
    # A view of one topic holds what its own records name: the original of a copy that was moved.
    with KafkaReader(connection, topics=(QUESTIONS,)) as reader:
        assert len([record for record in reader.records() if record.key == doubt[0]]) == 1
        assert list(reader.aborted()) == [(QUESTIONS, elsewhere, 0)]


def test_what_nobody_has_read_is_left_out(broker: Broker) -> None:
    """Also where its producer has committed the same event later, so that its id is named."""

    async def story(town: OldTown) -> None:
        await town.put(policy("a", "b"), question("q"))
        # The stages of this log know the event by now, so nothing follows from its repeats.
        await town.transact(QUESTIONS, question("q").encode(), end="abort")
        await town.transact(QUESTIONS, question("q").encode(), end="commit")

    with KafkaReader(old_log(broker, story)) as reader:
        found = replay(reader)
        assert (found.different, found.pending) == (0, 1)
        assert reader.aborted() == []
        assert not [claim for claim in found.not_proved if "aborted" in claim]
        offsets = [record.offset for record in reader.records((QUESTIONS,))]
        assert offsets == [0, 3]
        assert not reader.refresh()
        asked = [one.offset for one in reader.originals() if one.topic == QUESTIONS]
        assert asked == [0, 3]


@given(st.lists(st.booleans(), max_size=30), st.integers(0, 3), st.integers(1, 4))
def test_gaps_are_the_offsets_that_were_not_there(there: list[bool], begin: int, reads: int) -> None:
    """However many reads it takes to find them."""
    place, found = (QUESTIONS, 0), OffsetGaps()
    end = begin + len(there)
    for number in range(reads):
        start, stop = (begin + len(there) * part // reads for part in (number, number + 1))
        expected, some = start, OffsetGaps()
        for offset in range(start, stop):
            if there[offset - begin]:
                some.add(place, expected, offset)
                expected = offset + 1
        some.add(place, expected, stop)
        found.take(some)
        assert not some
    records = [RawRecord(*place, offset, 0, None, b"") for offset in range(begin, end)]
    assert [in_gap for _, in_gap in found.split(records)] == [not one for one in there]
    lacking = [offset for offset in range(begin, end) if not there[offset - begin]]
    assert found.spans() == ({place: (lacking[0], lacking[-1] + 1)} if lacking else {})


def test_compacted_topics_have_no_gaps() -> None:
    """What compaction removed was not aborted."""
    gaps = OffsetGaps()
    gaps.add((ROUTER, 0), 3, 9)
    assert not gaps


def test_an_aborted_event_of_a_stage_is_known_by_its_id() -> None:
    """A stranger may abort anything; what names it has read it."""
    world = World(policy("a"))
    world.put(question("q"))
    (panel,) = (event for event in world.log if isinstance(event, PanelAssigned))
    aborted = AbortedRecords()
    aborted.add([RawRecord(ASSIGNMENTS, 3, 7, 0, b"q", panel.encode())])

    class Log:
        def records(self) -> list[Record]:
            said = analysis(panel, "a")
            return [Record(said.topic, 3, 0, 0, "q", said.encode()), Record(OBSERVATIONS, 3, 0, 0, "q", b"damaged")]

    assert list(aborted.named(Log())) == [(ASSIGNMENTS, 3, 7)]  # type: ignore[arg-type]
