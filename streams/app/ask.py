"""One question asked of the panel, with its decision's reasons."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.agents import SimulatedAgent
from schemas.analyses import AnalysisPublished
from schemas.canonical import canonical_json, content_id
from schemas.decisions import DecisionMade
from schemas.policies import PolicyAdopted
from schemas.questions import LETTERS, QuestionAsked
from schemas.registry import InvalidRecord, build
from streams.agents.calls.progress import CallProgress
from streams.app.metrics import Counted
from streams.app.question_session import open_session
from streams.app.reporter import SILENT, Reporter
from streams.app.workspace import Workspace
from streams.errors import InvariantError, UsageError
from streams.log import LogReader, read_event, wall_clock_ms
from streams.topology import ANALYSES, QUESTIONS

ID_DIGITS = 16
"""Hex digits of the content hash in an id made here: enough for 10^8 questions without two alike."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A question and its decision."""

    question: QuestionAsked
    decision: DecisionMade
    policy: PolicyAdopted
    known: bool
    """Whether it had been asked before."""
    failures: dict[str, str] = field(default_factory=dict)
    """Error of the last attempt, by id of the excluded analysis."""

    @property
    def option(self) -> str | None:
        """Text of the chosen option."""
        given, options = self.decision.answer, self.question.options
        return options[LETTERS.index(given)] if given is not None and options else None

    @property
    def made_up(self) -> bool:
        """Whether all agents are simulated."""
        return all(isinstance(spec, SimulatedAgent) for spec in self.policy.agents)


def question_of(
    text: str, options: Sequence[str] = (), *, number: bool = False, subject: str | None, question_id: str | None
) -> QuestionAsked:
    """
    Build a question asked now; unless given, its id is derived from the content.

    Raises:
        UsageError: The fields form no valid question.
    """
    fields: dict[str, Any] = {
        "text": text,
        "options": tuple(options),
        "answer_type": "number" if number else "choice",
        "subject": subject,
    }
    if question_id is None:
        question_id = f"ask-{content_id(canonical_json(fields))[:ID_DIGITS]}"
    try:
        question = build(QUESTIONS, {**fields, "question_id": question_id}, wall_clock_ms())
    except InvalidRecord as error:
        raise UsageError(str(error)) from error
    if not isinstance(question, QuestionAsked):
        raise InvariantError(f"{QUESTIONS} holds a {question.kind}")
    return question


def ask(work: Workspace, question: QuestionAsked, reporter: Reporter = SILENT) -> Answered:
    """
    Ask a question and wait for its decision; a question that was asked before is not asked again.

    Raises:
        UsageError: Its id stands for another question, or there are no agents.
        OperatorError: The log cannot be written, or an agent cannot be made.
    """
    return asyncio.run(_ask(work, question, reporter))


async def _ask(work: Workspace, question: QuestionAsked, reporter: Reporter) -> Answered:
    activity = CallProgress()
    session = await open_session(work, reporter=reporter, counted=Counted(activity), look_first=True)
    finished = False
    try:
        with reporter.watched("asking", None, activity, live=session.live):
            known = await session.submit(question)
            decision = await session.decision(question.question_id)
            finished = True
            # What earlier sessions left open in a file is decided too.
            await session.close(finish=True)
    finally:
        if not finished:
            await session.close()
    return Answered(question, decision, session.policy, known, failures_of(work, decision))


def failures_of(work: Workspace, decision: DecisionMade) -> dict[str, str]:
    """Map each excluded analysis that failed to the error of its last attempt; an excluded reply has no entry."""
    if not any(seat.analysis_id for seat in decision.excluded):
        return {}
    with work.open_reader(about=decision.question_id) as reader:
        return _failures(reader, decision)


def _failures(reader: LogReader, decision: DecisionMade) -> dict[str, str]:
    left_out = {seat.analysis_id for seat in decision.excluded}
    found: dict[str, str] = {}
    for record in reader.about(decision.question_id):
        if record.topic == ANALYSES:
            event = read_event(record)
            if isinstance(event, AnalysisPublished) and event.event_id in left_out and event.status == "failed":
                last = event.attempts[-1]
                found[event.event_id] = last.error or last.outcome
    return found
