"""
Groups' offsets that somebody else set, on a broker.

Nothing is skipped: neither seats, nor deadlines, nor records of a stage.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.agents import CallLimits, SimulatedAgent
from streams.agents.agent import Reply, Task
from streams.errors import OperatorError
from streams.log import wall_clock_ms
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.consumer_lag import committed_offsets
from streams.runtimes.kafka.client.group_member import GroupMember
from streams.runtimes.kafka.client.lifecycle import connect, let_go
from streams.runtimes.kafka.client.producer import RecordProducer, message_of
from streams.runtimes.kafka.client.topics import administered, create_topics
from streams.runtimes.kafka.stages.runner import EngineName, HostingOptions, running
from streams.runtimes.kafka.stages.undecided import UndecidedFinder
from streams.topology import ANALYSES, ASSIGNMENTS, DEADLINES, DECISIONS, QUESTIONS
from streams.workers import partition_consumer
from streams.workers.agent_worker import READ as AGENT_TOPICS
from streams.workers.agent_worker import WorkLimits, run_agents
from streams.workers.deadline_watcher import run_deadlines

from ...worlds import policy
from ..workers.memory_log import questions, until_true
from .stage_bench import Bench, Run, run
from .test_agent_worker import City, on

__all__ = ["run"]


class AnsweringAgent:
    """An agent that answers at once."""

    virtual = False
    live = None

    def __init__(self, name: str) -> None:
        self.spec = SimulatedAgent(name=name, limits=CallLimits(max_attempts=1))

    async def reply(self, task: Task) -> Reply:
        return Reply("The answer is (A).")


AGENTS = {name: AnsweringAgent(name) for name in "ab"}
LATER_MS = 40_000_000


@asynccontextmanager
async def at_work(
    city: City, stage: str, clock: Callable[[], int] = wall_clock_ms
) -> AsyncIterator["asyncio.Task[None]"]:
    """Have a member of `agents` or `deadlines` at work until the block ends."""
    stop = asyncio.Event()
    async with RecordProducer(city.connection) as producer:
        find_begin = UndecidedFinder(city.connection)
        member = GroupMember(city.connection, producer, stage, find_begin=find_begin)
        if stage == "agents":
            work = run_agents(member, lambda _: AGENTS, clock=clock, stop=stop, limits=WorkLimits(grace_s=5))
        else:
            work = run_deadlines(member, clock=clock, stop=stop)
        task = asyncio.create_task(work)
        try:
            yield task
        finally:
            stop.set()
            await task


async def reset_to_end(connection: Connection, stage: str, topics: Sequence[str]) -> None:
    """Set a group's offsets to the ends, as `kafka-consumer-groups.sh --reset-offsets --to-latest` does."""
    places = [TopicPartition(connection.topic(topic), number) for topic in topics for number in range(8)]
    consumer = AIOKafkaConsumer(
        **connection.client(), group_id=connection.group(stage), enable_auto_commit=False, auto_offset_reset="latest"
    )
    consumer.assign(places)
    await connect(consumer, connection)
    try:
        await consumer.commit(await consumer.end_offsets(places))
    finally:
        await let_go(consumer)


async def committed(connection: Connection, stage: str) -> dict[TopicPartition, Any]:
    """Give what a group has committed."""
    async with administered(connection) as admin:
        return await committed_offsets(admin, connection.group(stage))


def are_marked(found: Mapping[TopicPartition, Any]) -> Iterator[bool]:
    """Say of each committed offset whether it is marked."""
    return (at.metadata == f"orch {at.offset}" for at in found.values())


@pytest.fixture
def in_city(broker: Any) -> Callable[..., None]:
    """Run a test against topics of its own."""
    given = policy("a", "b", deadline_ms=LATER_MS)
    return lambda test: asyncio.run(asyncio.wait_for(on(broker.bootstrap, test, given), 300))


Test = Callable[[City], Coroutine[Any, Any, None]]


@pytest.mark.parametrize("worked_before", [True, False], ids=["after commits", "before any"])
def test_seats_are_taken_though_offsets_were_set_to_the_end(
    in_city: Callable[[Test], None], worked_before: bool
) -> None:
    """The oldest undecided panel is found in the topics, nobody is asked twice, and new commits are marked."""

    async def test(city: City) -> None:
        first = 10 if worked_before else 0
        if worked_before:
            async with at_work(city, "agents"):
                await city.ask(first)
                await until_true(lambda: city.decided() == first)
        await city.ask(20, first=first)
        await reset_to_end(city.connection, "agents", AGENT_TOPICS)
        async with at_work(city, "agents"):
            await until_true(lambda: city.decided() == first + 20)
            async with asyncio.timeout(120):
                while not all(
                    at.metadata == f"orch {at.offset}" for at in (await committed(city.connection, "agents")).values()
                ):
                    await asyncio.sleep(0.2)
        answers = await city.events(ANALYSES)
        assert len(answers) == len({(one.question_id, one.agent) for one in answers}) == 2 * (first + 20)

    in_city(test)


