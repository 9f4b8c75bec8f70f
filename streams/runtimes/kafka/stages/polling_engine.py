"""The engine on aiokafka, and the queue before a stage."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

import structlog

from streams.errors import TransientError
from streams.log import Record, Subscription
from streams.runtimes.kafka.stages.stage import KafkaStage

BATCH_RECORDS = 500
"""Most records of a batch. A batch holds the records that arrived while the one before was processed: it is large under
load, and no record waits for others when there is little load."""

MOST_WAITING = 2_000
"""Queued records at which the engine pauses reading."""

POLL_MS = 100
COMMIT_S = 0.5

_log = structlog.get_logger("orch.polling_engine")

Done = Callable[[], None]
"""Called when a record is folded and its outputs are acknowledged."""

Place = tuple[str, int]
"""Topic, by its name in the topology, and partition."""


class _WaitingRecord(NamedTuple):
    """A record that waits."""

    record: Record
    done: Done | None
    since: int
    """Offset from which on the engine has left out no record before this one."""


class RecordQueue:
    """
    Queue of records before one stage.

    A record is acknowledged only after the stage has processed it. After a failure the stage folds nothing more: the
    process ends, and its next start resumes from the changelog.
    """

    def __init__(self, stage: KafkaStage) -> None:
        self.stage = stage
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Completes with the stage's first error."""
        self._waiting: deque[_WaitingRecord] = deque()
        self._next: dict[Place, int] = {}
        """Offset behind the record queued last, by place; before the first one, where reading began."""
        self._read_to: dict[Place, int] = {}
        """Offset up to which the engine has read: from `_next` on there is no record before it."""
        self._came = asyncio.Event()
        stage.on_failure = self.fail

    @property
    def full(self) -> bool:
        """Whether the engine should pause reading."""
        return len(self._waiting) >= MOST_WAITING

    def put(self, record: Record, done: Done | None = None) -> None:
        """Queue a record."""
        place = record.topic, record.partition
        since = min(self._next.get(place, record.offset), record.offset)
        if place in self._next:
            self._next[place] = record.offset + 1
        self._waiting.append(_WaitingRecord(record, done, since))
        self._came.set()

    def read_to(self, reached: Mapping[Place, int]) -> None:
        """
        Take the offsets up to which the engine has read; an engine that does not know them never calls this.

        Args:
            reached: Of all places that it holds, after every record before these offsets was queued.
        """
        self._next = {place: self._next.get(place, offset) for place, offset in reached.items()}
        self._read_to = dict(reached)

    def reached(self) -> dict[Place, int]:
        """
        Give `KafkaStage.reached`, beyond what is no record there: transaction markers, and records of aborted ones.

        Without it, they would count as lag for good where nothing follows.
        """
        done = self.stage.reached()
        for place, end in self._read_to.items():
            if self._next[place] <= done.get(place, -1) < end:
                done[place] = end
        return done

    def fail(self, error: Exception) -> None:
        """Report an error that ends the stage; the first one counts."""
        if not self.failed.done():
            self.failed.set_exception(error)

    async def work(self) -> None:
        """Process queued records in batches until an error occurs."""
        try:
            while True:
                await self._came.wait()
                batch = [self._waiting.popleft() for _ in range(min(BATCH_RECORDS, len(self._waiting)))]
                if not self._waiting:
                    self._came.clear()
                since: dict[Place, int] = {}
                for one in batch:
                    since.setdefault((one.record.topic, one.record.partition), one.since)
                taken = await self.stage.take([one.record for one in batch], since)
                for one in batch:
                    # Records of partitions that other members hold now must not be acknowledged.
                    if one.done is not None and one.record.partition in taken:
                        one.done()
        except Exception as error:
            self.fail(error)


class Engine(Protocol):
    """Runs one stage as a member of its consumer group."""

    @property
    def line(self) -> RecordQueue:
        """Queue of records before the stage."""

    async def start(self) -> None:
        """
        Join the group.

        Raises:
            OperatorError: No broker answers.
        """

    async def stop(self) -> None:
        """Commit the offsets of processed records and leave the group."""


class PollingEngine:
    """
    Runs a stage on a subscription: one task polls records into the queue, one processes them, one commits offsets.

    Args:
        stage: Processes the records.
        subscription: Not started.
    """

    def __init__(self, stage: KafkaStage, subscription: Subscription) -> None:
        self.line = RecordQueue(stage)
        self._stage = stage
        self._subscription = subscription
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Join the group."""
        await self._subscription.start(self._stage.processor.reads)
        self._tasks = [asyncio.create_task(task) for task in (self.line.work(), self._read(), self._keep_committing())]

    async def stop(self) -> None:
        """Commit the offsets of processed records and leave the group."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._tasks:
            await self._commit()
        await self._subscription.stop()
        await self._stage.close()

    async def _read(self) -> None:
        """Poll records and the held partitions, also while the stage processes a batch."""
        topics, paused = self._stage.processor.reads, False
        try:
            while True:
                if self.line.full != paused:
                    paused = not paused
                    (self._subscription.pause if paused else self._subscription.resume)(topics)
                polled = await self._subscription.poll(POLL_MS)
                self._stage.hold(polled.partitions)
                for record in polled.records:
                    self.line.put(record)
                self.line.read_to(polled.reached)
        except Exception as error:
            self.line.fail(error)

    async def _keep_committing(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_S)
            await self._commit()

    async def _commit(self) -> None:
        """Commit the offsets of processed records: a hint where to start reading, since the changelog has the truth."""
        done = {place: offset for place, offset in self.line.reached().items() if offset > 0}
        try:
            await self._subscription.commit(done)
        except TransientError as error:
            _log.debug("commit_failed", stage=self._stage.processor.name, why=str(error))
