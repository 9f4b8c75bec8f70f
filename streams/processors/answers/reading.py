"""Reading of one answer, and the options it may name."""

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.questions import OptionDigest


@dataclass(frozen=True, slots=True)
class Reading:
    """
    The answer a text gives, and the rule that read it.

    Attributes:
        answer: An option letter "A".."Z" or a canonical number; None where no single answer could be read.
        source: Choices: structured, statement, boxed, ending, label or words. Numbers: structured, hash_line,
            statement, boxed or last_number. With no answer: unreadable or outside_options.
    """

    answer: str | None
    source: str


UNREADABLE = Reading(None, "unreadable")


@dataclass(frozen=True, slots=True)
class Options:
    """
    The options of one question, as far as a reader may know them.

    Attributes:
        words: Text of each option; None where it is too long to travel with the question.
        equals: For each option, the place of the first option with the same text; its own place if there is none
            before it. Equal options are one answer, named by the first one's letter.
    """

    words: tuple[str | None, ...]
    equals: tuple[int, ...]

    @classmethod
    def unknown(cls, count: int) -> "Options":
        """Options of which only the number is known."""
        return cls((None,) * count, tuple(range(count)))

    @classmethod
    def of(cls, options: Sequence[str | OptionDigest]) -> "Options":
        """Options in the form in which they travel, or as plain texts."""
        words = tuple(option if isinstance(option, str) else None for option in options)
        return cls(words, tuple(options.index(option) for option in options))
