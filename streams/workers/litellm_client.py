"""
Calls any provider that litellm knows; litellm writes the request and reads the response, and does nothing else.

Left to itself it downloads a price list when it is imported, reads a file `.env`, prints advice, tries again (below the
number of retries that one can set: after a lost connection, and after a 422 for other parameters), counts costs (for
Ollama with a call that stops the event loop), and keeps at most 1,000 connections. Here its HTTP goes over the same
wire as that of `OpenAIClient`, which sends one request for a call; what goes wrong is told from what went over the
wire. Providers that litellm calls with a library of their own, or without asyncio, keep none of this.
"""

import asyncio
import contextvars
import gc
import logging
import os
import threading
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from schemas.quantities import PPB
from streams.workers.agent import AgentError
from streams.workers.completion import Completion, Request
from streams.workers.openai_client import read_completion, response_format
from streams.workers.refusals import CUT, MALFORMED, refusal_of
from streams.workers.wire import Answer, Wire, require

if TYPE_CHECKING:
    import httpx

NO_KEY = "none"
"""Sent to an address of one's own where the policy names no key: without one, litellm sends OpenAI's from the
environment to whatever address it is told."""

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

WRITTEN_AT_ONCE = 16
"""Requests that litellm writes at a time, 2 ms each. Where a thousand are begun at once, the first is sent when the
last is written; then all answers come at once too, and so on: of 200 calls a second, 147 were left; like this, 193."""

_NO_LIMIT_S = 86_400.0
"""litellm knows no call without a time limit; the caller's ends long before a day is over."""


class LiteLLMClient:
    """
    Carries requests to one provider's endpoint; litellm is imported, on another thread, for the first.

    Args:
        base_url: Where it is served; None: where litellm knows it to be.
        key: None: `NO_KEY` where there is a *base_url*; else litellm looks into the environment.

    Raises:
        OperatorError: The extra is not installed.
    """

    def __init__(self, base_url: str | None, key: SecretStr | None) -> None:
        require("litellm", "litellm", "litellm")
        self._base_url = base_url
        self._key = key
        self._wire = Wire()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turns = asyncio.Semaphore(WRITTEN_AT_ONCE)
        self._under_way: dict[asyncio.Task[Any], _Call] = {}
        """Also those given up before litellm had written their request, which will not be sent."""

    async def ready(self) -> None:
        """Import litellm, on a thread: it takes seconds, in which the loop has other calls to look after."""
        if not _loaded:
            await asyncio.to_thread(load)

    async def send(self, request: Request) -> Completion:
        """
        Make one call.

        Raises:
            AgentError: It failed; see `streams.workers.refusals`. `internal`: litellm failed by itself.
        """
        await self.ready()
        return await self._ask(load(), request)

    async def _ask(self, litellm: Any, request: Request) -> Completion:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            # Another loop's calls are over, but may not have said so.
            self._loop, self._turns = loop, asyncio.Semaphore(WRITTEN_AT_ONCE)
            self._under_way.clear()
        await self._turns.acquire()
        call = _Call(self._wire, self._turns)
        context = contextvars.copy_context()
        context.run(_current.set, call)
        # Else it would note every call for its own statistics, after the call.
        context.run(litellm._internal_context.is_internal_call.set, True)
        task = loop.create_task(litellm.acompletion(**self._arguments(request)), context=context)
        self._under_way[task] = call
        task.add_done_callback(self._forget)
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            if call.asked:
                task.cancel()
                await asyncio.wait([task])
            # Else litellm still writes the request, on another thread, which cannot be stopped and whose result, a
            # coroutine, somebody must await. The task ends by itself where it would send.
            call.given_up = True
            raise
        error = task.exception()
        # Not while an error is handled, or litellm's, which knows the key, would become the context of this one.
        if error is not None:
            raise _refusal(error, call)
        return read_completion(_fields(task.result()), request)

    async def close(self) -> None:
        """Close its connections, and let nothing out that is not sent yet; a later call opens new ones."""
        unsent = [task for task, call in self._under_way.items() if not call.asked]
        for task in unsent:
            self._under_way[task].given_up = True
        await self._wire.close()
        if unsent:
            await asyncio.wait(unsent)

    def _arguments(self, request: Request) -> dict[str, Any]:
        key = NO_KEY if self._base_url is not None else None
        arguments: dict[str, Any] = {
            "model": request.model,
            "messages": [{"role": role, "content": content} for role, content in request.messages],
            "api_base": self._base_url,
            "api_key": key if self._key is None else self._key.get_secret_value(),
            "max_tokens": request.max_output_tokens,
            "temperature": None if request.temperature_ppb is None else request.temperature_ppb / PPB,
            "seed": request.seed,
            "response_format": None if request.schema is None else response_format(request.schema),
            # What a provider does not take is left out: the policy has one form for all.
            "drop_params": True,
            "num_retries": 0,
            "max_retries": 0,
            "timeout": _NO_LIMIT_S,
            "caching": False,
        }
        return {name: value for name, value in arguments.items() if value is not None}

    def _forget(self, task: asyncio.Task[Any]) -> None:
        call = self._under_way.pop(task, None)
        if call is not None:
            call.written()
        if not task.cancelled():
            # Looked at, or asyncio reports it as lost.
            task.exception()


