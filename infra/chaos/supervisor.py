"""
The supervisor of a trial's workers.

It restarts killed workers, continues stopped ones, and notes those that end by themselves.
"""

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from infra.chaos.disks import FIRST, Disk
from infra.chaos.sessions import worker_program
from infra.chaos.workers import ENGINES, Duty, Opening, WorkerProcess


class Exit(NamedTuple):
    """A worker that ended by itself."""

    worker: str
    code: int
    said: str

    @property
    def why(self) -> str:
        """Exit code, and the line that says why."""
        lines = [line for line in self.said.splitlines() if line.startswith("Error: ")]
        return f"{self.code}: {(lines or self.said.splitlines() or ['nothing'])[-1]}"


class Supervisor:
    """
    All workers of a trial. Each call of `look` restarts those that ended and continues stopped ones that are due.

    Args:
        shares: Whether all workers begin on one disk, as on one machine, or each on its own.
        factor: Part of their usual time that sessions last, and that trials pause.
    """

    def __init__(
        self,
        duties: Sequence[Duty],
        url: str,
        folder: Path,
        engine: str = ENGINES[0],
        *,
        shares: bool = True,
        factor: float = 1.0,
    ) -> None:
        self.factor = factor
        program = worker_program(factor)
        self.workers = [
            WorkerProcess(
                duty, url, folder, engine=engine, program=program, disk=FIRST if shares else f"{FIRST}-{duty.name}"
            )
            for duty in duties
        ]
        self.exits: list[Exit] = []
        self._due: dict[str, tuple[float, str]] = {}
        """Next action for each worker, and its time."""

    def start(self) -> None:
        """Start all of them."""
        for worker in self.workers:
            worker.start()

    def kill(self, worker: WorkerProcess, back_after_s: float, disk: Disk = "same") -> None:
        """Kill a worker; a while later it comes back, and finds that disk."""
        worker.kill()
        worker.disks.turn_to(disk)
        self._due[worker.duty.name] = time.monotonic() + back_after_s, "start"

    def stop(self, worker: WorkerProcess, for_s: float) -> None:
        """Stop a worker for a while."""
        worker.stop()
        self._due[worker.duty.name] = time.monotonic() + for_s, "go on"

    def look(self) -> None:
        """Do the actions that are due, and read the workers' log lines."""
        for worker in self.workers:
            name = worker.duty.name
            worker.look()
            at, what = self._due.get(name, (0.0, ""))
            if what and time.monotonic() >= at:
                del self._due[name]
                if what == "start":
                    worker.log.unlink()
                    worker.start()
                elif worker.running:
                    worker.go_on()
            elif not what and not worker.running:
                code = worker.ended()
                self.exits.append(Exit(name, -1 if code is None else code, worker.last_words()))
                # Not at once: the cause of its end may persist.
                self._due[name] = time.monotonic() + 1, "start"

    @property
    def idle(self) -> bool:
        """Whether no action is pending: all workers run, none is stopped."""
        return not self._due

    def owner(self, stage: str, partition: int) -> WorkerProcess | None:
        """Find the worker that took over a partition last."""
        held = [(worker.held[stage, partition], worker) for worker in self.workers if (stage, partition) in worker.held]
        return max(held, key=lambda one: one[0])[1] if held else None

    @property
    def starts(self) -> dict[str, int]:
        """Starts of all of them, by the disk they found."""
        return dict(sum((worker.disks.starts for worker in self.workers), Counter[str]()))

    @property
    def told(self) -> dict[str, int]:
        """Counts of log events of all workers."""
        return dict(sum((worker.told for worker in self.workers), Counter[str]()))

    @property
    def openings(self) -> list[Opening]:
        """Takeovers of partitions by all workers."""
        return [one for worker in self.workers for one in worker.openings]

    def end(self) -> dict[str, int | None]:
        """Stop all workers in order, together; give their exit codes, None for one that had to be killed."""
        for worker in self.workers:
            if not worker.running:
                worker.start()
            worker.go_on()
            worker.tell_to_end()
        return {worker.duty.name: worker.ended() for worker in self.workers}

    def close(self) -> None:
        """Make sure that no process is left."""
        for worker in self.workers:
            worker.close()
