"""Retry loop of one seat: attempts, backoff, and resulting event."""

import time
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, TypeVar

from schemas.agents import CallLimits
from schemas.analyses import AnalysisPublished, Attempt
from schemas.canonical import content_id
from schemas.event import Event
from schemas.quantities import later
from streams.agents.agent import Agent, Task
from streams.agents.calls.attempt import ENVELOPE_BYTES, Stopwatch, as_attempt, call_virtually, fit
from streams.agents.calls.live_attempt import NO_CALL_TERMS, CallTerms, LiveAttempts
from streams.errors import InvariantError

MAX_WAIT_MS = 3_600_000
"""Longest wait between two attempts; without it, 20 doublings could exceed what an event can hold."""

_LAST_INSTANT = "9999-12-31T23:59:59.999Z"

_T = TypeVar("_T")


def monotonic_ms() -> int:
    """Read this process's monotonic clock."""
    return time.monotonic_ns() // 1_000_000


async def take_seat(
    agent: Agent, task: Task, opener: Event, clock: Stopwatch = monotonic_ms, terms: CallTerms = NO_CALL_TERMS
) -> AnalysisPublished:
    """
    Call an agent until it replies, its attempts are used up, or a retry cannot help.

    Args:
        agent: Its policy entry sets time limit, attempts, waits and prices.
        task: The seat's first attempt.
        opener: The event that opened the stage.
        clock: Measures the calls of an agent that takes wall time; not read for a virtual agent.
        terms: Budget, deadline and size limit; only the size limit applies to a virtual agent.

    Returns:
        The event to publish. Its cause is *opener*; its time is that of *opener* plus the latency, waits included. For
        a virtual agent no wall time passes, and the event depends on *agent*, *task*, *opener* and the size limit only.

    Raises:
        CancelledError: The caller cancelled it.
    """
    spec, virtual = agent.spec, agent.virtual
    if agent.live is not None:
        await agent.live.ready()
    trial = None if virtual else LiveAttempts(agent, opener, clock, terms)
    elapsed_ms = 0
    attempts: list[Attempt] = []
    while True:
        call = await (call_virtually(agent, task) if trial is None else trial.call(task))
        fit(call, terms.max_bytes - ENVELOPE_BYTES)
        attempt = as_attempt(call, spec.price)
        attempts.append(attempt)
        elapsed_ms += attempt.latency_ms
        if trial is not None:
            await trial.account_for(task, attempt)
        if call.outcome == "ok" or not call.retriable or len(attempts) >= spec.limits.max_attempts:
            break
        backoff_ms = wait_before(len(attempts) + 1, spec.limits, f"{opener.event_id} {spec.name}")
        wait_ms = min(max(backoff_ms, call.retry_after_ms or 0), MAX_WAIT_MS)
        if trial is not None and not await trial.wait(wait_ms):
            break
        elapsed_ms += wait_ms
        task = replace(task, attempt=task.attempt + 1)
    if trial is not None:
        elapsed_ms = trial.elapsed_ms
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
        InvariantError: It suspends, so its agent is not virtual.
    """
    try:
        coroutine.send(None)
    except StopIteration as end:
        value: _T = end.value
        return value
    coroutine.close()
    raise InvariantError(f"{getattr(coroutine, '__qualname__', 'a coroutine')} waits, though its agent is virtual")


def wait_before(attempt: int, limits: CallLimits, seed: str) -> int:
    """
    Compute the backoff before an attempt, from the second on, in milliseconds.

    It doubles with each attempt, up to an hour. Jitter shortens it by up to half, so that calls that failed together do
    not retry together; the jitter is a hash of *seed* and the attempt, so it is the same each time.
    """
    whole_ms = min(limits.backoff_ms << (attempt - 2), MAX_WAIT_MS)
    draw = int(content_id(f"{seed} {attempt}".encode())[:8], 16)
    return whole_ms - (whole_ms // 2 * draw >> 32)


def _moved(instant: str, ms: int) -> str:
    if ms == 0:
        return instant
    try:
        return later(instant, ms)
    except ValueError:
        # A producer may date a question at the end of the year 9999, where the calendar of events stops.
        return _LAST_INSTANT
