"""The plan of a trial."""

import random
from dataclasses import dataclass

from infra.chaos.faults import Kind
from infra.chaos.questions import DEADLINE_MS, POLICY
from infra.chaos.workers import ENGINES


@dataclass(frozen=True, slots=True)
class TrialSpec:
    """The plan of a trial; together with the code, the seed fixes every choice in it but the moments."""

    questions: int
    """At least so many are asked; more until the last fault has hit."""
    rate: float
    """Questions a second."""
    worker_kills: int
    broker_kills: int
    stops: int
    seed: int
    workers: int
    engine: str = ENGINES[0]
    compaction: bool = False
    """Whether changelogs are compacted as fast as a broker can, and workers come back without their disks."""
    factor: float = 1.0
    """Part of their usual time that sessions, deadlines and pauses between faults last."""

    @property
    def policy(self) -> str:
        """The configuration."""
        return POLICY.replace(f"{DEADLINE_MS:_}", f"{round(DEADLINE_MS * self.factor):_}")

    @property
    def limit_s(self) -> float:
        """Longest time the faults and questions may take."""
        return 120 + 2 * self.questions / self.rate + 20 * self.worker_kills + 40 * (self.broker_kills + self.stops)

    def faults(self) -> list[Kind]:
        """List the faults in their order."""
        kinds: list[Kind] = ["worker kill"] * self.worker_kills
        kinds += ["broker kill"] * self.broker_kills
        kinds += ["stop"] * self.stops
        random.Random(self.seed).shuffle(kinds)
        return kinds
