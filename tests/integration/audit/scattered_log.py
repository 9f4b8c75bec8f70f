"""
A log in partitions without a broker.

Stages read it in any order; a snapshot shows what lies there.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from schemas.event import Event
from schemas.panels import PanelAssigned, StageOpened
from schemas.policies import PolicyAdopted
from schemas.registry import InvalidRecord
from schemas.router import RouterEntry
from schemas.weights import WeightsEntry
from streams.audit.replay.replay import Replay, replay
from streams.log import Original
from streams.processors import PROCESSORS
from streams.processors.dead_letters import dead_letter, unreadable_letter
from streams.processors.fold import Processor, Tables
from streams.runtimes.archive.export import Exported, export_log
from streams.runtimes.kafka.original import original_of
from streams.runtimes.kafka.raw_record import MOVED, RawRecord, by_time, is_misplaced, read_input
from streams.runtimes.kafka.reading.snapshot import Snapshot, SnapshotExtent
from streams.runtimes.kafka.reading.snapshot_reader import SnapshotReader
from streams.topology import POLICIES, ROUTER, TOPICS, WEIGHTS, partition_of

from ...worlds import Opener, Script

Place = tuple[str, int]


class View(NamedTuple):
    """A reader's view, as offsets; see `UnorderedReader`."""

    ends: Mapping[Place, int]
    settled: Mapping[Place, int]
    committed: Mapping[str, Mapping[Place, int]]


