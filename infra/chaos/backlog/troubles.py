"""Stops, kills and zombies among the workers of a backlog."""

import random
import time
from collections.abc import Callable, Iterator
from itertools import cycle

from infra.chaos.backlog.asker import Asker
from infra.chaos.backlog.trial_spec import BacklogSpec, Kind, Trouble
from infra.chaos.client import Offsets
from infra.chaos.compaction import STAGES
from infra.chaos.disks import Disk, drawn
from infra.chaos.removal import RemovalWatch
from infra.chaos.rest import lags
from infra.chaos.supervisor import Supervisor
from infra.chaos.workers import WorkerProcess
from streams.errors import OperatorError

LIMIT_S = 180.0
"""Longest wait. A consumer group waits a minute for a member that was killed during a rebalance."""

_LOOK_S = 0.05
_AT_ONCE = 0.4
"""Share of the kills after which the trial does not wait until the worker is back at work."""


class Troubles:
    """
    Makes one trouble after the other, while the supervisor restarts workers.

    Args:
        clock: Seconds since it began.
    """

    def __init__(
        self,
        plan: BacklogSpec,
        supervisor: Supervisor,
        asker: Asker,
        offsets: Offsets,
        watch: RemovalWatch,
        clock: Callable[[], float],
    ) -> None:
        self.made: list[Trouble] = []
        self._plan = plan
        self._supervisor = supervisor
        self._asker = asker
        self._offsets = offsets
        self._watch = watch
        self._clock = clock
        self._draw = random.Random(plan.seed)
        self._disks: Iterator[Disk] = cycle(("none", "same", "empty", "former"))
        """Disks that the starts find, in turn."""
        self._removed = watch.removed()

    def make(self, kind: Kind) -> Trouble:
        """
        Make one trouble, while the stages have work in flight.

        Raises:
            OperatorError: What has to happen next does not.
        """
        workers, enough = self._supervisor.workers, all if kind == "outage" else any
        self.until(lambda: enough(map(_at_work, workers)), "no worker is at work")
        worker = self._draw.choice([one for one in workers if _at_work(one)])
        self._asker.crowd(self._draw, self._plan.burst)
        self.pause(self._drawn_s(0.5))
        lag = sum(lags(self._offsets).values())
        target = "all" if kind == "outage" else worker.duty.name
        trouble = Trouble(kind, target, self._clock(), self._asker.open, lag)
        if kind == "outage":
            trouble.disk = "empty"
            self._replace_all()
        elif kind == "zombie":
            self._outlive(worker)
        elif kind == "start":
            trouble.disk = next(self._disks)
            self._start(worker, trouble)
        else:
            trouble.disk = drawn(self._draw)
            self._supervisor.kill(worker, self._drawn_s(1), trouble.disk)
            if self._draw.random() >= _AT_ONCE:
                self.until(lambda: _at_work(worker), f"{worker.duty.name} does not come back")
        self.made.append(trouble)
        return trouble

    def _drawn_s(self, most_s: float) -> float:
        return self._draw.uniform(0, most_s) * self._supervisor.factor

    def pause(self, seconds: float) -> bool:
        """Wait, while the supervisor restarts workers; say whether all workers are at work."""
        until = time.monotonic() + seconds
        while True:
            self._supervisor.look()
            self._asker.hear()
            if time.monotonic() >= until:
                return self._supervisor.idle
            time.sleep(_LOOK_S)

    def until(self, condition: Callable[[], bool], otherwise: str) -> None:
        """
        Wait for something.

        Raises:
            OperatorError: It does not come.
        """
        limit = time.monotonic() + LIMIT_S
        while not condition():
            if time.monotonic() > limit:
                said = "\n".join(f"{one.duty.name}: {one.last_words()}" for one in self._supervisor.workers)
                raise OperatorError(f"{otherwise}, for {LIMIT_S:g} s\n{said}")
            self.pause(_LOOK_S)

    def await_compaction(self) -> None:
        """
        Wait until compaction has removed records from every stage's changelogs; records keep coming meanwhile.

        Raises:
            OperatorError: It removes none in time.
        """
        crowded = time.monotonic()
        limit = crowded + LIMIT_S
        while any(count <= self._removed[stage] for stage, count in self._watch.removed().items()):
            if time.monotonic() > limit:
                raise OperatorError(f"nothing was compacted for {LIMIT_S:g} s")
            if time.monotonic() > crowded:
                # The broker closes a segment only when the next record arrives.
                self._asker.crowd(self._draw, self._plan.burst)
                crowded = time.monotonic() + 1
            self.pause(_LOOK_S)
        self._removed = self._watch.removed()

    def _start(self, worker: WorkerProcess, trouble: Trouble) -> None:
        """Stop a worker in order, and start it on a log that has been compacted since the last start."""
        self.await_compaction()
        worker.tell_to_end()
        worker.ended()
        # Read its last log lines before the next process begins a new file.
        worker.look()
        worker.disks.turn_to(trouble.disk)
        worker.start()
        self.until(lambda: _at_work(worker), f"{worker.duty.name} does not come back")

    def _replace_all(self) -> None:
        """Kill all workers at once; whoever owns a partition next has nothing but its changelog."""
        self.await_compaction()
        places = [(stage, number) for stage in STAGES for number in self._used(stage)]
        for worker in self._supervisor.workers:
            self._supervisor.kill(worker, 0, "empty")
        # The next processes start here, and hold nothing yet.
        self._supervisor.look()
        self.until(lambda: all(self._supervisor.owner(*place) for place in places), "a partition finds no owner")

    def _outlive(self, worker: WorkerProcess) -> None:
        """Suspend a worker until others own its partitions and compaction ran; then continue it, as a zombie."""
        held = [
            place
            for place in worker.held
            if self._supervisor.owner(*place) is worker and place[1] in self._used(place[0])
        ]
        worker.stop()
        self.until(lambda: all(self._supervisor.owner(*place) is not worker for place in held), "nobody takes over")
        self._removed = self._watch.removed()
        self.await_compaction()
        worker.go_on()
        self.pause(self._drawn_s(2))

    def _used(self, stage: str) -> set[int]:
        """
        List the partitions of which a stage has ever committed records.

        A worker that holds one without records need not open it again when it returns under the same assignment, and
        then no log line names its new owner.
        """
        return {number for (_, number), offset in self._offsets.committed(stage).items() if offset > 0}


def _at_work(worker: WorkerProcess) -> bool:
    return worker.running and not worker.stopped and bool(worker.held)
