"""Errors as problem details (RFC 9457), or as pages."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from streams.agents.api_keys import mask
from streams.errors import ConflictError, NoFeedbackError, OperatorError, OrchError, TransientError, UsageError
from streams.serve.replies import PLAIN
from streams.serve.service import ReadOnlyError

MEDIA_TYPE = "application/problem+json"

STATUSES: tuple[tuple[type[OrchError], int], ...] = (
    (ReadOnlyError, 405),
    (ConflictError, 409),
    (NoFeedbackError, 404),
    (UsageError, 422),
    (TransientError, 503),
    (OperatorError, 503),
)
"""Status of each family of errors, the closer one first; all others are our bugs."""

ErrorPage = Callable[[Request, int, str, str], Response]
"""Writes a page for a request that cannot be answered: its status, what is wrong, and what to do."""

FOR_PROGRAMS = ("/v1", "/openapi.json", "/healthz", "/readyz", "/metrics")
"""First parts of paths whose errors are problem details, whoever asks."""

AGAIN_S = 5
"""Seconds after which a client may try again what could not be done now."""

_log: FilteringBoundLogger = structlog.get_logger("orch.serve")


class Problem(HTTPException):
    """
    A request that cannot be answered.

    Args:
        status: Status of the response.
        detail: The wrong value, and where it stood.
        remedy: What the client may do.
        headers: Further headers of the response.
    """

    def __init__(self, status: int, detail: str, *, remedy: str = "", headers: dict[str, str] | None = None) -> None:
        super().__init__(status, detail, headers)
        self.remedy = remedy


def problem_response(
    status: int, detail: str, *, remedy: str = "", headers: dict[str, str] | None = None, **more: Any
) -> Response:
    """Make the response to a request that cannot be answered; keys are masked in it."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": mask(detail)}
    if remedy:
        body["remedy"] = mask(remedy)
    return Response(orjson.dumps({**body, **more}), status, {**PLAIN, **(headers or {})}, MEDIA_TYPE)


def wants_page(request: Request) -> bool:
    """Whether a person with a browser asks, and for none of the routes for programs."""
    path = request.url.path
    for_programs = any(path == first or path.startswith(f"{first}/") for first in FOR_PROGRAMS)
    return not for_programs and "text/html" in request.headers.get("accept", "")


class Refusals:
    """
    Answers requests that cannot be done: with a problem, or with a page where there are pages and a person asks.

    Args:
        page: Writes the page; None: there are none.
    """

    def __init__(self, page: ErrorPage | None) -> None:
        self._page = page

    async def on_http_error(self, request: Request, error: Exception) -> Response:
        """Answer a request of another method or path, or one that a route refused."""
        assert isinstance(error, HTTPException)
        headers = dict(error.headers or {})
        if self._page is not None and wants_page(request):
            response = self._page(request, error.status_code, *_told_of(request, error))
            response.headers.update(headers)
            return response
        remedy = error.remedy if isinstance(error, Problem) else _remedy(error.status_code)
        detail = error.detail
        if not isinstance(error, Problem):
            detail = f"{request.method} {request.url.path}: {error.detail}"
        return problem_response(error.status_code, detail, remedy=remedy, headers=headers)

    async def on_orch_error(self, request: Request, error: Exception) -> Response:
        """Answer a request that this program refuses, or cannot do now; pages write their own errors."""
        assert isinstance(error, OrchError)
        status = next((status for family, status in STATUSES if isinstance(error, family)), 500)
        headers = {"Allow": ""} if status == 405 else {"Retry-After": str(AGAIN_S)} if status == 503 else {}
        if status >= 500:
            _log.error("request_failed", path=request.url.path, why=error.message, remedy=error.remedy)
        key = error.place.get("key")
        return problem_response(
            status,
            error.message,
            remedy=error.remedy or _remedy(status),
            headers=headers,
            **({} if key is None else {"question_id": key}),
        )

    def on_failure(self, request: Request) -> Response:
        """Answer a request whose handling failed by our fault."""
        detail, remedy = "This is a bug in orch; its log says where it happened", "Please report it with the request"
        if self._page is not None and wants_page(request):
            try:
                return self._page(request, 500, detail, remedy)
            except Exception:
                # Perhaps it is the page's own frame that fails.
                _log.exception("error_page_failed", path=request.url.path)
        return problem_response(500, detail, remedy=remedy)


def _told_of(request: Request, error: HTTPException) -> tuple[str, str]:
    """Say to a person what is wrong with an address, and what to do."""
    if isinstance(error, Problem):
        return error.detail, error.remedy
    if error.status_code == 404:
        return (
            f"there is no page {request.url.path}",
            "Look whether the address is written as you have it, or go on here",
        )
    if error.status_code == 405:
        return f"{request.url.path} takes what a form sends, and shows nothing itself", "Open the page with the form"
    return error.detail, ""


def _remedy(status: int) -> str:
    if status in (404, 405):
        return "The routes are in /openapi.json"
    return "What a request may hold is in /openapi.json" if status == 422 else ""


class Failures:
    """
    Answers a request whose handling failed by our fault, and logs where; a middleware around the routes.

    Args:
        app: Handles requests.
        refusals: Answers those that failed.
    """

    def __init__(self, app: ASGIApp, refusals: Refusals) -> None:
        self._app, self._refusals = app, refusals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception as error:
            _log.exception("request_failed", path=scope.get("path"), why=type(error).__name__)
            if begun:
                raise
            await self._refusals.on_failure(Request(scope))(scope, receive, send)
