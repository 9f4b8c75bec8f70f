"""The reader of an archive."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any, Self

import duckdb

from streams.errors import DifferenceError, UsageError
from streams.log import Headers, LogFault, LogReader, Original, Record, UnorderedReader
from streams.runtimes.archive.archive_check import archive_faults
from streams.runtimes.archive.columns import RECORD_COLUMNS, quoted
from streams.runtimes.archive.database import rows_of
from streams.runtimes.archive.grouping import grouped
from streams.runtimes.archive.manifest import Manifest, Segment, load_manifest
from streams.runtimes.archive.tables import ArchiveTables, mapped
from streams.runtimes.headers import pack_headers, unpack_headers
from streams.topology import TOPICS

_COLUMNS = ", ".join(quoted(column.name) for column in RECORD_COLUMNS)

Row = tuple[Any, ...]
"""Topic, and the values of `RECORD_COLUMNS`."""
_SEQ, _HEADERS, _CORRELATION, _WIDTH = 1, 8, 9, 11
"""Places in a row, and its width."""


class ArchiveReader:
    """
    The `LogReader` of the archive of a log file; `UnorderedArchiveReader` is that of a log on Kafka.

    Segments hold consecutive records, so the log is read one segment at a time, in memory that does not grow with it.
    By question, an archive of several segments is grouped in a temporary file.

    Args:
        folder: The archive.
        checked: Whether the files need no check of their digests, because this process wrote them.

    Raises:
        UsageError: There is no archive.
        OperatorError: The archive has another format, or cannot be read.
        DifferenceError: The manifest is damaged; every method raises it at a file that is, or is missing.
    """

    _kept = "true"
    """SQL condition of the rows that are in view."""

    def __init__(self, folder: Path, *, checked: bool = False) -> None:
        self.folder = Path(os.path.realpath(folder))
        self._given_checked = checked
        self.manifest: Manifest = load_manifest(self.folder)
        self._tables = ArchiveTables(self.folder, self.manifest, checked=checked)

    @property
    def end(self) -> int:
        """Give the seq of the last record; 0 where the archive is empty."""
        return self.manifest.records

    @property
    def folded(self) -> int:
        """Give the seq of the last record that was folded when the log was exported."""
        return self.manifest.folded

    @property
    def archived(self) -> bool:
        """Say yes: the tables beside the log's records are not exported."""
        return True

    def refresh(self) -> bool:
        """Move the view to the newest export; say whether there was a newer one."""
        before = self.manifest
        self.manifest = load_manifest(self.folder)
        if self.manifest == before:
            return False
        self._tables.close()
        self._tables = ArchiveTables(self.folder, self.manifest, checked=self._given_checked)
        return True

    def records(self, topics: Sequence[str] = (), *, after: int = 0, limit: int | None = None) -> Iterator[Record]:
        """
        Iterate the records of *topics* (all if empty) with a `seq` above *after*, in log order.

        Raises:
            UsageError: A topic does not exist.
            DifferenceError: A file is missing or was changed.
        """
        return islice(map(self._record, self._in_order(_known(topics), after, self._kept)), limit)

    def _in_order(self, topics: Sequence[str], after: int, condition: str) -> Iterator[Row]:
        """Iterate rows by seq, one segment after the other."""
        for segment in self.manifest.segments:
            if segment.last_seq > after:
                yield from self._of_segment(segment, topics, after, condition)

    def _of_segment(self, segment: Segment, topics: Sequence[str], after: int, condition: str) -> Iterator[Row]:
        files = [file for file in segment.files if file.topic in topics]
        if files:
            source = self._tables.of_files(files, _COLUMNS)
            yield from self._rows(f"SELECT * FROM ({source}) WHERE seq > ? AND {condition} ORDER BY seq", [after])

    def about(self, correlation: str) -> list[Record]:
        """List every record about one question (or one key), in log order."""
        source = self._tables.of_topics(tuple(TOPICS), _COLUMNS)
        query = f"SELECT * FROM ({source}) WHERE correlation = ? AND {self._kept} ORDER BY seq"
        return [self._record(row) for row in self._rows(query, [correlation])]

    def by_correlation(self, topics: Sequence[str] = ()) -> Iterator[tuple[str, list[Record]]]:
        """
        Iterate the records of *topics* grouped by correlation, each group in log order; in constant memory.

        Raises:
            UsageError: A topic does not exist.
            DifferenceError: A file is missing or was changed.
        """
        for correlation, rows in self._groups(_known(topics), self._kept):
            yield correlation, [self._record(row) for row in rows]

    def _groups(self, topics: Sequence[str], condition: str) -> Iterator[tuple[str, list[Row]]]:
        """Group rows by correlation: one segment in memory, more of them in a temporary file."""
        if len(self.manifest.segments) > 1:
            packed = (_packed(row) for row in self._in_order(topics, 0, condition))
            for correlation, rows in grouped(packed, _WIDTH, seq=_SEQ, correlation=_CORRELATION):
                yield correlation, [_unpacked(row) for row in rows]
            return
        source = self._tables.of_topics(topics, _COLUMNS)
        found = self._rows(f"SELECT * FROM ({source}) WHERE {condition} ORDER BY correlation, seq", [])
        for correlation, group in groupby(found, key=itemgetter(_CORRELATION)):
            yield correlation, list(group)

    def last(self, topic: str, key: str, *, upto: int | None = None) -> Record | None:
        """Find the newest record of a key, or the newest one up to a `seq`; None if there is none."""
        source = self._tables.of_topics(_known((topic,)), _COLUMNS)
        bound = "" if upto is None else f"AND seq <= {upto}"
        query = f"SELECT * FROM ({source}) WHERE key = ? {bound} AND {self._kept} ORDER BY seq DESC LIMIT 1"
        return next((self._record(row) for row in self._rows(query, [key.encode()])), None)

    def ends(self) -> dict[tuple[str, int], int]:
        """Give the next offset of every partition of every topic."""
        return self.manifest.ends()

    def originals(
        self, topics: Sequence[str] = (), *, after: int = 0, starts: Mapping[tuple[str, int], int] | None = None
    ) -> Iterator[Original]:
        """Iterate all records of *topics* (all if empty) as the log held them, with a `seq` above *after*."""
        for row in self._in_order(_known(topics), after, "true"):
            topic, seq, partition, offset, at, clock, key, value, headers, correlation, form = row
            yield Original(
                topic, partition, offset, at, clock, key, value, headers_of(headers), correlation, form=form, seq=seq
            )

    def incomplete(self) -> frozenset[tuple[str, int]]:
        """Give none: an archive keeps what it has, also of a compacted topic."""
        return frozenset()

    def faults(self) -> Sequence[LogFault]:
        """List where the archive is not as its export left it, and what the export found wrong with the log's file."""
        with self._mapping():
            return archive_faults(self._tables)

    def elsewhere(self) -> Callable[[], LogReader]:
        """Give a function that opens the archive in another process."""
        return partial(type(self), self.folder, checked=self._given_checked)

    def unordered(self) -> UnorderedReader | None:
        """Give None: the log had one total order."""
        return None

    def close(self) -> None:
        """Close the archive."""
        self._tables.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def _rows(self, query: str, values: Sequence[object]) -> Iterator[Row]:
        return rows_of(self._tables.cursor, query, values, mapped=self._mapping)

    def _mapping(self) -> "_Mapped":
        return _Mapped(self.folder)

    def _record(self, row: Row) -> Record:
        """
        Make a record of a row.

        Raises:
            DifferenceError: The row was changed so that it is no record.
        """
        topic, seq, partition, offset, at, _, key, value, headers, _, form = row
        try:
            if form == "event" and value is not None:
                return Record(topic, partition, offset, at, key.decode(), value, headers_of(headers), seq)
        except (AttributeError, UnicodeDecodeError):
            pass
        raise DifferenceError(
            f"{topic}, partition {partition}, offset {offset}: the row (seq {seq}) is no record of a log file",
            remedy="Copy the archive again from where it was exported; `orch export` makes a new one",
            topic=topic,
            partition=partition,
            offset=offset,
        )


class _Mapped:
    """Context in which DuckDB's errors become ours."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, duckdb.Error):
            raise mapped(self._folder, error) from error


def _packed(row: Row) -> Row:
    """Write the headers of a row as text, for a temporary file."""
    return (*row[:_HEADERS], pack_headers(headers_of(row[_HEADERS])), *row[_HEADERS + 1 :])


def _unpacked(row: Row) -> Row:
    headers = [{"name": name, "value": value} for name, value in unpack_headers(row[_HEADERS])]
    return (*row[:_HEADERS], headers, *row[_HEADERS + 1 :])


def headers_of(stored: Sequence[Mapping[str, Any]] | None) -> Headers:
    """Give the headers of a row."""
    return tuple((header["name"], header["value"]) for header in stored or ())


def _known(topics: Sequence[str]) -> Sequence[str]:
    """Give the topics that were asked for, all if none was."""
    unknown = [topic for topic in topics if topic not in TOPICS]
    if unknown:
        raise UsageError(f"there is no topic {', '.join(unknown)}", remedy=f"There are {', '.join(TOPICS)}")
    return topics or tuple(TOPICS)
