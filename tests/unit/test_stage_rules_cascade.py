"""
The stages of a cascade.

A cascade stops early, opens the next stage, asks the merge agent, or decides with the analyses it has.
"""

from typing import Any

import pytest

from schemas.panels import StageOpened
from schemas.policies import PolicyAdopted
from schemas.quantities import PPB
from streams.processors.ballot import log_odds
from streams.processors.decompose import FIXED_SUB_QUESTIONS

from ..worlds import (
    FAILED,
    SILENT,
    UNREADABLE,
    Script,
    decide,
    entry,
    merged,
    merging,
    overdue,
    policy,
    said,
)

NEVER = PPB
"""A posterior that no ballot reaches in these worlds."""


def cascading(*names: str, stages: tuple[int, ...], **merge: Any) -> PolicyAdopted:
    """Build a policy that asks its agents in stages."""
    return merging("cascade", *names, stages=stages, **merge)


def test_confident_leader_ends_the_cascade() -> None:
    """When the leader's posterior reaches `accept`, nobody else is asked."""
    known = [entry("a", quality_ppb=900_000_000)]
    world = decide(cascading("a", "b", stages=(1, 1), accept_ppb=890_000_000), said(a="A"), known=known)
    assert world.summary() == ("decided", "A", "early exit", "cascade.v1")
    (step,) = world.decision().trace
    assert abs((step.posterior_ppb or 0) - 900_000_000) < 1_000
    assert step.outcome == "decide"


def posterior_of_one() -> int:
    """Give the posterior after one ballot of an unknown agent, as the trace has it."""
    step = decide(cascading("a", stages=(1,)), said(a="A")).decision().trace[0]
    assert step.posterior_ppb is not None
    return step.posterior_ppb


@pytest.mark.parametrize(("more", "reason"), [(0, "early exit"), (1, "panel complete")], ids=["at", "below"])
def test_accept_is_reached_at_its_value(more: int, reason: str) -> None:
    """A posterior of exactly `accept` is enough; one part per billion less goes on."""
    given = cascading("a", "b", stages=(1, 1), accept_ppb=posterior_of_one() + more)
    assert decide(given, said(a="A", b="B")).decision().reason == reason


def test_window_opens_the_next_stage() -> None:
    """A leader below `accept` but inside the window leads to the next analysts."""
    world = decide(cascading("a", "b", "c", stages=(1, 2), accept_ppb=NEVER), said(a="A", b="B", c="B"))
    assert world.openings() == [("window", "analyst", ("b", "c"))]
    assert world.outcomes() == [(0, "next stage"), (1, "decide")]


@pytest.mark.parametrize(("more", "stages"), [(0, 1), (1, 0)], ids=["at", "below"])
def test_window_ends_at_its_value(more: int, stages: int) -> None:
    """A posterior of exactly `window` goes on; below it further analysts are not worth asking."""
    given = cascading("a", "b", stages=(1, 1), accept_ppb=NEVER, window_ppb=posterior_of_one() + more)
    assert len(decide(given, said(a="A", b="A")).openings()) == stages


def test_below_the_window_without_a_merge_agent_decides() -> None:
    """Where no merge agent is configured, the leader below the window is the decision."""
    given = cascading("a", "b", stages=(1, 1), accept_ppb=NEVER, window_ppb=NEVER)
    assert decide(given, said(a="A")).summary() == ("decided", "A", "panel complete", "cascade.v1")


def test_below_the_window_asks_the_merge_agent() -> None:
    """What lies below the window goes to the merge agent at once."""
    given = cascading("a", "b", stages=(1, 1), accept_ppb=NEVER, window_ppb=NEVER, merge_agent=True)
    world = decide(given, merged("B", a="A"))
    assert world.openings() == [("merge", "merger", ("a",))]
    assert world.summary() == ("decided", "B", "merge agent", "agent.v1")
    assert world.outcomes() == [(0, "ask merge agent"), (1, "decide")]


