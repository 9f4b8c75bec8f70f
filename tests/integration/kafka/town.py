"""A log under load, and its workers."""

import json
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from infra.broker import Broker
from infra.chaos.checker import Report, check
from infra.chaos.client import Offsets, Place, deal, records
from infra.chaos.reading import TOPICS
from infra.chaos.traffic import Traffic
from infra.chaos.workers import SCRIPT, Duty, WorkerProcess

from ...limits import LIMIT_S

RATE = 16.0
"""Questions a second: two for each partition."""

ON_THE_WAY = ("route", "agents", "merge")
"""Stages without which a partition decides nothing."""


class Town:
    """A log under load, and workers that do everything."""

    def __init__(self, broker: Broker, folder: Path, engine: str = "aiokafka") -> None:
        self.bootstrap = broker.bootstrap
        self.prefix = f"{uuid.uuid4().hex[:8]}."
        self.url = f"{broker.url}/{self.prefix[:-1]}"
        self.folder = folder
        self.engine = engine
        self.workers: dict[str, WorkerProcess] = {}
        self.gone: list[WorkerProcess] = []
        self.traffic: Traffic | None = None

    @property
    def load(self) -> Traffic:
        """The questions."""
        assert self.traffic is not None, "ask() comes first"
        return self.traffic

    def ask(self) -> None:
        """Begin to ask."""
        self.traffic = Traffic(self.bootstrap, 1, RATE, self.prefix)

    def start(self, *names: str, fixed: bool = False, program: Sequence[str] = (str(SCRIPT),)) -> None:
        """
        Start workers, and wait until each holds partitions and a question is decided in every partition.

        Args:
            names: Of the workers.
            fixed: Whether they are static members of their groups.
            program: The command, if it is not the installed one.
        """
        for name in names:
            duty = Duty(name, ("all",), fixed=fixed, keeps=True)
            worker = WorkerProcess(duty, self.url, self.folder, program=program, engine=self.engine)
            self.workers[name] = worker
            worker.start()
        self.until(lambda: all(self.held(name) for name in names), "all hold partitions")
        began = time.monotonic()
        self.until(lambda: len(self.load.first_decisions(began)) == 8, "all partitions decide")

    def held(self, name: str) -> set[int]:
        """List the partitions that need a worker for their decisions: of each stage those that it opened last."""
        newest: dict[tuple[str, int], tuple[str, str]] = {}
        for other, worker in self.workers.items():
            for place, at in worker.held.items():
                newest[place] = max(newest.get(place, ("", "")), (at, other))
        return {number for (stage, number), (_, owner) in newest.items() if owner == name and stage in ON_THE_WAY}

    def dealt(self) -> dict[str, dict[str, frozenset[Place]]]:
        """Wait until no group deals out partitions any more; give what each member holds, by group and name."""
        groups = [f"{self.prefix}orch-{stage}" for stage in ON_THE_WAY]
        found: dict[str, dict[str, frozenset[Place]]] = {}

        def settled() -> bool:
            for group in groups:
                members = deal(self.bootstrap, group)
                if members is None or len(members) != len(self.workers):
                    return False
                found[group] = members
            return True

        self.until(settled, "the groups have dealt out their partitions")
        return found

    def leaves(self, name: str) -> tuple[WorkerProcess, set[int]]:
        """Take a worker off the list; give what it holds."""
        held = self.held(name)
        self.gone.append(self.workers.pop(name))
        return self.gone[-1], held

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for something, and show what the workers said last if it does not come."""
        limit = time.monotonic() + LIMIT_S
        while True:
            for worker in self.workers.values():
                worker.look()
            if condition():
                return
            if time.monotonic() > limit:
                said = "\n".join(f"{name}: {worker.last_words()}" for name, worker in self.workers.items())
                raise AssertionError(f"not within {LIMIT_S} s: {what}\n{said}")
            time.sleep(0.05)

    def moved(self, since: float, partitions: set[int]) -> float:
        """Wait until every one of these partitions has decided a question asked since; give the longest time, in s."""
        self.until(lambda: partitions <= self.load.first_decisions(since).keys(), f"{partitions} decide again")
        return max(at for partition, at in self.load.first_decisions(since).items() if partition in partitions)

    def kill(self, name: str) -> float:
        """Kill a worker; give the time until all it held decides again."""
        worker, held = self.leaves(name)
        began = time.monotonic()
        worker.kill()
        return self.moved(began, held)

    def end(self, name: str) -> float:
        """Have a worker end in order; give the time from the signal until all it held decides again."""
        worker, held = self.leaves(name)
        began = time.monotonic()
        worker.tell_to_end()
        assert worker.ended() == 0, worker.last_words()
        return self.moved(began, held)

    def settle(self) -> None:
        """Wait until all is decided and learned."""
        self.load.stop_asking()
        ends: dict[tuple[str, int], int] = {}
        quiet_since = time.monotonic()

        def quiet() -> bool:
            nonlocal ends, quiet_since
            now = offsets.ends()
            if now != ends or self.load.open:
                ends, quiet_since = now, time.monotonic()
            time.sleep(0.2)
            return time.monotonic() - quiet_since > 3

        with Offsets(self.bootstrap, self.prefix) as offsets:
            self.until(quiet, "all is decided and learned")

    def close(self) -> None:
        """Stop everything."""
        if self.traffic is not None:
            self.traffic.close()
        for worker in (*self.workers.values(), *self.gone):
            worker.close()


def check_all(town: Town) -> Report:
    """Check that nothing was lost or doubled, and that questions keep their order, and the stages of each theirs."""
    town.settle()
    report = check(records(town.bootstrap, TOPICS, town.prefix), town.load.asked)
    assert report.right, report.examples
    assert report.figures["later_stages"], "some questions have a second stage, whose order is checked"
    told = {name: report.figures[name] for name in ("asked", "later_stages", "second_calls", "repeats")}
    sys.stdout.write(f"{json.dumps(told)}\n")
    return report
