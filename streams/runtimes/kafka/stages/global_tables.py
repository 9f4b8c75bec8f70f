"""The newest policy, router table and weights, followed on Kafka."""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from schemas.event import Event
from schemas.policies import PolicyAdopted
from schemas.registry import InvalidRecord, decode
from schemas.router import RouterEntry
from schemas.weights import WeightsEntry
from streams.processors.fold import Tables
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.topic_follower import TopicFollower
from streams.topology import POLICIES, ROUTER, WEIGHTS

_WAIT_MS = 100

_log = structlog.get_logger("orch.global_tables")


class KafkaGlobalTables:
    """
    Reads `orch.policies` and `orch.router` from their beginnings and follows new records.

    `orch.weights` is followed from the first policy with learned odds on, because an older log may lack the topic. Such
    a policy is in force here once the weights are read that were there before it.

    After `catch_up` the tables are at least as new as any process saw them before the call.

    Args:
        connection: The cluster.
        topics: Topics to read, beside that of the weights.
        hear: Called with every event, in the order of each partition.
    """

    def __init__(
        self,
        connection: Connection,
        topics: tuple[str, ...] = (POLICIES, ROUTER),
        hear: Callable[[Event], None] = lambda event: None,
    ) -> None:
        self.entries: dict[tuple[str, str], RouterEntry] = {}
        self.weights: dict[str, WeightsEntry] = {}
        self.policies: dict[str, PolicyAdopted] = {}
        """Every policy read, by event id, in order of adoption."""
        self.tables = Tables(None, self.entries, self.weights)
        self._connection = connection
        self._hear = hear
        self._follower = TopicFollower(connection, topics, self._take)
        self._routes = ROUTER in topics
        self._weights: TopicFollower | None = None

    async def start(self) -> None:
        """
        Read all existing records, then follow new ones in the background.

        Raises:
            OperatorError: No broker answers.
        """
        await self._follower.start()

    async def stop(self) -> None:
        """Stop following and disconnect."""
        await self._follower.stop()
        if self._weights is not None:
            await self._weights.stop()

    async def catch_up(self) -> None:
        """Wait until the tables hold every record that was in the topics at the time of the call."""
        await self._follower.catch_up()
        if self._weights is not None:
            await self._weights.catch_up()

    async def policy(self) -> PolicyAdopted:
        """Wait until a policy is adopted, and give the newest."""
        warned = False
        while self.tables.policy is None:
            self._follower.check()
            if not warned:
                _log.warning("no_policy", topic=POLICIES, remedy="`orch policy adopt` writes the configured one")
                warned = True
            await asyncio.sleep(_WAIT_MS / 1000)
        return self.tables.policy

    async def _take(self, topic: str, record: Any) -> None:
        try:
            event: Event = decode(topic, record.value or b"", record.timestamp)
        except InvalidRecord as problem:
            _log.warning("record_skipped", topic=topic, offset=record.offset, problem=str(problem))
            return
        self._hear(event)
        # A zombie, or a new owner that sends the last batch again, may write an older entry behind a newer one.
        if isinstance(event, RouterEntry):
            line = event.scope, event.agent
            known = self.entries.get(line)
            if known is None or known.sequence < event.sequence:
                self.entries[line] = event
        elif isinstance(event, WeightsEntry):
            table = self.weights.get(event.scope)
            if table is None or table.sequence < event.sequence:
                self.weights[event.scope] = event
        elif isinstance(event, PolicyAdopted):
            if self._routes and self._weights is None and event.rule_versions.odds is not None:
                await self._follow_weights()
            self.policies.pop(event.event_id, None)
            self.policies[event.event_id] = event
            self.tables.policy = event

    async def _follow_weights(self) -> None:
        self._weights = TopicFollower(self._connection, (WEIGHTS,), self._take)
        await self._weights.start(patient=True)
