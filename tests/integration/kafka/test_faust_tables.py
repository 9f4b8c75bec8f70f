"""
Evidence against Faust's tables and acknowledgements, on a real broker.

It is the reason states are not in Faust's tables, and its agents do not acknowledge records.

The processes of these tests are this file, run as a script.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import faust
import orjson
import pytest
from aiokafka import TopicPartition

from schemas.feedback import FeedbackGiven
from schemas.policies import FeedbackSource
from schemas.registry import decode
from streams.processors.fold import Tables
from streams.processors.learn import LEARN
from streams.runtimes.kafka.client.connection import Connection, parse_connection
from streams.runtimes.kafka.client.fetch import fetch, plain_consumer
from streams.runtimes.kafka.client.producer import RecordProducer, message_of
from streams.runtimes.kafka.client.topics import administered, create_topics
from streams.runtimes.kafka.stages import faust_engine as engine
from streams.runtimes.kafka.stages.changelog import Changelog
from streams.runtimes.kafka.stages.changelog_records import RecordKind, parse_key
from streams.runtimes.kafka.stages.stage import KafkaStage
from streams.runtimes.kafka.stages.state_store import KafkaStateStore
from streams.topology import FEEDBACK, QUESTION_PARTITIONS, partition_of

QUESTION = "q"
PARTITION = partition_of(QUESTION.encode(), QUESTION_PARTITIONS)
LIMIT_S = 240
"""Longest wait for anything."""
LOOK_S = 0.05
DONE = "done"
"""Name of the file that a process makes when its step is over."""

SESSION_S, HEARTBEAT_S, COMMIT_S = 1.0, 0.3, 0.1
"""As short as the broker allows, so that a stopped process is soon replaced."""


def feedback(source: FeedbackSource) -> FeedbackGiven:
    """An event that changes the state of the question; there is no decision, so nothing follows."""
    return FeedbackGiven(occurred_at="2026-01-01T00:00:00.000Z", question_id=QUESTION, source=source, verdict="right")


FIRST, SECOND = feedback("gold"), feedback("human")


def sources(state: Any) -> list[str]:
    """Name the events that a state holds."""
    return [known.feedback.source for known in LEARN.load(state).given]


@pytest.mark.parametrize(
    "host",
    [
        pytest.param(
            "table",
            marks=pytest.mark.xfail(
                strict=True,
                raises=AssertionError,
                reason="a Faust table does not know its owner: a process that was replaced writes over the new state",
            ),
        ),
        "ledger",
    ],
)
def test_a_process_that_was_replaced_changes_nothing(broker: Any, tmp_path: Path, host: str) -> None:
    """A process that is stopped before it writes its state, and goes on when another has taken over, is ignored."""
    connection = _log(broker)
    with ExitStack() as stack:
        first = stack.enter_context(_process(host, "stops", connection, tmp_path))
        asyncio.run(_publish(connection, FIRST))
        _until_stopped(first)
        stack.enter_context(_process(host, "goes-on", connection, tmp_path))
        asyncio.run(_publish(connection, SECOND))
        _until(lambda: sorted(asyncio.run(_newest(host, connection))) == ["gold", "human"])
        first.send_signal(signal.SIGCONT)
        _until((tmp_path / "stops" / DONE).exists)
    assert sorted(asyncio.run(RECOVERED[host](connection))) == ["gold", "human"]


def test_faust_acknowledges_what_its_agent_failed_at(broker: Any, tmp_path: Path) -> None:
    """An agent that raises is started again behind the event, whose offset is committed: the event is lost."""
    connection = _log(broker)
    seen: list[bytes] = []

    async def fold(stream: Any) -> None:
        async for event in stream.events():
            seen.append(event.value)
            if event.value == FIRST.encode():
                raise RuntimeError("cannot be folded now")

    async def test() -> None:
        await _publish(connection, FIRST, SECOND)
        app = _app(connection, tmp_path)
        app.agent(_channel(app, connection), name="fails")(fold)
        await app.start()
        try:
            while await _committed(connection) < 2:
                await asyncio.sleep(LOOK_S)
        finally:
            await app.stop()

    _run(test())
    assert seen == [FIRST.encode(), SECOND.encode()]


def test_the_engine_stops_at_what_its_stage_failed_at(broker: Any, tmp_path: Path, short_session: None) -> None:
    """A stage that raises ends the engine, and nothing is committed: whoever starts next gets the event again."""
    connection = _log(broker)

    class Failing(KafkaStage):
        async def take(self, records: Any, since: Any = None) -> set[int]:
            raise RuntimeError("cannot be folded now")

    async def test() -> None:
        async with RecordProducer(connection) as producer:
            await producer.publish([message_of(FIRST)])
            stage = Failing(LEARN, connection, producer, None, None)
            hosting = engine.FaustEngine(connection, stage)
            await hosting.start()
            try:
                with pytest.raises(RuntimeError, match="cannot be folded now"):
                    await hosting.line.failed
                await producer.publish([message_of(SECOND)])
                await asyncio.sleep(5 * COMMIT_S)
            finally:
                await hosting.stop()
        assert await _committed(connection) == 0
        assert stage.folded == 0

    _run(test())


@pytest.fixture
def short_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the engine notice and commit as soon as the apps here."""
    for name, value in (("SESSION_TIMEOUT_S", SESSION_S), ("HEARTBEAT_S", HEARTBEAT_S), ("COMMIT_S", COMMIT_S)):
        monkeypatch.setattr(engine, name, value)


