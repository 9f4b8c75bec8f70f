"""
Worker processes of the real command, and their log lines.

A trial starts, kills, stops and continues them.
"""

import json
import os
import signal
import subprocess
import sys
import sysconfig
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any, NamedTuple

from infra.chaos.disks import FIRST, Disks
from streams.errors import OperatorError

SCRIPT = Path(sysconfig.get_path("scripts"), "orch")

ENGINES = ("aiokafka", "faust")

SEATED = ("agents", "deadlines")
"""Stages that keep no state of their own."""

GRACE_S = 30.0
"""Longest wait for a worker that was told to stop."""

_TIED = """
import ctypes, os, sys
prctl = getattr(ctypes.CDLL(None), "prctl", None)
if prctl is not None:
    prctl(1, 9)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Script that becomes the command; the kernel kills it when its starter ends (PR_SET_PDEATHSIG; Linux only)."""


class Duty(NamedTuple):
    """The stages and options of one worker."""

    name: str
    stages: tuple[str, ...]
    fixed: bool
    """Whether it is a static member, so that its consumer groups wait for it instead of rebalancing."""
    keeps: bool
    """Whether it keeps copies of its states on disk."""


DUTIES = (
    Duty("w1", ("all",), fixed=False, keeps=True),
    Duty("w2", ("route", "merge", "rank", "tune"), fixed=True, keeps=True),
    Duty("w3", ("agents", "deadlines"), fixed=False, keeps=False),
    Duty("w4", ("merge", "learn", "rank", "tune"), fixed=False, keeps=False),
    Duty("w5", ("agents", "route"), fixed=True, keeps=True),
    Duty("w6", ("all",), fixed=False, keeps=True),
    Duty("w7", ("learn", "deadlines"), fixed=True, keeps=True),
    Duty("w8", ("rank", "tune"), fixed=False, keeps=True),
)
"""Each stage is hosted by several workers as soon as there are four: alone, with others and with all."""


class Opening(NamedTuple):
    """One takeover of a stage's partition."""

    stage: str
    partition: int
    at: float
    """As by `time.time`."""
    disk: str
    """Folder of its local copy; `-` for none."""


def environment(folder: Path) -> dict[str, str]:
    """Give the environment of a command, without ORCH_ settings, and with a folder for what a kill leaves behind."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ORCH_")}
    temporary = folder / "temporary"
    temporary.mkdir(exist_ok=True)
    if kept.pop("PYTHONDONTWRITEBYTECODE", None):
        # Without any bytecode each start would compile all it imports.
        kept.setdefault("PYTHONPYCACHEPREFIX", str(folder / "bytecode"))
    return {**kept, "TMPDIR": str(temporary), "NO_COLOR": "1"}


def orch(folder: Path, *arguments: str, limit_s: float = 120) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end."""
    return _ended(folder, str(SCRIPT), *arguments, limit_s=limit_s)


def _ended(folder: Path, *command: str, limit_s: float = 120) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command, cwd=folder, env=environment(folder), capture_output=True, timeout=limit_s, check=False
    )


# One process instead of two, because samples are short.
_PREPARE = """
import sys
from streams.cli.main import run
sys.exit(run([*sys.argv[1:], "topics", "create"]) or run([*sys.argv[1:], "policy", "adopt"]))
"""


def prepare(folder: Path, url: str, policy: str) -> None:
    """
    Make the topics of a log, and adopt the policy of a configuration, which stays in the folder.

    Raises:
        OperatorError: A command failed.
    """
    (folder / "orch.toml").write_text(policy)
    done = _ended(folder, sys.executable, "-c", _PREPARE, "--log", url)
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise OperatorError(f"`orch topics create` or `orch policy adopt` ended with {done.returncode}: {said}")


