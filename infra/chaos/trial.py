"""A whole trial: a broker, workers and traffic, faults while all of it runs, then the checks."""

import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from infra.broker import Broker
from infra.chaos.checker import check
from infra.chaos.client import Offsets, records
from infra.chaos.crew import Crew
from infra.chaos.faults import STAGES, Faults
from infra.chaos.plan import EXIT_ENVIRONMENT, Outcome, Plan
from infra.chaos.questions import POLICY
from infra.chaos.reading import TOPICS
from infra.chaos.traffic import Traffic
from infra.chaos.workers import DUTIES, orch, prepare
from streams.errors import OperatorError

_FIRST_S = 90.0
"""Longest wait for the first decision: all workers start at once."""
_SETTLE_S = 180.0
"""Longest wait, after the last fault, until everything is decided and learned."""
_QUIET_S = 4.0
"""Time without a new record after which nothing more is expected; a deadline is looked at more often."""

_TELL_S = 10.0
"""Time between two words on a log that comes to rest."""


def run(plan: Plan, tell: Callable[[str], None]) -> Outcome:
    """
    Do a trial. It leaves no process and no file.

    Args:
        tell: Is told what happens.

    Raises:
        OperatorError: It cannot begin: no Java, no room, no confluent-kafka, or no question is decided at all.
    """
    with tempfile.TemporaryDirectory(prefix="orch-chaos-") as place, Broker(Path(place, "broker")) as broker:
        return _Trial(plan, broker, Path(place), tell).run()


class _Trial:
    def __init__(self, plan: Plan, broker: Broker, folder: Path, tell: Callable[[str], None]) -> None:
        self._plan = plan
        self._broker = broker
        self._folder = folder
        self._say = tell
        self._began = time.monotonic()
        self._crew = Crew(DUTIES[: plan.workers], broker.url, folder, plan.engine)

    def _clock(self) -> float:
        return round(time.monotonic() - self._began, 2)

    def _tell(self, text: str) -> None:
        self._say(f"{self._clock():8.1f} s  {text}")

    def run(self) -> Outcome:
        prepare(self._folder, self._broker.url, POLICY)
        unsettled = ""
        try:
            self._crew.start()
            traffic = Traffic(self._broker.bootstrap, self._plan.seed, self._plan.rate)
            offsets = Offsets(self._broker.bootstrap)
            draw = random.Random(self._plan.seed)
            faults = Faults(self._broker, self._crew, traffic, offsets, draw, self._clock)
            try:
                self._wait(lambda: traffic.decided > 0, _FIRST_S, "no question was decided", faults)
                self._tell("the first question is decided")
                unsettled = self._disturb(faults, traffic) or self._settle(faults, traffic, offsets)
                asked, delays = traffic.asked, traffic.figures()
            finally:
                traffic.close()
                offsets.close()
            ended = self._crew.end()
            told = sum((worker.told for worker in self._crew.workers), Counter[str]())
        finally:
            self._crew.close()
        self._tell(f"all is quiet; checking {len(asked):,} questions")
        report = check(records(self._broker.bootstrap, TOPICS), asked)
        replay = self._replay()
        return Outcome(
            self._plan,
            faults.inflicted,
            unsettled,
            self._crew.exits,
            ended,
            dict(told),
            delays,
            report,
            replay,
            time.monotonic() - self._began,
        )

    def _orch(self, *arguments: str, limit_s: float = 120) -> tuple[int, str, str]:
        done = orch(self._folder, "--log", self._broker.url, *arguments, limit_s=limit_s)
        return done.returncode, done.stdout.decode(), done.stderr.decode("utf-8", "replace").strip()

    def _wait(self, condition: Callable[[], bool], limit_s: float, otherwise: str, faults: Faults) -> None:
        limit = time.monotonic() + limit_s
        while not condition():
            if time.monotonic() > limit:
                said = "\n".join(f"{worker.duty.name}: {worker.last_words()}" for worker in self._crew.workers)
                raise OperatorError(f"{otherwise} within {limit_s:g} s\n{said}")
            faults.pause(0.1)

    def _disturb(self, faults: Faults, traffic: Traffic) -> str:
        """Inflict every fault; give the reason if it cannot be gone on."""
        kinds = self._plan.faults()
        limit = time.monotonic() + self._plan.limit_s
        done = 0
        while done < len(kinds):
            if time.monotonic() > limit:
                return f"only {done} of {len(kinds)} faults in {self._plan.limit_s:g} s"
            try:
                fault = faults.inflict(kinds[done])
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
        """Wait until everything is decided and learned; give the reason if that does not come."""
        traffic.stop_asking()
        self._tell(f"the last of {len(traffic.asked):,} questions is asked, {traffic.open} are open")
        limit = time.monotonic() + _SETTLE_S
        ends, since = offsets.ends(), time.monotonic()
        told = since
        while time.monotonic() < limit:
            faults.pause(0.5)
            now = offsets.ends()
            if time.monotonic() - told > _TELL_S:
                told = time.monotonic()
                self._tell(f"{traffic.open} questions are open; not committed: {self._lags(offsets) or 'nothing'}")
            if now != ends or traffic.open or not self._crew.idle:
                ends, since = now, time.monotonic()
            elif time.monotonic() - since > _QUIET_S and not self._lags(offsets):
                return ""
        return f"after {_SETTLE_S:g} s {traffic.open} questions are open, and behind are {self._lags(offsets)}"

    def _lags(self, offsets: Offsets) -> dict[str, int]:
        """Count what the stages that fold have not committed, by place."""
        return {
            f"{stage}: {topic}/{partition}": lag
            for stage, places in offsets.lags(STAGES[:4]).items()
            for (topic, partition), lag in places.items()
            if lag
        }

    def _replay(self) -> dict[str, Any]:
        code, out, err = self._orch("--format", "json", "replay", limit_s=1_800)
        if code == EXIT_ENVIRONMENT:
            return {"skipped": err}
        found: dict[str, Any] = json.loads(out) if out else {"different": err or f"exit code {code}"}
        return found