class Scattered:
    """
    Partitions, and the folding stages over them. Only chance, which picks the next step, orders two partitions.

    Args:
        chance: Decides which stage folds next, and how far `route` sees the tables.
        clock: Gives timestamps; None: chance does, as if no producer's clock were right.
        append_time: Whether brokers set the time of every record, also of a copy (`message.timestamp.type`).
    """

    def __init__(
        self, chance: random.Random, clock: Callable[[], int] | None = None, *, append_time: bool = False
    ) -> None:
        self.chance = chance
        self._append_time = append_time
        self._clock = clock or (lambda: chance.randrange(10_000))
        self.partitions: dict[Place, list[RawRecord]] = {
            (topic.name, number): [] for topic in TOPICS.values() for number in range(topic.partitions)
        }
        self.seats: list[tuple[Opener, str]] = []
        """Open seats whose agents have not been asked yet."""
        self.folded: dict[str, dict[Place, int]] = {
            processor.name: {place: 0 for place in self.partitions if place[0] in processor.reads}
            for processor in PROCESSORS
        }
        self._states: dict[tuple[str, str], Any] = {}
        self._recalled: set[tuple[str, str]] = set()
        self._views: dict[int, tuple[Tables, dict[Place, int]]] = {}
        self._opened: set[str] = set()

    def put(self, event: Event, *, partition: int | None = None, **fields: Any) -> RawRecord:
        """Write an event to its own partition, or to another one."""
        return self.put_bytes(event.topic, event.encode(), event.key, partition=partition, **fields)

    def put_bytes(
        self, topic: str, value: bytes, key: str | None, *, partition: int | None = None, **fields: Any
    ) -> RawRecord:
        """Write bytes; without a partition, to that of their key."""
        encoded = None if key is None else key.encode()
        number = partition_of(encoded or b"", TOPICS[topic].partitions) if partition is None else partition
        held = self.partitions[topic, number]
        given = fields.pop("timestamp_ms", None)
        at = None if self._append_time else given
        offset = held[-1].offset + 1 if held else 0
        held.append(RawRecord(topic, number, offset, self._clock() if at is None else at, encoded, value, **fields))
        return held[-1]

    def steps(self) -> list[tuple[Processor, Place]]:
        """List the stages that have something to fold, each with the partition it lies in."""
        return [
            (processor, place)
            for processor in PROCESSORS
            for place, offset in self.folded[processor.name].items()
            if offset < len(self.partitions[place]) and (not processor.sees_tables or self._table(place[1]).policy)
        ]

    def step(self) -> bool:
        """Let one stage fold one record; false if there is none."""
        steps = self.steps()
        if not steps:
            return False
        processor, place = self.chance.choice(steps)
        record = self.partitions[place][self.folded[processor.name][place]]
        self.folded[processor.name][place] += 1
        for output in self._fold(processor, record):
            self.put(output)
            if self.chance.random() < 0.1:
                self.put(output)
            if isinstance(output, PanelAssigned | StageOpened) and output.event_id not in self._opened:
                self._opened.add(output.event_id)
                self.seats.extend((output, seat.agent) for stage in output.stages for seat in stage.seats)
        return True

    def settle(self) -> None:
        """Let the stages fold every record."""
        while self.step():
            pass

    def _fold(self, processor: Processor, record: RawRecord) -> Iterator[Event]:
        try:
            event = read_input(record)
        except InvalidRecord as problem:
            yield unreadable_letter(*record[:4], record.key, record.value, problem)
            return
        if is_misplaced(record, event):
            came = (MOVED, f"{record.partition}@{record.offset}".encode())
            copy = {"headers": (*record.headers, came), "timestamp_ms": record.timestamp_ms}
            self.put_bytes(record.topic, record.value, event.key, **copy)
            return
        if processor.recalled:
            if (processor.name, event.event_id) in self._recalled:
                return
            self._recalled.add((processor.name, event.event_id))
        tables = self._table(record.partition) if processor.sees_tables else Tables(None, {})
        for key in processor.keys(event):
            step = processor.fold(self._states.get((processor.name, key)), event, key, tables)
            self._states[processor.name, key] = step.state
            yield from step.events
            if step.rejection is not None:
                yield dead_letter(event, record.partition, record.offset, step.rejection)

    def _table(self, partition: int) -> Tables:
        """Give the tables as `route` sees them in one partition: some prefix, never shorter than before."""
        start_of = {(POLICIES, 0): 0, (ROUTER, 0): 0, (WEIGHTS, 0): 0}
        tables, read = self._views.setdefault(partition, (Tables(None, {}), start_of))
        entries, weights = dict(tables.entries), dict(tables.weights)
        for place, start in read.items():
            end = self.chance.randint(start, len(self.partitions[place]))
            if place[0] == POLICIES and tables.policy is None:
                end = len(self.partitions[place])
            for record in self.partitions[place][start:end]:
                event = read_input(record)
                if isinstance(event, PolicyAdopted):
                    tables.policy = event
                elif isinstance(event, RouterEntry):
                    known = entries.get((event.scope, event.agent))
                    if known is None or known.sequence < event.sequence:
                        entries[event.scope, event.agent] = event
                elif isinstance(event, WeightsEntry):
                    table = weights.get(event.scope)
                    if table is None or table.sequence < event.sequence:
                        weights[event.scope] = event
            read[place] = end
        tables.entries, tables.weights = entries, weights
        return tables

    def repeat(self, times: int) -> None:
        """Write some derived records once more, as after crashes."""
        derived = [one for place, held in self.partitions.items() if _is_derived(place[0]) for one in held]
        for one in self.chance.choices(derived, k=times) if derived else ():
            assert one.key is not None
            self.put_bytes(one.topic, one.value, one.key.decode(), partition=one.partition)

    def compact(self) -> None:
        """Remove some entries of the tables: never the last record of a key, and never its newest entry."""
        for place in ((ROUTER, 0), (WEIGHTS, 0)):
            held = self.partitions[place]
            last = {one.key: one.offset for one in held}
            newest = {one.key: max(_sequence(other) for other in held if other.key == one.key) for one in held}
            self.partitions[place] = [
                one
                for one in held
                if last[one.key] == one.offset or newest[one.key] == _sequence(one) or self.chance.random() < 0.5
            ]

    def find(self, topic: str, wanted: Callable[[Event], bool] = lambda event: True) -> list[RawRecord]:
        """List the readable records of a topic whose events are wanted."""
        held = [one for place, held in self.partitions.items() if place[0] == topic for one in held]
        return [one for one in held if wanted(read_input(one))]

    def replace(self, record: RawRecord, value: bytes | None) -> None:
        """Replace the bytes of a record and of all its repeats; None removes them."""
        held = self.partitions[record.topic, record.partition]
        if value is None:
            held[:] = [one for one in held if one.value != record.value]
        else:
            held[held.index(record)] = record._replace(value=value)

    def play(self, script: Script) -> None:
        """Let stages fold and agents answer until no seated agent has a reply left."""
        self.settle()
        while self.seats:
            opener, agent = self.seats.pop(0)
            answer = script(opener, agent)
            if answer is not None:
                self.put(answer)
            self.settle()

    def ends(self) -> dict[Place, int]:
        """Give the next offset of each partition."""
        return {place: held[-1].offset + 1 if held else 0 for place, held in self.partitions.items()}

    def view(self, **changes: Any) -> View:
        """Take a view of all that is there; *changes* are fields of it."""
        return View(self.ends(), self.ends(), {stage: dict(places) for stage, places in self.folded.items()})._replace(
            **changes
        )

    def snapshot(self, path: Path, view: View | None = None) -> None:
        """Write a snapshot of what is in a view."""
        ends, settled, committed = view or self.view()
        snapshot = Snapshot(path)
        held = ([one for one in held if one.offset < ends[place]] for place, held in self.partitions.items())
        snapshot.add(by_time(held), SnapshotExtent(committed, settled))
        snapshot.close()

    def export(self, folder: Path, view: View | None = None) -> Exported:
        """Export what is in a view to an archive."""
        return export_log(ScatteredReader(self, view or self.view()), folder, written_by="a test")  # type: ignore[arg-type]

    def replay(self, path: Path, view: View | None = None) -> Replay:
        """Replay a snapshot of it."""
        path.unlink(missing_ok=True)
        self.snapshot(path, view)
        with SnapshotReader(path) as reader:
            return replay(reader)


class ScatteredReader:
    """As much of the `UnorderedReader` of a scattered log as an export needs."""

    archived = False

    def __init__(self, log: Scattered, view: View) -> None:
        self._log = log
        self._view = view

    def unordered(self) -> Self:
        return self

    def ends(self) -> Mapping[Place, int]:
        return self._view.ends

    def settled(self) -> Mapping[Place, int]:
        return self._view.settled

    def aborted(self) -> Sequence[tuple[str, int, int]]:
        return ()

    def committed(self, stage: str) -> Mapping[Place, int]:
        return self._view.committed[stage]

    def originals(
        self, topics: Sequence[str] = (), *, after: int = 0, starts: Mapping[Place, int] | None = None
    ) -> Iterator[Original]:
        starts = starts or {}
        held = (
            [one for one in held if starts.get(place, 0) <= one.offset < self._view.ends[place]]
            for place, held in self._log.partitions.items()
            if not topics or place[0] in topics
        )
        for seq, raw_record in enumerate(by_time(held), after + 1):
            yield original_of(raw_record, seq)


def _is_derived(topic: str) -> bool:
    return any(writer in TOPICS[topic].writers for writer in (processor.name for processor in PROCESSORS))


def _sequence(record: RawRecord) -> int:
    entry = read_input(record)
    assert isinstance(entry, RouterEntry | WeightsEntry)
    return entry.sequence
