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


RESTORE = "`orch replay` shows what differs; restore the topics, or make the log anew under another name on the cluster"
"""What may be done about topics that contradict each other."""


class RebuildPass(NamedTuple):
    """A stretch of a partition that is to be read now, and who takes its records; `end` None is the topic's own."""

    topic: str
    partition: int
    take: Callable[[Record], None]
    start: int = 0
    end: int | None = None


class StateDerivation:
    """
    Derives the states of one stage and partition anew, and nothing that the log has already.

    It is told what to think of every record, and reads none: whoever hosts it reads each of `passes` to its end before
    it asks for the next, then goes through `finish`; afterwards `states` and `outputs` are whole.

    In memory are the states, as bytes, and the outputs; for each record in the wrong partition its place and a digest.
    What is known of the log besides is in a temporary file (`KnownNames`). A kind may add to that, and says so.

    Args:
        processor: Whose states.
        partition: Index of the partitions it reads.
        tables: What the processor sees of the compacted topics.
    """

    def __init__(self, processor: Processor, partition: int, tables: Tables) -> None:
        self.states: dict[str, bytes] = {}
        """State of each key, as the stage stores it."""
        self.outputs: list[ProducerRecord] = []
        """What follows and is not in the topics."""
        self.known = KnownNames()
        """Event ids, and the places of records that have a letter (`topic@offset`)."""
        self._processor = processor
        self._partition = partition
        self._tables = tables
        self._copies: dict[tuple[str, int], dict[bytes, tuple[int, bytes]]] = {}
        """Records whose copy was not seen yet: by where that belongs, then by its header, offset and digest."""
        self._lost: dict[str, set[int]] = {}
        """Offsets of those that have none."""

    def passes(self) -> Iterator[RebuildPass]:
        """Iterate what is to be read, in order; which comes next may depend on what was read."""
        yield RebuildPass(DEAD_LETTERS, 0, self._recall_letter)
        yield from self.written()
        yield from self.inputs()
        # Not every fold is silent when a record comes again (a conflict gets a letter each time), and where a producer
        # hashes keys in its own way most of the topic was moved; so copies are looked for, and never made twice. It
        # costs nothing where nothing was misplaced.
        for topic, partition in list(self._copies):
            yield RebuildPass(topic, partition, self._recall_copy)
        for (topic, _), copies in self._copies.items():
            self._lost.setdefault(topic, set()).update(offset for offset, _ in copies.values())
        for topic, offsets in self._lost.items():
            if offsets:
                yield RebuildPass(topic, self._partition, self._copy, min(offsets), max(offsets) + 1)

    def written(self) -> Iterator[RebuildPass]:
        """Iterate what the stage writes, dead letters apart."""
        yield from ()

    def inputs(self) -> Iterator[RebuildPass]:
        """Iterate what the stage reads."""
        for topic in self._processor.reads:
            yield RebuildPass(topic, self._partition, self.take)

    def take(self, record: Record) -> None:
        """Take a record that the stage reads."""
        read = read_record(record)
        if not isinstance(read, ProducerRecord):
            self.hear(record, read)
        elif read.topic != DEAD_LETTERS:
            self._miss(record, read.key)
        elif not self.has_letter(record):
            self.outputs.append(read)

    def hear(self, record: Record, event: Event) -> None:
        """Fold an event that lies where it belongs."""
        for key in self._processor.keys(event):
            self.fold_stored(key, record, event)

    def finish(self) -> Iterator[None]:
        """
        Conclude what can be concluded only now, in pieces, between which a host may see to other things.

        Raises:
            OperatorError: The topics contradict each other.
        """
        yield from ()

    def is_new(self, event: Event) -> bool:
        """Say whether the log lacks an event that follows."""
        return event.event_id not in self.known

    def has_letter(self, record: Record) -> bool:
        """Say whether the log has a letter about a record that the stage reads."""
        return f"{record.topic}@{record.offset}" in self.known

    def fold(self, state: Any, key: str, record: Record, event: Event) -> Step[Any]:
        """Fold an event into a state, and keep of what follows what is new; a record has one letter at most."""
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
        """Store a state as the stage does."""
        self.states[key] = canonical_json(self._processor.dump(state))

    def close(self) -> None:
        """Let go of the temporary file."""
        self.known.close()

    def _recall_letter(self, record: Record) -> None:
        # By place, not by id: the words of a letter change with the libraries that wrote them.
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
            # Anybody may write such a header; of another record's bytes it says nothing.
            if name == MOVED and value in copies and copies[value][1] == sha256(record.value).digest():
                del copies[value]

    def _copy(self, record: Record) -> None:
        copy = read_record(record)
        if record.offset in self._lost[record.topic] and isinstance(copy, ProducerRecord):
            self.outputs.append(copy)
