"""Consumer of assigned partitions, their open questions and commits."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any

import structlog
from structlog.typing import FilteringBoundLogger

from schemas.registry import InvalidRecord, decode
from streams.errors import OperatorError, TransientError, UnreachableError
from streams.log import Polled, Record, Subscription
from streams.workers.onlooker import Onlooker
from streams.workers.open_questions import OpenQuestions
from streams.workers.question_state import QuestionState

COMMIT_S = 1.0
"""Time between two commits; a killed member leaves the records of about this time to be read again."""

JOIN_S = 3.0
"""Time between two tries to join while no broker can be used."""
ENDS_S = 10.0
"""Longest time between two looks at the ends of the topics: one that ends before the position was made anew."""

_log: FilteringBoundLogger = structlog.get_logger("orch.partition_consumer")


class PartitionConsumer:
    """
    Reads the partitions that are assigned to a group member, from their committed offsets.

    Args:
        subscription: Not started.
        topics: Topics to read; co-partitioned by question.
    """

    def __init__(self, subscription: Subscription, topics: Sequence[str]) -> None:
        self._subscription = subscription
        self._topics = topics
        self.waited: Callable[[int], None] = lambda ms: None
        """Called with the time that a question waited for its decision, if that was read as it came."""
        self.onlooker: Onlooker | None = None
        """Is told of the same decisions."""
        self._loads: dict[int, OpenQuestions] = {}
        self._behind: dict[int, OpenQuestions] = {}
        """Partitions not known to be caught up."""
        self._committed: dict[tuple[str, int], int] = {}
        self._replaced = False
        """Whether a topic was deleted and created again: positions in the old one must not be committed."""
        self._look_at = 0.0
        """Time of the next look at the ends, if no question needs it before."""
        self._settling: asyncio.Task[None] | None = None
        self._settle_at = 0.0

    async def start(self) -> None:
        """
        Join the consumer group, and wait for brokers that are away: the process watches them, and ends if need be.

        Raises:
            OperatorError: The brokers refuse.
        """
        told = False
        while True:
            try:
                await self._subscription.start(self._topics)
                return
            except UnreachableError as error:
                if not told:
                    _log.warning("join_put_off", why=error.message)
                    told = True
                await asyncio.sleep(JOIN_S)

    async def stop(self) -> None:
        """Commit what can be committed, and leave the group."""
        if self._settling is not None:
            self._settling.cancel()
            await asyncio.gather(self._settling, return_exceptions=True)
        try:
            await self._commit()
        finally:
            await self._subscription.stop()

    async def look(self, wait_ms: int) -> list[QuestionState]:
        """
        Poll for records, at most *wait_ms*, and apply them.

        Returns:
            Questions that changed: open ones of partitions that are caught up, and closed ones. The questions of a
            revoked partition are closed.

        Raises:
            OperatorError: The brokers refuse.
        """
        polled = await self._subscription.poll(wait_ms)
        changed = dict.fromkeys(self._hold(polled))
        for record in polled.records:
            load = self._loads[record.partition]
            case = self._take(load, record)
            if case is not None and case.waited_ms is not None and record.partition not in self._behind:
                self.waited(case.waited_ms)
                self._tell(case, record)
            if case is not None and (case.closed or record.partition not in self._behind):
                changed[case] = None
        for (topic, partition), offset in polled.reached.items():
            self._loads[partition].reach(topic, offset)
        changed.update(dict.fromkeys(self._caught_up()))
        self._settle_in_time()
        return list(changed)

    @property
    def open(self) -> int:
        """Number of open questions in the partitions that are held."""
        return sum(map(len, self._loads.values()))

    @property
    def oldest_ms(self) -> int | None:
        """Timestamp of the oldest open question's record; None if there is none."""
        oldest = (load.oldest_ms for load in self._loads.values())
        return min((ms for ms in oldest if ms is not None), default=None)

    @property
    def behind(self) -> list[int]:
        """Partitions that are not read to the end which they had when they were assigned."""
        return sorted(self._behind)

    def _tell(self, case: QuestionState, record: Record) -> None:
        if self.onlooker is not None and case.decision is not None and case.asked_ms is not None:
            self.onlooker.answered(case.decision, record.headers, case.asked_ms, record.timestamp_ms)

    def close(self, case: QuestionState) -> None:
        """Close a question that needs no more work here."""
        if not case.closed:
            self._loads[case.partition].close(case)

    def _hold(self, polled: Polled) -> Iterator[QuestionState]:
        """Drop the partitions that were revoked, and begin those that were assigned."""
        lost = sorted(self._loads.keys() - polled.partitions)
        gained = sorted(polled.partitions - self._loads.keys())
        for partition in lost:
            yield from self._loads.pop(partition).lose()
            self._behind.pop(partition, None)
            for topic in self._topics:
                self._committed.pop((topic, partition), None)
        for partition in gained:
            begin = {topic: polled.reached[topic, partition] for topic in self._topics}
            self._loads[partition] = self._behind[partition] = OpenQuestions(partition, begin)
            self._settle_at = 0.0
        if lost or gained:
            _log.info("partitions_assigned", partitions=sorted(self._loads), gained=gained, lost=lost)

    def _take(self, load: OpenQuestions, record: Record) -> QuestionState | None:
        if record.offset < load.position[record.topic]:
            return None
        try:
            event = decode(record.topic, record.value, record.timestamp_ms)
        except InvalidRecord as problem:
            # The stage that folds the record writes the dead letter.
            place = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
            _log.info("record_skipped", **place, problem=str(problem))
            load.reach(record.topic, record.offset + 1)
            return None
        return load.take(record, event)

    def _caught_up(self) -> Iterator[QuestionState]:
        """Give the open questions of partitions that have caught up since the last poll."""
        for partition, load in list(self._behind.items()):
            if load.caught_up:
                del self._behind[partition]
                _log.debug("partition_caught_up", partition=partition, open=len(load))
                yield from load.cases()

    def _settle_in_time(self) -> None:
        """Start a commit in the background when it is due; polling must not wait for it."""
        now = asyncio.get_running_loop().time()
        if now < self._settle_at:
            return
        if self._settling is not None:
            if not self._settling.done():
                return
            self._settling.result()
        self._settle_at = now + COMMIT_S
        self._settling = asyncio.create_task(self._settle())

    async def _settle(self) -> None:
        now = asyncio.get_running_loop().time()
        looks = now >= self._look_at
        asked = {partition: load for partition, load in self._loads.items() if looks or load.waits}
        if looks:
            self._look_at = now + ENDS_S
        if asked:
            read = {(topic, number): at for number, load in asked.items() for topic, at in load.position.items()}
            for load in asked.values():
                load.ask()
            try:
                ends = await self._subscription.ends(asked)
            except TransientError as error:
                _log.debug("ends_not_known", why=str(error))
                return
            for place, end in ends.items():
                self._require_reached(*place, read[place], end)
            for partition, load in asked.items():
                here = {topic: ends[topic, partition] for topic in self._topics if (topic, partition) in ends}
                # The ends of a partition that was revoked meanwhile may be unknown.
                if len(here) == len(self._topics):
                    load.mark(here)
        await self._commit()

    def _require_reached(self, topic: str, partition: int, read: int, reached: int) -> None:
        """
        Check that a topic goes at least as far as it was read.

        Raises:
            OperatorError: It was deleted and created again.
        """
        if reached < read:
            self._replaced = True
            raise OperatorError(
                f"{topic}, partition {partition} was read up to offset {read}, and is at offset {reached} now: it was"
                " deleted and created again, or lost its end",
                remedy="Start the worker again: it reads the topic from its beginning. `orch doctor` says whether the"
                " other stages need more",
                topic=topic,
                partition=partition,
            )

    async def _commit(self) -> None:
        if self._replaced:
            return
        offsets = {
            (topic, partition): offset
            for partition, load in self._loads.items()
            for topic, offset in load.commits().items()
        }
        news = {place: offset for place, offset in offsets.items() if self._committed.get(place) != offset}
        if not news:
            return
        try:
            await self._subscription.commit(news)
        except TransientError as error:
            # The next commit covers it, or the partition's next owner reads these records again.
            _log.debug("commit_put_off", why=str(error))
            return
        self._committed.update({place: offset for place, offset in news.items() if place[1] in self._loads})


async def until(stop: asyncio.Event, *work: Coroutine[Any, Any, None]) -> None:
    """
    Run *work* until *stop* is set or one of the coroutines ends.

    Raises:
        Exception: Raised by one of the coroutines.
    """
    tasks = [asyncio.create_task(one) for one in (*work, _heard(stop))]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _heard(stop: asyncio.Event) -> None:
    await stop.wait()
