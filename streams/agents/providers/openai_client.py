"""Client for endpoints with OpenAI's chat completions interface."""

import json
from typing import Any

from pydantic import SecretStr

from schemas.canonical import MAX_INTEGER
from schemas.quantities import PPB
from streams.agents.providers.completion import Completion, Request, read_json
from streams.agents.providers.http import HttpTransport, require
from streams.agents.providers.http_errors import MALFORMED, refusal_of, useless
from streams.agents.providers.proxy import target_of

_OPENAI_HOST = "api.openai.com"


class OpenAIClient:
    """
    Client of one endpoint; it opens no connection before the first request.

    Args:
        base_url: Address up to the path of the API (`https://api.openai.com/v1`).
        key: Sent as `Authorization: Bearer`; None: the header is not sent.

    Raises:
        OperatorError: The extra is not installed, or the environment names a proxy that cannot be used.
    """

    def __init__(self, base_url: str, key: SecretStr | None) -> None:
        require("aiohttp", "openai", "openai")
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        target = target_of(base_url)
        self._host = None if target is None else target.host
        self._key = key
        self._wire = HttpTransport(base_url)

    async def ready(self) -> None:
        """Do one-off setup before the first call."""
        await self._wire.ready()

    async def send(self, request: Request) -> Completion:
        """
        Make one call.

        Raises:
            AgentError: It failed; see `streams.agents.providers.http_errors`. A reply with a tool call instead of text
                is `tool_call`.
        """
        headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "orch-streams"}
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key.get_secret_value()}"
        body = json.dumps(body_of(request, self._host)).encode()
        answer = await self._wire.send("POST", self._url, headers, body)
        if not 200 <= answer.status < 300:
            raise refusal_of(*answer)
        return read_completion(read_json(answer.body), request)

    async def close(self) -> None:
        """Close its connections; a later call opens new ones."""
        await self._wire.close()


def body_of(request: Request, host: str | None) -> dict[str, Any]:
    """
    Build the body of a request to OpenAI's interface.

    OpenAI's own endpoint names the output limit `max_completion_tokens`, the only name that its newer models accept.
    Other endpoints name it `max_tokens`, and some accept no other name.
    """
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [{"role": role, "content": content} for role, content in request.messages],
        "max_completion_tokens" if host == _OPENAI_HOST else "max_tokens": request.max_output_tokens,
    }
    if request.temperature_ppb is not None:
        body["temperature"] = request.temperature_ppb / PPB
    if request.seed is not None:
        body["seed"] = request.seed
    if request.schema is not None:
        body["response_format"] = response_format(request.schema)
    return body


def response_format(schema: dict[str, Any]) -> dict[str, Any]:
    """Build the parameter that restricts the reply to a JSON schema."""
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}


def read_completion(fields: Any, request: Request) -> Completion:
    """
    Parse a completion; metadata that is missing or invalid becomes None.

    Args:
        fields: The parsed body.
        request: The request that it answers.

    Returns:
        The completion; its text may be that of a refusal, or empty.

    Raises:
        AgentError: `malformed`: it is no completion. `tool_call`: it calls a tool and has no text.
    """
    choices = fields.get("choices") if isinstance(fields, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise MALFORMED.raised()
    usage = fields.get("usage")
    input_tokens = _count(usage, "prompt_tokens")
    completion = Completion(
        text=_text(message.get("content")) or _text(message.get("refusal")),
        reported_model=_word(fields.get("model")),
        fingerprint=_word(fields.get("system_fingerprint")),
        finish_reason=_word(choice.get("finish_reason")),
        # Every prompt has tokens: a provider that reports 0 did not count, so its output tokens are unknown too.
        input_tokens=input_tokens or None,
        output_tokens=_count(usage, "completion_tokens") if input_tokens else None,
    )
    if not completion.text and (message.get("tool_calls") or message.get("function_call")):
        raise useless("tool_call", request, completion)
    return completion


def _text(content: Any) -> str:
    """Join content that is one text or a list of parts; parts without text are ignored."""
    if isinstance(content, list):
        return "".join(_text(part.get("text")) for part in content if isinstance(part, dict))
    if content is None or isinstance(content, str):
        return content or ""
    raise MALFORMED.raised()


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _count(usage: Any, name: str) -> int | None:
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if type(value) is int and 0 <= value <= MAX_INTEGER else None
