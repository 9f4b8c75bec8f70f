"""The HTTP application: routes around a service."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from typing import NamedTuple

from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from streams.app.metrics import Instruments
from streams.errors import OrchError
from streams.serve import asking, reading
from streams.serve.gate import Gate
from streams.serve.openapi import openapi
from streams.serve.probes import Probes, RequestCounter
from streams.serve.problems import ErrorPage, Failures, Refusals
from streams.serve.replies import json_response
from streams.serve.service import Service

Answer = Callable[[Service, Request], Awaitable[ASGIApp]]


class Pages(NamedTuple):
    """Pages beside the routes for programs; by default none."""

    routes: Sequence[Route] = ()
    error_page: ErrorPage | None = None
    """Writes errors for people; None: there are no pages."""


NO_PAGES = Pages()


def create_app(
    service: Service,
    *,
    names: Collection[str] = (),
    token: SecretStr | None = None,
    pages: Pages = NO_PAGES,
    instruments: Instruments | None = None,
) -> ASGIApp:
    """
    Make the application of a server.

    Args:
        service: The log.
        names: Names by which clients may call the server, besides `localhost` and IP addresses.
        token: What clients must send; None: nothing.
        pages: What people with a browser get.
        instruments: Meters and judgement of the process; None: nothing is counted.
    """
    routes = [*_routes(service, with_token=token is not None), *Probes(service, instruments).routes()]
    refusals = Refusals(pages.error_page)
    app = Starlette(
        routes=[*routes, *pages.routes],
        # Inside Starlette's own handling of failures, which would answer with plain text.
        middleware=[Middleware(Failures, refusals=refusals)],
        exception_handlers={HTTPException: refusals.on_http_error, OrchError: refusals.on_orch_error},
    )
    counted = app if instruments is None else RequestCounter(app, routes, instruments.meters)
    return Gate(counted, names=names, token=token, login=bool(pages.routes))


def _routes(service: Service, *, with_token: bool) -> list[Route]:
    def route(path: str, answer: Answer, *methods: str) -> Route:
        return Route(path, _endpoint(partial(answer, service)), methods=methods or ("GET",))

    document = openapi(with_token=with_token)

    async def described(_service: Service, _request: Request) -> Response:
        return json_response(document)

    return [
        route("/openapi.json", described),
        route("/v1/questions", asking.ask, "POST"),
        route("/v1/decisions", reading.decisions),
        route("/v1/decisions/{question_id:path}", reading.decision),
        route("/v1/explain/{question_id:path}", reading.explanation),
        route("/v1/feedback", asking.give_feedback, "POST"),
        route("/v1/events", reading.events),
    ]


def _endpoint(answer: Callable[[Request], Awaitable[ASGIApp]]) -> Callable[[Request], Awaitable[ASGIApp]]:
    # Starlette takes a partial function for a class of its own.
    async def endpoint(request: Request) -> ASGIApp:
        return await answer(request)

    return endpoint
