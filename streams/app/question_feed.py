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
from streams.app.question_file import QuestionLine, read_questions
from streams.jsonlines import LineProblem, Source, source_name
from streams.log import Clock, LogReader, read_event
from streams.topology import DECISIONS, QUESTIONS

REMEMBERED = 100_000
"""Questions just given that are remembered, about 40 MB: repeats within the file must be noticed before the log is."""

Fate = Literal["new", "known", "conflict", "refused"]


class RecentQuestion(NamedTuple):
    """A question just given, and its line."""

    statement_id: str
    event_id: str
    line: int


def gold_feedback(decision: DecisionMade, gold: str) -> FeedbackGiven:
    """Tell the right answer after a decision; the same event each time, so the log takes it once."""
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
    Gives the questions a log has not been asked yet, and feedback on every decision whose right answer is known.

    Args:
        view: The log as it was before; None where it is too large to look at: then every question counts as new, and
            whoever folds it finds those that are not.
        clock: Time of questions that name none.
        append: Adds an input to the log: feedback on what was decided before.
        golds: Right answers by question id, of the questions that matter.
        teach: Whether right answers become feedback.
        progress: Hears of each question that matters once it is decided, now or before.
    """

    view: LogReader | None
    clock: Clock
    append: Callable[[Event], object]
    golds: Mapping[str, str | None] = field(default_factory=dict)
    teach: bool = False
    progress: Callable[[int], None] = lambda steps: None
    problems: list[LineProblem] = field(default_factory=list)
    """Lines that are no questions, and questions whose id stands for another one."""
    known: int = 0
    """Lines whose question was asked before."""
    with_gold: int = 0
    """Lines that hold a right answer."""
    foreign: set[str] = field(default_factory=set)
    """Ids that the log held before, for other questions."""
    _file: str = ""
    _recent: OrderedDict[str, RecentQuestion] = field(default_factory=OrderedDict)

    def questions(self, source: Source) -> Iterator[QuestionAsked]:
        """Give the questions of a file that are to be asked, and those the log is to refuse."""
        self._file = source_name(source)
        for line in read_questions(source, self.problems, self.clock):
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
        """Compare a question with what the log held under its id; teach what is known of its decision."""
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
        # Refused once, and kept in the dead letters, is enough.
        return "refused" if any(event.statement_id == question.statement_id for event in asked) else "conflict"

    def _teach(self, decision: DecisionMade) -> None:
        for event in self.hear(decision):
            self.append(event)

    def hear(self, event: Event) -> tuple[Event, ...]:
        """Listen to a session: give feedback on a decision, note a question that the log refused."""
        if isinstance(event, DecisionMade):
            if not self.golds or event.question_id in self.golds:
                self.progress(1)
            gold = self.golds.get(event.question_id)
            return (gold_feedback(event, gold),) if self.teach and gold is not None else ()
        if isinstance(event, RecordRejected) and event.source_topic == QUESTIONS and event.record_key is not None:
            # Conflicts found above are reported; this is one with a line so far up that it was forgotten.
            recent = self._recent.get(event.record_key)
            if recent is not None and recent.event_id == event.causes[0]:
                self._report(event.record_key, recent.line)
        return ()

    def _report(self, question_id: str, line: int) -> None:
        reason = f"question_id {question_id!r} already stands for another question; give this one an id of its own"
        self.problems.append(LineProblem(self._file, line, reason))
