"""
The `agents` stage with faulty agents and records.

It runs on a log in memory; the tests also show how it ends.
"""

import asyncio

import pytest

from schemas.analyses import AnalysisPublished
from schemas.decisions import DecisionMade
from streams.errors import InvariantError, OperatorError, UsageError
from streams.log import Record
from streams.topology import ANALYSES, ASSIGNMENTS, DECISIONS, QUESTIONS
from streams.workers import call_runner
from streams.workers.agent_worker import run_agents

from ...record_builders import home, panel, stage
from ...worlds import policy, question
from .memory_log import AB, Employed, Member, MemoryLog, Waiter, decided, play, questions, quick_commits, until_true

__all__ = ["quick_commits"]


def test_an_agent_that_is_not_there_fails_its_seat() -> None:
    """The failure is an event, as for any other; the others of the panel are asked."""

    async def test() -> None:
        memory_log = MemoryLog(AB)
        memory_log.ask(question())
        memory_log.now_ms += call_runner.POLICY_MS
        async with Employed(memory_log, Waiter("a")):
            await until_true(lambda: decided(memory_log) == 1)
        (missing,) = (event for event in memory_log.world.of(AnalysisPublished) if event.agent == "b")
        assert (missing.status, missing.attempts[0].error) == ("failed", "no_such_agent")

    play(test())


def test_an_agent_of_a_policy_just_adopted_is_waited_for() -> None:
    """A panel may be here before its policy is."""

    async def test() -> None:
        memory_log = MemoryLog(AB)
        async with Employed(memory_log, Waiter("a")) as employed:
            memory_log.ask(question())
            await until_true(lambda: len(memory_log.analyses()) == 1)
            await asyncio.sleep(0.25)
            employed.agents["b"] = Waiter("b")
            await until_true(lambda: decided(memory_log) == 1)
        assert {event.status for event in memory_log.world.of(AnalysisPublished)} == {"ok"}

    play(test())


def test_an_analysis_that_cannot_be_written_ends_the_stage() -> None:
    """It says so, its calls are cancelled, and the commit has not passed the seat."""

    async def test() -> None:
        memory_log = MemoryLog(AB)
        member, hangs = Member(memory_log), Waiter("b", takes_s=None)
        member.refuses = "the disk is full"
        employed = Employed(memory_log, Waiter("a"), hangs, member=member)
        await employed.__aenter__()
        memory_log.ask(question())
        with pytest.raises(OperatorError, match="the disk is full"):
            await employed.task
        assert member.stopped
        assert hangs.at_work == 0
        assert memory_log.committed.get((ASSIGNMENTS, home("q")), 0) == 0

    play(test())


def test_an_agent_that_cannot_be_made_ends_the_stage() -> None:
    """A person has to correct it; the seat stays free."""

    async def test() -> None:
        memory_log = MemoryLog(AB)

        def refuse(policy_id: str) -> dict[str, Waiter]:
            raise UsageError("its outputs are not there")

        memory_log.ask(question())
        with pytest.raises(UsageError, match="its outputs"):
            await run_agents(Member(memory_log), refuse, clock=memory_log.clock, stop=asyncio.Event())
        assert memory_log.analyses() == {}

    play(test())


def test_an_agent_that_waits_though_it_says_it_does_not_is_a_bug() -> None:
    """It ends the stage, rather than the event loop standing still."""

    async def test() -> None:
        memory_log = MemoryLog(policy("a"))
        liar = Waiter("a", takes_s=1)
        liar.virtual = True
        employed = Employed(memory_log, liar)
        await employed.__aenter__()
        memory_log.ask(question())
        with pytest.raises(InvariantError, match="waits"):
            await employed.task

    play(test())


