"""Appends of records to the SQLite file."""

import sqlite3
from collections import OrderedDict

from schemas.event import Event
from streams.log import Clock, Stored
from streams.runtimes.embedded.crash_points import CrashPoints
from streams.runtimes.embedded.partitions import PartitionNumbers
from streams.runtimes.headers import unpack_headers

_FLUSH_ROWS = 2_000
_FLUSH_BYTES = 4 << 20
"""Buffered rows, and bytes, at which they are handed to SQLite: one call costs as much as several rows."""

_REMEMBERED_CORRELATIONS = 8_192
"""Must exceed `_FLUSH_ROWS`: inputs of an evicted correlation must be in the file, where `holds` finds them."""

_INSERT = "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_KNOWS = "SELECT 1 FROM records INDEXED BY records_by_correlation WHERE correlation = ? LIMIT 1"
_HOLDS = "SELECT 1 FROM records INDEXED BY records_by_correlation WHERE correlation = ? AND stream = ? AND value = ?"


class RecordAppender:
    """
    Appends records to the open transaction, and begins one if there is none.

    It gives each record its place, seq and timestamp. `end` is the seq of the newest record, `value_bytes` the size of
    the values flushed since `settle`.
    """

    def __init__(
        self, connection: sqlite3.Connection, streams: PartitionNumbers, clock: Clock, faults: CrashPoints
    ) -> None:
        self.end = 0
        self.value_bytes = 0
        self._connection = connection
        self._streams = streams
        self._clock = clock
        self._faults = faults
        self._timestamp_ms = 0
        self._next = dict.fromkeys(streams.places, 0)
        self._rows: list[tuple[int, int, int, int, str, str, bytes, str | None]] = []
        self._waiting_bytes = 0
        self._waiting_inputs: set[str] = set()
        self._begun: OrderedDict[str, set[str]] = OrderedDict()
        self._find_end()

    def _find_end(self) -> None:
        newest = self._connection.execute("SELECT seq, timestamp_ms FROM records ORDER BY seq DESC LIMIT 1").fetchone()
        if newest:
            self.end, self._timestamp_ms = newest
        for stream in self._next:
            (last,) = self._connection.execute(
                'SELECT max("offset") FROM records INDEXED BY records_by_place WHERE stream = ?', (stream,)
            ).fetchone()
            if last is not None:
                self._next[stream] = last + 1

    def holds(self, event: Event, value: bytes) -> bool:
        """
        Say whether the log holds this input event already, committed or not.

        All inputs of a correlation that began in this process are in memory, which saves most look-ups. For other
        correlations one look-up finds all records, and equal events have equal bytes, so ids need no index.
        """
        correlation = event.correlation
        begun = self._begun.get(correlation)
        if begun is not None:
            self._begun.move_to_end(correlation)
            return event.event_id in begun
        if event.event_id in self._waiting_inputs:
            return True
        if self._connection.execute(_KNOWS, (correlation,)).fetchone() is None:
            self._begun[correlation] = set()
            if len(self._begun) > _REMEMBERED_CORRELATIONS:
                self._begun.popitem(last=False)
            return False
        stream = self._streams.of_key(event.topic, event.key)
        return self._connection.execute(_HOLDS, (correlation, stream, value)).fetchone() is not None

    def append_input(self, event: Event, value: bytes, headers: str | None) -> Stored:
        """Append an input after a call of `holds`, and keep its id until `holds` can find it in the file."""
        self._waiting_inputs.add(event.event_id)
        begun = self._begun.get(event.correlation)
        if begun is not None:
            begun.add(event.event_id)
        return self.append(event, value, headers)

    def append(self, event: Event, value: bytes, headers: str | None) -> Stored:
        """Append an event with the encoding *value* to its partition and to the log."""
        key = event.key
        stream = self._streams.of_key(event.topic, key)
        offset = self._next[stream]
        self._next[stream] = offset + 1
        self.end = seq = self.end + 1
        now = self._clock()
        if now > self._timestamp_ms:
            self._timestamp_ms = now
        self._rows.append((seq, stream, offset, self._timestamp_ms, key, event.correlation, value, headers))
        self._waiting_bytes += len(value)
        self._faults.reach("append")
        if len(self._rows) >= _FLUSH_ROWS or self._waiting_bytes >= _FLUSH_BYTES:
            self.flush()
        topic, partition = self._streams.places[stream]
        return Stored(topic, partition, offset, event, seq, unpack_headers(headers))

    def flush(self) -> None:
        """Hand all buffered rows to SQLite, where queries of this connection find them."""
        if not self._rows:
            return
        self.begin()
        self._connection.executemany(_INSERT, self._rows)
        self._rows.clear()
        self._waiting_inputs.clear()
        self.value_bytes += self._waiting_bytes
        self._waiting_bytes = 0
        self._faults.reach("flush")

    def begin(self) -> None:
        """Make sure a transaction is open."""
        if not self._connection.in_transaction:
            self._connection.execute("BEGIN IMMEDIATE")

    def settle(self) -> int:
        """Note a commit: give the bytes of the values in the transaction, and reset the count."""
        settled, self.value_bytes = self.value_bytes, 0
        return settled
