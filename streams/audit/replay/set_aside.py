"""Records that stages set aside, each with its letter."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from schemas.letters import RecordRejected
from schemas.registry import InvalidRecord, decode, decode_canonical
from streams.log import LogReader, Record
from streams.processors.dead_letters import SKIPPED, unreadable_letter
from streams.topology import ASSIGNMENTS, DEAD_LETTERS, DECISIONS, LESSONS, OBSERVATIONS

Place = tuple[str, int, int]
"""Topic, partition and offset of a record."""

_DERIVED = (ASSIGNMENTS, DECISIONS, OBSERVATIONS, LESSONS)
_SKIPPED = f'"detail":"{SKIPPED}"'.encode()
_FOLDED = b'"causes":[],'
"""Letters of records that could not be decoded have no cause."""


@dataclass(slots=True)
class RecordsAside:
    """
    Records from which nothing follows, and their letters.

    Two kinds: what an operator let a stage skip; and in a topic that only stages write, a stranger's record that is no
    event, if its letter is the one that it has to have. A record of a stage that was made unreadable afterwards has no
    letter, so it is not among them.
    """

    skipped: dict[Place, None] = field(default_factory=dict)
    places: dict[Place, None] = field(default_factory=dict)
    letters: dict[str, None] = field(default_factory=dict)
    """Event ids of the letters."""

    @classmethod
    def of(cls, reader: LogReader) -> "RecordsAside":
        """Find them in a log."""
        found = cls()
        of_strangers: dict[Place, RecordRejected] = {}
        for record in reader.records((DEAD_LETTERS,)):
            if _FOLDED not in record.value:
                continue
            letter = _letter_in(record)
            if letter is None:
                continue
            place = (letter.source_topic, letter.partition, letter.offset)
            if _SKIPPED in record.value:
                found.skipped[place] = found.places[place] = found.letters[letter.event_id] = None
            elif letter.source_topic in _DERIVED:
                of_strangers[place] = letter
        if of_strangers:
            found._add_strangers(reader, of_strangers)
        return found

    def _add_strangers(self, reader: LogReader, letters: dict[Place, RecordRejected]) -> None:
        """Add the strangers' records that have the letters they have to have."""
        seen: dict[tuple[str, str, str], None] = {}
        for record in reader.records(_DERIVED):
            letter = letters.get(place_of(record))
            if letter is not None and _letter_of(record) == letter.event_id:
                self.places[place_of(record)] = self.letters[letter.event_id] = None
                del letters[place_of(record)]
                seen[_content(letter)] = None
        # A reader leaves out records that repeat an earlier one; each of them has a letter too.
        self.letters.update({letter.event_id: None for letter in letters.values() if _content(letter) in seen})

    def others(self, records: Iterable[Record]) -> list[Record]:
        """Leave out these records and their letters."""
        if not self.places:
            return list(records)
        return [record for record in records if not self.holds(record)]

    def holds(self, record: Record) -> bool:
        """Whether a record is one of these, or the letter of one."""
        if record.topic != DEAD_LETTERS:
            return place_of(record) in self.places
        letter = _letter_in(record) if self.letters and _FOLDED in record.value else None
        return letter is not None and letter.event_id in self.letters

    def told(self) -> tuple[str, ...]:
        """Say which records were skipped, for what a replay cannot prove."""
        if not self.skipped:
            return ()
        named = ", ".join(f"{topic}/{partition}/{offset}" for topic, partition, offset in list(self.skipped)[:5])
        more = f" and {len(self.skipped) - 5} more" if len(self.skipped) > 5 else ""
        return (f"what should have followed from records that an operator skipped: {named}{more}",)


def place_of(record: Record) -> Place:
    """Give the place of a record."""
    return record.topic, record.partition, record.offset


def _letter_in(record: Record) -> RecordRejected | None:
    """Decode a letter; None for one that was changed, which the passes over the log report."""
    try:
        event = decode_canonical(record.topic, record.value)
    except ValueError:
        return None
    return event if isinstance(event, RecordRejected) else None


def _content(letter: RecordRejected) -> tuple[str, str, str]:
    return letter.source_topic, letter.detail, letter.value_base64


def _letter_of(record: Record) -> str | None:
    """Give the id of the letter that a record must have; None if it is an event."""
    try:
        decode(record.topic, record.value, record.timestamp_ms)
    except InvalidRecord as problem:
        place = (*place_of(record), record.timestamp_ms)
        return unreadable_letter(*place, record.key.encode(), record.value, problem).event_id
    return None
