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
from streams.agents.providers.completion import Completion, Request, read_json
from streams.agents.providers.completion_body import error_of, message_of, no_completion, read_completion
from streams.agents.providers.http import HttpResponse, HttpTransport, require
from streams.agents.providers.http_errors import CUT, refusal_of
from streams.agents.providers.litellm_patch import Acompletion, LiteLLMCall, current, is_loaded, load
from streams.agents.providers.openai_client import response_format
from streams.agents.providers.reported_errors import first_choice

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
        if litellm_call.failure is not None:
            raise litellm_call.failure
        said = None if error is not None else task.result()
        if litellm_call.answer is not None:
            return read_completion(self._read(litellm_call.answer, said, request), request)
        if error is not None:
            raise _refusal(error)
        return read_completion(_fields(said, None), request)

    async def close(self) -> None:
        """Close the connections, and drop requests that are not sent yet; a later call opens new connections."""
        unsent = [task for task, litellm_call in self._under_way.items() if not litellm_call.asked]
        for task in unsent:
            self._under_way[task].given_up = True
        await self._wire.close()
        if unsent:
            await asyncio.wait(unsent)

    def _read(self, answer: HttpResponse, said: Any, request: Request) -> dict[str, Any]:
        """
        Give the fields of a completion, from the response itself if it has OpenAI's form, else as litellm reads it.

        litellm turns finish reasons it does not know into `stop`, and missing counts into 0 or into estimates.

        Args:
            answer: The response of the provider.
            said: What litellm makes of it; None if it fails.
            request: The request that it answers.

        Raises:
            AgentError: It is no completion.
        """
        own = read_json(answer.body)
        error = error_of(answer, own, request, self._arguments(request))
        if error is not None:
            raise error
        message = message_of(own)
        if message is not None:
            # litellm asks some providers for JSON by a tool, and makes the reply of its call.
            by_tool = said is not None and not message.get("content") and message.get("tool_calls")
            return {**own, "choices": _fields(said, own)["choices"]} if by_tool else own
        if said is None or (isinstance(own, dict) and "choices" in own and "text" not in first_choice(own)):
            raise no_completion(answer, own, request)
        return _fields(said, own)

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


def _refusal(error: BaseException) -> Exception:
    """Classify a failure without an HTTP exchange by litellm's error."""
    status = getattr(error, "status_code", None)
    if not isinstance(status, int) or not 300 <= status < 600:
        return AgentError("internal", retriable=False, free=True)
    if type(error).__name__ in ("APIConnectionError", "Timeout"):
        return CUT.raised()
    headers = getattr(getattr(error, "response", None), "headers", None)
    return refusal_of(status, {} if headers is None else headers)


def _fields(said: Any, own: Any) -> dict[str, Any]:
    """
    Convert a response to the fields of OpenAI's interface that `read_completion` reads.

    Args:
        said: Response as litellm has read it.
        own: Parsed body of the provider, in its own form; None if it is not known.
    """
    usage = getattr(said, "usage", None)
    counts = {name: getattr(usage, name, None) for name in ("prompt_tokens", "completion_tokens")}
    return {
        "model": getattr(said, "model", None),
        "system_fingerprint": getattr(said, "system_fingerprint", None),
        "choices": [_choice(choice) for choice in getattr(said, "choices", [])],
        "usage": {name: None if name in _uncounted(own) else count for name, count in counts.items()},
    }


def _uncounted(own: Any) -> list[str]:
    """List the counts that a provider has left out, and litellm has made up; only of forms that are known here."""
    if not isinstance(own, dict):
        return []
    usage: Any = own
    if "done" in own:
        # Ollama, which leaves out the count of a prompt it has cached.
        names = {"prompt_tokens": "prompt_eval_count", "completion_tokens": "eval_count"}
    elif own.get("type") == "message":
        # Anthropic.
        usage, names = own.get("usage"), {"prompt_tokens": "input_tokens", "completion_tokens": "output_tokens"}
    else:
        return []
    counted = usage if isinstance(usage, dict) else {}
    return [name for name, theirs in names.items() if type(counted.get(theirs)) is not int]


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
