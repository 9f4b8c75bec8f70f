"""Records as brokers hold them, before decoding."""

import heapq
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple

import orjson

from schemas.event import Event
from schemas.registry import InvalidRecord, decode
from streams.log import Headers
from streams.topology import DEAD_LETTERS, POLICIES, TOPICS, partition_of

MOVED = "orch_moved_from"
"""Header of a record that a stage copied to the right partition of its key: partition and offset of the original."""

# Order of topics within one millisecond: causes before effects. It is the topology's order, but with policies first.
_RANK = {topic: place for place, topic in enumerate((POLICIES, *(name for name in TOPICS if name != POLICIES)))}


_QUESTION = re.compile(rb'"question_id":("(?:[^"\\]|\\.)*")')
"""The member `question_id`, also in damaged JSON. Canonical JSON escapes quotes inside strings, so no text matches."""

_EVENT_ID = b'"event_id":"'
_ID_LENGTH = 64
"""Hex digits of a SHA-256."""


class RawRecord(NamedTuple):
    """
    A record from any producer, not decoded.

    Attributes:
        topic: Name in the topology.
        timestamp_ms: Set by the producer or the broker; -1 for none.
        value: Empty for a record without a value.
        tombstone: Whether the record has no value at all.
        stamped_by_broker: Whether the timestamp is the broker's, `LogAppendTime` in Kafka's terms.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes
    headers: Headers = ()
    tombstone: bool = False
    stamped_by_broker: bool = False

    @property
    def key_text(self) -> str:
        """The key as text: bytes that are not UTF-8 as escapes, a missing key as the empty string."""
        return (self.key or b"").decode("utf-8", "backslashreplace")

    @property
    def place_text(self) -> str:
        """The place as `TOPIC/PARTITION@OFFSET`."""
        return _place_text(self.topic, self.partition, self.offset)


def read_input(raw_record: RawRecord) -> Event:
    """
    Decode the event of an input record, from any producer.

    Raises:
        InvalidRecord: The record is no event of its topic, or a copy that a stage moved to this partition although its
            key hashes to another.
    """
    event = decode(raw_record.topic, raw_record.value, raw_record.timestamp_ms)
    if is_misplaced(raw_record, event) and any(name == MOVED for name, _ in raw_record.headers):
        partitions = TOPICS[raw_record.topic].partitions
        raise InvalidRecord(f"it was moved here, and does not belong here either: are there {partitions} partitions?")
    return event


def is_misplaced(raw_record: RawRecord, event: Event) -> bool:
    """Say whether an event is in another partition than its key hashes to; other clients may hash keys differently."""
    return _partition_of(event.key, TOPICS[raw_record.topic].partitions) != raw_record.partition


# Records of one question arrive close together, and each is checked more than once.
@lru_cache(maxsize=4_096)
def _partition_of(key: str, partitions: int) -> int:
    return partition_of(key.encode(), partitions)


def subject_of(raw_record: RawRecord) -> str:
    """
    Give the correlation of a record that a processor wrote, even if its value is damaged.

    The correlation of a dead letter is the key of its source record, or the place of a source record without a key.
    """
    if raw_record.topic == DEAD_LETTERS:
        try:
            letter = orjson.loads(raw_record.value)
            place = _place_text(letter["source_topic"], letter["partition"], letter["offset"])
            return str(letter["record_key"] or place)
        except (ValueError, TypeError, KeyError):
            return raw_record.place_text
    if TOPICS[raw_record.topic].key == "question_id":
        return raw_record.key_text
    found = _QUESTION.search(raw_record.value)
    try:
        return str(orjson.loads(found[1])) if found else raw_record.key_text
    except orjson.JSONDecodeError:
        return raw_record.key_text


def _place_text(topic: str, partition: int, offset: int) -> str:
    return f"{topic}/{partition}@{offset}"


def by_time(partitions: Iterable[Iterable[RawRecord]]) -> Iterator[RawRecord]:
    """
    Merge partitions by timestamp; each partition keeps its own order, since a record counts as no older than the one
    before it.

    The order between partitions is a guess: clocks differ, and only the order within a partition tells what a stage
    read first.
    """
    return map(itemgetter(1), heapq.merge(*map(_timed, partitions)))


def _timed(raw_records: Iterable[RawRecord]) -> Iterator[tuple[tuple[int, int, int, int], RawRecord]]:
    latest_ms = 0
    for raw_record in raw_records:
        latest_ms = max(latest_ms, raw_record.timestamp_ms)
        yield (latest_ms, _RANK[raw_record.topic], raw_record.partition, raw_record.offset), raw_record


def event_id_in(value: bytes) -> str | None:
    """
    Find the event id in canonical JSON without decoding it; None if there is none.

    A quote inside a string is escaped in canonical JSON, so the mark is the member itself.
    """
    _, mark, rest = value.partition(_EVENT_ID)
    return rest[:_ID_LENGTH].decode("ascii", "replace") if mark else None
