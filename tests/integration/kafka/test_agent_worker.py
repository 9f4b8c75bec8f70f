"""
The `agents` and `deadlines` stages on a real broker.

Members join, leave and are killed; so is the broker.
"""

import asyncio
import signal
import sys
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition

from schemas.analyses import AnalysisPublished
from schemas.decisions import DecisionMade
from schemas.event import Event
from schemas.panels import PanelAssigned
from schemas.registry import decode
from streams.log import wall_clock_ms
from streams.processors.fold import GATHER_MS
from streams.runtimes.kafka.client.connection import Connection, parse_connection
from streams.runtimes.kafka.client.fetch import plain_consumer
from streams.runtimes.kafka.client.group_member import GroupMember
from streams.runtimes.kafka.client.producer import RecordProducer, message_of
from streams.runtimes.kafka.client.topics import administered, create_topics
from streams.topology import ANALYSES, ASSIGNMENTS, DEADLINES, DECISIONS
from streams.workers.deadline_watcher import run_deadlines

from ...broker import running_broker
from ...record_builders import home
from ...worlds import World, policy
from ..workers.memory_log import questions, until_true

ABC = policy("a", "b", "c")
HAND = Path(__file__).with_name("agent_worker_process.py")


class City:
    """A log on a broker, `route` and `merge` as one client of it, and processes that work on it."""

    def __init__(self, connection: Connection, producer: RecordProducer, world: World) -> None:
        self.connection = connection
        self.world = world
        self._producer = producer

    async def ask(self, count: int, first: int = 0) -> None:
        """Ask so many questions."""
        for asked in questions(first + count)[first:]:
            await self._fold(asked)

    async def merge(self) -> None:
        """Fold analyses and deadlines as they come."""
        consumer = await plain_consumer(self.connection)
        consumer.assign([TopicPartition(self.connection.topic(t), p) for t in (ANALYSES, DEADLINES) for p in range(8)])
        try:
            while True:
                for found in (await consumer.getmany(timeout_ms=50)).values():
                    for record in found:
                        topic = self.connection.logical(record.topic)
                        await self._fold(decode(topic, record.value, record.timestamp), written=True)
        finally:
            await consumer.stop()

    async def _fold(self, event: Event, *, written: bool = False) -> None:
        known = len(self.world.log)
        self.world.put(event)
        made = [new for new in self.world.log[known:] if new.topic in (ASSIGNMENTS, DECISIONS)]
        await self._producer.publish(map(message_of, made if written else [event, *made]))

    async def events(self, topic: str) -> list[Any]:
        """Read a whole topic, by partition."""
        consumer = await plain_consumer(self.connection)
        places = [TopicPartition(self.connection.topic(topic), number) for number in range(8)]
        consumer.assign(places)
        try:
            ends, found = await consumer.end_offsets(places), []
            for place in places:
                while await consumer.position(place) < ends[place]:
                    found += (await consumer.getmany(place, timeout_ms=50)).get(place, [])
            return [decode(topic, record.value, record.timestamp) for record in found]
        finally:
            await consumer.stop()

    async def committed(self, stage: str, topic: str) -> dict[int, int]:
        """Give what a stage has committed of a topic, by partition."""
        async with administered(self.connection) as admin:
            found = await admin.list_consumer_group_offsets(self.connection.group(stage))
        name = self.connection.topic(topic)
        return {place.partition: at.offset for place, at in found.items() if place.topic == name}

    def decided(self) -> int:
        """Count the decisions."""
        return len(self.world.of(DecisionMade))


class Hand:
    """A process of the `agents` stage."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.asked: Counter[str] = Counter()
        self._listening = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.asked[line.decode().strip()] += 1

    async def end(self, number: signal.Signals) -> int:
        """End the process, and give its exit status."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        status = await self.process.wait()
        await self._listening
        return status


@asynccontextmanager
async def hand(city: City, takes_s: float) -> AsyncIterator[Hand]:
    """Have a process at work until the block ends."""
    target = city.connection.url.removeprefix("kafka://")
    command = (sys.executable, HAND, target, str(takes_s))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    working = Hand(process)
    try:
        yield working
        assert await working.end(signal.SIGTERM) in (0, -signal.SIGKILL)
    finally:
        await working.end(signal.SIGKILL)


Test = Callable[[City], Coroutine[Any, Any, None]]


async def on(bootstrap: str, test: Test, given: Any = ABC) -> None:
    """Run a test against topics of its own."""
    connection = parse_connection(f"{bootstrap}/{uuid.uuid4().hex[:12]}", {})
    await create_topics(connection)
    async with RecordProducer(connection) as producer:
        city = City(connection, producer, World(given))
        merging = asyncio.create_task(city.merge())
        try:
            await test(city)
        finally:
            merging.cancel()
            await asyncio.gather(merging, return_exceptions=True)


