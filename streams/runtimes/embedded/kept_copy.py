"""The copy of a log from before its migration."""

import os
import re
import shutil
import sqlite3
import stat
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

from streams.errors import OperatorError
from streams.runtimes.embedded.crash_points import CrashPoints
from streams.runtimes.embedded.schema import layout_now

_PAGES_AT_ONCE = 4_096
"""Pages copied between two chances to interrupt the program: 32 MiB."""

_END = (
    "SELECT checkpoint.seq, states, processors, records.seq, timestamp_ms, stream, CAST(value AS BLOB)"
    " FROM checkpoint LEFT JOIN records ON records.seq = (SELECT max(seq) FROM records)"
)


def keep_copy(connection: sqlite3.Connection, path: Path, layout: int, faults: CrashPoints) -> Path:
    """
    Copy a log beside itself, commits in -wal included, and give the copy's path; it has its name once it is complete.

    No file is overwritten. A copy of the same log at the same end, which an interrupted migration left, is taken as it
    is; if the name belongs to anything else, the copy gets a number.

    Args:
        connection: Connection to the log, of the process that holds the writer's lock.
        layout: Layout of the log.

    Raises:
        OperatorError: There is no room for the copy, or it cannot be written.
    """
    end = connection.execute(_END).fetchone()
    for earlier in _earlier_copies(path):
        if _end_of(earlier, layout) == end:
            return earlier
    names = (f"{path.name}.layout{layout}{f'-{number}' if number > 1 else ''}" for number in count(1))
    copy = next(place for name in names if not os.path.lexists(place := path.with_name(name)))
    _require_room(connection, path, copy)
    part = path.with_name(f"{copy.name}.part")
    try:
        write_copy(connection, part, path.stat().st_mode)
        faults.reach("copy")
        part.rename(copy)
        sync(path.parent)
    except (OSError, sqlite3.Error) as error:
        part.unlink(missing_ok=True)
        raise OperatorError(
            f"{path}: the log is to be migrated, and its copy {copy.name} cannot be written: {error}",
            remedy=f"See that {path.parent} can be written to and has room, then run the same command again;"
            " nothing was changed in the log",
            file=str(path),
        ) from error
    faults.reach("copied")
    return copy


def _earlier_copies(path: Path) -> list[Path]:
    """List copies that were made of any layout of this file."""
    name = re.compile(re.escape(path.name) + r"\.layout\d+(-\d+)?")
    return sorted(file for file in path.parent.iterdir() if name.fullmatch(file.name) and file.is_file())


def _end_of(copy: Path, newest: int) -> tuple[Any, ...] | None:
    """Read checkpoint and last record of a copy; None if it is no log, or one of a newer layout than *newest*."""
    try:
        # Immutable: nothing is created beside the copy.
        with closing(sqlite3.connect(f"file:{quote(os.fspath(copy))}?mode=ro&immutable=1", uri=True)) as connection:
            end: tuple[Any, ...] | None = connection.execute(_END).fetchone()
            return end if layout_now(connection) <= newest else None
    except sqlite3.Error:
        return None


def _require_room(connection: sqlite3.Connection, path: Path, copy: Path) -> None:
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    needed, free = pages * page_bytes, shutil.disk_usage(path.parent).free
    if needed > free:
        raise OperatorError(
            f"{path}: the log is to be migrated, and its copy {copy.name} takes {needed / 10**6:,.1f} MB;"
            f" {path.parent} has {free / 10**6:,.1f} MB free",
            remedy="Free some space on that disk, then run the same command again; nothing was changed in the log",
            file=str(path),
        )


def write_copy(connection: sqlite3.Connection, part: Path, mode: int) -> None:
    """Write the copy under a temporary name, with the permissions of the log, and flush it to disk."""
    part.unlink(missing_ok=True)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.fchmod(handle, stat.S_IMODE(mode))
    finally:
        os.close(handle)
    with closing(sqlite3.connect(part, isolation_level=None)) as writing:
        # A journal would only undo what is unlinked anyway, and the file is flushed as a whole.
        writing.execute("PRAGMA journal_mode = OFF")
        writing.execute("PRAGMA synchronous = OFF")
        connection.backup(writing, pages=_PAGES_AT_ONCE)
    sync(part)


def sync(path: Path) -> None:
    """Flush a file, or the names in a directory, to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
