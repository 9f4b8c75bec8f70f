"""Scores and ranks of agents, from the router table."""

import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.policies import ColdStart, Routing, ScoreWeights
from schemas.quantities import NS_PER_MS, PPB, PUSD_PER_NUSD
from schemas.router import ObservationCounts, RouterEntry
from streams.processors.score import (
    UNKNOWN_BONUS_PPB,
    Averages,
    Choice,
    averages,
    rank_candidates,
    ucb_bonus,
    weighted_score,
)

from ..strategies import parts, score_weights
from ..worlds import entry, policy, table

SECOND, MILLIUSD = 1_000 * NS_PER_MS, 10**6 * PUSD_PER_NUSD
COLD = Averages(500_000_000, 2 * SECOND, 0, 900_000_000)
EXPLORES, RESTS = "0" * 63 + "a", "0" * 63 + "1"
"""Question ids of which one in ten explores, and one that does not."""


def ranked(*entries: RouterEntry, agents: str = "abcd", question_id: str = RESTS, **routing: Any) -> Choice:
    """Rank the agents of a policy by the given table."""
    reserve = routing.pop("reserve", 0)
    given_policy = policy(*agents, routing=routing, merge={"reserve": reserve})
    return rank_candidates(question_id, ("*",), given_policy, table(*entries))


def qualities(**percent: int) -> tuple[RouterEntry, ...]:
    """Build router entries that differ in quality alone."""
    return tuple(entry(agent, quality_ppb=value * 10**7) for agent, value in percent.items())


# --- what is believed ------------------------------------------------------------------------------------------------


def test_unknown_agent_has_the_cold_start() -> None:
    """Without any entry the cold start is believed."""
    assert averages((None, None), ColdStart(), 50) == COLD


def test_global_entry_is_believed_as_it_is() -> None:
    """The global averages are not pulled towards the cold start, however few observations they have."""
    line = entry("a", seen=1, quality_ppb=PPB, latency_ns=5, cost_pusd=7, stability_ppb=0)
    assert averages((line, None), ColdStart(), 50) == Averages(PPB, 5, 7, 0)


def test_quantity_without_observations_is_cold() -> None:
    """An entry that has observed calls but no answers says nothing of quality."""
    line = entry("a", quality_ppb=1, observations=ObservationCounts(latency=3, cost=3, stability=3))
    assert averages((line,), ColdStart(), 50).quality_ppb == 500_000_000


def test_subject_shrinks_to_the_global_average() -> None:
    """With as many observations as the shrinkage, a subject's average lies in the middle."""
    wide, narrow = entry("a", quality_ppb=400), entry("a", "law", seen=50, quality_ppb=800)
    assert averages((wide, narrow), ColdStart(), 50).quality_ppb == 600


def test_subject_alone_shrinks_to_the_cold_start() -> None:
    """Where there is no global entry, a subject's average is pulled towards the cold start."""
    narrow = entry("a", "law", seen=50, quality_ppb=PPB)
    assert averages((None, narrow), ColdStart(), 50).quality_ppb == 750_000_000


def test_no_shrinkage_believes_the_subject() -> None:
    """Without shrinkage a single observation in the subject is believed."""
    wide, narrow = entry("a", quality_ppb=400), entry("a", "law", seen=1, quality_ppb=800)
    assert averages((wide, narrow), ColdStart(), 0).quality_ppb == 800


@given(parts, parts, st.integers(0, 1_000), st.integers(0, 1_000))
def test_shrinkage_is_a_weighted_mean(own: int, wider: int, seen: int, pull: int) -> None:
    """Believed is (n x own + shrinkage x global) / (n + shrinkage), rounded half-even; global alone where n is 0."""
    found = averages((entry("a", quality_ppb=wider), entry("a", "law", seen=seen, quality_ppb=own)), ColdStart(), pull)
    expected = wider if seen == 0 else round(Fraction(seen * own + pull * wider, seen + pull))
    assert found.quality_ppb == expected


def test_every_quantity_shrinks_by_its_own_count() -> None:
    """Cost may be known less often than quality, and is pulled harder then."""
    narrow = entry(
        "a",
        "law",
        quality_ppb=1_000,
        latency_ns=1_000,
        cost_pusd=1_000,
        stability_ppb=1_000,
        observations=ObservationCounts(quality=10, latency=30, cost=90, stability=0),
    )
    wide = entry("a", quality_ppb=0, latency_ns=0, cost_pusd=0, stability_ppb=500)
    assert averages((wide, narrow), ColdStart(), 10) == Averages(500, 750, 900, 500)


