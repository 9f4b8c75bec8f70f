"""Rate limit of one agent, in calls a minute."""

import asyncio
from collections.abc import Callable

BURST_S = 1.0
"""Unused rate, in seconds, that a pause saves up for a burst of calls."""


class RateLimit:
    """
    Spaces calls evenly.

    Args:
        calls_per_minute: None: there is no limit.
        now_s: Monotonic clock in seconds.
    """

    def __init__(self, calls_per_minute: int | None, now_s: Callable[[], float]) -> None:
        self._gap_s = None if calls_per_minute is None else 60 / calls_per_minute
        self._now_s = now_s
        self._free_at_s = float("-inf")
        """When the next call may be made."""

    async def wait(self) -> None:
        """Wait until a call may start, in the order of arrival."""
        if self._gap_s is None:
            return
        at_s = max(self._free_at_s, self._now_s() - BURST_S)
        self._free_at_s = at_s + self._gap_s
        await asyncio.sleep(max(0.0, at_s - self._now_s()))
