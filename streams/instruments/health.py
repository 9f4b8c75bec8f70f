"""Whether a process is alive, owns its work and progresses."""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

import structlog
from structlog.typing import FilteringBoundLogger

from streams.instruments import names
from streams.instruments.meters import Meters

TICK_S = 1.0
"""Time between two looks of a process at itself."""

LATE_S = 10.0
"""Delay of a look from which on the process counts as standing still: it was stopped, or something blocks its loop."""

STUCK_S = 20.0
"""Time without progress after which work that waits makes a process not ready: within 30 s of a scrape every 10 s."""

DEAD_S = 120.0
"""Time without a look after which the process counts as dead. Twice the longest batch that was seen."""

_log: FilteringBoundLogger = structlog.get_logger("orch.health")


class Work(NamedTuple):
    """Where one stage stands."""

    stage: str
    missing: str | None
    """What it has not got yet to begin work; None if it has all."""
    waiting: int
    """Records that wait for it."""
    done: int
    """A number that grows with its work."""


class Health:
    """
    Judges the process by what it looks at once a second, in its event loop.

    The judgement is asked for from another thread, so it is there while the loop hangs. A process stopped by a signal
    answers nothing at all; whoever asks times out.

    Args:
        meters: Gets the judgement, as metrics.
        clock: Monotonic seconds.
    """

    def __init__(self, meters: Meters, clock: Callable[[], float] = time.monotonic) -> None:
        self._meters = meters
        self._clock = clock
        self._looked_at: float | None = None
        self._ended = False
        self._problems: list[Callable[[], Iterable[str]]] = []
        self._troubles: list[Callable[[], Iterable[str]]] = []
        self._works: list[Callable[[], Iterable[Work]]] = []
        self._moved: dict[str, tuple[int, float]] = {}
        """Of each stage, what it had done when it moved last or had nothing to do, and when that was."""
        self._stuck: list[str] = []
        meters.read(names.READY, lambda: [((), float(not self.unready()))])

    def require(self, problems: Callable[[], Iterable[str]]) -> None:
        """Ask *problems* at each judgement; what it gives makes the process not ready."""
        self._problems.append(problems)

    def tell(self, troubles: Callable[[], Iterable[str]]) -> None:
        """Ask *troubles* at each judgement; what it gives is told, and the process is ready all the same."""
        self._troubles.append(troubles)

    def follow(self, works: Callable[[], Iterable[Work]]) -> None:
        """Look at the progress of these stages."""
        self._works.append(works)

    async def keep_looking(self) -> None:
        """Look once a second, until cancelled."""
        self._ended = False
        try:
            while True:
                self.look()
                await asyncio.sleep(TICK_S)
        finally:
            self._ended = True

    def look(self) -> None:
        """Note that the loop runs, and where each stage stands."""
        now = self._clock()
        late_s = 0.0 if self._looked_at is None else now - self._looked_at - TICK_S
        if late_s >= LATE_S:
            self._meters.add(names.STANDSTILLS, ())
            _log.warning("process_stood_still", seconds=round(late_s, 1))
        self._looked_at = now
        stuck = [why for works in self._works for work in works() for why in self._judged(work, now, late_s)]
        self._stuck = stuck

    def _judged(self, work: Work, now: float, late_s: float) -> Iterable[str]:
        if work.missing is not None:
            self._moved.pop(work.stage, None)
            yield f"{work.stage}: {work.missing}"
            return
        done, since = self._moved.get(work.stage, (-1, now))
        if done != work.done or not work.waiting or late_s >= LATE_S:
            self._moved[work.stage] = work.done, now
        elif now - since >= STUCK_S:
            yield f"{work.stage}: {work.waiting:,} records wait, and none was done for {now - since:,.0f} s"

    @property
    def alive(self) -> bool:
        """Whether the event loop runs, or does not have to: before it starts, and after it ends."""
        return self._looked_at is None or self._ended or self._clock() - self._looked_at < DEAD_S

    def unready(self) -> list[str]:
        """Say why the process is not ready; empty if it is."""
        if self._looked_at is None or self._ended:
            return ["it has not started" if self._looked_at is None else "it has ended its work"]
        silent_s = self._clock() - self._looked_at
        standing = [f"its event loop has stood still for {silent_s:,.0f} s"] if silent_s >= LATE_S else []
        return [*standing, *(why for problems in self._problems for why in problems()), *self._stuck]

    def troubles(self) -> list[str]:
        """Say what is wrong around a process that works."""
        return [why for troubles in self._troubles for why in troubles()]
