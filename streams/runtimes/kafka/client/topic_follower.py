"""Topics read from their beginnings and followed."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.errors import OperatorError
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.fetch import patient_consumer, patiently, plain_consumer
from streams.runtimes.kafka.client.lifecycle import let_go
from streams.topology import TOPICS

_WAIT_MS = 100
_LOOK_S = 0.005

_log = structlog.get_logger("orch.topic_follower")


class TopicFollower:
    """
    Reads topics without a consumer group, those of one partition in order.

    Args:
        connection: The cluster.
        topics: Topics to read.
        take: Takes a record, with its topic's name in the topology. An error of it ends the reading, and is raised by
            `catch_up` and `check`.
    """

    def __init__(
        self, connection: Connection, topics: tuple[str, ...], take: Callable[[str, Any], Awaitable[None]]
    ) -> None:
        self._connection = connection
        self._topics = topics
        self._take = take
        self._places = {
            TopicPartition(connection.topic(name), partition): name
            for name in topics
            for partition in range(TOPICS[name].partitions)
        }
        self._read = dict.fromkeys(self._places, 0)
        """Next offset of each partition; all earlier records were taken."""
        self._consumer: AIOKafkaConsumer | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, *, patient: bool = False) -> None:
        """
        Take all existing records, then follow new ones in the background.

        Args:
            patient: Whether to wait for brokers that are away, as a running stage does.

        Raises:
            OperatorError: A topic is missing; or no broker answers.
        """
        self._consumer = await (patient_consumer if patient else plain_consumer)(self._connection)
        there = await self._consumer.topics()
        missing = [name for name in map(self._connection.topic, self._topics) if name not in there]
        if missing:
            raise OperatorError(
                f"{self._connection.url} has no topic {missing[0]}",
                remedy=f"`orch --log {self._connection.url} topics create` creates missing topics",
            )
        self._consumer.assign(list(self._places))
        await self._consumer.seek_to_beginning()
        self._task = asyncio.create_task(self._follow(), name="follower")
        await self.catch_up()

    async def stop(self) -> None:
        """Stop following and disconnect."""
        if self._task is not None:
            self._task.cancel()
            # Callers of `catch_up` and `check` get the task's error; here it must not keep the connection open.
            await asyncio.gather(self._task, return_exceptions=True)
        if self._consumer is not None:
            await let_go(self._consumer)

    async def catch_up(self) -> None:
        """Wait until every record is taken that was in the topics at the time of the call."""
        consumer = self._consumer
        assert consumer is not None, "start() comes first"
        ends = await patiently(lambda: consumer.end_offsets(list(self._places)))
        for place, end in ends.items():
            while self._read[place] < end:
                self.check()
                await asyncio.sleep(_LOOK_S)

    def check(self) -> None:
        """Raise the error that ended the reading, if there was one."""
        if self._task is not None and self._task.done():
            self._task.result()

    async def _follow(self) -> None:
        consumer = self._consumer
        assert consumer is not None, "start() makes it"
        while True:
            try:
                found = await consumer.getmany(timeout_ms=_WAIT_MS)
            except KafkaError as error:
                _log.warning("topics_not_read", error=type(error).__name__)
                await asyncio.sleep(_WAIT_MS / 1000)
                continue
            for place, records in found.items():
                for record in records:
                    await self._take(self._places[place], record)
            for place in self._places:
                self._read[place] = await consumer.position(place)
