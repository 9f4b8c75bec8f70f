"""One trial: broker, workers, traffic, faults, then the checks."""

import random
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from infra.broker import Broker
from infra.chaos.checker import check
from infra.chaos.client import Offsets, records
from infra.chaos.compaction import squeeze
from infra.chaos.disks import drawn
from infra.chaos.faults import Faults
from infra.chaos.outcome import TrialOutcome
from infra.chaos.reading import TOPICS
from infra.chaos.removal import RemovalWatch
from infra.chaos.rest import replayed, settle
from infra.chaos.supervisor import Supervisor
from infra.chaos.traffic import Traffic
from infra.chaos.trial_spec import TrialSpec
from infra.chaos.workers import DUTIES, prepare
from streams.errors import OperatorError

_FIRST_S = 90.0
"""Longest wait for the first decision: all workers start at once."""
_COMPACTED_S = 60.0
"""Longest wait until records of every stage's changelogs were removed."""


def run(plan: TrialSpec, tell: Callable[[str], None]) -> TrialOutcome:
    """
    Do a trial. It leaves no process and no file.

    Args:
        tell: Receives progress messages.

    Raises:
        OperatorError: It cannot begin: no Java, no room, no confluent-kafka, or no question is decided at all.
    """
    with tempfile.TemporaryDirectory(prefix="orch-chaos-") as place, Broker(Path(place, "broker")) as broker:
        return _ChaosTrial(plan, broker, Path(place), tell).run()


class _ChaosTrial:
    def __init__(self, plan: TrialSpec, broker: Broker, folder: Path, tell: Callable[[str], None]) -> None:
        self._plan = plan
        self._broker = broker
        self._folder = folder
        self._say = tell
        self._began = time.monotonic()
        self._supervisor = Supervisor(DUTIES[: plan.workers], broker.url, folder, plan.engine, factor=plan.factor)

    def _clock(self) -> float:
        return round(time.monotonic() - self._began, 2)

    def _tell(self, text: str) -> None:
        self._say(f"{self._clock():8.1f} s  {text}")

    def run(self) -> TrialOutcome:
        prepare(self._folder, self._broker.url, self._plan.policy)
        if self._plan.compaction:
            squeeze(self._broker.bootstrap)
        with ExitStack() as closing:
            closing.callback(self._supervisor.close)
            self._supervisor.start()
            with ExitStack() as running:
                traffic = Traffic(self._broker.bootstrap, self._plan.seed, self._plan.rate)
                running.callback(traffic.close)
                offsets = running.enter_context(Offsets(self._broker.bootstrap))
                watch = None
                if self._plan.compaction:
                    watch = RemovalWatch(self._broker.bootstrap, lambda: traffic.open)
                    running.callback(watch.close)
                draw = random.Random(self._plan.seed)
                disks = (lambda: drawn(draw)) if self._plan.compaction else None
                faults = Faults(self._broker, self._supervisor, traffic, offsets, draw, self._clock, disks)
                self._wait(lambda: traffic.decided > 0, _FIRST_S, "no question was decided", faults)
                self._tell("the first question is decided")
                if watch is not None:
                    # Every fault must hit a log that has been compacted.
                    self._wait(lambda: all(watch.removed().values()), _COMPACTED_S, "nothing was compacted", faults)
                    self._tell("of every stage something is compacted")
                unsettled = self._disturb(faults, traffic, watch) or self._settle(faults, traffic, offsets)
                asked, delays = traffic.asked, traffic.figures()
            ended = self._supervisor.end()
        self._tell(f"all is quiet; checking {len(asked):,} questions")
        return TrialOutcome(
            self._plan,
            faults.inflicted,
            unsettled,
            self._supervisor.exits,
            ended,
            self._supervisor.told,
            delays,
            check(records(self._broker.bootstrap, TOPICS), asked),
            replayed(self._folder, self._broker.url),
            time.monotonic() - self._began,
            self._supervisor.starts,
            watch.finish(self._supervisor.openings) if watch else None,
        )

    def _wait(self, condition: Callable[[], bool], limit_s: float, otherwise: str, faults: Faults) -> None:
        limit = time.monotonic() + limit_s
        while not condition():
            if time.monotonic() > limit:
                said = "\n".join(f"{worker.duty.name}: {worker.last_words()}" for worker in self._supervisor.workers)
                raise OperatorError(f"{otherwise} within {limit_s:g} s\n{said}")
            faults.pause(0.1)

    def _disturb(self, faults: Faults, traffic: Traffic, watch: RemovalWatch | None) -> str:
        """Inflict every fault, and more kills while a proof is missing; give the reason if the trial cannot go on."""
        kinds = self._plan.faults()
        limit = time.monotonic() + self._plan.limit_s
        done = 0
        while done < len(kinds) or (watch and watch.finish(self._supervisor.openings).lacking()):
            if time.monotonic() > limit:
                return f"only {done} of {len(kinds)} faults in {self._plan.limit_s:g} s"
            try:
                fault = faults.inflict(kinds[done] if done < len(kinds) else "worker kill")
            except OperatorError as error:
                return error.message
            done += fault.counts
            hit = f"open {fault.open}, lag {fault.lag}, held {len(fault.held)}" if fault.counts else "hit nothing"
            self._tell(f"{done}/{len(kinds)} {fault.kind} {fault.target}: {hit}; decided {traffic.decided}")
        try:
            left = max(0.0, limit - time.monotonic())
            self._wait(lambda: len(traffic.asked) >= self._plan.questions, left, "not all was asked", faults)
        except OperatorError as error:
            return error.message
        return ""

    def _settle(self, faults: Faults, traffic: Traffic, offsets: Offsets) -> str:
        traffic.stop_asking()
        self._tell(f"the last of {len(traffic.asked):,} questions is asked, {traffic.open} are open")

        def pause(seconds: float) -> bool:
            faults.pause(seconds)
            return self._supervisor.idle

        return settle(offsets, lambda: traffic.open, pause, self._tell)
