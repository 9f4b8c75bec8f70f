"""
Points at which a test kills the process.

The process dies as in a power failure: by SIGKILL, without cleanup, with nothing flushed.
"""

import os
import signal

from streams.errors import UsageError

POINTS = ("append", "flush", "commit", "committed")
"""In the order in which a record passes them: appended, handed to SQLite, before and after its durable commit."""

OPENING_POINTS = ("copy", "copied", "migrate", "migrated", "derive", "derived")
"""
In the order in which an older file passes them when it is opened: before and after the copy has its name, a step of the
migration is committed, and a batch of records is folded into the states of a new processor.
"""


class CrashPoints:
    """
    Counts the points a process passes, and kills it at one of them.

    Args:
        crash_at: Count, from 1, at which the process dies; None for never.
        only: The one of `POINTS` or `OPENING_POINTS` to count; None for all.
    """

    __slots__ = ("_left", "_only")

    def __init__(self, crash_at: int | None = None, *, only: str | None = None) -> None:
        self._left = crash_at or 0
        self._only = only

    def reach(self, name: str) -> None:
        """Count one point; kill the process if it is the chosen one."""
        if self._left and (self._only is None or name == self._only):
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)

    @classmethod
    def parse(cls, text: str | None) -> "CrashPoints":
        """
        Parse the value of ORCH_CRASH_AT: `37` (the 37th point of any kind) or `commit:3` (the third `commit`).

        Raises:
            UsageError: The value has neither form, or names no point.
        """
        if not text:
            return cls()
        only, colon, count = text.rpartition(":")
        points = (*POINTS, *OPENING_POINTS)
        if (colon and only not in points) or not count.isascii() or not count.isdigit() or not int(count):
            raise UsageError(
                f"ORCH_CRASH_AT is {text!r}",
                remedy=f"Give a count from 1, or POINT:COUNT with a point of {', '.join(points)}",
            )
        return cls(int(count), only=only or None)
