"""Golden log of the merge rule `odds`."""

import json
from pathlib import Path

import pytest

from schemas.decisions import DecisionMadeV2
from schemas.panels import PanelAssignedV2

from .odds_script import told
from .test_golden import altered, digests_in, digests_of, first_difference, lines_of, read, recorded

FOLDER = Path(__file__).parent / "odds"


@pytest.fixture(scope="module")
def golden() -> list[bytes]:
    """Give the lines of the golden log, written anew first where that is asked for."""
    return recorded(FOLDER, told)


def test_story_told_again_is_the_same(golden: list[bytes]) -> None:
    """The script gives the log that is recorded, byte for byte, and its digests."""
    assert lines_of(told()) == golden
    assert digests_of(golden) == digests_in(FOLDER)


def test_log_proves_itself(golden: list[bytes]) -> None:
    """The inputs of the log, folded again, give all of its derived events."""
    assert first_difference(golden) is None


def test_story_meets_every_way_of_asking(golden: list[bytes]) -> None:
    """Each mode of the rule is there, each kind of question, every rule that may decide, and stages by gain."""
    events = [read(line) for line in golden]
    panels = [event.odds for event in events if isinstance(event, PanelAssignedV2) and event.odds]
    decisions = [event for event in events if isinstance(event, DecisionMadeV2)]
    assert {panel.mode for panel in panels} == {"untaught", "warm-up", "audit", "whole panel", "by gain"}
    assert {panel.facts.kind for panel in panels} == {"texts", "values", "number"}
    assert {decision.rule for decision in decisions} == {"cascade.v1", "odds.v1", "vote.v1"}
    assert {step.outcome for decision in decisions for step in decision.trace if step.gain} == {"next stage", "decide"}
    kinds = {json.loads(line)["kind"] for line in golden}
    assert {"lesson.given.v1", "weights.entry.v1", "stage.opened.v1"} <= kinds


@pytest.mark.parametrize("rehash", [False, True], ids=["changed", "changed with a new id"])
@pytest.mark.parametrize("kind", ["lesson.given", "weights.entry", "panel.assigned", "decision.made"])
def test_changed_value_is_noticed(golden: list[bytes], kind: str, rehash: bool) -> None:
    """A copy in which one value of one event was changed does not prove itself."""
    place = next(place for place, line in enumerate(golden) if json.loads(line)["kind"].startswith(kind))
    wrong = [*golden[:place], altered(golden[place], rehash=rehash), *golden[place + 1 :]]
    assert first_difference(wrong) is not None
