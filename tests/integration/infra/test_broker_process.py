"""
Processes that outlive their starter or end with it.

A stranger with the same process id never receives a signal.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.broker import process
from infra.broker.process import Process, start_time

STARTER = """
import os, sys
from pathlib import Path
from infra.broker import process
started, leash = process.start(["sleep", "60"], Path("."), Path("log"), leashed=sys.argv[1] == "leashed")
if sys.argv[2] == "paused":
    os.kill(started.pid, 19)
print(started.pid, started.started, flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.mark.process
@pytest.mark.parametrize(
    ("tie", "state", "lives"),
    [("leashed", "running", False), ("leashed", "paused", False), ("left", "running", True)],
)
def test_process_ends_with_its_starter_or_not(tie: str, state: str, lives: bool, tmp_path: Path) -> None:
    """When its starter is killed, a leashed process goes too, paused or not; one that was left goes on."""
    done = subprocess.run(
        [sys.executable, "-c", STARTER, tie, state], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    pid, started = done.stdout.split()
    left = Process(int(pid), started)
    try:
        assert left.gone_within(0.5 if lives else 30) is not lives
    finally:
        left.send(signal.SIGKILL)
        assert left.gone_within(30)


def test_stranger_with_the_same_id_is_left_alone() -> None:
    """An id that is used again, here by this very process, counts as gone and gets no signal."""
    stranger = Process(os.getpid(), "another time")
    assert not stranger.alive
    stranger.send(signal.SIGKILL)
    assert stranger.gone_within(0)
    own = start_time(os.getpid())
    assert own
    assert Process(os.getpid(), own).alive


@pytest.mark.process
def test_process_that_ended_counts_as_gone() -> None:
    """A process that nobody has waited for yet is gone all the same."""
    with subprocess.Popen(["true"]) as child:
        limit = time.monotonic() + 120
        while start_time(child.pid) and time.monotonic() < limit:
            time.sleep(0.01)
        assert start_time(child.pid) is None
    assert start_time(child.pid) is None


@pytest.mark.process
def test_leash_let_go_ends_it(tmp_path: Path) -> None:
    """Output goes to the log after what was there, and letting go leaves no process behind."""
    log = tmp_path / "log"
    log.write_text("before\n")
    command = ["sh", "-c", "echo hello; echo trouble >&2; exec sleep 60"]
    started, leash = process.start(command, tmp_path, log, leashed=True)
    assert leash is not None
    while log.read_text() != "before\nhello\ntrouble\n":
        assert started.alive
        time.sleep(0.01)
    leash.let_go()
    assert started.gone_within(30)


@pytest.mark.process
def test_id_of_a_leashed_process_stays_taken(tmp_path: Path) -> None:
    """As long as the leash may kill, no stranger can have the id, also when the process was killed by somebody."""
    started, leash = process.start(["sleep", "60"], tmp_path, tmp_path / "log", leashed=True)
    assert leash is not None
    started.send(signal.SIGKILL)
    assert started.gone_within(30)
    time.sleep(0.1)
    os.kill(started.pid, 0)
    leash.let_go()
    with pytest.raises(ProcessLookupError):
        os.kill(started.pid, 0)


@pytest.mark.process
def test_command_that_is_not_there_is_named(tmp_path: Path) -> None:
    """What cannot be started says so at once."""
    with pytest.raises(OSError, match=r"nowhere cannot be started: FileNotFoundError"):
        process.start(["nowhere"], tmp_path, tmp_path / "log", leashed=True)
