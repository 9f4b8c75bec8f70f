"""
Stage rules: wait, open the next stage, or decide.

They hold for every merge rule.
"""

from dataclasses import replace
from functools import partial
from typing import Literal

from schemas.analyses import AnalysisPublished
from schemas.canonical import content_id
from schemas.decisions import DeadlinePassed, DecisionReason, DecisionReasonV2, TraceStep
from schemas.event import latest
from schemas.panels import PanelAssigned, Seat, Stage, StageOpened
from streams.processors.ballot import RULES, Count, deciding_rule, posterior_ppb, read, rule_name, weighed_by
from streams.processors.decision import decide
from streams.processors.decompose import dispatched_sub_questions, fixed_sub_questions
from streams.processors.own_rules import NO_RULES, Rules, ruling_of
from streams.processors.question_so_far import Conclusion, Follows, QuestionSoFar, StageOutcome, heard_of

Opening = Literal["dispatched", "window", "quorum", "merge"]


def conclude(
    assignment: PanelAssigned,
    opened: tuple[StageOpened, ...],
    analyses: tuple[AnalysisPublished, ...],
    deadline: DeadlinePassed | None,
    trace: tuple[TraceStep, ...],
    rules: Rules = NO_RULES,
) -> Follows | None:
    """
    Decide what follows from the events of one question so far.

    Args:
        assignment: The panel and all settings.
        opened: Stages opened after it, in order.
        analyses: Analyses in log order. For each seat the first one counts that names the event which opened its stage.
        deadline: The deadline that passed; None if the question is not overdue.
        trace: Steps of the merge in the stages before.
        rules: Installed rules of other distributions.

    Returns:
        None while the open stage, or at its end a shadow seat, waits and the deadline has not passed.

    Raises:
        RuleMissingError: The question's rule is of another distribution, and not among *rules*.
    """
    concluded = conclusion(assignment, opened, analyses, deadline, trace, rules)
    return None if concluded is None else Follows(concluded.write(), concluded.trace)


def conclusion(
    assignment: PanelAssigned,
    opened: tuple[StageOpened, ...],
    analyses: tuple[AnalysisPublished, ...],
    deadline: DeadlinePassed | None,
    trace: tuple[TraceStep, ...],
    rules: Rules = NO_RULES,
) -> Conclusion | None:
    """Conclude as `conclude` does, and leave the event to be written."""
    openers: tuple[PanelAssigned | StageOpened, ...] = (assignment, *opened)
    waits = _waits(openers[-1].event_id, openers[-1].stage, analyses)
    if deadline is None and waits:
        return None
    case = QuestionSoFar(assignment, openers, heard_of(openers, analyses), deadline, trace, rules)
    beside = assignment.shadow_stage
    if beside is None or waits:
        return _conclude(case)
    return _beside_shadows(case, heard_all=not _waits(assignment.event_id, beside, analyses))


def _beside_shadows(case: QuestionSoFar, *, heard_all: bool) -> Conclusion | None:
    """
    Conclude a complete stage of a panel with shadow seats.

    Stages follow without waiting for them; the decision waits until all were heard, or the deadline passed. A deadline
    that finds the panel complete changes nothing of what it decides.
    """
    settled = _conclude(replace(case, deadline=None, given_up=case.deadline))
    if not settled.decides:
        # A panel that was read behind its deadline asks nobody any more.
        return settled if case.deadline is None else _conclude(case)
    return settled if heard_all or case.deadline is not None else None


def _conclude(case: QuestionSoFar) -> Conclusion:
    """Decide what follows from a complete stage, or from the deadline."""
    deadline = case.deadline
    if deadline is None and case.stage.role == "dispatcher":
        return _after_dispatcher(case)
    if deadline is None and case.stage.role == "merger":
        return _after_merger(case)
    return _after_analysts(case)


def _waits(opener_id: str, stage: Stage, analyses: tuple[AnalysisPublished, ...]) -> bool:
    """Whether a seat of a stage has no analysis yet. Of the newest checked first, because most events leave it so."""
    cause = (opener_id,)
    came = [a.agent for a in analyses if a.causes == cause and a.stage == stage.number and a.role == stage.role]
    return any(seat.agent not in came for seat in stage.seats)


