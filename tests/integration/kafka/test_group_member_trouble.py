"""
Consumer group members with bad topics or failing brokers.

Topics do not fit; brokers are unreachable, refuse, or crash.
"""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    MessageSizeTooLargeError,
    UnknownTopicOrPartitionError,
)

from streams.errors import OperatorError, TransientError
from streams.runtimes.kafka.client import group_member as subscription_module
from streams.runtimes.kafka.client.connection import parse_connection
from streams.runtimes.kafka.client.group_member import GroupMember
from streams.runtimes.kafka.client.producer import RecordProducer
from streams.topology import QUESTIONS

from ...broker import running_broker
from ...worlds import question
from ..workers.memory_log import until_true
from .group_members import READ, WAIT_MS, Cluster, Run, numbered, on, run

__all__ = ["run"]


def test_a_group_whose_topics_differ_is_refused(run: Run) -> None:
    """Records of one question would go to different members."""

    async def test(cluster: Cluster) -> None:
        subscription = GroupMember(cluster.connection, cluster.producer, "agents")
        await subscription.start((QUESTIONS, "orch.observations"))
        try:
            with pytest.raises(OperatorError, match="not the same ones"):
                await subscription.poll(WAIT_MS)
        finally:
            await subscription.stop()

    run(test)


def test_without_a_broker_there_is_no_member() -> None:
    """It says which address does not answer."""

    async def test() -> None:
        connection = parse_connection("127.0.0.1:1", {})
        subscription = GroupMember(connection, RecordProducer(connection), "agents")
        try:
            with pytest.raises(OperatorError, match=r"kafka://127\.0\.0\.1:1: no broker answers"):
                await subscription.start(READ)
        finally:
            await subscription.stop()

    asyncio.run(asyncio.wait_for(test(), 30))


@pytest.mark.parametrize(
    ("error", "looks"), [(KafkaError("its task is dead"), 4), (GroupAuthorizationFailedError("orch-agents"), 1)]
)
def test_a_client_that_only_fails_ends_it(monkeypatch: pytest.MonkeyPatch, error: KafkaError, looks: int) -> None:
    """One failure is looked over; a refusal is the last word at once."""
    monkeypatch.setattr(subscription_module, "MOST_FAILURES", 3)
    monkeypatch.setattr(subscription_module, "POSITIONS_S", 0.001)

    class Broken:
        looks = 0

        def resume(self, *places: object) -> None:
            pass

        async def getmany(self, **how: int) -> None:
            self.looks += 1
            raise error

    async def test() -> None:
        connection = parse_connection("127.0.0.1:1", {})
        subscription = GroupMember(connection, RecordProducer(connection), "agents")
        subscription._consumer = broken = Broken()
        with pytest.raises(OperatorError, match="orch-agents cannot read"):
            await look_on(subscription)
        assert broken.looks == looks

    async def look_on(subscription: GroupMember) -> None:
        while True:
            await subscription.poll(WAIT_MS)

    asyncio.run(asyncio.wait_for(test(), 30))


def test_an_event_that_could_not_be_queued_is_sent_again(run: Run) -> None:
    """The client gives up while there is no broker; what the brokers refuse for good ends it."""

    async def test(cluster: Cluster) -> None:
        failures: list[Exception] = [UnknownTopicOrPartitionError()]
        queue = cluster.producer._producer

        class Failing:
            async def send(self, *record: Any, **more: Any) -> Any:
                if failures:
                    raise failures.pop(0)
                return await queue.send(*record, **more)

        producer = RecordProducer(cluster.connection)
        producer._producer = Failing()
        subscription = GroupMember(cluster.connection, producer, "agents")
        await subscription.publish(question("q"))
        async with cluster.member() as member:
            await until_true(lambda: member.ids() == ["q"])
        failures.append(MessageSizeTooLargeError())
        with pytest.raises(OperatorError, match="did not take a record: MessageSizeTooLarge"):
            await subscription.publish(question("r"))

    run(test)


@pytest.mark.process
@pytest.mark.slow
def test_a_broker_that_crashes_and_comes_back_loses_nothing(tmp_path: Path) -> None:
    """Over an outage longer than the session, members keep what they hold, and bring each record once."""

    async def test(cluster: Cluster) -> None:
        async with cluster.member() as first, cluster.member() as second:
            await until_true(lambda: len(first.held) == 4 and len(second.held) == 4)
            await cluster.ask(numbered(50))
            await until_true(lambda: len(first.records) + len(second.records) == 50)
            looks = len(first.looks)
            await asyncio.to_thread(broker.kill)
            await asyncio.sleep(2)
            asked = first.subscription.commit(first.reached), first.subscription.ends(first.held)
            assert [type(answer) for answer in await asyncio.gather(*asked, return_exceptions=True)] == [
                TransientError,
                TransientError,
            ]
            assert {look.partitions for look in first.looks[looks:]} == {first.held}
            await asyncio.to_thread(broker.start)
            await cluster.ask(numbered(50, "more-"))
            await until_true(lambda: len(set(first.ids()) | set(second.ids())) == 100, 60)
            await until_true(lambda: len(first.held) == 4 and len(second.held) == 4)
            await first.subscription.commit(first.reached)
            for member in (first, second):
                for partition in member.held:
                    offsets = member.offsets()[QUESTIONS, partition]
                    assert offsets == list(range(len(offsets)))

    with running_broker(tmp_path) as broker:
        asyncio.run(asyncio.wait_for(on(broker.bootstrap, test), 300))
