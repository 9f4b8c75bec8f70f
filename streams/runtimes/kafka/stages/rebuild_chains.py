"""Derivation of the states of `rank` and `tune`."""

from collections.abc import Iterator
from typing import ClassVar

import orjson

from schemas.event import Event
from schemas.router import RouterEntry
from schemas.weights import WeightsEntry
from streams.errors import OperatorError
from streams.log import Record
from streams.processors.fold import Processor, Tables
from streams.runtimes.kafka.stages.partition_task import read_record
from streams.runtimes.kafka.stages.rebuild_derivation import RESTORE, RebuildPass, StateDerivation
from streams.topology import LESSONS, OBSERVATIONS, ROUTER, TOPICS, WEIGHTS, partition_of

Entry = RouterEntry | WeightsEntry


class ChainDerivation(StateDerivation):
    """
    Derives the states of a stage that writes a chain of entries for each key, from the first event of the chain on.

    Each event counts once, even if its repeat comes much later. An entry is new if its sequence number exceeds that of
    the newest entry of its key in the table's topic; compaction may have removed any earlier entry. Memory also holds
    sequence number and id of each key's newest entry; the temporary file holds the ids of the events.
    """

    source: ClassVar[str]
    """Topic of the events."""
    table: ClassVar[str]
    """Topic of the entries; it has one partition."""

    def __init__(self, processor: Processor, partition: int, tables: Tables) -> None:
        super().__init__(processor, partition, tables)
        self._newest: dict[str, tuple[int, str]] = {}
        self._here: dict[str, bool] = {}
        """By key, whether the events behind its chain lie in this partition."""

    def written(self) -> Iterator[RebuildPass]:
        """Iterate the entries."""
        yield RebuildPass(self.table, 0, self._recall)

    def _recall(self, record: Record) -> None:
        entry = read_record(record)
        if isinstance(entry, Entry) and entry.sequence > self._newest.get(entry.key, (0, ""))[0]:
            self._newest[entry.key] = entry.sequence, entry.event_id
            source_key = entry.agent if isinstance(entry, RouterEntry) else entry.scope
            partition = partition_of(source_key.encode(), TOPICS[self.source].partitions)
            self._here[entry.key] = partition == self._partition

    def hear(self, record: Record, event: Event) -> None:
        """Fold an event that was not folded yet; raises as `is_new` does."""
        if self.known.add(event.event_id):
            super().hear(record, event)

    def is_new(self, event: Event) -> bool:
        """
        Say whether an entry's sequence number exceeds that of the newest entry of its key in the log.

        Raises:
            OperatorError: The log holds another entry under the same sequence number.
        """
        assert isinstance(event, Entry), "the stage makes no other events"
        sequence, event_id = self._newest.get(event.key, (0, ""))
        if event.sequence == sequence and event.event_id != event_id:
            raise OperatorError(
                f"{self.table} holds entry {sequence} of {event.key} as event {event_id}, but {self.source} gives event"
                f" {event.event_id}",
                remedy=RESTORE,
                key=event.key,
                event_id=event_id,
            )
        return event.sequence > sequence

    def finish(self) -> Iterator[None]:
        """
        Check that no chain of this partition is longer than its events make it.

        Raises:
            OperatorError: One is.
        """
        for key, (sequence, event_id) in self._newest.items():
            derived = self._reached(key)
            if self._here[key] and derived < sequence:
                raise OperatorError(
                    f"{self.table} holds entry {sequence} of {key} (event {event_id}), but {self.source} gives only"
                    f" {derived}",
                    remedy=RESTORE,
                    key=key,
                    event_id=event_id,
                )
        yield from ()

    def _reached(self, key: str) -> int:
        """Give the sequence number of the newest derived entry of a key."""
        stored = self.states.get(key)
        entry = None if stored is None else self._processor.load(orjson.loads(stored)).entry
        return 0 if entry is None else int(entry.sequence)


class RankDerivation(ChainDerivation):
    """Derives the states of `rank`: each scope's and agent's chain of router entries."""

    source, table = OBSERVATIONS, ROUTER


class TuneDerivation(ChainDerivation):
    """Derives the states of `tune`: each policy's chain of weights."""

    source, table = LESSONS, WEIGHTS
