"""HTTP as both clients speak it: one request, one response, no retry, no redirection, and no limit but the caller's."""

import asyncio
import importlib.util
import ssl
import urllib.request
import zlib
from collections import deque
from collections.abc import AsyncIterable, Mapping
from contextlib import suppress
from functools import lru_cache
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from streams.errors import OperatorError
from streams.workers.refusals import CUT, MALFORMED, MOST_BODY_BYTES, TOO_LONG, UNREACHED, Refusal

if TYPE_CHECKING:
    import httpx

IDLE_S = 4.0
"""How long a connection is kept for the next call: less than the 5 s after which common model servers close theirs."""

_Origin = tuple[str, str, int | None]


class Answer(NamedTuple):
    """A response that was read to its end."""

    status: int
    headers: Mapping[str, str]
    """Looked up by name in any case."""
    body: bytes
    """Decompressed."""


def require(package: str, extra: str, agent: str) -> None:
    """
    Make sure that a package is there, without importing it.

    Raises:
        OperatorError: It is not.
    """
    if importlib.util.find_spec(package) is None:
        raise OperatorError(
            f"agents of kind {agent!r} need {package}, which is not installed",
            remedy=f"pip install 'orch-streams[{extra}]'",
        )


@lru_cache(1)
def allow_many_connections() -> None:
    """
    Let this process open as many files as the system allows it to; each call under way is a connection, so a file.

    Systems that start processes with 1,024 of them allow several thousand when asked.
    """
    try:
        import resource
    except ImportError:
        # Windows, where no such limit counts sockets.
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Some systems name a hard limit that they do not grant.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Wire:
    """
    Connections to providers.

    One call takes one connection, new or left by an earlier call; each has a pool of httpx of its own. One pool for
    all looks at each of its connections for each call, which with a thousand calls under way takes most of the time.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._idle: dict[_Origin, deque[_Kept]] = {}
        self._busy: set[httpx.AsyncHTTPTransport] = set()

    async def send(self, request: "httpx.Request") -> Answer:
        """
        Send one request and read its response, whatever its status.

        Raises:
            AgentError: `connection`; `too_long` for more than `MOST_BODY_BYTES`; `malformed` where the body is
                compressed in a way nobody asked for.
        """
        import httpx

        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            # What another loop left cannot be closed in this one.
            self._loop = loop
            self._idle.clear()
            self._busy.clear()
            allow_many_connections()
        # Answers are small; what is not compressed cannot burst.
        request.headers["Accept-Encoding"] = "identity"
        try:
            found = await self._send(request)
        except (httpx.ConnectError, httpx.ProxyError, httpx.UnsupportedProtocol):
            found = UNREACHED
        except (httpx.TransportError, OSError):
            found = CUT
        # Not from within, where the library's error, which knows the request and so the key, would become its context.
        if isinstance(found, Refusal):
            raise found.raised()
        return found

    async def close(self) -> None:
        """Close all connections; calls under way fail. The next call opens new ones."""
        connections = [*self._busy, *(kept.connection for idle in self._idle.values() for kept in idle)]
        self._busy.clear()
        self._idle.clear()
        for connection in connections:
            await connection.aclose()

    async def _send(self, request: "httpx.Request") -> Answer | Refusal:
        origin = (request.url.scheme, request.url.host, request.url.port)
        connection = await self._connection(origin)
        self._busy.add(connection)
        whole = False
        try:
            response = await connection.handle_async_request(request)
            assert isinstance(response.stream, AsyncIterable)
            try:
                body = await _read(response.stream, response.headers)
                whole = not isinstance(body, Refusal)
            finally:
                await response.stream.aclose()
        finally:
            await self._release(connection, origin, whole)
        return body if isinstance(body, Refusal) else Answer(response.status_code, response.headers, body)

    async def _connection(self, origin: _Origin) -> "httpx.AsyncHTTPTransport":
        """Take the connection that was used last, or a new one, not connected yet."""
        import httpx

        idle = self._idle.get(origin)
        if idle:
            connection, since_s = idle.pop()
            if monotonic() - since_s <= IDLE_S:
                return connection
            await connection.aclose()
        scheme, host, _ = origin
        proxy = _proxy_for(scheme, host)
        return httpx.AsyncHTTPTransport(
            # Also a proxy may want TLS.
            verify=_no_ssl_context() if scheme == "http" and proxy is None else _ssl_context(),
            limits=httpx.Limits(max_connections=1, keepalive_expiry=IDLE_S),
            proxy=proxy,
        )

    async def _release(self, connection: "httpx.AsyncHTTPTransport", origin: _Origin, whole: bool) -> None:
        known = connection in self._busy
        self._busy.discard(connection)
        if not (known and whole):
            await connection.aclose()
            return
        now_s = monotonic()
        idle = self._idle.setdefault(origin, deque())
        idle.append(_Kept(connection, now_s))
        # Those used longest ago are at the other end. While one is closed, other calls may take all the rest.
        while idle and now_s - idle[0].since_s > IDLE_S:
            await idle.popleft().connection.aclose()


class _Kept(NamedTuple):
    """A connection that waits for the next call."""

    connection: "httpx.AsyncHTTPTransport"
    since_s: float


@lru_cache(1)
def _ssl_context() -> ssl.SSLContext:
    """Make the one context of this process: reading the certificates takes 20 ms and half a megabyte."""
    import httpx

    return httpx.create_ssl_context()


@lru_cache(1)
def _no_ssl_context() -> ssl.SSLContext:
    """Give a context for connections that use none: it trusts nobody, and httpx makes no other."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@lru_cache(256)
def _proxy_for(scheme: str, host: str) -> str | None:
    """Give the proxy that the environment names for a host."""
    proxies = urllib.request.getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


async def _read(stream: AsyncIterable[bytes], headers: Mapping[str, str]) -> bytes | Refusal:
    """Read a body to its end, but never more than the limit, neither as sent nor decompressed."""
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "deflate", ""):
        return MALFORMED
    body = bytearray()
    async for chunk in stream:
        body += chunk
        if len(body) > MOST_BODY_BYTES:
            return TOO_LONG
    return bytes(body) if encoding in ("identity", "") else _decompressed(bytes(body))


def _decompressed(body: bytes) -> bytes | Refusal:
    # 32 more than the window's bits: the header tells gzip from zlib.
    inflating = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        plain = inflating.decompress(body, MOST_BODY_BYTES + 1)
    except zlib.error:
        return MALFORMED
    if len(plain) > MOST_BODY_BYTES:
        return TOO_LONG
    return plain if inflating.eof else MALFORMED
