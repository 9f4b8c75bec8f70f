"""One question asked of the panel, with its decision's reasons."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.agents import SimulatedAgent
from schemas.analyses import AnalysisPublished
from schemas.canonical import canonical_json, content_id
from schemas.decisions import DecisionMade
from schemas.policies import PolicyAdopted
from schemas.quantities import instant_of_ms
from schemas.questions import LETTERS, QuestionAsked
from schemas.registry import InvalidRecord, build
from streams.agents.calls.progress import CallProgress
from streams.app.reporter import SILENT, Reporter
from streams.app.require_kafka import connection_of
from streams.app.setup import answer, hire, keep
from streams.app.workspace import Workspace
from streams.errors import InvariantError, UsageError
from streams.log import Appender, LogReader, read_event, wall_clock_ms
from streams.topology import ANALYSES, DECISIONS, QUESTIONS

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
    setup = hire(work.config, (), instant_of_ms(wall_clock_ms()))
    if not work.log_exists:
        # Errors in the settings are raised before the log's file is created.
        keep(setup, None, work.config)
    with work.open_writer() as log:
        with work.open_reader(about=question.question_id) as view:
            known = _find(view, QUESTIONS, question.question_id)
        if isinstance(known, QuestionAsked) and known.statement_id != question.statement_id:
            raise UsageError(f"--id {question.question_id!r} stands for another question", remedy="Choose another id")
        folding = log.folding()
        if folding is None:
            policy = _await_on_kafka(work, log, question, reporter)
        else:
            setup = keep(setup, log.policy, work.config)
            policy, activity = setup.policy, CallProgress()
            live = not all(agent.virtual for agent in setup.agents.values())
            with reporter.watched("asking", None, activity, live=live):
                answer(folding, setup, () if known else (question,), run=work.config.run, activity=activity)
    with work.open_reader(about=question.question_id) as reader:
        decision = _find(reader, DECISIONS, question.question_id)
        if not isinstance(decision, DecisionMade):
            raise InvariantError(f"question {question.question_id!r} has no decision after all questions were decided")
        return Answered(question, decision, policy, known is not None, _failures(reader, decision))


def _await_on_kafka(work: Workspace, log: Appender, question: QuestionAsked, reporter: Reporter) -> PolicyAdopted:
    """Publish the question, and wait for the workers' decision; a question published again keeps its first decision."""
    from streams.runtimes.kafka.reading.tail import decision_of

    policy = log.policy
    if policy is None:
        raise UsageError(f"{work.log_url} holds no policy", remedy="`orch policy adopt` writes the configured one")

    def publish() -> None:
        log.append(question)
        log.commit()

    def tell() -> None:
        reporter.say("No decision yet. Are workers running? `orch worker all` runs all stages.")

    decision_of(connection_of(work, "ask"), question.question_id, publish, tell)
    return policy


def _find(reader: LogReader, topic: str, question_id: str) -> QuestionAsked | DecisionMade | None:
    """Find the first record about a question in one topic; later ones do not count."""
    for record in reader.about(question_id):
        if record.topic == topic:
            event = read_event(record)
            return event if isinstance(event, QuestionAsked | DecisionMade) else None
    return None


def _failures(reader: LogReader, decision: DecisionMade) -> dict[str, str]:
    """Map each excluded analysis that failed to the error of its last attempt; an excluded reply has no entry."""
    left_out = {seat.analysis_id for seat in decision.excluded}
    found: dict[str, str] = {}
    for record in reader.about(decision.question_id) if any(left_out) else ():
        if record.topic == ANALYSES:
            event = read_event(record)
            if isinstance(event, AnalysisPublished) and event.event_id in left_out and event.status == "failed":
                last = event.attempts[-1]
                found[event.event_id] = last.error or last.outcome
    return found
