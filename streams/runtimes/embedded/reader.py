"""The reader of an embedded log."""

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Self

from streams.errors import DifferenceError, UsageError
from streams.log import Headers, LogFault, LogReader, Original, Record, UnorderedReader
from streams.runtimes.embedded.damage import (
    damaged,
    headers_of,
    is_undecodable,
    require_sound_tables,
    undecodable,
    unreadable,
)
from streams.runtimes.embedded.file_check import file_faults
from streams.runtimes.embedded.open_file import open_to_read
from streams.runtimes.embedded.partitions import PartitionNumbers
from streams.runtimes.embedded.schema import layout_now, load_streams
from streams.runtimes.embedded.sqlite_errors import mapped
from streams.topology import TOPICS

_CHUNK_ROWS = 2_000
_CHUNK_BYTES = 8 << 20
"""Limits of one query. Between queries the reader holds no lock, so a reader that pauses does not make -wal grow."""
_FETCH_ROWS = 32
"""Rows between two checks of their size; 32 of the largest events take some 30 MB."""

# CAST: tampering through SQL may leave text in a value; an audit must get its bytes all the same.
COLUMNS = 'seq, stream, "offset", timestamp_ms, key, correlation, CAST(value AS BLOB), headers'
_VIEW = "SELECT (SELECT max(seq) FROM records), (SELECT seq FROM checkpoint)"
_BY_SEQ = f"SELECT {COLUMNS} FROM records NOT INDEXED WHERE seq > ? AND seq <= ?"
_BY_CORRELATION = f"SELECT {COLUMNS} FROM records INDEXED BY records_by_correlation WHERE"
_BY_PLACE = f"SELECT {COLUMNS} FROM records INDEXED BY records_by_place WHERE"
_NOTED = f"""
SELECT {COLUMNS} FROM records NOT INDEXED
WHERE seq = (SELECT seq FROM latest WHERE stream = ? AND key = ?) AND seq <= ? AND stream = ? AND key = ?
"""
"""The newest folded record of a key, if it lies before a seq."""
_OFFSET_AT = 'SELECT "offset" FROM records NOT INDEXED WHERE seq <= ? AND stream = ? ORDER BY seq DESC LIMIT 1'

Row = tuple[Any, ...]


