"""Checks of `orch doctor` on a log on Kafka."""

import asyncio
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from streams.app.doctor.check import Check
from streams.app.doctor.kafka_topics import check_clock, check_rights, check_shapes
from streams.app.policies import FIRST_V2, counted_versions
from streams.app.require_kafka import connection_of
from streams.app.workspace import Workspace
from streams.audit.replay.set_aside import RecordsAside
from streams.errors import OrchError
from streams.processors import TUNE
from streams.topology import DEAD_LETTERS, POLICIES
from streams.version import installed_version

if TYPE_CHECKING:
    from streams.runtimes.kafka.client.connection import Connection
    from streams.runtimes.kafka.client.consumer_lag import GroupLag
    from streams.runtimes.kafka.stages.damage import Damage


def check_cluster(work: Workspace, most_lag: int | None = None) -> Iterator[Check]:
    """
    Check brokers, security, rights, clock, topics, the policy, and each stage's consumer group.

    What the user may not look at is a warning; it may be none of this user's business.

    Args:
        work: Workspace of a log on Kafka.
        most_lag: Records that a stage may be behind; more is a failure. None: any number may.

    Raises:
        OperatorError: No broker answers.
    """
    connection = connection_of(work, "doctor")
    from streams.runtimes.kafka.client.topics import brokers

    found = asyncio.run(brokers(connection))
    yield Check("brokers", "ok", f"{connection.url}, {len(found)} of them: {', '.join(found)}")
    yield from _security(connection.security.protocol, found)
    yield from _looked_at("rights", lambda: check_rights(connection))
    yield from _looked_at("clock", lambda: check_clock(connection))
    shapes = list(check_shapes(connection))
    yield from shapes
    if any(check.name == "topics" and check.state == "fail" for check in shapes):
        return
    yield from _looked_at("policy", lambda: _policy(connection))
    yield from _looked_at("stages", lambda: _stages(connection, most_lag))
    yield from _looked_at("records", lambda: _skipped(work))


def _looked_at(name: str, check: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    """Run a check; one for which a right is lacking is a warning that names the right."""
    try:
        yield from check()
    except OrchError as error:
        yield Check(name, "warn", f"not looked at: {error.message}", error.remedy)


def _policy(connection: "Connection") -> Iterator[Check]:
    from streams.runtimes.kafka.writer import newest_policy

    policy = asyncio.run(newest_policy(connection))
    if policy is None:
        yield Check("policy", "warn", f"{POLICIES} holds none, so nothing is decided", "`orch policy adopt` writes one")
    else:
        yield Check("policy", "ok", f"{policy.policy_id!r} since {policy.occurred_at}, {len(policy.agents)} agents")


def _stages(connection: "Connection", most_lag: int | None) -> Iterator[Check]:
    """Check each stage: what keeps its next owner from starting, else its members and its lag."""
    found = asyncio.run(_standings(connection))
    for standing in found.standings:
        damage = found.damages.get(standing.stage)
        if damage is not None:
            yield Check(damage.stage, "fail", damage.problem, damage.remedy)
        elif standing.stage == TUNE.name and not (found.tunes or standing.lag or standing.members.number):
            yield Check(standing.stage, "ok", "not needed: the policy has no learned odds")
        else:
            yield _stage(standing, most_lag)


class _Standings(NamedTuple):
    standings: "list[GroupLag]"
    damages: "dict[str, Damage]"
    tunes: bool
    """Whether the policy has learned odds; also if it may not be read."""


async def _standings(connection: "Connection") -> _Standings:
    from streams.runtimes.kafka.client.consumer_lag import GROUPS, group_lags
    from streams.runtimes.kafka.client.least_rights import Right, inspecting, reading
    from streams.runtimes.kafka.client.role_check import lacking_rights
    from streams.runtimes.kafka.client.topics import require_topics
    from streams.runtimes.kafka.stages.damage import find_damage
    from streams.runtimes.kafka.writer import newest_policy

    topics = dict.fromkeys(topic for read in GROUPS.values() for topic in read)
    rights = [Right("DESCRIBE", "topic", topic) for topic in topics]
    await require_topics(connection, [*rights, *(Right("DESCRIBE", "group", stage) for stage in GROUPS)])
    standings = await group_lags(connection)
    stages = [standing.stage for standing in standings]
    needed = {stage: inspecting(stage) for stage in stages}
    lacking = set(
        await lacking_rights(connection, [*reading((POLICIES,)), *(r for some in needed.values() for r in some)])
    )
    # Changelogs and inputs are looked into by those who may read them, as whoever runs the stage may.
    readable = [stage for stage in stages if not lacking & {*needed[stage]}]
    damages = await find_damage(connection, readable)
    policy = None if lacking & {*reading((POLICIES,))} else await newest_policy(connection)
    tunes = policy is None or policy.rule_versions.tune is not None
    return _Standings(standings, {damage.stage: damage for damage in damages}, tunes)


def _stage(standing: "GroupLag", most_lag: int | None) -> Check:
    from streams.runtimes.kafka.client.member_version import is_older

    members, lag = standing.members, f"lag {standing.lag:,}"
    versions = members.versions or ()
    mixed = any(version != installed_version() for version in versions)
    found = f"{members.number} at work{f' ({counted_versions(versions)})' if mixed else ''}, {lag}"
    if not members.number:
        found = f"no process at work, {lag}"
    if most_lag is not None and standing.lag > most_lag:
        remedy = f"More processes share it, up to one for each partition: `orch worker {standing.stage}`"
        return Check(standing.stage, "fail", f"{found}, more than {most_lag:,}", remedy)
    if not members.number:
        return Check(standing.stage, "warn", found, f"`orch worker {standing.stage}` runs one")
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
    elif any(name in os.environ for name in ("ORCH_KAFKA_PASSWORD", "ORCH_KAFKA_PASSWORD_FILE")):
        yield Check(
            "security", "fail", f"{protocol}: the password is sent in the clear", "Set ORCH_KAFKA_SECURITY=SASL_SSL"
        )
    else:
        yield Check(
            "security", "warn", f"{protocol}: anyone on the way can read and write", "Set ORCH_KAFKA_SECURITY=SSL"
        )
