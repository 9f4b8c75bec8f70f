"""Feedback to take back, named by digits of its id."""

from typing import Any

from schemas.registry import InvalidRecord
from streams.audit.entry_lookup import event_id_of
from streams.audit.event_ids import find_event, may_be_id
from streams.errors import UsageError
from streams.log import LogReader
from streams.topology import FEEDBACK

_WHOLE = 64


def with_whole_id(fields: dict[str, Any], view: LogReader) -> dict[str, Any]:
    """
    Replace the first digits of the feedback that a line takes back, as `orch explain` shows them, by the whole id.

    Args:
        fields: Those of a line of a feedback file.
        view: The log that holds the feedback. A whole id need not be there yet.

    Raises:
        InvalidRecord: No feedback on the question has such an id, or several have.
    """
    digits, question_id = fields.get("feedback_id"), fields.get("question_id")
    if not (isinstance(digits, str) and may_be_id(digits) and len(digits) < _WHOLE and isinstance(question_id, str)):
        return fields
    given = [record for record in view.about(question_id) if record.topic == FEEDBACK]
    try:
        found = find_event(given, digits, among=f"the feedback on {question_id!r}")
    except UsageError as error:
        raise InvalidRecord(f"feedback_id: {error}") from error
    if found is None:
        raise InvalidRecord(
            f"feedback_id: no feedback on {question_id!r} has an id that begins with {digits};"
            " `orch explain` shows what there is, and a whole id may come before its feedback"
        )
    return {**fields, "feedback_id": event_id_of(found.value)}
