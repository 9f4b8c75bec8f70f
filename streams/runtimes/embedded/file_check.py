"""
Check of a log file against what its writer leaves.

Places, times, indexes and the tables beside the records; the events are checked elsewhere.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from schemas.registry import decode_canonical
from streams.log import LogFault
from streams.runtimes.embedded.damage import damaged_columns, is_undecodable, undecodable
from streams.runtimes.embedded.partitions import PartitionNumbers
from streams.runtimes.embedded.schema import NEWEST_COUNTS
from streams.topology import CHECKPOINTS, POLICIES, ROUTER, TOPICS, WEIGHTS

_MOST = 10_000
"""Faults after which the check ends: what they show does not grow with their number, but memory would."""
_NOWHERE = (POLICIES, 0)
"""Stands for the place of a fault of the file as a whole: the first record of a log is mostly a policy."""

_TYPES = """
typeof(stream) = 'integer' AND typeof("offset") = 'integer' AND typeof(timestamp_ms) = 'integer'
AND typeof(key) = 'text' AND typeof(correlation) = 'text' AND typeof(value) = 'blob'
AND typeof(headers) IN ('null', 'text')
"""
# Groups of a question hold its records of all topics but these; an entry of a table names its question.
_FILED = """
CASE WHEN stream IN ({tables}) THEN instr(value, CAST('"question_id":"' || correlation || '"' AS BLOB))
WHEN stream IN ({others}) THEN 0 ELSE 1 END
"""
# The correlation is selected so that SQLite decodes it.
_SCAN = (
    f'SELECT seq, stream, "offset", timestamp_ms, key, correlation, headers, {_TYPES}, {_FILED}'
    " FROM records NOT INDEXED"
)
_ROW = (
    'SELECT seq, stream, "offset", timestamp_ms, key, correlation, CAST(value AS BLOB), headers'
    " FROM records WHERE seq = ?"
)
_VALUE_TYPE = "SELECT typeof(value) FROM records WHERE seq = ?"
_INDEXES = {"records_by_place": (True, ("stream", "offset")), "records_by_correlation": (False, ("correlation",))}
_HIDDEN = "SELECT seq FROM records NOT INDEXED EXCEPT SELECT seq FROM records INDEXED BY {0} ORDER BY seq"


def file_faults(connection: sqlite3.Connection, streams: PartitionNumbers) -> list[LogFault]:
    """
    List where a file is not as its writer left it; at most some 10,000 faults, in no order.

    All is read in one transaction, so that a writer beside it changes nothing.
    """
    faults: list[LogFault] = []
    with _one_view(connection):
        (folded,) = connection.execute("SELECT seq FROM checkpoint").fetchone()
        scan = RecordScan(connection, streams, folded)
        try:
            faults += scan.faults()
        except sqlite3.OperationalError as error:
            if not is_undecodable(error):
                raise
            return [undecodable(connection, streams)]
        if any(fault.unreadable for fault in faults):
            # The rest of the check would report what follows from them.
            return [fault for fault in faults if fault.unreadable]
        if folded <= scan.end:
            # A log that lost its end is reported as such.
            faults += _latest(connection, streams, scan.newest)
        faults += _partitions(streams)
        faults += _indexes(connection, streams)
    return faults


@contextmanager
def _one_view(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")


class RecordScan:
    """
    One pass over all records by seq.

    Args:
        connection: The file.
        streams: Its partitions.
        folded: Seq of the checkpoint.
    """

    def __init__(self, connection: sqlite3.Connection, streams: PartitionNumbers, folded: int) -> None:
        self.newest: dict[tuple[int, str], int] = {}
        """Newest folded record of each key in the topics of which `latest` keeps it."""
        self.end = 0
        """Seq of the last record."""
        self._connection = connection
        self._streams = streams
        self._folded = folded

    def faults(self) -> list[LogFault]:
        """List the faults of places, times, types, headers and correlations."""
        streams, newest, folded = self._streams, self.newest, self._folded
        kept = {stream for topic in NEWEST_COUNTS for stream in streams.of_topic(topic)}
        faults: list[LogFault] = []
        offsets = dict.fromkeys(streams.places, 0)
        last_seq, last_ms = 0, 0
        for seq, stream, offset, timestamp_ms, key, _, headers, typed, filed in self._connection.execute(self._query()):
            if not typed or headers is not None or stream not in offsets:
                faults += self._unreadable(seq)
                if not typed or stream not in offsets:
                    last_seq = seq
                    continue
            if seq != last_seq + 1:
                faults.append(self._at(seq, stream, offset, "seq", last_seq + 1, seq))
            if offset != offsets[stream]:
                faults.append(self._at(seq, stream, offset, "offset", offsets[stream], offset))
            if timestamp_ms < last_ms:
                faults.append(self._at(seq, stream, offset, "timestamp_ms", f"{last_ms} or later", timestamp_ms))
            if not filed:
                faults += self._misfiled(seq)
            if stream in kept and seq <= folded:
                newest[stream, key] = seq
            offsets[stream] = offset + 1
            last_seq, last_ms = seq, timestamp_ms
            if len(faults) >= _MOST:
                break
        self.end = last_seq
        return faults

    def _query(self) -> str:
        tables, others = self._numbers(ROUTER, WEIGHTS), self._numbers(POLICIES, CHECKPOINTS)
        return f"{_SCAN.format(tables=tables, others=others)} ORDER BY seq"

    def _numbers(self, *topics: str) -> str:
        return ", ".join(str(stream) for topic in topics for stream in self._streams.of_topic(topic))

    def _at(self, seq: int, stream: int, offset: int, field: str, expected: Any, actual: Any) -> LogFault:
        topic, partition = self._streams.places[stream]
        return LogFault(seq, topic, partition, offset, field, expected, actual)

    def _unreadable(self, seq: int) -> Iterator[LogFault]:
        """Say which column of a record holds what no writer puts there."""
        row = self._connection.execute(_ROW, (seq,)).fetchone()
        fault = damaged_columns(row, self._streams)
        if fault is not None:
            yield fault
            return
        (kind,) = self._connection.execute(_VALUE_TYPE, (seq,)).fetchone()
        if kind != "blob":
            # Readers take the bytes all the same.
            yield self._at(seq, row[1], row[2], "value", "bytes, as the writer stores them", kind)

    def _misfiled(self, seq: int) -> Iterator[LogFault]:
        _, stream, offset, _, key, correlation, value, _ = self._connection.execute(_ROW, (seq,)).fetchone()
        topic, _ = self._streams.places[stream]
        try:
            event = decode_canonical(topic, value)
        except ValueError:
            # The checks of events report it.
            return
        if correlation != event.correlation:
            yield self._at(seq, stream, offset, "correlation", event.correlation, correlation)
        if topic == CHECKPOINTS and key != event.key:
            yield self._at(seq, stream, offset, "key", event.key, key)


def _latest(
    connection: sqlite3.Connection, streams: PartitionNumbers, newest: dict[tuple[int, str], int]
) -> Iterator[LogFault]:
    """Compare the table of newest records with those up to the checkpoint: the next run begins with its entries."""
    stored = {(stream, key): seq for stream, key, seq in connection.execute("SELECT stream, key, seq FROM latest")}
    for line in sorted(newest.keys() | stored.keys(), key=str):
        expected, actual = newest.get(line), stored.get(line)
        if expected != actual:
            topic, partition = streams.places.get(line[0], _NOWHERE)
            row = connection.execute('SELECT "offset" FROM records WHERE seq = ?', (expected or actual,)).fetchone()
            offset = row[0] if row else 0
            yield LogFault(expected or 0, topic, partition, offset, f"newest record of {line[1]}", expected, actual)


def _partitions(streams: PartitionNumbers) -> Iterator[LogFault]:
    """Check that each topic has its partitions from 0 on, without gaps."""
    found: dict[str, list[int]] = {}
    for topic, partition in streams.numbers:
        found.setdefault(topic, []).append(partition)
    for topic, partitions in found.items():
        expected = list(range(len(partitions)))
        if sorted(partitions) != expected:
            yield LogFault(0, topic, 0, 0, "partitions", expected, sorted(partitions))
    for topic in TOPICS:
        if topic not in found and set(found) - set(TOPICS):
            # A file may lack a topic that is younger than it; one with a stranger in its place was changed.
            yield LogFault(0, topic, 0, 0, "partitions", f"partitions of {topic}", sorted(set(found) - set(TOPICS)))


def _indexes(connection: sqlite3.Connection, streams: PartitionNumbers) -> Iterator[LogFault]:
    """Check that the indexes are those of the layout and hold every record, and that nothing acts on its own."""
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        yield _of_file("triggers", None, str(name))
    listed = connection.execute("SELECT name, \"unique\", partial FROM pragma_index_list('records')").fetchall()
    for name, (unique, columns) in _INDEXES.items():
        found = next(((bool(row[1]), bool(row[2])) for row in listed if row[0] == name), None)
        named = connection.execute("SELECT name FROM pragma_index_info(?)", (name,)).fetchall()
        if found != (unique, False) or tuple(column for (column,) in named) != columns:
            yield _of_file(f"index {name}", f"one over {', '.join(columns)}", "another, or none")
            return
    problems = [text for (text,) in connection.execute("PRAGMA integrity_check(records)") if text != "ok"]
    if not problems:
        return
    for name in _INDEXES:
        for (seq,) in connection.execute(_HIDDEN.format(name)).fetchall()[:_MOST]:
            query = 'SELECT stream, "offset" FROM records NOT INDEXED WHERE seq = ?'
            stream, offset = connection.execute(query, (seq,)).fetchone()
            topic, partition = streams.places.get(stream, _NOWHERE)
            yield LogFault(seq, topic, partition, offset, f"index {name}", "the record", None)
    yield _of_file("indexes", "sound", problems[0])


def _of_file(field: str, expected: Any, actual: Any) -> LogFault:
    topic, partition = _NOWHERE
    return LogFault(0, topic, partition, 0, field, expected, actual)
