"""
`orch run` killed at crash points, and run again.

Nothing is lost, doubled or different. ORCH_CRASH_STEP=1 kills it at every point; without it, at one in seven, which
takes a few seconds.

Where agents answer in virtual time, the times are in the file, and the second command is the first one again, the log
is the same to the byte as without the crash. It follows from what a commit holds: all that was appended is folded, and
the window is full. So the next process finds the questions open that were open, in the order of their panels, and
admits the same ones next. Only the records' timestamps differ. With another window, or with agents that take their
time, decisions may differ from those of a run without a crash, for they rest on other router entries or latencies; but
each question still has one, taught once, and it follows from the log.
"""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from streams.audit.replay.replay import replay
from streams.runtimes.embedded.crash_points import POINTS
from streams.runtimes.urls import open_reader
from streams.topology import ANALYSES, DECISIONS, FEEDBACK, OBSERVATIONS

from .crash_script import Step

SCRIPT = Path(__file__).with_name("crash_script.py")
LIMIT_S = 280
"""All chains of one scenario together; below the limit at which a hanging test is shown."""
MOST_COMMITS = 10
"""No run here commits more often."""
KILLED = -signal.SIGKILL
BAD_LINE = 2
"""Exit code of a run that comes to its end: one line of the file asks another question under a known id."""

CONFIG = """
[policy]
policy_id = "crash"
[routing]
panel_size = 3
merger = "ace"
exploration = { warm_up = 0, kind = "none" }
[merge]
rule = "cascade"
stages = [2, 1]
accept_ppb = 700_000_000
merge_agent = true
[run]
window = 2
live_window = 2
outputs = ["outputs.jsonl"]
[[agents]]
kind = "simulated"
name = "mute"
failure_ppb = 1_000_000_000
limits = { max_attempts = 2, backoff_ms = 1 }
"""
AT_ONCE = """
[[agents]]
kind = "recorded"
name = "bob"
model = "bob"
"""
IN_TIME = """
latency_ms = 1
waits = true
[[agents]]
kind = "simulated"
name = "bob"
latency_ms = 20
waits = true
"""
MERGER = """
[[agents]]
kind = "recorded"
name = "ace"
model = "ace"
"""

ANSWERS = {"q0": ("A", "A"), "q1": ("B", "C"), "q2": ("C", "C"), "q3": ("7", "7 000"), "q4": (None, None)}
"""What `ace` and `bob` say: the same, or not, so that the merge agent decides, or nothing at all."""
GOLDS = {"q0": "A", "q1": "B", "q2": "B", "q3": "7"}


def questions() -> Iterator[dict[str, Any]]:
    """Write question lines; one of them asks something else under an id that is taken."""
    for number, (question_id, (answer, _)) in enumerate(ANSWERS.items()):
        line: dict[str, Any] = {
            "question_id": question_id,
            "text": f"What is the answer to {question_id}?",
            "subject": "law",
            "occurred_at": f"2026-03-01T10:00:{number:02d}Z",
        }
        numeric = answer is not None and answer.isdigit()
        line |= {"answer_type": "number"} if numeric else {"options": ["first", "second", "third"]}
        yield line | ({"gold": GOLDS[question_id]} if question_id in GOLDS else {})
        if question_id == "q1":
            yield {
                "question_id": "q0",
                "text": "What else?",
                "options": ["this", "that"],
                "occurred_at": "2026-03-02T00:00:00Z",
            }


def outputs() -> Iterator[dict[str, Any]]:
    """Write what the recorded agents say, to a question as analysts and, where they are split, as merger."""
    for question_id, answers in ANSWERS.items():
        for model, answer in zip(("ace", "bob"), answers, strict=True):
            if answer is not None:
                yield {"question_id": question_id, "model": model, "text": f"The answer is {answer}.", "latency_ms": 30}
        yield {"question_id": f"{question_id}#merger", "model": "ace", "text": f"The answer is {answers[0] or 'open'}."}


@dataclass(frozen=True)
class Scenario:
    """How a run is killed and continued."""

    name: str
    exact: bool = True
    """Whether the log must be that of a run without a crash, to the byte."""
    waits: bool = False
    """Whether two of the agents really take their time, one longer than the other."""
    produced: bool = False
    """Whether the questions were produced before, and nobody folded them."""
    again: tuple[str, ...] = ()
    """Options of the run that goes on after the crash."""
    every: int = 1
    """One point in so many."""


