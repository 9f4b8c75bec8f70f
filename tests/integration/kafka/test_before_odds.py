"""
Kafka logs that are older than learned odds.

They go on under other policies; once `topics create` made the topics, a policy with the rule `odds` may come.
"""

import asyncio
import uuid
from pathlib import Path
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from infra.broker import Broker
from schemas.decisions import DecisionMade
from schemas.panels import PanelAssigned, PanelAssignedV2
from schemas.registry import decode
from schemas.weights import WeightsEntry
from streams.app.doctor.kafka import check_cluster
from streams.app.kafka_worker import WorkerSpec, at_work
from streams.app.policies import adopt_policy
from streams.app.workspace import Workspace
from streams.audit.replay.replay import replay
from streams.errors import OperatorError
from streams.runtimes.kafka.client.connection import Connection, parse_connection
from streams.runtimes.kafka.client.least_rights import working
from streams.runtimes.kafka.client.producer import RecordProducer, message_of
from streams.runtimes.kafka.client.topic_check import check_topics
from streams.runtimes.kafka.client.topics import administered, create_topics, require_topics
from streams.runtimes.kafka.stages.global_tables import KafkaGlobalTables
from streams.runtimes.urls import open_reader
from streams.topology import ASSIGNMENTS, DECISIONS, LESSONS, WEIGHTS

from ...limits import LIMIT_S
from ...worlds import World, by_odds, gold, question, said

PLAIN = """
[policy]
policy_id = "{name}"
[routing]
panel_size = 2
rule = "static"
[merge]
rule = "{rule}"
stages = [2]
[[agents]]
kind = "simulated"
name = "ann"
[[agents]]
kind = "simulated"
name = "bob"
"""


def missing(connection: Connection) -> set[str]:
    """Name the topics that such a log lacks."""
    return {connection.topic(LESSONS), connection.topic(WEIGHTS), connection.changelog("tune")}


async def old_log(broker: Broker) -> Connection:
    """Make the topics of a log as a program without learned odds does."""
    connection = parse_connection(f"{broker.bootstrap}/{uuid.uuid4().hex[:12]}", {})
    await create_topics(connection)
    async with administered(connection) as admin:
        await admin.delete_topics(sorted(missing(connection)))
        while missing(connection) & set(await admin.list_topics()):
            await asyncio.sleep(0.05)
    return connection


def workspace(connection: Connection, folder: Path, rule: str) -> Workspace:
    """Make the workspace of a log, with a policy of that rule."""
    path = folder / f"{rule}.toml"
    path.write_text(PLAIN.format(rule=rule, name=rule))
    return Workspace(connection.url, str(path))


async def decided(connection: Connection, *names: str) -> list[DecisionMade]:
    """Wait for the decisions of some questions."""

    def read() -> list[DecisionMade]:
        with open_reader(connection.url, topics=(DECISIONS,)) as reader:
            found = [decode(DECISIONS, record.value, 0) for record in reader.records((DECISIONS,))]
        return [one for one in found if isinstance(one, DecisionMade) and one.question_id in names]

    async with asyncio.timeout(LIMIT_S):
        while len(found := await asyncio.to_thread(read)) < len(names):
            await asyncio.sleep(0.2)
    return found


def test_old_log_goes_on_and_learns_by_odds_once_it_has_the_topics(broker: Broker, tmp_path: Path) -> None:
    """A worker with all stages leaves `tune` out; readers, replay and doctor do without; then the rule is adopted."""

    async def test() -> None:
        connection = await old_log(broker)
        plain, odds = (workspace(connection, tmp_path, rule) for rule in ("vote", "odds"))
        assert await require_topics(connection, working(("route", "learn", "tune"))) == missing(connection)
        assert {one.topic for one in (await check_topics(connection)).topics if one.state == "warn"} == missing(
            connection
        )
        await asyncio.to_thread(adopt_policy, plain, force=True)
        with capture_logs() as logs:
            async with (
                at_work(WorkerSpec(connection, ("route", "merge", "learn", "rank", "tune", "agents"))) as worker,
                RecordProducer(connection) as producer,
            ):
                await producer.publish([message_of(question("q0")), message_of(gold("A", "q0"))])
                await decided(connection, "q0")
                await worker.stages.settled()
                for force in (False, True):
                    with pytest.raises(OperatorError, match="has no topic") as refused:
                        await asyncio.to_thread(adopt_policy, odds, force=force)
                    assert "topics create" in (refused.value.remedy or "")
                found = {check.name: check for check in await asyncio.to_thread(lambda: list(check_cluster(plain)))}
                assert found["topics"].state == "warn"
                assert "tune" not in found
                # The worker that runs `route` now goes on when the topics come.
                await create_topics(connection)
                await asyncio.to_thread(adopt_policy, odds)
                tables = worker.stages._engines[0].line.stage._tables
                assert tables is not None
                await tables.catch_up()
                async with at_work(WorkerSpec(connection, ("tune",))) as tuning:
                    for name in ("q1", "q2"):
                        await producer.publish([message_of(question(name))])
                        await decided(connection, name)
                        await producer.publish([message_of(gold("A", name))])
                        await worker.stages.settled()
                        await tuning.stages.settled()
                        await tables.catch_up()
        assert [line["stage"] for line in logs if line["event"] == "stage_left_out"] == ["tune"]
        with open_reader(connection.url) as reader:
            panels = [decode(ASSIGNMENTS, record.value, 0) for record in reader.records((ASSIGNMENTS,))]
            sequences = {
                panel.question_id: panel.odds.sequence
                for panel in panels
                if isinstance(panel, PanelAssignedV2) and panel.odds is not None
            }
            assert sequences == {"q1": 0, "q2": 1}
            assert sum(isinstance(panel, PanelAssigned) for panel in panels) == 3
            assert replay(reader).different == 0

    asyncio.run(asyncio.wait_for(test(), 2 * LIMIT_S))


def test_worker_of_tune_alone_needs_the_topics(broker: Broker) -> None:
    """It says which command makes them."""

    async def test() -> None:
        connection = await old_log(broker)
        with pytest.raises(OperatorError, match="has no topic") as refused:
            async with at_work(WorkerSpec(connection, ("tune",))):
                pass
        assert "topics create" in (refused.value.remedy or "")

    asyncio.run(asyncio.wait_for(test(), LIMIT_S))


def test_tables_keep_the_newest_and_pass_over_what_is_none() -> None:
    """Broken records, and an older table that is sent again behind a newer one, change nothing."""
    world = World(by_odds("ann", "bob"))
    for name in ("q0", "q1"):
        world.put(question(name))
        world.play(said(ann="A", bob="B"))
        world.put(gold("A", name))
    older, newer = world.of(WeightsEntry)
    tables = KafkaGlobalTables(parse_connection("localhost:9092", {}))

    async def take(*values: bytes | None) -> None:
        for value in values:
            await tables._take(WEIGHTS, SimpleNamespace(value=value, timestamp=0, offset=0))

    asyncio.run(take(b"\xff", None, b"{}", newer.encode(), older.encode()[:-1], older.encode()))
    assert tables.tables.weights == {"p": newer}