def test_deadlines_are_declared_though_offsets_were_set_to_the_end(in_city: Callable[[Test], None]) -> None:
    """They are those of every open question, and of no other."""

    async def test(city: City) -> None:
        async with at_work(city, "agents"):
            await city.ask(10)
            await until_true(lambda: city.decided() == 10)
        await city.ask(20, first=10)
        await reset_to_end(city.connection, "deadlines", (ASSIGNMENTS, DECISIONS))
        async with at_work(city, "deadlines", clock=lambda: wall_clock_ms() + 2 * LATER_MS):
            await until_true(lambda: city.decided() == 30)
        declared = {event.question_id for event in await city.events(DEADLINES)}
        assert declared == {f"q{number}" for number in range(10, 30)}

    in_city(test)


def test_a_member_that_comes_back_does_not_search(
    in_city: Callable[[Test], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Offsets that were committed here are where it begins."""
    searched: list[Sequence[int]] = []
    find = UndecidedFinder.__call__

    async def noted(self: UndecidedFinder, topics: Sequence[str], partitions: Sequence[int]) -> Any:
        searched.append(partitions)
        return await find(self, topics, partitions)

    monkeypatch.setattr(UndecidedFinder, "__call__", noted)

    async def test(city: City) -> None:
        for number in range(3):
            async with at_work(city, "agents"):
                await city.ask(8, first=8 * number)
                await until_true(lambda asked=8 * number + 8: city.decided() == asked)
        assert searched == [list(range(8))]

    in_city(test)


def test_a_topic_made_anew_ends_agents_and_its_first_records_count(
    in_city: Callable[[Test], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The member says so, commits nothing of the old topic, and begins anew after a restart."""
    monkeypatch.setattr(partition_consumer, "ENDS_S", 0.5)

    async def test(city: City) -> None:
        async def until_it_ends() -> None:
            async with at_work(city, "agents") as task:
                await city.ask(40)
                await until_true(lambda: city.decided() == 40)
                await remake(city.connection, ASSIGNMENTS)
                await asyncio.wait_for(task, 30)

        with pytest.raises(OperatorError, match=r"orch\.assignments, partition \d was read up to"):
            await until_it_ends()
        await city.ask(8, first=40)
        async with at_work(city, "agents"):
            await until_true(lambda: city.decided() == 48)

    in_city(test)


async def remake(connection: Connection, name: str) -> None:
    """Delete a topic and create it again."""
    topic = connection.topic(name)
    async with administered(connection) as admin:
        await admin.delete_topics([topic])
        while topic in await admin.list_topics():
            await asyncio.sleep(0.1)
    while True:
        try:
            await create_topics(connection)
        except OperatorError:
            await asyncio.sleep(0.2)
        else:
            return


@pytest.mark.parametrize("engine", ["aiokafka", "faust"])
def test_a_stage_with_a_changelog_takes_its_own_offsets(run: Run, engine: EngineName) -> None:
    """Offsets set to the end make it neither skip nor repeat a question, on either engine."""

    async def test(bench: Bench) -> None:
        await bench.producer.publish(map(message_of, (policy("a"), *questions(10))))
        async with running(bench.connection, ["route"], bench.producer, HostingOptions(engine=engine)) as stages:
            await stages.settled()
        await bench.producer.publish(map(message_of, questions(30)[10:]))
        await reset_to_end(bench.connection, "route", (QUESTIONS,))
        async with running(bench.connection, ["route"], bench.producer, HostingOptions(engine=engine)) as stages:
            # A record in each partition shows an engine that there is something before it.
            await bench.producer.publish(map(message_of, questions(80)[30:]))
            async with asyncio.timeout(120):
                while len(await bench.events(ASSIGNMENTS)) < 80:
                    await asyncio.sleep(0.2)
        panels = [event.correlation for event in await bench.events(ASSIGNMENTS)]
        assert sorted(panels) == sorted(f"q{number}" for number in range(80))

    run(test)
