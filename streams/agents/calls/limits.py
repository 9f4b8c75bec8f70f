"""Concurrency limit, rate limit and circuit breaker of one agent."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext

from schemas.agents import LiveLimits
from streams.agents.calls.circuit_breaker import CircuitBreaker
from streams.agents.calls.rate_limit import RateLimit


class CallLimiter:
    """
    Limits on the calls of one agent, in one process.

    Args:
        name: The agent, for the log.
        limits: Its limits.
        now_s: Monotonic clock in seconds.
    """

    def __init__(self, name: str, limits: LiveLimits, now_s: Callable[[], float]) -> None:
        self._room = None if limits.concurrent is None else asyncio.Semaphore(limits.concurrent)
        self._breaker = CircuitBreaker(name, limits, now_s)
        self._rate = RateLimit(limits.calls_per_minute, now_s)

    @asynccontextmanager
    async def passed(self) -> AsyncIterator[None]:
        """
        Wait until a call may start, and hold its place until the block ends.

        Raises:
            CircuitOpen: The agent failed too often in a row.
        """
        async with self._room or nullcontext():
            with self._breaker.passed():
                await self._rate.wait()
                yield

    @property
    def left_alone(self) -> bool:
        """Whether the circuit breaker is open: the agent is not called, or for a trial only."""
        return self._breaker.is_open

    def note(self, *, failed: bool) -> None:
        """Record whether a call failed."""
        self._breaker.note(failed=failed)
