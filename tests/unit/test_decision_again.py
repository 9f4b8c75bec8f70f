"""Decisions derived again from the events that they name."""

import pytest

from schemas.decisions import DecisionMade
from schemas.event import Event
from schemas.panels import PanelAssigned
from schemas.weights import WeightsEntry
from streams.audit.proof.decision_again import derive_again

from ..worlds import World, analysis, by_odds, gold, merging, newest, question

ANSWERS = {"ann": "A", "bo": "A", "cy": "B"}


def told(world: World, questions: int) -> World:
    """Ask questions, and teach the right answer of each."""
    for number in range(questions):
        world.put(question(f"q{number}", at=10 + number))
        world.play(lambda opener, agent: analysis(opener, agent, ANSWERS[agent]))
        world.put(gold("A", f"q{number}", at=100 + number))
    return world


def parts(world: World, question_id: str) -> tuple[DecisionMade, list[Event], list[Event]]:
    """Give a decision, its causes, and the causes of its panel."""
    events = {event.event_id: event for event in world.log}
    (decision,) = world.of(DecisionMade, question_id)
    causes = [events[cause] for cause in decision.causes]
    return decision, causes, [events[cause] for cause in causes[0].causes]


@pytest.mark.parametrize("rule", ["vote", "weighted", "agent", "cascade"])
def test_decision_follows_again(rule: str) -> None:
    """A decision follows from its causes, and its panel from what that names, under every rule."""
    settings = {"stages": (2, 1)} if rule == "cascade" else {}
    world = told(World(newest(merging(rule, "ann", "bo", "cy", **settings))), 3)
    for number in range(3):
        assert derive_again(*parts(world, f"q{number}")) == ((), True)


def test_decision_by_weights_follows_again() -> None:
    """A panel under `odds` follows from the entry of weights that it names."""
    world = told(World(by_odds("ann", "bo", "cy")), 4)
    decision, causes, beside = parts(world, "q3")
    assert any(isinstance(event, WeightsEntry) for event in beside)
    assert derive_again(decision, causes, beside) == ((), True)
    without = [event for event in beside if not isinstance(event, WeightsEntry)]
    assert derive_again(decision, causes, without) == ((), False)


def test_other_decision_does_not_follow() -> None:
    """A decision that differs in one field is told apart, by that field."""
    world = told(World(newest(merging("vote", "ann", "bo", "cy"))), 1)
    decision, causes, beside = parts(world, "q0")
    fields = {name: getattr(decision, name) for name in type(decision).model_fields if name not in ("event_id", "kind")}
    changed = type(decision)(**{**fields, "calls": decision.calls + 1})
    (problem,) = derive_again(changed, causes, beside).problems
    assert "its calls is 3, the decision says 4" in problem


def test_panel_must_follow() -> None:
    """A panel that its question, policy and entries do not give is told."""
    world = told(World(newest(merging("vote", "ann", "bo", "cy"))), 1)
    decision, causes, beside = parts(world, "q0")
    panel = causes[0]
    assert isinstance(panel, PanelAssigned)
    fields = {name: getattr(panel, name) for name in type(panel).model_fields if name not in ("event_id", "kind")}
    other = type(panel)(**{**fields, "deadline_ms": 1})
    problems = derive_again(decision, [other, *causes[1:]], beside).problems
    assert any("the panel does not follow" in problem for problem in problems)


def test_causes_of_no_sense_are_told() -> None:
    """Causes in which nothing fits are a problem, and no error."""
    world = told(World(newest(merging("vote", "ann", "bo", "cy"))), 2)
    decision, causes, beside = parts(world, "q0")
    for wrong in ([], causes[1:], causes[:2], [causes[0], decision], [*causes, *beside]):
        assert derive_again(decision, wrong, beside).problems
