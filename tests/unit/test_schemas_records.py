"""
Accepted records, from producers and from the program.

No accepted record is ambiguous.
"""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.event import MAX_EVENT_BYTES
from schemas.questions import QuestionAsked, carried_option
from schemas.registry import InvalidRecord, build, decode, decode_canonical

from ..strategies import questions
from ..worlds import question
from .records import FEEDBACK, QUESTIONS, asked, refusal, says

# --- what a producer needs -------------------------------------------------------------------------------------------


def test_minimal_question_is_an_event() -> None:
    """A producer needs question_id, text and options; the time is the record's."""
    event = decode(QUESTIONS, asked(), timestamp_ms=1_767_225_600_123)
    assert isinstance(event, QuestionAsked)
    assert event.occurred_at == "2026-01-01T00:00:00.123Z"
    assert (event.answer_type, event.subject, event.causes) == ("choice", None, ())


def test_minimal_feedback_is_an_event() -> None:
    """The kind may be left out where it is the topic's first."""
    event = decode(FEEDBACK, b'{"question_id": "q", "source": "gold", "answer": "B"}', timestamp_ms=0)
    assert event.kind == "feedback.given.v1"


def test_second_kind_of_a_topic_is_named() -> None:
    """A topic of two kinds takes the other one by its name."""
    raw = json.dumps({"kind": "feedback.retracted.v1", "question_id": "q", "feedback_id": "0" * 64}).encode()
    assert decode(FEEDBACK, raw, timestamp_ms=0).kind == "feedback.retracted.v1"


def test_given_time_is_kept() -> None:
    """The record's timestamp does not override what the producer says."""
    event = decode(QUESTIONS, asked(occurred_at="2020-02-29T12:00:00.000Z"), timestamp_ms=0)
    assert event.occurred_at == "2020-02-29T12:00:00.000Z"


def test_null_time_is_the_records() -> None:
    """A producer that writes every field may leave the time null."""
    assert decode(QUESTIONS, asked(occurred_at=None), timestamp_ms=0).occurred_at == "1970-01-01T00:00:00.000Z"


def test_derived_event_needs_its_time() -> None:
    """Only inputs take the record's timestamp; a derived event has its causes' time."""
    assert "occurred_at: Field required" in str(refusal("orch.assignments", b'{"question_id": "q"}'))


def test_timestamp_outside_the_calendar_is_refused() -> None:
    """A broken record timestamp is an invalid record, no crash."""
    with pytest.raises(InvalidRecord, match="outside the years 1 to 9999"):
        decode(QUESTIONS, asked(), timestamp_ms=10**18)


def test_number_question_has_no_options() -> None:
    """A question whose answer is a number is asked without options."""
    event = decode(QUESTIONS, b'{"question_id":"q","text":"6 x 7?","answer_type":"number"}', timestamp_ms=0)
    assert isinstance(event, QuestionAsked)
    assert event.options == ()


def test_twenty_six_options_are_taken() -> None:
    """Every letter can label an option."""
    event = decode(QUESTIONS, asked(options=["x"] * 26), timestamp_ms=0)
    assert isinstance(event, QuestionAsked)
    assert len(event.options) == 26


def test_scopes_are_widest_first() -> None:
    """The global scope is consulted before the subject's."""
    assert question(subject="law").scopes == ("*", "law")
    assert question().scopes == ("*",)


# --- the same statement ----------------------------------------------------------------------------------------------


def test_same_statement_at_another_time_has_the_same_statement_id() -> None:
    """A producer's retry asks the same, though it is another event."""
    first, retry = question(at=1), question(at=2)
    assert first.event_id != retry.event_id
    assert first.statement_id == retry.statement_id


@pytest.mark.parametrize(
    "change",
    [{"text": "Else?"}, {"options": 3}, {"subject": "law"}, {"question_id": "r", "text": "What is q?"}],
    ids=str,
)
def test_another_statement_has_another_statement_id(change: dict[str, Any]) -> None:
    """Whatever is asked differently is another statement."""
    changed = question(**{"question_id": "q", **change})
    assert changed.statement_id != question().statement_id


# --- size ------------------------------------------------------------------------------------------------------------


def test_record_above_the_limit_is_too_large() -> None:
    """Size is refused with its own reason, the limit and the remedy."""
    error = refusal(QUESTIONS, asked(text="x" * MAX_EVENT_BYTES))
    assert error.reason == "too_large"
    says(r"900,0\d\d bytes; the limit is 900,000: shorten the text", error)


def test_record_at_the_limit_is_taken() -> None:
    """The limit itself is allowed, one byte more is not."""
    raw = asked()
    assert decode(QUESTIONS, raw, timestamp_ms=0, limit=len(raw))
    assert refusal(QUESTIONS, raw, limit=len(raw) - 1).reason == "too_large"


# --- our own records -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spoil",
    [
        lambda raw: raw.replace(b'{"', b'{ "', 1),
        lambda raw: raw + b" ",
        lambda raw: raw[:-1] + b',"text":"Else?"}',
        lambda raw: raw.replace(b"What", b"Whar"),
        lambda raw: raw.replace(b"question.asked.v1", b"question.asked.v2"),
        lambda raw: b"",
    ],
    ids=["space", "space after", "key twice", "changed text", "unknown kind", "nothing"],
)
def test_canonical_reader_takes_nothing_but_canonical_records(spoil: Callable[[bytes], bytes]) -> None:
    """A record that this program did not write so is no proof of anything."""
    with pytest.raises(ValueError, match=r"canonical|hash|kind"):
        decode_canonical(QUESTIONS, spoil(question().encode()))


def test_canonical_reader_holds_to_the_topic() -> None:
    """An event of another topic is none of this one."""
    with pytest.raises(ValueError, match=r"kind: none of those that orch\.feedback holds"):
        decode_canonical(FEEDBACK, question().encode())


@given(questions)
def test_text_that_looks_like_a_kind_does_not_confuse_the_reader(event: QuestionAsked) -> None:
    """A question may quote the JSON of another kind."""
    fields = event.model_dump(mode="json", exclude={"event_id"}) | {"text": '{"kind":"decision.made.v1"}'}
    quoting = build(QUESTIONS, fields, timestamp_ms=0)
    assert decode(QUESTIONS, quoting.encode(), timestamp_ms=0) == quoting


@given(st.binary(max_size=60))
def test_any_bytes_are_an_event_or_refused(raw: bytes) -> None:
    """Nothing a stranger sends raises anything but InvalidRecord."""
    refusal(QUESTIONS, raw)


mangled = st.tuples(questions, st.integers(0, 200), st.binary(max_size=3)).map(
    lambda drawn: drawn[0].encode()[: drawn[1]] + drawn[2] + drawn[0].encode()[drawn[1] + len(drawn[2]) :]
)


@given(mangled)
def test_mangled_record_is_an_event_or_refused(raw: bytes) -> None:
    """A record with bytes overwritten is read as what it then says, or refused."""
    try:
        event = decode(QUESTIONS, raw, timestamp_ms=0)
    except InvalidRecord:
        return
    assert decode_canonical(QUESTIONS, event.encode()) == event


@given(st.text(st.sampled_from("ab \t\n\r\f\v\x1c\x1f\x85\xa0\u2003\u2028\u00ad")))
def test_option_travels_with_single_spaces(text: str) -> None:
    """Each run of ASCII white space becomes one space, none is left at an end, and no other character changes."""
    words = [word for word in re.split("[ \t\n\r\f\v]", text) if word]
    assert carried_option(text) == " ".join(words)