pytestmark = [pytest.mark.slow, pytest.mark.process]

SCENARIOS = (
    Scenario("the same command"),
    Scenario("a backlog", produced=True, every=3),
    Scenario("another window", exact=False, again=("--window", "5"), every=4),
    Scenario("agents that take their time", exact=False, waits=True, every=4),
)
SEED = 20_260_301
STEP = int(os.environ.get("ORCH_CRASH_STEP", "7"))
"""One point in so many of those that a scenario asks for. Read at import, as ORCH_KILLS is."""


@dataclass(frozen=True)
class Crashed:
    """What is left of one chain: where it was killed, how its commands ended, and its log."""

    crash_at: tuple[str, ...]
    ended: tuple[int, ...]
    log: Path


@dataclass(frozen=True)
class Aftermath:
    """The logs of one scenario."""

    scenario: Scenario
    calm: Path
    """Log of the run without a crash."""
    points: dict[str, int]
    crashed: list[Crashed]


def play(folder: Path, scenario: Scenario) -> Aftermath:
    """Run a scenario: once without a crash, then once for each point to crash at, and again to the end."""
    (folder / "orch.toml").write_text(CONFIG + (IN_TIME if scenario.waits else AT_ONCE) + MERGER)
    for name, lines in (("questions", questions()), ("outputs", outputs())):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    def step(log: Path, crash_at: str, *arguments: str) -> Step:
        shared = ["--log", f"sqlite:///{log}", "--config", str(folder / "orch.toml")]
        return {"arguments": [*shared, *arguments], "crash_at": crash_at}

    source = str(folder / "questions.jsonl")
    run = ("run", source, "--feedback", "gold")

    def chain(log: Path, crash_at: tuple[str, ...]) -> list[Step]:
        before = [step(log, "", "produce", source)] if scenario.produced else []
        return [
            *before,
            *(step(log, point, *run, *(scenario.again if place else ())) for place, point in enumerate(crash_at)),
            step(log, "", *run, *(scenario.again if crash_at else ())),
        ]

    calm = folder / "calm.db"
    points = work(folder, chain(calm, ()), [])["points"]
    crashes = list(crash_points(scenario, sum(points.values())))
    logs = [folder / f"{number}.db" for number in range(len(crashes))]
    ended = work(folder, chain(calm, ()), list(map(chain, logs, crashes)))["ended"]
    crashed = [Crashed(*left) for left in zip(crashes, map(tuple, ended), logs, strict=True)]
    return Aftermath(scenario, calm, points, crashed)


