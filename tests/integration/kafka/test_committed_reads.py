"""Readers beside other programs' transactions: group members, ranges, changelogs, views."""

import asyncio
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition
from structlog.testing import capture_logs

from schemas.event import Event
from schemas.panels import PanelAssigned
from streams.errors import OperatorError
from streams.log import wall_clock_ms
from streams.runtimes.kafka.client import fetch as fetch_module
from streams.runtimes.kafka.client.fetch import fetch
from streams.runtimes.kafka.client.group_member import GroupMember
from streams.runtimes.kafka.client.open_transactions import OpenTransactions
from streams.runtimes.kafka.client.producer import message_of
from streams.runtimes.kafka.reading.tail import records_of
from streams.runtimes.kafka.stages import stage as stage_module
from streams.runtimes.kafka.stages.changelog import Changelog
from streams.runtimes.kafka.stages.input_marks import Folded
from streams.runtimes.kafka.stages.inspection import Inspection
from streams.runtimes.kafka.stages.losses import require_inputs
from streams.runtimes.kafka.stages.runner import HostingOptions, running
from streams.runtimes.kafka.stages.state_store import KafkaStateStore
from streams.topology import ANALYSES, ASSIGNMENTS, DEADLINES, DECISIONS, QUESTIONS
from streams.workers.agent_worker import READ as AGENTS_READ
from streams.workers.deadline_watcher import run_deadlines
from streams.workers.partition_consumer import PartitionConsumer

from ...record_builders import home, ids_at
from ...worlds import World, analysis, policy, question
from ..workers.memory_log import until_true
from .group_members import Cluster, Run, run
from .transactions import Transactor

__all__ = ["run"]

PLACE = home("q")


async def transact(cluster: Cluster, topic: str, *events: Event, end: str) -> Transactor:
    """Write events in a transaction: one that is committed, aborted, or stays open."""

    def write() -> Transactor:
        made = Transactor(",".join(cluster.connection.bootstrap), cluster.connection.topic(topic))
        made.begin(cluster.connection.topic(topic), [event.encode() for event in events], PLACE)
        if end != "open":
            getattr(made, end)()
        return made

    return await asyncio.to_thread(write)


def test_a_member_reads_what_is_committed_and_gets_past_the_rest(run: Run) -> None:
    """Aborted records do not come; its position passes them and the markers, up to an open transaction."""

    async def test(cluster: Cluster) -> None:
        await transact(cluster, QUESTIONS, question("gone"), question("gone"), end="abort")
        await transact(cluster, QUESTIONS, question("q"), end="commit")
        async with cluster.member() as member:
            await until_true(lambda: member.reached.get((QUESTIONS, PLACE)) == 5)
            assert [(record.key, record.offset) for record in member.records] == [("", 3)]
            hanging = await transact(cluster, QUESTIONS, question("hangs"), end="open")
            await cluster.ask([question("q")])
            ends = await member.subscription.ends([PLACE])
            assert ends[QUESTIONS, PLACE] == 5
            await asyncio.to_thread(hanging.commit)
            await until_true(lambda: len(member.records) == 3)
            assert [record.offset for record in member.records] == [3, 5, 6]

    run(test)


def panel() -> PanelAssigned:
    """Make the panel of a question."""
    world = World(policy("a", "b", "c", deadline_ms=60_000))
    world.put(question("q"))
    return next(event for event in world.log if isinstance(event, PanelAssigned))


def test_the_agents_take_no_aborted_analysis_for_an_answer(run: Run) -> None:
    """All seats of the question are free."""

    async def test(cluster: Cluster) -> None:
        await cluster.producer.publish(map(message_of, (question("q"), panel())))
        await transact(cluster, ANALYSES, analysis(panel(), "a"), end="abort")
        consumer = PartitionConsumer(GroupMember(cluster.connection, cluster.producer, "agents"), AGENTS_READ)
        await consumer.start()
        try:
            async with asyncio.timeout(120):
                while not (changed := await consumer.look(50)):
                    pass
            assert sorted(call.seat.agent for _, call in changed[0].calls()) == ["a", "b", "c"]
        finally:
            await consumer.stop()

    run(test)


def test_no_deadline_passes_for_an_aborted_panel(run: Run) -> None:
    """Only for the one that was committed behind it."""
    world = World(policy("a", "b", deadline_ms=1))
    for name in islice(ids_at(PLACE), 2):
        world.put(question(name))
    aborted, kept = (event for event in world.log if isinstance(event, PanelAssigned))

    async def test(cluster: Cluster) -> None:
        await transact(cluster, ASSIGNMENTS, aborted, end="abort")
        await transact(cluster, ASSIGNMENTS, kept, end="commit")
        member, stop = GroupMember(cluster.connection, cluster.producer, "deadlines"), asyncio.Event()
        watching = asyncio.create_task(run_deadlines(member, clock=wall_clock_ms, stop=stop))
        async with cluster.member(topics=(DEADLINES,)) as reader:
            await until_true(lambda: reader.records)
            stop.set()
            await watching
            assert [record.key for record in reader.records] == [kept.question_id]

    run(test)


