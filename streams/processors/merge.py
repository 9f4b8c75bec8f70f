"""Processor `merge`: panel, analyses and deadline in, decision out."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from schemas.analyses import AnalysisPublished
from schemas.decisions import DeadlinePassed, DecisionMade, TraceStep, TraceStepV2
from schemas.event import Event
from schemas.panels import PanelAssigned, PanelAssignedV2, Stage, StageOpened
from schemas.registry import decode_stored
from streams.processors.fold import Processor, Rejection, Step, Tables, guarded
from streams.processors.own_rules import NO_RULES, Rules
from streams.processors.stage_rules import conclude

MOST_ANALYSES = 256
"""Analyses kept for one question. A panel has at most 64 analysts, a dispatcher and a merge agent."""
MOST_BYTES = 14 << 20
"""
Bytes of analyses after which a question takes no more. In a state they are escaped once more, to at most twice as many
bytes, and a changelog takes records of 32 MiB.
"""
MOST_DEADLINES = 16
"""Deadlines that wait for the panel of their question; of a v1 panel the first one counts."""


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
    deadlines: tuple[DeadlinePassed, ...] = ()
    """The deadline that counts; before the assignment, which may be the first or name its panel, all of them."""
    trace: tuple[TraceStep, ...] = ()
    closed: bool = False

    @property
    def deadline(self) -> DeadlinePassed | None:
        """The deadline that passed; None before the assignment, which says what counts."""
        return self.deadlines[0] if self.assignment is not None and self.deadlines else None

    @property
    def rules(self) -> str:
        """Version of the merge rules; the first one before the assignment."""
        return "merge.v1" if self.assignment is None else self.assignment.rule_versions.merge

    @property
    def stages(self) -> tuple[tuple[str, Stage], ...]:
        """The stages so far, each with the id of the event that opened it; that of shadow seats is among them."""
        if self.assignment is None:
            return ()
        openers: tuple[PanelAssigned | StageOpened, ...] = (self.assignment, *self.opened)
        return tuple((opener.event_id, stage) for opener in openers for stage in opener.stages)


def fold(state: Merged | None, event: Event, key: str, tables: Tables, rules: Rules = NO_RULES) -> Step[Merged]:
    """
    Decide whether to wait, to open the next stage, or to conclude with a decision.

    Args:
        state: State of the question so far.
        event: An assignment, an analysis or a deadline; other kinds change nothing.
        key: The question id.
        tables: Not used: the assignment holds all settings of the merge.
        rules: Installed rules of other distributions.

    Returns:
        At most one DecisionMade over the life of a question, and the StageOpened before it. A repeated event changes
        nothing, nor does a second analysis of one seat; one for a seat that does not exist is rejected as
        `unknown_reference`, as is, from merge.v2 on, a deadline that does not name the panel.

    Reads panel.assigned (v1, v2), analysis.published.v1, deadline.passed (v1, v2); writes stage.opened.v1 and
    decision.made, of the panel's version; order per question only, between topics in no order at all.
    """
    state = state or Merged()
    if isinstance(event, StageOpened) or state.closed:
        return Step(state)
    rejection = _refused(state, event)
    if rejection is not None:
        return Step(state, rejection=rejection)
    heard = _hear(state, event)
    if heard is state:
        return Step(state)
    step = conclude_all(heard, rules)
    if isinstance(event, PanelAssigned) and not step.state.closed:
        # Analyses that came before the assignment are checked now; one that fits no stage now never will.
        fitting = tuple(a for a in step.state.analyses if not _misplaced(step.state, a))
        return replace(step, state=replace(step.state, analyses=fitting))
    return step


def _refused(state: Merged, event: Event) -> Rejection | None:
    """Say why an event cannot count; None if it may."""
    if isinstance(event, DeadlinePassed) and not _of_this_panel(state, event):
        panel = "" if state.assignment is None else state.assignment.event_id
        detail = f"{state.rules}: this deadline does not name the panel of the question, {panel}, as its cause"
        return Rejection("unknown_reference", detail)
    if not isinstance(event, AnalysisPublished):
        return None
    misplaced = _misplaced(state, event)
    if misplaced is not None:
        return Rejection("unknown_reference", misplaced)
    contradiction = None if state.rules == "merge.v1" else contradiction_in(event)
    if contradiction is not None:
        return Rejection("invalid", f"{state.rules}: {contradiction}")
    if any(_same_seat(event, known) for known in state.analyses):
        return None
    if len(state.analyses) >= MOST_ANALYSES or sum(len(a.encode()) for a in state.analyses) > MOST_BYTES:
        detail = (
            f"{state.rules}: the question has {MOST_ANALYSES} analyses already,"
            f" or more than {MOST_BYTES:,} bytes of them; this one does not count"
        )
        return Rejection("too_large", detail)
    return None


def contradiction_in(analysis: AnalysisPublished) -> str | None:
    """Say which fields of an analysis contradict each other; None if they agree."""
    succeeded = any(attempt.outcome == "ok" for attempt in analysis.attempts)
    if analysis.status == "ok" and not succeeded:
        return "status is ok, and no attempt was"
    if analysis.status == "failed" and (analysis.text or analysis.answer is not None):
        return "status is failed, and there is a text or an answer"
    if any(attempt.outcome == "refused" and attempt.cost_nusd for attempt in analysis.attempts):
        return "an attempt was refused, and has a cost"
    return None


def _of_this_panel(state: Merged, deadline: DeadlinePassed) -> bool:
    """Whether a deadline may be the question's; from merge.v2 on it names the panel."""
    if state.assignment is None or state.rules == "merge.v1":
        return True
    return state.assignment.event_id in deadline.causes


