"""Decisions, and the deadlines that may force them."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints, model_validator

from schemas.event import ADDED, Event, Fact
from schemas.odds import GROUNDS, DecisionOdds, Gain
from schemas.policies import Learning
from schemas.quantities import AgentName, Count, EventId, GivenInstant, MicroNats, Ms, Name, Nusd, Ppb
from schemas.questions import LETTERS, OptionDigest, OptionText
from schemas.rules import FIRST_RULES, RuleVersions

ExclusionReason = Literal["failed", "unreadable", "outside_options", "no_reply", "refused"]
"""`refused`: no call was made; a budget, an open circuit breaker or the question's time limit forbade it."""
DecisionReason = Literal["panel complete", "early exit", "merge agent", "deadline", "quorum"]

LONGEST_NOTE = 500
"""Characters of a rule's note."""

DecisionReasonV2 = DecisionReason | Literal["below window"]
"""`below window`: the cascade's posterior was too low to ask further analysts, and the policy has no merge agent."""


class DeadlinePassed(Event):
    """
    A question is overdue.

    `occurred_at` is the time when the question was due (on Kafka), or when the session found it overdue (in a file).
    """

    topic: ClassVar[str] = "orch.deadlines"

    kind: Literal["deadline.passed.v1"] = "deadline.passed.v1"
    occurred_at: GivenInstant
    question_id: Name

    @property
    def key(self) -> str:
        return self.question_id


class DeadlinePassedV2(DeadlinePassed):
    """The deadline of one panel, which is its cause: a panel of another question or policy does not heed it."""

    kind: Literal["deadline.passed.v2"] = "deadline.passed.v2"  # type: ignore[assignment]
    causes: Annotated[tuple[EventId, ...], Field(min_length=1, max_length=1)]
    """The event id of the panel."""


class Conduct(Fact):
    """How one seat's calls went."""

    attempts: Count
    """Calls that were made."""
    latency_ms: Ms | None
    cost_nusd: Nusd
    """Known part of the cost."""
    unpriced_calls: Count
    """Calls whose cost is not known."""


class Ballot(Fact):
    """One analysis that counted."""

    agent: AgentName
    stage: Count
    answer: str
    weight: MicroNats
    """Added to the tally of its answer: 1 under `vote`, micro-nats of log-odds under every other rule."""
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
    """Answers that tied, and the agent that settled the tie."""

    tied: tuple[str, ...]
    agent: AgentName
    """Of the agents that gave a tied answer, the first in the priority list."""


class TraceStep(Fact):
    """One step of the merge on its way to the decision."""

    stage: Count
    rule: Name
    """Rule and version applied after this stage."""
    leader: str | None
    posterior_ppb: Ppb | None
    """Posterior of the leader, where the rule computes one."""
    outcome: Literal["decide", "next stage", "ask reserve", "ask merge agent", "fall back", "undecided"]


class TraceStepV2(TraceStep):
    """A step of the rule `odds`, with what the next calls were expected to win; or of a rule of others."""

    gain: Annotated[Gain | None, ADDED] = None
    note: Annotated[Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NOTE)] | None, ADDED] = None
    """What a rule of another distribution says of its step, or what was wrong with its ruling."""


class DecisionMade(Event):
    """The answer to a question, or an explicit `undecided`; each question gets one decision."""

    topic: ClassVar[str] = "orch.decisions"

    kind: Literal["decision.made.v1"] = "decision.made.v1"
    question_id: Name
    policy_id: Name
    status: Literal["decided", "undecided"]
    answer: str | None
    """An option's letter or a canonical number; None if undecided."""
    reason: DecisionReason
    """Why the question was decided now; `quorum`: too few ballots, and no agent left to ask."""
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
    """Known part of their cost."""
    unpriced_calls: Count
    """Calls whose cost is not known; if there are any, `cost_nusd` is a lower bound."""
    scopes: tuple[Name, ...]
    learning: Learning

    if TYPE_CHECKING:

        @property
        def answer_text(self) -> str | None:
            """Text of the option that was decided; None in v1, which does not know it."""

    else:

        def __getattr__(self, name: str) -> Any:
            # No property: pydantic would warn of the field of v2 that hides it.
            return None if name == "answer_text" else super().__getattr__(name)

    @property
    def key(self) -> str:
        return self.question_id

    @property
    def rule_versions(self) -> RuleVersions:
        """Versions of the rules under which the question was decided."""
        return FIRST_RULES

    @property
    def carried_options(self) -> tuple[str | OptionDigest, ...] | None:
        """The question's options, as `carried_option` gives them; None in v1."""
        return None


