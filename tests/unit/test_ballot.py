"""Ballots: reading, weights, counts and the leading answer."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.analyses import Attempt
from schemas.quantities import PPB
from streams.processors.ballot import QUALITY_FLOOR_PPB, RULES, Count, conduct, log_odds, posterior_ppb
from streams.processors.fixed import MICRO

from ..strategies import parts
from ..worlds import FAILED, OUTSIDE, SILENT, UNREADABLE, World, analysis, decide, entry, policy, question, said, voted

choices = st.integers(2, 1_000_000)
inner_qualities = st.integers(QUALITY_FLOOR_PPB, PPB - QUALITY_FLOOR_PPB)


# --- weights ---------------------------------------------------------------------------------------------------------


@given(inner_qualities, choices)
def test_log_odds_agree_with_floats(quality: int, among: int) -> None:
    """The weight is log(q (K - 1) / (1 - q)), to half a micro-nat."""
    q = quality / PPB
    assert abs(log_odds(quality, among) / MICRO - math.log(q * (among - 1) / (1 - q))) < 5.01e-7


@pytest.mark.parametrize(
    ("quality", "among", "weight"),
    [
        (PPB // 2, 2, 0),
        (PPB // 4, 4, 0),
        (PPB // 2, 4, 1_098_612),
        (PPB // 10, 2, -2_197_225),
        (9 * PPB // 10, 2, 2_197_225),
    ],
)
def test_log_odds_by_hand(quality: int, among: int, weight: int) -> None:
    """Chance weighs nothing, better than chance counts for an answer, worse against it."""
    assert log_odds(quality, among) == weight


@given(parts, parts, choices)
def test_better_agents_never_weigh_less(quality: int, other: int, among: int) -> None:
    """The weight grows with the quality."""
    low, high = sorted((quality, other))
    assert log_odds(low, among) <= log_odds(high, among)


@pytest.mark.parametrize(("quality", "bound"), [(0, PPB // 100), (PPB, 99 * PPB // 100)])
def test_no_word_is_infinitely_good(quality: int, bound: int) -> None:
    """An average of 0 or 1 counts as 0.01 or 0.99."""
    assert log_odds(quality, 4) == log_odds(bound, 4)


def test_vote_weighs_each_ballot_one() -> None:
    """Under `vote` the tally counts heads."""
    decision = voted(a="A", b="B", c="A").decision()
    assert decision.tally == {"A": 2, "B": 1}
    assert [ballot.weight for ballot in decision.counted] == [1, 1, 1]


def test_weighted_weighs_by_quality() -> None:
    """One agent that is nearly always right outvotes two that seldom are."""
    known = (
        entry("a", quality_ppb=950_000_000),
        entry("b", quality_ppb=400_000_000),
        entry("c", quality_ppb=400_000_000),
    )
    decision = decide(policy("a", "b", "c"), said(a="A", b="B", c="B"), known=known).decision()
    assert decision.answer == "A"
    assert decision.tally == {"A": log_odds(950_000_000, 4), "B": 2 * log_odds(400_000_000, 4)}


def test_weight_depends_on_the_number_of_options() -> None:
    """The same quality is worth more among more options."""
    assert voted("weighted", asked=question(options=2), a="A").decision().tally == {"A": 0}
    assert voted("weighted", asked=question(options=10), a="A").decision().tally == {"A": log_odds(PPB // 2, 10)}


def test_number_questions_take_the_policys_choices() -> None:
    """Where the answer is a number, the policy says among how many it stands."""
    merge = {"rule": "weighted", "number_choices": 100}
    decision = decide(policy("a", merge=merge), said(a="42"), question(options=0)).decision()
    assert (decision.answer, decision.tally) == ("42", {"42": log_odds(PPB // 2, 100)})


# --- who is counted --------------------------------------------------------------------------------------------------


def test_ballot_names_its_analysis() -> None:
    """A ballot says who gave which answer in which analysis."""
    world = decide(policy("a", "b"), said(a="B", b="B"))
    first, second = world.decision().counted
    published = analysis(world.assignment(), "a", "B")
    assert (first.agent, first.stage, first.answer, first.analysis_id) == ("a", 0, "B", published.event_id)
    assert second.agent == "b"


@pytest.mark.parametrize(
    ("reply", "reason"),
    [(FAILED, "failed"), (UNREADABLE, "unreadable"), (OUTSIDE, "outside_options"), (SILENT, "no_reply")],
    ids=["failed", "unreadable", "outside", "silent"],
)
def test_exclusion_says_why(reply: str, reason: str) -> None:
    """An agent without a ballot is named with the reason, and does not count."""
    decision = voted(a="A", b=reply).decision()
    (excluded,) = decision.excluded
    assert (excluded.agent, excluded.stage, excluded.reason) == ("b", 0, reason)
    assert (excluded.analysis_id is None) == (reply == SILENT)
    assert [ballot.agent for ballot in decision.counted] == ["a"]


def test_answer_of_a_failed_call_does_not_count() -> None:
    """A failed analysis is no ballot, even if it carries an answer."""
    world = World(policy("a", "b"))
    world.put(question())
    world.put(analysis(world.assignment(), "a", FAILED, text="The answer is (B)."))
    world.put(analysis(world.assignment(), "b", "C"))
    assert world.decision().answer == "C"


def test_nobody_who_is_silent_was_called() -> None:
    """A seat without an analysis has no attempts, no latency and no cost."""
    (excluded,) = voted(a="A", b=SILENT).decision().excluded
    assert excluded.conduct.model_dump() == {"attempts": 0, "latency_ms": None, "cost_nusd": 0, "unpriced_calls": 0}


def test_conduct_sums_up_the_attempts() -> None:
    """Attempts and costs are added up, unknown costs are counted, and latency is the seat's own."""
    world = World(policy("a"))
    world.put(question())
    attempts = (
        Attempt(outcome="timeout", latency_ms=900),
        Attempt(outcome="error", latency_ms=5, cost_nusd=30),
        Attempt(outcome="ok", latency_ms=70, cost_nusd=400),
    )
    published = analysis(world.assignment(), "a", attempts=attempts, latency_ms=2_000)
    assert conduct(published).model_dump() == {
        "attempts": 3,
        "latency_ms": 2_000,
        "cost_nusd": 430,
        "unpriced_calls": 1,
    }


