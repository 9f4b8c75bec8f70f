"""A running stage's repeated look at its topics."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from streams.errors import OperatorError, OrchError
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.topics import require_partition
from streams.runtimes.kafka.stages.input_marks import Folded
from streams.runtimes.kafka.stages.inspection import Inspection
from streams.runtimes.kafka.stages.losses import require_inputs

LOOK_S = 10.0
"""Time between two looks. A topic that is created again and outgrows its offsets meanwhile is told by the mark of its
last folded record; until then the stage skips the new topic's records, and a rebuild takes them."""

LIMIT_S = 10.0
"""Longest time of a look. A client asks for the ends of a topic that was just deleted for 40 s; the next look knows."""

_log = structlog.get_logger("orch.input_watch")


class InputWatch:
    """
    Looks whether the topics of a stage are still those that it folds.

    Args:
        connection: The cluster.
        inspection: Looks into the topics.
        stage: Name of the stage.
        topics: Its input topics.
        folded: Gives what is folded now, by partition.
    """

    def __init__(
        self,
        connection: Connection,
        inspection: Inspection,
        stage: str,
        topics: Sequence[str],
        folded: Callable[[], Mapping[int, Folded]],
    ) -> None:
        self._connection = connection
        self._inspection = inspection
        self._stage = stage
        self._topics = tuple(map(connection.topic, topics))
        self._folded = folded
        self._missing: frozenset[str] = frozenset()
        self._shortened: set[int] = set()

    async def run(self, fail: Callable[[Exception], None]) -> None:
        """Look again and again, until a look finds that the stage must not go on; *fail* gets the error."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                async with asyncio.timeout(LIMIT_S):
                    await self.look()
            except (KafkaError, TimeoutError) as error:
                # Brokers that are away are reported elsewhere.
                _log.debug("inputs_not_seen", stage=self._stage, why=f"{type(error).__name__}: {error}")
            except OrchError as error:
                fail(error)
                return

    async def look(self) -> None:
        """
        Look once.

        Raises:
            OperatorError: A topic was deleted, or deleted and created again, or got more partitions.
            KafkaError: The brokers do not answer, or refuse.
        """
        partitions = await self._inspection.partitions((*self._topics, self._changelog))
        for topic in self._topics:
            require_partition(self._connection, self._connection.logical(topic), partitions.get(topic, 1) - 1)
        missing = frozenset(topic for topic in (*self._topics, self._changelog) if topic not in partitions)
        # A broker that has just started may not know all topics yet.
        if gone := sorted(missing & self._missing):
            raise OperatorError(
                f"topic {gone[0]} is not there any more",
                remedy=f"Restore it. If it was meant, `orch topics create` makes an empty one, and `orch worker"
                f" {self._stage} --rebuild` derives the states from what the topics hold then",
                topic=gone[0],
            )
        self._missing = missing
        if missing:
            return
        folded = dict(self._folded())
        await require_inputs(self._connection, self._inspection, self._stage, folded)
        places = [
            TopicPartition(self._changelog, partition) for partition in folded if partition not in self._shortened
        ]
        for place, bounds in (await self._inspection.bounds(places)).items():
            if bounds.begin > folded[place.partition].since:
                self._shortened.add(place.partition)
                _log.error(
                    "changelog_shortened",
                    changelog=place.topic,
                    partition=place.partition,
                    begin=bounds.begin,
                    remedy="Set cleanup.policy=compact again. The next owner refuses it; --rebuild derives the states",
                )

    @property
    def _changelog(self) -> str:
        return self._connection.changelog(self._stage)
