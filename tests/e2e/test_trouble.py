"""
Failures outside the program: message, remedy and exit code.

Each gives one message with the place, and nothing good is lost.
"""

import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from ..limits import LIMIT_S
from .command import ORCH, Place, outputs, prepare, question, run
from .conftest import RECORDED

BLOCK_BYTES = 512
"""Unit of `ulimit -f`."""


def test_full_disk_keeps_what_was_committed(place: Place) -> None:
    """A disk that is full ends a run with exit code 3; with room again, the same command finishes it."""
    prepare(place, 240)
    line = ("--format", "json", "run", "questions.jsonl", "--outputs", "outputs.jsonl", "--feedback", "gold")
    # Room for the first commits, of a thousand records each.
    small = f'ulimit -f {4_000_000 // BLOCK_BYTES}; exec "$@"'
    full = subprocess.run(
        ["sh", "-c", small, "sh", *ORCH, *line],
        cwd=place.path,
        env=place.environment(),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert full.returncode == 3
    assert full.stdout == ""
    assert "orch.db: " in full.stderr
    assert "everything committed is safe" in full.stderr
    assert "free space" in full.stderr
    done = place.orch(*line).object
    assert done["already_asked"] > 0
    assert (done["decided"], done["replay"]["different"]) == (240, 0)


@contextmanager
def _locked(place: Place) -> Iterator[None]:
    """Let another program keep the log locked."""
    with closing(sqlite3.connect(place.path / "orch.db", isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield


def test_locked_log_is_the_environment(recorded: Place) -> None:
    """While another program locks the file, writing ends with exit code 3 and says what to close."""
    before = recorded.events("decisions")
    with _locked(recorded):
        done = run(recorded)
    assert (done.code, done.out) == (3, "")
    assert "orch.db" in done.err
    assert "Close what else has the file open" in done.err
    assert recorded.events("decisions") == before


@pytest.mark.parametrize("content", ["another program's", "no database"])
def test_foreign_file_is_left_alone(content: str, place: Place) -> None:
    """A file that is no log is refused with exit code 3, and not a byte of it changes."""
    prepare(place, 1)
    path = place.path / "orch.db"
    if content == "no database":
        path.write_text("Dear diary, " * 500)
    else:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE mine (value)")
    before = path.read_bytes()
    done = run(place)
    assert (done.code, done.out) == (3, "")
    assert "orch.db" in done.err
    assert "--log sqlite:///PATH" in done.err
    assert path.read_bytes() == before


def test_slip_in_the_configuration_is_corrected(place: Place) -> None:
    """A setting that does not exist: exit code 2, the file, the setting, what was probably meant, and no log."""
    prepare(place, 1)
    place.write("orch.toml", [b'[routing]\npanelsize = 2\n[[agents]]\nkind = "simulated"\nname = "a"'])
    done = place.orch("run", "questions.jsonl")
    assert (done.code, done.out) == (2, "")
    assert "orch.toml: routing.panelsize: unknown field\nDid you mean panel_size?" in done.err
    assert not (place.path / "orch.db").exists()


def test_agent_without_outputs_is_named(place: Place) -> None:
    """A configured model that the outputs lack: exit code 2, its name, and those that are there."""
    prepare(place, 1)
    agent = '[[agents]]\nkind = "recorded"\nname = "{0}"\nmodel = "{0}"\n'
    text = agent.format("ace") + agent.format("ghost") + '[run]\noutputs = ["outputs.jsonl"]\n'
    place.write("orch.toml", [text.encode()])
    done = place.orch("run", "questions.jsonl")
    assert (done.code, done.out) == (2, "")
    assert "agent 'ghost'" in done.err
    assert "ace, cat, gpt-4o-mini" in done.err
    assert not (place.path / "orch.db").exists()


def test_model_of_any_name_becomes_an_agent(place: Place) -> None:
    """What an agent's name cannot hold becomes a hyphen; the policy keeps the model's own name."""
    place.write("questions.jsonl", [question(0)])
    place.write("outputs.jsonl", [{**line, "model": f"My {line['model']} (v2)"} for line in outputs(1)])
    assert run(place).object["agents"].keys() == {"My-ace-v2", "My-cat-v2", "My-gpt-4o-mini-v2"}
    (policy,) = place.events("policies")
    assert [agent["model"] for agent in policy["agents"]] == ["My ace (v2)", "My cat (v2)", "My gpt-4o-mini (v2)"]


def tamper(place: Place, topic: str, old: str, new: str) -> tuple[int, int]:
    """Change the newest record of a topic that holds *old*; give its partition and offset."""
    with closing(sqlite3.connect(place.path / "orch.db")) as connection, connection:
        find = 'SELECT seq, partition, "offset" FROM log WHERE topic = ? AND instr(value, ?) ORDER BY seq DESC'
        seq, partition, offset = connection.execute(find, (f"orch.{topic}", old)).fetchone()
        change = "UPDATE records SET value = CAST(replace(CAST(value AS TEXT), ?, ?) AS BLOB) WHERE seq = ?"
        connection.execute(change, (old, new, seq))
    return partition, offset


@pytest.mark.parametrize(
    ("topic", "old", "new", "line"),
    [
        ("decisions", '"calls":3', '"calls":2', ("run", "questions.jsonl", "--outputs", "outputs.jsonl")),
        ("questions", '"first"', '"fist"', ("produce", "questions.jsonl")),
        ("questions", '"text"', '"txet"', ("feedback", "feedback.jsonl")),
        ("router", '"scope"', "scope", ("run", "questions.jsonl", "--outputs", "outputs.jsonl")),
        ("policies", '"default"', '"defaults"', ("ask", "Why?", "--number")),
        ("decisions", '"decided"', "\n", ("--format", "text", "consume", "decisions")),
    ],
)
def test_changed_record_is_named_by_its_place(
    topic: str, old: str, new: str, line: tuple[str, ...], recorded: Place
) -> None:
    """A record changed behind the program's back: exit code 4, with topic, partition, offset and remedy."""
    recorded.write("feedback.jsonl", [{"question_id": f"q{RECORDED - 1}", "source": "human", "verdict": "right"}])
    partition, offset = tamper(recorded, topic, old, new)
    done = recorded.orch(*line)
    assert done.code == 4, done.err
    assert f"Error: orch.{topic}, partition {partition}, offset {offset}: the record was changed" in done.err
    assert "Restore the log from a backup" in done.err
    assert len(done.err) < 600
