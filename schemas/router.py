"""Observations of agents, and the router table's entries."""

from typing import Annotated, ClassVar, Literal

from schemas.event import ADDED, Event, Fact
from schemas.policies import Averaging, FeedbackSource
from schemas.quantities import AgentName, Count, EventId, Ms, Name, Ns, Nusd, Positive, Ppb, Pusd
from schemas.rules import RankRules


class AgentObserved(Event):
    """Observation of one agent on one question: quality, latency, cost and stability."""

    topic: ClassVar[str] = "orch.observations"

    kind: Literal["agent.observed.v1"] = "agent.observed.v1"
    agent: AgentName
    question_id: Name
    scopes: tuple[Name, ...]
    """Scopes it counts in, widest first."""
    source: Literal["decision"] | FeedbackSource
    """`decision`: how the calls went; else the source of the feedback."""
    quality_ppb: Ppb | None = None
    """1 for a right answer, 0 for a wrong or unreadable one."""
    latency_ms: Ms | None = None
    cost_nusd: Nusd | None = None
    """Cost of the seat's calls; None if part of it is unknown."""
    stability_ppb: Ppb | None = None
    """Share of the attempts that gave an analysis."""
    weight_ppb: Ppb
    """Share of the step that the observation's source is worth."""
    averaging: Averaging
    corrects: EventId | None = None
    """The observation that this one takes back."""

    @property
    def key(self) -> str:
        return self.agent


class AgentObservedV2(AgentObserved):
    """An observation that says what it counts as; one of a seat without a call counts as an asking alone."""

    kind: Literal["agent.observed.v2"] = "agent.observed.v2"  # type: ignore[assignment]
    post: Annotated[Literal["dispatcher", "merger"] | None, ADDED] = None
    """The post whose calls were observed; unset for an analyst."""
    rank: RankRules
    """Rules by which `rank` applies it."""

    @property
    def asked(self) -> bool:
        """Whether it counts as a question on which the agent was asked: once for each analyst's seat."""
        return self.source == "decision" and self.post is None


class ObservationCounts(Fact):
    """Number of observations behind each moving average."""

    quality: Count = 0
    latency: Count = 0
    cost: Count = 0
    stability: Count = 0

    @property
    def askings(self) -> int:
        """Number of questions on which the agent was asked; in v1 those whose calls were observed."""
        return self.stability


class ObservationCountsV2(ObservationCounts):
    """The counts, with the number of askings."""

    asked: Count

    @property
    def askings(self) -> int:
        return self.asked


class RouterEntry(Event):
    """The four moving averages of one agent in one scope; it names the entry before it, so the table is a chain."""

    topic: ClassVar[str] = "orch.router"

    kind: Literal["router.entry.v1"] = "router.entry.v1"
    scope: Name
    agent: AgentName
    question_id: Name
    """The question whose observation made this entry."""
    sequence: Positive
    """Place in the chain of this scope and agent, from 1."""
    previous: EventId | None
    quality_ppb: Ppb
    latency_ns: Ns
    cost_pusd: Pusd
    stability_ppb: Ppb
    observations: ObservationCounts

    @property
    def key(self) -> str:
        return router_key(self.scope, self.agent)


class RouterEntryV2(RouterEntry):
    """An entry that counts askings. The first one in a chain goes on from what the entries of v1 counted."""

    kind: Literal["router.entry.v2"] = "router.entry.v2"  # type: ignore[assignment]
    observations: ObservationCountsV2


def router_key(scope: str, agent: str) -> str:
    """
    Name one line of the router table, `scope/agent`.

    A slash inside the scope is written %2F, so that no two lines share a key; a slash inside the agent's name stays.
    """
    if "%" in scope or "/" in scope:
        scope = scope.replace("%", "%25").replace("/", "%2F")
    return f"{scope}/{agent}"
