"""
SIGKILL at every crash point of the embedded writer.

Nothing committed is lost, and what follows is the same as without the kill.
"""

import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from streams.errors import UsageError
from streams.runtimes.embedded import appender
from streams.runtimes.embedded.crash_points import POINTS, CrashPoints
from streams.runtimes.embedded.reader import EmbeddedReader
from streams.runtimes.embedded.writer import EmbeddedWriter

from ...stateful.tiny import TINY, feedback, policy, question

STEPS = (
    (policy(), question("a")),
    (question("b"), feedback("a"), feedback("nobody")),
    (policy("p2", agent="b"), feedback("b"), question("a", "other")),
)
"""Inputs by commit. The driver below appends all of a commit's inputs again after a crash, as a producer does."""


def drive(path: Path, faults: CrashPoints) -> None:
    """Append all inputs, fold and commit; inputs the log holds are not appended twice."""
    with EmbeddedWriter(path, TINY, clock=lambda: 0, faults=faults) as log:
        for inputs in STEPS:
            for event in inputs:
                log.append(event)
            while log.ready:
                log.fold(2)
            log.commit()


def killed(action: Callable[[], None]) -> bool:
    """Run an action in a child; whether SIGKILL ended it (else it came to its end)."""
    child = os.fork()
    if not child:
        try:
            action()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def values(path: Path) -> list[bytes]:
    """Read the whole log."""
    with EmbeddedReader(path) as view:
        return [record.value for record in view.records()]


@pytest.mark.process
@pytest.mark.parametrize("only", [None, *POINTS])
def test_kill_at_any_point_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, only: str | None) -> None:
    """Whatever point a writer dies at, going on gives the log that a writer without a crash gives."""
    monkeypatch.setattr(appender, "_FLUSH_ROWS", 2)
    drive(tmp_path / "calm.db", CrashPoints())
    calm = values(tmp_path / "calm.db")
    for crash_at in range(1, 100):
        path = tmp_path / f"{crash_at}.db"
        if not killed(partial(drive, path, CrashPoints(crash_at, only=only))):
            break
        drive(path, CrashPoints())
        assert values(path) == calm
    assert crash_at > (30 if only is None else len(STEPS))


@pytest.mark.process
@pytest.mark.parametrize(("point", "records"), [("commit", 0), ("committed", 4)])
def test_commit_is_all_or_nothing(tmp_path: Path, point: str, records: int) -> None:
    """Before the commit nothing of it is there, after it all of it."""
    path = tmp_path / "orch.db"
    assert killed(lambda: drive(path, CrashPoints(1, only=point)))
    assert len(values(path)) == records


@pytest.mark.parametrize(
    ("text", "passes"),
    [(None, 10), ("", 10), ("3", 2), ("commit:2", 3)],
    ids=["none", "empty", "count", "point and count"],
)
def test_crash_setting_is_read(monkeypatch: pytest.MonkeyPatch, text: str | None, passes: int) -> None:
    """The setting names the passage that kills: of any point, or of one."""

    class Killed(Exception):
        pass

    def kill(pid: int, number: int) -> None:
        assert (pid, number) == (os.getpid(), signal.SIGKILL)
        raise Killed

    monkeypatch.setattr(os, "kill", kill)
    faults = CrashPoints.parse(text)
    passed = 0
    try:
        for number in range(10):
            faults.reach(("append", "commit")[number % 2])
            passed += 1
    except Killed:
        pass
    assert passed == passes


@pytest.mark.parametrize("text", ["0", "-1", "commit", "commit:", "nowhere:1", ":1", "1:commit", "²"])
def test_unreadable_crash_setting_is_refused(text: str) -> None:
    """A setting that names no passage is an error of usage, not silently no crash."""
    with pytest.raises(UsageError, match="ORCH_CRASH_AT"):
        CrashPoints.parse(text)
