"""Records of aborted transactions that events in a log name."""

import re
from array import array
from collections.abc import Iterable, Iterator, Mapping

import orjson

from schemas.registry import InvalidRecord
from streams.log import LogReader, Record
from streams.runtimes.kafka.raw_record import MOVED, RawRecord, event_id_in, read_input
from streams.topology import DEAD_LETTERS, INPUT_TOPICS, TOPICS

SourcePlace = tuple[str, int]
"""Topic, by its name in the topology, and partition."""

Place = tuple[str, int, int]
"""Topic, partition and offset of a record."""

_CAUSES = re.compile(rb'"causes":\[([^\]]*)\]')
"""The member `causes` of canonical JSON, which escapes quotes inside strings, so no text matches."""
_ID = re.compile(rb'"([0-9a-f]{64})"')


class OffsetGaps:
    """
    Offsets of partitions at which a reader of committed records has found none, in order.

    A marker, an aborted record, or one that compaction removed; so compacted topics are left out, which only stages and
    `policy adopt` write. Takes 16 bytes for each stretch of such offsets.
    """

    def __init__(self) -> None:
        self._gaps: dict[SourcePlace, array[int]] = {}

    def add(self, place: SourcePlace, start: int, end: int) -> None:
        """Add the offsets from *start* to before *end*, behind those that are known."""
        if start < end and TOPICS[place[0]].cleanup == "keep":
            self._gaps.setdefault(place, array("q")).extend((start, end))

    def spans(self) -> dict[SourcePlace, tuple[int, int]]:
        """Give the first gap's start and the last gap's end of each place that has gaps."""
        return {place: (gaps[0], gaps[-1]) for place, gaps in self._gaps.items()}

    def take(self, other: "OffsetGaps") -> None:
        """Add the gaps of *other*, which lie behind these, and empty it."""
        for place, gaps in other._gaps.items():
            self._gaps.setdefault(place, array("q")).extend(gaps)
        other.clear()

    def clear(self) -> None:
        """Forget all of them."""
        self._gaps = {}

    def split(self, raw_records: Iterable[RawRecord]) -> Iterator[tuple[RawRecord, bool]]:
        """Say of each record whether it lies in a gap; those of a place come in order."""
        at = dict.fromkeys(self._gaps, 0)
        for raw_record in raw_records:
            place = raw_record.topic, raw_record.partition
            gaps, number = self._gaps.get(place, ()), at.get(place, 0)
            while number < len(gaps) and gaps[number + 1] <= raw_record.offset:
                number += 2
            at[place] = number
            yield raw_record, number < len(gaps) and gaps[number] <= raw_record.offset

    def __bool__(self) -> bool:
        return bool(self._gaps)


class AbortedRecords:
    """
    The aborted records of a log, and those of them that events in it name.

    Until decision 91 stages read them too, so the log of an earlier version holds what followed from them. Nothing else
    can follow from an aborted record, so whatever names one proves that it was read. Memory grows with the number of
    aborted records.
    """

    def __init__(self) -> None:
        self._places: dict[str, Place] = {}
        """By event id; of what is no event, by the text of the place."""
        self._texts: dict[str, Place] = {}

    def add(self, raw_records: Iterable[RawRecord]) -> None:
        """Add aborted records."""
        for raw_record in raw_records:
            place = place_of(raw_record)
            self._texts[raw_record.place_text] = place
            event_id = _event_id(raw_record)
            if event_id is not None:
                self._places.setdefault(event_id, place)

    def named(self, log: LogReader) -> Mapping[Place, None]:
        """
        Find those that events name: as a cause, as the source of a letter, or as the original of a moved copy.

        Args:
            log: All records but the aborted ones.
        """
        if not self._texts:
            return {}
        causes: dict[str, None] = {}
        committed: dict[str, None] = {}
        found: dict[Place, None] = {}
        for record in log.records():
            causes |= dict.fromkeys(name for name in _causes_in(record) if name in self._places)
            found |= dict.fromkeys(self._texts[text] for text in _places_in(record) if text in self._texts)
            event_id = event_id_in(record.value)
            if event_id in self._places:
                # The producer has said it again, and committed it.
                committed[event_id] = None
        return found | dict.fromkeys(self._places[name] for name in causes if name not in committed)


def place_of(raw_record: RawRecord) -> Place:
    """Give the place of a record."""
    return raw_record.topic, raw_record.partition, raw_record.offset


def _event_id(raw_record: RawRecord) -> str | None:
    if raw_record.topic not in INPUT_TOPICS:
        return event_id_in(raw_record.value)
    try:
        return read_input(raw_record).event_id
    except InvalidRecord:
        return None


def _causes_in(record: Record) -> Iterator[str]:
    causes = _CAUSES.search(record.value)
    return (name.decode() for name in _ID.findall(causes[1])) if causes else iter(())


def _places_in(record: Record) -> Iterator[str]:
    """Give the places that a letter or a moved record tells."""
    if record.topic == DEAD_LETTERS:
        try:
            letter = orjson.loads(record.value)
            yield f"{letter['source_topic']}/{letter['partition']}@{letter['offset']}"
        except (ValueError, TypeError, KeyError):
            return
    for name, value in record.headers:
        if name == MOVED and value is not None:
            yield f"{record.topic}/{value.decode('utf-8', 'backslashreplace')}"
