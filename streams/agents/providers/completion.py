"""Chat completions: request, response and the client protocol."""

import json
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from schemas.canonical import canonical_json, content_id


class ChatMessage(NamedTuple):
    """One message of a conversation."""

    role: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Everything that determines a completion; holds no secret."""

    model: str
    base_url: str | None
    messages: tuple[ChatMessage, ...]
    max_output_tokens: int
    temperature_ppb: int | None
    """Parts per billion; None: not sent."""
    seed: int | None
    """None: not sent."""
    schema: dict[str, Any] | None
    """JSON schema of the reply; None: not sent."""
    output_limit: str | None = None
    """Parameter that carries `max_output_tokens`; None: the one that the client chooses for the address."""

    @property
    def hash(self) -> str:
        """SHA-256 over the canonical JSON of the request; an unset `output_limit` is not in it."""
        asked = {name: getattr(self, name) for name in self.__slots__}
        if self.output_limit is None:
            del asked["output_limit"]
        return content_id(canonical_json({**asked, "messages": [list(message) for message in self.messages]}))

    @property
    def most_input_tokens(self) -> int:
        """
        Bound the tokens of the prompt and the schema: every token stands for at least one byte.

        Tokens that a provider adds (roles, tags) are bounded by `TOKENS_AROUND` a message.
        """
        schema = 0 if self.schema is None else len(canonical_json(self.schema))
        return schema + sum(len(message.content.encode()) + TOKENS_AROUND for message in self.messages)


TOKENS_AROUND = 64
"""Tokens a provider may put around one message; known chat formats take 3 to 10."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """Completion returned by a provider."""

    text: str
    reported_model: str | None = None
    fingerprint: str | None = None
    finish_reason: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


class Client(Protocol):
    """Client of a provider; one object handles many requests concurrently."""

    async def ready(self) -> None:
        """Do one-off setup before the first call, so that no call's latency includes it."""

    async def send(self, request: Request) -> Completion:
        """
        Make one call, without retries and without a time limit of its own.

        Raises:
            AgentError: It failed: `rate_limited`, `no_credit`, `server_error`, `overloaded`, `unauthorized`,
                `bad_request`, `not_found`, `too_large`, `connection`, `malformed`, `html_page`, `stream`,
                `empty_reply`, `tool_call`, `too_long`, `internal`.
        """

    async def close(self) -> None:
        """Close the connections."""


def read_json(body: bytes) -> Any:
    """Parse the body of a response; None if it is not JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
