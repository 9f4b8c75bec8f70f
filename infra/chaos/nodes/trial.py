"""One trial of three brokers: load, outages, checks."""

import random
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from infra.broker import Cluster
from infra.chaos.checker import Report, check
from infra.chaos.client import Offsets, consumer, records
from infra.chaos.questions import POLICY
from infra.chaos.reading import TOPICS
from infra.chaos.rest import replayed, settle
from infra.chaos.supervisor import Supervisor
from infra.chaos.traffic import Traffic
from infra.chaos.workers import DUTIES, prepare
from streams.errors import OperatorError

Kind = Literal["kill", "rolling restart", "two killed"]

_FIRST_S = 90.0
"""Longest wait for the first decision: brokers, workers and groups are new."""
_INSYNC_S = 90.0
"""Longest wait until a node that came back holds all that the others do."""
_AFTER_S = 10.0
"""Time watched after the last node is back."""
_LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class NodeTrialSpec:
    """The plan of a trial; the seed fixes questions, order and targets, but not the moments."""

    kills: int
    """Times that one node is killed."""
    restarts: int
    """Times that all nodes are stopped and started, one after the other."""
    outages: int
    """Times that two nodes are killed, so that nothing can be written."""
    away_s: float
    """Time for which a killed node stays away."""
    rate: float
    """Questions a second."""
    workers: int
    seed: int

    def faults(self) -> list[Kind]:
        """List the faults in their order."""
        kinds: list[Kind] = ["kill"] * self.kills
        kinds += ["rolling restart"] * self.restarts
        kinds += ["two killed"] * self.outages
        random.Random(self.seed).shuffle(kinds)
        return kinds


@dataclass(frozen=True, slots=True)
class NodeFault:
    """One fault, and how long no decision came."""

    kind: Kind
    nodes: tuple[int, ...]
    open: int
    """Questions without a decision when it hit."""
    stall_s: float
    """Longest time without a decision, from the fault until some seconds after the last node is back."""
    decided: int
    """Decisions in that time."""


@dataclass(slots=True)
class NodeTrialOutcome:
    """The outcome of a trial."""

    plan: NodeTrialSpec
    faults: list[NodeFault] = field(default_factory=list)
    unsettled: str = ""
    ended_by_themselves: list[str] = field(default_factory=list)
    ended: dict[str, int | None] = field(default_factory=dict)
    delays: dict[str, float] = field(default_factory=dict)
    report: Report | None = None
    replay: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def right(self) -> bool:
        """Whether nothing was lost, doubled or different, and no worker ended with an error of its own."""
        checked = self.report is not None and self.report.right
        ends = set(self.ended.values()) <= {0} and all(why.startswith("3") for why in self.ended_by_themselves)
        return checked and not self.unsettled and ends and not self.replay.get("different")

    def as_json(self) -> dict[str, Any]:
        """Give all figures."""
        stalls = {
            kind: max((fault.stall_s for fault in self.faults if fault.kind == kind), default=None)
            for kind in dict.fromkeys(fault.kind for fault in self.faults)
        }
        report = self.report or Report({}, {}, {})
        return {
            "right": self.right,
            "plan": asdict(self.plan),
            "seconds": round(self.seconds, 1),
            "longest_stall_s": stalls,
            "faults": [asdict(fault) for fault in self.faults],
            "question_to_decision": self.delays,
            "unsettled": self.unsettled,
            "ended_by_themselves": self.ended_by_themselves,
            "exit_codes": self.ended,
            "log": report.figures,
            "wrong": report.wrong,
            "examples": report.examples,
            "replay": self.replay,
        }


def run(plan: NodeTrialSpec, tell: Callable[[str], None]) -> NodeTrialOutcome:
    """
    Do a trial. It leaves no process and no file.

    Args:
        tell: Receives progress messages.

    Raises:
        OperatorError: It cannot begin: no Java, no room, no confluent-kafka, or no question is decided at all.
    """
    with tempfile.TemporaryDirectory(prefix="orch-nodes-") as place, Cluster(Path(place, "nodes")) as cluster:
        return _NodeTrial(plan, cluster, Path(place), tell).run()


