"""Dead letters: rejected records with reason and bytes."""

from typing import Annotated, ClassVar, Literal

from pydantic import StringConstraints

from schemas.event import Event
from schemas.quantities import Count, Name

RejectionReason = Literal["invalid", "too_large", "conflict", "unknown_reference"]


class RecordRejected(Event):
    """A record that was rejected: its place, the reason and its bytes."""

    topic: ClassVar[str] = "orch.dead-letters"

    kind: Literal["record.rejected.v1"] = "record.rejected.v1"
    source_topic: Name
    partition: Count
    offset: Count
    """Place of the record in its partition."""
    reason: RejectionReason
    """
    `invalid`: not an event of its topic; `too_large`: above the size limit; `conflict`: contradicts an event that
    counts already; `unknown_reference`: names a stage, seat or feedback that does not exist.
    """
    detail: str
    """What was wrong, where, and what to do about it."""
    record_key: str | None
    value_base64: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]*={0,2}$")]
    """The record's bytes; of a record above the limit, their beginning."""
    value_bytes: Count
    """Length of the whole value."""

    @property
    def key(self) -> str:
        return self.source_topic

    @property
    def correlation(self) -> str:
        return self.record_key or self.source_topic
