"""Ids of traces and spans, from questions and headers."""

import re
from hashlib import sha256
from typing import NamedTuple

from streams.log import Headers

TRACE_HEADER = "traceparent"

_FORM = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
"""W3C Trace Context: version, trace id, id of the parent span, flags; later versions may add fields."""

_SAMPLED = 1

MOST_BYTES = 512
"""Longest trace header that is taken from a caller, since records on Kafka carry no longer one on; one has 55 bytes."""


class TraceContext(NamedTuple):
    """The trace that a question belongs to."""

    trace_id: bytes
    parent_id: bytes
    """Span that the question came from; empty if no traceparent came with it."""
    span_id: bytes
    """Span of the question itself."""
    decision_id: bytes
    """Span of its decision."""
    sampled: bool
    """Whether whoever began the trace wants it recorded."""


def traceparent_of(headers: Headers) -> bytes | None:
    """Choose the trace header; of several the first counts, as for records that are derived from this one."""
    for name, value in headers:
        if name == TRACE_HEADER and value is not None:
            return value
    return None


def carried_from(traceparent: str | None) -> Headers:
    """
    Give the headers of a question's record whose caller handed on a trace; the records derived from it carry them on.

    One that breaks W3C's form is left out, as that recommendation says, and the question begins a trace of its own.
    """
    if traceparent is None:
        return ()
    value = traceparent.encode("utf-8", "replace")
    match = _FORM.fullmatch(value) if len(value) <= MOST_BYTES else None
    return () if match is None or not _is_valid(match) else ((TRACE_HEADER, value),)


def context_of(question_id: str, traceparent: bytes | None) -> TraceContext:
    """
    Give the trace of a question; every process that sees the question gives the same.

    A valid traceparent says which trace it is. Without one the trace follows from the question's id, as the question's
    span does in any case: nothing is drawn by chance, so no process has to tell another.
    """
    digest = sha256(f"orch question {question_id}".encode()).digest()
    match = None if traceparent is None else _FORM.fullmatch(traceparent)
    if match is None or not _is_valid(match):
        return TraceContext(digest[:16], b"", digest[16:24], digest[24:], sampled=True)
    trace_id, parent_id = bytes.fromhex(match[2].decode()), bytes.fromhex(match[3].decode())
    return TraceContext(trace_id, parent_id, digest[16:24], digest[24:], bool(int(match[4], 16) & _SAMPLED))


def _is_valid(match: re.Match[bytes]) -> bool:
    version, more = match[1], match[5]
    if version == b"ff" or (version == b"00" and more is not None):
        return False
    return match[2].strip(b"0") != b"" and match[3].strip(b"0") != b""


def call_span_id(analysis_id: str, later: int = 0) -> bytes:
    """
    Give the id of a call's span; that of the last attempt is the analysis's, so that decisions can link to it.

    Args:
        analysis_id: Event id of the analysis.
        later: Attempts that followed this one.
    """
    if not later:
        return bytes.fromhex(analysis_id[:16])
    return sha256(f"orch attempt {analysis_id} {later}".encode()).digest()[:8]
