"""One question as it stands in the merge."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from schemas.analyses import AnalysisPublished
from schemas.decisions import DeadlinePassed, DecisionMade, TraceStep, TraceStepV2
from schemas.event import Event
from schemas.odds import Gain
from schemas.panels import PanelAssigned, PanelAssignedV2, Stage, StageOpened
from schemas.policies import MergeRuleV2
from streams.processors.ballot import Count, count
from streams.processors.own_rules import Rules

StageOutcome = Literal["decide", "next stage", "ask reserve", "ask merge agent", "fall back", "undecided"]


@dataclass(frozen=True, slots=True)
class Follows:
    """The next event of a question, and the trace so far."""

    event: StageOpened | DecisionMade
    trace: tuple[TraceStep, ...]


@dataclass(frozen=True, slots=True)
class Conclusion:
    """
    What is concluded about a question.

    Its event is written on demand: to know what would follow from other ballots or weights, an audit draws hundreds of
    conclusions, and to write a decision takes longer than to conclude it.
    """

    decides: bool
    """Whether it ends the question; else it opens a stage."""
    answer: str | None
    """The answer decided; None if there is none, or not yet."""
    trace: tuple[TraceStep, ...]
    write: Callable[[], StageOpened | DecisionMade]
    """Writes the event."""


@dataclass(frozen=True, slots=True)
class QuestionSoFar:
    """One question as it stands."""

    assignment: PanelAssigned
    openers: tuple[PanelAssigned | StageOpened, ...]
    """The assignment, then the stages opened after it."""
    heard: dict[tuple[int, str], AnalysisPublished]
    deadline: DeadlinePassed | None
    trace: tuple[TraceStep, ...]
    rules: Rules = field(default_factory=dict)
    """Installed rules of other distributions."""
    given_up: DeadlinePassed | None = None
    """The deadline, where the panel was complete before it, and it ended the wait for shadow seats alone."""

    @property
    def stage(self) -> Stage:
        return self.openers[-1].stage

    @property
    def analyst_stages(self) -> int:
        """Analysts' stages opened after the assignment."""
        return sum(opener.stage.role == "analyst" for opener in self.openers[1:])

    def counted(self, rule: MergeRuleV2) -> Count:
        seats = tuple(
            (opener.stage.number, seat.agent)
            for opener in self.openers
            if opener.stage.role == "analyst"
            for seat in opener.stage.seats
        )
        return count(seats, self.heard, self.assignment, rule)

    def traced(
        self,
        rule: str,
        leader: str | None,
        outcome: StageOutcome,
        posterior: int | None = None,
        gain: Gain | None = None,
        note: str | None = None,
    ) -> tuple[TraceStep, ...]:
        fields: dict[str, Any] = {"stage": self.stage.number, "rule": rule, "leader": leader, "outcome": outcome}
        fields["posterior_ppb"] = posterior
        if not isinstance(self.assignment, PanelAssignedV2):
            return (*self.trace, TraceStep(**fields))
        return (*self.trace, TraceStepV2(**fields, gain=gain, note=note))

    @property
    def beside(self) -> tuple[AnalysisPublished, ...]:
        """The analyses of shadow seats, by seat."""
        stage = self.assignment.shadow_stage
        places = () if stage is None else ((stage.number, seat.agent) for seat in stage.seats)
        return tuple(self.heard[place] for place in places if place in self.heard)

    @property
    def rests_on(self) -> tuple[Event, ...]:
        """The events that a decision names: those it was concluded from, and beside them those of shadow seats."""
        ended = self.deadline or self.given_up
        concluded = self.used[:-1] if self.deadline is not None else self.used
        return (*concluded, *self.beside, *(() if ended is None else (ended,)))

    @property
    def used(self) -> tuple[Event, ...]:
        """
        The events that a conclusion rests on: each stage's opener, then its analyses by seat; last the deadline.

        No shadow seat's analysis is among them: it may come before or after, and changes nothing.
        """
        used: list[Event] = []
        for opener in self.openers:
            stage = opener.stage
            used.append(opener)
            used.extend(
                self.heard[(stage.number, seat.agent)]
                for seat in stage.seats
                if (stage.number, seat.agent) in self.heard
            )
        if self.deadline is not None:
            used.append(self.deadline)
        return tuple(used)


def heard_of(
    openers: tuple[PanelAssigned | StageOpened, ...], analyses: tuple[AnalysisPublished, ...]
) -> dict[tuple[int, str], AnalysisPublished]:
    """Find the analysis that counts for each stage and agent."""
    heard: dict[tuple[int, str], AnalysisPublished] = {}
    for opener in openers:
        cause = (opener.event_id,)
        for stage in opener.stages:
            for analysis in analyses:
                if analysis.causes == cause and analysis.stage == stage.number and analysis.role == stage.role:
                    heard.setdefault((stage.number, analysis.agent), analysis)
    return heard
