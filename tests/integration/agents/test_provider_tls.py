"""Both clients over TLS and through authenticating proxies."""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from streams.agents.agent import AgentError
from streams.agents.providers import http, proxy
from streams.agents.providers.completion import Completion

from ...limits import LIMIT_S
from ...loopback_tls import server_context
from .provider_endpoint import BOTH_KINDS, Endpoint, Kind, client_of, replying, request_of, serving

pytestmark = BOTH_KINDS

BASIC = f"Basic {base64.b64encode(b'user:pass/word').decode()}"


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Read certificates and proxies of the environment anew, before and after."""
    http._ssl_context.cache_clear()
    proxy.proxy_for.cache_clear()
    yield
    http._ssl_context.cache_clear()
    proxy.proxy_for.cache_clear()


@asynccontextmanager
async def tunnel() -> AsyncIterator[tuple[int, list[str]]]:
    """Serve as a proxy that connects any host to the port it is asked for on loopback; give what it was asked."""
    asked: list[str] = []

    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65_536):
                sink.write(data)
                await sink.drain()
        sink.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        asked.append(head)
        port = int(head.split()[1].rpartition(":")[2])
        there, back = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(copy(reader, back), copy(there, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], asked
    finally:
        server.close()


async def ask(kind: Kind, address: str) -> Completion | AgentError:
    """Make one call."""
    client = client_of(kind, address)
    try:
        async with asyncio.timeout(LIMIT_S):
            return await client.send(request_of(kind, address))
    except AgentError as error:
        return error
    finally:
        await client.close()


def test_a_certificate_of_ones_own_is_trusted(kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `SSL_CERT_FILE` holds is trusted, and nothing else is."""

    async def check() -> Completion | AgentError:
        async with serving(replying(), server_context(tmp_path)) as endpoint:
            return await ask(kind, endpoint.url)

    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    stranger = asyncio.run(check())
    assert isinstance(stranger, AgentError)
    assert (stranger.error, stranger.retriable, stranger.free) == ("connection", True, True)
    http._ssl_context.cache_clear()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    assert isinstance(asyncio.run(check()), Completion)


def test_a_tunnel_is_given_the_password_alone(kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of `https_proxy` hears its own password and no key; the endpoint hears the key and no password."""

    async def check() -> tuple[Completion | AgentError, list[str], Endpoint]:
        async with serving(replying(), server_context(tmp_path)) as endpoint, tunnel() as (port, asked):
            monkeypatch.setenv("https_proxy", f"http://user:pass%2Fword@127.0.0.1:{port}")
            address = endpoint.url.replace("127.0.0.1", "model.test")
            return await ask(kind, address), asked, endpoint

    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    outcome, (head,), endpoint = asyncio.run(check())
    assert isinstance(outcome, Completion)
    assert head.startswith("CONNECT model.test:")
    assert f"Proxy-Authorization: {BASIC}" in head
    assert "Bearer" not in head
    (request,) = endpoint.asked
    assert "Proxy-Authorization" not in request.headers
    assert request.headers["Authorization"].startswith("Bearer ")


def test_a_plain_proxy_is_given_its_password(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of `http_proxy` gets the request itself, and its password beside the key."""

    async def check() -> tuple[Completion | AgentError, Endpoint]:
        async with serving(replying()) as endpoint:
            monkeypatch.setenv("http_proxy", endpoint.url.replace("//", "//user:pass%2Fword@").removesuffix("/v1"))
            return await ask(kind, "http://model.test/v1"), endpoint

    outcome, endpoint = asyncio.run(check())
    assert isinstance(outcome, Completion)
    (request,) = endpoint.asked
    assert request.headers["Proxy-Authorization"] == BASIC
    assert request.headers["Host"] == "model.test"


def test_a_proxy_that_is_not_there_is_no_connection(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was sent, so it cost nothing, and may be tried again."""
    monkeypatch.setenv("https_proxy", "http://user:secret@127.0.0.1:1")
    outcome = asyncio.run(ask(kind, "https://model.test/v1"))
    assert isinstance(outcome, AgentError)
    assert (outcome.error, outcome.retriable, outcome.free) == ("connection", True, True)
