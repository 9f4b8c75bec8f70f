"""Feedback files: line format, and validation against the question."""

import io
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from schemas.canonical import NumberText, refuse_numbers
from schemas.feedback import FeedbackGiven, FeedbackRetracted
from schemas.questions import QuestionAsked
from schemas.registry import InvalidRecord, build
from streams.app.feedback_ids import with_whole_id
from streams.app.question_file import normal_gold
from streams.errors import InvariantError, UsageError
from streams.jsonlines import LineProblem, Source, read_objects, source_name
from streams.log import Clock, LogReader, read_event
from streams.topology import FEEDBACK, QUESTIONS

Feedback = FeedbackGiven | FeedbackRetracted


class FeedbackLine(NamedTuple):
    """One good line of a feedback file."""

    number: int
    event: Feedback
    awaited: bool
    """Whether it is about a question the log does not hold yet."""


def read_feedback(source: Source, problems: list[LineProblem], view: LogReader, clock: Clock) -> Iterator[FeedbackLine]:
    """
    Read feedback one line at a time; `read_objects` says which forms of files are read.

    A line holds the fields of `feedback.given.v1` or, with that kind, of `feedback.retracted.v1`; a line without a time
    takes the clock's. A right answer may be an option's letter or its text. An answer that the question does not offer
    becomes a problem, because every agent would be judged wrong. Feedback on a question that the log does not hold is
    accepted as it is: feedback may come first.

    Raises:
        UsageError: The file cannot be read to its end.
    """
    name = source_name(source)
    for number, fields in read_objects(source, problems, numbers_as_text=True):
        try:
            fields = _with_text(fields)
            question = _question(view, fields.get("question_id"))
            event = _event(with_whole_id(fields, view), question, clock)
        except InvalidRecord as error:
            problems.append(LineProblem(name, number, str(error)))
        else:
            yield FeedbackLine(number, event, question is None)


def feedback_of(fields: dict[str, Any], view: LogReader, clock: Clock) -> FeedbackGiven:
    """
    Build one feedback from the fields of a line; `retraction_of` builds what takes it back.

    Raises:
        UsageError: They form none, or the question does not offer the answer.
    """
    problems: list[LineProblem] = []
    source = io.BytesIO(json.dumps(fields).encode())
    for line in read_feedback(source, problems, view, clock):
        if isinstance(line.event, FeedbackGiven):
            return line.event
        raise InvariantError(f"feedback became a {line.event.kind}")
    raise UsageError(f"feedback on {fields.get('question_id')!r}: {problems[0].reason}")


def _with_text(fields: dict[str, Any]) -> dict[str, Any]:
    """Write a right answer that is given as a number as text; a number elsewhere that no event holds is refused."""
    answer = fields.get("answer")
    if isinstance(answer, NumberText) or type(answer) is int:
        fields = {**fields, "answer": str(answer)}
    try:
        refuse_numbers(fields)
    except ValueError as error:
        raise InvalidRecord(str(error)) from error
    return {name: value for name, value in fields.items() if value is not None}


def _event(fields: dict[str, Any], question: QuestionAsked | None, clock: Clock) -> Feedback:
    now = clock()
    event = build(FEEDBACK, fields, now)
    if isinstance(event, FeedbackGiven) and event.answer is not None and question is not None:
        answer = normal_gold(event.answer, question, name="answer")
        if answer != event.answer:
            given = {key: value for key, value in fields.items() if key != "event_id"}
            event = build(FEEDBACK, {**given, "answer": answer}, now)
    if not isinstance(event, FeedbackGiven | FeedbackRetracted):
        raise InvariantError(f"{FEEDBACK} holds a {event.kind}")
    return event


def _question(view: LogReader, question_id: Any) -> QuestionAsked | None:
    """Find the first question of an id; later ones do not count."""
    if isinstance(question_id, str):
        for record in view.about(question_id):
            if record.topic == QUESTIONS:
                event = read_event(record)
                return event if isinstance(event, QuestionAsked) else None
    return None
