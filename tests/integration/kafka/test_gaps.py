"""Order and memory of records that an engine left out."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Sequence
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.log import Record
from streams.processors import LEARN, ROUTE
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.producer import message_of
from streams.runtimes.kafka.stages import gaps as gaps_module
from streams.runtimes.kafka.stages.gaps import Gap, with_gaps
from streams.runtimes.kafka.stages.partition_task import PartitionTask, in_order
from streams.topology import ASSIGNMENTS, DEAD_LETTERS, DECISIONS, QUESTIONS, TOPICS, partition_of

from ...worlds import policy, question
from .stage_bench import PLACE, Bench, Run, at, run

__all__ = ["run"]

NOWHERE = Connection(("nowhere:9092",))


class FetchedRecord:
    """A record as the client gives it."""

    def __init__(self, record: Record) -> None:
        self.partition, self.offset, self.timestamp = record.partition, record.offset, record.timestamp_ms
        self.key, self.value, self.headers = record.key.encode(), record.value, record.headers


def topic_of(name: str, times: Sequence[int]) -> list[Record]:
    """Make the records of a topic."""
    return [Record(name, 0, offset, time_ms, "q", b"12345") for offset, time_ms in enumerate(times)]


times = st.lists(st.integers(0, 20), max_size=12)


@given(times, times, times, st.integers(0, 12), st.integers(0, 12), st.integers(1, 5), st.integers(1, 30))
def test_gaps_come_in_the_order_of_one_batch(
    first: list[int], second: list[int], third: list[int], cut: int, other_cut: int, most: int, most_bytes: int
) -> None:
    """However small the batches, all topics are merged by time, and no batch is larger than it may be."""
    logs = {name: topic_of(name, some) for name, some in (("a", first), ("b", second), ("c", third))}
    cuts = {"a": min(cut, len(first)), "b": min(other_cut, len(second))}
    gaps = [Gap(name, 0, 0, end) for name, end in cuts.items()]
    behind = [record for name, some in logs.items() for record in some[cuts.get(name, 0) :]]

    async def fetched(connection: Any, topic: str, partition: int, start: int, end: int) -> AsyncIterator[Any]:
        for record in logs[topic][start:end]:
            yield FetchedRecord(record)

    async def batches() -> list[Sequence[Record]]:
        return [batch async for batch in with_gaps(NOWHERE, gaps, behind)]

    with patch.multiple(gaps_module, fetch=fetched, BATCH_RECORDS=most, BATCH_BYTES=most_bytes):
        found = asyncio.run(batches())
    everything = [record for some in logs.values() for record in some]
    assert [record for batch in found for record in batch] == (list(in_order(everything)) if everything else [])
    assert all(len(batch) <= most and 5 * (len(batch) - 1) < most_bytes for batch in found)


def here(count: int, prefix: str = "g") -> list[str]:
    """Find ids of questions that live in the partition of the tests."""
    found: list[str] = []
    number = 0
    while len(found) < count:
        name = f"{prefix}{number}"
        if partition_of(name.encode(), TOPICS[QUESTIONS].partitions) == PLACE:
            found.append(name)
        number += 1
    return found


def test_a_long_gap_is_folded_in_batches(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every record once and in order, with a commit for each batch."""
    monkeypatch.setattr(gaps_module, "BATCH_RECORDS", 100)
    sizes: list[int] = []
    process = PartitionTask.process

    async def noted(task: PartitionTask, records: Sequence[Record], producer: Any) -> float:
        sizes.append(len(records))
        return await process(task, records, producer)

    monkeypatch.setattr(PartitionTask, "process", noted)

    async def test(bench: Bench) -> None:
        names = here(1_050)
        await bench.producer.publish([message_of(policy("a"))])
        await bench.producer.publish(message_of(question(name)) for name in names)
        last = (await bench.records(QUESTIONS))[-1]
        stage = await bench.stage(ROUTE, PLACE)
        assert await stage.take([last]) == {PLACE}
        assert [event.correlation for event in await bench.events(ASSIGNMENTS)] == names
        assert sizes == [100] * 10 + [50]
        assert stage.reached()[QUESTIONS, PLACE] == len(names)

    run(test)


@pytest.mark.slow
def test_a_gap_takes_the_memory_of_a_batch(run: Run) -> None:
    """A topic of 120 MB is folded in half of that: a batch, and what the client fetches at a time."""

    async def test(bench: Bench) -> None:
        value, count = b"{" + b"x" * 600_000, 200
        name = bench.connection.topic(DECISIONS)
        for _ in range(count):
            await (await bench.producer.send_to(name, PLACE, b"q", value))
        stage = await bench.stage(LEARN, PLACE)
        last = at(question(), count, topic=DECISIONS, value=b"{", partition=PLACE)
        tracemalloc.start()
        try:
            assert await stage.take([last]) == {PLACE}
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert len(await bench.records(DEAD_LETTERS)) == count + 1
        assert peak < 60_000_000, f"{peak:,} bytes"

    run(test)


def test_a_partition_may_be_lost_within_a_gap(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of the gap is left to the next owner, which folds it from where the last batch ended."""
    monkeypatch.setattr(gaps_module, "BATCH_RECORDS", 10)
    process = PartitionTask.process

    async def test(bench: Bench) -> None:
        names = here(50)
        await bench.producer.publish([message_of(policy("a"))])
        await bench.producer.publish(message_of(question(name)) for name in names)
        last = (await bench.records(QUESTIONS))[-1]
        first, second = await bench.stage(ROUTE, PLACE), await bench.stage(ROUTE)

        async def losing(task: PartitionTask, records: Sequence[Record], producer: Any) -> float:
            seconds = await process(task, records, producer)
            if task.done[QUESTIONS] == 20:
                first.hold([])
            return seconds

        monkeypatch.setattr(PartitionTask, "process", losing)
        assert await first.take([last]) == set()
        monkeypatch.setattr(PartitionTask, "process", process)
        assert [event.correlation for event in await bench.events(ASSIGNMENTS)] == names[:20]
        second.hold([PLACE])
        assert await second.take([last]) == {PLACE}
        panels = [event.correlation for event in await bench.events(ASSIGNMENTS)]
        assert list(dict.fromkeys(panels)) == names

    run(test)
