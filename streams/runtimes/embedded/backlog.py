"""Records that were appended but not folded yet."""

import sqlite3
from collections import deque
from typing import NamedTuple

from streams.log import Stored, read_event
from streams.runtimes.embedded.appender import RecordAppender
from streams.runtimes.embedded.partitions import PartitionNumbers
from streams.runtimes.embedded.reader import COLUMNS, record_of

_MOST_EVENTS = 10_000
_MOST_BYTES = 32 << 20
"""Limits of the memory queue. An event in memory takes some ten times its encoding; others are read back when due."""

_READ = f"SELECT {COLUMNS} FROM records NOT INDEXED WHERE seq > ? ORDER BY seq LIMIT 1000"


class UnfoldedRecord(NamedTuple):
    """A record before its fold, with its packed headers and the size of its value."""

    stored: Stored
    headers: str | None
    value_bytes: int


class Backlog:
    """
    Queue of the records after the cursor, in log order; its head is in memory, the rest in the file.

    Args:
        connection: The appender's connection, which sees flushed rows.
        cursor: Seq of the last record folded.
    """

    def __init__(
        self, connection: sqlite3.Connection, streams: PartitionNumbers, appender: RecordAppender, cursor: int
    ) -> None:
        self._connection = connection
        self._streams = streams
        self._appender = appender
        self._reached = cursor
        self._waiting: deque[UnfoldedRecord] = deque()
        self._bytes = 0

    def offer(self, stored: Stored, headers: str | None, value_bytes: int) -> None:
        """Keep a record just appended in memory, if it directly follows those there and there is room."""
        if stored.seq == self._reached + 1 and len(self._waiting) < _MOST_EVENTS and self._bytes < _MOST_BYTES:
            self._waiting.append(UnfoldedRecord(stored, headers, value_bytes))
            self._reached = stored.seq
            self._bytes += value_bytes

    def take(self) -> UnfoldedRecord | None:
        """
        Take the next record; None if all are taken.

        Raises:
            DifferenceError: A record in the file was changed after it was written.
        """
        if not self._waiting:
            if self._reached == self._appender.end:
                return None
            self._read_back()
        waiting = self._waiting.popleft()
        self._bytes -= waiting.value_bytes
        return waiting

    def _read_back(self) -> None:
        self._appender.flush()
        rows = self._connection.execute(_READ, (self._reached,))
        for row in rows:
            record = record_of(row, self._streams)
            stored = Stored(
                record.topic, record.partition, record.offset, read_event(record), record.seq, record.headers
            )
            self._waiting.append(UnfoldedRecord(stored, row[-1], len(record.value)))
            self._reached = record.seq
            self._bytes += len(record.value)
            if self._bytes >= _MOST_BYTES:
                break
        rows.close()
