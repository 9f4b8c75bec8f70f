"""
The `deadlines` stage on a log in memory.

The tests show which questions it declares overdue, when, and how often.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from schemas.decisions import DeadlinePassed, DecisionMade
from schemas.quantities import instant_of_ms
from streams.errors import OperatorError
from streams.log import Record
from streams.topology import ASSIGNMENTS, DEADLINES, DECISIONS
from streams.workers import call_scheduler, deadline_watcher, partition_consumer
from streams.workers.deadline_watcher import run_deadlines

from ...record_builders import home, stage
from ...worlds import analysis, policy, question
from .memory_log import EVERYWHERE, NOW_MS, Member, MemoryLog, play, questions, until_true

LIMIT_MS = 60_000
AB = policy("a", "b", deadline_ms=LIMIT_MS)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second is long in a test."""
    monkeypatch.setattr(partition_consumer, "COMMIT_S", 0.01)
    monkeypatch.setattr(deadline_watcher, "WAIT_MS", 5)


@asynccontextmanager
async def watched(memory_log: MemoryLog, member: Member | None = None) -> AsyncIterator[Member]:
    """Have a watcher at work until the block ends; nothing is committed at its end if it is dead by then."""
    member, stop = member or Member(memory_log), asyncio.Event()
    task = asyncio.create_task(run_deadlines(member, clock=memory_log.clock, stop=stop))
    yield member
    stop.set()
    await task


def declared(memory_log: MemoryLog) -> list[DeadlinePassed]:
    """List the deadlines in the log."""
    return [DeadlinePassed.decode(record.value) for record in memory_log.of(DEADLINES)]


async def settled(memory_log: MemoryLog) -> None:
    """Wait until both topics are committed to their ends."""
    ends = {(t, p): len(memory_log.records[t, p]) for t in (ASSIGNMENTS, DECISIONS) for p in range(8)}
    await until_true(lambda: {place: memory_log.committed.get(place, 0) for place in ends} == ends)


def test_what_is_open_too_long_is_declared_at_its_instant() -> None:
    """The instant is that of the panel's record, and the policy's limit later; the question is decided for it."""

    async def test() -> None:
        memory_log = MemoryLog(AB)
        async with watched(memory_log):
            memory_log.ask(*questions(10))
            memory_log.now_ms += LIMIT_MS - 1
            await asyncio.sleep(0.1)
            assert declared(memory_log) == []
            memory_log.now_ms += 5_000
            await until_true(lambda: len(memory_log.of(DECISIONS)) == 10)
            await settled(memory_log)
        due = instant_of_ms(NOW_MS + LIMIT_MS)
        assert sorted((event.question_id, event.occurred_at) for event in declared(memory_log)) == [
            (f"q{number}", due) for number in range(10)
        ]
        assert {decision.reason for decision in memory_log.world.of(DecisionMade)} == {"deadline"}

    play(test())


def test_trace_headers_are_handed_on() -> None:
    """A deadline carries the headers of its panel's record, and so does the decision that it leads to."""

    async def test() -> None:
        memory_log = MemoryLog(AB)
        trace = (("traceparent", b"00-abc"),)
        async with watched(memory_log):
            memory_log.put(question(), trace)
            memory_log.now_ms += LIMIT_MS
            await until_true(lambda: len(memory_log.of(DECISIONS)) == 1)
        assert [record.headers for topic in (DEADLINES, DECISIONS) for record in memory_log.of(topic)] == [trace, trace]

    play(test())


def test_what_is_decided_is_not_declared() -> None:
    """Nor after a restart, in whatever order decisions and panels are read."""

    async def test() -> None:
        memory_log = MemoryLog(AB)
        memory_log.ask(*questions(8))
        member = Member(memory_log)
        member.hidden = frozenset({DECISIONS})
        for number in range(7):
            for agent in "ab":
                memory_log.put(analysis(memory_log.world.assignment(f"q{number}"), agent))
        memory_log.now_ms += LIMIT_MS
        async with watched(memory_log, member):
            await asyncio.sleep(0.1)
            places = {home(event.question_id) for event in declared(memory_log)}
            assert places.isdisjoint(home(f"q{number}") for number in range(7))
            member.hidden = frozenset()
            await until_true(lambda: len(memory_log.of(DECISIONS)) == 8)
        assert [event.question_id for event in declared(memory_log)] == ["q7"]

    play(test())


