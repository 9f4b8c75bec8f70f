"""The reader of a Kafka log: records, timing and errors."""

import asyncio
import random
import socket
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas.questions import QuestionAsked
from streams.audit.explain.explain import explain
from streams.audit.replay import replay as replay_module
from streams.audit.replay.replay import Replay, replay
from streams.audit.router_table import table_now
from streams.audit.run_summary import known_answers, summarise
from streams.errors import OperatorError
from streams.log import read_event
from streams.runtimes.kafka.client.connection import Connection, parse_connection
from streams.runtimes.kafka.client.topics import create_topics
from streams.runtimes.kafka.raw_record import RawRecord
from streams.runtimes.kafka.reader import KafkaReader
from streams.runtimes.urls import open_reader
from streams.topology import (
    ANALYSES,
    DEAD_LETTERS,
    DECISIONS,
    FEEDBACK,
    QUESTIONS,
    ROUTER,
    TOPICS,
    partition_of,
)

from ...worlds import gold, overdue, policy, question, said
from ..audit.scattered_log import Place, Scattered


@pytest.fixture
def connection(broker: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Connection:
    """A log of its own, and a folder of its own for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    made = parse_connection(f"{broker.bootstrap}/{uuid.uuid4().hex[:12]}", {})
    asyncio.run(asyncio.wait_for(create_topics(made), 300))
    return made


def write(
    connection: Connection, raw_records: Iterable[RawRecord], folded: Mapping[str, Mapping[Place, int]] | None = None
) -> None:
    """Write records where they say they are, and then the offsets of the stages."""

    async def body() -> None:
        producer = AIOKafkaProducer(**connection.client())
        await producer.start()
        try:
            for one in raw_records:
                place = await producer.send_and_wait(
                    connection.topic(one.topic),
                    one.value,
                    key=one.key,
                    partition=one.partition,
                    timestamp_ms=one.timestamp_ms,
                    headers=list(one.headers),
                )
                assert place.offset == one.offset
        finally:
            await producer.stop()
        for stage, places in (folded or {}).items():
            group = AIOKafkaConsumer(**connection.client(), group_id=connection.group(stage), enable_auto_commit=False)
            await group.start()
            try:
                offsets = {TopicPartition(connection.topic(topic), number): n for (topic, number), n in places.items()}
                group.assign(list(offsets))
                await group.commit(offsets)
            finally:
                await group.stop()

    asyncio.run(asyncio.wait_for(body(), 300))


def everything(log: Scattered, after: Mapping[Place, int] | None = None) -> Iterator[RawRecord]:
    """Iterate the records of all partitions, those from some offsets on."""
    for place, held in log.partitions.items():
        yield from (one for one in held if one.offset >= (after or {}).get(place, 0))


PLAIN = b'{"text": "Which gas?", "options": ["Oxygen", "Helium"], "question_id": "plain", "subject": "chemistry"}'
CLOCK_MS = 1_700_000_000_000
REPLIES = said(ada="A", bo="B", cy="A")


@pytest.fixture
def log() -> Scattered:
    """A log with strangers' questions, in any partition and some of them unreadable, decided and taught."""
    ticks = count(CLOCK_MS)
    log = Scattered(random.Random(0), lambda: next(ticks))
    log.put(policy("ada", "bo", "cy", merge={"rule": "weighted"}))
    log.put_bytes(QUESTIONS, PLAIN, None, partition=(partition_of(b"plain", 8) + 3) % 8)
    log.put_bytes(QUESTIONS, b'{"question_id": "bad"}', "bad")
    log.put_bytes(FEEDBACK, b"\x00", None)
    for name in ("q0", "q1", "q2"):
        log.put(question(name))
        log.play(REPLIES)
        log.put(gold("A", name))
    log.put(gold("B", "q0", at=2_500))
    log.put(overdue("q1"))
    log.settle()
    log.repeat(4)
    return log


def proves_itself(found: Replay) -> None:
    """Fail where anything differs or waits."""
    assert (found.first_difference, found.different, found.pending) == (None, 0, 0)


def test_log_of_strangers_proves_itself(connection: Connection, log: Scattered) -> None:
    """Plain JSON, records in other partitions, what cannot be read, repeats: all of it is proved from the brokers."""
    write(connection, everything(log), log.folded)
    with open_reader(connection.url) as reader:
        found = replay(reader)
    proves_itself(found)
    assert found.events == sum(len(held) for held in log.partitions.values())
    assert (found.repeats or 0) >= 4
    with open_reader(connection.url) as reader:
        unordered = reader.unordered()
        assert unordered is not None
        (asked,) = [read_event(one) for one in reader.about("plain") if one.topic == QUESTIONS]
        assert isinstance(asked, QuestionAsked)
        # It was written second, and named no time.
        assert asked.occurred_at == "2023-11-14T22:13:20.001Z"
        assert {about for about, _ in unordered.left_out()} == {"plain", "bad", f"{FEEDBACK}/{partition_of(b'', 8)}@0"}
        assert unordered.committed("merge") == log.folded["merge"]


def test_two_processes_read_one_copy(connection: Connection, log: Scattered, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long log is replayed by two processes, of which one opens what the other has fetched."""
    monkeypatch.setattr(replay_module, "PARALLEL_FROM", 1)
    write(connection, everything(log), log.folded)
    with open_reader(connection.url) as reader:
        proves_itself(replay(reader))


def test_changed_record_is_found(connection: Connection, log: Scattered) -> None:
    """The first difference names topic, partition and offset as Kafka has them."""
    decision = log.find(DECISIONS)[0]
    log.replace(decision, decision.value.replace(b'"decided"', b'"dEcided"'))
    write(connection, everything(log), log.folded)
    with open_reader(connection.url) as reader:
        found = replay(reader)
    first = found.first_difference
    assert first is not None
    assert (first.topic, first.partition, first.offset, first.field) == (*decision[:3], "status")


def test_what_the_stages_may_not_have_folded_is_pending(connection: Connection, log: Scattered) -> None:
    """Without offsets of the stages nothing is missed, though nothing follows yet."""
    inputs = [one for one in everything(log) if one.topic in (QUESTIONS, ANALYSES, FEEDBACK)]
    write(connection, inputs)
    with open_reader(connection.url) as reader:
        found = replay(reader)
    assert (found.different, found.derived, found.pending) == (0, 0, 4)


def test_ends_are_told_without_reading(connection: Connection, log: Scattered, tmp_path: Path) -> None:
    """Nothing is fetched until a record is asked for, nor to say what kind of view it is; it goes with the reader."""
    write(connection, everything(log))
    with open_reader(connection.url) as reader:
        assert reader.ends() == {(name, number): log.ends()[name, number] for name, number in log.partitions}
        assert reader.unordered() is reader
        assert list(tmp_path.iterdir()) == []
        assert next(reader.records(limit=1)).seq == 1
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []


def test_view_stays_until_it_is_moved_on(connection: Connection, log: Scattered) -> None:
    """What is written later is seen after a refresh, behind what was seen before; then only that is fetched."""
    before = log.ends()
    write(connection, everything(log))
    with open_reader(connection.url) as reader:
        seen = list(reader.records())
        log.put(question("late"))
        log.play(REPLIES)
        write(connection, everything(log, before))
        assert list(reader.records()) == seen
        assert reader.refresh()
        records = list(reader.records())
        assert records[: len(seen)] == seen
        assert {record.key for record in records[len(seen) :] if record.topic == QUESTIONS} == {"late"}
        assert reader.ends() == log.ends()
        assert not reader.refresh()
        assert explain(reader, "late")["state"] == "decided"


def test_hints_narrow_what_is_read(connection: Connection, log: Scattered) -> None:
    """One question is explained from its partitions alone, one topic is listed from its own."""
    write(connection, everything(log), log.folded)
    with open_reader(connection.url) as whole, open_reader(connection.url, about="q1") as narrow:
        assert explain(narrow, "q1") == explain(whole, "q1")
        assert narrow.end < whole.end
        assert {record.partition for record in narrow.records((ANALYSES,))} == {partition_of(b"q1", 8)}
        assert list(narrow.records((ROUTER,)))
    with open_reader(connection.url, topics=(DEAD_LETTERS,)) as letters:
        assert {record.topic for record in letters.records()} == {DEAD_LETTERS}
        assert set(letters.ends()) == {(DEAD_LETTERS, 0)}


def test_audits_work_on_it(connection: Connection, log: Scattered) -> None:
    """Router table and summary are read as from a file."""
    write(connection, everything(log), log.folded)
    with open_reader(connection.url) as reader:
        assert {line["agent"] for line in table_now(reader)["lines"]} == {"ada", "bo", "cy"}
        summary = summarise(reader, known_answers(reader))
        assert (summary.questions, summary.decided, summary.correct) == (4, 4, 3)


def test_it_works_inside_a_running_loop(connection: Connection, log: Scattered) -> None:
    """Whoever calls may have an event loop at work."""
    write(connection, everything(log))

    async def read() -> int:
        with open_reader(connection.url) as reader:
            return len(list(reader.records((QUESTIONS,))))

    assert asyncio.run(read()) == 4


def test_offsets_without_records_are_passed(connection: Connection) -> None:
    """The end of a transaction takes an offset and holds no record; reading comes to an end all the same."""

    async def body() -> None:
        producer = AIOKafkaProducer(**connection.client(), transactional_id=uuid.uuid4().hex)
        await producer.start()
        try:
            for _ in range(2):
                async with producer.transaction():
                    await producer.send(connection.topic(QUESTIONS), PLAIN, key=b"plain", partition=0)
        finally:
            await producer.stop()

    asyncio.run(asyncio.wait_for(body(), 300))
    with open_reader(connection.url) as reader:
        assert reader.ends()[QUESTIONS, 0] == 4
        unordered = reader.unordered()
        assert unordered is not None
        assert unordered.taken == 2


def test_log_whose_topics_are_missing_is_not_there(broker: Any) -> None:
    """It says which command makes them."""
    with pytest.raises(OperatorError, match="topics create"):
        open_reader(f"kafka://{broker.bootstrap}/{uuid.uuid4().hex[:12]}")


def test_brokers_that_do_not_answer_are_named() -> None:
    """An address at which nobody listens is an error that says what to do."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(OperatorError, match=f"kafka://{address}: no broker answers"):
        open_reader(f"kafka://{address}")


def test_reader_knows_every_partition(connection: Connection) -> None:
    """An empty log has an end in each of its partitions, and nothing in it."""
    with KafkaReader(connection) as reader:
        assert reader.ends() == {(t.name, number): 0 for t in TOPICS.values() for number in range(t.partitions)}
        assert (reader.end, reader.folded, reader.taken, list(reader.records())) == (0, 0, 0, [])
