"""Explanation of one question, joined along the causes."""

import difflib
from dataclasses import dataclass, field
from itertools import islice

from schemas.analyses import AnalysisPublished
from schemas.decisions import DeadlinePassed, DecisionMade
from schemas.event import Event
from schemas.feedback import FeedbackGiven, FeedbackRetracted
from schemas.lessons import LessonGiven
from schemas.letters import RecordRejected
from schemas.panels import PanelAssigned, StageOpened
from schemas.policies import PolicyAdopted
from schemas.quantities import later
from schemas.questions import LETTERS, QuestionAsked
from schemas.registry import INPUTS, InvalidRecord, decode
from schemas.router import AgentObserved, RouterEntry
from schemas.weights import WeightsEntry
from streams.audit.entry_lookup import NamedEntry, SeenEntries, consulted, find_entries, find_weights
from streams.audit.explain.counterfactual.would_change import WouldChange, would_change
from streams.audit.explain.explanation import Decided, Explanation, QuestionSeen, SetAside, StageSeen, State, WaitingFor
from streams.audit.explain.lessons import LessonEvents, lessons
from streams.audit.explain.odds import odds_decided, weights_changed
from streams.audit.explain.panel import policy_used, routed_by
from streams.audit.explain.stages import stages_seen
from streams.errors import DifferenceError, UsageError
from streams.log import LogReader, Record
from streams.processors.own_rules import rule_of
from streams.topology import POLICIES, QUESTIONS

_LOOKED_THROUGH = 50_000
"""Questions of the log that an unknown id is compared with."""
_CLOSE = 5


@dataclass(slots=True)
class KnownEvents:
    """The events about one question, each once; of panels, decisions and deadlines the first."""

    question: QuestionAsked
    assignment: PanelAssigned | None = None
    decision: DecisionMade | None = None
    deadlines: tuple[DeadlinePassed, ...] = ()
    opened: tuple[StageOpened, ...] = ()
    analyses: tuple[AnalysisPublished, ...] = ()
    feedback: tuple[FeedbackGiven | FeedbackRetracted, ...] = ()
    observations: tuple[AgentObserved, ...] = ()
    entries: tuple[RouterEntry, ...] = ()
    lessons: tuple[LessonGiven, ...] = ()
    weights: tuple[WeightsEntry, ...] = ()
    letters: tuple[RecordRejected, ...] = ()
    seqs: dict[str, int] = field(default_factory=dict)
    """Places of the events, by id."""

    def before(self, event: Event) -> int:
        """Give the place of an event, before which stands what it names."""
        return self.seqs[event.event_id]


def explain(reader: LogReader, question_id: str, seen: SeenEntries | None = None) -> Explanation:
    """
    Explain how one question came to its decision, or what it waits for.

    Args:
        reader: The log; nothing is written, and no model is called.
        question_id: As the producer gave it.
        seen: Router entries that were found before, for whoever explains many questions of one log.

    Raises:
        UsageError: The log holds no such question; the remedy names close ones.
        DifferenceError: A record about the question in a file was changed after it was written.
    """
    known = _known(reader, question_id)
    assignment, decision = known.assignment, known.decision
    policy = None if assignment is None else _policy(reader, assignment)
    wanted = {e.previous: NamedEntry(e.key, known.before(e)) for e in known.entries if e.previous is not None}
    if assignment is not None:
        wanted |= consulted(assignment, known.before(assignment))
    own = {entry.event_id: entry for entry in known.entries}
    older = find_entries(reader, {one: place for one, place in wanted.items() if one not in own}, seen) | own
    stages = stages_seen(assignment, known.opened, known.analyses, decision)
    return Explanation(
        question_id=question_id,
        state=_state(assignment, decision),
        question=_asked(known.question),
        policy=None if policy is None else policy_used(policy),
        routing=None if assignment is None else routed_by(known.question, assignment, policy, older),
        stages=stages,
        decision=None if decision is None else _decided(decision, known),
        would_change=_would_change(known),
        waiting=_waiting(reader, known, stages) if decision is None else None,
        lessons=lessons(decision, known.feedback, _taught(reader, known, older)),
        set_aside=[_set_aside(letter) for letter in known.letters],
    )


def _would_change(known: KnownEvents) -> WouldChange | None:
    panel, decision = known.assignment, known.decision
    if panel is None or decision is None:
        return None
    return would_change(panel, (*known.opened, *known.analyses, *known.deadlines), decision)


def _taught(reader: LogReader, known: KnownEvents, entries: dict[str, RouterEntry]) -> LessonEvents:
    before = {e.previous: NamedEntry(e.key, known.before(e)) for e in known.weights if e.previous is not None}
    older = find_weights(reader, before) | {entry.event_id: entry for entry in known.weights}
    changes = weights_changed(known.lessons, known.weights, older)
    return LessonEvents(known.observations, known.entries, entries, known.letters, changes)


def _known(reader: LogReader, question_id: str) -> KnownEvents:
    known: KnownEvents | None = None
    early: list[tuple[Record, Event]] = []
    for record in reader.about(question_id):
        event = _event(reader, record)
        if isinstance(event, QuestionAsked) and known is None:
            known = KnownEvents(event)
        elif event is not None:
            early.append((record, event))
    if known is None:
        raise UsageError(f"the log holds no question {question_id!r}", remedy=_remedy(reader, question_id))
    seen: set[str] = set()
    for record, event in early:
        if event.event_id not in seen:
            seen.add(event.event_id)
            _note(known, record, event)
    return known


