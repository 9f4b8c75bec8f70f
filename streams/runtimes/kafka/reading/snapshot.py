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
"""Holds the ends of both indexes and of `seen`, all of which are written to at random."""

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
    """How far things are, as offsets by topic and partition; see `UnorderedReader`."""

    committed: Mapping[str, Mapping[tuple[str, int], int]]
    """By stage."""
    settled: Mapping[tuple[str, int], int]


class Snapshot:
    """
    Writes the copy. `end` is the seq of its newest record; see `UnorderedReader` for what is in it and what is not.

    Args:
        path: A file that is not there yet. Nothing in it is worth a flush: whoever loses it makes it again.

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
        Append records, in the order in which they are to be read, and note how far things are.

        Raises:
            OperatorError: The disk is full; the snapshot is of no use any more.
        """
        with mapped(self.path):
            indexes = self._connection.execute(_INDEXES).fetchall() if not self.end else []
            for name, _ in indexes:
                # Made at once at the end they cost half of what they cost record by record.
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

    def _take_input(self, raw_record: RawRecord) -> None:
        """Store the event a record stands for; leave out what is none, and what lies where no stage folds it."""
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
        # Headers that follow from the event need not be kept.
        given = [header for header in raw_record.headers if not header[0].startswith(("ce_", "content-type"))]
        headers = pack_headers(tuple(given)) if given else None
        self._rows.append((stream, raw_record.offset, raw_record.timestamp_ms, key, correlation, value, headers))
        self._row_bytes += len(value)
        if len(self._rows) >= _FLUSH_ROWS or self._row_bytes >= _FLUSH_BYTES:
            self._flush()

    def _flush(self) -> None:
        """
        Write what has come, without derived events that stand in their partition already: crashes make such repeats.

        A digest of 64 bits only says where to look; it is good for this process alone, as the writer of a snapshot is.
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
        """Choose the rows to be written; repeats of inputs are among them, for folds meet them too."""
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
        """Write how far the stages and the view are, and up to which record everything is folded."""
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
        """Let go of the file; whoever made its place removes it."""
        self._connection.close()


def _digest(row: _Row) -> int:
    return hash((row[0], row[3], row[5]))


def _same(row: _Row, other: _Row) -> bool:
    """Say whether two rows are one record written twice: in one partition, with the same key and the same bytes."""
    return (row[0], row[3], row[5]) == (other[0], other[3], other[5])
