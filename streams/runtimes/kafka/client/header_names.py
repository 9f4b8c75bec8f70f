"""Header names that are no UTF-8, read as escapes."""

from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy

_MAGIC_AT = 16
"""Place of the format number in a batch; formats before 2 have no headers."""


def read_any_header_name() -> None:
    """
    Have all consumers of this process read header names that are no UTF-8.

    Kafka's protocol wants UTF-8, and brokers do not look. aiokafka 0.14 decodes names strictly, in C and in Python, and
    one such name ends its reader at this place for good. Here they become escapes, as keys do. Faust reads through the
    same class.
    """
    fetcher.MemoryRecords = _Batches


class _Batches(_MemoryRecordsPy):  # type: ignore[misc]
    """What one fetch gave of a partition; only the split into batches is done in Python."""

    def next_batch(self) -> Any:
        content = self._next_slice
        batch = super().next_batch()
        return batch if batch is None or content[_MAGIC_AT] < 2 else _Batch(batch, content)


class _Batch:
    """A batch of aiokafka, which is read again with escapes where it has a name that is no UTF-8."""

    def __init__(self, batch: Any, content: memoryview) -> None:
        self._batch, self._content = batch, content

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        done = 0
        try:
            for record in self._batch:
                done += 1
                yield record
        except (UnicodeDecodeError, CorruptRecordException) as error:
            # The one from C, the other from Python.
            if not isinstance(error.__cause__ or error, UnicodeDecodeError):
                raise
        else:
            return
        for number, record in enumerate(_EscapingBatch(self._content)):
            if number >= done:
                yield record


class _EscapingBatch(_DefaultRecordBatchPy):  # type: ignore[misc]
    """aiokafka's batch in Python, which takes names from a buffer that escapes what is no UTF-8."""

    _buffer: Any

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer = _EscapingBytes(self._buffer)


class _EscapingBytes(bytearray):
    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        return _EscapingBytes(found) if isinstance(place, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "backslashreplace") -> str:
        return super().decode(encoding, errors)
