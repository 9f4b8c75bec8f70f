"""Response bodies in OpenAI's form: JSON object or event stream."""

import json
from dataclasses import dataclass
from typing import Any

from infra.models.chance import digest
from infra.models.completion import PlayedCompletion

CREATED = 1_700_000_000
"""Seconds since 1970. Always the same, so that the same request gets the same bytes."""

_PIECE_CHARS = 24
"""Characters of text in one event of a stream, about as providers send; long texts have larger events."""
_MOST_PIECES = 256

DONE = b"data: [DONE]\n\n"
MALFORMED = b'{"id": "chatcmpl-", "choices": [{"index": 0, "message": {"role": "assis'
ERROR_IN_200 = b'{"error": {"code": 402, "message": "Insufficient credits"}}'
HTML_PAGE = b"<!DOCTYPE html>\n<html><head><title>Log in</title></head><body>Please log in.</body></html>"
MALFORMED_STREAM = (b"data: " + MALFORMED + b"\n\n", DONE)


@dataclass(frozen=True)
class Envelope:
    """Fields of one response besides its text."""

    request: bytes
    """Body of the request; ids come from it."""
    model: str
    """Model name in the response."""
    prompt_tokens: int
    most_tokens: int | None
    """Most output tokens that are charged, however long the recorded answer is."""

    def body(self, completion: PlayedCompletion) -> bytes:
        """Give the response as one JSON object."""
        message: dict[str, Any] = {"role": "assistant", "content": completion.content, "refusal": completion.refusal}
        if completion.tool:
            message["tool_calls"] = [self._tool_call(completion.tool)]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": completion.finish_reason}
        usage = self._usage(completion)
        return json.dumps({**self._head("chat.completion"), "choices": [choice], "usage": usage}).encode()

    def events(self, completion: PlayedCompletion, *, usage: bool) -> list[bytes]:
        """Give the response as server-sent events: role, pieces of text, finish reason, end."""
        deltas: list[dict[str, Any]]
        if completion.tool:
            deltas = [{"tool_calls": [{"index": 0, **self._tool_call(completion.tool)}]}]
        elif completion.refusal is not None:
            deltas = [{"refusal": piece} for piece in _pieces(completion.refusal)]
        else:
            deltas = [{"content": piece} for piece in _pieces(completion.content or "")]
        first: dict[str, Any] = {"role": "assistant", "content": None if completion.content is None else ""}
        chunks = [_choices(delta) for delta in (first, *deltas)]
        chunks.append(_choices({}, completion.finish_reason))
        if usage:
            # As providers do: the count is null until the last event, which has no choice.
            chunks = [{**chunk, "usage": None} for chunk in chunks]
            chunks.append({"choices": [], "usage": self._usage(completion)})
        head = self._head("chat.completion.chunk")
        return [*(b"data: " + json.dumps({**head, **chunk}).encode() + b"\n\n" for chunk in chunks), DONE]

    def _head(self, kind: str) -> dict[str, Any]:
        request = digest(self.request.decode("utf-8", "replace"))
        return {
            "id": f"chatcmpl-{request[:24]}",
            "object": kind,
            "created": CREATED,
            "model": self.model,
            "system_fingerprint": f"fp_{digest(self.model)[:10]}",
        }

    def _usage(self, completion: PlayedCompletion) -> dict[str, int]:
        tokens = completion.tokens if self.most_tokens is None else min(completion.tokens, self.most_tokens)
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": tokens,
            "total_tokens": self.prompt_tokens + tokens,
        }

    def _tool_call(self, tool: str) -> dict[str, Any]:
        call = f"call_{digest(tool, self.request.decode('utf-8', 'replace'))[:24]}"
        return {"id": call, "type": "function", "function": {"name": tool, "arguments": "{}"}}


def models_body(models: tuple[str, ...]) -> dict[str, Any]:
    """List the models that may be asked."""
    data = [{"id": model, "object": "model", "created": CREATED, "owned_by": "recorded"} for model in models]
    return {"object": "list", "data": data}


def _choices(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}]}


def _pieces(text: str) -> list[str]:
    length = max(_PIECE_CHARS, -(-len(text) // _MOST_PIECES))
    return [text[start : start + length] for start in range(0, len(text), length)]