@pytest.fixture
def run(broker: Any) -> Callable[..., None]:
    """Run a test on the broker that all tests share."""
    return lambda test, **given: asyncio.run(asyncio.wait_for(on(broker.bootstrap, test, **given), 300))


def answered(analyses: list[AnalysisPublished]) -> Counter[tuple[str, str]]:
    """Count analyses by question and agent."""
    return Counter((event.question_id, event.agent) for event in analyses)


@pytest.mark.slow
def test_work_moves_on_when_a_member_is_killed(run: Callable[..., None]) -> None:
    """Its calls are made again by the others, no other call is; and no commit had passed a call under way."""

    async def test(city: City) -> None:
        async with hand(city, 0.1) as first, hand(city, 0.1) as second:
            await city.ask(60)
            await until_true(lambda: city.decided() == 60)
            assert second.asked or first.asked
            assert sum((first.asked + second.asked).values()) == 180
        asked = 60
        # However slow the machine, calls of the one are under way when it is killed, and the other soon has none.
        async with hand(city, 3_600) as first, hand(city, 0.1) as second:
            while not (first.asked and second.asked):
                # Until both have their share, and then some more.
                await city.ask(8, first=asked)
                asked += 8
                await asyncio.sleep(0.5)
            await city.ask(30, first=asked)
            asked += 30
            calls = 3 * (asked - 60)
            await until_true(lambda: len(first.asked | second.asked) == calls, 60)
            commits = await city.committed("agents", ASSIGNMENTS)
            waiting = {opener.question_id for opener, _ in city.world.waiting()}
            panels = [event for event in await city.events(ASSIGNMENTS) if isinstance(event, PanelAssigned)]
            for partition in range(8):
                here = [event for event in panels if home(event.question_id) == partition]
                still_open = [at for at, event in enumerate(here) if event.question_id in waiting]
                assert commits.get(partition, 0) <= min(still_open, default=len(here))
            done = {f"{event.question_id} {event.agent}" for event in await city.events(ANALYSES)}
            assert await first.end(signal.SIGKILL) == -signal.SIGKILL
            before = Counter(second.asked)
            await until_true(lambda: city.decided() == asked, 60)
            taken_over = second.asked - before
            assert taken_over
            assert taken_over.keys() <= first.asked.keys() - done
        counts = answered(await city.events(ANALYSES))
        assert counts.keys() == {(f"q{number}", agent) for number in range(asked) for agent in "abc"}
        # What moved from one to the other before the kill may be answered twice.
        assert sum(counts.values()) - len(counts) <= len(first.asked)

    run(test)


@pytest.mark.process
@pytest.mark.slow
def test_a_broker_that_crashes_in_the_middle_stops_nothing(tmp_path: Path) -> None:
    """Calls go on meanwhile, what they gave is written afterwards, and none is made twice."""

    async def test(city: City) -> None:
        async with hand(city, 0.5) as first:
            await city.ask(30)
            await until_true(lambda: sum(first.asked.values()) >= 60)
            await asyncio.to_thread(broker.kill)
            await asyncio.sleep(3)
            await asyncio.to_thread(broker.start)
            await city.ask(30, first=30)
            await until_true(lambda: city.decided() == 60, 60)
            assert set(first.asked.values()) == {1}
        assert set(answered(await city.events(ANALYSES)).values()) == {1}

    with running_broker(tmp_path) as broker:
        asyncio.run(asyncio.wait_for(on(broker.bootstrap, test), 300))


def test_deadlines_decide_where_nobody_answers(run: Callable[..., None]) -> None:
    """A pool of agents that is dead holds nothing up; two watchers write each deadline once."""

    async def test(city: City) -> None:
        stop = asyncio.Event()
        async with RecordProducer(city.connection) as producer:
            watching = [
                asyncio.create_task(
                    run_deadlines(
                        GroupMember(city.connection, producer, "deadlines", gather_ms=GATHER_MS),
                        clock=wall_clock_ms,
                        stop=stop,
                    )
                )
                for _ in range(2)
            ]
            await city.ask(40)
            await until_true(lambda: city.decided() == 40)
            stop.set()
            await asyncio.gather(*watching)
        declared = await city.events(DEADLINES)
        assert len({event.event_id for event in declared}) == len({event.question_id for event in declared}) == 40
        assert {decision.reason for decision in city.world.of(DecisionMade)} == {"deadline"}
        assert sum((await city.committed("deadlines", ASSIGNMENTS)).values()) > 0

    run(test, given=policy("a", deadline_ms=500))
