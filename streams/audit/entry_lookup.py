"""
Entries of tables, by id or by key.

The log keeps no index of ids, but an entry mostly lies shortly before the event that names it.
"""

import re
from collections.abc import Iterable, Iterator
from typing import TypeVar

from schemas.event import Event
from schemas.router import RouterEntry
from schemas.weights import WeightsEntry
from streams.errors import DifferenceError
from streams.log import LogReader, Record, read_event
from streams.topology import ROUTER, WEIGHTS

_FIRST_WINDOW = 4_000
"""Records searched first; the entry of an agent asked lately is among them."""
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


def find_entries(reader: LogReader, wanted: Iterable[str], before: int) -> dict[str, RouterEntry]:
    """
    Find router entries by id: backwards from one seq in growing windows, then forwards from it.

    Args:
        reader: The log.
        wanted: Ids of entries.
        before: Seq at which the search starts; 0: it goes forwards through all entries.

    Returns:
        The entries found, by id. An entry that compaction removed is not among them.
    """
    return {event_id: RouterEntry.decode(value) for event_id, value in _find(reader, ROUTER, wanted, before)}


def find_weights(reader: LogReader, wanted: Iterable[str], before: int) -> dict[str, WeightsEntry]:
    """Find entries of weights by id, as `find_entries` does."""
    return {event_id: WeightsEntry.decode(value) for event_id, value in _find(reader, WEIGHTS, wanted, before)}


def _find(reader: LogReader, topic: str, wanted: Iterable[str], before: int) -> Iterator[tuple[str, bytes]]:
    missing = set(wanted)
    for low, high in _windows(before):
        if not missing:
            break
        for record in reader.records((topic,), after=low):
            if high is not None and record.seq > high:
                break
            event_id = event_id_of(record.value)
            if event_id in missing:
                yield event_id, record.value
                missing.discard(event_id)


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
