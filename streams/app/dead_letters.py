"""Dead letters of a log, and their retry."""

from base64 import b64decode
from collections.abc import Collection, Iterator
from typing import NamedTuple

from schemas.letters import RecordRejected
from schemas.quantities import ms_of_instant
from schemas.registry import InvalidRecord, decode
from streams.app.reporter import SILENT, Reporter
from streams.app.workspace import Workspace
from streams.errors import UsageError
from streams.log import read_event
from streams.topology import DEAD_LETTERS


class Letter(NamedTuple):
    """A dead letter and its offset."""

    offset: int
    event: RecordRejected
    value: bytes
    """The letter's event, as it is stored."""


class Retried(NamedTuple):
    """Number of records that were appended again, and of records that cannot be appended."""

    retried: int
    refused: int


def letters_of(work: Workspace) -> Iterator[Letter]:
    """Read all dead letters of a log."""
    with work.open_reader(topics=(DEAD_LETTERS,)) as reader:
        for record in reader.records((DEAD_LETTERS,)):
            letter = read_event(record)
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
    letters = {given.offset: given.event for given in letters_of(work) if everything or given.offset in offsets}
    missing = [str(offset) for offset in offsets if offset not in letters]
    if missing:
        raise UsageError(f"there is no letter {', '.join(missing)}", remedy="`orch dead-letters` lists all letters")
    retried, refused = 0, 0
    # Letters with the same bytes, as after an earlier retry, hold one record; it is appended once.
    seen: set[tuple[str, str]] = set()
    with work.open_writer() as log:
        for offset, letter in letters.items():
            if (letter.source_topic, letter.value_base64) in seen:
                continue
            seen.add((letter.source_topic, letter.value_base64))
            value = b64decode(letter.value_base64)
            try:
                if len(value) < letter.value_bytes:
                    raise InvalidRecord(f"only the first {len(value):,} of {letter.value_bytes:,} bytes were kept")
                event = decode(letter.source_topic, value, ms_of_instant(letter.occurred_at))
            except InvalidRecord as problem:
                refused += 1
                reporter.say(f"letter {offset}: {problem}")
                continue
            log.append(event, again=True)
            retried += 1
        folding = log.folding()
        while folding is not None and folding.ready:
            folding.fold()
        log.commit()
    return Retried(retried, refused)
