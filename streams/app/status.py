"""The state of a log, read again and again."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from streams.app.require_kafka import connection_of
from streams.app.workspace import Workspace
from streams.audit.log_status import STATUS_TOPICS, LogStatus, StatusTally
from streams.log import wall_clock_ms

if TYPE_CHECKING:
    from streams.runtimes.kafka.client.connection import Connection

RECENT_MS = 300_000
"""Length of the last while, for rates and calls."""


class StageState(NamedTuple):
    """One stage of a log on Kafka."""

    stage: str
    members: int
    lag: int
    held: int
    """Records of the lag that wait for the end of a transaction."""


@dataclass(frozen=True, slots=True)
class Glance:
    """What `orch status` tells."""

    log: LogStatus
    lag: int | None
    """Records that a file holds and that are not folded; None on Kafka and in an archive."""
    stages: tuple[StageState, ...] = ()
    """Stages of a log on Kafka."""

    def as_json(self) -> dict[str, Any]:
        """Give the contract of `orch status --format json`."""
        return {**self.log.as_json(), "lag": self.lag, "stages": [stage._asdict() for stage in self.stages]}


@contextmanager
def glances(work: Workspace, recent_ms: int = RECENT_MS) -> Iterator[Callable[[], Glance]]:
    """
    Give a function that reads what came since its last call, and gives the state now. Nothing is written.

    Raises:
        UsageError: There is no such log.
        OperatorError: No broker answers, or the user lacks a right.
    """
    if work.log.scheme == "kafka":
        with _on_kafka(connection_of(work, "status"), recent_ms) as look:
            yield look
        return
    tally = StatusTally(recent_ms)
    with work.open_reader(topics=STATUS_TOPICS) as reader:
        after = 0

        def look() -> Glance:
            nonlocal after
            reader.refresh()
            now_ms = wall_clock_ms()
            tally.add(reader.records(STATUS_TOPICS, after=after), now_ms)
            after = reader.end
            return Glance(tally.at(now_ms), None if reader.archived else reader.end - reader.folded)

        yield look


@contextmanager
def _on_kafka(connection: "Connection", recent_ms: int) -> Iterator[Callable[[], Glance]]:
    from streams.runtimes.kafka.client.consumer_lag import GROUPS, group_lags
    from streams.runtimes.kafka.client.fetch import plain_consumer
    from streams.runtimes.kafka.client.least_rights import Right, reading
    from streams.runtimes.kafka.client.lifecycle import let_go
    from streams.runtimes.kafka.client.topics import require_topics
    from streams.runtimes.kafka.reading.topic_reader import TopicReader

    tally = StatusTally(recent_ms)
    topics = dict.fromkeys(topic for read in GROUPS.values() for topic in read)
    rights = [
        *reading(STATUS_TOPICS),
        *(Right("DESCRIBE", "topic", topic) for topic in topics if topic not in STATUS_TOPICS),
        *(Right("DESCRIBE", "group", stage) for stage in GROUPS),
    ]
    with asyncio.Runner() as runner:
        runner.run(require_topics(connection, rights))
        consumer = runner.run(plain_consumer(connection))
        try:
            topic_reader = TopicReader(connection, consumer, STATUS_TOPICS)

            async def read() -> Glance:
                async for records in topic_reader.read():
                    tally.add(records, wall_clock_ms())
                lags = await group_lags(connection)
                stages = (StageState(lag.stage, lag.members.number, lag.lag, lag.held) for lag in lags)
                return Glance(tally.at(wall_clock_ms()), None, tuple(stages))

            yield lambda: runner.run(read())
        finally:
            runner.run(let_go(consumer))
