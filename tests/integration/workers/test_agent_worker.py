"""
The `agents` stage on a log in memory: its calls.

The tests show which agents it calls, when, and how often.
"""

import asyncio
from collections import Counter

import pytest

from schemas.agents import SimulatedAgent
from schemas.analyses import AnalysisPublished
from schemas.decisions import DecisionMade
from streams.agents.calls.live_attempt import CallTerms
from streams.agents.simulated import SimulatedPlayer
from streams.topology import ANALYSES, ASSIGNMENTS, DECISIONS, QUESTIONS
from streams.workers import call_runner, partition_consumer
from streams.workers.agent_worker import run_agents

from ...record_builders import home, ids_at
from ...worlds import analysis, merging, overdue, policy, question
from .memory_log import (
    AB,
    EVERYWHERE,
    Employed,
    Member,
    MemoryLog,
    Waiter,
    decided,
    play,
    questions,
    quick_commits,
    until_true,
)

__all__ = ["quick_commits"]


def test_every_seat_is_taken_once_and_all_is_decided() -> None:
    """Agents that take their time and agents that answer at once, over several stages."""

    async def test() -> None:
        memory_log = MemoryLog(
            policy("a", "b", "c", merge={"rule": "cascade", "stages": (1, 1, 1), "accept_ppb": 10**9})
        )
        a, b = Waiter("a"), Waiter("b")
        c = SimulatedPlayer(SimulatedAgent(name="c"))
        async with Employed(memory_log, a, b, c):
            memory_log.ask(*questions(20))
            await until_true(lambda: decided(memory_log) == 20)
        assert memory_log.analyses() == {(f"q{number}", name): 1 for number in range(20) for name in "abc"}
        assert sorted(a.ids()) == sorted(b.ids()) == sorted(f"q{number}" for number in range(20))

    play(test())


def test_a_merge_agent_reads_the_analyses_in_their_order() -> None:
    """Its call starts when all texts are there, also where the analyses are read last."""

    async def test() -> None:
        memory_log = MemoryLog(merging("agent", "a", "b"))
        first = Waiter("a", says="I say (A).")
        member = Member(memory_log)
        async with Employed(memory_log, first, Waiter("b", says="Me (B)."), member=member):
            memory_log.ask(question())
            await until_true(lambda: decided(memory_log) == 1)
        stage = memory_log.world.stage(1)
        texts = {event.event_id: event.text for event in memory_log.world.of(AnalysisPublished)}
        assert first.asked[-1].analyses == tuple(texts[name] for name in stage.stage.material)
        assert set(first.asked[-1].analyses) == {"I say (A).", "Me (B)."}

    play(test())


@pytest.mark.parametrize("late", [QUESTIONS, ASSIGNMENTS, ANALYSES])
def test_a_call_waits_for_what_it_needs(late: str) -> None:
    """The topics come in no order; whichever is late, each seat is taken once."""

    async def test() -> None:
        memory_log = MemoryLog(merging("agent", "a", "b"))
        member = Member(memory_log)
        agents = Waiter("a"), Waiter("b")
        async with Employed(memory_log, *agents, member=member):
            await asyncio.sleep(0.05)
            member.hidden = frozenset({late})
            memory_log.ask(*questions(3))
            await asyncio.sleep(0.05)
            assert decided(memory_log) == 0
            assert late == ANALYSES or not agents[0].asked
            member.hidden = frozenset()
            await until_true(lambda: decided(memory_log) == 3)
        assert Counter(memory_log.analyses().values()).keys() <= {1, 2}
        assert sum(memory_log.analyses().values()) == 9

    play(test())


def test_nothing_is_asked_before_all_is_read_that_was_there() -> None:
    """A member that comes to a partition takes only the seats that are free in its log."""

    async def test() -> None:
        memory_log = MemoryLog(AB)
        memory_log.ask(*questions(6))
        for number in range(4):
            memory_log.put(analysis(memory_log.world.assignment(f"q{number}"), "a"))
        memory_log.put(analysis(memory_log.world.assignment("q0"), "b"))
        a, b = Waiter("a"), Waiter("b")
        member = Member(memory_log)
        member.hidden = frozenset({ANALYSES})
        async with Employed(memory_log, a, b, member=member):
            await asyncio.sleep(0.1)
            quiet = {home(f"q{number}") for number in range(4)}
            assert not [name for name in a.ids() + b.ids() if home(name) in quiet]
            member.hidden = frozenset()
            await until_true(lambda: decided(memory_log) == 6)
        assert sorted(a.ids()) == ["q4", "q5"]
        assert sorted(b.ids()) == ["q1", "q2", "q3", "q4", "q5"]

    play(test())