# --- who leads -------------------------------------------------------------------------------------------------------


def test_largest_sum_leads() -> None:
    """The answer with most votes is the decision, and nothing had to be settled."""
    decision = voted(a="C", b="A", c="C").decision()
    assert (decision.answer, decision.tie_break) == ("C", None)


def test_tie_goes_to_the_first_of_the_priority_list() -> None:
    """Of equal answers, the one that the first agent of the list gave is the decision, and that is recorded."""
    decision = voted(a="D", b="A", c="B").decision()
    assert decision.answer == "D"
    assert decision.tie_break is not None
    assert decision.tie_break.model_dump() == {"tied": ("A", "B", "D"), "agent": "a"}


def test_majority_leads_among_equal_sums() -> None:
    """Where nothing is known of the agents and every weight is 0, more ballots still lead, and no list is asked."""
    decision = voted("weighted", asked=question(options=2), a="A", b="B", c="B").decision()
    assert decision.tally == {"A": 0, "B": 0}
    assert (decision.answer, decision.tie_break) == ("B", None)


def test_sum_comes_before_the_majority() -> None:
    """Two agents that are worse than chance do not outvote one that is unknown."""
    known = [entry(agent, quality_ppb=300_000_000) for agent in "bc"]
    decision = decide(policy("a", "b", "c"), said(a="A", b="B", c="B"), question(options=2), known).decision()
    assert decision.answer == "A"


def test_tie_is_settled_among_the_tied_alone() -> None:
    """The first of the priority list has no say if it gave none of the tied answers."""
    decision = voted(a="D", b="B", c="C", d="C", e="B").decision()
    assert decision.answer == "B"


def test_tie_by_rank_or_by_list() -> None:
    """`rank` settles by the router's order for this question, `priority` by the fixed list."""
    known = (entry("a", quality_ppb=200_000_000), entry("b", quality_ppb=800_000_000))
    answers = {
        ties: decide(policy("a", "b", merge={"rule": "vote", "ties": ties}), said(a="A", b="B"), known=known)
        .decision()
        .answer
        for ties in ("rank", "priority")
    }
    assert answers == {"rank": "B", "priority": "A"}


def test_rules_are_named_with_versions() -> None:
    """Every rule has a published name of its own."""
    assert RULES == {
        "vote": "vote.v1",
        "weighted": "weighted.v1",
        "agent": "agent.v1",
        "cascade": "cascade.v1",
        "odds": "odds.v1",
    }


# --- posterior -------------------------------------------------------------------------------------------------------


def counted(**tally: int) -> Count:
    """Build a count in which the answer named first leads."""
    return Count((), (), (), tally, next(iter(tally), None), None)


def test_posterior_without_a_leader_is_none() -> None:
    """Without ballots there is no posterior."""
    assert posterior_ppb(counted(), 4) is None


def test_posterior_of_one_ballot_is_the_quality() -> None:
    """After one ballot the posterior is the agent's own quality: the log-odds are calibrated."""
    assert abs((posterior_ppb(counted(A=log_odds(700_000_000, 4)), 4) or 0) - 700_000_000) < 1_000


@given(st.lists(st.integers(-30 * MICRO, 30 * MICRO), min_size=1, max_size=4), st.integers(2, 26))
def test_posterior_agrees_with_floats(weights: list[int], among: int) -> None:
    """The posterior is a softmax over all options; those nobody chose have evidence 0."""
    tally = dict(zip("ABCD", sorted(weights, reverse=True), strict=False))
    powers = [math.exp(weight / MICRO) for weight in tally.values()]
    expected = powers[0] / (math.fsum(powers) + max(among - len(tally), 0))
    assert abs((posterior_ppb(counted(**tally), among) or 0) - expected * PPB) <= 2


def test_endless_number_is_no_answer() -> None:
    """A number longer than any feedback could confirm is unreadable, so no text can make a decision too large."""
    world = decide(policy("a"), said(a="#### " + "7" * 100_000), question(options=0))
    assert (world.decision().status, world.decision().excluded[0].reason) == ("undecided", "unreadable")
