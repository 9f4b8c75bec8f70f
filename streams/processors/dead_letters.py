"""
Dead letters of rejected events and of undecodable records.

Hosts and audits build them with the same functions.
"""

from base64 import b64encode
from typing import Any

from schemas.event import Event
from schemas.letters import RecordRejected
from schemas.quantities import instant_of_ms, ms_of_instant
from schemas.registry import InvalidRecord
from streams.processors.fold import Rejection

KEPT_BYTES = 600_000
"""Bytes of the record that its letter keeps: base64 makes them 800,000, and a letter must fit into an event itself."""

MOST_BYTES = 2_000_000
"""
Largest letter; its topic takes records of 2 MiB. A message can quote a name from the record, and escaping can make that
several times as long. What is shorter is kept whole, as letters of earlier versions are.
"""
KEPT_CHARACTERS = 2_000
"""Characters of the message, and of the key, that a letter keeps which would be too large otherwise."""

LAST_MS = ms_of_instant("9999-12-31T23:59:59.999Z")
"""
Last timestamp that an event can hold. A record's may be later, in microseconds for example; its letter then says 1970.
"""


def dead_letter(event: Event, partition: int, offset: int, rejection: Rejection) -> RecordRejected:
    """Build the dead letter of one event from its place in its topic and the reason."""
    value = event.encode()
    return RecordRejected(
        causes=(event.event_id,),
        occurred_at=event.occurred_at,
        source_topic=event.topic,
        partition=partition,
        offset=offset,
        reason=rejection.reason,
        detail=rejection.detail,
        record_key=event.key,
        value_base64=b64encode(value[:KEPT_BYTES]).decode("ascii"),
        value_bytes=len(value),
    )


SKIPPED = (
    "skipped: an operator let the stage go on without this record, which a mistake of the program kept it from folding"
)
"""Detail of the letter of a skipped record; a replay recognises it."""


def unreadable_letter(
    topic: str, partition: int, offset: int, timestamp_ms: int, key: bytes | None, value: bytes, problem: InvalidRecord
) -> RecordRejected:
    """Build the dead letter of a record that cannot be decoded, from its place, its bytes and the problem."""
    fields: dict[str, Any] = {
        "occurred_at": instant_of_ms(timestamp_ms if 0 <= timestamp_ms <= LAST_MS else 0),
        "source_topic": topic,
        "partition": partition,
        "offset": offset,
        "reason": problem.reason,
        "value_base64": b64encode(value[:KEPT_BYTES]).decode("ascii"),
        "value_bytes": len(value),
    }
    detail, record_key = str(problem), key.decode("utf-8", "backslashreplace") if key else None
    letter = RecordRejected(**fields, detail=detail, record_key=record_key)
    if len(letter.encode()) <= MOST_BYTES:
        return letter
    return RecordRejected(**fields, detail=_cut(detail), record_key=None if record_key is None else _cut(record_key))


def _cut(text: str) -> str:
    more = len(text) - KEPT_CHARACTERS
    return text if more <= 0 else f"{text[:KEPT_CHARACTERS]}... and {more:,} characters more"
