"""HTTP as both clients speak it: one request, one response, no retry, no redirection, and no limit but the caller's."""

import asyncio
import importlib
import importlib.util
import ssl
import urllib.parse
import urllib.request
import zlib
from collections.abc import AsyncIterable, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from streams.agents.providers.http_errors import CUT, MALFORMED, MOST_BODY_BYTES, TOO_LONG, UNREACHED, Refusal
from streams.agents.providers.send_slots import TURNS
from streams.errors import OperatorError

if TYPE_CHECKING:
    import httpx
    from aiohttp import ClientSession

IDLE_S = 4.0
"""How long a connection is kept for the next call: less than the 5 s after which common model servers close theirs."""

_MOST_HEADER_BYTES = 65_536


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
    Connections to providers: httpx's requests and responses over the connections of aiohttp.

    httpx's own pool looks at each of its connections for each call, which with a thousand calls under way takes most of
    the time; and without the pool, its connections take twice the CPU time of aiohttp's.

    Args:
        address: Where requests will go, if it is one place.

    Raises:
        OperatorError: The environment names a proxy for it that cannot be used.
    """

    def __init__(self, address: str | None = None) -> None:
        if address is not None:
            # What is no address is told apart when it is called.
            with suppress(ValueError):
                parts = urllib.parse.urlsplit(address)
                _proxy_for(parts.scheme, parts.hostname or "")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._transports: dict[str | None, httpx.AsyncBaseTransport] = {}
        """By the proxy they go through."""
        self._ready = False

    async def ready(self) -> None:
        """Import what takes half a second, on a thread: the loop has other calls to look after."""
        if not self._ready:
            await asyncio.to_thread(_load)
            self._ready = True

    async def send(self, request: "httpx.Request") -> Answer:
        """
        Send one request and read its response, whatever its status.

        Raises:
            AgentError: `connection`; `too_long` for more than `MOST_BODY_BYTES`; `malformed` where the body is
                compressed in a way nobody asked for.
            OperatorError: The environment names a proxy that cannot be used.
        """
        import aiohttp
        import httpx

        # Answers are small; what is not compressed cannot burst.
        request.headers["Accept-Encoding"] = "identity"
        try:
            found = await self._send(request)
        except (httpx.TransportError, aiohttp.ClientError, OSError) as error:
            found = UNREACHED if _is_unreached(error) else CUT
        # Not from within, where the library's error, which knows the request and so the key, would become its context.
        if isinstance(found, Refusal):
            raise found.raised()
        return found

    async def close(self) -> None:
        """Close all connections; calls under way fail. The next call opens new ones."""
        transports = [*self._transports.values()]
        self._transports.clear()
        for transport in transports:
            await transport.aclose()

    async def _send(self, request: "httpx.Request") -> Answer | Refusal:
        transport = self._transport(_proxy_for(request.url.scheme, request.url.host))
        TURNS.end_mine()
        response = await transport.handle_async_request(request)
        assert isinstance(response.stream, AsyncIterable)
        try:
            body = await _read(response.stream, response.headers)
        finally:
            # Closes the connection, unless it was read to its end.
            await response.stream.aclose()
        return body if isinstance(body, Refusal) else Answer(response.status_code, response.headers, body)

    def _transport(self, proxy: str | None) -> "httpx.AsyncBaseTransport":
        import httpx
        from httpx_aiohttp import AiohttpTransport

        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            # What another loop left cannot be closed in this one.
            self._loop = loop
            self._transports.clear()
            allow_many_connections()
        transport = self._transports.get(proxy)
        if transport is None:
            through = None if proxy is None else httpx.Proxy(proxy)
            transport = AiohttpTransport(verify=_ssl_context(), proxy=through, client=_session)
            self._transports[proxy] = transport
        return transport


def _is_unreached(error: Exception) -> bool:
    """Whether nothing was sent; httpx's class is the same for a connection that was refused and one that was cut."""
    import aiohttp
    import httpx

    unreached = (aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError, aiohttp.InvalidURL)
    return isinstance(error, (*unreached, httpx.UnsupportedProtocol)) or isinstance(error.__cause__, unreached)


def _session() -> "ClientSession":
    """Open no connection yet; as many as there are calls, each kept a while for the next."""
    import aiohttp

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_S, ssl=_ssl_context()),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        # Some send a policy or cookies longer than 8 KB.
        max_line_size=_MOST_HEADER_BYTES,
        max_field_size=_MOST_HEADER_BYTES,
    )


def _load() -> None:
    importlib.import_module("httpx_aiohttp")
    _ssl_context()


@lru_cache(1)
def _ssl_context() -> ssl.SSLContext:
    """Make the one context of this process: reading the certificates takes 20 ms and half a megabyte."""
    import httpx

    return httpx.create_ssl_context()


@lru_cache(256)
def _proxy_for(scheme: str, host: str) -> str | None:
    """
    Give the proxy that the environment names for a host.

    Raises:
        OperatorError: It speaks another protocol than HTTP, or is no address. It is not quoted: it may hold a password.
    """
    proxies = urllib.request.getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(host):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if not _is_http(proxy):
        raise OperatorError(
            f"the environment sends calls to {host} through a proxy that is no http:// or https:// address",
            remedy=f"Correct {scheme}_proxy or all_proxy, or name the host in no_proxy",
        )
    return proxy


def _is_http(address: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(address)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


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
