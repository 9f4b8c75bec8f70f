"""Explanation of stages: seats, attempts and ballots."""

from collections.abc import Iterable

from schemas.analyses import AnalysisPublished, Attempt
from schemas.decisions import Ballot, DecisionMade, DecisionMadeV2, Exclusion, Shadow
from schemas.event import Event
from schemas.panels import SHADOW_STAGE, PanelAssigned, Seat, Stage, StageOpened
from streams.audit.explain.explanation import AttemptMade, ProviderAsked, SeatTaken, StageSeen
from streams.processors.ballot import read

StageSeat = tuple[int, str]
"""Stage number and agent."""


def stages_seen(
    assignment: PanelAssigned | None,
    opened: Iterable[StageOpened],
    analyses: Iterable[AnalysisPublished],
    decision: DecisionMade | None,
) -> list[StageSeen]:
    """
    List each stage with its agents, their analyses, and how these counted; last that of the shadow seats.

    Args:
        assignment: Opens the first stage; without one there is none.
        opened: The later stages, in order.
        analyses: In log order; for each seat the first one counts that names the event which opened its stage.
        decision: Its ballots and exclusions, if there is one.
    """
    if assignment is None:
        return []
    heard: dict[tuple[StageSeat, tuple[str, ...]], AnalysisPublished] = {}
    for analysis in analyses:
        heard.setdefault(((analysis.stage, analysis.agent), analysis.causes), analysis)
    voices: dict[StageSeat, Ballot | Exclusion | Shadow] = {}
    if decision is not None:
        voices.update({(ballot.stage, ballot.agent): ballot for ballot in decision.counted})
        voices.update({(exclusion.stage, exclusion.agent): exclusion for exclusion in decision.excluded})
    if isinstance(decision, DecisionMadeV2):
        voices.update({(SHADOW_STAGE, shadow.agent): shadow for shadow in decision.shadows or ()})
    quality = {candidate.agent: candidate.quality_ppb for candidate in assignment.candidates}

    def seat_taken(opener: Event, stage: Stage, seat: Seat) -> SeatTaken:
        place = (stage.number, seat.agent)
        analysis = heard.get((place, (opener.event_id,)))
        taken = _seat(seat, analysis, voices.get(place), decision)
        taken["quality_ppb"] = quality.get(seat.agent)
        if analysis is not None and analysis.status == "ok" and stage.role != "dispatcher" and place not in voices:
            reading = read(analysis, assignment)
            taken["answer"], taken["read_as"] = reading.answer, reading.source
        return taken

    first: tuple[Event, str, Stage] = (assignment, "assigned", assignment.stage)
    openers = [first, *((opener, opener.reason, opener.stage) for opener in opened)]
    if assignment.shadow_stage is not None:
        openers.append((assignment, "shadow", assignment.shadow_stage))
    return [
        StageSeen(
            number=stage.number,
            role=stage.role,
            event_id=opener.event_id,
            opened_at=opener.occurred_at,
            reason=reason,
            material=list(stage.material),
            seats=[seat_taken(opener, stage, seat) for seat in stage.seats],
        )
        for opener, reason, stage in openers
    ]


def _seat(
    seat: Seat,
    analysis: AnalysisPublished | None,
    voice: Ballot | Exclusion | Shadow | None,
    decision: DecisionMade | None,
) -> SeatTaken:
    """Join a seat with its analysis and its ballot or exclusion."""
    late = analysis is not None and decision is not None and analysis.event_id not in decision.causes
    taken = SeatTaken(
        agent=seat.agent,
        sub_question=seat.sub_question,
        status="heard",
        reason=None,
        analysis_id=None,
        published_at=None,
        text=None,
        answer=None,
        read_as=None,
        quality_ppb=None,
        weight=None,
        latency_ms=None,
        cost_nusd=0,
        unpriced_calls=0,
        attempts=[],
        late=late,
    )
    if analysis is None or late:
        taken["status"] = "waiting" if decision is None else "no_reply"
    if analysis is not None:
        taken["analysis_id"], taken["published_at"] = analysis.event_id, analysis.occurred_at
        taken["text"], taken["latency_ms"] = analysis.text, analysis.latency_ms
        taken["cost_nusd"], taken["unpriced_calls"] = analysis.cost_nusd, analysis.unpriced
        taken["attempts"] = [_attempt(attempt) for attempt in analysis.attempts]
        taken["reason"] = "failed" if analysis.status == "failed" else None
    if isinstance(voice, Ballot):
        taken["status"] = "counted"
        taken["answer"], taken["read_as"], taken["weight"] = voice.answer, voice.read_as, voice.weight
    elif isinstance(voice, Shadow):
        taken["status"], taken["reason"], taken["answer"] = "observed", voice.reason, voice.answer
    elif voice is not None:
        taken["status"], taken["reason"] = "excluded", voice.reason
    return taken


def _attempt(attempt: Attempt) -> AttemptMade:
    called = attempt.provider
    return AttemptMade(
        outcome=attempt.outcome,
        error=attempt.error,
        latency_ms=attempt.latency_ms,
        cost_nusd=attempt.cost_nusd,
        input_tokens=attempt.input_tokens,
        output_tokens=attempt.output_tokens,
        provider=None
        if called is None
        else ProviderAsked(
            model=called.model,
            request_hash=called.request_hash,
            reported_model=called.reported_model,
            fingerprint=called.fingerprint,
            finish_reason=called.finish_reason,
            cached=called.cached,
        ),
    )
