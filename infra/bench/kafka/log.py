"""A temporary log on the cluster, and its size."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from aiokafka import AIOKafkaConsumer, TopicPartition

from infra.bench.kafka.plan import FOLDING
from infra.bench.kafka.processes import BenchWorker
from schemas.policies import PolicyAdopted
from streams.errors import InvariantError
from streams.processors import PROCESSORS
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.consumer_lag import group_lags
from streams.runtimes.kafka.client.fetch import plain_consumer
from streams.runtimes.kafka.client.producer import RecordProducer, message_of
from streams.runtimes.kafka.client.topics import administered, create_topics, wanted_topics
from streams.topology import ROUTER, TOPICS

LIMIT_S = 120.0
"""Time without progress that counts as a failure: more than two rebalances on a busy machine."""
LOOK_S, _SETTLE_S = 0.02, 0.2


@asynccontextmanager
async def own_log(cluster: Connection) -> AsyncIterator[Connection]:
    """Make the topics of a log under a random prefix, and delete them when the block ends."""
    mine = replace(cluster, prefix=f"bench-{uuid.uuid4().hex[:12]}")
    await create_topics(mine)
    try:
        yield mine
    finally:
        # Deleting the topics also deletes their consumer groups' offsets.
        async with administered(mine) as admin:
            await admin.delete_topics([topic.name for topic in wanted_topics(mine)])


async def adopt(log: Connection, policy: PolicyAdopted) -> None:
    """Write a policy, and wait until the log has it."""
    async with RecordProducer(log) as producer:
        await producer.publish([message_of(policy)])


class Watch:
    """
    The progress of a log.

    Args:
        log: The log.
        workers: The workers that all progress needs.
        client: Started, a consumer of no group.
    """

    def __init__(self, log: Connection, workers: Sequence[BenchWorker], client: AIOKafkaConsumer) -> None:
        self.log = log
        self.workers = workers
        self._client = client
        names = {topic.name: log.topic(topic.name) for topic in TOPICS.values()}
        self._topics = {
            TopicPartition(names[topic.name], number): topic.name
            for topic in TOPICS.values()
            for number in range(topic.partitions)
        }
        self._changelogs = [
            TopicPartition(log.changelog(processor.name), number)
            for processor in PROCESSORS
            for number in range(max(TOPICS[topic].partitions for topic in processor.reads))
        ]
        # The client looks up topics that are not assigned to it one by one, a tenth of a second each.
        client.assign([*self._topics, *self._changelogs])
        client.pause(*self._topics, *self._changelogs)

    async def counts(self) -> dict[str, int]:
        """Count the records ever written to each topic of the topology."""
        found = dict.fromkeys(TOPICS, 0)
        for place, end in (await self._client.end_offsets(list(self._topics))).items():
            found[self._topics[place]] += end
        return found

    async def in_changelogs(self) -> int:
        """Count the records ever written to the changelogs."""
        return sum((await self._client.end_offsets(self._changelogs)).values())

    async def reached(self, topic: str, count: int) -> None:
        """
        Wait until a topic has had so many records.

        Raises:
            InvariantError: A worker ended, or nothing came for long.
        """
        known, since = -1, time.monotonic()
        while (written := (await self.counts())[topic]) < count:
            if written != known:
                known, since = written, time.monotonic()
            self.require(since)
            await asyncio.sleep(LOOK_S)

    async def settled(self) -> None:
        """
        Wait until every record is folded, those that follow included.

        Raises:
            InvariantError: A worker ended, or folding makes no progress.
        """
        known, since = -1, time.monotonic()
        # Lags are read in the order in which records move, so a stage's output shows as the lag of the next stage.
        while lag := sum(one.lag for one in await group_lags(self.log) if one.stage in FOLDING):
            if lag != known:
                known, since = lag, time.monotonic()
            self.require(since)
            await asyncio.sleep(_SETTLE_S)

    async def last_learned_s(self) -> float:
        """Give the time of the newest record of the router table, in seconds since 1970 by its writer's clock."""
        place = TopicPartition(self.log.topic(ROUTER), 0)
        (end,) = (await self._client.end_offsets([place])).values()
        self._client.seek(place, end - 1)
        self._client.resume(place)
        record = await self._client.getone(place)
        self._client.pause(place)
        return float(record.timestamp) / 1000

    def require(self, since: float) -> None:
        """
        Make sure that progress is possible.

        Raises:
            InvariantError: A worker ended, or the last progress, by the monotonic clock, is too long ago.
        """
        for worker in self.workers:
            worker.require()
        if time.monotonic() > since + LIMIT_S:
            raise InvariantError(f"nothing happened for {LIMIT_S:.0f} s in {self.log.url}")


@asynccontextmanager
async def watched(log: Connection, workers: Sequence[BenchWorker] = ()) -> AsyncIterator[Watch]:
    """Connect to a log, to read its progress."""
    client = await plain_consumer(log)
    try:
        yield Watch(log, workers, client)
    finally:
        await client.stop()
