"""The merge agent: its turn, its input and its verdict."""

import pytest

from schemas.canonical import content_id
from streams.processors.ballot import log_odds

from ..worlds import (
    FAILED,
    OUTSIDE,
    SILENT,
    UNREADABLE,
    World,
    analysis,
    decide,
    entry,
    merged,
    merging,
    overdue,
    question,
    said,
)


def test_verdict_is_the_decision() -> None:
    """Under `agent` a readable verdict is the answer, even against the ballots."""
    world = decide(merging("agent", "a", "b"), merged("C", a="A", b="A"))
    decision = world.decision()
    assert world.summary() == ("decided", "C", "merge agent", "agent.v1")
    assert decision.verdict_id == analysis(world.stage(1), "a", "C").event_id
    assert (decision.tie_break, decision.agreement.agreeing, decision.agreement.counted) == (None, 0, 2)
    assert decision.tally == {"A": 2 * log_odds(500_000_000, 4)}


def test_verdict_is_traced() -> None:
    """The trace says that the merge agent was asked and what it decided."""
    trace = decide(merging("agent", "a", "b"), merged("B", a="A", b="B")).decision().trace
    assert [(step.stage, step.rule, step.leader, step.outcome) for step in trace] == [
        (0, "agent.v1", "A", "ask merge agent"),
        (1, "agent.v1", "B", "decide"),
    ]


def test_verdict_hides_the_tie_it_settled() -> None:
    """Where the merge agent decided, no priority list did."""
    assert decide(merging("agent", "a", "b"), merged("A", a="A", b="B")).decision().tie_break is None


@pytest.mark.parametrize("verdict", [FAILED, UNREADABLE, OUTSIDE])
def test_verdict_that_cannot_be_read_falls_back(verdict: str) -> None:
    """Without a readable verdict the ballots decide by `weighted`: one good agent against two that are not."""
    known = [
        entry("a", quality_ppb=400_000_000),
        entry("b", quality_ppb=950_000_000),
        entry("c", quality_ppb=400_000_000),
    ]
    world = decide(merging("agent", "a", "b", "c"), merged(verdict, a="A", b="B", c="A"), known=known)
    assert world.summary() == ("decided", "B", "panel complete", "weighted.v1")
    assert world.decision().verdict_id is None
    assert world.outcomes() == [(0, "ask merge agent"), (1, "fall back")]


def test_failed_verdict_is_none_whatever_it_says() -> None:
    """A merge agent whose call failed has decided nothing, even if it carries an answer."""
    world = World(merging("agent", "a", "b"))
    world.put(question())
    world.put(*(analysis(world.assignment(), agent, "A") for agent in "ab"))
    world.put(analysis(world.stage(1), "a", FAILED, text="The answer is (B)."))
    assert world.summary() == ("decided", "A", "panel complete", "weighted.v1")


def test_fall_back_settles_ties() -> None:
    """A fall back to the ballots records its tie-break."""
    tie_break = decide(merging("agent", "a", "b"), merged(FAILED, a="B", b="A")).decision().tie_break
    assert tie_break is not None
    assert tie_break.model_dump() == {"tied": ("A", "B"), "agent": "a"}


def test_deadline_at_the_merger_falls_back() -> None:
    """A silent merge agent does not keep the question: the ballots decide by `weighted`."""
    world = decide(merging("agent", "a", "b"), merged(SILENT, a="A", b="A"))
    world.put(overdue())
    assert world.summary() == ("decided", "A", "deadline", "weighted.v1")
    assert world.outcomes() == [(0, "ask merge agent"), (1, "fall back")]


def test_deadline_at_the_analysts_asks_no_merger() -> None:
    """An overdue question is not given to a merge agent any more."""
    world = decide(merging("agent", "a", "b"), said(a="A"))
    world.put(overdue())
    assert world.openings() == []
    assert world.summary() == ("decided", "A", "deadline", "weighted.v1")


def test_merger_is_asked_only_with_a_quorum() -> None:
    """Without enough ballots there is nothing for a merge agent to read."""
    world = decide(merging("agent", "a", "b"), said(a=FAILED, b=FAILED))
    assert world.openings() == []
    assert world.summary() == ("undecided", None, "quorum", "agent.v1")


def test_merger_reads_readable_analyses_alone() -> None:
    """The material is the analyses that counted."""
    world = decide(merging("agent", "a", "b", "c"), said(a="A", b=UNREADABLE, c="B"))
    material = world.stage(1).stage.material
    assert sorted(material) == sorted(
        analysis(world.assignment(), *voice).event_id for voice in (("a", "A"), ("c", "B"))
    )


def material_order(*names: str, question_id: str = "q") -> list[str]:
    """Give the agents in the order in which the merge agent reads their analyses."""
    script = said(**dict.fromkeys("abcde", "A"))
    world = decide(merging("agent", *names), script, question(question_id))
    readers = {analysis(world.assignment(question_id), name, "A").event_id: name for name in names}
    return [readers[one] for one in world.stage(1, question_id).stage.material]


def test_order_of_the_material_is_that_of_hashes() -> None:
    """The merge agent reads in an order that anyone can check, and that no place in the panel decides."""
    expected = sorted("abcde", key=lambda name: content_id(f"q\n{name}".encode()))
    assert material_order(*"abcde") == material_order(*"edcba") == material_order(*"caebd") == expected


def test_order_of_the_material_differs_between_questions() -> None:
    """No agent is always read first."""
    assert len({material_order(*"abcde", question_id=f"q{number}")[0] for number in range(12)}) > 1
