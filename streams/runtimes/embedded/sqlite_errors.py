"""Translation of SQLite's errors into errors with a remedy."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streams.errors import DifferenceError, InvariantError, OperatorError, OrchError
from streams.runtimes.embedded.lock import NO_LOCKS, refusal_of_locks

_LEFT_AS_IT_WAS = "everything committed is safe, uncommitted records are dropped"

_TO_COPY = "A log in use is copied by `sqlite3 FILE '.backup COPY'`, or together with its -wal while no program writes"

_ANSWERS: dict[int, tuple[str, str]] = {
    sqlite3.SQLITE_FULL: (
        f"disk full while writing; {_LEFT_AS_IT_WAS}",
        "Free some space on that disk, then run the same command again",
    ),
    sqlite3.SQLITE_IOERR: (
        f"the disk refused to read or write (full, over quota, or failing); {_LEFT_AS_IT_WAS}",
        "Check free space, quota and the system log, then run the same command again",
    ),
    sqlite3.SQLITE_CORRUPT: (
        "the file is damaged (cut short, overwritten by something else, or copied while a program wrote to it)",
        f"Restore it from a backup or an export; `sqlite3 FILE .recover` reads what is left. {_TO_COPY}",
    ),
    sqlite3.SQLITE_NOTADB: (
        "this is not an ORCH log, and not a database at all",
        "Name another file with --log sqlite:///PATH",
    ),
    sqlite3.SQLITE_READONLY: (
        "the file, its directory or the file system is read-only",
        "Give yourself write permission, or copy the log to where you have it",
    ),
    sqlite3.SQLITE_PERM: ("no permission for the file", "Give yourself permission, or name another file with --log"),
    sqlite3.SQLITE_AUTH: ("no permission for the file", "Give yourself permission, or name another file with --log"),
    sqlite3.SQLITE_CANTOPEN: (
        "the file cannot be opened, or the files beside it (-wal, -shm) cannot",
        "Check that the directory exists and that you may write to it",
    ),
    sqlite3.SQLITE_BUSY: (
        "another program, not orch itself, keeps the file locked",
        "Close what else has the file open (a database browser, a backup), then run the same command again",
    ),
    sqlite3.SQLITE_PROTOCOL: (
        "the file system does not lock files as SQLite needs it",
        "Put the log on a local disk, not on a network file system",
    ),
    sqlite3.SQLITE_NOMEM: ("SQLite found no memory", "Free some memory, then run the same command again"),
}

_CHANGED = ("Could not decode to UTF-8", "no such table", "no such column", "no such index", "no query solution")
"""SQLite's words about tables and texts that no program of this name has written."""


@contextmanager
def mapped(path: Path) -> Iterator[None]:
    """
    Map SQLite's errors about the log at *path* to errors with a remedy. SQLite's errors are mapped nowhere else.

    Raises:
        OperatorError: A file, disk or lock failed; a person acts.
        DifferenceError: The file's tables or texts were changed.
        InvariantError: SQLite raised any other error: a bug in this program.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise answer(error, path) from error


def answer(error: sqlite3.Error, path: Path) -> OrchError:
    """Map one of SQLite's errors by its primary code (the low byte)."""
    code = getattr(error, "sqlite_errorcode", None)
    found = None if code is None else _ANSWERS.get(code & 0xFF)
    if found is None and str(error).startswith(_CHANGED):
        return DifferenceError(
            f"{path}: its tables were changed by another program ({error})",
            remedy="Restore the log from a backup",
            file=str(path),
        )
    if found is None:
        return InvariantError(f"{path}: SQLite says {error}", remedy="Please report this", file=str(path))
    message, remedy = found
    if code is not None and code & 0xFF == sqlite3.SQLITE_BUSY and (refused := refusal_of_locks(path.parent)):
        message, remedy = f"this file system gives no locks: {refused.strerror}", NO_LOCKS
    wal, shm = (path.with_name(path.name + ending) for ending in ("-wal", "-shm"))
    if code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) and wal.exists():
        message = f"the file is damaged, or {wal.name} beside it belongs to another state of it"
        remedy = (
            f"If {path.name} was restored from a backup, what another run left must not stay beside it: remove {wal}"
            f" and {shm}, and restore it once more. If it was not: {remedy[0].lower()}{remedy[1:]}"
        )
    return OperatorError(f"{path}: {message} ({error})", remedy=remedy, file=str(path))


def empty(path: Path) -> OperatorError:
    """Say that the file at *path* holds no log, though it may be the copy of one."""
    wal = path.with_name(path.name + "-wal")
    # Opening the file has made an empty -wal.
    if path.stat().st_size and not (wal.exists() and wal.stat().st_size):
        return OperatorError(
            f"{path}: no tables are in it; it looks like a copy of a log in use, made without its {wal.name}",
            remedy=f"Copy the log again, or check --log. {_TO_COPY}",
            file=str(path),
        )
    return OperatorError(
        f"{path}: the log is empty; nothing was ever committed to it",
        remedy="Check --log, or fill it: `orch run` or `orch demo`",
        file=str(path),
    )
