"""Gate of a server: host names, origins, token."""

import base64
import binascii
import hmac
import ipaddress
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from streams.agents.api_keys import FILE_SUFFIX, hide
from streams.errors import OperatorError, UsageError
from streams.instruments.address import Address
from streams.serve.problems import problem_response

VARIABLE = "ORCH_SERVE_TOKEN"

LEAST_CHARACTERS = 16
"""Shortest accepted token: 64 bits in hex, which nobody guesses over a network."""

OPEN_PATHS = ("/healthz", "/readyz")
"""Asked by probes, without a token; they tell nothing of the log."""

LOGIN = "/login"
"""The page that takes the token, where there are pages."""

LOGIN_NEEDS = (LOGIN, "/static/")
"""Beginnings of what that page is made of."""

SESSION = "orch_session"
"""Cookie of a browser that gave the token."""

_SAFE = ("GET", "HEAD", "OPTIONS")


def read_token(address: Address, file: str | None, environ: Mapping[str, str] = os.environ) -> SecretStr | None:
    """
    Read the token that clients must send, and mask it in all output from now on.

    Args:
        address: Where the server listens.
        file: File with the token; else the variable's value counts, else the file that ORCH_SERVE_TOKEN_FILE names.

    Returns:
        None if there is none, and none is needed, because only this machine reaches the address.

    Raises:
        UsageError: There is none, and other machines reach the address.
        OperatorError: The file cannot be read, or holds no token.
    """
    named = file or environ.get(VARIABLE + FILE_SUFFIX, "").strip()
    whose, token = f"variable {VARIABLE}", environ.get(VARIABLE, "").strip()
    if named and (file or not token):
        whose, token = f"file {named}", _content(named)
    elif not token:
        if address.is_loopback:
            return None
        raise UsageError(
            f"other machines reach {address}, so clients must send a token, and none was given",
            remedy=f"Give --token-file FILE or set {VARIABLE}; `openssl rand -hex 32` makes one",
        )
    if len(token) < LEAST_CHARACTERS or not token.isascii() or not token.isprintable() or " " in token:
        raise OperatorError(
            f"{whose} holds no token: it has at least {LEAST_CHARACTERS} characters of ASCII without spaces",
            remedy="`openssl rand -hex 32` makes one",
        )
    hide(token)
    return SecretStr(token)


def _content(file: str) -> str:
    try:
        return Path(file).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(
            f"token file {file} cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}",
            remedy="Correct its name, or its rights",
        ) from error


class Gate:
    """
    Lets through what may ask; an ASGI application around another.

    A page of another site that a user visits could send requests to this machine. It cannot read the answers, for no
    header allows it; and under a name of its own for this address (DNS rebinding), or as an unsafe request, it does not
    get through.

    Args:
        app: Answers what is let through.
        names: Names by which clients may call the server, besides `localhost` and IP addresses.
        token: What they must send; None: nothing.
        login: Whether there is a page that takes the token.
    """

    def __init__(
        self, app: ASGIApp, *, names: Collection[str] = (), token: SecretStr | None = None, login: bool = False
    ) -> None:
        self._app = app
        self._names = frozenset(("localhost", *(name.lower().rstrip(".") for name in names)))
        self._token = token
        self._login = login

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or hand it on."""
        refusal = None
        if scope["type"] == "http":
            refusal = self._refusal(scope["method"], scope["path"], Headers(scope=scope))
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, method: str, path: str, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if not self._is_ours(host):
            return problem_response(
                421,
                f"this server is not called {host!r}",
                remedy="Call it by its address, or start it with --name NAME",
            )
        if method not in _SAFE and not _same_site(headers, host):
            return problem_response(
                403, "a page of another site sent this", remedy="Send it from a program, or from a page of this server"
            )
        if self._token is None or path in OPEN_PATHS or self._is_known(headers.get("authorization", "")):
            return None
        if self._login and (path.startswith(LOGIN_NEEDS) or self._has_session(headers.get("cookie", ""))):
            return None
        if self._login and method == "GET" and "text/html" in headers.get("accept", ""):
            return RedirectResponse(f"{LOGIN}?{urlencode({'to': path})}", 303)
        # Browsers ask people for a password, which is the token.
        kind = "Basic" if "text/html" in headers.get("accept", "") else "Bearer"
        return problem_response(
            401,
            "the token is missing or wrong",
            remedy="Send the header Authorization: Bearer TOKEN",
            headers={"WWW-Authenticate": f'{kind} realm="orch"'},
        )

    def _is_ours(self, host: str) -> bool:
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        if name in self._names:
            return True
        try:
            # Nobody but the server's own machine answers for an address; a name answers for whatever its owner says.
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _is_known(self, authorization: str) -> bool:
        kind, _, given = authorization.partition(" ")
        if kind.lower() == "basic":
            try:
                given = base64.b64decode(given, validate=True).decode().partition(":")[2]
            except (binascii.Error, UnicodeDecodeError):
                return False
        elif kind.lower() != "bearer":
            return False
        expected = "" if self._token is None else self._token.get_secret_value()
        return hmac.compare_digest(given.strip().encode(), expected.encode())

    def _has_session(self, cookies: str) -> bool:
        given = cookie_parser(cookies).get(SESSION, "")
        return self._token is not None and hmac.compare_digest(given.encode(), session_of(self._token).encode())


def session_of(token: SecretStr) -> str:
    """Give what a browser keeps in place of the token, which does not follow from it backwards."""
    return hmac.new(token.get_secret_value().encode(), b"orch session", "sha256").hexdigest()


def _same_site(headers: Headers, host: str) -> bool:
    """Whether a request comes from a program, or from a page of this server."""
    site = headers.get("sec-fetch-site", "none")
    if site == "same-origin":
        # Pages that send no referrer send forms with the origin null.
        return True
    if site != "none":
        return False
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == host