def _hear(state: Merged, event: Event) -> Merged:
    """Add an event to the state; give the state itself if the event adds nothing."""
    if isinstance(event, PanelAssigned) and state.assignment is None:
        assigned = replace(state, assignment=event)
        counting = tuple(deadline for deadline in state.deadlines if _of_this_panel(assigned, deadline))
        return replace(assigned, deadlines=counting[:1])
    if isinstance(event, DeadlinePassed):
        return _hear_deadline(state, event)
    if isinstance(event, AnalysisPublished) and not any(_same_seat(event, known) for known in state.analyses):
        # Not dataclasses.replace, which takes three times as long: this runs for every analysis.
        heard = (*state.analyses, event)
        return Merged(state.assignment, state.opened, heard, state.deadlines, state.trace)
    return state


def _hear_deadline(state: Merged, event: DeadlinePassed) -> Merged:
    most = MOST_DEADLINES if state.assignment is None else 1
    if len(state.deadlines) >= most or event in state.deadlines:
        return state
    return replace(state, deadlines=(*state.deadlines, event))


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


def conclude_all(state: Merged, rules: Rules = NO_RULES) -> Step[Merged]:
    """Take every step that the events so far allow."""
    events: list[Event] = []
    while state.assignment is not None and not state.closed:
        follows = conclude(state.assignment, state.opened, state.analyses, state.deadline, state.trace, rules)
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
    first = () if state.assignment is None else (state.assignment,)
    inputs = (*first, *state.opened, *state.analyses, *state.deadlines)
    return {
        "events": [event.encode().decode() for event in inputs],
        "trace": [step.model_dump() for step in state.trace],
    }


def _load(dumped: Any) -> Merged:
    if dumped is None:
        return Merged(closed=True)
    state = Merged()
    for text in dumped["events"]:
        event = decode_stored(text.encode())
        if isinstance(event, StageOpened):
            state = replace(state, opened=(*state.opened, event))
        elif isinstance(event, PanelAssigned | AnalysisPublished | DeadlinePassed):
            state = _hear(state, event)
        else:
            raise ValueError(f"a merge state holds no {event.kind}")
    step = TraceStepV2 if isinstance(state.assignment, PanelAssignedV2) else TraceStep
    return replace(state, trace=tuple(step(**fields) for fields in dumped["trace"]))


def _version(state: Merged | None, event: Event, tables: Tables) -> str:
    if state is not None and state.assignment is not None:
        return state.rules
    return event.rule_versions.merge if isinstance(event, PanelAssigned) else "merge.v1"


def merge_with(rules: Rules) -> Processor:
    """Give the processor with installed rules of other distributions, which the composition root resolves."""
    return Processor(
        name="merge",
        reads=(PanelAssigned.topic, AnalysisPublished.topic, DeadlinePassed.topic),
        keys=_keys,
        fold=guarded(partial(fold, rules=rules), _version),
        dump=_dump,
        load=_load,
        open=lambda state: not state.closed,
    )


MERGE = merge_with(NO_RULES)
