"""Ids of traces and spans."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.instruments.trace_context import call_span_id, context_of, traceparent_of

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_a_valid_traceparent_says_which_trace_it_is() -> None:
    """Trace and parent are those of the header; the question's own span is not."""
    context = context_of("q1", f"00-{TRACE}-{PARENT}-01".encode())
    assert (context.trace_id.hex(), context.parent_id.hex(), context.sampled) == (TRACE, PARENT, True)
    assert context.span_id == context_of("q1", None).span_id != context.parent_id


def test_flags_say_whether_the_trace_is_wanted() -> None:
    """Only the lowest flag counts, also of a later version with further fields."""
    wanted = {flags: context_of("q1", f"00-{TRACE}-{PARENT}-{flags}".encode()).sampled for flags in ("00", "01", "03")}
    assert wanted == {"00": False, "01": True, "03": True}
    assert context_of("q1", f"cc-{TRACE}-{PARENT}-01-more".encode()).trace_id.hex() == TRACE


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"00-t",
        f"ff-{TRACE}-{PARENT}-01".encode(),
        f"00-{TRACE}-{PARENT}-01-more".encode(),
        f"00-{TRACE.upper()}-{PARENT}-01".encode(),
        f"00-{'0' * 32}-{PARENT}-01".encode(),
        f"00-{TRACE}-{'0' * 16}-01".encode(),
        f" 00-{TRACE}-{PARENT}-01".encode(),
    ],
    ids=repr,
)
def test_an_invalid_traceparent_counts_as_none(header: bytes) -> None:
    """The trace then follows from the question's id."""
    assert context_of("q1", header) == context_of("q1", None)


@given(st.text(min_size=1), st.binary(max_size=80) | st.none())
def test_ids_follow_from_the_question_and_have_their_width(question_id: str, header: bytes | None) -> None:
    """Every process gives the same ids, of 16 and 8 bytes, none of them all zeros."""
    context = context_of(question_id, header)
    assert context_of(question_id, header) == context
    assert (len(context.trace_id), len(context.span_id), len(context.decision_id)) == (16, 8, 8)
    assert all(map(any, (context.trace_id, context.span_id, context.decision_id)))


def test_calls_of_an_analysis_have_spans_of_their_own() -> None:
    """The last attempt's follows from the analysis alone."""
    analysis_id = "ab" * 32
    ids = [call_span_id(analysis_id, later) for later in (2, 1, 0)]
    assert len(set(ids)) == 3
    assert ids[2] == call_span_id(analysis_id) == bytes.fromhex("ab" * 8)


def test_the_first_trace_header_counts() -> None:
    """Null values are no header."""
    headers = (("tenant", b"t"), ("traceparent", None), ("traceparent", b"a"), ("traceparent", b"b"))
    assert traceparent_of(headers) == b"a"
    assert traceparent_of(()) is None
