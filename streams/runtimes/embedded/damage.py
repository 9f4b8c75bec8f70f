"""Rows that no writer leaves in a log file."""

import sqlite3
from typing import Any

from streams.errors import DifferenceError
from streams.log import Headers, LogFault
from streams.runtimes.embedded.partitions import PartitionNumbers
from streams.runtimes.headers import pack_headers, unpack_headers
from streams.topology import TOPICS

_REMEDY = "Restore the log from a backup; `orch replay` shows where it first differs"
_COLUMNS = ("seq", "stream", "offset", "timestamp_ms", "key", "correlation", "value", "headers")
_TYPES = {"stream": int, "offset": int, "timestamp_ms": int, "key": str, "correlation": str, "value": bytes}
_WORDS = {int: "an integer", str: "text", bytes: "bytes"}
_TEXTS = (
    'SELECT seq, stream, "offset", CAST(key AS BLOB), CAST(correlation AS BLOB), CAST(headers AS BLOB) FROM records'
)
_STREAMS = """
SELECT count(*) FROM streams
WHERE typeof(stream) <> 'integer' OR typeof(topic) <> 'text' OR typeof(partition) <> 'integer'
"""


def is_undecodable(error: sqlite3.Error) -> bool:
    """Say whether SQLite found a text that is no UTF-8."""
    return "Could not decode to UTF-8" in str(error)


def headers_of(packed: object) -> Headers:
    """
    Decode stored headers.

    Raises:
        ValueError: They are not as the writer stores them.
    """
    try:
        headers = unpack_headers(packed)  # type: ignore[arg-type]  # whatever the column holds
        if pack_headers(headers) == packed:
            return headers
    except (AttributeError, TypeError, ValueError, RecursionError):
        pass
    raise ValueError("no headers as the writer stores them")


def damaged_columns(row: tuple[Any, ...], streams: PartitionNumbers) -> LogFault | None:
    """Find the first column of a record's row that cannot be read; None if all can."""
    fields = dict(zip(_COLUMNS, row, strict=True))
    topic, partition = streams.places.get(fields["stream"], ("an unknown topic", 0))
    offset = fields["offset"] if type(fields["offset"]) is int else 0

    def fault(field: str, expected: Any, actual: Any) -> LogFault:
        return LogFault(fields["seq"], topic, partition, offset, field, expected, _shown(actual), unreadable=True)

    for name, kind in _TYPES.items():
        if type(fields[name]) is not kind:
            return fault(name, _WORDS[kind], fields[name])
    if topic not in TOPICS:
        return fault("stream", "a partition of a topic", fields["stream"])
    if fields["headers"] is not None:
        try:
            headers_of(fields["headers"])
        except ValueError:
            return fault("headers", "pairs of name and value", fields["headers"])
    return None


def damaged(row: tuple[Any, ...], streams: PartitionNumbers) -> DifferenceError:
    """Make the error about a row that cannot be read."""
    fault = damaged_columns(row, streams)
    assert fault is not None, "only damaged rows come here"
    return unreadable(fault)


def unreadable(fault: LogFault) -> DifferenceError:
    """Make the error about damage that keeps readers from going on."""
    return DifferenceError(
        f"{fault.topic}, partition {fault.partition}, offset {fault.offset}: the record (seq {fault.seq}) was changed"
        f" after it was written; {fault.field} is {fault.actual}, not {fault.expected}",
        remedy=_REMEDY,
        topic=fault.topic,
        partition=fault.partition,
        offset=fault.offset,
    )


def undecodable(connection: sqlite3.Connection, streams: PartitionNumbers) -> LogFault:
    """Find the first record with a text that is no UTF-8."""
    for seq, stream, offset, *texts in connection.execute(f"{_TEXTS} NOT INDEXED ORDER BY seq"):
        for name, text in zip(("key", "correlation", "headers"), texts, strict=True):
            try:
                (text or b"").decode()
            except UnicodeDecodeError:
                topic, partition = streams.places.get(stream, ("an unknown topic", 0))
                return LogFault(seq, topic, partition, offset, name, "UTF-8", _shown(text), unreadable=True)
    return LogFault(0, "streams", 0, 0, "text", "UTF-8", "other bytes", unreadable=True)


def require_sound_tables(connection: sqlite3.Connection, path: object) -> None:
    """
    Check the small tables that every opener reads first.

    Raises:
        DifferenceError: Table `checkpoint` or `streams` was changed so that it cannot be read.
    """
    found = connection.execute("SELECT typeof(seq), typeof(states), typeof(processors) FROM checkpoint").fetchall()
    if found != [("integer", "integer", "text")]:
        raise DifferenceError(
            f"{path}: table checkpoint does not say how far the log was folded", remedy=_REMEDY, file=str(path)
        )
    (strange,) = connection.execute(_STREAMS).fetchone()
    if strange:
        raise DifferenceError(
            f"{path}: table streams does not say which partitions the log has", remedy=_REMEDY, file=str(path)
        )


def _shown(value: Any) -> Any:
    return value if isinstance(value, int | str | None) else f"{type(value).__name__} {value!r:.60}"
