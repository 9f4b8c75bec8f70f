"""Dead letters of a log, and their retry."""

from base64 import b64decode
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.event import Event
from schemas.letters import RecordRejected
from schemas.quantities import ms_of_instant
from schemas.registry import InvalidRecord, decode
from streams.app.reporter import SILENT, Reporter
from streams.app.workspace import Workspace
from streams.errors import DifferenceError, UsageError
from streams.log import read_event
from streams.topology import DEAD_LETTERS


class Letter(NamedTuple):
    """A dead letter and its offset."""

    offset: int
    event: RecordRejected
    value: bytes
    """The letter's event, as it is stored."""


@dataclass(slots=True)
class Retried:
    """What a retry did with the letters that were named."""

    letters: int = 0
    appended: Counter[str] = field(default_factory=Counter)
    """Records that were appended again, by topic."""
    same: int = 0
    """Letters about a record that another letter holds too, as after an earlier retry; it is appended once."""
    refused: int = 0
    """Letters whose record cannot be appended; each was told."""
    rejected: int | None = None
    """Records that became dead letters again; None on Kafka, where workers fold them later."""


def letters_of(work: Workspace, reporter: Reporter = SILENT) -> Iterator[Letter]:
    """
    Read all dead letters of a log.

    On Kafka anyone may write to their topic; what is no letter there is told, and left out.

    Raises:
        DifferenceError: A letter in a file was changed after it was written.
    """
    with work.open_reader(topics=(DEAD_LETTERS,)) as reader:
        foreign = reader.unordered() is not None
        for record in reader.records((DEAD_LETTERS,)):
            try:
                letter = read_event(record)
            except DifferenceError as problem:
                if not foreign:
                    raise
                said = str(problem.__cause__).partition("\n")[0] or "not readable"
                reporter.say(f"{DEAD_LETTERS}, offset {record.offset}: no letter of a stage ({said})")
                continue
            if isinstance(letter, RecordRejected):
                yield Letter(record.offset, letter, record.value)


def retry_letters(
    work: Workspace, offsets: Collection[int], *, everything: bool = False, reporter: Reporter = SILENT
) -> Retried:
    """
    Append the records in dead letters to their topics again, and fold them.

    Args:
        work: Workspace of the log.
        offsets: Offsets of the letters.
        everything: Whether to retry all letters.
        reporter: Told of letters whose record cannot be appended.

    Raises:
        UsageError: There is no letter at an offset.
    """
    letters = {
        given.offset: given.event for given in letters_of(work, reporter) if everything or given.offset in offsets
    }
    missing = [str(offset) for offset in offsets if offset not in letters]
    if missing:
        raise UsageError(f"there is no letter {', '.join(missing)}", remedy="`orch dead-letters` lists all letters")
    done = Retried(len(letters))
    if not letters:
        return done
    seen: set[tuple[str, str]] = set()
    with work.open_writer(tuple(dict.fromkeys(letter.source_topic for letter in letters.values()))) as log:
        for offset, letter in letters.items():
            if (letter.source_topic, letter.value_base64) in seen:
                done.same += 1
                continue
            seen.add((letter.source_topic, letter.value_base64))
            try:
                event = _event_in(letter)
            except InvalidRecord as problem:
                done.refused += 1
                reporter.say(f"letter {offset}: {problem}")
                continue
            log.append(event, again=True)
            done.appended[letter.source_topic] += 1
        folding = log.folding()
        while folding is not None and folding.ready:
            rejected = sum(isinstance(stored.event, RecordRejected) for stored in folding.fold())
            done.rejected = (done.rejected or 0) + rejected
        log.commit()
    return done


def _event_in(letter: RecordRejected) -> Event:
    """
    Decode the record in a letter.

    Raises:
        InvalidRecord: It is no event, or the letter holds only its beginning.
    """
    value = b64decode(letter.value_base64)
    if len(value) < letter.value_bytes:
        raise InvalidRecord(f"only the first {len(value):,} of {letter.value_bytes:,} bytes were kept")
    return decode(letter.source_topic, value, ms_of_instant(letter.occurred_at))
