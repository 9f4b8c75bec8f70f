"""Consumer group members on a real broker: assignment, positions, commits."""

import asyncio
import uuid
from collections import Counter
from itertools import count, pairwise

import pytest
from aiokafka import AIOKafkaProducer

from streams.errors import TransientError
from streams.runtimes.kafka.client.producer import message_of
from streams.topology import DECISIONS, QUESTIONS

from ...record_builders import home, ids_at
from ...worlds import question
from ..workers.memory_log import EVERYWHERE, until_true
from .group_members import READ, Cluster, Run, numbered, run

__all__ = ["run"]


def test_members_hold_the_same_partitions_of_every_topic(run: Run) -> None:
    """They share them without rest, and each record is brought to the one that holds its partition."""

    async def test(cluster: Cluster) -> None:
        async with cluster.member() as first, cluster.member() as second, cluster.member() as third:
            members = (first, second, third)
            await until_true(lambda: sorted(len(member.held) for member in members) == [2, 3, 3])
            assert frozenset().union(*(member.held for member in members)) == EVERYWHERE
            for member in members:
                assert set(member.reached) == {(topic, number) for topic in READ for number in member.held}
            await cluster.ask(numbered(100))
            await until_true(lambda: sum(len(member.records) for member in members) == 100)
            for member in members:
                assert {home(name) for name in member.ids()} <= member.held

    run(test)


def test_records_come_with_the_names_of_the_topology(run: Run) -> None:
    """A key that is no text is written as escapes; a tombstone has no bytes; headers are those that are carried on."""

    async def test(cluster: Cluster) -> None:
        topic = cluster.connection.topic(QUESTIONS)
        async with cluster.member() as member:
            trace = (("traceparent", b"00-t"),)
            await cluster.producer.publish([message_of(question("q"), trace)])
            for key, value in ((b"\xff\x00", b"{"), (b"gone", None)):
                await (await cluster.producer.send_to(topic, 1, key, value))
            await until_true(lambda: len(member.records) == 3)
        asked, odd, gone = sorted(member.records, key=lambda record: (record.partition == 1, record.offset))
        assert (asked.topic, asked.partition, asked.offset, asked.key) == (QUESTIONS, home("q"), 0, "q")
        assert (asked.value, asked.headers) == (question("q").encode(), trace)
        assert asked.timestamp_ms > 1_700_000_000_000
        assert (odd.key, odd.value, odd.headers) == ("\\xff\x00", b"{", ())
        assert (gone.key, gone.value) == ("gone", b"")

    run(test)


def test_a_gained_partition_is_told_before_its_records_come(run: Run) -> None:
    """It begins at what was committed, and where nothing was, at the beginning."""

    async def test(cluster: Cluster) -> None:
        names = [name for partition in range(8) for name, _ in zip(ids_at(partition), range(5), strict=False)]
        await cluster.ask(map(question, names))
        async with cluster.member() as member:
            await until_true(lambda: len(member.records) == 40)
            first = next(look for look in member.looks if look.partitions)
            assert (first.records, first.reached) == ([], {(topic, number): 0 for topic in READ for number in range(8)})
            await member.subscription.commit({(QUESTIONS, number): number for number in range(5)})
        async with cluster.member() as member:
            await until_true(lambda: len(member.records) == 40 - sum(range(5)))
            first = next(look for look in member.looks if look.partitions)
            assert first.reached == {(t, n): n if t == QUESTIONS and n < 5 else 0 for t in READ for n in range(8)}
            assert all(offsets == list(range(first.reached[place], 5)) for place, offsets in member.offsets().items())

    run(test)


def test_what_stays_goes_on_and_what_is_lost_stops(run: Run) -> None:
    """When a member comes and goes, a partition that is kept brings each record once, though nothing was committed."""

    async def test(cluster: Cluster) -> None:
        async def write() -> None:
            for number in count():
                await cluster.ask(numbered(20, f"{number}-"))
                await asyncio.sleep(0.05)

        async with cluster.member() as first:
            await until_true(lambda: first.held == EVERYWHERE)
            writing = asyncio.create_task(write())
            # Once: which range a member gets goes by its random id, so a second rebalance may move everything.
            async with cluster.member() as second:
                await until_true(lambda: len(first.held) == 4)
                await until_true(lambda: second.records)
            await until_true(lambda: first.held == EVERYWHERE)
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            told = [look.partitions for look in first.looks]
            kept = frozenset.intersection(*told[told.index(EVERYWHERE) :])
            assert kept
            for partition in kept:
                offsets = first.offsets()[QUESTIONS, partition]
                assert offsets == list(range(len(offsets)))
                assert len(offsets) > 10
            for before, after in pairwise(first.looks):
                # What was gained comes without records in the look that tells of it.
                assert {record.partition for record in after.records} <= after.partitions & before.partitions

    run(test)


