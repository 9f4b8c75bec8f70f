"""Dead letters of events that a fold rejected."""

from base64 import b64decode

import pytest

from schemas.event import MAX_EVENT_BYTES
from schemas.registry import InvalidRecord, decode
from streams.processors.dead_letters import KEPT_BYTES, MOST_BYTES, dead_letter, unreadable_letter
from streams.processors.fold import Rejection
from streams.topology import QUESTIONS

from ..worlds import question

REJECTION = Rejection("conflict", "something else stands already")


def test_letter_says_where_why_and_what() -> None:
    """A letter has the record's place, key and bytes, and the fold's reason."""
    event = question()
    letter = dead_letter(event, 3, 17, REJECTION)
    assert (letter.source_topic, letter.partition, letter.offset) == ("orch.questions", 3, 17)
    assert (letter.reason, letter.detail, letter.record_key) == ("conflict", "something else stands already", "q")
    assert b64decode(letter.value_base64) == event.encode()
    assert letter.value_bytes == len(event.encode())


def test_letter_rests_on_its_event() -> None:
    """Its cause is the rejected event, whose time it has."""
    event = question(at=77)
    letter = dead_letter(event, 0, 0, REJECTION)
    assert (letter.causes, letter.occurred_at) == ((event.event_id,), event.occurred_at)


def test_letter_of_a_large_event_keeps_its_beginning() -> None:
    """A letter stays below the limit of an event, and says how long the whole record was."""
    event = question(text="x" * (MAX_EVENT_BYTES - 1_000))
    letter = dead_letter(event, 0, 0, REJECTION)
    assert len(letter.encode()) < MAX_EVENT_BYTES
    assert b64decode(letter.value_base64) == event.encode()[:KEPT_BYTES]
    assert letter.value_bytes == len(event.encode())


@pytest.mark.parametrize("value", [b'{"kind": "' + b"\\\\" * 449_000 + b'"}', b'{"' + b"\\u0001" * 140_000 + b'": 1}'])
def test_letter_that_would_be_too_large_is_cut(value: bytes) -> None:
    """However a record swells the message about it, its letter fits its topic; the record's bytes stay."""
    with pytest.raises(InvalidRecord) as caught:
        decode(QUESTIONS, value, 0)
    letter = unreadable_letter(QUESTIONS, 0, 7, 0, b"\xff" * 1_000_000, value, caught.value)
    assert len(letter.encode()) <= MOST_BYTES
    assert "characters more" in letter.detail
    assert b64decode(letter.value_base64) == value[:KEPT_BYTES]


def test_letter_that_fits_is_kept_whole() -> None:
    """A message of many characters stays as it is where the letter has room for it."""
    problem = InvalidRecord("x" * 500_000)
    letter = unreadable_letter(QUESTIONS, 0, 7, 0, None, b"{}", problem)
    assert letter.detail == str(problem)
