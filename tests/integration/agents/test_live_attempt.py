"""Preconditions of a live call: budget, time and limits."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from schemas.analyses import AnalysisPublished, ProviderCall
from schemas.event import Event
from schemas.policies import Budget
from schemas.questions import QuestionAsked
from schemas.spending import BudgetRefused, BudgetReserved, BudgetSettled
from streams.agents.agent import AgentError, Reply, Task
from streams.agents.calls.budget import BudgetAccount, SharedReservations
from streams.agents.calls.live_attempt import CallTerms
from streams.agents.calls.progress import CallProgress
from streams.agents.calls.retry import take_seat

from .scripted_agent import ASKED, LIMITS, MOST_NUSD, Called

OPENER = QuestionAsked(occurred_at=0, question_id="q", text="?", options=("a", "b"))
TASK = Task(question_id="q", text="?", options=("a", "b"), answer_type="choice", subject=None, role="analyst", stage=0)
POLICY = "e" * 64


class Ledger:
    """The topic of budgets, in memory."""

    def __init__(self, budget: Budget) -> None:
        self.events: list[Event] = []
        self.reservations = SharedReservations(self.publish)
        ticks = iter(range(10**6))
        self.account = BudgetAccount(self.reservations, POLICY, budget, lambda: next(ticks))

    async def publish(self, event: Event) -> None:
        """Write, and be read back."""
        self.events.append(event)
        asyncio.get_running_loop().call_soon(self.reservations.hear, event)


def seat(agent: Called, **terms: Any) -> AnalysisPublished:
    """Take a seat."""
    return asyncio.run(asyncio.wait_for(take_seat(agent, TASK, OPENER, terms=CallTerms(**terms)), 30))


def fates(event: AnalysisPublished) -> list[tuple[str, str | None]]:
    """Say what became of each attempt."""
    return [(attempt.outcome, attempt.error) for attempt in event.attempts]


def broken(**how: Any) -> AgentError:
    """Make an error that may pass."""
    return AgentError("server_error", retriable=True, **how)


def test_each_attempt_says_what_was_asked_of_whom() -> None:
    """Also where no reply came: after an error, and after a time limit."""

    async def hang() -> Reply:
        await asyncio.sleep(60)
        return Reply("")

    told = ProviderCall(model="m", request_hash="f" * 64, reported_model="m-2", finish_reason="stop")
    limits = LIMITS.model_copy(update={"timeout_ms": 50})
    event = seat(Called(broken(), hang, Reply("text", provider=told), limits=limits))
    assert fates(event) == [("error", "server_error"), ("timeout", None), ("ok", None)]
    assert [attempt.provider for attempt in event.attempts] == [ASKED, ASKED, told]


def test_each_call_is_reserved_before_and_settled_after() -> None:
    """A reservation for each attempt; settled by what is known: its cost, nothing for a free one, or not at all."""
    ledger = Ledger(Budget(question_nusd=1_000))
    event = seat(Called(broken(), broken(free=True), Reply("", None, (), None, 10, 20)), account=ledger.account)
    reserved = [event for event in ledger.events if isinstance(event, BudgetReserved)]
    settled = [event for event in ledger.events if isinstance(event, BudgetSettled)]
    assert [type(one) for one in ledger.events] == [BudgetReserved, BudgetSettled] * 3
    assert [(one.attempt, one.amount_nusd, one.question_limit_nusd) for one in reserved] == [
        (number, MOST_NUSD, 1_000) for number in (1, 2, 3)
    ]
    assert [one.cost_nusd for one in settled] == [None, 0, 30]
    assert [one.causes for one in settled] == [(one.event_id,) for one in reserved]
    assert event.status == "ok"


def test_without_room_no_call_is_made() -> None:
    """The attempt is there, refused, with the limit in its error; it costs nothing and is no call."""
    ledger = Ledger(Budget(question_nusd=MOST_NUSD - 1))
    agent = Called(Reply(""))
    event = seat(agent, account=ledger.account)
    assert agent.calls == 0
    assert fates(event) == [("refused", "question_budget")]
    assert (event.status, event.calls, event.unpriced, event.cost_nusd) == ("failed", 0, 0, 0)
    assert event.attempts[0].provider is None
    refused = ledger.events[-1]
    assert isinstance(refused, BudgetRefused)
    assert (refused.limit, refused.spent_nusd, refused.causes) == ("question", 0, (ledger.events[0].event_id,))


def test_a_retry_needs_room_too() -> None:
    """What the first attempt may have cost stays reserved, so the second is refused, and the seat ends."""
    ledger = Ledger(Budget(run_nusd=MOST_NUSD + 50))
    event = seat(Called(broken()), account=ledger.account)
    assert fates(event) == [("error", "server_error"), ("refused", "run_budget")]


def test_a_policy_without_limits_writes_nothing() -> None:
    """Where nothing is limited there is nothing to reserve."""
    ledger = Ledger(Budget())
    assert seat(Called(Reply("")), account=ledger.account).status == "ok"
    assert ledger.events == []


def test_nothing_is_tried_after_the_questions_time() -> None:
    """An attempt is cut where the time ends, and none begins behind it."""

    async def hang() -> Reply:
        await asyncio.sleep(60)
        return Reply("")

    assert fates(seat(Called(hang), left_ms=50)) == [("timeout", None)]
    assert fates(seat(Called(Reply("")), left_ms=0)) == [("refused", "deadline")]
    assert fates(seat(Called(broken(retry_after_ms=60_000)), left_ms=30_000)) == [("error", "server_error")]


class Queued(Called):
    """An agent whose turn comes after 400 ms, by a clock of its own."""

    now_ms = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        self.now_ms += 400
        yield

    def seat(self, **terms: Any) -> AnalysisPublished:
        """Take a seat."""
        return asyncio.run(take_seat(self, TASK, OPENER, clock=lambda: self.now_ms, terms=CallTerms(**terms)))


def test_the_wait_for_a_turn_is_no_latency_of_the_call() -> None:
    """It is the seat's time, and none of the provider's."""
    event = Queued(Reply("")).seat()
    assert (event.latency_ms, [attempt.latency_ms for attempt in event.attempts]) == (400, [0])


def test_a_turn_that_comes_too_late_is_not_used() -> None:
    """The call is not made, and what was reserved for it is given back."""
    ledger = Ledger(Budget(run_nusd=1_000))
    agent = Queued(Reply(""))
    event = agent.seat(left_ms=400, account=ledger.account)
    assert (fates(event), agent.calls) == ([("refused", "deadline")], 0)
    settled = ledger.events[-1]
    assert isinstance(settled, BudgetSettled)
    assert settled.cost_nusd == 0


def test_an_agent_that_only_fails_is_left_alone() -> None:
    """After so many failures in a row the next seat is refused at once."""
    agent = Called(broken(), limits=LIMITS.model_copy(update={"breaker_failures": 3}))
    assert fates(seat(agent)) == [("error", "server_error")] * 3
    assert fates(seat(agent)) == [("refused", "circuit_open")]
    assert agent.calls == 3


@pytest.mark.parametrize("error", ["bad_request", "too_large", "too_long", "empty_reply", "tool_call"])
def test_errors_of_one_request_say_nothing_of_the_agent(error: str) -> None:
    """They do not count as failures in a row."""
    agent = Called(AgentError(error, retriable=False), limits=LIMITS.model_copy(update={"breaker_failures": 1}))
    assert fates(seat(agent)) == fates(seat(agent)) == [("error", error)]


def test_calls_are_counted_while_they_are_under_way() -> None:
    """Whoever shows progress sees calls in flight, ended, failed and refused, and what they cost."""
    activity = CallProgress()
    seen: list[int] = []

    async def look() -> Reply:
        seen.append(activity.in_flight)
        return Reply("", None, (), None, 10, 20)

    ledger = Ledger(Budget(question_nusd=2 * MOST_NUSD + 30))
    for _ in range(2):
        seat(Called(broken(), look), account=ledger.account, activity=activity)
    assert seen == [1]
    assert (activity.in_flight, activity.ended, activity.failed, activity.refused) == (0, 3, 2, 1)
    assert (activity.cost_nusd, activity.unpriced) == (30, 2)
