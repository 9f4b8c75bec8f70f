"""Marks that recognise an input record at its offset."""

from collections.abc import Mapping
from hashlib import sha256
from typing import NamedTuple

from streams.log import Record

_DIGITS = 32
"""Hex digits of a digest: 128 bits. It guards against accidents, not against forgers, who can write to the topics."""


class InputMark(NamedTuple):
    """The place of an input record, and a digest of what stood there."""

    offset: int
    digest: str


class Folded(NamedTuple):
    """The inputs that one stage has folded in one partition."""

    offsets: Mapping[str, int]
    """Next offset of each input topic."""
    marks: Mapping[str, InputMark]
    """Mark of the last record before that offset, as far as known."""
    since: int = 0
    """Epoch of the last rebuild of the changelog."""


def mark_of(record: Record) -> InputMark:
    """
    Make the mark of a record: a digest of key, timestamp and value.

    Headers are left out, because group members keep only some of them.
    """
    key = record.key.encode("utf-8", "surrogatepass")
    told = b"%d %d %b%b" % (record.timestamp_ms, len(key), key, record.value)
    return InputMark(record.offset, sha256(told).hexdigest()[:_DIGITS])
