"""The agent protocol: tasks, replies and errors."""

import re
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from schemas.agents import AgentSpec
from schemas.analyses import ProviderCall
from schemas.panels import Role
from schemas.questions import AnswerType
from streams.agents.calls.limits import CallLimiter


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Task of one seat. All its text is untrusted data; the gold answer is never part of it."""

    question_id: str
    text: str
    options: tuple[str, ...]
    """In the order of their letters; empty if the answer is a number."""
    answer_type: AnswerType
    subject: str | None
    role: Role
    stage: int
    """Number of the stage the seat is in, from 0."""
    sub_question: str | None = None
    """The part of the question this seat is to look at."""
    seats: int = 0
    """For a dispatcher: number of sub-questions wanted."""
    analyses: tuple[str, ...] = ()
    """For a merger: the analyses it reads, anonymised and in order."""
    attempt: int = 1
    """Number of the attempt, from 1."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Reply of an agent to one task."""

    text: str
    answer: str | None = None
    """The answer, if the agent states it separately from the text."""
    sub_questions: tuple[str, ...] = ()
    """Of a dispatcher: the sub-questions it wrote."""
    latency_ms: int | None = None
    """None: the caller measures it. Of a virtual agent: data, never None."""
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_nusd: int | None = None
    """Cost that the agent itself knows; used only if the policy's price table yields none."""
    provider: ProviderCall | None = None
    """Request to the provider, and the provider's metadata; None if no provider was called."""


class Diagnosis(NamedTuple):
    """What a failed call shows beside its class, for a person who mends it: fixed words, never a provider's own."""

    found: str = ""
    """What the endpoint answered with, if that was no completion: `an HTML page (text/html)`."""
    parameter: str = ""
    """Parameter of the request that the endpoint complains of: `max_tokens`."""


NO_DIAGNOSIS = Diagnosis()


class AgentError(Exception):
    """
    A failed attempt, classified by the agent.

    Args:
        error: Class of the failure, for the event: a fixed word such as `rate_limited`, `server_error`, `malformed`,
            `not_recorded`; never a provider's message, which may hold secrets.
        retriable: Whether the same call may succeed later.
        latency_ms: Duration of the attempt; None: the caller measures it.
        retry_after_ms: Wait that the provider asks for before the next request.
        free: Whether the attempt certainly cost nothing, because no model ran.
        spent: Tokens and provider metadata of a reply that could not be used.
        diagnosis: What else the call showed.
    """

    def __init__(
        self,
        error: str,
        *,
        retriable: bool,
        latency_ms: int | None = None,
        retry_after_ms: int | None = None,
        free: bool = False,
        spent: Reply | None = None,
        diagnosis: Diagnosis = NO_DIAGNOSIS,
    ) -> None:
        super().__init__(error)
        self.error = error
        self.retriable = retriable
        self.latency_ms = latency_ms
        self.retry_after_ms = retry_after_ms
        self.free = free
        self.spent = spent
        self.diagnosis = diagnosis


class LiveCaller(Protocol):
    """Additional interface of an agent that calls a provider."""

    @property
    def limiter(self) -> CallLimiter:
        """Rate limit, concurrency limit and circuit breaker of the agent."""

    async def ready(self) -> None:
        """Do one-off setup, such as slow imports, so that no call's latency includes it."""

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Hold a send slot of this process around a call; the wait for the slot is not part of the call's latency."""

    def asked(self, task: Task) -> ProviderCall:
        """Describe the request to the provider for a task; available even if no reply arrives."""

    def most_nusd(self, task: Task) -> int | None:
        """Bound what one call for a task can cost, in nano-dollars; None without a price."""

    async def close(self) -> None:
        """Close its connections."""


class Agent(Protocol):
    """An agent that can take seats; one object handles many tasks concurrently."""

    @property
    def spec(self) -> AgentSpec:
        """The agent as the policy describes it."""

    @property
    def virtual(self) -> bool:
        """Whether a call takes no wall time: its latency is data, and its coroutine never suspends."""

    @property
    def live(self) -> LiveCaller | None:
        """Interface for live calls; None if the agent calls no provider."""

    async def reply(self, task: Task) -> Reply:
        """
        Carry out *task*.

        Raises:
            AgentError: The attempt failed.
        """


async def dismiss(agents: Mapping[str, Agent]) -> None:
    """Close the connections of agents that are no longer used."""
    for agent in agents.values():
        if agent.live is not None:
            await agent.live.close()


_LIST_MARK = re.compile(r"^(?:[-*\u2022]|\(?\d{1,2}[.):])\s+")


def read_sub_questions(text: str) -> tuple[str, ...]:
    """Parse a dispatcher's sub-questions: one per line, list marks removed, blank lines ignored."""
    lines = (_LIST_MARK.sub("", line.strip()) for line in text.splitlines())
    return tuple(line for line in lines if line)
