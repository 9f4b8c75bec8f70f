"""Derivation of one stage's states from its topics."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from schemas.canonical import canonical_json
from schemas.event import Event
from schemas.letters import RecordRejected
from streams.log import Record
from streams.processors.fold import Processor, Step, Tables
from streams.runtimes.kafka.client.producer import ProducerRecord
from streams.runtimes.kafka.raw_record import MOVED
from streams.runtimes.kafka.stages.partition_task import follows, read_record
from streams.runtimes.kafka.stages.rebuild_known import KnownNames
from streams.topology import DEAD_LETTERS, TOPICS, partition_of

Heard = tuple[Record, Event]


RESTORE = "`orch replay` shows what differs; restore the topics, or create a new log under another name on the cluster"
"""Remedy for topics that contradict each other."""


class RebuildPass(NamedTuple):
    """An offset range of a partition to read, and the function that takes its records; `end` None reads to the end."""

    topic: str
    partition: int
    take: Callable[[Record], None]
    start: int = 0
    end: int | None = None


class StateDerivation:
    """
    Derives the states of one stage and partition, and the outputs that the log lacks.

    It reads nothing itself. Its host reads each of `passes` to the end before it asks for the next, then exhausts
    `finish`; afterwards `states` and `outputs` are complete.

    Memory holds the states, as bytes, the outputs, and for each record in the wrong partition its place and a digest. A
    temporary file (`KnownNames`) holds the ids of events in the log. A subclass may keep more, and says so.

    Args:
        processor: Owner of the states.
        partition: Partition number of its input topics.
        tables: View of the compacted topics for the processor.
    """

    def __init__(self, processor: Processor, partition: int, tables: Tables) -> None:
        self.states: dict[str, bytes] = {}
        """State of each key, as the stage stores it."""
        self.outputs: list[ProducerRecord] = []
        """Outputs that the topics lack."""
        self.known = KnownNames()
        """Event ids, and the places (`topic@offset`) of records that have a dead letter."""
        self._processor = processor
        self._partition = partition
        self._tables = tables
        self._copies: dict[tuple[str, int], dict[bytes, tuple[int, bytes]]] = {}
        """
        Misplaced records whose copy was not found yet.

        By topic and right partition, then by the value of the copy's `MOVED` header: offset and digest of the original.
        """
        self._lost: dict[str, set[int]] = {}
        """Offsets of misplaced records that have no copy, by topic."""

    def passes(self) -> Iterator[RebuildPass]:
        """Iterate the offset ranges to read, in order; the next one may depend on the records of the ones before."""
        yield RebuildPass(DEAD_LETTERS, 0, self._recall_letter)
        yield from self.written()
        yield from self.inputs()
        # A copy must not be made twice: some folds answer a repeated record (a conflict gets a dead letter each time),
        # and a producer with another key hash misplaces most of its records. So existing copies are searched for. This
        # costs nothing where no record is misplaced.
        for topic, partition in list(self._copies):
            yield RebuildPass(topic, partition, self._recall_copy)
        for (topic, _), copies in self._copies.items():
            self._lost.setdefault(topic, set()).update(offset for offset, _ in copies.values())
        for topic, offsets in self._lost.items():
            if offsets:
                yield RebuildPass(topic, self._partition, self._copy, min(offsets), max(offsets) + 1)

    def written(self) -> Iterator[RebuildPass]:
        """Iterate the output topics of the stage, except dead letters."""
        yield from ()

    def inputs(self) -> Iterator[RebuildPass]:
        """Iterate the input topics of the stage."""
        for topic in self._processor.reads:
            yield RebuildPass(topic, self._partition, self.take)

    def take(self, record: Record) -> None:
        """Take a record of an input topic."""
        read = read_record(record)
        if not isinstance(read, ProducerRecord):
            self.hear(record, read)
        elif read.topic != DEAD_LETTERS:
            self._miss(record, read.key)
        elif not self.has_letter(record):
            self.outputs.append(read)

    def hear(self, record: Record, event: Event) -> None:
        """Fold an event from its right partition."""
        for key in self._processor.keys(event):
            self.fold_stored(key, record, event)

    def finish(self) -> Iterator[None]:
        """
        Derive what needs all records, in steps, so that the host can run its event loop in between.

        Raises:
            OperatorError: The topics contradict each other.
        """
        yield from ()

    def is_new(self, event: Event) -> bool:
        """Say whether the log lacks a derived event."""
        return event.event_id not in self.known

    def has_letter(self, record: Record) -> bool:
        """Say whether the log has a dead letter about an input record."""
        return f"{record.topic}@{record.offset}" in self.known

    def fold(self, state: Any, key: str, record: Record, event: Event) -> Step[Any]:
        """Fold an event into a state, and keep the outputs that the log lacks; a record has at most one dead letter."""
        step = self._processor.fold(state, event, key, self._tables)
        told = step.rejection is not None and self.has_letter(record)
        new = tuple(made for made in step.events if self.is_new(made))
        self.outputs += follows(replace(step, events=new, rejection=None if told else step.rejection), record, event)
        return step

    def fold_stored(self, key: str, record: Record, event: Event) -> None:
        """Fold an event into the stored state of its key."""
        stored = self.states.get(key)
        state = None if stored is None else self._processor.load(orjson.loads(stored))
        step = self.fold(state, key, record, event)
        if step.state is not state:
            self.store(key, step.state)

    def store(self, key: str, state: Any) -> None:
        """Encode and keep a state as the stage does."""
        self.states[key] = canonical_json(self._processor.dump(state))

    def close(self) -> None:
        """Delete the temporary file."""
        self.known.close()

    def _recall_letter(self, record: Record) -> None:
        # By place, not by id: the text of a dead letter changes with library versions.
        letter = read_record(record)
        if isinstance(letter, RecordRejected) and letter.partition == self._partition:
            self.known.add(f"{letter.source_topic}@{letter.offset}")

    def _miss(self, record: Record, key: str) -> None:
        partition = partition_of(key.encode(), TOPICS[record.topic].partitions)
        came = f"{self._partition}@{record.offset}".encode()
        place = record.offset, sha256(record.value).digest()
        self._copies.setdefault((record.topic, partition), {})[came] = place

    def _recall_copy(self, record: Record) -> None:
        copies = self._copies[record.topic, record.partition]
        for name, value in record.headers:
            # Any producer may write such a header, so the bytes must match too.
            if name != MOVED or value is None or value not in copies:
                continue
            if copies[value][1] == sha256(record.value).digest():
                del copies[value]

    def _copy(self, record: Record) -> None:
        copy = read_record(record)
        if record.offset in self._lost[record.topic] and isinstance(copy, ProducerRecord):
            self.outputs.append(copy)