def _note(known: KnownEvents, record: Record, event: Event) -> None:
    known.seqs[event.event_id] = record.seq
    match event:
        case PanelAssigned() if known.assignment is None:
            known.assignment = event
        case DecisionMade() if known.decision is None:
            known.decision = event
        case StageOpened():
            known.opened = (*known.opened, event)
        case AnalysisPublished():
            known.analyses = (*known.analyses, event)
        case FeedbackGiven() | FeedbackRetracted():
            known.feedback = (*known.feedback, event)
        case AgentObserved():
            known.observations = (*known.observations, event)
        case RouterEntry():
            known.entries = (*known.entries, event)
        case LessonGiven():
            known.lessons = (*known.lessons, event)
        case WeightsEntry():
            known.weights = (*known.weights, event)
        case RecordRejected():
            known.letters = (*known.letters, event)
        case DeadlinePassed():
            known.deadlines = (*known.deadlines, event)


def _event(reader: LogReader, record: Record) -> Event | None:
    """
    Decode a record; None for an input that is no event, which a dead letter reports.

    On Kafka, where anyone may write to a topic, None too for a record that no stage wrote; a replay names it.
    """
    try:
        return decode(record.topic, record.value, record.timestamp_ms)
    except InvalidRecord as error:
        if any(model.topic == record.topic for model in INPUTS) or reader.unordered() is not None:
            return None
        raise DifferenceError(
            f"{record.topic}/{record.partition} at offset {record.offset}: the record was changed after it was written",
            remedy=f"`orch replay` shows what else differs ({error})",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
        ) from error


def _remedy(reader: LogReader, question_id: str) -> str:
    """Name the ids that are most similar to the given one."""
    ids = [record.key for record in islice(reader.records((QUESTIONS,)), _LOOKED_THROUGH)]
    if not ids:
        return "It holds no questions at all: check --log"
    holding = (known for known in ids if question_id.casefold() in known.casefold())
    close = list(islice(holding, _CLOSE)) or difflib.get_close_matches(question_id, ids, n=_CLOSE)
    if close:
        return f"Close to it: {', '.join(close)}"
    return f"`orch consume {QUESTIONS} --max 10` lists some; the first is {ids[0]!r}"


def _policy(reader: LogReader, assignment: PanelAssigned) -> PolicyAdopted | None:
    for record in reader.about(assignment.policy_id):
        if record.topic == POLICIES:
            event = _event(reader, record)
            if isinstance(event, PolicyAdopted) and event.event_id in assignment.causes:
                return event
    return None


def _state(assignment: PanelAssigned | None, decision: DecisionMade | None) -> State:
    if decision is not None:
        return decision.status
    return "unassigned" if assignment is None else "waiting"


def _asked(question: QuestionAsked) -> QuestionSeen:
    return QuestionSeen(
        event_id=question.event_id,
        asked_at=question.occurred_at,
        text=question.text,
        options=[{"letter": letter, "text": text} for letter, text in zip(LETTERS, question.options, strict=False)],
        answer_type=question.answer_type,
        subject=question.subject,
    )


def _decided(decision: DecisionMade, known: KnownEvents) -> Decided:
    options = dict(zip(LETTERS, known.question.options, strict=False))
    own = None if known.assignment is None else rule_of(known.assignment)
    return Decided(
        event_id=decision.event_id,
        decided_at=decision.occurred_at,
        status=decision.status,
        answer=decision.answer,
        answer_text=options.get(decision.answer or ""),
        reason=decision.reason,
        rule=decision.rule,
        extractor=decision.extractor,
        tally=decision.tally,
        agreement=decision.agreement.model_dump(),
        tie_break=None if decision.tie_break is None else decision.tie_break.model_dump(mode="json"),
        verdict_id=decision.verdict_id,
        trace=[step.model_dump() for step in decision.trace],
        odds=odds_decided(decision),
        own_rule=None if own is None else own.model_dump(),
        calls=decision.calls,
        cost_nusd=decision.cost_nusd,
        unpriced_calls=decision.unpriced_calls,
        deadline_id=next((one.event_id for one in known.deadlines if one.event_id in decision.causes), None),
        causes=list(decision.causes),
    )


def _waiting(reader: LogReader, known: KnownEvents, stages: list[StageSeen]) -> WaitingFor:
    assignment = known.assignment
    if assignment is None:
        without = next(reader.records((POLICIES,), limit=1), None) is None
        return WaitingFor(on="policy" if without else "fold", seats=[], stage=None, deadline_at=None)
    # The newest stage of the panel; beside it shadow seats, which are waited for once it is complete.
    last = stages[-1]
    for stage in reversed(stages):
        if any(seat["status"] == "waiting" for seat in stage["seats"]):
            last = stage
            if stage["reason"] != "shadow":
                break
    silent = [seat["agent"] for seat in last["seats"] if seat["status"] == "waiting"]
    return WaitingFor(
        on="seats" if silent and not known.deadlines else "fold",
        seats=silent,
        stage=last["number"],
        deadline_at=later(assignment.occurred_at, assignment.deadline_ms),
    )


def _set_aside(letter: RecordRejected) -> SetAside:
    return SetAside(
        event_id=letter.event_id, source_topic=letter.source_topic, reason=letter.reason, detail=letter.detail
    )
