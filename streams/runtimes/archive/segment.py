"""Records of one segment in memory, as Arrow batches."""

from collections.abc import Iterator, Mapping
from itertools import accumulate
from operator import attrgetter
from typing import Any

from arro3.core import (
    Array,
    DataType,
    Field,
    RecordBatch,
    RecordBatchReader,
    Schema,
    list_array,
    struct_array,
)

from streams.log import Original

MOST_BYTES = 64 << 20
"""Bytes of keys and values in one segment; more memory than twice of it is not used, however long the log."""
_BATCH_ROWS = 1_000

_HEADER = (Field("name", DataType.utf8()), Field("value", DataType.binary()))
_HEADERS = DataType.list(Field("item", DataType.struct(list(_HEADER)), nullable=True))
_TYPES: Mapping[str, Any] = {
    "seq": DataType.int64(),
    "partition": DataType.int32(),
    "offset": DataType.int64(),
    "timestamp_ms": DataType.int64(),
    "timestamp_type": DataType.utf8(),
    "key": DataType.binary(),
    "value": DataType.binary(),
    "headers": _HEADERS,
    "correlation": DataType.utf8(),
    "form": DataType.utf8(),
    "canonical": DataType.binary(),
}
"""Columns of a batch: those of `columns.RECORD_COLUMNS`, and the canonical form, for the typed columns."""
SCHEMA = Schema([Field(name, type_) for name, type_ in _TYPES.items()])


class TopicRows:
    """The records of one topic in a segment, by seq."""

    def __init__(self) -> None:
        self.rows = 0
        self.first_seq = self.last_seq = 0
        self._waiting: list[Original] = []
        self._batches: list[RecordBatch] = []

    def add(self, original: Original) -> None:
        """Add the next record."""
        self.first_seq = self.first_seq or original.seq
        self.last_seq = original.seq
        self.rows += 1
        self._waiting.append(original)
        if len(self._waiting) >= _BATCH_ROWS:
            self._seal()

    def reader(self) -> RecordBatchReader:
        """Give all records as one stream, which can be consumed once; the rows are let go as it is consumed."""
        self._seal()
        return RecordBatchReader.from_batches(SCHEMA, self._let_go())

    def _let_go(self) -> Iterator[RecordBatch]:
        self._batches.reverse()
        while self._batches:
            yield self._batches.pop()

    def _seal(self) -> None:
        if self._waiting:
            self._batches.append(_batch(self._waiting))
            self._waiting = []


def size_of(original: Original) -> int:
    """Count the bytes of a record that grow with its content."""
    return (
        len(original.key or b"") + len(original.value or b"") + sum(len(value or b"") for _, value in original.headers)
    )


def _batch(found: list[Original]) -> RecordBatch:
    arrays = [
        _headers(found) if name == "headers" else Array(list(map(attrgetter(name), found)), type_)
        for name, type_ in _TYPES.items()
    ]
    return RecordBatch.from_arrays(arrays, schema=SCHEMA)


def _headers(found: list[Original]) -> Any:
    """Build the column of headers, which Arrow keeps as one flat list and the offsets in it."""
    flat = [header for original in found for header in original.headers]
    offsets = [0, *accumulate(len(original.headers) for original in found)]
    names = Array([name for name, _ in flat], DataType.utf8())
    values = Array([value for _, value in flat], DataType.binary())
    flat_array = struct_array([names, values], fields=list(_HEADER))
    return list_array(Array(offsets, DataType.int32()), flat_array, type=_HEADERS)