def test_decisions_that_are_read_late_forbid_calls_too() -> None:
    """What is decided is not asked again, in whatever order a new member reads."""

    async def test() -> None:
        memory_log = MemoryLog(AB)
        memory_log.ask(*questions(6))
        for number in range(6):
            memory_log.put(overdue(f"q{number}"))
        a, member = Waiter("a"), Member(memory_log)
        member.hidden = frozenset({DECISIONS})
        async with Employed(memory_log, a, Waiter("b"), member=member):
            await asyncio.sleep(0.05)
            member.hidden = frozenset()
            memory_log.ask(question("fresh"))
            await until_true(lambda: decided(memory_log) == 7)
        assert a.ids() == ["fresh"]

    play(test())


def test_a_killed_member_repeats_only_what_was_under_way() -> None:
    """Of two analyses of one seat the first in the log counts, and no commit has passed a call under way."""

    async def test() -> None:
        memory_log = MemoryLog(AB)
        quick, slow = Waiter("a"), Waiter("b", takes_s=None)
        async with Employed(memory_log, quick, slow) as first:
            memory_log.ask(*questions(30))
            await until_true(lambda: len(memory_log.analyses()) == 30 and len(slow.asked) == 30)
            await asyncio.sleep(0.05)
            for number in range(30):
                place = home(f"q{number}")
                ids = [record.key for record in memory_log.records[QUESTIONS, place]]
                assert memory_log.committed.get((QUESTIONS, place), 0) <= ids.index(f"q{number}")
            await first.kill()
        slow.takes_s = 0.0
        async with Employed(memory_log, quick, slow):
            await until_true(lambda: decided(memory_log) == 30)
        assert len(quick.asked) == 30
        assert len(slow.asked) == 60
        assert set(memory_log.analyses().values()) == {1}

    play(test())


def test_after_all_is_decided_everything_is_committed() -> None:
    """The next member begins at the end."""

    async def test() -> None:
        memory_log = MemoryLog(AB)
        agents = Waiter("a"), Waiter("b")
        async with Employed(memory_log, *agents):
            memory_log.ask(*questions(40))
            await until_true(lambda: decided(memory_log) == 40)
            # A closed question holds the decisions until the log is known to have ended behind all its records.
            ends = {
                (topic, number): len(memory_log.records[topic, number])
                for topic in (QUESTIONS, ASSIGNMENTS, ANALYSES, DECISIONS)
                for number in range(8)
            }
            await until_true(lambda: {place: memory_log.committed.get(place, 0) for place in ends} == ends)

    play(test())


