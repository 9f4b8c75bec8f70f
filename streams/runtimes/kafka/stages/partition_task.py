"""The task that processes one partition of one stage."""

import heapq
import time
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson
import structlog

from schemas.canonical import canonical_json
from schemas.event import Event
from schemas.registry import InvalidRecord
from streams.errors import InvariantError, OperatorError
from streams.log import Record
from streams.processors.dead_letters import SKIPPED, dead_letter, unreadable_letter
from streams.processors.fold import Processor, Step, Tables
from streams.processors.own_rules import RuleMissingError
from streams.runtimes.kafka.client.producer import ProducerRecord, RecordProducer, carried_on, message_of
from streams.runtimes.kafka.raw_record import MOVED, RawRecord, is_misplaced, read_input
from streams.runtimes.kafka.stages.changelog import Changelog
from streams.runtimes.kafka.stages.input_marks import Folded, InputMark, mark_of
from streams.runtimes.kafka.stages.state_store import KafkaStateStore
from streams.runtimes.state_cache import StateCache

MOVED_HEADER_BYTES = 65_536
"""Most bytes of headers that a moved record keeps."""

Place = tuple[str, int, int]
"""Topic, partition and offset of a record."""

_log = structlog.get_logger("orch.partition_task")


class RecentEventIds:
    """
    Ids of recently folded events, for a processor whose state does not tell which events it has folded.

    Args:
        most: Ids kept. An event is repeated when the process that wrote it restarts, so the repeat follows within what
            other processes wrote meanwhile.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._ids: OrderedDict[str, None] = OrderedDict()

    def add(self, event_id: str) -> None:
        """Add an id, and evict the oldest beyond *most*."""
        self._ids[event_id] = None
        if len(self._ids) > self._most:
            self._ids.popitem(last=False)

    def __contains__(self, event_id: str) -> bool:
        return event_id in self._ids


class PartitionTask:
    """
    Processes one partition number of every topic that a processor reads, batch by batch.

    `process` takes one batch through four steps. What may fail behind each of them:

    1. **Fold.** The processor folds the records; states change in memory, outputs are collected, nothing is written.
       If the fold raises or the process dies here, the changelog is unchanged: the next owner folds the same records.
    2. **Commit.** States, input offsets and outputs go to the changelog as one batch. If another process owns the
       changelog by now, or a rebalance took the partition away, this raises `Fenced` and sends nothing; the stage
       opens a new task. If the process dies here, the changelog tells the next owner whether the batch counts.
    3. **Send.** The producer writes the outputs to their topics. If the process dies here, the next owner sends all of
       them again; consumers recognise the repeats by their event ids.
    4. **Done.** Every output is acknowledged, so the engine may commit the input offsets to the consumer group. If the
       process dies before that, the group's offsets are stale: records come again, and step 1 skips them by offset.

    Only the owner of the changelog can commit, so no output contradicts what another owner has decided.

    Args:
        processor: Folds the records.
        partition: Partition number.
        changelog: Opened.
        store: State store that the changelog keeps up to date.
        folded: What earlier owners have folded, as recovered from the changelog.
        tables: View of the compacted topics for the processor.
        recent: Ids of recently folded events; None for a processor that recognises repeats by its state.
    """

    def __init__(
        self,
        processor: Processor,
        partition: int,
        changelog: Changelog,
        store: KafkaStateStore,
        folded: Folded,
        tables: Tables,
        recent: RecentEventIds | None,
    ) -> None:
        self.partition = partition
        self.changelog = changelog
        self.sent = True
        """Whether all outputs of the last batch are acknowledged."""
        self.cache = StateCache().share()
        """Loaded states; the others are in the state store. A stage gives its tasks shares of its own cache."""
        self.skipped: Collection[Place] = ()
        """Places whose records become dead letters unfolded."""
        self.done = dict(folded.offsets)
        """Next offset of each input topic whose earlier records are folded, with every output acknowledged."""
        self.marks = dict(folded.marks)
        """Mark of the last record of each input topic before that offset, as far as known."""
        self._processor = processor
        self._store = store
        self._offsets = dict(folded.offsets)
        self._tables = tables
        self._recent = recent
        self._uncommitted: dict[str, Any] = {}
        """States that the batch has changed; neither the cache nor the state store has them."""

    async def process(self, records: Sequence[Record], producer: RecordProducer) -> float:
        """
        Fold a batch, commit it to the changelog, send its outputs, and mark it done.

        Args:
            records: Without gaps; records folded before may be among them.
            producer: Started; writes the outputs.

        Returns:
            Seconds that the fold took.

        Raises:
            Fenced: Another process owns the changelog, or a rebalance took the partition away; nothing was sent.
            OperatorError: The brokers do not answer; the batch may or may not count.
        """
        self.changelog.require()
        started = time.perf_counter()
        changes, offsets, outputs = self.fold(records)
        folded_at = time.perf_counter()
        marks = self.marks | self._folded_last(records)
        await self.changelog.commit(changes, offsets, outputs, marks)
        self._keep_committed(changes)
        self.sent = False
        await producer.publish(outputs)
        self.sent, self.done, self.marks = True, offsets, marks
        _log.debug(
            "batch_committed",
            stage=self._processor.name,
            partition=self.partition,
            records=len(records),
            states=len(changes),
            outputs=len(outputs),
            fold_ms=round((folded_at - started) * 1000, 3),
            duration_ms=round((time.perf_counter() - started) * 1000, 3),
        )
        return folded_at - started

    def _folded_last(self, records: Sequence[Record]) -> dict[str, InputMark]:
        """Mark the last record of each topic, if it is the last that is folded now."""
        last = {record.topic: record for record in records}
        return {topic: mark_of(record) for topic, record in last.items() if record.offset + 1 == self._offsets[topic]}

    def fold(self, records: Sequence[Record]) -> tuple[dict[str, bytes], dict[str, int], list[ProducerRecord]]:
        """
        Fold a batch.

        Returns:
            Changed states, next input offsets and outputs: the arguments of `Changelog.commit`. Records that were
            folded before are recognised by their offsets and change nothing.
        """
        changed: dict[str, Any] = {}
        outputs: list[ProducerRecord] = []
        for record in in_order(records):
            if record.offset >= self._offsets.get(record.topic, 0):
                outputs.extend(self._fold(record, changed))
                self._offsets[record.topic] = record.offset + 1
        dump = self._processor.dump
        return {key: canonical_json(dump(state)) for key, state in changed.items()}, dict(self._offsets), outputs

    def _fold(self, record: Record, changed: dict[str, Any]) -> Iterable[ProducerRecord]:
        if (record.topic, record.partition, record.offset) in self.skipped:
            return [skipped_record(record)]
        try:
            return list(self._outputs(record, changed))
        except Exception as error:
            place = f"{record.topic}/{record.partition}/{record.offset}"
            raise InvariantError(
                f"{self._processor.name} cannot fold the record {place}: {type(error).__name__}: {error}",
                remedy=f"Nothing is lost: this version stops at it again. `orch worker {self._processor.name} --skip"
                f" {place}` makes a dead letter of it and goes on",
                place=place,
            ) from error

    def _outputs(self, record: Record, changed: dict[str, Any]) -> Iterator[ProducerRecord]:
        event = read_record(record)
        if isinstance(event, ProducerRecord):
            yield event
            return
        if self._recent is not None:
            if event.event_id in self._recent:
                return
            self._recent.add(event.event_id)
        yield from self._step(record, event, changed)

    def _step(self, record: Record, event: Event, changed: dict[str, Any]) -> Iterator[ProducerRecord]:
        for key in self._processor.keys(event):
            state = self._state(key)
            try:
                step = self._processor.fold(state, event, key, self._tables)
            except RuleMissingError as error:
                raise OperatorError(str(error), remedy=error.remedy, key=key) from error
            if step.state is not state:
                self._uncommitted[key] = changed[key] = step.state
            yield from follows(step, record, event)

    def _state(self, key: str) -> Any:
        if key in self._uncommitted:
            return self._uncommitted[key]
        if (cached := self.cache.get(key)) is not None:
            return cached[0]
        stored = self._store.get(key)
        if stored is None:
            return None
        state = self._processor.load(orjson.loads(stored))
        self.cache.put(key, state, stored)
        return state

    def _keep_committed(self, changes: Mapping[str, bytes]) -> None:
        """Move the states of a batch to the cache; now that it is committed, the state store has them too."""
        for key, stored in changes.items():
            self.cache.put(key, self._uncommitted[key], stored)
        self._uncommitted.clear()

    def forget(self) -> None:
        """Drop all loaded states, for a task that is given up."""
        self._uncommitted.clear()
        self.cache.clear()


def read_record(record: Record) -> Event | ProducerRecord:
    """Decode the event of an input record; else make the record that replaces it: a dead letter, or a moved copy."""
    place = record.topic, record.partition, record.offset, record.timestamp_ms
    raw_record = RawRecord(*place, record.key.encode(), record.value, record.headers)
    try:
        event = read_input(raw_record)
    except InvalidRecord as problem:
        letter = unreadable_letter(*place, raw_record.key, record.value, problem)
        return message_of(letter, carried_on(record.headers))
    return moved(record, event.key) if is_misplaced(raw_record, event) else event


def skipped_record(record: Record) -> ProducerRecord:
    """Make the dead letter of a record that an operator skips."""
    place = record.topic, record.partition, record.offset, record.timestamp_ms
    letter = unreadable_letter(*place, record.key.encode(), record.value, InvalidRecord(SKIPPED))
    return message_of(letter, carried_on(record.headers))


def follows(step: Step[Any], record: Record, event: Event) -> Iterator[ProducerRecord]:
    """Make the records of a step's outputs: new events, and a dead letter for a rejection."""
    carried = carried_on(record.headers)
    for made in step.events:
        yield message_of(made, carried)
    if step.rejection is not None:
        yield message_of(dead_letter(event, record.partition, record.offset, step.rejection), carried)


def moved(record: Record, key: str) -> ProducerRecord:
    """
    Copy a record to the partition of its key.

    Clients hash keys in different ways (librdkafka by CRC32 by default), and some set no key. All records about one
    question must be in one partition. Bytes and timestamp stay the same, and so does the event. Foreign headers go
    along unless they are so many that the copy might be too large for its topic.
    """
    came = (MOVED, f"{record.partition}@{record.offset}".encode())
    size = sum(len(name) + len(value or b"") for name, value in record.headers)
    headers = record.headers if size <= MOVED_HEADER_BYTES else carried_on(record.headers)
    return ProducerRecord(record.topic, key, record.value, (*headers, came), record.timestamp_ms)


def in_order(records: Iterable[Record]) -> Iterator[Record]:
    """
    Merge the records of several topics by timestamp; records of one topic keep their order.

    So a deadline is folded after the earlier analyses of the same batch.
    """
    topics: dict[str, list[Record]] = {}
    for record in records:
        topics.setdefault(record.topic, []).append(record)
    if len(topics) == 1:
        return iter(next(iter(topics.values())))
    return heapq.merge(*topics.values(), key=lambda record: record.timestamp_ms)
