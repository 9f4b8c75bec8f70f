"""The attempts of one seat: retries, limits, waits, costs, event."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from schemas.agents import CallLimits, Price, SimulatedAgent
from schemas.analyses import AnalysisPublished
from schemas.quantities import later
from schemas.questions import QuestionAsked
from streams.agents.agent import AgentError, Reply, Task
from streams.agents.calls.live_attempt import CallTerms
from streams.agents.calls.retry import MAX_WAIT_MS, drive, take_seat, wait_before
from streams.errors import InvariantError

LIMITS = CallLimits(timeout_ms=1_000, max_attempts=3, backoff_ms=100)
NOON = "2026-01-01T12:00:00.000Z"
OPENER = QuestionAsked(occurred_at=NOON, question_id="q", text="?", options=("a", "b"))
TASK = Task(question_id="q", text="?", options=("a", "b"), answer_type="choice", subject=None, role="analyst", stage=2)
SEED = f"{OPENER.event_id} scripted"
PRICE = Price(input_nusd_per_ktoken=1_000, output_nusd_per_ktoken=2_000)


@dataclass
class Scripted:
    """An agent that does what it is told, attempt by attempt; the last thing again when the script ends."""

    script: list[Reply | Exception | Callable[[], Any]]
    limits: CallLimits = LIMITS
    price: Price | None = None
    virtual: bool = True
    live: None = None
    asked: list[Task] = field(default_factory=list)

    @property
    def spec(self) -> SimulatedAgent:
        return SimulatedAgent(name="scripted", limits=self.limits, price=self.price)

    async def reply(self, task: Task) -> Reply:
        self.asked.append(task)
        act = self.script[min(len(self.asked), len(self.script)) - 1]
        if isinstance(act, Exception):
            raise act
        if isinstance(act, Reply):
            return act
        result: Reply = await act()
        return result


def no_clock() -> int:
    """A clock that must not be read."""
    raise AssertionError("a virtual seat read the clock")


def ticking(step_ms: int) -> Callable[[], int]:
    """A clock that moves on by *step_ms* at every look."""
    looks: Iterator[int] = count(0, step_ms)
    return lambda: next(looks)


def virtually(agent: Scripted, **options: Any) -> AnalysisPublished:
    """Take a virtual seat."""
    return drive(take_seat(agent, TASK, OPENER, no_clock, **options))


def waiting(agent: Scripted, step_ms: int = 1) -> AnalysisPublished:
    """Take the seat of an agent that waits."""
    agent.virtual = False
    return asyncio.run(take_seat(agent, TASK, OPENER, ticking(step_ms)))


def failed(error: str = "server_error", *, retriable: bool = True, latency_ms: int | None = 30) -> AgentError:
    """Make the error of a scripted attempt."""
    return AgentError(error, retriable=retriable, latency_ms=latency_ms)


def test_a_reply_becomes_an_analysis() -> None:
    """What the agent gave stands in the event, with its cause, its seat and a time that is the latency later."""
    event = virtually(Scripted([Reply("text", "B", (), 250, 7, 9, 11)]))
    assert event.causes == (OPENER.event_id,)
    assert (event.question_id, event.agent, event.stage, event.role) == ("q", "scripted", 2, "analyst")
    assert (event.status, event.text, event.answer, event.latency_ms) == ("ok", "text", "B", 250)
    assert event.occurred_at == "2026-01-01T12:00:00.250Z"
    (attempt,) = event.attempts
    assert (attempt.outcome, attempt.latency_ms, attempt.input_tokens, attempt.output_tokens) == ("ok", 250, 7, 9)


def test_a_failed_attempt_is_tried_again() -> None:
    """After an error that may pass the next attempt counts, and both are recorded."""
    agent = Scripted([failed(), Reply("good", latency_ms=50)])
    event = virtually(agent)
    assert event.status == "ok"
    assert [(attempt.outcome, attempt.error) for attempt in event.attempts] == [("error", "server_error"), ("ok", None)]
    assert [task.attempt for task in agent.asked] == [1, 2]
    assert event.latency_ms == 30 + wait_before(2, LIMITS, SEED) + 50


def test_attempts_run_out() -> None:
    """An agent that always fails is tried as often as the policy says, and its seat fails without words."""
    event = virtually(Scripted([failed()], limits=CallLimits(max_attempts=4, backoff_ms=0)))
    assert (event.status, event.text, event.answer, len(event.attempts)) == ("failed", "", None, 4)


def test_an_error_that_stays_ends_the_seat() -> None:
    """After an error that would only repeat there is no second attempt."""
    event = virtually(Scripted([failed("not_recorded", retriable=False, latency_ms=0)]))
    assert (event.status, len(event.attempts), event.latency_ms) == ("failed", 1, 0)
    assert event.occurred_at == NOON


@given(
    latencies=st.lists(st.integers(0, 2_000), min_size=1, max_size=6),
    backoff_ms=st.integers(0, 10**9),
    timeout_ms=st.integers(1, 1_500),
)
def test_the_latency_is_the_sum_of_its_parts(latencies: list[int], backoff_ms: int, timeout_ms: int) -> None:
    """Of a virtual seat: attempts, each cut at the limit, and the doubled waits between them."""
    limits = CallLimits(timeout_ms=timeout_ms, max_attempts=len(latencies), backoff_ms=backoff_ms)
    event = virtually(Scripted([failed(latency_ms=latency) for latency in latencies], limits=limits))
    waits = sum(wait_before(number, limits, SEED) for number in range(2, len(latencies) + 1))
    assert [attempt.latency_ms for attempt in event.attempts] == [min(one, timeout_ms) for one in latencies]
    assert [attempt.outcome for attempt in event.attempts] == [
        "timeout" if latency > timeout_ms else "error" for latency in latencies
    ]
    assert event.latency_ms == sum(attempt.latency_ms for attempt in event.attempts) + waits
    assert event.occurred_at == later(NOON, event.latency_ms)


@given(failures=st.integers(0, 25), max_attempts=st.integers(1, 20))
def test_no_more_attempts_than_needed_or_allowed(failures: int, max_attempts: int) -> None:
    """The seat ends with the first reply or the last allowed attempt."""
    script: list[Any] = [failed() for _ in range(failures)]
    event = virtually(Scripted([*script, Reply("", latency_ms=1)], limits=CallLimits(max_attempts=max_attempts)))
    assert len(event.attempts) == min(failures + 1, max_attempts)
    assert event.status == ("ok" if failures < max_attempts else "failed")


def test_a_virtual_timeout_takes_the_limit() -> None:
    """A reply that took too long is lost; the attempt took exactly the limit."""
    event = virtually(Scripted([Reply("late", latency_ms=1_001), Reply("in time", latency_ms=1_000)]))
    assert [(attempt.outcome, attempt.latency_ms) for attempt in event.attempts] == [("timeout", 1_000), ("ok", 1_000)]
    assert event.text == "in time"


@given(st.integers(2, 20), st.integers(0, 10**9), st.text(max_size=5))
def test_waits_double_up_to_an_hour(attempt: int, backoff_ms: int, seed: str) -> None:
    """The wait doubles with each attempt, stops growing at an hour, and is shortened by no more than half."""
    whole_ms = min(backoff_ms * 2 ** (attempt - 2), MAX_WAIT_MS)
    assert whole_ms / 2 <= wait_before(attempt, CallLimits(backoff_ms=backoff_ms), seed) <= whole_ms


def test_waits_of_many_are_spread_and_each_is_always_the_same() -> None:
    """Seats that failed together do not come back together, and no chance is needed for it."""
    waits = [wait_before(2, CallLimits(backoff_ms=1_000), f"seat {number}") for number in range(400)]
    assert waits == [wait_before(2, CallLimits(backoff_ms=1_000), f"seat {number}") for number in range(400)]
    assert all(60 <= sum(low <= wait < low + 100 for wait in waits) <= 100 for low in (501, 601, 701, 801, 901))


def test_a_provider_that_wants_a_pause_gets_it() -> None:
    """The longer of the policy's wait and the one that was asked for counts, to at most an hour."""
    for wanted_ms, waited_ms in ((5_000, 5_000), (1, wait_before(2, LIMITS, SEED)), (10**9, MAX_WAIT_MS)):
        error = AgentError("rate_limited", retriable=True, latency_ms=0, retry_after_ms=wanted_ms)
        assert virtually(Scripted([error, Reply("", latency_ms=0)])).latency_ms == waited_ms


