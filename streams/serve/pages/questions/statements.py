"""Feedback on one question as its page lists it."""

from typing import Literal, NamedTuple

from streams.audit.explain.explanation import Explanation, LessonSeen
from streams.audit.explain.words import lesson_named
from streams.processors.lesson import plain_answer


class FeedbackShown(NamedTuple):
    """What somebody said of a decision."""

    event_id: str
    said: str
    at: str
    state: Literal["stands", "taken back", "said before", "set aside"]
    """Only one that `stands` can be taken back: of each source and author there is one at most."""


def statements(told: Explanation) -> list[FeedbackShown]:
    """List the feedback on a question, in log order, each with what became of it."""
    found: dict[str, FeedbackShown] = {}
    standing: dict[tuple[str, str | None], LessonSeen] = {}
    for lesson in told["lessons"]:
        if lesson["cause"] == "feedback":
            who = (lesson["source"], lesson["author"])
            earlier = standing.setdefault(who, lesson)
            found[lesson["event_id"]] = FeedbackShown(
                lesson["event_id"], ": ".join(lesson_named(lesson)), lesson["at"], _state(lesson, earlier)
            )
        elif lesson["cause"] == "retraction":
            standing = {who: one for who, one in standing.items() if one["event_id"] != lesson["retracts"]}
            taken = found.get(lesson["retracts"] or "")
            if taken is not None and taken.state == "stands":
                found[taken.event_id] = taken._replace(state="taken back")
    return list(found.values())


def _state(lesson: LessonSeen, earlier: LessonSeen) -> Literal["stands", "said before", "set aside"]:
    """Compare a feedback with the one of its source and author that stands, as `learn` does."""
    if earlier is lesson:
        # An answer that the question cannot have is set aside, and stands until it is taken back.
        return "stands"
    return "said before" if _content(earlier) == _content(lesson) else "set aside"


def _content(lesson: LessonSeen) -> tuple[str | None, str | None]:
    return None if lesson["answer"] is None else plain_answer(lesson["answer"]), lesson["verdict"]
