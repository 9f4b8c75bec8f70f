"""`orch log start` on Kafka."""

from pathlib import Path
from typing import Any
from uuid import uuid4

from streams.audit.carried_tables import beginning, end_of, open_questions
from streams.runtimes.urls import open_reader, open_writer
from streams.topology import INPUT_TOPICS, LESSONS, OBSERVATIONS, POLICIES

from ...golden.origin_script import earlier
from ..command_in_process import Inside
from ..played_log import Played


def test_started_log_goes_on_where_it_was_ended(broker: Any, tmp_path: Path) -> None:
    """A start that was ended goes on with its own origin, each record once; a started log is not started again."""
    place, url = Inside(tmp_path), f"kafka://{broker.bootstrap}/{uuid4().hex[:12]}"
    log = Played(tmp_path / "old.db")
    for event in earlier().log:
        if event.topic in INPUT_TOPICS:
            log.put(event)
    log.close()
    assert place.orch("--log", "old.db", "export", "archive").code == 0
    with open_reader(f"parquet:{tmp_path / 'archive'}") as reader:
        end, waiting = end_of(reader), list(open_questions(reader))
    assert end.policy is not None
    first = beginning(end, end.policy, "2026-05-01T00:00:00.000Z", len(waiting))
    assert place.orch("--log", url, "topics", "create").code == 0
    with open_writer(url, topics=(POLICIES, OBSERVATIONS)) as writer:
        for event in (first.origin, first.carried[0]):
            writer.append(event)
        writer.commit()
    started = place.orch("--format", "json", "--log", url, "log", "start", "--from", "archive")
    assert started.code == 0, started.err
    assert (started.lines[0]["event_id"], started.lines[0]["resumed"]) == (first.origin.event_id, True)
    with open_reader(url) as reader:
        held = [record.value for record in reader.records((POLICIES, OBSERVATIONS, LESSONS))]
    assert sorted(held) == sorted(event.encode() for event in (first.origin, *first.carried, first.policy))
    again = place.orch("--log", url, "log", "start", "--from", "archive")
    assert (again.code, "holds records already" in again.err) == (2, True)
