"""
Patched litellm that sends one request for a call.

Left to itself it downloads a price list when it is imported, reads a file `.env`, prints advice, tries again (below the
number of retries that one can set: after a lost connection, and after a 422 for other parameters), counts costs (for
Ollama with a call that stops the event loop), and keeps at most 1,000 connections. Here its HTTP goes over the same
wire as that of `OpenAIClient`, which sends one request for a call. Providers that litellm calls with a library of their
own, or without asyncio, keep none of this.
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
    # Models of OpenAI's interface are called as all others are, without OpenAI's library: it takes a third of the CPU
    # time of a call, and has retries of its own.
    "EXPERIMENTAL_OPENAI_BASE_LLM_HTTP_HANDLER": "True",
}


class LiteLLMCall:
    """
    One call, and what went over the wire for it.

    Args:
        wire: Where it goes.
    """

    def __init__(self, wire: HttpTransport) -> None:
        self._wire = wire
        self.given_up = False
        self.asked: set[str] = set()
        """Addresses; each is asked once. One that gives out tokens may come before the model's."""
        self.answer: HttpResponse | None = None
        self.failure: Exception | None = None
        """What the wire raised; litellm must not make something else of it."""

    async def send(self, request: "httpx.Request") -> "httpx.Response":
        """
        Send one request, and give the response; only a model's answer comes back to litellm.

        Raises:
            ReadError: The call was given up, or has asked this address before, or is told to ask another one.
        """
        import httpx

        address = str(request.url)
        if self.given_up or address in self.asked:
            # An error that litellm does not meet with another try.
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
    """Give litellm an answer as its own library would, already decompressed and in one piece."""
    import httpx

    # As bytes, for a header may hold anything: these are the ones that came.
    headers = [
        (name.encode("utf-8", "surrogateescape"), value.encode("utf-8", "surrogateescape"))
        for name, value in answer.headers.items()
        if name.lower() not in _OF_THE_WIRE
    ]
    return httpx.Response(answer.status, headers=headers, content=answer.body, request=request)


_OF_THE_WIRE = ("content-encoding", "content-length", "transfer-encoding")

current: contextvars.ContextVar[LiteLLMCall] = contextvars.ContextVar("litellm_errand")
"""The call that litellm works for."""

_loaded: list[Acompletion] = []
_loading = threading.Lock()


def is_loaded() -> bool:
    """Whether litellm is there without waiting."""
    return bool(_loaded)


def load() -> Acompletion:
    """Give litellm's `acompletion`; imported and quietened once, which takes seconds and 170 MB."""
    # Calls that come while it is imported wait for it, each on its thread.
    with _loading:
        if not _loaded:
            _loaded.append(_load())
        return _loaded[0]


def _load() -> Acompletion:
    # As settings of this process: what it starts, for litellm's sake or not, sees them too.
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
    # Its first call imports as much again.
    litellm.completion(model="openai/gpt-4o", messages=[{"role": "user", "content": "?"}], mock_response="!")
    # A million objects that stay: the cyclic collector need not look at them again and again.
    gc.freeze()
    # What is wrapped around it tries again, caches, counts costs, and tells callbacks.
    plain: Any = inspect.unwrap(litellm.acompletion)

    def acompletion(**arguments: Any) -> Coroutine[Any, Any, Any]:
        notes: Any = Logging(
            model=arguments["model"],
            messages=arguments["messages"],
            stream=False,
            call_type="acompletion",
            # It takes no other, and nobody reads it.
            start_time=datetime.now(),  # noqa: DTZ005
            litellm_call_id="",
            litellm_trace_id="-",
            function_id="",
        )
        coroutine: Coroutine[Any, Any, Any] = plain(**arguments, litellm_logging_obj=notes)
        return coroutine

    return acompletion


def _use_the_wire() -> None:
    """Put litellm's HTTP on the wire of the call it is for. Its version is pinned exactly."""
    import httpx
    from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler, get_default_headers

    class Transport(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return await current.get().send(request)

    class Client(httpx.AsyncClient):
        """Leaves out redirections, cookies and authentication, a tenth of the CPU time of a call."""

        async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
            return await current.get().send(request)

    handler: Any = AsyncHTTPHandler
    # Where the client comes from that OpenAI's library would be given.
    handler._create_async_transport = staticmethod(lambda *args, **options: Transport())
    # And where all others come from, a retry's too.
    handler.create_client = lambda *args, **options: Client(
        transport=Transport(), headers=get_default_headers(), trust_env=False, timeout=None
    )
