"""Processor `merge`: panel, analyses and deadline in, decision out."""

from dataclasses import dataclass, replace
from typing import Any

from schemas.analyses import AnalysisPublished
from schemas.decisions import DeadlinePassed, DecisionMade, TraceStep
from schemas.event import Event
from schemas.panels import PanelAssigned, Stage, StageOpened
from schemas.registry import decode_stored
from streams.processors.fold import Processor, Rejection, Step, Tables
from streams.processors.stage_rules import conclude


@dataclass(frozen=True, slots=True)
class Merged:
    """
    State of one question.

    The input topics have no common order, so the state keeps all events so far, and the next step is decided from all
    of them. After the decision only `closed` is kept.
    """

    assignment: PanelAssigned | None = None
    opened: tuple[StageOpened, ...] = ()
    analyses: tuple[AnalysisPublished, ...] = ()
    """
    Analyses that may count, in log order: the first of each seat. Before the assignment their seats are not checked.
    """
    deadline: DeadlinePassed | None = None
    trace: tuple[TraceStep, ...] = ()
    closed: bool = False

    @property
    def stages(self) -> tuple[tuple[str, Stage], ...]:
        """The stages so far, each with the id of the event that opened it."""
        if self.assignment is None:
            return ()
        first = (self.assignment.event_id, self.assignment.stage)
        return (first, *((opener.event_id, opener.stage) for opener in self.opened))


def fold(state: Merged | None, event: Event, key: str, tables: Tables) -> Step[Merged]:
    """
    Decide whether to wait, to open the next stage, or to conclude with a decision.

    Args:
        state: State of the question so far.
        event: An assignment, an analysis or a deadline; other kinds change nothing.
        key: The question id.
        tables: Not used: the assignment holds all settings of the merge.

    Returns:
        At most one DecisionMade over the life of a question, and the StageOpened before it. A repeated event changes
        nothing, nor does a second analysis of one seat; one for a seat that does not exist is rejected as
        `unknown_reference`.

    Reads panel.assigned (v1, v2), analysis.published.v1, deadline.passed.v1; writes stage.opened.v1, decision.made (of
    the panel's version); order per question only, between topics in no order at all.
    """
    state = state or Merged()
    if isinstance(event, StageOpened) or state.closed:
        return Step(state)
    if isinstance(event, AnalysisPublished) and (problem := _misplaced(state, event)):
        return Step(state, rejection=Rejection("unknown_reference", problem))
    heard = _hear(state, event)
    if heard is state:
        return Step(state)
    step = conclude_all(heard)
    if isinstance(event, PanelAssigned) and not step.state.closed:
        # Analyses that came before the assignment are checked now; one that fits no stage now never will.
        fitting = tuple(a for a in step.state.analyses if not _misplaced(step.state, a))
        return replace(step, state=replace(step.state, analyses=fitting))
    return step


def _hear(state: Merged, event: Event) -> Merged:
    """Add an event to the state; give the state itself if the event adds nothing."""
    if isinstance(event, PanelAssigned) and state.assignment is None:
        return replace(state, assignment=event)
    if isinstance(event, DeadlinePassed) and state.deadline is None:
        return replace(state, deadline=event)
    if isinstance(event, AnalysisPublished) and not any(_same_seat(event, known) for known in state.analyses):
        # Not dataclasses.replace, which takes three times as long: this runs for every analysis.
        heard = (*state.analyses, event)
        return Merged(state.assignment, state.opened, heard, state.deadline, state.trace)
    return state


def _same_seat(first: AnalysisPublished, second: AnalysisPublished) -> bool:
    """Whether two analyses claim one seat: the same agent in a stage that the same event opened."""
    if first.agent != second.agent or first.stage != second.stage:
        return False
    return first.role == second.role and first.causes == second.causes


def _misplaced(state: Merged, analysis: AnalysisPublished) -> str | None:
    """Say why an analysis fits no seat; None if it fits, or if the assignment is not known yet."""
    if state.assignment is None:
        return None
    for opener_id, stage in state.stages:
        if stage.number == analysis.stage:
            seated = any(seat.agent == analysis.agent for seat in stage.seats)
            if seated and stage.role == analysis.role and analysis.causes == (opener_id,):
                return None
            return f"the event it names as its cause opened no stage {analysis.stage} for agent {analysis.agent!r}"
    return f"question {analysis.question_id!r} has no stage {analysis.stage}"


def conclude_all(state: Merged) -> Step[Merged]:
    """Take every step that the events so far allow."""
    events: list[Event] = []
    while state.assignment is not None and not state.closed:
        follows = conclude(state.assignment, state.opened, state.analyses, state.deadline, state.trace)
        if follows is None:
            break
        events.append(follows.event)
        if isinstance(follows.event, DecisionMade):
            state = Merged(closed=True)
        else:
            state = replace(state, opened=(*state.opened, follows.event), trace=follows.trace)
    return Step(state, tuple(events))


def _keys(event: Event) -> tuple[str, ...]:
    if isinstance(event, PanelAssigned | AnalysisPublished | DeadlinePassed):
        return (event.question_id,)
    return ()


def _dump(state: Merged) -> Any:
    if state.closed:
        return None
    inputs = (state.assignment, *state.opened, *state.analyses, state.deadline)
    return {
        "events": [event.encode().decode() for event in inputs if event is not None],
        "trace": [step.model_dump() for step in state.trace],
    }


def _load(dumped: Any) -> Merged:
    if dumped is None:
        return Merged(closed=True)
    state = Merged(trace=tuple(TraceStep(**step) for step in dumped["trace"]))
    for text in dumped["events"]:
        event = decode_stored(text.encode())
        if isinstance(event, StageOpened):
            state = replace(state, opened=(*state.opened, event))
        elif isinstance(event, PanelAssigned | AnalysisPublished | DeadlinePassed):
            state = _hear(state, event)
        else:
            raise ValueError(f"a merge state holds no {event.kind}")
    return state


MERGE = Processor(
    name="merge",
    reads=(PanelAssigned.topic, AnalysisPublished.topic, DeadlinePassed.topic),
    keys=_keys,
    fold=fold,
    dump=_dump,
    load=_load,
    open=lambda state: not state.closed,
)
