"""The list of decisions, live or not."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from streams.errors import UsageError
from streams.serve.pages.frame import page
from streams.serve.pages.live.choice import STATES, RowChoice, choose
from streams.serve.pages.live.stream import drawn
from streams.serve.pages.site import SitePage, site_of

PATIENCE_S = 2.0
"""Seconds that a page waits for the newest decisions while a server begins to read its log."""


async def decisions(request: Request) -> Response:
    """Show the newest questions and decisions; with conditions those that fit."""
    index, lists = site_of(request).index, site_of(request).lists
    choice, before = RowChoice.of(request.query_params), _before(request)
    if not index.begun.is_set():
        await asyncio.to_thread(index.begun.wait, PATIENCE_S)
    rows = index.newest_first()
    chosen = choose(rows, choice, before)
    paused = request.query_params.get("live") == "off" or before is not None
    with index.held():
        drawn_rows = list(map(drawn, chosen.rows))
    more = None if chosen.before is None else choice.query(before=str(chosen.before))
    return page(
        request,
        "live/decisions.html",
        choice=choice,
        rows=drawn_rows,
        found=chosen.found,
        index=index,
        rate=lists.rate(),
        unseen=0,
        subjects=sorted(index.subjects.copy()),
        agents=sorted(index.agents.copy()),
        states=STATES,
        paused=paused,
        first=before is None,
        older=more,
        again=5 if request.query_params.get("live") == "again" else None,
    )


async def live(request: Request) -> Response:
    """Send the rows that a page of decisions shows, whenever they change."""
    site, choice = site_of(request), RowChoice.of(request.query_params)
    first = list(choose(site.index.newest_first(), choice).rows)
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(site.lists.messages(choice, first), media_type="text/event-stream", headers=headers)


def _before(request: Request) -> int | None:
    given = request.query_params.get("before")
    try:
        return None if given is None else int(given)
    except ValueError:
        raise UsageError(f"before={given!r} is no number of a row", remedy="Go back to the first page") from None


PAGES = (SitePage("/", decisions, "Decisions"), SitePage("/live", live))
