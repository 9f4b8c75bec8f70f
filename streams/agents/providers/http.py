"""HTTP transport of both clients: one request, no retry."""

import asyncio
import importlib
import importlib.util
import os
import ssl
import zlib
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from streams.agents.providers.http_errors import (
    CUT,
    MOST_BODY_BYTES,
    NO_ADDRESS,
    TOO_LONG,
    UNPACKED,
    UNREACHED,
    CallFailure,
)
from streams.agents.providers.proxy import proxy_for, target_of
from streams.agents.providers.send_slots import SEND_SLOTS
from streams.errors import OperatorError
from streams.extras import install_command

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

IDLE_S = 4.0
"""How long an idle connection is kept open: less than the 5 s after which common model servers close it."""

_MOST_HEADER_BYTES = 65_536


class HttpResponse(NamedTuple):
    """A response that was read completely."""

    status: int
    headers: Mapping[str, str]
    """Looked up by name, ignoring case."""
    body: bytes
    """Decompressed."""


def require(package: str, extra: str, agent: str) -> None:
    """
    Check that a package is installed, without importing it.

    Raises:
        OperatorError: It is not.
    """
    if importlib.util.find_spec(package) is None:
        raise OperatorError(
            f"agents of kind {agent!r} need {package}, which is not installed",
            remedy=install_command(extra),
        )


@lru_cache(1)
def allow_many_connections() -> None:
    """
    Raise this process's limit of open files to the hard limit: each call in flight is a connection, and so a file.

    Systems with a default of 1,024 files mostly allow several thousand.
    """
    try:
        import resource
    except ImportError:
        # Windows, where no such limit counts sockets.
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Some systems report a hard limit that they do not grant.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class HttpTransport:
    """
    Connections to providers, by aiohttp: no redirects, no cookies, and no time limit but the caller's.

    Args:
        address: The address of all requests, if there is only one.

    Raises:
        OperatorError: The environment names a proxy for it that cannot be used.
    """

    def __init__(self, address: str | None = None) -> None:
        target = None if address is None else target_of(address)
        # An invalid address is reported when it is called.
        if target is not None:
            proxy_for(target)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._session: ClientSession | None = None
        self._ready = False

    async def ready(self) -> None:
        """Import aiohttp in a thread: it takes half a second, in which the event loop serves other calls."""
        if not self._ready:
            await asyncio.to_thread(_load)
            self._ready = True

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> HttpResponse:
        """
        Send one request and read its response, whatever its status.

        Raises:
            AgentError: `connection`; `not_found` where *url* is no address; `too_long` for more than `MOST_BODY_BYTES`;
                `malformed` where the compression of the body is unsupported or broken.
            OperatorError: The environment names a proxy that cannot be used.
        """
        import aiohttp

        target = target_of(url)
        if target is None:
            raise NO_ADDRESS.raised()
        proxy = proxy_for(target)
        # Responses are small, and an uncompressed body cannot be a decompression bomb.
        asked = {name: value for name, value in headers.items() if name.lower() != "accept-encoding"}
        asked["Accept-Encoding"] = "identity"
        session = self._open_session()
        SEND_SLOTS.end_mine()
        found: HttpResponse | CallFailure
        try:
            # Leaving the block closes the connection, unless the response was read completely.
            async with session.request(
                method, url, headers=asked, data=body or None, proxy=proxy, allow_redirects=False
            ) as response:
                found = await _read(response)
        except (aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError, aiohttp.InvalidURL, UnicodeError):
            # UnicodeError: a host name that cannot be encoded, such as one with an empty label.
            found = UNREACHED
        except (aiohttp.ClientError, OSError):
            found = CUT
        # Raised outside the except block: aiohttp's error holds the request, and so the key, and would be the context.
        if isinstance(found, CallFailure):
            raise found.raised()
        return found

    async def close(self) -> None:
        """Close all connections; calls in flight fail. The next call opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _open_session(self) -> "ClientSession":
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            # A session of another loop cannot be closed in this one.
            self._loop, self._session = loop, None
            allow_many_connections()
        if self._session is None:
            self._session = _new_session()
        return self._session


def _new_session() -> "ClientSession":
    """Make a session that opens one connection for each concurrent call, and keeps idle ones for `IDLE_S`."""
    import aiohttp

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_S, ssl=_ssl_context()),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(),
        # Some servers send headers, such as policies or cookies, longer than 8 KB.
        max_line_size=_MOST_HEADER_BYTES,
        max_field_size=_MOST_HEADER_BYTES,
    )


def _load() -> None:
    importlib.import_module("aiohttp")
    _ssl_context()


@lru_cache(1)
def _ssl_context() -> ssl.SSLContext:
    """
    Make the one SSL context of this process: loading certificates takes 20 ms and half a megabyte.

    They are those of `SSL_CERT_FILE` or `SSL_CERT_DIR`, else certifi's (a dependency of litellm), else the system's.
    """
    file, directory = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if not file and not directory:
        with suppress(ImportError):
            file = importlib.import_module("certifi").where()
    return ssl.create_default_context(cafile=file or None, capath=None if file else directory or None)


async def _read(response: "ClientResponse") -> HttpResponse | CallFailure:
    """Read a response completely, up to `MOST_BODY_BYTES` both as sent and decompressed."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "deflate", ""):
        return UNPACKED
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MOST_BODY_BYTES:
            return TOO_LONG
    plain = bytes(body) if encoding in ("identity", "") else _decompressed(bytes(body))
    return plain if isinstance(plain, CallFailure) else HttpResponse(response.status, response.headers, plain)


def _decompressed(body: bytes) -> bytes | CallFailure:
    # With 32 added to the window's bits, zlib tells gzip from zlib by the header.
    inflating = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        plain = inflating.decompress(body, MOST_BODY_BYTES + 1)
    except zlib.error:
        return UNPACKED
    if len(plain) > MOST_BODY_BYTES:
        return TOO_LONG
    return plain if inflating.eof else UNPACKED
