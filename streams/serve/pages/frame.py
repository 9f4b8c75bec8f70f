"""Frame of every page: headers, marks of forms, errors."""

from collections.abc import Sequence
from functools import wraps
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from streams.errors import ConflictError, NoFeedbackError, OrchError, PendingError, TransientError, UsageError
from streams.serve.pages.forms import COOKIE, FIELD, ForeignFormError, LargeFormError, cookie, mark_of
from streams.serve.pages.site import Endpoint, Site, site_of
from streams.serve.pages.templating import written

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
"""Of every answer: a page runs its own scripts alone, reaches its own host alone, and stands in no other page."""


def part(request: Request, template: str, **context: Any) -> str:
    """Fill a template for one reader, see `page`."""
    site, (mark, _) = site_of(request), mark_of(request)
    form_mark = {"name": FIELD, "value": mark}
    return written(template, site=site, links=site.links, here=request.url.path, form_mark=form_mark, **context)


def page(request: Request, template: str, *, status: int = 200, **context: Any) -> Response:
    """
    Answer with a page.

    Args:
        request: What is answered.
        template: File in `templates/`; it extends `base.html`.
        status: Of the response.
        context: What the template uses, besides `site`, `links` (the navigation), `here` (the path), `form_mark` (the
            hidden field of a form that posts) and `word` (`{{ word("panel") }}`: a word with its definition).
    """
    _, fresh = mark_of(request)
    text = part(request, template, **context)
    response = HTMLResponse(text, status, headers={"cache-control": "no-store"})
    if fresh is not None:
        response.headers.append("set-cookie", cookie(COOKIE, fresh, secure=request.url.scheme == "https"))
    return response


def go_to(path: str) -> Response:
    """Send the browser to a page after a form was taken, so that it is not sent again."""
    return RedirectResponse(path, 303)


def framed(endpoint: Endpoint, site: Site) -> Endpoint:
    """Give an endpoint whose answers carry the headers of all pages, and whose errors are pages."""

    @wraps(endpoint)
    async def answer(request: Request) -> Response:
        request.state.site = site
        try:
            response = await endpoint(request)
        except OrchError as error:
            response = error_page(request, error)
        response.headers.update(HEADERS)
        return response

    return answer


def error_page(request: Request, error: OrchError) -> Response:
    """Say what went wrong and what to do about it, as the command line does."""
    return _error(request, _status(request, error), error.message, error.remedy)


def refusal_page(site: Site, request: Request, status: int, said: str, remedy: str) -> Response:
    """Answer a person whose request reached no page, or one that failed; it says where to go."""
    request.state.site = site
    response = _error(request, status, said, remedy, places=site.links)
    response.headers.update(HEADERS)
    return response


def _error(
    request: Request,
    status: int,
    said: str,
    remedy: str,
    places: Sequence[tuple[str, str]] = (("/", "To the decisions"),),
) -> Response:
    return page(request, "error.html", status=status, said=said, remedy=remedy, places=places)


def _status(request: Request, error: OrchError) -> int:
    match error:
        case ForeignFormError():
            return 403
        case LargeFormError():
            return 413
        case ConflictError() | PendingError():
            return 409
        case NoFeedbackError():
            return 404
        case UsageError():
            return 404 if request.method in ("GET", "HEAD") else 400
        case TransientError():
            return 503
    return 503 if error.exit_code == 3 else 500