def crash_points(scenario: Scenario, total: int) -> Iterator[tuple[str, ...]]:
    """Choose where to crash: at single points, at pairs of points drawn by a seed, and after every single commit."""
    every = scenario.every * STEP
    for point in range(1, total + 1, every):
        yield (str(point),)
    draw = random.Random(SEED)
    for _ in range(total // every // 6):
        yield (str(draw.randint(1, total)), str(draw.randint(1, total // 2)))
    yield ("committed:1",) * MOST_COMMITS


def work(folder: Path, warm: list[Step], chains: list[list[Step]]) -> dict[str, Any]:
    """Let the script do it."""
    plan = json.dumps({"warm": warm, "chains": chains})
    found = folder / "found.json"
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(found)],
        input=plan.encode(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(found.read_text())


@pytest.fixture(scope="module", params=SCENARIOS, ids=lambda scenario: scenario.name.replace(" ", "-"))
def aftermath(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Aftermath:
    """The logs of one scenario, after every crash."""
    return play(tmp_path_factory.mktemp("crashes"), request.param)


def records(log: Path) -> list[tuple[Any, ...]]:
    """Read all of a log but the records' timestamps, in log order."""
    query = 'SELECT stream, "offset", key, correlation, CAST(value AS BLOB), headers FROM records ORDER BY seq'
    with closing(sqlite3.connect(log)) as connection:
        return connection.execute(query).fetchall()


def states(log: Path) -> list[tuple[Any, ...]]:
    """Read where the folds stand: state of every key, newest records of the compacted topics, and the checkpoint."""
    queries = ("SELECT * FROM states ORDER BY 1, 2", "SELECT * FROM latest ORDER BY 1, 2", "SELECT * FROM checkpoint")
    with closing(sqlite3.connect(log)) as connection:
        return [row for query in queries for row in connection.execute(query)]


def events(log: Path, topic: str) -> list[dict[str, Any]]:
    """Read the events of one topic, in log order."""
    with closing(sqlite3.connect(log)) as connection:
        rows = connection.execute("SELECT value FROM log WHERE topic = ? ORDER BY seq", (topic,))
        return [json.loads(value) for (value,) in rows]


def once(log: Path, topic: str, wanted: Iterable[str]) -> bool:
    """Whether a topic holds one event about each of the questions wanted, and no other."""
    return Counter(event["question_id"] for event in events(log, topic)) == Counter(list(wanted))


def failing(aftermath: Aftermath, holds: Callable[[Path], bool]) -> list[tuple[str, ...]]:
    """List the crashes after which something does not hold of the log."""
    return [left.crash_at for left in aftermath.crashed if not holds(left.log)]


def test_every_point_kills(aftermath: Aftermath) -> None:
    """Each point that a run passes is one where it can die; the runs that go on come to their end."""
    total = sum(aftermath.points.values())
    assert set(aftermath.points) == set(POINTS)
    assert 100 < total < 200
    ends = {left.crash_at: left.ended[aftermath.scenario.produced :] for left in aftermath.crashed}
    singles = [crash_at for crash_at in ends if len(crash_at) == 1]
    assert len(singles) == -(-total // (aftermath.scenario.every * STEP))
    # An agent that takes its time is heard in another order each time, and then fewer commits may do.
    spared = [crash_at for crash_at in singles if ends[crash_at] != (KILLED, BAD_LINE)]
    assert len(spared) <= (5 if aftermath.scenario.waits else 0)
    assert {ended[-1] for ended in ends.values()} == {BAD_LINE}
    assert {status for ended in ends.values() for status in ended} == {KILLED, BAD_LINE}


def test_each_question_gets_one_decision(aftermath: Aftermath) -> None:
    """Wherever a run dies, once it was run again each question has a decision, and none has two."""
    assert failing(aftermath, lambda log: once(log, DECISIONS, ANSWERS)) == []


def test_no_seat_is_taken_twice(aftermath: Aftermath) -> None:
    """An agent whose analysis was durable is not asked again; of one that was not, the call is simply made again."""

    def taken_once(log: Path) -> bool:
        seats = Counter((e["question_id"], e["stage"], e["agent"]) for e in events(log, ANALYSES))
        return max(seats.values()) == 1

    assert failing(aftermath, taken_once) == []


def test_each_right_answer_is_taught_once(aftermath: Aftermath) -> None:
    """Gold feedback is given once on each question whose answer is known, and observes each analyst of it once."""

    def taught(log: Path) -> bool:
        judged = Counter((e["question_id"], e["agent"]) for e in events(log, OBSERVATIONS) if e["source"] == "gold")
        heard = [
            (decision["question_id"], ballot["agent"])
            for decision in events(log, DECISIONS)
            for ballot in decision["counted"]
            if decision["question_id"] in GOLDS
        ]
        return once(log, FEEDBACK, GOLDS) and judged == Counter(heard)

    assert failing(aftermath, taught) == []


def test_replay_finds_no_difference(aftermath: Aftermath) -> None:
    """The log that is left follows from its inputs, and nothing in it waits."""

    def proved(log: Path) -> bool:
        with open_reader(f"sqlite:///{log}") as reader:
            found = replay(reader)
        return (found.different, found.pending) == (0, 0)

    assert failing(aftermath, proved) == []


def test_log_is_that_of_a_run_without_a_crash(aftermath: Aftermath) -> None:
    """All records are the same, to the byte and in the same order, and so are the states; only timestamps differ."""
    if not aftermath.scenario.exact:
        assert len({tuple(records(left.log)) for left in aftermath.crashed}) > 1
        return
    calm = (records(aftermath.calm), states(aftermath.calm))
    assert failing(aftermath, lambda log: (records(log), states(log)) == calm) == []
