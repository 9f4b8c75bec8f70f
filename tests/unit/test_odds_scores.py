"""Scores, posterior and expected gain of the rule `odds`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.odds import ONE, Member, Odds
from schemas.quantities import PPB
from streams.processors.odds.gain import expected_gain
from streams.processors.odds.posterior import Scored, score
from streams.processors.odds.switches import Ballots, Switch, Voice, name_of, prior_of, rows_of, start_of

ANN = Voice("ann", "A", "derived", True, None)
BO = Voice("bo", "A", "bare", False, None)
CY = Voice("cy", "B", "bare", None, None)


def rows(*voices: Voice, choices: int = 4, **more: object) -> dict[str, dict[Switch, int]]:
    """Give the rows of answers to a question."""
    return rows_of(Ballots(voices, choices, bool(more.get("negated")), more.get("shapes")))  # type: ignore[arg-type]


def test_weights_that_an_answer_switches_on() -> None:
    """Each answer switches on its agent, its grounds, its use of numbers and its letter; supporters are counted."""
    assert {name_of(switch): times for switch, times in rows(ANN, BO, CY)["A"].items()} == {
        "agent/ann": 1,
        "agent+class/ann/derived": 1,
        "agent/bo": 1,
        "agent+class/bo/bare": 1,
        "uses/true": 1,
        "uses/false": 1,
        "letter/A": 2,
        "supporters/2": 1,
    }
    assert "uses/true" not in map(name_of, rows(CY)["B"])


def test_negation_repeats_and_shapes_are_weights_too() -> None:
    """A negated question has weights of each agent; numbers have repeats; shapes give every option a row."""
    assert ("ann", "negated") in rows(ANN, negated=True)["A"]
    assert rows(Voice("ann", "7", "good", True, 3), choices=0, shapes=())["7"].keys() >= {
        ("", "repeats/3"),
        ("", "value/positive whole"),
    }
    shaped = rows(ANN, choices=2, shapes=("value/0", "value/8"))
    assert shaped["B"] == {("", "value/8"): 1}


def test_seventh_supporter_counts_as_sixth() -> None:
    """Supporters are told apart up to six."""
    voices = [Voice(f"m{number}", "A", "text", None, None) for number in range(7)]
    assert ("", "supporters/6") in rows(*voices)["A"]


def test_weights_start_where_the_rule_says() -> None:
    """An agent starts at one and moves fast, letters hardly move, everything else starts at nothing."""
    assert [start_of(switch) for switch in (("m", "agent"), ("m", "bare"), ("", "letter/A"))] == [ONE, 0, 0]
    assert prior_of(("m", "agent")) == prior_of(("", "value/3")) < prior_of(("m", "bare")) < prior_of(("", "letter/A"))


def scored(choices: int = 4, **scores: int) -> Scored:
    """Score answers by one weight each."""
    return score({a: {(a, "agent"): 1} for a in scores}, choices, lambda switch: scores[switch[0]])


def test_posterior_is_the_softmax() -> None:
    """Answers without a row score 0 and share what is left."""
    found = scored(A=ONE, B=0)
    assert found.posterior["A"] == pytest.approx(ONE * 2.718282 / 5.718282, abs=2)
    assert found.of("B") == found.of("C") == found.of("D") == pytest.approx(ONE / 5.718282, abs=2)


@given(st.dictionaries(st.sampled_from("ABCDEF"), st.integers(-(64 << 21), 64 << 21), max_size=6), st.integers(2, 100))
def test_posterior_never_exceeds_one(scores: dict[str, int], choices: int) -> None:
    """However large the scores, all answers together have at most one, and the best at least its share."""
    found = scored(choices, **scores)
    whole = sum(found.posterior.values()) + found.other * found.others
    assert ONE - len(scores) - found.others - 1 <= whole <= ONE
    if scores and not found.others:
        assert max(found.posterior.values()) * (len(scores) + 1) >= ONE - len(scores)


# --- gain ------------------------------------------------------------------------------------------------------------


def member(skill: float, mean: float = 1.0) -> Member:
    """Make an agent that is not asked yet."""
    return Member(agent="m", skill=round(skill * ONE), mean=round(mean * ONE), weights={})


def gain(found: Scored, *left: Member, given_answers: tuple[str, ...] = ("A",), choices: int = 4) -> int:
    """Give the expected gain over leader A, in parts per billion."""
    return expected_gain(found, "A", given_answers, left, choices, Odds()).expected_ppb


def test_sure_leader_is_not_asked_about() -> None:
    """The surer the leader, the less is to be won."""
    gains = [gain(scored(A=step * ONE), member(0.7, 2.0), member(0.7, 2.0)) for step in range(8)]
    assert gains == sorted(gains, reverse=True)
    assert gains[0] > 100_000_000
    assert gains[-1] < 1_000_000


def test_better_agents_win_more() -> None:
    """Skilled agents whose answers weigh much are worth asking; those that weigh nothing are not."""
    doubtful = scored(A=ONE)
    assert gain(doubtful, member(0.9, 3.0)) > gain(doubtful, member(0.5, 3.0)) > gain(doubtful, member(0.1, 3.0))
    assert gain(doubtful, member(0.9, 0.0)) == gain(doubtful, member(0.9, -2.0)) == 0


def test_gain_is_weighed_against_the_calls() -> None:
    """Every agent left is a call that has to win its share."""
    found = expected_gain(scored(A=0), "A", ("A",), [member(0.7)] * 3, 4, Odds(gain_per_call_ppb=5_000_000))
    assert (found.left, found.wanted_ppb) == (3, 15_000_000)


@given(
    st.dictionaries(st.sampled_from("BCDEF"), st.integers(-9 * ONE, 9 * ONE), max_size=4),
    st.lists(st.tuples(st.floats(0, 1), st.floats(-32, 32)), min_size=1, max_size=8),
    st.sampled_from([6, 26, 100]),
)
def test_gain_is_a_share(scores: dict[str, int], agents: list[tuple[float, float]], choices: int) -> None:
    """It is never negative, and never more than what the rivals have."""
    found = scored(choices, A=9 * ONE, **scores)
    expected = gain(found, *(member(*agent) for agent in agents), choices=choices)
    assert 0 <= expected <= PPB * (ONE - found.of("A")) // ONE + 1
