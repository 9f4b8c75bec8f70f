"""One question as it stands in the merge."""

from dataclasses import dataclass
from typing import Literal

from schemas.analyses import AnalysisPublished
from schemas.decisions import DeadlinePassed, DecisionMade, TraceStep
from schemas.event import Event
from schemas.panels import PanelAssigned, Stage, StageOpened
from schemas.policies import MergeRule
from streams.processors.ballot import Count, count

StageOutcome = Literal["decide", "next stage", "ask reserve", "ask merge agent", "fall back", "undecided"]


@dataclass(frozen=True, slots=True)
class Follows:
    """The next event of a question, and the trace so far."""

    event: StageOpened | DecisionMade
    trace: tuple[TraceStep, ...]


@dataclass(frozen=True, slots=True)
class QuestionSoFar:
    """One question as it stands."""

    assignment: PanelAssigned
    openers: tuple[PanelAssigned | StageOpened, ...]
    """The assignment, then the stages opened after it."""
    heard: dict[tuple[int, str], AnalysisPublished]
    deadline: DeadlinePassed | None
    trace: tuple[TraceStep, ...]

    @property
    def stage(self) -> Stage:
        return self.openers[-1].stage

    @property
    def analyst_stages(self) -> int:
        """Analysts' stages opened after the assignment."""
        return sum(opener.stage.role == "analyst" for opener in self.openers[1:])

    def counted(self, rule: MergeRule) -> Count:
        seats = tuple(
            (opener.stage.number, seat.agent)
            for opener in self.openers
            if opener.stage.role == "analyst"
            for seat in opener.stage.seats
        )
        return count(seats, self.heard, self.assignment, rule)

    def traced(
        self, rule: str, leader: str | None, outcome: StageOutcome, posterior: int | None = None
    ) -> tuple[TraceStep, ...]:
        step = TraceStep(stage=self.stage.number, rule=rule, leader=leader, posterior_ppb=posterior, outcome=outcome)
        return (*self.trace, step)

    @property
    def used(self) -> tuple[Event, ...]:
        """The events that a conclusion rests on: each stage's opener, then its analyses by seat; last the deadline."""
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
        cause, stage = (opener.event_id,), opener.stage
        for analysis in analyses:
            if analysis.causes == cause and analysis.stage == stage.number and analysis.role == stage.role:
                heard.setdefault((stage.number, analysis.agent), analysis)
    return heard
