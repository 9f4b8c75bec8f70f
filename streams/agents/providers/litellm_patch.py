"""
Patched litellm that sends one request for a call.

The patched litellm builds the request and reads the response, and does nothing else. Unpatched, it downloads a price
list on import, reads a file `.env`, prints advice, retries (in a layer below its retry setting: after a lost
connection, and after a 422 for other parameters), computes costs (for Ollama with a call that blocks the event loop),
and keeps at most 1,000 connections. Here its HTTP goes through the same `HttpTransport` as that of `OpenAIClient`. The
patch does not cover providers that litellm calls through a library of their own, or without asyncio.
"""

import contextvars
import gc
import inspect
import logging
import os
import threading
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import TYPE_CHECKING, Any

from streams.agents.providers.http import HttpResponse, HttpTransport

if TYPE_CHECKING:
    import httpx

Acompletion = Callable[..., Coroutine[Any, Any, Any]]

_ENVIRONMENT = {
    # Nothing is downloaded: prices, announcements, headers, templates.
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_LOCAL_POLICY_TEMPLATES": "True",
    "LITELLM_LOCAL_AUTOROUTER_PRESETS": "True",
    # In any other mode it reads .env.
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_LOG": "CRITICAL",
    # Calls models of OpenAI's interface like all others, without OpenAI's library, which takes a third of the CPU time
    # of a call and has retries of its own.
    "EXPERIMENTAL_OPENAI_BASE_LLM_HTTP_HANDLER": "True",
}


class LiteLLMCall:
    """
    One litellm call, and its HTTP exchange.

    Args:
        wire: Transport of its requests.
    """

    def __init__(self, wire: HttpTransport) -> None:
        self._wire = wire
        self.given_up = False
        self.asked: set[str] = set()
        """Requested addresses; each is requested once. A token endpoint may come before the model's."""
        self.answer: HttpResponse | None = None
        self.failure: Exception | None = None
        """Error of the transport, kept because litellm replaces it with its own."""

    async def send(self, request: "httpx.Request") -> "httpx.Response":
        """
        Send one request, and return the response unless it is a redirect.

        Raises:
            ReadError: The call was cancelled, has requested this address before, was redirected, or failed.
        """
        import httpx

        address = str(request.url)
        if self.given_up or address in self.asked:
            # litellm does not retry after this error.
            raise httpx.ReadError("one call is one request")
        self.asked.add(address)
        body = await request.aread()
        try:
            self.answer = answer = await self._wire.send(request.method, address, request.headers, body)
        except Exception as failure:
            self.failure = failure
        else:
            if not 300 <= answer.status < 400:
                return _response(answer, request)
        raise httpx.ReadError("no response")


def _response(answer: HttpResponse, request: "httpx.Request") -> "httpx.Response":
    """Convert a complete, decompressed response to httpx's, which litellm expects."""
    import httpx

    # As bytes: a header may hold any bytes, and these are the original ones.
    headers = [
        (name.encode("utf-8", "surrogateescape"), value.encode("utf-8", "surrogateescape"))
        for name, value in answer.headers.items()
        if name.lower() not in _OF_THE_WIRE
    ]
    return httpx.Response(answer.status, headers=headers, content=answer.body, request=request)


_OF_THE_WIRE = ("content-encoding", "content-length", "transfer-encoding")

current: contextvars.ContextVar[LiteLLMCall] = contextvars.ContextVar("litellm_call")
"""The litellm call that the running code belongs to."""

_loaded: list[Acompletion] = []
_loading = threading.Lock()


def is_loaded() -> bool:
    """Whether litellm is imported already."""
    return bool(_loaded)


def load() -> Acompletion:
    """Return litellm's `acompletion`; the first call imports and patches it, which takes seconds and 170 MB."""
    # Calls during the import wait for it, each in its thread.
    with _loading:
        if not _loaded:
            _loaded.append(_load())
        return _loaded[0]


def _load() -> Acompletion:
    # These apply to the whole process, and child processes inherit them.
    os.environ.update(_ENVIRONMENT)
    import litellm
    from litellm.litellm_core_utils.litellm_logging import Logging

    _use_the_wire()
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.turn_off_message_logging = True
    litellm.disable_hf_tokenizer_download = True
    litellm.cache = None
    for callbacks in (litellm.callbacks, litellm.input_callback, litellm.success_callback, litellm.failure_callback):
        callbacks.clear()
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    # Its first call imports as much again; this one sends no request.
    litellm.completion(model="openai/gpt-4o", messages=[{"role": "user", "content": "?"}], mock_response="!")
    # A million permanent objects, which the cyclic garbage collector need not traverse again and again.
    gc.freeze()
    # The decorators around it retry, cache, compute costs and run callbacks.
    plain: Any = inspect.unwrap(litellm.acompletion)

    def acompletion(**arguments: Any) -> Coroutine[Any, Any, Any]:
        notes: Any = Logging(
            model=arguments["model"],
            messages=arguments["messages"],
            stream=False,
            call_type="acompletion",
            # litellm requires a naive time, and nothing reads it.
            start_time=datetime.now(),  # noqa: DTZ005
            litellm_call_id="",
            litellm_trace_id="-",
            function_id="",
        )
        coroutine: Coroutine[Any, Any, Any] = plain(**arguments, litellm_logging_obj=notes)
        return coroutine

    return acompletion


def _use_the_wire() -> None:
    """Route litellm's HTTP through the transport of the current call; its version is pinned exactly."""
    import httpx
    from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler, get_default_headers

    class Transport(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return await current.get().send(request)

    class Client(httpx.AsyncClient):
        """Leaves out redirects, cookies and authentication, a tenth of the CPU time of a call."""

        async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
            return await current.get().send(request)

    handler: Any = AsyncHTTPHandler
    # Makes the transport of the client that OpenAI's library would use.
    handler._create_async_transport = staticmethod(lambda *args, **options: Transport())
    # Makes all other clients, also those of retries.
    handler.create_client = lambda *args, **options: Client(
        transport=Transport(), headers=get_default_headers(), trust_env=False, timeout=None
    )
