"""
Parts of spans in OpenTelemetry's protocol.

Two encoded messages after one another are one message with the fields of both (Protocol Buffers, encoding). So a span
is a row of parts: those that many spans share are encoded once, by the messages of `opentelemetry-proto`, and those of
fixed width are packed. The SDK's own spans and encoder take some 45 microseconds of CPU a span (decision 159).
"""

import struct
from collections.abc import Iterable, Mapping
from functools import lru_cache

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

Value = str | int | bool | tuple[str, ...]

_SAMPLED = 1
"""Trace flag of every span that is sent."""

_PLACE = struct.Struct("<2s16s2s8ssQsQ")
"""A span's trace id (field 1), span id (2), start (7) and end (8)."""
_PARENT = struct.Struct("<2s8s")
"""The id of its parent (field 4)."""
_LINK = struct.Struct("<4s16s2s8s")
"""A link (field 13) of 28 bytes: trace id and span id."""


def kind(name: str, shared: Mapping[str, Value], *, client: bool = False) -> bytes:
    """Give the part of a span that others share: its name, its kind, and attributes."""
    of = Span.SPAN_KIND_CLIENT if client else Span.SPAN_KIND_INTERNAL
    return _bytes(Span(name=name, kind=of, flags=_SAMPLED, attributes=_pairs(shared)))


def place(trace_id: bytes, span_id: bytes, began_ns: int, ended_ns: int) -> bytes:
    """Give the part of a span that says which it is, and when it was."""
    return _PLACE.pack(b"\x0a\x10", trace_id, b"\x12\x08", span_id, b"\x39", began_ns, b"\x41", ended_ns)


def parent(span_id: bytes) -> bytes:
    """Give the part of a span that says under which other one it is."""
    return _PARENT.pack(b"\x22\x08", span_id)


def link(trace_id: bytes, span_id: bytes) -> bytes:
    """Give the part of a span that points to another one."""
    return _LINK.pack(b"\x6a\x1c\x0a\x10", trace_id, b"\x12\x08", span_id)


def attribute(name: str, value: Value) -> bytes:
    """Give the part of a span that holds an attribute."""
    return _bytes(Span(attributes=[_pair(name, value)]))


frequent = lru_cache(4_096)(attribute)
"""As `attribute`, for values that come again: words, small numbers."""


def request(resource: Mapping[str, Value], version: str, spans: Iterable[bytes]) -> bytes:
    """Give the body of a request to export *spans*."""
    scope = ScopeSpans()
    scope.scope.name, scope.scope.version = "orch", version
    of_process = ResourceSpans()
    of_process.resource.attributes.extend(_pairs(resource))
    # Spans are field 2 of a scope's, a scope's are field 2 of a process's, a process's are field 1 of a request.
    of_scope = _bytes(scope) + b"".join([_framed(b"\x12", span) for span in spans])
    return _framed(b"\x0a", _bytes(of_process) + _framed(b"\x12", of_scope))


def rejected(reply: bytes) -> int:
    """Read how many spans a collector did not want from its reply to a request that it took."""
    try:
        return int(ExportTraceServiceResponse.FromString(reply).partial_success.rejected_spans)
    except DecodeError:
        # Some answer with an empty JSON object.
        return 0


def _bytes(message: Message) -> bytes:
    encoded: bytes = message.SerializeToString()
    return encoded


FAILED = _bytes(Span(status=Status(code=Status.STATUS_CODE_ERROR)))
"""Part of a span whose operation failed."""


def _framed(tag: bytes, body: bytes) -> bytes:
    """Put a message into a field of another one: the tag, the length as a variable-length integer, the message."""
    size = len(body)
    if 0x80 <= size < 0x4000:
        # Two digits, as nearly all spans have.
        return b"%b%c%c%b" % (tag, size & 0x7F | 0x80, size >> 7, body)
    digits = bytearray()
    while size > 0x7F:
        digits.append(size & 0x7F | 0x80)
        size >>= 7
    digits.append(size)
    return tag + digits + body


def _pairs(values: Mapping[str, Value]) -> list[KeyValue]:
    return [_pair(name, value) for name, value in values.items()]


def _pair(name: str, value: Value) -> KeyValue:
    match value:
        case str():
            held = AnyValue(string_value=value)
        case bool():
            held = AnyValue(bool_value=value)
        case int():
            held = AnyValue(int_value=value)
        case _:
            held = AnyValue(array_value=ArrayValue(values=[AnyValue(string_value=one) for one in value]))
    return KeyValue(key=name, value=held)
