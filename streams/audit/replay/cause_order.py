"""Order of derived records, by what they follow from."""

import mmap
import tempfile
from array import array
from collections.abc import Iterator
from typing import Self

from streams.audit.replay.difference import Difference, at
from streams.errors import OperatorError
from streams.log import LogReader, Record

_BYTES = 8
_CHUNK = 1 << 16
_MOST = 1_000
"""Differences reported; one record moved far ahead puts all behind it out of order."""


class CauseOrder:
    """
    The cause of each derived record, by seq, in a temporary file: questions come in no order, and memory must not grow.

    One cursor folds a file in order, so no record stands before one that follows from an earlier record.

    Args:
        reader: The log.
        end: Seq of its last record.

    Raises:
        OperatorError: There is no room for the file.
    """

    def __init__(self, reader: LogReader, end: int) -> None:
        self._reader = reader
        self._end = end
        try:
            with tempfile.TemporaryFile() as file:
                file.truncate(_BYTES * (end + 1))
                self._causes = mmap.mmap(file.fileno(), 0)
        except OSError as error:
            raise OperatorError(
                f"the order of records cannot be kept in a temporary file ({error})",
                remedy="Free some space, or set TMPDIR to a directory that has more",
            ) from error
        self._view = memoryview(self._causes).cast("q")

    def note(self, record: Record, cause: Record) -> None:
        """Keep the cause of a record."""
        if 0 <= record.seq <= self._end:
            self._view[record.seq] = cause.seq

    def differences(self) -> Iterator[Difference]:
        """Find the records before which something stands that follows from a later record."""
        reached = found = 0
        for start in range(0, self._end + 1, _CHUNK):
            causes = array("q", self._view[start : start + _CHUNK])
            for seq, cause in enumerate(causes, start):
                if cause >= reached:
                    reached = cause
                elif cause and found < _MOST:
                    found += 1
                    yield from self._difference(seq, reached)

    def _difference(self, seq: int, reached: int) -> Iterator[Difference]:
        for record in self._reader.records(after=seq - 1, limit=1):
            yield at(record, "seq", f"a place before all that follows from record {reached}", seq)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self._view.release()
        self._causes.close()
