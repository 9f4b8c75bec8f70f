"""Entries of one table compared in log order."""

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Generic

from streams.audit.replay.chains import Chains, E, entries_after
from streams.audit.replay.difference import Findings, at, compare
from streams.log import LogReader, Record


class OrderedEntries(Generic[E]):
    """
    Compares the entries of one table with those that follow from the records before them.

    Args:
        reader: The log.
        findings: Where differences go.
        chains: Derive the entries.
        follows: Called with each entry's record and the record that it follows from.
        remembered: Superseded entries kept in memory for panels that saw them; an older one is searched in the log.
    """

    def __init__(
        self,
        reader: LogReader,
        findings: Findings,
        chains: Chains[E],
        follows: Callable[[Record, Record], None],
        remembered: int,
    ) -> None:
        self._reader = reader
        self._findings = findings
        self._chains = chains
        self._follows = follows
        self._remembered = remembered
        self._superseded: OrderedDict[str, E] = OrderedDict()
        self._due: dict[str, deque[tuple[Record, E]]] = {}

    def learn(self, record: Record) -> None:
        """Derive what follows from an event of the source."""
        for entry in entries_after(record, self._chains, self._findings):
            self._due.setdefault(entry.key, deque()).append((record, entry))

    def take(self, record: Record) -> None:
        """Compare an entry with the derived one."""
        due = self._due.get(record.key)
        self._findings.derived += 1
        if not due:
            self._findings.note(at(record, "record", None, f"a {self._chains.what} that follows from nothing"))
            self._resume_at(record)
            return
        cause, entry = due.popleft()
        self._supersede(entry)
        self._follows(record, cause)
        difference = compare(record, entry.encode(), record.key)
        if difference is not None:
            self._findings.note(difference)
            self._resume_at(record)

    def finish(self, folded: int) -> None:
        """Report the entries that follow from records up to *folded* and are missing from the log."""
        for due in self._due.values():
            for cause, entry in due:
                if cause.seq <= folded:
                    missing = f"{self._chains.what} {entry.event_id} of {entry.key}"
                    self._findings.note(at(cause, "record", missing, None))

    def find(self, entry_id: str, key: str, sequence: int) -> E | None:
        """Find an entry that a panel saw."""
        entry = self._chains.newest(key)
        if entry is not None and entry.event_id == entry_id:
            return entry
        return self._superseded.get(entry_id) or self._far_back(entry_id)

    def _resume_at(self, record: Record) -> None:
        """
        Go on from the entry in the log, so that one wrong entry is one difference, and the entries after it are none.
        """
        try:
            entry = self._chains.decode(record.value)
        except ValueError:
            return
        self._supersede(entry)
        if not self._due.get(entry.key):
            self._chains.resume(entry)

    def _supersede(self, entry: E) -> None:
        self._superseded[entry.event_id] = entry
        if len(self._superseded) > self._remembered:
            self._superseded.popitem(last=False)

    def _far_back(self, entry_id: str) -> E | None:
        """Search the log, because ids have no index, for an entry that was superseded long before."""
        mark = f'"event_id":"{entry_id}"'.encode()
        records = self._reader.records((self._chains.table,))
        found = next((record for record in records if mark in record.value), None)
        return None if found is None else self._chains.decode(found.value)
