"""
Commit intervals of `produce` and `feedback`.

A file is committed by lines alone, a pipe also by time.
"""

import itertools
import shutil
from types import SimpleNamespace

import pytest

from streams.app import produce
from streams.app.produce import COMMIT_LINES, Pace

from ...e2e.command import Place, ids

QUESTIONS = 5
VERDICTS = [
    {
        "question_id": f"q{number % QUESTIONS}",
        "source": "human",
        "author": f"person-{number}",
        "verdict": "right" if number % 3 else "wrong",
        "occurred_at": "2026-03-02T00:00:00Z",
    }
    for number in range(40)
]


def stopwatch(monkeypatch: pytest.MonkeyPatch, *, step_s: float) -> None:
    """Let so much time pass with each look at the clock."""
    monkeypatch.setattr(produce, "time", SimpleNamespace(monotonic=itertools.count(step=step_s).__next__))


@pytest.mark.parametrize(("live", "settled"), [(True, [2, 4]), (False, [])])
def test_seconds_count_for_a_pipe_alone(live: bool, settled: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """One that never pauses is committed a second after the first line; a file is not."""
    took: list[int] = []
    stopwatch(monkeypatch, step_s=1.0)
    lines = 0
    pace = Pace(lambda: took.append(lines), live=live)
    for lines in range(1, 6):  # noqa: B007 (read by the lambda)
        pace.took_line()
    assert took == settled


@pytest.mark.parametrize("live", [True, False])
def test_a_transaction_has_so_many_lines(live: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """However quickly they come."""
    took: list[None] = []
    stopwatch(monkeypatch, step_s=0.0)
    pace = Pace(lambda: took.append(None), live=live)
    for _ in range(2 * COMMIT_LINES + 1):
        pace.took_line()
    assert len(took) == 2


def test_a_slow_machine_leaves_the_same_log(recorded: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the lessons of a file of feedback stand in the log depends on the file alone."""
    shutil.copy(recorded.path / "orch.db", recorded.path / "slow.db")
    recorded.write("verdicts.jsonl", VERDICTS)
    assert recorded.orch("feedback", "verdicts.jsonl").code == 0
    stopwatch(monkeypatch, step_s=3.0)
    assert recorded.orch("--log", "sqlite:///slow.db", "feedback", "verdicts.jsonl").code == 0
    assert ids(recorded, "slow.db") == ids(recorded)
