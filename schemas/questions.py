"""
Questions with a discrete answer: an option or a number.

A producer needs only `question_id`, `text` and `options`.
"""

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from schemas.canonical import canonical_json, content_id
from schemas.event import Event, Fact
from schemas.quantities import EventId, GivenInstant, Name

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""Option labels in order; the reason for at most 26 options."""

ALL_SUBJECTS = "*"
"""The scope that covers every subject."""

AnswerType = Literal["choice", "number"]

LONGEST_OPTION = 1_000
"""
Characters of an option that travels with the panel and the decision. 26 options of this length are at most 156 kB, so a
panel stays below the limit of an event.
"""


class OptionDigest(Fact):
    """An option of more than `LONGEST_OPTION` characters, for which its hash stands."""

    sha256: EventId
    """SHA-256 of its text in UTF-8, with single spaces for runs of ASCII white space."""


_SPACES = re.compile(r"[ \t\n\r\f\v]+")
"""Not str.split without an argument: which characters it takes for spaces differs between versions of Unicode."""

OptionText = Annotated[str, StringConstraints(max_length=LONGEST_OPTION)]


def carried_option(text: str) -> str | OptionDigest:
    """Give an option in the form in which it travels: its text with single spaces, or the hash of that."""
    plain = _SPACES.sub(" ", text).strip(" ")
    return plain if len(plain) <= LONGEST_OPTION else OptionDigest(sha256=content_id(plain.encode()))


class QuestionAsked(Event):
    """A question with a discrete answer: one of its options, or a number."""

    topic: ClassVar[str] = "orch.questions"

    kind: Literal["question.asked.v1"] = "question.asked.v1"
    occurred_at: GivenInstant
    question_id: Name
    text: Annotated[str, StringConstraints(min_length=1)]
    options: Annotated[tuple[Annotated[str, StringConstraints(min_length=1)], ...], Field(max_length=len(LETTERS))] = ()
    """Answers to choose from, labelled A, B, C... in order; 2 to 26 for a choice, none for a number."""
    answer_type: AnswerType = "choice"
    subject: Name | None = None
    """Scope in which the router learns, besides the global scope; None: the global scope alone."""

    @field_validator("subject")
    @classmethod
    def _not_the_global_scope(cls, subject: str | None) -> str | None:
        if subject == ALL_SUBJECTS:
            raise ValueError("'*' stands for all subjects; leave the subject out instead")
        return subject

    @model_validator(mode="after")
    def _options_fit_the_type(self) -> "QuestionAsked":
        if self.answer_type == "choice" and len(self.options) < 2:
            raise ValueError(
                f"options: {len(self.options)} given, a choice needs 2 to {len(LETTERS)}"
                ' (for a numeric answer set answer_type to "number")'
            )
        if self.answer_type == "number" and self.options:
            raise ValueError('options: a question with answer_type "number" has none')
        return self

    @property
    def key(self) -> str:
        return self.question_id

    @property
    def scopes(self) -> tuple[str, ...]:
        """Scopes the router consults, widest first."""
        return (ALL_SUBJECTS,) if self.subject is None else (ALL_SUBJECTS, self.subject)

    @property
    def statement_id(self) -> str:
        """Hash of the question without its time: a producer's retry has a new record time and the same question."""
        fields = dict(self.__dict__)
        del fields["event_id"], fields["occurred_at"], fields["causes"]
        return content_id(canonical_json(fields))
