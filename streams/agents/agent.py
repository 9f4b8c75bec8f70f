"""The agent protocol: tasks, replies and errors."""

import re
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from schemas.agents import AgentSpec
from schemas.analyses import ProviderCall
from schemas.panels import Role
from schemas.questions import AnswerType
from streams.agents.calls.limits import CallLimiter


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What one seat asks of its agent. All text in it is data from strangers; the right answer is never part of it."""

    question_id: str
    text: str
    options: tuple[str, ...]
    """In the order of their letters; empty where the answer is a number."""
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
    """Which try this is, from 1."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What an agent gave."""

    text: str
    answer: str | None = None
    """The answer, where it was given apart from the text."""
    sub_questions: tuple[str, ...] = ()
    """What a dispatcher wants looked at."""
    latency_ms: int | None = None
    """None: the caller measures it. Of a virtual agent: data, never None."""
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_nusd: int | None = None
    """What the call is known to have cost; counts only where the policy's own price table gives no cost."""
    provider: ProviderCall | None = None
    """What a provider was asked and what it said of itself; None where none was called."""


class AgentError(Exception):
    """
    An attempt failed, in a way the agent understands.

    Args:
        error: Class of the failure, for the event: a fixed word such as `rate_limited`, `server_error`, `malformed`,
            `not_recorded`; never a provider's message, which may hold secrets.
        retriable: Whether the same call may succeed later.
        latency_ms: How long it took; None: the caller measures it.
        retry_after_ms: How long the provider wants to be left alone.
        free: Whether the provider surely charges nothing for it: it refused before any model ran.
        spent: What is known of a reply that was no use: its tokens and what the provider said of itself.
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
    ) -> None:
        super().__init__(error)
        self.error = error
        self.retriable = retriable
        self.latency_ms = latency_ms
        self.retry_after_ms = retry_after_ms
        self.free = free
        self.spent = spent


class LiveCaller(Protocol):
    """What an agent whose model is really called has besides."""

    @property
    def limiter(self) -> CallLimiter:
        """When it may be called: pace, calls at a time, and whether it failed too often."""

    async def ready(self) -> None:
        """Do what takes time before the first call, such as an import: it is neither the provider's nor the call's."""

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Wait around each call, before it is timed, until this process has time for it."""

    def asked(self, task: Task) -> ProviderCall:
        """Say what its provider is asked for a task; known also where no reply comes."""

    def most_nusd(self, task: Task) -> int | None:
        """Bound what one call for a task can cost, in nano-dollars; None without a price."""

    async def close(self) -> None:
        """Let go of its connections."""


class Agent(Protocol):
    """Anyone who can take a seat; one object may be asked many tasks at a time."""

    @property
    def spec(self) -> AgentSpec:
        """The agent as the policy describes it."""

    @property
    def virtual(self) -> bool:
        """Whether a call takes no wall time: its latency is data, and its coroutine never suspends."""

    @property
    def live(self) -> LiveCaller | None:
        """What there is to know of it before and besides a call; None where no provider is called."""

    async def reply(self, task: Task) -> Reply:
        """
        Do what *task* asks.

        Raises:
            AgentError: The attempt failed.
        """


async def dismiss(agents: Mapping[str, Agent]) -> None:
    """Let go of all connections of agents that are not asked any more."""
    for agent in agents.values():
        if agent.live is not None:
            await agent.live.close()


_LIST_MARK = re.compile(r"^(?:[-*\u2022]|\(?\d{1,2}[.):])\s+")


def read_sub_questions(text: str) -> tuple[str, ...]:
    """Read a dispatcher's sub-questions from its text: one a line, without list marks; blank lines do not count."""
    lines = (_LIST_MARK.sub("", line.strip()) for line in text.splitlines())
    return tuple(line for line in lines if line)
