"""Replays, other policies and evaluations, from their pages."""

import os
import shutil
import sqlite3
import time
import tomllib
from collections.abc import Iterator
from contextlib import chdir, closing
from pathlib import Path
from typing import Any

import pytest

from streams.app.reporter import Reporter
from streams.audit.whatif.outcome import Answer, Compared, RightAnswer, WhatIf
from streams.errors import ConflictError, UsageError
from streams.serve.pages.audits.audit import SHOWN_FLIPS, flips_model
from streams.serve.pages.audits.jobs import TOLD_S, Jobs
from streams.serve.pages.catalog import page_routes
from streams.serve.pages.reports.evaluation import reports_model

from ....conftest import ROOT
from ....limits import LIMIT_S
from ...command_in_process import Inside
from ..server_in_thread import ServerInThread, served
from .demo_folder import demo_folder, page_of
from .test_pages import marked, send

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Inside:
    """Give a folder with a log of three policies."""
    return demo_folder(tmp_path_factory.mktemp("audits"))


@pytest.fixture
def site(place: Inside) -> Iterator[ServerInThread]:
    """Give the pages over the log."""
    with served(f"sqlite:///{place.path}/orch.db", config_of(place), pages=page_routes) as running:
        yield running


def config_of(place: Inside) -> dict[str, Any]:
    """Give the settings under which the log was made."""
    return tomllib.loads((place.path / "orch.toml").read_text("utf-8"))


def waits(reporter: Reporter, file: str, fails: bool) -> str:
    """Do half of a job, tell it, and the other half once there is a file."""
    with reporter.progress("waiting", 2) as advance:
        time.sleep(2 * TOLD_S)
        advance(1)
        while not Path(file).exists():
            time.sleep(0.02)
        advance(1)
    if fails:
        raise UsageError("it failed", remedy="Try another one")
    return "done"


def ended(jobs: Jobs, name: str) -> None:
    """Wait until a job has ended."""
    end = time.monotonic() + LIMIT_S
    while (job := jobs.last(name)) is None or job.runs:
        assert time.monotonic() < end
        time.sleep(0.02)


def start(site: ServerInThread, path: str, **fields: str) -> int:
    """Send a form of the page of audits; give the status."""
    headers, mark = marked(site, "/audit")
    return send(site, path, headers, mark=mark, **fields).status


def test_replay_and_other_settings(site: ServerInThread) -> None:
    """A replay says that nothing differs; other settings give a table of flips, each with the page of its question."""
    assert "No <a" in page_of(site, "/audit")
    assert start(site, "/audit/replay") == 303
    text = page_of(site, "/audit", lambda text: "No difference" in text)
    assert "What this proves, and what it does not" in text
    assert start(site, "/audit/whatif", settings="merge.rule=vote\nrouting.panel_size=2") == 303
    text = page_of(site, "/audit", lambda text: "would be another" in text)
    assert "merge.rule: weighted" in text
    assert 'aria-label="Flips"' in text
    assert 'href="/q?id=demo-7-' in text
    assert 'aria-label="Checkpoints"' in text


def test_settings_that_cannot_be_are_told(site: ServerInThread) -> None:
    """A form without a setting, or with none of ours, is refused or told by the job, with the remedy."""
    assert start(site, "/audit/whatif", settings="  ") == 400
    assert start(site, "/audit/whatif", settings="merge") == 400
    assert start(site, "/audit/whatif", settings="merge.rulee=vote") == 303
    assert "Did you mean merge.rule?" in page_of(site, "/audit", lambda text: "unknown setting" in text)


