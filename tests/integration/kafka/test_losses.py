"""
Topics made anew and changelogs emptied, on a real broker.

Each stage notices, refuses, and goes on after a rebuild.
"""

import asyncio
from collections.abc import Sequence

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewPartitions, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import PolicyViolationError

from schemas.panels import PanelAssigned
from streams.app.doctor.kafka import check_cluster
from streams.app.workspace import Workspace
from streams.errors import OperatorError
from streams.processors import ROUTE
from streams.runtimes.kafka.client.least_rights import working
from streams.runtimes.kafka.client.producer import message_of
from streams.runtimes.kafka.client.topic_check import check_topics
from streams.runtimes.kafka.client.topics import administered, create_topics, require_topics
from streams.runtimes.kafka.stages import input_watch
from streams.runtimes.kafka.stages import stage as stage_module
from streams.runtimes.kafka.stages.changelog_codec import unpack
from streams.runtimes.kafka.stages.changelog_records import RecordKind, parse_key
from streams.runtimes.kafka.stages.damage import find_damage
from streams.runtimes.kafka.stages.input_marks import mark_of
from streams.runtimes.kafka.stages.losses import require_inputs
from streams.runtimes.kafka.stages.runner import EngineName, HostingOptions, running
from streams.topology import ASSIGNMENTS, QUESTIONS

from ...limits import LIMIT_S
from ...worlds import decide, policy, question, said
from .stage_bench import PLACE, Bench, Run, at, run

__all__ = ["run"]

ASKED = [question(f"q{number}") for number in range(24)]
OTHERS = [question(f"n{number}") for number in range(40)]


