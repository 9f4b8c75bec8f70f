"""Decisions, and the deadlines that may force them."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from schemas.event import Event, Fact
from schemas.policies import Learning
from schemas.quantities import AgentName, Count, EventId, GivenInstant, MicroNats, Ms, Name, Nusd, Ppb

ExclusionReason = Literal["failed", "unreadable", "outside_options", "no_reply", "refused"]
"""`refused`: no call was made, for a budget or after too many failures forbade it."""
DecisionReason = Literal["panel complete", "early exit", "merge agent", "deadline", "quorum"]


class DeadlinePassed(Event):
    """A question is overdue; written by the deadline watcher, whose clock reading it carries."""

    topic: ClassVar[str] = "orch.deadlines"

    kind: Literal["deadline.passed.v1"] = "deadline.passed.v1"
    occurred_at: GivenInstant
    question_id: Name

    @property
    def key(self) -> str:
        return self.question_id


class Conduct(Fact):
    """How one seat's calls went."""

    attempts: Count
    """Calls that were made."""
    latency_ms: Ms | None
    cost_nusd: Nusd
    """What is known of the cost."""
    unpriced_calls: Count
    """Calls whose cost is not known."""


class Ballot(Fact):
    """One analysis that counted."""

    agent: AgentName
    stage: Count
    answer: str
    weight: MicroNats
    """What it added to the tally of its answer: 1 under `vote`, micro-nats of log-odds under `weighted`."""
    read_as: str
    """How the answer was read from the analysis."""
    analysis_id: EventId
    conduct: Conduct


class Exclusion(Fact):
    """One seat that did not count, and why."""

    agent: AgentName
    stage: Count
    reason: ExclusionReason
    analysis_id: EventId | None
    conduct: Conduct


class Agreement(Fact):
    """How many ballots agreed with the decision. Agreement, not confidence: agents can be wrong together."""

    agreeing: Count
    counted: Count


class TieBreak(Fact):
    """Answers that stood equal, and who settled it."""

    tied: tuple[str, ...]
    agent: AgentName
    """Of those who gave a tied answer, the one who comes first in the priority list."""


class TraceStep(Fact):
    """One thing the merge looked at on its way to the decision, in order."""

    stage: Count
    rule: Name
    """Rule and version applied after this stage."""
    leader: str | None
    posterior_ppb: Ppb | None
    """Posterior of the leader, where the rule computes one."""
    outcome: Literal["decide", "next stage", "ask reserve", "ask merge agent", "fall back", "undecided"]


class DecisionMade(Event):
    """The answer to a question, or the explicit word that there is none; each question gets one."""

    topic: ClassVar[str] = "orch.decisions"

    kind: Literal["decision.made.v1"] = "decision.made.v1"
    question_id: Name
    policy_id: Name
    status: Literal["decided", "undecided"]
    answer: str | None
    """An option's letter or a canonical number; none where undecided."""
    reason: DecisionReason
    """Why now; `quorum`: too few ballots, and nobody left to ask."""
    rule: Name
    """Merge rule and version that gave the answer."""
    extractor: Name
    """Version of the rules by which answers were read."""
    tally: dict[str, MicroNats]
    """Sum of the ballots' weights for each answer."""
    agreement: Agreement
    counted: tuple[Ballot, ...]
    excluded: tuple[Exclusion, ...]
    tie_break: TieBreak | None
    verdict_id: EventId | None
    """The merge agent's analysis, if it gave the answer."""
    trace: Annotated[tuple[TraceStep, ...], Field(min_length=1)]
    calls: Count
    """Attempts over all seats and roles, without those that were refused."""
    cost_nusd: Nusd
    """What is known of their cost."""
    unpriced_calls: Count
    """Calls whose cost is not known; where there are any, `cost_nusd` is a lower bound."""
    scopes: tuple[Name, ...]
    learning: Learning

    @property
    def key(self) -> str:
        return self.question_id
