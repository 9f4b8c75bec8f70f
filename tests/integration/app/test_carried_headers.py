"""Headers of questions on a file, from record to record."""

import json
from pathlib import Path

import pytest

from schemas.panels import PanelAssigned
from streams.log import wall_clock_ms
from streams.processors import PROCESSORS
from streams.runtimes.embedded.reader import EmbeddedReader
from streams.runtimes.embedded.writer import EmbeddedWriter

from ...worlds import newest, policy, question
from ..command_in_process import Inside

TRACE = (("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), ("tenant", b"x"))

POLICY = """
[policy]
deadline_ms = 300
[merge]
rule = "vote"
[[agents]]
kind = "simulated"
name = "a"
[[agents]]
kind = "simulated"
name = "never"
waits = true
hang_ppb = 1_000_000_000
"""


@pytest.mark.parametrize("assigned", [False, True], ids=["asked", "assigned"])
def test_all_that_follows_from_a_question_carries_its_headers(tmp_path: Path, assigned: bool) -> None:
    """Analyses and the deadline too, and so the decision, whether a session finds the question asked or assigned."""
    place = Inside(tmp_path)
    (tmp_path / "orch.toml").write_text(POLICY)
    (tmp_path / "more.jsonl").write_text(json.dumps({"question_id": "other", "text": "?", "options": ["this", "that"]}))
    with EmbeddedWriter(tmp_path / "orch.db", PROCESSORS, clock=wall_clock_ms) as log:
        if assigned:
            log.append(newest(policy("a", "never", deadline_ms=300)))
        log.append(question(), headers=TRACE)
        written = log.fold()
        assert any(isinstance(stored.event, PanelAssigned) for stored in written) == assigned
        assert all(stored.headers == TRACE for stored in written)
        log.commit()
    done = place.orch("run", "more.jsonl")
    assert done.code == 0, done.err
    with EmbeddedReader(tmp_path / "orch.db") as view:
        records, others = list(view.about("q")), list(view.about("other"))
    topics = {record.topic for record in records}
    assert {"orch.analyses", "orch.deadlines", "orch.decisions", "orch.observations"} <= topics
    assert {record.headers for record in records} == {TRACE}
    assert {record.headers for record in others} == {()}
