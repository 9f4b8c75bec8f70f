"""Records that an operator let a stage skip."""

from collections.abc import Iterable, Mapping

from schemas.letters import RecordRejected
from streams.log import LogReader, Record, read_event
from streams.processors.dead_letters import SKIPPED
from streams.topology import DEAD_LETTERS

Place = tuple[str, int, int]
"""Topic, partition and offset of a record."""

_MARK = f'"detail":"{SKIPPED}"'.encode()


def skipped_places(reader: LogReader) -> dict[Place, None]:
    """List the places of the records that became dead letters because an operator skipped them."""
    places: dict[Place, None] = {}
    for record in reader.records((DEAD_LETTERS,)):
        letter = read_event(record) if _MARK in record.value else None
        if isinstance(letter, RecordRejected):
            places[letter.source_topic, letter.partition, letter.offset] = None
    return places


def without_skipped(records: Iterable[Record], places: Mapping[Place, None]) -> list[Record]:
    """Leave out the skipped records and their letters: nothing follows from the first, and the others are no fold's."""
    return [
        record
        for record in records
        if (record.topic, record.partition, record.offset) not in places
        and not (record.topic == DEAD_LETTERS and _MARK in record.value)
    ]


def told(places: Mapping[Place, None]) -> tuple[str, ...]:
    """Say which records were skipped, for what a replay cannot prove."""
    if not places:
        return ()
    named = ", ".join(f"{topic}/{partition}/{offset}" for topic, partition, offset in list(places)[:5])
    more = f" and {len(places) - 5} more" if len(places) > 5 else ""
    return (f"what should have followed from records that an operator skipped: {named}{more}",)
