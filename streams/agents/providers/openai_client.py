"""Client for endpoints with OpenAI's chat completions interface."""

import json
from typing import Any

from pydantic import SecretStr

from schemas.quantities import PPB
from streams.agents.providers.completion import Completion, Request
from streams.agents.providers.completion_body import read_response
from streams.agents.providers.http import HttpTransport, require
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
        body = body_of(request, self._host)
        answer = await self._wire.send("POST", self._url, headers, json.dumps(body).encode())
        return read_response(answer, request, body)

    async def close(self) -> None:
        """Close its connections; a later call opens new ones."""
        await self._wire.close()


def body_of(request: Request, host: str | None) -> dict[str, Any]:
    """
    Build the body of a request to OpenAI's interface.

    The request may say how its endpoint names the output limit. Else it is `max_completion_tokens` on OpenAI's own
    endpoint, whose newer models accept no other name, and `max_tokens` on any other, of which some accept no other.
    """
    default = "max_completion_tokens" if host == _OPENAI_HOST else "max_tokens"
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [{"role": role, "content": content} for role, content in request.messages],
        request.output_limit or default: request.max_output_tokens,
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