# --- scores ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("believed", "score"),
    [
        (COLD, 470_000_000),
        (Averages(800_000_000, 1 * SECOND, MILLIUSD, PPB), 790_000_000),
        (Averages(PPB, 0, 0, PPB), 1_100_000_000),
        (Averages(0, 15 * SECOND, 6 * MILLIUSD, 0), -1_200_000_000),
        (Averages(0, 1_000 * SECOND, 0, 0), -900_000_000),
        (Averages(0, 0, 1_000 * MILLIUSD, 0), -300_000_000),
    ],
    ids=["cold start", "ordinary", "best", "at both caps", "slower than the cap", "dearer than the cap"],
)
def test_weighted_score_by_hand(believed: Averages, score: int) -> None:
    """q + 0.1 s - 0.3 min(latency / 5 s, 3) - 0.1 min(cost / $0.002, 3)."""
    assert weighted_score(believed, ScoreWeights()) == score


amounts = st.integers(0, 10**15)


@given(st.builds(Averages, parts, amounts, amounts, parts), score_weights)
def test_weighted_score_is_exact_to_its_roundings(believed: Averages, weights: ScoreWeights) -> None:
    """The score is within 2 of that of exact fractions, whatever the weights."""
    slow = min(Fraction(believed.latency_ns, weights.latency_scale_ms * NS_PER_MS), weights.cap)
    dear = min(Fraction(believed.cost_pusd, weights.cost_scale_nusd * PUSD_PER_NUSD), weights.cap)
    exact = (
        believed.quality_ppb
        + Fraction(weights.stability_ppb * believed.stability_ppb, PPB)
        - weights.latency_ppb * slow
        - weights.cost_ppb * dear
    )
    assert abs(weighted_score(believed, weights) - exact) <= 2


@given(st.integers(1, 10**6), st.integers(0, 10**6), parts)
def test_ucb_bonus_agrees_with_floats(asked: int, others: int, bonus: int) -> None:
    """The bonus is c x sqrt(ln N / n)."""
    routing = Routing(exploration={"kind": "ucb", "bonus_ppb": bonus})
    expected = bonus * math.sqrt(math.log(asked + others) / asked)
    assert ucb_bonus(routing, asked, asked + others) == pytest.approx(expected, rel=1e-6, abs=2)


def test_ucb_bonus_by_hand() -> None:
    """One observation of two: 0.1 x sqrt(ln 2)."""
    assert ucb_bonus(Routing(exploration={"bonus_ppb": 100_000_000}), 1, 2) == 83_255_450


def test_agent_nobody_has_asked_comes_first() -> None:
    """The bonus of an unknown agent is above any score."""
    assert ucb_bonus(Routing(), 0, 10) == UNKNOWN_BONUS_PPB
    assert ranked(*qualities(a=99, b=99, c=99), exploration={"warm_up": 0, "kind": "ucb"}).panel[0] == "d"


@pytest.mark.parametrize("kind", ["none", "nth"])
def test_other_exploration_has_no_bonus(kind: str) -> None:
    """Only `ucb` adds to the score."""
    assert ucb_bonus(Routing(exploration={"kind": kind}), 0, 10) == 0


# --- ranks -----------------------------------------------------------------------------------------------------------


def test_higher_score_ranks_higher() -> None:
    """The panel are the agents with the highest scores, best first."""
    assert ranked(*qualities(a=20, b=90, c=40, d=70)).panel == ("b", "d", "c")


def test_ties_go_to_the_priority_list() -> None:
    """Equal agents stand in the order of the priority list."""
    assert ranked(priority=("d", "b")).panel == ("d", "b", "a")


def test_score_decides_before_priority() -> None:
    """The priority list settles nothing but ties."""
    assert ranked(*qualities(a=51, b=50, c=50, d=50), priority=("d",)).panel == ("a", "d", "b")


def test_static_keeps_the_order_of_the_policy() -> None:
    """Under `static` no observation changes the order."""
    assert ranked(*qualities(a=1, b=2, c=3, d=99), rule="static").panel == ("a", "b", "c")


LEXICOGRAPHIC: dict[str, tuple[RouterEntry, ...]] = {
    "quality": (entry("b", quality_ppb=500_000_001, latency_ns=10**12, cost_pusd=10**12, stability_ppb=0),),
    "then latency": (entry("b", latency_ns=2 * SECOND - 1, cost_pusd=10**12, stability_ppb=0),),
    "then cost": (entry("a", cost_pusd=2), entry("b", cost_pusd=1, stability_ppb=0)),
    "then stability": (entry("b", stability_ppb=900_000_001),),
}


@pytest.mark.parametrize("case", LEXICOGRAPHIC)
def test_lexicographic_compares_in_order(case: str) -> None:
    """Quality, then latency, cost and stability: what comes first decides, by any margin."""
    assert ranked(*LEXICOGRAPHIC[case], agents="ab", rule="lexicographic").panel == ("b", "a")


def test_lexicographic_adds_the_bonus_to_quality() -> None:
    """An agent asked less often may come before one that is slightly better."""
    seldom, often = entry("b", seen=40, quality_ppb=500_000_000), entry("a", seen=10_000, quality_ppb=510_000_000)
    explore = {"warm_up": 0, "kind": "ucb"}
    assert ranked(seldom, often, agents="ab", rule="lexicographic", exploration=explore).panel == ("b", "a")