def test_exhausted_cascade_decides() -> None:
    """After the last stage the leader is the decision, however small its posterior."""
    world = decide(cascading("a", "b", stages=(1, 1), accept_ppb=NEVER), said(a="A", b="B"))
    assert world.summary() == ("decided", "A", "panel complete", "cascade.v1")
    tie_break = world.decision().tie_break
    assert tie_break is not None
    assert tie_break.agent == "a"


def test_exhausted_cascade_asks_the_merge_agent() -> None:
    """After the last stage the merge agent decides what is still open."""
    given = cascading("a", "b", stages=(1, 1), accept_ppb=NEVER, merge_agent=True)
    world = decide(given, merged("C", a="A", b="B"))
    assert [reason for reason, _, _ in world.openings()] == ["window", "merge"]
    assert world.summary() == ("decided", "C", "merge agent", "agent.v1")


def test_last_stage_that_is_confident_is_a_complete_panel() -> None:
    """An accepted leader of the last stage is no early exit."""
    world = decide(cascading("a", "b", stages=(1, 1), accept_ppb=600_000_000), said(a="A", b="A"))
    assert world.summary() == ("decided", "A", "panel complete", "cascade.v1")


def test_cascade_counts_all_stages_together() -> None:
    """The second stage adds its ballots to the first's."""
    world = decide(cascading("a", "b", "c", stages=(1, 2), accept_ppb=NEVER), said(a="A", b="B", c="B"))
    one = log_odds(500_000_000, 4)
    assert world.decision().tally == {"A": one, "B": 2 * one}


def test_unreadable_stage_goes_on_by_quorum() -> None:
    """A stage without ballots has no posterior: the next is opened because ballots are missing."""
    world = decide(cascading("a", "b", stages=(1, 1)), said(a=UNREADABLE, b="B"))
    assert [reason for reason, _, _ in world.openings()] == ["quorum"]
    assert world.decision().answer == "B"


def test_cascade_reaches_its_reserve() -> None:
    """After all stages the reserve is asked while ballots are missing."""
    given = cascading("a", "b", "c", stages=(1, 1), reserve=1)
    world = decide(given, said(a=FAILED, b=FAILED, c="D"))
    assert [agents for _, _, agents in world.openings()] == [("b",), ("c",)]
    assert world.summary() == ("decided", "D", "panel complete", "cascade.v1")


def test_cascade_does_not_use_the_reserve_to_gain_confidence() -> None:
    """The reserve is there for missing ballots, not for a leader below `accept`."""
    given = cascading("a", "b", "c", stages=(1, 1), reserve=1, accept_ppb=NEVER)
    assert [agents for _, _, agents in decide(given, said(a="A", b="B")).openings()] == [("b",)]


@pytest.mark.parametrize("script", [said(a="A"), merged(SILENT, a="A", b="B")], ids=["second stage", "merger"])
def test_deadline_in_a_cascade_decides_by_the_ballots(script: Script) -> None:
    """An overdue cascade takes its leader, whichever stage is open."""
    given = cascading("a", "b", stages=(1, 1), accept_ppb=NEVER, merge_agent=True)
    world = decide(given, script)
    world.put(overdue())
    assert world.summary() == ("decided", "A", "deadline", "cascade.v1")
    assert world.decision().verdict_id is None


def test_fixed_parts_of_a_cascade_go_round() -> None:
    """A cascade of three single seats looks at concept, elimination and consistency, not three times at the first."""
    given = policy(
        "a", "b", "c", merge={"rule": "cascade", "stages": (1, 1, 1), "accept_ppb": NEVER}, decomposition="fixed"
    )
    world = decide(given, said(a="A", b="B", c="C"))
    seats = [world.assignment().stage.seats[0], *(stage.stage.seats[0] for stage in world.of(StageOpened))]
    assert tuple(seat.sub_question for seat in seats) == FIXED_SUB_QUESTIONS