@pytest.fixture(autouse=True)
def real_topics(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here all records are in their topics."""
    monkeypatch.setattr(stage_module, "require_inputs", require_inputs)


def options(bench: Bench, *, rebuild: bool = False, kept: bool = True) -> HostingOptions:
    """Host with local copies of the states, or without."""
    return HostingOptions(bench.folder / "states" if kept else None, rebuild=rebuild)


async def work(bench: Bench, *, rebuild: bool = False, kept: bool = True) -> None:
    """Have `route` fold all that is there."""
    async with running(bench.connection, ["route"], bench.producer, options(bench, rebuild=rebuild, kept=kept)) as it:
        settled, failed = asyncio.ensure_future(it.settled()), asyncio.ensure_future(it.failed())
        try:
            async with asyncio.timeout(LIMIT_S):
                done, _ = await asyncio.wait([settled, failed], return_when=asyncio.FIRST_COMPLETED)
            done.pop().result()
        finally:
            settled.cancel()
            failed.cancel()
            await asyncio.gather(settled, failed, return_exceptions=True)


async def refused(bench: Bench, *, kept: bool = True) -> OperatorError:
    """Have `route` begin, and give the error with which it refuses."""
    async with running(bench.connection, ["route"], bench.producer, options(bench, kept=kept)) as stages:
        with pytest.raises(OperatorError) as raised:
            await asyncio.wait_for(stages.failed(), LIMIT_S)
    return raised.value


async def delete(bench: Bench, *names: str) -> None:
    """Delete topics, by their names on the cluster, and wait until they are gone."""
    async with administered(bench.connection) as admin:
        await admin.delete_topics(list(names))
        while set(names) & set(await admin.list_topics()):
            await asyncio.sleep(0.1)


async def make_anew(bench: Bench, *names: str) -> None:
    """Delete topics and create them again, as an operator would."""
    await delete(bench, *names)
    while True:
        try:
            await create_topics(bench.connection)
        except OperatorError:
            # The controller still deletes the old one.
            await asyncio.sleep(0.2)
        else:
            return


async def publish(bench: Bench, asked: Sequence[object]) -> None:
    """Ask questions."""
    await bench.producer.publish(message_of(one) for one in asked)  # type: ignore[arg-type]


async def panels(bench: Bench) -> list[str]:
    """Name the question of every panel in the log."""
    return sorted(event.question_id for event in await bench.events(ASSIGNMENTS) if isinstance(event, PanelAssigned))


def names(*batches: Sequence[object]) -> list[str]:
    """Name questions, sorted."""
    return sorted(one.question_id for batch in batches for one in batch)  # type: ignore[attr-defined]


def test_a_topic_made_anew_is_refused_and_rebuilt(run: Run) -> None:
    """Also when it has outgrown its offsets: the new questions are not taken for old ones, nor the old asked again."""

    async def test(bench: Bench) -> None:
        await publish(bench, [policy("a"), *ASKED])
        await work(bench)
        topic = bench.connection.topic(QUESTIONS)
        assert await find_damage(bench.connection) == []
        await make_anew(bench, topic)
        await publish(bench, OTHERS)
        error = await refused(bench)
        assert error.message.startswith(f"{topic}, partition ")
        assert "created again" in error.message
        assert "orch worker route --rebuild" in error.remedy
        checks = await asyncio.to_thread(lambda: list(check_cluster(Workspace(bench.connection.url))))
        (failed,) = [check for check in checks if check.name == "route"]
        assert (failed.state, failed.remedy) == ("fail", error.remedy)
        assert "created again" in failed.finding
        assert await panels(bench) == names(ASKED)
        await work(bench, rebuild=True)
        assert await panels(bench) == names(ASKED, OTHERS)
        await work(bench)
        assert await find_damage(bench.connection) == []

    run(test)


def test_a_topic_made_anew_under_a_running_stage_ends_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It notices by itself, with no record of the new topic folded."""
    monkeypatch.setattr(input_watch, "LOOK_S", 0.3)

    async def test(bench: Bench) -> None:
        await publish(bench, [policy("a"), *ASKED])
        async with running(bench.connection, ["route"], bench.producer, HostingOptions()) as stages:
            await stages.settled()
            await make_anew(bench, bench.connection.topic(QUESTIONS))
            await publish(bench, OTHERS)
            with pytest.raises(OperatorError, match=r"orch\.questions.*(created again|not there any more)"):
                await asyncio.wait_for(stages.failed(), LIMIT_S)
        assert set(await panels(bench)) == set(names(ASKED))

    run(test)


def test_a_topic_deleted_under_a_running_stage_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence would look like a log without questions."""
    monkeypatch.setattr(input_watch, "LOOK_S", 0.2)

    async def test(bench: Bench) -> None:
        await publish(bench, [policy("a"), *ASKED])
        async with running(bench.connection, ["route"], bench.producer, HostingOptions()) as stages:
            await stages.settled()
            await delete(bench, bench.connection.topic(QUESTIONS))
            with pytest.raises(OperatorError, match=r"orch\.questions"):
                await asyncio.wait_for(stages.failed(), LIMIT_S)

    run(test)


@pytest.mark.parametrize("kept", [True, False], ids=["with local states", "without"])
def test_a_changelog_made_anew_is_refused_and_rebuilt(run: Run, kept: bool) -> None:
    """Old questions asked again get no second panel; also when the refusal is ignored once."""

    async def test(bench: Bench) -> None:
        await publish(bench, [policy("a"), *ASKED])
        await work(bench, kept=kept)
        await make_anew(bench, bench.connection.changelog("route"))
        await publish(bench, [*ASKED, *OTHERS])
        for _ in range(2):
            error = await refused(bench, kept=kept)
            assert "holds no states, but route has worked on this partition" in error.message
            assert "orch worker route --rebuild" in error.remedy
        (damage,) = await find_damage(bench.connection)
        assert "holds no states" in damage.problem
        await work(bench, rebuild=True, kept=kept)
        await work(bench, kept=kept)
        assert await panels(bench) == names(ASKED, OTHERS)
        assert await find_damage(bench.connection) == []

    run(test)


def test_an_emptied_changelog_is_noticed_without_offsets_of_the_group(run: Run) -> None:
    """Kafka forgets them after a week without members; the outputs tell that the stage was at work."""

    async def test(bench: Bench) -> None:
        await publish(bench, [policy("a"), question()])
        without_group = await bench.stage(ROUTE, PLACE)
        await without_group.take([at(question())])
        await without_group.close()
        await make_anew(bench, bench.connection.changelog("route"))
        error = await refused(bench)
        assert "orch.assignments holds its outputs, such as the record at offset 0" in error.message

    run(test)


def test_what_strangers_write_where_a_stage_writes_tells_nothing(run: Run) -> None:
    """A panel that somebody published into a new log, before any worker came, keeps no stage from beginning."""

    async def test(bench: Bench) -> None:
        panel = decide(policy("a"), said(a="A")).assignment()
        message = message_of(panel)
        await bench.producer.publish([message._replace(headers=())])
        await publish(bench, [policy("a"), *ASKED])
        await work(bench)
        assert set(names(ASKED)) <= set(await panels(bench))

    run(test)


def test_a_changelog_whose_beginning_was_deleted_is_refused_and_rebuilt(run: Run) -> None:
    """By retention, say: a local copy that still has all states does not hide it; compaction alone is no deletion."""

    async def test(bench: Bench) -> None:
        await publish(bench, [policy("a"), *ASKED])
        await work(bench)
        await shorten(bench, "route")
        error = await refused(bench)
        assert "records before it were deleted" in error.message
        assert "cleanup.policy=compact" in error.remedy
        (damage,) = await find_damage(bench.connection)
        assert "records before it were deleted" in damage.problem
        await publish(bench, [*ASKED, *OTHERS])
        await work(bench, rebuild=True)
        await work(bench, kept=False)
        assert await panels(bench) == names(ASKED, OTHERS)
        assert await find_damage(bench.connection) == []

    run(test)


def test_a_local_copy_of_another_changelog_is_not_used(run: Run) -> None:
    """A log that was deleted with its changelogs begins anew, even where it has outgrown what the copy knows."""

    async def test(bench: Bench) -> None:
        await publish(bench, [policy("a"), *ASKED])
        await work(bench)
        all_topics = [bench.connection.topic(QUESTIONS), bench.connection.topic(ASSIGNMENTS)]
        await make_anew(bench, *all_topics, bench.connection.changelog("route"))
        # Another machine has worked on the new log, longer than this one on the old.
        for begin in range(0, len(OTHERS), 10):
            await publish(bench, OTHERS[begin : begin + 10])
            await work(bench, kept=False)
        await publish(bench, [*ASKED, *OTHERS])
        await work(bench)
        assert await panels(bench) == names(ASKED, OTHERS)

    run(test)


def test_a_changelog_without_marks_goes_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """An earlier version wrote none; the first batch of this one does."""

    async def test(bench: Bench) -> None:
        await publish(bench, [policy("a"), *ASKED])
        with monkeypatch.context() as earlier:
            earlier.setattr("streams.runtimes.kafka.stages.partition_task.PartitionTask._folded_last", lambda *_: {})
            await work(bench)
        assert not any([await marks(bench, number) for number in range(8)])
        await publish(bench, OTHERS)
        await work(bench)
        assert all([await marks(bench, number) for number in range(8)])

    run(test)


@pytest.mark.parametrize("engine", ["aiokafka", "faust"])
def test_added_partitions_are_refused_for_good(run: Run, monkeypatch: pytest.MonkeyPatch, engine: EngineName) -> None:
    """By a running stage, by the next start and by the check of topics, each with what is left to do."""
    monkeypatch.setattr(input_watch, "LOOK_S", 0.5)

    async def test(bench: Bench) -> None:
        await publish(bench, [policy("a"), *ASKED])
        async with running(bench.connection, ["route"], bench.producer, HostingOptions(engine=engine)) as stages:
            await stages.settled()
            async with administered(bench.connection) as admin:
                await admin.create_partitions({bench.connection.topic(QUESTIONS): NewPartitions(12)})
            with pytest.raises(OperatorError, match="has more than 8 partitions") as running_one:
                await asyncio.wait_for(stages.failed(), LIMIT_S)
        with pytest.raises(OperatorError, match="has 12 partitions instead of 8") as next_one:
            await require_topics(bench.connection, working(("route",)))
        (checked,) = [check for check in (await check_topics(bench.connection)).topics if check.state == "wrong"]
        for remedy in (running_one.value.remedy, next_one.value.remedy, checked.remedy):
            assert "fixed for good" in remedy
            assert "audit commands (an archive of a log, and a fresh log from it) will be the way" in remedy

    run(test)


def test_a_mark_is_of_one_record() -> None:
    """Each of offset, key, time and value makes another one."""
    record = at(question(), 7)
    assert mark_of(record) == mark_of(record._replace(headers=(("a", b"b"),)))
    others = [
        record._replace(offset=8),
        record._replace(key="p"),
        record._replace(timestamp_ms=1_001),
        record._replace(value=b"{}"),
        record._replace(key="", value=record.key.encode() + record.value),
    ]
    assert len({mark_of(one) for one in (record, *others)}) == 6


async def marks(bench: Bench, partition: int) -> dict[str, list[object]]:
    """Read the marks in the last commit of a partition of `route`."""
    from streams.runtimes.kafka.client.fetch import fetch, plain_consumer

    place = TopicPartition(bench.connection.changelog("route"), partition)
    consumer = await plain_consumer(bench.connection)
    try:
        end = (await consumer.end_offsets([place]))[place]
    finally:
        await consumer.stop()
    found: dict[str, list[object]] = {}
    async for record in fetch(bench.connection, place.topic, partition, 0, end):
        parsed = parse_key(record.key)
        if parsed is not None and parsed.kind is RecordKind.COMMIT and record.value is not None:
            found = unpack(record.value)[0].get("marks", {})
    return found


async def shorten(bench: Bench, stage: str) -> None:
    """Delete the beginning of a changelog, as retention does."""
    topic = bench.connection.changelog(stage)
    async with administered(bench.connection) as admin:
        # Only of such a topic does a broker delete the beginning.
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"cleanup.policy": "delete"})])
        for number in range(8):
            while True:
                try:
                    await admin.delete_records({TopicPartition(topic, number): RecordsToDelete(2)})
                except PolicyViolationError:
                    # The broker applies a topic's settings a moment after it has taken them.
                    await asyncio.sleep(0.1)
                else:
                    break
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"cleanup.policy": "compact"})])
