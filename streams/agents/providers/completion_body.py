"""The response to a request: a completion or an error."""

from collections.abc import Iterable
from typing import Any

from schemas.canonical import MAX_INTEGER
from streams.agents.agent import AgentError
from streams.agents.providers.completion import Completion, Request, read_json
from streams.agents.providers.foreign_bodies import foreign, stream_objects
from streams.agents.providers.http import HttpResponse
from streams.agents.providers.http_errors import (
    HTML_PAGE,
    MALFORMED,
    STREAM,
    refusal_of,
    retry_after_ms,
    spent_on,
    useless,
)
from streams.agents.providers.reported_errors import first_choice, reported_in

_TEXT_PARTS = (None, "text", "output_text")
"""Types of the content parts that are read; None: a part without a type. Others, such as `reasoning`, are no answer."""


def read_response(answer: HttpResponse, request: Request, sent: Iterable[str]) -> Completion:
    """
    Read the response to a request for a completion.

    Args:
        answer: The response.
        request: The request that it answers.
        sent: Parameters of the request, as they were sent.

    Raises:
        AgentError: As `error_of` and `read_completion` give it.
    """
    fields = read_json(answer.body)
    error = error_of(answer, fields, request, sent)
    if error is not None:
        raise error
    if message_of(fields) is None:
        raise no_completion(answer, fields, request)
    return read_completion(fields, request)


def error_of(answer: HttpResponse, fields: Any, request: Request, sent: Iterable[str]) -> AgentError | None:
    """Give the error that a response reports, by its status or in its parsed body; None if it reports none."""
    if 200 <= answer.status < 300:
        return _reported(answer, fields, request)
    error = refusal_of(*answer, sent=sent)
    shown = foreign(answer.headers, answer.body)
    if shown.error == HTML_PAGE.error:
        error.diagnosis = error.diagnosis._replace(found=shown.diagnosis.found)
    return error


def no_completion(answer: HttpResponse, fields: Any, request: Request) -> AgentError:
    """Give the error of a successful response that is no completion, with the tokens that it counts all the same."""
    failure = foreign(answer.headers, answer.body)
    if failure.error == STREAM.error:
        # A provider may have failed before, or within, the stream that nobody asked for.
        errors = (_reported(answer, event, request) for event in stream_objects(answer.body))
        error = next(filter(None, errors), None)
        if error is not None:
            return error
    metadata = _metadata(fields)
    return failure.raised(spent=None if metadata.input_tokens is None else spent_on(request, metadata))


def read_completion(fields: Any, request: Request) -> Completion:
    """
    Parse a completion; metadata that is missing or invalid becomes None.

    Args:
        fields: The parsed body.
        request: The request that it answers.

    Returns:
        The completion; its text may be that of a refusal, or empty.

    Raises:
        AgentError: `malformed`: it has no message. `tool_call`: it calls a tool and has no text.
    """
    message = message_of(fields)
    if message is None:
        raise MALFORMED.raised()
    completion = _metadata(fields)
    if not completion.text and (message.get("tool_calls") or message.get("function_call")):
        raise useless("tool_call", request, completion)
    return completion


def _reported(answer: HttpResponse, fields: Any, request: Request) -> AgentError | None:
    reported = reported_in(fields)
    if reported is None:
        return None
    metadata = _metadata(fields)
    failure = reported.failure
    if metadata.text:
        # Half a reply: a model has run.
        failure = failure._replace(free=False)
    wait_ms = retry_after_ms(answer.headers)
    return failure.raised(
        reported.retry_after_ms if wait_ms is None else wait_ms,
        spent=None if metadata.input_tokens is None else spent_on(request, metadata),
    )


def _metadata(fields: Any) -> Completion:
    """Read what there is of a completion."""
    message = message_of(fields) or {}
    text = text_of(message.get("content")) or text_of(message.get("refusal"))
    fields = fields if isinstance(fields, dict) else {}
    usage = fields.get("usage")
    # Every prompt has tokens, and every text: a provider that reports 0 did not count. If it did not count the prompt,
    # its output tokens are unknown too.
    input_tokens = _count(usage, "prompt_tokens") or None
    output_tokens = _count(usage, "completion_tokens") if input_tokens else None
    return Completion(
        text=text,
        reported_model=_word(fields.get("model")),
        fingerprint=_word(fields.get("system_fingerprint")),
        finish_reason=_word(first_choice(fields).get("finish_reason")),
        input_tokens=input_tokens,
        output_tokens=None if text and output_tokens == 0 else output_tokens,
    )


def message_of(fields: Any) -> dict[str, Any] | None:
    """Give the message of a parsed body's first choice; None if it has none."""
    message = first_choice(fields).get("message")
    return message if isinstance(message, dict) else None


def text_of(content: Any) -> str:
    """Give the words of a content: a text, or parts, of which those that are no text of the answer are left out."""
    parts = content if isinstance(content, list) else [content]
    return "".join(map(_text_of_part, parts))


def _text_of_part(part: Any) -> str:
    if isinstance(part, dict):
        if part.get("type") == "refusal":
            return _word(part.get("refusal")) or ""
        # Google marks the parts of a thought, instead of giving them a type.
        if part.get("type") not in _TEXT_PARTS or part.get("thought"):
            return ""
        part = part.get("text")
        # OpenAI's assistants put the words a level deeper, beside their annotations.
        part = part.get("value") if isinstance(part, dict) else part
    return _word(part) or ""


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _count(usage: Any, name: str) -> int | None:
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if type(value) is int and 0 <= value <= MAX_INTEGER else None
