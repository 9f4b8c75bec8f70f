"""Panels of agents, and the stages of a question."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from schemas.event import ADDED, Event, Fact
from schemas.odds import PanelOdds
from schemas.own_rules import OwnRule
from schemas.policies import Learning, Merge, MergeV2
from schemas.quantities import AgentName, Count, EventId, Name, Ns, Positive, Ppb, Pusd, SignedPpb
from schemas.questions import ALL_SUBJECTS, LETTERS, AnswerType, OptionDigest, OptionText
from schemas.rules import FIRST_RULES, RuleVersions

Role = Literal["analyst", "dispatcher", "merger"]


SHADOW_STAGE = 1_000
"""Number of the stage of shadow seats, which stands beside the stages of the panel; these are fewer than a hundred."""


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

    @property
    def shadow_stage(self) -> Stage | None:
        """The stage of the shadow seats; None without any."""
        return None

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages whose seats are free from this event on."""
        beside = self.shadow_stage
        return (self.stage,) if beside is None else (self.stage, beside)


class PanelAssignedV2(PanelAssigned):
    """A panel under a policy of v2, with the question's options."""

    adds_inside: ClassVar[bool] = True

    kind: Literal["panel.assigned.v2"] = "panel.assigned.v2"  # type: ignore[assignment]
    merge: MergeV2
    rules: RuleVersions
    options: Annotated[tuple[OptionText | OptionDigest, ...], Field(max_length=len(LETTERS))]
    """The options, in order; none where the answer is a number."""
    odds: Annotated[PanelOdds | None, ADDED] = None
    """What the merge rule `odds` needs; unset under any other rule."""
    own_rule: Annotated[OwnRule | None, ADDED] = None
    """The merge rule of another distribution; unset under a rule of ours."""
    crowded: Annotated[Literal[True] | None, ADDED] = None
    """Set where the router's table took no new subject, so that the question counts in the global scope alone."""
    shadows: Annotated[tuple[AgentName, ...] | None, ADDED] = None
    """
    Shadow seats: agents that are asked beside the panel, by rank, where the policy wants every agent observed; unset
    elsewhere. Their analyses name this event as their cause, stage 1,000 and the role `analyst`.
    """

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "PanelAssignedV2":
        problem = _contradiction(self)
        if problem is not None:
            raise ValueError(problem)
        return self

    @property
    def rule_versions(self) -> RuleVersions:
        return self.rules

    @property
    def carried_options(self) -> tuple[str | OptionDigest, ...] | None:
        return self.options

    @property
    def shadow_stage(self) -> Stage | None:
        seats = tuple(Seat(agent=agent) for agent in self.shadows or ())
        return Stage(number=SHADOW_STAGE, role="analyst", seats=seats) if seats else None


def _contradiction(panel: PanelAssignedV2) -> str | None:
    """Say which of a panel's fields contradict each other; None if they agree."""
    names = [candidate.agent for candidate in panel.candidates]
    later = [agent for group in panel.later for agent in group]
    seated = [seat.agent for seat in panel.stage.seats]
    analysts = [*(seated if panel.stage.role == "analyst" else ()), *later, *panel.reserve]
    wants_merger = panel.merge.rule == "agent" or (panel.merge.rule == "cascade" and panel.merge.merge_agent)
    problems = (
        (len(set(names)) < len(names), "candidates: an agent is there twice"),
        (len(set(analysts)) < len(analysts), "an agent has two seats"),
        (not {*seated, *analysts} <= set(names), "a seat's agent is no candidate"),
        (sorted(panel.priority) != sorted(names), "priority does not hold the candidates"),
        (panel.explored is not None and panel.explored not in names, "explored is no candidate"),
        (panel.merger is not None and panel.merger not in names, "merger is no candidate"),
        (wants_merger and panel.merger is None, "the merge rule may need a merger, and there is none"),
        (panel.stage.number != 0 or bool(panel.stage.material), "stage: the first has number 0 and no material"),
        (panel.stage.role == "merger", "stage: a merge agent does not come first"),
        (any(not group for group in panel.later), "later: a stage without seats"),
        (panel.stage.role == "dispatcher" and (len(seated) != 1 or not later), "stage: a dispatcher and no analysts"),
        (panel.option_count != len(panel.options), "option_count is not the number of options"),
        ((panel.answer_type == "number") != (not panel.options), "options do not go with answer_type"),
        (len(panel.options) == 1, "options: a choice needs two"),
        ((panel.merge.rule == "odds") != (panel.odds is not None), "odds does not go with the merge rule"),
        ((panel.merge.rule == "own") != (panel.own_rule is not None), "own_rule does not go with the merge rule"),
        (panel.odds is not None and not _knows(panel.odds, panel), "odds does not go with candidates and options"),
        (bool({*(panel.shadows or ())} & {*seated, *analysts}), "shadows: an agent has a seat in the panel"),
        (not {*(panel.shadows or ())} <= set(names), "shadows: an agent is no candidate"),
        (len(set(panel.shadows or ())) < len(panel.shadows or ()), "shadows: an agent is there twice"),
        (bool(panel.crowded) and panel.scopes != (ALL_SUBJECTS,), "crowded, and yet with a subject's scope"),
    )
    return next((text for is_wrong, text in problems if is_wrong), None)


def _knows(odds: PanelOdds, panel: PanelAssignedV2) -> bool:
    """Whether the weights are those of the panel's agents, and the facts those of its options."""
    members, facts = [member.agent for member in odds.members], odds.facts
    return (
        sorted(members) == sorted(candidate.agent for candidate in panel.candidates)
        and (facts.kind == "number") == (panel.answer_type == "number")
        and len(facts.values) == (panel.option_count if facts.kind == "values" else 0)
        and (facts.shapes is None or len(facts.shapes) == panel.option_count)
    )


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

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages whose seats are free from this event on."""
        return (self.stage,)