def test_change_of_the_log_is_found(place: Inside, tmp_path: Path) -> None:
    """A replay from the page finds a decision that somebody changed, and names its place."""
    copy = shutil.copy(place.path / "orch.db", tmp_path / "changed.db")
    with closing(sqlite3.connect(copy)) as changed, changed:
        row = changed.execute("SELECT seq, CAST(value AS BLOB) FROM log WHERE topic = 'orch.decisions' LIMIT 1")
        seq, value = row.fetchone()
        other = value.replace(b'"calls":', b'"calls":1', 1)
        changed.execute("UPDATE records SET value = ? WHERE seq = ?", (other, seq))
    with served(f"sqlite:///{copy}", config_of(place), pages=page_routes) as site:
        assert start(site, "/audit/replay") == 303
        text = page_of(site, "/audit", lambda text: "The first stands in" in text)
        assert "orch.decisions" in text


def test_one_job_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second job is refused while one runs; its progress is told, then its result, or why there is none."""
    # The process of a job imports this module, by the path it is given from here.
    monkeypatch.syspath_prepend(ROOT)
    jobs = Jobs(lambda: False)
    file = tmp_path / "go on"
    jobs.start("wait", waits, str(file), False, what=("so long",))
    with pytest.raises(ConflictError, match="a wait runs already"):
        jobs.start("other", waits, str(file), False)
    end = time.monotonic() + LIMIT_S
    while (job := jobs.running) is not None and job.share != 0.5:
        assert time.monotonic() < end
        time.sleep(0.02)
    assert job is not None
    file.touch()
    ended(jobs, "wait")
    last = jobs.last("wait")
    assert last is not None
    assert (last.result, last.failure, last.share, last.what) == ("done", None, 1.0, ("so long",))
    jobs.start("other", waits, str(file), True)
    ended(jobs, "other")
    other = jobs.last("other")
    assert other is not None
    assert other.failure == ("it failed", "Try another one")


def test_job_ends_with_its_server(tmp_path: Path) -> None:
    """Once the server stops, the process of a job is ended, however long its work."""
    stopping = False
    jobs = Jobs(lambda: stopping)
    jobs.start("wait", waits, str(tmp_path / "never"), False)
    stopping = True
    ended(jobs, "wait")
    job = jobs.last("wait")
    assert job is not None
    assert job.failure is not None


def test_flips_are_bounded_and_counted() -> None:
    """Of many flips the first are listed, and the rest are counted; coverages without questions are left out."""
    found = WhatIf(("merge.rule: vote -> odds",))
    for number in range(SHOWN_FLIPS + 30):
        before, after = Answer("A", 3, 5, 0), Answer("B", 2, 4, 0)
        found.add(Compared(f"q{number}", "partial", "an analysis is missing", before, after, RightAnswer("B")))
    model = flips_model(found)
    assert (len(model.flips), model.left_out) == (SHOWN_FLIPS, 30)
    assert [row.coverage for row in model.coverages] == ["partial"]
    assert model.why == [("an analysis is missing", SHOWN_FLIPS + 30)]


def test_evaluations_of_the_folder(place: Inside, tmp_path: Path) -> None:
    """Reports in the folder are listed and shown, one that cannot be read is told, and no name leads elsewhere."""
    made = ("eval", place.path / "third.jsonl", "--orders", "1", "--resamples", "200", "--rule", "vote", "--processes")
    inside = Inside(tmp_path)
    (tmp_path / "orch.toml").write_bytes((place.path / "orch.toml").read_bytes())
    assert inside.orch(*made, "1", "--run", "mine").code == 0
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "report.json").write_text("{")
    model = reports_model(tmp_path)
    assert {row.name for row in model.rows} == {"mine", "broken"}
    with chdir(tmp_path), served(str(tmp_path / "orch.db"), pages=page_routes) as site:
        text = page_of(site, "/evaluation")
        assert 'href="/evaluation/report?run=mine"' in text
        assert "is no report of an evaluation" in text
        report = page_of(site, "/evaluation/report?run=mine")
        assert "Accuracy by arm" in report
        assert " style=" not in report
        for name in ("nosuch", "../" + os.fspath(tmp_path.name) + "/mine", "..", "mine/", ""):
            assert site.get(f"/evaluation/report?run={name}").status == 404
