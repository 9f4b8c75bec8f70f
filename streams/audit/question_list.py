"""Questions of a log, each with its state."""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, TypedDict

from schemas.decisions import DecisionMade
from schemas.feedback import FeedbackGiven, FeedbackRetracted
from schemas.questions import LETTERS, QuestionAsked
from streams.log import LogReader, Record, read_event
from streams.processors.lesson import lesson_of
from streams.topology import DECISIONS, FEEDBACK, QUESTIONS

State = Literal["open", "decided", "undecided"]
Trait = Literal["open", "undecided", "disagreed", "wrong"]


class ListedQuestion(TypedDict):
    """A question and what became of it."""

    question_id: str
    subject: str | None
    text: str
    state: State
    answer: str | None
    """An option's letter or a canonical number."""
    answer_text: str | None
    """Text of the option."""
    agreeing: int | None
    counted: int | None
    """Ballots that agree with the decision, and all; None while the question is open."""
    correct: bool | None
    """By feedback that stands: gold before others, a right answer before a verdict; None where none says."""
    policy_id: str | None
    cost_nusd: int | None
    asked_at: str
    decided_at: str | None


class Listed(NamedTuple):
    """A line, and what a list is chosen by."""

    line: ListedQuestion
    timestamp_ms: int
    """When the question came into the log."""

    def has(self, trait: Trait) -> bool:
        """Whether the question is open, stayed undecided, was decided against some ballot, or wrongly."""
        line = self.line
        if trait == "disagreed":
            return line["agreeing"] != line["counted"] and line["state"] == "decided"
        return line["correct"] is False if trait == "wrong" else line["state"] == trait


def listed_questions(reader: LogReader) -> Iterator[Listed]:
    """Iterate the questions of a log, in constant memory; of several questions with one id the first counts."""
    for _, records in reader.by_correlation((QUESTIONS, DECISIONS, FEEDBACK)):
        asked = next((record for record in records if record.topic == QUESTIONS), None)
        question = None if asked is None else read_event(asked)
        if asked is not None and isinstance(question, QuestionAsked):
            yield Listed(_line(question, records), asked.timestamp_ms)


def _line(question: QuestionAsked, records: Sequence[Record]) -> ListedQuestion:
    events = [read_event(record) for record in records if record.topic != QUESTIONS]
    decision = next((event for event in events if isinstance(event, DecisionMade)), None)
    options = dict(zip(LETTERS, question.options, strict=False))
    line = ListedQuestion(
        question_id=question.question_id,
        subject=question.subject,
        text=question.text,
        state="open",
        answer=None,
        answer_text=None,
        agreeing=None,
        counted=None,
        correct=None,
        policy_id=None,
        cost_nusd=None,
        asked_at=question.occurred_at,
        decided_at=None,
    )
    if decision is not None:
        line["state"], line["answer"] = decision.status, decision.answer
        line["answer_text"] = options.get(decision.answer or "")
        line["agreeing"], line["counted"] = decision.agreement.agreeing, decision.agreement.counted
        line["policy_id"], line["cost_nusd"] = decision.policy_id, decision.cost_nusd
        line["decided_at"] = decision.occurred_at
        line["correct"] = _correct(decision, _standing([event for event in events if event is not decision]))
    return line


def _standing(events: Sequence[object]) -> list[FeedbackGiven]:
    """Give the feedback that counts, gold first: the first of each source and author that was not retracted."""
    standing: dict[tuple[str, str | None], FeedbackGiven] = {}
    for event in events:
        if isinstance(event, FeedbackRetracted):
            standing = {who: given for who, given in standing.items() if given.event_id != event.feedback_id}
        elif isinstance(event, FeedbackGiven):
            standing.setdefault((event.source, event.author), event)
    return sorted(standing.values(), key=lambda given: (given.source != "gold", given.answer is None))


def _correct(decision: DecisionMade, standing: Sequence[FeedbackGiven]) -> bool | None:
    lesson = lesson_of(decision)
    for given in standing:
        if given.answer is not None:
            right = lesson.right_answer(given.answer)
            if right is not None:
                return decision.answer == right
        elif decision.answer is not None:
            return given.verdict == "right"
    return None
