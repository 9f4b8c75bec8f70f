"""Attempts of a live agent, under limits, budget and deadline."""

from asyncio import sleep
from dataclasses import dataclass

import structlog
from structlog.typing import FilteringBoundLogger

from schemas.analyses import Attempt
from schemas.event import MAX_EVENT_BYTES, Event
from schemas.spending import BudgetRefused, BudgetReserved
from streams.agents.agent import Agent, LiveCaller, Task
from streams.agents.calls.attempt import CallOutcome, Stopwatch, call_and_wait
from streams.agents.calls.budget import BudgetAccount
from streams.agents.calls.circuit_breaker import CircuitOpen
from streams.agents.calls.progress import CallProgress

OF_THE_REQUEST = ("bad_request", "too_large", "too_long", "empty_reply", "tool_call")
"""Errors of one request, which the circuit breaker does not count: the agent may serve other requests."""

_log: FilteringBoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class CallTerms:
    """Budget, deadline and size limit of a call that takes wall time."""

    account: BudgetAccount | None = None
    """Account that the call is charged to; None: there is no budget."""
    activity: CallProgress | None = None
    """Counters of the process's calls."""
    left_ms: int | None = None
    """Time left until the question's deadline; no attempt starts after it."""
    max_bytes: int = MAX_EVENT_BYTES
    """Largest event the log takes; a reply that does not fit is the error `too_long`."""


NO_CALL_TERMS = CallTerms()

_LATE = "deadline"
"""Error of a call that is refused because the question's deadline has passed."""


class LiveAttempts:
    """The attempts of one seat that take wall time."""

    def __init__(self, agent: Agent, opener: Event, clock: Stopwatch, terms: CallTerms) -> None:
        self._agent = agent
        self._opener = opener
        self._clock = clock
        self._terms = terms
        self._started_ms = clock()
        self._reserved: BudgetReserved | None = None

    @property
    def elapsed_ms(self) -> int:
        """Time since the seat was taken."""
        return max(self._clock() - self._started_ms, 0)

    @property
    def left_ms(self) -> int | None:
        """Time left until the question's deadline; None without a deadline."""
        return None if self._terms.left_ms is None else self._terms.left_ms - self.elapsed_ms

    def _is_late(self) -> bool:
        return self.left_ms is not None and self.left_ms <= 0

    async def call(self, task: Task) -> CallOutcome:
        """Make an attempt, or return the outcome `refused` with the reason."""
        live = self._agent.live
        if live is None:
            return await self._timed(task)
        try:
            async with live.limiter.passed():
                refusal = await self._refusal(live, task)
                if refusal is not None:
                    return _refused(refusal)
                async with live.turn():
                    if self._is_late():
                        return _refused(_LATE)
                    call = await self._timed(task)
                live.limiter.note(failed=call.outcome != "ok" and call.error not in OF_THE_REQUEST)
                return call
        except CircuitOpen:
            return _refused("circuit_open")

    async def _refusal(self, live: LiveCaller, task: Task) -> str | None:
        """Reserve the most the call can cost; return the reason if it must not be made."""
        if self._is_late():
            return _LATE
        account, most_nusd = self._terms.account, live.most_nusd(task)
        if account is None or not account.budget.limited or most_nusd is None:
            return None
        reserved = await account.reserve(task, self._opener, self._agent.spec.name, most_nusd, self.left_ms)
        if isinstance(reserved, BudgetRefused):
            return f"{reserved.limit}_budget"
        self._reserved = reserved
        return None

    async def _timed(self, task: Task) -> CallOutcome:
        activity = self._terms.activity
        if activity is not None:
            activity.begin()
        try:
            return await call_and_wait(self._agent, task, self._clock, self.left_ms)
        finally:
            if activity is not None:
                activity.end()

    async def account_for(self, task: Task, attempt: Attempt) -> None:
        """Settle the reservation, then count and log the attempt."""
        if self._reserved is not None and self._terms.account is not None:
            reserved, self._reserved = self._reserved, None
            await self._terms.account.settle(reserved, attempt.cost_nusd)
        if self._terms.activity is not None:
            self._terms.activity.note(attempt)
        _log.info(
            "call_finished",
            event_id=self._opener.event_id,
            question_id=task.question_id,
            agent=self._agent.spec.name,
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

    async def wait(self, ms: int) -> bool:
        """Wait before the next attempt; return False at once if the question's deadline would pass first."""
        left_ms = self.left_ms
        if left_ms is not None and ms >= left_ms:
            return False
        await sleep(ms / 1000)
        return True


def _refused(error: str) -> CallOutcome:
    """Build the outcome of a call that was not made."""
    return CallOutcome("refused", 0, error=error, retriable=False, free=True)