def test_what_surely_costs_nothing_costs_nothing() -> None:
    """A call that was refused before any model ran is free whatever the prices; of other failures nothing is known."""
    free = AgentError("rate_limited", retriable=True, latency_ms=0, free=True)
    event = virtually(Scripted([free, failed(), Reply("", latency_ms=0)]))
    assert [attempt.cost_nusd for attempt in event.attempts] == [0, None, None]


def test_tokens_of_a_useless_reply_are_paid_for() -> None:
    """What a failed call is known to have used is in its attempt, and priced."""
    spent = Reply("", None, (), None, 1_000, 500)
    event = virtually(Scripted([AgentError("empty_reply", retriable=False, latency_ms=1, spent=spent)], price=PRICE))
    (attempt,) = event.attempts
    assert (event.status, attempt.error, attempt.cost_nusd) == ("failed", "empty_reply", 2_000)


def test_a_seat_that_wants_to_wait_cannot_be_driven() -> None:
    """Driving an agent that is not virtual is our bug and says so."""

    async def pause() -> Reply:
        await asyncio.sleep(0)
        return Reply("")

    with pytest.raises(InvariantError, match="take_seat waits, though its agent is virtual"):
        drive(take_seat(Scripted([pause]), TASK, OPENER, no_clock))


def test_a_bug_in_an_agent_is_recorded_and_logged_without_its_words() -> None:
    """Any other exception is an attempt of class `internal`; the log names where it was raised, not what it says."""
    with capture_logs() as logs:
        event = virtually(Scripted([RuntimeError("sk-secret"), Reply("good", latency_ms=0)]))
    assert [attempt.error for attempt in event.attempts] == ["internal", None]
    (entry,) = logs
    assert (entry["event"], entry["raised"], entry["log_level"]) == ("agent_raised", "RuntimeError", "error")
    assert entry["where"][-1].endswith(" reply")
    assert "sk-secret" not in str(logs)


