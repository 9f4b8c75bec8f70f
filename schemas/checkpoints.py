"""Signed checkpoints: Merkle roots over a partition's records."""

from typing import Annotated, ClassVar, Literal

from pydantic import StringConstraints

from schemas.event import Event
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