def _log(broker: Any) -> Connection:
    connection = parse_connection(f"{broker.bootstrap}/{uuid.uuid4().hex[:12]}", {})
    asyncio.run(create_topics(connection))
    return connection


def _run(test: Awaitable[None]) -> None:
    asyncio.run(asyncio.wait_for(test, LIMIT_S))


async def _publish(connection: Connection, *events: FeedbackGiven) -> None:
    async with RecordProducer(connection) as producer:
        await producer.publish(map(message_of, events))


async def _committed(connection: Connection) -> int:
    """Give the offset that the group has committed in the question's partition."""
    async with administered(connection) as admin:
        offsets = await admin.list_consumer_group_offsets(connection.group(LEARN.name))
    place = TopicPartition(connection.topic(FEEDBACK), PARTITION)
    return max(0, offsets[place].offset) if place in offsets else 0


async def _in_table(connection: Connection) -> list[str]:
    """Read the table's changelog as its recovery does: the last record of a key counts."""
    newest: dict[bytes, bytes] = {}
    async for record in _changelog(connection, f"{connection.group(LEARN.name)}-table-changelog"):
        newest[record.key] = record.value
    return sources(orjson.loads(newest[orjson.dumps(QUESTION)])) if newest else []


async def _in_ledger(connection: Connection) -> list[str]:
    """Become the owner of the changelog, as a process that starts does."""
    store = KafkaStateStore(None, "recovered")
    try:
        async with RecordProducer(connection) as producer:
            await Changelog(connection, producer, LEARN.name, PARTITION, store).open()
        state = store.get(QUESTION)
        return [] if state is None else sources(orjson.loads(state))
    finally:
        store.close()


RECOVERED: dict[str, Callable[[Connection], Any]] = {"table": _in_table, "ledger": _in_ledger}
"""What a restart would find, by host: the events that the question's state holds."""


async def _newest(host: str, connection: Connection) -> list[str]:
    """Look at the newest state without becoming the owner, which would end the one there is."""
    if host == "table":
        return await _in_table(connection)
    found: list[str] = []
    async for record in _changelog(connection, connection.changelog(LEARN.name)):
        parsed = parse_key(record.key)
        if parsed is not None and (parsed.kind, parsed.name) == (RecordKind.STATE, QUESTION) and record.value:
            found = sources(orjson.loads(record.value))
    return found


