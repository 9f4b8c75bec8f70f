"""
A process that may outlive the process that started it.

Process id and start time identify it, so that no other process ever receives its signals.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NamedTuple

_STARTER = """
import os, subprocess, sys
with open(sys.argv[1], "ab") as log:
    child = subprocess.Popen(sys.argv[3:], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
print(child.pid, flush=True)
if sys.argv[2] == "leashed":
    os.close(1)
    sys.stdin.read()
    child.kill()
    child.wait()
os._exit(0)
"""
"""
The launcher: it starts a command and prints the command's process id. Without a leash it then ends. With a leash it
waits for the end of its stdin, which comes when the starter closes it or dies, and kills the command. The launcher
reaps its child only then, so the child's id is not reused before; a shell would reap the child earlier. Linux's
parent-death signal needs no launcher, but comes as soon as the thread that started the process ends.
"""

_POLL_S = 0.02


class Process(NamedTuple):
    """One process, by id and start time: the system reuses ids, but not with the same start time."""

    pid: int
    started: str

    @property
    def alive(self) -> bool:
        """Whether it still runs (or is paused)."""
        return start_time(self.pid) == self.started

    def send(self, number: signal.Signals) -> None:
        """Signal it, if it is there."""
        if self.alive:
            os.kill(self.pid, number)

    def gone_within(self, seconds: float) -> bool:
        """Wait for its end, and say whether it came."""
        limit = time.monotonic() + seconds
        while self.alive:
            if time.monotonic() >= limit:
                return False
            time.sleep(_POLL_S)
        return True


def start_time(pid: int) -> str | None:
    """Give a process's start time as text to compare; None if there is no such process or it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except FileNotFoundError:
        return None if Path("/proc/self/stat").exists() else _start_time_by_ps(pid)
    except ProcessLookupError:
        return None
    # The name before the parenthesis may hold anything. Then: state first, start in ticks since boot twentieth.
    fields = stat.rpartition(")")[2].split()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return None if fields[0] in "ZX" else f"{boot}/{fields[19]}"


def _start_time_by_ps(pid: int) -> str | None:
    command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    shown = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}, check=False)
    state, _, started = shown.stdout.strip().partition(" ")
    return None if not started or state.startswith("Z") else started.strip()


class Leash:
    """The pipe to a launcher, which kills the started process when the pipe closes."""

    def __init__(self, parent: subprocess.Popen[str], end: IO[str]) -> None:
        self._parent = parent
        self._end = end

    def let_go(self) -> None:
        """End the process if it still runs, and its launcher."""
        self._end.close()
        self._parent.wait()


def start(command: Sequence[str], folder: Path, log: Path, *, leashed: bool) -> tuple[Process, Leash | None]:
    """
    Start a command in the background, in a session of its own: Ctrl-C in the terminal is not for it.

    Args:
        command: Program and arguments.
        folder: Its working directory.
        log: Gets its output, after what is there.
        leashed: Whether it ends with this process, however this one ends.

    Returns:
        The process, which may have ended by now, and its leash if it has one.

    Raises:
        OSError: The command is not there, or the log cannot be written.
    """
    parent = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _STARTER, str(log), "leashed" if leashed else "left", *command],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert parent.stdin is not None
    assert parent.stdout is not None
    assert parent.stderr is not None
    leash = Leash(parent, parent.stdin)
    with parent.stdout as said, parent.stderr as trouble:
        pid = said.readline()
        if not pid:
            leash.let_go()
            raise OSError(f"{command[0]} cannot be started: {trouble.read().splitlines()[-1]}")
    # A process that has ended has no start time; no other process has the empty one.
    started = Process(int(pid), start_time(int(pid)) or "")
    if leashed:
        return started, leash
    leash.let_go()
    return started, None
