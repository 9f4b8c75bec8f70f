"""
Parts of spans in OpenTelemetry's protocol.

Two encoded messages after one another are one message with the fields of both (Protocol Buffers, encoding). So a span
is a row of parts: those that many spans share are encoded once, by the messages of `opentelemetry-proto`, and those of
fixed width are packed. The SDK's own spans and encoder take some 45 microseconds of CPU a span (decision 159).
"""

import struct
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

Value = str | int | bool | tuple[str, ...]

_SAMPLED = 1
"""Trace flag of every span that is sent."""

_TIMES = struct.Struct("<sQsQ")
"""A span's start (field 7) and end (8)."""


def kind(name: str, shared: Mapping[str, Value], *, client: bool = False) -> bytes:
    """Give the part of a span that others share: its name, its kind, and attributes."""
    of = Span.SPAN_KIND_CLIENT if client else Span.SPAN_KIND_INTERNAL
    return _bytes(Span(name=name, kind=of, flags=_SAMPLED, attributes=_pairs(shared)))


def within(trace_id: bytes, parent_id: bytes) -> bytes:
    """
    Give the part of a span that says where it stands: its trace (field 1), and the span above it (4), if there is one.

    What follows is the id of the span itself (2), of eight bytes.
    """
    above = b"\x22\x08" + parent_id if parent_id else b""
    return b"\x0a\x10%b%b\x12\x08" % (trace_id, above)


def times(began_ns: int, ended_ns: int) -> bytes:
    """Give the part of a span that says when it was."""
    return _TIMES.pack(b"\x39", began_ns, b"\x41", ended_ns)


def link(trace_id: bytes) -> bytes:
    """Give a link (field 13, of 28 bytes) to a span of a trace; what follows is the id of that span, of eight bytes."""
    return b"\x6a\x1c\x0a\x10%b\x12\x08" % trace_id


def attribute(name: str, value: Value) -> bytes:
    """Give the part of a span that holds an attribute (field 9)."""
    if type(value) is str:
        held = _framed(b"\x0a", value.encode())
    elif type(value) is int and value >= 0:
        held = b"\x18" + _digits(value)
    else:
        return _bytes(Span(attributes=[_pair(name, value)]))
    # As the messages encode it, in a third of the time: tokens and costs of live agents differ in each call.
    return _framed(b"\x4a", _key(name) + _framed(b"\x12", held))


@cache
def _key(name: str) -> bytes:
    return _framed(b"\x0a", name.encode())


frequent = lru_cache(4_096)(attribute)
"""As `attribute`, for values that come again: words, small numbers."""


def request(resource: Mapping[str, Value], version: str, spans: Iterable[bytes]) -> bytes:
    """Give the body of a request to export *spans*."""
    scope = ScopeSpans()
    scope.scope.name, scope.scope.version = "orch", version
    of_process = ResourceSpans()
    of_process.resource.attributes.extend(_pairs(resource))
    # Spans are field 2 of a scope's, a scope's are field 2 of a process's, a process's are field 1 of a request. They
    # are joined once: a copy of half a megabyte takes longer than to make its spans.
    framed = [_framed(b"\x12", span) for span in spans]
    scope_head = _bytes(scope)
    scope_size = len(scope_head) + sum(map(len, framed))
    process_head = _bytes(of_process) + b"\x12" + _digits(scope_size)
    return b"".join([b"\x0a", _digits(len(process_head) + scope_size), process_head, scope_head, *framed])


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
    if size < 0x80:
        return b"%b%c%b" % (tag, size, body)
    if size < 0x4000:
        return b"%b%c%c%b" % (tag, size & 0x7F | 0x80, size >> 7, body)
    return tag + _digits(size) + body


def _digits(number: int) -> bytes:
    """Write an integer of variable length: seven bits in each byte, the lowest first."""
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    digits.append(number)
    return bytes(digits)


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
