"""Parts of spans in OpenTelemetry's protocol."""

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from streams.instruments import otlp

SIZES = st.sampled_from([0, 1, 127, 128, 129, 16_383, 16_384, 16_385, 40_000])
"""Lengths around those from which on a number has one more digit."""

FIELDS: dict[type, str] = {str: "string_value", bool: "bool_value", int: "int_value"}


@given(st.text() | SIZES.map("é".__mul__) | st.integers(0, 2**63 - 1) | st.booleans())
def test_an_attribute_is_encoded_as_the_messages_do(value: str | int) -> None:
    """A text of any length in any script, and any count."""
    held = AnyValue(**{FIELDS[type(value)]: value})
    attribute = KeyValue(key="orch.question.id", value=held)
    assert otlp.attribute(attribute.key, value) == Span(attributes=[attribute]).SerializeToString()


@given(st.lists(SIZES, max_size=4), st.integers(0, 2**63 - 1))
def test_a_request_holds_every_span(sizes: list[int], at_ns: int) -> None:
    """Whatever the lengths of spans are, each comes back with its ids, times and links."""
    ids = [bytes([number]) * 8 for number in range(1, 5)]
    head, rest = otlp.within(b"t" * 16, b"p" * 8), otlp.times(at_ns, at_ns + 1) + otlp.link(b"l" * 16) + ids[0]
    spans = [otlp.kind("n" * size, {"a": 1}) + head + ids[place] + rest for place, size in enumerate(sizes)]
    told = ExportTraceServiceRequest.FromString(otlp.request({"service.name": "s"}, "1", spans))
    (process,) = told.resource_spans
    assert process.resource.attributes[0].value.string_value == "s"
    (scope,) = process.scope_spans
    assert (scope.scope.name, scope.scope.version) == ("orch", "1")
    assert [(len(span.name), span.span_id) for span in scope.spans] == list(zip(sizes, ids, strict=False))
    for span in scope.spans:
        assert (span.trace_id, span.parent_span_id) == (b"t" * 16, b"p" * 8)
        assert (span.start_time_unix_nano, span.end_time_unix_nano) == (at_ns, at_ns + 1)
        assert list(span.links) == [Span.Link(trace_id=b"l" * 16, span_id=ids[0])]
