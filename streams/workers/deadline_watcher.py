"""Deadlines of open questions on Kafka, declared when they pass."""

import asyncio
from itertools import islice

import structlog
from structlog.typing import FilteringBoundLogger

from schemas.quantities import instant_of_ms
from streams.log import Clock, Subscription
from streams.processors.deadlines import deadline_of
from streams.topology import ASSIGNMENTS, DECISIONS
from streams.workers.call_scheduler import CallScheduler
from streams.workers.partition_consumer import PartitionConsumer, until
from streams.workers.question_state import QuestionState

READ = (ASSIGNMENTS, DECISIONS)

DECLARED_AT_ONCE = 500
"""Deadlines published in one batch, before decisions are read again."""

WAIT_MS = 200

_log: FilteringBoundLogger = structlog.get_logger("orch.deadlines")


async def run_deadlines(subscription: Subscription, *, clock: Clock, stop: asyncio.Event) -> None:
    """
    Publish the deadline of every question that is still open when it passes, until *stop* is set.

    The deadline is the timestamp of the panel's record plus the panel's `deadline_ms`. It is also the event's time, so
    a deadline that is published twice, by another member or after a restart, is the same event.

    Args:
        subscription: Not started.
        clock: Wall clock.

    Raises:
        OperatorError: The brokers refuse, or a deadline could not be written.
    """
    consumer = PartitionConsumer(subscription, READ)
    try:
        await until(stop, consumer.start())
        if not stop.is_set():
            await until(stop, _watch(consumer, subscription, clock))
    finally:
        await consumer.stop()


async def _watch(consumer: PartitionConsumer, subscription: Subscription, clock: Clock) -> None:
    scheduler: CallScheduler[QuestionState, None] = CallScheduler(most=0)
    while True:
        for case in await consumer.look(scheduler.wait_ms(clock(), WAIT_MS)):
            scheduler.watch(case)
        overdue = dict.fromkeys(islice(scheduler.overdue(clock()), DECLARED_AT_ONCE))
        await asyncio.gather(*(_declare(consumer, subscription, due_ms, case) for due_ms, case in overdue))


async def _declare(consumer: PartitionConsumer, subscription: Subscription, due_ms: int, case: QuestionState) -> None:
    """Publish one deadline; from then on the merge stage is responsible, and the question is closed here."""
    assert case.panel is not None, "only a question with a panel is watched"
    await subscription.publish(deadline_of(case.panel, instant_of_ms(due_ms)), case.opened[0].headers)
    consumer.close(case)
    _log.debug("deadline_passed", question_id=case.question_id)
