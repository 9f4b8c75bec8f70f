"""Checks of the topics on a cluster: shape, settings, replicas."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAuthorizationFailedError, for_code

from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.rights import TopicState, topic_states
from streams.runtimes.kafka.client.topics import (
    CLIENT_ERRORS,
    FIXED_PARTITIONS,
    FREE_CONFIGS,
    TopicSpec,
    administered,
    refused_request,
    wanted_topics,
)
from streams.topology import MOST_REPLICAS

INSYNC = "min.insync.replicas"


class TopicCheck(NamedTuple):
    """The result of a check of one topic."""

    topic: str
    state: Literal["ok", "missing", "wrong", "hidden", "unchecked", "warn", "fail"]
    finding: str
    remedy: str = ""


class TopicsChecked(NamedTuple):
    """The topics of a log as a cluster has them."""

    topics: list[TopicCheck]
    replicas: list[TopicCheck]
    """Only what is worth a word: what replicas can lose (warn), or that nobody can write (fail)."""


async def check_topics(connection: Connection) -> TopicsChecked:
    """
    Compare the topics on the cluster with those of a log.

    Raises:
        OperatorError: No broker answers, or it refuses.
    """
    wanted = wanted_topics(connection)
    async with administered(connection) as admin:
        try:
            states = await topic_states(admin, [topic.name for topic in wanted])
            there = [topic.name for topic in wanted if states[topic.name].partitions]
            configs = await _configs(admin, there)
            brokers = len((await admin.describe_cluster())["brokers"])
        except CLIENT_ERRORS as error:
            raise await refused_request(connection, error) from error
    checked = [_check(topic, states[topic.name], configs.get(topic.name)) for topic in wanted]
    found = (replica_checks(name, states[name], configs.get(name), brokers) for name in there)
    return TopicsChecked(checked, [check for checks in found for check in checks])


def _check(topic: TopicSpec, state: TopicState, configs: Mapping[str, str] | None) -> TopicCheck:
    name = topic.name
    if state.hidden:
        remedy = "Without DESCRIBE nobody knows whether it is there; infra/README.md lists the least rights"
        return TopicCheck(name, "hidden", f"the user lacks DESCRIBE on topic {name}", remedy)
    if not state.partitions and topic.only_odds:
        found = "is not there; only policies with learned odds need it"
        return TopicCheck(name, "warn", found, "`orch topics create` makes it")
    if not state.partitions:
        return TopicCheck(name, "missing", "is not there", "`orch topics create` makes it")
    if state.partitions != topic.partitions:
        found = f"{state.partitions} partitions instead of {topic.partitions}"
        return TopicCheck(name, "wrong", found, FIXED_PARTITIONS)
    if configs is None:
        found = f"its settings are not checked: the user lacks DESCRIBE_CONFIGS on topic {name}"
        return TopicCheck(name, "unchecked", found, "An administrator gives it, or checks the topics")
    problems = [
        f"{setting}={configs[setting]} instead of {value}"
        for setting, value in topic.configs.items()
        if configs.get(setting, value) != value and setting not in FREE_CONFIGS
    ]
    if problems:
        return TopicCheck(
            name, "wrong", "; ".join(problems), f"kafka-configs.sh --alter --topic {name} --add-config ..."
        )
    found = f"{topic.partitions} partitions, {state.replicas} replicas, {topic.configs['cleanup.policy']}"
    return TopicCheck(name, "ok", found)


def replica_checks(
    name: str, state: TopicState, configs: Mapping[str, str] | None, brokers: int
) -> Iterator[TopicCheck]:
    """Check the replicas of a topic against those that the cluster could hold, and those in sync."""
    most = min(MOST_REPLICAS, brokers)
    if state.replicas < most:
        found = f"{state.replicas} of {brokers} brokers hold a partition of it: what they lose is lost"
        yield TopicCheck(name, "warn", found, f"kafka-reassign-partitions.sh gives it {most} replicas")
    needed = int((configs or {}).get(INSYNC, "1"))
    if state.insync < min(needed, state.replicas) or needed > state.replicas:
        found = (
            f"{state.insync} of {state.replicas} replicas are in sync, and {INSYNC}={needed}: nobody can write to it"
        )
        yield TopicCheck(name, "fail", found, "Start the brokers that are down, or lower the setting")
    elif state.insync < state.replicas:
        found = f"{state.insync} of {state.replicas} replicas are in sync"
        yield TopicCheck(name, "warn", found, "Start the brokers that are down, or wait until they have caught up")
    if configs is None or state.replicas == 1:
        return
    if needed == 1 and state.replicas >= MOST_REPLICAS:
        found = f"{INSYNC}=1: a record counts as written although one broker alone may hold it"
        yield TopicCheck(name, "warn", found, f"kafka-configs.sh --alter --topic {name} --add-config {INSYNC}=2")
    elif needed == state.replicas:
        found = f"{INSYNC}={needed} of {state.replicas} replicas: one broker that is down stops all writing"
        yield TopicCheck(name, "warn", found, f"Lower {INSYNC}, or give it more replicas")


async def _configs(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Read the configuration of topics, without those whose configuration the user may not read."""
    if not names:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    found: dict[str, dict[str, str]] = {}
    for response in await admin.describe_configs(resources):
        for code, _, _, name, entries in response.resources:
            if not code:
                found[name] = {entry[0]: entry[1] for entry in entries}
            elif for_code(code) is not TopicAuthorizationFailedError:
                raise for_code(code)(name)
    return found
