"""The host of one processor and its partition tasks."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path

import structlog
from aiokafka.errors import KafkaError

from streams.errors import OperatorError
from streams.log import Record
from streams.processors.fold import Processor, Tables
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.failed_connection import why_unreachable
from streams.runtimes.kafka.client.fetch import fetch
from streams.runtimes.kafka.client.producer import RecordProducer
from streams.runtimes.kafka.client.topics import require_partition
from streams.runtimes.kafka.raw_record import event_id_in
from streams.runtimes.kafka.stages.changelog import Changelog, Fenced, Recovered
from streams.runtimes.kafka.stages.gaps import Gap, with_gaps
from streams.runtimes.kafka.stages.global_tables import KafkaGlobalTables
from streams.runtimes.kafka.stages.input_marks import Folded
from streams.runtimes.kafka.stages.input_watch import InputWatch
from streams.runtimes.kafka.stages.inspection import Inspection
from streams.runtimes.kafka.stages.losses import require_inputs, require_states
from streams.runtimes.kafka.stages.partition_task import PartitionTask, Place, RecentEventIds
from streams.runtimes.kafka.stages.rebuild import rebuild
from streams.runtimes.kafka.stages.state_store import KafkaStateStore
from streams.runtimes.state_cache import StateCache
from streams.topology import TOPICS

LAST_WORD_S = 5.0
"""Longest wait for the commit that records all outputs as sent. Without it the next owner sends the outputs of the last
batch again, and consumers recognise the repeats by their event ids."""

FENCED_WAIT_S = 1.0
"""Back-off after a fencing: a process that was paused learns meanwhile that it lost the partition."""

_log = structlog.get_logger("orch.stage")


class KafkaStage:
    """
    Hosts one processor, with a `PartitionTask` for each partition that its group member holds. It decides nothing.

    The task takes a batch through its steps: fold, commit, send, done. Only then may the engine commit offsets to the
    consumer group. They are a hint where to start reading; the changelog holds the input offsets that count.

    Args:
        processor: Folds the records.
        connection: The cluster.
        producer: Started; shared by all stages of a process.
        tables: Started; None for a processor that sees none.
        state_dir: Directory of the local state stores. None keeps states in memory, and each start reads the changelog
            from its beginning.
        rebuild: Whether to derive the states again from the topics, once a partition, whatever the changelog holds.
        skipped: Places whose records become dead letters unfolded.
    """

    def __init__(
        self,
        processor: Processor,
        connection: Connection,
        producer: RecordProducer,
        tables: KafkaGlobalTables | None,
        state_dir: Path | None,
        *,
        rebuild: bool = False,
        skipped: Collection[Place] = (),
    ) -> None:
        self.processor = processor
        self.cache = StateCache()
        """Loaded states of all partitions. The stages of one process share one, given before the first partition."""
        self.folded = 0
        """Records folded by this process."""
        self.fold_s = 0.0
        """Seconds that the folds took."""
        self.fenced = 0
        """Times that another owner fenced this process."""
        self.on_failure: Callable[[Exception], None] = lambda error: None
        """Called with the error when a partition cannot be opened."""
        self._connection = connection
        self._producer = producer
        self._tables = tables
        self._state_dir = state_dir
        self._rebuild = rebuild
        self._skipped = skipped
        self._rebuilt: set[int] = set()
        self._inspection = Inspection(connection)
        self._watch = InputWatch(connection, self._inspection, processor.name, processor.reads, self._folded)
        self._watching: asyncio.Task[None] | None = None
        self._partition_tasks: dict[int, asyncio.Task[PartitionTask]] = {}
        self._leaving: set[asyncio.Task[PartitionTask]] = set()
        """Cancelled openings of partitions that a rebalance took away; their clients still have to disconnect."""

    def hold(self, partitions: Iterable[int]) -> None:
        """Open these partitions in the background, and drop all others."""
        held = set(partitions)
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch.run(self.on_failure), name=f"{self.processor.name}-watch")
        for partition in [known for known in self._partition_tasks if known not in held]:
            task = self._partition_tasks.pop(partition)
            if task.cancel():
                self._leaving.add(task)
                task.add_done_callback(self._leaving.discard)
            elif not task.cancelled() and task.exception() is None:
                # Write nothing more: the new owner may have started.
                task.result().changelog.drop()
                task.result().forget()
        for partition in sorted(held - self._partition_tasks.keys()):
            self._open(partition)

    async def take(self, records: Sequence[Record], since: Mapping[tuple[str, int], int] | None = None) -> set[int]:
        """
        Process records: fold them, commit, and send the outputs.

        Args:
            since: Offset from which on the engine has left out no record before the first one of a place, by topic and
                partition; the record's own offset where it does not know.

        Returns:
            Partitions whose records were processed; records of other partitions are left to the members that hold them.

        Raises:
            OperatorError: The brokers do not answer; the records count as not processed.
        """
        by_partition: dict[int, list[Record]] = {}
        for record in records:
            by_partition.setdefault(record.partition, []).append(record)
        known = since or {}
        taken = await asyncio.gather(*(self._take(partition, some, known) for partition, some in by_partition.items()))
        return {partition for partition, done in zip(by_partition, taken, strict=True) if done}

    def reached(self) -> dict[tuple[str, int], int]:
        """
        Give the offset before which every record is folded and its outputs are acknowledged.

        Returns:
            By topic and partition, of all partitions; -1 where the partition is not held, or not opened yet.
        """
        places: dict[tuple[str, int], int] = {}
        for partition in range(max(map(_partitions_of, self.processor.reads))):
            task = self._partition_tasks.get(partition)
            for topic in self.processor.reads:
                opened = task is not None and _is_open(task)
                places[topic, partition] = task.result().done.get(topic, 0) if opened and task is not None else -1
        return places

    @property
    def opening(self) -> list[int]:
        """Partitions that this process holds and has not taken over yet."""
        return sorted(number for number, task in self._partition_tasks.items() if not _is_open(task))

    @property
    def held(self) -> int:
        """Number of partitions that this process holds."""
        return len(self._partition_tasks)

    async def close(self) -> None:
        """Close all partitions, and record in each changelog that no outputs are unsent."""
        partition_tasks = list(self._partition_tasks.values())
        self._partition_tasks.clear()
        for task in partition_tasks:
            if not task.done():
                task.cancel()
        closing = []
        for opened in await asyncio.gather(*partition_tasks, return_exceptions=True):
            if isinstance(opened, PartitionTask):
                closing.append(self._let_go(opened))
        await asyncio.gather(*closing)
        await asyncio.gather(*self._leaving, return_exceptions=True)
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
            self._watching = None
        await self._inspection.close()

    def _folded(self) -> dict[int, Folded]:
        """Give what is folded in the partitions that are open."""
        opened = [task.result() for task in self._partition_tasks.values() if _is_open(task)]
        return {task.partition: Folded(task.done, task.marks, task.changelog.since) for task in opened}

    async def _let_go(self, partition_task: PartitionTask) -> None:
        """Close one changelog; drop it without a last commit if that takes longer than `LAST_WORD_S`."""
        try:
            async with asyncio.timeout(LAST_WORD_S):
                await partition_task.changelog.close(sent=partition_task.sent)
        except Fenced:
            _log.debug("fenced", stage=self.processor.name, partition=partition_task.partition)
        except (TimeoutError, OperatorError) as error:
            _log.debug(
                "last_word_not_written", stage=self.processor.name, partition=partition_task.partition, why=str(error)
            )
            partition_task.changelog.drop()

    async def _take(self, partition: int, records: Sequence[Record], since: Mapping[tuple[str, int], int]) -> bool:
        while (task := self._partition_tasks.get(partition)) is not None:
            try:
                # `hold` cancels the opening of a partition that a rebalance took away; another member has its records.
                partition_task = await asyncio.shield(task)
                await self._take_all(partition_task, records, since)
                return True
            except asyncio.CancelledError:
                if not task.cancelled():
                    raise
            except Fenced as fenced:
                if self._partition_tasks.get(partition) is not task:
                    continue
                self.fenced += 1
                _log.warning("fenced", stage=self.processor.name, partition=partition, why=str(fenced))
                await asyncio.sleep(FENCED_WAIT_S)
                if self._partition_tasks.get(partition) is task:
                    self._close_and_reopen(partition, task)
        return False

    async def _take_all(
        self, partition_task: PartitionTask, records: Sequence[Record], since: Mapping[tuple[str, int], int]
    ) -> None:
        """
        Process records, and before them those that the engine left out.

        The engine starts at the group's offset, the task at the changelog's, and the gap may be a whole topic.
        """
        gaps = self._gaps(partition_task, records, since)
        if not gaps:
            await self._batch(partition_task, records)
            return
        filled = -len(records)
        async with aclosing(with_gaps(self._connection, gaps, records)) as batches:
            async for batch in batches:
                await self._batch(partition_task, batch)
                filled += len(batch)
        # Markers and aborted records of other clients' transactions take offsets but do not count.
        if filled:
            _log.warning("gap_filled", stage=self.processor.name, partition=partition_task.partition, records=filled)

    def _gaps(
        self, partition_task: PartitionTask, records: Sequence[Record], since: Mapping[tuple[str, int], int]
    ) -> list[Gap]:
        """List what the engine left out of each topic."""
        first = {
            record.topic: since.get((record.topic, record.partition), record.offset) for record in reversed(records)
        }
        done = partition_task.done
        return [
            Gap(topic, partition_task.partition, done.get(topic, 0), offset)
            for topic, offset in first.items()
            if offset > done.get(topic, 0)
        ]

    async def _batch(self, partition_task: PartitionTask, records: Sequence[Record]) -> None:
        if self._tables is not None:
            # Questions wait until a policy is adopted.
            await self._tables.policy()
        self.fold_s += await partition_task.process(records, self._producer)
        self.folded += len(records)

    def _open(self, partition: int) -> None:
        task = asyncio.create_task(self._opened(partition), name=f"{self.processor.name}-{partition}")
        task.add_done_callback(self._look_at)
        self._partition_tasks[partition] = task

    def _look_at(self, task: "asyncio.Task[PartitionTask]") -> None:
        """Report a partition that cannot be opened, since no record of it may ever arrive to raise the error."""
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self.on_failure(error)

    def _close_and_reopen(self, partition: int, task: "asyncio.Task[PartitionTask]") -> None:
        if task.done() and task.exception() is None:
            task.result().changelog.drop()
            task.result().forget()
        self._open(partition)

    async def _opened(self, partition: int) -> PartitionTask:
        """Become the owner of a partition, retrying while other processes fence it."""
        require_partition(self._connection, max(self.processor.reads, key=_partitions_of), partition)
        while True:
            try:
                return await self._owned(partition)
            except Fenced as fenced:
                self.fenced += 1
                _log.info("fenced", stage=self.processor.name, partition=partition, why=str(fenced))
                await asyncio.sleep(FENCED_WAIT_S)

    async def _owned(self, partition: int) -> PartitionTask:
        origin = f"{self._connection.url}#{self._connection.changelog(self.processor.name)}-{partition}"
        store = KafkaStateStore(self._path(partition), origin)
        name = self.processor.name
        changelog = Changelog(self._connection, self._producer, name, partition, store, self._inspection)
        try:
            if self._tables is not None:
                # No older than what the last owner saw: a panel must not rest on older entries than the one before it.
                await self._tables.catch_up()
            tables = Tables(None, {}) if self._tables is None else self._tables.tables
            derive = partial(rebuild, self._connection, self.processor, partition, tables)
            wanted = self._rebuild and partition not in self._rebuilt
            recovered = await changelog.open(derive if wanted else None)
            self._rebuilt.add(partition)
            await self._require_whole(partition, recovered)
            await self._producer.publish(recovered.unsent, again=True)
            offsets, unsent, marks = recovered
            recent = await self._recall(partition, offsets)
        except BaseException:
            store.close()
            raise
        _log.info("partition_opened", stage=self.processor.name, partition=partition, repeated=len(unsent))
        partition_task = PartitionTask(
            self.processor, partition, changelog, store, Folded(offsets, marks), tables, recent
        )
        partition_task.skipped, partition_task.cache = self._skipped, self.cache.share()
        return partition_task

    async def _require_whole(self, partition: int, recovered: Recovered) -> None:
        """Check that neither the changelog nor the input topics were replaced or emptied; see `losses`."""
        await require_states(self._connection, self._inspection, self.processor, partition, recovered.offsets)
        folded = {partition: Folded(recovered.offsets, recovered.marks)}
        try:
            await require_inputs(self._connection, self._inspection, self.processor.name, folded)
        except KafkaError as error:
            raise await why_unreachable(self._connection, error) from error

    async def _recall(self, partition: int, offsets: dict[str, int]) -> RecentEventIds | None:
        """Read back the ids of the events folded last; None for a processor that recognises repeats by its state."""
        most = self.processor.recalled
        if not most:
            return None
        recent = RecentEventIds(most)
        for topic in self.processor.reads:
            end = offsets.get(topic, 0)
            name = self._connection.topic(topic)
            async with aclosing(fetch(self._connection, name, partition, max(0, end - most), end)) as records:
                async for record in records:
                    event_id = event_id_in(record.value or b"")
                    if event_id is not None:
                        recent.add(event_id)
        return recent

    def _path(self, partition: int) -> Path | None:
        if self._state_dir is None:
            return None
        return self._state_dir / self._connection.group(self.processor.name) / f"{partition}.db"


def _is_open(task: "asyncio.Task[PartitionTask]") -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


def _partitions_of(topic: str) -> int:
    return TOPICS[topic].partitions
