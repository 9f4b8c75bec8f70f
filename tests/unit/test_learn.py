"""Processor `learn`: observations from decisions and feedback."""

from collections.abc import Iterable

import pytest

from schemas.analyses import Attempt
from schemas.event import Event
from schemas.quantities import PPB
from schemas.router import AgentObserved
from streams.processors.lesson import plain_answer

from ..worlds import (
    FAILED,
    OUTSIDE,
    SILENT,
    UNREADABLE,
    World,
    analysis,
    decide,
    gold,
    moment,
    policy,
    question,
    said,
    verdict,
    voted,
)


def judged(observations: Iterable[Event]) -> dict[str, bool | None]:
    """Say for each agent whether it was observed to be right; none where it was no matter of quality."""
    right = {None: None, 0: False, PPB: True}
    return {one.agent: right[one.quality_ppb] for one in observations if isinstance(one, AgentObserved)}


# --- how the calls went ----------------------------------------------------------------------------------------------


def test_decision_observes_every_seat() -> None:
    """Each analyst's calls are observed, in the decision's order: those that counted, then those excluded."""
    world = voted(a="A", b=FAILED, c="B", d=UNREADABLE, e=SILENT)
    observed = world.of(AgentObserved)
    assert [one.agent for one in observed] == ["a", "c", "b", "d", "e"]
    assert {one.source for one in observed} == {"decision"}
    assert judged(observed) == dict.fromkeys("acbde")


@pytest.mark.parametrize(
    ("reply", "stability", "latency_ms", "cost_nusd"),
    [("A", PPB, 1_000, 5_000), (FAILED, 0, 1_000, None), (UNREADABLE, PPB, 1_000, 5_000), (SILENT, 0, None, None)],
    ids=["ok", "failed", "unreadable", "silent"],
)
def test_calls_are_observed_as_they_went(
    reply: str, stability: int, latency_ms: int | None, cost_nusd: int | None
) -> None:
    """Stability is the share of attempts that gave an analysis; an unknown cost or latency is not observed."""
    (observed,) = (one for one in voted(a=reply, z="A").of(AgentObserved) if one.agent == "a")
    assert (observed.stability_ppb, observed.latency_ms, observed.cost_nusd) == (stability, latency_ms, cost_nusd)
    assert (observed.weight_ppb, observed.corrects) == (PPB, None)


def retried(*attempts: Attempt) -> AgentObserved:
    """Observe the only agent of a question after these attempts."""
    world = World(policy("a"))
    world.put(question())
    world.put(analysis(world.assignment(), "a", attempts=attempts, latency_ms=9_000))
    (observed,) = world.of(AgentObserved)
    return observed


OK = Attempt(outcome="ok", latency_ms=10, cost_nusd=70)
ERROR = Attempt(outcome="error", latency_ms=10, cost_nusd=5)
UNPRICED = Attempt(outcome="error", latency_ms=10)


def test_retries_lower_stability() -> None:
    """An analysis that took three attempts observes a stability of a third, and the whole wait."""
    observed = retried(ERROR, ERROR, OK)
    assert (observed.stability_ppb, observed.latency_ms, observed.cost_nusd) == (333_333_333, 9_000, 80)


def test_partly_unknown_cost_is_not_observed() -> None:
    """A sum that leaves something out would make the agent look cheap."""
    assert retried(UNPRICED, OK).cost_nusd is None


def test_call_that_cost_nothing_is_observed() -> None:
    """A known cost of zero is an observation."""
    assert retried(Attempt(outcome="ok", latency_ms=1, cost_nusd=0)).cost_nusd == 0


def test_observation_of_calls_rests_on_the_decision() -> None:
    """Its only cause is the decision, whose time it has."""
    world = voted(a="A")
    (observed,) = world.of(AgentObserved)
    assert observed.causes == (world.decision().event_id,)
    assert observed.occurred_at == world.decision().occurred_at


def test_observations_carry_scopes_and_averaging_of_the_question() -> None:
    """Calls and answers are observed in all scopes of the question, by its own settings."""
    world = voted(asked=question(subject="law"), learning={"averaging": {"alpha_ppb": 77}}, a="A")
    for observed in [*world.of(AgentObserved), *world.learned(gold("A"))]:
        assert (observed.scopes, observed.averaging.alpha_ppb) == (("*", "law"), 77)


