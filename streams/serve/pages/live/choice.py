"""Conditions by which a list of decisions is chosen."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import NamedTuple
from urllib.parse import urlencode

from streams.app.selection import instant_ms
from streams.errors import UsageError
from streams.log import Clock, wall_clock_ms
from streams.serve.pages.live.row import QuestionRow

STATES = ("open", "decided", "undecided")

PAGE_ROWS = 50
"""Rows of one page."""


@dataclass(frozen=True, slots=True)
class RowChoice:
    """What must hold of a row; what is empty may be anything."""

    state: str = ""
    subject: str = ""
    agent: str = ""
    disagreed: str = ""
    """`yes`: at least one ballot was against the decision; `no`: none was."""
    since: str = ""
    """A time or an age, as `orch list --since` takes it."""
    until: str = ""
    search: str = ""
    """Words that all occur in the question, the answer or the id."""

    @classmethod
    def of(cls, given: Mapping[str, str]) -> "RowChoice":
        """Take the conditions of an address."""
        return cls(**{each.name: given.get(each.name, "").strip() for each in fields(cls)})

    @property
    def is_all(self) -> bool:
        """Whether every row is chosen."""
        return self == RowChoice()

    def query(self, **more: str) -> str:
        """Write the conditions as the query of an address, with `?`; empty without any."""
        held = {each.name: getattr(self, each.name) for each in fields(self)} | more
        said = urlencode({name: value for name, value in held.items() if value})
        return f"?{said}" if said else ""


class RowSieve:
    """
    Tells which rows a choice chooses.

    Raises:
        UsageError: A time or the state cannot be read.
    """

    def __init__(self, choice: RowChoice, clock: Clock = wall_clock_ms) -> None:
        if choice.state and choice.state not in STATES:
            raise UsageError(f"{choice.state!r} is no state", remedy=f"There are {', '.join(STATES)}")
        self._tests: list[Callable[[QuestionRow], bool]] = list(_tests(choice, clock))

    def lets_pass(self, row: QuestionRow) -> bool:
        """Whether a row is chosen."""
        return all(test(row) for test in self._tests)

    def chosen(self, rows: Sequence[QuestionRow]) -> Sequence[QuestionRow]:
        """Give those rows that are chosen."""
        for test in self._tests:
            rows = [row for row in rows if test(row)]
        return rows


def _tests(choice: RowChoice, clock: Clock) -> Iterator[Callable[[QuestionRow], bool]]:
    """Give a test for each condition, those first that are made quickly."""
    state, subject, agent = choice.state, choice.subject, choice.agent
    if state:
        yield lambda row: row.state == state
    if subject:
        yield lambda row: row.subject == subject
    if choice.disagreed:
        wanted = choice.disagreed == "yes"
        yield lambda row: row.state == "decided" and (row.agreeing != row.counted) == wanted
    if choice.since:
        since = instant_ms(choice.since, clock)
        yield lambda row: row.at_ms >= since
    if choice.until:
        until = instant_ms(choice.until, clock)
        yield lambda row: row.at_ms <= until
    if agent:
        yield lambda row: agent in row.agents
    for word in choice.search.casefold().split():
        yield partial(_finds, word)


def _finds(word: str, row: QuestionRow) -> bool:
    return word in row.searched


class Chosen(NamedTuple):
    """One page of a list."""

    rows: Sequence[QuestionRow]
    found: int
    """Rows that were chosen in all."""
    before: int | None
    """Number of the row after which the next page goes on; None on the last page."""


def choose(rows: Sequence[QuestionRow], choice: RowChoice, before: int | None = None) -> Chosen:
    """
    Choose a page of rows.

    Args:
        rows: All, the newest first.
        choice: The conditions.
        before: Number of the last row of the page before; None: the first page.
    """
    found = RowSieve(choice).chosen(rows)
    start = 0
    if before is not None:
        start = next((place for place, row in enumerate(found) if row.number < before), len(found))
    shown = found[start : start + PAGE_ROWS]
    more = len(found) > start + PAGE_ROWS
    return Chosen(shown, len(found), shown[-1].number if more and shown else None)
