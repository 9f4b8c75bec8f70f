"""Choice of the traces that a process makes."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from structlog.typing import FilteringBoundLogger

MOST_PER_S = 50
"""
Traces that a process makes of its own accord in a second, while no sampler is named: those of 150 calls a second and
more. With them metrics and traces add 2 % to the CPU time of a process that asks as fast as it can.
"""

ALL = 1 << 64
"""Bound that no trace id reaches: all are wanted."""

REMEDY = "OTEL_TRACES_SAMPLER=always_on traces every question, OTEL_TRACES_SAMPLER=traceidratio a fixed part of them"

_log: FilteringBoundLogger = structlog.get_logger("orch.traces")


@dataclass(frozen=True, slots=True)
class FixedPart:
    """Wants a fixed part of the traces, which all processes with the same part choose alike."""

    part: float
    """From 0, none, to 1, all."""
    keeps_begun: bool = False
    """Whether a trace that began elsewhere, and is wanted there, is wanted in any case."""

    def wants(self, trace_id: bytes) -> bool:
        """Choose as OpenTelemetry's sampler TraceIdRatioBased reads an id, so that other programs choose the same."""
        return int.from_bytes(trace_id[8:]) < round(self.part * ALL)


class MostPerSecond:
    """
    Wants all traces while there are few, and of many a part: a half, a quarter, and so on.

    In each second the part is halved as soon as *most* traces are wanted, again after half as many more, and so on, so
    no second has much more than twice *most*. The next one begins with the part that would have been right for it.
    Processes choose by the same ids: of two that see unlike numbers, one wants all that the other wants.

    Args:
        most: Traces a second.
        clock: Monotonic seconds.
    """

    keeps_begun = True

    def __init__(self, most: int = MOST_PER_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._bound = ALL
        self._told = False
        self._begin(clock())

    def wants(self, trace_id: bytes) -> bool:
        """Choose by the id, and count it."""
        now = self._clock()
        if now - self._began >= 1:
            self._bound = self._bound_for(self._seen / (now - self._began))
            self._begin(now)
        self._seen += 1
        if int.from_bytes(trace_id[8:]) >= self._bound:
            return False
        self._room -= 1
        if not self._room:
            self._halve()
        return True

    def _begin(self, now: float) -> None:
        self._began, self._seen = now, 0
        self._room = self._step = self._most

    def _bound_for(self, per_s: float) -> int:
        """Give the largest bound, of those that halve, below which no more than *most* of so many traces are."""
        bound = ALL
        while per_s > self._most:
            bound >>= 1
            per_s /= 2
        return bound

    def _halve(self) -> None:
        self._bound >>= 1
        self._room = self._step = max(1, self._step // 2)
        if not self._told:
            self._told = True
            _log.warning("traces_thinned", most_per_s=self._most, remedy=REMEDY)