class _NodeTrial:
    def __init__(self, plan: NodeTrialSpec, cluster: Cluster, folder: Path, tell: Callable[[str], None]) -> None:
        self._plan = plan
        self._cluster = cluster
        self._folder = folder
        self._say = tell
        self._began = time.monotonic()
        self._draw = random.Random(plan.seed)
        self._supervisor = Supervisor(DUTIES[: plan.workers], cluster.url, folder)

    def _tell(self, text: str) -> None:
        self._say(f"{time.monotonic() - self._began:8.1f} s  {text}")

    def run(self) -> NodeTrialOutcome:
        outcome = NodeTrialOutcome(self._plan)
        bootstrap = self._cluster.bootstrap
        prepare(self._folder, self._cluster.url, POLICY)
        with ExitStack() as closing:
            closing.callback(self._supervisor.close)
            self._supervisor.start()
            with ExitStack() as running:
                traffic = Traffic(bootstrap, self._plan.seed, self._plan.rate)
                running.callback(traffic.close)
                offsets = running.enter_context(Offsets(bootstrap))
                self._wait(lambda: traffic.decided > 0, _FIRST_S, "no question was decided")
                for kind in self._plan.faults():
                    self._wait(self._insync, _INSYNC_S, "the nodes did not get in sync")
                    outcome.faults.append(self._inflict(kind, traffic))
                traffic.stop_asking()
                self._tell(f"the last of {len(traffic.asked):,} questions is asked, {traffic.open} are open")
                outcome.unsettled = settle(offsets, lambda: traffic.open, self._pause, self._tell)
                asked, outcome.delays = traffic.asked, traffic.figures()
            outcome.ended = self._supervisor.end()
        self._tell(f"all is quiet; checking {len(asked):,} questions")
        outcome.ended_by_themselves = [one.why for one in self._supervisor.exits]
        outcome.report = check(records(bootstrap, TOPICS), asked)
        outcome.replay = replayed(self._folder, self._cluster.url)
        outcome.seconds = time.monotonic() - self._began
        return outcome

    def _inflict(self, kind: Kind, traffic: Traffic) -> NodeFault:
        """Inflict a fault on nodes drawn by chance, and watch the decisions until all nodes are back for a while."""
        numbers = [number for number, _ in enumerate(self._cluster.nodes, 1)]
        self._draw.shuffle(numbers)
        hit = {"kill": numbers[:1], "two killed": numbers[:2], "rolling restart": numbers}[kind]
        nodes = [self._cluster.nodes[number - 1] for number in hit]
        open_then, decided, since = traffic.open, traffic.decided, time.monotonic()
        if kind == "rolling restart":
            for node in nodes:
                node.stop()
                node.start()
                self._wait(self._insync, _INSYNC_S, "a restarted node did not get in sync")
        else:
            for node in nodes:
                node.kill()
            self._pause(self._plan.away_s)
            for node in nodes:
                node.launch()
            self._cluster.wait()
        self._pause(_AFTER_S)
        stall_s = round(traffic.longest_gap(since), 1)
        fault = NodeFault(kind, tuple(hit), open_then, stall_s, traffic.decided - decided)
        self._tell(
            f"{kind} of {', '.join(map(str, hit))}: longest stall {stall_s} s, {fault.decided} decided meanwhile"
        )
        return fault

    def _insync(self) -> bool:
        """Say whether every partition has all its replicas in sync."""
        asking = consumer(self._cluster.bootstrap)
        try:
            topics = asking.list_topics(timeout=_INSYNC_S).topics.values()
            return all(set(one.isrs) == set(one.replicas) for topic in topics for one in topic.partitions.values())
        finally:
            asking.close()

    def _wait(self, condition: Callable[[], bool], limit_s: float, otherwise: str) -> None:
        limit = time.monotonic() + limit_s
        while not condition():
            if time.monotonic() > limit:
                said = "\n".join(f"{worker.duty.name}: {worker.last_words()}" for worker in self._supervisor.workers)
                raise OperatorError(f"{otherwise} within {limit_s:g} s\n{said}")
            self._pause(_LOOK_S)

    def _pause(self, seconds: float) -> bool:
        """Wait, while workers that end are started again; say whether all are at work."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            self._supervisor.look()
            time.sleep(min(_LOOK_S, seconds))
        return self._supervisor.idle
