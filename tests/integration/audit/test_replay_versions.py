"""Replay of logs written under the rules of each version."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from streams.audit.replay.replay import replay
from streams.processors import route
from streams.runtimes.embedded.reader import EmbeddedReader
from streams.topology import ASSIGNMENTS, INPUT_TOPICS

from ...golden import odds_script
from ...golden.script import VERSIONS, told
from ...odds_story import told_by_odds
from ...worlds import World, newest, policy, question, said
from ..played_log import Played

STORIES: dict[str, Callable[[], World]] = {
    **{version: partial(told, version) for version in VERSIONS},
    "odds": odds_script.told,
    "lessons": told_by_odds,
}


@pytest.mark.parametrize("story", sorted(STORIES))
def test_golden_story_proves_itself(tmp_path: Path, story: str) -> None:
    """The inputs of each golden log, played into a file, have no difference under the checks of today."""
    log = Played(tmp_path / "orch.db")
    for event in STORIES[story]().log:
        if event.topic in INPUT_TOPICS:
            log.put(event)
    log.close()
    with EmbeddedReader(log.path) as reader:
        found = replay(reader)
    assert (found.different, found.first_difference) == (0, None)
    assert found.proved


def test_full_router_table_proves_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A panel that a full table gave no lines for its subject is derived as it is recorded."""
    monkeypatch.setattr(route, "MOST_LINES", 2)
    log = Played(tmp_path / "orch.db")
    log.put(newest(policy("a", "b")))
    for number, subject in enumerate(("law", "art", "law")):
        log.ask([question(f"q{number}", at=10 + number, subject=subject)], said(a="A", b="B"))
    log.close()
    monkeypatch.undo()
    with EmbeddedReader(log.path) as reader:
        assert replay(reader).different == 0
        assert sum(b'"crowded":true' in record.value for record in reader.records((ASSIGNMENTS,))) == 1
