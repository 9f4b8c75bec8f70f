"""Signed checkpoints: Merkle roots over a partition's records."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from schemas.event import ADDED, Event
from schemas.quantities import Count, EventId, GivenInstant, Name

_HEX_32 = r"^[0-9a-f]{64}$"
_HEX_64 = r"^[0-9a-f]{128}$"


class CheckpointSigned(Event):
    """The Merkle root over the first `size` records of one partition, signed."""

    topic: ClassVar[str] = "orch.checkpoints"

    kind: Literal["checkpoint.signed.v1"] = "checkpoint.signed.v1"
    occurred_at: GivenInstant
    source_topic: Name
    partition: Count
    size: Count
    """Records covered, from offset 0."""
    root: Annotated[str, StringConstraints(pattern=_HEX_32)]
    """Root of the RFC 6962 Merkle tree over the records' values."""
    previous: EventId | None
    """The checkpoint of this partition before this one."""
    public_key: Annotated[str, StringConstraints(pattern=_HEX_32)]
    """Ed25519 public key, hexadecimal."""
    signature: Annotated[str, StringConstraints(pattern=_HEX_64)]
    """Ed25519 signature over the canonical JSON of the other fields, hexadecimal."""

    @property
    def key(self) -> str:
        return f"{self.source_topic}/{self.partition}"


SignedNote = Annotated[str, StringConstraints(min_length=1, max_length=10_000)]
"""A note with its signatures (C2SP signed-note)."""


class CheckpointSignedV2(Event):
    """
    The Merkle roots of all partitions of a log, signed; it takes the place of v1, which covers one partition.

    Its cause is the checkpoint before it, as far as whoever signed knew of one.
    """

    topic: ClassVar[str] = "orch.checkpoints"

    kind: Literal["checkpoint.signed.v2"] = "checkpoint.signed.v2"
    occurred_at: GivenInstant
    causes: Annotated[tuple[EventId, ...], Field(max_length=1)] = ()
    note: SignedNote
    """Checkpoint (C2SP tlog-checkpoint) of the tree whose leaves are the bodies of the partitions' checkpoints."""
    partitions: Annotated[tuple[SignedNote, ...], Field(max_length=4_096)]
    """Checkpoint of each partition that has records, by topic name and number."""
    key_change: Annotated[SignedNote | None, ADDED] = None
    """Note by which the key before this one hands over to it; unset where the key is the same."""

    @property
    def key(self) -> str:
        return self.note.partition("\n")[0]