class WorkerProcess:
    """
    One worker, through all its processes.

    Args:
        duty: Its stages and options.
        url: The log.
        folder: Holds its disks and its log lines.
        engine: Engine of the folding stages.
        program: Run instead of `orch`, with the same arguments.
        disk: Folder in the folder for copies of states, if it keeps any.
    """

    def __init__(
        self,
        duty: Duty,
        url: str,
        folder: Path,
        *,
        engine: str = ENGINES[0],
        program: Sequence[str] = (str(SCRIPT),),
        disk: str = FIRST,
    ) -> None:
        self.duty = duty
        self.program = program
        self.starts = 0
        self.stopped = False
        """Whether it is stopped as by Ctrl-Z."""
        self.told: Counter[str] = Counter()
        """Log events of all its processes, counted."""
        self.held: dict[tuple[str, int], str] = {}
        """Time at which this process took over each partition of its stages."""
        self.openings: list[Opening] = []
        """Takeovers of partitions with states, by all its processes."""
        self.disks = Disks(duty.name, keeps=duty.keeps, first=disk)
        self._url = url
        self._folder = folder
        self._engine = engine
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: IO[bytes] | None = None

    @property
    def log(self) -> Path:
        """File with the log lines of the newest process."""
        return self._folder / f"{self.duty.name}-{self.starts}.log"

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Id of its newest process."""
        assert self._process is not None, "it was started"
        return self._process.pid

    def start(self) -> None:
        """Start its next process; the thread that calls this has to live as long as the process is to."""
        assert not self.running
        self._let_go()
        self.starts += 1
        self.held.clear()
        options = [
            "--state",
            self.disks.start(),
            "--engine",
            self._engine,
            "--grace",
            "2",
            *(("--instance", self.duty.name) if self.duty.fixed else ()),
        ]
        command = [*self.program, "--verbose", "--log", self._url, "worker", *self.duty.stages, *options]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-S", "-c", _TIED, *command],
                cwd=self._folder,
                env=environment(self._folder),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._lines = self.log.open("rb")

    def look(self) -> None:
        """Read the log lines that its newest process has written since the last look."""
        if self._lines is None:
            return
        while line := self._lines.readline():
            if not line.endswith(b"\n"):
                self._lines.seek(-len(line), os.SEEK_CUR)
                return
            try:
                told = json.loads(line)
            except ValueError:
                continue
            event = str(told.get("event")) if isinstance(told, dict) else ""
            self.told[event] += 1
            if event == "partition_opened":
                self.held[told["stage"], told["partition"]] = told["timestamp"]
                at = datetime.fromisoformat(told["timestamp"]).timestamp()
                self.openings.append(Opening(told["stage"], told["partition"], at, self.disks.folder))
            elif event == "partitions_assigned":
                self._take_over(told)

    def _take_over(self, told: dict[str, Any]) -> None:
        """Note the partitions of the stages that do not fold; the log line does not name the stage."""
        for stage in SEATED if "all" in self.duty.stages else set(SEATED) & set(self.duty.stages):
            self.held.update({(stage, partition): told["timestamp"] for partition in told["gained"]})
            for partition in told["lost"]:
                self.held.pop((stage, partition), None)

    def kill(self) -> None:
        """Kill it at once."""
        self._send(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()
        self.stopped = False

    def stop(self) -> None:
        """Suspend it with SIGSTOP; it does not notice the time that passes."""
        self._send(signal.SIGSTOP)
        self.stopped = True

    def go_on(self) -> None:
        """Continue it with SIGCONT."""
        self._send(signal.SIGCONT)
        self.stopped = False

    def tell_to_end(self) -> None:
        """Ask it to end in order."""
        self._send(signal.SIGTERM)

    def ended(self, limit_s: float = GRACE_S) -> int | None:
        """Wait for its end; its exit code, or None if it had to be killed."""
        assert self._process is not None, "it was started"
        try:
            return self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def last_words(self, lines: int = 12) -> str:
        """Give the end of its newest log."""
        return b"\n".join(self.log.read_bytes().splitlines()[-lines:]).decode("utf-8", "replace")

    def close(self) -> None:
        """Make sure that no process of it is left."""
        if self.running:
            self.kill()
        self._let_go()

    def _send(self, number: signal.Signals) -> None:
        if self.running:
            os.killpg(self.pid, number)

    def _let_go(self) -> None:
        if self._lines is not None:
            self._lines.close()
            self._lines = None
