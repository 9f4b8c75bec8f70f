"""One attempt of a call: timeout, outcome and reply size."""

import traceback
from asyncio import timeout
from collections.abc import Callable
from dataclasses import dataclass, replace
from os.path import basename
from typing import Literal

import structlog
from structlog.typing import FilteringBoundLogger

from schemas.agents import Price
from schemas.analyses import Attempt, ProviderCall
from schemas.canonical import canonical_json
from streams.agents.agent import NO_DIAGNOSIS, Agent, AgentError, Diagnosis, Reply, Task
from streams.agents.calls.pricing import cost_of_reply

Stopwatch = Callable[[], int]
"""Clock in milliseconds from any start. If it runs backwards, as wall clocks may, the measured time is 0."""

ENVELOPE_BYTES = 80_000
"""Bytes of an event reserved for all but the agent's text: ids, names, 20 attempts with provider metadata."""

# A character takes at most six bytes in canonical JSON (as \\u0000), a list item three more. Nearly all replies fit by
# this bound, and need not be encoded to check it.
_MOST_BYTES_A_CHARACTER = 6
_BYTES_AN_ITEM = 3

_log: FilteringBoundLogger = structlog.get_logger()


@dataclass(slots=True)
class CallOutcome:
    """Outcome of one attempt."""

    outcome: Literal["ok", "timeout", "error", "refused"]
    latency_ms: int | None
    """None: not reported, and not measured yet."""
    reply: Reply | None = None
    """Of an error: tokens and metadata of a reply that could not be used, if known."""
    error: str | None = None
    retriable: bool = True
    retry_after_ms: int | None = None
    free: bool = False
    """Whether it certainly cost nothing."""
    provider: ProviderCall | None = None
    """The call of the provider, if one was made."""
    diagnosis: Diagnosis = NO_DIAGNOSIS
    """What else a failed call showed; no event holds it."""


async def call_virtually(agent: Agent, task: Task) -> CallOutcome:
    """Make one attempt in virtual time: a latency above the time limit is a timeout after exactly the limit."""
    call = await _call(agent, task)
    limit_ms = agent.spec.limits.timeout_ms
    if call.latency_ms is not None and call.latency_ms > limit_ms:
        return CallOutcome("timeout", limit_ms)
    return call


async def call_and_wait(agent: Agent, task: Task, stopwatch: Stopwatch, left_ms: int | None = None) -> CallOutcome:
    """
    Make one attempt, cancel it at the time limit, and measure its latency if the agent reports none.

    Args:
        left_ms: Time left until the question's deadline, if that may be less than the limit of an attempt.
    """
    limit_ms = agent.spec.limits.timeout_ms if left_ms is None else min(agent.spec.limits.timeout_ms, left_ms)
    started_ms = stopwatch()
    try:
        async with timeout(limit_ms / 1000):
            call = await _call(agent, task)
    except TimeoutError:
        # Only the limit raises this: `_call` turns every exception of the agent into an outcome, a TimeoutError too.
        call = CallOutcome("timeout", None)
    if call.latency_ms is None:
        call.latency_ms = max(stopwatch() - started_ms, 0)
    if agent.live is not None:
        said = None if call.reply is None else call.reply.provider
        call.provider = said or agent.live.asked(task)
    return call


async def _call(agent: Agent, task: Task) -> CallOutcome:
    try:
        reply = await agent.reply(task)
    except AgentError as error:
        return CallOutcome(
            "error",
            error.latency_ms,
            error.spent,
            error.error,
            retriable=error.retriable,
            retry_after_ms=error.retry_after_ms,
            free=error.free,
            diagnosis=error.diagnosis,
        )
    except Exception as error:
        # The log gets neither the message nor a rendered traceback: both may quote a prompt or a key.
        frames = traceback.extract_tb(error.__traceback__)
        _log.error(
            "agent_raised",
            agent=agent.spec.name,
            question_id=task.question_id,
            attempt=task.attempt,
            raised=type(error).__qualname__,
            where=[f"{basename(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames],
        )
        return CallOutcome("error", None, error="internal")
    return CallOutcome("ok", reply.latency_ms, reply)


def fit(call: CallOutcome, limit_bytes: int) -> None:
    """
    Make a call's reply fit into an event.

    Surrogate pairs are joined, lone surrogates replaced by U+FFFD. A reply of more than *limit_bytes* of JSON becomes
    the error `too_long`, without a retry. Its text is not cut, because a truncated answer is a different answer.
    """
    reply = call.reply
    if reply is None or call.outcome != "ok":
        return
    call.reply = reply = _valid_unicode(reply)
    characters = len(reply.text) + len(reply.answer or "") + sum(map(len, reply.sub_questions))
    if characters * _MOST_BYTES_A_CHARACTER + len(reply.sub_questions) * _BYTES_AN_ITEM <= limit_bytes:
        return
    if len(canonical_json([reply.text, reply.answer, reply.sub_questions])) > limit_bytes:
        call.outcome, call.error, call.retriable = "error", "too_long", False


def _valid_unicode(reply: Reply) -> Reply:
    words = (reply.text, reply.answer or "", *reply.sub_questions)
    try:
        for word in words:
            word.isascii() or word.encode()
    except UnicodeEncodeError:
        text, answer, *sub_questions = (
            word.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace") for word in words
        )
        given = None if reply.answer is None else answer
        return replace(reply, text=text, answer=given, sub_questions=tuple(sub_questions))
    return reply


def as_attempt(call: CallOutcome, price: Price | None) -> Attempt:
    """Convert an outcome into the attempt of an event, with its cost."""
    reply = call.reply
    return Attempt(
        outcome=call.outcome,
        error=call.error,
        latency_ms=call.latency_ms or 0,
        cost_nusd=cost_of_reply(price, reply, free=call.free),
        input_tokens=None if reply is None else reply.input_tokens,
        output_tokens=None if reply is None else reply.output_tokens,
        provider=call.provider,
    )