def _after_dispatcher(case: QuestionSoFar) -> Conclusion:
    """Open the first analysts' stage with the dispatcher's sub-questions, or the fixed ones."""
    written = case.heard[(case.stage.number, case.stage.seats[0].agent)]
    agents = case.assignment.later[0]
    parts = dispatched_sub_questions(written.sub_questions, len(agents), wanted=parts_wanted(case.assignment))
    seats = tuple(Seat(agent=agent, sub_question=part) for agent, part in zip(agents, parts, strict=True))
    return _open(case, "dispatched", seats, case.trace)


def parts_wanted(assignment: PanelAssigned) -> int:
    """Give the number of parts that a dispatcher is to write: one for each analyst; in merge.v1 of the first stage."""
    groups = assignment.later[:1] if assignment.rule_versions.merge == "merge.v1" else assignment.later
    return sum(map(len, groups))


def _after_analysts(case: QuestionSoFar) -> Conclusion:
    """Apply the merge rule to the ballots so far."""
    assignment, rule = case.assignment, deciding_rule(case.assignment)
    counted, name = case.counted(rule), rule_name(assignment, rule)
    if len(counted.votes) < assignment.merge.quorum:
        if case.deadline is None and (seats := _next_seats(case)):
            return _open(case, "quorum", seats, case.traced(name, counted.leader, "ask reserve"))
        reason: DecisionReason = "quorum" if case.deadline is None else "deadline"
        return decide(case, counted, None, reason, name, case.traced(name, counted.leader, "undecided"))
    if rule == "cascade":
        return _after_cascade_stage(case, counted)
    if rule == "odds":
        return _after_odds_stage(case, counted)
    if rule == "own":
        return _by_own_rule(case, counted, name)
    if rule == "agent":
        if case.deadline is None:
            return _ask_merger(case, counted, case.traced(name, counted.leader, "ask merge agent"))
        return _fall_back(case, "deadline", case.traced(name, counted.leader, "fall back"))
    reason = "panel complete" if case.deadline is None else "deadline"
    return decide(case, counted, counted.leader, reason, name, case.traced(name, counted.leader, "decide"))


def _by_own_rule(case: QuestionSoFar, counted: Count, name: str) -> Conclusion:
    """Let a rule of another distribution decide; where its ruling is none, fall back to `weighted`."""
    analyses = {analysis.event_id: analysis for analysis in case.heard.values()}
    ruling = ruling_of(case.rules, case.assignment, counted.ballots(), analyses)
    reason: DecisionReason = "panel complete" if case.deadline is None else "deadline"
    if isinstance(ruling, str):
        return _fall_back(case, reason, case.traced(name, counted.leader, "fall back", note=ruling))
    weighed = weighed_by(counted, ruling.weights, case.assignment)
    outcome: StageOutcome = "decide" if ruling.answer is not None else "undecided"
    trace = case.traced(name, ruling.answer, outcome, note=ruling.note or None)
    return decide(case, weighed, ruling.answer, reason, name, trace)


def _after_cascade_stage(case: QuestionSoFar, counted: Count) -> Conclusion:
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
        return decide(case, counted, counted.leader, "deadline", name, traced("decide"))
    if posterior >= merge.accept_ppb:
        early: DecisionReason = "panel complete" if exhausted else "early exit"
        return decide(case, counted, counted.leader, early, name, traced("decide"))
    if posterior >= merge.window_ppb and not exhausted:
        return _open(case, "window", _next_seats(case), traced("next stage"))
    if assignment.merger is not None:
        return _ask_merger(case, counted, traced("ask merge agent"))
    reason: DecisionReasonV2 = (
        "panel complete" if exhausted or assignment.rule_versions.merge == "merge.v1" else "below window"
    )
    return decide(case, counted, counted.leader, reason, name, traced("decide"))


