"""
Faults, their targets, and proof of work in flight.

The proof is that a fault hit its target while work was in flight.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from infra.broker import Broker
from infra.chaos.client import Offsets
from infra.chaos.disks import Disk
from infra.chaos.sessions import SESSION_TIMEOUT_S
from infra.chaos.supervisor import Supervisor
from infra.chaos.traffic import Traffic
from infra.chaos.workers import WorkerProcess
from streams.errors import OperatorError

Kind = Literal["worker kill", "broker kill", "stop"]

STAGES = ("route", "merge", "learn", "rank", "tune", "agents", "deadlines")
_LOOK_S = 0.05
_HIT_S = 60.0
"""Longest wait for work in flight."""
_IDLE_S = 5.0
"""Longest wait for work in flight at one worker."""
_EARLY = 0.1
"""Share of the faults that may hit a worker that is still starting; these do not count, and others follow."""
_AT_ONCE = 0.3
"""Share of the faults that come before the log has recovered from the one before."""


@dataclass(slots=True)
class Fault:
    """One fault, and what it hit at that moment."""

    kind: Kind
    target: str
    at_s: float
    open: int
    """Questions acknowledged and without a decision."""
    lag: int = 0
    """Uncommitted records in the partitions it held, by its own log lines."""
    held: list[str] = field(default_factory=list)
    """Partitions of stages that it held."""
    counts: bool = True
    disk: Disk = "same"
    """What the worker finds when it comes back, if it has any."""


class Faults:
    """
    Inflicts faults, one after the other, on a log at work.

    Args:
        draw: Chooses targets and moments.
        clock: Seconds since the trial began.
        disks: Chooses what a worker that was killed finds when it comes back; by default its disk.
    """

    def __init__(
        self,
        broker: Broker,
        supervisor: Supervisor,
        traffic: Traffic,
        offsets: Offsets,
        draw: random.Random,
        clock: Callable[[], float],
        disks: Callable[[], Disk] | None = None,
    ) -> None:
        self.inflicted: list[Fault] = []
        self._broker = broker
        self._supervisor = supervisor
        self._traffic = traffic
        self._draw = draw
        self._clock = clock
        self._offsets = offsets
        self._disks = disks
        self._decided = 0

    def inflict(self, kind: Kind) -> Fault:
        """
        Inflict a fault at a random moment with work in flight. A fault without any does not count.

        Raises:
            OperatorError: No work was in flight for too long: the log does not recover.
        """
        if self._draw.random() >= _AT_ONCE:
            self._until(lambda: self._traffic.decided > self._decided, "no question was decided since the last fault")
        self.pause(self._drawn_s(0, 1.5))
        fault = self._broker_kill() if kind == "broker kill" else self._worker_fault(kind)
        self._decided = self._traffic.decided
        self.inflicted.append(fault)
        return fault

    def pause(self, seconds: float) -> None:
        """Wait, while the supervisor restarts workers."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._supervisor.look()
            time.sleep(_LOOK_S)

    def _drawn_s(self, least_s: float, most_s: float) -> float:
        return self._draw.uniform(least_s, most_s) * self._supervisor.factor

    def _until(self, condition: Callable[[], bool], otherwise: str) -> None:
        limit = time.monotonic() + _HIT_S
        while not condition():
            if time.monotonic() > limit:
                raise OperatorError(f"{otherwise}, for {_HIT_S:g} s")
            self.pause(_LOOK_S)

    def _broker_kill(self) -> Fault:
        self._until(lambda: self._traffic.open > 0, "no question was open")
        fault = Fault("broker kill", "broker", self._clock(), self._traffic.open)
        self._broker.kill()
        self.pause(self._drawn_s(0, 3))
        self._broker.start()
        return fault

    def _worker_fault(self, kind: Kind) -> Fault:
        self._until(lambda: any(self._reachable()), "no worker was there")
        early = self._draw.random() < _EARLY
        self._until(lambda: self._traffic.open > 0 and any(self._reachable(early=early)), "no worker held anything")
        worker = self._draw.choice(self._reachable(early=early))
        fault = self._hit(kind, worker)
        until = time.monotonic() + _IDLE_S
        while not fault.counts and not early and time.monotonic() < until and worker in self._reachable():
            self.pause(self._draw.uniform(0, 0.2))
            fault = self._hit(kind, worker)
        if kind == "worker kill":
            fault.disk = self._disks() if self._disks else "same"
            self._supervisor.kill(worker, self._drawn_s(0, 2), fault.disk)
        else:
            self._supervisor.stop(worker, SESSION_TIMEOUT_S * self._supervisor.factor + self._drawn_s(0.5, 3))
        return fault

    def _reachable(self, *, early: bool = True) -> list[WorkerProcess]:
        """List the workers at work; those without partitions, which are still starting, only if *early*."""
        running = [worker for worker in self._supervisor.workers if worker.running and not worker.stopped]
        return [worker for worker in running if early or worker.held]

    def _hit(self, kind: Kind, worker: WorkerProcess) -> Fault:
        """Find a worker's work in flight at this moment."""
        fault = Fault(kind, worker.duty.name, self._clock(), self._traffic.open)
        stages = STAGES if "all" in worker.duty.stages else worker.duty.stages
        for stage, lags in self._offsets.lags(stages).items():
            for (_, partition), lag in lags.items():
                if self._supervisor.owner(stage, partition) is worker:
                    fault.lag += lag
                    fault.held.append(f"{stage}/{partition}")
        fault.held = sorted(set(fault.held))
        fault.counts = fault.open > 0 and fault.lag > 0 and bool(fault.held)
        return fault