def test_paused_topics_bring_nothing_also_after_a_rebalance(run: Run) -> None:
    """Gained partitions of them are silent too; nothing is lost when they come again."""

    async def test(cluster: Cluster) -> None:
        async with cluster.member() as first:
            async with cluster.member() as second:
                await until_true(lambda: len(first.held) == 4 and len(second.held) == 4)
                first.subscription.pause([QUESTIONS])
                await asyncio.sleep(0.1)
                await cluster.ask(numbered(50))
                await until_true(lambda: second.records)
                assert first.records == []
            await until_true(lambda: first.held == EVERYWHERE)
            await asyncio.sleep(0.5)
            assert first.records == []
            assert not any(first.reached.values())
            first.subscription.resume([QUESTIONS])
            await until_true(lambda: len(first.records) == 50)

    run(test)


def test_marks_of_transactions_are_passed(run: Run) -> None:
    """A topic that ends with one is read to its end all the same."""

    async def test(cluster: Cluster) -> None:
        producer = AIOKafkaProducer(**cluster.connection.client(), transactional_id=uuid.uuid4().hex)
        await producer.start()
        try:
            async with producer.transaction():
                message = message_of(question("q"))
                await producer.send(cluster.connection.topic(QUESTIONS), message.value, key=b"q")
        finally:
            await producer.stop()
        async with cluster.member() as member:
            await until_true(lambda: member.ids() == ["q"])
            place = (QUESTIONS, home("q"))
            ends = await member.subscription.ends(range(8))
            assert ends[place] == 2
            await until_true(lambda: member.reached[place] == 2)

    run(test)


def test_the_ends_are_those_of_every_topic(run: Run) -> None:
    """Also of partitions that are not held."""

    async def test(cluster: Cluster) -> None:
        await cluster.ask(numbered(30))
        async with cluster.member(reading=False) as member:
            counts = Counter(home(f"q{number}") for number in range(30))
            assert await member.subscription.ends([1, 2]) == {
                (QUESTIONS, 1): counts[1],
                (QUESTIONS, 2): counts[2],
                (DECISIONS, 1): 0,
                (DECISIONS, 2): 0,
            }

    run(test)


def test_a_commit_for_what_is_not_held_says_nothing(run: Run) -> None:
    """Whoever holds it has the word; while nobody knows, it is put off."""

    async def test(cluster: Cluster) -> None:
        async with cluster.member() as first, cluster.member() as second:
            await until_true(lambda: len(first.held) == 4 and len(second.held) == 4)
            await first.subscription.commit({(QUESTIONS, number): 7 for number in second.held})
            await first.subscription.commit({})
            first.subscription.on_partitions_revoked(())
            with pytest.raises(TransientError, match="redistributed"):
                await first.subscription.commit({(QUESTIONS, number): 7 for number in first.held})
            lost = second.held
            await first.halt()
            first.subscription.on_partitions_assigned(first.subscription._assigned)
        async with cluster.member() as third:
            await until_true(lambda: third.held == EVERYWHERE)
            begin = next(look for look in third.looks if look.partitions).reached
            assert {begin[QUESTIONS, number] for number in lost} == {0}

    run(test)


def test_a_member_with_a_name_comes_back_without_a_rebalance(run: Run) -> None:
    """Within the session timeout it holds what it held, and the others hear nothing of it."""

    async def test(cluster: Cluster) -> None:
        async with cluster.member(instance="one") as first:
            async with cluster.member(instance="two") as second:
                await until_true(lambda: len(first.held) == 4 and len(second.held) == 4)
                held = second.held
            looks = len(first.looks)
            async with cluster.member(instance="two") as second:
                await until_true(lambda: second.held == held)
                await asyncio.sleep(1)
                assert {look.partitions for look in first.looks[looks:]} == {first.held}

    run(test)
