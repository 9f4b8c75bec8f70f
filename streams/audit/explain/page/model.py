"""
Plain model of an explanation's page.

It holds finished texts and the numbers of pictures, and no markup: whatever draws it escapes every text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from streams.drawing.flow import Group
from streams.drawing.rows import Shift, Spans, SumOfParts

Tones = Mapping[str, int]
"""Colour of each answer."""


@dataclass(frozen=True, slots=True)
class Say:
    """Sentences, each in a line of its own."""

    lines: Sequence[str]
    look: Literal["plain", "quiet", "list"] = "plain"


@dataclass(frozen=True, slots=True)
class Facts:
    """Names with their values."""

    pairs: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class OptionShown:
    """One answer to choose from."""

    answer: str
    text: str
    ballots: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Choices:
    """The answers of a question."""

    choices: Sequence[OptionShown]


@dataclass(frozen=True, slots=True)
class Quote:
    """What somebody wrote; it is data, whatever it looks like."""

    who: str
    about: str
    text: str
    left_out: int = 0
    """Characters behind the text that are not shown."""


@dataclass(frozen=True, slots=True)
class Grid:
    """A table."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    figures: Sequence[int] = ()
    """Places of the columns that hold numbers."""
    folded: str = ""
    """Name under which it is folded up; empty: it is open."""


@dataclass(frozen=True, slots=True)
class Steps:
    """Picture of the course of a question."""

    title: str
    caption: str
    groups: Sequence[Group]


@dataclass(frozen=True, slots=True)
class SumsShown:
    """Picture of sums with their parts."""

    title: str
    caption: str
    rows: Sequence[SumOfParts]
    mark: tuple[float, str] | None = None
    most: float = 0.0


@dataclass(frozen=True, slots=True)
class Shifts:
    """Picture of values and what they would have to be."""

    title: str
    caption: str
    rows: Sequence[Shift]
    unit: str


@dataclass(frozen=True, slots=True)
class Calls:
    """Picture of calls in time, in milliseconds."""

    title: str
    caption: str
    rows: Sequence[Spans]


Block = Say | Facts | Choices | Quote | Grid | Steps | SumsShown | Shifts | Calls


@dataclass(frozen=True, slots=True)
class PagePart:
    """A part of the page under a heading."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True)
class PageModel:
    """What a page shows."""

    question_id: str
    answer: str
    """Empty without a decision."""
    answer_text: str
    state: Literal["decided", "undecided", "open"]
    summary: Sequence[str]
    parts: Sequence[PagePart]
