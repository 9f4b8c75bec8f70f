"""
Connections of both clients: cancelled, pooled, aged, closed, proxied.

No key can be seen in them.
"""

import asyncio
import traceback

import pytest
from aiohttp import web

from streams.agents.providers import proxy
from streams.errors import OperatorError

from ...limits import LIMIT_S
from .provider_endpoint import BOTH_KINDS, KEY, Kind, client_of, failed, replying, request_of, serving

pytestmark = BOTH_KINDS


@pytest.mark.parametrize("started", [False, True], ids=["hang", "drip"])
def test_a_cancelled_call_leaves_its_connection(kind: Kind, started: bool) -> None:
    """A caller who gives up, before or within the answer, has closed the connection, and nothing else is left."""

    async def check() -> list[str]:
        reached = asyncio.Event()

        async def slow(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            if started:
                await response.prepare(request)
                await response.write(b'{"choices"')
            reached.set()
            await asyncio.Event().wait()
            return response

        async with asyncio.timeout(LIMIT_S), serving(slow) as endpoint:
            client = client_of(kind, endpoint.url)
            call = asyncio.create_task(client.send(request_of(kind, endpoint.url)))
            await reached.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            await endpoint.gone.wait()
            left = [str(task) for task in asyncio.all_tasks()]
            await client.close()
            return [task for task in left if "send" in task or "completion" in task]

    assert asyncio.run(check()) == []


def test_a_proxy_of_the_environment_is_used(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the environment names a proxy for an address, the request goes to the proxy."""

    async def check() -> str:
        async with asyncio.timeout(LIMIT_S), serving(replying()) as proxy:
            monkeypatch.setenv("http_proxy", proxy.url.removesuffix("/v1"))
            address = f"http://{kind}.model.invalid/v1"
            client = client_of(kind, address)
            assert (await client.send(request_of(kind, address))).text == "(B)"
            await client.close()
            return proxy.asked[0].headers["Host"]

    assert asyncio.run(check()) == f"{kind}.model.invalid"


@pytest.mark.parametrize("proxy", ["socks5://u:secret@127.0.0.1:9", "http://", "http://u:secret@127.0.0.1:x", "[::"])
def test_a_proxy_that_cannot_be_used_is_said_at_once(kind: Kind, proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any call, with the host it is for and what to set, and without the password it may hold."""
    monkeypatch.setenv("http_proxy", proxy)
    host = f"{kind}{len(proxy)}.model.invalid"
    with pytest.raises(OperatorError, match=host) as caught:
        client_of(kind, f"http://{host}/v1")
    assert "secret" not in f"{caught.value} {caught.value.remedy}"
    assert "http_proxy" in (caught.value.remedy or "")


def test_a_host_that_needs_no_proxy_is_asked_itself(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host of `no_proxy` is called without the proxy, whatever that is."""

    async def check() -> int:
        async with asyncio.timeout(LIMIT_S), serving(replying()) as endpoint:
            monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:9")
            monkeypatch.setenv("no_proxy", "localhost")
            # What was found for a host before, without this environment, is kept.
            proxy.proxy_for.cache_clear()
            address = endpoint.url.replace("127.0.0.1", "localhost")
            client = client_of(kind, address)
            await client.send(request_of(kind, address))
            await client.close()
            return len(endpoint.asked)

    assert asyncio.run(check()) == 1


def test_connections_are_used_again(kind: Kind) -> None:
    """Calls one after the other share a connection; calls at the same time have one each."""

    async def check() -> tuple[int, int]:
        async with asyncio.timeout(LIMIT_S), serving(replying()) as endpoint:
            client = client_of(kind, endpoint.url)
            for _ in range(3):
                await client.send(request_of(kind, endpoint.url))
            alone = len({id(asked.protocol) for asked in endpoint.asked})
            await asyncio.gather(*(client.send(request_of(kind, endpoint.url)) for _ in range(150)))
            await client.close()
            return alone, len(endpoint.asked)

    assert asyncio.run(check()) == (1, 153)


def test_connections_grow_old_while_others_are_used(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections that have waited too long are closed on the way, and disturb no call that ends at that moment."""
    monkeypatch.setattr("streams.agents.providers.http.IDLE_S", 0.001)

    async def check() -> int:
        async with asyncio.timeout(LIMIT_S), serving(replying()) as endpoint:
            client = client_of(kind, endpoint.url)

            async def several() -> None:
                for _ in range(6):
                    await client.send(request_of(kind, endpoint.url))

            await asyncio.gather(*(several() for _ in range(40)))
            await client.close()
            return len(endpoint.asked)

    assert asyncio.run(check()) == 240


def test_a_closed_client_can_be_used_again(kind: Kind) -> None:
    """After it is closed, and in another event loop, a client opens new connections."""

    async def twice() -> None:
        async with asyncio.timeout(LIMIT_S), serving(replying()) as endpoint:
            client = client_of(kind, endpoint.url)
            for _ in range(2):
                assert (await client.send(request_of(kind, endpoint.url))).text == "(B)"
                await client.close()

    asyncio.run(twice())
    asyncio.run(twice())


def test_an_echoed_key_is_in_nothing_that_can_be_printed(kind: Kind) -> None:
    """An error of a provider that repeats the key holds it nowhere: not in its words, its causes or its context."""
    body = {"error": {"message": f"Incorrect API key provided: {KEY}", "type": "x", "code": KEY, "param": KEY}}
    error = failed(kind, replying(body, 401, {"X-Key": KEY, "Retry-After": KEY}))
    told = [repr(vars(error)), "".join(traceback.format_exception(error))]
    link: BaseException | None = error
    while link is not None:
        told.append(repr(link) + repr(link.args))
        link = link.__cause__ or link.__context__
    assert not [text for text in told if KEY in text]


def test_no_repr_shows_the_key(kind: Kind) -> None:
    """A client can be printed, with all that it holds, without its key."""
    client = client_of(kind, "http://127.0.0.1:1/v1")
    assert KEY not in repr(client) + repr(vars(client))