class Post(Fact):
    """The seat of a dispatcher or merge agent, and how its calls went."""

    agent: AgentName
    stage: Count
    role: Literal["dispatcher", "merger"]
    outcome: Literal["answered", "failed", "no_reply", "refused"]
    """`no_reply`: the question was decided without it; `refused`: no call was made."""
    conduct: Conduct


class Shadow(Fact):
    """One seat beside the panel: observed, never counted."""

    agent: AgentName
    answer: str | None
    """The answer that was read from its analysis; None without one."""
    reason: ExclusionReason | None
    """Why there is no answer; None where there is one."""
    analysis_id: EventId | None
    conduct: Conduct


class DecisionMadeV2(DecisionMade):
    """A decision under a policy of v2, with what `learn` must know of the question."""

    adds_inside: ClassVar[bool] = True

    kind: Literal["decision.made.v2"] = "decision.made.v2"  # type: ignore[assignment]
    reason: DecisionReasonV2  # type: ignore[assignment]
    trace: Annotated[tuple[TraceStepV2, ...], Field(min_length=1)]
    rules: RuleVersions
    options: Annotated[tuple[OptionText | OptionDigest, ...], Field(max_length=len(LETTERS))]
    """The options, in order; none where the answer is a number."""
    answer_text: Annotated[OptionText | None, ADDED] = None
    """Text of the option that is the answer; unset for a number, and for an option of which only the hash travels."""
    even_sums: Annotated[tuple[str, ...] | None, ADDED] = None
    """Answers with the same sum as the one decided, which had more ballots; unset where the sum settled it."""
    posts: Annotated[tuple[Post, ...] | None, ADDED] = None
    """Seats of dispatcher and merge agent; unset where there was none."""
    odds: Annotated[DecisionOdds | None, ADDED] = None
    """What the answers rest on, and their scores term by term, under the merge rule `odds`."""
    shadows: Annotated[tuple[Shadow, ...] | None, ADDED] = None
    """
    Seats beside the panel, in the panel's order; unset where the policy has none. Their calls and their cost are in
    none of the decision's sums.
    """

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "DecisionMadeV2":
        if (self.status == "undecided") != (self.answer is None):
            raise ValueError(f"status {self.status!r} does not go with answer {self.answer!r}")
        letters = LETTERS[: len(self.options)]
        beside = [shadow.answer for shadow in self.shadows or ()]
        for answer in (self.answer, *(ballot.answer for ballot in self.counted), *beside):
            if self.options and answer is not None and (len(answer) != 1 or answer not in letters):
                raise ValueError(f"answer {answer!r} is none of the options {letters}")
        return self

    @model_validator(mode="after")
    def _shadows_agree_with_themselves(self) -> "DecisionMadeV2":
        seated = [*(ballot.agent for ballot in self.counted), *(excluded.agent for excluded in self.excluded)]
        for shadow in self.shadows or ():
            if (shadow.answer is None) == (shadow.reason is None):
                raise ValueError(f"shadows: of {shadow.agent!r} either the answer or the reason belongs there")
            if shadow.agent in seated:
                raise ValueError(f"shadows: {shadow.agent!r} has a seat in the panel")
        return self

    @model_validator(mode="after")
    def _evidence_goes_with_ballots(self) -> "DecisionMadeV2":
        odds = self.odds
        if odds is None:
            return self
        if [found.agent for found in odds.evidence] != [ballot.agent for ballot in self.counted]:
            raise ValueError("odds.evidence: not one for each counted ballot, in the same order")
        if (odds.kind == "number") != (not self.options):
            raise ValueError(f"odds.kind {odds.kind!r} does not go with the options")
        if any(found.grounds not in GROUNDS[odds.kind] for found in odds.evidence):
            raise ValueError(f"odds.evidence: grounds that are none of {', '.join(GROUNDS[odds.kind])}")
        return self

    @property
    def rule_versions(self) -> RuleVersions:
        return self.rules

    @property
    def carried_options(self) -> tuple[str | OptionDigest, ...] | None:
        return self.options
