"""
Clients of a real broker, cancelled at any moment.

No connection stays open.
"""

import asyncio
import gc
import uuid
import warnings
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from infra.broker import Broker
from streams.loop_thread import drop_all
from streams.processors import MERGE
from streams.runtimes.kafka.client import fetch as fetch_module
from streams.runtimes.kafka.client.connection import Connection, parse_connection
from streams.runtimes.kafka.client.fetch import plain_consumer
from streams.runtimes.kafka.client.lifecycle import connect, is_client_task, let_go
from streams.runtimes.kafka.client.producer import RecordProducer
from streams.runtimes.kafka.client.topics import administered, create_topics
from streams.topology import QUESTIONS

from .stage_bench import Bench, Run, run

__all__ = ["run"]

Client = Callable[[Connection], Coroutine[Any, Any, None]]


@contextmanager
def nothing_left_open() -> Iterator[None]:
    """Look for clients and sockets that nobody closed."""
    gc.collect()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", ResourceWarning)
        yield
        gc.collect()
    assert [str(warning.message) for warning in said if warning.category is ResourceWarning] == []


async def consumer(connection: Connection) -> None:
    await let_go(await plain_consumer(connection))


async def producer(connection: Connection) -> None:
    async with RecordProducer(connection):
        pass


async def administrator(connection: Connection) -> None:
    async with administered(connection):
        pass


@pytest.mark.parametrize("client", [consumer, producer, administrator])
def test_a_client_given_up_while_it_connects_leaves_nothing_open(client: Client, broker: Broker) -> None:
    """Whatever it is waiting for at that moment."""
    connection = parse_connection(broker.bootstrap, {})

    async def test(steps: int) -> None:
        beginning = asyncio.create_task(client(connection))
        for _ in range(steps):
            await asyncio.sleep(0)
        beginning.cancel()
        with suppress(asyncio.CancelledError):
            await beginning

    with nothing_left_open():
        for steps in (*range(40), 100, 1_000):
            asyncio.run(asyncio.wait_for(test(steps), 30))


@pytest.mark.parametrize("client", [consumer, producer, administrator])
def test_a_loop_that_ends_while_a_client_connects_leaves_nothing_open(client: Client, broker: Broker) -> None:
    """All of its tasks are cancelled at once, also those that start and stop the client."""
    connection = parse_connection(broker.bootstrap, {})

    async def test(steps: int) -> None:
        async with asyncio.timeout(120):
            beginning = asyncio.create_task(client(connection))
            for _ in range(steps):
                await asyncio.sleep(0)
            await drop_all(is_client_task)
            assert beginning.done()

    with nothing_left_open():
        for steps in (*range(0, 60, 3), 100, 1_000):
            asyncio.run(test(steps))


def test_a_loop_that_ends_while_records_are_read_leaves_nothing_open(broker: Broker) -> None:
    """Whoever read them is cancelled between two records, and no longer closes the reading."""
    connection = parse_connection(f"{broker.bootstrap}/{uuid.uuid4().hex[:12]}", {})

    async def test() -> None:
        async with asyncio.timeout(120):
            await create_topics(connection)
            name = connection.topic(QUESTIONS)
            async with RecordProducer(connection) as writing:
                assert writing._producer is not None
                for _ in range(3):
                    await writing._producer.send_and_wait(name, b"a record", partition=0)
            reading = fetch_module.fetch(connection, name, 0, 0, 3)
            await anext(reading)
            await drop_all(is_client_task)

    with nothing_left_open():
        asyncio.run(test())


def test_partitions_taken_away_while_they_open_leave_nothing_open(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rebalance may take them back while their changelogs are read, and the process may end right after it."""
    connecting: asyncio.Event

    async def watched(client: Any, connection: Connection) -> None:
        connecting.set()
        await connect(client, connection)

    monkeypatch.setattr(fetch_module, "connect", watched)

    async def test(bench: Bench) -> None:
        nonlocal connecting
        for steps in range(0, 40, 2):
            connecting = asyncio.Event()
            stage = await bench.stage(MERGE, *range(8))
            await connecting.wait()
            for _ in range(steps):
                await asyncio.sleep(0)
            stage.hold(())
            await stage.close()

    with nothing_left_open():
        run(test)


def test_a_consumer_that_cancels_itself_is_let_go_all_the_same() -> None:
    """The client's own cancelling while it stops is not taken for ours, and its connections are closed."""

    class Consumer:
        def __init__(self) -> None:
            self.closed = False
            self._client = self
            self._conns: dict[str, Any] = {}

        async def stop(self) -> None:
            raise asyncio.CancelledError

        async def close(self) -> None:
            self.closed = True

    async def test() -> None:
        consumer: Any = Consumer()
        await let_go(consumer)
        assert consumer.closed

    asyncio.run(asyncio.wait_for(test(), 30))
