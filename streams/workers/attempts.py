"""One seat from start to end: its attempts, the waits between them, and the event that tells of them."""

import time
from asyncio import sleep
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, TypeVar

import structlog
from structlog.typing import FilteringBoundLogger

from schemas.analyses import AnalysisPublished, Attempt
from schemas.event import MAX_EVENT_BYTES, Event
from schemas.policies import CallLimits
from schemas.quantities import later
from streams.errors import InvariantError
from streams.workers.agent import Agent, Task
from streams.workers.calls import ENVELOPE_BYTES, Stopwatch, as_attempt, call_and_wait, call_virtually, fit

MAX_WAIT_MS = 3_600_000
"""Longest wait between two attempts: doubling it 20 times must not reach past what an event can hold."""

_LAST_INSTANT = "9999-12-31T23:59:59.999Z"

_T = TypeVar("_T")

_log: FilteringBoundLogger = structlog.get_logger()


def monotonic_ms() -> int:
    """Read this process's monotonic clock."""
    return time.monotonic_ns() // 1_000_000


async def take_seat(
    agent: Agent, task: Task, opener: Event, clock: Stopwatch = monotonic_ms, *, max_bytes: int = MAX_EVENT_BYTES
) -> AnalysisPublished:
    """
    Try an agent until it gives a reply, its attempts are used up, or trying again makes no sense.

    Args:
        agent: Its policy entry sets time limit, attempts, waits and prices.
        task: The seat's first attempt.
        opener: The event that opened the stage.
        clock: Times what a waiting agent does; not read for a virtual one.
        max_bytes: Largest event the log takes; a reply that does not fit is the error `too_long`.

    Returns:
        The event to publish. Its cause is *opener*, its time that of *opener* and the latency later. For a virtual
        agent it depends on the first three arguments only and no time passes: latency, waits included, is data.

    Raises:
        CancelledError: The caller gave up.
    """
    spec, virtual = agent.spec, agent.virtual
    started_ms = 0 if virtual else clock()
    elapsed_ms = 0
    attempts: list[Attempt] = []
    while True:
        call = await (call_virtually(agent, task) if virtual else call_and_wait(agent, task, clock))
        fit(call, max_bytes - ENVELOPE_BYTES)
        attempt = as_attempt(call, spec.price)
        attempts.append(attempt)
        elapsed_ms += attempt.latency_ms
        if not virtual:
            _report(agent, task, opener, attempt)
        if call.outcome == "ok" or not call.retriable or len(attempts) >= spec.limits.max_attempts:
            break
        wait_ms = wait_before(len(attempts) + 1, spec.limits)
        elapsed_ms += wait_ms
        if not virtual:
            await sleep(wait_ms / 1000)
        task = replace(task, attempt=task.attempt + 1)
    if not virtual:
        elapsed_ms = max(clock() - started_ms, 0)
    reply = call.reply if call.outcome == "ok" else None
    return AnalysisPublished(
        causes=(opener.event_id,),
        occurred_at=_moved(opener.occurred_at, elapsed_ms),
        question_id=task.question_id,
        agent=spec.name,
        stage=task.stage,
        role=task.role,
        status="failed" if reply is None else "ok",
        text="" if reply is None else reply.text,
        answer=None if reply is None else reply.answer,
        sub_questions=() if reply is None else reply.sub_questions,
        attempts=tuple(attempts),
        latency_ms=elapsed_ms,
    )


def drive(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """
    Run a coroutine of a virtual agent to its end, without an event loop.

    Raises:
        InvariantError: It wants to wait, so its agent is not virtual.
    """
    try:
        coroutine.send(None)
    except StopIteration as end:
        value: _T = end.value
        return value
    coroutine.close()
    raise InvariantError(f"{getattr(coroutine, '__qualname__', 'a coroutine')} waits, though its agent is virtual")


def wait_before(attempt: int, limits: CallLimits) -> int:
    """Give the wait before an attempt from the second on, in milliseconds: doubled each time, to at most an hour."""
    return min(limits.backoff_ms << (attempt - 2), MAX_WAIT_MS)


def _moved(instant: str, ms: int) -> str:
    if ms == 0:
        return instant
    try:
        return later(instant, ms)
    except ValueError:
        # A producer may date a question at the end of the year 9999, where the calendar of events stops.
        return _LAST_INSTANT


def _report(agent: Agent, task: Task, opener: Event, attempt: Attempt) -> None:
    """Write the log line of a call that took wall time; of a virtual one the event says all there is to say."""
    _log.info(
        "call_finished",
        event_id=opener.event_id,
        question_id=task.question_id,
        agent=agent.spec.name,
        role=task.role,
        stage=task.stage,
        attempt=task.attempt,
        outcome=attempt.outcome,
        error=attempt.error,
        latency_ms=attempt.latency_ms,
        cost_nusd=attempt.cost_nusd,
        input_tokens=attempt.input_tokens,
        output_tokens=attempt.output_tokens,
    )
