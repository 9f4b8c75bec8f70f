"""Retraction of one feedback, checked against the log."""

from collections.abc import Iterable
from typing import NamedTuple

from schemas.event import Event
from schemas.feedback import FeedbackGiven, FeedbackRetracted
from schemas.quantities import instant_of_ms
from streams.app.feedback_ids import standing_id
from streams.audit.entry_lookup import event_id_of
from streams.audit.event_ids import LEAST_DIGITS, find_event, may_be_id
from streams.errors import NoFeedbackError, UsageError
from streams.log import Clock, LogReader, read_event
from streams.topology import FEEDBACK, QUESTIONS

MOST_NAMED = 3
"""Ids of feedback that an error names; a question may have a thousand."""


class Retraction(NamedTuple):
    """A retraction, and whether the log holds it."""

    event: FeedbackRetracted
    known: bool
    """Whether the feedback was taken back before, by this event; it needs no second one."""


def retraction_of(view: LogReader, question_id: str, feedback_id: str, clock: Clock) -> Retraction:
    """
    Build the retraction of a feedback that the log holds, or find the one that took it back already.

    A line of a feedback file may come before what it takes back (`read_feedback`); here a mistake is told at once,
    since no dead letter would reach who made it.

    Args:
        view: A view with all feedback on the question, and the question.
        question_id: Id of the question.
        feedback_id: Event id of the feedback, or at least its first 12 digits; that of a repeated statement stands for
            the first one.
        clock: Gives the time of the retraction.

    Raises:
        NoFeedbackError: The log holds no such question, nothing was said of it, or not this, or it never counted.
        UsageError: This is no id of an event, or the beginning of several.
    """
    if not may_be_id(feedback_id):
        raise UsageError(
            f"feedback_id {feedback_id!r} is no event id", remedy=f"Give its {LEAST_DIGITS} first digits or all 64"
        )
    about = view.about(question_id)
    given = [record for record in about if record.topic == FEEDBACK]
    counted = _counted(map(read_event, given))
    found = find_event(given, feedback_id, among=f"the feedback on {question_id!r}")
    if found is None:
        raise _nothing(question_id, feedback_id, counted, asked=any(record.topic == QUESTIONS for record in about))
    stands_for = standing_id(given, event_id_of(found.value))
    if stands_for not in counted:
        raise NoFeedbackError(
            f"the feedback {feedback_id} on {question_id!r} never counted, because its author had said something else",
            remedy=_choice(counted),
            key=question_id,
        )
    earlier = counted[stands_for]
    if earlier is not None:
        return Retraction(earlier, known=True)
    now = instant_of_ms(clock())
    return Retraction(FeedbackRetracted(question_id=question_id, feedback_id=stands_for, occurred_at=now), known=False)


def _counted(feedback: Iterable[Event]) -> dict[str, FeedbackRetracted | None]:
    """List the feedback that counts or did, by id, with the retraction that ended it; as `learn` sees it."""
    counted: dict[str, FeedbackRetracted | None] = {}
    standing: dict[tuple[str, str | None], str] = {}
    for event in feedback:
        if isinstance(event, FeedbackGiven) and event.event_id not in counted:
            if standing.setdefault((event.source, event.author), event.event_id) == event.event_id:
                counted[event.event_id] = None
        elif isinstance(event, FeedbackRetracted) and counted.get(event.feedback_id, event) is None:
            counted[event.feedback_id] = event
            standing = {who: given for who, given in standing.items() if given != event.feedback_id}
    return counted


def _nothing(
    question_id: str, feedback_id: str, counted: dict[str, FeedbackRetracted | None], *, asked: bool
) -> NoFeedbackError:
    """Say what is missing."""
    if counted:
        message = f"no feedback on {question_id!r} has the id {feedback_id}"
    elif asked:
        message = f"nothing was said of question {question_id!r}"
    else:
        message = f"the log holds no question {question_id!r}"
    return NoFeedbackError(message, remedy=_choice(counted), key=question_id)


def _choice(counted: dict[str, FeedbackRetracted | None]) -> str:
    """Advise an id that can be taken back."""
    ids = [feedback_id for feedback_id, ended in counted.items() if ended is None]
    if not ids:
        return "There is nothing to take back; check the id of the question"
    more = f" and {len(ids) - MOST_NAMED:,} more" if len(ids) > MOST_NAMED else ""
    return f"What stands: {', '.join(ids[:MOST_NAMED])}{more}"
