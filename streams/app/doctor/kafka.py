"""Checks of `orch doctor` on a log on Kafka."""

import asyncio
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple

from streams.app.policies import FIRST_V2, counted_versions
from streams.app.require_kafka import connection_of
from streams.app.workspace import Workspace
from streams.audit.replay.set_aside import RecordsAside
from streams.topology import DEAD_LETTERS, POLICIES
from streams.version import installed_version

if TYPE_CHECKING:
    from streams.runtimes.kafka.client.consumer_lag import GroupLag


class Check(NamedTuple):
    """One finding."""

    name: str
    state: Literal["ok", "warn", "fail"]
    finding: str
    remedy: str = ""


def check_cluster(work: Workspace) -> Iterator[Check]:
    """
    Check brokers, security, topics, the policy, and each stage's consumer group.

    Raises:
        OperatorError: No broker answers.
    """
    connection = connection_of(work, "doctor")
    from streams.runtimes.kafka.client.consumer_lag import group_lags
    from streams.runtimes.kafka.client.topics import brokers, check_topics
    from streams.runtimes.kafka.writer import newest_policy

    found = asyncio.run(brokers(connection))
    yield Check("brokers", "ok", f"{connection.url}, {len(found)} of them: {', '.join(found)}")
    yield from _security(connection.security.protocol, found)
    topics = asyncio.run(check_topics(connection))
    bad = [topic for topic in topics if topic.state != "ok"]
    for topic in bad:
        yield Check("topics", "fail", f"{topic.topic}: {topic.finding}", topic.remedy)
    if bad:
        return
    yield Check("topics", "ok", f"all {len(topics)} are as they have to be")
    policy = asyncio.run(newest_policy(connection))
    if policy is None:
        yield Check("policy", "warn", f"{POLICIES} holds none, so nothing is decided", "`orch policy adopt` writes one")
    else:
        yield Check("policy", "ok", f"{policy.policy_id!r} since {policy.occurred_at}, {len(policy.agents)} agents")
    for standing in asyncio.run(group_lags(connection)):
        yield _stage(standing)
    yield from _skipped(work)


def _stage(standing: "GroupLag") -> Check:
    from streams.runtimes.kafka.client.member_version import is_older

    members, lag = standing.members, f"lag {standing.lag:,}"
    if not members.number:
        remedy = f"`orch worker {standing.stage}` runs one"
        return Check(standing.stage, "warn", f"no process at work, {lag}", remedy)
    versions = members.versions or ()
    if all(version == installed_version() for version in versions):
        return Check(standing.stage, "ok", f"{members.number} at work, {lag}")
    found = f"{members.number} at work ({counted_versions(versions)}), {lag}"
    if any(is_older(version, FIRST_V2) for version in versions):
        return Check(standing.stage, "warn", found, "Upgrade the old ones; until then no policy of v2 is adopted")
    return Check(standing.stage, "ok", found)


def _skipped(work: Workspace) -> Iterator[Check]:
    """Name the records that an operator let a stage skip."""
    with work.open_reader(topics=(DEAD_LETTERS,)) as reader:
        places = RecordsAside.of(reader).skipped
    if places:
        named = ", ".join("/".join(map(str, place)) for place in list(places)[:3])
        found = f"{len(places)} skipped by an operator, such as {named}"
        yield Check("records", "warn", found, "A version that can fold them takes them: `orch dead-letters retry`")


def _security(protocol: str, addresses: list[str]) -> Iterator[Check]:
    local = all(address.startswith(("127.", "localhost", "[::1]")) for address in addresses)
    if "SSL" in protocol or local:
        yield Check("security", "ok", protocol)
    elif "ORCH_KAFKA_PASSWORD" in os.environ:
        yield Check(
            "security", "fail", f"{protocol}: the password is sent in the clear", "Set ORCH_KAFKA_SECURITY=SASL_SSL"
        )
    else:
        yield Check(
            "security", "warn", f"{protocol}: anyone on the way can read and write", "Set ORCH_KAFKA_SECURITY=SSL"
        )
