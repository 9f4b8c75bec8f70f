"""The judgement of a process on itself, at given instants."""

import pytest
from structlog.testing import capture_logs

from streams.agents.calls.progress import CallProgress
from streams.app.metrics import AgentReadings, Instruments
from streams.instruments import names
from streams.instruments.health import DEAD_S, LATE_S, STUCK_S, TICK_S, Health, Work
from streams.instruments.meters import Meters


class World:
    """A process at work, and its clock."""

    def __init__(self) -> None:
        self.now = 100.0
        self.work = Work("merge", None, 0, 0)
        self.meters = Meters()
        self.health = Health(self.meters, lambda: self.now)
        self.health.follow(lambda: [self.work])

    def pass_s(self, seconds: float) -> None:
        """Let time pass, with a look at each tick."""
        for _ in range(round(seconds / TICK_S)):
            self.now += TICK_S
            self.health.look()


@pytest.fixture
def world() -> World:
    """Give a process that has begun."""
    world = World()
    world.health.look()
    return world


def test_work_that_waits_and_does_not_move_is_told_in_time(world: World) -> None:
    """Within thirty seconds a stage with records and no progress makes the process not ready."""
    world.work = Work("merge", None, 12, 5)
    world.pass_s(STUCK_S - 1)
    assert world.health.unready() == []
    world.pass_s(2)
    assert world.health.unready() == ["merge: 12 records wait, and none was done for 20 s"]
    assert world.meters.values(names.READY) == {(): 0}
    world.work = Work("merge", None, 12, 6)
    world.pass_s(1)
    assert world.health.unready() == []


def test_idle_stages_are_ready(world: World) -> None:
    """Nothing waits, so nothing has to move; what comes then has its full time."""
    world.pass_s(10 * STUCK_S)
    assert world.health.unready() == []
    world.work = Work("merge", None, 3, 0)
    world.pass_s(STUCK_S / 2)
    assert world.health.unready() == []


def test_a_stage_without_its_partitions_is_not_ready(world: World) -> None:
    """At once, with what it lacks; the time without progress begins when it has all."""
    world.work = Work("merge", "it takes over partitions 3, 4", 50, 0)
    world.pass_s(1)
    assert world.health.unready() == ["merge: it takes over partitions 3, 4"]
    world.work = Work("merge", None, 50, 0)
    world.pass_s(STUCK_S / 2)
    assert world.health.unready() == []


def test_a_stopped_process_tells_when_it_goes_on(world: World) -> None:
    """Not ready while its loop is silent, then ready at once: what it missed is no lack of progress."""
    world.work = Work("merge", None, 12, 5)
    world.pass_s(1)
    world.now += STUCK_S + LATE_S
    assert world.health.unready() == ["its event loop has stood still for 30 s"]
    with capture_logs() as told:
        world.health.look()
    assert [(line["event"], line["seconds"]) for line in told] == [("process_stood_still", STUCK_S + LATE_S - TICK_S)]
    assert world.health.unready() == []
    assert world.meters.values(names.STANDSTILLS) == {(): 1}


def test_a_loop_that_hangs_for_long_is_dead(world: World) -> None:
    """A supervisor may start it again then, and not before."""
    world.now += DEAD_S - 1
    assert world.health.alive
    world.now += 2
    assert not world.health.alive


def test_a_process_that_has_not_begun_is_alive_and_not_ready() -> None:
    """A long start is no death."""
    world = World()
    world.now += 10 * DEAD_S
    assert world.health.alive
    assert world.health.unready() == ["it has not started"]


def test_a_problem_makes_it_not_ready_and_a_trouble_does_not(world: World) -> None:
    """Brokers that are lost, against a provider that fails: another process would do no better."""
    world.health.tell(lambda: ["agent ann is left alone"])
    assert (world.health.unready(), world.health.troubles()) == ([], ["agent ann is left alone"])
    world.health.require(lambda: ["no broker can be used"])
    assert world.health.unready() == ["no broker can be used"]


def test_a_spent_budget_is_told_for_five_minutes(world: World) -> None:
    """`/readyz` tells of it while calls are refused, and some time after."""
    readings = AgentReadings(Instruments(world.meters, world.health), CallProgress(), lambda: (), lambda: world.now)
    readings.look()
    assert world.health.troubles() == []
    world.meters.add(names.BUDGET_REFUSALS, ("run",), 3)
    with capture_logs() as told:
        readings.look()
        readings.look()
    assert [(line["event"], line["limit"]) for line in told] == [("budget_spent", "run")]
    assert world.health.troubles() == ["the budget of the run is spent: 3 calls were not made"]
    world.now += 301
    readings.look()
    assert world.health.troubles() == []
