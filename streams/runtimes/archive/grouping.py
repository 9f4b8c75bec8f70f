"""Rows by correlation, in a temporary file."""

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from streams.errors import OperatorError

Row = tuple[Any, ...]
"""A row with its seq and its correlation at the places that `grouped` is told."""

_FLUSH_ROWS = 1_000
_CHUNK_ROWS = 500
"""Rows of one query; a row may have a megabyte."""
_CACHE_KIB = 32_768
_TABLE = "CREATE TABLE held (seq INTEGER PRIMARY KEY, correlation TEXT NOT NULL, {columns})"
_NEXT = (
    "SELECT {columns} FROM held INDEXED BY by_correlation WHERE (correlation, seq) > (?, ?)"
    f" ORDER BY correlation, seq LIMIT {_CHUNK_ROWS}"
)


def grouped(rows: Iterable[Row], width: int, *, seq: int, correlation: int) -> Iterator[tuple[str, list[Row]]]:
    """
    Group rows of plain values by correlation, each group by seq; in memory that does not grow with their number.

    SQLite sorts the index in bounded memory. DuckDB's sort of long values needs a quarter of them in memory at least,
    and fails beyond (measured: 1.1 GB of rows need 512 MB).

    Args:
        rows: Rows in any order.
        width: Number of values in a row.
        seq, correlation: Places in a row.

    Raises:
        OperatorError: There is no room for the temporary file.
    """
    names = [f"c{number}" for number in range(width)]
    with tempfile.TemporaryDirectory(prefix="orch-groups-", ignore_cleanup_errors=True) as folder:
        connection = sqlite3.connect(Path(folder, "groups.db"), isolation_level=None)
        try:
            _fill(connection, rows, names, seq, correlation)
            yield from _groups(connection, names, seq, correlation)
        except sqlite3.OperationalError as error:
            raise OperatorError(
                f"an archive cannot be read by question: no temporary file of its size ({error})",
                remedy="Free some space, or set TMPDIR to a directory that has more",
            ) from error
        finally:
            connection.close()


def _fill(connection: sqlite3.Connection, rows: Iterable[Row], names: list[str], seq: int, correlation: int) -> None:
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA page_size = 8192")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    connection.execute(_TABLE.format(columns=", ".join(names)))
    connection.execute("BEGIN")
    insert = f"INSERT INTO held VALUES ({', '.join('?' * (len(names) + 2))})"
    waiting: list[Row] = []
    for row in rows:
        waiting.append((row[seq], row[correlation], *row))
        if len(waiting) >= _FLUSH_ROWS:
            connection.executemany(insert, waiting)
            waiting = []
    connection.executemany(insert, waiting)
    connection.execute("CREATE INDEX by_correlation ON held (correlation)")
    connection.execute("COMMIT")


def _groups(
    connection: sqlite3.Connection, names: list[str], seq: int, correlation: int
) -> Iterator[tuple[str, list[Row]]]:
    query = _NEXT.format(columns=", ".join(names))
    about, after = "", 0
    group: list[Row] = []
    while found := connection.execute(query, (about, after)).fetchall():
        for row in found:
            if group and row[correlation] != about:
                yield about, group
                group = []
            about = row[correlation]
            group.append(row)
        after = found[-1][seq]
    if group:
        yield about, group
