"""Lessons: what a known answer teaches the merge rule `odds`."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints, model_validator

from schemas.event import Event, Fact
from schemas.odds import GROUNDS, MOST_SEATS, Grounds, QuestionKind, Shape
from schemas.policies import FeedbackSource
from schemas.quantities import AgentName, EventId, Name, Ppb
from schemas.questions import LETTERS
from schemas.rules import TuneRules

GivenAnswer = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class TaughtAnswer(Fact):
    """One agent's answer, with what it rests on."""

    agent: AgentName
    answer: GivenAnswer | None
    """None: the agent gave an analysis from which no answer could be read."""
    grounds: Grounds | None
    """None where the answer is."""
    uses: bool | None
    repeats: Annotated[int, Field(ge=0, le=3)] | None


class LessonGiven(Event):
    """What one feedback, or the agreement of the agents, teaches about the answers to one question."""

    topic: ClassVar[str] = "orch.lessons"

    kind: Literal["lesson.given.v1"] = "lesson.given.v1"
    scope: Name
    """Whose weights learn from it: the name of the policy."""
    question_id: Name
    source: FeedbackSource
    right: GivenAnswer | None
    """The right answer."""
    wrong: GivenAnswer | None
    """An answer known to be wrong; with neither, the agents' agreement teaches."""
    weight_ppb: Ppb
    """Share of the step that the source is worth."""
    question_kind: QuestionKind
    negated: bool
    choices: Annotated[int, Field(ge=0, le=len(LETTERS))]
    """Number of options; 0 where the answer is a number."""
    shapes: Annotated[tuple[Shape, ...], Field(max_length=len(LETTERS))] | None
    """As in the panel's facts."""
    answers: Annotated[tuple[TaughtAnswer, ...], Field(max_length=MOST_SEATS)]
    """Of every analyst who gave an analysis."""
    first: AgentName
    """The first agent in the policy's priority list."""
    tune: TuneRules
    """Rules by which `tune` applies it."""
    corrects: EventId | None = None
    """The lesson that this one takes back."""

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "LessonGiven":
        problem = _contradiction(self)
        if problem is not None:
            raise ValueError(problem)
        return self

    @property
    def key(self) -> str:
        return self.scope


def _contradiction(lesson: LessonGiven) -> str | None:
    """Say which fields of a lesson contradict each other; None if they agree."""
    letters = LETTERS[: lesson.choices]
    agents = [taught.agent for taught in lesson.answers]
    said = [
        answer for answer in (lesson.right, lesson.wrong, *(t.answer for t in lesson.answers)) if answer is not None
    ]
    may_rest_on = GROUNDS[lesson.question_kind]
    problems = (
        (lesson.right is not None and lesson.wrong is not None, "right and wrong: give one of them"),
        (lesson.right is None and lesson.wrong is None and lesson.source != "agreement", "neither right nor wrong"),
        (lesson.choices == 1, "choices: a choice has two at least"),
        ((lesson.question_kind == "number") != (lesson.choices == 0), "choices do not go with question_kind"),
        (lesson.shapes is not None and len(lesson.shapes) != lesson.choices, "shapes: not one for each option"),
        (len(dict.fromkeys(agents)) < len(agents), "answers: an agent is there twice"),
        (
            bool(letters) and any(len(answer) != 1 or answer not in letters for answer in said),
            f"an answer is none of the options {letters}",
        ),
        (
            any((t.answer is None) != (t.grounds is None) for t in lesson.answers),
            "answers: grounds without an answer, or an answer without",
        ),
        (
            any(t.grounds is not None and t.grounds not in may_rest_on for t in lesson.answers),
            f"answers: grounds that are none of {', '.join(may_rest_on)}",
        ),
        (
            any(t.repeats is not None and lesson.choices for t in lesson.answers),
            "answers: repeats are counted of numbers alone",
        ),
    )
    return next((text for is_wrong, text in problems if is_wrong), None)
