"""`orch status` and `orch backup` on a log file."""

import sqlite3
from pathlib import Path

import pytest

from streams.log import wall_clock_ms
from streams.processors import PROCESSORS
from streams.runtimes.embedded.writer import EmbeddedWriter

from ...e2e.command import Place, question, run
from ...e2e.conftest import RECORDED
from ...worlds import question as asked


def contents(folder: Path) -> dict[str, bytes]:
    """Read every file of a folder."""
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def test_status_counts_questions_and_calls(recorded: Place) -> None:
    """By state, with the calls of the last minutes; nothing is written."""
    before = contents(recorded.path)
    told = recorded.orch("--format", "json", "status", "--last", "10080")
    assert told.code == 0, told.err
    decisions = recorded.events("decisions")
    decided = sum(event["status"] == "decided" for event in decisions)
    assert told.object["questions"] == {
        "asked": RECORDED,
        "decided": decided,
        "undecided": RECORDED - decided,
        "open": 0,
    }
    assert (told.object["oldest_open"], told.object["lag"], told.object["stages"]) == (None, 0, [])
    recent = told.object["recent"]
    assert recent["decisions"] == RECORDED
    analyses = recorded.events("analyses")
    assert sum(agent["calls"] for agent in recent["agents"].values()) == sum(
        attempt["outcome"] != "refused" for event in analyses for attempt in event["attempts"]
    )
    assert contents(recorded.path) == before


def test_status_is_for_people_too(recorded: Place) -> None:
    """Each figure has its name, each agent a line."""
    done = recorded.orch("status", "--last", "60")
    assert done.code == 0, done.err
    assert f"{RECORDED} in the last 60 min" in done.out
    assert "agent, 60 min" in done.out
    assert all(line == line.rstrip() for line in done.out.splitlines())


def test_status_names_the_oldest_open_question(place: Place) -> None:
    """A question that was produced and not decided is open, and its age is told."""
    assert place.orch("produce", place.write("asked.jsonl", [question(number) for number in range(3)])).code == 0
    told = place.orch("--format", "json", "status").object
    assert (told["questions"]["open"], told["oldest_open"]["question_id"]) == (3, "q0")
    assert 0 <= told["oldest_open"]["seconds"] < 600


def test_a_copy_of_a_log_in_use_is_a_log(recorded: Place) -> None:
    """Taken beside its writer, it holds what is committed and nothing else, and a replay proves it."""
    with EmbeddedWriter(recorded.path / "orch.db", PROCESSORS, clock=wall_clock_ms) as log:
        log.append(asked("late"))
        log.commit()
        log.append(asked("later"))
        done = recorded.orch("--format", "json", "backup", "copy.db")
        assert done.code == 0, done.err
        log.commit()
    assert {event["question_id"] for event in recorded.events("questions", "copy.db")} >= {"late"}
    assert "later" not in {event["question_id"] for event in recorded.events("questions", "copy.db")}
    replayed = recorded.orch("--log", "copy.db", "--format", "json", "replay")
    assert (replayed.code, replayed.object["different"]) == (0, 0)
    with sqlite3.connect(recorded.path / "copy.db") as copy:
        assert copy.execute("SELECT max(seq) FROM records").fetchone() == (done.object["records"],)
    assert run(recorded).code == 0


@pytest.mark.parametrize("target", ["orch.db", "nosuch/copy.db"])
def test_a_copy_overwrites_nothing(recorded: Place, target: str) -> None:
    """A name that is taken, or a folder that is not there, is refused, and nothing is left behind."""
    before = contents(recorded.path)
    done = recorded.orch("backup", target)
    assert done.code == 2, done.err
    assert contents(recorded.path) == before


def test_a_copy_of_a_log_on_kafka_is_an_export(place: Place) -> None:
    """The message names the command that does it."""
    done = place.orch("--log", "kafka://127.0.0.1:1", "backup", "copy.db")
    assert (done.code, "orch export DIR" in done.err) == (2, True)
    archive = place.orch("--log", "parquet:archive", "backup", "copy.db")
    assert archive.code == 2, archive.err
