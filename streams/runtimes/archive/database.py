"""DuckDB in memory, with bounded memory and without a network."""

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import duckdb

MEMORY = "256MB"
"""Memory of DuckDB; larger sorts go to a temporary file."""

_FETCH_ROWS = 1_000

_SETTINGS = {
    "memory_limit": MEMORY,
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
}


def open_database() -> duckdb.DuckDBPyConnection:
    """Open an empty database in memory; it spills to the directory for temporary files."""
    connection = duckdb.connect(":memory:", config={**_SETTINGS, "temp_directory": _spill_directory()})
    # Times are shown in UTC on every machine.
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    return connection


def lock_database(connection: duckdb.DuckDBPyConnection, paths: Iterable[Path]) -> None:
    """Let queries read these files and nothing else, and keep them from changing any setting."""
    connection.execute("SET allowed_paths = ?", [[os.fspath(path) for path in paths]])
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def rows_of(
    opened: Callable[[], duckdb.DuckDBPyConnection],
    query: str,
    values: Sequence[object] = (),
    *,
    mapped: Callable[[], AbstractContextManager[None]],
) -> Iterator[tuple[Any, ...]]:
    """
    Iterate the rows of a query, some at a time, so that a long result takes little memory.

    Args:
        opened: Gives a cursor of its own, so that queries may be read side by side.
        query: In SQL.
        values: Of its parameters.
        mapped: Gives a context that maps DuckDB's errors; it holds while DuckDB works, and not while a row is used.
    """
    cursor = opened()
    try:
        with mapped():
            cursor.execute(query, values)
        while True:
            with mapped():
                rows = cursor.fetchmany(_FETCH_ROWS)
            if not rows:
                return
            yield from rows
    finally:
        cursor.close()


def _spill_directory() -> str:
    return os.path.join(tempfile.gettempdir(), f"orch-duckdb-{os.getpid()}")
