"""Benchmarks of one runtime, ready to run."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from infra.bench import suite
from infra.bench.figures import QUICK, Figure, Sizes, machine
from infra.bench.live.plan import QUICK_LIVE, LiveSizes
from streams.errors import OperatorError

if TYPE_CHECKING:
    from streams.runtimes.kafka.client.connection import Connection


class Ready(NamedTuple):
    """One benchmark with its sizes."""

    title: str
    steps: int
    """Number of steps it reports."""
    run: Callable[[Callable[[int], None]], list[Figure]]
    check: Callable[[], None] = lambda: None
    """Raises an OperatorError where it cannot be measured here."""


class Measurable(NamedTuple):
    """The benchmarks of one runtime."""

    about: Mapping[str, Any]
    benches: Mapping[str, Ready]
    profile: Callable[[], Iterable[tuple[str, list[tuple[str, float]], str]]]
    """Gives for each process profiled its name, the share of each part, and the functions that took most."""

    def chosen(self, only: Sequence[str], names: Sequence[str], left_out: Callable[[str], None]) -> list[Ready]:
        """
        Give the benchmarks that were asked for, or else all that this machine can measure.

        Args:
            only: Names that were asked for.
            names: All benchmarks.
            left_out: Called for each of all that this machine cannot measure, with the reason.

        Raises:
            OperatorError: One that was asked for cannot be measured here.
        """
        found = []
        for name in only or names:
            try:
                self.benches[name].check()
            except OperatorError as error:
                if only:
                    raise
                left_out(f"{name} is left out: {error}")
                continue
            found.append(self.benches[name])
        return found


def embedded(place: Path | None, *, quick: bool, runs: int | None) -> Measurable:
    """
    Make the benchmarks of logs in files.

    Args:
        place: Where logs are made. None: the usual place for temporary files.
        quick: Whether to measure less.
        runs: Runs of each; None: as many as usual.
    """
    sizes = QUICK if quick else Sizes()
    if runs is not None:
        sizes = replace(sizes, runs=runs)
    folder = suite.disk(Path.cwd()) if place is None else place
    benches = {
        name: Ready(one.title, one.steps(sizes), partial(suite.run, one, folder, sizes), one.check)
        for name, one in suite.benches(QUICK_LIVE if quick else LiveSizes()).items()
    }
    return Measurable(machine(folder), benches, lambda: [("", *suite.run_profile(folder, sizes))])


def on_kafka(
    connection: "Connection",
    worker_stages: tuple[tuple[str, ...], ...],
    engine: Literal["aiokafka", "faust"],
    *,
    quick: bool,
    runs: int | None,
) -> Measurable:
    """
    Make the benchmarks of logs on Kafka.

    Args:
        connection: The cluster.
        worker_stages: Stages of each worker process; empty: as usual.
        engine: Engine of the folding stages.
        quick: Whether to measure less.
        runs: Runs of each; None: as many as usual.
    """
    from infra.bench.kafka import plan as plans
    from infra.bench.kafka.suite import KAFKA_BENCHES, run, run_profile, where

    sizes = plans.QUICK if quick else plans.KafkaSizes()
    if runs is not None:
        sizes = replace(sizes, runs=runs)
    plan = plans.KafkaPlan(connection, sizes, suite.disk(Path.cwd()), worker_stages or plans.WORKER_STAGES, engine)
    benches = {name: Ready(one.title, one.steps(sizes), partial(run, one, plan)) for name, one in KAFKA_BENCHES.items()}
    return Measurable({**machine(plan.directory), "broker": where(plan)}, benches, lambda: run_profile(plan))
