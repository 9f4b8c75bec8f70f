"""Bodies that are no JSON: streams, HTML pages and others."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from streams.agents.providers.completion import read_json
from streams.agents.providers.http_errors import HTML_PAGE, MALFORMED, STREAM, CallFailure

_CONTENT_TYPES: Mapping[str, CallFailure] = {
    "text/event-stream": STREAM,
    "application/x-ndjson": STREAM,
    "application/ndjson": STREAM,
    "application/jsonl": STREAM,
    "application/json-seq": STREAM,
    "text/html": HTML_PAGE,
    "application/xhtml+xml": HTML_PAGE,
    "application/xml": MALFORMED,
    "text/xml": MALFORMED,
    "text/plain": MALFORMED,
    "application/octet-stream": MALFORMED,
    "application/gzip": MALFORMED,
    "application/json": MALFORMED,
}
"""Content types that are repeated, and what each announces."""

_HEAD_BYTES = 2_048
_EVENT = re.compile(rb"(?:data|event|id|retry):|: ")
_PAGE = re.compile(rb"<!doctype\s+html|<html[\s>]|<head[\s>]|<body[\s>]", re.IGNORECASE)
_BINARY = (b"\x1f\x8b", b"PK\x03\x04", b"%PDF", b"\x89PNG", b"(\xb5/\xfd")


def foreign(headers: Mapping[str, str], body: bytes) -> CallFailure:
    """
    Tell what a body is that is no completion, by its beginning and its content type.

    Args:
        headers: Of the response, looked up by lower-case names.
        body: No JSON object with a message in it.

    Returns:
        The class of the failure; its diagnosis has fixed words and, if it is a usual one, the content type.
    """
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    kind, words = _kind_of(body.strip(), content_type)
    return kind.showing(f"{words} ({content_type})" if content_type in _CONTENT_TYPES else words)


def stream_objects(body: bytes) -> Iterator[dict[str, Any]]:
    """Parse the JSON objects of a stream, one a line, with or without `data:` before it; other lines are left out."""
    for line in body.splitlines():
        fields = read_json(line.strip().removeprefix(b"data:"))
        if isinstance(fields, dict):
            yield fields


def _kind_of(body: bytes, content_type: str) -> tuple[CallFailure, str]:
    head = body[:_HEAD_BYTES]
    if not body:
        return MALFORMED, "an empty body"
    if _EVENT.match(head) or _is_lines(body) or _CONTENT_TYPES.get(content_type) is STREAM:
        return STREAM, "a stream"
    # A quotation of a page inside JSON is no page.
    if head.startswith(b"<") and _PAGE.search(head):
        return HTML_PAGE, "an HTML page"
    if head.startswith(b"<?xml") or (head.startswith(b"<") and content_type in ("application/xml", "text/xml")):
        return MALFORMED, "an XML document"
    if head.startswith(_BINARY):
        return MALFORMED, "binary data"
    fields = read_json(body)
    if fields is not None:
        return MALFORMED, "JSON that is no completion"
    if _CONTENT_TYPES.get(content_type) is HTML_PAGE:
        return HTML_PAGE, "an HTML page"
    return MALFORMED, "half an object of JSON" if head.startswith(b"{") else "what is no JSON"


def _is_lines(body: bytes) -> bool:
    """Whether a body is a chunk of a stream, or several objects, one a line."""
    first, more, _ = body.partition(b"\n")
    if more and isinstance(read_json(first), dict):
        return True
    fields = read_json(body)
    choices = fields.get("choices") if isinstance(fields, dict) else None
    return isinstance(choices, list) and bool(choices) and isinstance(choices[0], dict) and "delta" in choices[0]