def test_a_stage_looks_for_no_gap_at_markers(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look would connect to the brokers, and every batch of a transactional producer begins behind a marker."""
    looked: list[Any] = []
    monkeypatch.setattr(stage_module, "with_gaps", lambda *given: looked.append(given))

    async def test(cluster: Cluster) -> None:
        await cluster.producer.publish([message_of(policy("a"))])
        async with running(cluster.connection, ["route"], cluster.producer, HostingOptions()) as stages:
            for number, name in enumerate(islice(ids_at(PLACE), 6)):
                await transact(cluster, QUESTIONS, question(name), end="abort" if number % 3 == 1 else "commit")
            await stages.settled()
            (engine,) = stages._engines
            # Six records and six markers; nothing behind the last of them.
            assert engine.line.reached()[QUESTIONS, PLACE] == 12
        assert looked == []
        async with cluster.member(topics=(ASSIGNMENTS,)) as reader:
            await until_true(lambda: len(reader.records) == 4)

    run(test)


def test_a_range_that_ends_behind_an_open_transaction_is_waited_for(run: Run) -> None:
    """And told of; once it has ended, what it did not abort is read."""

    async def test(cluster: Cluster) -> None:
        topic = cluster.connection.topic(QUESTIONS)
        hanging = await transact(cluster, QUESTIONS, question("hangs"), end="open")
        await (await cluster.producer.send_to(topic, PLACE, b"behind", b"{}"))
        # An earlier version may have folded both of them.
        inspection = Inspection(cluster.connection)
        await require_inputs(cluster.connection, inspection, "route", {PLACE: Folded({QUESTIONS: 2}, {})})
        with pytest.raises(OperatorError, match="ends at offset 2, but was folded up to 3"):
            await require_inputs(cluster.connection, inspection, "route", {PLACE: Folded({QUESTIONS: 3}, {})})
        await inspection.close()

        async def read() -> list[Any]:
            return [record.offset async for record in fetch(cluster.connection, topic, PLACE, 0, 2)]

        reading = asyncio.create_task(read())
        with capture_logs() as lines:
            await until_true(lambda: [line for line in lines if line["event"] == "transaction_open"])
        assert not reading.done()
        assert [(line["offset"], line["records"]) for line in lines if line["event"] == "transaction_open"] == [(0, 2)]
        await asyncio.to_thread(hanging.abort)
        assert await reading == [1]

    patch = pytest.MonkeyPatch()
    patch.setattr("streams.runtimes.kafka.client.open_transactions.TELL_S", 0.1)
    try:
        run(test)
    finally:
        patch.undo()


@pytest.mark.parametrize(("start", "end"), [(0, 9), (5, 9)], ids=["end cut off", "start too"])
def test_a_range_that_the_partition_does_not_reach_is_refused(
    run: Run, monkeypatch: pytest.MonkeyPatch, start: int, end: int
) -> None:
    """Its records will never come, so nobody waits for them for ever."""
    monkeypatch.setattr(fetch_module, "_END_S", 0.2)

    async def test(cluster: Cluster) -> None:
        topic = cluster.connection.topic(QUESTIONS)
        await (await cluster.producer.send_to(topic, PLACE, b"", b"{}"))
        records = fetch(cluster.connection, topic, PLACE, start, end)
        if not start:
            assert (await anext(records)).offset == 0
        with pytest.raises(OperatorError, match=f"ends at offset 1, but was folded up to {start or end}"):
            await anext(records)

    run(test)


def test_a_strangers_transaction_keeps_no_owner_of_a_changelog_waiting(run: Run, tmp_path: Path) -> None:
    """It reads up to its fence, whatever hangs before it."""

    async def test(cluster: Cluster) -> None:
        topic = cluster.connection.changelog("route")

        def write() -> Transactor:
            made = Transactor(",".join(cluster.connection.bootstrap), topic)
            made.begin(topic, [b"?"], PLACE)
            return made

        hanging = await asyncio.to_thread(write)
        store = KafkaStateStore(tmp_path / "states.db", "here")
        changelog = Changelog(cluster.connection, cluster.producer, "route", PLACE, store)
        async with asyncio.timeout(120):
            assert (await changelog.open()).offsets == {}
            await changelog.commit({"q": b"{}"}, {QUESTIONS: 1}, ())
            await changelog.close(sent=True)
        await asyncio.to_thread(hanging.abort)

    run(test)


def test_a_topic_is_read_up_to_an_open_transaction(run: Run) -> None:
    """`consume` without `--follow` ends there, and says that more lies behind."""

    async def test(cluster: Cluster) -> None:
        await transact(cluster, DECISIONS, question("gone"), end="abort")
        await transact(cluster, DECISIONS, question("q"), end="commit")
        hanging = await transact(cluster, DECISIONS, question("hangs"), question("too"), end="open")
        with capture_logs() as lines:
            found = await asyncio.to_thread(lambda: list(records_of(cluster.connection, DECISIONS, follow=False)))
        assert [record.offset for record in found] == [2]
        (told,) = (line for line in lines if line["event"] == "transaction_open")
        assert (told["partition"], told["offset"], told["records"]) == (PLACE, 4, 2)
        await asyncio.to_thread(hanging.abort)

    run(test)


class Client:
    """The answers that a consumer has got."""

    def __init__(self) -> None:
        self.stable: int | None = None
        self.end: int | None = None

    def last_stable_offset(self, place: TopicPartition) -> int | None:
        return self.stable

    def highwater(self, place: TopicPartition) -> int | None:
        return self.end


def test_an_open_transaction_is_told_once_and_its_end_too() -> None:
    """After ten seconds; one that ends before is not worth a word, and each one counts for itself."""
    client, watch, place = Client(), OpenTransactions(), TopicPartition("t", 3)
    said: list[tuple[float, str, int]] = []
    for now_s, stable, end in (
        (0, None, None),
        (1, 5, 7),
        (9, 6, 7),
        (18, 6, 9),
        (19, 6, 9),
        (30, 6, 12),
        (35, 12, 12),
        (36, 12, 13),
        (40, 13, 13),
    ):
        client.stable, client.end = stable, end
        with capture_logs() as lines:
            watch.look(client, [place], now_s)
        said += [(now_s, line["event"], line["offset"]) for line in lines]
    assert said == [(19, "transaction_open", 6), (35, "transaction_ended", 6)]