def test_calls_under_way_get_their_time_when_it_stops() -> None:
    """What ends in time is published; the rest is cancelled, and its seat is free for the next."""

    async def test() -> None:
        memory_log = MemoryLog(AB)
        quick, slow = Waiter("a", takes_s=0.2), Waiter("b", takes_s=None)
        async with Employed(memory_log, quick, slow, grace_s=0.5) as employed:
            memory_log.ask(*questions(3))
            await until_true(lambda: slow.at_work == 3)
            employed.stop.set()
            await employed.task
        assert memory_log.analyses() == {(f"q{number}", "a"): 1 for number in range(3)}
        assert (slow.cancelled, slow.at_work) == (3, 0)
        slow.takes_s = 0
        async with Employed(memory_log, quick, slow):
            await until_true(lambda: decided(memory_log) == 3)
        assert len(quick.asked) == 3

    play(test())


def test_what_is_no_event_is_passed_over() -> None:
    """The stages write dead letters; here the next record counts."""

    async def test() -> None:
        memory_log = MemoryLog(policy("a"))
        for topic in (QUESTIONS, ASSIGNMENTS, ANALYSES, DECISIONS):
            memory_log.write(Record(topic, home("q"), 0, 0, "", b"{"))
            memory_log.write(Record(topic, home("q"), 0, -1, "q", b""))
        async with Employed(memory_log, Waiter("a")):
            memory_log.ask(question())
            await until_true(lambda: memory_log.world.of(DecisionMade))

    play(test())


def test_a_question_counts_in_its_own_partition_alone() -> None:
    """A client with another hash put it elsewhere; `route` copies it to where all else about it is."""

    async def test() -> None:
        memory_log = MemoryLog(policy("a"))
        agent = Waiter("a")
        elsewhere = (home("q") + 1) % 8
        async with Employed(memory_log, agent):
            memory_log.lay_down(question(text="not this one"), partition=elsewhere)
            memory_log.lay_down(panel(question(text="not this one"), policy("a")), partition=elsewhere)
            await asyncio.sleep(0.05)
            assert agent.asked == []
            memory_log.ask(question(text="this one"))
            await until_true(lambda: decided(memory_log) == 1)
        assert [task.text for task in agent.asked] == ["this one"]

    play(test())


def test_a_second_panel_is_not_asked() -> None:
    """Of several panels the first in the log counts, as it does for the merge."""

    async def test() -> None:
        memory_log = MemoryLog(AB)
        other = Waiter("x")
        async with Employed(memory_log, Waiter("a"), Waiter("b", takes_s=0.05), other):
            asked = question()
            memory_log.ask(asked)
            second = panel(asked, policy("x", policy_id="other"))
            memory_log.lay_down(second)
            memory_log.lay_down(stage(second, "x"))
            await until_true(lambda: decided(memory_log) == 1)
        assert other.asked == []

    play(test())


def test_trace_headers_are_handed_on() -> None:
    """An analysis carries the headers of the record that opened its stage."""

    async def test() -> None:
        memory_log = MemoryLog(policy("a"))
        trace = (("traceparent", b"00-abc"),)
        async with Employed(memory_log, Waiter("a")):
            memory_log.put(question(), trace)
            await until_true(lambda: decided(memory_log) == 1)
        (answer,) = memory_log.of(ANALYSES)
        assert answer.headers == trace

    play(test())


def test_brokers_that_do_not_answer_for_a_while_hold_nothing_up() -> None:
    """Commits and ends are asked for again; what is caught up goes on meanwhile."""

    async def test() -> None:
        memory_log = MemoryLog(policy("a"))
        member = Member(memory_log)
        member.broken = True
        async with Employed(memory_log, Waiter("a"), member=member):
            memory_log.ask(*questions(5))
            await asyncio.sleep(0.1)
            assert memory_log.analyses() == {}
            member.broken = False
            await until_true(lambda: decided(memory_log) == 5)
            member.broken = True
            memory_log.ask(question("more"))
            await until_true(lambda: decided(memory_log) == 6)
            member.broken = False
            await until_true(lambda: memory_log.committed.get((QUESTIONS, home("more")), 0) > 0)

    play(test())
