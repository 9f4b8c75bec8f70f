"""Keys and values of a changelog's records (format 2)."""

import enum
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from streams.runtimes.kafka.client.producer import ProducerRecord
from streams.runtimes.kafka.stages.changelog_codec import pack
from streams.runtimes.kafka.stages.input_marks import InputMark

FORMAT = 2
"""Format number of keys, states and commit records. An owner of another format cannot take over."""

FENCE = b"fence/"
"""Prefix of a fence's key; a random name follows, so that compaction never removes a fence."""

EPOCH_HEADER = "epoch"
"""Header that format 1 put on every record; fences and the barrier still carry it, since owners of format 1 read it."""

BARRIER = b"commit"
"""Key of the record that makes owners of format 1 refuse: they look for a commit record under this key."""

PROBE = b"v2/probe"
"""Key of an empty record; its writer only needs the offset of its acknowledgement."""

_ROOT = b"v2"


class BatchId(NamedTuple):
    """
    Id of one batch of one owner. Of batches that count, a greater id stands later in the log.

    Attributes:
        epoch: Offset of the owner's fence.
        number: 1 for the owner's first batch, then counting up.
    """

    epoch: int
    number: int


class RecordKind(enum.Enum):
    """Kinds of records: the three of a batch, and the end marker of an epoch."""

    STATE = b"state"
    """New state of one key."""
    OUTBOX = b"outbox"
    """Outputs that do not fit into the commit record."""
    COMMIT = b"commit"
    """Input offsets and outputs; the last record of its batch."""
    END = b"end"
    """Number of the last batch of an epoch that counts, 0 if none does; written by a later owner."""


class RecordKey(NamedTuple):
    """A parsed record key."""

    kind: RecordKind
    batch: BatchId
    """For an end marker, the epoch with number 0."""
    name: str = ""
    """For a state record, the key of the state; for an outbox record, its number within the batch."""


def state_key(batch: BatchId, key: str) -> bytes:
    """Encode the key of a state record; no two batches share one, so no batch's record can replace another's."""
    return b"v2/state/%d/%d/%b" % (batch.epoch, batch.number, key.encode())


def outbox_key(batch: BatchId, place: int) -> bytes:
    """Encode the key of one outbox record of a batch."""
    return b"v2/outbox/%d/%d/%d" % (batch.epoch, batch.number, place)


def commit_key(batch: BatchId) -> bytes:
    """Encode the key of a batch's commit record."""
    return b"v2/commit/%d/%d" % batch


def end_key(epoch: int) -> bytes:
    """Encode the key of an epoch's end marker."""
    return b"v2/end/%d" % epoch


def commit_value(
    offsets: Mapping[str, int], since: int, outputs: Sequence[ProducerRecord], marks: Mapping[str, InputMark]
) -> bytes:
    """
    Encode the value of a commit record.

    Args:
        offsets: Next offset of each input topic.
        since: First epoch whose states count; that of the last rebuild, 0 if there was none.
        outputs: The last chunk of the batch's outputs; outbox records hold the others.
        marks: Mark of the last folded record of each input topic, as far as known. Owners of earlier versions neither
            read nor write marks.
    """
    facts: dict[str, Any] = {"format": FORMAT, "offsets": dict(offsets), "since": since}
    if marks:
        facts["marks"] = {topic: list(mark) for topic, mark in marks.items()}
    return pack(facts, outputs)


def marks_in(facts: Mapping[str, Any]) -> dict[str, InputMark]:
    """Read the marks in the facts of a commit record; none in one of an earlier version."""
    return {topic: InputMark(*mark) for topic, mark in facts.get("marks", {}).items()}


def barrier_value() -> bytes:
    """Encode the barrier, which an owner of format 1 reads as a commit record of an unknown format."""
    return pack({"format": FORMAT}, ())


def parse_key(key: bytes) -> RecordKey | None:
    """Parse a key; None for a key without a batch: a fence, the probe, or a record of format 1."""
    root, _, rest = key.partition(b"/")
    if root != _ROOT:
        return None
    parts: list[Any] = rest.split(b"/", 3)
    try:
        kind = RecordKind(parts[0])
        epoch = int(parts[1])
        if kind is RecordKind.END:
            return RecordKey(kind, BatchId(epoch, 0))
        batch = BatchId(epoch, int(parts[2]))
        return RecordKey(kind, batch, "" if kind is RecordKind.COMMIT else parts[3].decode())
    except (ValueError, IndexError):
        return None
