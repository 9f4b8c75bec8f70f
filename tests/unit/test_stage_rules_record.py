"""The basis of a decision: causes, time, calls, cost, settings."""

import pytest

from schemas.analyses import Attempt
from schemas.quantities import MAX_CALL_NUSD

from ..worlds import (
    FAILED,
    UNREADABLE,
    World,
    analysis,
    decide,
    merging,
    moment,
    overdue,
    policy,
    question,
    said,
)


def test_causes_are_each_stage_with_its_analyses() -> None:
    """A decision names what it used: each opener, then its analyses in seat order, whatever order they came in."""
    world = World(merging("agent", "a", "b"))
    world.put(question())
    first = world.assignment()
    published = [analysis(first, "b", "B"), analysis(first, "a", UNREADABLE)]
    world.put(*published)
    final = analysis(world.stage(1), "a", "B")
    world.put(final)
    expected = [first, published[1], published[0], world.stage(1), final]
    assert world.decision().causes == tuple(event.event_id for event in expected)


def test_causes_of_a_stage_are_what_led_to_it() -> None:
    """A stage rests on the assignment and on all analyses before it, failed ones too."""
    world = decide(merging("vote", "a", "b", reserve=1), said(a=FAILED))
    first = world.assignment()
    assert world.stage(1).causes == (first.event_id, analysis(first, "a", FAILED).event_id)


def test_deadline_is_a_cause_where_it_was_needed() -> None:
    """The deadline that forced a decision is the last of its causes."""
    world = decide(merging("vote", "a", "b"), said(a="A"))
    deadline = overdue()
    world.put(deadline)
    first = world.assignment()
    assert world.decision().causes == (first.event_id, analysis(first, "a", "A").event_id, deadline.event_id)


def test_unasked_analysis_is_no_cause() -> None:
    """A second analysis of a seat, and one that nobody asked for, are in no decision."""
    world = World(merging("vote", "a", "b"))
    world.put(question())
    first = world.assignment()
    ignored = [analysis(first, "a", "B"), analysis(first, "z", "B")]
    world.put(analysis(first, "a", "A"), *ignored, analysis(first, "b", "A"))
    assert not {one.event_id for one in ignored} & set(world.decision().causes)


@pytest.mark.parametrize("latest", ["analysis", "deadline"])
def test_time_is_that_of_the_latest_cause(latest: str) -> None:
    """A decision is as late as the last of what it rests on."""
    world = World(merging("vote", "a", "b"))
    world.put(question())
    slow = analysis(world.assignment(), "a", latency_ms=200_000)
    world.put(slow, overdue(at=500 if latest == "deadline" else 100))
    assert world.decision().occurred_at == (moment(500) if latest == "deadline" else slow.occurred_at)


def test_stage_is_as_late_as_its_latest_analysis() -> None:
    """The slowest analyst sets the time of the next stage."""
    world = World(merging("agent", "a", "b"))
    world.put(question())
    slow = analysis(world.assignment(), "a", latency_ms=70_000)
    world.put(slow, analysis(world.assignment(), "b"))
    assert world.stage(1).occurred_at == slow.occurred_at


def test_calls_and_costs_are_those_of_all_seats_and_roles() -> None:
    """Attempts, known costs and unknown costs are added up over failures, retries and the merge agent."""
    world = World(merging("agent", "a", "b"))
    world.put(question())
    first = world.assignment()
    retried = (
        Attempt(outcome="timeout", latency_ms=9),
        Attempt(outcome="ok", latency_ms=9, cost_nusd=100),
    )
    world.put(analysis(first, "a", "A", attempts=retried), analysis(first, "b", FAILED))
    paid = (Attempt(outcome="ok", latency_ms=9, cost_nusd=7),)
    world.put(analysis(world.stage(1), "a", "A", attempts=paid))
    decision = world.decision()
    assert (decision.calls, decision.cost_nusd, decision.unpriced_calls) == (4, 107, 2)


def test_settings_of_the_question_reach_its_lessons() -> None:
    """Scopes, learning settings and the policy's id are those of the assignment."""
    given = policy("a", merge={"rule": "vote"}, learning={"averaging": {"alpha_ppb": 77}}, policy_id="slow")
    decision = decide(given, said(a="A"), question(subject="law")).decision()
    assert (decision.policy_id, decision.scopes) == ("slow", ("*", "law"))
    assert decision.learning == given.learning


def test_costs_may_be_as_large_as_they_get() -> None:
    """No sum of valid costs breaks the fold."""
    world = World(merging("vote", "a"))
    world.put(question())
    dear = (Attempt(outcome="ok", latency_ms=1, cost_nusd=MAX_CALL_NUSD),) * 100
    world.put(analysis(world.assignment(), "a", attempts=dear))
    assert world.decision().answer == "A"
