"""Lessons of the merge rule `odds`: feedback and agreement."""

import pytest

from schemas.decisions import DecisionMade
from schemas.lessons import LessonGiven
from schemas.odds import ONE
from schemas.policies import PolicyAdoptedV2

from ..worlds import World, by_odds, gold, question, retraction, said, verdict
from .test_odds_rule import decided, panel, taught, world


def decided_world(policy: PolicyAdoptedV2 | None = None) -> World:
    """Decide one question: ann says A, bo and cy say B, and B is decided."""
    made = world(taught(lessons=1), policy, seen=0)
    panel(made)
    made.play(said(ann="A", bo="B", cy="B"))
    assert made.decision().answer == "B"
    return made


@pytest.mark.parametrize(
    ("feedback", "right", "wrong"),
    [
        (gold("green"), "B", None),
        (gold("a"), "A", None),
        (verdict("right"), "B", None),
        (verdict("wrong"), None, "B"),
    ],
)
def test_feedback_is_a_lesson(feedback: object, right: str | None, wrong: str | None) -> None:
    """A right answer says which one it is; a verdict says whether it is the one decided."""
    made = decided_world()
    made.put(feedback)  # type: ignore[arg-type]
    (lesson,) = made.of(LessonGiven)
    assert (lesson.right, lesson.wrong, lesson.scope) == (right, wrong, "p")
    assert lesson.causes[0] == made.decision().event_id
    assert [(one.agent, one.answer, one.grounds) for one in lesson.answers] == [
        ("ann", "A", "text"),
        ("bo", "B", "text"),
        ("cy", "B", "text"),
    ]
    assert made.weights["p"].lesson_id == lesson.event_id


@pytest.mark.parametrize("feedback", [gold("purple"), gold("A", source="agreement")])
def test_feedback_that_judges_nobody_is_no_lesson(feedback: object) -> None:
    """An answer that the question cannot have teaches nothing, nor does a source without weight."""
    made = decided_world()
    made.put(feedback)  # type: ignore[arg-type]
    assert made.of(LessonGiven) == []


def test_feedback_before_the_decision_is_a_lesson_too() -> None:
    """The order of decision and feedback does not matter, and a repeat gives no second lesson."""
    made = world(taught(lessons=1), seen=0)
    panel(made)
    made.put(gold("A"))
    made.play(said(ann="A", bo="B", cy="B"))
    made.put(gold("A", at=2_500))
    assert [lesson.right for lesson in made.of(LessonGiven)] == ["A"]


def test_retraction_takes_the_lesson_back() -> None:
    """A correction names the lesson, and the table loses its step."""
    made = decided_world()
    feedback = gold("A")
    made.put(feedback)
    made.put(retraction(feedback))
    lesson, correction = made.of(LessonGiven)
    assert correction.corrects == lesson.event_id
    assert correction.answers == lesson.answers
    after = made.weights["p"]
    assert (after.lessons, after.sequence) == (0, 2)
    assert {line.weights["agent"][0] for line in after.agents} == {ONE}


def test_other_rules_give_no_lessons() -> None:
    """Without the rule `odds` decisions carry no evidence and feedback gives no lesson."""
    made = World(by_odds("ann", "bo", merge={"rule": "vote"}))
    panel(made)
    made.play(said(ann="A", bo="A"))
    made.put(gold("A"))
    assert made.of(LessonGiven) == []
    assert decided(made).odds is None


AGREEING = by_odds("ann", "bo", "cy", odds={"learn_from": "agreement"})


def test_agreement_teaches_with_every_decision() -> None:
    """Each decided choice is a lesson by itself; feedback on it teaches the router alone."""
    made = World(AGREEING, reload=True)
    for number in range(12):
        panel(made, f"q{number}", at=number)
        made.play(said(ann="A", bo="A", cy="B"))
    assert [lesson.source for lesson in made.of(LessonGiven)] == ["agreement"] * 12
    made.put(gold("B", "q3"))
    assert len(made.of(LessonGiven)) == 12
    assert made.of(DecisionMade)[-1].rule == "odds.v1"


def test_agreement_gives_no_posterior() -> None:
    """What is learned from agreement is too sure to be called a probability."""
    made = World(AGREEING)
    panel(made)
    made.play(said(ann="A", bo="A", cy="B"))
    decision = decided(made)
    assert decision.odds is not None
    assert [line.posterior_ppb for line in decision.odds.lines] == [None, None]
    assert [step.posterior_ppb for step in decision.trace] == [None]


def test_agreement_counts_votes_for_a_number() -> None:
    """Related agents agree on wrong values, so numbers are decided by plain vote, and teach nothing."""
    made = World(AGREEING)
    made.put(question(options=0))
    made.play(said(ann="7", bo="8", cy="8"))
    assert made.summary() == ("decided", "8", "panel complete", "vote.v1")
    assert made.of(LessonGiven) == []
