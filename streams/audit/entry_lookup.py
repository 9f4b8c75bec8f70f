"""
Lookup of router entries by id, without an index.

The log keeps no index of ids, but an entry mostly lies shortly before the event that names it.
"""

import re
from collections.abc import Iterable, Iterator

from schemas.router import RouterEntry
from streams.log import LogReader
from streams.topology import ROUTER

_FIRST_WINDOW = 4_000
"""Records searched first; the entry of an agent asked lately is among them."""
_MARK = b'"event_id":"'
_SEQUENCE = re.compile(rb'"sequence":(\d{1,16})\b')
_ID_LENGTH = 64


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
    missing, found = set(wanted), dict[str, RouterEntry]()
    for low, high in _windows(before):
        if not missing:
            break
        for record in reader.records((ROUTER,), after=low):
            if high is not None and record.seq > high:
                break
            event_id = event_id_of(record.value)
            if event_id in missing:
                found[event_id] = RouterEntry.decode(record.value)
                missing.discard(event_id)
    return found


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
