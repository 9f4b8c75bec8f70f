"""
Dead letters of rejected events and of undecodable records.

Hosts and audits build them with the same functions.
"""

from base64 import b64encode

from schemas.event import Event
from schemas.letters import RecordRejected
from schemas.quantities import instant_of_ms, ms_of_instant
from schemas.registry import InvalidRecord
from streams.processors.fold import Rejection

KEPT_BYTES = 600_000
"""Bytes of the record that its letter keeps: base64 makes them 800,000, and a letter must fit into an event itself."""

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


def unreadable_letter(
    topic: str, partition: int, offset: int, timestamp_ms: int, key: bytes | None, value: bytes, problem: InvalidRecord
) -> RecordRejected:
    """Build the dead letter of a record that cannot be decoded, from its place, its bytes and the problem."""
    return RecordRejected(
        occurred_at=instant_of_ms(timestamp_ms if 0 <= timestamp_ms <= LAST_MS else 0),
        source_topic=topic,
        partition=partition,
        offset=offset,
        reason=problem.reason,
        detail=str(problem),
        record_key=key.decode("utf-8", "backslashreplace") if key else None,
        value_base64=b64encode(value[:KEPT_BYTES]).decode("ascii"),
        value_bytes=len(value),
    )
