"""Feedback on decisions, and its retraction."""

from typing import Annotated, ClassVar, Literal

from pydantic import StringConstraints, model_validator

from schemas.event import Event
from schemas.policies import FeedbackSource
from schemas.quantities import EventId, GivenInstant, Name


class FeedbackGiven(Event):
    """The right answer to a question, or a verdict on the decision; one from each source and author counts."""

    topic: ClassVar[str] = "orch.feedback"

    kind: Literal["feedback.given.v1"] = "feedback.given.v1"
    occurred_at: GivenInstant
    question_id: Name
    source: FeedbackSource
    author: Name | None = None
    """Author, where several people or systems of one source give feedback."""
    answer: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    """The right answer: it judges every analyst who gave an analysis."""
    verdict: Literal["right", "wrong"] | None = None
    """Whether the decision was right: it judges the agents whose answer was decided."""

    @model_validator(mode="after")
    def _one_statement(self) -> "FeedbackGiven":
        if (self.answer is None) == (self.verdict is None):
            raise ValueError("give either answer (the right one) or verdict (on the decision), and not both")
        return self

    @property
    def key(self) -> str:
        return self.question_id


class FeedbackRetracted(Event):
    """A feedback was a mistake: its effect on the averages is corrected, its records stay."""

    topic: ClassVar[str] = "orch.feedback"

    kind: Literal["feedback.retracted.v1"] = "feedback.retracted.v1"
    occurred_at: GivenInstant
    question_id: Name
    feedback_id: EventId
    """Event id of the feedback that is taken back."""

    @property
    def key(self) -> str:
        return self.question_id