def test_work_begins_and_ends_without_waiting_for_the_next_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was gained is caught up with at once; what was done is committed at the end."""
    monkeypatch.setattr(partition_consumer, "COMMIT_S", 3_600)

    async def test() -> None:
        memory_log = MemoryLog(policy("a"))
        member = Member(memory_log, ())
        async with Employed(memory_log, Waiter("a"), member=member):
            await asyncio.sleep(0.05)
            member.held = EVERYWHERE
            memory_log.ask(*questions(10))
            await until_true(lambda: decided(memory_log) == 10)
            await asyncio.sleep(0.1)
        for number in range(8):
            assert memory_log.committed.get((QUESTIONS, number), 0) == len(memory_log.records[QUESTIONS, number])

    play(test())


def test_records_that_are_read_again_are_recognised() -> None:
    """A member that is sent back to what was committed does nothing twice."""

    async def test() -> None:
        memory_log = MemoryLog(AB)
        quick, slow = Waiter("a"), Waiter("b", takes_s=None)
        async with Employed(memory_log, quick, slow) as employed:
            memory_log.ask(*questions(10))
            await until_true(lambda: len(memory_log.analyses()) == 10 and len(slow.asked) == 10)
            employed.member.rewind()
            await asyncio.sleep(0.1)
            memory_log.ask(question("more"))
            await until_true(lambda: len(slow.asked) == 11)
            assert (len(quick.asked), slow.cancelled) == (11, 0)
            await employed.kill()

    play(test())


def test_a_stage_that_is_stopped_before_it_has_begun_does_nothing() -> None:
    """It does not even join."""

    async def test() -> None:
        memory_log, stop = MemoryLog(AB), asyncio.Event()
        stop.set()
        member = Member(memory_log)
        await run_agents(member, lambda policy_id: {}, clock=memory_log.clock, stop=stop)
        assert member.stopped

    play(test())


def test_calls_of_a_lost_partition_are_cancelled_and_those_kept_go_on() -> None:
    """The new owner makes the calls again; what stays is not disturbed."""

    async def test() -> None:
        memory_log = MemoryLog(AB)
        here, there = Waiter("a", takes_s=None), Waiter("a", takes_s=None)
        names = [next(ids_at(partition)) for partition in range(8)]
        async with Employed(memory_log, here, Waiter("b")) as first:
            memory_log.ask(*map(question, names))
            await until_true(lambda: len(here.asked) == 8)
            first.member.held = frozenset(range(4))
            async with Employed(memory_log, there, Waiter("b"), member=Member(memory_log, range(4, 8)), grace_s=0):
                await until_true(lambda: len(there.asked) == 4)
                await until_true(lambda: here.cancelled == 4)
                assert sorted(there.ids()) == sorted(names[4:])
            first.member.held = EVERYWHERE
            await until_true(lambda: len(here.asked) == 12)
            assert (here.cancelled, here.at_work) == (4, 8)
            await first.kill()

    play(test())


def test_a_decision_cancels_the_calls_that_are_left() -> None:
    """An agent that hangs is not waited for."""

    async def test() -> None:
        memory_log = MemoryLog(AB)
        hangs = Waiter("a", takes_s=None)
        async with Employed(memory_log, hangs, Waiter("b")):
            memory_log.ask(*questions(3))
            await until_true(lambda: len(hangs.asked) == 3)
            memory_log.put(overdue("q1"))
            await until_true(lambda: hangs.cancelled == 1)
            memory_log.put(overdue("q0"))
            memory_log.put(overdue("q2"))
            await until_true(lambda: hangs.cancelled == 3)
        assert {decision.reason for decision in memory_log.world.of(DecisionMade)} == {"deadline"}

    play(test())


def test_too_many_calls_hold_back_new_work_but_not_decisions() -> None:
    """2,000 openers at once, 50 calls at a time: everything is answered once, but for what is decided meanwhile."""

    async def test() -> None:
        memory_log = MemoryLog(policy("a"))
        memory_log.ask(*questions(2_000))
        agent, member = Waiter("a", takes_s=0.004), Member(memory_log)
        longest = 0
        put = call_runner.CallRunner.put

        def measured(self: call_runner.CallRunner, *call: object) -> None:
            nonlocal longest
            put(self, *call)  # type: ignore[arg-type]
            longest = max(longest, self.waiting)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(call_runner.CallRunner, "put", measured)
            async with Employed(memory_log, agent, member=member, calls_in_flight=50):
                await until_true(lambda: longest > 100)
                last = "q1999"
                memory_log.put(overdue(last))
                await until_true(lambda: decided(memory_log) == 2_000)
        assert agent.most_at_work == 50
        assert member.pauses >= 1
        assert last not in agent.ids()
        assert memory_log.analyses() == {(f"q{number}", "a"): 1 for number in range(1_999)}

    play(test(), 60)


def test_new_work_is_read_in_small_portions_while_calls_wait() -> None:
    """Once caught up, no more lines up than the cap and what one look brings."""

    async def test() -> None:
        memory_log = MemoryLog(policy("a"))
        agent, member = Waiter("a", takes_s=0.002), Member(memory_log)
        async with Employed(memory_log, agent, member=member, calls_in_flight=20):
            await asyncio.sleep(0.05)
            memory_log.ask(*questions(1_500))
            await until_true(lambda: member.pauses > 0)
            await until_true(lambda: decided(memory_log) == 1_500)
        assert agent.most_at_work == 20
        assert member.pauses > 3
        assert not member.paused

    play(test(), 60)


def test_no_call_is_made_before_its_policy_is_known() -> None:
    """A panel may be read before the policy that it names, whose budget says what the call may cost."""

    async def test() -> None:
        memory_log, known = MemoryLog(AB), list[str]()
        a, b = Waiter("a"), Waiter("b")

        def terms_of(policy_id: str, left_ms: int | None) -> CallTerms | None:
            return CallTerms(left_ms=left_ms) if known else None

        async with Employed(memory_log, a, b, terms_of=terms_of):
            memory_log.ask(*questions(1))
            await asyncio.sleep(0.3)
            assert (a.asked, b.asked) == ([], [])
            known.append("it")
            await until_true(lambda: decided(memory_log) == 1)
        assert (a.ids(), b.ids()) == (["q0"], ["q0"])

    play(test())
