"""Decision of a question, built from what it rests on."""

from functools import partial
from typing import Any, Literal

from schemas.analyses import AnalysisPublished
from schemas.decisions import (
    Agreement,
    Ballot,
    DecisionMade,
    DecisionMadeV2,
    DecisionReasonV2,
    Exclusion,
    Post,
    Shadow,
    TraceStep,
)
from schemas.event import latest
from schemas.panels import PanelAssignedV2
from schemas.questions import LETTERS
from streams.processors.ballot import NO_CALLS, Count, conduct, count, even_sums
from streams.processors.odds.verdict import decision_odds
from streams.processors.question_so_far import Conclusion, QuestionSoFar


def decide(
    case: QuestionSoFar,
    counted: Count,
    answer: str | None,
    reason: DecisionReasonV2,
    rule: str,
    trace: tuple[TraceStep, ...],
    verdict: AnalysisPublished | None = None,
) -> Conclusion:
    """Conclude with a decision."""
    write = partial(_written, case, counted, answer, reason, rule, trace, verdict)
    return Conclusion(decides=True, answer=answer, trace=trace, write=write)


def _written(
    case: QuestionSoFar,
    counted: Count,
    answer: str | None,
    reason: DecisionReasonV2,
    rule: str,
    trace: tuple[TraceStep, ...],
    verdict: AnalysisPublished | None,
) -> DecisionMade:
    """Build the decision of a question, of the panel's version."""
    assignment, rests_on = case.assignment, case.rests_on
    calls = [event for event in case.used if isinstance(event, AnalysisPublished)]
    by_vote = answer == counted.leader and verdict is None
    agreeing = sum(vote.answer == answer for vote in counted.votes)
    fields: dict[str, Any] = {"reason": reason}
    kind: type[DecisionMade] = DecisionMade
    if isinstance(assignment, PanelAssignedV2):
        kind = DecisionMadeV2
        fields |= {
            "rules": assignment.rules,
            "options": assignment.options,
            "answer_text": _answer_text(assignment, answer),
        }
        if assignment.rules.merge != "merge.v1":
            fields["even_sums"] = even_sums(counted) if by_vote and answer is not None else None
            fields["posts"] = _posts(case) or None
        if assignment.shadows is not None:
            fields["shadows"] = _shadows(case)
        if assignment.odds is not None and counted.evidence is not None:
            fields["odds"] = decision_odds(assignment.odds, counted.evidence, counted.verdict)
    return kind(
        causes=tuple(cause.event_id for cause in rests_on),
        occurred_at=latest(*(cause.occurred_at for cause in rests_on)),
        question_id=assignment.question_id,
        policy_id=assignment.policy_id,
        status="undecided" if answer is None else "decided",
        answer=answer,
        rule=rule,
        extractor=assignment.rule_versions.extractor,
        tally=counted.tally,
        agreement=Agreement(agreeing=agreeing, counted=len(counted.votes)),
        counted=counted.ballots(),
        excluded=counted.excluded(),
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


def _shadows(case: QuestionSoFar) -> tuple[Shadow, ...]:
    """Say what the seats beside the panel answered, and how their calls went."""
    beside = case.assignment.shadow_stage
    seats = () if beside is None else tuple((beside.number, seat.agent) for seat in beside.seats)
    read = count(seats, case.heard, case.assignment, "vote", with_evidence=False)
    voices: dict[str, Ballot | Exclusion] = {ballot.agent: ballot for ballot in read.ballots()}
    voices.update({excluded.agent: excluded for excluded in read.excluded()})
    return tuple(_shadow(voices[agent]) for _, agent in seats)


def _shadow(voice: Ballot | Exclusion) -> Shadow:
    answer = voice.answer if isinstance(voice, Ballot) else None
    reason = None if isinstance(voice, Ballot) else voice.reason
    return Shadow(agent=voice.agent, answer=answer, reason=reason, analysis_id=voice.analysis_id, conduct=voice.conduct)


def _posts(case: QuestionSoFar) -> tuple[Post, ...]:
    """Say how the calls of dispatcher and merge agent went."""
    posts = []
    for opener in case.openers:
        stage = opener.stage
        if stage.role == "analyst":
            continue
        for seat in stage.seats:
            analysis = case.heard.get((stage.number, seat.agent))
            outcome: Literal["answered", "failed", "no_reply", "refused"] = "no_reply"
            if analysis is not None:
                outcome = "answered" if analysis.status == "ok" else "failed" if analysis.calls else "refused"
            how = NO_CALLS if analysis is None else conduct(analysis)
            posts.append(Post(agent=seat.agent, stage=stage.number, role=stage.role, outcome=outcome, conduct=how))
    return tuple(posts)


def _answer_text(assignment: PanelAssignedV2, answer: str | None) -> str | None:
    """Give the text of the option that was decided; None for a number, or where only its hash is known."""
    if answer is None or not assignment.options:
        return None
    option = assignment.options[LETTERS.index(answer)]
    return option if isinstance(option, str) else None
