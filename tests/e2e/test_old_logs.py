"""Logs of release 0.1 on the command line."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ..layout2 import LAYOUT2, SETTINGS, configuration, unpacked
from .command import Ended, Place

RUN = ("run", "questions.jsonl", "--feedback", "gold", "--window", "4")

every_setting = pytest.mark.parametrize("settings", SETTINGS)


def values(path: Path) -> list[bytes]:
    """Read the log, one event a line, in log order."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT CAST(value AS BLOB) FROM records ORDER BY seq")
        return [bytes(value) for (value,) in rows]


def layout(path: Path) -> int:
    """Read the layout mark of a file."""
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def about(lines: list[bytes], kind: str) -> dict[str, bytes]:
    """Pick the events whose kind begins so, by question."""
    return {json.loads(line)["question_id"]: line for line in lines if f'"kind":"{kind}'.encode() in line}


def prepare(place: Place, log: str, settings: str, rules: str) -> list[bytes]:
    """Lay out a log with its questions, outputs and configuration; give what the log holds in the end under 0.1."""
    for name in ("questions.jsonl", "outputs.jsonl"):
        shutil.copy(LAYOUT2 / name, place.path)
    (place.path / "orch.toml").write_text(configuration(settings, rules), "utf-8")
    (place.path / "finished").mkdir()
    finished = values(unpacked(f"{settings}/finished", place.path / "finished"))
    unpacked(log, place.path)
    return finished


def run(place: Place, settings: str) -> Ended:
    """Run the questions, with recorded outputs that the configuration or the command names."""
    named = () if settings == "cascade" else ("--outputs", "outputs.jsonl")
    return place.orch("--format", "json", *RUN, *named)


@pytest.mark.parametrize(
    "command",
    [
        ("replay",),
        ("explain", "q01"),
        ("consume", "decisions"),
        ("router",),
        ("policy", "show"),
        ("dead-letters",),
        ("topics",),
    ],
    ids=lambda command: command[0],
)
def test_reading_command_changes_nothing(place: Place, command: tuple[str, ...]) -> None:
    """What only reads needs no migration, and leaves every byte and no file."""
    path = unpacked("reference/finished", place.path)
    before = path.read_bytes()
    done = place.orch(*command)
    assert done.code == 0, done.err
    assert path.read_bytes() == before
    assert [file.name for file in place.path.iterdir()] == ["orch.db"]


def test_doctor_announces_the_migration(place: Place) -> None:
    """The check of an old log says what the next writer will do, and does not do it."""
    path = unpacked("reference/finished", place.path)
    before = path.read_bytes()
    checks = {line["name"]: line for line in place.orch("--format", "json", "doctor").lines}
    assert "keeps a copy" in checks["layout"]["finding"]
    assert (checks["layout"]["state"], checks["writer"]["state"]) == ("ok", "ok")
    assert path.read_bytes() == before
    assert [file.name for file in place.path.iterdir()] == ["orch.db"]


@every_setting
def test_half_finished_log_ends_as_under_its_program(place: Place, settings: str) -> None:
    """Under a policy without versions, each byte that this program adds is the one that release 0.1 adds."""
    finished = prepare(place, f"{settings}/half", settings, "v1")
    done = run(place, settings)
    assert done.code == 0, done.err
    assert values(place.path / "orch.db") == finished
    assert done.object["replay"] == {"events": len(finished), "different": 0}
    told = json.loads(done.err.splitlines()[0])
    assert (told["event"], told["from_layout"], told["copy"]) == (
        "log_migrated",
        2,
        str(place.path / "orch.db.layout2"),
    )


@every_setting
def test_old_panels_keep_their_rules_beside_new_ones(place: Place, settings: str) -> None:
    """Under a new policy of v2, panels of 0.1 decide by v1, to the byte; later questions decide by v2."""
    finished = prepare(place, f"{settings}/half", settings, "v2")
    with_panel = about(values(place.path / "orch.db"), "panel.assigned.v1")
    done = run(place, settings)
    assert done.code == 0, done.err
    assert done.object["replay"]["different"] == 0
    lines = values(place.path / "orch.db")
    decided, old, asked = (about(of, "decision.made") for of in (lines, finished, finished))
    assert decided.keys() == asked.keys()
    assert 0 < len(with_panel) < len(decided)
    assert {key: decided[key] for key in with_panel} == {key: old[key] for key in with_panel}
    later = [json.loads(line) for key, line in decided.items() if key not in with_panel]
    assert {event["kind"] for event in later} == {"decision.made.v2"}
    assert place.orch("--format", "json", "replay").object["different"] == 0


@every_setting
@pytest.mark.parametrize("rules", ["v1", "v2"])
def test_finished_log_takes_more_questions(place: Place, settings: str, rules: str) -> None:
    """What release 0.1 finished stays to the byte, and more questions are decided after it."""
    finished = prepare(place, f"{settings}/finished", settings, rules)
    for name in ("questions.jsonl", "outputs.jsonl"):
        path = place.path / name
        path.write_text(path.read_text("utf-8").replace('"q0', '"p0').replace('"q1', '"p1'), "utf-8")
    done = run(place, settings)
    assert done.code == 0, done.err
    assert (done.object["questions"], done.object["replay"]["different"]) == (12, 0)
    lines = values(place.path / "orch.db")
    assert lines[: len(finished)] == finished
    kinds = {json.loads(line)["kind"] for line in about(lines[len(finished) :], "decision.made").values()}
    assert kinds == {f"decision.made.{rules}"}


@pytest.mark.parametrize("rules", ["v1", "v2"])
def test_log_without_a_policy_goes_on(place: Place, rules: str) -> None:
    """Questions that were only produced under release 0.1 are decided by the first policy that follows."""
    prepare(place, "asked", "reference", rules)
    done = run(place, "reference")
    assert done.code == 0, done.err
    assert (done.object["questions"], done.object["replay"]["different"]) == (12, 0)
    lines = values(place.path / "orch.db")
    assert len(about(lines, f"decision.made.{rules}")) == 12


def test_appending_command_migrates(place: Place) -> None:
    """`produce` migrates too, and a second writer finds nothing left to do."""
    prepare(place, "reference/finished", "reference", "v2")
    path = place.path / "orch.db"
    before = values(path)
    first = place.orch("produce", "questions.jsonl")
    assert (first.code, layout(path)) == (0, 3), first.err
    assert values(place.path / "orch.db.layout2") == before
    second = place.orch("produce", "questions.jsonl")
    assert second.code == 0
    assert "log_migrated" in first.err
    assert "log_migrated" not in second.err
