"""Analyses of agents, with every attempt behind them."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from schemas.event import Event, Fact
from schemas.panels import Role
from schemas.quantities import AgentName, CallNusd, Count, EventId, GivenInstant, Ms, Name

Reported = Annotated[str, StringConstraints(max_length=200)]
"""Text from a provider, cut to 200 characters."""


class ProviderCall(Fact):
    """Request to a provider, and what the provider reported of itself."""

    model: Reported
    """The requested model."""
    request_hash: EventId
    """SHA-256 over the canonical JSON of the request: address, model, messages and parameters, without the key."""
    reported_model: Reported | None = None
    fingerprint: Reported | None = None
    """The provider's fingerprint of the system that serves the model."""
    finish_reason: Reported | None = None
    """Why the model stopped: `stop`, `length`, `content_filter`, `tool_calls`."""
    cached: bool = False
    """Whether the reply came from the worker's cache of replies to the same request."""


class Attempt(Fact):
    """One call of an agent."""

    outcome: Literal["ok", "timeout", "error", "refused"]
    """
    `refused`: the call was not made. `error` says why: a budget, an open circuit breaker or the question's time limit.
    """
    error: str | None = None
    """Class of the error, for example `rate_limited`; never a provider's message, which may hold secrets."""
    latency_ms: Ms
    cost_nusd: CallNusd | None = None
    """Cost of the call by the policy's price table; None if the price or the usage is unknown."""
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    provider: ProviderCall | None = None
    """None if no provider was called: for recorded and simulated agents, and for refused calls."""


class AnalysisPublished(Event):
    """
    The outcome of one seat: an analysis, a dispatcher's sub-questions, a merge agent's verdict, or a failure.

    Its cause is the event that opened the stage; its time is that event's time plus `latency_ms`.
    """

    topic: ClassVar[str] = "orch.analyses"

    kind: Literal["analysis.published.v1"] = "analysis.published.v1"
    occurred_at: GivenInstant
    question_id: Name
    agent: AgentName
    stage: Count
    role: Role
    status: Literal["ok", "failed"]
    text: str
    """What the agent wrote; empty where it failed."""
    answer: str | None = None
    """The answer, if the agent gave it apart from the text; None: it is read from the text."""
    sub_questions: tuple[str, ...] = ()
    """Sub-questions of a dispatcher, one for each seat of the next stage."""
    attempts: Annotated[tuple[Attempt, ...], Field(min_length=1, max_length=100)]
    latency_ms: Ms
    """From the first attempt's start to the last one's end, waits between them included."""

    @property
    def key(self) -> str:
        return self.question_id

    @property
    def cost_nusd(self) -> int:
        """Sum of the attempts whose cost is known."""
        return sum(attempt.cost_nusd or 0 for attempt in self.attempts)

    @property
    def calls(self) -> int:
        """Number of attempts that were made, refused ones left out."""
        return sum(attempt.outcome != "refused" for attempt in self.attempts)

    @property
    def unpriced(self) -> int:
        """Number of calls whose cost is not known."""
        return sum(attempt.cost_nusd is None and attempt.outcome != "refused" for attempt in self.attempts)
