"""Routes that read: decisions, explanations, events."""

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from streams.app.selection import Status
from streams.errors import UsageError
from streams.serve.asking import still_open, wait_of, while_there
from streams.serve.event_stream import EventStream
from streams.serve.problems import Problem
from streams.serve.replies import PLAIN, event_response, json_response
from streams.serve.service import Service

DEFAULT_LIMIT, MOST_LIMIT = 100, 500
MOST_STREAMS = 1_000
"""Streams of events at a time; each holds a connection."""


async def decision(service: Service, request: Request) -> Response:
    """Answer `GET /v1/decisions/{question_id}`."""
    question_id = request.path_params["question_id"]
    wait_s = wait_of(request, 0)
    found = await while_there(request, _known(service.decision(question_id, wait_s=wait_s)))
    return still_open(question_id) if found is None else event_response(found)


async def decisions(service: Service, request: Request) -> Response:
    """Answer `GET /v1/decisions`: a page of decisions in log order."""
    query = request.query_params
    status, limit, subject = status_of(request), _limit(query.get("limit")), query.get("subject")
    page = await service.page(after=query.get("after"), status=status, subject=subject, limit=limit)
    # Written by hand: the decisions are canonical bytes already.
    parts = (
        b'{"place":%b,"decision":%b}' % (orjson.dumps(each.place), each.decision.encode()) for each in page.decisions
    )
    following = request.url.include_query_params(after=page.place)
    shown = orjson.dumps(f"{following.path}?{following.query}" if page.more else None)
    body = b'{"decisions":[%b],"place":%b,"next":%b}' % (b",".join(parts), orjson.dumps(page.place), shown)
    return Response(body, headers=PLAIN, media_type="application/json")


async def explanation(service: Service, request: Request) -> Response:
    """Answer `GET /v1/explain/{question_id}`."""
    return json_response(await _known(service.explain(request.path_params["question_id"])))


async def events(service: Service, request: Request) -> EventStream:
    """Answer `GET /v1/events` with a stream that goes on after `Last-Event-ID`, else after `?after=`."""
    after = request.headers.get("last-event-id") or request.query_params.get("after")
    if service.streams.open >= MOST_STREAMS:
        raise Problem(503, f"{service.streams.open:,} clients follow already", remedy="Leave, and come again later")
    return EventStream(service, await service.subscribe(after=after, status=status_of(request)))


def status_of(request: Request) -> Status | None:
    """
    Read `?status=`.

    Raises:
        Problem: It is no status.
    """
    match request.query_params.get("status"):
        case None:
            return None
        case "decided" | "undecided" as status:
            return status
        case other:
            raise Problem(422, f"status={other!r} is no status of decisions", remedy="Give decided or undecided")


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= MOST_LIMIT):
        raise Problem(422, f"limit={text!r} is no limit", remedy=f"Give a number from 1 to {MOST_LIMIT}")
    return int(text)


async def _known(work: Any) -> Any:
    """Do something about a question of the log; where there is none, that is what the client asked for in vain."""
    try:
        return await work
    except UsageError as error:
        raise Problem(404, error.message, remedy=error.remedy) from error
