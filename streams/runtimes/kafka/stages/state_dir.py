"""Exclusive state directories for the processes of one machine."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streams.errors import OperatorError

MOST = 64
"""Processes that can share one state folder."""


@contextmanager
def slot(folder: Path) -> Iterator[Path]:
    """
    Lock the first numbered directory in *folder* that no other process has locked.

    The kernel releases the lock when the process ends, however it ends; after a restart a process usually gets the same
    directory again. Two processes must not write to one state store. A store that another process left behind may be
    stale: its owner reads the rest from the changelog.

    Raises:
        OperatorError: The directory cannot be made or written to, or all of them are in use.
    """
    for number in range(MOST):
        mine = folder / str(number)
        try:
            mine.mkdir(parents=True, exist_ok=True)
            handle = os.open(mine / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise OperatorError(
                f"{mine}: {error.strerror}", remedy="Name another folder with --state, or --state - for none"
            ) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            continue
        try:
            yield mine
        finally:
            os.close(handle)
        return
    raise OperatorError(f"{folder}: {MOST} processes use it already", remedy="Name another folder with --state")
