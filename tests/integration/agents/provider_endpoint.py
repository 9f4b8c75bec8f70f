"""
A scripted provider endpoint on loopback, and calls to it.

The calls go through either client.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal

import pytest
from aiohttp import web
from pydantic import SecretStr

from streams.agents.agent import AgentError
from streams.agents.providers.completion import ChatMessage, Client, Completion, Request
from streams.agents.providers.litellm_client import LiteLLMClient
from streams.agents.providers.litellm_patch import is_loaded
from streams.agents.providers.openai_client import OpenAIClient

from ...limits import LIMIT_S

Kind = Literal["openai", "litellm"]
BOTH_KINDS = pytest.mark.parametrize("kind", ["openai", "litellm"], indirect=True)
"""Of a test of both clients; see `kind` in conftest.py."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

KEY = "sk-planted/0123+456789=abc"
"""With characters that look different in a URL."""


REPLY: dict[str, Any] = {
    "id": "1",
    "object": "chat.completion",
    "created": 1,
    "model": "m-2024",
    "system_fingerprint": "fp_1",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "(B)"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
}


class Endpoint:
    """A server's requests so far, and its handler."""

    def __init__(self, handler: Handler) -> None:
        self.url = ""
        self.asked: list[web.Request] = []
        self.bodies: list[dict[str, Any]] = []
        self.gone = asyncio.Event()
        """Set when a client has disconnected before its response was complete."""
        self._handler = handler

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Note a request and answer it."""
        self.asked.append(request)
        self.bodies.append(await request.json())
        try:
            return await self._handler(request)
        except (asyncio.CancelledError, ConnectionError):
            self.gone.set()
            raise


@asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[Endpoint]:
    """Serve on a free port as long as the block runs."""
    endpoint = Endpoint(handler)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", endpoint.answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    endpoint.url = f"http{'s' if tls else ''}://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield endpoint
    finally:
        await runner.cleanup()


def replying(body: Any = None, status: int = 200, headers: dict[str, str] | None = None) -> Handler:
    """Answer every request with this: bytes, or else what is written as JSON."""

    async def handler(request: web.Request) -> web.StreamResponse:
        if isinstance(body, bytes):
            return web.Response(
                body=body, status=status, headers={"Content-Type": "application/json"} | (headers or {})
            )
        return web.json_response(REPLY if body is None else body, status=status, headers=headers)

    return handler


def saying(message: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Write a reply with this message."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
    return {**REPLY, "choices": [choice], **more}


def client_of(kind: Kind, url: str | None, key: str | None = KEY) -> Client:
    """Make a client."""
    secret = None if key is None else SecretStr(key)
    if kind == "litellm":
        assert is_loaded(), "use the fixture `kind` or `litellm_loaded`, or its import counts in the test's limit"
        return LiteLLMClient(url, secret)
    assert url is not None
    return OpenAIClient(url, secret)


def request_of(kind: Kind, url: str | None, **changes: Any) -> Request:
    """Write a request."""
    fields: dict[str, Any] = {
        "model": "openai/m" if kind == "litellm" else "m",
        "base_url": url,
        "messages": (ChatMessage("system", "Decide."), ChatMessage("user", "A or B?")),
        "max_output_tokens": 50,
        "temperature_ppb": 0,
        "seed": 3,
        "schema": None,
    }
    return Request(**fields | changes)


def called(kind: Kind, handler: Handler, **changes: Any) -> tuple[Completion | AgentError, Endpoint]:
    """Make one call to an endpoint with this handler; give the outcome and the endpoint."""

    async def call() -> tuple[Completion | AgentError, Endpoint]:
        async with asyncio.timeout(LIMIT_S), serving(handler) as endpoint:
            client = client_of(kind, endpoint.url)
            try:
                return await client.send(request_of(kind, endpoint.url, **changes)), endpoint
            except AgentError as error:
                return error, endpoint
            finally:
                await client.close()

    return asyncio.run(call())


def failed(kind: Kind, handler: Handler, **changes: Any) -> AgentError:
    """Make one call that fails, over exactly one HTTP request."""
    outcome, endpoint = called(kind, handler, **changes)
    assert isinstance(outcome, AgentError), outcome
    assert len(endpoint.asked) == 1
    return outcome


def completed(kind: Kind, handler: Handler, **changes: Any) -> Completion:
    """Make one call that succeeds, over exactly one HTTP request."""
    outcome, endpoint = called(kind, handler, **changes)
    assert isinstance(outcome, Completion), repr(outcome)
    assert len(endpoint.asked) == 1
    return outcome
