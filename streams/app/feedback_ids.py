"""Feedback to take back, named by any id shown."""

from collections.abc import Iterable
from typing import Any

from schemas.feedback import FeedbackGiven, FeedbackRetracted
from schemas.registry import InvalidRecord
from streams.audit.entry_lookup import event_id_of
from streams.audit.event_ids import find_event, may_be_id
from streams.errors import UsageError
from streams.log import LogReader, Record, read_event
from streams.processors.lesson import statement_of
from streams.topology import FEEDBACK

_WHOLE = 64


def with_whole_id(fields: dict[str, Any], view: LogReader) -> dict[str, Any]:
    """
    Replace the first digits of the feedback that a line takes back, as `orch explain` shows them, by the whole id; and
    the id of a repeated statement by that of the first one.

    Args:
        fields: Those of a line of a feedback file.
        view: The log that holds the feedback. A whole id need not be there yet.

    Raises:
        InvalidRecord: No feedback on the question has such an id, or several have.
    """
    digits, question_id = fields.get("feedback_id"), fields.get("question_id")
    if not (isinstance(digits, str) and may_be_id(digits) and isinstance(question_id, str)):
        return fields
    given = [record for record in view.about(question_id) if record.topic == FEEDBACK]
    if len(digits) == _WHOLE:
        return _naming(fields, standing_id(given, digits))
    try:
        found = find_event(given, digits, among=f"the feedback on {question_id!r}")
    except UsageError as error:
        raise InvalidRecord(f"feedback_id: {error}") from error
    if found is None:
        raise InvalidRecord(
            f"feedback_id: no feedback on {question_id!r} has an id that begins with {digits};"
            " `orch explain` shows what there is, and a whole id may come before its feedback"
        )
    return _naming(fields, standing_id(given, event_id_of(found.value)))


def _naming(fields: dict[str, Any], feedback_id: str) -> dict[str, Any]:
    """Let a line name this feedback; an id of its own that it states is of the line as it was."""
    if fields["feedback_id"] == feedback_id:
        return fields
    return {name: value for name, value in fields.items() if name != "event_id"} | {"feedback_id": feedback_id}


def standing_id(feedback: Iterable[Record], event_id: str) -> str:
    """
    Give the id of the feedback that stands for another one.

    The same statement of one source and author counts once, and only the first one's retraction takes it back.

    Args:
        feedback: All feedback on one question, in log order.
        event_id: Id of one of them, or of none.
    """
    standing: dict[tuple[str, str | None], FeedbackGiven] = {}
    for event in map(read_event, feedback):
        if isinstance(event, FeedbackRetracted):
            standing = {who: one for who, one in standing.items() if one.event_id != event.feedback_id}
        elif isinstance(event, FeedbackGiven):
            first = standing.setdefault((event.source, event.author), event)
            if event.event_id == event_id:
                return first.event_id if statement_of(first) == statement_of(event) else event_id
    return event_id
