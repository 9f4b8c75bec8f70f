"""Versions of group members, and policies that wait for them."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata

from schemas.policies import PolicyAdopted, PolicyAdoptedV2
from streams.app.policies import adopt_policy, policy_in_force
from streams.app.workspace import Workspace
from streams.errors import OperatorError
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.member_version import _version_in, is_older, member_versions
from streams.runtimes.kafka.stages.runner import HostingOptions, running
from streams.version import installed_version

from .group_members import READ, Cluster, Run, run

__all__ = ["run"]

NEW = installed_version()


@asynccontextmanager
async def old_member(connection: Connection, instance: str | None = None) -> AsyncIterator[None]:
    """Join the agents' group as release 0.1 does: with the same assignor, and nothing said of a version."""
    consumer = AIOKafkaConsumer(
        *map(connection.topic, READ),
        **connection.client(),
        group_id=connection.group("agents"),
        group_instance_id=instance,
        partition_assignment_strategy=[RangePartitionAssignor],
        session_timeout_ms=6_000,
        heartbeat_interval_ms=1_500,
    )
    await consumer.start()
    try:
        yield
    finally:
        await consumer.stop()


async def versions(cluster: Cluster) -> tuple[str | None, ...]:
    """Give the versions of the agents' group."""
    return (await member_versions(cluster.connection, ("agents",)))["agents"]


def test_members_name_their_version(run: Run) -> None:
    """Each member of a mixed group is listed with its own; a group without members has none."""

    async def test(cluster: Cluster) -> None:
        assert await versions(cluster) == ()
        async with cluster.member(), old_member(cluster.connection), cluster.member():
            await asyncio.sleep(1)
            assert sorted(await versions(cluster), key=str) == sorted([None, NEW, NEW], key=str)

    run(test)


def test_a_static_member_that_comes_back_names_its_new_version(run: Run) -> None:
    """Upgraded or downgraded within its session, it is listed with the version that it has now."""

    async def test(cluster: Cluster) -> None:
        async with old_member(cluster.connection, "w1"):
            assert await versions(cluster) == (None,)
        async with cluster.member(instance="w1") as reader:
            while not reader.held:
                await asyncio.sleep(0.05)
            assert await versions(cluster) == (NEW,)
        async with old_member(cluster.connection, "w1"):
            assert await versions(cluster) == (None,)

    run(test)


@pytest.mark.parametrize("engine", ["aiokafka", "faust"])
def test_stages_name_their_version(run: Run, engine: str) -> None:
    """On either engine."""

    async def test(cluster: Cluster) -> None:
        hosting = HostingOptions(None, engine=engine)  # type: ignore[arg-type]  # one of the two
        async with running(cluster.connection, ("merge", "learn"), cluster.producer, hosting):
            found: dict[str, tuple[str | None, ...]] = {}
            while not all(found.get(stage) for stage in ("merge", "learn")):
                found = dict(await member_versions(cluster.connection, ("merge", "learn")))
        assert found == {"merge": (NEW,), "learn": (NEW,)}

    run(test)


def test_faust_lists_other_members_too() -> None:
    """The addresses of others, which a member of release 0.1 may hold, are not its own version."""
    other = {"http://orch-streams/0.2.0": {}}
    data = json.dumps({"url": "http://host:6066", "external_topic_distribution": other}).encode()
    assert _version_in(ConsumerProtocolMemberMetadata(2, ["t"], data).encode()) is None


@pytest.mark.parametrize("data", [b"", b"orch-streams", b"my-orch-streams/0.2.0", b"{", b"{}", b'{"url": 1}', b"\xff"])
def test_what_names_no_version_has_none(data: bytes) -> None:
    """Whatever another program writes there."""
    assert _version_in(ConsumerProtocolMemberMetadata(0, ["t"], data).encode()) is None
    assert _version_in(data) is None


@pytest.mark.parametrize(
    ("version", "older"),
    [
        (None, True),
        ("unknown", True),
        ("0.1.0", True),
        ("0.1.9.post3", True),
        ("0.2.0.dev0", False),
        ("0.2", False),
        ("0.10.1rc1", False),
        ("1.0.0+local", False),
    ],
)
def test_versions_are_compared_by_numbers(version: str | None, older: bool) -> None:
    """A pre-release counts as its release, and a version that is not known as older."""
    assert is_older(version, (0, 2)) is older


CONFIGURATION = """
[policy]
policy_id = "p"
{rules}
[routing]
panel_size = 1
[merge]
rule = "vote"
[[agents]]
kind = "simulated"
name = "a"
"""


def workspace(cluster: Cluster, folder: Path, rules: str = "") -> Workspace:
    """Make the workspace of a log, with a policy of v2, or under the given rules."""
    path = folder / f"{rules or 'newest'}.toml"
    path.write_text(CONFIGURATION.format(rules=rules and f'rules = "{rules}"'))
    return Workspace(cluster.connection.url, str(path))


def test_a_policy_of_v2_waits_for_old_workers(run: Run, tmp_path: Path) -> None:
    """It is refused while an old member is there; one of v1 is adopted, and with `force` any."""

    async def test(cluster: Cluster) -> None:
        work, first = workspace(cluster, tmp_path), workspace(cluster, tmp_path, "v1")
        async with cluster.member(), old_member(cluster.connection):
            with pytest.raises(OperatorError, match=r"orch-agents has 1 of version 0\.1 or another program") as refused:
                await asyncio.to_thread(adopt_policy, work)
            assert "--force" in (refused.value.remedy or "")
            adoption = await asyncio.to_thread(adopt_policy, first)
            assert (type(adoption.policy), adoption.warning) == (PolicyAdopted, "")
            forced = await asyncio.to_thread(adopt_policy, work, force=True)
            assert isinstance(forced.policy, PolicyAdoptedV2)
            assert "dead letters" in forced.warning
            again = await asyncio.to_thread(adopt_policy, work)
            assert not again.changed, "a policy in force needs no check"
        assert isinstance(await asyncio.to_thread(policy_in_force, work), PolicyAdoptedV2)

    run(test)


def test_a_policy_of_v2_is_adopted_where_all_know_it(run: Run, tmp_path: Path) -> None:
    """With new workers nothing is said; without any, what old ones would do."""

    async def test(cluster: Cluster) -> None:
        async with cluster.member():
            adoption = await asyncio.to_thread(adopt_policy, workspace(cluster, tmp_path))
            assert (adoption.changed, adoption.warning) == (True, "")
        await asyncio.to_thread(adopt_policy, workspace(cluster, tmp_path, "v1"))
        adoption = await asyncio.to_thread(adopt_policy, workspace(cluster, tmp_path))
        assert adoption.warning.startswith("No worker is running")

    run(test)
