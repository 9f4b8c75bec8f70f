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
"""Header of a record that was copied to the partition its key belongs to: where it stood."""

# Of records of one millisecond, causes before effects. Only policies stand further back in the topology than here.
_RANK = {topic: place for place, topic in enumerate((POLICIES, *(name for name in TOPICS if name != POLICIES)))}


_QUESTION = re.compile(rb'"question_id":("(?:[^"\\]|\\.)*")')
"""In canonical JSON a quote inside a string is escaped, so this is the member; it is found in damaged JSON too."""


class RawRecord(NamedTuple):
    """
    A record as anybody may have written it.

    Attributes:
        topic: The topology's name for it.
        timestamp_ms: As its producer or the broker gave it; -1 for none.
        value: Empty where there is none.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes
    headers: Headers = ()

    @property
    def key_text(self) -> str:
        """The key; bytes that are no text are written as escapes, and no key as an empty one."""
        return (self.key or b"").decode("utf-8", "backslashreplace")

    @property
    def place_text(self) -> str:
        """Where it stands, in a word."""
        return _place_text(self.topic, self.partition, self.offset)


def read_input(raw_record: RawRecord) -> Event:
    """
    Read what a record of an input topic stands for, whoever wrote it.

    Raises:
        InvalidRecord: No event of its topic, or one that was moved to where it does not belong either.
    """
    event = decode(raw_record.topic, raw_record.value, raw_record.timestamp_ms)
    if is_misplaced(raw_record, event) and any(name == MOVED for name, _ in raw_record.headers):
        partitions = TOPICS[raw_record.topic].partitions
        raise InvalidRecord(f"it was moved here, and does not belong here either: are there {partitions} partitions?")
    return event


def is_misplaced(raw_record: RawRecord, event: Event) -> bool:
    """Say whether an event lies in another partition than its key's; its producer has hashed it in a way of its own."""
    return _partition_of(event.key, TOPICS[raw_record.topic].partitions) != raw_record.partition


# The records of one question come close together, and each is looked at more than once.
@lru_cache(maxsize=4_096)
def _partition_of(key: str, partitions: int) -> int:
    return partition_of(key.encode(), partitions)


def subject_of(raw_record: RawRecord) -> str:
    """
    Tell what a record that a processor wrote is about: its question, as events say it, also where it is damaged.

    A letter is about the key of its record; one without a key stands alone, for there may be any number of them.
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
    Merge partitions into one order, by the latest timestamp that a partition has come to, so that each keeps its own.

    It is a guess: clocks differ, and nothing but a partition's own order says what a stage saw first.
    """
    return map(itemgetter(1), heapq.merge(*map(_timed, partitions)))


def _timed(raw_records: Iterable[RawRecord]) -> Iterator[tuple[tuple[int, int, int, int], RawRecord]]:
    latest_ms = 0
    for raw_record in raw_records:
        latest_ms = max(latest_ms, raw_record.timestamp_ms)
        yield (latest_ms, _RANK[raw_record.topic], raw_record.partition, raw_record.offset), raw_record
