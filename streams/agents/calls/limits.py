"""When an agent may be called: not too many at a time, not too often, and not while it only fails."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext

import structlog
from structlog.typing import FilteringBoundLogger

from schemas.agents import LiveLimits

BURST_S = 1.0
"""Calls that a pause has saved up and that may then come at once, as seconds of the pace."""

_log: FilteringBoundLogger = structlog.get_logger("orch.gate")


class Closed(Exception):
    """The agent failed so often in a row that it is not asked for a while."""


class Gate:
    """
    One agent's gate, in one process.

    Args:
        name: The agent, for the log.
        limits: Its limits.
        now_s: Monotonic clock in seconds.
    """

    def __init__(self, name: str, limits: LiveLimits, now_s: Callable[[], float]) -> None:
        self._name = name
        self._limits = limits
        self._now_s = now_s
        self._room = None if limits.concurrent is None else asyncio.Semaphore(limits.concurrent)
        self._free_at_s = float("-inf")
        """When the pace allows the next call."""
        self._failures = 0
        self._shut_until_s: float | None = None
        self._trying = False
        """Whether the one call is under way that shows whether the agent is back."""

    @asynccontextmanager
    async def passed(self) -> AsyncIterator[None]:
        """
        Wait until a call may be made, and hold its place while it is.

        Raises:
            Closed: The agent failed too often.
        """
        async with self._room or nullcontext():
            trying = self._trial()
            try:
                await self._pace()
                yield
            finally:
                # Also where the call was cancelled, and nothing was noted.
                self._trying = self._trying and not trying

    def note(self, *, failed: bool) -> None:
        """Take in how a call ended."""
        most = self._limits.breaker_failures
        if not failed:
            if self._shut_until_s is not None:
                _log.info("agent_asked_again", agent=self._name)
            self._failures, self._shut_until_s = 0, None
            return
        self._failures += 1
        if most and self._failures >= most:
            if self._shut_until_s is None:
                _log.warning("agent_left_alone", agent=self._name, failures=self._failures, ms=self._limits.breaker_ms)
            self._shut_until_s = self._now_s() + self._limits.breaker_ms / 1000

    def _trial(self) -> bool:
        """Let a call through, and say whether it is the one that shows whether the agent is back."""
        if self._shut_until_s is None:
            return False
        if self._now_s() < self._shut_until_s or self._trying:
            raise Closed
        self._trying = True
        return True

    async def _pace(self) -> None:
        pace = self._limits.calls_per_minute
        if pace is None:
            return
        gap_s = 60 / pace
        at_s = max(self._free_at_s, self._now_s() - BURST_S)
        self._free_at_s = at_s + gap_s
        await asyncio.sleep(max(0.0, at_s - self._now_s()))
