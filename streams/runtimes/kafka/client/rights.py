"""Rights of a user, as the brokers tell them (KIP-430)."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)

from streams.errors import OperatorError
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.least_rights import Right
from streams.runtimes.kafka.client.requests import GroupRequest, TopicsRequest

_BITS = {"READ": 3, "WRITE": 4, "CREATE": 5, "DESCRIBE": 8, "DESCRIBE_CONFIGS": 10}
"""Codes of operations (org.apache.kafka.common.acl.AclOperation); the brokers tell them as bits of a number."""

_NOT_TOLD = -(1 << 31)
_TRIES, _WAIT_S = 50, 0.1
_SHOWN = 6


class TopicState(NamedTuple):
    """One topic, as the brokers tell it."""

    hidden: bool
    """Whether the user lacks even DESCRIBE; then nobody knows whether the topic is there."""
    partitions: int
    """0 for a topic that is not there, or hidden."""
    replicas: int
    """Least number of replicas of a partition."""
    insync: int
    """Least number of replicas in sync of a partition."""
    operations: int | None
    """Bits of the user's operations; None if the brokers do not tell."""


async def topic_states(admin: AIOKafkaAdminClient, topics: Sequence[str]) -> dict[str, TopicState]:
    """
    Ask about topics, by their names on the cluster.

    Raises:
        KafkaError: The brokers do not answer, or a topic has an error of its own.
    """
    response = await _ask(admin, TopicsRequest(topics))
    states = {}
    for code, name, _, partitions, *operations in response.topics:
        problem = for_code(code)
        if code and problem not in (TopicAuthorizationFailedError, UnknownTopicOrPartitionError):
            raise problem(name)
        # From the end: later versions have one field more.
        replicas = [(len(partition[-3]), len(partition[-2])) for partition in partitions]
        told = operations[0] if operations and operations[0] != _NOT_TOLD else None
        hidden = problem is TopicAuthorizationFailedError
        states[name] = TopicState(
            hidden,
            len(partitions),
            min((all_of_them for all_of_them, _ in replicas), default=0),
            min((insync for _, insync in replicas), default=0),
            0 if hidden else told,
        )
    return states


async def _ask(admin: AIOKafkaAdminClient, request: Any) -> Any:
    """Ask any broker; another one if that is down."""
    for _ in range(_TRIES):
        try:
            return await admin._client.send(admin._client.get_random_node(), request)
        except KafkaError as error:
            if not error.retriable:
                raise
        await asyncio.sleep(_WAIT_S)
    return await admin._client.send(admin._client.get_random_node(), request)


async def _group_operations(admin: AIOKafkaAdminClient, group: str) -> int | None:
    """Give the bits of the user's operations on a group; None if the brokers do not tell."""
    for _ in range(_TRIES):
        try:
            response = await admin._client.send(await admin.find_coordinator(group), GroupRequest(group))
            ((code, *_, operations),) = response.groups
            if code:
                raise for_code(code)(group)
        except GroupAuthorizationFailedError:
            return 0
        except NotImplementedError:
            return None
        except KafkaError as error:
            # A new cluster finds a coordinator only after it was asked for one.
            if not error.retriable:
                raise
        else:
            return None if operations == _NOT_TOLD else int(operations)
        await asyncio.sleep(_WAIT_S)
    return None


async def missing_rights(
    connection: Connection, admin: AIOKafkaAdminClient, rights: Iterable[Right], states: Mapping[str, TopicState]
) -> list[Right]:
    """
    Find the rights that the user lacks.

    Args:
        rights: Rights to look for.
        states: Of all topics among them.

    Raises:
        KafkaError: The brokers do not answer.
    """
    wanted = list(dict.fromkeys(rights))
    groups = sorted({right.resource(connection)[1] for right in wanted if right.kind == "group"})
    # One after the other: the first one makes a new cluster's offsets topic.
    allowed = {("group", name): await _group_operations(admin, name) for name in groups}
    allowed |= {("topic", name): state.operations for name, state in states.items()}
    return [right for right in wanted if not _is_given(allowed.get(right.resource(connection)), right.operation)]


def _is_given(operations: int | None, operation: str) -> bool:
    return operations is None or bool(operations >> _BITS[operation] & 1)


def listed(connection: Connection, rights: Collection[Right]) -> str:
    """Name rights, for a message: `READ on topic orch.policies`."""
    named = [
        f"{right.operation} on {kind} {name}"
        for right, (kind, name) in ((right, right.resource(connection)) for right in rights)
    ]
    more = f" and {len(named) - _SHOWN} more rights" if len(named) > _SHOWN else ""
    return ", ".join(named[:_SHOWN]) + more


def refused(connection: Connection, rights: Sequence[Right]) -> OperatorError:
    """Make the error for rights that the user lacks; the first of them is in the command of the remedy."""
    kind, name = rights[0].resource(connection)
    user = connection.security.username
    who = f"user {user!r}" if user else "this client's user"
    return OperatorError(
        f"{connection.url}: {who} lacks {listed(connection, rights)}",
        remedy="An administrator gives it: kafka-acls.sh --bootstrap-server"
        f" {connection.bootstrap[0]} --add --allow-principal User:{user or 'NAME'}"
        f" --operation {rights[0].operation} --{kind} {name}. infra/README.md lists the least rights of each role",
    )
