"""Reader of numeric answers, and their canonical form."""

from streams.processors.answers.reading import Reading
from streams.processors.answers.v1.numbers import canonical_number
from streams.processors.answers.v1.numbers import read_number as read_number_v1
from streams.processors.answers.v2.thoughts import spoken


def read_number(text: str, structured: str | None = None) -> Reading:
    """Read which number a text answers with."""
    return read_number_v1(spoken(text), structured)


def normal_number(given: str) -> str | None:
    """Write a number in its one canonical form; None if it is no single number."""
    return canonical_number(given)
