"""Golden log that goes on from an earlier one."""

import json
from pathlib import Path

import pytest

from schemas.odds import PanelOdds
from schemas.panels import PanelAssignedV2
from schemas.router import RouterEntry
from schemas.weights import WeightsEntry

from .origin_script import earlier, end_of_world, told
from .test_golden import altered, digests_in, digests_of, first_difference, lines_of, recorded

FOLDER = Path(__file__).parent / "origin"


@pytest.fixture(scope="module")
def golden() -> list[bytes]:
    """Give the lines of the golden log, written anew first where that is asked for."""
    return recorded(FOLDER, told)


def test_story_told_again_is_the_same(golden: list[bytes]) -> None:
    """The script gives the log that is recorded, byte for byte, and its digests."""
    assert lines_of(told()) == golden
    assert digests_of(golden) == digests_in(FOLDER)


def test_log_proves_itself(golden: list[bytes]) -> None:
    """The inputs of the log, what was carried among them, give all of its derived events."""
    assert first_difference(golden) is None


def test_tables_go_on() -> None:
    """The first entry of each line has the values of the last one before, and the next place in its chain."""
    end, world = end_of_world(earlier()), told()
    for old, kind in [
        *((entry, RouterEntry) for entry in end.router),
        *((entry, WeightsEntry) for entry in end.weights),
    ]:
        first = next(event for event in world.of(kind) if event.key == old.key)
        beside = {"event_id", "causes", "occurred_at", "sequence", "previous"}
        assert first.model_dump(exclude=beside) == old.model_dump(exclude=beside)
        assert (first.sequence, first.previous) == (old.sequence + 1, old.event_id)
    first_panel = world.of(PanelAssignedV2, "r2")[0]
    assert isinstance(first_panel.odds, PanelOdds)
    assert first_panel.odds.lessons == {entry.scope: entry.lessons for entry in end.weights}["shaped"]
    assert {s for one in first_panel.candidates for s in one.sequences} == {entry.sequence + 1 for entry in end.router}


@pytest.mark.parametrize("rehash", [False, True], ids=["changed", "changed with a new id"])
@pytest.mark.parametrize("kind", ["router.entry", "weights.entry", "panel.assigned"])
def test_changed_value_is_noticed(golden: list[bytes], kind: str, rehash: bool) -> None:
    """A copy in which one value of one event was changed does not prove itself."""
    place = next(place for place, line in enumerate(golden) if json.loads(line)["kind"].startswith(kind))
    wrong = [*golden[:place], altered(golden[place], rehash=rehash), *golden[place + 1 :]]
    assert first_difference(wrong) is not None