def test_merge_agent_is_not_observed() -> None:
    """Only analysts are observed."""
    given = policy("a", "b", "c", routing={"panel_size": 2, "merger": "c"}, merge={"rule": "agent"})
    world = decide(given, said(a="A", b="A", c="A"))
    world.put(gold("B"))
    assert {one.agent for one in world.of(AgentObserved)} == {"a", "b"}


# --- who was right ---------------------------------------------------------------------------------------------------


def test_right_answer_judges_everyone_who_gave_an_analysis() -> None:
    """Gold observes right, wrong and unreadable analysts; those whose calls failed are not judged."""
    world = voted(a="A", b="B", c="A", d=UNREADABLE, e=OUTSIDE, f=FAILED, g=SILENT)
    assert judged(world.learned(gold("B"))) == {"a": False, "b": True, "c": False, "d": False, "e": False}


@pytest.mark.parametrize(("said_of_it", "good"), [("right", True), ("wrong", False)])
def test_verdict_judges_those_who_stood_behind_the_decision(said_of_it: str, good: bool) -> None:
    """A verdict on the decision says nothing of those who answered otherwise."""
    world = voted(a="A", b="B", c="A", d=UNREADABLE, e=FAILED)
    assert judged(world.learned(verdict(said_of_it))) == {"a": good, "c": good}


def test_verdict_on_an_undecided_question_judges_nobody() -> None:
    """Nobody stood behind a decision that was none."""
    world = voted(a=UNREADABLE, b=FAILED)
    assert world.learned(verdict("wrong")) == []


def test_right_answer_to_an_undecided_question_judges_the_analysts() -> None:
    """Gold needs no decision: an unreadable analysis was wrong."""
    assert judged(voted(a=UNREADABLE, b=FAILED).learned(gold("A"))) == {"a": False}


def test_answers_are_compared_in_their_normal_form() -> None:
    """A letter may be given in lower case and with space around it."""
    assert judged(voted(a="A", b="B").learned(gold(" b "))) == {"a": False, "b": True}


def test_numbers_are_compared_as_numbers() -> None:
    """1,200.0 is 1200."""
    world = decide(policy("a"), said(a="1200"), question(options=0))
    assert judged(world.learned(gold("1,200.0"))) == {"a": True}


@pytest.mark.parametrize(("given", "normal"), [("c", "C"), (" D\n", "D"), ("007", "7"), ("-3.50", "-3.5")])
def test_plain_answers(given: str, normal: str) -> None:
    """Answers have one form: an upper-case letter or a canonical number."""
    assert plain_answer(given) == normal


def test_judgement_rests_on_decision_and_feedback() -> None:
    """An observation of quality names both, and has the time of the later one."""
    world, feedback = voted(a="A"), gold("A", at=5_000)
    (observed,) = world.learned(feedback)
    assert observed.causes == (world.decision().event_id, feedback.event_id)
    assert observed.occurred_at == moment(5_000)
    assert (observed.latency_ms, observed.cost_nusd, observed.stability_ppb) == (None, None, None)


def test_feedback_older_than_the_decision_has_the_decisions_time() -> None:
    """What was learned cannot be older than the decision it judges."""
    world = voted(a="A")
    (observed,) = world.learned(gold("A", at=1))
    assert observed.occurred_at == world.decision().occurred_at


# --- what a source is worth ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "weight"), [("gold", PPB), ("human", PPB), ("downstream", PPB // 2), ("judge", PPB // 4)]
)
def test_sources_weigh_by_default(source: str, weight: int) -> None:
    """Each source has its weight, and the observation carries source and weight."""
    (observed,) = voted(a="A").learned(gold("A", source=source))
    assert (observed.source, observed.weight_ppb) == (source, weight)


def test_agreement_weighs_nothing() -> None:
    """Agreement observes nothing, so that the router is not fed on its own consensus."""
    assert voted(a="A").learned(verdict("right", source="agreement")) == []


def test_agreement_counts_where_a_policy_insists() -> None:
    """Weights are the policy's."""
    world = voted(learning={"source_weights": {"agreement": 5}}, a="A")
    assert [one.weight_ppb for one in world.learned(verdict("right", source="agreement"))] == [5]


def test_source_that_weighs_nothing_observes_nothing() -> None:
    """Any source can be switched off."""
    assert voted(learning={"source_weights": {"gold": 0}}, a="A").learned(gold("A")) == []