def test_the_price_table_comes_before_a_reported_cost() -> None:
    """A cost that came with the reply counts only where the policy's table gives none."""
    reply = Reply("", None, (), 0, 1_000, 0, 77)
    assert virtually(Scripted([reply], price=PRICE)).attempts[0].cost_nusd == 1_000
    assert virtually(Scripted([reply])).attempts[0].cost_nusd == 77


def test_lone_surrogates_are_replaced() -> None:
    """Surrogate pairs in a reply are joined and lone surrogates replaced, in all its words."""
    event = virtually(Scripted([Reply("a\ud83d\ude00b\udc00", "\ud800", ("\udfff",), 0)]))
    assert (event.text, event.answer, event.sub_questions) == ("a\U0001f600b\ufffd", "\ufffd", ("\ufffd",))


@given(text=st.text(st.characters(codec=None), max_size=60), answer=st.none() | st.text(st.characters(codec=None)))
def test_any_text_makes_an_event(text: str, answer: str | None) -> None:
    """Whatever an agent writes can be published and read back."""
    event = virtually(Scripted([Reply(text, answer, (text,), 0)]))
    assert AnalysisPublished.decode(event.encode()) == event


@pytest.mark.parametrize("text", ["x" * 900_000, "\x00" * 150_000, "\u20ac" * 300_000])
def test_a_reply_that_does_not_fit_is_an_error(text: str) -> None:
    """A text too long for an event is not cut, not asked for again, and its cost is kept."""
    event = virtually(Scripted([Reply(text, None, (), 5, 1_000, 0)], price=PRICE))
    (attempt,) = event.attempts
    assert (event.status, event.text, attempt.error, attempt.cost_nusd) == ("failed", "", "too_long", 1_000)


@given(characters=st.integers(0, 4_000), letter=st.sampled_from(["x", "\x00", "\u20ac", '"']))
def test_what_counts_as_fitting_fits(characters: int, letter: str) -> None:
    """No event is larger than the log takes."""
    event = virtually(Scripted([Reply(letter * characters, latency_ms=0)]), terms=CallTerms(max_bytes=100_000))
    assert len(event.encode()) <= 100_000
    if characters * 6 <= 20_000 - 100:
        assert event.status == "ok"


def test_the_calendar_ends_with_the_year_9999() -> None:
    """A stage opened at the last moment of the calendar still gets its analysis."""
    opener = OPENER.model_copy(update={"occurred_at": "9999-12-31T23:59:59.998Z"})
    event = drive(take_seat(Scripted([Reply("", latency_ms=9)]), TASK, opener, no_clock))
    assert event.occurred_at == "9999-12-31T23:59:59.999Z"


def test_a_waiting_call_is_timed_and_logged() -> None:
    """The caller's clock measures what the agent did not; one log line tells of the call, without its text."""
    with capture_logs() as logs:
        event = waiting(Scripted([Reply("private", input_tokens=5)]), step_ms=10)
    assert (event.attempts[0].latency_ms, event.latency_ms) == (10, 30)
    (entry,) = logs
    assert (entry["event"], entry["outcome"], entry["latency_ms"], entry["input_tokens"]) == (
        "call_finished",
        "ok",
        10,
        5,
    )
    assert "private" not in str(logs)


def test_a_clock_that_goes_back_measures_nothing() -> None:
    """A latency is never negative."""
    event = waiting(Scripted([Reply("")]), step_ms=-5)
    assert (event.attempts[0].latency_ms, event.latency_ms) == (0, 0)


def test_a_waiting_call_is_stopped_at_its_limit() -> None:
    """An agent that never answers runs into the limit, attempt by attempt."""

    async def hang() -> Reply:
        await asyncio.Event().wait()
        return Reply("")

    event = waiting(Scripted([hang, Reply("good")], limits=CallLimits(timeout_ms=5, backoff_ms=1)))
    assert [attempt.outcome for attempt in event.attempts] == ["timeout", "ok"]


def test_an_agents_own_timeout_is_not_the_limit() -> None:
    """A TimeoutError that the agent raises itself is a bug in it, not an attempt that ran into the limit."""
    with capture_logs():
        event = waiting(Scripted([TimeoutError(), Reply("good")], limits=CallLimits(backoff_ms=0)))
    assert [attempt.error for attempt in event.attempts] == ["internal", None]


def test_giving_up_reaches_the_agent() -> None:
    """Cancelling the seat cancels the call under way; no event is made of it."""
    cancelled = []

    async def hang() -> Reply:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise
        return Reply("")

    async def give_up() -> None:
        seat = asyncio.create_task(take_seat(Scripted([hang], virtual=False), TASK, OPENER, ticking(1)))
        await asyncio.sleep(0)
        seat.cancel()
        with pytest.raises(asyncio.CancelledError):
            await seat

    asyncio.run(give_up())
    assert cancelled == [True]
