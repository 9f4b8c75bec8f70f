"""Embedded benchmarks at sizes that take no time."""

import json
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from infra.bench import added, archived, decided, replayed, scale, watched
from infra.bench.figures import Figure, Sizes, file_system, machine
from infra.bench.suite import BENCHES
from infra.bench.workload import questions, run_session
from streams.audit.replay.replay import replay
from streams.audit.views import catalog
from streams.cli.bench import NAMES
from streams.cli.main import run
from streams.runtimes.urls import open_reader

TINY = Sizes(runs=2, decided=30, paired=5, one_by_one=5, waiting=20, open=(4,), replayed=300, small=200, large=400)


def silent(steps: int) -> None:
    """Hear of progress and say nothing."""


def test_run_is_a_real_one(tmp_path: Path) -> None:
    """A run decides every question, with feedback and learning, and its log proves itself."""
    path = tmp_path / "orch.db"
    ran = run_session(path, islice(questions(), 20))
    assert (ran.questions, len(ran.committed_at)) == (20, 20)
    with open_reader(f"sqlite:///{path}") as reader:
        found = replay(reader)
    assert (found.events, found.different, found.pending) == (ran.events, 0, 0)
    with open_reader(f"sqlite:///{path}") as log:
        counts = {topic: sum(1 for _ in log.records((topic,))) for topic in ("orch.feedback", "orch.decisions")}
    assert counts == {"orch.feedback": 20, "orch.decisions": 20}


def test_decided(tmp_path: Path) -> None:
    """Speed is given beside both baselines, and the logs of the runs are gone."""
    figures = decided.measure(tmp_path, TINY, silent)
    assert [figure.target for figure in figures] == [1_000, None, None, None]
    assert all(len(figure.values) == 2 and figure.median > 0 for figure in figures)
    assert not list(tmp_path.glob("decided-*.db"))


@pytest.mark.process
def test_cost_of_instruments(tmp_path: Path) -> None:
    """CPU and wall time of pairs, with metrics and with traces too; the collector is a process of its own."""
    figures = watched.measure(tmp_path, replace(TINY, runs=1), silent)
    assert [figure.name for figure in figures] == [
        f"{what} added by {way}" for way in watched.WAYS for what in ("CPU time", "wall time")
    ]
    assert all(len(figure.values) == 4 and figure.target == 3 for figure in figures)
    assert not list(tmp_path.iterdir())


def test_added_latency(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The agents' own time is taken off: what is left is far less than one call."""
    monkeypatch.setattr(added, "CALL_S", 0.3)
    half, most = added.measure(tmp_path, TINY, silent)
    assert 0 < half.median <= most.median
    assert half.median < 300
    assert not half.more_is_better


def test_replay(tmp_path: Path) -> None:
    """A replay is counted in events of its own log."""
    (figure,) = replayed.measure(tmp_path, TINY, silent)
    assert figure.median > 0
    assert "one process" in figure.note


@pytest.mark.process
@pytest.mark.slow
def test_scale(tmp_path: Path) -> None:
    """Memory is that of processes of their own, and compared between two sizes."""
    figures = {figure.name: figure for figure in scale.measure(tmp_path, TINY, silent)}
    assert 10 < figures["peak memory opening 400"].median < 500
    assert figures["memory replaying, large over small"].met is True
    assert figures["open a log of 200"].median < 30


@pytest.mark.process
@pytest.mark.slow
def test_archive(tmp_path: Path) -> None:
    """An archive is exported, replayed and queried, each with its memory; every view has its time."""
    figures = {figure.name: figure for figure in archived.measure(tmp_path, TINY, silent)}
    assert figures["export of 400"].median > 0
    assert 10 < figures["peak memory replaying 400"].median < 500
    assert figures["memory exporting, large over small"].met is True
    assert sum(name.startswith("sql ") for name in figures) == len(catalog.VIEWS)


@pytest.mark.parametrize(
    ("value", "target", "more", "met"),
    [(2, 1, True, True), (0.5, 1, True, False), (2, 1, False, False), (0.5, 1, False, True), (1, None, True, None)],
)
def test_targets(value: float, target: float | None, more: bool, met: bool | None) -> None:
    """A target is met by at least or at most so much, whichever is better."""
    figure = Figure(bench="b", name="n", unit="u", values=(value,), target=target, more_is_better=more)
    assert figure.met is met
    assert figure.as_json()["met"] is met


def test_profile(tmp_path: Path) -> None:
    """A profile's shares are shares of the whole."""
    shares, functions = decided.profile(tmp_path, TINY)
    assert sum(share for _, share in shares) == pytest.approx(1)
    assert "SQLite" in dict(shares)
    assert "function calls" in functions


def test_machine(tmp_path: Path) -> None:
    """The machine is told by what figures depend on."""
    about = machine(tmp_path)
    assert about["cores"] >= 1
    assert about["file_system"] == file_system(tmp_path)


@pytest.mark.process
def test_command(capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> None:
    """The command prints the machine, then each figure, as JSON Lines; and leaves nothing beside the log it names."""
    log = f"sqlite:///{tmp_path / 'orch.db'}"
    assert run(["--format", "json", "--log", log, "bench", "--only", "start", "--runs", "1"]) == 0
    about, *figures = map(json.loads, capfdbinary.readouterr().out.splitlines())
    assert set(about) == {"machine"}
    assert [figure["bench"] for figure in figures] == ["start", "start"]
    assert figures[0]["median"] > figures[1]["median"]
    assert list(tmp_path.iterdir()) == []
    assert list(BENCHES) == list(NAMES)


def test_archive_is_not_measured(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """A log that nobody writes is refused, for there is nothing to measure."""
    assert run(["--log", "parquet:archive", "bench", "--only", "start"]) == 2
    assert b"an archive is not measured" in capfdbinary.readouterr().err


@pytest.mark.process
def test_report(tmp_path: Path) -> None:
    """A report holds the machine and a table of each benchmark, with what is reached and what is not."""
    report = tmp_path / "figures.md"
    assert run(["bench", "--only", "start", "--runs", "1", "--report", str(report)]) == 0
    text = report.read_text("utf-8")
    assert "cores" in text
    assert "| orch --help |" in text
    assert "## Start of the command" in text
