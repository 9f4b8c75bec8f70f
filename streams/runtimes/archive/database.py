"""DuckDB in memory, with bounded memory and without a network."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import duckdb

MEMORY = "256MB"
"""Memory of DuckDB; larger sorts go to a temporary file."""

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


def _spill_directory() -> str:
    return os.path.join(tempfile.gettempdir(), f"orch-duckdb-{os.getpid()}")
