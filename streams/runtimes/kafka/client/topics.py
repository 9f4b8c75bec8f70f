"""Creation and checks of a log's topics."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from streams.errors import OperatorError
from streams.processors import PROCESSORS
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.lifecycle import connect, let_go
from streams.runtimes.kafka.client.producer import MAX_REQUEST_BYTES
from streams.topology import TOPICS

MOST_REPLICAS = 3
"""Default replicas of a topic, if the cluster has as many brokers; with `min.insync.replicas` 2, one may fail."""

_HOUR_MS = 3_600_000

MAX_RECORD_BYTES = 2 << 20
"""Largest record of a topic. An input stays below 1 MiB; an event derived from it may contain its text again."""

_KEPT = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
# Small segments: the active one is never compacted, and each start of a worker reads all of it.
_COMPACTED = {
    "cleanup.policy": "compact",
    "segment.bytes": str(64 << 20),
    "segment.ms": str(_HOUR_MS),
    "min.cleanable.dirty.ratio": "0.2",
}
_CHANGELOG = {**_COMPACTED, "max.message.bytes": str(MAX_REQUEST_BYTES)}
# Producers set timestamps, so a record that a stage moves to its right partition keeps its timestamp.
_STAMPED = {"message.timestamp.type": "CreateTime", "max.message.bytes": str(MAX_RECORD_BYTES)}

_FREE = ("segment.bytes", "segment.ms", "min.cleanable.dirty.ratio")
"""Settings that an operator may change: they affect start-up time and disk usage, but no guarantee."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """The required shape of a topic; `name` is its name on the cluster."""

    name: str
    partitions: int
    configs: dict[str, str] = field(default_factory=dict)


class TopicCheck(NamedTuple):
    """The result of a check of one topic."""

    topic: str
    state: Literal["ok", "missing", "wrong"]
    finding: str
    remedy: str = ""


def wanted_topics(connection: Connection) -> list[TopicSpec]:
    """List the topics of a log: those of the topology, and a changelog for each stage."""
    topics = [
        TopicSpec(
            connection.topic(topic.name),
            topic.partitions,
            {**_STAMPED, **(_COMPACTED if topic.cleanup == "compact" else _KEPT)},
        )
        for topic in TOPICS.values()
    ]
    for processor in PROCESSORS:
        partitions = max(TOPICS[name].partitions for name in processor.reads)
        topics.append(TopicSpec(connection.changelog(processor.name), partitions, {**_STAMPED, **_CHANGELOG}))
    return topics


@asynccontextmanager
async def administered(connection: Connection) -> AsyncIterator[AIOKafkaAdminClient]:
    """
    Connect as an administrator.

    Raises:
        OperatorError: No broker answers, or it refuses.
    """
    admin = AIOKafkaAdminClient(**connection.client())
    await connect(admin, connection)
    try:
        yield admin
    finally:
        await let_go(admin)


async def brokers(connection: Connection) -> list[str]:
    """
    List the addresses of the cluster's brokers.

    Raises:
        OperatorError: No broker answers.
    """
    async with administered(connection) as admin:
        cluster = await admin.describe_cluster()
        return [f"{broker['host']}:{broker['port']}" for broker in cluster["brokers"]]


async def create_topics(connection: Connection, replication: int | None = None) -> list[str]:
    """
    Create the topics that are missing; existing topics stay unchanged.

    Args:
        replication: Replicas of each topic; None for one on each broker, up to `MOST_REPLICAS`.

    Returns:
        Names of the missing topics, as on the cluster; another process may have created some of them meanwhile.

    Raises:
        OperatorError: The cluster refuses, or no broker answers.
    """
    async with administered(connection) as admin:
        try:
            known = set(await admin.list_topics())
            replicas = replication or min(MOST_REPLICAS, len((await admin.describe_cluster())["brokers"]))
            missing = [topic for topic in wanted_topics(connection) if topic.name not in known]
            if not missing:
                return []
            insync = {"min.insync.replicas": "2"} if replicas >= MOST_REPLICAS else {}
            response = await admin.create_topics(
                [
                    NewTopic(topic.name, topic.partitions, replicas, topic_configs={**topic.configs, **insync})
                    for topic in missing
                ]
            )
        except (KafkaError, OSError) as error:
            raise _refused(connection, error) from error
    for name, code, *message in response.topic_errors:
        problem = for_code(code)
        # Another process may have created the topic meanwhile, with the same settings.
        if code and problem is not TopicAlreadyExistsError:
            said = next((text for text in message if text), problem.__name__)
            remedy = "Give --replication, or ask the administrator of the cluster"
            raise OperatorError(f"topic {name} could not be created: {said}", remedy=remedy)
    return [topic.name for topic in missing]


async def check_topics(connection: Connection) -> list[TopicCheck]:
    """
    Compare the topics on the cluster with those of a log.

    Raises:
        OperatorError: No broker answers, or it refuses.
    """
    wanted = wanted_topics(connection)
    async with administered(connection) as admin:
        try:
            known = set(await admin.list_topics())
            there = [topic for topic in wanted if topic.name in known]
            described = await admin.describe_topics([topic.name for topic in there]) if there else []
            configs = await _configs(admin, [topic.name for topic in there])
        except (KafkaError, OSError) as error:
            raise _refused(connection, error) from error
    partitions = {found["topic"]: len(found["partitions"]) for found in described}
    replicas = {found["topic"]: len(found["partitions"][0]["replicas"]) for found in described}
    checked = []
    for topic in wanted:
        if topic.name not in known:
            checked.append(TopicCheck(topic.name, "missing", "is not there", "`orch topics create` makes it"))
            continue
        problems = []
        if partitions[topic.name] != topic.partitions:
            problems.append(f"{partitions[topic.name]} partitions instead of {topic.partitions}")
        for name, value in topic.configs.items():
            actual = configs[topic.name].get(name, value)
            if actual != value and name not in _FREE:
                problems.append(f"{name}={actual} instead of {value}")
        if problems:
            remedy = "Partitions can't be changed without moving keys: create a new log under another prefix"
            if partitions[topic.name] == topic.partitions:
                remedy = f"kafka-configs.sh --alter --topic {topic.name} --add-config ..."
            checked.append(TopicCheck(topic.name, "wrong", "; ".join(problems), remedy))
        else:
            found = f"{topic.partitions} partitions, {replicas[topic.name]} replicas, {topic.configs['cleanup.policy']}"
            checked.append(TopicCheck(topic.name, "ok", found))
    return checked


async def require_topics(connection: Connection) -> None:
    """
    Check that the topics of a log exist.

    Raises:
        OperatorError: Topics are missing, or have another number of partitions than the topology; or no broker answers.
    """
    async with administered(connection) as admin:
        try:
            known = set(await admin.list_topics())
            wanted = {topic.name: topic.partitions for topic in wanted_topics(connection)}
            missing = [name for name in wanted if name not in known]
            described = [] if missing else await admin.describe_topics(list(wanted))
        except (KafkaError, OSError) as error:
            raise _refused(connection, error) from error
    if missing:
        more = f" and {len(missing) - 1} more topics" if len(missing) > 1 else ""
        raise OperatorError(
            f"{connection.url} has no topic {missing[0]}{more}",
            remedy=f"`orch --log {connection.url} topics create` creates missing topics",
        )
    for found in described:
        if len(found["partitions"]) != wanted[found["topic"]]:
            raise OperatorError(
                f"topic {found['topic']} has {len(found['partitions'])} partitions instead of {wanted[found['topic']]}",
                remedy="`orch topics check` checks all topics",
            )


async def _configs(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Read the configuration of topics."""
    if not names:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    found: dict[str, dict[str, str]] = {}
    for response in await admin.describe_configs(resources):
        for _, _, _, name, entries in response.resources:
            found[name] = {entry[0]: entry[1] for entry in entries}
    return found


def _refused(connection: Connection, error: BaseException) -> OperatorError:
    return OperatorError(
        f"{connection.url}: the cluster refused a request about topics ({type(error).__name__}: {error})",
        remedy="`orch doctor` checks the connection; rights to describe and create topics are needed",
    )
