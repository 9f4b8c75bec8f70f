"""
Stage rules: wait, open the next stage, or decide.

They hold for every merge rule.
"""

from dataclasses import dataclass
from typing import Any, Literal

from schemas.analyses import AnalysisPublished
from schemas.canonical import content_id
from schemas.decisions import Agreement, DeadlinePassed, DecisionMade, DecisionMadeV2, DecisionReason, TraceStep
from schemas.event import Event, latest
from schemas.panels import PanelAssigned, PanelAssignedV2, Seat, Stage, StageOpened
from schemas.policies import MergeRule
from schemas.questions import LETTERS
from streams.processors.ballot import RULES, Count, count, posterior_ppb, read
from streams.processors.decompose import dispatched_sub_questions, fixed_sub_questions

Opening = Literal["dispatched", "window", "quorum", "merge"]
StageOutcome = Literal["decide", "next stage", "ask reserve", "ask merge agent", "fall back", "undecided"]


@dataclass(frozen=True, slots=True)
class Follows:
    """The next event of a question, and the trace so far."""

    event: StageOpened | DecisionMade
    trace: tuple[TraceStep, ...]


def conclude(
    assignment: PanelAssigned,
    opened: tuple[StageOpened, ...],
    analyses: tuple[AnalysisPublished, ...],
    deadline: DeadlinePassed | None,
    trace: tuple[TraceStep, ...],
) -> Follows | None:
    """
    Decide what follows from the events of one question so far.

    Args:
        assignment: The panel and all settings.
        opened: Stages opened after it, in order.
        analyses: Analyses in log order. For each seat the first one counts that names the event which opened its stage.
        deadline: The deadline that passed; None if the question is not overdue.
        trace: Steps of the merge in the stages before.

    Returns:
        None while the open stage waits for a seat and the deadline has not passed.
    """
    openers: tuple[PanelAssigned | StageOpened, ...] = (assignment, *opened)
    if deadline is None and _waits(openers[-1], analyses):
        return None
    case = _QuestionSoFar(assignment, openers, _heard(openers, analyses), deadline, trace)
    if deadline is None and case.stage.role == "dispatcher":
        return _after_dispatcher(case)
    if deadline is None and case.stage.role == "merger":
        return _after_merger(case)
    return _after_analysts(case)


def _waits(opener: PanelAssigned | StageOpened, analyses: tuple[AnalysisPublished, ...]) -> bool:
    """Whether a seat of the newest stage has no analysis yet. Checked first, because most events leave it so."""
    cause, stage = (opener.event_id,), opener.stage
    came = [a.agent for a in analyses if a.causes == cause and a.stage == stage.number and a.role == stage.role]
    return any(seat.agent not in came for seat in stage.seats)


