"""Dead letters of events that a fold rejected."""

from base64 import b64decode

from schemas.event import MAX_EVENT_BYTES
from streams.processors.dead_letters import KEPT_BYTES, dead_letter
from streams.processors.fold import Rejection

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
