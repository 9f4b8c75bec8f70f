"""
Workers that join, leave and die under load.

Partitions move in time, nothing is lost, and order holds.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.broker import Broker
from infra.chaos.questions import POLICY
from infra.chaos.workers import prepare

from .town import Town, check_all

pytestmark = pytest.mark.slow


@pytest.fixture
def town(broker: Broker, tmp_path: Path) -> Iterator[Town]:
    """A log of its own on the shared broker."""
    made = Town(broker, tmp_path)
    try:
        prepare(tmp_path, made.url, POLICY)
        made.ask()
        yield made
    finally:
        made.close()


def test_two_workers_then_four_then_one(town: Town) -> None:
    """Work moves to those who come and from those who go, and order by key holds."""
    town.start("w1", "w2")
    alone = {name: town.held(name) for name in town.workers}
    town.start("w3", "w4")
    town.until(lambda: all(town.held(name) for name in town.workers), "all four hold partitions")
    took = {"kill": town.kill("w3"), "end": town.end("w4"), "second end": town.end("w1")}
    sys.stdout.write(f"moved over after, in seconds: { {name: round(at, 1) for name, at in took.items()} }\n")
    assert alone["w1"] | alone["w2"] == set(range(8))
    check_all(town)


def test_a_worker_that_comes_back_under_its_name_is_not_waited_for(town: Town) -> None:
    """Killed and started again within its session, it goes on where it was, and nobody else is given its partitions."""
    town.start("w1", "w2", fixed=True)
    before = town.dealt()
    worker = town.workers["w1"]
    held = town.held("w1")
    began = time.monotonic()
    worker.kill()
    worker.start()
    sys.stdout.write(f"back after {town.moved(began, held):.1f} s\n")
    assert town.dealt() == before
    check_all(town)
