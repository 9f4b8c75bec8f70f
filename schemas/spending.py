"""Budget records: reservations, settlements and refusals of calls."""

from typing import ClassVar, Literal

from schemas.event import Event
from schemas.panels import Role
from schemas.quantities import AgentName, CallNusd, Count, EventId, GivenInstant, Name, Nusd, Positive


class BudgetReserved(Event):
    """
    A reservation for a call that a worker is about to make.

    It counts from here on if it fits. The order of the topic decides which of several reservations fit; the others are
    refused. Its cause is the event that opened the stage.
    """

    topic: ClassVar[str] = "orch.spending"

    kind: Literal["budget.reserved.v1"] = "budget.reserved.v1"
    occurred_at: GivenInstant
    """Wall clock of the worker: a call that is made again after a crash is another reservation."""
    question_id: Name
    policy_event_id: EventId
    """The adoption of the policy whose budget it is."""
    agent: AgentName
    stage: Count
    role: Role
    attempt: Positive
    amount_nusd: CallNusd
    """The most the call can cost: each byte of the prompt counts as a token, plus all output tokens it may give."""
    question_limit_nusd: Nusd | None
    """The policy's budget, so that a reader can check the reservation without the policy."""
    run_limit_nusd: Nusd | None

    @property
    def key(self) -> str:
        return self.question_id


class BudgetSettled(Event):
    """A call has ended: from here on it counts with its cost, not its reservation. Its cause is the reservation."""

    topic: ClassVar[str] = "orch.spending"

    kind: Literal["budget.settled.v1"] = "budget.settled.v1"
    occurred_at: GivenInstant
    question_id: Name
    cost_nusd: CallNusd | None
    """None: unknown, so the call goes on counting with its whole reservation."""

    @property
    def key(self) -> str:
        return self.question_id


class BudgetRefused(Event):
    """There was no room for a reservation, so the call was not made. Its cause is the reservation."""

    topic: ClassVar[str] = "orch.spending"

    kind: Literal["budget.refused.v1"] = "budget.refused.v1"
    occurred_at: GivenInstant
    question_id: Name
    limit: Literal["question", "run"]
    """The limit it would have exceeded."""
    spent_nusd: Nusd
    """Amount that counted against that limit at the time."""

    @property
    def key(self) -> str:
        return self.question_id
