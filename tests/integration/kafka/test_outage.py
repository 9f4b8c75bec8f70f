"""The watch over the brokers, and its log lines."""

import asyncio
import socket
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from infra.broker import Broker
from streams.errors import OperatorError
from streams.runtimes.kafka.client import outage as outage_module
from streams.runtimes.kafka.client.connection import parse_connection
from streams.runtimes.kafka.client.outage import Outage, answering


class World:
    """Brokers that answer or not, and a clock that a test moves."""

    def __init__(self) -> None:
        self.answers = True
        self.now = 100.0

    async def ask(self) -> bool:
        return self.answers

    def watch(self, give_up_s: float = 60) -> Outage:
        return Outage(self.ask, lambda: self.now, give_up_s=give_up_s)

    def look(self, watch: Outage, after_s: float = 0) -> None:
        self.now += after_s
        asyncio.run(watch.look())


def test_an_outage_is_told_once_when_it_begins_and_once_when_it_ends() -> None:
    """With its seconds; each outage anew."""
    world = World()
    watch = world.watch()
    with capture_logs() as told:
        for answers, after_s in ((True, 3), (False, 3), (False, 3), (False, 30), (True, 3), (True, 3), (False, 3)):
            world.answers = answers
            world.look(watch, after_s)
    lines = [(line["event"], line["log_level"], line.get("seconds")) for line in told]
    assert lines == [
        ("broker_lost", "warning", None),
        ("broker_back", "warning", 36.0),
        ("broker_lost", "warning", None),
    ]


def test_it_gives_up_after_the_time_without_any_broker() -> None:
    """Counted from the first look that found none, anew in each outage."""
    world = World()
    watch = world.watch(give_up_s=60)
    world.answers = False
    world.look(watch)
    world.look(watch, 59)
    world.answers = True
    world.look(watch)
    world.answers = False
    world.look(watch, 59)
    world.look(watch, 59)
    with pytest.raises(OperatorError, match="no broker has answered for 60 s") as ended:
        world.look(watch, 1)
    assert ended.value.exit_code == 3


@pytest.fixture
def silent() -> Iterator[str]:
    """Give the address of a port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_a_broker_that_hangs_does_not_answer(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As little as a port where nobody listens."""
    monkeypatch.setattr(outage_module, "ANSWER_MS", 200)
    for address in (silent, "127.0.0.1:1"):
        assert asyncio.run(answering(parse_connection(address, {}))) == ()


def test_any_broker_will_do(broker: Broker, silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that the log's URL does not name; the answer names all of them."""
    monkeypatch.setattr(outage_module, "ANSWER_MS", 2_000)
    named = parse_connection(f"127.0.0.1:1,{broker.bootstrap}", {})
    assert asyncio.run(answering(named)) == (broker.bootstrap,)
    unnamed = parse_connection("127.0.0.1:1", {})
    assert asyncio.run(answering(unnamed, (broker.bootstrap,))) == (broker.bootstrap,)
