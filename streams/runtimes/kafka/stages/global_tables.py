"""The newest policy and router table, followed on Kafka."""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.event import Event
from schemas.policies import PolicyAdopted
from schemas.registry import InvalidRecord, decode
from schemas.router import RouterEntry
from streams.processors.fold import Tables
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.fetch import plain_consumer
from streams.runtimes.kafka.client.lifecycle import let_go
from streams.topology import POLICIES, ROUTER, TOPICS

_WAIT_MS = 100
_LOOK_S = 0.005

_log = structlog.get_logger("orch.global_tables")


class KafkaGlobalTables:
    """
    Reads `orch.policies` and `orch.router` from their beginnings and follows new records.

    After `catch_up` the tables are at least as new as any process saw them before the call.

    Args:
        connection: The cluster.
        topics: Topics to read.
        hear: Called with every event, in the order of each partition.
    """

    def __init__(
        self,
        connection: Connection,
        topics: tuple[str, ...] = (POLICIES, ROUTER),
        hear: Callable[[Event], None] = lambda event: None,
    ) -> None:
        self.entries: dict[tuple[str, str], RouterEntry] = {}
        self.policies: dict[str, PolicyAdopted] = {}
        """Every policy read, by event id, in order of adoption."""
        self.tables = Tables(None, self.entries)
        self._connection = connection
        self._hear = hear
        self._places = {
            TopicPartition(connection.topic(name), partition): name
            for name in topics
            for partition in range(TOPICS[name].partitions)
        }
        self._read = dict.fromkeys(self._places, 0)
        """Next offset of each partition; the tables hold all earlier records."""
        self._consumer: AIOKafkaConsumer | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """
        Read all existing records, then follow new ones in the background.

        Raises:
            OperatorError: No broker answers.
        """
        self._consumer = await plain_consumer(self._connection)
        self._consumer.assign(list(self._places))
        await self._consumer.seek_to_beginning()
        self._task = asyncio.create_task(self._follow(), name="tables")
        await self.catch_up()

    async def stop(self) -> None:
        """Stop following and disconnect."""
        if self._task is not None:
            self._task.cancel()
            # Callers of `catch_up` and `policy` get the task's error; here it must not keep the connection open.
            await asyncio.gather(self._task, return_exceptions=True)
        if self._consumer is not None:
            await let_go(self._consumer)

    async def catch_up(self) -> None:
        """Wait until the tables hold every record that was in the topics at the time of the call."""
        consumer = self._consumer
        assert consumer is not None, "start() comes first"
        ends = await consumer.end_offsets(list(self._places))
        for place, end in ends.items():
            while self._read[place] < end:
                self._check()
                await asyncio.sleep(_LOOK_S)

    async def policy(self) -> PolicyAdopted:
        """Wait until a policy is adopted, and give the newest."""
        warned = False
        while self.tables.policy is None:
            self._check()
            if not warned:
                _log.warning("no_policy", topic=POLICIES, remedy="`orch policy adopt` writes the configured one")
                warned = True
            await asyncio.sleep(_WAIT_MS / 1000)
        return self.tables.policy

    def _check(self) -> None:
        if self._task is not None and self._task.done():
            self._task.result()

    async def _follow(self) -> None:
        consumer = self._consumer
        assert consumer is not None, "start() makes it"
        while True:
            try:
                found = await consumer.getmany(timeout_ms=_WAIT_MS)
            except KafkaError as error:
                _log.warning("tables_not_read", error=type(error).__name__)
                await asyncio.sleep(_WAIT_MS / 1000)
                continue
            for place, records in found.items():
                for record in records:
                    self._take(self._places[place], record)
            for place in self._places:
                self._read[place] = await consumer.position(place)

    def _take(self, topic: str, record: Any) -> None:
        try:
            event: Event = decode(topic, record.value or b"", record.timestamp)
        except InvalidRecord as problem:
            _log.warning("record_skipped", topic=topic, offset=record.offset, problem=str(problem))
            return
        self._hear(event)
        if isinstance(event, RouterEntry):
            line = event.scope, event.agent
            known = self.entries.get(line)
            # A zombie, or a new owner that sends the last batch again, may write an older entry behind a newer one.
            if known is None or known.sequence < event.sequence:
                self.entries[line] = event
        elif isinstance(event, PolicyAdopted):
            self.policies.pop(event.event_id, None)
            self.policies[event.event_id] = event
            self.tables.policy = event
