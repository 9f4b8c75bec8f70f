"""
A stage on a real broker: policies and invalid records.

No engine takes part.
"""

import asyncio

import pytest

from schemas.canonical import canonical_json
from schemas.letters import RecordRejected
from streams.log import Record
from streams.processors import ROUTE
from streams.runtimes.kafka.client.producer import ProducerRecord, message_of
from streams.topology import (
    ANALYSES,
    ASSIGNMENTS,
    DEAD_LETTERS,
    QUESTIONS,
    partition_of,
)

from ...worlds import policy, question
from .stage_bench import PLACE, Bench, Run, at, run

__all__ = ["run"]


def test_a_question_waits_for_a_policy(run: Run) -> None:
    """Without a policy nothing is folded, and nothing is lost."""

    async def test(bench: Bench) -> None:
        stage = await bench.stage(ROUTE, PLACE)
        waiting = asyncio.create_task(stage.take([at(question())]))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        await bench.producer.publish([message_of(policy("a"))])
        await asyncio.wait_for(waiting, 10)
        (panel,) = await bench.events(ASSIGNMENTS)
        assert panel.correlation == "q"

    run(test)


def test_a_strangers_record_in_another_partition_is_moved(run: Run) -> None:
    """A client that hashes keys in another way, or gives none, is understood; time and headers stay."""

    async def test(bench: Bench) -> None:
        await bench.producer.publish([message_of(policy("a"))])
        elsewhere = (PLACE + 1) % 8
        stage = await bench.stage(ROUTE, PLACE, elsewhere)
        value = b'{"question_id": "q", "text": "Which?", "options": ["x", "y"]}'
        await stage.take([Record(QUESTIONS, elsewhere, 0, 5_000, "", value, (("traceparent", b"00-t"),))])
        assert await bench.events(ASSIGNMENTS) == []
        (copy,) = await bench.records(QUESTIONS)
        assert (copy.partition, copy.key, copy.value, copy.timestamp_ms) == (PLACE, "q", value, 5_000)
        assert dict(copy.headers) == {"traceparent": b"00-t", "orch_moved_from": b"%d@0" % elsewhere}
        await stage.take([copy])
        (panel,) = await bench.records(ASSIGNMENTS)
        assert dict(panel.headers)["traceparent"] == b"00-t"
        assert dict(panel.headers)["ce_type"] == b"panel.assigned.v1"

    run(test)


def test_a_record_is_moved_once(run: Run) -> None:
    """Where a cluster has other partitions than the topology, a record does not go round in circles."""

    async def test(bench: Bench) -> None:
        await bench.producer.publish([message_of(policy("a"))])
        elsewhere = (PLACE + 1) % 8
        stage = await bench.stage(ROUTE, elsewhere)
        await stage.take([at(question(), partition=elsewhere, headers=(("orch_moved_from", b"2@7"),))])
        assert await bench.records(QUESTIONS) == []
        (letter,) = await bench.events(DEAD_LETTERS)
        assert isinstance(letter, RecordRejected)
        assert "partitions" in letter.detail

    run(test)


@pytest.mark.parametrize("value", [b"", b"{", b"\xff\xfe", b"[]", b"{}", b'{"question_id":"q"}', b"x" * 900_001])
def test_what_is_no_event_becomes_a_dead_letter(run: Run, value: bytes) -> None:
    """With place, reason and bytes; and the stream goes on."""

    async def test(bench: Bench) -> None:
        await bench.producer.publish([message_of(policy("a"))])
        stage = await bench.stage(ROUTE, PLACE)
        broken = at(question(), value=value)
        await stage.take([broken, at(question(), 1)])
        (letter,) = await bench.events(DEAD_LETTERS)
        assert isinstance(letter, RecordRejected)
        assert (letter.source_topic, letter.partition, letter.offset) == (QUESTIONS, PLACE, 0)
        assert letter.value_bytes == len(value)
        assert letter.reason == ("too_large" if len(value) > 900_000 else "invalid")
        assert len(await bench.events(ASSIGNMENTS)) == 1

    run(test)


def test_a_batch_may_cause_more_than_one_record_holds(run: Run) -> None:
    """Large questions in other partitions are moved, a megabyte each."""

    async def test(bench: Bench) -> None:
        await bench.producer.publish([message_of(policy("a"))])
        elsewhere = (PLACE + 1) % 8
        stage = await bench.stage(ROUTE, elsewhere)
        value = canonical_json({"question_id": "q", "text": '"' * 440_000, "options": ["x", "y"]})
        await stage.take([Record(QUESTIONS, elsewhere, number, 5_000, "", value) for number in range(3)])
        assert [record.value for record in await bench.records(QUESTIONS)] == [value] * 3

    run(test)


def test_a_message_keeps_its_place(run: Run) -> None:
    """Keys choose partitions by murmur2, as other clients' do."""

    async def test(bench: Bench) -> None:
        keys = [f"question {number} é" for number in range(40)]
        await bench.producer.publish(ProducerRecord(ANALYSES, key, b"{}") for key in keys)
        for record in await bench.records(ANALYSES):
            assert record.partition == partition_of(record.key.encode(), 8)

    run(test)
