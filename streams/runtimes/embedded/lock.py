"""The lock that admits one writer to a log file."""

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


class WriterLock:
    """
    An exclusive flock on `FILE.lock`. Readers need no lock.

    The lock is not on the log itself: SQLite uses POSIX locks there, which a process loses when it closes any handle of
    the file. The kernel releases a flock however its holder ends. The lock file names its holder, and that name is read
    only while another process holds the lock.

    Raises:
        OperatorError: Another process holds the lock (the message names it), or the lock file cannot be made.
    """

    def __init__(self, log: Path, clock: Clock) -> None:
        self._path = log.with_name(log.name + ".lock")
        self._handle = self._acquire(log)
        note = {
            "pid": os.getpid(),
            "program": Path(sys.argv[0]).name or "python",
            "host": socket.gethostname(),
            "since": instant_of_ms(clock()),
        }
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, json.dumps(note).encode() + b"\n", 0)

    def _acquire(self, log: Path) -> int:
        while True:
            try:
                handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
            except OSError as error:
                raise OperatorError(
                    f"{self._path}: the writer's lock cannot be made: {error.strerror}",
                    remedy="To write, you need write permission for the directory of the log; to read, you need none",
                    file=str(log),
                ) from error
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                holder = _describe(_read(handle))
                os.close(handle)
                raise OperatorError(
                    f"{log} is being written by {holder}",
                    remedy="Wait for it to end or stop it; reading (consume, explain, replay) works meanwhile",
                    file=str(log),
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


def _read(handle: int) -> dict[str, Any]:
    """Read the holder's note; empty if the holder has just started and not finished writing it."""
    try:
        note = json.loads(os.pread(handle, 4096, 0))
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def _describe(note: dict[str, Any]) -> str:
    if "pid" not in note:
        return "another process"
    return f"process {note['pid']} ({note.get('program')}) on {note.get('host')}, since {note.get('since')}"
