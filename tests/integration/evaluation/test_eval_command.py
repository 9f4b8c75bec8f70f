"""`orch eval` as a user sees it, and a kill."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from streams.app.evaluate_arm import IN_MEMORY
from streams.evaluation.run_folder import RunFolder

from ...e2e.command import Place
from ..command_in_process import Inside
from .small_world import write_world

SMALL = ("eval", "questions.jsonl", "outputs.jsonl", "--orders", "2", "--resamples", "200", "--processes", "1")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Inside:
    """A folder in which an evaluation was finished."""
    folder = tmp_path_factory.mktemp("command")
    write_world(folder, 24)
    place = Inside(folder)
    done = place.orch(*SMALL)
    assert done.code == 0, done.err
    return place


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_the_report_fits_the_terminal(place: Inside, columns: int) -> None:
    """No line of the report is wider than the terminal."""
    done = place.orch(*SMALL, env={"COLUMNS": str(columns)})
    assert done.code == 0, done.err
    assert "vote of all" in done.out
    too_wide = [line for line in done.out.splitlines() if len(line) > columns]
    assert too_wide == []


def test_json_is_one_object(place: Inside) -> None:
    """With --format json the report is one line of JSON, the data model that report.json holds."""
    done = place.orch("--format", "json", *SMALL)
    (line,) = done.out.splitlines()
    report = json.loads(line)
    assert report["source"]["questions"] == 24
    kept = json.loads((place.path / "orch-eval" / "report.json").read_text())
    assert report["arms"] == kept["arms"]


def test_the_sampled_ids_are_saved(place: Inside) -> None:
    """A sample's ids stand in the run folder, one a line."""
    done = place.orch(*SMALL, "--sample", "6", "--run", "sampled", "--rule", "vote", "--csv", "rows.csv")
    assert done.code == 0, done.err
    ids = (place.path / "sampled" / "sampled-ids.txt").read_text().split()
    rows = (place.path / "rows.csv").read_text().splitlines()
    assert len(ids) == 6
    assert {row.split(",")[5] for row in rows[1:]} == set(ids)


def test_two_logs_are_compared(place: Inside) -> None:
    """Two runs of the same questions are compared in pairs, with the questions that flipped."""
    for log, preset in (("a.db", "default"), ("b.db", "reference")):
        run = ("run", "questions.jsonl", "--outputs", "outputs.jsonl", "--feedback", "gold", "--preset", preset)
        assert place.orch("--log", log, *run).code == 0
    done = place.orch("--format", "json", "eval", "--compare", "a.db", "b.db")
    found = json.loads(done.out)
    comparison = found["comparison"]
    assert comparison["questions"] == 24
    assert (comparison["only_first"], comparison["only_second"]) == (
        len(found["only_first_right"]),
        len(found["only_second_right"]),
    )
    text = place.orch("eval", "--compare", "a.db", "b.db").out
    assert "for a paper" in text


def test_two_logs_without_a_right_answer(place: Inside) -> None:
    """Logs that know no right answer cannot be compared, and the error says how they would."""
    assert place.orch("--log", "c.db", "run", "questions.jsonl", "--outputs", "outputs.jsonl").code == 0
    done = place.orch("eval", "--compare", "c.db", "c.db")
    assert done.code == 2
    assert "--feedback gold" in done.err


def test_without_a_data_set(place: Inside) -> None:
    """The bare command says what to name."""
    done = place.orch("eval")
    assert done.code == 2
    assert "no data set" in done.err


@pytest.mark.process
def test_processes_write_nothing_to_stdout(
    place: Inside, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Arms that run in processes of their own find the same, and put no line between the data on stdout."""
    alone = (place.path / "orch-eval" / "rows.csv").read_bytes()
    monkeypatch.setattr("streams.app.evaluate.PARALLEL_FROM", 0)
    done = place.orch("--format", "json", *SMALL[:-1], "2", "--run", "parallel")
    assert done.code == 0, done.err
    assert len(done.out.splitlines()) == 1
    assert capfd.readouterr().out == ""
    assert (place.path / "parallel" / "rows.csv").read_bytes() == alone


@pytest.mark.process
def test_a_killed_evaluation_goes_on(tmp_path: Path) -> None:
    """After SIGKILL the same command finishes, keeps the arms that were done, and finds what an unbroken one finds."""
    write_world(tmp_path, 30)
    place = Place(tmp_path)
    whole = (*SMALL, "--orders", "10", "--rule", "weighted", "--routing", "static")
    arms = tmp_path / "orch-eval" / "arms"
    with place.start(*whole) as process:
        limit = time.monotonic() + 120
        while len(list(arms.glob("*.json"))) < 2:
            assert time.monotonic() < limit, "no arm was finished"
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(30)
    kept = {file: file.stat().st_mtime_ns for file in arms.glob("*.json")}
    assert 2 <= len(kept) < 10
    done = place.orch(*whole)
    assert done.code == 0, done.err
    assert all(file.stat().st_mtime_ns == at for file, at in kept.items())
    unbroken = Inside(tmp_path).orch(*whole, "--run", "unbroken")
    assert unbroken.code == 0, unbroken.err
    assert not list(IN_MEMORY.glob(f"{RunFolder(tmp_path / 'orch-eval').scratch_name}*"))
    rows = [(tmp_path / run / "rows.csv").read_bytes() for run in ("orch-eval", "unbroken")]
    assert rows[0] == rows[1]
