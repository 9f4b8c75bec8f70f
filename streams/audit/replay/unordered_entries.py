"""Entries of one table compared without a common order."""

from typing import Generic

from streams.audit.entry_lookup import sequence_of
from streams.audit.replay.certainty import Certainty
from streams.audit.replay.chains import Chains, E, entries_after
from streams.audit.replay.derived_entries import DerivedEntries
from streams.audit.replay.difference import Findings, at, compare
from streams.log import Record


class UnorderedEntries(Generic[E]):
    """
    Derives the entries of one table from all events that they follow from, and then compares the table's records.

    All events behind one chain lie in one partition, so the chain is known. Compaction may have kept only its newest
    entry, and after a crash an older entry may stand behind a newer one.

    Args:
        findings: Where differences go.
        reach: The records that the stages have certainly folded.
        chains: Derive the entries.
        entries: Takes the derived entries.
    """

    def __init__(self, findings: Findings, reach: Certainty, chains: Chains[E], entries: DerivedEntries[E]) -> None:
        self._findings = findings
        self._reach = reach
        self._chains = chains
        self._entries = entries
        self._due: dict[str, tuple[int, Record]] = {}
        """By key, the sequence of the newest entry that must be in the log, and the record it follows from."""
        self._there: dict[str, int] = {}

    def learn(self, record: Record) -> None:
        """Derive the entries of one event."""
        for entry in entries_after(record, self._chains, self._findings):
            self._entries.add(entry)
            if self._reach.folded(self._chains.stage, record):
                self._due[entry.key] = (entry.sequence, record)

    def take(self, record: Record) -> None:
        """Compare an entry with the derived one of the same sequence."""
        self._findings.derived += 1
        sequence = sequence_of(record.value) or self._there.get(record.key, 0) + 1
        expected = self._entries.value(record.key, sequence)
        if expected is None:
            self._findings.note(at(record, "record", None, f"a {self._chains.what} that follows from nothing"))
            return
        self._there[record.key] = max(sequence, self._there.get(record.key, 0))
        if difference := compare(record, expected, record.key):
            self._findings.note(difference)

    def finish(self) -> None:
        """Report chains whose newest entry is missing from the log."""
        for key, (sequence, cause) in self._due.items():
            if self._there.get(key, 0) < sequence:
                value = self._entries.value(key, sequence)
                assert value is not None, "it was derived"
                event_id = self._chains.decode(value).event_id
                self._findings.note(at(cause, "record", f"{self._chains.what} {event_id} of {key}", None))