class EmbeddedReader:
    """
    The `LogReader` of one SQLite file, which also works beside a writer and on a read-only copy.

    The log only grows, and its records are numbered without gaps. So all records up to one seq are a consistent view,
    which no writer can change and which needs no lock. Used by one thread at a time.

    Args:
        path: An existing log.

    Raises:
        OperatorError: The file is missing, empty, no log, a newer log, or unreadable.
        DifferenceError: Its tables were changed so that nobody can read them; every method raises it at a record that
            was.
    """

    def __init__(self, path: Path) -> None:
        self._path = Path(os.path.realpath(path))
        self._connection = open_to_read(self._path)
        self._end = self._folded = 0
        self._streams = PartitionNumbers({})
        try:
            with mapped(self._path):
                require_sound_tables(self._connection, self._path)
            self.refresh()
        except BaseException:
            self.close()
            raise

    @property
    def end(self) -> int:
        """Give the seq of the newest record in view; 0 where the log is empty."""
        return self._end

    @property
    def layout(self) -> int:
        """Give the layout of the file; the next writer migrates an older one than `schema.LAYOUT`."""
        return layout_now(self._connection)

    @property
    def folded(self) -> int:
        """Give the seq of the last record that was folded when the view was taken."""
        return self._folded

    def refresh(self) -> bool:
        """Move the view to the newest commit; say whether there was a newer one."""
        before = self._end
        with self._reading():
            end, folded = self._connection.execute(_VIEW).fetchone()
            if end != before:
                self._streams = load_streams(self._connection)
        self._end, self._folded = end or 0, folded
        return self._end != before

    def records(self, topics: Sequence[str] = (), *, after: int = 0, limit: int | None = None) -> Iterator[Record]:
        """
        Iterate the records of *topics* (all if empty) with a `seq` above *after*, in log order.

        Raises:
            UsageError: A topic does not exist.
        """
        query = f"{_BY_SEQ} {self._only(topics)} ORDER BY seq LIMIT {_CHUNK_ROWS}"
        return self._records(query, after, limit if limit is not None else self._end, self._end)

    def originals(
        self, topics: Sequence[str] = (), *, after: int = 0, starts: Mapping[tuple[str, int], int] | None = None
    ) -> Iterator[Original]:
        """Iterate all records of *topics* (all if empty) with a `seq` above *after*, as the file holds them."""
        query = f"{_BY_SEQ} {self._only(topics)} ORDER BY seq LIMIT {_CHUNK_ROWS}"
        end = self._end
        while rows := self._chunk(query, (after, end)):
            for row in rows:
                yield _original(self._record(row), row[5])
            after = rows[-1][0]

    def _records(self, query: str, after: int, left: int, end: int) -> Iterator[Record]:
        while left > 0 and (rows := self._chunk(query, (after, end))):
            yield from map(self._record, rows[:left])
            after = rows[-1][0]
            left -= len(rows)

    def about(self, correlation: str) -> list[Record]:
        """List every record about one question (or one key), in log order."""
        with self._reading():
            return records_about(self._connection, self._streams, correlation, self._end)

    def by_correlation(self, topics: Sequence[str] = ()) -> Iterator[tuple[str, list[Record]]]:
        """
        Iterate the records of *topics* grouped by correlation, each group in log order; in constant memory.

        Raises:
            UsageError: A topic does not exist.
        """
        query = (
            f"{_BY_CORRELATION} (correlation, seq) > (?, ?) AND seq <= ? {self._only(topics)}"
            f" ORDER BY correlation, seq LIMIT {_CHUNK_ROWS}"
        )
        return self._groups(query, self._end)

    def _groups(self, query: str, end: int) -> Iterator[tuple[str, list[Record]]]:
        correlation, seq = "", 0
        group: list[Record] = []
        while rows := self._chunk(query, (correlation, seq, end)):
            for row in rows:
                if row[5] != correlation:
                    if group:
                        yield correlation, group
                    correlation, group = row[5], []
                group.append(self._record(row))
            seq = rows[-1][0]
        if group:
            yield correlation, group

    def last(self, topic: str, key: str, *, upto: int | None = None) -> Record | None:
        """
        Find the newest record of a key, or the newest one up to a `seq`; None if there is none.

        It is fast for question ids and recently used keys, and for those that the file notes the newest record of; for
        other keys it scans the partition backwards, some 3 million records a second.
        """
        if not self._streams.of_topic(topic):
            return None
        stream, end = self._streams.of_key(topic, key), self._end if upto is None else min(upto, self._end)
        with self._reading():
            row = self._newest(topic, key, stream, end)
        return self._record(row) if row else None

    def _newest(self, topic: str, key: str, stream: int, end: int) -> Row | None:
        if TOPICS[topic].key == "question_id":
            query = f"{_BY_CORRELATION} correlation = ? AND stream = ? AND seq <= ? ORDER BY seq DESC LIMIT 1"
            found: Row | None = self._connection.execute(query, (key, stream, end)).fetchone()
            return found
        if end <= self._folded:
            # What the writer notes is the newest record that it has folded.
            noted: Row | None = self._connection.execute(_NOTED, (stream, key, end, stream, key)).fetchone()
            if noted is not None:
                return noted
        # An offset, for else the scan would begin at the end of the partition.
        at = self._connection.execute(_OFFSET_AT, (end, stream)).fetchone()
        query = f'{_BY_PLACE} key = ? AND stream = ? AND "offset" <= ? ORDER BY "offset" DESC LIMIT 1'
        row: Row | None = None if at is None else self._connection.execute(query, (key, stream, at[0])).fetchone()
        return row

    def ends(self) -> dict[tuple[str, int], int]:
        """Give the next offset of every partition of every topic."""
        query = f'{_BY_PLACE} stream = ? AND seq <= ? ORDER BY "offset" DESC LIMIT 1'
        ends = {}
        with self._reading():
            for place, stream in self._streams.numbers.items():
                row = self._connection.execute(query, (stream, self._end)).fetchone()
                ends[place] = self._record(row).offset + 1 if row else 0
        return ends

    def incomplete(self) -> frozenset[tuple[str, int]]:
        """Give none: a file keeps every record."""
        return frozenset()

    def faults(self) -> Sequence[LogFault]:
        """List where the file is not as its writer left it."""
        with self._reading():
            return file_faults(self._connection, self._streams)

    @property
    def archived(self) -> bool:
        """Say no: the file has its tables."""
        return False

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Map SQLite's errors; name the place of a text that cannot be read."""
        try:
            with mapped(self._path):
                yield
        except DifferenceError as error:
            cause = error.__cause__
            if isinstance(cause, sqlite3.Error) and is_undecodable(cause):
                raise unreadable(undecodable(self._connection, self._streams)) from cause
            raise

    def elsewhere(self) -> Callable[[], LogReader]:
        """Give a function that opens the file in another process."""
        return partial(EmbeddedReader, self._path)

    def unordered(self) -> UnorderedReader | None:
        """Give None: a file has one total order."""
        return None

    def close(self) -> None:
        """Close the log."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def _only(self, topics: Sequence[str]) -> str:
        if not topics:
            return ""
        unknown = [topic for topic in topics if topic not in TOPICS]
        if unknown:
            raise UsageError(f"there is no topic {', '.join(unknown)}", remedy=f"There are {', '.join(TOPICS)}")
        streams = [stream for topic in topics for stream in self._streams.of_topic(topic)]
        return f"AND stream IN ({', '.join(map(str, streams))})"

    def _chunk(self, query: str, values: Sequence[object]) -> list[Row]:
        """Fetch rows of one query, up to some `_CHUNK_BYTES`; at least one if there is any."""
        rows: list[Row] = []
        left = _CHUNK_BYTES
        with self._reading():
            cursor = self._connection.execute(query, values)
            while left > 0 and (some := cursor.fetchmany(_FETCH_ROWS)):
                rows += some
                left -= sum([len(row[6]) for row in some])
            cursor.close()
        return rows

    def _record(self, row: Row) -> Record:
        return record_of(row, self._streams)


def records_about(
    connection: sqlite3.Connection, streams: PartitionNumbers, correlation: str, end: int
) -> list[Record]:
    """List every record about one question (or one key) up to seq *end*, in log order."""
    query = f"{_BY_CORRELATION} correlation = ? AND seq <= ? ORDER BY seq"
    return [record_of(row, streams) for row in connection.execute(query, (correlation, end)).fetchall()]


def records_of(connection: sqlite3.Connection, streams: PartitionNumbers, topic: str, end: int) -> Iterator[Record]:
    """Iterate the records of a topic up to seq *end*, partition by partition."""
    query = f'{_BY_PLACE} stream = ? AND seq <= ? ORDER BY "offset"'
    for stream in streams.of_topic(topic):
        for row in connection.execute(query, (stream, end)):
            yield record_of(row, streams)


def _original(record: Record, correlation: str) -> Original:
    topic, partition, offset, timestamp_ms, key, value, headers, seq = record
    # The writer of a file stamps each record with its own clock.
    return Original(
        topic,
        partition,
        offset,
        timestamp_ms,
        "LogAppendTime",
        key.encode(),
        value,
        headers,
        correlation,
        seq=seq,
    )


def record_of(row: Row, streams: PartitionNumbers) -> Record:
    """
    Make a record from a row of `COLUMNS`.

    Raises:
        DifferenceError: The row was changed so that it is no record.
    """
    seq, stream, offset, timestamp_ms, key, correlation, value, headers = row
    place = streams.places.get(stream)
    if (
        place is None
        or place[0] not in TOPICS
        or type(offset) is not int
        or type(timestamp_ms) is not int
        or type(key) is not str
        or type(correlation) is not str
    ):
        raise damaged(row, streams)
    unpacked: Headers = ()
    if headers is not None:
        try:
            unpacked = headers_of(headers)
        except ValueError:
            raise damaged(row, streams) from None
    return Record(place[0], place[1], offset, timestamp_ms, key, value, unpacked, seq)
