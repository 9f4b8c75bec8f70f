"""Right answers that feedback tells."""

from collections.abc import Iterable

from schemas.decisions import DecisionMade
from schemas.event import Event
from schemas.feedback import FeedbackGiven, FeedbackRetracted
from schemas.policies import FeedbackSource
from streams.audit.whatif.outcome import RightAnswer
from streams.processors.lesson import lesson_of

GRADING: tuple[FeedbackSource, ...] = ("gold", "human", "downstream")
"""Sources that grade, the first one that says anything; a judge and agreement are answers of models themselves."""


def known_of(decision: DecisionMade, events: Iterable[Event]) -> RightAnswer:
    """
    Tell what standing feedback says of the right answer to a question.

    The verdict "right" says that the decided answer is the right one, "wrong" only that it is not.

    Args:
        events: The question's feedback, in log order.
    """
    given: dict[str, FeedbackGiven] = {}
    for event in events:
        if isinstance(event, FeedbackGiven):
            given.setdefault(event.event_id, event)
        elif isinstance(event, FeedbackRetracted):
            given.pop(event.feedback_id, None)
    lesson, wrong = lesson_of(decision), []
    for source in GRADING:
        for feedback in given.values():
            if feedback.source != source:
                continue
            right = decision.answer if feedback.verdict == "right" else None
            if feedback.answer is not None:
                right = lesson.right_answer(feedback.answer)
            if right is not None:
                return RightAnswer(right)
            if feedback.verdict == "wrong" and decision.answer is not None:
                wrong.append(decision.answer)
    return RightAnswer(None, tuple(wrong))
