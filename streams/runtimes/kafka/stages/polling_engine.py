"""The engine on aiokafka, and the queue before a stage."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

import structlog

from streams.errors import TransientError
from streams.log import Record, Subscription
from streams.runtimes.kafka.stages.stage import KafkaStage

BATCH_RECORDS = 500
"""Most records of a batch. A batch is what came while the one before it was folded: under load it is large, and where
there is little to do nobody waits for more."""

MOST_WAITING = 2_000
"""Records lined up before no more are read."""

POLL_MS = 100
COMMIT_S = 0.5

_log = structlog.get_logger("orch.polling_engine")

Done = Callable[[], None]
"""Called when a record is folded and what follows from it is written."""


class RecordQueue:
    """
    Records on their way into one stage.

    Nothing is acknowledged before the stage is done with it, and after a failure nothing more is folded: the process
    ends, and whoever starts it again goes on from the changelog.
    """

    def __init__(self, stage: KafkaStage) -> None:
        self.stage = stage
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done, with the error, as soon as the stage cannot go on."""
        self._waiting: deque[tuple[Record, Done | None]] = deque()
        self._came = asyncio.Event()
        stage.on_failure = self.fail

    @property
    def full(self) -> bool:
        """Whether no more should be read for now."""
        return len(self._waiting) >= MOST_WAITING

    def put(self, record: Record, done: Done | None = None) -> None:
        """Line up a record."""
        self._waiting.append((record, done))
        self._came.set()

    def fail(self, error: Exception) -> None:
        """End the stage's work; the first error counts."""
        if not self.failed.done():
            self.failed.set_exception(error)

    async def work(self) -> None:
        """Fold what has come, in batches, for as long as nothing fails."""
        try:
            while True:
                await self._came.wait()
                batch = [self._waiting.popleft() for _ in range(min(BATCH_RECORDS, len(self._waiting)))]
                if not self._waiting:
                    self._came.clear()
                taken = await self.stage.take([record for record, _ in batch])
                for record, done in batch:
                    # What another member is to fold must not look done.
                    if done is not None and record.partition in taken:
                        done()
        except Exception as error:
            self.fail(error)


class Engine(Protocol):
    """Runs one stage as a member of its consumer group."""

    @property
    def line(self) -> RecordQueue:
        """The records on their way into the stage."""

    async def start(self) -> None:
        """
        Join the group.

        Raises:
            OperatorError: No broker answers.
        """

    async def stop(self) -> None:
        """Leave the group, with what was done committed."""


class PollingEngine:
    """
    Runs a stage on a subscription.

    Args:
        stage: What to run.
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
        """Leave the group, with what was done committed."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._tasks:
            await self._commit()
        await self._subscription.stop()
        await self._stage.close()

    async def _read(self) -> None:
        """Bring records, and the news of which partitions are held, also while a batch takes its time."""
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
        except Exception as error:
            self.line.fail(error)

    async def _keep_committing(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_S)
            await self._commit()

    async def _commit(self) -> None:
        """Say how far everything is done: a hint where to begin, for the place that counts is in the changelog."""
        done = {place: offset for place, offset in self._stage.reached().items() if offset > 0}
        try:
            await self._subscription.commit(done)
        except TransientError as error:
            _log.debug("commit_failed", stage=self._stage.processor.name, why=str(error))