async def _changelog(connection: Connection, topic: str) -> Any:
    consumer = await plain_consumer(connection)
    place = TopicPartition(topic, PARTITION)
    try:
        consumer.assign([place])
        (end,) = (await consumer.end_offsets([place])).values()
    finally:
        await consumer.stop()
    async for record in fetch(connection, topic, PARTITION, 0, end):
        yield record


@contextmanager
def _process(host: str, part: str, connection: Connection, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run one of the processes below, and kill it in the end."""
    (folder / part).mkdir()
    command = [sys.executable, __file__, host, part, connection.url, str(folder / part)]
    with (folder / f"{part}.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            yield process
        finally:
            process.kill()


def _until(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + LIMIT_S
    while not condition():
        if time.monotonic() > limit:
            raise TimeoutError
        time.sleep(LOOK_S)


def _until_stopped(process: subprocess.Popen[bytes]) -> None:
    def stopped() -> bool:
        found = os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if found is not None and found.si_code != os.CLD_STOPPED:
            raise ChildProcessError(f"it ended with {found.si_status}")
        return found is not None

    _until(stopped)


def _app(connection: Connection, folder: Path) -> Any:
    """Make a Faust app as the engine does, but for what tables need."""
    return faust.App(
        connection.group(LEARN.name),
        broker=[f"aiokafka://{address}" for address in connection.bootstrap],
        broker_session_timeout=SESSION_S,
        broker_heartbeat_interval=HEARTBEAT_S,
        broker_commit_interval=COMMIT_S,
        consumer_auto_offset_reset="earliest",
        datadir=str(folder),
        store="memory://",
        topic_replication_factor=1,
        topic_partitions=QUESTION_PARTITIONS,
        topic_disable_leader=True,
        stream_wait_empty=False,
        web_enabled=False,
        loghandlers=[],
    )


def _channel(app: Any, connection: Connection) -> Any:
    topic = connection.topic(FEEDBACK)
    return app.topic(topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")


async def _with_table(connection: Connection, folder: Path, *, stops: bool) -> None:
    """Fold feedback as `learn` does, with its states in a Faust table."""
    app = _app(connection, folder)
    states = app.Table("table", partitions=QUESTION_PARTITIONS, key_type=str, value_type=dict)

    async def fold(stream: Any) -> None:
        async for event in stream.events():
            given = decode(FEEDBACK, event.value, 0)
            known = states.get(given.key)
            step = LEARN.fold(None if known is None else LEARN.load(known), given, given.key, Tables(None, {}))
            if stops:
                os.kill(os.getpid(), signal.SIGSTOP)
            states[given.key] = LEARN.dump(step.state)
            if stops:
                await app.producer.flush()
                (folder / DONE).touch()

    app.agent(_channel(app, connection), name="folds")(fold)
    await app.start()
    await asyncio.Event().wait()


async def _with_ledger(connection: Connection, folder: Path, *, stops: bool) -> None:
    """Fold feedback as the product does."""
    commit = Changelog.commit

    async def commit_late(changelog: Changelog, *batch: Any) -> None:
        Changelog.commit = commit  # type: ignore[method-assign]
        os.kill(os.getpid(), signal.SIGSTOP)
        try:
            await commit(changelog, *batch)
        finally:
            (folder / DONE).touch()

    engine.SESSION_TIMEOUT_S, engine.HEARTBEAT_S, engine.COMMIT_S = SESSION_S, HEARTBEAT_S, COMMIT_S
    if stops:
        Changelog.commit = commit_late  # type: ignore[method-assign, assignment]
    async with RecordProducer(connection) as producer:
        hosting = engine.FaustEngine(connection, KafkaStage(LEARN, connection, producer, None, None))
        await hosting.start()
        await hosting.line.failed


if __name__ == "__main__":
    _host, _part, _url, _folder = sys.argv[1:]
    _hosts = {"table": _with_table, "ledger": _with_ledger}
    _target = parse_connection(_url.removeprefix("kafka://"), {})
    asyncio.run(_hosts[_host](_target, Path(_folder), stops=_part == "stops"))
