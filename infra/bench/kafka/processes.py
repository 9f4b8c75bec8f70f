"""Worker processes, and CPU time of workers and broker."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Self

from infra.bench.kafka.plan import KafkaPlan
from infra.bench.proc import cpu_s, machine_cpu_s
from streams.errors import InvariantError
from streams.runtimes.kafka.client.connection import Connection

ORCH = ("-c", "from streams.cli.main import main; main()")
"""Code of the installed `orch`."""

STOP_S = 30.0
"""Longest wait for an orderly end; then it is killed."""

OTHERS = "other work"
"""CPU time of processes outside the benchmark: with much of it the figures are useless."""

_LOOPBACK = ("127.", "localhost", "[::1]")
_LISTENS = "0A"


class BenchWorker:
    """
    One `orch worker`, which starts with the object and ends with the block.

    Args:
        log: The log it works on.
        stages: As on its command line.
        plan: Its directory gets the output of the process.
        state: Folder of local states; None keeps them in memory.
        program: Python's arguments that run `orch`.
    """

    def __init__(
        self,
        log: Connection,
        stages: Sequence[str],
        plan: KafkaPlan,
        *,
        state: Path | None = None,
        program: Sequence[str] = ORCH,
    ) -> None:
        self.name = " ".join(stages)
        folder = plan.directory
        self._said = folder / f"{'-'.join(stages)}-{time.monotonic_ns()}.log"
        options = ["--engine", plan.engine, "--state", "-" if state is None else str(state)]
        command = [sys.executable, "-P", *program, "--log", log.url, "worker", *stages, *options]
        # In a folder of its own: an orch.toml in the current folder must not change the measurement.
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=said, stderr=said)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @property
    def peak_mib(self) -> float:
        """The most memory it had, in MiB; Linux only."""
        status = Path(f"/proc/{self.pid}/status").read_text("ascii", "replace")
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024

    def require(self) -> None:
        """
        Make sure that it runs.

        Raises:
            InvariantError: It ended.
        """
        if self._process.poll() is not None:
            said = self._said.read_text("utf-8", "replace").strip()[-2_000:]
            raise InvariantError(f"`orch worker {self.name}` ended with {self._process.returncode}: {said}")

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it with a signal, and wait until it is gone."""
        limit = time.monotonic() + STOP_S
        if self._process.poll() is None:
            self._process.send_signal(number)
        while self._process.poll() is None:
            if time.monotonic() > limit:
                self._process.kill()
            await asyncio.sleep(0.02)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self.stop()


@asynccontextmanager
async def at_work(
    log: Connection, plan: KafkaPlan, *, program: Sequence[str] = ORCH
) -> AsyncIterator[list[BenchWorker]]:
    """Run all worker processes, with states on disk, until the block ends."""
    state = plan.directory / "state"
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(BenchWorker(log, stages, plan, state=state, program=program))
            for stages in plan.worker_stages
        ]


class Meter:
    """
    CPU seconds since the meter was made, by process: the broker, each worker, the bench itself, and all others.

    A broker on another machine, or of another user, has no figure of its own.
    """

    def __init__(self, connection: Connection, workers: Sequence[BenchWorker]) -> None:
        self._pids: dict[str, int] = {}
        broker = broker_pid(connection)
        if broker is not None:
            self._pids["broker"] = broker
        for worker in workers:
            same = sum(other.name == worker.name for other in workers[: workers.index(worker)])
            self._pids[f"worker {worker.name}{f', {same + 1}' if same else ''}"] = worker.pid
        self._pids["bench"] = os.getpid()
        self._start = self._now()

    def read(self) -> dict[str, float]:
        """Give the seconds."""
        return {name: max(0.0, now - self._start[name]) for name, now in self._now().items()}

    def _now(self) -> dict[str, float]:
        spent = {name: cpu_s(pid) for name, pid in self._pids.items()}
        return {**spent, OTHERS: machine_cpu_s() - sum(spent.values())}


def broker_pid(connection: Connection) -> int | None:
    """Find the process that listens at the log's address; None if it is not on this machine or not visible."""
    address, _, port = connection.bootstrap[0].rpartition(":")
    if not address.startswith(_LOOPBACK):
        return None
    sockets = {f"socket:[{inode}]" for inode in _listening(int(port))}
    return next((pid for pid in _pids() if not sockets.isdisjoint(_open_files(pid))), None)


def _listening(port: int) -> Iterator[str]:
    for path in map(Path, ("/proc/net/tcp", "/proc/net/tcp6")):
        for line in path.read_text("ascii").splitlines()[1:] if path.exists() else ():
            fields = line.split()
            if fields[3] == _LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _pids() -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            yield int(entry.name)


def _open_files(pid: int) -> Iterator[str]:
    try:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            yield str(entry.readlink())
    except OSError:
        # Another user's process, or one that has ended meanwhile.
        return
