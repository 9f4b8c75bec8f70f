"""Topics of a log: required shape, creation, presence."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)

from streams.errors import OperatorError
from streams.processors import PROCESSORS
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.failed_connection import LOST, why_unreachable
from streams.runtimes.kafka.client.least_rights import Right, operating
from streams.runtimes.kafka.client.lifecycle import connect, let_go
from streams.runtimes.kafka.client.producer import MAX_REQUEST_BYTES
from streams.runtimes.kafka.client.rights import TopicState, missing_rights, refused, topic_states
from streams.topology import MOST_REPLICAS, TOPICS

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

_LIST_TRIES, _LIST_S = 100, 0.1
"""Looks for new topics, and seconds between them; on a busy machine a broker takes a second to hear of them."""

CLIENT_ERRORS = (KafkaError, OSError, NotImplementedError)
"""What aiokafka raises where a request fails; NotImplementedError for a broker that knows no version of it."""

FREE_CONFIGS = ("segment.bytes", "segment.ms", "min.cleanable.dirty.ratio")
"""Settings that an operator may change: they affect start-up time and disk usage, but no guarantee."""


FIXED_PARTITIONS = (
    "The number of partitions is fixed for good: the key of an event decides its partition, so events of one question"
    " would lie in two. Create a new log under another name on the cluster. The audit commands (an archive of a log,"
    " and a fresh log from it) will be the way to take the old events along; so far there is the archive, `orch export`"
)
"""Remedy for topics to which somebody has added partitions; Kafka cannot take them away again."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """The required shape of a topic; `name` is its name on the cluster."""

    name: str
    partitions: int
    configs: dict[str, str] = field(default_factory=dict)
    only_odds: bool = False
    """Whether the log may lack it under policies without learned odds."""


class Creation(NamedTuple):
    """What a creation of topics did."""

    created: list[str]
    """Names of the topics that were missing, as on the cluster; another process may have made some of them."""
    replicas: int
    """Replicas of each new topic."""
    brokers: int
    """Brokers of the cluster that answer."""


def wanted_topics(connection: Connection) -> list[TopicSpec]:
    """List the topics of a log: those of the topology, and a changelog for each stage."""
    topics = [
        TopicSpec(
            connection.topic(topic.name),
            topic.partitions,
            {**_STAMPED, **(_COMPACTED if topic.cleanup == "compact" else _KEPT)},
            topic.only_odds,
        )
        for topic in TOPICS.values()
    ]
    for processor in PROCESSORS:
        partitions = max(TOPICS[name].partitions for name in processor.reads)
        only_odds = any(TOPICS[name].only_odds for name in processor.reads)
        name = connection.changelog(processor.name)
        topics.append(TopicSpec(name, partitions, {**_STAMPED, **_CHANGELOG}, only_odds))
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


async def create_topics(connection: Connection, replication: int | None = None) -> Creation:
    """
    Create the topics that are missing; existing topics stay unchanged.

    Args:
        replication: Replicas of each topic; None for one on each broker, up to `MOST_REPLICAS`.

    Raises:
        OperatorError: The user lacks a right, the cluster refuses, or no broker answers.
    """
    wanted = wanted_topics(connection)
    async with administered(connection) as admin:
        try:
            states = await topic_states(admin, [topic.name for topic in wanted])
            brokers = len((await admin.describe_cluster())["brokers"])
            replicas = replication or min(MOST_REPLICAS, brokers)
            missing = [topic for topic in wanted if not states[topic.name].partitions]
            if not missing:
                return Creation([], replicas, brokers)
            insync = {"min.insync.replicas": "2"} if replicas >= MOST_REPLICAS else {}
            response = await admin.create_topics(
                [
                    NewTopic(topic.name, topic.partitions, replicas, topic_configs={**topic.configs, **insync})
                    for topic in missing
                ]
            )
        except CLIENT_ERRORS as error:
            raise await refused_request(connection, error) from error
    denied = set()
    for name, code, *message in response.topic_errors:
        problem = for_code(code)
        if problem in (TopicAuthorizationFailedError, ClusterAuthorizationFailedError):
            denied.add(name)
        # Another process may have created the topic meanwhile, with the same settings.
        elif code and problem is not TopicAlreadyExistsError:
            said = next((text for text in message if text), problem.__name__)
            remedy = "Give --replication, or ask the administrator of the cluster"
            raise OperatorError(f"topic {name} could not be created: {said}", remedy=remedy)
    if denied:
        raise refused(
            connection,
            [right for right in operating() if right.operation == "CREATE" and right.resource(connection)[1] in denied],
        )
    await _listed(connection, [topic.name for topic in missing])
    return Creation([topic.name for topic in missing], replicas, brokers)


async def _listed(connection: Connection, names: Sequence[str]) -> None:
    """Wait until new topics are listed: a broker hears of them later than the controller, and the next command asks."""
    async with administered(connection) as admin:
        for _ in range(_LIST_TRIES):
            try:
                if set(names) <= set(await admin.list_topics()):
                    return
            except CLIENT_ERRORS as error:
                raise await refused_request(connection, error) from error
            await asyncio.sleep(_LIST_S)


async def require_topics(connection: Connection, rights: Sequence[Right], *, odds: bool = False) -> frozenset[str]:
    """
    Check that the user has these rights, and that the topics among them exist.

    Every command on Kafka goes through here before it reads or writes: later, aiokafka waits for ever for what the
    brokers refuse (a group that may not be read, a topic that may not be fetched), or takes it for something else.

    Args:
        rights: What the caller will do.
        odds: Whether topics that only policies with learned odds need must exist too.

    Returns:
        Names, as on the cluster, of the topics among them that the log lacks and may lack: those of learned odds in a
        log that is older than they are.

    Raises:
        OperatorError: A right is lacking; a topic is missing, or has another number of partitions than the topology; or
            no broker answers.
    """
    named = {name for kind, name in (right.resource(connection) for right in rights) if kind == "topic"}
    specs = [topic for topic in wanted_topics(connection) if topic.name in named]
    wanted = {topic.name: topic.partitions for topic in specs}
    async with administered(connection) as admin:
        try:
            states = await topic_states(admin, list(wanted)) if wanted else {}
            # No right is told of a topic that is not there: without the right to describe it, it is hidden.
            there = [right for right in rights if _may_be_there(right, connection, states)]
            lacking = await missing_rights(connection, admin, there, states)
        except CLIENT_ERRORS as error:
            raise await refused_request(connection, error) from error
    if lacking:
        raise refused(connection, lacking)
    absent = frozenset(topic.name for topic in specs if topic.only_odds and not states[topic.name].partitions)
    missing = [name for name in wanted if not states[name].partitions and (odds or name not in absent)]
    if missing:
        more = f" and {len(missing) - 1} more topics" if len(missing) > 1 else ""
        raise OperatorError(
            f"{connection.url} has no topic {missing[0]}{more}",
            remedy=f"`orch --log {connection.url} topics create` creates missing topics",
        )
    for name, partitions in wanted.items():
        if name not in absent and states[name].partitions != partitions:
            raise OperatorError(
                f"topic {name} has {states[name].partitions} partitions instead of {partitions}",
                remedy=FIXED_PARTITIONS,
                topic=name,
            )
    return absent


def require_partition(connection: Connection, topic: str, partition: int) -> None:
    """
    Check that a partition that was assigned is one of the topology.

    Args:
        topic: Its name in the topology.

    Raises:
        OperatorError: Somebody has added partitions to the topic.
    """
    if partition >= TOPICS[topic].partitions:
        raise OperatorError(
            f"topic {connection.topic(topic)} has more than {TOPICS[topic].partitions} partitions: somebody added some",
            remedy=FIXED_PARTITIONS,
            topic=topic,
            partition=partition,
        )


def _may_be_there(right: Right, connection: Connection, states: Mapping[str, TopicState]) -> bool:
    kind, name = right.resource(connection)
    return kind == "group" or states[name].hidden or states[name].partitions > 0


async def refused_request(connection: Connection, error: BaseException) -> OperatorError:
    """Make the error for a request about topics that failed: the cluster refused it, or a broker cannot be used."""
    if isinstance(error, LOST):
        return await why_unreachable(connection, error)
    return OperatorError(
        f"{connection.url}: the cluster refused a request about topics ({type(error).__name__}: {error})",
        remedy="`orch doctor` checks the connection; rights to describe and create topics are needed",
    )
