"""Replicas of topics, and what a creation says about them."""

from pathlib import Path

import pytest

from streams.cli import topics as topics_command
from streams.runtimes.kafka.client.rights import TopicState
from streams.runtimes.kafka.client.topic_check import INSYNC, replica_checks
from streams.runtimes.kafka.client.topics import Creation

from ..command_in_process import Inside


def found(replicas: int, insync: int, needed: str | None, brokers: int) -> list[tuple[str, str]]:
    """Give state and finding of a topic with these replicas."""
    configs = None if needed is None else {INSYNC: needed}
    state = TopicState(hidden=False, partitions=8, replicas=replicas, insync=insync, operations=None)
    return [(check.state, check.finding) for check in replica_checks("orch.questions", state, configs, brokers)]


@pytest.mark.parametrize(
    ("replicas", "insync", "needed", "brokers"), [(1, 1, "1", 1), (3, 3, "2", 3), (3, 3, "2", 9), (2, 2, "1", 2)]
)
def test_replicas_in_order_are_not_worth_a_word(replicas: int, insync: int, needed: str, brokers: int) -> None:
    """As `topics create` makes them, on clusters of any size."""
    assert found(replicas, insync, needed, brokers) == []


@pytest.mark.parametrize(
    ("replicas", "insync", "needed", "brokers", "state", "said"),
    [
        (1, 1, "1", 3, "warn", "1 of 3 brokers"),
        (2, 2, "1", 3, "warn", "2 of 3 brokers"),
        (3, 2, "2", 3, "warn", "2 of 3 replicas are in sync"),
        (3, 1, "2", 3, "fail", "nobody can write"),
        (3, 3, "1", 3, "warn", "one broker alone may hold it"),
        (3, 3, "3", 3, "warn", "one broker that is down stops all writing"),
        (3, 3, "4", 3, "fail", "nobody can write"),
        (3, 2, None, 3, "warn", "2 of 3 replicas are in sync"),
    ],
)
def test_replicas_that_lose_or_stop_are_told(
    replicas: int, insync: int, needed: str | None, brokers: int, state: str, said: str
) -> None:
    """What one broker can lose is a warning; what stands still already, a failure."""
    assert [one for one in found(replicas, insync, needed, brokers) if one[0] == state and said in one[1]]


@pytest.mark.parametrize(
    ("replicas", "brokers", "warned"), [(1, 3, True), (2, 3, True), (3, 3, False), (1, 1, False), (2, 2, False)]
)
def test_creation_warns_of_too_few_replicas(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replicas: int, brokers: int, warned: bool
) -> None:
    """Fewer replicas than the cluster could hold are created as told, with a warning on stderr."""
    created = Creation(["orch.questions"], replicas, brokers)
    monkeypatch.setattr(topics_command, "create_topics", lambda work, replication: created)
    done = Inside(tmp_path).orch("--log", "kafka://nowhere:1", "topics", "create", "--replication", str(replicas))
    assert done.code == 0
    assert "1 topic created: orch.questions" in done.out
    assert ("Warning" in done.err) is warned
    assert not warned or f"on a cluster of {brokers} brokers" in done.err
