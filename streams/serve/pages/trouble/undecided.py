"""The page of questions without an answer."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from streams.agents.asked_again import again_id
from streams.errors import OrchError, UsageError
from streams.serve.pages.figures.noted import Noted, UndecidedQuestion
from streams.serve.pages.figures.tally import TallyState
from streams.serve.pages.forms import fields_of
from streams.serve.pages.frame import go_to, page
from streams.serve.pages.live.row import QuestionRow
from streams.serve.pages.site import SitePage, site_of

SHOWN = 100
MOST_AGAIN = 100
"""Questions that one form asks again."""


@dataclass(frozen=True, slots=True)
class UndecidedRow:
    """A question that ended without an answer."""

    question: UndecidedQuestion
    text: str
    """Empty if the question is none of the newest, or its text is not read yet."""
    again: str | None
    """Id under which it was asked again; None if it was not, as far as the newest questions tell."""
    again_state: str
    """State of that question: `open`, `decided` or `undecided`."""


@dataclass(frozen=True, slots=True)
class WaitingRow:
    """A question that has no decision yet."""

    question_id: str
    text: str
    asked_ms: int


@dataclass(frozen=True, slots=True)
class UndecidedModel:
    """What the page shows."""

    rows: Sequence[UndecidedRow]
    """The newest first."""
    count: int
    waiting: Sequence[WaitingRow]
    """The oldest first."""
    waiting_count: int

    @property
    def retriable(self) -> Sequence[str]:
        """Ids of those shown that were not asked again yet."""
        return [row.question.question_id for row in self.rows if row.again is None]


def undecided_model(
    noted: Noted, row_of: Callable[[str], QuestionRow | None], open_rows: Sequence[QuestionRow]
) -> UndecidedModel:
    """
    Lay out what has no answer.

    Args:
        noted: What was noted of the log; whoever calls holds the lock of the tally.
        row_of: Finds a question among the newest.
        open_rows: Questions without a decision, the newest first.
    """
    newest = [*noted.undecided][: -SHOWN - 1 : -1]
    rows = [_row(question, row_of) for question in newest]
    oldest = [WaitingRow(row.question_id, row.text, row.at_ms) for row in reversed(open_rows[-SHOWN:])]
    return UndecidedModel(rows, noted.undecided_count, oldest, len(open_rows))


def _row(question: UndecidedQuestion, row_of: Callable[[str], QuestionRow | None]) -> UndecidedRow:
    known = row_of(question.question_id)
    again = row_of(_next_id(question.question_id))
    text = "" if known is None else known.text
    if again is None:
        return UndecidedRow(question, text, None, "")
    return UndecidedRow(question, text, again.question_id, again.state)


def _next_id(question_id: str) -> str:
    first, mark, number = question_id.rpartition("~")
    if mark and number.isdecimal() and number.isascii() and len(number) < 4:
        return again_id(first, str(int(number) + 1))
    return again_id(question_id, "2")


async def undecided(request: Request) -> Response:
    """Show the questions that ended without an answer, and those that wait."""
    site = site_of(request)
    await asyncio.to_thread(site.tally.ready)

    def read() -> tuple[UndecidedModel, TallyState]:
        waiting = [row for row in site.index.newest_first() if row.state == "open"]
        with site.tally.lock:
            return undecided_model(site.tally.noted, site.index.row, waiting), site.tally.state()

    model, state = await asyncio.to_thread(read)
    told = {name: request.query_params.get(name, "") for name in ("asked", "failed", "why")}
    return page(request, "trouble/undecided.html", model=model, state=state, told=told)


async def ask_again(request: Request) -> Response:
    """Ask undecided questions again, each under a new id, and say how many were taken."""
    site, fields = site_of(request), await fields_of(request)
    ids = list(dict.fromkeys(fields.get("id", [])))
    if not ids:
        raise UsageError("the form names no question", remedy="Choose one of those that are undecided")
    if len(ids) > MOST_AGAIN:
        raise UsageError(f"the form names {len(ids):,} questions", remedy=f"Ask at most {MOST_AGAIN} again at a time")
    asked, failed, why = 0, 0, ""
    for question_id in ids:
        try:
            await site.service.ask_again(question_id)
            asked += 1
        except UsageError as error:
            failed, why = failed + 1, str(error)
            if len(ids) == 1:
                raise
        except OrchError:
            if not asked:
                raise
            break
    site.index.poke()
    return go_to("/undecided?" + urlencode({"asked": asked, "failed": failed, "why": why[:300]}))


PAGES = (SitePage("/undecided", undecided, "Undecided"), SitePage("/undecided", ask_again, method="POST"))
