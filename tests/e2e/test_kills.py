"""
Runs that are killed, and run again to their end.

Nothing is lost, doubled or different.

ORCH_KILLS sets how many kills at random moments must hit a run while its work is in flight; `pytest -s` shows what
they hit. What such a kill leaves is looked at in a copy of the file, so that the next command has to recover the file
itself.
"""

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from streams.audit.replay.replay import replay
from streams.runtimes.urls import open_reader

from ..limits import LIMIT_S
from .command import Place, outputs, question

pytestmark = pytest.mark.slow

WANTED = int(os.environ.get("ORCH_KILLS", "6"))
"""Kills in flight. Read at import, for during a test no ORCH_ setting from outside is there."""
SEED = 20_260_301
KILLED = -signal.SIGKILL

Row = tuple[Any, ...]


AT_A_TIME = 15
"""Kills in flight of one test, so that each test ends soon however many there are in all."""


@dataclass(frozen=True)
class Work:
    """A run to kill."""

    name: str
    questions: int
    exact: bool
    """Whether the log must be that of a run without a kill, to the byte."""
    options: tuple[str, ...]
    config: bytes = b""


RECORDED = Work("recorded", 400, True, ("--outputs", "outputs.jsonl", "--window", "2"))
WAITING = Work(
    *("waiting", 150, False, ("--window", "8")),
    config=b"".join(
        b'[[agents]]\nkind = "simulated"\nname = "%b"\nwaits = true\nlatency_ms = %d\n' % (name, latency_ms)
        for name, latency_ms in ((b"ada", 20), (b"bo", 40), (b"cy", 60))
    ),
)
"""Here calls are under way when a kill comes; they are made again, and their latencies are others."""
SPREAD_S = 0.4
"""A kill comes up to so long after the first commit of a process; a run without one takes some four times as long."""


def shares(wanted: int) -> list[int]:
    """Share kills out to tests."""
    return [min(AT_A_TIME, wanted - before) for before in range(0, wanted, AT_A_TIME)]


