"""Router entries by id: the log keeps no index of them, but those that matter lie close before what names them."""

from collections.abc import Iterable

from schemas.router import RouterEntry
from streams.runtimes.contract import LogReader
from streams.topology import ROUTER

_FIRST_WINDOW = 4_000
"""Records looked at first; an agent asked lately has its entry among them."""
_MARK = b'"event_id":"'
_ID_LENGTH = 64


def find_entries(reader: LogReader, wanted: Iterable[str], before: int) -> dict[str, RouterEntry]:
    """
    Find router entries by id, going back from one place in growing windows.

    Args:
        reader: The log.
        wanted: Ids of entries.
        before: Seq at which to start going back; 0 where records have no seq: then all entries are looked at.

    Returns:
        Those found, by id. An entry that compaction removed is not among them.
    """
    missing, found = set(wanted), dict[str, RouterEntry]()
    high, window = before, _FIRST_WINDOW
    while missing:
        low = max(0, high - window)
        for record in reader.records((ROUTER,), after=low):
            if high and record.seq > high:
                break
            event_id = event_id_of(record.value)
            if event_id in missing:
                found[event_id] = RouterEntry.decode(record.value)
                missing.discard(event_id)
        if low == 0:
            break
        high, window = low, window * 8
    return found


def event_id_of(value: bytes) -> str:
    """Read an event's id out of canonical JSON; a quote inside a string is escaped there, so the mark is the key."""
    start = value.find(_MARK) + len(_MARK)
    return value[start : start + _ID_LENGTH].decode("ascii", "replace")
