"""Panels of agents, and the stages of a question."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from schemas.event import Event, Fact
from schemas.policies import Learning, Merge
from schemas.quantities import AgentName, Count, EventId, Name, Ns, Positive, Ppb, Pusd, SignedPpb
from schemas.questions import LETTERS, AnswerType, OptionDigest, OptionText
from schemas.rules import FIRST_RULES, RuleVersions

Role = Literal["analyst", "dispatcher", "merger"]


class Candidate(Fact):
    """One agent as the router knew and scored it."""

    agent: AgentName
    rank: Positive
    score_ppb: SignedPpb | None
    """Score with its exploration bonus; None under `lexicographic` and `static`, which compare without one."""
    bonus_ppb: Count
    """Exploration bonus."""
    quality_ppb: Ppb
    latency_ns: Ns
    cost_pusd: Pusd
    stability_ppb: Ppb
    """The four EMAs in the scope of the question, after shrinkage; a cold start where nothing was observed."""
    entry_ids: tuple[EventId | None, ...]
    """The router entry consulted in each scope of the assignment; None where the router had none."""
    sequences: tuple[Count, ...]
    """The sequence numbers of those entries; they never go backwards within a partition."""


class Seat(Fact):
    """One agent's place in a stage."""

    agent: AgentName
    sub_question: str | None = None
    """The part of the question this seat looks at, where the question was decomposed."""


class Stage(Fact):
    """Agents asked at the same time."""

    number: Count
    """0 for the stage that the assignment opens, then one more for each."""
    role: Role
    seats: Annotated[tuple[Seat, ...], Field(min_length=1)]
    material: tuple[EventId, ...] = ()
    """For a merge agent: the analyses it reads, in the order in which it sees them."""


class PanelAssigned(Event):
    """The panel of one question, with all settings that `merge` and `learn` need."""

    topic: ClassVar[str] = "orch.assignments"

    kind: Literal["panel.assigned.v1"] = "panel.assigned.v1"
    question_id: Name
    policy_id: Name
    answer_type: AnswerType
    option_count: Count
    """Number of options; 0 where the answer is a number."""
    scopes: Annotated[tuple[Name, ...], Field(min_length=1)]
    """Scopes that the router consults and learns in, widest first."""
    candidates: tuple[Candidate, ...]
    """Every agent of the policy, by rank."""
    explored: AgentName | None
    """The agent seated for exploration, because it was observed least; None without one."""
    decomposition: Literal["none", "fixed", "dispatcher"]
    stage: Stage
    """The stage this event opens."""
    later: tuple[tuple[AgentName, ...], ...]
    """Analysts of the panel's later stages."""
    reserve: tuple[AgentName, ...]
    """Analysts beyond the panel, to be asked one at a time while there are too few ballots."""
    merger: AgentName | None
    """The merge agent, where the rule may need one."""
    priority: tuple[AgentName, ...]
    """Order that settles ties among answers."""
    merge: Merge
    learning: Learning
    deadline_ms: Positive

    @property
    def key(self) -> str:
        return self.question_id

    @property
    def rule_versions(self) -> RuleVersions:
        """Versions of the rules under which the question is decided."""
        return FIRST_RULES

    @property
    def carried_options(self) -> tuple[str | OptionDigest, ...] | None:
        """The question's options, as `carried_option` gives them; None in v1, which knows only how many there are."""
        return None


class PanelAssignedV2(PanelAssigned):
    """A panel under a policy of v2, with the question's options."""

    kind: Literal["panel.assigned.v2"] = "panel.assigned.v2"  # type: ignore[assignment]
    rules: RuleVersions
    options: Annotated[tuple[OptionText | OptionDigest, ...], Field(max_length=len(LETTERS))]
    """The options, in order; none where the answer is a number."""

    @property
    def rule_versions(self) -> RuleVersions:
        return self.rules

    @property
    def carried_options(self) -> tuple[str | OptionDigest, ...] | None:
        return self.options


class StageOpened(Event):
    """The next stage of a question: more analysts, or the merge agent's turn."""

    topic: ClassVar[str] = "orch.assignments"

    kind: Literal["stage.opened.v1"] = "stage.opened.v1"
    question_id: Name
    reason: Literal["dispatched", "window", "quorum", "merge"]
    """
    `dispatched`: the sub-questions are there; `window`: the cascade goes on; `quorum`: ballots are missing; `merge`:
    the merge agent is to decide.
    """
    stage: Stage

    @property
    def key(self) -> str:
        return self.question_id