def _heard(
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


@dataclass(frozen=True, slots=True)
class _QuestionSoFar:
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


def _after_dispatcher(case: _QuestionSoFar) -> Follows:
    """Open the first analysts' stage with the dispatcher's sub-questions, or the fixed ones."""
    written = case.heard[(case.stage.number, case.stage.seats[0].agent)]
    agents = case.assignment.later[0]
    parts = dispatched_sub_questions(written.sub_questions, len(agents))
    seats = tuple(Seat(agent=agent, sub_question=part) for agent, part in zip(agents, parts, strict=True))
    return _open(case, "dispatched", seats, case.trace)


def _after_analysts(case: _QuestionSoFar) -> Follows:
    """Apply the merge rule to the ballots so far."""
    assignment, rule = case.assignment, case.assignment.merge.rule
    counted, name = case.counted(rule), RULES[rule]
    if len(counted.ballots) < assignment.merge.quorum:
        if case.deadline is None and (seats := _next_seats(case)):
            return _open(case, "quorum", seats, case.traced(name, counted.leader, "ask reserve"))
        reason: DecisionReason = "quorum" if case.deadline is None else "deadline"
        return _decide(case, counted, None, reason, name, case.traced(name, counted.leader, "undecided"))
    if rule == "cascade":
        return _after_cascade_stage(case, counted)
    if rule == "agent":
        if case.deadline is None:
            return _ask_merger(case, counted, case.traced(name, counted.leader, "ask merge agent"))
        return _fall_back(case, "deadline", case.traced(name, counted.leader, "fall back"))
    reason = "panel complete" if case.deadline is None else "deadline"
    return _decide(case, counted, counted.leader, reason, name, case.traced(name, counted.leader, "decide"))


def _after_cascade_stage(case: _QuestionSoFar, counted: Count) -> Follows:
    """
    Stop where the leader's posterior passes `accept`; go on inside the window; leave the rest to the merge agent.

    Source: window-based early-exit cascades; posterior by `posterior_ppb`.
    """
    assignment, merge, name = case.assignment, case.assignment.merge, RULES["cascade"]
    posterior = posterior_ppb(counted, assignment.option_count or merge.number_choices)
    assert posterior is not None, "a quorum of at least one ballot has a leader"

    def traced(outcome: StageOutcome) -> tuple[TraceStep, ...]:
        return case.traced(name, counted.leader, outcome, posterior)

    exhausted = case.analyst_stages >= len(assignment.later)
    if case.deadline is not None:
        return _decide(case, counted, counted.leader, "deadline", name, traced("decide"))
    if posterior >= merge.accept_ppb:
        reason: DecisionReason = "panel complete" if exhausted else "early exit"
        return _decide(case, counted, counted.leader, reason, name, traced("decide"))
    if posterior >= merge.window_ppb and not exhausted:
        return _open(case, "window", _next_seats(case), traced("next stage"))
    if assignment.merger is not None:
        return _ask_merger(case, counted, traced("ask merge agent"))
    return _decide(case, counted, counted.leader, "panel complete", name, traced("decide"))


def _after_merger(case: _QuestionSoFar) -> Follows:
    """Take the merge agent's verdict where it can be read; else fall back to `weighted`."""
    verdict = case.heard[(case.stage.number, case.stage.seats[0].agent)]
    answer = read(verdict, case.assignment).answer if verdict.status == "ok" else None
    if answer is None:
        return _fall_back(case, "panel complete", case.traced(RULES["agent"], None, "fall back"))
    trace = case.traced(RULES["agent"], answer, "decide")
    counted = case.counted("weighted")
    return _decide(case, counted, answer, "merge agent", RULES["agent"], trace, verdict)


def _fall_back(case: _QuestionSoFar, reason: DecisionReason, trace: tuple[TraceStep, ...]) -> Follows:
    counted = case.counted("weighted")
    return _decide(case, counted, counted.leader, reason, RULES["weighted"], trace)


def _next_seats(case: _QuestionSoFar) -> tuple[Seat, ...]:
    """Seat the analysts of the next stage: the panel's, then one of the reserve; none if all were asked."""
    assignment, opened = case.assignment, case.analyst_stages
    groups = (*assignment.later, *((agent,) for agent in assignment.reserve))
    if opened >= len(groups):
        return ()
    agents = groups[opened]
    parts: tuple[str | None, ...] = (None,) * len(agents)
    if assignment.decomposition != "none":
        asked = sum(len(opener.stage.seats) for opener in case.openers if opener.stage.role == "analyst")
        parts = fixed_sub_questions(len(agents), asked)
    return tuple(Seat(agent=agent, sub_question=part) for agent, part in zip(agents, parts, strict=True))


def _ask_merger(case: _QuestionSoFar, counted: Count, trace: tuple[TraceStep, ...]) -> Follows:
    """
    Open the merge agent's stage, with the ballots' analyses in the order of a hash, which favours no name or rank.
    """
    merger, question_id = case.assignment.merger, case.assignment.question_id
    assert merger is not None, "route names a merger wherever the rule may ask one"
    shuffled = sorted(counted.ballots, key=lambda ballot: content_id(f"{question_id}\n{ballot.agent}".encode()))
    material = tuple(ballot.analysis_id for ballot in shuffled)
    return _open(case, "merge", (Seat(agent=merger),), trace, material)


def _open(
    case: _QuestionSoFar,
    reason: Opening,
    seats: tuple[Seat, ...],
    trace: tuple[TraceStep, ...],
    material: tuple[str, ...] = (),
) -> Follows:
    role: Literal["analyst", "merger"] = "merger" if reason == "merge" else "analyst"
    stage = Stage(number=case.stage.number + 1, role=role, seats=seats, material=material)
    causes = _used(case)
    event = StageOpened(
        causes=tuple(cause.event_id for cause in causes),
        occurred_at=latest(*(cause.occurred_at for cause in causes)),
        question_id=case.assignment.question_id,
        reason=reason,
        stage=stage,
    )
    return Follows(event, trace)


def _used(case: _QuestionSoFar) -> tuple[Event, ...]:
    """List the events that a conclusion rests on: each stage's opener, then its analyses by seat; last the deadline."""
    used: list[Event] = []
    for opener in case.openers:
        stage = opener.stage
        used.append(opener)
        used.extend(
            case.heard[(stage.number, seat.agent)] for seat in stage.seats if (stage.number, seat.agent) in case.heard
        )
    if case.deadline is not None:
        used.append(case.deadline)
    return tuple(used)


def _decide(
    case: _QuestionSoFar,
    counted: Count,
    answer: str | None,
    reason: DecisionReason,
    rule: str,
    trace: tuple[TraceStep, ...],
    verdict: AnalysisPublished | None = None,
) -> Follows:
    assignment, used = case.assignment, _used(case)
    calls = [event for event in used if isinstance(event, AnalysisPublished)]
    by_vote = answer == counted.leader and verdict is None
    fields: dict[str, Any] = {}
    if isinstance(assignment, PanelAssignedV2):
        fields = {
            "rules": assignment.rules,
            "options": assignment.options,
            "answer_text": _answer_text(assignment, answer),
        }
    kind = DecisionMadeV2 if fields else DecisionMade
    decision = kind(
        causes=tuple(cause.event_id for cause in used),
        occurred_at=latest(*(cause.occurred_at for cause in used)),
        question_id=assignment.question_id,
        policy_id=assignment.policy_id,
        status="undecided" if answer is None else "decided",
        answer=answer,
        reason=reason,
        rule=rule,
        extractor=assignment.rule_versions.extractor,
        tally=counted.tally,
        agreement=Agreement(
            agreeing=sum(ballot.answer == answer for ballot in counted.ballots), counted=len(counted.ballots)
        ),
        counted=counted.ballots,
        excluded=counted.excluded,
        tie_break=counted.tie_break if by_vote and answer is not None else None,
        verdict_id=None if verdict is None else verdict.event_id,
        trace=trace,
        calls=sum(call.calls for call in calls),
        cost_nusd=sum(call.cost_nusd for call in calls),
        unpriced_calls=sum(call.unpriced for call in calls),
        scopes=assignment.scopes,
        learning=assignment.learning,
        **fields,
    )
    return Follows(decision, trace)


def _answer_text(assignment: PanelAssignedV2, answer: str | None) -> str | None:
    """Give the text of the option that was decided; None for a number, or where only its hash is known."""
    if answer is None or not assignment.options:
        return None
    option = assignment.options[LETTERS.index(answer)]
    return option if isinstance(option, str) else None
