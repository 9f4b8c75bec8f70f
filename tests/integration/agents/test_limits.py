"""Rate limit, concurrency limit and circuit breaker of an agent."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

import pytest

from schemas.agents import LiveLimits
from streams.agents.calls.circuit_breaker import CircuitOpen
from streams.agents.calls.limits import CallLimiter
from streams.agents.calls.rate_limit import BURST_S


class Clock:
    """Seconds that pass when somebody sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 100.0
        monkeypatch.setattr("streams.agents.calls.limits.asyncio.sleep", self.sleep)

    def __call__(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        """Let the time pass at once."""
        self.now_s += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock of the test's own."""
    return Clock(monkeypatch)


async def called(limiter: CallLimiter, *, failed: bool = False) -> bool:
    """Make a call; say whether it was let through."""
    try:
        async with limiter.passed():
            limiter.note(failed=failed)
    except CircuitOpen:
        return False
    return True


def played(play: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a scene with a limit."""
    asyncio.run(asyncio.wait_for(play(), 30))


def test_so_many_failures_in_a_row_shut_the_gate(clock: Clock) -> None:
    """After the last of them no call is let through until the time is over; a success before begins anew."""
    limiter = CallLimiter("a", LiveLimits(breaker_failures=3, breaker_ms=5_000), clock)

    async def play() -> None:
        fates = [await called(limiter, failed=failed) for failed in (True, True, False, True, True, True)]
        assert fates == [True] * 6
        assert not await called(limiter)
        clock.now_s += 4.999
        assert not await called(limiter)
        clock.now_s += 0.001
        assert await called(limiter)
        assert await called(limiter)

    played(play)


def test_one_call_shows_whether_the_agent_is_back(clock: Clock) -> None:
    """While it is under way no other is let through; if it fails, the wait begins again."""
    limiter = CallLimiter("a", LiveLimits(breaker_failures=1, breaker_ms=1_000), clock)

    async def play() -> None:
        await called(limiter, failed=True)
        clock.now_s += 1
        async with limiter.passed():
            assert not await called(limiter)
            limiter.note(failed=True)
        clock.now_s += 0.999
        assert not await called(limiter)
        clock.now_s += 0.001
        assert await called(limiter)

    played(play)


def test_a_trial_that_is_cancelled_lets_another_try(clock: Clock) -> None:
    """A call that ended without an outcome says nothing of the agent, so the next one tries."""
    limiter = CallLimiter("a", LiveLimits(breaker_failures=1, breaker_ms=1_000), clock)

    async def play() -> None:
        await called(limiter, failed=True)
        clock.now_s += 1
        with pytest.raises(asyncio.CancelledError):
            async with limiter.passed():
                raise asyncio.CancelledError
        assert await called(limiter)

    played(play)


def test_without_a_number_of_failures_the_gate_never_shuts(clock: Clock) -> None:
    """0 turns it off."""
    limiter = CallLimiter("a", LiveLimits(breaker_failures=0), clock)

    async def play() -> None:
        assert all([await called(limiter, failed=True) for _ in range(100)])

    played(play)


def test_calls_at_a_time_are_limited(clock: Clock) -> None:
    """One more than allowed waits until another has ended."""
    limiter = CallLimiter("a", LiveLimits(concurrent=2), clock)

    async def play() -> None:
        async with AsyncExitStack() as first:
            await first.enter_async_context(limiter.passed())
            async with limiter.passed():
                third = asyncio.create_task(called(limiter))
                _, waits = await asyncio.wait([third], timeout=0.05)
                assert waits
            assert await third

    played(play)


def test_calls_a_minute_are_limited(clock: Clock) -> None:
    """After what a pause has saved up, which is a second's worth, calls come at the pace and no faster."""
    limiter = CallLimiter("a", LiveLimits(calls_per_minute=120), clock)
    saved_up = int(BURST_S * 120 / 60)

    async def play() -> None:
        began = clock.now_s
        for _ in range(saved_up + 1 + 120):
            assert await called(limiter)
        assert clock.now_s - began == pytest.approx(60)

    played(play)
