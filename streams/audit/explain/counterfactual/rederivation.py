"""Decision derived again with changed ballots or weights."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from schemas.analyses import AnalysisPublished, Attempt
from schemas.decisions import DeadlinePassed, DecisionMade, TraceStep
from schemas.event import Event
from schemas.panels import PanelAssigned, PanelAssignedV2, Seat, Stage, StageOpened
from streams.processors.stage_rules import conclusion

Opener = PanelAssigned | StageOpened


class AskedOf(NamedTuple):
    """What one agent was asked: the analysis that it gave serves wherever the same is asked."""

    role: str
    agent: str
    part: str | None = None
    material: tuple[str, ...] = ()


Changes = Mapping[AskedOf, str | None]
"""Another answer for each voice; None: no answer at all, as if its calls had failed."""
NO_CHANGES: Changes = {}


@dataclass(frozen=True, slots=True)
class WhatFollows:
    """What follows from a record, as it is or with a change."""

    state: Literal["decided", "undecided", "open"]
    """`open`: further agents would have been asked, and the log does not hold what they would have said."""
    answer: str | None
    asked: tuple[str, ...]
    """Whom an open question would wait for."""
    role: str | None
    """Their role."""
    course: tuple[tuple[int, str | None, str], ...]
    """Stage, leader and outcome of each step of the merge; an open question ends with the step that asks further."""
    write: Callable[[], Event] | None = field(default=None, repr=False, compare=False)
    """Writes the decision; None for an open question."""

    @property
    def decision(self) -> DecisionMade | None:
        """The decision, written anew; None for an open question."""
        made = None if self.write is None else self.write()
        return made if isinstance(made, DecisionMade) else None


@dataclass(frozen=True, slots=True)
class DecidedQuestion:
    """The panel of a decided question, what its agents said, and the deadline that ended the wait."""

    panel: PanelAssigned
    analyses: Mapping[AskedOf, AnalysisPublished]
    silent: tuple[AskedOf, ...]
    """Who was asked and had not answered when the deadline passed."""
    deadline: DeadlinePassed | None
    stages: int
    """Stages that were opened."""

    @classmethod
    def of(cls, panel: PanelAssigned, events: Iterable[Event], decision: DecisionMade) -> "DecidedQuestion":
        """
        Take a record from what a decision names as its causes.

        Args:
            panel: The panel.
            events: Events about the question; those that the decision does not name are left out.
            decision: The decision.
        """
        known = {event.event_id: event for event in events if event.event_id in decision.causes}
        causes = [known[cause] for cause in decision.causes if cause in known]
        openers: list[Opener] = [panel, *(event for event in causes if isinstance(event, StageOpened))]
        given = [event for event in causes if isinstance(event, AnalysisPublished)]
        analyses: dict[AskedOf, AnalysisPublished] = {}
        silent = []
        for opener in openers:
            for seat in opener.stage.seats:
                voice = voice_of(opener.stage, seat)
                found = [a for a in given if a.causes == (opener.event_id,) and a.agent == seat.agent]
                if found:
                    analyses.setdefault(voice, found[0])
                else:
                    silent.append(voice)
        deadlines = [event for event in causes if isinstance(event, DeadlinePassed)]
        if panel.shadow_stage is not None and not silent:
            # It ended the wait for shadow seats alone, which have no part in what is decided.
            deadlines = []
        return cls(panel, analyses, tuple(silent), deadlines[0] if deadlines else None, len(openers))

    def outcome(self, changes: Changes = NO_CHANGES, panel: PanelAssigned | None = None) -> WhatFollows:
        """
        Derive what follows, by the processor's own rules, from the first stage on.

        An agent is taken to say what it said wherever it is asked the same. A merge agent that would read other
        analyses, and an agent that was never asked, would say what nobody knows: then the outcome is open.

        Args:
            changes: Other answers of some agents; their texts stay as they are.
            panel: The panel with another weight; None: as it was recorded.
        """
        panel = self.panel if panel is None else panel
        if isinstance(panel, PanelAssignedV2) and panel.shadows is not None:
            panel = panel.model_copy(update={"shadows": None})
        opened: tuple[StageOpened, ...] = ()
        analyses: tuple[AnalysisPublished, ...] = ()
        trace: tuple[TraceStep, ...] = ()
        while True:
            newest: Opener = opened[-1] if opened else panel
            came, absent = self._replies(newest, changes)
            analyses = (*analyses, *came)
            unknown = [voice for voice in absent if voice not in self.silent]
            if unknown:
                return _open(unknown, trace)
            deadline = self.deadline if absent or self._late(newest, changes) else None
            follows = conclusion(panel, opened, analyses, deadline, trace)
            if follows is None:
                return _open(absent, trace)
            trace = follows.trace
            if follows.decides:
                state: Literal["decided", "undecided"] = "undecided" if follows.answer is None else "decided"
                return WhatFollows(state, follows.answer, (), None, _course(trace), follows.write)
            stage = follows.write()
            assert isinstance(stage, StageOpened)
            opened = (*opened, stage)

    def _replies(self, opener: Opener, changes: Changes) -> tuple[list[AnalysisPublished], list[AskedOf]]:
        """Give the analyses of one stage, and who gives none."""
        came, absent = [], []
        for seat in opener.stage.seats:
            voice = voice_of(opener.stage, seat)
            known = self.analyses.get(voice)
            if voice in changes:
                came.append(_saying(changes[voice], known, opener, seat))
            elif known is None or (voice.role == "merger" and _reads_changed(self, voice, changes)):
                absent.append(voice)
            else:
                came.append(_placed(known, opener))
        return came, absent

    def _late(self, opener: Opener, changes: Changes) -> bool:
        """Whether the deadline counted though nobody was silent: it had passed before the last stage was complete."""
        return self.deadline is not None and not self.silent and opener.stage.number == self.stages - 1


def _open(voices: list[AskedOf], trace: tuple[TraceStep, ...]) -> WhatFollows:
    return WhatFollows("open", None, tuple(voice.agent for voice in voices), voices[0].role, _course(trace))


def voice_of(stage: Stage, seat: Seat) -> AskedOf:
    """Say what a seat was asked."""
    return AskedOf(stage.role, seat.agent, seat.sub_question, stage.material)


def _reads_changed(record: DecidedQuestion, merger: AskedOf, changes: Changes) -> bool:
    changed = [known.event_id for voice, known in record.analyses.items() if voice in changes]
    return any(analysis_id in changed for analysis_id in merger.material)


def _place(opener: Opener) -> dict[str, object]:
    return {"causes": (opener.event_id,), "stage": opener.stage.number}


def _placed(known: AnalysisPublished, opener: Opener) -> AnalysisPublished:
    """Give an analysis its place in a stage, which mostly is the one that it has."""
    if known.causes == (opener.event_id,) and known.stage == opener.stage.number:
        return known
    return known.model_copy(update=_place(opener))


def _saying(answer: str | None, known: AnalysisPublished | None, opener: Opener, seat: Seat) -> AnalysisPublished:
    """Give the analysis of a seat with another answer, or without one; the id stays, for what others read of it."""
    if known is None:
        known = AnalysisPublished(
            causes=(opener.event_id,),
            occurred_at=opener.occurred_at,
            question_id=opener.question_id,
            agent=seat.agent,
            stage=opener.stage.number,
            role=opener.stage.role,
            status="ok",
            text="",
            attempts=(Attempt(outcome="ok", latency_ms=0),),
            latency_ms=0,
        )
    said: dict[str, object] = {"status": "ok", "answer": answer}
    if answer is None:
        said = {"status": "failed", "answer": None, "text": ""}
    return known.model_copy(update=_place(opener) | said)


def _course(trace: tuple[TraceStep, ...]) -> tuple[tuple[int, str | None, str], ...]:
    return tuple((step.stage, step.leader, step.outcome) for step in trace)
