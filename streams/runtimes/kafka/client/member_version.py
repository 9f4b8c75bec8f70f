"""Program versions of the members of consumer groups."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata
from aiokafka.errors import KafkaError, for_code

from streams.errors import OperatorError
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.topics import administered
from streams.version import DISTRIBUTION, installed_version

SETTLE_S = 30.0
"""Longest wait for a group that deals out its partitions; until it has, Kafka does not give what its members name."""

_LOOK_S = 0.2
_UNSETTLED = ("PreparingRebalance", "CompletingRebalance")

_MARK = re.compile(rf"(?:http://)?{DISTRIBUTION}/([0-9A-Za-z.!+_-]+)")
_RELEASE = re.compile(r"\d+(?:\.\d+)*")


def version_mark() -> str:
    """
    Give the text by which a member names its version in its subscription.

    Not the client id: of a static member that comes back, Kafka keeps the client id it had before (KIP-345), so an
    upgraded worker would look old, and an old one that follows a new one would look new.
    """
    return f"{DISTRIBUTION}/{installed_version() or 'unknown'}"


class VersionedAssignor(RangePartitionAssignor):  # type: ignore[misc]
    """The range assignor, with the version as user data: group leaders of any version ignore it."""

    @classmethod
    def metadata(cls, topics: Sequence[str]) -> Any:
        """Give the subscription of this member."""
        plain = super().metadata(topics)
        return ConsumerProtocolMemberMetadata(plain.version, plain.subscription, version_mark().encode())


class GroupMembers(NamedTuple):
    """Members of a consumer group."""

    number: int
    versions: tuple[str | None, ...] | None
    """Version of each member: None for release 0.1, which names none, and for other programs. No tuple while the group
    deals out its partitions."""


async def describe_members(admin: Any, group: str) -> GroupMembers:
    """
    Give the members of a consumer group; a group that does not exist has none.

    Raises:
        KafkaError: The coordinator refuses, or does not answer.
    """
    (response,) = await admin.describe_consumer_groups([group])
    ((code, _, state, _, _, members, *_),) = response.groups
    if code:
        raise for_code(code)(f"group {group}")
    versions = None if state in _UNSETTLED else tuple(_version_in(subscription) for _, _, _, subscription, _ in members)
    return GroupMembers(len(members), versions)


def _version_in(subscription: bytes) -> str | None:
    """Read the version in a member's subscription: its user data, or under Faust the `url` there."""
    try:
        data = ConsumerProtocolMemberMetadata.decode(subscription).user_data or b""
        # Faust's user data also hold the addresses of the other members.
        named = orjson.loads(data)["url"] if data.startswith(b"{") else data.decode()
        found = _MARK.fullmatch(named)
    except (ValueError, KeyError, TypeError):
        return None
    return None if found is None else found[1]


async def member_versions(connection: Connection, stages: Sequence[str]) -> Mapping[str, tuple[str | None, ...]]:
    """
    Give the version of every member of the stages' consumer groups, as in `GroupMembers`.

    Raises:
        OperatorError: No broker answers, it refuses, or a group is not settled within `SETTLE_S`.
    """
    async with administered(connection) as admin:
        try:
            async with asyncio.timeout(SETTLE_S):
                return {stage: await _settled_versions(admin, connection.group(stage)) for stage in stages}
        except (KafkaError, TimeoutError) as error:
            why = f"{type(error).__name__}: {error}" if str(error) else "a group deals out its partitions all the time"
            raise OperatorError(
                f"{connection.url}: the members of the consumer groups cannot be described ({why})",
                remedy="The user needs the right to describe the groups; `orch doctor` checks the connection",
            ) from error


async def _settled_versions(admin: Any, group: str) -> tuple[str | None, ...]:
    while True:
        try:
            found = await describe_members(admin, group)
        except KafkaError as error:
            # A new cluster finds a coordinator only after it was asked for one.
            if not error.retriable:
                raise
        else:
            if found.versions is not None:
                return found.versions
        await asyncio.sleep(_LOOK_S)


def is_older(version: str | None, release: tuple[int, ...]) -> bool:
    """
    Whether a version is before a release; a pre-release counts as its release, and an unknown version as older.

    Args:
        version: As of PEP 440, without an epoch.
        release: Numbers of the release, such as (0, 2).
    """
    numbers = _RELEASE.match(version or "")
    return numbers is None or tuple(map(int, numbers[0].split("."))) < release
