"""Undecided questions, asked again under new ids."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from schemas.decisions import DecisionMade
from schemas.event import Event
from schemas.feedback import FeedbackGiven
from schemas.quantities import instant_of_ms
from schemas.questions import QuestionAsked
from schemas.registry import InvalidRecord, build
from streams.agents.asked_again import MARK, again_id
from streams.agents.calls.progress import CallProgress
from streams.app.question_feed import gold_feedback
from streams.app.question_session import OnRecord, unknown_question
from streams.app.reporter import SILENT, Reporter
from streams.app.run import AnswerOptions, answer_all
from streams.app.setup import hire, keep
from streams.app.workspace import Workspace
from streams.audit.run_summary import known_answers
from streams.errors import InvariantError, UsageError
from streams.log import Appender, LogReader, read_event, wall_clock_ms
from streams.topology import DECISIONS, FEEDBACK, QUESTIONS

_NO_CAUSES = b'"causes":[]'
"""Member of the canonical JSON of a question that follows from nothing; quotes inside a text are escaped."""
_ONLY_UNDECIDED = "Only undecided questions are asked again; `orch run FILE --again NAME` asks any"
_NUMBERED = re.compile(rf"(.+){MARK}([1-9][0-9]*)")


@dataclass(slots=True)
class Retrial:
    """Result of asking undecided questions again."""

    asked: dict[str, str] = field(default_factory=dict)
    """New id of each question, by the id that stayed undecided."""
    with_gold: int = 0
    """Questions whose right answer went along."""
    decided: int | None = None
    """How many were decided; None on Kafka, where the workers answer."""
    undecided: list[str] = field(default_factory=list)
    """New ids of those that stayed undecided once more."""

    def as_json(self) -> dict[str, Any]:
        """Give the contract of `orch retry --format json`."""
        return {
            "asked": self.asked,
            "with_gold": self.with_gold,
            "decided": self.decided,
            "undecided": None if self.decided is None else len(self.undecided),
            "undecided_ids": self.undecided,
        }


def ask_again(
    work: Workspace, ids: Sequence[str] = (), *, outputs: Sequence[str] = (), reporter: Reporter = SILENT
) -> Retrial:
    """
    Ask undecided questions again: the same text under a new id, `q1~2` for `q1`, caused by the decision `undecided`.

    A question has one decision for ever, so its own id stays undecided. A right answer that gold feedback gave becomes
    feedback on the new question. On a file the agents answer at once; on Kafka the workers do.

    Args:
        work: Workspace of the log.
        ids: Questions to ask; empty: all whose last attempt is undecided.
        outputs: Files of recorded outputs, instead of the configured agents.
        reporter: Told of the progress.

    Raises:
        UsageError: One of *ids* is unknown, open or decided; or there are no agents.
        OperatorError: The log cannot be written, or an agent cannot be made.
    """
    with work.open_reader() as reader:
        attempts = _Attempts(reader)
        undecided = _chosen(reader, attempts, ids)
        if not undecided:
            return Retrial()
        golds = known_answers(reader)
        questions = dict(_again(reader, attempts, undecided))
    found = Retrial({old: question.question_id for old, question in questions.items()})
    right = {question.question_id: gold for old, question in questions.items() if (gold := golds.get(old)) is not None}
    found.with_gold = len(right)
    # On Kafka the workers have the agents; this machine may have none of their keys.
    setup = None if work.log.scheme == "kafka" else hire(work.config, outputs, instant_of_ms(wall_clock_ms()))
    with work.open_writer((QUESTIONS, FEEDBACK)) as log:
        if log.folding() is None:
            _publish(log, questions.values(), right)
            return found
        setup, activity, found.decided = keep(setup, log.policy, work.config), CallProgress(), 0
        ours = set(found.asked.values())
        live = not all(agent.virtual for agent in setup.agents.values())
        with (
            work.open_reader() as view,
            reporter.watched("deciding", len(ours), activity, live=live) as advance,
        ):

            def hear(event: Event) -> tuple[Event, ...]:
                if not isinstance(event, DecisionMade) or event.question_id not in ours:
                    return ()
                advance(1)
                found.decided = (found.decided or 0) + (event.status == "decided")
                if event.status != "decided":
                    found.undecided.append(event.question_id)
                gold = right.get(event.question_id)
                return () if gold is None else (gold_feedback(event, gold),)

            options = AnswerOptions(work.config.run, tuple(outputs), hear, activity)
            answer_all(work, log, view, setup, questions.values(), options)
    return found


def again_of(reader: LogReader, question_id: str) -> "tuple[QuestionAsked, FeedbackGiven | None]":
    """
    Build the question that asks an undecided one again, and the feedback with its right answer if gold told that.

    Unlike `ask_again` this reads what the log holds about the question alone, so it takes the same time in any log.

    Raises:
        UsageError: The question is unknown, open or decided, or has been asked again already.
    """
    records = reader.about(question_id)
    known = OnRecord.of(records)
    if known.question is None:
        raise unknown_question(question_id)
    if known.decision is None or known.decision.status != "undecided":
        state = "has no decision yet" if known.decision is None else "is decided"
        raise UsageError(f"question {question_id!r} {state}", remedy=_ONLY_UNDECIDED)
    numbered = _NUMBERED.fullmatch(question_id) if known.question.causes else None
    first, tried = (question_id, 1) if numbered is None else (numbered[1], int(numbered[2]))
    if reader.about(again_id(first, str(tried + 1))):
        raise UsageError(
            f"question {question_id!r} was asked again already, as {again_id(first, str(tried + 1))!r}",
            remedy="Ask that one again if it is undecided, too",
        )
    question = _asked_after(known.question, known.decision, again_id(first, str(tried + 1)))
    given = [event for event in map(read_event, records) if isinstance(event, FeedbackGiven) and event.source == "gold"]
    if not given or given[-1].answer is None:
        return question, None
    at, answer = question.occurred_at, given[-1].answer
    return question, FeedbackGiven(occurred_at=at, question_id=question.question_id, source="gold", answer=answer)


def _publish(log: Appender, questions: Any, right: Mapping[str, str]) -> None:
    """Append the questions, and their right answers as feedback that comes first."""
    for question in questions:
        log.append(question)
        gold = right.get(question.question_id)
        if gold is not None:
            at = question.occurred_at
            log.append(FeedbackGiven(occurred_at=at, question_id=question.question_id, source="gold", answer=gold))
    log.commit()


class _Attempts:
    """The questions of a log, and which of them ask another one again."""

    def __init__(self, reader: LogReader) -> None:
        self.known: set[str] = set()
        self.last: dict[str, str] = {}
        """Last attempt of each question, by the id that it was first asked under."""
        self._first: dict[str, str] = {}
        for record in reader.records((QUESTIONS,)):
            self.known.add(record.key)
            numbered = _NUMBERED.fullmatch(record.key)
            # A producer's own id may look so too; only a question asked again names a decision among its causes.
            again = numbered is not None and _NO_CAUSES not in record.value
            first = numbered[1] if numbered is not None and again else record.key
            self._first[record.key] = first
            self.last[first] = record.key

    def first(self, question_id: str) -> str:
        """Give the id that a question was first asked under."""
        return self._first[question_id]

    def next(self, question_id: str) -> str:
        """Give the next free id for another attempt."""
        first = self.first(question_id)
        return next(free for n in count(2) if (free := again_id(first, str(n))) not in self.known)


def _chosen(reader: LogReader, attempts: _Attempts, ids: Sequence[str]) -> dict[str, DecisionMade]:
    """Find the undecided last attempts to ask again, in log order."""
    last = set(attempts.last.values())
    undecided: dict[str, DecisionMade] = {}
    decided: set[str] = set()
    for record in reader.records((DECISIONS,)):
        if record.key in decided or record.key not in last:
            continue
        decided.add(record.key)
        decision = read_event(record)
        if isinstance(decision, DecisionMade) and decision.status == "undecided":
            undecided[record.key] = decision
    if not ids:
        return undecided
    chosen: dict[str, DecisionMade] = {}
    for question_id in ids:
        if question_id not in attempts.known:
            raise UsageError(
                f"no question {question_id!r} in this log", remedy="`orch consume questions` lists those that there are"
            )
        key = attempts.last[attempts.first(question_id)]
        if key not in undecided:
            state = "is decided" if key in decided else "has no decision yet"
            which = "" if key == question_id else f" (asked again as {key!r})"
            raise UsageError(f"question {question_id!r}{which} {state}", remedy=_ONLY_UNDECIDED)
        chosen[key] = undecided[key]
    return chosen


def _again(
    reader: LogReader, attempts: _Attempts, undecided: Mapping[str, DecisionMade]
) -> Iterator[tuple[str, QuestionAsked]]:
    """Build the question that asks each of them again, now."""
    for question_id, decision in undecided.items():
        asked = next(read_event(r) for r in reader.about(question_id) if r.topic == QUESTIONS)
        yield question_id, _asked_after(asked, decision, attempts.next(question_id))


def _asked_after(asked: Event, decision: DecisionMade, new_id: str) -> QuestionAsked:
    given = asked.model_dump(mode="json", exclude={"event_id", "occurred_at", "causes", "question_id"})
    fields = {**given, "question_id": new_id, "causes": [decision.event_id]}
    try:
        question = build(QUESTIONS, fields, wall_clock_ms())
    except InvalidRecord as error:
        raise UsageError(f"question {decision.question_id!r} cannot be asked again: {error}") from error
    if not isinstance(question, QuestionAsked):
        raise InvariantError(f"{QUESTIONS} holds a {question.kind}")
    return question
