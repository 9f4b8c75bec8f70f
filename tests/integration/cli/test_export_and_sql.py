"""Commands on archives: `orch export`, `orch sql` and readers."""

import csv
import io
import os
import pty
import re
import select
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import duckdb
import orjson
import pytest

from streams.audit.views import catalog
from streams.cli.main import run
from streams.runtimes.embedded.reader import EmbeddedReader
from streams.topology import DECISIONS, QUESTIONS

from ..audit.honest_logs import Story

WAIT_S = 60


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a log file, with its archive beside it as `archive`."""
    told = Story(tmp_path_factory.mktemp("story") / "orch.db", 7)
    told.tell()
    assert run(["--log", str(told.path), "export", str(told.path.parent / "archive")]) == 0
    return told.path


@pytest.fixture
def logs(story: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[str, str]:
    """Give the URLs of the file and of its archive, in a folder without anything else."""
    monkeypatch.chdir(tmp_path)
    return str(story), f"parquet:{story.parent}/archive"


def said(capfd: pytest.CaptureFixture[str], *line: str, code: int = 0) -> str:
    """Run a command in this process, and give its stdout."""
    capfd.readouterr()
    assert run(line) == code, capfd.readouterr().err
    return capfd.readouterr().out


def reading(story: Path) -> list[tuple[str, ...]]:
    """List the commands that only read, for a question of the log."""
    with EmbeddedReader(story) as reader:
        question_id = next(record.key for record in reader.records((DECISIONS,)))
        event_id = orjson.loads(next(reader.records((QUESTIONS,))).value)["event_id"]
    return [
        ("explain", question_id),
        ("explain", event_id[:12]),
        ("router",),
        ("router", "--at", question_id),
        ("policy",),
        ("policy", "history"),
        ("consume", "decisions"),
        ("consume", "questions", "--max", "3"),
        ("dead-letters",),
        ("topics",),
    ]


@pytest.mark.parametrize("form", ["text", "json"])
def test_commands_that_read_take_an_archive(
    logs: tuple[str, str], story: Path, capfd: pytest.CaptureFixture[str], form: str
) -> None:
    """Every command that only reads prints of the archive what it prints of the log."""
    file, archive = logs
    for line in reading(story):
        of_file = said(capfd, "--log", file, "--format", form, *line)
        assert said(capfd, "--log", archive, "--format", form, *line) == of_file, line


def test_replay_and_doctor_take_an_archive(logs: tuple[str, str], capfd: pytest.CaptureFixture[str]) -> None:
    """A replay has the same counts, and the doctor finds the log."""
    counts = [orjson.loads(said(capfd, "--log", log, "--format", "json", "replay")) for log in logs]
    for name in ("events", "derived", "different", "pending", "first_difference"):
        assert counts[0][name] == counts[1][name]
    assert logs[1] in said(capfd, "--log", logs[1], "--format", "json", "doctor")


@pytest.mark.parametrize(
    "line",
    [
        ("produce", "-"),
        ("feedback", "-"),
        ("run", "q.jsonl"),
        ("ask", "?", "--number"),
        ("policy", "adopt"),
    ],
    ids=lambda line: line[0],
)
def test_commands_that_write_refuse_an_archive(
    logs: tuple[str, str], capfd: pytest.CaptureFixture[str], line: tuple[str, ...]
) -> None:
    """A command that writes refuses an archive in words, with exit code 2."""
    Path("q.jsonl").write_text('{"question_id": "a", "text": "?", "answer_type": "number"}\n')
    assert run(["init", "--simulated"]) == 0
    capfd.readouterr()
    assert run(["--log", logs[1], *line]) == 2
    assert "read-only" in capfd.readouterr().err


def test_damage_ends_with_its_code(tmp_path: Path, capfd: pytest.CaptureFixture[str], logs: tuple[str, str]) -> None:
    """No archive is exit code 2, a foreign one 3, a damaged one 4; each names its place."""
    assert run(["--log", f"parquet:{tmp_path}/none", "replay"]) == 2
    assert f"{tmp_path}/none" in capfd.readouterr().err
    folder = tmp_path / "archive"
    said(capfd, "--log", logs[0], "export", str(folder))
    (file,) = (folder / "records" / DECISIONS).iterdir()
    file.write_bytes(file.read_bytes()[:-9])
    for line in (("replay",), ("explain", "q"), ("sql", "FROM decisions"), ("consume", "decisions")):
        capfd.readouterr()
        assert run(["--log", f"parquet:{folder}", *line]) == 4
        assert str(file) in capfd.readouterr().err
    (folder / "manifest.json").write_text('{"format": "another"}')
    assert run(["--log", f"parquet:{folder}", "replay"]) == 3
    assert str(folder / "manifest.json") in capfd.readouterr().err


def test_an_export_says_what_it_did(logs: tuple[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The first export adds all records, a second one none; programs read one object."""
    first = orjson.loads(said(capfd, "--log", logs[0], "--format", "json", "export", "out"))
    assert first["added"] == first["records"] > 0
    assert first["files"] == sum(1 for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert "added    0" in said(capfd, "--log", logs[0], "export", "out")
    assert run(["--log", logs[1], "export", "again"]) == 2


def test_results_come_in_every_form(logs: tuple[str, str], capfd: pytest.CaptureFixture[str]) -> None:
    """A result is a table, CSV, JSON Lines or Parquet, on stdout or in a file, and the same from file and archive."""
    query = "SELECT question_id, status, calls FROM decisions ORDER BY ALL"
    for log in logs:
        as_csv = list(csv.DictReader(io.StringIO(said(capfd, "--log", log, "sql", query, "--as", "csv"))))
        as_json = [
            orjson.loads(line)
            for line in said(capfd, "--log", log, "--format", "json", "sql", query).split("\n")
            if line
        ]
        assert [{**row, "calls": str(row["calls"])} for row in as_json] == as_csv
        table = said(capfd, "--log", log, "sql", query)
        assert len(table.splitlines()) == len(as_csv) + 2
        for name in ("out.csv", "out.jsonl", "out.parquet"):
            assert said(capfd, "--log", log, "sql", query, "-o", name) == f"{name}: {len(as_csv)} rows\n"
        assert [row["question_id"] for row in csv.DictReader(io.StringIO(Path("out.csv").read_text()))] == [
            r["question_id"] for r in as_csv
        ]
        assert [orjson.loads(line) for line in Path("out.jsonl").read_bytes().splitlines()] == as_json
        rows = duckdb.sql("SELECT * FROM 'out.parquet'").fetchall()
        assert rows == [tuple(row.values()) for row in as_json]
    assert not list(Path().glob(".*.tmp"))


def test_mistakes_in_a_query_are_told(logs: tuple[str, str], capfd: pytest.CaptureFixture[str]) -> None:
    """A mistake in a query, or in the form of its result, is a mistake of the user, and leaves no file."""
    for line in (
        ("SELECT nothing FROM decisions",),
        ("SELEC 1",),
        ("DROP VIEW decisions",),
        ("SELECT 1", "--as", "parquet"),
        ("SELECT 1", "-o", "out.docx"),
        ("SELECT nothing FROM decisions", "-o", "out.csv"),
        ("SELECT nothing FROM decisions", "-o", "out.parquet"),
        ("COPY (SELECT 1) TO 'out.csv'",),
    ):
        assert run(["--log", logs[1], "sql", *line]) == 2, line
        assert "Error: " in capfd.readouterr().err
    assert list(Path().iterdir()) == []


def test_without_a_query_the_views_are_listed(logs: tuple[str, str], capfd: pytest.CaptureFixture[str]) -> None:
    """Where there is no terminal, no query means the list of views; every example in it runs."""
    listed = [orjson.loads(line) for line in said(capfd, "--format", "json", "sql").splitlines()]
    assert {"decisions", "ballots", "undecided"} <= {view["view"] for view in listed}
    for view in listed:
        said(capfd, "--log", logs[1], "sql", view["example"])
    assert "log.records" in said(capfd, "sql")


@pytest.mark.process
def test_the_auditor_s_page_works_as_it_stands(story: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every query and program of an archive's README runs in its folder, with DuckDB alone, and ids are as it says."""
    folder = story.parent / "archive"
    monkeypatch.chdir(folder)
    page = Path("README.md").read_text("utf-8")
    assert "{{" not in page
    with duckdb.connect() as log:
        log.execute(Path("views.sql").read_text("utf-8"))
        queries = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
        assert len(queries) > len(catalog.VIEWS)
        for query in queries:
            log.execute(query).fetchall()
        (records,) = log.execute("SELECT count(*) FROM log.records").fetchall()
    assert f"{records[0]:,} records" in page
    programs = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(programs) == 2
    for program in programs:
        printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed == "True\n"


@pytest.mark.process
def test_a_terminal_gets_a_prompt(logs: tuple[str, str]) -> None:
    """On a terminal queries are read up to their semicolon; a mistake is told, and the next one is read."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", "from streams.cli.main import main; main()", "--log", logs[1], "sql"]
    lines = [b".views", b"SELECT 6 *", b"7 AS product;", b"SELECT nothing;", b"SELECT 'still' || 'here' AS word;"]
    typed = [line + b"\n" for line in lines] + [b"\x04"]
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "dumb"}
    ) as running:
        os.close(theirs)
        seen, read_to = b"", 0
        with suppress(OSError):
            while select.select([ours], [], [], WAIT_S)[0] and (chunk := os.read(ours, 4_096)):
                seen += chunk
                # The terminal takes a line once it is asked for one.
                if typed and seen.endswith((b"orch> ", b"  ... ")) and len(seen) > read_to:
                    os.write(ours, typed.pop(0))
                    read_to = len(seen)
        if typed:
            running.kill()
        assert running.wait(WAIT_S) == 0
    os.close(ours)
    assert b"an adoption of a policy" in seen
    assert b"42" in seen
    assert b"Binder Error" in seen
    assert b"stillhere" in seen
