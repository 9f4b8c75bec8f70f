"""The queue before a stage: offsets without records, and gaps."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streams.log import Record
from streams.runtimes.kafka.stages.polling_engine import RecordQueue

PLACE = ("t", 0)


class Stage:
    """A stage of one partition that does what it is told."""

    def __init__(self, done: int = 0) -> None:
        self.done = done
        self.on_failure: Callable[[Exception], None] = lambda error: None
        self.since: list[tuple[int, int]] = []

    async def take(self, records: Sequence[Record], since: Mapping[tuple[str, int], int]) -> set[int]:
        self.since.append((since[PLACE], records[0].offset))
        self.done = max(self.done, records[-1].offset + 1)
        return {0}

    def reached(self) -> dict[tuple[str, int], int]:
        return {PLACE: self.done}


def record(offset: int) -> Record:
    """Make a record."""
    return Record("t", 0, offset, 0, "k", b"")


def playing(test: Callable[[RecordQueue, Stage], Any], stage: Stage) -> None:
    """Run a test on a queue, which needs an event loop."""

    async def play() -> None:
        line: Any = RecordQueue(stage)  # type: ignore[arg-type]
        await test(line, stage)

    asyncio.run(play())


async def fold_all(line: RecordQueue) -> None:
    """Let the stage take all that waits."""
    working = asyncio.create_task(line.work())
    while line._waiting:
        await asyncio.sleep(0)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)


POLLS = st.lists(st.tuples(st.lists(st.integers(0, 3), max_size=3), st.integers(0, 3), st.booleans()), max_size=8)
"""Of each poll: offsets that hold no record before each of its records, and behind the last; whether a fold follows."""


@given(POLLS, st.integers(0, 5), st.integers(-3, 3))
def test_offsets_without_a_record_are_done_with_the_records_before_them(
    polls: list[tuple[list[int], int, bool]], begin: int, ahead: int
) -> None:
    """Never before, whatever the changelog had done: nothing that waits is passed, nor what was never read."""

    async def test(line: RecordQueue, stage: Stage) -> None:
        offset, unfolded = begin, []
        line.read_to({PLACE: begin})
        for gaps, behind, fold in polls:
            for gap in gaps:
                offset += gap
                line.put(record(offset))
                unfolded.append(offset)
                offset += 1
            offset += behind
            line.read_to({PLACE: offset})
            if fold:
                await fold_all(line)
                unfolded.clear()
            reached = line.reached()[PLACE]
            assert reached >= stage.done
            if reached > stage.done:
                assert (reached, [at for at in unfolded if at >= stage.done]) == (offset, [])
                assert stage.done >= begin
            elif not unfolded and stage.done >= begin:
                assert reached >= offset

    playing(test, Stage(max(0, begin + ahead)))


@given(POLLS, st.integers(0, 5))
def test_a_batch_is_told_from_where_on_nothing_was_left_out(
    polls: list[tuple[list[int], int, bool]], begin: int
) -> None:
    """From the record before it, or where reading began: the stage looks for no gap there."""

    async def test(line: RecordQueue, stage: Stage) -> None:
        offset, before, expected = begin, begin, []
        line.read_to({PLACE: begin})
        for gaps, behind, _ in polls:
            for place, gap in enumerate(gaps):
                offset += gap
                line.put(record(offset))
                if not place:
                    expected.append((before, offset))
                before = offset = offset + 1
            await fold_all(line)
            offset += behind
            line.read_to({PLACE: offset})
        assert stage.since == expected

    playing(test, Stage())


def test_what_a_lost_place_had_read_is_forgotten() -> None:
    """Its next reading may begin elsewhere."""

    async def test(line: RecordQueue, stage: Stage) -> None:
        line.read_to({PLACE: 3})
        line.read_to({})
        line.put(record(9))
        await fold_all(line)
        line.read_to({PLACE: 20})
        line.put(record(24))
        await fold_all(line)
        assert stage.since == [(9, 9), (20, 24)]

    playing(test, Stage())
