"""A completion request, parsed from its body or refused."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from infra.models.prompt import Prompt, read_prompt
from infra.models.refusals import invalid

_FORMATS = {"text": False, "json_object": True, "json_schema": True}
"""Kinds of `response_format`, and whether they ask for JSON."""


@dataclass(frozen=True)
class CompletionRequest:
    """
    One request.

    Attributes:
        model: Name that the caller gives.
        prompt: All messages.
        structured: Whether the words must be a JSON object.
        stream: Whether they come as server-sent events.
        usage: Whether the stream ends with the count of tokens.
        most_tokens: The longest answer the caller pays for; None: any.
    """

    model: str
    prompt: Prompt
    structured: bool
    stream: bool
    usage: bool
    most_tokens: int | None


def read_asked(body: bytes) -> CompletionRequest:
    """
    Read the fields that matter here; others, such as a temperature, change nothing and are not looked at.

    Raises:
        ApiError: 400: the body is no JSON object, or one of these fields is not what the interface says.
    """
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise invalid("The body is not JSON", code="invalid_json") from None
    if not isinstance(fields, dict):
        raise invalid("The body is not a JSON object", code="invalid_json")
    model = fields.get("model")
    if not isinstance(model, str):
        raise invalid("model: missing, or not a text", "model")
    stream = fields.get("stream") or False
    if not isinstance(stream, bool):
        raise invalid("stream: not true or false", "stream")
    options = fields.get("stream_options") or {}
    if not isinstance(options, dict):
        raise invalid("stream_options: not an object", "stream_options")
    prompt = read_prompt("\n".join(_texts(fields.get("messages"))))
    most_tokens = fields.get("max_completion_tokens", fields.get("max_tokens"))
    if most_tokens is not None and (type(most_tokens) is not int or most_tokens < 1):
        raise invalid("max_tokens: not a positive integer", "max_tokens")
    structured = _structured(fields.get("response_format"))
    return CompletionRequest(model, prompt, structured, stream, bool(options.get("include_usage")), most_tokens)


def _texts(messages: Any) -> Iterator[str]:
    if not isinstance(messages, list) or not messages:
        raise invalid("messages: missing, or not a list of messages", "messages")
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else 0
        if isinstance(content, str):
            yield content
        elif isinstance(content, list):
            yield from (_part(part) for part in content)
        elif content is not None:
            raise invalid("messages: a message's content is a text or a list of parts", "messages")


def _part(part: Any) -> str:
    """Give a part's text; images and audio have none."""
    text = part.get("text", "") if isinstance(part, dict) else None
    if not isinstance(text, str):
        raise invalid("messages: a part is an object, and its text a text", "messages")
    return text


def _structured(response_format: Any) -> bool:
    if response_format is None:
        return False
    kind = response_format.get("type") if isinstance(response_format, dict) else None
    if not isinstance(kind, str) or kind not in _FORMATS:
        raise invalid(f"response_format: its type is one of {', '.join(_FORMATS)}", "response_format")
    return _FORMATS[kind]
