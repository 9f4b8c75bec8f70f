"""Opening and checking of the SQLite file."""

import os
import sqlite3
import stat
from pathlib import Path
from urllib.parse import quote

from streams.errors import OperatorError
from streams.runtimes.embedded.schema import add_topics, create, is_log
from streams.runtimes.embedded.sqlite_errors import mapped

_BUSY_MS = 2_000
"""Longest wait for another program's lock: a reader that closes last moves the -wal into the file."""
_CACHE_KIB = 32_768
_WAL_LIMIT_BYTES = 64 << 20
"""Size to which -wal is cut after a checkpoint, for one large commit would keep its size for ever."""
_WAL_PAGES = 2_000
"""Pages in -wal before they move into the file: index pages that change often move once, not each time."""


def open_to_write(path: Path) -> sqlite3.Connection:
    """
    Open the log at *path* (absolute), or make an empty one. The caller holds the writer's lock.

    Raises:
        OperatorError: Not a log, a newer log, a directory, or nothing that can be written to.
    """
    with mapped(path):
        connection = _connect(path, "mode=rwc")
        try:
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            if not is_log(connection, path):
                create(connection, path)
            # SQLite opens a read-only file without a word; only a write finds out, and this one is taken back.
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE checkpoint SET seq = seq")
            connection.execute("ROLLBACK")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
            connection.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES}")
            add_topics(connection)
        except BaseException:
            connection.close()
            raise
    return connection


def open_to_read(path: Path) -> sqlite3.Connection:
    """
    Open the log at *path* (absolute) and change nothing in it.

    Raises:
        OperatorError: Missing, empty, not a log, a newer log, a directory, or unreadable.
    """
    if not check_place(path):
        raise OperatorError(
            f"{path}: there is no such log", remedy="Check --log, or make one: `orch demo`", file=str(path)
        )
    with mapped(path):
        connection = _connect_to_read(path)
        try:
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            if not is_log(connection, path):
                raise OperatorError(
                    f"{path}: the log is empty; nothing was ever committed to it",
                    remedy="Check --log, or fill it: `orch run` or `orch demo`",
                    file=str(path),
                )
        except BaseException:
            connection.close()
            raise
    return connection


def check_place(path: Path) -> bool:
    """
    Look at what is at *path* before SQLite does, whose errors say less; true if there is a file.

    Raises:
        OperatorError: A directory, a missing directory, or no permission to look.
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
    """Connect in autocommit mode, so that transactions are where the code says BEGIN and nowhere else."""
    return sqlite3.connect(
        f"file:{quote(os.fspath(path))}?{options}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=_BUSY_MS / 1000,
    )


def _connect_to_read(path: Path) -> sqlite3.Connection:
    """
    Connect for reading, however little is allowed.

    Opened for reading and writing where that is allowed, because only such a connection removes its -shm and -wal
    again; `query_only` keeps it from changing the log. Where nothing can be made beside the log, it is read as a file
    that cannot change, which is right only if no commit waits in -wal.
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
