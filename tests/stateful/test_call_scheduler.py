"""
The call scheduler, in lock-step with plain lists.

The lists are searched from their beginning.
"""

from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule

from streams.workers import call_scheduler
from streams.workers.call_scheduler import CallScheduler, left_ms

MOST = 3
LONGEST_MS = 1_000


@dataclass(eq=False)
class Asked:
    """A question."""

    question_id: str
    due_ms: int | None
    closed: bool = False


@dataclass
class Model:
    """What the scheduler knows, as plain lists."""

    line: list[tuple[Asked, int, bool]] = field(default_factory=list)
    running: int = 0
    deadlines: list[tuple[int, str, int, Asked]] = field(default_factory=list)

    def start(self, at_most: int) -> list[int]:
        """Start what may be started, one after the other."""
        started = []
        while self.line and at_most:
            question, call, takes_room = self.line[0]
            if not question.closed and takes_room and self.running >= MOST:
                break
            del self.line[0]
            at_most -= 1
            if not question.closed:
                self.running += takes_room
                started.append(call)
        return started

    def overdue(self, now_ms: int) -> list[tuple[int, str]]:
        """Take out what is overdue, sorted."""
        due = sorted((entry for entry in self.deadlines if entry[0] <= now_ms), key=lambda entry: entry[:3])
        self.deadlines = [entry for entry in self.deadlines if entry[0] > now_ms]
        return [(at_ms, name) for at_ms, name, _, question in due if not question.closed]


class Agreement(RuleBasedStateMachine):
    """Both are told the same, and must say the same."""

    questions = Bundle("questions")

    def __init__(self) -> None:
        super().__init__()
        self.scheduler: CallScheduler[Asked, int] = CallScheduler(MOST)
        self.model = Model()
        self.calls = 0

    @rule(target=questions, name=st.sampled_from("abc"), due_ms=st.integers(0, 50) | st.none())
    def ask(self, name: str, due_ms: int | None) -> Asked:
        return Asked(name, due_ms)

    @rule(question=questions, takes_room=st.booleans())
    def put(self, question: Asked, takes_room: bool) -> None:
        self.calls += 1
        self.scheduler.put(question, self.calls, takes_room=takes_room)
        self.model.line.append((question, self.calls, takes_room))

    @rule(question=questions)
    def watch(self, question: Asked) -> None:
        self.scheduler.watch(question)
        if question.due_ms is not None:
            entry = (question.due_ms, question.question_id, len(self.model.deadlines), question)
            self.model.deadlines.append(entry)

    @rule(question=questions)
    def close(self, question: Asked) -> None:
        question.closed = True

    @rule(at_most=st.integers(0, 5))
    def start(self, at_most: int) -> None:
        assert [queued.call for queued in self.scheduler.start(at_most)] == self.model.start(at_most)

    @precondition(lambda self: self.model.running)
    @rule()
    def end(self) -> None:
        self.scheduler.ended()
        self.model.running -= 1

    @rule()
    def clear(self) -> None:
        self.scheduler.clear()
        self.model.line.clear()

    @rule(now_ms=st.integers(0, 50))
    def overdue(self, now_ms: int) -> None:
        found = [(at_ms, question.question_id) for at_ms, question in self.scheduler.overdue(now_ms)]
        assert found == self.model.overdue(now_ms)

    @rule(now_ms=st.integers(0, 50))
    def wait(self, now_ms: int) -> None:
        """Never too long: nothing that is wanted is missed. Closed questions may make it shorter."""
        wait_ms = self.scheduler.wait_ms(now_ms, LONGEST_MS)
        wanted = [at_ms - now_ms for at_ms, _, _, question in self.model.deadlines if not question.closed]
        assert 0 <= wait_ms <= max(min([LONGEST_MS, *wanted]), 0)
        assert wait_ms == 0 or not self.scheduler.may_start

    @invariant()
    def counts_agree(self) -> None:
        assert (self.scheduler.waiting, self.scheduler.running) == (len(self.model.line), self.model.running)
        assert self.scheduler.running <= MOST


TestAgreement = Agreement.TestCase
TestAgreement.settings = settings(max_examples=100, stateful_step_count=40)


def test_a_call_without_room_holds_back_those_behind_it() -> None:
    """Also those that need none: calls start in the order in which they came."""
    scheduler: CallScheduler[Asked, str] = CallScheduler(1)
    question = Asked("q", 10)
    for call in ("first", "second"):
        scheduler.put(question, call)
    scheduler.put(question, "instant", takes_room=False)
    assert [queued.call for queued in scheduler.start(9)] == ["first"]
    assert not scheduler.may_start
    assert scheduler.wait_ms(0, LONGEST_MS) == LONGEST_MS
    scheduler.ended()
    assert scheduler.wait_ms(0, LONGEST_MS) == 0
    assert [queued.call for queued in scheduler.start(9)] == ["second", "instant"]


def test_deadlines_of_closed_questions_are_swept_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept grows with the open questions alone, long before the deadlines pass."""
    monkeypatch.setattr(call_scheduler, "SWEPT", 10)
    scheduler: CallScheduler[Asked, str] = CallScheduler(1)
    open_to_the_end = [Asked(f"o{number}", 1_000 - number) for number in range(20)]
    for question in open_to_the_end:
        scheduler.watch(question)
    for number in range(1_000):
        question = Asked(f"q{number}", 500)
        scheduler.watch(question)
        question.closed = True
        assert scheduler.watched <= 2 * len(open_to_the_end) + 11
    assert [question for _, question in scheduler.overdue(1_000)] == open_to_the_end[::-1]


def test_what_is_left_of_a_question_is_never_less_than_nothing() -> None:
    """A question without a panel has no end yet."""
    assert [left_ms(Asked("q", due_ms), 100) for due_ms in (None, 99, 100, 130)] == [None, 0, 0, 30]
