"""Golden log of shadow seats."""

import json
from pathlib import Path

import pytest

from schemas.decisions import DecisionMadeV2
from schemas.panels import PanelAssignedV2

from .published_script import AGENTS, told
from .test_golden import altered, digests_in, digests_of, first_difference, lines_of, read, recorded

FOLDER = Path(__file__).parent / "published"


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


def test_story_meets_every_end(golden: list[bytes]) -> None:
    """Verdicts, a fallback, an undecided question and a deadline are there, and each agent has a place every time."""
    events = [read(line) for line in golden]
    decisions = [event for event in events if isinstance(event, DecisionMadeV2)]
    assert [(one.status, one.reason, one.rule) for one in decisions] == [
        ("decided", "merge agent", "agent.v1"),
        ("decided", "merge agent", "agent.v1"),
        ("decided", "panel complete", "weighted.v1"),
        ("undecided", "quorum", "agent.v1"),
        ("decided", "merge agent", "agent.v1"),
    ]
    for one in decisions:
        voices = [*one.counted, *one.excluded, *(one.shadows or ())]
        assert sorted(voice.agent for voice in voices) == sorted(AGENTS)
    reasons = {shadow.reason for one in decisions for shadow in one.shadows or ()}
    assert {None, "no_reply"} <= reasons
    panels = [event for event in events if isinstance(event, PanelAssignedV2)]
    assert len({panel.shadows for panel in panels}) > 1


@pytest.mark.parametrize("rehash", [False, True], ids=["changed", "changed with a new id"])
@pytest.mark.parametrize("kind", ["panel.assigned", "decision.made", "agent.observed"])
def test_changed_value_is_noticed(golden: list[bytes], kind: str, rehash: bool) -> None:
    """A copy in which one value of one event was changed does not prove itself."""
    place = next(place for place, line in enumerate(golden) if json.loads(line)["kind"].startswith(kind))
    wrong = [*golden[:place], altered(golden[place], rehash=rehash), *golden[place + 1 :]]
    assert first_difference(wrong) is not None
