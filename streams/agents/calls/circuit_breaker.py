"""Circuit breaker of one agent."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from structlog.typing import FilteringBoundLogger

from schemas.agents import LiveLimits

_log: FilteringBoundLogger = structlog.get_logger("orch.limits")


class CircuitOpen(Exception):
    """The agent failed too often in a row and is not called for a while."""


class CircuitBreaker:
    """
    Opens after a number of failures in a row; after a pause, one trial call decides whether it closes again.

    Args:
        name: The agent, for the log.
        limits: Number of failures, and length of the pause; with 0 failures it never opens.
        now_s: Monotonic clock in seconds.
    """

    def __init__(self, name: str, limits: LiveLimits, now_s: Callable[[], float]) -> None:
        self._name = name
        self._limits = limits
        self._now_s = now_s
        self._failures = 0
        self._open_until_s: float | None = None
        self._trying = False
        """Whether the trial call is in flight."""

    @property
    def is_open(self) -> bool:
        """Whether the agent failed too often in a row, and has not answered since."""
        return self._open_until_s is not None

    @contextmanager
    def passed(self) -> Iterator[None]:
        """
        Let a call through.

        Raises:
            CircuitOpen: The agent failed too often in a row.
        """
        trying = self._trial()
        try:
            yield
        finally:
            # Also if the call was cancelled and no outcome was noted.
            self._trying = self._trying and not trying

    def note(self, *, failed: bool) -> None:
        """Record whether a call failed."""
        most = self._limits.breaker_failures
        if not failed:
            if self._open_until_s is not None:
                _log.info("agent_asked_again", agent=self._name)
            self._failures, self._open_until_s = 0, None
            return
        self._failures += 1
        if most and self._failures >= most:
            if self._open_until_s is None:
                _log.warning("agent_left_alone", agent=self._name, failures=self._failures, ms=self._limits.breaker_ms)
            self._open_until_s = self._now_s() + self._limits.breaker_ms / 1000

    def _trial(self) -> bool:
        """Let a call through, and return whether it is the trial call."""
        if self._open_until_s is None:
            return False
        if self._now_s() < self._open_until_s or self._trying:
            raise CircuitOpen
        self._trying = True
        return True
