"""
Entries of tables, by id or by key.

The log keeps no index of ids, but an entry mostly is the newest of its key before the event that names it.
"""

import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypeVar

from schemas.event import Event
from schemas.panels import PanelAssigned
from schemas.router import RouterEntry, router_key
from schemas.weights import WeightsEntry
from streams.errors import DifferenceError
from streams.log import LogReader, Record, read_event
from streams.topology import ROUTER, WEIGHTS

_FIRST_WINDOW = 4_000
"""Records searched first where an entry is not found by its key."""

_MOST_NEWER = 16
"""Entries of a key that are looked at on the way back to the one that is wanted."""
_MARK = b'"event_id":"'
_SEQUENCE = re.compile(rb'"sequence":(\d{1,16})\b')
_ID_LENGTH = 64


Entry = TypeVar("Entry", RouterEntry, WeightsEntry)


def event_in(reader: LogReader, record: Record) -> Event | None:
    """
    Decode a record of a topic that stages write; None for one that is no event of theirs.

    On Kafka anyone may write to such a topic, and the stages leave such a record out, too.

    Raises:
        DifferenceError: A record in a file was changed after it was written.
    """
    try:
        return read_event(record)
    except DifferenceError:
        if reader.unordered() is None:
            raise
        return None


def newest_entries(reader: LogReader, topic: str, kind: type[Entry]) -> dict[str, Entry]:
    """
    Give the newest entry of each key of a table's topic, by key.

    After a crash an older entry may be written again behind a newer one, so the highest sequence counts. Only the
    newest records are decoded; of keys under which that is no entry (see `event_in`), all are, in a second pass.

    Raises:
        DifferenceError: An entry in a file was changed after it was written.
    """
    newest: dict[str, tuple[int, Record]] = {}
    for record in reader.records((topic,)):
        sequence = sequence_of(record.value)
        if sequence >= newest.get(record.key, (0, record))[0]:
            newest[record.key] = sequence, record
    found: dict[str, Entry] = {}
    for key, (_, record) in sorted(newest.items()):
        entry = event_in(reader, record)
        if isinstance(entry, kind):
            found[key] = entry
    doubtful = newest.keys() - found.keys()
    for record in reader.records((topic,)) if doubtful else ():
        entry = event_in(reader, record) if record.key in doubtful else None
        if isinstance(entry, kind) and (record.key not in found or entry.sequence >= found[record.key].sequence):
            found[record.key] = entry
    return found


class NamedEntry(NamedTuple):
    """Where an entry should be that some event names."""

    key: str
    before: int
    """Seq of the event that names it; 0: nothing is known of its place."""


def consulted(panel: PanelAssigned, seq: int) -> dict[str, NamedEntry]:
    """Give the places of the router entries that a panel names, by id."""
    return {
        entry_id: NamedEntry(router_key(scope, candidate.agent), seq)
        for candidate in panel.candidates
        for scope, entry_id in zip(panel.scopes, candidate.entry_ids, strict=False)
        if entry_id
    }


class SeenEntries:
    """
    Router entries of one log that were found, for whoever explains many of its questions.

    An agent that is not asked keeps its entries, so thousands of panels name the same ones, ever farther back. An id is
    the hash of the entry, so what was found once stays right.

    Args:
        most: Entries that it keeps; each takes some 3 kB.
    """

    def __init__(self, most: int = 2_000) -> None:
        self._most = most
        self._entries: OrderedDict[str, RouterEntry] = OrderedDict()
        self._lock = threading.Lock()

    def known(self, wanted: Iterable[str]) -> dict[str, RouterEntry]:
        """Give those entries that were found before."""
        with self._lock:
            return {event_id: self._entries[event_id] for event_id in wanted if event_id in self._entries}

    def keep(self, found: Mapping[str, RouterEntry]) -> None:
        """Keep entries, and let the oldest go."""
        with self._lock:
            self._entries.update(found)
            for event_id in found:
                self._entries.move_to_end(event_id)
            while len(self._entries) > self._most:
                self._entries.popitem(last=False)


def find_entries(
    reader: LogReader, wanted: Mapping[str, NamedEntry], seen: SeenEntries | None = None
) -> dict[str, RouterEntry]:
    """
    Find router entries by id: among the newest ones of their keys, else through the log.

    Args:
        reader: The log.
        wanted: Places of entries, by id.
        seen: Entries that were found before; those found now are added.

    Returns:
        The entries found, by id. An entry that compaction removed is not among them.
    """
    known = {} if seen is None else seen.known(wanted)
    missing = {event_id: place for event_id, place in wanted.items() if event_id not in known}
    found = {event_id: RouterEntry.decode(value) for event_id, value in _find(reader, ROUTER, missing)}
    if seen is not None:
        seen.keep({**known, **found})
    return {**known, **found}


def find_weights(reader: LogReader, wanted: Mapping[str, NamedEntry]) -> dict[str, WeightsEntry]:
    """Find entries of weights by id, as `find_entries` does."""
    return {event_id: WeightsEntry.decode(value) for event_id, value in _find(reader, WEIGHTS, wanted)}


def _find(reader: LogReader, topic: str, wanted: Mapping[str, NamedEntry]) -> Iterator[tuple[str, bytes]]:
    missing = dict(wanted)
    for event_id, place in wanted.items():
        value = _by_key(reader, topic, event_id, place)
        if value is not None:
            yield event_id, value
            del missing[event_id]
    before = max((place.before for place in missing.values()), default=0)
    for low, high in _windows(before):
        if not missing:
            break
        for record in reader.records((topic,), after=low):
            if high is not None and record.seq > high:
                break
            event_id = event_id_of(record.value)
            if event_id in missing:
                yield event_id, record.value
                del missing[event_id]


def _by_key(reader: LogReader, topic: str, event_id: str, place: NamedEntry) -> bytes | None:
    """Look at the newest entries of a key before a place."""
    before = place.before
    for _ in range(_MOST_NEWER):
        record = reader.last(topic, place.key, upto=before - 1) if before > 1 else None
        if record is None:
            return None
        if event_id_of(record.value) == event_id:
            return record.value
        before = record.seq
    return None


def _windows(before: int) -> Iterator[tuple[int, int | None]]:
    """Give stretches of the log, each as the seq before its first record and the seq of its last; None: to the end."""
    high, size = before, _FIRST_WINDOW
    while high > 0:
        low = max(0, high - size)
        yield low, high
        high, size = low, size * 8
    # Without a common order of topics, an entry may stand behind the event that names it.
    yield before, None


def event_id_of(value: bytes) -> str:
    """Read an event's id out of canonical JSON; a quote inside a string is escaped there, so the mark is the key."""
    start = value.find(_MARK) + len(_MARK)
    return value[start : start + _ID_LENGTH].decode("ascii", "replace")


def sequence_of(value: bytes) -> int:
    """Read the sequence number of a router entry out of canonical JSON; 0 if there is none."""
    found = _SEQUENCE.search(value)
    return int(found[1]) if found else 0
