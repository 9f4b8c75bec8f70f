"""Keys and values of a changelog's records (format 2)."""

import enum
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from streams.runtimes.kafka.client.producer import ProducerRecord
from streams.runtimes.kafka.stages.changelog_codec import pack

FORMAT = 2
"""Of keys, states and commit records. An owner of another format cannot take over."""

FENCE = b"fence/"
"""Prefix of a fence's key; a random name follows, so that no compaction ever removes one."""

EPOCH_HEADER = "epoch"
"""Header that format 1 put on every record; fences and the barrier still carry it, for owners of format 1 read it."""

BARRIER = b"commit"
"""Key of the record that makes owners of format 1 refuse: it is where they look for a commit record."""

PROBE = b"v2/probe"
"""Key of a record that says nothing; the offset of its acknowledgement is what its writer wants."""

_ROOT = b"v2"


class BatchId(NamedTuple):
    """
    One batch of one owner. Ids of batches that count are ordered as the batches are in the log.

    Attributes:
        epoch: Offset of the owner's fence.
        number: 1 for the owner's first batch, one more for each that follows.
    """

    epoch: int
    number: int


class RecordKind(enum.Enum):
    """The records that a batch is made of, and the end marker of an epoch."""

    STATE = b"state"
    """New state of one key."""
    OUTBOX = b"outbox"
    """Outputs that do not fit into the commit record."""
    COMMIT = b"commit"
    """Input offsets and outputs; the last record of its batch."""
    END = b"end"
    """Number of the last batch of an epoch that counts, 0 if none does; written by a later owner."""


class RecordKey(NamedTuple):
    """A record's key, taken apart."""

    kind: RecordKind
    batch: BatchId
    """Of an end marker, the epoch with number 0."""
    name: str = ""
    """Key of a state; place of an outbox record in its batch."""


def state_key(batch: BatchId, key: str) -> bytes:
    """Write the key of a state record: no two batches share one, so no record of one can replace another's."""
    return b"v2/state/%d/%d/%b" % (batch.epoch, batch.number, key.encode())


def outbox_key(batch: BatchId, place: int) -> bytes:
    """Write the key of one part of a batch's outputs."""
    return b"v2/outbox/%d/%d/%d" % (batch.epoch, batch.number, place)


def commit_key(batch: BatchId) -> bytes:
    """Write the key of a batch's commit record."""
    return b"v2/commit/%d/%d" % batch


def end_key(epoch: int) -> bytes:
    """Write the key of an epoch's end marker."""
    return b"v2/end/%d" % epoch


def commit_value(offsets: Mapping[str, int], since: int, outputs: Sequence[ProducerRecord]) -> bytes:
    """
    Write a commit record.

    Args:
        offsets: Next offset of each input topic.
        since: First epoch whose states count; that of the last rebuild, 0 if there was none.
        outputs: What follows from the batch, as far as it fits.
    """
    return pack({"format": FORMAT, "offsets": dict(offsets), "since": since}, outputs)


def barrier_value() -> bytes:
    """Write what an owner of format 1 takes for a commit record of a format that it cannot read."""
    return pack({"format": FORMAT}, ())


def parse_key(key: bytes) -> RecordKey | None:
    """Take a key apart; None for one that is not of this format: a fence, the probe, or a record of format 1."""
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
