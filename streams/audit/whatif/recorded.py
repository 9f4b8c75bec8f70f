"""One question of a log, its analyses by request."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from schemas.agents import AgentSpec
from schemas.analyses import AnalysisPublished, Attempt
from schemas.decisions import DeadlinePassed, DecisionMade
from schemas.feedback import FeedbackGiven, FeedbackRetracted
from schemas.panels import PanelAssigned, Seat, Stage, StageOpened
from schemas.policies import PolicyAdopted
from schemas.quantities import later
from schemas.questions import QuestionAsked
from streams.log import Record, read_event
from streams.processors.pricing import cost_nusd
from streams.processors.stage_rules import parts_wanted
from streams.topology import ANALYSES, ASSIGNMENTS, DEADLINES, DECISIONS, FEEDBACK, QUESTIONS

Opener = PanelAssigned | StageOpened

TOPICS = (QUESTIONS, ASSIGNMENTS, ANALYSES, DEADLINES, DECISIONS, FEEDBACK)


class SeatRequest(NamedTuple):
    """What an agent was asked of one question; equal requests have equal answers."""

    agent: str
    role: str
    asked: Any
    """Of an analyst its part of the question, of a dispatcher the number of parts, of a merge agent what it reads."""


def stages_of(opener: Opener) -> tuple[Stage, ...]:
    """List the stages whose seats an event opens: a panel may have shadow seats beside its first stage."""
    return opener.stages if isinstance(opener, PanelAssigned) else (opener.stage,)


def request_of(opener: Opener, stage: Stage, seat: Seat, material: Iterable[str]) -> SeatRequest:
    """Say what a seat is asked; *material* are the analyses that a merge agent reads."""
    role = stage.role
    if role == "merger":
        return SeatRequest(seat.agent, role, tuple(material))
    if role == "dispatcher":
        return SeatRequest(seat.agent, role, parts_wanted(opener) if isinstance(opener, PanelAssigned) else 0)
    return SeatRequest(seat.agent, role, seat.sub_question)


@dataclass(slots=True)
class RecordedQuestion:
    """
    The events of one question that a counterfactual needs.

    Attributes:
        analyses: The first analysis of each seat, by request, in log order; those that came behind the deadline that
            ended the question are in `late` instead.
        asked: Everything that was asked.
        deadline: The deadline that ended the question; None if none did.
    """

    question: QuestionAsked
    panel: PanelAssigned
    decision: DecisionMade
    analyses: dict[SeatRequest, AnalysisPublished] = field(default_factory=dict)
    late: set[SeatRequest] = field(default_factory=set)
    asked: set[SeatRequest] = field(default_factory=set)
    deadline: DeadlinePassed | None = None
    feedback: dict[str, FeedbackGiven | FeedbackRetracted] = field(default_factory=dict)


def recorded_question(records: Iterable[Record]) -> RecordedQuestion | None:
    """Read a question from all records about it; None if it has no panel or no decision."""
    events = [read_event(record) for record in records if record.topic in TOPICS]
    panel = next((event for event in events if isinstance(event, PanelAssigned)), None)
    decision = next((event for event in events if isinstance(event, DecisionMade)), None)
    if panel is None or decision is None:
        return None
    question = next((e for e in events if isinstance(e, QuestionAsked) and e.event_id == panel.causes[0]), None)
    if question is None:
        return None
    found = RecordedQuestion(question, panel, decision)
    ended = set(decision.causes)
    found.deadline = next((e for e in events if isinstance(e, DeadlinePassed) and e.event_id in ended), None)
    for event in events:
        if isinstance(event, FeedbackGiven | FeedbackRetracted):
            found.feedback.setdefault(event.event_id, event)
    openers: dict[str, Opener] = {panel.event_id: panel}
    openers |= {event.event_id: event for event in events if isinstance(event, StageOpened)}
    for opener in openers.values():
        found.asked |= {
            request_of(opener, stage, seat, stage.material) for stage in stages_of(opener) for seat in stage.seats
        }
    for event in events:
        if isinstance(event, AnalysisPublished):
            _keep(found, openers, event, ended)
    return found


def _keep(found: RecordedQuestion, openers: dict[str, Opener], analysis: AnalysisPublished, ended: set[str]) -> None:
    """Keep the first analysis of each seat there was."""
    opener = openers.get(analysis.causes[0]) if analysis.causes else None
    stages = () if opener is None else stages_of(opener)
    stage = next((s for s in stages if (s.number, s.role) == (analysis.stage, analysis.role)), None)
    seat = None if stage is None else next((seat for seat in stage.seats if seat.agent == analysis.agent), None)
    if opener is None or stage is None or seat is None:
        return
    request = request_of(opener, stage, seat, stage.material)
    if request in found.analyses or request in found.late:
        return
    if found.deadline is not None and analysis.event_id not in ended:
        found.late.add(request)
    else:
        found.analyses[request] = analysis


class SameCalls:
    """
    Whether a call of one policy is the same call under another, and what it costs there.

    Agents are the same by name and settings. A price only changes the cost. Other limits leave a call the same that was
    answered at once and in time. A live agent also reads the policy's prompts.
    """

    def __init__(self, recorded: PolicyAdopted, other: PolicyAdopted) -> None:
        self._other_budget = recorded.budget != other.budget
        self._limited = other.budget.limited
        self._prompts = recorded.prompts == other.prompts
        self._before = {agent.name: agent for agent in recorded.agents}
        self._after = {agent.name: agent for agent in other.agents}
        self.identical = recorded.event_id == other.event_id

    def answer(self, analysis: AnalysisPublished) -> AnalysisPublished | None:
        """Give an analysis as the other policy has it; None if that policy would call otherwise."""
        if self.identical:
            return analysis
        before, after = self._before.get(analysis.agent), self._after.get(analysis.agent)
        if before is None or after is None or not self._budget_allows(analysis):
            return None
        if before.kind != after.kind or _call_settings(before) != _call_settings(after):
            return None
        if before.kind not in ("recorded", "simulated") and not self._prompts:
            return None
        if before.limits != after.limits and not _at_once(analysis, after.limits.timeout_ms):
            return None
        if before.price == after.price:
            return analysis
        attempts = tuple(_priced(attempt, after.price) for attempt in analysis.attempts)
        return analysis.model_copy(update={"attempts": attempts})

    def _budget_allows(self, analysis: AnalysisPublished) -> bool:
        """Whether a budget changes nothing: what another limit would refuse is not recorded."""
        refused = any(attempt.outcome == "refused" for attempt in analysis.attempts)
        return not (self._other_budget and (self._limited or refused))


def _call_settings(agent: AgentSpec) -> dict[str, Any]:
    """Give the settings of an agent that shape its answer."""
    return agent.model_dump(exclude={"price", "limits", "family", "key_env"}, exclude_none=True)


def _at_once(analysis: AnalysisPublished, timeout_ms: int) -> bool:
    attempts = analysis.attempts
    return len(attempts) == 1 and attempts[0].outcome == "ok" and attempts[0].latency_ms <= timeout_ms


def _priced(attempt: Attempt, price: Any) -> Attempt:
    """Price an attempt by another table; without usage or price its cost is not known, unless nothing was called."""
    if attempt.outcome == "refused" or (attempt.cost_nusd is not None and attempt.input_tokens is None):
        return attempt
    cost = cost_nusd(price, attempt.input_tokens, attempt.output_tokens)
    return attempt.model_copy(update={"cost_nusd": cost})


def answered(analysis: AnalysisPublished, opener: Opener, stage: Stage) -> AnalysisPublished:
    """Give an analysis as the answer to another opener: what was said and took stays, place and time follow."""
    fields = {name: getattr(analysis, name) for name in type(analysis).model_fields if name != "event_id"}
    return AnalysisPublished(
        **fields
        | {
            "causes": (opener.event_id,),
            "occurred_at": later(opener.occurred_at, analysis.latency_ms),
            "stage": stage.number,
        }
    )


def not_called(opener: Opener, stage: Stage, seat: Seat, error: str) -> AnalysisPublished:
    """Build the outcome of a seat that nobody called: it is excluded, counts as no call and moves no average."""
    return AnalysisPublished(
        causes=(opener.event_id,),
        occurred_at=opener.occurred_at,
        question_id=opener.question_id,
        agent=seat.agent,
        stage=stage.number,
        role=stage.role,
        status="failed",
        text="",
        attempts=(Attempt(outcome="refused", error=error, latency_ms=0),),
        latency_ms=0,
    )
