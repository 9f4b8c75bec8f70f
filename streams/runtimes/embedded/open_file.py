"""Opening and checking of the SQLite file."""

import os
import sqlite3
import stat
from pathlib import Path
from urllib.parse import quote

from streams.errors import OperatorError
from streams.runtimes.embedded import schema
from streams.runtimes.embedded.crash_points import CrashPoints
from streams.runtimes.embedded.left_wal import check_left_wal
from streams.runtimes.embedded.migration import migrate
from streams.runtimes.embedded.sqlite_errors import empty, mapped

_BUSY_MS = 2_000
"""Longest wait for another process's lock: the last reader to close checkpoints -wal into the file."""
_READERS_CACHE_KIB = 32_768
_WRITERS_CACHE_KIB = 8_192
"""
A writer returns to few pages, those at the ends of its indexes. With 32 MiB it wrote a log of half a gigabyte no
faster, and the system had to provide four times the memory, which took 5 % of the CPU of the first 2,000 decisions.
"""
_WAL_LIMIT_BYTES = 64 << 20
"""Size to which -wal is truncated after a checkpoint; otherwise one large commit would leave it large."""
_WAL_PAGES = 2_000
"""Pages in -wal before a checkpoint moves them into the file; an index page that changes often moves once."""


def open_to_write(path: Path, faults: CrashPoints | None = None) -> sqlite3.Connection:
    """
    Open the log at *path* (absolute) for writing, or create an empty one. The caller holds the writer's lock.

    A log of an older layout is copied and migrated first. A file that cannot be used stays unchanged.

    Raises:
        OperatorError: The path names another file than a log, a log of a newer or a too old layout, or a directory; or
            it is not writable; or there is no room for the copy.
    """
    with mapped(path):
        check_left_wal(path)
        connection = _connect(path, "mode=rwc")
        try:
            connection.execute(f"PRAGMA cache_size = -{_WRITERS_CACHE_KIB}")
            layout = schema.layout_of(connection, path, oldest=schema.OLDEST_LAYOUT)
            if layout is None:
                schema.create(connection, path)
            # SQLite opens a read-only file without an error; only a write fails. This write is rolled back.
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE checkpoint SET seq = seq")
            connection.execute("ROLLBACK")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
            connection.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES}")
            if layout is not None and layout < schema.LAYOUT:
                migrate(connection, path, layout, faults or CrashPoints())
            schema.add_topics(connection)
        except BaseException:
            connection.close()
            raise
    return connection


def open_to_read(path: Path) -> sqlite3.Connection:
    """
    Open the log at *path* (absolute) for reading, without a change to the log; an older layout stays as it is.

    Raises:
        OperatorError: The file is missing, empty, no log, a newer or a too old log, a directory, or unreadable.
    """
    if not check_place(path):
        there = next(iter(sorted(path.parent.glob("*.db"))), None)
        remedy = "create one: `orch demo`" if there is None else f"name one that is there: --log {there}"
        raise OperatorError(f"{path}: there is no such log", remedy=f"Check --log, or {remedy}", file=str(path))
    with mapped(path):
        check_left_wal(path)
        connection = _connect_to_read(path)
        try:
            connection.execute(f"PRAGMA cache_size = -{_READERS_CACHE_KIB}")
            if schema.layout_of(connection, path, oldest=schema.READABLE_LAYOUT) is None:
                raise empty(path)
        except BaseException:
            connection.close()
            raise
    return connection


def check_place(path: Path) -> bool:
    """
    Say whether a file exists at *path*; this runs before SQLite, whose errors say less.

    Raises:
        OperatorError: The path is a directory, its directory is missing, or access is denied.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if path.parent.is_dir():
            return False
        message, remedy = f"there is no directory {path.parent}", f"Make it: mkdir -p {path.parent}"
    except OSError as error:
        message, remedy = f"cannot be looked at: {error.strerror}", "Check the path and your permissions"
    else:
        if not stat.S_ISDIR(mode):
            return True
        message, remedy = "this is a directory", f"Name a file in it, such as {path / 'orch.db'}"
    raise OperatorError(f"{path}: {message}", remedy=remedy, file=str(path))


def _connect(path: Path, options: str) -> sqlite3.Connection:
    """Connect in autocommit mode, so that only an explicit BEGIN starts a transaction."""
    return sqlite3.connect(
        f"file:{quote(os.fspath(path))}?{options}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=_BUSY_MS / 1000,
    )


def _connect_to_read(path: Path) -> sqlite3.Connection:
    """
    Connect for reading, with the least permissions that work.

    With write permission the connection is opened for reading and writing, because only then it removes its -shm and
    -wal at the end; `query_only` keeps it from changing the log. Without permission to create files beside the log, it
    is opened as immutable, which is correct only if -wal holds no commit.
    """
    connection = _connect(path, "mode=rw")
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        return connection
    except sqlite3.Error as error:
        connection.close()
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            raise
        wal = path.with_name(path.name + "-wal")
        if not os.access(path, os.R_OK) or (wal.exists() and wal.stat().st_size):
            raise
    return _connect(path, "mode=ro&immutable=1")