def _after_odds_stage(case: QuestionSoFar, counted: Count) -> Conclusion:
    """Go on while asking the agents left is expected to win more right answers than so many calls must."""
    assignment, name, verdict, leader = case.assignment, RULES["odds"], counted.verdict, counted.leader
    assert verdict is not None, "the rule `odds` scores what it counts"
    assert leader is not None, "a quorum of at least one ballot has a leader"
    later = [agent for group in assignment.later[case.analyst_stages :] for agent in group]
    gain = verdict.gain(leader, later) if case.deadline is None else None
    posterior = verdict.posterior_ppb(leader)
    if gain is not None and gain.expected_ppb >= gain.wanted_ppb:
        return _open(case, "window", _next_seats(case), case.traced(name, leader, "next stage", posterior, gain))
    reason: DecisionReason = "deadline" if case.deadline is not None else "early exit" if later else "panel complete"
    return decide(case, counted, leader, reason, name, case.traced(name, leader, "decide", posterior, gain))


def _after_merger(case: QuestionSoFar) -> Conclusion:
    """Take the merge agent's verdict where it can be read; else fall back to `weighted`."""
    verdict = case.heard[(case.stage.number, case.stage.seats[0].agent)]
    answer = read(verdict, case.assignment).answer if verdict.status == "ok" else None
    if answer is None:
        return _fall_back(case, "panel complete", case.traced(RULES["agent"], None, "fall back"))
    trace = case.traced(RULES["agent"], answer, "decide")
    counted = case.counted("weighted")
    return decide(case, counted, answer, "merge agent", RULES["agent"], trace, verdict)


def _fall_back(case: QuestionSoFar, reason: DecisionReason, trace: tuple[TraceStep, ...]) -> Conclusion:
    counted = case.counted("weighted")
    return decide(case, counted, counted.leader, reason, RULES["weighted"], trace)


def _next_seats(case: QuestionSoFar) -> tuple[Seat, ...]:
    """Seat the analysts of the next stage: the panel's, then one of the reserve; none if all were asked."""
    assignment, opened = case.assignment, case.analyst_stages
    groups = (*assignment.later, *((agent,) for agent in assignment.reserve))
    if opened >= len(groups):
        return ()
    agents = groups[opened]
    parts: tuple[str | None, ...] = (None,) * len(agents)
    if assignment.decomposition != "none":
        asked = sum(len(opener.stage.seats) for opener in case.openers if opener.stage.role == "analyst")
        parts = _parts(case, len(agents), asked)
    return tuple(Seat(agent=agent, sub_question=part) for agent, part in zip(agents, parts, strict=True))


def _parts(case: QuestionSoFar, seats: int, asked: int) -> tuple[str, ...]:
    """Give the parts of a stage behind the first one."""
    first, assignment = case.openers[0].stage, case.assignment
    if first.role != "dispatcher" or assignment.rule_versions.merge == "merge.v1":
        return fixed_sub_questions(seats, asked)
    written = case.heard.get((first.number, first.seats[0].agent))
    said = () if written is None else written.sub_questions
    return dispatched_sub_questions(said, seats, asked, wanted=parts_wanted(assignment))


def _ask_merger(case: QuestionSoFar, counted: Count, trace: tuple[TraceStep, ...]) -> Conclusion:
    """
    Open the merge agent's stage, with the ballots' analyses in the order of a hash, which favours no name or rank.
    """
    merger, question_id = case.assignment.merger, case.assignment.question_id
    if merger is None:
        raise ValueError("route names a merger wherever the rule may ask one")
    shuffled = sorted(counted.votes, key=lambda vote: content_id(f"{question_id}\n{vote.agent}".encode()))
    material = tuple(vote.analysis.event_id for vote in shuffled)
    return _open(case, "merge", (Seat(agent=merger),), trace, material)


def _open(
    case: QuestionSoFar,
    reason: Opening,
    seats: tuple[Seat, ...],
    trace: tuple[TraceStep, ...],
    material: tuple[str, ...] = (),
) -> Conclusion:
    return Conclusion(False, None, trace, partial(_opened, case, reason, seats, material))


def _opened(case: QuestionSoFar, reason: Opening, seats: tuple[Seat, ...], material: tuple[str, ...]) -> StageOpened:
    role: Literal["analyst", "merger"] = "merger" if reason == "merge" else "analyst"
    causes = case.used
    return StageOpened(
        causes=tuple(cause.event_id for cause in causes),
        occurred_at=latest(*(cause.occurred_at for cause in causes)),
        question_id=case.assignment.question_id,
        reason=reason,
        stage=Stage(number=case.stage.number + 1, role=role, seats=seats, material=material),
    )
