"""
Outcomes of a panel's ballots: wait, reserve or decision.

The dispatcher before it is tested too.
"""

import pytest

from schemas.decisions import DecisionMade, TraceStep
from schemas.panels import StageOpened
from streams.processors.decompose import FIXED_SUB_QUESTIONS
from streams.processors.stage_rules import conclude

from ..worlds import (
    FAILED,
    OUTSIDE,
    UNREADABLE,
    World,
    analysis,
    decide,
    merging,
    overdue,
    policy,
    question,
    said,
)

# --- waiting ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["vote", "weighted", "agent", "cascade"])
def test_open_stage_waits_for_every_seat(rule: str) -> None:
    """While a seat has no analysis and the deadline has not passed, nothing follows."""
    world = decide(merging(rule, "a", "b", "c", stages=(3,)), said(a="A", b="A"))
    assert world.of(DecisionMade) == []
    assert world.of(StageOpened) == []


@pytest.mark.parametrize("reply", [FAILED, UNREADABLE, OUTSIDE])
def test_failure_is_a_reply(reply: str) -> None:
    """A seat that failed or cannot be read is not waited for."""
    assert decide(merging("vote", "a", "b"), said(a="A", b=reply)).decision().answer == "A"


def test_first_analysis_of_a_seat_counts() -> None:
    """Of several analyses of one seat the first is heard, whoever asks."""
    world = decide(merging("vote", "a"), said())
    first = world.assignment()
    follows = conclude(first, (), (analysis(first, "a", "B"), analysis(first, "a", "A")), None, ())
    assert follows is not None
    assert isinstance(follows.event, DecisionMade)
    assert follows.event.answer == "B"


# --- vote and weighted -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["vote", "weighted"])
def test_full_panel_decides(rule: str) -> None:
    """When all have answered, the leader is the decision, and the trace says so."""
    world = decide(merging(rule, "a", "b", "c"), said(a="B", b="A", c="A"))
    assert world.summary() == ("decided", "A", "panel complete", f"{rule}.v1")
    expected = TraceStep(stage=0, rule=f"{rule}.v1", leader="A", posterior_ppb=None, outcome="decide")
    assert world.decision().trace == (expected,)


def test_decision_names_the_extractor() -> None:
    """A decision says by which rules its answers were read."""
    assert decide(merging("vote", "a"), said(a="A")).decision().extractor == "answers.v1"


def test_agreement_counts_ballots() -> None:
    """Agreement is the number of ballots for the decision, of those that counted."""
    world = decide(merging("vote", "a", "b", "c", "d"), said(a="A", b="B", c="A", d=FAILED))
    assert world.decision().agreement.model_dump() == {"agreeing": 2, "counted": 3}


def test_deadline_decides_by_what_is_there() -> None:
    """An overdue question is decided by those who answered; the silent are named."""
    world = decide(merging("vote", "a", "b", "c"), said(a="B", c="B"))
    world.put(overdue())
    assert world.summary() == ("decided", "B", "deadline", "vote.v1")
    assert [(gone.agent, gone.reason) for gone in world.decision().excluded] == [("b", "no_reply")]


# --- quorum and reserve ----------------------------------------------------------------------------------------------


def test_nobody_readable_is_undecided() -> None:
    """Without a single ballot the decision is explicit: undecided, by quorum."""
    world = decide(merging("vote", "a", "b"), said(a=FAILED, b=UNREADABLE))
    assert world.summary() == ("undecided", None, "quorum", "vote.v1")
    assert world.outcomes() == [(0, "undecided")]


def test_below_the_quorum_is_undecided() -> None:
    """Fewer ballots than the quorum decide nothing, though one answer leads; what was counted is reported."""
    world = decide(merging("vote", "a", "b", "c", quorum=2), said(a="A", b=FAILED, c=FAILED))
    assert world.summary() == ("undecided", None, "quorum", "vote.v1")
    decision = world.decision()
    assert (decision.tally, decision.tie_break, decision.trace[0].leader) == ({"A": 1}, None, "A")
    assert decision.agreement.model_dump() == {"agreeing": 0, "counted": 1}


def test_quorum_itself_is_enough() -> None:
    """As many ballots as the quorum decide."""
    assert decide(merging("vote", "a", "b", "c", quorum=2), said(a="A", b="A", c=FAILED)).decision().answer == "A"


def test_reserve_is_asked_below_the_quorum() -> None:
    """While ballots are missing, the reserve is asked, one agent at a time, in order."""
    world = decide(merging("vote", "a", "b", "c", reserve=2), said(a=FAILED, b=UNREADABLE, c="C"))
    assert world.openings() == [("quorum", "analyst", ("b",)), ("quorum", "analyst", ("c",))]
    assert world.summary() == ("decided", "C", "panel complete", "vote.v1")
    assert world.outcomes() == [(0, "ask reserve"), (1, "ask reserve"), (2, "decide")]


def test_reserve_is_not_asked_without_need() -> None:
    """A question with enough ballots leaves the reserve alone."""
    assert decide(merging("vote", "a", "b", "c", reserve=1), said(a="A", b=FAILED)).openings() == []


