"""The dead letter of an event that a fold rejected: one form for all hosts, and for the audits that derive it again."""

from base64 import b64encode

from schemas.event import Event
from schemas.letters import RecordRejected
from streams.processors.fold import Rejection

KEPT_BYTES = 600_000
"""Bytes of the record that its letter keeps: as base64 they are 800,000, and a letter is an event with a limit too."""


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
