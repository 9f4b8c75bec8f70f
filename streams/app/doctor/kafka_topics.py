"""Checks of `orch doctor`: rights, clock and topics."""

import asyncio
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from streams.app.amounts import counted
from streams.app.doctor.check import Check
from streams.log import wall_clock_ms

if TYPE_CHECKING:
    from streams.runtimes.kafka.client.connection import Connection
    from streams.runtimes.kafka.client.topic_check import TopicCheck

MOST_AHEAD_MS = 2_000
"""Difference of two clocks that is worth a word: deadlines run from timestamps of other machines (decision 41), and no
time limit of a question should be shorter than a few seconds."""


def check_rights(connection: "Connection") -> Iterator[Check]:
    """Say which roles the user can fill; a role of which more than half is given, but not all, looks like a mistake."""
    from streams.runtimes.kafka.client.least_rights import ROLES
    from streams.runtimes.kafka.client.rights import listed
    from streams.runtimes.kafka.client.role_check import lacking_by_role

    lacking = asyncio.run(lacking_by_role(connection))
    able = [role for role, rights in lacking.items() if not rights]
    partly = {role: rights for role, rights in lacking.items() if 0 < len(rights) < len(ROLES[role]) / 2}
    for role, rights in partly.items():
        remedy = "infra/README.md lists the least rights of each role"
        yield Check("rights", "warn", f"not enough for a {role}: it lacks {listed(connection, rights)}", remedy)
    if able:
        yield Check("rights", "ok", f"enough for: {', '.join(able)}")
    elif not partly:
        remedy = "An administrator gives them; infra/README.md lists the least rights of each role"
        yield Check("rights", "fail", "enough for nothing: neither to work, produce, consume nor audit", remedy)


def check_clock(connection: "Connection") -> Iterator[Check]:
    """Compare the clock of the cluster with this machine's, where the cluster tells its time."""
    ahead = asyncio.run(_clock_ahead(connection))
    if ahead is None:
        return
    if isinstance(ahead, str):
        yield Check("clock", "ok", f"not compared: {ahead}")
        return
    difference, doubt = ahead
    if abs(difference) - doubt <= MOST_AHEAD_MS:
        yield Check("clock", "ok", f"the cluster's agrees to within {abs(difference) + doubt:,} ms")
        return
    found = (
        f"the cluster's is {abs(difference) / 1000:,.1f} s {'ahead of' if difference > 0 else 'behind'} this machine's"
    )
    yield Check("clock", "warn", found, "Let both follow NTP: deadlines end by the clocks of several machines")


async def _clock_ahead(connection: "Connection") -> tuple[int, int] | str | None:
    from aiokafka.errors import ClusterAuthorizationFailedError

    from streams.runtimes.kafka.client.broker_clock import clock_ahead_ms
    from streams.runtimes.kafka.client.topics import CLIENT_ERRORS, administered, refused_request

    async with administered(connection) as admin:
        try:
            return await clock_ahead_ms(admin, wall_clock_ms)
        except ClusterAuthorizationFailedError:
            return "the user lacks DESCRIBE on the cluster"
        except CLIENT_ERRORS as error:
            raise await refused_request(connection, error) from error


def check_shapes(connection: "Connection") -> Iterator[Check]:
    """Check the topics and their replicas; topics of which the same is found share a line."""
    from streams.runtimes.kafka.client.topic_check import check_topics

    found = asyncio.run(check_topics(connection))
    for one in found.topics:
        if one.state in ("missing", "wrong", "warn"):
            yield Check("topics", "warn" if one.state == "warn" else "fail", f"{one.topic}: {one.finding}", one.remedy)
    good = [one for one in found.topics if one.state == "ok"]
    if len(good) == len(found.topics):
        yield Check("topics", "ok", f"all {len(good)} are as they have to be")
    for state, what in (("hidden", "DESCRIBE"), ("unchecked", "DESCRIBE_CONFIGS")):
        some = [one for one in found.topics if one.state == state]
        if some:
            looked = "not seen" if state == "hidden" else "checked without settings"
            finding = f"{_named(some)} {looked}: the user lacks {what}"
            yield Check("topics", "warn", finding, some[0].remedy)
    alike: dict[str, list[TopicCheck]] = {}
    for one_of_all in found.replicas:
        alike.setdefault(one_of_all.finding, []).append(one_of_all)
    for finding, checks in alike.items():
        yield Check(
            "replicas",
            "fail" if checks[0].state == "fail" else "warn",
            f"{_named(checks)}: {finding}",
            checks[0].remedy,
        )


def _named(checks: "Iterable[TopicCheck]") -> str:
    """Name topics: the only one, else how many there are and the first."""
    names = [check.topic for check in checks]
    return names[0] if len(names) == 1 else f"{counted(len(names), 'topic')}, such as {names[0]},"
