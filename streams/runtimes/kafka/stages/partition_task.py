"""The task that processes one partition of one stage."""

import heapq
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from schemas.canonical import canonical_json
from schemas.event import Event
from schemas.registry import InvalidRecord
from streams.log import Record
from streams.processors.dead_letters import dead_letter, unreadable_letter
from streams.processors.fold import Processor, Step, Tables
from streams.runtimes.kafka.client.producer import ProducerRecord, carried_on, message_of
from streams.runtimes.kafka.raw_record import MOVED, RawRecord, is_misplaced, read_input
from streams.runtimes.kafka.stages.changelog import Changelog
from streams.runtimes.kafka.stages.state_store import KafkaStateStore

CACHED_STATES = 2_000
"""States kept in memory for each partition; the others are in the local store."""


class RecentEventIds:
    """
    Ids of events folded lately, for a processor whose state does not tell which it has seen.

    Args:
        most: How many are remembered. A repeat comes from the restart of whoever wrote the event, so it lies within
        what
            was written meanwhile.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._ids: OrderedDict[str, None] = OrderedDict()

    def add(self, event_id: str) -> None:
        """Remember an event."""
        self._ids[event_id] = None
        if len(self._ids) > self._most:
            self._ids.popitem(last=False)

    def __contains__(self, event_id: str) -> bool:
        return event_id in self._ids


class PartitionTask:
    """
    Folds the records of one partition index, of every topic that a processor reads.

    Only the owner of the changelog can commit, so nothing is sent that another owner would decide otherwise.

    Args:
        processor: What folds.
        partition: Index of the partitions.
        changelog: The opened changelog.
        store: What the changelog keeps up to date.
        offsets: Next offset of each input topic, as the changelog has it.
        tables: What the processor sees of the compacted topics.
        recent: Events whose repetition the processor would not recognise; none where it does.
    """

    def __init__(
        self,
        processor: Processor,
        partition: int,
        changelog: Changelog,
        store: KafkaStateStore,
        offsets: Mapping[str, int],
        tables: Tables,
        recent: RecentEventIds | None,
    ) -> None:
        self.partition = partition
        self.changelog = changelog
        self.sent = True
        """Whether all outputs are known to be written."""
        self.done = dict(offsets)
        """Next offset of each input topic, as far as what follows is written too."""
        self._processor = processor
        self._store = store
        self._offsets = dict(offsets)
        self._tables = tables
        self._recent = recent
        self._states: OrderedDict[str, Any] = OrderedDict()

    def fold(self, records: Sequence[Record]) -> tuple[dict[str, bytes], dict[str, int], list[ProducerRecord]]:
        """
        Fold a batch.

        Returns:
            States that changed, the place they belong to, and what is to be sent: what `Changelog.commit` takes.
            Records folded before, recognised by their offsets, change nothing.
        """
        changed: dict[str, Any] = {}
        outputs: list[ProducerRecord] = []
        for record in in_order(records):
            if record.offset >= self._offsets.get(record.topic, 0):
                outputs.extend(self._fold(record, changed))
                self._offsets[record.topic] = record.offset + 1
        dump = self._processor.dump
        return {key: canonical_json(dump(state)) for key, state in changed.items()}, dict(self._offsets), outputs

    def _fold(self, record: Record, changed: dict[str, Any]) -> Iterator[ProducerRecord]:
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
            step = self._processor.fold(state, event, key, self._tables)
            if step.state is not state:
                self._keep(key, step.state)
                changed[key] = step.state
            yield from follows(step, record, event)

    def _state(self, key: str) -> Any:
        if key in self._states:
            self._states.move_to_end(key)
            return self._states[key]
        stored = self._store.get(key)
        if stored is None:
            return None
        state = self._processor.load(orjson.loads(stored))
        self._keep(key, state)
        return state

    def _keep(self, key: str, state: Any) -> None:
        self._states[key] = state
        self._states.move_to_end(key)

    def forget(self) -> None:
        """Let go of states beyond `CACHED_STATES`, all of which are in the store once a batch is committed."""
        while len(self._states) > CACHED_STATES:
            self._states.popitem(last=False)


def read_record(record: Record) -> Event | ProducerRecord:
    """Read what a record of an input topic stands for; or what is written instead of folding it: a letter, a copy."""
    place = record.topic, record.partition, record.offset, record.timestamp_ms
    raw_record = RawRecord(*place, record.key.encode(), record.value, record.headers)
    try:
        event = read_input(raw_record)
    except InvalidRecord as problem:
        letter = unreadable_letter(*place, raw_record.key, record.value, problem)
        return message_of(letter, carried_on(record.headers))
    return moved(record, event.key) if is_misplaced(raw_record, event) else event


def follows(step: Step[Any], record: Record, event: Event) -> Iterator[ProducerRecord]:
    """Write what a step made of the event in a record."""
    carried = carried_on(record.headers)
    for made in step.events:
        yield message_of(made, carried)
    if step.rejection is not None:
        yield message_of(dead_letter(event, record.partition, record.offset, step.rejection), carried)


def moved(record: Record, key: str) -> ProducerRecord:
    """
    Copy a record to the partition of its key.

    Clients hash keys in different ways (librdkafka by CRC32 unless told otherwise), and some give no key. All records
    about one question have to meet in one partition; time and bytes stay the same, and so does the event.
    """
    came = (MOVED, f"{record.partition}@{record.offset}".encode())
    return ProducerRecord(record.topic, key, record.value, (*record.headers, came), record.timestamp_ms)


def in_order(records: Iterable[Record]) -> Iterator[Record]:
    """
    Merge the records of several topics by their time; those of one topic stay in their order.

    So a deadline is folded after the analyses that were there before it, as far as they were read together.
    """
    topics: dict[str, list[Record]] = {}
    for record in records:
        topics.setdefault(record.topic, []).append(record)
    if len(topics) == 1:
        return iter(next(iter(topics.values())))
    return heapq.merge(*topics.values(), key=lambda record: record.timestamp_ms)
