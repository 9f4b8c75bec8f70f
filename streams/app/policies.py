"""The policy in force, and the adoption of another."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from schemas.policies import PolicyAdopted, PolicyAdoptedV2
from schemas.quantities import instant_of_ms
from streams.app.require_kafka import connection_of
from streams.app.workspace import Workspace
from streams.errors import OperatorError, UsageError
from streams.log import Appender, read_event, wall_clock_ms
from streams.processors import TUNE
from streams.settings import build_policy, same_policy, succeeding
from streams.topology import POLICIES

FIRST_V2 = (0, 2)
"""
First release that reads kinds of v2, and the first with the stage `tune`. In an older worker `merge` and `learn` write
dead letters for them, agents and deadlines log that they skip them, and `route` keeps the policy before.
"""

OLD = "0.1 or another program"
"""Version of a group member that names none."""

_PRICE = (
    "Workers older than 0.2 would write dead letters for its panels and decisions, or leave them out, and questions"
    " would stay open."
)


class Adoption(NamedTuple):
    """The policy in force from now on, and the one before it."""

    policy: PolicyAdopted
    before: PolicyAdopted | None
    warning: str = ""
    """What may go wrong on this log under the policy; empty if nothing is known."""

    @property
    def changed(self) -> bool:
        """Whether a policy was adopted; the configured one may have been in force already."""
        return self.policy is not self.before


def policy_in_force(work: Workspace) -> PolicyAdopted:
    """
    Give the newest policy of a log.

    Raises:
        UsageError: The log holds no policy.
    """
    newest = None
    with work.open_reader(topics=(POLICIES,)) as reader:
        for record in reader.records((POLICIES,)):
            event = read_event(record)
            if isinstance(event, PolicyAdopted):
                newest = event
    if newest is None:
        raise UsageError(f"{work.log_url} holds no policy", remedy="`orch policy adopt` writes the configured one")
    return newest


def adopt_policy(work: Workspace, *, force: bool = False) -> Adoption:
    """
    Put the configured policy in force, unless it already is.

    Args:
        work: Log and settings.
        force: Whether to adopt it although workers of the log do not know its kind.

    Raises:
        OperatorError: Workers of the log do not know its kind, see `adopt`.
    """
    wanted = build_policy(work.config, instant_of_ms(wall_clock_ms()))
    with work.open_writer((POLICIES,), folding=False) as log:
        before = log.policy
        if before is not None and same_policy(wanted, before):
            return Adoption(before, before)
        wanted = succeeding(wanted, before)
        return Adoption(wanted, before, adopt(work, log, wanted, force=force))


def adopt(work: Workspace, log: Appender, policy: PolicyAdopted, *, force: bool = False) -> str:
    """
    Append a policy that is not in force yet, if all workers of the log know its kind.

    Every adoption on Kafka goes through here. Workers that join later are not checked.

    Args:
        work: Workspace of the log.
        log: Its writer.
        policy: Policy to adopt.
        force: Whether to adopt it although workers of the log do not know its kind.

    Returns:
        What may go wrong under the policy; empty if nothing is known.

    Raises:
        OperatorError: It is a policy of v2, and workers of the log are older than 0.2 or cannot be asked; or the log
            lacks the topics of learned odds, which no *force* replaces.
    """
    warning = ""
    if isinstance(policy, PolicyAdoptedV2):
        warning = check_workers(work, f"rules of v2, which policy {policy.policy_id!r} names", policy, force=force)
    log.append(policy)
    log.commit()
    return warning


def check_workers(work: Workspace, what: str, policy: PolicyAdopted, *, force: bool = False) -> str:
    """
    Check that all workers of a log know the kinds of 0.2, and that it has the topics that a policy needs.

    Args:
        work: Workspace of the log; only one on Kafka has workers.
        what: What they have to know, for the message.
        policy: The policy that is to be in force.
        force: Whether old workers are no reason to stop.

    Returns:
        What may go wrong; empty if nothing is known.

    Raises:
        OperatorError: As `adopt`.
    """
    if work.log.scheme != "kafka":
        return ""
    if policy.rule_versions.tune is not None:
        _require_topics(work)
    try:
        return _check_members(work, what, policy)
    except OperatorError as refusal:
        if not force:
            raise
        return f"{refusal.message}. {_PRICE}"


def _check_members(work: Workspace, what: str, policy: PolicyAdopted) -> str:
    connection = connection_of(work, "policy adopt")
    from streams.runtimes.kafka.client.consumer_lag import GROUPS
    from streams.runtimes.kafka.client.least_rights import Right
    from streams.runtimes.kafka.client.member_version import is_older, member_versions
    from streams.runtimes.kafka.client.topics import require_topics

    async def versions() -> Mapping[str, tuple[str | None, ...]]:
        await require_topics(connection, [Right("DESCRIBE", "group", stage) for stage in GROUPS])
        return await member_versions(connection, tuple(GROUPS))

    found = asyncio.run(versions())
    old = {
        connection.group(stage): members
        for stage, versions in found.items()
        if (members := [version for version in versions if is_older(version, FIRST_V2)])
    }
    if old:
        raise OperatorError(
            f"{work.log_url}: workers older than 0.2 do not know {what}: {_listed(old)}",
            remedy='Upgrade these workers first; or set rules = "v1" under [policy]; or `orch policy adopt --force`:'
            " they then write dead letters",
        )
    if not any(found.values()):
        return f"No worker is running. {_PRICE}"
    if policy.rule_versions.tune is not None and not found[TUNE.name]:
        return f"No worker runs {TUNE.name}, so nothing is learned from feedback until `orch worker {TUNE.name}` does."
    return ""


def _require_topics(work: Workspace) -> None:
    connection = connection_of(work, "policy adopt")
    from streams.runtimes.kafka.client.least_rights import odds_topics
    from streams.runtimes.kafka.client.topics import require_topics

    asyncio.run(require_topics(connection, odds_topics(), odds=True))


def _listed(members: Mapping[str, Iterable[str | None]]) -> str:
    return "; ".join(f"{group} has {counted_versions(versions)}" for group, versions in members.items())


def counted_versions(versions: Iterable[str | None]) -> str:
    """Count the members of each version, for a message."""
    counts = Counter(version or OLD for version in versions)
    return ", ".join(f"{count} of version {version}" for version, count in sorted(counts.items()))