def test_candidates_say_what_was_known() -> None:
    """Every agent is listed by rank with its averages, its entry and its sequence number."""
    line = entry("b", quality_ppb=PPB, sequence=7)
    first, second = ranked(line, agents="ab").candidates
    assert (first.agent, first.rank, first.quality_ppb, first.score_ppb) == ("b", 1, PPB, 970_000_000)
    assert (first.entry_ids, first.sequences) == ((line.event_id,), (7,))
    assert (second.agent, second.rank, second.entry_ids, second.sequences) == ("a", 2, (None,), (0,))


@pytest.mark.parametrize("rule", ["lexicographic", "static"])
def test_rules_that_compare_without_a_score_record_none(rule: str) -> None:
    """A score that decided nothing is not recorded."""
    assert [candidate.score_ppb for candidate in ranked(rule=rule).candidates] == [None] * 4


def test_score_is_recorded_with_its_bonus() -> None:
    """The recorded score contains the bonus, and the bonus is recorded beside it."""
    lines = (entry("a", seen=40), entry("b", seen=40))
    first, _ = ranked(*lines, agents="ab", exploration={"warm_up": 0, "kind": "ucb"}).candidates
    assert first.bonus_ppb > 0
    assert first.score_ppb == 470_000_000 + first.bonus_ppb


# --- who sits where --------------------------------------------------------------------------------------------------


def test_reserve_follows_the_panel() -> None:
    """The reserve are the next agents in rank order, so many as the policy wants."""
    choice = ranked(*qualities(a=10, b=20, c=30, d=40), panel_size=1, reserve=2)
    assert (choice.panel, choice.reserve) == (("d",), ("c", "b"))


def test_everybody_sits_during_the_warm_up() -> None:
    """While one agent was asked fewer questions than the warm-up, all are asked and nobody is in reserve."""
    lines = (entry("a", seen=32), entry("b", seen=31, quality_ppb=PPB), entry("c", seen=32))
    choice = ranked(*lines, agents="abc", panel_size=1, reserve=1, exploration={"warm_up": 32})
    assert (choice.warm_up, choice.panel, choice.reserve) == (True, ("b", "a", "c"), ())


def test_warm_up_ends_when_all_have_been_asked() -> None:
    """Once every agent was asked as often as the warm-up says, the panel is the panel."""
    lines = (entry("a", seen=32), entry("b", seen=32))
    choice = ranked(*lines, agents="ab", panel_size=1, exploration={"warm_up": 32, "kind": "none"})
    assert (choice.warm_up, choice.panel) == (False, ("a",))


def test_warm_up_counts_questions_and_not_feedback() -> None:
    """An agent is known by its calls, whether or not anybody said if it was right."""
    called = ObservationCounts(stability=32)
    exploration = {"warm_up": 32, "kind": "none"}
    assert not ranked(entry("a", observations=called), agents="a", exploration=exploration).warm_up


NTH = {"warm_up": 0, "kind": "nth", "every": 10}


def test_nth_question_seats_the_least_observed() -> None:
    """A question that explores gives the last seat to the agent outside the panel that was observed least."""
    lines = [
        entry(agent, seen=seen, quality_ppb=quality * 10**7)
        for agent, seen, quality in (("a", 100, 90), ("b", 100, 80), ("c", 9, 40), ("d", 8, 30), ("e", 10, 50))
    ]
    choice = ranked(*lines, agents="abcde", question_id=EXPLORES, panel_size=2, reserve=2, exploration=NTH)
    assert (choice.panel, choice.explored, choice.reserve) == (("a", "d"), "d", ("b", "e"))


def test_nth_ties_go_to_the_better_rank() -> None:
    """Of agents observed equally seldom, the better one is tried."""
    choice = ranked(*qualities(a=90, b=10, c=20, d=30), question_id=EXPLORES, panel_size=1, exploration=NTH)
    assert choice.explored == "d"


def test_other_questions_do_not_explore() -> None:
    """A question whose id is no multiple of `every` keeps its panel."""
    choice = ranked(question_id=RESTS, panel_size=2, exploration=NTH)
    assert (choice.panel, choice.explored) == (("a", "b"), None)


@pytest.mark.parametrize("kind", ["none", "ucb"])
def test_other_kinds_seat_nobody_for_being_unknown(kind: str) -> None:
    """Only `nth` gives a seat away by the question's id."""
    choice = ranked(question_id=EXPLORES, panel_size=2, exploration={**NTH, "kind": kind})
    assert (choice.panel, choice.explored) == (("a", "b"), None)


def test_nobody_is_left_to_explore() -> None:
    """Where the panel is everybody, there is nobody to explore."""
    choice = ranked(question_id=EXPLORES, panel_size=4, exploration=NTH)
    assert (choice.panel, choice.explored) == (("a", "b", "c", "d"), None)


def test_one_question_in_so_many_explores() -> None:
    """The share of exploring questions is that of the ids divisible by `every`."""
    ids = [f"{number:064x}" for number in range(100)]
    explored = [number for number in ids if ranked(question_id=number, panel_size=2, exploration=NTH).explored]
    assert explored == ids[::10]
