"""Replay of honest logs: no false alarm."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from streams.audit.replay.replay import replay
from streams.runtimes.embedded.reader import EmbeddedReader

from .honest_logs import DEFAULT, LEXICOGRAPHIC, LIVE, REFERENCE, STAGED, Story

SEEDS = 200
AT_ONCE = 25


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, SEEDS, AT_ONCE))
def test_honest_logs_prove_themselves(tmp_path: Path, first: int) -> None:
    """Whatever an honest program went through, its log has no difference."""
    alarms, kinds, events = [], set[str](), 0
    for seed in range(first, first + AT_ONCE):
        story = Story(tmp_path / f"{seed}.db", seed)
        with capture_logs():
            story.tell()
        with EmbeddedReader(story.path) as reader:
            found = replay(reader)
        kinds |= story.kinds
        events += found.events
        if found.different:
            alarms.append((seed, found.different, found.first_difference))
    assert alarms == []
    assert events > 40 * AT_ONCE
    presets = {DEFAULT, REFERENCE, LEXICOGRAPHIC, STAGED, LIVE}
    sources = {"gold", "human", "downstream", "judge", "agreement"}
    crashes = {"killed", "decided", "adopted", "produced", "produced before any policy"}
    assert kinds >= presets | sources | crashes | {"policy.adopted.v1", "policy.adopted.v2"}
