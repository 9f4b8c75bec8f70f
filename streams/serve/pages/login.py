"""The page that takes the token of a server."""

import hmac

from starlette.requests import Request
from starlette.responses import Response

from streams.errors import UsageError
from streams.serve.gate import LOGIN, SESSION, session_of
from streams.serve.pages.forms import cookie, fields_of, first
from streams.serve.pages.frame import go_to, page
from streams.serve.pages.site import SitePage, site_of

SECONDS = 12 * 3600
"""Time for which a browser need not give the token again."""


async def login(request: Request) -> Response:
    """Ask for the token."""
    return _form(request, request.query_params.get("to", "/"))


async def given(request: Request) -> Response:
    """Take the token, and go on to the page that was wanted."""
    site, fields = site_of(request), await fields_of(request)
    to, token = first(fields, "to"), site.token
    if token is None:
        return go_to(_own(to))
    if not hmac.compare_digest(first(fields, "token").encode(), token.get_secret_value().encode()):
        return _form(request, to, UsageError("this is not the token", remedy="Whoever started the server has it"))
    response = go_to(_own(to))
    secure = request.url.scheme == "https"
    response.headers.append("set-cookie", cookie(SESSION, session_of(token), seconds=SECONDS, secure=secure))
    return response


def _form(request: Request, to: str, error: UsageError | None = None) -> Response:
    return page(request, "login.html", status=200 if error is None else 403, to=_own(to), error=error)


def _own(path: str) -> str:
    """Give a path of this server; the decisions in place of an address elsewhere."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"


PAGES = (SitePage(LOGIN, login), SitePage(LOGIN, given, method="POST"))