def test_each_is_declared_once_and_by_whoever_holds_it() -> None:
    """Members come, go and are killed; a repeat is the same event, byte for byte."""

    async def test() -> None:
        memory_log = MemoryLog(AB)
        async with watched(memory_log) as first:
            memory_log.ask(*questions(16))
            await asyncio.sleep(0.05)
            first.held = frozenset(range(3))
            async with watched(memory_log, Member(memory_log, range(3, 8))):
                await asyncio.sleep(0.05)
                memory_log.now_ms += LIMIT_MS
                await until_true(lambda: len(declared(memory_log)) == 16)
            first.held = EVERYWHERE
            await asyncio.sleep(0.1)
            first.dead = True
        async with watched(memory_log):
            await asyncio.sleep(0.1)
        assert len({record.value for record in memory_log.of(DEADLINES)}) == len(declared(memory_log)) == 16

    play(test())


def test_a_merge_that_is_down_is_not_asked_twice() -> None:
    """What was declared is the merge's from then on; the commit goes on without its decision."""

    async def test() -> None:
        memory_log = MemoryLog(AB)
        memory_log.ask(*questions(5))
        memory_log.folds = False
        memory_log.now_ms += LIMIT_MS
        async with watched(memory_log):
            await until_true(lambda: len(declared(memory_log)) == 5)
            await settled(memory_log)
        async with watched(memory_log):
            await asyncio.sleep(0.1)
        assert len(declared(memory_log)) == 5
        assert memory_log.of(DECISIONS) == []

    play(test())


def test_the_first_panel_says_when() -> None:
    """Neither a later stage, nor a panel written once more, nor another one gives a question more time."""

    async def test() -> None:
        memory_log = MemoryLog(AB)
        async with watched(memory_log):
            memory_log.ask(question())
            panel = memory_log.world.assignment()
            memory_log.now_ms += LIMIT_MS // 2
            memory_log.lay_down(panel)
            memory_log.lay_down(stage(panel, "b"))
            memory_log.now_ms += LIMIT_MS // 2
            await until_true(lambda: declared(memory_log))
        assert [event.occurred_at for event in declared(memory_log)] == [instant_of_ms(NOW_MS + LIMIT_MS)]

    play(test())


def test_a_commit_has_not_passed_what_may_still_be_overdue() -> None:
    """A member that is killed before the instant leaves it to the next."""

    async def test() -> None:
        memory_log = MemoryLog(AB)
        async with watched(memory_log) as first:
            memory_log.ask(*questions(3))
            await asyncio.sleep(0.1)
            assert all(memory_log.committed.get((ASSIGNMENTS, home(f"q{number}")), 0) == 0 for number in range(3))
            first.dead = True
        memory_log.now_ms += LIMIT_MS
        async with watched(memory_log):
            await until_true(lambda: len(declared(memory_log)) == 3)

    play(test())


def test_what_cannot_be_written_ends_the_stage() -> None:
    """It says so."""

    async def test() -> None:
        memory_log = MemoryLog(AB)
        memory_log.ask(question())
        memory_log.now_ms += LIMIT_MS
        member = Member(memory_log)
        member.refuses = "the disk is full"
        with pytest.raises(OperatorError, match="the disk is full"):
            await run_deadlines(member, clock=memory_log.clock, stop=asyncio.Event())
        assert member.stopped

    play(test())


def test_what_is_no_event_is_passed_over() -> None:
    """The stages write dead letters; here the next record counts."""

    async def test() -> None:
        memory_log = MemoryLog(AB)
        for topic in (ASSIGNMENTS, DECISIONS):
            memory_log.write(Record(topic, home("q"), 0, 0, "", b"{"))
        memory_log.ask(question())
        memory_log.now_ms += LIMIT_MS
        async with watched(memory_log):
            await until_true(lambda: declared(memory_log))

    play(test())


def test_decided_questions_are_not_kept_until_their_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered grows with the open questions alone."""
    monkeypatch.setattr(call_scheduler, "SWEPT", 10)

    async def test() -> None:
        memory_log = MemoryLog(AB)
        watching: list[Any] = []

        def noted(most: int) -> Any:
            watching.append(call_scheduler.CallScheduler(most))
            return watching[-1]

        monkeypatch.setattr(deadline_watcher, "CallScheduler", noted)
        async with watched(memory_log):
            for number in range(300):
                memory_log.ask(question(f"q{number}"))
                for agent in "ab":
                    memory_log.put(analysis(memory_log.world.assignment(f"q{number}"), agent))
                await asyncio.sleep(0.001)
            await settled(memory_log)
            assert watching[0].watched <= 20

    play(test())
