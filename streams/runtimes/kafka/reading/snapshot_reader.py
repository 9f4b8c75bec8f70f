"""The reader of a snapshot file."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from schemas.registry import InvalidRecord
from streams.log import LeftOut, LogFault, Record, UnorderedReader
from streams.runtimes.embedded.reader import EmbeddedReader
from streams.runtimes.embedded.sqlite_errors import mapped
from streams.runtimes.headers import unpack_headers

_CHUNK_ROWS = 100
"""Rows of one query; a row may have a megabyte."""
_LEFT_OUT = (
    'SELECT number, correlation, seq, topic, partition, "offset", timestamp_ms, key, value, headers, reason, detail'
    " FROM left_out INDEXED BY left_out_by_correlation WHERE (correlation, number) > (?, ?)"
    f" ORDER BY correlation, number LIMIT {_CHUNK_ROWS}"
)


class SnapshotReader(EmbeddedReader):
    """
    The `UnorderedReader` of a snapshot file, in the process that writes the snapshot or in another.

    Args:
        path: A file that a `Snapshot` has filled.
    """

    def __init__(self, path: Path) -> None:
        self.taken = self.repeats = 0
        super().__init__(path)

    def refresh(self) -> bool:
        """Move the view to the newest commit of the snapshot; say whether there was a newer one."""
        with mapped(self._path):
            self.taken, self.repeats = self._connection.execute("SELECT taken, repeats FROM counts").fetchone()
        return super().refresh()

    def unordered(self) -> UnorderedReader:
        """Give the reader itself: the `seq` of a snapshot only guesses at an order between partitions."""
        return self

    def committed(self, stage: str) -> Mapping[tuple[str, int], int]:
        """Give the offsets before which a stage has folded every record, by topic and partition that it reads."""
        return self._offsets("committed WHERE stage = ?", stage)

    def settled(self) -> Mapping[tuple[str, int], int]:
        """Give for each partition the offset before which every record has all its causes in view."""
        return self._offsets("settled")

    def aborted(self) -> Sequence[tuple[str, int, int]]:
        """List the records in view that belong to aborted transactions: topic, partition and offset."""
        with mapped(self._path):
            return self._connection.execute(
                'SELECT topic, partition, "offset" FROM aborted ORDER BY 1, 2, 3'
            ).fetchall()

    def _offsets(self, source: str, *values: str) -> dict[tuple[str, int], int]:
        with mapped(self._path):
            rows = self._connection.execute(f'SELECT topic, partition, "offset" FROM {source}', values).fetchall()
        return {(topic, partition): offset for topic, partition, offset in rows}

    def left_out(self) -> Iterator[tuple[str, list[LeftOut]]]:
        """Iterate the records left out, grouped by correlation (by place if the correlation is unknown)."""
        for correlation, rows in groupby(self._left_out_rows(), key=lambda row: str(row[1])):
            yield correlation, [_left_out(row) for row in rows]

    def _left_out_rows(self) -> Iterator[tuple[Any, ...]]:
        number, correlation = 0, ""
        while True:
            with mapped(self._path):
                rows = self._connection.execute(_LEFT_OUT, (correlation, number)).fetchall()
            if not rows:
                return
            yield from rows
            number, correlation = rows[-1][:2]

    def faults(self) -> Sequence[LogFault]:
        """Give none: the snapshot is this program's own."""
        return ()

    def elsewhere(self) -> Callable[[], UnorderedReader]:
        """Give a function that opens the snapshot in another process."""
        return partial(SnapshotReader, self._path)


def _left_out(row: tuple[Any, ...]) -> LeftOut:
    seq, topic, partition, offset, timestamp_ms, key, value, headers, reason, detail = row[2:]
    text = (key or b"").decode("utf-8", "backslashreplace")
    record = Record(topic, partition, offset, timestamp_ms, text, value, unpack_headers(headers), seq)
    return LeftOut(record, key, None if reason is None else InvalidRecord(detail, reason=reason))
