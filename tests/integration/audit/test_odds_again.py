"""A decision by learned odds, derived again from its causes."""

import pytest

from schemas.decisions import DecisionMade
from schemas.event import Event
from schemas.panels import PanelAssigned
from schemas.weights import WeightsEntry
from streams.audit.proof.decision_again import derive_again

from ...odds_story import QUESTIONS, told_by_odds
from ...worlds import World


@pytest.fixture(scope="module")
def world() -> World:
    """The story of the rule."""
    return told_by_odds()


def named_by(world: World, event: Event) -> list[Event]:
    """Give the events that an event names."""
    by_id = {one.event_id: one for one in world.log}
    return [by_id[cause] for cause in event.causes]


@pytest.mark.parametrize("question_id", [question.question_id for question in QUESTIONS])
def test_panel_and_decision_follow_again(world: World, question_id: str) -> None:
    """From the question, the policy, the entries and the table of weights that the panel names."""
    (decision,) = world.of(DecisionMade, question_id)
    (panel,) = world.of(PanelAssigned, question_id)
    assert derive_again(decision, named_by(world, decision), named_by(world, panel)) == ((), True)


def test_panel_with_another_share_does_not_follow(world: World) -> None:
    """A table that is not the one named leaves the panel unproved; the decision still follows from the panel."""
    (decision,) = world.of(DecisionMade, "o6")
    (panel,) = world.of(PanelAssigned, "o6")
    beside = [event for event in named_by(world, panel) if not isinstance(event, WeightsEntry)]
    assert derive_again(decision, named_by(world, decision), beside) == ((), False)
