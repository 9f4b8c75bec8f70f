"""The watch over the brokers, and its log lines."""

import asyncio
import socket
import time
from collections.abc import Iterator
from typing import Any
from weakref import WeakSet

import pytest
from structlog.testing import capture_logs

from infra.broker import Broker
from streams.errors import OperatorError
from streams.runtimes.kafka.client import failed_connection, lifecycle
from streams.runtimes.kafka.client.connection import parse_connection
from streams.runtimes.kafka.client.failed_connection import FailedConnection
from streams.runtimes.kafka.client.fetch import plain_consumer
from streams.runtimes.kafka.client.lifecycle import last_answers, let_go
from streams.runtimes.kafka.client.outage import BrokerLook, Look, Outage

DOWN = FailedConnection("one:9092", "refuses connections", "Start it", answers=False)
REFUSES = FailedConnection("one:9092", "refuses user 'ann'", "Correct the password", answers=True)


class World:
    """Brokers that can be used or not, and a clock that a test moves."""

    def __init__(self, give_up_s: float = 60) -> None:
        self.found = Look(usable=True)
        self.now = 100.0
        self.answered: dict[str, float] = {}
        self.watch = Outage(self.ask, lambda: self.now, give_up_s=give_up_s, answered=lambda: self.answered)

    async def ask(self) -> Look:
        return self.found

    def look(self, *failed: FailedConnection, after_s: float = 3, usable: bool | None = None) -> list[Any]:
        """Look once; give the events that were logged, without their levels."""
        self.now += after_s
        self.found = Look(not failed if usable is None else usable, failed)
        with capture_logs() as lines:
            asyncio.run(self.watch.look())
        return [(line["event"], line.get("why"), line.get("seconds")) for line in lines]


def test_an_outage_is_told_once_when_it_begins_and_once_when_it_ends() -> None:
    """With its reason and its seconds; each outage anew."""
    world = World()
    told = [
        world.look(*failed, after_s=s) for failed, s in (((), 3), ((DOWN,), 3), ((DOWN,), 3), ((DOWN,), 30), ((), 3))
    ]
    told += [world.look(), world.look(DOWN)]
    assert [line for lines in told for line in lines] == [
        ("broker_lost", "one:9092 refuses connections", None),
        ("broker_back", None, 36.0),
        ("broker_lost", "one:9092 refuses connections", None),
    ]


def test_an_outage_that_becomes_another_one_is_told_again() -> None:
    """Brokers that come back with a new password are no silence: the reason is what must be corrected."""
    world = World()
    world.look(DOWN)
    assert world.look(REFUSES) == [("broker_still_lost", "one:9092 refuses user 'ann'", 3.0)]
    assert world.look(REFUSES) == []
    with pytest.raises(OperatorError, match="no broker could be used for 63 s: one:9092 refuses user 'ann'") as ended:
        world.look(REFUSES, after_s=57)
    assert "Correct the password. Then start it again" in ended.value.remedy


def test_it_gives_up_after_the_time_without_any_broker() -> None:
    """Counted from the first look that found none, anew in each outage."""
    world = World()
    world.look(DOWN)
    world.look(DOWN, after_s=59)
    world.look()
    world.look(DOWN, after_s=59)
    world.look(DOWN, after_s=59)
    with pytest.raises(OperatorError, match="no broker could be used for 60 s") as ended:
        world.look(DOWN, after_s=1)
    assert ended.value.exit_code == 3


def test_who_refuses_new_connections_is_not_lost_while_old_ones_are_served() -> None:
    """It is told, and ends nothing; once the old ones get no answers, the time runs."""
    world = World()
    for seconds in range(0, 120, 3):
        world.answered["one:9092"] = world.now + 2
        expected = [] if seconds else [("broker_unusable", "refuses user 'ann'", None)]
        assert world.look(REFUSES) == expected
    assert world.look(REFUSES, after_s=30) == [("broker_lost", "one:9092 refuses user 'ann'", None)]
    with pytest.raises(OperatorError, match="could not be used for 61 s"):
        world.look(REFUSES, after_s=30)


def test_one_broker_that_refuses_ends_the_process_too() -> None:
    """Its partitions stand still, though others can be used; one that is merely down does not, for others lead then."""
    world = World()
    for _ in range(40):
        assert world.look(DOWN, usable=True) == []
    assert world.look(REFUSES, usable=True) == [("broker_unusable", "refuses user 'ann'", None)]
    assert world.look(usable=True) == [("broker_usable", None, 3.0)]
    world.look(REFUSES, usable=True)
    with pytest.raises(OperatorError, match="a broker could not be used for 60 s: one:9092"):
        world.look(REFUSES, usable=True, after_s=60)


@pytest.fixture
def silent() -> Iterator[str]:
    """Give the address of a port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_any_broker_will_do(broker: Broker, silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that the log's URL does not name; a broker that hangs is as bad as a port where nobody listens."""
    monkeypatch.setattr(failed_connection.try_address, "__defaults__", (500,))

    async def test() -> None:
        look = BrokerLook(parse_connection(f"127.0.0.1:1,{silent},{broker.bootstrap}", {}))
        first = await look()
        # Those that no broker names are not asked again.
        assert (first.usable, first.failed) == (True, ())
        assert await look() == Look(usable=True)
        nobody = await BrokerLook(parse_connection(f"127.0.0.1:1,{silent}", {}))()
        assert [one.said for one in nobody.failed] == [
            "refuses connections: nothing listens there",
            "does not answer within 0.5 s",
        ]
        assert not nobody.usable

    asyncio.run(test())


def test_the_answers_of_a_client_are_known_by_their_broker(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as the client is there."""
    # Clients of earlier tests may wait for the garbage collector.
    monkeypatch.setattr(lifecycle, "_clients", WeakSet())

    async def test() -> None:
        connection = parse_connection(broker.bootstrap, {})
        consumer = await plain_consumer(connection)
        assert 0 <= time.monotonic() - last_answers()[broker.bootstrap] < 60
        await let_go(consumer)
        assert broker.bootstrap not in last_answers()

    asyncio.run(test())