class _Call:
    """What went over the wire for one call."""

    def __init__(self, wire: Wire, turns: asyncio.Semaphore) -> None:
        self.wire = wire
        self._turns: asyncio.Semaphore | None = turns
        self.given_up = False
        self.asked: set[str] = set()
        """Addresses; each is asked once. One that gives out tokens may come before the model's."""
        self.answer: Answer | None = None
        self.failure: Exception | None = None
        """What the wire raised; litellm must not make something else of it."""

    def written(self) -> None:
        """Let the next call be written, if this one has not done so before."""
        turns, self._turns = self._turns, None
        if turns is not None:
            turns.release()


_current: contextvars.ContextVar[_Call] = contextvars.ContextVar("litellm_call")


_loaded: list[Any] = []
_loading = threading.Lock()


def load() -> Any:
    """Give litellm; imported and quietened once, which takes seconds and 170 MB."""
    # Calls that come while it is imported wait for it, each on its thread.
    with _loading:
        if not _loaded:
            _loaded.append(_load())
        return _loaded[0]


def _load() -> Any:
    # As settings of this process: what it starts, for litellm's sake or not, sees them too.
    os.environ.update(_ENVIRONMENT)
    import httpx
    import litellm
    from litellm.litellm_core_utils.litellm_logging import Logging
    from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler

    class Transport(httpx.AsyncBaseTransport):
        """Sends what litellm writes, on the wire of the call it is written for."""

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return await _over_the_wire(request, _current.get())

    transport = Transport()
    handler: Any = AsyncHTTPHandler
    logger: Any = Logging
    # litellm's one place where transports of asyncio come from, its retries' too. The version is pinned exactly.
    handler._create_async_transport = staticmethod(lambda *args, **options: transport)
    # What a call costs follows from the policy's prices; litellm's way asks an Ollama server for them, and waits.
    logger._response_cost_calculator = lambda *args, **options: None
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.turn_off_message_logging = True
    litellm.disable_hf_tokenizer_download = True
    litellm.num_retries = None
    litellm.cache = None
    for callbacks in (litellm.callbacks, litellm.input_callback, litellm.success_callback, litellm.failure_callback):
        callbacks.clear()
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    # Its first call imports as much again.
    litellm.completion(model="openai/gpt-4o", messages=[{"role": "user", "content": "?"}], mock_response="!")
    # A million objects that stay: the cyclic collector need not look at them again and again.
    gc.freeze()
    return litellm


async def _over_the_wire(request: "httpx.Request", call: _Call) -> "httpx.Response":
    """
    Send one request of a call, and give the response; only a model's answer comes back to litellm.

    Raises:
        ReadError: The call was given up, or has asked this address before, or is told to ask another one.
    """
    import httpx

    address = str(request.url)
    if call.given_up or address in call.asked:
        # An error that litellm does not meet with another try.
        raise httpx.ReadError("one call is one request")
    call.asked.add(address)
    call.written()
    await request.aread()
    try:
        call.answer = answer = await call.wire.send(request)
    except Exception as failure:
        call.failure = failure
    else:
        if not 300 <= answer.status < 400:
            # Already decompressed and in one piece.
            kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in _OF_THE_WIRE]
            return httpx.Response(answer.status, headers=kept, content=answer.body)
    raise httpx.ReadError("no response")


_OF_THE_WIRE = ("content-encoding", "content-length", "transfer-encoding")


def _refusal(error: BaseException, call: _Call) -> Exception:
    """Say what went wrong by what went over the wire; where nothing did, by what litellm says."""
    if call.failure is not None:
        return call.failure
    if call.answer is not None:
        answered = call.answer.status
        return MALFORMED.raised() if 200 <= answered < 300 else refusal_of(answered, call.answer.headers)
    status = getattr(error, "status_code", None)
    if not isinstance(status, int) or not 300 <= status < 600:
        return AgentError("internal", retriable=False, free=True)
    if type(error).__name__ in ("APIConnectionError", "Timeout"):
        return CUT.raised()
    headers = getattr(getattr(error, "response", None), "headers", None)
    return refusal_of(status, {} if headers is None else headers)


def _fields(response: Any) -> dict[str, Any]:
    """Write a response as OpenAI's interface has it, as far as `read_completion` looks."""
    usage = getattr(response, "usage", None)
    return {
        "model": getattr(response, "model", None),
        "system_fingerprint": getattr(response, "system_fingerprint", None),
        "choices": [_choice(choice) for choice in getattr(response, "choices", [])],
        "usage": {name: getattr(usage, name, None) for name in ("prompt_tokens", "completion_tokens")},
    }


def _choice(choice: Any) -> dict[str, Any]:
    message = choice.message
    refusal = (getattr(message, "provider_specific_fields", None) or {}).get("refusal")
    return {
        "finish_reason": choice.finish_reason,
        "message": {
            "content": message.content,
            "refusal": refusal,
            "tool_calls": getattr(message, "tool_calls", None),
            "function_call": getattr(message, "function_call", None),
        },
    }