def test_exhausted_reserve_is_undecided() -> None:
    """When nobody is left to ask, the question is undecided."""
    world = decide(merging("vote", "a", "b", reserve=1), said(a=FAILED, b=FAILED))
    assert world.summary() == ("undecided", None, "quorum", "vote.v1")
    assert world.outcomes() == [(0, "ask reserve"), (1, "undecided")]


def test_stages_are_numbered() -> None:
    """Each stage has the next number, and its seats' ballots say in which stage they were cast."""
    world = decide(merging("vote", "a", "b", "c", reserve=2, quorum=2), said(a="A", b="A", c="A"))
    assert [stage.stage.number for stage in world.of(StageOpened)] == [1]
    assert [(ballot.agent, ballot.stage) for ballot in world.decision().counted] == [("a", 0), ("b", 1)]


def test_deadline_before_the_quorum_is_undecided() -> None:
    """An overdue question below the quorum is undecided by deadline, and nobody else is asked."""
    world = decide(merging("vote", "a", "b", "c", reserve=1, quorum=2), said(a="A"))
    world.put(overdue())
    assert world.summary() == ("undecided", None, "deadline", "vote.v1")
    assert world.openings() == []


def test_deadline_while_the_reserve_is_asked() -> None:
    """A silent reserve is excluded like a silent panel member."""
    world = decide(merging("vote", "a", "b", reserve=1), said(a=FAILED))
    world.put(overdue())
    assert [(gone.agent, gone.stage, gone.reason) for gone in world.decision().excluded] == [
        ("a", 0, "failed"),
        ("b", 1, "no_reply"),
    ]


@pytest.mark.parametrize("decomposition", ["fixed", "dispatcher"])
def test_reserve_of_a_decomposed_question_has_a_part(decomposition: str) -> None:
    """Where questions are decomposed, a reserve looks at the next of the fixed parts."""
    merge = {"rule": "vote", "reserve": 1}
    given = policy("a", "b", routing={"panel_size": 1}, merge=merge, decomposition=decomposition)
    world = decide(given, said(a=FAILED))
    assert world.of(StageOpened)[-1].stage.seats[0].sub_question == FIXED_SUB_QUESTIONS[1]


def test_reserve_of_an_undivided_question_has_none() -> None:
    """Without decomposition the reserve looks at the whole question."""
    world = decide(merging("vote", "a", "b", reserve=1), said(a=FAILED))
    assert world.stage(1).stage.seats[0].sub_question is None


# --- dispatcher ------------------------------------------------------------------------------------------------------

DISPATCHED = policy("a", "b", decomposition="dispatcher", merge={"rule": "vote"})


def dispatched(*sub_questions: str, reply: str = UNREADABLE) -> World:
    """Let the dispatcher write sub-questions."""
    world = World(DISPATCHED)
    world.put(question())
    world.put(analysis(world.assignment(), "a", reply, sub_questions=sub_questions))
    return world


def test_dispatchers_parts_go_to_the_panel() -> None:
    """When the dispatcher has written, all of the panel are asked, each with its part."""
    world = dispatched("first part", "second part")
    seats = world.stage(1).stage.seats
    assert [(seat.agent, seat.sub_question) for seat in seats] == [("a", "first part"), ("b", "second part")]
    assert world.openings() == [("dispatched", "analyst", ("a", "b"))]


@pytest.mark.parametrize("reply", [UNREADABLE, FAILED])
def test_dispatcher_without_parts_is_replaced(reply: str) -> None:
    """A dispatcher that failed or wrote too little is replaced by the fixed parts."""
    seats = dispatched("only one", reply=reply).stage(1).stage.seats
    assert tuple(seat.sub_question for seat in seats) == FIXED_SUB_QUESTIONS[:2]


def test_dispatcher_has_no_ballot() -> None:
    """What a dispatcher says is no answer; its call is counted all the same."""
    world = dispatched("x", "y", reply="D")
    world.play(said(a="A", b="A"))
    decision = world.decision()
    assert (decision.tally, decision.calls, decision.excluded) == ({"A": 2}, 3, ())
    assert [ballot.stage for ballot in decision.counted] == [1, 1]


def test_deadline_at_the_dispatcher() -> None:
    """A question whose dispatcher is silent is undecided when overdue; nobody was asked, so nobody is excluded."""
    world = World(DISPATCHED)
    world.put(question(), overdue())
    assert world.summary() == ("undecided", None, "deadline", "vote.v1")
    assert (world.decision().excluded, world.decision().calls) == ((), 0)


def test_deadline_after_the_dispatcher() -> None:
    """Once the panel was asked, an overdue question is decided by those who answered."""
    world = dispatched("x", "y")
    world.put(analysis(world.stage(1), "b", "C"), overdue())
    assert world.summary() == ("decided", "C", "deadline", "vote.v1")


def test_reserve_after_the_dispatchers_panel() -> None:
    """The reserve comes after the panel that the dispatcher was asked for."""
    given = policy(
        "a", "b", decomposition="dispatcher", routing={"panel_size": 1}, merge={"rule": "vote", "reserve": 1}
    )
    world = decide(given, said(a=FAILED, b="B"))
    assert [reason for reason, _, _ in world.openings()] == ["dispatched", "quorum"]
    assert world.decision().answer == "B"
