"""The `deadlines` stage: a question that is open too long is declared overdue, so that it is decided all the same."""

import asyncio
import heapq
from collections.abc import Iterator
from itertools import count

import structlog
from structlog.typing import FilteringBoundLogger

from schemas.decisions import DeadlinePassed
from schemas.quantities import instant_of_ms
from streams.log import Clock, Subscription
from streams.topology import ASSIGNMENTS, DECISIONS
from streams.workers.partition_consumer import Share, until
from streams.workers.question_state import Case

READ = (ASSIGNMENTS, DECISIONS)

DECLARED_AT_ONCE = 500
"""Deadlines written in one go, before decisions are read again."""

SWEPT = 1_000
"""Closed questions kept beside as many as are open, before they are swept out."""

WAIT_MS = 200

_log: FilteringBoundLogger = structlog.get_logger("orch.deadlines")


async def run_deadlines(subscription: Subscription, *, clock: Clock, stop: asyncio.Event) -> None:
    """
    Write the deadline of every question that is open when it passes, until told to stop.

    A question is due at the time of the record of its panel, and the panel's `deadline_ms` later; that instant is the
    event's time, so a deadline that is written twice, by another member or after a restart, is the same event.

    Args:
        subscription: Not started.
        clock: Wall clock.

    Raises:
        OperatorError: No broker answers at the start, or a deadline could not be written.
    """
    share = Share(subscription, READ)
    try:
        await until(stop, share.start())
        if not stop.is_set():
            await until(stop, _watch(share, subscription, clock))
    finally:
        await share.stop()


class _Dues:
    """Open questions by the instant at which they are overdue, in milliseconds since 1970."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Case]] = []
        # Cases have no order, so a number stands before them.
        self._numbers = count()
        self._sweep_at = SWEPT

    def add(self, case: Case) -> None:
        """Watch a question from now on; one whose panel is not known is left out."""
        panel = case.panel
        if panel is None:
            return
        heapq.heappush(self._heap, (case.opened[0].at_ms + panel.deadline_ms, next(self._numbers), case))
        if len(self._heap) >= self._sweep_at:
            self._heap = [entry for entry in self._heap if not entry[2].closed]
            heapq.heapify(self._heap)
            self._sweep_at = 2 * len(self._heap) + SWEPT

    def wait_ms(self, now_ms: int) -> int:
        """Give the time until one of them may be overdue, as long as it is a short one."""
        return max(0, min(WAIT_MS, self._heap[0][0] - now_ms)) if self._heap else WAIT_MS

    def overdue(self, now_ms: int) -> Iterator[tuple[int, Case]]:
        """Take out what is overdue, so much that it can be written in one go."""
        taken = 0
        while self._heap and self._heap[0][0] <= now_ms and taken < DECLARED_AT_ONCE:
            due_ms, _, case = heapq.heappop(self._heap)
            if not case.closed:
                taken += 1
                yield due_ms, case


async def _watch(share: Share, subscription: Subscription, clock: Clock) -> None:
    dues = _Dues()
    while True:
        for case in await share.look(dues.wait_ms(clock())):
            dues.add(case)
        overdue = dict.fromkeys(dues.overdue(clock()))
        await asyncio.gather(*(_declare(share, subscription, due_ms, case) for due_ms, case in overdue))


async def _declare(share: Share, subscription: Subscription, due_ms: int, case: Case) -> None:
    """Write one deadline; once it is in the log, the rest is the merge's."""
    await subscription.publish(DeadlinePassed(occurred_at=instant_of_ms(due_ms), question_id=case.question_id))
    share.close(case)
    _log.debug("deadline_passed", question_id=case.question_id)
