"""The lock that admits one writer to a log file."""

import errno
import fcntl
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

from schemas.quantities import instant_of_ms
from streams.errors import OperatorError
from streams.log import Clock

_HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)
"""What flock says of a lock that another process holds; everything else is about the file system."""

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)
NO_LOCKS = "Put the log on a local disk"
"""What to do about a file system that gives no locks."""


class WriterLock:
    """
    An exclusive flock on `FILE.lock`. Readers need no lock.

    The lock is not on the log itself: SQLite uses POSIX locks there, which a process loses when it closes any handle of
    the file. The kernel releases a flock however its holder ends. The lock file names its holder, and that name is read
    only while another process holds the lock.

    Args:
        log: The log's file.
        clock: Time at which the lock was taken.
        served_at: URL at which the holder takes questions over HTTP; None if it takes none.

    Raises:
        OperatorError: Another process holds the lock (the message names it), the lock file cannot be made or written,
            or the file system has no locks.
    """

    def __init__(self, log: Path, clock: Clock, served_at: str | None = None) -> None:
        self._path = log.with_name(log.name + ".lock")
        self._handle = self._acquire(log)
        note = {
            "pid": os.getpid(),
            "program": Path(sys.argv[0]).name or "python",
            "host": socket.gethostname(),
            "since": instant_of_ms(clock()),
            "served_at": served_at,
        }
        try:
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, json.dumps(note).encode() + b"\n", 0)
        except OSError as error:
            self.release()
            raise _refused(error, self._path, "cannot be written", log) from error

    def _acquire(self, log: Path) -> int:
        while True:
            try:
                handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
            except OSError as error:
                raise _refused(error, self._path, "cannot be made", log) from error
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                note = _read(handle)
                holder = _describe(note)
                os.close(handle)
                if error.errno not in _HELD:
                    raise _refused(error, self._path, "cannot be taken", log) from error
                raise OperatorError(
                    f"{log} is being written by {holder}",
                    remedy=_remedy(note),
                    file=str(log),
                    holder=holder,
                ) from None
            if self._is_current(handle):
                return handle
            os.close(handle)

    def _is_current(self, handle: int) -> bool:
        """Say whether the path still names the locked file; its last holder may remove it before this process locks."""
        try:
            return os.path.samestat(os.fstat(handle), os.stat(self._path))
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Release the lock, and remove its file."""
        if self._handle >= 0:
            self._path.unlink(missing_ok=True)
            os.close(self._handle)
            self._handle = -1


def _refused(error: OSError, path: Path, what: str, log: Path) -> OperatorError:
    """Say what the file system refused about the lock file, and what to do about it."""
    message = f"{path}: the writer's lock {what}: {error.strerror}"
    if error.errno in _NO_LOCKS:
        message, remedy = f"{message}. This file system gives no locks", NO_LOCKS
    elif error.errno in _FULL:
        remedy = "Free some space on that disk, or in your quota, then run the same command again"
    elif error.errno in _FORBIDDEN:
        remedy = "To write, you need write permission for the directory of the log; to read, you need none"
    else:
        remedy = "Look at the disk and the system log, or put the log on another disk"
    return OperatorError(message, remedy=remedy, file=str(log))


def refusal_of_locks(folder: Path) -> OSError | None:
    """
    Say whether a file system refuses the locks that SQLite asks for; SQLite calls such a file busy.

    It is tried on the folder, since closing any handle of the log would take SQLite's own locks from this process.
    """
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.lockf(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error if error.errno in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS) else None
    finally:
        os.close(handle)
    return None


def _read(handle: int) -> dict[str, Any]:
    """Read the holder's note; empty if the holder has just started and not finished writing it."""
    try:
        note = json.loads(os.pread(handle, 4096, 0))
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def _remedy(note: dict[str, Any]) -> str:
    reading = "reading (consume, explain, replay) works meanwhile"
    if served_at := note.get("served_at"):
        return f"Ask it over HTTP (POST {served_at}/v1/questions, /v1/feedback), or stop it; {reading}"
    return f"Wait for it to end or stop it; {reading}"


def _describe(note: dict[str, Any]) -> str:
    if "pid" not in note:
        return "another process"
    process = f"process {note['pid']} ({note.get('program')}) on {note.get('host')}, since {note.get('since')}"
    served_at = note.get("served_at")
    return f"{process}, which serves it at {served_at}" if served_at else process
