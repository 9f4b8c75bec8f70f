"""
Client for every provider that litellm supports.

Failures are classified by the HTTP exchange; litellm's own errors count only where there was none.
"""

import asyncio
import contextvars
from typing import Any

from pydantic import SecretStr

from schemas.quantities import PPB
from streams.agents.agent import AgentError
from streams.agents.providers.completion import Completion, Request
from streams.agents.providers.http import HttpTransport, require
from streams.agents.providers.http_errors import CUT, MALFORMED, refusal_of
from streams.agents.providers.litellm_patch import Acompletion, LiteLLMCall, current, is_loaded, load
from streams.agents.providers.openai_client import read_completion, response_format

NO_KEY = "none"
"""Dummy key for a configured address if the policy names no key: without one, litellm sends OpenAI's key from the
environment to that address."""

_NO_LIMIT_S = 86_400.0
"""litellm requires a time limit; the caller's own limit ends a call long before this day is over."""


class LiteLLMClient:
    """
    Client of one provider's endpoint through litellm, which is imported in a thread before the first call.

    Args:
        base_url: Address of the endpoint; None: the provider's address that litellm knows.
        key: None: `NO_KEY` if there is a *base_url*; else litellm looks for the key in the environment.

    Raises:
        OperatorError: The extra is not installed, or the environment names a proxy that cannot be used.
    """

    def __init__(self, base_url: str | None, key: SecretStr | None) -> None:
        for package in ("litellm", "aiohttp"):
            require(package, "litellm", "litellm")
        self._base_url = base_url
        self._key = key
        self._wire = HttpTransport(base_url)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._under_way: dict[asyncio.Task[Any], LiteLLMCall] = {}
        """Calls in flight; also cancelled ones whose request litellm still builds and will not send."""

    async def ready(self) -> None:
        """Import litellm in a thread: it takes seconds, in which the event loop serves other calls."""
        if not is_loaded():
            await asyncio.to_thread(load)
        await self._wire.ready()

    async def send(self, request: Request) -> Completion:
        """
        Make one call.

        Raises:
            AgentError: It failed; see `streams.agents.providers.http_errors`. `internal`: litellm failed by itself.
        """
        await self.ready()
        return await self._ask(load(), request)

    async def _ask(self, acompletion: Acompletion, request: Request) -> Completion:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            # Calls of another loop have ended, but may not have been removed.
            self._loop = loop
            self._under_way.clear()
        litellm_call = LiteLLMCall(self._wire)
        context = contextvars.copy_context()
        context.run(current.set, litellm_call)
        task = loop.create_task(acompletion(**self._arguments(request)), context=context)
        self._under_way[task] = litellm_call
        task.add_done_callback(self._forget)
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            if litellm_call.asked:
                task.cancel()
                await asyncio.wait([task])
            # Else litellm is still building the request in another thread. The thread cannot be stopped, and its
            # result, a coroutine, must be awaited. The task ends by itself at the point where it would send.
            litellm_call.given_up = True
            raise
        error = task.exception()
        # Raised outside any except block: litellm's error holds the key and would become the context of this one.
        if error is not None:
            raise _refusal(error, litellm_call)
        return read_completion(_fields(task.result()), request)

    async def close(self) -> None:
        """Close the connections, and drop requests that are not sent yet; a later call opens new connections."""
        unsent = [task for task, litellm_call in self._under_way.items() if not litellm_call.asked]
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
            # Parameters that a provider does not accept are left out: the policy has one form for all.
            "drop_params": True,
            "num_retries": 0,
            "max_retries": 0,
            "timeout": _NO_LIMIT_S,
            "caching": False,
        }
        return {name: value for name, value in arguments.items() if value is not None}

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._under_way.pop(task, None)
        if not task.cancelled():
            # Retrieved, or asyncio logs that it never was.
            task.exception()


def _refusal(error: BaseException, litellm_call: LiteLLMCall) -> Exception:
    """Classify a failure by the HTTP exchange; if there was none, by litellm's error."""
    if litellm_call.failure is not None:
        return litellm_call.failure
    if litellm_call.answer is not None:
        return MALFORMED.raised() if 200 <= litellm_call.answer.status < 300 else refusal_of(*litellm_call.answer)
    status = getattr(error, "status_code", None)
    if not isinstance(status, int) or not 300 <= status < 600:
        return AgentError("internal", retriable=False, free=True)
    if type(error).__name__ in ("APIConnectionError", "Timeout"):
        return CUT.raised()
    headers = getattr(getattr(error, "response", None), "headers", None)
    return refusal_of(status, {} if headers is None else headers)


def _fields(response: Any) -> dict[str, Any]:
    """Convert a response to the fields of OpenAI's interface that `read_completion` reads."""
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
