"""Replay of logs written under the rules of each version."""

from pathlib import Path

import pytest

from streams.audit.replay.replay import replay
from streams.runtimes.embedded.reader import EmbeddedReader
from streams.topology import INPUT_TOPICS

from ...golden.script import VERSIONS, told
from ..played_log import Played


@pytest.mark.parametrize("version", sorted(VERSIONS))
def test_golden_story_proves_itself(tmp_path: Path, version: str) -> None:
    """The inputs of each golden log, played into a file, have no difference under the checks of today."""
    log = Played(tmp_path / "orch.db")
    for event in told(version).log:
        if event.topic in INPUT_TOPICS:
            log.put(event)
    log.close()
    with EmbeddedReader(log.path) as reader:
        found = replay(reader)
    assert (found.different, found.first_difference) == (0, None)
    assert found.proved
