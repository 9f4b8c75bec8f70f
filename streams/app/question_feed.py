"""Questions of a file still to ask, and their feedback."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from schemas.decisions import DecisionMade
from schemas.event import Event
from schemas.feedback import FeedbackGiven
from schemas.letters import RecordRejected
from schemas.questions import QuestionAsked
from streams.app.question_file import AS_IT_IS, LineReading, QuestionLine, read_questions
from streams.jsonlines import LineProblem, Source, source_name
from streams.log import Clock, LogReader, read_event
from streams.topology import DECISIONS, QUESTIONS

REMEMBERED = 100_000
"""Recent questions of the file that are remembered, about 40 MB, to find repeats that the log does not show yet."""

Fate = Literal["new", "known", "conflict", "refused"]


class RecentQuestion(NamedTuple):
    """A recent question of the file, and its line."""

    statement_id: str
    event_id: str
    line: int


def gold_feedback(decision: DecisionMade, gold: str) -> FeedbackGiven:
    """Build the feedback with the gold answer of a decision; the same event each time, so the log takes it once."""
    return FeedbackGiven(
        causes=(decision.event_id,),
        occurred_at=decision.occurred_at,
        question_id=decision.question_id,
        source="gold",
        answer=gold,
    )


@dataclass(slots=True)
class QuestionFeed:
    """
    Yields the questions of a file that a log does not hold, and gives feedback on decisions with a known gold answer.

    Args:
        view: Reader of the log; None if reading it costs too much: then every question counts as new, and the stage
            `route` finds repeats.
        clock: Time of questions that state none.
        append: Appends an input to the log: feedback on earlier decisions.
        golds: Gold answers by question id; without any, *progress* counts every question.
        teach: Whether gold answers become feedback.
        progress: Called for each question of *golds* that is decided, now or earlier.
        reading: How names and ids of the file are to be understood.
    """

    view: LogReader | None
    clock: Clock
    append: Callable[[Event], object]
    golds: Mapping[str, str | None] = field(default_factory=dict)
    teach: bool = False
    progress: Callable[[int], None] = lambda steps: None
    reading: LineReading = AS_IT_IS
    problems: list[LineProblem] = field(default_factory=list)
    """Invalid lines, and questions whose id already stands for another question."""
    known: int = 0
    """Lines whose question was asked before."""
    with_gold: int = 0
    """Lines that hold a gold answer."""
    foreign: set[str] = field(default_factory=set)
    """Ids that the log already used for other questions."""
    decided: int = 0
    """Decisions heard: those of this session, whether or not on questions of the file."""
    _file: str = ""
    _recent: OrderedDict[str, RecentQuestion] = field(default_factory=OrderedDict)

    def questions(self, source: Source) -> Iterator[QuestionAsked]:
        """Yield the questions to ask, and those with a conflicting id, which the log refuses."""
        self._file = source_name(source)
        for line in read_questions(source, self.problems, self.clock, self.reading):
            question = line.question
            self.with_gold += line.gold is not None
            fate = self._fate(line)
            if fate == "new":
                self._recent[question.question_id] = RecentQuestion(
                    question.statement_id, question.event_id, line.number
                )
                if len(self._recent) > REMEMBERED:
                    self._recent.popitem(last=False)
            elif fate == "known":
                self.known += 1
            else:
                self._report(question.question_id, line.number)
            if fate in ("new", "conflict"):
                yield question

    def _fate(self, line: QuestionLine) -> Fate:
        question = line.question
        recent = self._recent.get(question.question_id)
        if recent is not None:
            return "known" if recent.statement_id == question.statement_id else "conflict"
        return self._fate_by_log(line, self.view) if self.view is not None and self.view.end else "new"

    def _fate_by_log(self, line: QuestionLine, view: LogReader) -> Fate:
        """Compare a question with the log's question of its id; if that is decided, give feedback on the decision."""
        question = line.question
        asked: list[QuestionAsked] = []
        decision: DecisionMade | None = None
        for record in view.about(question.question_id):
            if record.topic in (QUESTIONS, DECISIONS):
                event = read_event(record)
                if isinstance(event, QuestionAsked):
                    asked.append(event)
                elif isinstance(event, DecisionMade):
                    decision = event
        if not asked:
            return "new"
        if asked[0].statement_id == question.statement_id:
            if decision is not None:
                self._teach(decision)
            return "known"
        self.foreign.add(question.question_id)
        # One dead letter for a conflicting question is enough.
        return "refused" if any(event.statement_id == question.statement_id for event in asked) else "conflict"

    def _teach(self, decision: DecisionMade) -> None:
        for event in self._lessons(decision):
            self.append(event)

    def hear(self, event: Event) -> tuple[Event, ...]:
        """Handle an event of a session: give feedback on a decision, report a question that the log refused."""
        if isinstance(event, DecisionMade):
            self.decided += 1
            return self._lessons(event)
        if isinstance(event, RecordRejected) and event.source_topic == QUESTIONS and event.record_key is not None:
            # `questions` reports other conflicts; this one is with a line so far up that it is no longer remembered.
            recent = self._recent.get(event.record_key)
            if recent is not None and recent.event_id == event.causes[0]:
                self._report(event.record_key, recent.line)
        return ()

    def _lessons(self, decision: DecisionMade) -> tuple[Event, ...]:
        """Give the feedback on a decision, of this session or before."""
        if not self.golds or decision.question_id in self.golds:
            self.progress(1)
        gold = self.golds.get(decision.question_id)
        return (gold_feedback(decision, gold),) if self.teach and gold is not None else ()

    def _report(self, question_id: str, line: int) -> None:
        reason = f"question_id {question_id!r} already stands for another question; give this one an id of its own"
        self.problems.append(LineProblem(self._file, line, reason))
