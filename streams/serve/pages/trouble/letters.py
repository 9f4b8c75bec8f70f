"""The page of dead letters, and their retry."""

import asyncio
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from streams.errors import UsageError
from streams.serve.pages.figures.noted import Noted, NotedLetter
from streams.serve.pages.figures.tally import TallyState
from streams.serve.pages.forms import fields_of
from streams.serve.pages.frame import go_to, page
from streams.serve.pages.site import SitePage, site_of

SHOWN = 50
BEGINNING = 400
"""Characters of a record that are shown."""

MEANT = {
    "invalid": "no event of its topic",
    "too_large": "larger than an event may be",
    "conflict": "contradicts an event that counts already",
    "unknown_reference": "names a stage, seat or feedback that does not exist",
}
"""What each reason means."""


@dataclass(frozen=True, slots=True)
class LetterRow:
    """A record that was set aside."""

    offset: int
    at: str
    topic: str
    place: str
    reason: str
    meant: str
    detail: str
    key: str
    beginning: str
    value_bytes: int
    cut: bool
    """Whether the letter holds only the record's beginning, so that it cannot be retried."""


@dataclass(frozen=True, slots=True)
class LettersModel:
    """What the page shows."""

    rows: Sequence[LetterRow]
    """The newest first."""
    count: int

    @property
    def retriable(self) -> Sequence[int]:
        """Offsets of those shown that can be retried."""
        return [row.offset for row in self.rows if not row.cut]


def letters_model(noted: Noted) -> LettersModel:
    """Lay the newest letters out; whoever calls holds the lock of the tally."""
    newest = [*noted.letters][: -SHOWN - 1 : -1]
    return LettersModel([_row(letter) for letter in newest], noted.letters_count)


def _row(letter: NotedLetter) -> LetterRow:
    event = letter.event
    # Four characters of base64 are three bytes; a character of text has at most four.
    value = b64decode(event.value_base64[: BEGINNING * 8])
    return LetterRow(
        letter.offset,
        event.occurred_at,
        event.source_topic,
        f"partition {event.partition}, offset {event.offset:,}",
        event.reason,
        MEANT[event.reason],
        event.detail,
        event.record_key or "",
        value.decode("utf-8", "replace")[:BEGINNING],
        event.value_bytes,
        len(event.value_base64) // 4 * 3 - event.value_base64.count("=") < event.value_bytes,
    )


async def letters(request: Request) -> Response:
    """Show the newest dead letters."""
    site = site_of(request)
    await asyncio.to_thread(site.tally.ready)

    def read() -> tuple[LettersModel, TallyState]:
        with site.tally.lock:
            return letters_model(site.tally.noted), site.tally.state()

    model, state = await asyncio.to_thread(read)
    told = {name: request.query_params.get(name, "") for name in ("taken", "same", "refused", "rejected")}
    return page(request, "trouble/letters.html", model=model, state=state, told=told)


async def retry(request: Request) -> Response:
    """Append the records of letters to their topics again."""
    site, fields = site_of(request), await fields_of(request)
    try:
        offsets = [int(each) for each in fields.get("offset", [])]
    except ValueError:
        raise UsageError("the form names no letter", remedy="Choose one from the list") from None
    if not offsets:
        raise UsageError("the form names no letter", remedy="Choose one from the list")
    done = await site.service.retry_letters(offsets)
    site.tally.poke()
    site.index.poke()
    rejected = "" if done.rejected is None else done.rejected
    told = {"taken": done.appended.total(), "same": done.same, "refused": done.refused, "rejected": rejected}
    return go_to("/letters?" + urlencode(told))


PAGES = (SitePage("/letters", letters, "Dead letters"), SitePage("/letters", retry, method="POST"))
