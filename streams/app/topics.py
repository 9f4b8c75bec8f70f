"""Topics of a log: creation, checks and record counts."""

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from streams.app.require_kafka import connection_of
from streams.app.workspace import Workspace

if TYPE_CHECKING:
    from streams.runtimes.kafka.client.topic_check import TopicsChecked
    from streams.runtimes.kafka.client.topics import Creation


def create_topics(work: Workspace, replication: int | None = None) -> "Creation":
    """
    Create the topics that are missing on Kafka.

    Raises:
        OperatorError: No broker answers, it refuses, or the user lacks a right.
    """
    connection = connection_of(work, "topics create")
    from streams.runtimes.kafka.client import topics

    return asyncio.run(topics.create_topics(connection, replication))


def check_topics(work: Workspace) -> "TopicsChecked":
    """
    Compare the topics on Kafka with those a log needs.

    Raises:
        OperatorError: No broker answers, or it refuses.
    """
    connection = connection_of(work, "topics check")
    from streams.runtimes.kafka.client import topic_check

    return asyncio.run(topic_check.check_topics(connection))


def events_by_topic(work: Workspace) -> Counter[str] | None:
    """Count the events of each topic; None if the log does not exist yet."""
    if not work.log_exists:
        return None
    counts: Counter[str] = Counter()
    with work.open_reader() as reader:
        for (name, _), end in reader.ends().items():
            counts[name] += end
    return counts
