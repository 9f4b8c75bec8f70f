"""Headers without a value, and names that are no UTF-8."""

import asyncio
import gzip
import json
import struct
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record import default_records, memory_records
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

from infra.broker import Broker
from infra.chaos.client import producer
from infra.chaos.workers import Duty, WorkerProcess, orch, prepare
from streams.runtimes.kafka.client.header_names import read_any_header_name
from streams.topology import QUESTION_PARTITIONS, QUESTIONS, partition_of

from .test_interop import POLICY, Town, new_id, question

MARK, NO_TEXT = b"Ann Unknown", b"Ann \xff\xfeknown"
"""A header's name, and the name of the same length that takes its place."""
ESCAPED = r"Ann \xff\xfeknown"


def spoiled(batch: bytes, *, packed: bool = False) -> bytes:
    """Make the name no UTF-8, as a producer in C writes it, and perhaps compress the records by gzip."""
    head, records = bytearray(batch[:61]), batch[61:].replace(MARK, NO_TEXT)
    if packed:
        records = gzip.compress(records)
        struct.pack_into(">i", head, 8, len(head) - 12 + len(records))
        struct.pack_into(">h", head, 21, 1)
    struct.pack_into(">I", head, 17, calc_crc32c(bytes(head[21:]) + records))
    return bytes(head) + records


def batch_of(*names: str) -> bytes:
    """Make a batch with a record for each name of a header."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, 0, 1 << 20)
    for offset, name in enumerate(names):
        builder.append(offset, 7, b"k", b"%d" % offset, [("before", b"\xff"), (name, None)])
    return bytes(builder.build())


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("parser", ["DefaultRecordBatch", "_DefaultRecordBatchPy"])
def test_a_name_that_is_no_text_is_read_as_escapes(monkeypatch: Any, parser: str, packed: bool) -> None:
    """Every record of its batch, and of the next one, is read once; by aiokafka's parser in C and by that in Python."""
    monkeypatch.setattr(memory_records, "DefaultRecordBatch", getattr(default_records, parser))
    read_any_header_name()
    names = ("one", MARK.decode(), "three")
    found = fetcher.MemoryRecords(spoiled(batch_of(*names), packed=packed) + batch_of("four"))
    read: list[Any] = []
    while found.has_next():
        batch = found.next_batch()
        assert batch.validate_crc()
        read.append([(one.offset, one.timestamp, one.key, one.value, one.headers) for one in batch])
    first = [
        (offset, 7, b"k", b"%d" % offset, [("before", b"\xff"), (name, None)])
        for offset, name in enumerate(("one", ESCAPED, "three"))
    ]
    assert read == [first, [(0, 7, b"k", b"0", [("before", b"\xff"), ("four", None)])]]


@pytest.mark.parametrize("parser", ["DefaultRecordBatch", "_DefaultRecordBatchPy"])
def test_other_damage_stays_an_error(monkeypatch: Any, parser: str) -> None:
    """A batch that ends within a record is not read again."""
    monkeypatch.setattr(memory_records, "DefaultRecordBatch", getattr(default_records, parser))
    read_any_header_name()
    cut = bytearray(batch_of("one", MARK.decode())[:-9])
    struct.pack_into(">i", cut, 8, len(cut) - 12)
    batch = fetcher.MemoryRecords(bytes(cut)).next_batch()
    with pytest.raises(CorruptRecordException):
        list(batch)


async def write_spoiled(bootstrap: str, topic: str, partition: int, value: bytes) -> None:
    """Write a record whose header's name is no UTF-8; confluent-kafka takes names as text only."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as writer:
        batch = writer.create_batch()
        batch.append(key=None, value=value, timestamp=None, headers=[(MARK.decode(), b"x")])
        batch.close()
        batch._buffer = spoiled(bytes(batch._build()))
        await (await writer.send_batch(batch, topic, partition=partition))


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["aiokafka", "faust"])
def test_questions_with_such_headers_are_decided(broker: Broker, tmp_path: Path, engine: str) -> None:
    """Wherever they lie, by either engine; and every command that reads the log reads them."""
    if engine == "faust":
        pytest.importorskip("faust", reason="optional: needs the extra faust")
    town = Town(broker, f"headers-{new_id()}", tmp_path)
    prepare(tmp_path, town.url, POLICY)
    worker = WorkerProcess(Duty("all", ("all",), fixed=False, keeps=False), town.url, tmp_path, engine=engine)
    try:
        asked = [new_id() for _ in range(6)]
        writer = producer(town.bootstrap)
        for number, question_id in enumerate(asked):
            home = partition_of(question_id.encode(), QUESTION_PARTITIONS)
            partition = (home + number % 2) % QUESTION_PARTITIONS
            if number < 4:
                nothing: list[tuple[str, bytes | None]] = [("traceparent", None), ("tenant", None)]
                writer.produce(town.topic(QUESTIONS), question(question_id), None, partition, headers=nothing)
            else:
                asyncio.run(write_spoiled(town.bootstrap, town.topic(QUESTIONS), partition, question(question_id)))
        assert writer.flush(30) == 0
        worker.start()
        for question_id in asked:
            decision = town.decision(question_id)
            assert json.loads(decision.value or b"")["status"] == "decided"
            assert "traceparent" not in dict(decision.headers)
        assert worker.running, worker.last_words()
        worker.tell_to_end()
        assert worker.ended() == 0, worker.last_words()
        for command in (
            ["replay"],
            ["consume", QUESTIONS],
            ["dead-letters"],
            *(["explain", question_id] for question_id in asked[3:]),
        ):
            done = orch(tmp_path, "--log", town.url, *command)
            assert done.returncode == 0, (command, done.stderr.decode())
        said = orch(tmp_path, "--log", town.url, "--format", "json", "replay").stdout
        assert json.loads(said)["different"] == 0
    finally:
        town.close()
        worker.close()
