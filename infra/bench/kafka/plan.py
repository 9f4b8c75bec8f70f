"""The plan of a Kafka benchmark: cluster, worker processes, sizes."""

from dataclasses import dataclass
from pathlib import Path

from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.stages.runner import EngineName

WorkerStages = tuple[tuple[str, ...], ...]
"""Stages of each worker process."""

FOLDING = ("route", "merge", "learn", "rank")
WORKER_STAGES: WorkerStages = (("all",),)
"""The split that decides most questions a second on two cores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSizes:
    """Sizes of the measurements; figures of different sizes do not compare."""

    runs: int = 5
    warm_up: int = 500
    """Questions before the first measured one: the first panels are larger, and the broker compiles what it runs."""
    asked: int = 5_000
    """Questions of one run at saturation."""
    open: int = 400
    """Questions open at a time there."""
    steady_s: float = 20.0
    """Length of one run at a fixed rate."""
    backlog: int = 5_000
    """Questions of the log that is folded from its inputs."""
    pending: int = 100_000
    """Questions that wait while a worker starts again."""


QUICK = KafkaSizes(runs=3, warm_up=300, asked=2_000, steady_s=8.0, backlog=2_000, pending=10_000)


@dataclass(frozen=True, slots=True)
class KafkaPlan:
    """One invocation of the benchmarks."""

    connection: Connection
    """The cluster; the log it names is not touched."""
    sizes: KafkaSizes
    directory: Path
    """Folder for the workers' states and output; removed in the end."""
    worker_stages: WorkerStages = WORKER_STAGES
    engine: EngineName = "aiokafka"
    """Engine of the folding stages."""

    @property
    def workers(self) -> str:
        """Say how the stages are split, and what they run on."""
        return f"{' + '.join(' '.join(stages) for stages in self.worker_stages)}, on {self.engine}"
