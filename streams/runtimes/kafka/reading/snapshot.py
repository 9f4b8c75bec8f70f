"""A temporary SQLite copy of a log on Kafka."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from schemas.registry import InvalidRecord
from streams.processors import PROCESSORS
from streams.runtimes.embedded import schema
from streams.runtimes.embedded.open_file import open_to_write
from streams.runtimes.embedded.sqlite_errors import mapped
from streams.runtimes.headers import pack_headers
from streams.runtimes.kafka.raw_record import RawRecord, is_misplaced, read_input, subject_of
from streams.topology import INPUT_TOPICS

_FLUSH_ROWS = 2_000
_FLUSH_BYTES = 4 << 20
_CACHE_KIB = 65_536
"""Large enough for the pages in use of both indexes and of `seen`, which are written in random order."""

_TABLES = """
CREATE TABLE seen (digest INTEGER PRIMARY KEY, seq INTEGER NOT NULL);
CREATE TABLE left_out (
    number INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    "offset" INTEGER NOT NULL,
    timestamp_ms INTEGER NOT NULL,
    correlation TEXT NOT NULL,
    key BLOB,
    value BLOB NOT NULL,
    headers TEXT,
    reason TEXT,
    detail TEXT
);
CREATE INDEX left_out_by_correlation ON left_out (correlation, number);
CREATE TABLE committed (
    stage TEXT NOT NULL,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    "offset" INTEGER NOT NULL,
    PRIMARY KEY (stage, topic, partition)
);
CREATE TABLE settled (
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    "offset" INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)
);
CREATE TABLE aborted (
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    "offset" INTEGER NOT NULL,
    PRIMARY KEY (topic, partition, "offset")
);
CREATE TABLE counts (taken INTEGER NOT NULL, repeats INTEGER NOT NULL);
INSERT INTO counts VALUES (0, 0);
"""
_INSERT = "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_REMEMBER = "INSERT OR IGNORE INTO seen VALUES (?, ?)"
_RECALL = "SELECT seq FROM seen WHERE digest = ?"
_INDEXES = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'records' AND sql IS NOT NULL"
_FIRST_NOT_FOLDED = 'SELECT min(seq) FROM records INDEXED BY records_by_place WHERE stream = ? AND "offset" >= ?'

_Row = tuple[int, int, int, str, str, bytes, str | None]
"""Stream, offset, timestamp, key, correlation, value and headers."""


class SnapshotExtent(NamedTuple):
    """Offsets that say how far stages and view are, by topic and partition."""

    committed: Mapping[str, Mapping[tuple[str, int], int]]
    """By stage: offset before which the stage has folded every record."""
    settled: Mapping[tuple[str, int], int]
    """Offset before which every record has all its causes in view."""


class Snapshot:
    """
    Writes a snapshot in the layout of an embedded log; `UnorderedReader` says which records it holds.

    `end` is the seq of the newest record. The file is temporary, so nothing is flushed to disk for durability.

    Args:
        path: A file that does not exist yet.

    Raises:
        OperatorError: The file cannot be made, or the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(os.path.realpath(path))
        self.end = self.taken = self.repeats = 0
        self._connection = open_to_write(self.path)
        self._rows: list[_Row] = []
        self._row_bytes = 0
        with mapped(self.path):
            self._connection.execute("PRAGMA journal_mode = OFF")
            self._connection.execute("PRAGMA synchronous = OFF")
            self._connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            self._connection.executescript(_TABLES)
            self._streams = schema.load_streams(self._connection)

    def add(self, raw_records: Iterable[RawRecord], extent: SnapshotExtent) -> None:
        """
        Append records, in the order in which readers shall see them, and store the extent.

        Raises:
            OperatorError: The disk is full; the snapshot is unusable afterwards.
        """
        with mapped(self.path):
            indexes = self._connection.execute(_INDEXES).fetchall() if not self.end else []
            for name, _ in indexes:
                # Building the indexes once at the end costs half as much as updating them for each record.
                self._connection.execute(f"DROP INDEX {name}")
            self._connection.execute("BEGIN")
            for raw_record in raw_records:
                self.taken += 1
                if raw_record.topic in INPUT_TOPICS:
                    self._take_input(raw_record)
                else:
                    self._put(raw_record, raw_record.key_text, subject_of(raw_record), raw_record.value)
            self._flush()
            for _, statement in indexes:
                self._connection.execute(statement)
            self._connection.execute("UPDATE counts SET taken = ?, repeats = ?", (self.taken, self.repeats))
            self._note(extent)
            self._connection.execute("COMMIT")

    def note_aborted(self, places: Iterable[tuple[str, int, int]]) -> None:
        """Store which of the records belong to aborted transactions."""
        with mapped(self.path):
            self._connection.executemany("INSERT INTO aborted VALUES (?, ?, ?)", places)

    def _take_input(self, raw_record: RawRecord) -> None:
        """Store the event of an input record; leave out a record that is no event, or is in the wrong partition."""
        try:
            event = read_input(raw_record)
        except InvalidRecord as problem:
            self._leave_out(raw_record, raw_record.key_text or raw_record.place_text, problem)
            return
        if is_misplaced(raw_record, event):
            self._leave_out(raw_record, event.correlation, None)
            return
        self._put(raw_record, event.key, event.correlation, event.encode())

    def _put(self, raw_record: RawRecord, key: str, correlation: str, value: bytes) -> None:
        stream = self._streams.numbers[raw_record.topic, raw_record.partition]
        # CloudEvents headers are functions of the event, so they are not stored.
        given = [header for header in raw_record.headers if not header[0].startswith(("ce_", "content-type"))]
        headers = pack_headers(tuple(given)) if given else None
        self._rows.append((stream, raw_record.offset, raw_record.timestamp_ms, key, correlation, value, headers))
        self._row_bytes += len(value)
        if len(self._rows) >= _FLUSH_ROWS or self._row_bytes >= _FLUSH_BYTES:
            self._flush()

    def _flush(self) -> None:
        """
        Write the buffered rows, except repeats of derived events in one partition, which crashes cause.

        A 64-bit digest finds candidates for a repeat; `_same` compares them. Digests are valid within this process
        only, which alone writes the snapshot.
        """
        rows, first = self._rows, self.end + 1
        before = self._connection.total_changes
        self._connection.executemany(_REMEMBER, [(_digest(row), seq) for seq, row in enumerate(rows, first)])
        if self._connection.total_changes - before < len(rows):
            rows = self._without_repeats(rows)
        self._connection.executemany(_INSERT, [(seq, *row) for seq, row in enumerate(rows, first)])
        self.end += len(rows)
        self._rows = []
        self._row_bytes = 0

    def _without_repeats(self, rows: list[_Row]) -> list[_Row]:
        """Drop repeats of derived events; repeats of inputs stay, because folds see them too."""
        first = self.end + 1
        self._connection.execute("DELETE FROM seen WHERE seq >= ?", (first,))
        kept: list[_Row] = []
        for row in rows:
            earlier = self._connection.execute(_RECALL, (_digest(row),)).fetchone()
            if earlier is None:
                self._connection.execute(_REMEMBER, (_digest(row), first + len(kept)))
            elif _same(row, kept[earlier[0] - first] if earlier[0] >= first else self._stored(earlier[0])):
                self.repeats += 1
                if self._streams.places[row[0]][0] not in INPUT_TOPICS:
                    continue
            kept.append(row)
        return kept

    def _stored(self, seq: int) -> _Row:
        query = 'SELECT stream, "offset", timestamp_ms, key, correlation, value, headers FROM records WHERE seq = ?'
        row: _Row = self._connection.execute(query, (seq,)).fetchone()
        return row

    def _leave_out(self, raw_record: RawRecord, correlation: str, problem: InvalidRecord | None) -> None:
        why = (None, None) if problem is None else (problem.reason, str(problem))
        columns = (
            *raw_record[:4],
            correlation,
            raw_record.key,
            raw_record.value,
            pack_headers(raw_record.headers),
            *why,
        )
        self._connection.execute(
            "INSERT INTO left_out VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (self.end + len(self._rows), *columns),
        )

    def _note(self, extent: SnapshotExtent) -> None:
        """Store the extent, and the seq up to which every record is folded."""
        for stage, places in extent.committed.items():
            rows = [(stage, *place, offset) for place, offset in places.items()]
            self._connection.executemany("INSERT OR REPLACE INTO committed VALUES (?, ?, ?, ?)", rows)
        ends = [(*place, offset) for place, offset in extent.settled.items()]
        self._connection.executemany("INSERT OR REPLACE INTO settled VALUES (?, ?, ?)", ends)
        folded = self.end
        for processor in PROCESSORS:
            known = extent.committed.get(processor.name, {})
            for stream in (number for topic in processor.reads for number in self._streams.of_topic(topic)):
                offset = known.get(self._streams.places[stream], 0)
                (first,) = self._connection.execute(_FIRST_NOT_FOLDED, (stream, offset)).fetchone()
                folded = folded if first is None else min(folded, first - 1)
        schema.store_cursor(self._connection, folded, ",".join(processor.name for processor in PROCESSORS))

    def close(self) -> None:
        """Close the file; the caller removes it."""
        self._connection.close()


def _digest(row: _Row) -> int:
    return hash((row[0], row[3], row[5]))


def _same(row: _Row, other: _Row) -> bool:
    """Say whether two rows are one record written twice: same partition, key and bytes."""
    return (row[0], row[3], row[5]) == (other[0], other[3], other[5])
