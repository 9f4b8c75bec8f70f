"""All benchmarks on Kafka by name."""

import asyncio
import logging
import tempfile
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from infra.bench.figures import Figure
from infra.bench.kafka import added, decided, inputs, restart
from infra.bench.kafka.plan import KafkaPlan, KafkaSizes
from infra.bench.kafka.processes import broker_pid
from infra.bench.kafka.profile import Profiled, profile
from streams.errors import OperatorError

Measure = Callable[[KafkaPlan, Callable[[int], None]], Coroutine[Any, Any, list[Figure]]]


@dataclass(frozen=True, slots=True)
class KafkaBench:
    """One benchmark."""

    title: str
    measure: Measure
    steps: Callable[[KafkaSizes], int]
    """How many steps it reports."""


KAFKA_BENCHES: dict[str, KafkaBench] = {
    "decided": KafkaBench("Decided questions per second", decided.measure, lambda sizes: sizes.runs),
    "latency": KafkaBench("Time added to the agents' own", added.measure, lambda sizes: 2 * sizes.runs),
    "inputs": KafkaBench("Stages alone, from a backlog", inputs.measure, lambda sizes: sizes.runs),
    "restart": KafkaBench(
        "Restart while questions wait",
        restart.measure,
        lambda sizes: sizes.runs * len(restart.CASES),
    ),
}


def run(bench: KafkaBench, plan: KafkaPlan, advance: Callable[[int], None]) -> list[Figure]:
    """
    Run one benchmark in a fresh directory, and remove what it left there and on the cluster.

    Raises:
        OperatorError: No broker answers, or it refuses to make topics; or this is not Linux.
        InvariantError: A worker ended, or nothing is decided any more.
    """
    _prepare()
    with tempfile.TemporaryDirectory(prefix="orch-bench-", dir=plan.directory) as directory:
        return asyncio.run(bench.measure(replace(plan, directory=Path(directory)), advance))


def run_profile(plan: KafkaPlan) -> list[Profiled]:
    """Profile the workers in a fresh directory, and remove what is left there and on the cluster."""
    _prepare()
    with tempfile.TemporaryDirectory(prefix="orch-bench-", dir=plan.directory) as directory:
        return asyncio.run(profile(replace(plan, directory=Path(directory))))


def where(plan: KafkaPlan) -> str:
    """Say where the broker is."""
    here = broker_pid(plan.connection) is not None
    return f"{plan.connection.url} {'on this machine' if here else 'elsewhere'}"


def _prepare() -> None:
    if not Path("/proc/self/stat").exists():
        raise OperatorError("this system does not tell what CPU time a process takes", remedy="Measure on Linux")
    # aiokafka logs every retry, and new topics have no leader for a moment.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
