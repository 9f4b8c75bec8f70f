"""Open seats, and the tasks made from them."""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.analyses import AnalysisPublished, Attempt
from schemas.panels import PanelAssigned, Seat, Stage, StageOpened
from schemas.questions import QuestionAsked
from streams.agents.agent import Task
from streams.processors.stage_rules import parts_wanted

Opener = PanelAssigned | StageOpened
"""Event that opens a stage."""

UNKNOWN_AGENT = Attempt(outcome="error", error="no_such_agent", latency_ms=0)


@dataclass(frozen=True, slots=True)
class OpenSeat:
    """A seat of an open stage, not taken yet."""

    opener: Opener
    stage: Stage
    """One of the opener's stages."""
    seat: Seat


def task_of(call: OpenSeat, question: QuestionAsked, texts: Mapping[str, str]) -> Task:
    """
    Build the task of a seat's first attempt.

    Args:
        texts: Texts of analyses by event id; includes all of the stage's material.
    """
    stage = call.stage
    return Task(
        question_id=question.question_id,
        text=question.text,
        options=question.options,
        answer_type=question.answer_type,
        subject=question.subject,
        role=stage.role,
        stage=stage.number,
        sub_question=call.seat.sub_question,
        seats=parts_wanted(call.opener) if isinstance(call.opener, PanelAssigned) else 0,
        analyses=tuple(texts[analysis_id] for analysis_id in stage.material),
        attempt=1,
    )


def absent(call: OpenSeat) -> AnalysisPublished:
    """Build the failed analysis of a seat whose agent does not exist."""
    return AnalysisPublished(
        causes=(call.opener.event_id,),
        occurred_at=call.opener.occurred_at,
        question_id=call.opener.question_id,
        agent=call.seat.agent,
        stage=call.stage.number,
        role=call.stage.role,
        status="failed",
        text="",
        attempts=(UNKNOWN_AGENT,),
        latency_ms=0,
    )