TESTS = [
    pytest.param(work, number, share, id=f"{work.name}-{number}")
    for work, wanted in ((RECORDED, WANTED), (WAITING, -(-WANTED // 3)))
    for number, share in enumerate(shares(wanted))
]


def rows(log: Path) -> list[Row]:
    """Read all of a log but the records' timestamps, in log order."""
    query = 'SELECT topic, partition, "offset", key, value FROM log ORDER BY seq'
    with closing(sqlite3.connect(log)) as connection:
        return connection.execute(query).fetchall()


def decisions(log: Sequence[Row]) -> list[Row]:
    """Choose the decisions, each with its key and value."""
    return [row[3:] for row in log if row[0] == "orch.decisions"]


class Killing:
    """One run that is killed and started again, and the figures of all."""

    def __init__(self, place: Place, work: Work, draw: random.Random) -> None:
        self.place, self.work, self.draw = place, work, draw
        self.figures: Counter[str] = Counter()
        self.log = place.path / "orch.db"
        self.kept: list[Row] = []
        """What was durable at the last look."""
        self.moments: list[int] = []
        """Questions that were decided when a kill in flight came."""

    def run(self, wanted: int) -> dict[str, Any]:
        """Start and kill until there are kills enough, or all is decided; give what the last run says."""
        command = ("--format", "json", "run", "questions.jsonl", "--feedback", "gold", *self.work.options)
        while len(self.moments) < wanted and len(decisions(self.kept)) < self.work.questions:
            with self.place.start(*command) as running:
                self.wait(running)
                running.kill()
                out, err = running.communicate(timeout=LIMIT_S)
            if running.returncode == 0:
                self.figures["after the end"] += 1
                return json.loads(out)
            assert running.returncode == KILLED, err.decode()
            self.look()
        done = self.place.orch(*command)
        assert done.code == 0, done.err
        return done.object

    def wait(self, running: subprocess.Popen[bytes]) -> None:
        """Wait until a random moment: now and then from the start of the process on, else from its first commit on."""
        limit = time.monotonic() + LIMIT_S
        before = self.stamp()
        if self.draw.randrange(6):
            while self.stamp() == before and running.poll() is None:
                assert time.monotonic() < limit, "the run commits nothing"
                time.sleep(0.002)
        time.sleep(self.draw.uniform(0, SPREAD_S))

    def stamp(self) -> int:
        """Tell when the write-ahead log was last written."""
        try:
            return self.log.with_name("orch.db-wal").stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def look(self) -> None:
        """Say what a kill hit, and check that all that was durable before it still is, in a log that proves itself."""
        found: list[Row] = []
        different = 0
        copy = self.place.path / "look"
        copy.mkdir()
        for path in (self.log, self.log.with_name("orch.db-wal")):
            if path.exists():
                shutil.copy(path, copy)
        if (copy / "orch.db").exists() and tables(copy / "orch.db"):
            found = rows(copy / "orch.db")
            with open_reader(f"sqlite:///{copy}/orch.db") as reader:
                different = replay(reader).different
        shutil.rmtree(copy)
        self.figures["not kept"] += found[: len(self.kept)] != self.kept
        self.figures["different in replay"] += different
        decided = len(decisions(found))
        if len(found) == len(self.kept):
            self.figures["before the first commit"] += 1
        elif decided == self.work.questions:
            self.figures["after the last decision"] += 1
        else:
            self.figures["in flight"] += 1
            self.moments.append(decided)
        self.kept = found


def tables(log: Path) -> int:
    """Count the tables of a file; a kill may come before there is any."""
    with closing(sqlite3.connect(log)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return int(count)


def prepare(path: Path, work: Work) -> Place:
    """Make a directory with all that a run needs."""
    path.mkdir()
    place = Place(path)
    place.write("questions.jsonl", [question(number) for number in range(work.questions)])
    place.write("outputs.jsonl", outputs(work.questions))
    if work.config:
        place.write("orch.toml", [work.config])
    return place


@dataclass
class Tally:
    """What the kills of all tests hit, for one kind of work."""

    figures: Counter[str] = field(default_factory=Counter)
    moments: list[int] = field(default_factory=list)


@pytest.fixture(scope="module")
def tallies() -> Iterator[dict[str, Tally]]:
    """The tally for each kind of work; shown at the end."""
    found = {work.name: Tally() for work in (RECORDED, WAITING)}
    yield found
    for name, tally in found.items():
        told = ", ".join(f"{count} {what}" for what, count in sorted(tally.figures.items()))
        sys.stdout.write(f"\n{name}: {told}; decided when a kill came: {sorted(tally.moments)}\n")


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    """The log of a run that nobody kills."""
    place = prepare(tmp_path_factory.mktemp("calm") / "run", RECORDED)
    assert place.orch("run", "questions.jsonl", "--feedback", "gold", *RECORDED.options).code == 0
    return rows(place.path / "orch.db")


@pytest.mark.parametrize(("work", "number", "wanted"), TESTS)
def test_random_kills_change_nothing(
    tmp_path: Path, calm: list[Row], tallies: dict[str, Tally], work: Work, number: int, wanted: int
) -> None:
    """However often and whenever a run is killed, each question gets one decision, proved, and taught once."""
    draw = random.Random(f"{SEED} {work.name} {number}")
    asked = Counter(question(place)["question_id"] for place in range(work.questions))
    moments: list[int] = []
    wrong: Counter[str] = Counter()
    for attempt in range(10 * wanted):
        killing = Killing(prepare(tmp_path / str(attempt), work), work, draw)
        told = killing.run(wanted - len(moments))
        moments += killing.moments
        log = rows(killing.log)
        made = Counter(key for key, _ in decisions(log))
        wrong["lost"] += len(asked.keys() - made.keys())
        wrong["duplicate"] += sum(made.values()) - len(made)
        wrong["taught other than once"] += Counter(row[3] for row in log if row[0] == "orch.feedback") != asked
        wrong["different in replay"] += told["replay"]["different"] + killing.figures.pop("different in replay")
        wrong["not kept"] += killing.figures.pop("not kept")
        if work.exact:
            wrong["different decisions"] += len(set(decisions(log)) ^ set(decisions(calm)))
            wrong["different logs"] += log != calm
        tallies[work.name].figures += killing.figures + Counter({"runs": 1})
        if len(moments) >= wanted:
            break
    tallies[work.name].figures.update(wrong)
    tallies[work.name].moments += moments
    assert len(moments) >= wanted
    assert not +wrong


def started_again(place: Place, crash_at: str, *arguments: str, code: int = 0) -> dict[str, Any]:
    """Let a command die at a fault point, and run it again; give what it says then."""
    command = ("--format", "json", *arguments)
    killed = place.orch(*command, env={"ORCH_CRASH_AT": crash_at})
    assert (killed.code, killed.out) == (KILLED, "")
    done = place.orch(*command)
    assert done.code == code, done.err
    return done.object


DEMO = 100
"""Questions of a demo: three commits and more."""


@pytest.fixture(scope="module")
def calm_demo(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    """The log of a demo that nobody kills."""
    place = Place(tmp_path_factory.mktemp("demo"))
    assert place.orch("demo", "--questions", str(DEMO)).code == 0
    return rows(place.path / "orch-demo.db")


@pytest.mark.parametrize("crash_at", ["append:700", "flush:2", "commit:1", "commit:3", "committed:1", "committed:3"])
def test_killed_demo_goes_on(place: Place, calm_demo: list[Row], crash_at: str) -> None:
    """A demo that was killed and is run again leaves the log of one that was not."""
    found = started_again(place, crash_at, "demo", "--questions", str(DEMO))
    assert (found["decided"], found["replay"]["different"]) == (DEMO, 0)
    assert rows(place.path / "orch-demo.db") == calm_demo


PRODUCED = 1_200
"""Questions to produce: two transactions of `orch produce`, and of `orch feedback`."""


@pytest.mark.parametrize("crash_at", ["append:1100", "commit:1", "committed:1", "commit:2", "committed:2"])
def test_killed_produce_appends_the_rest(place: Place, crash_at: str) -> None:
    """Every good line of the file is in the log once and in its order, though no line names a time."""
    good = [question(number, occurred_at=None, gold=None) for number in range(PRODUCED)]
    place.write("questions.jsonl", [*good[:10], b"{", *good[10:], {"question_id": "q0", "text": "Why?", "options": []}])
    found = started_again(place, crash_at, "produce", "questions.jsonl", code=2)
    assert found["appended"] + found["already_there"] == PRODUCED
    assert found["rejected"] == 2
    whole_batches = {"append:1100": 1_000, "committed:1": 1_000, "commit:2": 1_000, "committed:2": PRODUCED}
    assert found["already_there"] == whole_batches.get(crash_at, 0)
    assert [event["question_id"] for event in place.events("questions")] == [line["question_id"] for line in good]


@pytest.fixture(scope="module")
def feedback_lines() -> list[dict[str, Any]]:
    """Verdicts of many people on the questions of the recorded log."""
    return [
        {
            "question_id": f"q{number % 40}",
            "source": "human",
            "author": f"person-{number // 40}",
            "verdict": "right" if number % 3 else "wrong",
            "occurred_at": "2026-03-02T00:00:00Z",
        }
        for number in range(PRODUCED)
    ]


@pytest.fixture(scope="module")
def calm_feedback(
    recorded_once: Path, feedback_lines: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> list[Row]:
    """The log after feedback that nobody kills."""
    folder = tmp_path_factory.mktemp("feedback")
    shutil.copytree(recorded_once, folder, dirs_exist_ok=True)
    place = Place(folder)
    place.write("many.jsonl", feedback_lines)
    assert place.orch("feedback", "many.jsonl").code == 0
    return rows(place.path / "orch.db")


@pytest.mark.parametrize("crash_at", ["append:1100", "committed:1", "commit:2", "committed:2"])
def test_killed_feedback_is_given_once(
    recorded: Place, feedback_lines: list[dict[str, Any]], calm_feedback: list[Row], crash_at: str
) -> None:
    """Feedback that was killed and is given again leaves the log of feedback that was not."""
    recorded.write("many.jsonl", feedback_lines)
    found = started_again(recorded, crash_at, "feedback", "many.jsonl")
    assert found["appended"] + found["already_there"] == PRODUCED
    assert found["already_there"] == {"committed:1": 1_000, "commit:2": 1_000, "committed:2": PRODUCED}.get(crash_at, 0)
    assert rows(recorded.path / "orch.db") == calm_feedback
    assert recorded.orch("replay").code == 0


def test_killed_feedback_without_times_counts_once(recorded: Place, feedback_lines: list[dict[str, Any]]) -> None:
    """Lines that name no time are other events when they are given again, but each statement still counts once."""
    lines = [{name: value for name, value in line.items() if name != "occurred_at"} for line in feedback_lines]
    recorded.write("many.jsonl", lines)
    started_again(recorded, "committed:1", "feedback", "many.jsonl")
    judged = Counter((e["question_id"], e["agent"]) for e in recorded.events("observations") if e["source"] == "human")
    standing = Counter(
        (decision["question_id"], ballot["agent"])
        for decision in recorded.events("decisions")
        for ballot in decision["counted"]
        if ballot["answer"] == decision["answer"]
    )
    people = Counter(line["question_id"] for line in lines)
    assert judged == Counter({pair: people[pair[0]] for pair in standing})
    assert recorded.orch("replay").code == 0
